// Usage in its place: counted as often as the nearest cap demands, told to policy, to the audit trail and to who asks; limited and forgiven by order.
import type { Clock, Disposer } from "../../base/clock.ts";
import type { Disk } from "../../base/disk.ts";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { Queue } from "../../base/queue.ts";
import type { Alarms } from "../alarms.ts";
import type { PeerCredentials } from "../api/peer.ts";
import type { Role } from "../api/types.ts";
import type { CapReport, UsageReport, UsageRowReport, UsageSummary } from "../api/usage-types.ts";
import type { AuditEvent } from "../audit/types.ts";
import type { PolicyEngine } from "../policy/engine.ts";
import type { Stage, UsageFacts } from "../policy/types.ts";
import { type Day, dateOf } from "../roaming/days.ts";
import { type CapStanding, standingOf, type UsageOrder } from "./caps.ts";
import { capId, type UsageConfig } from "./config.ts";
import { kindOf, type Party, type UsageRow } from "./ledger.ts";
import { openUsageMemory, type UsageMemory } from "./memory.ts";
import { bothWays, openUsageMeter, type PartyTotals } from "./meter.ts";
import { periodOf, periodWords } from "./periods.ts";
import type { UsageSource } from "./source.ts";

export interface UsageParts {
  readonly config: UsageConfig;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  readonly engine: Pick<PolicyEngine, "facts" | "update">;
  /** Never rejects. */
  readonly audit: (event: AuditEvent) => Promise<void>;
  readonly publish: (kind: string, fields: Readonly<Record<string, unknown>>) => void;
}

export interface UsageWho {
  readonly role: Role;
  readonly peer: PeerCredentials | undefined;
}

export interface UsageActs {
  usage(): Promise<UsageReport>;
  /** Days are RFC 3339 full-dates, both included. */
  usageRows(from?: string, to?: string): AsyncIterable<UsageRowReport>;
  /** Until the period's end; without bytes the configuration holds again. Throws NOT_FOUND, API_INPUT. */
  limitUsage(
    who: UsageWho,
    order: { readonly cap: string; readonly bytes?: number | undefined; readonly reason: string },
  ): Promise<UsageReport>;
  /** What was used until now does not count against the cap in this period; the ledger keeps it. Throws NOT_FOUND. */
  resetUsage(who: UsageWho, order: { readonly cap: string; readonly reason: string }): Promise<UsageReport>;
}

export interface Usage {
  readonly acts: UsageActs;
  readonly isCounting: boolean;
  /** Ever counted, up to now. */
  totals(): Promise<PartyTotals & { readonly isSplit: boolean }>;
  summary(): UsageSummary | undefined;
  /** Profile or stage may be others now, or a path has come up or gone. */
  look(): void;
  start(source: UsageSource | undefined): void;
  stop(): Promise<void>;
}

/** A link brings no more than this: so long is the way to a cap at least. */
const fastestBytesPerMs = 12_500;
const soonestMs = 1_000;
const latestMs = 15_000;
const dayMs = 86_400_000;
const mostOrders = 32;
/** No period is longer. */
const longestOrderDays = 366;

