// Counts the days of this vehicle: what it is told of network and subscription becomes days, durably, and how it stands with each rule is told on.
// A day is on the medium before anybody hears of it. Notes are taken on every change, every hour, and at every midnight that a rule goes by.
import { array, fallback, number, object, optional, parse, picklist, record, string, tuple } from "valibot";
import type { Clock, Disposer } from "../../base/clock.ts";
import type { Disk } from "../../base/disk.ts";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { countryOf } from "../../base/mcc.ts";
import { Queue } from "../../base/queue.ts";
import type { AuditEvent } from "../audit/types.ts";
import type { RoamingFacts, VehicleFacts } from "../policy/types.ts";
import { openState } from "../state/store.ts";
import type { Counts, DayBook, Presence } from "./day-book.ts";
import { countDays, type Day, type Days, dayOf, eachDay, noDays, withDay } from "./days.ts";
import { type TrailDays, withTrailDays } from "./from-trail.ts";
import { type RuleOverrides, withOverrides } from "./overrides.ts";
import { type RoamingRules, rulesFor } from "./rules.ts";
import { bySeverity, type Level, type Standing, standingOf } from "./standing.ts";
import { emptyTracker, type Moment, note, presumed, restarted, type TrackerState } from "./tracker.ts";

/** Of the vehicle, what days depend on. */
export type SeenVehicle = Pick<VehicleFacts, "imei" | "imsi" | "iccid" | "country" | "registered" | "dataSession">;

export interface RoamingOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  /** In force now. */
  readonly rules: () => RoamingRules;
  readonly overrides: RuleOverrides;
  /** Never rejects. */
  readonly audit: (event: AuditEvent) => Promise<void>;
  /** How the vehicle stands, whenever that may have changed; what was counted is durable then, or owed by a disk that refuses. */
  readonly tell: (facts: RoamingFacts) => void;
  /** What was counted so far could not be read. */
  readonly onLost: (why: SimwardError) => void;
  /** What the audit trail proves of days: asked for where they were lost. Throws DISK_READ. */
  readonly recordedDays: () => Promise<readonly TrailDays[]>;
}

export interface Roaming {
  /** Something of the vehicle has changed. Resolves when it is counted, stored and told. */
  see(vehicle: SeenVehicle): Promise<void>;
  /** Takes a note now, as it is taken every hour; after a change of rules too. */
  look(): Promise<void>;
  readonly now: RoamingNow;
  /** Notes for the last time, and ends. */
  stop(): Promise<void>;
}

export interface RoamingNow {
  readonly country: string | undefined;
  /** ISO 3166-1 alpha-2, of the subscription in use. */
  readonly home: string | undefined;
  /** What makes a day count at this moment. */
  readonly counting: readonly Counts[];
  /** Most serious first. */
  readonly standings: readonly Standing[];
  readonly book: DayBook;
  /** UTC. */
  readonly today: Day;
  /** The clock is believed; without it the day is the most likely one. */
  readonly isCertain: boolean;
}

