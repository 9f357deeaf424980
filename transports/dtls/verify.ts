// Who the peer is: what OpenSSL asks during the handshake, and the same question again once it is complete.
// A resumed session skips OpenSSL's verification altogether, so "complete" is never taken for "verified".

import { equalBytes } from "../../base/bytes.ts";
import type { WallTime } from "../../base/clock.ts";
import { type ErrorCode, isCode, SimwardError } from "../../base/errors.ts";
import { x509Errors } from "./openssl.ts";

/** The alert the peer is sent follows from this number (unknown_ca, bad_certificate, certificate_expired). */
const x509ErrorOf: Partial<Record<ErrorCode, number>> = {
  TLS_UNTRUSTED: x509Errors.unableToGetIssuer,
  TLS_HOST_MISMATCH: x509Errors.hostnameMismatch,
  TLS_EXPIRED: x509Errors.expired,
};

export interface PeerVerifier {
  /** For SslHooks.verify: 0, or the X509_V_ERR_ number of what `refusal` then holds. */
  verify(presented: readonly Uint8Array[]): number;
  /**
   * To be called when the handshake is complete, with the leaf of the association. `remembered` is the chain of the handshake that
   * made a resumed session. Answers the chain that stood the checks. Throws TLS_UNTRUSTED, TLS_HOST_MISMATCH, TLS_EXPIRED.
   */
  confirm(leaf: Uint8Array | undefined, remembered: readonly Uint8Array[] | undefined): readonly Uint8Array[];
  /** Why `verify` said no. */
  readonly refusal: SimwardError | undefined;
}

/** `check` throws for a chain that is not to be believed at that time. */
export function peerVerifier(check: (presented: readonly Uint8Array[], time: WallTime) => void, time: () => WallTime): PeerVerifier {
  let accepted: readonly Uint8Array[] | undefined;
  let refusal: SimwardError | undefined;
  return {
    get refusal() {
      return refusal;
    },
    verify(presented) {
      try {
        check(presented, time());
        accepted = presented;
        return 0;
      } catch (error) {
        refusal = isCode(error, "TLS_UNTRUSTED", "TLS_HOST_MISMATCH", "TLS_EXPIRED")
          ? error
          : new SimwardError("TLS_UNTRUSTED", { detail: "the certificates could not be judged", cause: error });
        return x509ErrorOf[refusal.code] ?? x509Errors.applicationVerification;
      }
    },
    confirm(leaf, remembered) {
      const chain = accepted ?? remembered;
      const first = chain?.[0];
      if (leaf === undefined || chain === undefined || first === undefined || !equalBytes(leaf, first))
        throw new SimwardError("TLS_UNTRUSTED", { detail: "the association does not carry the certificate that was verified" });
      if (accepted === undefined) check(chain, time());
      return chain;
    },
  };
}
