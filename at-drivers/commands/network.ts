// Commands about the network: registration, operator, signal, causes (3GPP TS 27.007 §7.2, §7.3, §7.15, §8.5, §8.69, §10.1.20 to §10.1.22).
import { action, declare, int, optional, query, queryWith, replyError, set, splitFields, text } from "../declare.ts";
import type { AtCommand, AtField, AtFields } from "../engine/types.ts";

export const registrationCommands = ["+CEREG", "+CGREG", "+CREG"] as const;
export type RegistrationCommand = (typeof registrationCommands)[number];

/** What one +CREG, +CGREG or +CEREG line says; numbers as the standard numbers them. */
export interface RegistrationLine {
  /** Which URCs are on; only in the answer to a read. */
  readonly n: number | undefined;
  readonly stat: number;
  /** TAC or LAC, hexadecimal as printed. */
  readonly tac: string | undefined;
  readonly cellId: string | undefined;
  readonly act: number | undefined;
  readonly causeType: number | undefined;
  readonly rejectCause: number | undefined;
  /** T3324 and T3412 extended, eight binary digits each. */
  readonly activeTime: string | undefined;
  readonly periodicTau: string | undefined;
}

/**
 * Reads both forms, which collide: `<n>,<stat>[,…]` in the answer to a read and `<stat>[,…]` in a URC. Where a string follows, <stat> is
 * the number right before it; where none does, `isRead` decides. undefined for a line that is neither.
 */
export function parseRegistration(info: string, isRead: boolean): RegistrationLine | undefined {
  const fields = splitFields(info);
  const firstQuoted = fields.findIndex((field) => field?.quoted);
  // Location or, in `<stat>,,,,<cause_type>,<reject_cause>`, its absence.
  const statAt = firstQuoted > 0 && firstQuoted <= 2 ? firstQuoted - 1 : isRead && number(fields[1]) !== undefined ? 1 : 0;
  const stat = number(fields[statAt]);
  const n = statAt === 1 ? number(fields[0]) : undefined;
  if (stat === undefined || (statAt === 1 && n === undefined)) return undefined;
  const rest = [...fields.slice(statAt + 1)];
  // Some modules print <rac> or <mme> between <tac> and <ci>, others after <AcT>: two hexadecimal digits, or its place left empty.
  if (isRoutingArea(rest[1]) || (rest[1] === undefined && rest[2]?.quoted && !isBinary(rest[2]))) rest.splice(1, 1);
  if (isRoutingArea(rest[3])) rest.splice(3, 1);
  const [tac, cellId, act, causeType, rejectCause, activeTime, periodicTau] = rest;
  return {
    n,
    stat,
    tac: hexText(tac),
    cellId: hexText(cellId),
    act: number(act),
    causeType: number(causeType),
    rejectCause: number(rejectCause),
    activeTime: activeTime?.text,
    periodicTau: periodicTau?.text,
  };
}

function readRegistration(name: RegistrationCommand): AtCommand<readonly [], RegistrationLine> {
  return declare(name, `AT${name}?`, `${name}:`, {}, (reply) => {
    // A URC of the same name may stand before or behind the answer; the answer is the one that says <n>.
    const lines = reply.lines.map((info) => parseRegistration(info, true)).filter((line) => line !== undefined);
    const answer = lines.findLast((line) => line.n !== undefined) ?? lines.at(-1);
    if (answer === undefined) throw replyError(name, "it says no <stat>");
    return answer;
  });
}

/** 3GPP TS 27.007 §10.1.22, §10.1.20, §7.2. */
export const readRegistrations: Readonly<Record<RegistrationCommand, AtCommand<readonly [], RegistrationLine>>> = {
  "+CEREG": readRegistration("+CEREG"),
  "+CGREG": readRegistration("+CGREG"),
  "+CREG": readRegistration("+CREG"),
};
/** <n>: 1 changes, 2 with location, 3 with the reject cause too. */
export const setRegistrationReports = set("+CxREG", (name: RegistrationCommand, n: number) => `AT${name}=${n}`);

