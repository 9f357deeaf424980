// The radio world: decides from data who serves a subscription where the vehicle stands. Tests and scenarios move the vehicle,
// switch coverage off and on, and let the core network fail.
import type { Clock, Disposer } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import type {
  Attach,
  NetworkChoice,
  RadioWorld,
  Refusal,
  Session,
  SessionCredentials,
  SimRat,
  Subscriber,
  VisibleOperator,
} from "../contracts.ts";
import { defaultWorld, type Operator, type PathQuality, type Steering, type Subscription, type WorldData } from "./data.ts";

/** Whom a switch concerns; a field left out means everybody. */
export interface CoverageRule {
  readonly plmn?: string;
  /** Leading digits of IMSI or ICCID. */
  readonly subscriber?: string;
}

export interface WorldOptions {
  readonly clock: Clock;
  readonly data?: WorldData;
  /** Where the vehicle stands at first; DE by default. */
  readonly country?: string;
  /** How far the network's clock is from `clock`; 0 by default. */
  readonly timeOffsetMs?: number;
}

/** EMM cause "PLMN not allowed". */
const plmnNotAllowed = 11;
/** ESM causes (3GPP TS 24.301 §9.9.4.4). */
const missingOrUnknownApn = 27;
const userAuthenticationFailed = 29;
const networkFailure = 38;

export class World implements RadioWorld {
  readonly #clock: Clock;
  readonly #data: WorldData;
  readonly #timeOffsetMs: number;
  #country: string;
  readonly #uncovered: CoverageRule[] = [];
  readonly #coreDown: CoverageRule[] = [];
  /** Received power here, by PLMN, where it is another than the operator's own; null: no cell. */
  readonly #signal = new Map<string, number | null>();
  /** EMM causes that an operator answers to everybody, by PLMN. */
  readonly #refusing = new Map<string, number>();
  readonly #blackHoles = new Set<string>();
  /** Attaches refused by steering in this stay, by IMSI and PLMN. */
  readonly #steered = new Map<string, number>();
  readonly #listeners = new Set<() => void>();
  #sessions = 0;

  constructor(options: WorldOptions) {
    this.#clock = options.clock;
    this.#data = options.data ?? defaultWorld;
    this.#timeOffsetMs = options.timeOffsetMs ?? 0;
    this.#country = this.#known(options.country ?? "DE");
  }

  get country(): string {
    return this.#country;
  }

  /** Throws SIM_OPTION for a country the world does not have. */
  moveTo(country: string): void {
    const next = this.#known(country);
    if (next !== this.#country) {
      // Another stay: signal is that of the new place, and the home operator steers anew.
      this.#signal.clear();
      this.#steered.clear();
    }
    this.#country = next;
    this.#changed();
  }

  /** What is received of an operator where the vehicle stands: dBm, null for no cell, undefined for what its data say. Until the next border. */
  setSignal(plmn: string, rsrpDbm: number | null | undefined): void {
    if (rsrpDbm === undefined) this.#signal.delete(plmn);
    else this.#signal.set(plmn, rsrpDbm);
    this.#changed();
  }

  /** Lets an operator refuse whoever attaches with an EMM cause; undefined ends it. Who is registered stays. */
  setRefusal(plmn: string, emmCause: number | undefined): void {
    if (emmCause === undefined) this.#refusing.delete(plmn);
    else this.#refusing.set(plmn, emmCause);
    this.#changed();
  }

  /** Sessions of this operator come up, and nothing passes. */
  setBlackHole(plmn: string, on: boolean): void {
    if (on) this.#blackHoles.add(plmn);
    else this.#blackHoles.delete(plmn);
    this.#changed();
  }

  /** What the network registered on does to datagrams. */
  path(plmn: string | undefined): PathQuality {
    if (plmn === undefined) return {};
    return this.#blackHoles.has(plmn) ? { loss: 1 } : (this.#data.operators.find((known) => known.plmn === plmn)?.path ?? {});
  }

