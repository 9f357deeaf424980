// Commands about power saving: PSM and eDRX (3GPP TS 27.007 §7.38 to §7.41), with the timers' code (3GPP TS 24.008 §10.5.5.32, §10.5.7.3,
// §10.5.7.4a).
import { SimwardError } from "../../base/errors.ts";
import { declare, int, optional, query, set, splitFields, text } from "../declare.ts";
import type { AtCommand } from "../engine/types.ts";

/** Units of a timer by its three high bits; what is missing means deactivated. */
type Units = readonly (readonly [bits: string, seconds: number])[];

/** T3412 extended. */
const tauUnits: Units = [
  ["011", 2],
  ["100", 30],
  ["101", 60],
  ["000", 600],
  ["001", 3_600],
  ["010", 36_000],
  ["110", 1_152_000],
];
/** T3324. */
const activeUnits: Units = [
  ["000", 2],
  ["001", 60],
  ["010", 360],
];
const deactivated = "11100000";
const longestCount = 31;

/** Eight binary digits; rounded up to what can be said. Throws AT_COMMAND for what is longer than any. */
export const encodePeriodicTau = (seconds: number | undefined): string => encode(tauUnits, seconds, "the periodic TAU");
export const decodePeriodicTau = (bits: string): number | undefined => decode(tauUnits, bits);
export const encodeActiveTime = (seconds: number | undefined): string => encode(activeUnits, seconds, "the active time");
export const decodeActiveTime = (bits: string): number | undefined => decode(activeUnits, bits);

function encode(units: Units, seconds: number | undefined, what: string): string {
  if (seconds === undefined) return deactivated;
  let best: { readonly bits: string; readonly seconds: number } | undefined;
  for (const [bits, unit] of units) {
    const count = Math.ceil(seconds / unit);
    if (count < 0 || count > longestCount || (best !== undefined && count * unit >= best.seconds)) continue;
    best = { bits: `${bits}${count.toString(2).padStart(5, "0")}`, seconds: count * unit };
  }
  if (best === undefined) throw new SimwardError("AT_COMMAND", { detail: `${what} cannot be ${seconds} s` });
  return best.bits;
}

function decode(units: Units, bits: string): number | undefined {
  if (!/^[01]{8}$/.test(bits)) return undefined;
  const unit = units.find(([code]) => bits.startsWith(code))?.[1];
  return unit === undefined ? undefined : unit * Number.parseInt(bits.slice(3), 2);
}

/** Seconds by the four-bit code. */
const edrxCycles = [
  ...[5.12, 10.24, 20.48, 40.96, 61.44, 81.92, 102.4, 122.88, 143.36],
  ...[163.84, 327.68, 655.36, 1_310.72, 2_621.44, 5_242.88, 10_485.76],
] as const;
/** The codes that NB-IoT has. */
const nbIotCycles: readonly number[] = [2, 3, 5, 9, 10, 11, 12, 13, 14, 15];
const windowSteps = { "lte-m": 1.28, "nb-iot": 2.56 } as const;
export type EdrxRat = keyof typeof windowSteps;

/** The shortest cycle that is no shorter, as four binary digits. Throws AT_COMMAND for what is longer than any. */
export function encodeEdrxCycle(rat: EdrxRat, seconds: number): string {
  const code = edrxCycles.findIndex((cycle, at) => cycle >= seconds && (rat === "lte-m" || nbIotCycles.includes(at)));
  if (code < 0) throw new SimwardError("AT_COMMAND", { detail: `the eDRX cycle cannot be ${seconds} s` });
  return code.toString(2).padStart(4, "0");
}

export function decodeEdrxCycle(bits: string): number | undefined {
  return /^[01]{4}$/.test(bits) ? edrxCycles[Number.parseInt(bits, 2)] : undefined;
}

export function decodePagingWindow(rat: EdrxRat, bits: string): number | undefined {
  return /^[01]{4}$/.test(bits) ? Math.round((Number.parseInt(bits, 2) + 1) * windowSteps[rat] * 100) / 100 : undefined;
}

/** §7.38. The two fields between are for GPRS. */
export const readCpsms = query("+CPSMS", "AT+CPSMS?", "+CPSMS:", [
  int("mode"),
  optional(text("rau")),
  optional(text("ready")),
  optional(text("tau")),
  optional(text("active")),
]);
export const setCpsms = set("+CPSMS", (tau: string | undefined, active: string) =>
  tau === undefined ? "AT+CPSMS=0" : `AT+CPSMS=1,,,"${tau}","${active}"`,
);

const edrxTypes: Readonly<Record<string, EdrxRat>> = { 4: "lte-m", 5: "nb-iot" };
const edrxTypeOf: Readonly<Record<EdrxRat, number>> = { "lte-m": 4, "nb-iot": 5 };

export interface EdrxLine {
  readonly rat: EdrxRat;
  readonly requested: string | undefined;
  readonly granted: string | undefined;
  readonly window: string | undefined;
}

/** §7.39: what is asked for, a line for each technology that has it. */
export const readCedrxs: AtCommand<readonly [], readonly EdrxLine[]> = edrxLines("+CEDRXS", "AT+CEDRXS?");
export const setCedrxs = set("+CEDRXS", (rat: EdrxRat, cycle: string | undefined) =>
  cycle === undefined ? `AT+CEDRXS=0,${edrxTypeOf[rat]}` : `AT+CEDRXS=1,${edrxTypeOf[rat]},"${cycle}"`,
);
/** §7.40: what the network granted in the present cell. */
export const readCedrxrdp: AtCommand<readonly [], readonly EdrxLine[]> = edrxLines("+CEDRXRDP", "AT+CEDRXRDP");

function edrxLines(name: string, line: string): AtCommand<readonly [], readonly EdrxLine[]> {
  return declare(name, line, `${name}:`, {}, (reply) =>
    reply.lines.flatMap((info) => {
      const [type, requested, granted, window] = splitFields(info).map((field) => field?.text);
      const rat = edrxTypes[type ?? ""];
      return rat === undefined ? [] : [{ rat, requested, granted, window }];
    }),
  );
}
