// Billing periods: days, weeks, months with a day of reset, and the last so many days. All of UTC. Pure.
import { type Day, dateOf } from "../roaming/days.ts";

export interface PeriodPlan {
  readonly period: "day" | "week" | "month" | "rolling";
  readonly week_start: (typeof weekdays)[number];
  /** 1 to 28, so that every month has it. */
  readonly reset_day: number;
  readonly rolling_days: number;
}

export const weekdays = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] as const;

/** First and last day, both included. */
export interface Period {
  readonly first: Day;
  readonly last: Day;
}

const dayMs = 86_400_000;

export function periodOf(plan: PeriodPlan, day: Day): Period {
  switch (plan.period) {
    case "day":
      return { first: day, last: day };
    case "week": {
      // 1970-01-01 was a Thursday.
      const first = day - mod(day + 3 - weekdays.indexOf(plan.week_start), 7);
      return { first, last: first + 6 };
    }
    case "month": {
      const date = new Date(day * dayMs);
      const [year, month] = [date.getUTCFullYear(), date.getUTCMonth() - (date.getUTCDate() < plan.reset_day ? 1 : 0)];
      return { first: Date.UTC(year, month, plan.reset_day) / dayMs, last: Date.UTC(year, month + 1, plan.reset_day) / dayMs - 1 };
    }
    case "rolling":
      return { first: day - plan.rolling_days + 1, last: day };
  }
}

/** "this month (resets 2026-07-01)" */
export function periodWords(plan: PeriodPlan, { last }: Period): string {
  if (plan.period === "rolling") return `in ${plan.rolling_days} days`;
  const name = plan.period === "day" ? "today" : `this ${plan.period}`;
  return `${name} (resets ${dateOf(last + 1)})`;
}

function mod(a: number, b: number): number {
  return ((a % b) + b) % b;
}
