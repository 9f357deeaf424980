// How the vehicle stands with each cap: used, left, foreseen, and since when it flows again. Pure.
import { type Day, dateOf } from "../roaming/days.ts";
import { type CapConfig, capId, type UsageConfig } from "./config.ts";
import type { UsageBook, UsageRow, Whose } from "./ledger.ts";
import { type Period, periodOf } from "./periods.ts";

/** What somebody has said for the period that begins on that day. */
export interface UsageOrder {
  /** Of the cap. */
  readonly id: string;
  readonly periodFirst: Day;
  /** In place of the cap's. */
  readonly bytes: number | null;
  /** Used before, and not counted any more. */
  readonly forgivenBytes: number;
}

export type CapState = "ok" | "warn" | "throttle" | "block";

export interface CapStanding {
  readonly id: string;
  readonly state: CapState;
  /** The highest of the warn steps that is reached; 0: none. 100: the cap is. */
  readonly stepPercent: number;
  /** Of the fleet, in the period. */
  readonly usedBytes: number;
  /** What the fleet may use of it. */
  readonly limitBytes: number;
  readonly capBytes: number;
  readonly action: "warn" | "throttle" | "block";
  /** Somebody has ordered another limit, or forgiven what was used, until the period's end. */
  readonly isOrdered: boolean;
  readonly period: Period;
  /** At the period's end, if it goes on like this; absent where nothing can be said. */
  readonly forecastBytes?: number | undefined;
  /** RFC 3339 full-date on which the limit will be reached then, within the period. */
  readonly reachedOn?: string | undefined;
  /** When it flows again, if it does not now. Wall clock. */
  readonly retryAtMs?: number | undefined;
}

export interface ManagementStanding {
  readonly usedBytes: number;
  readonly reserveBytes: number;
  readonly isUsedUp: boolean;
  /** A download as large as they are expected to be has room in it. */
  readonly fitsDownload: boolean;
}

export interface UsageStanding {
  /** Those that hold for this profile and stage, in the order of the configuration. */
  readonly caps: readonly CapStanding[];
  readonly management: ManagementStanding;
}

const dayMs = 86_400_000;
/** What is foreseen rests on no more days than this: a vehicle's use changes. */
const lookBackDays = 7;

/** `part`: how much of today has gone, 0 to 1. */
export function standingOf(
  config: UsageConfig,
  book: UsageBook,
  orders: readonly UsageOrder[],
  whose: Whose,
  today: Day,
  part: number,
): UsageStanding {
  const period = periodOf(config, today);
  const managementBytes = book.sum(period.first, period.last, ({ party }) => party === "management");
  const caps = configured(config.cap, orders, period).filter((cap) => holdsFor(cap, whose));
  return {
    caps: caps.map((cap) => capStanding(config, cap, book, orders, whose, today, part)),
    management: {
      usedBytes: managementBytes,
      reserveBytes: config.reserve_bytes,
      isUsedUp: config.reserve_bytes > 0 && managementBytes >= config.reserve_bytes,
      fitsDownload: config.reserve_bytes === 0 || managementBytes + config.download_bytes <= config.reserve_bytes,
    },
  };
}

/** An order may be a cap where the configuration has none. */
function configured(caps: readonly CapConfig[], orders: readonly UsageOrder[], period: Period): readonly CapConfig[] {
  const added = orders.some((one) => isOf(one, "all", period) && one.bytes !== null) && !caps.some((cap) => capId(cap) === "all");
  return added ? [...caps, { bytes: 1, action: "block" }] : caps;
}

function holdsFor({ stage, iccid_prefix }: CapConfig, whose: Whose): boolean {
  return (stage === undefined || stage === whose.stage) && (iccid_prefix === undefined || whose.iccid.startsWith(iccid_prefix));
}

function isOf(order: UsageOrder, id: string, period: Period): boolean {
  // A period that rolls has no beginning of its own: an order holds as long as it is.
  return order.id === id && order.periodFirst >= period.first && order.periodFirst <= period.last;
}

function capStanding(
  config: UsageConfig,
  cap: CapConfig,
  book: UsageBook,
  orders: readonly UsageOrder[],
  whose: Whose,
  today: Day,
  part: number,
): CapStanding {
  const period = periodOf(config, today);
  const id = capId(cap);
  const order = orders.find((one) => isOf(one, id, period));
  const capBytes = order?.bytes ?? cap.bytes;
  const isCounted = (party: UsageRow["party"]) => (row: UsageRow) =>
    row.party === party &&
    (cap.stage === undefined || row.stage === cap.stage) &&
    (cap.iccid_prefix === undefined || row.iccid === whose.iccid);
  const sum = (first: Day, last: Day): number => book.sum(first, last, isCounted("fleet"));
  const usedBytes = Math.max(0, sum(period.first, period.last) - (order?.forgivenBytes ?? 0));
  // Management is never held back; what it used beyond its reserve is the fleet's loss, so that the whole stays within the cap.
  const managementBytes = book.sum(period.first, period.last, isCounted("management"));
  const limitBytes = Math.max(0, capBytes - Math.max(config.reserve_bytes, managementBytes));
  const percent = limitBytes === 0 ? 100 : Math.min(100, (usedBytes / limitBytes) * 100);
  const stepPercent = usedBytes >= limitBytes ? 100 : Math.max(0, ...config.warn_at_percent.filter((step) => percent >= step));
  const throttles = cap.throttle_from_percent !== undefined && percent >= cap.throttle_from_percent;
  const state: CapState = stepPercent === 100 ? cap.action : throttles ? "throttle" : stepPercent > 0 ? "warn" : "ok";

  const first = book.firstDay(today - lookBackDays + 1, isCounted("fleet")) ?? today;
  const days = today - first + part;
  const aDay = days < 0.25 ? undefined : sum(first, today) / days;
  // A rolling period has no end to foresee, only what a like week leads to.
  const daysLeft = config.period === "rolling" ? undefined : period.last - today + 1 - part;
  const forecastBytes =
    aDay === undefined ? undefined : Math.round(daysLeft === undefined ? aDay * config.rolling_days : usedBytes + aDay * daysLeft);
  const reachedInDays = aDay === undefined || aDay === 0 ? undefined : (limitBytes - usedBytes) / aDay;
  const isReached = reachedInDays !== undefined && reachedInDays > 0 && daysLeft !== undefined && reachedInDays < daysLeft;
  return {
    ...{ id, state, stepPercent, usedBytes, limitBytes, capBytes, action: cap.action, isOrdered: order !== undefined, period },
    forecastBytes,
    reachedOn: isReached ? dateOf(Math.floor(today + part + reachedInDays)) : undefined,
    retryAtMs: stepPercent === 100 || state === "throttle" ? retryAt(config, sum, limitBytes, order?.forgivenBytes ?? 0, today) : undefined,
  };
}

/** The first midnight behind which less than the limit is counted, if nothing more passes. */
function retryAt(
  config: UsageConfig,
  sum: (first: Day, last: Day) => number,
  limitBytes: number,
  forgivenBytes: number,
  today: Day,
): number {
  if (config.period !== "rolling") return (periodOf(config, today).last + 1) * dayMs;
  for (let ahead = 1; ahead < config.rolling_days; ahead++) {
    const { first } = periodOf(config, today + ahead);
    if (sum(first, today) - forgivenBytes < limitBytes) return (today + ahead) * dayMs;
  }
  return (today + config.rolling_days) * dayMs;
}
