// One module from its port's address: found, identified, initialised, watched, and found again when it goes away.
import type { Clock, Disposer } from "../base/clock.ts";
import { isCode, SimwardError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import { outOfRehearsal, rehearsal } from "../base/rehearsal.ts";
import { createApdu, type OwnedApdu } from "./apdu/access.ts";
import type { ApduTimeouts } from "./apdu/way.ts";
import { awaitRegistered } from "./await-registered.ts";
import type { RegistrationCommand, RegistrationLine } from "./commands/network.ts";
import { clcc, isVoiceCall } from "./commands/voice.ts";
import { attachAgain } from "./context.ts";
import { createDataContexts, type DataContexts } from "./data-contexts.ts";
import { createDataInterface, type ModemDataInterface } from "./data-interface.ts";
import { parsePortAddress } from "./engine/channel.ts";
import type { OwnedAtPort } from "./engine/port.ts";
import type { AtPort, AtTraceEntry, ByteChannel } from "./engine/types.ts";
import { generic3gpp } from "./families/generic-3gpp.ts";
import { bootLinesOfAll, familyNamed, familyOf, opsOf } from "./families/table.ts";
import type { ModemFamily, ModemOps, OperatorProfile, OwnLpa } from "./family.ts";
import { LinkKeeper } from "./link-keeper.ts";
import type { CardSwitch, DataSession, Modem, ModemStatus, OperatorFound, PdpAuth, SimState } from "./modem.ts";
import { createRadio, type ModemRadio } from "./radio.ts";
import { climbRefreshLadder, refreshLadder, type StepHost, takeRefreshStep } from "./refresh.ts";
import { fromLine, isRegistered, sameRegistration } from "./registration.ts";
import type { RecoveryEvent } from "./rescue.ts";
import { abortable, isRefusal, simBusyLimitMs, whileSimBusy } from "./retry.ts";
import { readToolkit, type Toolkit } from "./toolkit.ts";
import { type TypedLines, typedLines } from "./typed.ts";
import type {
  ModemEvent,
  ModemIdentity,
  ModemListener,
  PdpContext,
  RefreshStep,
  RefreshStepTaken,
  Registration,
  SignalQuality,
} from "./types.ts";
import { listenToModule } from "./urcs.ts";

export interface ModemOptions {
  /** serial:/dev/…[?baud=115200], pty:/path, tcp:host:port, unix:/path */
  readonly address: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: Random;
  /** Id of a family, where identification is not to decide. */
  readonly family?: string | undefined;
  readonly trace?: ((entry: AtTraceEntry) => void) | undefined;
  readonly apduTimeouts?: ApduTimeouts | undefined;
  /** Why nothing may be done now that could end a call or a session, in words; undefined: it may. */
  readonly mayDisturb?: (() => string | undefined) | undefined;
  /** Takes the module's power away and gives it back; undefined: nobody can. */
  readonly powerCycle?: (() => Promise<void>) | undefined;
  /** Instead of `openChannel`, for tests. */
  readonly open?: ((address: string, options: { readonly clock: Clock }) => Promise<ByteChannel>) | undefined;
}

/** How long a module may take to answer the first time after its port was opened. */
const probeLimitMs = 15_000;
/**
 * How long to wait for a SIM in which state. Absent and failing is what it also is for a moment after a start or a change of profile, but a
 * vehicle without SIM or profile must not wait long.
 */
const simPatienceMs: Readonly<Partial<Record<SimState, number>>> = { busy: simBusyLimitMs, failure: 10_000, absent: 5_000 };
const simSpacingMs = 500;
/** URCs get lost, and a module that says nothing may have died. */
const watchMs = 30_000;
const registrationReadings = 3;
/** It ends the data session: where it did not help it is not done again at once. */
const cardRestartSpacingMs = 600_000;

/** Begins to look for the module at once. Throws PORT_ADDRESS, MODEM_FAMILY. */
export function openModem(options: ModemOptions): Modem {
  parsePortAddress(options.address);
  return new Driver(options);
}

class Driver implements Modem {
  readonly address: string;
  readonly apdu: OwnedApdu;
  readonly radio: ModemRadio;
  readonly raw: TypedLines;
  readonly dataInterface: ModemDataInterface;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #fixedFamily: ModemFamily | undefined;
  readonly #link: LinkKeeper;
  readonly #listeners = new Set<ModemListener>();
  readonly #stopWatch: Disposer;
  readonly #contexts: DataContexts;
  #family: ModemFamily = generic3gpp;
  #ops: ModemOps = opsOf(generic3gpp);
  #identity: ModemIdentity | undefined;
  #imei: string | undefined;
  #iccid: string | undefined;
  #sim: SimState | undefined;
  #ownLpa: OwnLpa | undefined;
  #registration: Registration = { status: "unknown" };
  #registrationReading: Promise<Registration> | undefined;
  #registrationNews = false;
  #isAskingSim = false;
  #wantedFunction: 0 | 1 | 4 = 1;
  #epoch = 0;
  /** How often the card was seen to start anew. */
  #simRestarts = 0;
  readonly #stepHost: StepHost;
  #cardRestartedMs = Number.NEGATIVE_INFINITY;

  constructor(options: ModemOptions) {
    const { address, clock, log, random, trace, open } = options;
    this.address = address;
    this.#clock = clock;
    this.#log = log;
    this.#fixedFamily = options.family === undefined ? undefined : familyNamed(options.family);
    this.#link = new LinkKeeper({
      ...{ address, clock, log, random, trace, open },
      onPort: (port) => this.#listen(port),
      initialise: (port, signal) => this.#initialise(port, signal),
      onReady: () => log.info("modem.ready", { address, family: this.#family.id, ...this.#identity, imei: this.#imei, sim: this.#sim }),
      onGone: (reason) => this.#onGone(reason),
      onBack: () => this.#emit({ kind: "back" }),
      rescue: {
        mayDisturb: options.mayDisturb,
        powerCycle: options.powerCycle,
        resets: () => this.#family.quirks.resets.map((reset) => reset.text()),
        bootMs: () => this.#family.quirks.bootMs,
        report: (event) => this.#onRecovery(event),
      },
    });
    this.apdu = createApdu(
      {
        ...{ clock, port: () => this.#link.cardPort(), quirks: () => this.#family.quirks, epoch: () => this.#epoch },
        restartCard: (signal) => this.#restartCard(options.mayDisturb, signal),
      },
      options.apduTimeouts,
    );
    const parts = { link: this.#link, ops: () => this.#ops, family: () => this.#family, wanted: () => this.#wantedFunction };
    this.dataInterface = createDataInterface(parts);
    this.radio = createRadio(parts);
    this.raw = typedLines(this.#link);
    this.#contexts = createDataContexts({
      ...{ clock, link: this.#link, ops: () => this.#ops, wantedFunction: () => this.#wantedFunction },
      onBearer: (active) => this.#emit({ kind: "bearer", active }),
    });
    this.#stepHost = {
      clock,
      link: this.#link,
      ops: () => this.#ops,
      wantedFunction: () => this.#wantedFunction,
      onCardGone: () => this.#epoch++,
      restart: (command, signal) => this.#restart(command, signal),
    };
    this.#stopWatch = clock.every(watchMs, () => {
      this.#watch();
      this.#watchSim();
    });
    this.#link.start();
  }

  get status(): ModemStatus {
    const link = this.#link.state;
    return {
      link: link.kind,
      port: this.#link.portAddress,
      reason: "reason" in link ? link.reason : undefined,
      heard: link.kind === "ready" ? undefined : this.#link.heard,
      starts: this.#link.starts,
      family: this.#identity === undefined ? undefined : this.#family.id,
      identity: this.#identity,
      ...{ imei: this.#imei, iccid: this.#iccid, sim: this.#sim, ownLpa: this.#ownLpa },
      registration: this.#registration,
      consecutiveTimeouts: this.#link.port?.consecutiveTimeouts ?? 0,
    };
  }

  ready(signal?: AbortSignal): Promise<void> {
    return this.#link.ready(signal);
  }

  onEvent(fn: ModemListener): Disposer {
    this.#listeners.add(fn);
    return () => {
      this.#listeners.delete(fn);
    };
  }

  // Identity and card

  identity(): ModemIdentity {
    if (this.#identity === undefined) throw new SimwardError("MODEM_ABSENT", { detail: `${this.address}: not identified yet` });
    return this.#identity;
  }

  imei(signal?: AbortSignal): Promise<string> {
    return this.#link.use(signal, (port) => this.#ops.imei(port));
  }

  imsi(signal?: AbortSignal): Promise<string> {
    return this.#link.use(signal, (port) => whileSimBusy(this.#clock, signal, () => this.#ops.imsi(port)));
  }

  iccid(signal?: AbortSignal): Promise<string> {
    return this.#link.use(signal, (port) => whileSimBusy(this.#clock, signal, () => this.#readIccid(port)));
  }

  toolkit(signal?: AbortSignal): Promise<Toolkit> {
    return this.#link.use(signal, readToolkit);
  }

  simState(signal?: AbortSignal): Promise<SimState> {
    return this.#link.use(signal, (port) => this.#readSimState(port));
  }

  // Network

  async registration(signal?: AbortSignal): Promise<Registration> {
    return abortable(
      this.#link.use(undefined, () => this.#readRegistration(this.#link.readyPort())),
      signal,
    );
  }

  awaitRegistered(options: { readonly timeoutMs: number; readonly signal?: AbortSignal }): Promise<Registration> {
    const attachAgainNow = (signal: AbortSignal): Promise<void> => this.#link.use(signal, (port) => attachAgain(this.#ops, port));
    return awaitRegistered(this, this.#clock, attachAgainNow, options);
  }

  signalQuality(signal?: AbortSignal): Promise<SignalQuality> {
    return this.#link.use(signal, (port) => this.#ops.signal(port));
  }

  selectOperator(plmn: string | undefined, signal?: AbortSignal): Promise<void> {
    if (plmn !== undefined && !/^\d{5,6}$/.test(plmn))
      return Promise.reject(new SimwardError("BYTES_NOT_PLMN", { detail: JSON.stringify(plmn) }));
    return this.#link.use(signal, async (port) => {
      const isSo = async (): Promise<boolean> => {
        const { mode, plmn: present } = await this.#ops.operator(port);
        return plmn === undefined ? mode === "automatic" : mode === "manual" && present === plmn;
      };
      if (await isSo()) return;
      try {
        await this.#ops.selectOperator(port, plmn);
      } catch (error) {
        // Some modules refuse what they then do; the choice read back decides.
        if (!isRefusal(error) || !(await isSo())) throw error;
      }
    });
  }

  scanOperators(signal?: AbortSignal): Promise<readonly OperatorFound[]> {
    return this.#link.use(signal, (port) => this.#ops.scan(port));
  }

  // Data

  get attachCid(): number {
    return this.#family.quirks.defaultCid;
  }

  contexts(signal?: AbortSignal): Promise<readonly PdpContext[]> {
    return this.#contexts.contexts(signal);
  }

  ensureContext(context: PdpContext, auth?: PdpAuth, signal?: AbortSignal): Promise<{ readonly changed: boolean }> {
    return this.#contexts.ensureContext(context, auth, signal);
  }

  connect(cid: number, signal?: AbortSignal): Promise<DataSession> {
    return this.#contexts.connect(cid, signal);
  }

  disconnect(cid: number, signal?: AbortSignal): Promise<void> {
    return this.#contexts.disconnect(cid, signal);
  }

  session(cid: number, signal?: AbortSignal): Promise<DataSession | undefined> {
    return this.#contexts.session(cid, signal);
  }

  // Refresh and reset

  voiceCall(signal?: AbortSignal): Promise<boolean | undefined> {
    return this.#link.use(signal, async (port) => {
      try {
        return (await port.send(clcc)).some(isVoiceCall);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        return undefined;
      }
    });
  }

  async awaitCard(options: { readonly iccid: string; readonly settleMs?: number; readonly signal?: AbortSignal }): Promise<CardSwitch> {
    const { quirks } = this.#family;
    const { iccid, signal } = options;
    this.#epoch++;
    const startMs = this.#clock.monotonicMs();
    const restarts = this.#simRestarts;
    const taken: RefreshStepTaken[] = [];
    const isStirred = (): boolean => this.apdu.isRefreshAnnounced || this.#simRestarts !== restarts;
    try {
      const seen = await climbRefreshLadder({
        iccid,
        ladder: refreshLadder(quirks),
        settleMs: options.settleMs ?? quirks.settleMs,
        clock: this.#clock,
        signal,
        read: () => this.#link.use(signal, (port) => this.#readIccid(port)),
        take: (step) => takeRefreshStep(this.#stepHost, step, signal),
        isStirred,
        onTaken: (step) => taken.push(step),
      });
      this.#emit({ kind: "cardSwitch", iccid, isSeen: true, steps: seen.taken, tookMs: seen.tookMs });
      const operatorProfile = seen.steps.length === 0 ? undefined : await this.#operatorProfile(signal);
      this.#log.info("modem.card-adopted", { iccid, steps: seen.steps, tookMs: Math.round(seen.tookMs), operatorProfile });
      return { ...seen, operatorProfile };
    } catch (error) {
      if (isCode(error, "SWITCH_NOT_SEEN"))
        this.#emit({ kind: "cardSwitch", iccid, isSeen: false, steps: taken, tookMs: this.#clock.monotonicMs() - startMs });
      throw error;
    } finally {
      this.apdu.isRefreshAnnounced = false;
    }
  }

  /** Chosen by the former card's operator and not by the present one's, it may keep the module off its network. */
  async #operatorProfile(signal: AbortSignal | undefined): Promise<OperatorProfile | undefined> {
    try {
      return await this.#link.use(signal, (port) => this.#ops.operatorProfile(port));
    } catch (error) {
      signal?.throwIfAborted();
      this.#log.debug("modem.operator-profile-unread", { error });
      return undefined;
    }
  }

  refresh(step: RefreshStep, signal?: AbortSignal): Promise<void> {
    return takeRefreshStep(this.#stepHost, step, signal);
  }

  functionLevel(signal?: AbortSignal): Promise<number> {
    return this.#link.use(signal, (port) => this.#ops.functionLevel(port));
  }

  setFunction(level: 0 | 1 | 4, signal?: AbortSignal): Promise<void> {
    return this.#link.use(signal, async (port) => {
      this.#wantedFunction = level;
      await this.#ensureFunction(port, level);
    });
  }

  reset(signal?: AbortSignal): Promise<void> {
    return this.#restart((port) => this.#ops.reset(port), signal);
  }

  async #restart(command: (port: AtPort) => Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    await this.#link.readyAgain(signal);
    try {
      await this.#link.use(signal, command);
    } catch (error) {
      // It may be gone before it has answered.
      if (!isCode(error, "AT_TIMEOUT", "PORT_CLOSED")) throw error;
    }
    this.#link.resetting("it was told to restart", this.#family.quirks.bootMs);
    await this.#link.readyAgain(signal);
  }

  async close(): Promise<void> {
    this.#stopWatch();
    await this.#link.close();
  }

  // Initialisation

  async #initialise(port: OwnedAtPort, signal: AbortSignal): Promise<void> {
    this.#epoch++;
    await port.resync(probeLimitMs, signal);
    const at = port.with({ signal });
    await this.#ops.initialise(at);
    const identity = await this.#ops.identity(at);
    const family = this.#fixedFamily ?? familyOf(identity);
    if (family !== this.#family || this.#identity === undefined) {
      this.#family = family;
      this.#ops = opsOf(family);
    }
    this.#identity = identity;
    port.tune({ gapMs: family.quirks.gapMs, urcs: family.quirks.urcs });
    this.#imei = await this.#ops.imei(at);
    await this.#ensureFunction(at, this.#wantedFunction);
    await this.#awaitSim(at, signal);
    await this.apdu.closeLeftovers(at);
    await this.#ops.subscribe(at);
    await this.#lookForOwnLpa(at);
    await this.#adoptCard(at);
    await this.#readRegistration(at);
    await this.#tellNetworkTime(at);
  }

  /** A module without a usable SIM is still a module, and an eUICC without a profile still an eUICC. */
  async #awaitSim(port: AtPort, signal: AbortSignal): Promise<void> {
    const startMs = this.#clock.monotonicMs();
    for (;;) {
      const state = await this.#readSimState(port);
      if (this.#clock.monotonicMs() - startMs >= (simPatienceMs[state] ?? 0)) return;
      await this.#clock.sleep(simSpacingMs, signal);
    }
  }

  /** Two that manage one eUICC end each other's sessions: the other one is named as soon as it is seen. */
  async #lookForOwnLpa(port: AtPort): Promise<void> {
    this.#ownLpa = await this.#ops.ownLpa(port);
    if (this.#ownLpa !== undefined && this.#ownLpa.on !== false)
      this.#log.warn("modem.own-lpa", { address: this.address, command: this.#ownLpa.command, remedy: this.#ownLpa.remedy });
  }

  async #adoptCard(port: AtPort): Promise<void> {
    await this.apdu.probe(port);
    try {
      await this.#readIccid(port);
    } catch (error) {
      if (!isRefusal(error) && !isCode(error, "AT_REPLY")) throw error;
      this.#log.debug("modem.iccid-unreadable", { error });
    }
  }

  async #ensureFunction(port: AtPort, level: 0 | 1 | 4): Promise<void> {
    if ((await this.#ops.functionLevel(port)) !== level) await this.#ops.setFunction(port, level);
  }

  /** What was true of the module before it went away need not be after. */
  #onGone(reason: string): void {
    this.#epoch++;
    this.#sim = undefined;
    this.#iccid = undefined;
    this.#contexts.forget();
    this.#registration = { status: "unknown" };
    this.#log.warn("modem.gone", { address: this.address, reason });
    this.#emit({ kind: "gone", reason });
  }

  /** Every logical channel is taken and none of them is ours: only the card itself can free them. Answers whether it was started anew. */
  async #restartCard(mayDisturb: ModemOptions["mayDisturb"], signal: AbortSignal | undefined): Promise<boolean> {
    const startMs = this.#clock.monotonicMs();
    if (startMs - this.#cardRestartedMs < cardRestartSpacingMs) return false;
    const held = mayDisturb?.();
    if (held === undefined) {
      // Which ends with the step, and restarts nothing.
      if (rehearsal() === undefined) this.#cardRestartedMs = startMs;
      await takeRefreshStep(this.#stepHost, this.#family.quirks.simPower === undefined ? "cfun-cycle" : "sim-power", signal);
    }
    const tookMs = this.#clock.monotonicMs() - startMs;
    const came = held === undefined ? { outcome: "answered" as const } : { outcome: "held" as const, reason: held };
    this.#onRecovery({ kind: "recovery", step: "card-restart", tookMs, downMs: tookMs, round: 1, ...came });
    return held === undefined;
  }

  #onRecovery(event: RecoveryEvent): void {
    const { kind: _, ...said } = event;
    this.#log.warn("modem.recovery", { address: this.address, ...said });
    this.#emit(event);
  }

  // URCs and watching

  #listen(port: OwnedAtPort): void {
    listenToModule(port, bootLinesOfAll(), {
      boot: (line) => this.#link.rebooted(port, `the module has restarted (${line})`),
      registration: (command, line) => this.#onRegistrationLine(command, line),
      packet: (event) => this.#contexts.onPacketEvent(event),
      time: (utcMs) => {
        if (utcMs !== undefined) this.#emit({ kind: "time", utcMs });
        else void this.#tellNetworkTime(port);
      },
      sim: (state) => this.#onSimLine(port, state),
      call: () => this.#emit({ kind: "call" }),
    });
  }

  #onRegistrationLine(command: RegistrationCommand, line: RegistrationLine): void {
    if (this.#link.state.kind !== "ready") return;
    const said = fromLine(line, this.#family.quirks.rats);
    // A rejection is told at once, with its cause; for all else one domain's news is not the whole, which is read.
    if (command !== "+CREG" && said.status === "denied" && isRegistered(this.#registration)) this.#setRegistration(said);
    this.#registrationNews = true;
    this.#watch();
  }

  #onSimLine(port: OwnedAtPort, state: SimState): void {
    const before = this.#sim;
    this.#setSim(state);
    if (state === "ready" && before !== "ready" && this.#link.state.kind === "ready")
      void this.#adoptCard(port).catch((error: unknown) => this.#log.debug("modem.card-unread", { error }));
  }

  async #tellNetworkTime(port: AtPort): Promise<void> {
    try {
      const utcMs = await this.#ops.networkTime(port);
      if (utcMs !== undefined) this.#emit({ kind: "time", utcMs });
    } catch (error) {
      this.#log.debug("modem.time-unread", { error });
    }
  }

  #watch(): void {
    if (this.#link.state.kind !== "ready") return;
    void this.registration().catch((error: unknown) => this.#log.debug("modem.registration-unread", { error }));
  }

  /** Where there is no network the card may be why. By the clock alone: modules tell of networks with every command, too. */
  #watchSim(): void {
    if (this.#link.state.kind !== "ready" || isRegistered(this.#registration) || this.#isAskingSim) return;
    this.#isAskingSim = true;
    void this.simState()
      .catch((error: unknown) => this.#log.debug("modem.sim-unread", { error }))
      .finally(() => {
        this.#isAskingSim = false;
      });
  }

  // Reading

  async #readIccid(port: AtPort): Promise<string> {
    const iccid = await this.#ops.iccid(port);
    this.#iccid = iccid;
    return iccid;
  }

  async #readSimState(port: AtPort): Promise<SimState> {
    const state = await this.#ops.simState(port);
    this.#setSim(state);
    return state;
  }

  #setSim(state: SimState): void {
    const before = this.#sim;
    this.#sim = state;
    if (before === state || (before ?? "absent") === state) return;
    if (before === "ready") {
      this.#epoch++;
      this.#simRestarts++;
      this.#iccid = undefined;
    }
    if (before === "ready" || state === "ready") this.#emit({ kind: "sim", state: state === "ready" ? "ready" : "not-ready" });
  }

  /** Several that ask at once get one answer; news that come while it is read make it be read again. */
  #readRegistration(port: AtPort): Promise<Registration> {
    this.#registrationReading ??= this.#readRegistrationNews(port).finally(() => {
      this.#registrationReading = undefined;
    });
    return this.#registrationReading;
  }

  async #readRegistrationNews(port: AtPort): Promise<Registration> {
    for (let left = registrationReadings - 1; ; left--) {
      this.#registrationNews = false;
      const registration = await this.#ops.registration(port);
      if (this.#registrationNews && left > 0) continue;
      this.#setRegistration(registration);
      return registration;
    }
  }

  #setRegistration(registration: Registration): void {
    if (sameRegistration(registration, this.#registration)) return;
    this.#registration = registration;
    this.#emit({ kind: "registration", registration });
  }

  #emit(event: ModemEvent): void {
    for (const listener of [...this.#listeners]) {
      try {
        // A fact is one for all, also where a rehearsal has come upon it.
        outOfRehearsal(() => listener(event));
      } catch (error) {
        this.#log.error("modem.listener-failed", { event: event.kind, error });
      }
    }
  }
}
