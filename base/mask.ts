// Identifiers of the vehicle and its subscription, shortened so that a line does not give them away; and what is secret, not shown at all.

/** Field names whose values are identifiers, wherever they occur, whatever their length. */
const identifierFields = /^(eid|eidValue|imei|imsi|msisdn|vin|.*iccid)$/i;
/** Field names whose values never leave the process. */
const secretFields =
  /(psk|password|passphrase|matchingId|activationCode|confirmationCode|hashCc|token|privateKey|secret|sessionKey|masterKey)$/i;

/**
 * Identifiers inside text: EID (32 digits), ICCID (18 to 20, also with its filler F, also with nibbles swapped as the card holds it),
 * IMEI and IMSI (14 to 16).
 */
const identifiers = /(?<![0-9A-Za-z])(?:\d{14,32}|\d{18,19}[Ff]|\d{18}[Ff]\d)(?![0-9A-Za-z])/g;

/** A VIN looks like many things: only where it is called one. */
const vins = /(?<=\bVIN )[A-HJ-NPR-Z0-9]{17}\b/g;

/** Secrets inside text: what stays of each, and what goes. */
const secrets: readonly (readonly [RegExp, string])[] = [
  // An activation code (SGP.22 §4.1), with or without its prefix: the matching id is what entitles to the profile.
  [/((?:LPA:|(?<![0-9A-Za-z$]))1\$[^$\s"]*\$)[^\s",;)]+/gi, "$1<secret>"],
  [/(\+C?GAUTH=)[^\r\n;]*/gi, "$1<secret>"],
  [/(\+C(?:PIN|PWD|LCK)=)[^\r\n;]*/gi, "$1<secret>"],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, "<secret>"],
];

const maxDepth = 12;

/** The first four and last four digits: 8904…1235. Short values are hidden whole. */
export function maskIdentifier(value: string): string {
  return value.length < 12 ? "…" : `${value.slice(0, 4)}…${value.slice(-4)}`;
}

/** Identifiers inside text shortened, secrets taken out. */
export function maskText(text: string): string {
  return maskSecrets(text).replace(identifiers, maskIdentifier).replace(vins, maskIdentifier);
}

export function maskSecrets(text: string): string {
  return secrets.reduce((masked, [pattern, replacement]) => masked.replace(pattern, replacement), text);
}

/** A copy in which identifiers are masked and secrets replaced, at any depth; errors as what they say, octets as their number. */
export function maskValue(value: unknown, showIdentifiers = false): unknown {
  return mask(value, showIdentifiers, 0);
}

function mask(value: unknown, show: boolean, depth: number): unknown {
  if (typeof value === "string") return show ? maskSecrets(value) : maskText(value);
  if (typeof value === "bigint") return String(value);
  if (value === null || typeof value !== "object") return value;
  if (depth > maxDepth) return "…";
  if (Array.isArray(value)) return value.map((item) => mask(item, show, depth + 1));
  if (value instanceof Uint8Array) return `<${value.length} octets>`;
  const out: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value instanceof Error ? errorFields(value) : value)) {
    if (secretFields.test(key)) out[key] = item === undefined ? undefined : "<secret>";
    else if (!show && identifierFields.test(key) && typeof item === "string") out[key] = maskIdentifier(item);
    else out[key] = mask(item, show, depth + 1);
  }
  return out;
}

/** What an error has to say, whatever kind it is of; its stack is for debuggers. */
function errorFields(error: Error): Record<string, unknown> {
  const { name, message, cause, ...own } = error as Error & Record<string, unknown>;
  // Of our own: code and next step; its name says no more.
  if ("next" in error && "code" in error) {
    const { data, detail: _inMessage, ...rest } = own;
    return { code: error.code, message, next: error.next, ...(typeof data === "object" ? data : {}), ...rest, cause };
  }
  return { name, message, ...own, cause };
}
