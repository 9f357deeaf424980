// What a policy rule is: facts in, verdicts and actions out, and an explanation in words. Pure.
// A gate of the IPA is asked once for each package; the gate `data` is decided anew whenever a fact changes, and stands until then.
import type { ErrorCode } from "../../base/errors.ts";
import type { Gate, GateFacts, Verdict } from "../../ipa/ports.ts";
import type { Standing } from "../roaming/standing.ts";
import type { TunnelFacts } from "../tunnel/types.ts";
import type { UsageStanding } from "../usage/caps.ts";

/** The stages of a vehicle's life, in their order. */
export const stages = ["factory_test", "shipping", "operational", "suspended", "retired"] as const;
export type Stage = (typeof stages)[number];

/** The vehicle and where it is; what is not known, or not known yet, is absent. */
export interface VehicleFacts {
  /** 15 digits. */
  readonly imei?: string | undefined;
  /** 32 digits. */
  readonly eid?: string | undefined;
  /** Digits; of the profile that the module uses. */
  readonly iccid?: string | undefined;
  /** Digits; of the same profile. */
  readonly imsi?: string | undefined;
  /** MCC and MNC digits of the network registered with; of the last one while there is none. */
  readonly plmn?: string | undefined;
  /** ISO 3166-1 alpha-2, of that network. */
  readonly country?: string | undefined;
  /** ISO 3166-1 alpha-2, of the profile's own operator (IMSI). */
  readonly homeCountry?: string | undefined;
  /** As the network says; a profile may roam at home. */
  readonly roaming?: boolean | undefined;
  /** Registered now. */
  readonly registered?: boolean | undefined;
  /** There is a data path now. */
  readonly dataSession?: boolean | undefined;
  /** The time is from the network. */
  readonly clockTrusted: boolean;
  /** Days since 1970-01-01, UTC. */
  readonly todayDay: number;
}

/** How the device is paired with its card: agent/imei-lock/. */
export interface LockFacts {
  readonly state: "unpaired" | "match" | "mismatch" | "unlocked";
  /** Which of them differ from the pairing. */
  readonly differs: readonly ("imei" | "eid" | "iccid")[];
}

/** How the vehicle stands with each rule of permanent roaming that holds where it is. */
export interface RoamingFacts {
  /** Most serious first. */
  readonly standings: readonly Standing[];
  /** ISO 3166-1 alpha-2. */
  readonly country: string | undefined;
  readonly homeCountry: string | undefined;
  /** By a clock that is believed. */
  readonly isCertain: boolean;
}

/** The market that the vehicle is in, borders gone to and fro smoothed: agent/market/. */
export interface MarketFacts {
  /** ISO 3166-1 alpha-2. */
  readonly country: string;
  /** Where it came from, when it came there since the daemon started. */
  readonly enteredFrom?: string | undefined;
}

export interface LifecycleFacts {
  readonly stage: Stage;
  /** Of the fleet, in this stage. */
  readonly usedBytes?: number | undefined;
  /** Where the stage has a cap. */
  readonly capBytes?: number | undefined;
}

/** What has passed, against the caps of this profile and stage: agent/usage/. */
export interface UsageFacts extends UsageStanding {
  /** When management has used up its reserve. */
  readonly reserveEnd: "alarm" | "refuse_downloads";
  /** Wall clock. */
  readonly periodEndMs: number;
  /** The day, and so the period, is known. */
  readonly isCertain: boolean;
  /** Something counts what passes. */
  readonly isCounted: boolean;
}

/** What stands until it changes. A section whose owner has not told anything yet is absent: a rule then says nothing. */
export interface LastingFacts {
  readonly vehicle?: VehicleFacts | undefined;
  readonly lock?: LockFacts | undefined;
  readonly roaming?: RoamingFacts | undefined;
  readonly market?: MarketFacts | undefined;
  readonly lifecycle?: LifecycleFacts | undefined;
  readonly usage?: UsageFacts | undefined;
  readonly tunnel?: TunnelFacts | undefined;
}

/** What a rule may look at. The gate of the IPA being asked has its facts here; the others are absent. */
export type Facts = LastingFacts & { readonly [G in Gate]?: GateFacts[G] | undefined };

/** `data`: the fleet's own traffic. Management traffic passes whatever is said of it. */
export type PolicyGateName = Gate | "data";

/**
 * What a rule wants done besides its verdicts; the agent performs it once when it is first wanted, and again only after it was not. Two of one kind are
 * two where they differ in `about`; words and figures may change without that.
 */
export type Action =
  /** At once, with rPLMN and deviceInfo; `notifyStateChange` has the eIM be told that the device is not in the state it takes it to be in. */
  | { readonly kind: "pollEim"; readonly reason: string; readonly notifyStateChange?: boolean | undefined; readonly about?: string }
  /** The APN and the profile preferred there. */
  | { readonly kind: "applyMarket"; readonly country: string; readonly reason: string; readonly about?: string }
  /** Stands for as long as it is wanted; POLICY_ALARM unless there is a code of its own. */
  | { readonly kind: "alarm"; readonly reason: string; readonly code?: ErrorCode | undefined; readonly about?: string };

export interface Decision {
  readonly gates: Partial<Record<PolicyGateName, Verdict>>;
  readonly actions: readonly Action[];
  /** Why, for the person who asks. */
  readonly explain: string;
  /** What it looks at has not been told yet: what it said before a restart stands in the record until then. */
  readonly isPending?: boolean;
}

export interface PolicyRule<C = unknown> {
  readonly id: string;
  readonly config: { parse(value: unknown): C };
  decide(facts: Facts, config: C): Decision;
}

/** A rule with its configuration. */
export interface BoundRule {
  readonly id: string;
  readonly decide: (facts: Facts) => Decision;
}

export function bind<C>(rule: PolicyRule<C>, value: unknown): BoundRule {
  const config = rule.config.parse(value);
  return { id: rule.id, decide: (facts) => rule.decide(facts, config) };
}

/** Of a rule that cannot say anything yet. */
export function pending(explain: string): Decision {
  return { ...silent(explain), isPending: true };
}

/** Of a rule that has nothing to say. */
export function silent(explain: string): Decision {
  return { gates: {}, actions: [], explain };
}
