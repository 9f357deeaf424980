// Decoded messages as JSON: octets in hex, identifiers in digits, signed parts as their values.
import { bcdToDigits, bytesToPlmn, swappedBcdToDigits, toHexUpper } from "../../base/bytes.ts";

const byName: Readonly<Record<string, (octets: Uint8Array) => string>> = {
  iccid: swappedBcdToDigits,
  eidValue: bcdToDigits,
  mccMnc: bytesToPlmn,
  rPLMN: bytesToPlmn,
};

export function render(value: unknown, name = ""): unknown {
  if (value instanceof Uint8Array) return (byName[name] ?? toHexUpper)(value);
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return value.map((item) => render(item, name));
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  if (entries.length === 2 && "raw" in value && "value" in value) return render(value.value, name);
  // A choice: its alternative's name says what the value is.
  if (entries.length === 2 && "kind" in value && "value" in value)
    return { kind: value.kind, value: render(value.value, String(value.kind)) };
  return Object.fromEntries(entries.map(([key, item]) => [key, render(item, key)]));
}
