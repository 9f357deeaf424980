// End-to-end scenarios in one process: the whole virtual vehicle, the real driver on a real port, the real agent with its real transports.
// A scenario is one object: what is given, and what is run. Whatever it did, its vehicle must work afterwards (`isWell`).
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ApiEvent, PollResult, Status } from "../../agent/api/types.ts";
import type { AuditRecord } from "../../agent/audit/types.ts";
import { parseConfig } from "../../agent/config/load.ts";
import { createAgent } from "../../agent/main.ts";
import { peersOf } from "../../agent/peers.ts";
import type { Agent, AgentPorts } from "../../agent/ports.ts";
import { rspOf } from "../../agent/rsp.ts";
import { openNatMemory } from "../../agent/state/nat-memory.ts";
import { openTlsSessions } from "../../agent/state/tls-sessions.ts";
import { atTrace } from "../../agent/trace/ports.ts";
import { createTransports } from "../../agent/transports.ts";
import { openModem } from "../../at-drivers/driver.ts";
import type { Modem } from "../../at-drivers/modem.ts";
import { type Disposer, SystemClock, VirtualClock } from "../../base/clock.ts";
import { type Disk, subDisk } from "../../base/disk.ts";
import { asSimwardError, type ErrorCode } from "../../base/errors.ts";
import { type FaultDisk, faultDisk } from "../../base/fault-disk.ts";
import { createLog, type Log, silentLog } from "../../base/log.ts";
import { seededRandom } from "../../base/random.ts";
import { createTraceBus, type TraceBus } from "../../base/trace.ts";
import type { Eim } from "../../hw-sim/eim/eim.ts";
import type { CardRoleName } from "../../hw-sim/euicc/roles.ts";
import type { EuiccFaults, EuiccOptions } from "../../hw-sim/euicc/types.ts";
import { personalities } from "../../hw-sim/modem/personalities/table.ts";
import type { ModemTimings, Personality } from "../../hw-sim/modem/personality.ts";
import type { WorldData } from "../../hw-sim/network/data.ts";
import { createPki, type Pki } from "../../hw-sim/pki/pki.ts";
import { makeProfile } from "../../hw-sim/profiles.ts";
import type { Offer, ProfilePlan, Scenario } from "../../hw-sim/scenarios/scenario.ts";
import { scenarios } from "../../hw-sim/scenarios/table.ts";
import { createVehicle, type Vehicle } from "../../hw-sim/vehicle.ts";
import { encode } from "../../ipa/asn1/schema.ts";
import { StoreMetadataRequest } from "../../ipa/messages/profile-info.ts";

const { demo } = scenarios;
const [offered, other] = demo?.offers ?? [];
if (demo === undefined || offered === undefined || other === undefined) throw new Error("the demo offers fewer than two profiles");

/** Enabled at the factory; roams. */
export const bootstrap: ProfilePlan = demo.bootstrap;
/** Waits at the SM-DP+ for its activation code. */
export const fleet: Offer = offered;
export const second: Offer = other;

/** Of the same moment as the clocks of all scenarios; keys are made once a file. */
export const pki: Pki = createPki({ clock: new VirtualClock() });

