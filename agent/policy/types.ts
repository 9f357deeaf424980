// What a policy rule is: facts in, verdicts and actions out, and an explanation in words. Pure.
import type { Gate, GateFacts, Verdict } from "../../ipa/ports.ts";

/** What a rule may look at. The gate being asked has its facts here; others are absent. */
export type Facts = { readonly [G in Gate]?: GateFacts[G] | undefined };

/** What a rule wants done besides its verdicts; the agent performs it. */
export type Action = { readonly kind: "pollEim"; readonly reason: string };

export interface Decision {
  readonly gates: Partial<Record<Gate, Verdict>>;
  readonly actions: readonly Action[];
  /** Why, for the person who asks. */
  readonly explain: string;
}

export interface PolicyRule<C = unknown> {
  readonly id: string;
  readonly config: { parse(value: unknown): C };
  decide(facts: Facts, config: C): Decision;
}
