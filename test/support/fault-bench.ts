// A vehicle that can be struck at any step of its work, in one process and in virtual time: the real agent, IPA and AT driver on the virtual
// module and card. A blow takes the daemon, the power, the disk or the module; the card's memory, eIM and SM-DP+ live on.
import { parse } from "valibot";
import { verifyChain } from "../../agent/audit/chain.ts";
import { listSegments } from "../../agent/audit/segment.ts";
import type { AuditRecord } from "../../agent/audit/types.ts";
import { type Config, configSchema } from "../../agent/config/schema.ts";
import { createAgent } from "../../agent/main.ts";
import type { Agent } from "../../agent/ports.ts";
import { openAgentState } from "../../agent/state/agent-state.ts";
import { createLogTail } from "../../agent/trace/log-tail.ts";
import { atTrace } from "../../agent/trace/ports.ts";
import { openModem } from "../../at-drivers/driver.ts";
import type { Modem } from "../../at-drivers/modem.ts";
import { type Clock, VirtualClock } from "../../base/clock.ts";
import { type Disk, subDisk } from "../../base/disk.ts";
import { SimwardError } from "../../base/errors.ts";
import { type FaultDisk, faultDisk } from "../../base/fault-disk.ts";
import { createLog, type Log, silentLog } from "../../base/log.ts";
import { type Random, seededRandom } from "../../base/random.ts";
import { createTraceBus } from "../../base/trace.ts";
import { createEim, type Eim } from "../../hw-sim/eim/eim.ts";
import { createEuicc } from "../../hw-sim/euicc/euicc.ts";
import type { EuiccOptions, VirtualEuicc } from "../../hw-sim/euicc/types.ts";
import { Faults } from "../../hw-sim/faults.ts";
import { VirtualModem } from "../../hw-sim/modem/module.ts";
import type { Personality } from "../../hw-sim/modem/personality.ts";
import { World } from "../../hw-sim/network/world.ts";
import { obeyFaults } from "../../hw-sim/network/world-faults.ts";
import { createPki, type Pki } from "../../hw-sim/pki/pki.ts";
import { makeProfile } from "../../hw-sim/profiles.ts";
import type { ProfilePlan } from "../../hw-sim/scenarios/scenario.ts";
import { defaultScenario } from "../../hw-sim/scenarios/table.ts";
import { createSmdp, type Smdp } from "../../hw-sim/smdp/smdp.ts";
import { encode } from "../../ipa/asn1/schema.ts";
import { StoreMetadataRequest } from "../../ipa/messages/profile-info.ts";
import type { ClosableEsipaTransport } from "../../transports/esipa.ts";
import { LifeClock } from "./life-clock.ts";
import { type ModuleLine, moduleLine } from "./module-line.ts";

/** Where steps are counted: changes of the disk; messages to module and eIM and answers of the eIM; changes of the card's memory. */
export type Place = "disk" | "wire" | "card";

/**
 * kill: the daemon, as kill -9 does it; the disk keeps all that was written. power: the vehicle's; what was not synced is lost.
 * full: the disk refuses one change. reset: the module restarts by itself.
 */
export interface Blow {
  readonly what: "kill" | "power" | "full" | "reset";
  readonly at: Place;
  /** The nth step there from now, or from the blow before it. */
  readonly n: number;
}

interface Life {
  over: boolean;
  readonly clock: LifeClock;
  modem: Modem | undefined;
  agent: Agent | undefined;
  readonly lines: ModuleLine[];
}

export interface FaultBenchOptions {
  readonly pki: Pki;
  readonly seed: number;
  readonly noCoverage?: boolean;
  readonly blows?: readonly Blow[];
  /** To prove that the checks can fail: every life begins with an empty disk. */
  readonly forgetful?: boolean;
  /** Installed at the factory, disabled. */
  readonly installed?: readonly ProfilePlan[];
  /** Sections of the configuration, in place of the bench's own. */
  readonly config?: object;
  /** Make of the module; no one in particular by default. */
  readonly personality?: Personality;
  /** Whether the vehicle can switch the module's power. */
  readonly powerHook?: boolean;
  readonly imei?: string;
  /** What every credential is. */
  readonly credential?: string;
  /** The log at its finest and every interface's trace are kept, as by a daemon. */
  readonly recorded?: boolean;
}

