// A drive: where the vehicle is when, and what happens there. Runs on the injected clock; the same seed gives the same drive.
import type { Clock, Disposer } from "../../base/clock.ts";
import { integerBelow, type Random } from "../../base/random.ts";
import type { FaultSetting, Faults } from "../faults.ts";
import type { World } from "./world.ts";

/** What changes at one moment of the drive; whatever is left out stays as it is. */
export interface Waypoint {
  /** Since the drive began. */
  readonly atMinutes: number;
  /** ISO 3166-1 alpha-2. */
  readonly country?: string | undefined;
  /** Received power by PLMN, dBm; null where there is no cell. Until the next border. */
  readonly signal?: Readonly<Record<string, number | null>> | undefined;
  readonly set?: readonly FaultSetting[] | undefined;
  /** Faults that end here, by name. */
  readonly clear?: readonly string[] | undefined;
}

/** Trouble that comes by chance. */
export interface RandomOutages {
  /** Which faults strike one PLMN: its cells are off, its core gives no session, its sessions lead nowhere. */
  readonly kinds: readonly ("outage" | "core-down" | "black-hole")[];
  readonly plmns: readonly string[];
  /** On average; between half and one and a half times that. */
  readonly everyMinutes: number;
  readonly lastingMinutes: readonly [min: number, max: number];
}

export interface Route {
  readonly waypoints: readonly Waypoint[];
  readonly outages?: RandomOutages | undefined;
}

export interface DriveOptions {
  readonly route: Route;
  readonly clock: Clock;
  readonly world: World;
  readonly faults: Faults;
  readonly random: Random;
  /** How many times as fast as the clock; 1 by default. */
  readonly speed?: number;
}

const minuteMs = 60_000;

/** Begins the drive now; answers how to end it. What it has set stays as it is then. */
export function startDrive({ route, clock, world, faults, random, speed = 1 }: DriveOptions): Disposer {
  const timers = new Set<Disposer>();
  const after = (minutes: number, fn: () => void): void => {
    const stop = clock.after((minutes * minuteMs) / speed, () => {
      timers.delete(stop);
      fn();
    });
    timers.add(stop);
  };
  const pass = ({ country, signal = {}, set = [], clear = [] }: Waypoint): void => {
    if (country !== undefined) world.moveTo(country);
    for (const [plmn, rsrpDbm] of Object.entries(signal)) world.setSignal(plmn, rsrpDbm);
    for (const name of clear) faults.clear(name);
    for (const { name, value } of set) faults.set(name, value);
  };
  for (const waypoint of route.waypoints) {
    if (waypoint.atMinutes <= 0) pass(waypoint);
    else after(waypoint.atMinutes, () => pass(waypoint));
  }
  if (route.outages !== undefined) strike(route.outages, faults, random, after);
  return () => {
    for (const stop of timers) stop();
    timers.clear();
  };
}

/** One trouble after the other, for as long as the drive lasts. */
function strike(outages: RandomOutages, faults: Faults, random: Random, after: (minutes: number, fn: () => void) => void): void {
  const { kinds, plmns, everyMinutes, lastingMinutes } = outages;
  const [min, max] = lastingMinutes;
  after(everyMinutes * (0.5 + random.unit()), () => {
    const kind = kinds[integerBelow(random, kinds.length)];
    const plmn = plmns[integerBelow(random, plmns.length)];
    if (kind === undefined || plmn === undefined) return;
    faults.set(kind, plmn);
    after(min + random.unit() * (max - min), () => {
      faults.clear(kind);
      strike(outages, faults, random, after);
    });
  });
}
