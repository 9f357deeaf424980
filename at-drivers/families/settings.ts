// Settings and commands that several families share.

import { decodeActiveTime, decodePeriodicTau } from "../commands/power.ts";
import { order, setting } from "../commands/setting.ts";
import { queryWith, set, splitFields } from "../declare.ts";
import type { AtCommand } from "../engine/types.ts";
import type { DataInterfaceWay, PsmTimers, StartSetting, Terms } from "../family.ts";

export const atOnce: Terms = { level: undefined, holds: "at-once" };
export const afterReset: Terms = { level: undefined, holds: "after-reset" };
export const restarts: Terms = { level: undefined, holds: "restarts" };

/** PPP on the context's own number (3GPP TS 27.007 §10.2.1.1). */
export const pppOnContext: DataInterfaceWay = { kind: "ppp", dial: (cid) => `*99***${cid}#` };

export const awake = (name: string): StartSetting => ({
  setting: setting(name),
  value: "0",
  why: "a sleeping module loses what is written to it",
});

export const reset = (line: string): AtCommand<readonly [], void> => order(line.replace(/^AT/, "").split("=")[0] ?? line, line, 30_000);

export const forContext = (name: string, line: (cid: number) => string): AtCommand<readonly [cid: number], void> =>
  set(name, line, { timeoutMs: 150_000 });

/** Timers in seconds; an active time of 0 is none. */
export function psmSeconds(name: string, line: string, tauAt: number, activeAt: number): AtCommand<readonly [], PsmTimers | undefined> {
  return psm(name, line, (fields) => timers(seconds(fields[tauAt]), seconds(fields[activeAt])));
}

/** Timers as 3GPP TS 24.008 codes them. */
export function psmBits(name: string, line: string, tauAt: number, activeAt: number): AtCommand<readonly [], PsmTimers | undefined> {
  return psm(name, line, (fields) => timers(decodePeriodicTau(fields[tauAt] ?? ""), decodeActiveTime(fields[activeAt] ?? "")));
}

function psm(
  name: string,
  line: string,
  read: (fields: readonly (string | undefined)[]) => PsmTimers | undefined,
): AtCommand<readonly [], PsmTimers | undefined> {
  const command = queryWith(name, line, `${name}:`, (info) => ({ timers: read(splitFields(info).map((field) => field?.text)) }));
  return { ...command, parse: (reply) => command.parse(reply).timers };
}

function timers(periodicTauSeconds: number | undefined, activeSeconds: number | undefined): PsmTimers | undefined {
  return activeSeconds === undefined || activeSeconds === 0 ? undefined : { periodicTauSeconds, activeSeconds };
}

function seconds(field: string | undefined): number | undefined {
  return field !== undefined && /^\d+$/.test(field) ? Number(field) : undefined;
}
