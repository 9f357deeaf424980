// A small SM-DP+ for the tests of the eUICC, written here from the standard: it authenticates, binds a profile package to the eUICC's
// one-time key, and lets a test spoil any part of it.
import { randomBytes } from "node:crypto";
import { concatBytes, fromHex, utf8 } from "../../../base/bytes.ts";
import { Bsp, type BspKeys } from "../../../hw-sim/crypto/bsp.ts";
import { ecdsaSign } from "../../../hw-sim/crypto/ecdsa.ts";
import { createEphemeral, deriveBspKeys } from "../../../hw-sim/crypto/ecka.ts";
import type { Identity, Pki } from "../../../hw-sim/pki/pki.ts";
import { encode, octets, sealed, signed } from "../../../ipa/asn1/schema.ts";
import { contentOf, lengthOctets, rawOf, readTlv, readTlvs, tagOctets, writeTlv } from "../../../ipa/asn1/tlv.ts";
import {
  AuthenticateServerRequest,
  AuthenticateServerResponse,
  GetEuiccChallengeRequest,
  GetEuiccChallengeResponse,
  PrepareDownloadRequest,
  PrepareDownloadResponse,
  ServerSigned1,
  SmdpSigned2,
} from "../../../ipa/messages/rsp.ts";
import { eidBytes, pki, type Terminal } from "./support.ts";

export interface SmdpOptions {
  readonly world?: Pki;
  readonly transactionId?: Uint8Array;
  readonly serverAddress?: string;
  readonly auth?: Identity;
  readonly binding?: Identity;
  readonly ciPKId?: Uint8Array;
  readonly challenge?: Uint8Array;
  readonly spoilSignature1?: boolean;
  readonly spoilSignature2?: boolean;
  readonly transactionId2?: Uint8Array;
  readonly ccRequired?: boolean;
  readonly hashCc?: Uint8Array;
  readonly bppEuiccOtpk?: Uint8Array;
}

const hostId = utf8("mahlzeit");
const ctxParams1 = {
  kind: "ctxParamsForCommonAuthentication" as const,
  value: { matchingId: "M", deviceInfo: { tac: fromHex("35290611"), deviceCapabilities: {} } },
};
const signature = (value: Uint8Array): Uint8Array => encode(octets(0x5f37), value);
const spoiled = (value: Uint8Array, spoil = false): Uint8Array => (spoil ? value.map((octet, i) => (i === 63 ? octet ^ 1 : octet)) : value);

/** GetEUICCChallenge and AuthenticateServer; what the eUICC answers. */
export function authenticate(terminal: Terminal, options: SmdpOptions = {}): AuthenticateServerResponse {
  const { euiccChallenge } = terminal.call(GetEuiccChallengeRequest, GetEuiccChallengeResponse, {});
  return authenticateOnly(terminal, euiccChallenge, options);
}

export function authenticateOnly(terminal: Terminal, euiccChallenge: Uint8Array, options: SmdpOptions = {}): AuthenticateServerResponse {
  const world = options.world ?? pki;
  const auth = options.auth ?? world.get("dpauth");
  const serverSigned1 = sealed(signed(ServerSigned1), {
    transactionId: options.transactionId ?? fromHex("AABBCCDD"),
    euiccChallenge: options.challenge ?? euiccChallenge,
    serverAddress: options.serverAddress ?? "smdp.example.com",
    serverChallenge: new Uint8Array(randomBytes(16)),
  });
  return terminal.call(AuthenticateServerRequest, AuthenticateServerResponse, {
    serverSigned1,
    serverSignature1: spoiled(ecdsaSign(auth.privateKey, serverSigned1.raw), options.spoilSignature1),
    euiccCiPKIdToBeUsed: options.ciPKId ?? world.get("ci").subjectKeyIdentifier,
    serverCertificate: auth.certificate,
    ctxParams1,
  });
}

/** PrepareDownload after that. */
export function prepare(terminal: Terminal, authenticated: AuthenticateServerResponse, options: SmdpOptions = {}): PrepareDownloadResponse {
  const binding = options.binding ?? (options.world ?? pki).get("dppb");
  const smdpSigned2 = sealed(signed(SmdpSigned2), {
    transactionId: options.transactionId2 ?? options.transactionId ?? fromHex("AABBCCDD"),
    ccRequiredFlag: options.ccRequired ?? false,
    bppEuiccOtpk: options.bppEuiccOtpk,
  });
  const euiccSignature1 = authenticated.kind === "authenticateResponseOk" ? authenticated.value.euiccSignature1 : new Uint8Array(64);
  return terminal.call(PrepareDownloadRequest, PrepareDownloadResponse, {
    smdpSigned2,
    smdpSignature2: spoiled(ecdsaSign(binding.privateKey, smdpSigned2.raw, signature(euiccSignature1)), options.spoilSignature2),
    hashCc: options.hashCc,
    smdpCertificate: binding.certificate,
  });
}