/** Throws DISK_READ, DISK_WRITE. */
export async function createUsage(parts: UsageParts): Promise<Usage> {
  const { config, disk, clock, log, alarms, engine, audit } = parts;
  const memory = await openUsageMemory(disk);
  let source: UsageSource | undefined;
  const whoseNow = (): { readonly iccid: string; readonly stage: Stage } => ({
    iccid: engine.facts.vehicle?.iccid ?? meter.whose.iccid,
    stage: engine.facts.lifecycle?.stage ?? meter.whose.stage,
  });
  const meter = await openUsageMeter({
    ...{ disk, clock, log },
    read: async () => source?.read(),
    pulse: () => source?.pulse(),
    whose: { iccid: "", stage: engine.facts.lifecycle?.stage ?? "operational" },
    onLost: (why) => {
      alarms.raise("usageLost", new SimwardError("USAGE_LOST", { detail: why.detail ?? why.message, cause: why }));
      void audit({ event: "usage.lost", cause: "start", data: { reason: why.message } });
    },
    onProblem: (problem) => (problem === undefined ? alarms.clear("usage") : alarms.raise("usage", problem)),
  });
  let cancel: Disposer = () => {};
  let stopped = false;
  let isLooking = false;
  let isAskedAgain = false;
  let standing = judge();

  function judge(): ReturnType<typeof standingOf> {
    const part = (clock.now() / dayMs) % 1;
    return standingOf(config, meter.book, memory.get().orders, meter.whose, meter.today, part);
  }

  const facts = (): UsageFacts => ({
    ...standing,
    reserveEnd: config.reserve_end,
    periodEndMs: (periodOf(config, meter.today).last + 1) * dayMs,
    isCertain: meter.isCertain,
    isCounted: source !== undefined,
  });

  const keep = async (change: (before: UsageMemory) => UsageMemory): Promise<void> => {
    await memory.hold(change);
  };

  // --- what is told ------------------------------------------------------------------------------------------------------------

  const tellSteps = async (): Promise<void> => {
    const { warned } = memory.get();
    const next: Record<string, UsageMemory["warned"][string]> = {};
    let isChanged = false;
    for (const { id, stepPercent, usedBytes, limitBytes, action, period } of standing.caps) {
      const before = warned[id];
      const isSame = before !== undefined && (config.period === "rolling" || before.periodFirst === period.first);
      // What rolls may rise again behind a fall.
      const told = !isSame ? 0 : config.period === "rolling" ? Math.min(before.stepPercent, stepPercent) : before.stepPercent;
      next[id] = { periodFirst: period.first, stepPercent: Math.max(told, stepPercent) };
      if (before?.stepPercent !== next[id].stepPercent || (!isSame && stepPercent > 0)) isChanged = true;
      if (stepPercent <= told) continue;
      const data = { cap: id, percent: stepPercent, usedBytes, limitBytes, action, from: dateOf(period.first), to: dateOf(period.last) };
      parts.publish("usage.step", data);
      await audit({ event: stepPercent === 100 ? "usage.capReached" : "usage.warned", cause: "policy:usage", data });
    }
    if (isChanged) await keep((before) => ({ ...before, warned: { ...before.warned, ...next } }));
  };

  const periodRecords = (kind: string, first: Day, last: Day): readonly AuditEvent[] => {
    const sums = new Map<string, UsageRow>();
    for (const row of meter.book.rows(first, last)) {
      const key = `${row.iccid} ${row.stage} ${row.party}`;
      const before = sums.get(key);
      sums.set(key, {
        ...row,
        sentBytes: (before?.sentBytes ?? 0) + row.sentBytes,
        receivedBytes: (before?.receivedBytes ?? 0) + row.receivedBytes,
        certain: row.certain && before?.certain !== false,
      });
    }
    return [...sums.values()].map(({ iccid, stage, party, sentBytes, receivedBytes, certain }) => ({
      event: "usage.period",
      cause: "usage",
      data: { period: kind, from: dateOf(first), to: dateOf(last), iccid: iccid || null, stage, party, sentBytes, receivedBytes, certain },
    }));
  };

  /** Days that are over, and periods that ended with them. Told before it is noted that they were: rather twice than never. */
  const tellPeriods = async (): Promise<void> => {
    const yesterday = meter.today - 1;
    const { toldUpToDay } = memory.get();
    if (toldUpToDay === yesterday) return;
    // A first day, or a clock that was ahead.
    if (toldUpToDay !== null && toldUpToDay < yesterday) {
      const days = new Set(meter.book.rows(toldUpToDay + 1, yesterday).map(({ day }) => day));
      for (const day of days) for (const event of periodRecords("day", day, day)) await audit(event);
      if (config.period === "week" || config.period === "month") {
        const ended = periodOf(config, toldUpToDay + 1);
        for (let period = ended; period.last <= yesterday; period = periodOf(config, period.last + 1)) {
          for (const event of periodRecords(config.period, period.first, period.last)) await audit(event);
          // Far apart only by a clock that was wrong.
          if (yesterday - period.last > 400) break;
        }
      }
    }
    // By a clock that is wrong no order is over.
    const isKept = ({ periodFirst }: UsageOrder): boolean => !meter.isCertain || periodFirst > yesterday - longestOrderDays;
    await keep((before) => ({ ...before, toldUpToDay: yesterday, orders: before.orders.filter(isKept) }));
  };

  const judgeAndTell = async (): Promise<void> => {
    standing = judge();
    // In force before anything is written.
    const told = engine.update({ usage: facts() });
    await tellSteps();
    await tellPeriods();
    await told;
  };

  // --- looking -----------------------------------------------------------------------------------------------------------------

  let lastJudged = "";
  const work = new Queue();
  /** Who asks gets what the caps are judged by: a look that books without judging would leave a cap unkept. */
  const lookNow = (): Promise<void> => work.run(lookOnce);
  const lookOnce = async (): Promise<void> => {
    await meter.attribute(whoseNow());
    const booked = await meter.look();
    const { iccid, stage } = meter.whose;
    const now = `${meter.today} ${iccid} ${stage} ${meter.isCertain}`;
    if (!booked && now === lastJudged) return;
    lastJudged = now;
    await judgeAndTell();
  };

  const look = (): void => {
    if (stopped) return;
    if (isLooking) {
      isAskedAgain = true;
      return;
    }
    isLooking = true;
    cancel();
    lookNow()
      .catch((error: unknown) => log.error("usage", { error: asSimwardError(error) }))
      .finally(() => {
        isLooking = false;
        if (stopped) return;
        if (isAskedAgain) {
          isAskedAgain = false;
          look();
          return;
        }
        cancel = clock.after(nextLookMs(), look);
      });
  };

  const nextLookMs = (): number => {
    const left = standing.caps
      .filter(({ state, stepPercent }) => stepPercent < 100 && state !== "block")
      .map(({ limitBytes, usedBytes }) => (limitBytes - usedBytes) / fastestBytesPerMs);
    const untilMidnight = dayMs - (clock.now() % dayMs);
    return Math.max(1, Math.min(untilMidnight, latestMs, Math.max(soonestMs, ...[Math.min(latestMs, ...left)])));
  };

  // --- asked -------------------------------------------------------------------------------------------------------------------

  const needCap = (cap: string): void => {
    const known = ["all", ...config.cap.map(capId)];
    if (!known.includes(cap))
      throw new SimwardError("NOT_FOUND", { detail: `the cap ${cap}; there are ${[...new Set(known)].join(", ")}` });
  };

  /** Between two looks: what they tell and keep is not told twice, nor lost. */
  const order = async (
    { role, peer }: UsageWho,
    act: string,
    reason: string,
    makeNow: () => Promise<{ readonly made: UsageOrder; readonly remove: boolean }>,
  ): Promise<void> => {
    await work.run(async () => {
      const { made, remove } = await makeNow();
      const period = periodOf(config, meter.today);
      const isOther = ({ id, periodFirst }: UsageOrder): boolean =>
        id !== made.id || periodFirst < period.first || periodFirst > period.last;
      // Durable before it is in force and told: an order that is lost at a power cut was never given.
      await memory.update((before) => {
        const { [made.id]: _told, ...warned } = before.warned;
        const others = before.orders.filter(isOther);
        return { ...before, warned, orders: [...(remove ? others : [...others, made])].slice(-mostOrders) };
      });
      const data = {
        ...{ role, uid: peer?.uid ?? null, pid: peer?.pid ?? null, reason, cap: made.id },
        ...{ bytes: made.bytes, forgivenBytes: made.forgivenBytes, until: dateOf(period.last) },
      };
      await audit({ event: act, cause: `operator:${peer?.uid ?? "unknown"}`, data });
      await judgeAndTell();
    });
    // The next look was set for the limit before.
    look();
  };
  const orderOf = (cap: string): UsageOrder => {
    const period = periodOf(config, meter.today);
    const found = memory
      .get()
      .orders.find(({ id, periodFirst }) => id === cap && periodFirst >= period.first && periodFirst <= period.last);
    // Of a period that rolls: it began today, and ends when today is not in it any more.
    const periodFirst = config.period === "rolling" ? meter.today : period.first;
    return found ?? { id: cap, periodFirst, bytes: null, forgivenBytes: 0 };
  };

  const report = async (): Promise<UsageReport> => {
    await lookNow();
    standing = judge();
    const { today, book, whose } = meter;
    const period = periodOf(config, today);
    const of = (wanted: Party): number => book.sum(period.first, period.last, ({ party }) => party === wanted);
    const amounts = new Map<string, UsageRow>();
    for (const row of book.rows(period.first, period.last)) {
      const key = `${row.iccid} ${row.stage} ${row.party} ${row.certain}`;
      const before = amounts.get(key);
      amounts.set(key, {
        ...row,
        sentBytes: row.sentBytes + (before?.sentBytes ?? 0),
        receivedBytes: row.receivedBytes + (before?.receivedBytes ?? 0),
      });
    }
    return {
      schema: "simward/usage/1",
      today: dateOf(today),
      certain: meter.isCertain,
      counted: countedBy(),
      ...whose,
      period: { kind: config.period, from: dateOf(period.first), to: dateOf(period.last), words: periodWords(config, period) },
      fleetBytes: of("fleet"),
      managementBytes: of("management"),
      ...(config.reserve_bytes === 0 ? {} : { reserveBytes: config.reserve_bytes }),
      caps: standing.caps.map(capReport),
      amounts: [...amounts.values()].map(({ iccid, stage, party, sentBytes, receivedBytes, certain }) => ({
        ...{ iccid, stage, party, sentBytes, receivedBytes, certain },
      })),
    };
  };

  const countedBy = (): UsageReport["counted"] => {
    if (source === undefined) return "none";
    const kind = meter.epoch === undefined ? undefined : kindOf(meter.epoch);
    return kind === "firewall" || kind === "module" ? kind : "interface";
  };

  async function* rows(from?: string, to?: string): AsyncIterable<UsageRowReport> {
    await lookNow();
    const dayIn = (date: string | undefined, otherwise: Day): Day => (date === undefined ? otherwise : Date.parse(date) / dayMs);
    for (const { day, iccid, stage, party, sentBytes, receivedBytes, certain } of meter.book.rows(
      dayIn(from, 1),
      dayIn(to, Number.POSITIVE_INFINITY),
    ))
      yield { schema: "simward/usage-row/1", date: dateOf(day), iccid, stage, party, sentBytes, receivedBytes, certain };
  }

  return {
    acts: {
      usage: report,
      usageRows: rows,
      async limitUsage(who, { cap, bytes, reason }) {
        needCap(cap);
        if (bytes !== undefined && bytes <= config.reserve_bytes)
          throw new SimwardError("API_INPUT", {
            detail: `bytes: ${bytes} is not larger than policy.usage.reserve_bytes, ${config.reserve_bytes}: nothing would be left for the fleet`,
          });
        await order(who, "usage.limitOrdered", reason, async () => {
          const made = { ...orderOf(cap), bytes: bytes ?? null };
          return { made, remove: bytes === undefined && made.forgivenBytes === 0 };
        });
        return report();
      },
      async resetUsage(who, { cap, reason }) {
        needCap(cap);
        await order(who, "usage.reset", reason, async () => {
          await lookOnce();
          const present = judge().caps.find(({ id }) => id === cap);
          if (present === undefined)
            throw new SimwardError("NOT_FOUND", { detail: `the cap ${cap} does not hold for this profile and stage` });
          const before = orderOf(cap);
          return { made: { ...before, forgivenBytes: before.forgivenBytes + present.usedBytes }, remove: false };
        });
        return report();
      },
    },
    get isCounting() {
      return source !== undefined;
    },
    async totals() {
      await lookNow();
      return { fleet: meter.book.ever("fleet"), management: meter.book.ever("management"), isSplit: countedBy() === "firewall" };
    },
    summary() {
      const period = periodOf(config, meter.today);
      const nearest = nearestOf(standing.caps);
      if (source === undefined && meter.book.size === 0) return undefined;
      const used = meter.book.sum(period.first, period.last, () => true);
      return {
        usedBytes: nearest?.usedBytes ?? used,
        ...(nearest === undefined ? {} : { limitBytes: nearest.limitBytes }),
        state: nearest?.state ?? "ok",
        words: periodWords(config, period),
      };
    },
    look,
    start(given) {
      source = given;
      lastJudged = "";
      look();
    },
    async stop() {
      stopped = true;
      cancel();
      await meter.flush();
    },
  };
}

/** What has the least left of it, as a part. */
function nearestOf(caps: readonly CapStanding[]): CapStanding | undefined {
  const part = ({ usedBytes, limitBytes }: CapStanding): number => (limitBytes === 0 ? 1 : usedBytes / limitBytes);
  return [...caps].sort((a, b) => part(b) - part(a))[0];
}

function capReport(standing: CapStanding): CapReport {
  const { id, state, stepPercent, usedBytes, limitBytes, capBytes, action, isOrdered, forecastBytes, reachedOn, retryAtMs } = standing;
  return {
    ...{ cap: id, state, stepPercent, usedBytes, limitBytes, capBytes, action, ordered: isOrdered },
    ...(forecastBytes === undefined ? {} : { forecastBytes }),
    ...(reachedOn === undefined ? {} : { reachedOn }),
    ...(retryAtMs === undefined ? {} : { retryAt: new Date(retryAtMs).toISOString() }),
  };
}

/** For a cap that counts on from restart to restart. */
export function fleetBytesOf(totals: PartyTotals): number {
  return bothWays(totals.fleet);
}