  /** Takes cells away from whom the rule names, or gives them back. */
  setCoverage(rule: CoverageRule, covered: boolean): void {
    switchRule(this.#uncovered, rule, !covered);
    this.#changed();
  }

  /** Lets the core network fail for whom the rule names: modules stay registered, sessions end. */
  setCore(rule: CoverageRule, working: boolean): void {
    switchRule(this.#coreDown, rule, !working);
    this.#changed();
  }

  onChange(fn: () => void): Disposer {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  attach(subscriber: Subscriber, rat: SimRat, choice: NetworkChoice = {}): Attach {
    const { only, except = [] } = choice;
    const home = this.#subscription(subscriber)?.home;
    const inReach = this.#inReach(subscriber, rat).filter(({ plmn }) => (only === undefined || plmn === only) && !except.includes(plmn));
    inReach.sort((a, b) => Number(b.plmn === home) - Number(a.plmn === home) || b.rsrpDbm - a.rsrpDbm);
    const refusals: Refusal[] = [];
    for (const { plmn, name, tac, cellId, rsrpDbm } of inReach) {
      const outcome = this.#attempt(subscriber, plmn);
      if (typeof outcome !== "number")
        return { kind: "registered", plmn, operator: name, roaming: outcome === "roaming", tac, cellId, rsrpDbm, refusals };
      refusals.push({ plmn, cause: outcome });
    }
    const [first] = refusals;
    return first === undefined ? { kind: "no-coverage" } : { kind: "rejected", ...first, refusals };
  }

  serves(subscriber: Subscriber, rat: SimRat, plmn: string): boolean {
    return this.#inReach(subscriber, rat).some((found) => found.plmn === plmn) && typeof this.#outcome(subscriber, plmn) !== "number";
  }

  received(plmn: string): number | undefined {
    return this.#signal.get(plmn) ?? this.#data.operators.find((known) => known.plmn === plmn)?.rsrpDbm;
  }

  session(subscriber: Subscriber, plmn: string, apn: string, credentials?: SessionCredentials): Session {
    if (this.#coreDown.some((rule) => concerns(rule, subscriber, plmn))) return { kind: "refused", esmCause: networkFailure };
    const { apns = [], credentials: wanted } = this.#subscription(subscriber) ?? {};
    const granted = apn === "" ? apns[0] : apns.find((known) => known === "*" || known.toLowerCase() === apn.toLowerCase());
    if (granted === undefined) return { kind: "refused", esmCause: missingOrUnknownApn };
    if (wanted !== undefined && (credentials?.user !== wanted.user || credentials.password !== wanted.password))
      return { kind: "refused", esmCause: userAuthenticationFailed };
    this.#sessions = (this.#sessions % 65_000) + 1;
    const address = `10.${plmn.length * 10}.${this.#sessions >> 8}.${this.#sessions & 0xff}`;
    return { kind: "up", apn: granted === "*" ? apn || "internet" : granted, address, dns: ["10.0.0.53", "10.0.1.53"] };
  }

  letsSleep(plmn: string, roaming: boolean): boolean {
    const { powerSaving = "own" } = this.#data.operators.find((known) => known.plmn === plmn) ?? {};
    return powerSaving === "all" || (powerSaving === "own" && !roaming);
  }

  scan(subscriber: Subscriber | undefined, rat: SimRat): readonly VisibleOperator[] {
    return this.#inReach(subscriber, rat).map(({ plmn, name, shortName }) => ({
      plmn,
      name,
      shortName,
      allowed: subscriber !== undefined && typeof this.#outcome(subscriber, plmn) !== "number",
    }));
  }

  networkTime(plmn: string): { readonly utcMs: number; readonly zoneMinutes: number } | undefined {
    const operator = this.#data.operators.find((known) => known.plmn === plmn);
    const country = this.#data.countries.find(({ mcc }) => mcc.includes(plmn.slice(0, 3)));
    if (operator?.nitz !== true || country === undefined) return undefined;
    return { utcMs: this.#clock.now() + this.#timeOffsetMs, zoneMinutes: country.zoneMinutes };
  }

  #inReach(subscriber: Subscriber | undefined, rat: SimRat): Operator[] {
    const here = this.#data.countries.find(({ iso }) => iso === this.#country)?.mcc ?? [];
    return this.#data.operators.flatMap((operator) => {
      const { plmn, rats } = operator;
      const rsrpDbm = this.#signal.get(plmn);
      const inReach = here.includes(plmn.slice(0, 3)) && rats.includes(rat) && rsrpDbm !== null;
      if (!inReach || this.#uncovered.some((rule) => concerns(rule, subscriber, plmn))) return [];
      return [rsrpDbm === undefined ? operator : { ...operator, rsrpDbm }];
    });
  }

  /** One attach, with what comes over the subscriber at the door: an operator in trouble, and steering. */
  #attempt(subscriber: Subscriber, plmn: string): "home" | "roaming" | number {
    const refusing = this.#refusing.get(plmn);
    if (refusing !== undefined) return refusing;
    const outcome = this.#outcome(subscriber, plmn);
    const steering = outcome === "roaming" ? this.#agreement(subscriber, plmn) : undefined;
    if (typeof steering !== "object") return outcome;
    const key = `${subscriber.imsi} ${plmn}`;
    const refused = this.#steered.get(key) ?? 0;
    if (refused >= steering.refusals) return outcome;
    this.#steered.set(key, refused + 1);
    return steering.cause;
  }

  #outcome(subscriber: Subscriber, plmn: string): "home" | "roaming" | number {
    const subscription = this.#subscription(subscriber);
    if (subscription === undefined) return plmnNotAllowed;
    if (subscription.home === undefined || subscription.home === plmn) return "home";
    const outcome = this.#agreement(subscriber, plmn);
    return typeof outcome === "object" ? "roaming" : outcome;
  }

  #agreement(subscriber: Subscriber, plmn: string): "roaming" | Steering | number {
    const from = this.#subscription(subscriber)?.home;
    return this.#data.agreements.find(({ home, visited }) => home === from && plmn.startsWith(visited))?.outcome ?? plmnNotAllowed;
  }

  #subscription({ imsi }: Subscriber): Subscription | undefined {
    let best: Subscription | undefined;
    for (const row of this.#data.subscriptions) {
      if (imsi.startsWith(row.imsiPrefix) && row.imsiPrefix.length >= (best?.imsiPrefix.length ?? 0)) best = row;
    }
    return best;
  }

  #known(country: string): string {
    if (this.#data.countries.some(({ iso }) => iso === country)) return country;
    throw new SimwardError("SIM_OPTION", {
      detail: `country ${JSON.stringify(country)} is none of ${this.#data.countries.map(({ iso }) => iso).join(", ")}`,
    });
  }

  #changed(): void {
    for (const fn of [...this.#listeners]) fn();
  }
}

function concerns(rule: CoverageRule, subscriber: Subscriber | undefined, plmn: string): boolean {
  if (rule.plmn !== undefined && rule.plmn !== plmn) return false;
  if (rule.subscriber === undefined) return true;
  return subscriber !== undefined && (subscriber.imsi.startsWith(rule.subscriber) || subscriber.iccid.startsWith(rule.subscriber));
}

function switchRule(rules: CoverageRule[], rule: CoverageRule, present: boolean): void {
  const at = rules.findIndex(({ plmn, subscriber }) => plmn === rule.plmn && subscriber === rule.subscriber);
  if (present && at < 0) rules.push(rule);
  if (!present && at >= 0) rules.splice(at, 1);
}
