// How much passed, by profile, stage, party and day: differences of counters that begin anew, wrap, and are read by a clock that may be wrong.
// What a reading means is decided here and is pure; `UsageBook` is the table of what was booked.

import { type Stage, stages } from "../policy/types.ts";
import { type Day, dayOf } from "../roaming/days.ts";
import type { PartyBytes, TrafficReading } from "./reading.ts";

export const parties = ["fleet", "management"] as const;
/** The fleet's own traffic, and that of simward itself. Where nothing can tell them apart all of it is the fleet's. */
export type Party = (typeof parties)[number];

/** Whose traffic it is that passes. */
export interface Whose {
  /** Digits; empty while it is not known. */
  readonly iccid: string;
  readonly stage: Stage;
}

export interface UsageRow extends Whose, PartyBytes {
  /** UTC. Zero: all that was ever booked for the party. */
  readonly day: Day;
  readonly party: Party;
  /** The day is known, by a clock that the network vouches for. */
  readonly certain: boolean;
}

/** A counter as it stood when it was booked last. */
export interface Cursor {
  /** `interface:…` or `firewall:…`; another one has counted from zero. */
  readonly epoch: string;
  readonly fleet: PartyBytes;
  readonly management: PartyBytes;
  /** Whose what follows is. */
  readonly whose: Whose;
  /** Wall clock. */
  readonly atMs: number;
  readonly certain: boolean;
  /** Of this run of the daemon; absent in one that was read from the disk. */
  readonly monotonicMs?: number | undefined;
}

export interface Moment {
  readonly ms: number;
  readonly monotonicMs: number;
  readonly certain: boolean;
}

const dayMs = 86_400_000;
const wrapBytes = 2 ** 32;
/** No vehicle's link is faster: what a wrapped counter would have to have counted must fit. */
const fastestBytesPerMs = 125_000;
/** Over a longer time without a look nobody knows on which side of midnight it passed. */
const exactMs = 60_000;
const mostDaysApart = 20;

/**
 * What is new since the cursors, oldest first; undefined: there is nothing to compare with. A counter that goes on counting while another kind of counter is
 * looked at counts the same traffic beside it: only what the newest look was at tells what is new.
 */
export function passedSince(cursors: readonly Cursor[], reading: TrafficReading, now: Moment): Record<Party, PartyBytes> | undefined {
  const newest = cursors.at(-1);
  if (newest === undefined || kindOf(newest.epoch) !== kindOf(reading.epoch)) return undefined;
  const before = cursors.find(({ epoch }) => epoch === reading.epoch);
  // Made since then: all that it shows has passed since.
  if (before === undefined) return { fleet: reading.fleet, management: reading.management };
  const elapsedMs = elapsedSince(before, now);
  return {
    fleet: difference(before.fleet, reading.fleet, elapsedMs),
    management: difference(before.management, reading.management, elapsedMs),
  };
}

function difference(before: PartyBytes, now: PartyBytes, elapsedMs: number | undefined): PartyBytes {
  const sentBytes = step(before.sentBytes, now.sentBytes, elapsedMs);
  const receivedBytes = step(before.receivedBytes, now.receivedBytes, elapsedMs);
  return sentBytes === undefined || receivedBytes === undefined ? now : { sentBytes, receivedBytes };
}

/** undefined: it has begun anew. */
function step(before: number, now: number, elapsedMs: number | undefined): number | undefined {
  if (now >= before) return now - before;
  const wrapped = now + wrapBytes - before;
  // A step of more than half the range is no wrap: a driver has set its figures back, and the fleet must not pay 4 GiB for it.
  const isPlausible = before < wrapBytes && wrapped <= wrapBytes / 2 && elapsedMs !== undefined && wrapped <= elapsedMs * fastestBytesPerMs;
  return isPlausible ? wrapped : undefined;
}

