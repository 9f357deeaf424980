// The module's real-time clock: counts from 1980 after power-on, and takes the network's time at attach (NITZ).
import type { Clock } from "../../base/clock.ts";

export interface ModuleTime {
  readonly utcMs: number;
  /** Quarters of an hour east of Greenwich. */
  readonly zoneQuarters: number;
}

/** What modules without a battery show before the network has told the time. */
const epoch: ModuleTime = { utcMs: Date.UTC(1980, 0, 6), zoneQuarters: 0 };

export class ClockChip {
  readonly #clock: Clock;
  #set: ModuleTime = epoch;
  #setAtMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#setAtMs = clock.monotonicMs();
  }

  reset(): void {
    this.set(epoch);
  }

  set(time: ModuleTime): void {
    this.#set = time;
    this.#setAtMs = this.#clock.monotonicMs();
  }

  read(): ModuleTime {
    return { utcMs: this.#set.utcMs + this.#clock.monotonicMs() - this.#setAtMs, zoneQuarters: this.#set.zoneQuarters };
  }
}

const two = (value: number): string => String(value).padStart(2, "0");

/** "26/06/01,14:00:00+08": local time and zone, as +CCLK has it (3GPP TS 27.007 §8.15). */
export function formatCclk({ utcMs, zoneQuarters }: ModuleTime): string {
  const local = new Date(utcMs + zoneQuarters * 900_000);
  const date = [local.getUTCFullYear() % 100, local.getUTCMonth() + 1, local.getUTCDate()].map(two).join("/");
  const time = [local.getUTCHours(), local.getUTCMinutes(), local.getUTCSeconds()].map(two).join(":");
  return `${date},${time}${formatZone(zoneQuarters)}`;
}

export function formatZone(zoneQuarters: number): string {
  return `${zoneQuarters < 0 ? "-" : "+"}${two(Math.abs(zoneQuarters))}`;
}

/** "2026/06/01,14:00:00", as +CTZE has it: local time (3GPP TS 27.007 §8.41). */
export function formatCtze({ utcMs, zoneQuarters }: ModuleTime): string {
  const local = new Date(utcMs + zoneQuarters * 900_000).toISOString();
  return `${local.slice(0, 10).replaceAll("-", "/")},${local.slice(11, 19)}`;
}

/** Reads what +CCLK= is given; undefined when it is no time. */
export function parseCclk(text: string): ModuleTime | undefined {
  const match = /^(\d\d)\/(\d\d)\/(\d\d),(\d\d):(\d\d):(\d\d)([+-]\d\d)?$/.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, zoneQuarters = 0] = match
    .slice(1)
    .map((part) => Number(part ?? 0));
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59) return undefined;
  return { utcMs: Date.UTC(2000 + year, month - 1, day, hour, minute, second) - zoneQuarters * 900_000, zoneQuarters };
}
