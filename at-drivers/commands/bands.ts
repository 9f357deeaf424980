// Bands as makers write them: masks in hexadecimal or decimal, bit strings, or lists; in and out as 3GPP band numbers.
import { declare, replyError, splitFields } from "../declare.ts";
import type { AtCommand } from "../engine/types.ts";
import type { BandReading, Bands, BandTable, Terms } from "../family.ts";
import type { Rat } from "../types.ts";

/** Bit n stands for band n + 1. */
export function bandsOfMask(mask: bigint): readonly number[] {
  const bands: number[] = [];
  for (let band = 1, rest = mask; rest > 0n; band++, rest >>= 1n) if ((rest & 1n) === 1n) bands.push(band);
  return bands;
}

export function maskOfBands(bands: readonly number[]): bigint {
  return bands.reduce((mask, band) => mask | (1n << BigInt(band - 1)), 0n);
}

const atOnce: Terms = { level: undefined, holds: "at-once" };
const afterReset: Terms = { level: undefined, holds: "after-reset" };

/** Quectel: `AT+QCFG="band",<gsm>,<mask>[,<mask>]`; 0 for GSM leaves it as it is. `rats` names the masks behind it. */
export function qcfgBands(rats: readonly Rat[], tail: string): BandTable {
  return {
    terms: atOnce,
    read: reading("+QCFG", 'AT+QCFG="band"', (lines) => {
      const [, ...raw] = fieldsOf(lines.find((line) => /^"band"/i.test(line)) ?? "");
      return { raw, bands: Object.fromEntries(rats.map((rat, at) => [rat, bandsOfMask(hexMask(raw[at + 1]))])) };
    }),
    write: (wanted, { bands }) => [
      `AT+QCFG="band",0,${rats.map((rat) => maskOfBands(wanted[rat] ?? bands[rat] ?? []).toString(16)).join(",")}${tail}`,
    ],
  };
}

const ubandRats: Readonly<Record<string, Rat>> = { 0: "lte-m", 1: "nb-iot" };

/** u-blox: a number for the technology and one mask, or one for bands 1 to 64 and one for the rest, each in decimal. */
export const ubandmask: BandTable = {
  terms: afterReset,
  read: reading("+UBANDMASK", "AT+UBANDMASK?", (lines) => {
    const raw = fieldsOf(lines.join(","));
    const step = raw.length % 3 === 0 && !arePairs(raw) ? 3 : 2;
    const bands: Partial<Record<Rat, readonly number[]>> = {};
    for (let at = 0; at + 1 < raw.length; at += step) {
      const rat = ubandRats[raw[at] ?? ""];
      if (rat !== undefined) bands[rat] = bandsOfMask(decimal(raw[at + 1]) | (step === 3 ? decimal(raw[at + 2]) << 64n : 0n));
    }
    return { raw, bands };
  }),
  write: (wanted) =>
    Object.entries(ubandRats).flatMap(([number, rat]) => {
      const bands = wanted[rat];
      if (bands === undefined) return [];
      const mask = maskOfBands(bands);
      const high = mask >> 64n;
      return [`AT+UBANDMASK=${number},${BigInt.asUintN(64, mask)}${high === 0n ? "" : `,${high}`}`];
    }),
};

/** Whether every second of them is another technology. */
function arePairs(raw: readonly string[]): boolean {
  const rats = raw.filter((_, at) => at % 2 === 0);
  return new Set(rats).size === rats.length && rats.every((rat) => /^[0-3]$/.test(rat)) && raw.length % 2 === 0;
}

const cbandNames: Readonly<Record<string, Rat>> = { "CAT-M": "lte-m", "NB-IOT": "nb-iot" };

