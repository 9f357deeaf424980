// Roaming days as the audit trail proves them, for a day book that is lost: where a record says that the vehicle was registered, or had a session. Pure.
import { countryOf } from "../../base/mcc.ts";
import type { AuditRecord } from "../audit/types.ts";
import { type Counts, type DayBook, mark, type Sim } from "./day-book.ts";
import { type Days, dayOf, eachDay, noDays, withDay } from "./days.ts";

/** Days of one profile in one country. */
export interface TrailDays {
  /** Digits; empty where the record names none. */
  readonly iccid: string;
  readonly country: string;
  /** As the network said; the IMSI decides where it is known. */
  readonly sim: Sim;
  readonly counts: Counts;
  /** UTC. */
  readonly days: Days;
  /** Those of them that only records of a clock nobody vouched for tell. */
  readonly uncertain: Days;
}

/** Whose ICCID is the one in use from then on. */
const switches: ReadonlySet<string> = new Set([
  ...["network.changed", "module.cardAdopted", "profile.enabled", "profile.rolledBack", "profile.fellBack", "profile.returned"],
]);
/** Networks on the way, for a session that crosses borders. */
const keptChanges = 200;
const dayMs = 86_400_000;
/** Of a session that lasted longer than any rule looks back, only the end counts. */
const longestSessionDays = 1_100;

interface Network {
  readonly ms: number;
  readonly country: string | undefined;
  readonly isForeign: boolean;
}

/** In the order of the trail. A record whose time rests on nothing proves no day. */
export async function daysFromTrail(records: AsyncIterable<AuditRecord>): Promise<readonly TrailDays[]> {
  const found = new Map<string, TrailDays>();
  let changes: readonly Network[] = [];
  let enabled = "";

  const add = (iccid: string, { country, isForeign }: Network, counts: Counts, day: number, certain: boolean): void => {
    if (country === undefined) return;
    const sim: Sim = isForeign ? "foreign" : "local";
    const key = `${iccid} ${country} ${sim} ${counts}`;
    const { days, uncertain, ...names } = found.get(key) ?? { iccid, country, sim, counts, days: noDays, uncertain: noDays };
    const isNew = !days.some(([first, last]) => first <= day && day <= last);
    const isSure = certain || (!isNew && !uncertain.some(([first, last]) => first <= day && day <= last));
    found.set(key, { ...names, days: withDay(days, day), uncertain: isSure ? without(uncertain, day) : withDay(uncertain, day) });
  };

  for await (const { event, time, timeSource, data = {} } of records) {
    const ms = Date.parse(time);
    if (timeSource === "none" || !Number.isFinite(ms)) continue;
    const certain = timeSource !== "floor";
    const { plmn, iccid, toIccid } = data;
    const profile = [toIccid, iccid].find((one): one is string => typeof one === "string") ?? enabled;
    if (switches.has(event)) enabled = profile;
    const country = typeof plmn === "string" ? countryOf(plmn) : undefined;
    if (event === "network.changed" || event === "rat.changed") {
      const here = { ms, country, isForeign: data.roaming !== false };
      changes = [...changes.slice(1 - keptChanges), here];
      add(profile, here, "registration", dayOf(ms), certain);
    }
    if (event === "path.up") {
      const here = changes.at(-1);
      const known = { ms, country: country ?? here?.country, isForeign: here?.isForeign ?? true };
      add(profile, known, "registration", dayOf(ms), certain);
      add(profile, known, "data_session", dayOf(ms), certain);
    }
    if (event === "session.ended" && typeof data.seconds === "number") {
      const fromMs = Math.max(ms - data.seconds * 1_000, ms - longestSessionDays * dayMs);
      const isForeign = changes.findLast((one) => one.country === country)?.isForeign ?? true;
      const legs: readonly Network[] = [{ ms: fromMs, country, isForeign }, ...changes.filter((one) => one.ms > fromMs && one.ms < ms)];
      for (const [at, leg] of legs.entries()) {
        const last = dayOf(legs[at + 1]?.ms ?? ms);
        for (let day = dayOf(leg.ms); day <= last; day++) {
          add(profile, leg, "registration", day, certain);
          add(profile, leg, "data_session", day, certain);
        }
      }
    }
  }
  return [...found.values()];
}

export interface Identities {
  /** Of the module that is in the vehicle now; the trail does not say with which one a day was. */
  readonly imei: string;
  readonly imsiOf: (iccid: string) => string | undefined;
  readonly zonesMinutes: readonly number[];
}

/** A zone's day is taken to be UTC's. */
export function withTrailDays(book: DayBook, trail: readonly TrailDays[], { imei, imsiOf, zonesMinutes }: Identities): DayBook {
  let next = book;
  for (const { iccid, country, sim, counts, days, uncertain } of trail) {
    const imsi = imsiOf(iccid);
    const named = { imei, ...(imsi === undefined ? {} : { imsi }), ...(iccid === "" ? {} : { iccid }) };
    const presence = {
      country,
      sim: imsi === undefined ? sim : countryOf(imsi) === country ? ("local" as const) : ("foreign" as const),
      identities: Object.entries(named).map(([kind, digits]) => `${kind} ${digits}`),
      counts: [counts],
      zonesMinutes,
    };
    const doubtful = new Set(eachDay(uncertain));
    for (const day of eachDay(days)) next = mark(next, presence, () => day, !doubtful.has(day));
  }
  return next;
}

function without(days: Days, day: number): Days {
  return [...eachDay(days)].filter((one) => one !== day).reduce<Days>(withDay, noDays);
}
