// From OpenSSL's error queue to the error table, by reason number; texts differ between OpenSSL versions and are for people only.
import { type ErrorCode, SimwardError } from "../../base/errors.ts";
import type { QueuedError } from "./openssl.ts";

const sslLibrary = 20;
/** SSL_R_…_ALERT_…: 1000 and the number of the alert received (RFC 5246 §7.2). */
const alertBase = 1000;

/** Reasons of sslerr.h that are not simply a failed handshake. */
const codeOfReason: Readonly<Record<number, ErrorCode>> = {
  // READ_TIMEOUT_EXPIRED: OpenSSL counts twelve retransmissions of a flight.
  312: "DTLS_TIMEOUT",
  // NO_CIPHERS_AVAILABLE, NO_PROTOCOLS_AVAILABLE
  181: "DTLS_CONFIG",
  191: "DTLS_CONFIG",
};

/** Alerts by number (IANA TLS Alerts); what the peer means by them. */
const alertNames: Readonly<Record<number, string>> = {
  0: "close_notify",
  10: "unexpected_message",
  20: "bad_record_mac",
  22: "record_overflow",
  40: "handshake_failure",
  41: "no_certificate",
  42: "bad_certificate",
  43: "unsupported_certificate",
  44: "certificate_revoked",
  45: "certificate_expired",
  46: "certificate_unknown",
  47: "illegal_parameter",
  48: "unknown_ca",
  49: "access_denied",
  50: "decode_error",
  51: "decrypt_error",
  70: "protocol_version",
  71: "insufficient_security",
  80: "internal_error",
  86: "inappropriate_fallback",
  90: "user_canceled",
  100: "no_renegotiation",
  109: "missing_extension",
  110: "unsupported_extension",
  112: "unrecognized_name",
  113: "bad_certificate_status_response",
  115: "unknown_psk_identity",
  116: "certificate_required",
  120: "no_application_protocol",
};

/** The error that an emptied queue stands for; `where` names the peer and the step. */
export function failureOf(queued: readonly QueuedError[], where: string): SimwardError {
  // The newest SSL entry is the verdict; those before it say how it came about.
  const verdict = queued.findLast((entry) => entry.library === sslLibrary) ?? queued.at(-1);
  const text = queued.map((entry) => entry.text).join("; ") || "OpenSSL gave no reason";
  const reason = verdict?.reason;
  const data = { reason, library: verdict?.library };
  if (verdict?.library === sslLibrary && reason !== undefined) {
    if (reason >= alertBase && reason < alertBase + 256) {
      const alert = reason - alertBase;
      const name = alertNames[alert] ?? "an alert of that number is not known";
      return new SimwardError("DTLS_ALERT", { detail: `${where}: alert ${alert} (${name})`, data: { ...data, alert } });
    }
    const code = codeOfReason[reason];
    if (code !== undefined) return new SimwardError(code, { detail: `${where}: ${text}`, data });
  }
  return new SimwardError("DTLS_HANDSHAKE", { detail: `${where}: ${text}`, data });
}
