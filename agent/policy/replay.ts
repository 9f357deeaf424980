// Runs the rules over a recorded trail: the facts are what its records tell, in their order. Pure, one record at a time.
import { countryOf } from "../../base/mcc.ts";
import type { Verdict } from "../../ipa/ports.ts";
import type { AuditRecord } from "../audit/types.ts";
import { dayOf } from "../roaming/days.ts";
import type { CapStanding } from "../usage/caps.ts";
import { evaluate } from "./engine.ts";
import type { Action, BoundRule, LastingFacts, LockFacts, Stage, VehicleFacts } from "./types.ts";
import { stages } from "./types.ts";

export interface ReplayStep {
  /** So far. */
  readonly records: number;
  /** Where the verdict of the gate `data`, or what is wanted done, has become another one. */
  readonly change: { readonly record: AuditRecord; readonly data: Verdict; readonly actions: readonly Action[] } | undefined;
}

const actions = ["warn", "throttle", "block"] as const;
const dayMs = 86_400_000;

type Fold = (facts: LastingFacts, data: Readonly<Record<string, unknown>>) => LastingFacts;

const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
const vehicleOf = (facts: LastingFacts, change: Partial<VehicleFacts>): LastingFacts => ({
  ...facts,
  vehicle: { clockTrusted: true, todayDay: 0, ...facts.vehicle, ...change },
});
const inNetwork: Fold = (facts, { plmn, roaming }) => {
  const known = text(plmn);
  if (known === undefined) return facts;
  const change = { plmn: known, country: countryOf(known), registered: true, ...(typeof roaming === "boolean" ? { roaming } : {}) };
  return vehicleOf(facts, change);
};
const withProfile: Fold = (facts, { iccid, toIccid }) => vehicleOf(facts, { iccid: text(toIccid) ?? text(iccid) });
const withLock =
  (state: LockFacts["state"]): Fold =>
  (facts, { differs }) => ({ ...facts, lock: { state, differs: Array.isArray(differs) ? (differs as LockFacts["differs"]) : [] } });

/** Of a cap that has reached a step; the others stand as they were last told. */
const withCap: Fold = (facts, { cap, percent, usedBytes, limitBytes, action, from, to }) => {
  const state = actions.find((one) => one === action);
  if (typeof cap !== "string" || state === undefined) return facts;
  const [first, last] = [from, to].map((date) => dayOf(Date.parse(String(date))));
  if (first === undefined || last === undefined || !Number.isInteger(first) || !Number.isInteger(last)) return facts;
  const stepPercent = Number(percent);
  const standing: CapStanding = {
    ...{ id: cap, state: stepPercent === 100 ? state : "warn", stepPercent, usedBytes: Number(usedBytes), limitBytes: Number(limitBytes) },
    ...{ capBytes: Number(limitBytes), action: state, isOrdered: false, period: { first, last }, retryAtMs: (last + 1) * dayMs },
  };
  return withCaps(facts, [...(facts.usage?.caps ?? []).filter(({ id }) => id !== cap), standing]);
};
const withCaps = (facts: LastingFacts, caps: readonly CapStanding[]): LastingFacts => ({
  ...facts,
  usage: {
    caps,
    management: { usedBytes: 0, reserveBytes: 0, isUsedUp: false, fitsDownload: true },
    ...{ reserveEnd: "alarm", periodEndMs: 0, isCertain: true, isCounted: true },
  },
});
/** What was forgiven, or is of a period that is over, counts no more. */
const withoutCaps = (facts: LastingFacts, isOver: (cap: CapStanding) => boolean): LastingFacts =>
  facts.usage?.caps.some(isOver) === true
    ? withCaps(
        facts,
        facts.usage.caps.filter((one) => !isOver(one)),
      )
    : facts;

/** What a record of that kind tells of the facts. */
const folds: Readonly<Record<string, Fold>> = {
  "daemon.started": (facts) => ({ ...facts, tunnel: undefined }),
  "tunnel.up": (facts) => ({ ...facts, tunnel: { required: true, phase: "up" } }),
  "tunnel.down": (facts, { reason }) => ({ ...facts, tunnel: { required: true, phase: "waiting", reason: text(reason) } }),
  "market.entered": (facts, { country, from }) => {
    const now = text(country);
    return now === undefined ? facts : { ...facts, market: { country: now, enteredFrom: text(from) } };
  },
  "usage.warned": withCap,
  "usage.capReached": withCap,
  "usage.reset": (facts, { cap }) => withoutCaps(facts, ({ id }) => id === cap),
  "usage.limitOrdered": (facts, { cap }) => withoutCaps(facts, ({ id }) => id === cap),
  "network.changed": inNetwork,
  "path.up": (facts, data) => vehicleOf(inNetwork(facts, data), { dataSession: true }),
  "path.down": (facts) => vehicleOf(facts, { dataSession: false }),
  "profile.enabled": withProfile,
  "profile.rolledBack": withProfile,
  "profile.fellBack": withProfile,
  "profile.returned": withProfile,
  "module.cardAdopted": withProfile,
  "imeiLock.match": withLock("match"),
  "imeiLock.mismatch": withLock("mismatch"),
  "imeiLock.unlocked": withLock("unlocked"),
  "lifecycle.stage": (facts, { to }) => {
    const stage = stages.find((one): one is Stage => one === to);
    return stage === undefined ? facts : { ...facts, lifecycle: { ...facts.lifecycle, stage } };
  },
};

export async function* replay(rules: readonly BoundRule[], records: AsyncIterable<AuditRecord>): AsyncGenerator<ReplayStep> {
  let facts: LastingFacts = {};
  let said = "";
  let count = 0;
  for await (const record of records) {
    count++;
    const fold = folds[record.event];
    const day = dayOf(Date.parse(record.time));
    const isCapOver = facts.usage?.caps.some(({ period }) => period.last < day) === true;
    const isNewDay = (isCapOver || (facts.vehicle !== undefined && facts.vehicle.todayDay !== day)) && record.timeSource !== "none";
    if (fold === undefined && !isNewDay) {
      yield { records: count, change: undefined };
      continue;
    }
    facts = fold?.(facts, record.data ?? {}) ?? facts;
    facts = withoutCaps(facts, ({ period }) => period.last < day);
    if (facts.vehicle !== undefined) facts = vehicleOf(facts, { todayDay: day, clockTrusted: record.timeSource !== "none" });
    const { data, rules: outcomes } = evaluate(rules, facts);
    const wanted = outcomes.flatMap(({ decision }) => decision.actions);
    const now = `${data.kind} ${data.kind === "allow" ? "" : data.rule} ${wanted.map(({ kind }) => kind).join()}`;
    const isChange = now !== said && !(said === "" && data.kind === "allow" && wanted.length === 0);
    said = now;
    yield { records: count, change: isChange ? { record, data, actions: wanted } : undefined };
  }
}