export interface OperatorChoice {
  /** 0 automatic, 1 manual, 2 deregistered, 4 manual then automatic. */
  readonly mode: number;
  /** 0 long, 1 short, 2 numeric; undefined when not registered. */
  readonly format: number | undefined;
  readonly operator: string | undefined;
  readonly act: number | undefined;
}

/** 3GPP TS 27.007 §7.3. */
export const readCops: AtCommand<readonly [], OperatorChoice> = query("+COPS", "AT+COPS?", "+COPS:", [
  int("mode"),
  optional(int("format")),
  optional(text("operator")),
  optional(int("act")),
]);
/** <mode> 3 sets the format of the reading only: 2 is MCC and MNC. */
export const setCopsNumeric = action("+COPS", "AT+COPS=3,2");
/** Some modules answer ERROR though they took it, and a repetition while registered starts the search anew. */
export const setCopsAutomatic = action("+COPS", "AT+COPS=0", { timeoutMs: 180_000 });
export const setCopsManual = set("+COPS", (plmn: string, act?: number) => `AT+COPS=1,2,"${plmn}"${act === undefined ? "" : `,${act}`}`, {
  timeoutMs: 180_000,
});
export const setCopsDeregistered = action("+COPS", "AT+COPS=2", { timeoutMs: 120_000 });

export interface CopsEntry {
  readonly stat: number;
  readonly longName: string;
  readonly shortName: string;
  readonly plmn: string;
  readonly act: number | undefined;
}

/** Minutes long, by family; the reply may be broken over several lines, and ends with the lists of modes and formats, which are not operators. */
export const testCops: AtCommand<readonly [], readonly CopsEntry[]> = declare(
  "+COPS",
  "AT+COPS=?",
  "+COPS:",
  { prefixOptional: true, abortable: true },
  (reply) => {
    const entries: CopsEntry[] = [];
    for (const field of splitFields(reply.lines.join(""))) {
      const [, group] = /^\((.*)\)$/.exec(field?.text ?? "") ?? [];
      if (group === undefined) continue;
      const [stat, longName, shortName, plmn, act] = splitFields(group);
      const status = number(stat);
      if (status === undefined || !/^\d{5,6}$/.test(plmn?.text ?? "")) continue;
      entries.push({
        stat: status,
        longName: longName?.text ?? "",
        shortName: shortName?.text ?? "",
        plmn: plmn?.text ?? "",
        act: number(act),
      });
    }
    return entries;
  },
);

/** 3GPP TS 27.007 §8.5. */
export const csq = query("+CSQ", "AT+CSQ", "+CSQ:", [int("rssi"), int("ber")]);
/** 3GPP TS 27.007 §8.69. */
export const cesq = query("+CESQ", "AT+CESQ", "+CESQ:", [int("rxlev"), int("ber"), int("rscp"), int("ecno"), int("rsrq"), int("rsrp")]);
/** 3GPP TS 27.007 §7.15: free text on the last failure. */
export const ceer = queryWith("+CEER", "AT+CEER", "+CEER:", (info) => info, { prefixOptional: true });

/** +CSQ's <rssi> in dBm; undefined when unknown (99). */
export function rssiDbm(rssi: number): number | undefined {
  return rssi >= 0 && rssi <= 31 ? -113 + 2 * rssi : undefined;
}

/** +CESQ's <rsrp> in dBm; undefined when unknown (255). */
export function rsrpDbm(rsrp: number): number | undefined {
  return rsrp >= 0 && rsrp <= 97 ? -141 + rsrp : undefined;
}

/** +CESQ's <rsrq> in dB; undefined when unknown (255). */
export function rsrqDb(rsrq: number): number | undefined {
  return rsrq >= 0 && rsrq <= 34 ? (rsrq - 40) / 2 : undefined;
}

function number(field: AtField | undefined): number | undefined {
  return field !== undefined && !field.quoted && /^-?\d+$/.test(field.text) ? Number(field.text) : undefined;
}

function hexText(field: AtFields[number]): string | undefined {
  return field === undefined || field.text === "" ? undefined : field.text.toUpperCase();
}

function isRoutingArea(field: AtField | undefined): boolean {
  return field?.quoted === true && /^[0-9A-Fa-f]{0,2}$/.test(field.text);
}

function isBinary(field: AtField): boolean {
  return /^[01]{8}$/.test(field.text);
}
