// The virtual vehicle put together: eUICC in the module, module in the radio world, and the only way from there to eIM and SM-DP+
// through the gate. Tests create it in process; main.ts runs it as a program.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { concatBytes, emptyBytes, fromHex, toHex } from "../base/bytes.ts";
import { type Clock, SystemClock } from "../base/clock.ts";
import { isCode, SimwardError } from "../base/errors.ts";
import { type Log, silentLog } from "../base/log.ts";
import { seededRandom, systemRandom } from "../base/random.ts";
import { decode, encode } from "../ipa/asn1/schema.ts";
import { type EimConfigurationData, GetEimConfigurationDataResponse } from "../ipa/messages/eim-config.ts";
import { StoreMetadataRequest } from "../ipa/messages/profile-info.ts";
import { applyCardFaults } from "./card-faults.ts";
import type { Uicc } from "./contracts.ts";
import { createEim, type Eim } from "./eim/eim.ts";
import { createEs9Client } from "./eim/es9-client.ts";
import { isdrAid } from "./euicc/card.ts";
import { createEuicc } from "./euicc/euicc.ts";
import type { EuiccOptions, VirtualEuicc } from "./euicc/types.ts";
import { type FaultSetting, Faults } from "./faults.ts";
import { VirtualModem } from "./modem/module.ts";
import { generic3gpp, type ModemTimings, type Personality } from "./modem/personality.ts";
import { servePty } from "./modem/ports/pty.ts";
import { serveTcp, serveUnix } from "./modem/ports/socket.ts";
import type { PortServer } from "./modem/ports/types.ts";
import { switchedBearer } from "./network/bearer.ts";
import { Gate } from "./network/gate.ts";
import { World } from "./network/world.ts";
import { obeyFaults } from "./network/world-faults.ts";
import type { ModemPortOption } from "./options.ts";
import { createPki, openPki, type Pki } from "./pki/pki.ts";
import { makeProfile } from "./profiles.ts";
import type { Offer, Scenario } from "./scenarios/scenario.ts";
import { defaultScenario } from "./scenarios/table.ts";
import type { DownloadOrderInput } from "./smdp/orders.ts";
import { createSmdp, type Smdp } from "./smdp/smdp.ts";
import { noState, openState, type VehiclePorts, type VehicleState } from "./state.ts";

export interface VehicleOptions {
  readonly clock?: Clock;
  /** What the path loses is decided by it; the system's chance by default. */
  readonly seed?: number;
  readonly scenario?: Scenario;
  /** On top of the scenario's. */
  readonly faults?: readonly FaultSetting[];
  /** AT ports; none by default, as tests open theirs on the module itself. */
  readonly modem?: readonly ModemPortOption[];
  readonly personality?: Personality;
  readonly timings?: Partial<ModemTimings>;
  /** Certificates, ready made; else those of `pkiDir`, else new ones that are kept nowhere. */
  readonly pki?: Pki;
  readonly pkiDir?: string;
  /** Where the eUICC's memory is kept; nowhere by default. */
  readonly stateDir?: string;
  /** Of the eIM as the vehicle sees it; 0, or what was kept, by default. */
  readonly eimPort?: number;
  readonly apiPort?: number;
  readonly eimFqdn?: string;
  /** 32 digits. */
  readonly eid?: string;
  /** 15 digits. */
  readonly imei?: string;
  readonly euicc?: Pick<EuiccOptions, "capabilities" | "faults" | "profiles" | "eims">;
  readonly log?: Log;
}

/** The line that `simward-sim run` prints when everything listens. */
export interface ReadyLine {
  readonly schema: "simward-sim/ready/1";
  /** Where the AT ports are: a path, host:port, a path; null where there is none. */
  readonly modem: { readonly pty: string | null; readonly tcp: string | null; readonly unix: string | null };
  readonly eim: { readonly id: string; readonly coaps: string; readonly https: string; readonly api: string };
  readonly smdp: { readonly https: string };
  /** null when the certificates are kept nowhere. */
  readonly pkiDir: string | null;
  readonly eid: string;
  readonly imei: string;
}

export interface Vehicle {
  readonly ready: ReadyLine;
  readonly pki: Pki;
  readonly euicc: VirtualEuicc;
  readonly modem: VirtualModem;
  readonly world: World;
  readonly gate: Gate;
  readonly eim: Eim;
  readonly smdp: Smdp;
  readonly faults: Faults;
  /** "LPA:1$…" for one of the scenario's offers. */
  activationCode(matchingId: string): string;
  close(): Promise<void>;
}

const defaultImei = "356938035643809";

/** What has been started, to be stopped in the opposite order. */
class Started {
  readonly #stops: (() => Promise<void> | void)[] = [];

  add(stop: () => Promise<void> | void): void {
    this.#stops.push(stop);
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0).reverse()) await stop();
  }
}

/** Throws SIM_OPTION, SIM_PKI, PROFILE_PACKAGE, OPENSSL_MISSING; what had been started is stopped. */
export async function createVehicle(options: VehicleOptions = {}): Promise<Vehicle> {
  const started = new Started();
  try {
    return await build(options, started);
  } catch (error) {
    await started.stop();
    throw error;
  }
}

