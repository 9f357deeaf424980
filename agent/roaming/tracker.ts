// Counts days: notes where the vehicle is used, by a clock that is believed or, while there is none, by how long it lasted.
// Pure: time comes in with every call, and what has to be kept comes out.
import type { TimeSource } from "../../base/clock.ts";
import { correctFuture, type DayBook, forgetOld, mark, markLatest, type Presence } from "./day-book.ts";
import { dayOf } from "./days.ts";

/** Use of which the day is not known yet. */
export interface Undated {
  readonly presence: Presence;
  /** Of this life of the daemon, so that a clock that comes later can date it; absent in what an earlier life left behind. */
  readonly fromMonotonicMs?: number | undefined;
  readonly lastingMs: number;
}

export interface TrackerState {
  readonly book: DayBook;
  readonly undated: readonly Undated[];
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

/** After a start: no monotonic time of an earlier life means anything now; only how long each use lasted in all is kept. */
export function restarted({ book, undated }: TrackerState): TrackerState {
  const sums = new Map<string, Undated>();
  for (const { presence, lastingMs } of undated) {
    const key = JSON.stringify(presence);
    sums.set(key, { presence, lastingMs: lastingMs + (sums.get(key)?.lastingMs ?? 0) });
  }
  return { book, undated: [...sums.values()] };
}

/**
 * The vehicle is used like this now; `before` is when that was last noted, if without a break since. Answers the same object when there is nothing new to keep.
 */
export function note(state: TrackerState, presence: Presence | undefined, now: Moment, sinceMonotonicMs: number | undefined): TrackerState {
  if (now.source === "none" || now.source === "floor") {
    return presence === undefined ? state : { ...state, undated: lengthened(state.undated, presence, now, sinceMonotonicMs) };
  }
  const dayIn = (zoneMinutes: number): number => dayOf(now.wallMs, zoneMinutes);
  // What is certain has its place first; the rest goes where there is room.
  let book = presence === undefined ? state.book : mark(state.book, presence, dayIn, true);
  for (const one of [...state.undated].sort((a, b) => Number(isOld(a)) - Number(isOld(b)))) book = dated(book, one, now);
  book = forgetOld(correctFuture(book, dayIn(0)), dayIn(0));
  return book === state.book && state.undated.length === 0 ? state : { book, undated: [] };
}

function isOld({ fromMonotonicMs }: Undated): boolean {
  return fromMonotonicMs === undefined;
}

/** Use of this life is put where it was; of an earlier one only how long it was is known. */
function dated(book: DayBook, { presence, fromMonotonicMs, lastingMs }: Undated, now: Moment): DayBook {
  if (fromMonotonicMs === undefined) {
    const count = Math.max(1, Math.ceil((lastingMs - roundMs) / dayMs));
    return markLatest(book, presence, count, (zone) => dayOf(now.wallMs, zone));
  }
  const fromMs = now.wallMs - (now.monotonicMs - fromMonotonicMs);
  let next = book;
  for (let ms = fromMs; ms < fromMs + lastingMs + dayMs; ms += dayMs) {
    const at = Math.min(ms, fromMs + lastingMs);
    next = mark(next, presence, (zone) => dayOf(at, zone), true);
  }
  return next;
}

function lengthened(
  undated: readonly Undated[],
  presence: Presence,
  { monotonicMs }: Moment,
  sinceMonotonicMs: number | undefined,
): readonly Undated[] {
  const last = undated.at(-1);
  const goesOn =
    last?.fromMonotonicMs !== undefined &&
    sinceMonotonicMs !== undefined &&
    last.fromMonotonicMs + last.lastingMs >= sinceMonotonicMs &&
    samePresence(last.presence, presence);
  if (goesOn) return [...undated.slice(0, -1), { ...last, lastingMs: monotonicMs - (last.fromMonotonicMs ?? monotonicMs) }];
  return [...undated, { presence, fromMonotonicMs: monotonicMs, lastingMs: 0 }];
}

function samePresence(a: Presence, b: Presence): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
