// Final result codes (V.250 §5.7, 3GPP TS 27.007 §9, TS 27.005 §3.2.5 and what modules add), as one table.
import { SimwardError } from "../../base/errors.ts";

export type FinalResult = { readonly kind: "ok"; readonly text: string } | { readonly kind: "error"; readonly error: SimwardError };

type FinalCode = "AT_ERROR" | "AT_CME_ERROR" | "AT_CMS_ERROR" | "AT_NO_CARRIER";

interface FinalRow {
  readonly match: RegExp;
  /** undefined: success. */
  readonly code: FinalCode | undefined;
  /** V.250's numeric form (ATV0). */
  readonly numeric?: string;
  /** Could be an information line of a command whose lines have no prefix. */
  readonly onlyPrefixed?: boolean;
}

const finals: readonly FinalRow[] = [
  { match: /^OK$/, code: undefined, numeric: "0" },
  { match: /^CONNECT(?: \d.*)?$/, code: undefined, numeric: "1" },
  { match: /^ERROR$/, code: "AT_ERROR", numeric: "4" },
  { match: /^\+CME ERROR:?(.*)$/, code: "AT_CME_ERROR" },
  { match: /^\+CMS ERROR:?(.*)$/, code: "AT_CMS_ERROR" },
  { match: /^\+EXT ERROR:?(.*)$/, code: "AT_ERROR" },
  { match: /^COMMAND NOT SUPPORT$/, code: "AT_ERROR" },
  { match: /^ABORTED$/, code: "AT_ERROR" },
  { match: /^NO CARRIER$/, code: "AT_NO_CARRIER", numeric: "3" },
  { match: /^NO DIAL ?TONE$/, code: "AT_NO_CARRIER", numeric: "6" },
  { match: /^BUSY$/, code: "AT_NO_CARRIER", numeric: "7" },
  { match: /^NO ANSWER$/, code: "AT_NO_CARRIER", numeric: "8" },
  { match: /^NA$/, code: "AT_ERROR", onlyPrefixed: true },
];

export interface FinalContext {
  /** The command's name, for the error. */
  readonly command: string;
  readonly prefixed: boolean;
}

/** The final result a line is, or undefined. */
export function finalResult(line: string, context: FinalContext): FinalResult | undefined {
  const text = line.trim();
  for (const row of finals) {
    if (row.onlyPrefixed && !context.prefixed) continue;
    const found = row.match.exec(text);
    if (found === null) continue;
    if (row.code === undefined) return { kind: "ok", text };
    return { kind: "error", error: resultError(row.code, context.command, text, found[1]?.trim()) };
  }
  return undefined;
}

/** V.250's numeric results, which only make sense while it is unknown whether the module is in ATV0. */
export function isNumericResult(line: string): boolean {
  return finals.some((row) => row.numeric === line.trim());
}

function resultError(code: FinalCode, command: string, text: string, argument: string | undefined): SimwardError {
  if (code !== "AT_CME_ERROR") return new SimwardError(code, { detail: `${command}: ${text}`, data: { command, result: text } });
  const cme = cmeNumber(argument ?? "");
  const name = cme === undefined ? undefined : cmeErrors[cme];
  const shown = cme === undefined || name === undefined ? text : `+CME ERROR: ${cme} (${name})`;
  return new SimwardError(code, { detail: `${command}: ${shown}`, data: { command, result: text, ...(cme === undefined ? {} : { cme }) } });
}

/** The number of a +CME ERROR; with CMEE=2, and from modules that know nothing else, it comes as text. */
function cmeNumber(argument: string): number | undefined {
  if (/^\d+$/.test(argument)) return Number(argument);
  const wanted = argument.toLowerCase();
  for (const [number, name] of Object.entries(cmeErrors)) if (name === wanted) return Number(number);
  return cmeSynonyms[wanted];
}

/** 3GPP TS 27.007 §9.2, in lower case. */
export const cmeErrors: Readonly<Record<number, string>> = {
  0: "phone failure",
  3: "operation not allowed",
  4: "operation not supported",
  10: "sim not inserted",
  11: "sim pin required",
  12: "sim puk required",
  13: "sim failure",
  14: "sim busy",
  15: "sim wrong",
  16: "incorrect password",
  17: "sim pin2 required",
  18: "sim puk2 required",
  20: "memory full",
  21: "invalid index",
  22: "not found",
  23: "memory failure",
  24: "text string too long",
  25: "invalid characters in text string",
  30: "no network service",
  31: "network timeout",
  32: "network not allowed - emergency calls only",
  50: "incorrect parameters",
  53: "not attached",
  100: "unknown",
  103: "illegal ue",
  106: "illegal me",
  107: "gprs services not allowed",
  111: "plmn not allowed",
  112: "location area not allowed",
  113: "roaming not allowed in this location area",
  115: "no suitable cells in tracking area",
  119: "esm failure",
  127: "missing or unknown apn",
  128: "unknown pdp address or pdp type",
  129: "user authentication failed",
  132: "service option not supported",
  133: "requested service option not subscribed",
  134: "service option temporarily out of order",
  148: "unspecified gprs error",
  149: "pdp authentication failure",
  150: "invalid mobile class",
  151: "last pdn disconnection not allowed",
  171: "last pdn disconnection not allowed",
  177: "operator determined barring",
  192: "pdp type ipv4 only allowed",
  193: "pdp type ipv6 only allowed",
};

const cmeSynonyms: Readonly<Record<string, number>> = {
  "uicc busy": 14,
  "uicc failure": 13,
  "uicc not inserted": 10,
  "operation not allowed": 3,
  "parameters error": 50,
  "incorrect parameter": 50,
};

/** What a +CME ERROR carries, or undefined for any other error. */
export function cmeOf(error: unknown): number | undefined {
  if (!(error instanceof SimwardError) || error.code !== "AT_CME_ERROR") return undefined;
  const { cme } = error.data;
  return typeof cme === "number" ? cme : undefined;
}

/** Codes seen for seconds while the module reads the card anew, also for commands that need no SIM. */
const simBusyCodes: ReadonlySet<number> = new Set([10, 13, 14]);

export function isSimBusy(error: unknown): boolean {
  const cme = cmeOf(error);
  return cme !== undefined && simBusyCodes.has(cme);
}