async function build(options: VehicleOptions, started: Started): Promise<Vehicle> {
  const { clock = new SystemClock(), scenario = defaultScenario, log = silentLog, imei = defaultImei, eimFqdn = "localhost" } = options;
  const state = options.stateDir === undefined ? noState : openState(options.stateDir);
  const pki = await pkiOf(options, clock, eimFqdn);
  const faults = new Faults();
  const world = new World({ clock, country: scenario.country, ...(scenario.world === undefined ? {} : { data: scenario.world }) });
  started.add(obeyFaults(world, faults));
  for (const { name, value } of [...scenario.faults, ...(options.faults ?? [])]) faults.set(name, value);

  // The gate comes first, as its ports stand in activation codes and in the eUICC's memory.
  const bearer = switchedBearer(false);
  const gate = new Gate({ clock, random: options.seed === undefined ? systemRandom : seededRandom(options.seed), bearer, faults });
  started.add(() => gate.close());
  const behind = { eim: 0, smdp: 0 };
  const ports = await openGate(gate, behind, { eim: options.eimPort || state.ports?.eim || 0, smdp: state.ports?.smdp ?? 0 });
  state.savePorts(ports);

  const smdp = createSmdp({
    clock,
    pkis: [pki],
    address: `localhost:${ports.smdp}`,
    orders: scenario.offers.map(downloadOrder),
    onEvent: ({ kind, ...event }) => log.info(`smdp ${kind}`, event),
  });
  behind.smdp = (await smdp.start()).port;
  started.add(() => smdp.stop());

  const direct = createEs9Client({ clock, caPem: [pki.get("ci").certificatePem] });
  const eim = createEim({
    clock,
    pki,
    fqdn: eimFqdn,
    // The eIM is not in the vehicle: its way to the SM-DP+ does not lead through the vehicle's bearer.
    post: (address, functionName, body) => direct(address === smdp.address ? `localhost:${behind.smdp}` : address, functionName, body),
    faultTargets: {
      smdp: { apply: (settings) => smdp.applyFaults(settings), show: () => ({ ...smdp.faults, transformBpp: undefined }) },
      euicc: { apply: (settings) => applyCardFaults(euicc.faults, settings), show: () => euicc.faults },
      vehicle: { apply: (settings) => applyVehicleFaults(faults, settings), show: () => showVehicleFaults(faults) },
    },
    ...(options.apiPort === undefined ? {} : { apiPort: options.apiPort }),
  });
  const eimAt = await eim.start();
  behind.eim = eimAt.port;
  started.add(() => eim.stop());
  started.add(eim.onEvent(({ type, n: _n, atMs: _atMs, ...event }) => log.info(`eim ${type}`, brief(event))));

  const fqdn = `${eimFqdn}:${ports.eim}`;
  const euicc = makeEuicc(options, { clock, pki, state, scenario, configuration: eim.configurationData({ fqdn }) });
  introduce(eim, euicc, pki);

  const modem = new VirtualModem({
    clock,
    world,
    uicc: euicc,
    imei,
    faults,
    log,
    personality: options.personality ?? generic3gpp,
    ...(options.timings === undefined ? {} : { timings: options.timings }),
  });
  started.add(() => modem.close());
  started.add(modem.bearer.onChange((up) => bearer.set(up)));
  const served = await servePorts(options.modem ?? [], modem, clock, started);
  modem.powerOn();
  const ready: ReadyLine = {
    schema: "simward-sim/ready/1",
    modem: served,
    eim: { id: eim.eimId, coaps: `coaps://${fqdn}`, https: `https://${fqdn}`, api: eimAt.api },
    smdp: { https: `https://${smdp.address}` },
    pkiDir: options.pkiDir ?? null,
    eid: euicc.eid,
    imei,
  };
  const activationCode = (matchingId: string): string => smdp.activationCode(matchingId);
  return { ready, pki, euicc, modem, world, gate, eim, smdp, faults, activationCode, close: () => started.stop() };
}

async function pkiOf(options: VehicleOptions, clock: Clock, eimFqdn: string): Promise<Pki> {
  if (options.pki !== undefined) return options.pki;
  const hosts = eimFqdn === "localhost" ? {} : { eimHosts: [eimFqdn, "localhost", "127.0.0.1", "::1"] };
  const wanted = { clock, ...hosts, ...(options.eid === undefined ? {} : { eid: options.eid }) };
  return options.pkiDir === undefined ? createPki(wanted) : openPki(options.pkiDir, wanted);
}

async function openGate(gate: Gate, behind: Readonly<VehiclePorts>, wanted: VehiclePorts): Promise<VehiclePorts> {
  const toEim = (): number => behind.eim;
  return { eim: await gate.openBoth(toEim, toEim, wanted.eim), smdp: await gate.openTcp(() => behind.smdp, wanted.smdp) };
}

