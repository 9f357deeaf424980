// Signal as makers tell it beyond +CSQ and +CESQ: one reader a command, all answering dBm and dB.
import { queryWith, splitFields } from "../declare.ts";
import type { AtCommand } from "../engine/types.ts";
import type { SignalQuality } from "../types.ts";

/** Quectel: `"CAT-M1",-52,-81,195,-10` is RSSI, RSRP, SINR in fifths of a dB above -20, RSRQ. */
export const qcsq: AtCommand<readonly [], SignalQuality> = signal("+QCSQ", "AT+QCSQ", ([mode, rssi, rsrp, sinr, rsrq]) => {
  if (mode === undefined || /NOSERVICE/i.test(mode)) return {};
  return {
    rssiDbm: within(rssi, -140, 0),
    rsrpDbm: within(rsrp, -160, 0),
    sinrDb: scaled(sinr, 0, 250, 0.2, -20),
    rsrqDb: within(rsrq, -40, 0),
  };
});

const noService = /^NO SERVICE/i;
/** Where RSRQ, RSRP, RSSI and RSSNR stand in SIMCom's line for LTE. */
const cpsiAt = 10;

/** SIMCom SIM7070, SIM7080, SIM7090: dBm and dB, RSSNR in half decibels above -20. */
export const cpsiUnits: AtCommand<readonly [], SignalQuality> = signal("+CPSI", "AT+CPSI?", (fields) => {
  if (noService.test(fields[0] ?? "") || !/^LTE/i.test(fields[0] ?? "")) return {};
  const [rsrq, rsrp, rssi, rssnr] = fields.slice(cpsiAt);
  return {
    rsrqDb: within(rsrq, -40, 0),
    rsrpDbm: within(rsrp, -160, 0),
    rssiDbm: within(rssi, -140, 0),
    sinrDb: scaled(rssnr, 0, 30, 2, -20),
  };
});

/** SIMCom A76xx: the same places hold the numbers of the report (3GPP TS 36.133 §9.1). */
export const cpsiIndexes: AtCommand<readonly [], SignalQuality> = signal("+CPSI", "AT+CPSI?", (fields) => {
  if (noService.test(fields[0] ?? "") || !/^LTE/i.test(fields[0] ?? "")) return {};
  const [rsrq, rsrp, rssi] = fields.slice(cpsiAt);
  return { rsrqDb: scaled(rsrq, 0, 34, 0.5, -20), rsrpDbm: scaled(rsrp, 0, 97, 1, -140), rssiDbm: scaled(rssi, 0, 76, 1, -110) };
});

/** Telit: PLMN, EARFCN, RSRP, RSSI, RSRQ, … in dBm and dB. */
export const rfsts: AtCommand<readonly [], SignalQuality> = signal("#RFSTS", "AT#RFSTS", ([, , rsrp, rssi, rsrq]) => ({
  rsrpDbm: within(rsrp, -160, 0),
  rssiDbm: within(rssi, -140, 0),
  rsrqDb: within(rsrq, -40, 0),
}));

/** Nordic: <reg_status>, names, PLMN, TAC, AcT, band, cell, PCI, EARFCN, RSRP as +CESQ numbers it, SNR. */
export const xmonitor: AtCommand<readonly [], SignalQuality> = signal("%XMONITOR", "AT%XMONITOR", (fields) => ({
  rsrpDbm: scaled(fields[10], 0, 97, 1, -141),
  sinrDb: scaled(fields[11], 0, 49, 1, -25),
}));

function signal(
  name: string,
  line: string,
  read: (fields: readonly (string | undefined)[]) => { readonly [K in keyof SignalQuality]: SignalQuality[K] | undefined },
): AtCommand<readonly [], SignalQuality> {
  return queryWith(name, line, `${name}:`, (info) => {
    const found = read(splitFields(info).map((field) => field?.text));
    return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined)) as SignalQuality;
  });
}

/** A number in the range of what is measured; anything else is how modules say that it is unknown. */
function within(field: string | undefined, from: number, to: number): number | undefined {
  const value = field === undefined || field.trim() === "" ? Number.NaN : Number(field);
  return value >= from && value <= to ? value : undefined;
}

function scaled(field: string | undefined, from: number, to: number, step: number, offset: number): number | undefined {
  const value = within(field, from, to);
  return value === undefined ? undefined : Math.round((value * step + offset) * 10) / 10;
}
