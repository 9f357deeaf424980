// Runs the rules: the strictest verdict of all rules counts for a gate.
import type { Gate, GateFacts, PolicyGate, Verdict } from "../../ipa/ports.ts";
import type { Config } from "../config/schema.ts";
import { noWayBack } from "./rules/no-way-back.ts";
import type { Decision, Facts, PolicyRule } from "./types.ts";

/** A rule with its configuration. Adding a rule is one file and one row here. */
interface BoundRule {
  readonly id: string;
  readonly decide: (facts: Facts) => Decision;
}

export function bindRules(config: Config["policy"]): readonly BoundRule[] {
  return [bind(noWayBack, config.no_way_back)];
}

const strictness: Record<Verdict["kind"], number> = { allow: 0, warn: 1, throttle: 2, refuse: 3 };

export function createPolicyGate(rules: readonly BoundRule[]): PolicyGate {
  return {
    check<G extends Gate>(gate: G, facts: GateFacts[G]): Verdict {
      const verdicts = rules.flatMap((rule) => rule.decide({ [gate]: facts }).gates[gate] ?? []);
      return verdicts.reduce<Verdict>((worst, one) => (strictness[one.kind] > strictness[worst.kind] ? one : worst), { kind: "allow" });
    },
  };
}

function bind<C>(rule: PolicyRule<C>, value: unknown): BoundRule {
  const config = rule.config.parse(value);
  return { id: rule.id, decide: (facts) => rule.decide(facts, config) };
}