export interface Given {
  /** The AT port between driver and module; tcp by default. */
  readonly port?: "pty" | "tcp" | "unix";
  /** How the agent reaches the eIM; what the eUICC's list allows by default, CoAP first. */
  readonly binding?: "coaps" | "https" | "https-json";
  /** The agent has the GSMA CI and the eIM does not say that it relays: downloads go to the SM-DP+ itself. */
  readonly direct?: boolean;
  /** The eIM's, of SGP.32. */
  readonly esipaVersion?: "1.0";
  /** Of the bootstrap profile; operational by default. */
  readonly bootstrapClass?: ProfilePlan["profileClass"];
  /** Installed at the factory, disabled. */
  readonly installed?: readonly ProfilePlan[];
  readonly euicc?: Pick<EuiccOptions, "capabilities">;
  /** The built-in card; an IoT eUICC by default. */
  readonly cardRole?: CardRoleName;
  /** Faults from the beginning, as POST /v1/faults has them. */
  readonly faults?: FaultsByTarget;
  /** Make of the module, by its id, or one that is made for it; the generic one by default. */
  readonly personality?: string | Personality;
  /** Of the module; the virtual vehicle's usual one by default. */
  readonly imei?: string;
  /** What the demo's radio world is changed to. */
  readonly world?: WorldData;
  /** Where in it the vehicle stands; the demo's by default. */
  readonly country?: string;
  /** What somebody did to the module before the daemon came. */
  readonly hands?: (modem: Modem, vehicle: Vehicle) => Promise<unknown>;
  /** What earlier lives of the daemon left on its disk. */
  readonly before?: (disk: Disk) => Promise<void>;
  /** Where vehicle, eIM and SM-DP+ have their certificates from; those of all scenarios by default. */
  readonly pki?: Pki;
  /** How long the module takes. */
  readonly timings?: Partial<ModemTimings>;
  /** What the path loses is decided by it. */
  readonly seed?: number;
  /** TOML, added to the daemon's configuration. */
  readonly config?: string;
  /** What systemd would give the daemon, by name. */
  readonly credentials?: Readonly<Record<string, string>>;
  /** What the daemon's process would give the agent beside all this. */
  readonly ports?: Partial<Pick<AgentPorts, "rootKeys" | "programLog">>;
  /** Hears the log. */
  readonly log?: Log;
  /** TOML of the APNs; those of the demo by default. */
  readonly apns?: string;
  /** Milliseconds of the scenario's clock in one of the machine's. */
  readonly speed?: number;
  /** Do not wait for the data path before `run`. */
  readonly offline?: boolean;
  /** What is given cannot be mended while it runs: its vehicle need not work afterwards. */
  readonly staysBroken?: boolean;
  run(world: World): Promise<void>;
}

export interface FaultsByTarget {
  readonly vehicle?: Readonly<Record<string, string | number | boolean | null>>;
  readonly eim?: object;
  readonly smdp?: object;
  readonly euicc?: Partial<EuiccFaults>;
}

/** What one poll came to: packages, and the code of the first error. */
export interface Polled {
  readonly packages: number;
  readonly code: ErrorCode | undefined;
}

export interface World {
  readonly clock: VirtualClock;
  readonly vehicle: Vehicle;
  readonly eim: Eim;
  readonly modem: Modem;
  readonly trace: TraceBus;
  readonly disk: FaultDisk;
  readonly agent: Agent;
  readonly audit: AuditView;
  /** Runs when the scenario has ended. */
  atEnd(stop: () => Promise<unknown> | unknown): void;
  poll(eimId?: string): Promise<Polled>;
  /** Places an order at the eIM; answers how it stands whenever it is asked. */
  order(order: object, eim?: Eim): () => Order;
  /** Offered anew at the SM-DP+ where the last attempt used the offer up. */
  download(offer: Offer): () => Order;
  enable(profile: ProfilePlan, more?: { readonly rollback?: boolean }): () => Order;
  fault(faults: FaultsByTarget): Promise<void>;
  /** Ends every fault of module, path and world. */
  clear(): void;
  /** Resolves with the first event of the agent, past or to come, that fits. */
  event(kind: string, fits?: (event: ApiEvent) => boolean): Promise<ApiEvent>;
  events(): readonly ApiEvent[];
  /** Resolves when the agent has a data path. */
  online(): Promise<void>;
  /** Asks until the answer fits; what is waited for has deadlines of its own. */
  until<T>(ask: () => T | Promise<T>, fits: (answer: T) => boolean): Promise<T>;
  status(): Promise<Status>;
  /** ICCID of the profile that is enabled on the card. */
  enabled(): string | undefined;
  installed(): readonly string[];
  /** Names of the ESipa functions that came to the eIM, in order. */
  esipa(): readonly string[];
  /** Resolves when the SM-DP+ has these notifications, in that order, and no others. */
  notified(...events: readonly string[]): Promise<void>;
}

export interface Order {
  readonly state: string;
  readonly reason?: string;
  readonly deliveries: number;
  readonly eimTransactionId?: string;
  readonly results: readonly Readonly<Record<string, unknown>>[];
}

/** What is recorded beside whatever a scenario is about: it is there when it is asked for. */
const besideEverything = /^(audit|config|network|rat|market|session)\./;

