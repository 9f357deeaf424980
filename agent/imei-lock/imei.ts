// Whether an IMEI is a module's own: what is none, or was written wrong, is nothing that a card could be paired with. Pure.

export type ImeiFlaw = "none" | "check-digit";

/** Undefined where nothing is wrong. The digits are 3GPP TS 23.003 §6.2.1's. */
export function flawOf(imei: string): ImeiFlaw | undefined {
  if (/^(\d)\1*$/.test(imei)) return "none";
  return isLuhn(imei) ? undefined : "check-digit";
}

/** The check digit (3GPP TS 23.003 annex B). */
function isLuhn(imei: string): boolean {
  const sum = [...imei].reverse().reduce((total, digit, at) => {
    const value = Number(digit) * (at % 2 === 1 ? 2 : 1);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return /^\d{15}$/.test(imei) && sum % 10 === 0;
}