function elapsedSince({ atMs, monotonicMs, certain }: Cursor, now: Moment): number | undefined {
  if (monotonicMs !== undefined) return Math.max(0, now.monotonicMs - monotonicMs);
  return certain && now.certain && now.ms >= atMs ? now.ms - atMs : undefined;
}

/** Books what has passed since the newest of the cursors on the days on which it did. Pure. */
export function bookings(
  newest: Cursor | undefined,
  passed: Readonly<Record<Party, PartyBytes>>,
  now: Moment,
  whose: Whose,
  today: Day,
): readonly UsageRow[] {
  const elapsedMs = newest === undefined ? undefined : elapsedSince(newest, now);
  const shares = sharesOf(elapsedMs, now, today);
  return parties.flatMap((party) => {
    const { sentBytes, receivedBytes } = passed[party];
    if (sentBytes === 0 && receivedBytes === 0) return [];
    let [sentLeft, receivedLeft] = [sentBytes, receivedBytes];
    return shares.flatMap(({ day, share, certain }, i) => {
      const isLast = i === shares.length - 1;
      const sent = isLast ? sentLeft : Math.floor(sentBytes * share);
      const received = isLast ? receivedLeft : Math.floor(receivedBytes * share);
      sentLeft -= sent;
      receivedLeft -= received;
      return sent === 0 && received === 0 ? [] : [{ ...whose, day, party, certain, sentBytes: sent, receivedBytes: received }];
    });
  });
}

interface Share {
  readonly day: Day;
  readonly share: number;
  readonly certain: boolean;
}

function sharesOf(elapsedMs: number | undefined, now: Moment, today: Day): readonly Share[] {
  const wholly = (certain: boolean): readonly Share[] => [{ day: today, share: 1, certain }];
  if (!now.certain) return wholly(false);
  // Nobody knows since when: the counter has begun anew, or the clock was wrong then.
  if (elapsedMs === undefined) return wholly(true);
  const firstMs = Math.max(now.ms - elapsedMs, now.ms - mostDaysApart * dayMs);
  const first = dayOf(firstMs);
  if (first >= today || elapsedMs === 0) return wholly(true);
  const certain = elapsedMs <= exactMs;
  const shares: Share[] = [];
  for (let day = first; day <= today; day++) {
    const fromMs = Math.max(firstMs, day * dayMs);
    const toMs = Math.min(now.ms, (day + 1) * dayMs);
    shares.push({ day, share: (toMs - fromMs) / (now.ms - firstMs), certain });
  }
  return shares;
}

export function kindOf(epoch: string): string {
  return epoch.split(":")[0] ?? "";
}

export function keyOfRow({ day, iccid, stage, party, certain }: Omit<UsageRow, keyof PartyBytes>): string {
  return `${day} ${iccid} ${stage} ${party} ${certain ? "certain" : "uncertain"}`;
}

/** All that was ever booked: what a cap over a stage's whole time counts by. */
const everDay = 0;
/** Whoever changes profiles without end does not fill the book: behind so many a day they are booked without an ICCID. */
const mostRowsADay = 48;
/** As many as there is room for: eight years of a vehicle with one profile, and more than a year of one that changes it every day. */
export const mostRows = 6_000;
const spareRows = 200;

/** What was booked. Each change answers the rows as they stand then. */
export class UsageBook {
  readonly #rows = new Map<string, UsageRow>();
  readonly #perDay = new Map<Day, number>();
  #newestDay: Day = 0;

  constructor(rows: readonly UsageRow[] = []) {
    for (const row of rows) this.#set(row);
  }

  get size(): number {
    return this.#rows.size;
  }

