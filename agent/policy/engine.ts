// Runs the rules: the strictest verdict of all rules counts for a gate. The IPA's gates are asked; the gate `data` is decided anew on every change of facts.
// What changes is audited, what is wanted is performed once; in an emergency nothing is blocked and nothing is begun.
import type { Disposer } from "../../base/clock.ts";
import type { Gate, GateFacts, PolicyGate, Verdict } from "../../ipa/ports.ts";
import type { AuditEvent } from "../audit/types.ts";
import type { Action, BoundRule, Decision, Facts, LastingFacts, PolicyGateName } from "./types.ts";

const strictness: Record<Verdict["kind"], number> = { allow: 0, warn: 1, throttle: 2, refuse: 3 };
const allow: Verdict = { kind: "allow" };

export function strictest(verdicts: readonly Verdict[]): Verdict {
  return verdicts.reduce<Verdict>((worst, one) => (strictness[one.kind] > strictness[worst.kind] ? one : worst), allow);
}

/** The IPA's gates alone, by rules that look at nothing else. */
export function createPolicyGate(rules: readonly BoundRule[], lasting: () => LastingFacts = () => ({})): PolicyGate {
  return {
    check<G extends Gate>(gate: G, facts: GateFacts[G]): Verdict {
      const given: Facts = { ...lasting(), [gate]: facts };
      return strictest(rules.flatMap((rule) => rule.decide(given).gates[gate] ?? []));
    },
  };
}

export interface RuleOutcome {
  readonly rule: string;
  readonly decision: Decision;
}

export interface Evaluation {
  readonly rules: readonly RuleOutcome[];
  readonly data: Verdict;
}

/** Pure: what all rules make of these facts. */
export function evaluate(rules: readonly BoundRule[], facts: Facts): Evaluation {
  const outcomes = rules.map((rule): RuleOutcome => ({ rule: rule.id, decision: rule.decide(facts) }));
  return { rules: outcomes, data: strictest(outcomes.flatMap(({ decision }) => decision.gates.data ?? [])) };
}

/** What each rule says of the gate `data`, as it is remembered over restarts: "refuse imei_lock". */
export type RememberedVerdicts = Readonly<Record<string, string>>;

export interface PolicyMemory {
  load(): RememberedVerdicts;
  /** Never rejects. */
  save(verdicts: RememberedVerdicts): Promise<void>;
}

export interface PolicyEngineOptions {
  readonly rules: readonly BoundRule[];
  readonly memory: PolicyMemory;
  /** Never rejects. */
  readonly audit: (event: AuditEvent) => Promise<void>;
  /** `rule`: whose. Called once when an action is first wanted. */
  readonly perform: (action: Action, rule: string) => void;
  /** It is not wanted any more. */
  readonly withdraw: (action: Action, rule: string) => void;
  /** An emergency is under way. */
  readonly isHeld: () => boolean;
}

export interface PolicyEngine extends PolicyGate {
  readonly facts: LastingFacts;
  /** In force: `allow` while an emergency is under way. */
  readonly data: Verdict;
  /** Whether the rules' verdict waits for the end of an emergency. */
  readonly isHeld: boolean;
  explain(): Evaluation;
  /** Whole sections replace what was told of them before. What follows is decided when it returns, and audited when the promise resolves. */
  update(facts: LastingFacts): Promise<void>;
  /** An emergency has begun or ended. */
  reconsider(): Promise<void>;
  /** Whenever the verdict in force changes; called when `data` is already so. */
  onData(fn: (verdict: Verdict) => void): Disposer;
}