export interface AuditView {
  records(): Promise<readonly AuditRecord[]>;
  /** Names of the events that begin with one of these words; all without. */
  events(...beginnings: readonly string[]): Promise<readonly string[]>;
  /** The data of the last record of that event. */
  data(event: string): Promise<Readonly<Record<string, unknown>>>;
}

/** One scenario is one test; its world is made for it and taken down behind it. */
export function scenario(title: string, given: Given): void {
  test(title, () => inWorld(given, given.run));
}

/** The world of a scenario, for tests that are more than one object. */
export async function inWorld(given: Omit<Given, "run">, run: (world: World) => Promise<void>): Promise<void> {
  const started = new Started();
  try {
    const world = await build(given, started);
    if (given.offline !== true) await world.online();
    await run(world);
    if (given.cardRole === undefined && given.staysBroken !== true) await isWell(world);
    else expect(await world.agent.verifyAudit()).toMatchObject({ ok: true });
  } finally {
    await started.stop();
  }
}

/**
 * What must be true whatever went wrong: with the faults gone, the daemon goes on by itself, a package is carried out and reported, nothing is left
 * half done, one profile is enabled, and the audit trail is whole.
 */
async function isWell(world: World): Promise<void> {
  const { vehicle, agent } = world;
  world.clear();
  await world.fault({ eim: noEimFaults, euicc: { statusWords: {} } });
  const before = vehicle.eim.results().length;
  const check = world.order({ kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] });
  for (let polls = 0; polls < 8 && check().state !== "done"; polls++) {
    await world.online();
    await world.poll();
  }
  expect(check()).toMatchObject({ state: "done", results: [{ kind: "euiccPackageResult", verified: true }] });
  expect(vehicle.eim.results().length, "results at the eIM").toBeGreaterThan(before);
  expect(vehicle.euicc.profiles().filter(({ state }) => state === "enabled")).toHaveLength(1);
  expect(await agent.status()).toMatchObject({ alarms: [] });
  expect(agent.ipa.status().operation).toBeUndefined();
  expect(vehicle.euicc.pending()).toEqual({ notifications: [], packageResults: [] });
  expect(await agent.verifyAudit()).toMatchObject({ ok: true });
}

const noEimFaults = {
  tlsCertificate: "own",
  silentRequests: 0,
  acknowledge: "all",
  counterValue: null,
  httpStatus: null,
  garbage: null,
  errors: {},
};

/** What has been started, to be stopped in the opposite order. */
class Started {
  readonly #stops: (() => Promise<unknown> | unknown)[] = [];

  add(stop: () => Promise<unknown> | unknown): void {
    this.#stops.push(stop);
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0).reverse()) await stop();
  }
}

const defaultSpeed = 40;

/**
 * A clock that runs faster than the machine's, but counts one tick for each turn of the event loop, however long that took: a machine that is busy
 * with other things, or with a signature, makes nothing time out.
 */
function timeLapse(speed: number): { readonly clock: VirtualClock; readonly stop: Disposer } {
  const clock = new VirtualClock();
  return { clock, stop: new SystemClock().every(1, () => void clock.advance(speed)) };
}

/**
 * OpenSSL's own retransmission timer is the machine's, not the scenario's: it is set short, and [eim] of `given.config` is joined to it.
 */
const eimConfig = "[eim]\nretransmit_initial_ms = 100\n";

const baseConfig = `
[[apn]]
name = "bootstrap.iot"
[[apn]]
name = "fleet.rheinfunk"
iccid_prefix = "894929"
[[apn]]
name = "iot.nordfunk"
iccid_prefix = "8949298"
`;

const bootstrapOf = ({ bootstrapClass }: Pick<Given, "bootstrapClass">): ProfilePlan =>
  bootstrapClass === undefined ? bootstrap : { ...bootstrap, profileClass: bootstrapClass };

const inPlace = (
  scenario: Scenario,
  { world = scenario.world, country = scenario.country }: Pick<Given, "world" | "country">,
): Scenario => ({
  ...scenario,
  ...(world === undefined ? {} : { world }),
  country,
});

