// The composition root: the only place that makes services and ties them together. Everything comes in as a port, so a thousand agents fit one process.
import type { Modem } from "../at-drivers/modem.ts";
import type { Clock, Disposer } from "../base/clock.ts";
import { type Disk, subDisk } from "../base/disk.ts";
import { asSimwardError, type ErrorReport, errorReport, SimwardError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { runMachine } from "../base/machine.ts";
import { Queue } from "../base/queue.ts";
import type { Random } from "../base/random.ts";
import { version } from "../base/version.ts";
import { getEuiccInfo2, getProfilesInfo } from "../ipa/euicc/es10.ts";
import type { Ipa, PollOutcome } from "../ipa/ipa.ts";
import { createIpa } from "../ipa/ipa.ts";
import type { EimPeer } from "../ipa/options.ts";
import type { ClosableEsipaTransport } from "../transports/esipa.ts";
import { createEventHub } from "./api/events.ts";
import type { ApiServices } from "./api/routes.ts";
import type { CardStatus, PollResult } from "./api/types.ts";
import { verifyChain } from "./audit/chain.ts";
import { auditEventOf } from "./audit/from-ipa.ts";
import { openAudit } from "./audit/log.ts";
import type { AuditEvent, AuditRecord } from "./audit/types.ts";
import type { Config } from "./config/schema.ts";
import { createKeeper } from "./connectivity/keeper.ts";
import { bindRules, createPolicyGate } from "./policy/engine.ts";
import { backOffDelayMs, intervalDelayMs, startDelayMs } from "./scheduler/delays.ts";
import { initialPollState, nextPoll, type PollEffect, type PollInput, type PollState } from "./scheduler/poll-machine.ts";
import { openAgentState } from "./state/agent-state.ts";
import { cardStatusOf, profileStatusOf, statusOf } from "./status.ts";

export interface AgentPorts {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The state directory. */
  readonly disk: Disk;
  readonly modem: Modem;
  readonly transports: readonly ClosableEsipaTransport[];
  readonly peers: readonly EimPeer[];
  readonly credential: (name: string) => Promise<string>;
}

export interface Agent extends ApiServices {
  readonly ipa: Ipa;
  /** Begins to drive the module and to poll; what a restart interrupted is gone on with. */
  start(): Promise<void>;
  /** Ends what runs; what was under way stays in the journal. */
  stop(): Promise<void>;
}

/** Opens state and audit trail. Throws STATE_CORRUPT, STATE_TOO_NEW, AUDIT_BROKEN, DISK_READ. */
export async function createAgent(ports: AgentPorts): Promise<Agent> {
  const { config, clock, random, log, modem } = ports;
  const startedMs = clock.monotonicMs();
  const state = await openAgentState(ports.disk);
  const auditDisk = subDisk(ports.disk, "audit");
  const audit = await openAudit({
    disk: auditDisk,
    clock,
    segmentBytes: config.audit.segment_bytes,
    maxSegments: config.audit.max_segments,
  });
  const hub = createEventHub(clock);
  const alarms = new Map<string, ErrorReport>();
  const eimErrors = new Map<string, ErrorReport>();
  const polls = new Queue(32);
  const stopping = new AbortController();
  const disposers: Disposer[] = [];
  let card: CardStatus | undefined;
  let cancelTimer: Disposer = () => {};
  let timerAtMs: number | undefined;
  let lastRsrpDbm: number | undefined;
  let lastAddress: string | undefined;

  const alarm = (where: string, error: unknown): void => {
    alarms.delete(where);
    alarms.set(where, errorReport(error));
  };
  /** An unwritable trail is an alarm; it does not take the vehicle off the air. */
  const record = async (event: AuditEvent): Promise<void> => {
    try {
      await audit.append(event);
    } catch (error) {
      alarm("audit", error);
      log.error("audit", { error: asSimwardError(error), waiting: event.event });
    }
  };
  disposers.push(
    audit.onRecord((one: AuditRecord) => {
      alarms.delete("audit");
      hub.publish("audit", { record: one });
    }),
  );

  const keeper = createKeeper({
    modem,
    apns: config.apn,
    radio: config.radio,
    clock,
    random,
    log: log.child({ part: "connectivity" }),
    audit: record,
    credential: ports.credential,
  });
  const ipa = createIpa({
    card: modem.apdu,
    transports: ports.transports,
    clock,
    random,
    events: {
      async emit(event) {
        const { kind, ...fields } = wholeMilliseconds(event);
        hub.publish(kind, fields);
        log[kind === "step" || kind === "segment" ? "debug" : kind === "error" ? "error" : "info"](kind, fields);
        const auditEvent = auditEventOf(wholeMilliseconds(event));
        if (auditEvent !== undefined) await record(auditEvent);
      },
    },
    gate: createPolicyGate(bindRules(config.policy)),
    journal: {
      load: async () => state.get().journal ?? undefined,
      save: (journal) => state.update((s) => ({ ...s, journal, auditHead: audit.head })),
    },
    connectivity: keeper,
    device: () => ({ imei: modem.status.imei, rPlmn: modem.status.registration.plmn }),
    options: {
      peers: ports.peers,
      preferBinding: config.eim.prefer_binding,
      terminalCapability: config.rsp.terminal_capability,
      maxPackagesPerPoll: config.eim.max_packages_per_poll,
      esipaTimeoutMs: config.eim.exchange_timeout_seconds * 1_000,
      onlineTimeoutMs: config.eim.online_timeout_seconds * 1_000,
      rollbackAfterMs: config.eim.online_timeout_seconds * 1_000,
      pprConsent: config.rsp.ppr_consent,
    },
  });

  const intervalMs = config.eim.poll_interval_seconds * 1_000;
  const perform = (effect: PollEffect, send: (input: PollInput) => void): void => {
    switch (effect.kind) {
      case "start":
        void polls
          .run(() => startIpa())
          .then(() => send({ kind: "started" }))
          .catch((error: unknown) => {
            alarm("start", error);
            log.error("the IPA could not start", { error: asSimwardError(error) });
            send({ kind: "startFailed", retry: asSimwardError(error).retry });
          });
        break;
      case "poll":
        void poll(undefined).catch((error: unknown) => log.error("poll", { error: asSimwardError(error) }));
        break;
      case "unschedule":
        cancelTimer();
        timerAtMs = undefined;
        break;
      case "schedule": {
        const delayMs = delayOf(effect);
        cancelTimer();
        timerAtMs = clock.monotonicMs() + delayMs;
        cancelTimer = clock.after(delayMs, () => {
          timerAtMs = undefined;
          send({ kind: "due" });
        });
        break;
      }
    }
  };
  const delayOf = (effect: Extract<PollEffect, { kind: "schedule" }>): number => {
    const eid = ipa.status().eid ?? "";
    const byInterval = intervalDelayMs(eid, intervalMs, clock.now());
    if (effect.why === "start") return startDelayMs(eid, intervalMs, clock.now(), state.get().lastPollMs ?? undefined, random.unit());
    return effect.why === "interval"
      ? byInterval
      : (backOffDelayMs(effect.retry, effect.failures, intervalMs, random.unit()) ?? byInterval);
  };
  const machine = runMachine<PollState, PollInput, PollEffect>({ initial: initialPollState, next: nextPoll, perform });

  const startIpa = async (): Promise<void> => {
    const status = await ipa.start(stopping.signal);
    alarms.delete("start");
    if (status.eid === undefined) return;
    const { eid } = status;
    card = await ipa.euicc
      .withEuicc("card status", async (es10) => cardStatusOf(eid, await es10.call(getEuiccInfo2, {})), stopping.signal)
      .catch((error: unknown) => {
        log.warn("EUICCInfo2", { error: asSimwardError(error) });
        return undefined;
      });
  };

  const poll = (eimId: string | undefined): Promise<PollOutcome> =>
    polls.run(async () => {
      machine.send({ kind: "pollBegun" });
      let ended: PollOutcome | undefined;
      try {
        const outcome = await ipa.pollOnce(eimId, stopping.signal);
        for (const one of outcome.eims) {
          if (one.error === undefined) eimErrors.delete(one.eimId);
          else eimErrors.set(one.eimId, errorReport(one.error));
        }
        ended = outcome;
        if (outcome.kind === "nothing" || outcome.kind === "done") await remember();
        const delivery = await ipa.deliverNotifications(stopping.signal);
        if (delivery.error !== undefined) log.warn("notifications wait", { error: delivery.error, remaining: delivery.remaining });
        return outcome;
      } finally {
        machine.send({
          kind: "pollEnded",
          retry: ended?.error?.retry ?? (ended === undefined ? "later" : undefined),
          unfinished: ended?.unfinished ?? false,
        });
      }
    }, stopping.signal);

  const remember = async (): Promise<void> => {
    await state
      .update((s) => ({ ...s, lastPollMs: clock.now(), auditHead: audit.head }))
      .catch((error: unknown) => {
        alarm("state", error);
        log.error("state", { error: asSimwardError(error) });
      });
  };

  const cardMayBeThere = (): void => {
    modem
      .ready(stopping.signal)
      .then(() => machine.send({ kind: "cardReady" }))
      .catch((error: unknown) => {
        if (!stopping.signal.aborted) log.error("module", { error: asSimwardError(error) });
      });
  };

  return {
    ipa,
    async start() {
      const verification = await verifyChain(auditDisk, state.get().auditHead);
      if (!verification.ok) {
        const error = new SimwardError("AUDIT_BROKEN", {
          detail: `${verification.problem?.segment}, line ${verification.problem?.line}: ${verification.problem?.reason}`,
        });
        alarm("auditTrail", error);
        log.error("audit trail", { error });
      }
      await record({ event: "daemon.started", cause: "start", data: { version, auditWhole: verification.ok } });
      disposers.push(
        modem.onEvent((event) => {
          if (event.kind === "gone") machine.send({ kind: "cardGone" });
          if (event.kind === "back") cardMayBeThere();
        }),
        keeper.onPath((path) => {
          hub.publish(path.up ? "path.up" : "path.down", {
            apn: path.apn,
            address: path.session?.address,
            plmn: modem.status.registration.plmn,
            reason: path.reason,
          });
          if (!path.up) return;
          const { address } = path.session ?? {};
          if (address !== lastAddress) for (const transport of ports.transports) transport.pathChanged();
          lastAddress = address;
          machine.send({ kind: "pathUp" });
        }),
      );
      keeper.start();
      cardMayBeThere();
    },
    async stop() {
      stopping.abort(new SimwardError("ABORTED"));
      cancelTimer();
      for (const dispose of disposers) dispose();
      await keeper.stop();
      await ipa.close();
      await record({ event: "daemon.stopped", cause: "stop" });
      await remember();
    },
    async status() {
      lastRsrpDbm =
        modem.status.link === "ready" && !polls.busy
          ? await modem
              .signalQuality()
              .then((q) => q.rsrpDbm)
              .catch(() => undefined)
          : lastRsrpDbm;
      return statusOf({
        clock,
        startedMs,
        modem,
        path: keeper.path,
        ipa,
        card,
        nextPollInMs: timerAtMs === undefined ? undefined : Math.max(0, Math.round(timerAtMs - clock.monotonicMs())),
        lastErrors: eimErrors,
        audit: audit.head,
        alarms: [...alarms.values()].reverse(),
        rsrpDbm: lastRsrpDbm,
      });
    },
    async profiles() {
      const response = await ipa.euicc.withEuicc("profile list", (es10) => es10.call(getProfilesInfo, {}), stopping.signal);
      if (response.kind !== "profileInfoListOk") throw new SimwardError("ES10_REFUSED", { detail: `GetProfilesInfo: ${response.value}` });
      return { schema: "simward/profiles/1", eid: ipa.status().eid ?? "", profiles: response.value.map(profileStatusOf) };
    },
    async pollEim(eimId) {
      if (machine.state.phase === "absent") throw new SimwardError("MODEM_ABSENT", { detail: modem.status.reason ?? modem.address });
      return pollResult(await poll(eimId));
    },
    async auditRecords(query) {
      const records: AuditRecord[] = [];
      const { last, event, afterSeq } = query;
      for await (const one of audit.query({
        last,
        ...(event === undefined ? {} : { event }),
        ...(afterSeq === undefined ? {} : { afterSeq }),
      }))
        records.push(one);
      return { schema: "simward/audit/1", records };
    },
    verifyAudit: async () => ({ schema: "simward/audit-verification/1", ...(await audit.verify()) }),
    events: (afterId, fn) => hub.subscribe(afterId, fn),
    auditAdminAct: (act, role, peer, data) =>
      record({
        event: act,
        cause: `operator:${peer?.uid ?? "unknown"}`,
        data: { role, uid: peer?.uid ?? null, pid: peer?.pid ?? null, ...data },
      }),
  };
}

/** Clocks answer fractions; nobody reads them. */
function wholeMilliseconds<E extends object>(event: E): E {
  return "durationMs" in event && typeof event.durationMs === "number" ? { ...event, durationMs: Math.round(event.durationMs) } : event;
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