const [offer] = defaultScenario.offers;
if (offer === undefined) throw new Error("the default scenario offers no profile");
const demoOffer = offer;
export const bootstrapIccid = defaultScenario.bootstrap.iccid;
export const offeredIccid = offer.iccid;

const smdpAddress = "dp.example.com";
const restartMs = 5_000;
const bootMs = 10_000;
/** A message of ESipa on its way, how often it is sent again while there is no path, and when it counts as lost. */
const latencyMs = 150;
const retransmitMs = 4_000;
const lostMs = 90_000;
const leastStepMs = 0.001;

const configOf = (more: object = {}): Config => parse(configSchema, { ...ownConfig, ...more });
const ownConfig = {
  modem: { address: "pty:/virtual" },
  apn: [{ name: "bootstrap.iot" }, { name: "fleet.rheinfunk", iccid_prefix: "894929" }],
  eim: { poll_interval_seconds: 60, online_timeout_seconds: 60 },
};

function recorder(clock: Clock) {
  const tail = createLogTail();
  const log = createLog({ level: "debug", clock, destination: { write: () => undefined }, onLine: tail.take });
  return { tail, log, trace: createTraceBus({ clock, random: seededRandom(7) }) };
}

export const pkiOfBenches = (): Pki => createPki({ clock: new VirtualClock() });

export class FaultBench {
  readonly clock = new VirtualClock();
  disk: FaultDisk;
  readonly eim: Eim;
  readonly smdp: Smdp;
  readonly module: VirtualModem;
  readonly faults = new Faults();
  readonly world: World;
  readonly steps: Record<Place, number> = { disk: 0, wire: 0, card: 0 };
  /** Each blow that fell, with what it fell on. */
  readonly struck: string[] = [];
  /** Sequence numbers of every notification the card ever held. */
  readonly notified = new Set<number>();
  lives = 0;
  /** Answers of the eIM to GetEimPackage. */
  polls = 0;
  /** Of the agent, for whoever looks into a failure. */
  log: Log = silentLog;
  readonly #random: Random;
  readonly #euiccOptions: EuiccOptions;
  readonly #blows: Blow[];
  readonly #config: Config;
  readonly #forgetful: boolean;
  readonly #powerHook: boolean;
  readonly #credential: string;
  readonly #recorder: ReturnType<typeof recorder> | undefined;
  #euicc: VirtualEuicc;
  #life: Life | undefined;
  /** How many steps until the next blow falls. */
  #countdown: number | undefined;
  /** The card's memory as it was when the power went while the card was at work. */
  #cutSnapshot: Uint8Array | undefined;

  #asleepMs = 0;

  /** The gateway is suspended to memory and wakes up again: its timers stood still, the world went on. */
  suspend(ms: number): void {
    this.#asleepMs += ms;
    this.clock.setWall({ ms: this.clock.now() + ms });
  }

