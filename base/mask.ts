// Identifiers of the vehicle and its subscription, shortened so that a log line does not give them away.

/** Field names whose values are masked wherever they occur in a log line. */
const identifierFields = new Set(["eid", "eidValue", "iccid", "imei", "imsi", "fromIccid", "toIccid", "enabledIccid", "expectedIccid"]);
/** Field names whose values never leave the process. */
const secretFields = new Set([
  "psk",
  "password",
  "matchingId",
  "activationCode",
  "confirmationCode",
  "hashCc",
  "token",
  "privateKey",
  "apnPassword",
]);

/** The first four and last four digits: 8904…1235. Short values are hidden whole. */
export function maskIdentifier(value: string): string {
  return value.length < 12 ? "…" : `${value.slice(0, 4)}…${value.slice(-4)}`;
}

/** Runs of 14 to 32 digits inside text: ICCID, EID, IMEI, IMSI. */
export function maskText(text: string): string {
  return text.replace(/(?<![0-9A-Za-z])\d{14,32}(?![0-9A-Za-z])/g, maskIdentifier);
}

/** A copy in which identifiers are masked and secrets replaced, at any depth. */
export function maskValue(value: unknown, showIdentifiers = false): unknown {
  return mask(value, showIdentifiers, 0);
}

function mask(value: unknown, show: boolean, depth: number): unknown {
  if (typeof value === "string") return show ? value : maskText(value);
  if (value === null || typeof value !== "object" || depth > 8) return value;
  if (Array.isArray(value)) return value.map((item) => mask(item, show, depth + 1));
  if (value instanceof Uint8Array) return `<${value.length} octets>`;
  const out: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    if (secretFields.has(key)) out[key] = item === undefined ? undefined : "<secret>";
    else if (!show && identifierFields.has(key) && typeof item === "string") out[key] = maskIdentifier(item);
    else out[key] = mask(item, show, depth + 1);
  }
  return out;
}
