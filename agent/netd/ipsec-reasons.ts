// Why an attempt has failed: charon tells it in the lines of its log alone, where what the gateway refuses stands in the words of RFC 7296 §3.10.1. Pure.
import type { ErrorCode } from "../../base/errors.ts";

interface Reason {
  readonly pattern: RegExp;
  readonly code: ErrorCode;
}

/** The first row of which any line speaks counts: what we found wrong with the gateway comes before what it then was told. */
const reasons: readonly Reason[] = [
  { pattern: /subject certificate invalid|certificate .*(expired|not yet valid)/i, code: "TUNNEL_GATEWAY_EXPIRED" },
  {
    pattern: /no private key found|loading (private key|certificate) failed|no shared key found|EAP_[A-Z0-9]+ method failed/,
    code: "TUNNEL_CREDENTIAL",
  },
  { pattern: /received EAP_FAILURE|EAP method not supported/, code: "TUNNEL_REFUSED" },
  {
    pattern:
      /no trusted \S+ public key found|no issuer certificate found|constraint check failed|constraint requires|IDr? .*does(n't| not) match|no alternative config found/,
    code: "TUNNEL_UNTRUSTED",
  },
  { pattern: /received AUTHENTICATION_FAILED notify/, code: "TUNNEL_REFUSED" },
  { pattern: /received (NO_PROPOSAL_CHOSEN|INVALID_KE_PAYLOAD|INVALID_SYNTAX|INVALID_MAJOR_VERSION) notify/, code: "TUNNEL_PROPOSAL" },
  { pattern: /received (INTERNAL_ADDRESS_FAILURE|FAILED_CP_REQUIRED) notify/, code: "TUNNEL_ADDRESS" },
  { pattern: /received (TS_UNACCEPTABLE|SINGLE_PAIR_REQUIRED) notify|no acceptable traffic selectors/, code: "TUNNEL_SELECTORS" },
  { pattern: /giving up after \d+ retransmits|unable to resolve|destination unreachable|no (route|usable) /i, code: "TUNNEL_UNREACHABLE" },
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