function downloadOrder(offer: Offer): DownloadOrderInput {
  const { upp, metadata } = makeProfile(offer);
  const { matchingId, confirmationCode } = offer;
  return { matchingId, profile: upp, metadata, ...(confirmationCode === undefined ? {} : { confirmationCode }) };
}

interface Factory {
  readonly clock: Clock;
  readonly pki: Pki;
  readonly state: VehicleState;
  readonly scenario: Scenario;
  /** EimConfigurationData, DER. */
  readonly configuration: Uint8Array;
}

function makeEuicc(options: VehicleOptions, { clock, pki, state, scenario, configuration }: Factory): VirtualEuicc {
  const bootstrap = makeProfile(scenario.bootstrap);
  const { certificate: euiccCertificate, privateKey } = pki.get("euicc");
  return createEuicc({
    eid: pki.subjects.eid,
    identities: [{ ciCertificate: pki.get("ci").certificate, eumCertificate: pki.get("eum").certificate, euiccCertificate, privateKey }],
    clock,
    random: systemRandom,
    profiles: [{ upp: bootstrap.upp, metadata: encode(StoreMetadataRequest, bootstrap.metadata), enabled: true }],
    eims: [configuration],
    onChange: (snapshot) => state.saveSnapshot(snapshot),
    ...(state.snapshot === undefined ? {} : { snapshot: state.snapshot }),
    ...options.euicc,
  });
}

/** What the eIM must know of the eUICC before its first package: the card's word on counter and token, the factory's on certificates. */
function introduce(eim: Eim, euicc: VirtualEuicc, pki: Pki): void {
  const known = configurations(euicc).find(({ eimId }) => eimId === eim.eimId);
  eim.setEuicc({
    eid: euicc.eid,
    counterValue: known?.counterValue === undefined ? undefined : Number(known.counterValue),
    associationToken: known?.associationToken === undefined ? undefined : Number(known.associationToken),
    euiccCertificate: pki.get("euicc").certificate,
    eumCertificate: pki.get("eum").certificate,
  });
}

/** GetEimConfigurationData over the card's own interface (SGP.32 §5.9.18). */
function configurations(uicc: Uicc): readonly EimConfigurationData[] {
  const commands = ["0070000101", `01A4040410${toHex(isdrAid)}`, "81E2910003BF5500"];
  let response: Uint8Array = emptyBytes;
  for (const command of commands) response = uicc.process(fromHex(command));
  const parts: Uint8Array[] = [];
  for (; response.at(-2) === 0x61; parts.push(response.subarray(0, -2)))
    response = uicc.process(Uint8Array.of(0x01, 0xc0, 0x00, 0x00, response.at(-1) ?? 0));
  uicc.reset();
  return decode(GetEimConfigurationDataResponse, concatBytes(...parts)).eimConfigurationDataList;
}

async function servePorts(
  wanted: readonly ModemPortOption[],
  modem: VirtualModem,
  clock: Clock,
  started: Started,
): Promise<ReadyLine["modem"]> {
  const served: { pty: string | null; tcp: string | null; unix: string | null } = { pty: null, tcp: null, unix: null };
  let dir: string | undefined;
  const place = async (name: string): Promise<string> => {
    if (dir === undefined) {
      const made = await mkdtemp(join(tmpdir(), "simward-sim-"));
      started.add(() => rm(made, { recursive: true, force: true }));
      dir = made;
    }
    return join(dir, name);
  };
  for (const port of wanted) {
    const server = await servePort(port, modem, clock, place);
    started.add(() => server.close());
    served[port.kind] = server.address;
  }
  return served;
}

async function servePort(
  port: ModemPortOption,
  modem: VirtualModem,
  clock: Clock,
  place: (name: string) => Promise<string>,
): Promise<PortServer> {
  switch (port.kind) {
    case "pty":
      return servePty(modem, { linkPath: port.path ?? (await place("modem")), clock });
    case "tcp":
      return serveTcp(modem, port.port);
    case "unix":
      return serveUnix(modem, port.path ?? (await place("modem.sock")));
  }
}

/** Without the octets of whole messages: who wants those reads the order API's events. */
function brief(event: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(event).filter(([, value]) => typeof value !== "string" || value.length <= 80));
}

/** {"loss": 0.25, "error": "+CGLA@5", "no-coverage": null}: null clears. Throws SIM_REQUEST. */
function applyVehicleFaults(faults: Faults, settings: unknown): void {
  if (typeof settings !== "object" || settings === null || Array.isArray(settings))
    throw new SimwardError("SIM_REQUEST", { detail: "vehicle faults: not a JSON object" });
  try {
    for (const [name, value] of Object.entries(settings)) {
      if (value === null) faults.clear(name);
      else faults.set(name, value === true ? "1" : String(value));
    }
  } catch (error) {
    if (!isCode(error, "SIM_OPTION")) throw error;
    throw new SimwardError("SIM_REQUEST", { detail: `vehicle faults: ${error.detail}`, cause: error });
  }
}

function showVehicleFaults(faults: Faults): unknown {
  return Object.fromEntries(faults.list().map(({ name, value }) => [name, value]));
}
