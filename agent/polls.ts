// What comes of asking the eIMs: what is an alarm and what stands beside one eIM only, what the path is told of it, and a poll that somebody asks for.
import type { Modem } from "../at-drivers/modem.ts";
import type { Clock } from "../base/clock.ts";
import { type ErrorReport, errorReport, SimwardError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import type { Ipa, IpaStatus, PollOutcome } from "../ipa/ipa.ts";
import { isPassive, passiveError } from "../ipa/procedures/card-class.ts";
import { holdsPolls } from "../ipa/procedures/emergency.ts";
import type { Alarms } from "./alarms.ts";
import type { PollResult } from "./api/types.ts";
import type { Config } from "./config/schema.ts";
import type { Keeper } from "./connectivity/keeper.ts";
import type { Prober } from "./connectivity/prober.ts";
import type { EmergencyWatch } from "./emergency.ts";
import { createPoller, type Poller } from "./scheduler/poller.ts";

export interface PollsOptions {
  readonly ipa: Ipa;
  readonly config: Pick<Config, "eim">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly alarms: Alarms;
  readonly modem: Pick<Modem, "status" | "address">;
  readonly keeper: Pick<Keeper, "path" | "check">;
  readonly prober: Pick<Prober, "heard" | "notHeard">;
  readonly emergency: EmergencyWatch;
  readonly signal: AbortSignal;
  readonly lastPollMs: () => number | undefined;
  /** Never rejects. */
  readonly keepLastPoll: () => Promise<void>;
  /** The IPA has read the card and can begin. */
  readonly cardRead: () => Promise<void>;
  /** eIMs were asked, with whatever outcome. */
  readonly polled: () => void;
  /** Packages were carried out: the card may be another one than at the last look. */
  readonly packagesDone: () => Promise<void>;
}

export interface Polls {
  readonly poller: Poller;
  /** By eIM: why it could not be asked the last time. */
  readonly errors: ReadonlyMap<string, ErrorReport>;
  /** One eIM, or all. Throws MODEM_ABSENT, EIM_UNKNOWN, EIM_NOT_CONFIGURED, CARD_…, and what kept all of them from being asked. */
  ask(eimId: string | undefined): Promise<PollResult>;
}

export function createPolls(options: PollsOptions): Polls {
  const { ipa, config, log, alarms, modem, keeper, prober, emergency } = options;
  const errors = new Map<string, ErrorReport>();

  const onStart = async (outcome: IpaStatus | SimwardError): Promise<void> => {
    if (outcome instanceof SimwardError) {
      alarms.raise("start", outcome);
      log.error("the IPA could not start", { error: outcome });
      return;
    }
    alarms.clear("start");
    await options.cardRead();
  };
  const onPoll = async (outcome: PollOutcome): Promise<void> => {
    for (const { eimId, error } of outcome.eims) {
      if (error === undefined) errors.delete(eimId);
      else errors.set(eimId, errorReport(error));
    }
    const known = new Set(ipa.status().eims.map(({ eimId }) => eimId));
    for (const eimId of errors.keys()) if (!known.has(eimId)) errors.delete(eimId);
    const { error } = outcome;
    // What is wrong with one eIM stands beside it in the status; what keeps all of them from being asked is an alarm, unless it is the path.
    if (error === undefined || outcome.eims.length > 0 || error.retry === "online") alarms.clear("poll");
    else if (error.code !== "ABORTED") alarms.raise("poll", error);
    for (const { eimId, error: failure } of outcome.eims) {
      const eim = ipa.status().eims.find((one) => one.eimId === eimId);
      if (failure === undefined && eim?.host !== undefined) prober.heard(`eim ${eim.host}:${eim.port}`);
    }
    options.polled();
    if (error?.retry === "online") {
      await keeper.check();
      prober.notHeard();
    }
    if (outcome.kind === "nothing" || outcome.kind === "done") await options.keepLastPoll();
    if (outcome.packages > 0) await options.packagesDone();
  };
  const { clock, random, lastPollMs } = options;
  const poller = createPoller(
    {
      ...{ ipa, clock, random, log, lastPollMs, onStart, onPoll },
      intervalMs: config.eim.poll_interval_seconds * 1_000,
      hasPath: () => keeper.path.up,
      emergency: { holdsPolls: () => holdsPolls(emergency.sources), active: () => emergency.sources.length > 0 },
    },
    options.signal,
  );

  return {
    poller,
    errors,
    async ask(eimId) {
      if (poller.phase === "absent") throw new SimwardError("MODEM_ABSENT", { detail: modem.status.reason ?? modem.address });
      const { started, eims, card: found } = ipa.status();
      if (found !== undefined && isPassive(found.kind)) throw passiveError(found);
      if (found?.kind === "sgp22" && !config.eim.on_consumer_euicc)
        throw new SimwardError("EIM_NOT_CONFIGURED", {
          detail: "it is a consumer eUICC; eim.on_consumer_euicc = true has an eIM obeyed on it",
        });
      if (eimId !== undefined && started && !eims.some((eim) => eim.eimId === eimId))
        throw new SimwardError("EIM_UNKNOWN", { detail: eimId });
      return pollResult(await poller.ask(eimId));
    },
  };
}

function pollResult(outcome: PollOutcome): PollResult {
  if (outcome.eims.length === 0 && outcome.error !== undefined) throw outcome.error;
  return {
    schema: "simward/poll/1",
    eims: outcome.eims.map(({ eimId, packages, error }) => ({
      eimId,
      packages,
      outcome: error !== undefined ? "failed" : packages > 0 ? "done" : "idle",
      ...(error === undefined ? {} : { error: errorReport(error) }),
    })),
  };
}