  /** Of these days, both included; oldest first. */
  rows(first: Day = everDay + 1, last: Day = Number.POSITIVE_INFINITY): readonly UsageRow[] {
    return [...this.#rows.values()]
      .filter(({ day, sentBytes, receivedBytes }) => day >= first && day <= last && day !== everDay && sentBytes + receivedBytes > 0)
      .sort((a, b) => a.day - b.day || compare(keyOfRow(a), keyOfRow(b)));
  }

  /** The newest day that is certain. */
  get newestDay(): Day {
    return this.#newestDay;
  }

  /** The first day of those, unless it is before `first`; undefined: there is none. */
  firstDay(first: Day, isCounted: (row: UsageRow) => boolean): Day | undefined {
    let found: Day | undefined;
    for (const row of this.#rows.values())
      if (row.day >= first && (found === undefined || row.day < found) && row.sentBytes + row.receivedBytes > 0 && isCounted(row))
        found = row.day;
    return found;
  }

  /** Both ways together. */
  sum(first: Day, last: Day, isCounted: (row: UsageRow) => boolean): number {
    let sum = 0;
    for (const row of this.#rows.values())
      if (row.day >= first && row.day <= last && row.day !== everDay && isCounted(row)) sum += row.sentBytes + row.receivedBytes;
    return sum;
  }

  ever(party: Party): PartyBytes {
    return this.#rows.get(keyOfRow(everRow(party))) ?? { sentBytes: 0, receivedBytes: 0 };
  }

  add(bookings: readonly UsageRow[]): readonly UsageRow[] {
    const changed = new Map<string, UsageRow>();
    for (const booking of bookings) {
      for (const row of [this.#folded(booking), everRow(booking.party, booking)]) {
        const after = this.#plus(row);
        changed.set(keyOfRow(after), after);
      }
    }
    return [...changed.values()];
  }

  /** It was another day, or is known now to be that one. */
  move(row: UsageRow, to: Pick<UsageRow, "day" | "certain">): readonly UsageRow[] {
    const from = this.#rows.get(keyOfRow(row));
    if (from === undefined) return [];
    const sentBytes = Math.min(row.sentBytes, from.sentBytes);
    const receivedBytes = Math.min(row.receivedBytes, from.receivedBytes);
    const less = { ...from, sentBytes: from.sentBytes - sentBytes, receivedBytes: from.receivedBytes - receivedBytes };
    this.#set(less);
    return [less, this.#plus(this.#folded({ ...row, ...to, sentBytes, receivedBytes }))];
  }

  /** Answers the keys of what is not kept any more. */
  forget(): readonly string[] {
    if (this.#rows.size <= mostRows) return [];
    // Oldest first, and some more than need be, so that it is not sorted each time. Not by age: a clock that was wrong once must not cost the history.
    const oldest = [...this.#rows.values()].filter(({ day }) => day !== everDay).sort((a, b) => a.day - b.day);
    return oldest.slice(0, this.#rows.size - mostRows + spareRows).map((row) => {
      const key = keyOfRow(row);
      this.#rows.delete(key);
      this.#perDay.set(row.day, (this.#perDay.get(row.day) ?? 1) - 1);
      return key;
    });
  }

  #folded(row: UsageRow): UsageRow {
    const isNew = !this.#rows.has(keyOfRow(row));
    return isNew && (this.#perDay.get(row.day) ?? 0) >= mostRowsADay ? { ...row, iccid: "" } : row;
  }

  #plus(row: UsageRow): UsageRow {
    const before = this.#rows.get(keyOfRow(row));
    const after: UsageRow =
      before === undefined
        ? row
        : { ...row, sentBytes: before.sentBytes + row.sentBytes, receivedBytes: before.receivedBytes + row.receivedBytes };
    this.#set(after);
    return after;
  }

  #set(row: UsageRow): void {
    const key = keyOfRow(row);
    if (!this.#rows.has(key)) this.#perDay.set(row.day, (this.#perDay.get(row.day) ?? 0) + 1);
    this.#rows.set(key, row);
    if (row.certain && row.day > this.#newestDay) this.#newestDay = row.day;
  }
}

function everRow(party: Party, { sentBytes, receivedBytes }: PartyBytes = { sentBytes: 0, receivedBytes: 0 }): UsageRow {
  return { day: everDay, iccid: "", stage: stages[0], party, certain: true, sentBytes, receivedBytes };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