async function build(given: Omit<Given, "run">, started: Started): Promise<World> {
  const { clock, stop } = timeLapse(given.speed ?? defaultSpeed);
  started.add(stop);
  // E2E_LOG=debug shows what the daemon says.
  const level = process.env.E2E_LOG as "debug" | "info" | undefined;
  const log = given.log ?? (level === undefined ? silentLog : createLog({ level, clock }));
  const portKind = given.port ?? "tcp";
  const personality = typeof given.personality === "string" ? personalities[given.personality] : given.personality;
  const ci = given.pki ?? pki;
  const vehicle = await createVehicle({
    clock,
    pki: ci,
    seed: given.seed ?? 1,
    ...(demo === undefined ? {} : { scenario: inPlace(demo, given) }),
    ...(given.imei === undefined ? {} : { imei: given.imei }),
    ...(given.timings === undefined ? {} : { timings: given.timings }),
    ...(personality === undefined ? {} : { personality }),
    indirectDownload: given.direct !== true,
    ...(given.cardRole === undefined ? {} : { cardRole: given.cardRole }),
    ...(given.esipaVersion === undefined ? {} : { esipaVersion: given.esipaVersion }),
    modem: [portKind === "tcp" ? { kind: "tcp", port: 0 } : { kind: portKind, path: undefined }],
    euicc: {
      ...given.euicc,
      profiles: [bootstrapOf(given), ...(given.installed ?? [])].map((plan, index) => {
        const { upp, metadata } = makeProfile(plan, seededRandom(index));
        return { upp, metadata: encode(StoreMetadataRequest, metadata), enabled: index === 0 };
      }),
    },
  });
  started.add(() => vehicle.close());
  const fault = async ({ vehicle: path = {}, eim, smdp, euicc }: FaultsByTarget): Promise<void> => {
    for (const [name, value] of Object.entries(path)) {
      if (value === null) vehicle.faults.clear(name);
      else vehicle.faults.set(name, value === true ? "1" : String(value));
    }
    if (eim !== undefined) await vehicle.eim.applyFaults(eim);
    if (smdp !== undefined) vehicle.smdp.applyFaults(smdp);
    Object.assign(vehicle.euicc.faults, euicc);
  };
  await fault(given.faults ?? {});

  const address = `${portKind}:${vehicle.ready.modem[portKind]}`;
  const peer = given.binding === undefined ? "" : `[[eim.peer]]\neim_id = "${vehicle.eim.eimId}"\nbinding = "${given.binding}"\n`;
  const eim = (given.config ?? "").includes("[eim]\n") ? "" : eimConfig;
  const more = (given.config ?? "").replace("[eim]\n", eimConfig);
  const dir = given.direct === true ? await temporaryDir(started) : undefined;
  if (dir !== undefined) await writeFile(join(dir, "ci.pem"), ci.get("ci").certificatePem);
  const rsp = dir === undefined ? "" : `[rsp]\nci_dir = "${dir}"\n`;
  const config = parseConfig(`[modem]\naddress = "${address}"\n${given.apns ?? baseConfig}${eim}${peer}${rsp}${more}`);
  const random = seededRandom(given.seed ?? 1);
  const trace = createTraceBus({ clock, random: seededRandom(7) });
  const modem = openModem({ address, clock, log, random, trace: atTrace(trace) });
  started.add(() => modem.close());
  const disk = faultDisk(random);
  await given.before?.(disk);
  if (given.hands !== undefined) {
    while (modem.status.link !== "ready") await clock.sleep(100);
    await given.hands(modem, vehicle);
  }
  const transports = createTransports({
    config,
    clock,
    trace,
    random,
    sessions: await openTlsSessions(subDisk(disk, "tls"), log),
    natMemory: await openNatMemory(disk, log),
  });
  started.add(() => transports.close());
  const credential = async (name: string): Promise<string> => given.credentials?.[name] ?? "";
  const agent = await createAgent({
    config,
    clock,
    // The daemon's own polls come late: scenarios ask for theirs.
    random: { ...random, unit: () => 0.95 },
    log,
    disk,
    trace,
    modem,
    transports: transports.all,
    peers: await peersOf(config.eim.peer),
    credential,
    ...given.ports,
    rsp: await rspOf(config.rsp, transports.es9, credential, (error) => {
      throw error;
    }),
  });
  started.add(() => agent.stop());
  const world = worldOf({ clock, vehicle, modem, trace, disk, agent, fault, atEnd: (stop) => started.add(stop) });
  await agent.start();
  return world;
}