/** SIMCom SIM7070, SIM7080, SIM7090: lists. */
export const cbandcfg: BandTable = {
  terms: atOnce,
  read: reading("+CBANDCFG", "AT+CBANDCFG?", (lines) => {
    const bands: Partial<Record<Rat, readonly number[]>> = {};
    for (const line of lines) {
      const [name = "", ...numbers] = fieldsOf(line);
      const rat = cbandNames[name.toUpperCase()];
      if (rat !== undefined) bands[rat] = numbers.map(Number);
    }
    return { raw: lines, bands };
  }),
  write: (wanted) =>
    Object.entries(cbandNames).flatMap(([name, rat]) => {
      const bands = wanted[rat];
      return bands === undefined ? [] : [`AT+CBANDCFG="${name}",${bands.join(",")}`];
    }),
};

/** SIMCom A76xx: a mask for GSM and WCDMA, which is repeated, and one for LTE. */
export const cnbp: BandTable = {
  terms: atOnce,
  read: reading("+CNBP", "AT+CNBP?", ([line = ""]) => {
    const raw = fieldsOf(line);
    return { raw, bands: { lte: bandsOfMask(hexMask(raw[1])) } };
  }),
  write: ({ lte = [] }, { raw: [others = "0x0000000000000000", , ...rest] }) => [
    [`AT+CNBP=${others}`, `0x${maskOfBands(lte).toString(16).toUpperCase().padStart(16, "0")}`, ...rest].join(","),
  ],
};

/** Telit ME: GSM, UMTS, LTE 1 to 64, TD-SCDMA, LTE from 65, in decimal; technologies of LTE share the masks. */
export const hashBnd: BandTable = {
  terms: afterReset,
  read: reading("#BND", "AT#BND?", ([line = ""]) => {
    const raw = fieldsOf(line);
    return { raw, bands: { "lte-m": bandsOfMask(decimal(raw[2]) | (decimal(raw[4]) << 64n)) } };
  }),
  write: ({ "lte-m": bands = [] }, { raw }) => {
    const mask = maskOfBands(bands);
    const [gsm = "0", umts = "0", , tds = "0"] = raw;
    const all = [gsm, umts, BigInt.asUintN(64, mask), tds, mask >> 64n];
    // As many as it shows: not every model has the last ones.
    return [`AT#BND=${all.slice(0, Math.max(3, raw.length)).join(",")}`];
  },
};

/** Nordic: a bit string with band 1 last; no lock is all bands. LTE-M and NB-IoT share it. */
export const xbandlock: BandTable = {
  terms: { level: 4, holds: "at-once" },
  noneIsAll: true,
  read: reading("%XBANDLOCK", "AT%XBANDLOCK?", ([line = ""]) => {
    const raw = fieldsOf(line);
    const lock = raw[0] ?? "";
    if (!/^[01]*$/.test(lock)) throw replyError("%XBANDLOCK", "its lock is no bit string");
    return { raw, bands: { "lte-m": bandsOfMask(lock === "" ? 0n : BigInt(`0b${lock}`)) } };
  }),
  write: ({ "lte-m": bands = [] }) => [bands.length === 0 ? "AT%XBANDLOCK=0" : `AT%XBANDLOCK=1,"${maskOfBands(bands).toString(2)}"`],
};

function reading(
  name: string,
  line: string,
  read: (lines: readonly string[]) => { readonly raw: readonly string[]; readonly bands: Bands },
) {
  const command: AtCommand<readonly [], BandReading> = declare(name, line, `${name}:`, {}, (reply) => {
    if (reply.lines.length === 0) throw replyError(name, "it says no bands");
    try {
      return read(reply.lines);
    } catch (error) {
      // What is no number is no answer.
      if (error instanceof SyntaxError || error instanceof RangeError) throw replyError(name, error.message);
      throw error;
    }
  });
  return command;
}

function fieldsOf(line: string): string[] {
  return splitFields(line).map((field) => field?.text ?? "");
}

function hexMask(text: string | undefined): bigint {
  return text === undefined || text === "" ? 0n : BigInt(/^0x/i.test(text) ? text.toLowerCase() : `0x${text}`);
}

function decimal(text: string | undefined): bigint {
  return text === undefined || text === "" ? 0n : BigInt(text);
}