  constructor(options: FaultBenchOptions) {
    const { pki, seed, noCoverage = false, blows = [], forgetful = false, installed = [], config, personality } = options;
    const { clock } = this;
    this.#powerHook = options.powerHook === true;
    this.#credential = options.credential ?? "";
    this.#recorder = options.recorded === true ? recorder(clock) : undefined;
    if (this.#recorder !== undefined) this.log = this.#recorder.log;
    this.#random = seededRandom(seed);
    this.#blows = [...blows];
    this.#config = configOf(config);
    this.#forgetful = forgetful;
    this.disk = faultDisk(this.#random);
    const world = new World({ clock, country: defaultScenario.country });
    this.world = world;
    const { faults } = this;
    obeyFaults(world, faults);
    if (noCoverage) faults.set("no-coverage", offeredIccid);
    this.smdp = createSmdp({ clock, pkis: [pki], address: smdpAddress });
    const { euiccCertificate, eumCertificate } = chainOf(pki);
    this.eim = createEim({
      clock,
      pki,
      post: (_address, functionName, body) => this.smdp.handle(functionName, body),
      euiccs: [{ eid: pki.subjects.eid, euiccCertificate, eumCertificate }],
    });
    const bootstrap = profileOf(defaultScenario.bootstrap);
    this.#euiccOptions = {
      eid: pki.subjects.eid,
      identities: [{ ...chainOf(pki), privateKey: pki.get("euicc").privateKey }],
      clock,
      random: seededRandom(seed + 1),
      profiles: [
        { upp: bootstrap.upp, metadata: encode(StoreMetadataRequest, bootstrap.metadata), enabled: true },
        ...installed.map(profileOf).map(({ upp, metadata }) => ({ upp, metadata: encode(StoreMetadataRequest, metadata) })),
      ],
      eims: [this.eim.configurationData({ fqdn: "eim.example.com" })],
      defaultSmdpAddress: smdpAddress,
      onChange: (snapshot) => this.#cardChanged(snapshot),
    };
    this.#euicc = createEuicc(this.#euiccOptions);
    const make = personality === undefined ? {} : { personality };
    this.module = new VirtualModem({ clock, world, faults, uicc: this.#card(), imei: options.imei ?? "356938035643809", ...make });
    this.#nextBlow();
  }

  /** Queues the demo's orders: a download with activation code, then an enable with rollback flag. Answers their ids. */
  order(): { readonly download: string; readonly enable: string } {
    return { download: this.orderDownload(), enable: this.orderEnable() };
  }

  /** Offered anew where the last attempt used the offer up. */
  orderDownload(): string {
    const { upp, metadata } = profileOf(demoOffer);
    const { matchingId } = demoOffer;
    const isOpen = this.smdp.orders.some((one) => one.matchingId === matchingId && one.state !== "installed" && one.state !== "error");
    if (!isOpen) this.smdp.addOrder({ matchingId, profile: upp, metadata });
    return this.eim.addOrder({ eid: this.#euiccOptions.eid, kind: "download", activationCode: this.smdp.activationCode(matchingId) });
  }

  orderEnable(): string {
    const psmos = [{ enable: { iccid: demoOffer.iccid, rollback: true } }];
    return this.eim.addOrder({ eid: this.#euiccOptions.eid, kind: "euiccPackage", psmos });
  }

  get euicc(): VirtualEuicc {
    return this.#euicc;
  }

  get agent(): Agent | undefined {
    return this.#life?.agent;
  }

  get modem(): Modem | undefined {
    return this.#life?.modem;
  }

  get online(): boolean {
    return this.module.bearer.up;
  }

  start(): void {
    this.module.powerOn();
    void this.#live();
  }

  /** Lets virtual time go by until it is so. */
  async until(what: string, isSo: () => boolean, limitMs = 4 * 3_600_000): Promise<void> {
    const endMs = this.clock.monotonicMs() + limitMs;
    await settled();
    while (!isSo()) {
      if (this.clock.monotonicMs() >= endMs) throw new Error(`${what}: not within ${limitMs} ms; ${this.describe()}`);
      const stepMs = Math.min(this.clock.nextTimerInMs() ?? 1_000, endMs - this.clock.monotonicMs());
      // What is left of a time may be too little to add to it.
      await this.clock.advance(Math.max(stepMs, leastStepMs));
      await settled();
    }
  }

  /** Nothing is under way, owed or waiting. */
  get idle(): boolean {
    const status = this.agent?.ipa.status();
    const { notifications, packageResults } = this.#euicc.pending();
    const nothingWaits = notifications.length === 0 && packageResults.length === 0;
    return status?.started === true && status.operation === undefined && status.pendingResults === 0 && nothingWaits && this.online;
  }

  /** That many polls come to an end, of whichever life, and a minute goes by. */
  async pollsPass(count: number): Promise<void> {
    const before = this.polls;
    const atMs = this.clock.monotonicMs() + 60_000;
    await this.until("a minute", () => this.clock.monotonicMs() >= atMs);
    await this.until(`${count} polls`, () => this.polls >= before + count);
  }

  /** From here on these fall. */
  arm(blows: readonly Blow[]): void {
    this.#blows.splice(0, Number.POSITIVE_INFINITY, ...blows);
    this.#nextBlow();
  }

  /** Blows that have not fallen do not fall any more. */
  disarm(): void {
    this.#blows.length = 0;
    this.#nextBlow();
  }

  /** kill -9 */
  killNow(): void {
    const life = this.#life;
    if (life !== undefined) void this.#strike({ what: "kill", at: "wire", n: 0 }, life);
  }

  async stop(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    let stopped = false;
    void life.agent
      ?.stop()
      .then(() => life.modem?.close())
      .then(() => {
        stopped = true;
      });
    await this.until("the agent stops", () => stopped || life.agent === undefined);
    this.#end(life);
    this.eim.stop();
    this.module.close();
  }

  /** What is on the disk, read as a restarted daemon and `simward audit verify` would read it. */
  async readBack(): Promise<{ readonly problem: string | undefined; readonly records: readonly AuditRecord[]; readonly journal: unknown }> {
    const state = await openAgentState(this.disk);
    const audit = subDisk(this.disk, "audit");
    const verification = await verifyChain(audit, [state.get().auditHead]);
    const lines: AuditRecord[] = [];
    for (const segment of await listSegments(audit)) {
      const text = Buffer.from((await audit.read(segment)) ?? []).toString("utf8");
      for (const line of text.split("\n").slice(0, -1)) lines.push(JSON.parse(line) as AuditRecord);
    }
    const problem = verification.ok ? undefined : JSON.stringify(verification.problem);
    return { problem, records: lines, journal: state.get().journal };
  }

  describe(): string {
    const status = this.agent?.ipa.status();
    return JSON.stringify({
      struck: this.struck,
      lives: this.lives,
      steps: this.steps,
      status: status === undefined ? "no agent" : { started: status.started, operation: status.operation, results: status.pendingResults },
      link: this.#life?.modem?.status.link,
      online: this.online,
      pending: this.#euicc.pending(),
      profiles: this.#euicc.profiles().map(({ iccid, state }) => `${iccid} ${state}`),
    });
  }

  // --- a life of the daemon -------------------------------------------------------------------------------------------------

  async #live(): Promise<void> {
    const life: Life = { over: false, clock: new LifeClock(this.clock), modem: undefined, agent: undefined, lines: [] };
    this.#life = life;
    this.lives++;
    if (this.#forgetful) this.disk = faultDisk(this.#random);
    const random = seededRandom(1_000 + this.lives);
    try {
      const modem = openModem({
        address: this.#config.modem.address,
        clock: life.clock,
        log: this.log,
        random,
        ...(this.#recorder === undefined ? {} : { trace: atTrace(this.#recorder.trace) }),
        ...(this.#powerHook ? { powerCycle: async () => this.faults.set("power", "cycle") } : {}),
        open: async (address) => {
          const line = moduleLine(this.module, address, () => this.#step("wire", life));
          life.lines.push(line);
          return line;
        },
      });
      life.modem = modem;
      const agent = await createAgent({
        config: this.#config,
        clock: life.clock,
        random,
        log: this.log,
        disk: this.#diskOf(life),
        modem,
        transports: [this.#transportOf(life)],
        peers: [],
        credential: async () => this.#credential,
        bootMs: () => life.clock.monotonicMs() + this.#asleepMs,
        ...(this.#recorder === undefined ? {} : { trace: this.#recorder.trace, programLog: { tail: this.#recorder.tail, level: "debug" } }),
        ask: async (_question, limitMs, signal) => {
          const isUp = this.module.bearer.up;
          await life.clock.sleep(isUp ? 2 * latencyMs : limitMs, signal).catch(() => undefined);
          return isUp ? 2 * latencyMs : undefined;
        },
      });
      life.agent = agent;
      await agent.start();
    } catch (error) {
      if (life.over) return;
      // The daemon ends with an error, and its supervisor starts it again.
      this.struck.push(`start: ${error instanceof Error ? error.message : error}`);
      this.#end(life);
      this.clock.after(restartMs, () => void this.#live());
    }
  }

  #end(life: Life): void {
    life.over = true;
    life.clock.stop();
    for (const line of life.lines) line.hangUp();
    // Nothing of it reaches the world any more: only what waits is to be given up, since signals that are waited on are kept by Node.
    void life.agent?.stop().catch(() => undefined);
    if (this.#life === life) this.#life = undefined;
  }

  #diskOf(life: Life): Disk {
    const { disk } = this;
    const change = async (apply: () => Promise<void>): Promise<void> => {
      if (life.over) return never();
      const blow = this.#step("disk", life, false);
      if (blow?.what === "power") disk.cutAfter(1);
      if (blow?.what === "full") disk.failAfter(1);
      // A killed process's last write may or may not have reached the page cache.
      if (blow?.what === "kill" && this.#random.unit() < 0.5) return this.#strike(blow, life);
      await apply().catch((error: unknown) => {
        if (blow?.what !== "power") throw new SimwardError("DISK_WRITE", { detail: "no space left on device", cause: error });
      });
      if (blow !== undefined) await this.#strike(blow, life);
    };
    const reading = async <T>(read: () => Promise<T>): Promise<T> => (life.over ? never() : read());
    return {
      read: (path) => reading(() => disk.read(path)),
      list: (dir) => reading(() => disk.list(dir)),
      replace: (path, data) => change(() => disk.replace(path, data)),
      append: (path, data, durable) => change(() => disk.append(path, data, durable)),
      truncate: (path, length) => change(() => disk.truncate(path, length)),
      overwrite: (path, offset, data) => change(() => disk.overwrite(path, offset, data)),
      remove: (path) => change(() => disk.remove(path)),
    };
  }

  /** CoAP/DTLS without sockets: needs the module's bearer at both ends of the exchange. */
  #transportOf(life: Life): ClosableEsipaTransport {
    const onItsWay = async (signal: AbortSignal): Promise<void> => {
      for (let waitedMs = latencyMs; ; waitedMs += retransmitMs) {
        await this.clock.sleep(waitedMs === latencyMs ? latencyMs : retransmitMs, signal);
        if (life.over) return never();
        if (this.module.bearer.up) return;
        if (waitedMs > lostMs) throw new SimwardError("COAP_TIMEOUT", { detail: "no data path" });
      }
    };
    return {
      scheme: "coaps",
      exchange: async (_eim, { functionName, body }, signal) => {
        if (life.over || this.#step("wire", life) !== undefined) await gone(life);
        await onItsWay(signal);
        const answer = await this.eim.handle(body);
        await onItsWay(signal);
        if (functionName === "getEimPackage") this.polls++;
        if (answer === "silence") throw new SimwardError("COAP_TIMEOUT", { detail: "the eIM is silent" });
        if (this.#step("wire", life) !== undefined) await gone(life);
        return answer;
      },
      pathChanged: () => undefined,
      close: () => undefined,
    };
  }

  // --- the card ----------------------------------------------------------------------------------------------------------------

  /** The card in the slot: after a power cut another object with the same memory. */
  #card(): VirtualEuicc {
    const bench = this;
    return {
      ...this.#euicc,
      process: (apdu) => {
        const response = bench.#euicc.process(apdu);
        return bench.#cutSnapshot === undefined ? response : Uint8Array.of(0x6f, 0x00);
      },
      reset: () => bench.#resetCard(),
      readFile: (path) => bench.#euicc.readFile(path),
      get iccid() {
        return bench.#euicc.iccid;
      },
      get imsi() {
        return bench.#euicc.imsi;
      },
    };
  }

  #resetCard(): void {
    if (this.#cutSnapshot !== undefined) {
      this.#euicc = createEuicc({ ...this.#euiccOptions, snapshot: this.#cutSnapshot });
      this.#cutSnapshot = undefined;
    }
    this.#euicc.reset();
  }

  #cardChanged(snapshot: Uint8Array): void {
    if (this.#cutSnapshot !== undefined) return;
    for (const seqNumber of this.#euicc?.pending().notifications ?? []) this.notified.add(seqNumber);
    if (this.#life === undefined) return;
    const life = this.#life;
    const blow = this.#step("card", life, false);
    if (blow === undefined) return;
    this.#cutSnapshot = snapshot;
    if (blow.what === "kill") this.#cutSnapshot = undefined;
    void this.#strike(blow, life);
  }

  // --- blows -------------------------------------------------------------------------------------------------------------------

  #nextBlow(): void {
    this.#countdown = this.#blows[0]?.n;
  }

  /** Counts; answers the blow that falls now, and lets it fall unless that is the caller's. */
  #step(at: Place, life: Life, strike = true): Blow | undefined {
    this.steps[at]++;
    const [blow] = this.#blows;
    if (life.over || blow?.at !== at || this.#countdown === undefined || --this.#countdown > 0) return undefined;
    this.#blows.shift();
    this.struck.push(`${blow.what} at ${blow.at} ${blow.n}`);
    this.#nextBlow();
    if (strike) void this.#strike(blow, life);
    return blow.what === "reset" || blow.what === "full" ? (strike ? undefined : blow) : blow;
  }

  async #strike(blow: Blow, life: Life): Promise<void> {
    // Two writes may be on their way at once; who is dead cannot be killed by the second.
    if (life.over) return never();
    switch (blow.what) {
      case "full":
        return;
      case "reset":
        queueMicrotask(() => this.module.reset());
        return;
      case "kill":
        this.#end(life);
        this.clock.after(restartMs, () => void this.#live());
        return never();
      case "power":
        this.#end(life);
        this.disk.powerOn();
        this.#cutSnapshot ??= this.#euicc.snapshot();
        // Not within the card's own work.
        queueMicrotask(() => {
          this.module.powerOff();
          this.clock.after(restartMs, () => this.module.powerOn());
          this.clock.after(bootMs, () => void this.#live());
        });
        return never();
    }
  }
}

function chainOf(pki: Pki): {
  readonly ciCertificate: Uint8Array;
  readonly eumCertificate: Uint8Array;
  readonly euiccCertificate: Uint8Array;
} {
  const certificate = (name: "ci" | "eum" | "euicc"): Uint8Array => pki.get(name).certificate;
  return { ciCertificate: certificate("ci"), eumCertificate: certificate("eum"), euiccCertificate: certificate("euicc") };
}

/** With notifications for everything that may happen to it. */
function profileOf(plan: ProfilePlan): { readonly upp: Uint8Array; readonly metadata: StoreMetadataRequest } {
  const { upp, metadata } = makeProfile(plan);
  return {
    upp,
    metadata: {
      ...metadata,
      notificationConfigurationInfo: [
        {
          profileManagementOperation: ["notificationInstall", "notificationEnable", "notificationDisable", "notificationDelete"],
          notificationAddress: smdpAddress,
        },
      ],
    },
  };
}

function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}

/** For as long as the life is over, which is for ever. */
async function gone(life: Life): Promise<void> {
  if (life.over) await never();
}

/** Every promise that can go on without time has gone on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
