// PSM and eDRX as the host asks for them (3GPP TS 27.007 §7.38, §7.40, §7.41).

import { cme } from "../cme.ts";
import type { VirtualModem } from "../module.ts";
import { grantedEdrx, requestEdrx, requestedEdrx, requestedPsm, requestPsm } from "../power-saving.ts";
import { type Answer, type Call, type CommandRow, int, line, ok, refuse, says, text } from "./command.ts";

export interface PowerSavingHabits {
  /** From when on what +CEDRXS asks for counts. */
  readonly edrx: "now" | "start";
  /** Whether +CEDRXS? is answered. */
  readonly edrxRead: boolean;
}

/** <AcT-type> of +CEDRXS. */
const lteM = 4;
const nbIot = 5;
/** Paging time window of 1.28 s times (value + 1) (3GPP TS 24.008 §10.5.5.32). */
const window = "0011";
const eightBits = /^[01]{8}$/;

function setPsm(call: Call): Answer {
  const mode = int(call, 0, 0, 2, 0);
  const before = requestedPsm(call.modem);
  const [periodicTau, activeTime] = [text(call, 3, before.periodicTau), text(call, 4, before.activeTime)];
  if (!eightBits.test(periodicTau) || !eightBits.test(activeTime)) return refuse(cme.incorrectParameters);
  // 2 also forgets what was asked for.
  if (mode === 2) requestPsm(call.modem, false, { periodicTau: "01100000", activeTime: "00000000" });
  else requestPsm(call.modem, mode === 1, { periodicTau, activeTime });
  return { lines: [], after: () => call.modem.tellTimers() };
}

function setEdrx(call: Call, effect: "now" | "start"): Answer {
  const mode = int(call, 0, 0, 3, 0);
  if (call.args.length > 1) int(call, 1, lteM, nbIot);
  const value = text(call, 2, requestedEdrx(call.modem) ?? "0101");
  if (!/^[01]{4}$/.test(value)) return refuse(cme.incorrectParameters);
  requestEdrx(call.modem, mode === 0 || mode === 3 ? undefined : value, effect);
  // With 2 the module tells when what is granted changes.
  if (mode !== 2) return ok;
  return { lines: [], after: () => tellEdrx(call.modem) };
}

function tellEdrx(modem: VirtualModem): void {
  const granted = edrxFields(modem);
  if (granted !== undefined) modem.urc(`+CEDRXP: ${granted}`);
}

/** <AcT-type>, asked for, granted, paging time window. */
function edrxFields(modem: VirtualModem): string | undefined {
  const requested = requestedEdrx(modem);
  if (requested === undefined || modem.registration.state.cell === undefined) return undefined;
  const act = modem.registration.state.rat === "nb-iot" ? nbIot : lteM;
  const granted = grantedEdrx(modem);
  return `${act},"${requested}"${granted === undefined ? "" : `,"${granted}","${window}"`}`;
}

export function powerSavingCommands({ edrx, edrxRead }: PowerSavingHabits): readonly CommandRow[] {
  return [
    {
      name: "+CPSMS",
      test: says('+CPSMS: (0,1,2),,,("00000000"-"11111111"),("00000000"-"11111111")'),
      read: ({ modem }) => {
        const { on, periodicTau, activeTime } = requestedPsm(modem);
        return line(`+CPSMS: ${Number(on)},,,"${periodicTau}","${activeTime}"`);
      },
      set: setPsm,
    },
    {
      name: "+CEDRXS",
      test: says('+CEDRXS: (0,1,2,3),(4,5),("0000"-"1111")'),
      read: ({ modem }) => {
        if (!edrxRead) return { lines: [], final: "ERROR" };
        const requested = requestedEdrx(modem);
        return requested === undefined ? ok : line(`+CEDRXS: ${lteM},"${requested}"`);
      },
      set: (call) => setEdrx(call, edrx),
    },
    { name: "+CEDRXRDP", execute: ({ modem }) => line(`+CEDRXRDP: ${edrxFields(modem) ?? "0"}`) },
  ];
}

/** Seconds of T3412 extended (3GPP TS 24.008 §10.5.7.4a), as some makes tell timers; 0: deactivated. */
export function periodicTauSeconds(bits: string): number {
  return [600, 3_600, 36_000, 2, 30, 60, 1_152_000, 0][Number.parseInt(bits.slice(0, 3), 2)] ?? 0;
}

/** Seconds of T3324 (3GPP TS 24.008 §10.5.7.3); 0: deactivated. */
export function activeTimeSeconds(bits: string): number {
  return [2, 60, 360][Number.parseInt(bits.slice(0, 3), 2)] ?? 0;
}

/** A timer's count times its unit. */
export function timerSeconds(bits: string, unit: (bits: string) => number): number {
  return unit(bits) * Number.parseInt(bits.slice(3), 2);
}
