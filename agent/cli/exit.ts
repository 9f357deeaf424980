// Exit codes of the command line: documented, stable, one table.
import { type ErrorCode, errorTable, type RetryClass } from "../../base/errors.ts";

export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  notRunning: 4,
  permission: 5,
  busy: 6,
  timeout: 7,
  offline: 8,
  card: 9,
  modem: 10,
  server: 11,
  policy: 12,
  partial: 13,
  doctorWarnings: 14,
  doctorFailures: 15,
  interrupted: 130,
} as const;

export type ExitName = keyof typeof exitCodes;

/** For docs/cli.md. */
export const exitMeanings: Readonly<Record<ExitName, string>> = {
  ok: "done",
  failed: "failed, for a reason that none of those below names",
  usage: "the command line, or what it was given to read, is not valid",
  notFound: "there is no such thing",
  notRunning: "the daemon does not run, or has ended",
  permission: "this user, or this socket's role, may not do that",
  busy: "something else is under way, or too many wait",
  timeout: "no answer in time",
  offline: "no data path",
  card: "the eUICC refuses, or cannot be reached",
  modem: "the module refuses, or is away",
  server: "the eIM or the SM-DP+ refuses, or cannot be reached",
  policy: "a policy of the fleet forbids it",
  partial: "some of several succeeded",
  doctorWarnings: "doctor warns",
  doctorFailures: "doctor found what does not work",
  interrupted: "ended by Ctrl-C before it was done; a stream that is left is done",
};

/** The first rule that fits counts. */
const rules: readonly (readonly [RegExp, ExitName])[] = [
  [/^(USAGE$|API_INPUT$|API_TOO_LARGE$|AT_COMMAND$|BYTES_|ASN1_|CONFIG_|ACTIVATION_CODE$|KEYRING_INVALID$|ROAMING_RULES$)/, "usage"],
  [/^(NOT_FOUND|API_NOT_FOUND|EIM_UNKNOWN|EIM_NOT_CONFIGURED)$/, "notFound"],
  [/^(API_NOT_RUNNING|API_GONE)$/, "notRunning"],
  [/^(API_FORBIDDEN|TOKEN_REFUSED)$/, "permission"],
  [/^(BUSY|EMERGENCY_ACTIVE|PORT_BUSY|API_BUSY|API_RATE|UI_PORT|QUEUE_FULL)$/, "busy"],
  [/^(DEADLINE|DTLS_TIMEOUT|COAP_TIMEOUT|HTTP_TIMEOUT|AT_TIMEOUT)$/, "timeout"],
  [/^AT_DENIED$/, "policy"],
  [/^(CARD_|ES10_|APDU_|FALLBACK_)/, "card"],
  [/^(AT_|PORT_|MODEM_|SWITCH_NOT_SEEN|RADIO_FAILED$)/, "modem"],
  [/^(ESIPA_|DTLS_|TLS_|COAP_|HTTP_|EIM_|RSP_|PACKAGE_|DOWNLOAD_)/, "server"],
  [/^(POLICY_|USAGE_|IMEI_LOCK|LIFECYCLE_|RADIO_REFUSED$)/, "policy"],
  [/^(PROFILE_NOT_ONLINE$|APN_FAILED$|PATH_DEAD$|DNS_|TUNNEL_)/, "offline"],
];

const byRetry: Partial<Record<RetryClass, ExitName>> = { online: "offline" };

export function exitCodeOf(code: ErrorCode): number {
  const name = rules.find(([pattern]) => pattern.test(code))?.[1] ?? byRetry[errorTable[code].retry] ?? "failed";
  return exitCodes[name];
}