export function createPolicyEngine(options: PolicyEngineOptions): PolicyEngine {
  const { rules, memory, audit, isHeld } = options;
  let facts: LastingFacts = {};
  let evaluation = evaluate(rules, facts);
  let remembered = memory.load();
  /** What has been performed and is still wanted. */
  const wanted = new Map<string, { readonly action: Action; readonly rule: string }>();
  const listeners = new Set<(verdict: Verdict) => void>();
  /** Records and memory keep the order of the decisions. */
  let written: Promise<void> = Promise.resolve();
  const inOrder = (write: () => Promise<void>): Promise<void> => {
    written = written.then(write);
    return written;
  };

  /** A rule that cannot decide yet: what it refused before a restart stays refused until it can. */
  const untilDecided = (): readonly Verdict[] =>
    evaluation.rules.flatMap(({ rule, decision }): readonly Verdict[] =>
      decision.isPending === true && remembered[rule]?.startsWith("refuse ") === true
        ? [{ kind: "refuse", rule, reason: "as before the restart, until it can be decided anew", retryAt: undefined }]
        : [],
    );

  const tellChanges = (): Promise<void> => {
    const before = remembered;
    const events: AuditEvent[] = [];
    const now: Record<string, string> = {};
    for (const { rule, decision } of evaluation.rules) {
      if (decision.isPending === true) {
        if (before[rule] !== undefined) now[rule] = before[rule];
        continue;
      }
      const verdict = decision.gates.data ?? allow;
      const former = before[rule] ?? "allow";
      const latter = nameOf(verdict);
      if (verdict.kind !== "allow") now[rule] = latter;
      if (former === latter) continue;
      const said = verdict.kind === "allow" ? { reason: decision.explain } : { reason: verdict.reason, retryAt: verdict.retryAt ?? null };
      const verdicts = { gate: "data", from: former.split(" ")[0] ?? "allow", to: verdict.kind };
      events.push({ event: "policy.verdict", cause: `policy:${rule}`, data: { ...verdicts, held: isHeld(), ...said } });
    }
    if (events.length === 0) return written;
    remembered = now;
    return inOrder(async () => {
      for (const event of events) await audit(event);
      await memory.save(now);
    });
  };

  const act = (): void => {
    const now = new Map(
      evaluation.rules.flatMap(({ rule, decision }) => decision.actions.map((action) => [keyOf(action, rule), { action, rule }] as const)),
    );
    for (const [key, { action, rule }] of [...wanted]) {
      if (now.has(key)) continue;
      wanted.delete(key);
      options.withdraw(action, rule);
    }
    for (const [key, one] of now) {
      // An alarm only tells; all else waits until the emergency is over.
      if (wanted.has(key) || (isHeld() && one.action.kind !== "alarm")) continue;
      wanted.set(key, one);
      options.perform(one.action, one.rule);
    }
  };

  const decide = (): Promise<void> => {
    evaluation = evaluate(rules, facts);
    const before = data;
    data = isHeld() ? allow : strictest([evaluation.data, ...untilDecided()]);
    const told = tellChanges();
    if (!sameVerdict(before, data)) for (const listener of [...listeners]) listener(data);
    act();
    return told;
  };

  let data: Verdict = isHeld() ? allow : strictest([evaluation.data, ...untilDecided()]);

  return {
    ...createPolicyGate(rules, () => facts),
    get facts() {
      return facts;
    },
    get data() {
      return data;
    },
    get isHeld() {
      return isHeld() && evaluation.data.kind !== "allow";
    },
    explain: () => evaluation,
    update(change) {
      facts = { ...facts, ...change };
      return decide();
    },
    reconsider: decide,
    onData(fn) {
      listeners.add(fn);
      return () => listeners.delete(fn);
    },
  };
}

/** Its kind and the rule it names: words and dates may change from day to day without its being another one. */
function nameOf(verdict: Verdict): string {
  return verdict.kind === "allow" ? "allow" : `${verdict.kind} ${verdict.rule}`;
}

function sameVerdict(a: Verdict, b: Verdict): boolean {
  return nameOf(a) === nameOf(b);
}

function keyOf(action: Action, rule: string): string {
  return `${rule} ${action.kind} ${action.about ?? ""}${action.kind === "applyMarket" ? ` ${action.country}` : ""}`;
}

export const policyGates: readonly PolicyGateName[] = ["poll", "euiccPackage", "download", "profileMetadata", "data"];
