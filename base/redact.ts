// Text that is to leave the vehicle: what base/mask.ts does to a line of a log, and more, since nobody knows what stands in it.
import { maskIdentifier, maskSecrets } from "./mask.ts";

/**
 * Any run of so many digits, wherever it stands: identifiers also inside hex as a card holds them, EID and ICCID as they are or with nibbles swapped, IMSI
 * and IMEI in BCD, all of them as ASCII in hex. That a digest loses some of its digits at times harms nobody.
 */
const digits = /\d{14,}[Ff]?/g;
/** What decodes to anything: DER in base64, an APDU in hex. Digests and keys' fingerprints, 64 digits, stay. */
const opaque = /[A-Za-z0-9+/_-]{72,}={0,2}/g;

const secretName =
  "[\\w.-]*(?:psk|passw(?:or)?d|passphrase|matching_?id|activation_?code|confirmation_?code|hash_?cc|token|private_?key|secret|session_?key|master_?key|\\bpin|\\bpuk)";
/** `"matchingId":"…"`, `password = …`, `PIN: …`. The name of a credential is no secret. */
const named = new RegExp(`(["']?\\b${secretName}["']?\\s*[:=]\\s*)("(?:[^"\\\\]|\\\\.)*"|'[^']*'|[^\\s,;}\\])]+)`, "gi");
/** The same within a string of JSON, its quotes escaped. */
const escaped = new RegExp(`(\\\\"${secretName}\\\\"\\s*:\\s*)(\\\\"(?:[^"\\\\]|\\\\[^"])*\\\\")`, "gi");

/** Identifiers within hex, whatever they are written in. */
export function maskDigits(text: string): string {
  return text.replace(digits, maskIdentifier);
}

export function redactText(text: string): string {
  return maskDigits(
    maskSecrets(text)
      .replace(escaped, '$1\\"<secret>\\"')
      .replace(named, (_all, name: string, value: string) => `${name}${value.startsWith('"') ? '"<secret>"' : "<secret>"}`)
      .replace(opaque, (run) => (/^[0-9A-Fa-f]{64}$/.test(run) ? run : `<${run.length} characters>`)),
  );
}
