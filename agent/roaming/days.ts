// Sets of days, kept as runs: small on disk, readable by a person, quick to count. Pure.

/** Days since 1970-01-01; which midnight ends them is the caller's affair. */
export type Day = number;

/** Runs of days, first and last included, ascending, never touching each other. */
export type Days = readonly (readonly [first: Day, last: Day])[];

export const noDays: Days = [];
const dayMs = 86_400_000;

/** The day of an instant, in a zone so many minutes ahead of UTC. */
export function dayOf(ms: number, zoneMinutes = 0): Day {
  return Math.floor((ms + zoneMinutes * 60_000) / dayMs);
}

/** RFC 3339 full-date. */
export function dateOf(day: Day): string {
  return new Date(day * dayMs).toISOString().slice(0, 10);
}

export function hasDay(days: Days, day: Day): boolean {
  return days.some(([first, last]) => first <= day && day <= last);
}

/** The same object when the day is in it already. */
export function withDay(days: Days, day: Day): Days {
  if (hasDay(days, day)) return days;
  const before = days.filter(([, last]) => last < day - 1);
  const after = days.filter(([first]) => first > day + 1);
  const touching = days.filter(([first, last]) => last === day - 1 || first === day + 1);
  const first = Math.min(day, ...touching.map(([start]) => start));
  const last = Math.max(day, ...touching.map(([, end]) => end));
  return [...before, [first, last], ...after];
}

export function countDays(days: Days, first: Day = Number.NEGATIVE_INFINITY, last: Day = Number.POSITIVE_INFINITY): number {
  return days.reduce((sum, [start, end]) => sum + Math.max(0, Math.min(end, last) - Math.max(start, first) + 1), 0);
}

/** Those from `first` to `last`, both included. */
export function daysWithin(days: Days, first: Day, last: Day): Days {
  return days.flatMap(([start, end]) => {
    const run = [Math.max(start, first), Math.min(end, last)] as const;
    return run[0] <= run[1] ? [run] : [];
  });
}

/** How many days without a gap end on this one; 0 when it is not in the set. */
export function runUpTo(days: Days, day: Day): number {
  const run = days.find(([first, last]) => first <= day && day <= last);
  return run === undefined ? 0 : day - run[0] + 1;
}

export function* eachDay(days: Days): Generator<Day> {
  for (const [first, last] of days) for (let day = first; day <= last; day++) yield day;
}

/** Months in which there is a day, as years times twelve plus month, ascending. */
export function monthsOf(days: Days): readonly number[] {
  const months = new Set<number>();
  for (const [first, last] of days) for (let month = monthOf(first); month <= monthOf(last); month++) months.add(month);
  return [...months].sort((a, b) => a - b);
}

export function monthOf(day: Day): number {
  const date = new Date(day * dayMs);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

export function firstOfYear(day: Day): Day {
  return Date.UTC(new Date(day * dayMs).getUTCFullYear(), 0, 1) / dayMs;
}