interface RoamingState extends TrackerState {
  /** By rule id, those that are not ok: changes are audited once. */
  readonly levels: Readonly<Record<string, Level>>;
  /** The subscription of each ICCID seen, for while it cannot be read. The last at the end. */
  readonly imsis: readonly (readonly [iccid: string, imsi: string])[];
  /** Of the trail, while it is not known yet whose they are. */
  readonly recovered: readonly TrailDays[];
  /** Where the vehicle was last, and as whom: that stands until it is known anew. */
  readonly last: Pick<SeenVehicle, "imei" | "imsi" | "iccid" | "country">;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** A midnight is noted a moment after it. */
const pastMidnightMs = 1_000;
/** An IMSI that could not be read for so long is not waited for: days must not be lost. */
const subscriberWaitMs = 600_000;
const maxSubscribers = 32;

const days = array(tuple([number(), number()]));
const tally = object({ days, uncertain: days });
const countries = record(string(), record(string(), tally));
const undated = object({
  presence: object({
    country: string(),
    sim: picklist(["foreign", "local"]),
    identities: array(string()),
    counts: array(picklist(["registration", "data_session"])),
    zonesMinutes: array(number()),
  }),
  fromMonotonicMs: optional(number()),
  lastingMs: number(),
  claimed: days,
  afterDay: optional(number()),
});
const recovered = object({
  iccid: string(),
  country: string(),
  sim: picklist(["foreign", "local"]),
  counts: picklist(["registration", "data_session"]),
  days,
  uncertain: days,
});
const schema = object({
  book: record(string(), countries),
  undated: array(undated),
  lastDay: optional(number()),
  levels: fallback(record(string(), picklist(["ok", "warn", "act", "breach"])), {}),
  imsis: fallback(array(tuple([string(), string()])), []),
  recovered: fallback(array(recovered), []),
  last: fallback(
    object({ imei: optional(string()), imsi: optional(string()), iccid: optional(string()), country: optional(string()) }),
    {},
  ),
});

export async function openRoaming(options: RoamingOptions): Promise<Roaming> {
  const { clock, log } = options;
  let isLost = false;
  const store = await openState<RoamingState>({
    ...{ disk: options.disk, name: "roaming", version: 1 },
    initial: { ...emptyTracker, levels: {}, imsis: [], recovered: [], last: {} },
    parse: (value) => parse(schema, value),
    onLost: (why) => {
      isLost = true;
      options.onLost(new SimwardError("ROAMING_LOST", { detail: why.message, cause: why }));
    },
  });
  if (isLost) {
    const found = await options.recordedDays().catch((error: unknown) => {
      log.error("the trail could not be asked for roaming days", { error: asSimwardError(error) });
      return [];
    });
    if (found.length > 0) await store.hold((state) => ({ ...state, recovered: found }));
  }
  const startedMs = clock.monotonicMs();
  const work = new Queue(10_000);
  /** What a broken disk refuses is known at least until the restart, and written as soon as it takes it. */
  let state: RoamingState = store.get().undated.length === 0 ? store.get() : { ...store.get(), ...restarted(store.get()) };
  let seen: SeenVehicle = state.last;
  let presence: Presence | undefined;
  let notedMs: number | undefined;
  let unknownSinceMs: number | undefined;
  let cancelWake: Disposer = () => {};
  let stopped = false;

  const moment = (): Moment => {
    const { ms, source } = clock.wall();
    return { wallMs: ms, source, monotonicMs: clock.monotonicMs() };
  };
  const rules = (): RoamingRules => withOverrides(options.rules(), options.overrides);
  const imsiOf = ({ imsi, iccid }: SeenVehicle): string | undefined => imsi ?? state.imsis.find(([known]) => known === iccid)?.[1];

  /** Undefined: nothing counts now, or it is not known yet as whose. */
  const presenceOf = (vehicle: SeenVehicle, nowMs: number): Presence | undefined => {
    const { country, imei, iccid, registered, dataSession } = vehicle;
    const counts: Counts[] = [];
    if (registered) counts.push("registration");
    if (dataSession) counts.push("data_session");
    if (country === undefined || counts.length === 0) return undefined;
    const imsi = imsiOf(vehicle);
    unknownSinceMs = imsi !== undefined ? undefined : (unknownSinceMs ?? nowMs);
    if (unknownSinceMs !== undefined && nowMs - unknownSinceMs < subscriberWaitMs) return undefined;
    const named = { imei, imsi, iccid };
    const identities = Object.entries(named).flatMap(([kind, digits]) => (digits === undefined ? [] : [`${kind} ${digits}`]));
    if (identities.length === 0) return undefined;
    const zones = new Set(rules().rules.map(({ zone_minutes }) => zone_minutes));
    const sim = countryOf(imsi) === country ? "local" : "foreign";
    return { country, sim, identities, counts, zonesMinutes: [...zones].filter((zone) => zone !== 0).sort((a, b) => a - b) };
  };

  const describe = (): RoamingNow => {
    const now = moment();
    const { book, wallMs, isCertain } = presumed(state, now);
    const { country } = seen;
    const imsi = imsiOf(seen);
    const home = countryOf(imsi);
    const identities = { imei: seen.imei, imsi, iccid: seen.iccid };
    const standings = (country === undefined ? [] : rulesFor(rules(), country, home)).map((rule) => {
      const digits = identities[rule.key];
      const identity = digits === undefined ? undefined : `${rule.key} ${digits}`;
      return standingOf(rule, { book, today: dayOf(wallMs, rule.zone_minutes), country: country ?? "", home, identity });
    });
    const counting = presence?.counts ?? [];
    return { country, home, counting, standings: standings.sort(bySeverity), book, today: dayOf(wallMs), isCertain };
  };

  const keep = async (next: RoamingState): Promise<void> => {
    state = next;
    await store.hold(() => next);
  };

  /** What was so until now counts until now; what is so from now on counts from now on. */
  const take = async (vehicle: SeenVehicle): Promise<void> => {
    const now = moment();
    const { imsi, iccid } = vehicle;
    let next = state;
    if (imsi !== undefined && iccid !== undefined && !next.imsis.some(([known, of]) => known === iccid && of === imsi)) {
      const others = next.imsis.filter(([known]) => known !== iccid);
      next = { ...next, imsis: [...others, [iccid, imsi] as const].slice(-maxSubscribers) };
    }
    next = withRecovered(next, vehicle, now.monotonicMs);
    const last = { imei: vehicle.imei, imsi: imsiOf(vehicle), iccid, country: vehicle.country };
    if (Object.values(last).every((one) => one !== undefined) && !sameValue(last, next.last)) next = { ...next, last };
    const noted = (with_: Presence | undefined, since: number | undefined): void => {
      const tracked = note(next, with_, now, since);
      if (tracked !== next) next = { ...next, ...tracked };
    };
    if (presence !== undefined) noted(presence, notedMs);
    const later = presenceOf(vehicle, now.monotonicMs);
    const goesOn = JSON.stringify(later) === JSON.stringify(presence);
    if (!goesOn || later === undefined) noted(later, undefined);
    seen = vehicle;
    presence = later;
    notedMs = later === undefined ? undefined : now.monotonicMs;
    await keep(next);
    await tellLevels();
  };

  /** Once it is known whose they are: the module's, and the subscription's unless that cannot be read. */
  const withRecovered = (before: RoamingState, { imei, iccid }: SeenVehicle, nowMs: number): RoamingState => {
    if (before.recovered.length === 0 || imei === undefined) return before;
    const imsiOfProfile = (digits: string): string | undefined => before.imsis.find(([known]) => known === digits)?.[1];
    if ((iccid === undefined || imsiOfProfile(iccid) === undefined) && nowMs - startedMs < subscriberWaitMs) return before;
    const zonesMinutes = rules().rules.map(({ zone_minutes }) => zone_minutes);
    const book = withTrailDays(before.book, before.recovered, { imei, imsiOf: imsiOfProfile, zonesMinutes });
    const days = countDays(before.recovered.flatMap(({ days }) => [...eachDay(days)]).reduce<Days>(withDay, noDays));
    void options.audit({ event: "roaming.recovered", cause: "audit", data: { days } });
    return { ...before, book, recovered: [] };
  };

  const tellLevels = async (): Promise<void> => {
    const { country, home, standings, isCertain } = describe();
    const levels = Object.fromEntries(standings.flatMap(({ rule, level }) => (level === "ok" ? [] : [[rule.id, level] as const])));
    const events: AuditEvent[] = [];
    for (const { rule, level, used, limit = null, daysLeft = null, uncertain } of standings) {
      const from = state.levels[rule.id] ?? "ok";
      const data = { rule: rule.id, country: country ?? null, home: home ?? null, from, to: level, used, limit, daysLeft, uncertain };
      if (from !== level) events.push({ event: "roaming.level", cause: `policy:${rule.id}`, data });
    }
    if (JSON.stringify(levels) !== JSON.stringify(state.levels)) await keep({ ...state, levels });
    for (const event of events) await options.audit(event);
    options.tell({ standings, country, homeCountry: home, isCertain });
  };

  /** Of what is not known yet after a start, what was so last: until a network, or module and card, say otherwise. */
  const complete = (vehicle: SeenVehicle): SeenVehicle => {
    const { last } = state;
    const { imei = last.imei, iccid, imsi, registered, dataSession } = vehicle;
    const who = iccid === undefined ? { iccid: last.iccid, imsi: last.imsi } : { iccid, imsi };
    // A network in use that is of no country, such as a ship's, is not the last one's.
    const country = vehicle.country ?? (registered === true || dataSession === true ? undefined : last.country);
    return { ...vehicle, imei, ...who, country };
  };

  const wakeLater = (): void => {
    cancelWake();
    if (stopped) return;
    const { ms } = clock.wall();
    const zones = new Set([0, ...rules().rules.map(({ zone_minutes }) => zone_minutes)]);
    const toMidnight = [...zones].map((zone) => dayMs - ((((ms + zone * 60_000) % dayMs) + dayMs) % dayMs) + pastMidnightMs);
    cancelWake = clock.after(Math.min(hourMs, ...toMidnight), () => void step(() => seen));
  };

  const step = (vehicle: () => SeenVehicle): Promise<void> =>
    work
      .run(() => take(vehicle()))
      .catch((error: unknown) => {
        if (!stopped) log.error("roaming days", { error: asSimwardError(error) });
      })
      .finally(wakeLater);

  const { country, home, standings, isCertain } = describe();
  if (country !== undefined) options.tell({ standings, country, homeCountry: home, isCertain });

  return {
    see: (vehicle) => step(() => complete(vehicle)),
    look: () => step(() => seen),
    get now() {
      return describe();
    },
    async stop() {
      if (stopped) return;
      stopped = true;
      cancelWake();
      await step(() => ({ ...seen, registered: false, dataSession: false }));
    },
  };
}

function sameValue(a: object, b: object): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
