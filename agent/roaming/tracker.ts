// Counts days: notes where the vehicle is used, by a clock that is believed or, while there is none, by how long it lasted.
// Pure: time comes in with every call, and what has to be kept comes out.
import type { TimeSource } from "../../base/clock.ts";
import { correctFuture, type DayBook, forgetOld, mark, markLatest, type Presence } from "./day-book.ts";
import { countDays, type Day, type Days, dayOf, daysWithin, eachDay, noDays, withDay } from "./days.ts";

/** Use of which the day is not known yet. */
export interface Undated {
  readonly presence: Presence;
  /** Of this life of the daemon, so that a clock that comes later can date it; absent in what an earlier life left behind. */
  readonly fromMonotonicMs?: number | undefined;
  readonly lastingMs: number;
  /** By UTC of a clock that nobody vouches for, and that may be right all the same. */
  readonly claimed: Days;
  /** The last day known for sure before it: it happened no earlier. */
  readonly afterDay?: Day | undefined;
}

export interface TrackerState {
  readonly book: DayBook;
  readonly undated: readonly Undated[];
  /** The last one noted by a clock that is believed. */
  readonly lastDay?: Day | undefined;
}

export const emptyTracker: TrackerState = { book: {}, undated: [] };

export interface Moment {
  readonly wallMs: number;
  readonly source: TimeSource;
  readonly monotonicMs: number;
}

const dayMs = 86_400_000;
/** What came with this much less than a day more is not yet another day. */
const roundMs = 60_000;
/** A border gone to and fro for weeks without a clock: beyond this only how long is kept. */
const maxUndated = 100;

export function isTrusted({ source }: Pick<Moment, "source">): boolean {
  return source === "nitz" || source === "network";
}

/** After a start: no monotonic time of an earlier life means anything now; how long each use lasted in all is kept, and what an unvouched clock said. */
export function restarted({ undated, ...state }: TrackerState): TrackerState {
  const sums = new Map<string, Undated>();
  for (const { presence, lastingMs, claimed, afterDay } of undated) {
    const key = JSON.stringify(presence);
    const sum = sums.get(key);
    sums.set(key, {
      presence,
      lastingMs: lastingMs + (sum?.lastingMs ?? 0),
      claimed: [...eachDay(claimed)].reduce(withDay, sum?.claimed ?? noDays),
      afterDay: sum === undefined ? afterDay : sum.afterDay,
    });
  }
  return { ...state, undated: [...sums.values()] };
}

/**
 * The vehicle is used like this now; `before` is when that was last noted, if without a break since. Answers the same object when there is nothing new to keep.
 */
export function note(state: TrackerState, presence: Presence | undefined, now: Moment, sinceMonotonicMs: number | undefined): TrackerState {
  if (!isTrusted(now)) return presence === undefined ? state : { ...state, undated: lengthened(state, presence, now, sinceMonotonicMs) };
  const dayIn = (zoneMinutes: number): number => dayOf(now.wallMs, zoneMinutes);
  const lastDay = dayIn(0);
  if (presence === undefined && state.undated.length === 0) return state;
  // What is certain has its place first; the rest goes where there is room.
  let book = presence === undefined ? state.book : mark(state.book, presence, dayIn, true);
  book = allDated(book, state.undated, now, true);
  book = forgetOld(correctFuture(book, lastDay), lastDay);
  const isNew = book !== state.book || state.undated.length > 0 || state.lastDay !== lastDay;
  return isNew ? { book, undated: [], lastDay } : state;
}

export interface Presumed {
  /** What has no day yet included, where it most likely belongs. */
  readonly book: DayBook;
  readonly wallMs: number;
  /** The clock is believed. */
  readonly isCertain: boolean;
}

/** As far as can be told without a clock that is believed: counts of it are never too low for what is known. */
export function presumed({ book, undated, lastDay = 0 }: TrackerState, now: Moment): Presumed {
  if (isTrusted(now)) return { book, wallMs: now.wallMs, isCertain: true };
  const earliestMs = lastDay * dayMs;
  const isLikely = now.source === "floor" && now.wallMs >= earliestMs;
  const then = { ...now, wallMs: Math.max(now.wallMs, earliestMs) };
  const placeable = isLikely ? undated : undated.map((one): Undated => ({ ...one, fromMonotonicMs: undefined }));
  return { book: allDated(book, placeable, then, false), wallMs: then.wallMs, isCertain: false };
}

function allDated(book: DayBook, undated: readonly Undated[], now: Moment, certain: boolean): DayBook {
  return [...undated].sort((a, b) => Number(isOld(a)) - Number(isOld(b))).reduce((all, one) => dated(all, one, now, certain), book);
}

function isOld({ fromMonotonicMs }: Undated): boolean {
  return fromMonotonicMs === undefined;
}

/** Use of this life is put where it was; of an earlier one only how long it was is known, and what a clock said that may be right. */
function dated(
  book: DayBook,
  { presence, fromMonotonicMs, lastingMs, claimed, afterDay }: Undated,
  now: Moment,
  certain: boolean,
): DayBook {
  let next = book;
  if (fromMonotonicMs === undefined) {
    const today = dayOf(now.wallMs);
    const first = afterDay === undefined ? undefined : Math.min(afterDay, today);
    const likely = daysWithin(claimed, first ?? Number.NEGATIVE_INFINITY, today + 1);
    for (const day of eachDay(likely)) next = mark(next, presence, () => day, false);
    const count = Math.max(1, countDays(claimed), Math.ceil((lastingMs - roundMs) / dayMs)) - countDays(likely);
    return markLatest(next, presence, count, (zone) => dayOf(now.wallMs, zone), first);
  }
  const fromMs = now.wallMs - (now.monotonicMs - fromMonotonicMs);
  for (let ms = fromMs; ms < fromMs + lastingMs + dayMs; ms += dayMs) {
    const at = Math.min(ms, fromMs + lastingMs);
    next = mark(next, presence, (zone) => dayOf(at, zone), certain);
  }
  return next;
}

function lengthened(state: TrackerState, presence: Presence, now: Moment, sinceMonotonicMs: number | undefined): readonly Undated[] {
  const { undated, lastDay } = state;
  const { monotonicMs } = now;
  const last = undated.at(-1);
  const claim = (claimed: Days): Days => (now.source === "floor" ? withDay(claimed, dayOf(now.wallMs)) : claimed);
  const goesOn =
    last?.fromMonotonicMs !== undefined &&
    sinceMonotonicMs !== undefined &&
    last.fromMonotonicMs + last.lastingMs >= sinceMonotonicMs &&
    samePresence(last.presence, presence);
  if (!goesOn) {
    const before = undated.length < maxUndated ? undated : restarted(state).undated;
    return [...before, { presence, fromMonotonicMs: monotonicMs, lastingMs: 0, claimed: claim(noDays), afterDay: lastDay }];
  }
  const lastingMs = monotonicMs - (last.fromMonotonicMs ?? monotonicMs);
  return [...undated.slice(0, -1), { ...last, lastingMs, claimed: claim(last.claimed) }];
}

function samePresence(a: Presence, b: Presence): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
