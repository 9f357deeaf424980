// What policies say, as documents: for whoever asks why, for facts that somebody made up, and for a trail that was recorded.
import {
  array,
  boolean,
  integer,
  looseObject,
  minValue,
  number,
  optional,
  picklist,
  pipe,
  regex,
  strictObject,
  string,
  unknown,
} from "valibot";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import type { Verdict } from "../../ipa/ports.ts";
import type { PolicyReplay, PolicyReport, PolicyVerdict } from "../api/types.ts";
import type { AuditQuery, AuditRecord } from "../audit/types.ts";
import { type Evaluation, evaluate, type PolicyEngine } from "./engine.ts";
import { replay } from "./replay.ts";
import { type Action, type BoundRule, type Facts, type LastingFacts, stages } from "./types.ts";

export interface PolicyActs {
  explain(): PolicyReport;
  /** Throws API_INPUT. */
  simulate(facts: SimulatedFacts): PolicyReport;
  replay(query: { readonly from?: string | undefined; readonly to?: string | undefined }): Promise<PolicyReplay>;
}

const digits = (from: number, to: number) => pipe(string(), regex(new RegExp(`^\\d{${from},${to}}$`), `must be ${from} to ${to} digits`));
const country = pipe(string(), regex(/^[A-Z]{2}$/, "must be ISO 3166-1 alpha-2"));

/** Facts that somebody made up. What is left out is not known. */
export const simulatedFacts = strictObject({
  vehicle: optional(
    strictObject({
      imei: optional(digits(15, 15)),
      eid: optional(digits(32, 32)),
      iccid: optional(digits(18, 20)),
      imsi: optional(digits(6, 15)),
      plmn: optional(digits(5, 6)),
      country: optional(country),
      homeCountry: optional(country),
      roaming: optional(boolean()),
      registered: optional(boolean()),
      dataSession: optional(boolean()),
      clockTrusted: optional(boolean(), true),
      todayDay: optional(pipe(number(), integer(), minValue(0)), 0),
    }),
  ),
  lock: optional(
    strictObject({
      state: picklist(["unpaired", "match", "mismatch", "unlocked"]),
      differs: optional(array(picklist(["imei", "eid", "iccid"])), []),
    }),
  ),
  /** As `policy explain --json` shows it. */
  roaming: optional(looseObject({ standings: array(unknown()) })),
  market: optional(strictObject({ country, enteredFrom: optional(country) })),
  lifecycle: optional(looseObject({ stage: picklist(stages) })),
  tunnel: optional(looseObject({ phase: picklist(["idle", "connecting", "up", "waiting"]) })),
  usage: optional(looseObject({ caps: array(unknown()), management: looseObject({}) })),
  euiccPackage: optional(looseObject({ changesProfile: boolean(), wayBack: picklist(["rollback", "fallback", "none", "not needed"]) })),
  download: optional(looseObject({})),
  profileMetadata: optional(looseObject({})),
  poll: optional(looseObject({})),
});
export type SimulatedFacts = Readonly<Record<string, unknown>>;

export function policyActs(parts: {
  readonly engine: PolicyEngine;
  readonly rules: readonly BoundRule[];
  readonly records: (query: AuditQuery) => AsyncIterable<AuditRecord>;
}): PolicyActs {
  const { engine, rules, records } = parts;
  return {
    explain: () => reportOf(engine.explain(), engine.facts, engine.data, engine.isHeld),
    simulate(facts) {
      const given = facts as Facts;
      try {
        const evaluation = evaluate(rules, given);
        return reportOf(evaluation, given, evaluation.data, false);
      } catch (error) {
        // A rule looks at a field that these facts do not have.
        throw new SimwardError("API_INPUT", { detail: `facts: ${asSimwardError(error).message}`, cause: error });
      }
    },
    async replay({ from, to }) {
      const steps: PolicyReplay["steps"][number][] = [];
      let count = 0;
      for await (const step of replay(rules, records({ from, to }))) {
        count = step.records;
        if (step.change === undefined) continue;
        const { record, data, actions } = step.change;
        steps.push({
          ...{ seq: record.seq, time: record.time, event: record.event },
          data: verdictOf(data),
          actions: actions.map(actionText),
        });
      }
      return {
        schema: "simward/policy-replay/1",
        records: count,
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
        steps,
      };
    },
  };
}

function reportOf({ rules }: Evaluation, facts: Facts | LastingFacts, data: Verdict, held: boolean): PolicyReport {
  return {
    schema: "simward/policy/1",
    data: verdictOf(data),
    held,
    rules: rules.map(({ rule, decision }) => ({
      rule,
      verdicts: Object.fromEntries(Object.entries(decision.gates).map(([gate, verdict]) => [gate, verdictOf(verdict)])),
      actions: decision.actions.map(actionText),
      explain: decision.explain,
    })),
    facts,
  };
}

function verdictOf(verdict: Verdict): PolicyVerdict {
  if (verdict.kind === "allow") return { kind: "allow" };
  const { kind, rule, reason, retryAt } = verdict;
  return { kind, rule, reason, ...(retryAt === undefined ? {} : { retryAt: new Date(retryAt).toISOString() }) };
}

function actionText(action: Action): string {
  switch (action.kind) {
    case "pollEim":
      return action.notifyStateChange === true ? "poll the eIM, with notifyStateChange" : "poll the eIM";
    case "applyMarket":
      return `apply the market ${action.country}`;
    case "alarm":
      return "alarm";
  }
}
