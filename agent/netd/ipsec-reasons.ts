// Why an attempt has failed: charon tells it in the lines of its log alone, where what the gateway refuses stands in the words of RFC 7296 §3.10.1. Pure.
import type { ErrorCode } from "../../base/errors.ts";

interface Reason {
  readonly pattern: RegExp;
  readonly code: ErrorCode;
}

/**
 * The first row of which any line speaks counts. What the gateway refuses ends an attempt, so it comes first; what we find wrong with a certificate may be
 * said of one that was only tried.
 */
const reasons: readonly Reason[] = [
  { pattern: /received AUTHENTICATION_FAILED notify|received EAP_FAILURE/, code: "TUNNEL_REFUSED" },
  { pattern: /received (INTERNAL_ADDRESS_FAILURE|FAILED_CP_REQUIRED) notify/, code: "TUNNEL_ADDRESS" },
  { pattern: /received (TS_UNACCEPTABLE|SINGLE_PAIR_REQUIRED) notify|no acceptable traffic selectors/, code: "TUNNEL_SELECTORS" },
  { pattern: /received (NO_PROPOSAL_CHOSEN|INVALID_SYNTAX|INVALID_MAJOR_VERSION) notify/, code: "TUNNEL_PROPOSAL" },
  {
    pattern: /no private key found|no shared key found|EAP_[A-Z0-9]+ method failed|not supported, sending EAP_NAK/,
    code: "TUNNEL_CREDENTIAL",
  },
  { pattern: /subject certificate invalid/, code: "TUNNEL_GATEWAY_EXPIRED" },
  { pattern: /no trusted \S+ public key found|no issuer certificate found|constraint (check failed|requires)/, code: "TUNNEL_UNTRUSTED" },
  { pattern: /giving up after \d+ retransmits|unable to resolve|error writing to socket/, code: "TUNNEL_UNREACHABLE" },
];

/** What an attempt that ended like this is told as; `isLate`: it did not end by itself. */
export function reasonIn(lines: readonly string[], isLate: boolean): { readonly code: ErrorCode; readonly detail: string } {
  for (const { pattern, code } of reasons) {
    const line = lines.find((one) => pattern.test(one));
    if (line !== undefined) return { code, detail: short(line) };
  }
  // Nothing but our own questions, again and again.
  const heard = lines.some((line) => /^(received packet|parsed )/.test(line));
  if (isLate && !heard) return { code: "TUNNEL_UNREACHABLE", detail: "no answer" };
  return { code: "TUNNEL_FAILED", detail: short(lines.at(-1) ?? "charon does not say why") };
}

/** Printable, and short enough for a log. */
function short(line: string): string {
  return line.replace(/[^\x20-\x7e]/g, "?").slice(0, 200);
}
