// The composition root: the only place that makes services and ties them together. Everything comes in as a port, so a thousand agents fit one process.
import { setMaxListeners } from "node:events";
import type { Disposer } from "../base/clock.ts";
import { asSimwardError, SimwardError } from "../base/errors.ts";
import { integerBelow } from "../base/random.ts";
import { rehearsal } from "../base/rehearsal.ts";
import { version } from "../base/version.ts";
import { createIpa } from "../ipa/ipa.ts";
import { holdsPolls } from "../ipa/procedures/emergency.ts";
import { createAlarms } from "./alarms.ts";
import { createEventHub } from "./api/events.ts";
import { lastSignIn, watchNetwork } from "./audit/network-watch.ts";
import { openTrail } from "./audit/service.ts";
import { createBugreport } from "./bugreport/gather.ts";
import { createCardActs } from "./card-acts.ts";
import { createCardDesk } from "./card-desk.ts";
import { createCardWatch } from "./card-watch.ts";
import { watchClocks } from "./clock-watch.ts";
import { openApnMemory } from "./connectivity/apn-memory.ts";
import { watchCalls } from "./connectivity/calls.ts";
import { createConnectivity } from "./connectivity/connectivity.ts";
import { createFallbackKeeper } from "./connectivity/fallback.ts";
import type { PathState } from "./connectivity/keeper.ts";
import { recordOf } from "./connectivity/module-records.ts";
import { createNetActs } from "./connectivity/net-acts.ts";
import { askOverNet } from "./connectivity/probe-net.ts";
import { createSignalWatch } from "./connectivity/signal.ts";
import { esipaWhilePath, rspWhilePath, type WhilePathOptions } from "./connectivity/while-path.ts";
import { doctorIn } from "./doctor/in-agent.ts";
import { createDryRun } from "./dry-run.ts";
import { createEmergency } from "./emergency.ts";
import { createInjection } from "./injection.ts";
import { createIpaEvents } from "./ipa-events.ts";
import { apnsInStage, createLife } from "./life.ts";
import { createLocalActs } from "./local-acts.ts";
import { createLocalProfiles } from "./local-profiles.ts";
import { mayUseOperator } from "./market/markets.ts";
import { createModuleActs } from "./module/acts.ts";
import { createLongActs } from "./module/long-act.ts";
import { policyActs } from "./policy/report.ts";
import { createPolicyService } from "./policy/service.ts";
import { createPolls } from "./polls.ts";
import type { Agent, AgentPorts } from "./ports.ts";
import { openSamples } from "./samples/service.ts";
import { type AgentState, openAgentState } from "./state/agent-state.ts";
import { openCardMemory } from "./state/card-memory.ts";
import { consumerMemory } from "./state/consumer-memory.ts";
import { createOwedWrites, stateDisk } from "./state/owed.ts";
import { statusOf } from "./status.ts";
import { openTraces } from "./trace/service.ts";
import { createTraffic } from "./traffic.ts";
import { apnsOf, createTravel } from "./travel.ts";
import { createTrust, identityOf } from "./trust.ts";
import { noTunnelReport } from "./tunnel/report.ts";
import { openUplink } from "./uplink/service.ts";
import { createModuleSide } from "./usage/module-side.ts";
import { createUsage, fleetBytesOf } from "./usage/service.ts";
import { usageSourceOf } from "./usage/source.ts";