/** Both, when nothing is to go wrong before the package; answers the eUICC's one-time key. */
export function prepared(terminal: Terminal, options: SmdpOptions = {}): Uint8Array {
  const response = prepare(terminal, authenticate(terminal, options), options);
  if (response.kind !== "downloadResponseOk") throw new Error(`not prepared: ${JSON.stringify(response)}`);
  return response.value.euiccSigned2.value.euiccOtpk;
}

export interface BindOptions {
  readonly world?: Pki;
  readonly euiccOtpk: Uint8Array;
  readonly metadata: Uint8Array;
  readonly upp: Uint8Array;
  readonly transactionId?: Uint8Array;
  readonly remoteOpId?: number;
  readonly keyType?: number;
  readonly keyLength?: number;
  readonly smdpOtpk?: Uint8Array;
  readonly spoilSign?: boolean;
  /** BF24 and BF26 as they are, for those that are to be wrong. */
  readonly configure?: Uint8Array;
  readonly replaceKeys?: Uint8Array | "none";
}

const profileKeys: BspKeys = {
  macChainingValue: new Uint8Array(16).fill(0x22),
  encryptionKey: new Uint8Array(16),
  macKey: new Uint8Array(16).fill(0x11),
};
const goodReplaceKeys = writeTlv(
  0xbf26,
  writeTlv(0x80, profileKeys.macChainingValue),
  writeTlv(0x81, profileKeys.encryptionKey),
  writeTlv(0x82, profileKeys.macKey),
);

/** BoundProfilePackage, BF36. */
export function bind(options: BindOptions): Uint8Array {
  const world = options.world ?? pki;
  const key = createEphemeral(world.curve);
  const session = new Bsp(deriveBspKeys(key.agree(options.euiccOtpk), hostId, eidBytes));
  const controlRefTemplate = writeTlv(
    0xa6,
    writeTlv(0x80, Uint8Array.of(options.keyType ?? 0x88)),
    writeTlv(0x81, Uint8Array.of(options.keyLength ?? 0x10)),
    writeTlv(0x84, hostId),
  );
  const parts = concatBytes(
    writeTlv(0x82, Uint8Array.of(options.remoteOpId ?? 1)),
    writeTlv(0x80, options.transactionId ?? fromHex("AABBCCDD")),
    controlRefTemplate,
    writeTlv(0x5f49, options.smdpOtpk ?? key.publicPoint),
  );
  const smdpSign = ecdsaSign(world.get("dppb").privateKey, parts, writeTlv(0x5f49, options.euiccOtpk));
  const replace = options.replaceKeys ?? goodReplaceKeys;
  const first = session.protectAll(0x87, options.configure ?? fromHex("BF2400"));
  const metadata = session.protectAll(0x88, options.metadata);
  const second = replace === "none" ? [] : session.protectAll(0x87, replace);
  const elements = (replace === "none" ? session : new Bsp(profileKeys)).protectAll(0x86, options.upp);
  return writeTlv(
    0xbf36,
    writeTlv(0xbf23, parts, signature(spoiled(smdpSign, options.spoilSign))),
    writeTlv(0xa0, ...first),
    writeTlv(0xa1, ...metadata),
    ...(second.length === 0 ? [] : [writeTlv(0xa2, ...second)]),
    writeTlv(0xa3, ...elements),
  );
}

/** The slices that SGP.22 §2.5.5 sends, each one ES10 command. */
export function segmentsOf(bpp: Uint8Array): Uint8Array[] {
  const whole = readTlv(bpp);
  const [initialise, ...sections] = readTlvs(contentOf(whole));
  if (initialise === undefined) return [];
  const head = (tag: number, length: number): Uint8Array => concatBytes(tagOctets(tag), lengthOctets(length));
  const out = [concatBytes(head(0xbf36, contentOf(whole).length), rawOf(initialise))];
  for (const section of sections) {
    const items = readTlvs(contentOf(section)).map((item) => rawOf(item));
    if (section.tag === 0xa0 || section.tag === 0xa2) out.push(rawOf(section));
    else out.push(head(section.tag, contentOf(section).length), ...items);
  }
  return out;
}

/** Sends the segments until the eUICC says something, and answers that. */
export function loadSegments(
  terminal: Terminal,
  segments: readonly Uint8Array[],
): { readonly data: Uint8Array; readonly sw: number; readonly sent: number } {
  let sent = 0;
  for (const segment of segments) {
    const answer = terminal.send(segment);
    sent++;
    if (answer.data.length > 0 || (answer.sw !== 0x9000 && answer.sw >> 8 !== 0x91)) return { ...answer, sent };
  }
  return { data: new Uint8Array(0), sw: 0x9000, sent };
}
