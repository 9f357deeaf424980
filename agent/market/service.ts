// The market that the vehicle is in: notices a border crossed, and gives the vehicle the profile that is preferred there, where it may do so itself.
// On an eUICC with an eIM it only says which one is wanted: the profile is the eIM's to change, and it is asked at once.
import { fallback, nullable, number, object, parse, string } from "valibot";
import type { Clock, Disposer } from "../../base/clock.ts";
import type { Disk } from "../../base/disk.ts";
import { asSimwardError, isCode } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { Queue } from "../../base/queue.ts";
import type { LocalAssistant } from "../../ipa/procedures/local-assistant.ts";
import type { AuditEvent } from "../audit/types.ts";
import type { Config } from "../config/schema.ts";
import type { EmergencyWatch } from "../emergency.ts";
import type { MarketFacts, VehicleFacts } from "../policy/types.ts";
import { openState } from "../state/store.ts";
import { type BorderLimits, type BorderState, decidedInMs, nextBorder, restartedBorder } from "./border.ts";
import { marketOf, mayUseOperator, wantedProfile } from "./markets.ts";
import { mayEnable, type SwapPolicy } from "./swap.ts";

export interface MarketOptions {
  readonly markets: Config["market"];
  readonly limits: BorderLimits;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  readonly emergency: EmergencyWatch;
  /** Never rejects. */
  readonly audit: (event: AuditEvent) => Promise<void>;
  readonly tell: (facts: MarketFacts) => void;
  readonly publish: (kind: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** The card, once it may be asked. */
export interface MarketHands {
  readonly local: Pick<LocalAssistant, "profiles" | "enable">;
  /** The eIMs whose profiles these are; empty where they are nobody's but the vehicle's. */
  readonly eims: () => readonly string[];
  readonly swap: (country: string) => SwapPolicy;
  /** The operator in use is not one of those wanted: the others have their turns, and automatic choice again where none of them serves. */
  readonly leaveOperator: (reason: string) => void;
  /** A profile has been changed. */
  readonly changed: () => Promise<void>;
  readonly signal: AbortSignal;
}

export type MarketOutcome =
  | "none wanted"
  | "none of them on the eUICC"
  | "enabled already"
  | "the eIM's to enable"
  | "not allowed"
  | "enabled"
  | "failed";

export interface MarketNow {
  readonly country: string | undefined;
  /** Beyond a border that does not count as crossed yet. */
  readonly beyond: string | undefined;
  /** Of the last time that the market was applied. */
  readonly outcome: MarketOutcome | undefined;
  /** The profile that is wanted. */
  readonly iccid: string | undefined;
}

/** Of the vehicle, what a market depends on. */
export type SeenNetwork = Pick<VehicleFacts, "country" | "registered" | "dataSession" | "plmn">;

export interface MarketService {
  see(vehicle: SeenNetwork): Promise<void>;
  start(hands: MarketHands): void;
  /** Gives the vehicle what is preferred there; again later where the card has no time. */
  apply(country: string, reason: string): void;
  readonly now: MarketNow;
  /** Resolves when nothing runs any more. */
  stop(): Promise<void>;
}

interface Kept {
  readonly country: string | null;
  /** What was tried and found no network, so that a restart does not try it again at once. */
  readonly failed: { readonly country: string; readonly iccid: string; readonly atMs: number } | null;
}

const schema = object({
  country: nullable(string()),
  failed: fallback(nullable(object({ country: string(), iccid: string(), atMs: number() })), null),
});
const againMs = 60_000;
/** Where none of the operators wanted serves, the one there is stays in use for so long: a vehicle is not to be dark for a list. */
const operatorRestMs = 3_600_000;
/** A profile that found no network in a country is left alone for so long. */
const restMs = 24 * 3_600_000;

export async function openMarkets(options: MarketOptions): Promise<MarketService> {
  const { markets, limits, clock, log, emergency, audit } = options;
  const store = await openState<Kept>({
    ...{ disk: options.disk, name: "market", version: 1 },
    initial: { country: null, failed: null },
    parse: (value) => parse(schema, value),
    onLost: (error) => log.warn("which market the vehicle was in is lost", { error }),
  });
  const keep = async (change: Partial<Kept>): Promise<void> => void (await store.hold((before) => ({ ...before, ...change })));
  const work = new Queue();
  let border: BorderState = restartedBorder({ country: store.get().country ?? undefined });
  let seen: SeenNetwork = {};
  let hands: MarketHands | undefined;
  let wanted: { readonly country: string; readonly reason: string } | undefined;
  let outcome: MarketOutcome | undefined;
  let iccid: string | undefined;
  let cancelDecision: Disposer = () => {};
  let cancelAgain: Disposer = () => {};
  let leftMs = Number.NEGATIVE_INFINITY;
  let stopped = false;

  const look = async (isNew: boolean): Promise<void> => {
    const nowMs = clock.monotonicMs();
    const { country, registered } = seen;
    if (registered !== true || country === undefined) border = nextBorder(border, { kind: "unregistered", nowMs }, limits).state;
    else {
      const { state, effects } = nextBorder(border, { kind: "registered", country, isNew, nowMs }, limits);
      border = state;
      for (const { from, to } of effects) await crossed(from, to);
    }
    cancelDecision();
    const inMs = registered === true ? decidedInMs(border, limits, nowMs) : undefined;
    if (inMs !== undefined && !stopped) cancelDecision = clock.after(Math.max(1, inMs), () => void inOrder(() => look(false)));
  };

  const crossed = async (from: string | undefined, to: string): Promise<void> => {
    [outcome, iccid, wanted] = [undefined, undefined, undefined];
    await keep({ country: to });
    await audit({ event: "market.entered", cause: "module", data: { country: to, from: from ?? null, plmn: seen.plmn ?? null } });
    options.publish("market.entered", { country: to, from });
    options.tell({ country: to, ...(from === undefined ? {} : { enteredFrom: from }) });
  };

  const lookAtOperator = async (): Promise<void> => {
    const { registered, dataSession, plmn } = seen;
    if (hands === undefined || registered !== true || dataSession !== true || plmn === undefined || emergency.sources.length > 0) return;
    if (mayUseOperator(markets, plmn) || clock.monotonicMs() - leftMs < operatorRestMs) return;
    leftMs = clock.monotonicMs();
    await audit({ event: "market.operatorLeft", cause: "policy:market", data: { plmn, country: seen.country ?? null } });
    hands.leaveOperator(`operator ${plmn} is not one of those for ${seen.country}`);
  };

  const inOrder = (job: () => Promise<void>): Promise<void> =>
    work.run(job).catch((error: unknown) => {
      if (!stopped) log.error("market", { error: asSimwardError(error) });
    });

  /** What is wanted is done, or why it is not; undefined: later. */
  const applied = async (
    country: string,
    reason: string,
    { local, eims, swap, changed, signal }: MarketHands,
  ): Promise<MarketOutcome | undefined> => {
    const prefer = marketOf(markets, country)?.prefer ?? [];
    if (prefer.length === 0) return "none wanted";
    if (emergency.sources.length > 0) return undefined;
    const profile = wantedProfile(prefer, await local.profiles(signal));
    iccid = profile?.iccid;
    if (profile === undefined) return "none of them on the eUICC";
    if (profile.enabled) return "enabled already";
    if (eims().length > 0) return "the eIM's to enable";
    if (!mayEnable(swap(country), profile.iccid)) return "not allowed";
    const { failed } = store.get();
    if (failed?.country === country && failed.iccid === profile.iccid && Math.abs(clock.now() - failed.atMs) < restMs) return "failed";
    await audit({ event: "market.profileAsked", cause: "policy:market", data: { country, iccid: profile.iccid, reason } });
    try {
      const { outcome: path } = await local.enable(profile.iccid, signal);
      if (path === "offline") await keep({ failed: { country, iccid: profile.iccid, atMs: clock.now() } });
      return "enabled";
    } catch (error) {
      if (isCode(error, "CARD_EIM_MANAGED")) return "the eIM's to enable";
      if (isCode(error, "EMERGENCY_ACTIVE")) return undefined;
      if (!isCode(error, "PROFILE_NOT_ONLINE", "ES10_REFUSED")) throw error;
      log.warn("the market's profile", { error });
      await keep({ failed: { country, iccid: profile.iccid, atMs: clock.now() } });
      return "failed";
    } finally {
      await changed();
    }
  };

  const attempt = async (): Promise<void> => {
    cancelAgain();
    if (wanted === undefined || hands === undefined || stopped) return;
    const { country, reason } = wanted;
    let result: MarketOutcome | undefined;
    try {
      result = await applied(country, reason, hands);
    } catch (error) {
      if (!stopped) log.info("the market's profile waits", { error: asSimwardError(error) });
    }
    if (result === undefined) {
      // The card is at work, not read yet, or there is an emergency.
      if (!stopped) cancelAgain = clock.after(againMs, () => void inOrder(attempt));
      return;
    }
    wanted = undefined;
    const isNews = result !== outcome;
    outcome = result;
    if (isNews && result !== "none wanted")
      await audit({ event: "market.applied", cause: "policy:market", data: { country, outcome: result, iccid: iccid ?? null } });
  };

  return {
    see(vehicle) {
      const isNew = vehicle.registered === true && (seen.registered !== true || seen.plmn !== vehicle.plmn);
      seen = vehicle;
      return inOrder(async () => {
        await look(isNew);
        await lookAtOperator();
      });
    },
    start(given) {
      hands = given;
      if (border.country !== undefined) options.tell({ country: border.country });
      void inOrder(attempt);
    },
    apply(country, reason) {
      wanted = { country, reason };
      void inOrder(attempt);
    },
    get now() {
      return { country: border.country, beyond: border.beyond?.country, outcome, iccid };
    },
    async stop() {
      stopped = true;
      cancelDecision();
      cancelAgain();
      await work.idle();
    },
  };
}
