// Cuts secrets out of what a trace keeps: matching ids, activation codes, hashed confirmation codes, PINs and passwords, wherever they stand.
// Octets are overwritten with `*`, so that lengths and TLVs stay as they were. What is known once is found again in every fragment and encoding.
import { fromHex, toHexUpper } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { maskSecrets } from "../../base/mask.ts";
import type { TraceDirection, TraceLayer, TracePoint } from "../../base/trace.ts";
import { decode, type Lenient } from "../../ipa/asn1/schema.ts";
import { readOnlyTlv } from "../../ipa/asn1/tlv.ts";
import { typeByName } from "../../ipa/messages/registry.ts";

export interface Cut {
  readonly octets: Uint8Array | undefined;
  readonly text: string | undefined;
  /** Octets that were overwritten. */
  readonly cutBytes: number;
}

export interface SecretCutter {
  cut(point: TracePoint): Cut;
  /** Several parts of one body: looked at as the whole that they are. */
  cutBody(points: readonly TracePoint[]): readonly Cut[];
  /** Overwrites the whole body: of what did not arrive whole nothing can be known. */
  blank(point: TracePoint): Cut;
}

const star = 0x2a;
/** As the eUICC session reads lists of eIMs. */
const lenient: Lenient = { bareKeyOrCertificate: true };
/** Shorter ones would be found everywhere. */
const shortestKnown = 4;
/** Fragments may end in the middle of a secret; fewer octets of it give nothing away. */
const shortestPart = 2;
const mostKnown = 64;
/** Fields of the standards' types whose whole content is secret; of an activation code only the matching id is. */
const secretFields: ReadonlySet<string> = new Set(["matchingId", "hashCc", "confirmationCode"]);
const secretKeys = /(matchingId|confirmationCode|hashCc|password|pin|psk|privateKey)$/i;
/** SGP.22 §4.1: the third part is the matching id. */
const activationCode = /1\$[A-Za-z0-9.:[\]-]{1,255}\$([!#%-~]+)/g;
/** What matching ids and codes are written with; where a message cannot be read nobody knows which of its texts is one. */
const codeLike = /[0-9A-Za-z-]{4,}/g;
/** Commands of families that carry an APN's password. */
const apnPasswords = /((?:\$QCPDPP|\+UAUTHREQ|#PDPAUTH|\+QICSGP|\^AUTHDATA|\+UPSD|%XAPNAUTH|#SGACTAUTH|\+CNCFG)=)[^\r\n]*/gi;
/** Of DER inside JSON: what may hold a secret, by its tag. */
const typeByTag: ReadonlyMap<number | undefined, string> = new Map([
  [0xbf38, "AuthenticateServerResponse"],
  [0xbf21, "PrepareDownloadResponse"],
  [0xbf54, "ProfileDownloadTriggerRequest"],
]);

export function createSecretCutter(): SecretCutter {
  const known = new Map<string, Buffer>();

  const learn = (secret: Uint8Array): void => {
    if (secret.length < shortestKnown || secret.every((octet) => octet === star)) return;
    const key = toHexUpper(secret);
    known.delete(key);
    known.set(key, Buffer.from(secret));
    for (const oldest of known.keys()) {
      if (known.size <= mostKnown) break;
      known.delete(oldest);
    }
  };

  const wipe = (octets: Buffer, start: number, end: number): void => {
    octets.fill(star, start, end);
  };

  /** In place. `body` is where fragments of a longer whole lie. */
  const wipeKnown = (octets: Buffer, [start, end]: readonly [number, number]): void => {
    if (known.size === 0) return;
    // Found in what was there: what is wiped for one must not hide another.
    const before = Buffer.from(octets);
    const content = before.subarray(start, end);
    for (const secret of known.values()) {
      for (let at = before.indexOf(secret); at >= 0; at = before.indexOf(secret, at + 1)) wipe(octets, at, at + secret.length);
      if (content.length >= shortestPart && content.length < secret.length && secret.includes(content)) wipe(octets, start, end);
      for (let part = Math.min(secret.length - 1, content.length); part >= shortestPart; part--) {
        if (content.subarray(0, part).equals(secret.subarray(secret.length - part))) wipe(octets, start, start + part);
        if (content.subarray(content.length - part).equals(secret.subarray(0, part))) wipe(octets, end - part, end);
      }
    }
  };

  const learnActivationCodes = (text: string): void => {
    for (const match of text.matchAll(activationCode)) learn(Buffer.from(match[1] ?? "", "latin1"));
  };

  /** Learns what a message of that type holds. Answers whether it could be read. */
  const learnFrom = (octets: Uint8Array, typeName: string): boolean => {
    try {
      decode(typeByName(typeName), octets, {
        lenient,
        visit: ({ path, tlv, value }) => {
          const name = path.at(-1) ?? "";
          if (value === undefined) return;
          if (secretFields.has(name)) learn(tlv.source.subarray(tlv.contentStart, tlv.end));
          if (name === "activationCode" && typeof value === "string") learnActivationCodes(value);
        },
      });
      return true;
    } catch (error) {
      if (!(error instanceof SimwardError)) throw error;
      return false;
    }
  };

  const wipeFields = (octets: Buffer, typeName: string): void => {
    try {
      decode(typeByName(typeName), octets, {
        lenient,
        visit: ({ path, tlv, value }) => {
          // Also those that are too short to be looked for elsewhere.
          if (value !== undefined && secretFields.has(path.at(-1) ?? "") && tlv.source === octets) wipe(octets, tlv.contentStart, tlv.end);
        },
      });
    } catch (error) {
      if (!(error instanceof SimwardError)) throw error;
    }
  };

  const cutMessage = (octets: Buffer, typeName: string): void => {
    learnActivationCodes(octets.toString("latin1"));
    const isRead = learnFrom(octets, typeName);
    wipeKnown(octets, [0, octets.length]);
    if (isRead) wipeFields(octets, typeName);
    else for (const { index, 0: run } of octets.toString("latin1").matchAll(codeLike)) wipe(octets, index, index + run.length);
  };

  const cutBase64 = (text: string): string => {
    if (text.length < 8 || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return text;
    const octets = Buffer.from(text, "base64");
    const typeName = typeByTag.get(tagOf(octets));
    const before = Buffer.from(octets);
    if (typeName === undefined) {
      learnActivationCodes(octets.toString("latin1"));
      wipeKnown(octets, [0, octets.length]);
    } else cutMessage(octets, typeName);
    return octets.equals(before) ? text : octets.toString("base64");
  };

  const cutJson = (value: unknown, key: string): unknown => {
    if (typeof value === "string") {
      if (/activationCode$/i.test(key)) learnActivationCodes(value);
      else if (secretKeys.test(key)) {
        learn(Buffer.from(value, "utf8"));
        return "*".repeat(value.length);
      }
      return cutText(cutBase64(value));
    }
    if (Array.isArray(value)) return value.map((item: unknown) => cutJson(item, key));
    if (value === null || typeof value !== "object") return value;
    // The answer's members may be named before what tells that they are secret; order does not matter, as each is looked at by its name.
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, cutJson(item, name)]));
  };

  const cutText = (text: string): string => {
    learnActivationCodes(text);
    let out = maskSecrets(text).replace(apnPasswords, "$1<secret>");
    for (const secret of known.values()) {
      const plain = secret.toString("latin1");
      if (out.includes(plain)) out = out.replaceAll(plain, "*".repeat(plain.length));
    }
    return out;
  };

  const cutApduText = (text: string, direction: TraceDirection): string =>
    cutText(text).replace(/[0-9A-Fa-f]{8,}/g, (hex) => {
      if (hex.length % 2 !== 0) return hex;
      const octets = Buffer.from(fromHex(hex));
      wipeKnown(octets, bodyOf("apdu", direction, octets));
      return toHexUpper(octets);
    });

  const cutOctets = (point: TracePoint, octets: Buffer): Buffer => {
    const { layer, direction } = point;
    const typeName = point.type ?? typeOfLayer(layer, direction);
    if (layer === "coap" || layer === "apdu" || typeName === undefined) {
      const body = bodyOf(layer, direction, octets);
      if (layer === "coap") learnActivationCodes(octets.toString("latin1", ...body));
      wipeKnown(octets, body);
      return octets;
    }
    const json = layer === "https" || layer === "esipa" ? asJson(octets) : undefined;
    if (json !== undefined) return Buffer.from(JSON.stringify(cutJson(json, "")), "utf8");
    if (octets.length > 0) cutMessage(octets, typeName);
    return octets;
  };

  const cut = (point: TracePoint): Cut => {
    const octets = point.octets === undefined ? undefined : cutOctets(point, Buffer.from(point.octets));
    let text = point.text;
    if (text !== undefined) {
      if (point.layer === "at") text = cutApduText(text, point.direction);
      else {
        const json =
          point.layer === "es9" || point.layer === "https" || point.layer === "esipa" ? asJson(Buffer.from(text, "utf8")) : undefined;
        text = json === undefined ? cutText(text) : JSON.stringify(cutJson(json, ""));
      }
    }
    return { octets, text, cutBytes: differing(point.octets, octets) };
  };

  return {
    cut,
    cutBody(points) {
      const bodies = points.map(({ octets, layer, direction }) => {
        const all = octets ?? new Uint8Array(0);
        return all.subarray(...bodyOf(layer, direction, all));
      });
      const whole = Buffer.concat(bodies);
      const first = points[0];
      // What an error says in words (RFC 7252 §5.5.2) is no message.
      const isMessage = (first?.octets?.[1] ?? 0) >> 5 === 2;
      if (first !== undefined && whole.length > 0 && isMessage) {
        learnActivationCodes(whole.toString("latin1"));
        if (!learnFrom(whole, typeOfLayer("esipa", first.direction) ?? "")) return points.map(blank);
      }
      return points.map(cut);
    },
    blank,
  };
}

function blank(point: TracePoint): Cut {
  const octets = point.octets === undefined ? undefined : Buffer.from(point.octets);
  octets?.fill(star, ...bodyOf(point.layer, point.direction, octets));
  return { octets, text: point.text, cutBytes: differing(point.octets, octets) };
}

function typeOfLayer(layer: TraceLayer, direction: TraceDirection): string | undefined {
  if (layer !== "esipa" && layer !== "https") return undefined;
  return direction === "tx" ? "EsipaMessageFromIpaToEim" : "EsipaMessageFromEimToIpa";
}

/** Where the part of a longer whole is: behind an APDU's header, before its status word, behind CoAP's options. */
export function bodyOf(layer: TraceLayer, direction: TraceDirection, octets: Uint8Array): [start: number, end: number] {
  if (layer === "apdu") return direction === "tx" ? [Math.min(5, octets.length), octets.length] : [0, Math.max(0, octets.length - 2)];
  return layer === "coap" ? [coapPayloadAt(octets), octets.length] : [0, octets.length];
}

/** RFC 7252 §3: header, token, options up to the marker. */
function coapPayloadAt(octets: Uint8Array): number {
  let at = 4 + ((octets[0] ?? 0) & 0x0f);
  while (at < octets.length) {
    const head = octets[at++] ?? 0;
    if (head === 0xff) return at;
    const extended = (nibble: number): number => {
      if (nibble === 13) return (octets[at++] ?? 0) + 13;
      if (nibble !== 14) return nibble;
      at += 2;
      return ((octets[at - 2] ?? 0) << 8) + (octets[at - 1] ?? 0) + 269;
    };
    extended(head >> 4);
    const length = extended(head & 0x0f);
    at += length;
  }
  return octets.length;
}

function tagOf(octets: Uint8Array): number | undefined {
  try {
    return readOnlyTlv(octets).tag;
  } catch {
    return undefined;
  }
}

function asJson(octets: Buffer): object | undefined {
  if (octets[0] !== 0x7b && octets[0] !== 0x5b) return undefined;
  try {
    const value: unknown = JSON.parse(octets.toString("utf8"));
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function differing(before: Uint8Array | undefined, after: Uint8Array | undefined): number {
  let count = 0;
  for (const [at, octet] of (before ?? []).entries()) if (after?.[at] !== octet) count++;
  return count;
}
