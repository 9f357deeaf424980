// The HTTP status that each error leaves with. Who asks branches on the code; the status is for proxies, tools and people.
import { type ErrorCode, errorTable } from "../../base/errors.ts";

const own: Partial<Record<ErrorCode, number>> = {
  API_NOT_FOUND: 404,
  NOT_FOUND: 404,
  EIM_UNKNOWN: 404,
  API_METHOD: 405,
  API_FORBIDDEN: 403,
  API_INPUT: 400,
  API_TOO_LARGE: 413,
  API_RATE: 429,
  ACTIVATION_CODE: 400,
  KEYRING_INVALID: 400,
  ROAMING_RULES: 400,
  BUSY: 409,
  CARD_EIM_MANAGED: 409,
  EMERGENCY_ACTIVE: 409,
  FALLBACK_REFUSED: 409,
  IMEI_LOCK: 409,
  KEYS_NO_ROOT: 409,
  LIFECYCLE_REFUSED: 409,
  POLICY_GOES_DARK: 403,
  POLICY_REFUSED: 403,
  RADIO_REFUSED: 403,
  TOKEN_REFUSED: 403,
  QUEUE_FULL: 503,
  QUEUE_CLOSED: 503,
  ABORTED: 503,
};

/** The first that fits counts: no answer in time; the module, the card, an eIM or another server refuses or fails. */
const families: readonly (readonly [RegExp, number])[] = [
  [/^DEADLINE$|_TIMEOUT$/, 504],
  [
    /^(AT|APDU|APN|CARD|CARD_EIM|COAP|DOWNLOAD|DTLS|EIM|ES10|ESIPA|HTTP|INJECTION|MODEM|NET|NETD|NO_DATA|PACKAGE|PATH|PORT|PROFILE|RADIO|RSP|SWITCH|TLS|TUNNEL|UDP)_/,
    502,
  ],
];

/** 500 for all else: the vehicle itself, its disk, simward. */
export function httpStatusOf(code: ErrorCode): number {
  return own[code] ?? families.find(([pattern]) => pattern.test(code))?.[1] ?? 500;
}

/** Codes by status, for the document of the API. Those that only programs without a socket raise are no answers. */
export function codesByStatus(): ReadonlyMap<number, readonly ErrorCode[]> {
  const out = new Map<number, ErrorCode[]>();
  for (const code of Object.keys(errorTable) as ErrorCode[]) {
    if (/^(API_(BUSY|NOT_RUNNING|RESPONSE)|SIM_|USAGE)/.test(code)) continue;
    const status = httpStatusOf(code);
    out.set(status, [...(out.get(status) ?? []), code]);
  }
  return new Map([...out].sort(([a], [b]) => a - b));
}