function worldOf(parts: Pick<World, "clock" | "vehicle" | "modem" | "trace" | "disk" | "agent" | "fault" | "atEnd">): World {
  const { clock, vehicle, agent } = parts;
  const { eim, euicc } = vehicle;
  const events: ApiEvent[] = [];
  const waiting = new Set<() => void>();
  agent.events(0, (event) => {
    events.push(event);
    for (const check of [...waiting]) check();
  });
  const functions: string[] = [];
  eim.onEvent((event) => {
    if (event.type === "esipa") functions.push(String(event.function));
  });
  const event: World["event"] = (kind, fits = () => true) =>
    new Promise((resolve) => {
      const check = (): void => {
        const found = events.find((one) => one.kind === kind && fits(one));
        if (found === undefined) return;
        waiting.delete(check);
        resolve(found);
      };
      waiting.add(check);
      check();
    });
  const until: World["until"] = async (ask, fits) => {
    for (;;) {
      const answer = await ask();
      if (fits(answer)) return answer;
      await clock.sleep(100);
    }
  };
  const order: World["order"] = (body, at = eim) => {
    const id = at.addOrder({ eid: euicc.eid, ...body });
    return () => at.order(id) as unknown as Order;
  };
  const records = async (): Promise<readonly AuditRecord[]> => (await agent.auditRecords({ last: 10_000 })).records;
  return {
    ...parts,
    eim,
    order,
    event,
    until,
    clear: () => {
      for (const { name } of vehicle.faults.list()) vehicle.faults.clear(name);
    },
    audit: {
      records,
      events: async (...beginnings) =>
        (await records())
          .map((one) => one.event)
          .filter((name) => (beginnings.length === 0 ? !besideEverything.test(name) : beginnings.some((b) => name.startsWith(b)))),
      data: async (name) => (await records()).findLast((one) => one.event === name)?.data ?? {},
    },
    poll: async (eimId) => {
      try {
        return polled(await agent.pollEim(eimId));
      } catch (error) {
        return { packages: 0, code: asSimwardError(error).code };
      }
    },
    download: (offer) => {
      const { matchingId } = offer;
      const isOpen = vehicle.smdp.orders.some((one) => one.matchingId === matchingId && one.state !== "installed" && one.state !== "error");
      if (!isOpen) {
        const { upp, metadata } = makeProfile(offer);
        vehicle.smdp.addOrder({ matchingId, profile: upp, metadata });
      }
      return order({ kind: "download", activationCode: vehicle.activationCode(matchingId) });
    },
    enable: ({ iccid }, { rollback = false } = {}) => order({ kind: "euiccPackage", psmos: [{ enable: { iccid, rollback } }] }),
    events: () => events,
    online: async () => {
      await until(
        () => agent.status(),
        // Only an IoT eUICC has eIMs of its own.
        ({ network, eims, card }) => network.address !== undefined && (eims.length > 0 || (card?.class ?? "sgp32-ipad") !== "sgp32-ipad"),
      );
    },
    status: () => agent.status(),
    enabled: () => euicc.profiles().find(({ state }) => state === "enabled")?.iccid,
    installed: () => euicc.profiles().map(({ iccid }) => iccid),
    esipa: () => functions,
    notified: async (...wanted) => {
      const has = (): readonly string[] => vehicle.smdp.notifications.map(({ event: name }) => name);
      await until(has, (names) => names.length >= wanted.length);
      expect(has()).toEqual(wanted);
    },
  };
}

function polled(result: PollResult): Polled {
  return {
    packages: result.eims.reduce((sum, one) => sum + one.packages, 0),
    code: result.eims.find((one) => one.error !== undefined)?.error?.code,
  };
}

/** A directory for one test, gone behind it. */
export async function temporaryDir(started: { add(stop: () => Promise<unknown>): void }): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "simward-e2e-"));
  started.add(() => (existsSync(dir) ? rm(dir, { recursive: true, force: true }) : Promise.resolve()));
  return dir;
}
