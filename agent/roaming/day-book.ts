// The day book: on which days was this vehicle used where, under which of its identities. A value; marking a day gives the next one. Pure.
import { type Day, type Days, daysWithin, eachDay, hasDay, noDays, withDay } from "./days.ts";

/** What makes a day count. */
export type Counts = "registration" | "data_session";
/** With a profile of that country itself, or of another. */
export type Sim = "foreign" | "local";

export interface Tally {
  readonly days: Days;
  /** Those of them that were found by a clock that nobody vouched for. */
  readonly uncertain: Days;
}

/** Under "imei 35…", "imsi 26…", "iccid 89…"; by country; by what is counted: "data_session foreign", "registration local +180". */
export type DayBook = Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, Tally>>>>>>;

/** Where the vehicle is used at one moment, and as whom. */
export interface Presence {
  /** ISO 3166-1 alpha-2. */
  readonly country: string;
  readonly sim: Sim;
  /** "imei 35…" and so on. */
  readonly identities: readonly string[];
  readonly counts: readonly Counts[];
  /** Minutes ahead of UTC of those days that rules want counted besides UTC's. */
  readonly zonesMinutes: readonly number[];
}

/** No rule looks further back; whole years of leap days included. */
export const keptDays = 1_100;
const emptyTally: Tally = { days: noDays, uncertain: noDays };

export function seriesName(counts: Counts, sim: Sim, zoneMinutes = 0): string {
  return `${counts} ${sim}${zoneMinutes === 0 ? "" : ` ${zoneMinutes > 0 ? "+" : ""}${zoneMinutes}`}`;
}

export function tallyOf(book: DayBook, identity: string, country: string, series: string): Tally {
  return book[identity]?.[country]?.[series] ?? emptyTally;
}

/** `dayIn` tells the day in a zone. The same book when nothing is new. */
export function mark(book: DayBook, presence: Presence, dayIn: (zoneMinutes: number) => Day, certain: boolean): DayBook {
  let next = book;
  for (const identity of presence.identities) {
    for (const counts of presence.counts) {
      for (const zone of new Set([0, ...presence.zonesMinutes])) {
        const series = seriesName(counts, presence.sim, zone);
        // A zone that a rule wants counted from now on begins with the days known by UTC.
        const known = tallyOf(book, identity, presence.country, seriesName(counts, presence.sim));
        next = change(next, identity, presence.country, series, (tally) => marked(tally, dayIn(zone), certain), known);
      }
    }
  }
  return next;
}

/** What certain and uncertain knowledge make of a day: a certain one stays certain. */
function marked(tally: Tally, day: Day, certain: boolean): Tally {
  const known = hasDay(tally.days, day);
  if (known && (!certain || !hasDay(tally.uncertain, day))) return tally;
  return {
    days: withDay(tally.days, day),
    uncertain: certain ? without(tally.uncertain, day) : withDay(tally.uncertain, day),
  };
}

/**
 * Days without a place in time yet: put on the latest free days from `first` up to `last`, as uncertain ones. As many as there is room for: between
 * those two there were no more days than that.
 */
export function markLatest(book: DayBook, presence: Presence, count: number, last: (zoneMinutes: number) => Day, first?: Day): DayBook {
  let next = book;
  for (const identity of presence.identities) {
    for (const counts of presence.counts) {
      for (const zone of new Set([0, ...presence.zonesMinutes])) {
        const series = seriesName(counts, presence.sim, zone);
        next = change(next, identity, presence.country, series, (tally) => placed(tally, count, last(zone), first));
      }
    }
  }
  return next;
}

/** The clock was ahead: days beyond today happened, but earlier. */
export function correctFuture(book: DayBook, today: Day): DayBook {
  return mapTallies(book, (tally) => {
    // The day after is somewhere's today.
    const beyond = daysWithin(tally.days, today + 2, Number.POSITIVE_INFINITY);
    if (beyond.length === 0) return tally;
    const kept = {
      days: daysWithin(tally.days, Number.NEGATIVE_INFINITY, today + 1),
      uncertain: daysWithin(tally.uncertain, Number.NEGATIVE_INFINITY, today + 1),
    };
    return placed(kept, [...eachDay(beyond)].length, today);
  });
}

/** Without what no rule looks at any more. */
export function forgetOld(book: DayBook, today: Day): DayBook {
  const from = today - keptDays;
  return mapTallies(book, (tally) => {
    if ((tally.days[0]?.[0] ?? from) >= from) return tally;
    return {
      days: daysWithin(tally.days, from, Number.POSITIVE_INFINITY),
      uncertain: daysWithin(tally.uncertain, from, Number.POSITIVE_INFINITY),
    };
  });
}

function placed(tally: Tally, count: number, last: Day, first = last - keptDays + 1): Tally {
  let next = tally;
  for (let day = last, left = count; left > 0 && day >= Math.max(first, last - keptDays + 1); day--) {
    if (hasDay(next.days, day)) continue;
    next = { days: withDay(next.days, day), uncertain: withDay(next.uncertain, day) };
    left--;
  }
  return next;
}

function change(
  book: DayBook,
  identity: string,
  country: string,
  series: string,
  fn: (tally: Tally) => Tally,
  initial: Tally = emptyTally,
): DayBook {
  const before = book[identity]?.[country]?.[series];
  const after = fn(before ?? initial);
  if (after === before || (before === undefined && after === emptyTally)) return book;
  return { ...book, [identity]: { ...book[identity], [country]: { ...book[identity]?.[country], [series]: after } } };
}

function mapTallies(book: DayBook, fn: (tally: Tally) => Tally): DayBook {
  let next = book;
  for (const [identity, countries] of Object.entries(book))
    for (const [country, series] of Object.entries(countries))
      for (const name of Object.keys(series)) next = change(next, identity, country, name, fn);
  return next;
}

function without(days: Days, day: Day): Days {
  return [...daysWithin(days, Number.NEGATIVE_INFINITY, day - 1), ...daysWithin(days, day + 1, Number.POSITIVE_INFINITY)];
}