/** Opens state and audit trail; what is damaged there is an alarm and an audit record, no end. Throws DISK_READ. */
export async function createAgent(ports: AgentPorts): Promise<Agent> {
  const { config, clock, random, log, modem } = ports;
  const startedMs = clock.monotonicMs();
  const alarms = createAlarms();
  const hub = createEventHub({ clock, firstId: (1 + integerBelow(random, 1_000_000)) * 1_000_000 });
  const longActs = createLongActs({ clock, publish: hub.publish });
  const stopping = new AbortController();
  // Everything that waits listens to it; Node takes more than ten for a leak.
  setMaxListeners(0, stopping.signal);
  const disposers: Disposer[] = [];
  const owed = createOwedWrites({
    ...{ clock, log: log.child({ part: "state" }) },
    onProblem: (problem) => (problem === undefined ? alarms.clear("state") : alarms.raise("state", problem)),
  });
  const disk = stateDisk(ports.disk, owed);

  // --- what is kept ------------------------------------------------------------------------------------------------------------

  const trail = await openTrail({
    ...{ disk, config: config.audit, clock, log, alarms, publish: hub.publish },
    storedHead: () => state.get().auditHead,
    onCheckpoint: async () => void (await hold((s) => s)),
  });
  const { audit, record } = trail;
  disposers.push(() => trail.stop());
  const traces = await openTraces({
    ...{ disk, config: config.trace, clock, random, log, bus: ports.trace, programLog: ports.programLog },
    audit: trail.acts.auditAdminAct,
  });
  let stateLost: SimwardError | undefined;
  const state = await openAgentState(disk, (why) => {
    stateLost = why;
  });
  const hold = (change: (s: Readonly<AgentState>) => AgentState): Promise<SimwardError | undefined> =>
    state.hold((s) => ({ ...change(s), auditHead: audit.head }));

  // --- what works --------------------------------------------------------------------------------------------------------------

  const emergency = createEmergency({
    clock,
    audit: record,
    load: () => state.get().emergency ?? undefined,
    save: (told) => hold((s) => ({ ...s, emergency: told ?? null })),
  });
  const policy = await createPolicyService({
    ...{ config, disk, clock, emergency, alarms },
    log: log.child({ part: "policy" }),
    audit: record,
    publish: hub.publish,
  });
  disposers.push(() => policy.stop());
  const usage = await createUsage({
    ...{ config: config.policy.usage, disk, clock, alarms, engine: policy.engine, audit: record, publish: hub.publish },
    log: log.child({ part: "usage" }),
  });
  const isCardBusy = (): boolean => ipa.status().cardBusyWith !== undefined || poller.phase === "polling" || poller.phase === "starting";
  const moduleSide = createModuleSide({
    ...{ modem, clock, random, alarms, audit: record, log: log.child({ part: "usage" }) },
    isBusy: () => emergency.status().active || isCardBusy(),
    kernel:
      ports.net === undefined || config.net.mode === "none"
        ? undefined
        : { view: ports.net.kernel, interfaceName: () => dataPath?.status.interface },
  });
  const connectivity = await createConnectivity({
    ...{ modem, clock, emergency, disk },
    config,
    apns: () => apnsInStage(policy.engine.facts.lifecycle?.stage, config.lifecycle, apnsOf(config)),
    mayUse: (plmn) => mayUseOperator(config.market, plmn),
    log: log.child({ part: "connectivity" }),
    audit: record,
    keeper: {
      memory: await openApnMemory(disk, log),
      random,
      onApn: (problem) => (problem === undefined ? alarms.clear("apn") : alarms.raise("apn", problem)),
      credential: ports.credential,
    },
    eims: () => ipa.status().eims,
    isCardBusy,
    ask: ports.ask ?? askOverNet(clock, random, ports.net?.resolver?.resolve),
    reach: async (session) => {
      await dataPath?.follow(session);
      return dataPath?.carries(session) !== false;
    },
    bytes: () => dataPath?.bytes() ?? moduleSide.total(),
    settle: moduleSide.settle,
    parties: usage.totals,
    onProblem: (source, problem) => (problem === undefined ? alarms.clear(source) : alarms.raise(source, problem)),
  });
  const { keeper, prober } = connectivity;
  const whilePath: WhilePathOptions = { clock, path: () => keeper.path, onPath: (fn) => keeper.onPath(fn) };
  let lastPlmn: string | undefined;
  const ipa = createIpa({
    card: traces.apdu(modem.apdu),
    transports: ports.transports.map((transport) => traces.esipa(esipaWhilePath(transport, whilePath))),
    rsp: traces.rsp(rspWhilePath(ports.rsp, whilePath)),
    trace: traces.bus,
    clock,
    random,
    events: createIpaEvents({ hub, log, record, transferred: connectivity.transferred, failed: traces.store.failed }),
    gate: policy.engine,
    journal: {
      load: async () => state.get().journal ?? undefined,
      save: async (journal) => {
        // A step that is remembered is not told again after a restart: what happened before it must be in the trail by then.
        await audit.settled();
        await state.update((s) => ({ ...s, journal, auditHead: audit.head }));
      },
    },
    connectivity: keeper,
    consumer: config.eim.on_consumer_euicc ? { memory: consumerMemory(disk), initialEims: async () => ports.initialEims } : undefined,
    interlock: emergency,
    onInjected: ({ unfinished }) => {
      // What is left goes the way of what a poll leaves: delivered, or tried again after a back-off.
      if (unfinished)
        poller.ask(undefined).catch((error: unknown) => log.warn("poll after an injection", { error: asSimwardError(error) }));
    },
    device: () => ({ imei: modem.status.imei, rPlmn: modem.status.registration.plmn ?? lastPlmn }),
    options: {
      peers: ports.peers,
      preferBinding: config.eim.prefer_binding,
      terminalCapability: config.rsp.terminal_capability,
      maxPackagesPerPoll: config.eim.max_packages_per_poll,
      esipaTimeoutMs: config.eim.exchange_timeout_seconds * 1_000,
      onlineTimeoutMs: config.eim.online_timeout_seconds * 1_000,
      rollbackAfterMs: config.eim.online_timeout_seconds * 1_000,
      injection: config.injection.enabled ? config.injection.schemes : [],
      injectionAnswerMs: config.injection.answer_within_seconds * 1_000,
      pprConsent: config.rsp.ppr_consent,
      directDownload: config.rsp.direct_download,
      eimFeatures: config.rsp.eim_features,
      immediateEnable: config.rsp.immediate_enable,
    },
  });
  const signal = createSignalWatch(modem, clock);

  // --- polling -----------------------------------------------------------------------------------------------------------------

  const cardWatch = createCardWatch({
    modem,
    onPath: (fn) => keeper.onPath(fn),
    memory: await openCardMemory(disk),
    card: () => ipa.status().card,
    audit: record,
    log,
    signal: stopping.signal,
  });
  const desk = createCardDesk({ ipa, clock, log, signal: stopping.signal, toolkit: () => cardWatch.toolkit });
  /** Its notifications go out, and its eIMs are told, without waiting for the next poll. */
  const cardChanged = async (): Promise<void> => {
    if (rehearsal() !== undefined) return;
    poller.news();
    await desk.read();
  };

  const polls = createPolls({
    ...{ ipa, config, clock, random, log, alarms, modem, keeper, prober, emergency, signal: stopping.signal },
    lastPollMs: () => state.get().lastPollMs ?? undefined,
    keepLastPoll: async () => void (await hold((s) => ({ ...s, lastPollMs: clock.now() }))),
    cardRead: async () => {
      void cardWatch.cardRead();
      policy.cardRead();
      void trust.lock.check("card read");
      fallback.cardRead();
      await desk.read();
    },
    polled: () => enforcement.polled(),
    packagesDone: async () => {
      void trust.lock.check("eIM packages");
      lifecycle.packagesDone();
      fallback.cardRead();
      await desk.read();
    },
  });
  const { poller } = polls;

  // --- injection ---------------------------------------------------------------------------------------------------------------

  const injection = createInjection({
    config: config.injection,
    ipa,
    clock,
    random,
    log: log.child({ part: "injection" }),
    record,
    credential: ports.credential,
    onProblem: (problem) => (problem === undefined ? alarms.clear("injection") : alarms.raise("injection", problem)),
    onListening: (at) => hub.publish("injection.listening", at),
  });

  // --- ways back ---------------------------------------------------------------------------------------------------------------

  const fallback = createFallbackKeeper({
    ipa,
    keeper,
    emergency,
    times: {
      afterMs: config.fallback.after_seconds * 1_000,
      returnAfterMs: config.fallback.return_after_seconds * 1_000,
      returnMaxMs: config.fallback.return_max_seconds * 1_000,
    },
    get isAutomatic() {
      return config.fallback.enabled && policy.engine.facts.lifecycle?.stage !== "retired";
    },
    clock,
    random,
    log: log.child({ part: "fallback" }),
    load: () => state.get().fallback ?? undefined,
    save: async (noted) => {
      const problem = await hold((s) => ({ ...s, fallback: noted }));
      if (problem !== undefined) throw problem;
    },
    poll: () => poller.news(),
  });
  const onEmergency = (): void => {
    const { sources } = emergency;
    hub.publish("emergency", { active: sources.length > 0, sources });
    // In this order: the keeper, which heard of it first, brings the path up; polls go on with what was interrupted; then the ways back.
    if (!holdsPolls(sources)) poller.released();
  };

  // --- module and path ---------------------------------------------------------------------------------------------------------

  const cardMayBeThere = (): void => {
    modem.ready(stopping.signal).then(poller.cardReady, (error: unknown) => {
      if (!stopping.signal.aborted) log.error("module", { error: asSimwardError(error) });
    });
  };
  let lastWay: string | undefined;
  const onPath = ({ up, apn, iccid, session, reason }: PathState): void => {
    const { plmn } = modem.status.registration;
    hub.publish(up ? "path.up" : "path.down", { apn, address: session?.address, plmn, reason });
    tunnel?.follow({ up, iccid, address: session?.address });
    if (!up) return;
    const way = `${iccid} ${session?.address}`;
    if (way !== lastWay) for (const transport of ports.transports) transport.pathChanged();
    lastWay = way;
    poller.pathUp();
  };

  const onAwake = (asleepMs: number): void => {
    const asleepSeconds = Math.round(asleepMs / 1_000);
    log.info("the machine was asleep", { asleepSeconds });
    void record({ event: "daemon.awake", cause: "suspend", data: { asleepSeconds } });
    // Nobody between here and the eIMs remembers the way, and the session may be gone.
    for (const transport of ports.transports) transport.pathChanged();
    void keeper.check();
    poller.awake();
  };

  const onSet = (byMs: number): void => {
    const { ms, source } = clock.wall();
    const data = { bySeconds: Math.round(byMs / 1_000), before: new Date(ms - byMs).toISOString() };
    log.info("the clock was set", { ...data, source });
    void record({ event: "clock.set", cause: source, data });
  };

  const { dataPath, enforcement, tunnel, follow } = createTraffic({
    ...{ config, net: ports.net, modem, clock, random, log, alarms, emergency, engine: policy.engine, audit: record },
    ...{ publish: hub.publish, credential: ports.credential, hold: (reason) => keeper.hold(reason), poll: () => poller.news() },
    onUp: () => {
      if (keeper.path.up) onPath(keeper.path);
    },
    onLost: () => void keeper.check(),
  });
  /** A session is a path once the kernel has it. */
  const onSession = (path: PathState): void => {
    if (follow(path)) onPath(path);
  };

  const trust = await createTrust({
    ...{ disk, clock, random, alarms, engine: policy.engine, rootKeys: ports.rootKeys },
    log: log.child({ part: "trust" }),
    audit: record,
    acted: trail.checkpoint,
    identity: () => identityOf({ modem, ipa, askCard: desk.ask, signal: stopping.signal }),
  });
  const travel = await createTravel({
    ...{ config, disk, clock, alarms, audit: record, publish: hub.publish, engine: policy.engine, keys: trust.ring, emergency },
    log: log.child({ part: "travel" }),
    records: (query) => audit.query(query),
  });

  const ownIdentity = () => ({ imei: modem.status.imei, eid: ipa.status().eid });
  const life = await createLife({
    ...{ disk, clock, alarms, trail, emergency, trust, engine: policy.engine, identity: ownIdentity },
    config: config.lifecycle,
    log: log.child({ part: "lifecycle" }),
    fleetBytes: async () => fleetBytesOf(await usage.totals()),
    countsBytes: () => dataPath !== undefined || usage.isCounting,
    onStage: (stage) => {
      usage.look();
      hub.publish("lifecycle.stage", { stage });
      if (config.lifecycle.test_apn !== undefined) keeper.renew(`${stage} has another APN`);
    },
  });
  const { lifecycle } = life;
  const samples = await openSamples({
    ...{ config, disk, clock, random, modem, signal, log: log.child({ part: "samples" }) },
    isOnline: () => keeper.path.up,
    bytes: () => dataPath?.bytes(),
  });
  const uplink =
    ports.uplink === undefined
      ? undefined
      : await openUplink({
          ...{ config, post: ports.uplink, disk, clock, random, alarms, audit, samples, identity: ownIdentity },
          log: log.child({ part: "uplink" }),
          stage: () => lifecycle.state.stage,
          hasPath: () => keeper.path.up,
          onPath: (fn) => keeper.onPath(fn),
        });

  const agent: Agent = {
    ...trail.acts,
    ...createLocalActs({ ipa, emergency, fallback, news: poller.news, signal: stopping.signal }),
    ipa,
    async start() {
      const auditWhole = await trail.verify();
      const lastSign = await lastSignIn(audit);
      await record({ event: "daemon.started", cause: "start", data: { version, auditWhole } });
      if (ports.configProblem !== undefined) {
        const { code, message: reason } = ports.configProblem;
        alarms.raise("config", ports.configProblem);
        log.error("the configuration before it stays in force", { error: ports.configProblem });
        await record({ event: "config.refused", cause: "config", data: { code, reason } });
      }
      if (stateLost !== undefined) {
        alarms.raise("stateLost", stateLost);
        log.error("state", { error: stateLost });
        await record({ event: "state.lost", cause: "start", data: { code: stateLost.code, reason: stateLost.message } });
      }
      await trail.startSigning();
      disposers.push(
        modem.onEvent((event) => {
          if (event.kind === "gone") poller.cardGone();
          if (event.kind === "back") cardMayBeThere();
          if (event.kind === "back" || (event.kind === "sim" && event.state === "ready")) void trust.lock.check(event.kind);
          if (event.kind === "registration") lastPlmn = event.registration.plmn ?? lastPlmn;
          const said = recordOf(event);
          if (said !== undefined) void record(said);
        }),
        keeper.onPath(onSession),
        watchNetwork({ modem, onPath: (fn) => keeper.onPath(fn), clock, audit: record, lastSign }),
        emergency.onChange(onEmergency),
        hub.subscribe(undefined, ({ kind, fromIccid, toIccid }) => {
          if (kind !== "profile.fellBack" && kind !== "profile.returned") return;
          const known = (iccid: unknown): string | undefined => (typeof iccid === "string" ? iccid : undefined);
          fallback.switched(kind === "profile.fellBack" ? "fellBack" : "returned", known(fromIccid), known(toIccid));
        }),
        () => emergency.stop(),
        () => fallback.stop(),
      );
      if (ports.bootMs !== undefined) disposers.push(watchClocks({ clock, bootMs: ports.bootMs, onAwake, onSet }));
      if (config.emergency.voice_call) disposers.push(watchCalls({ modem, clock, log, onCall: emergency.call }));
      policy.start({
        modem,
        onPath: (fn) => keeper.onPath(fn),
        eid: () => ipa.status().eid,
        poll: poller.news,
        announceChange: () => ipa.announceChange(),
        applyMarket: travel.applyMarket,
        onVehicle: (facts) => {
          travel.see(facts);
          lifecycle.look();
          usage.look();
        },
      });
      lifecycle.start({
        card: ipa.local,
        poll: poller.news,
        pendingResults: () => ipa.status().pendingResults,
        identity: ownIdentity,
        samples,
        forgetTraces: traces.store.clear,
        signal: stopping.signal,
      });
      travel.start({
        local: ipa.local,
        eims: () => ipa.status().eims.map(({ eimId }) => eimId),
        leaveOperator: (reason) => keeper.giveUp(reason),
        changed: cardChanged,
        signal: stopping.signal,
      });
      enforcement.start();
      usage.start(usageSourceOf(dataPath, ports.net?.kernel, enforcement.firewall, clock));
      moduleSide.start((fn) => keeper.onPath(fn), usage.start);
      connectivity.start();
      samples.start();
      uplink?.start();
      keeper.start();
      cardMayBeThere();
      injection.start();
    },
    async stop() {
      stopping.abort(new SimwardError("ABORTED", { detail: "simward stops" }));
      for (const dispose of disposers) dispose();
      await injection.stop();
      await ipa.close();
      await Promise.all([
        cardWatch.stop(),
        poller.stop(),
        keeper.stop(),
        trust.stop(),
        travel.stop(),
        lifecycle.stop(),
        samples.stop(),
        uplink?.stop(),
      ]);
      await connectivity.stop();
      await moduleSide.stop();
      await tunnel?.stop();
      await usage.stop();
      await enforcement.stop();
      await dataPath?.stop();
      await record({ event: "daemon.stopped", cause: "stop" });
      owed.stop();
      await hold((s) => s);
      await traces.store.stop();
      await audit.close();
    },
    crashed: () => record({ event: "daemon.crashed", cause: "crash", data: { version } }),
    mayDisturb: () => (emergency.sources.length === 0 ? undefined : `emergency: ${emergency.sources.join(", ")}`),
    async status() {
      const quality = await signal.latest();
      return statusOf({
        clock,
        startedMs,
        modem,
        path: keeper.path,
        ipa,
        card: desk.status(),
        nextPollInMs: poller.nextPollInMs,
        underWay: longActs.underWay,
        lastErrors: polls.errors,
        audit: audit.head,
        alarms: alarms.list(),
        signal: quality,
        health: prober.state,
        radio: connectivity.radio.status,
        dataPath: dataPath?.status,
        emergency,
        fallback,
        travel,
        stage: lifecycle.state.stage,
        tunnel: tunnel === undefined ? undefined : { phase: tunnel.phase, required: config.tunnel?.required === true },
        dataVerdict: { data: policy.engine.data, firewall: enforcement.firewall?.status, withoutNetd: config.policy.enforce_without_netd },
        usage: usage.summary(),
        imeiLock: trust.lock.facts.state,
      });
    },
    ...createDryRun({ services: () => agent, blockBytes: () => modem.apdu.maxCommandDataBytes }),
    profiles: desk.profiles,
    pollEim: polls.ask,
    events: (afterId, fn) => hub.subscribe(afterId, fn),
    net: createNetActs({ connectivity, modem, signal, audit, emergency, longActs, clock }),
    doctor: doctorIn({
      ...{ ports, modem, ipa, askCard: desk.ask, signal: stopping.signal },
      lockFacts: () => trust.lock.facts,
      services: () => agent,
    }),
    card: createCardActs({
      ...{ ipa, askCard: desk.ask, clock, signal: stopping.signal },
      audit: (act, { role, peer }, data) => trail.acts.auditAdminAct(act, role, peer, data),
      changed: cardChanged,
    }),
    module: createModuleActs({
      ...{ modem, keeper, config, emergency, longActs, clock, signal: stopping.signal },
      hasApns: () => apnsOf(config).length > 0,
      mayUse: (plmn) => mayUseOperator(config.market, plmn),
      audit: (act, { role, peer }, data) => trail.acts.auditAdminAct(act, role, peer, data),
    }),
    bugreport: createBugreport({ config, clock, random, services: () => agent }),
    trust,
    travel,
    lifecycle: life.acts,
    tunnel: () => tunnel?.report() ?? noTunnelReport,
    usage: usage.acts,
    usageAccess: config.api.usage_access,
    trace: traces.acts,
    samples,
    policy: policyActs({ engine: policy.engine, rules: policy.rules, records: (query) => audit.query(query) }),
    local: createLocalProfiles({
      ipa,
      audit: (act, { role, peer }, data) => trail.acts.auditAdminAct(act, role, peer, data),
      changed: cardChanged,
      signal: stopping.signal,
    }),
  };
  return agent;
}
