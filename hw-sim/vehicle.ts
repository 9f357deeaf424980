// The virtual vehicle put together: eUICC in the module, module in the radio world, and the only way from there to eIM and SM-DP+
// through the gate. Tests create it in process; main.ts runs it as a program.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, type Disposer, SystemClock } from "../base/clock.ts";
import { isCode, SimwardError } from "../base/errors.ts";
import { type Log, silentLog } from "../base/log.ts";
import { seededRandom, systemRandom } from "../base/random.ts";
import { applyCardFaults, showCardFaults } from "./card-faults.ts";
import { serveOverTheAir } from "./card-ota.ts";
import { builtInCard } from "./card-socket/built-in.ts";
import type { CardFacts } from "./card-socket/commissioning.ts";
import { commissioned, type ExternalCardOption, openExternalCard } from "./card-socket/external.ts";
import { fellowGuest } from "./card-socket/guest.ts";
import { carryOut } from "./card-socket/procedure.ts";
import { type CardServiceOption, serveCard } from "./card-socket/serve.ts";
import type { CardConnection } from "./contracts.ts";
import { createEim, type Eim } from "./eim/eim.ts";
import { createEs9Client } from "./eim/es9-client.ts";
import type { EsipaVersion } from "./eim/version-1.0.ts";
import { type CardRoleName, cardRoles } from "./euicc/roles.ts";
import type { EuiccOptions, VirtualEuicc } from "./euicc/types.ts";
import { identityOf, makeEuicc } from "./factory.ts";
import { type FaultSetting, Faults, faultName, faultSetting } from "./faults.ts";
import { type CardIdentityFiles, isUnder, openIdentity } from "./identity.ts";
import { type Traffic, VirtualModem } from "./modem/module.ts";
import { generic3gpp, type ModemTimings, type Personality } from "./modem/personality.ts";
import { servePty } from "./modem/ports/pty.ts";
import { serveTcp, serveUnix } from "./modem/ports/socket.ts";
import type { PortServer } from "./modem/ports/types.ts";
import { switchedBearer } from "./network/bearer.ts";
import type { PathQuality } from "./network/data.ts";
import { type DataLinkOption, openDataLink } from "./network/data-link.ts";
import { startDrive } from "./network/drive.ts";
import { Gate, type GateCounters } from "./network/gate.ts";
import { World } from "./network/world.ts";
import { obeyFaults } from "./network/world-faults.ts";
import type { ModemPortOption } from "./options.ts";
import { type Curve, canIssue, createPki, openPki, type Pki } from "./pki/pki.ts";
import { orderOf, type ProfileFile } from "./profile-files.ts";
import { makeProfile } from "./profiles.ts";
import type { Offer, Scenario } from "./scenarios/scenario.ts";
import { defaultScenario } from "./scenarios/table.ts";
import type { DownloadOrderInput } from "./smdp/orders.ts";
import { createSmdp, type Smdp } from "./smdp/smdp.ts";
import { createSmds, type Smds } from "./smds/smds.ts";
import { noState, openState, type VehiclePorts } from "./state.ts";
import { makeTemporary } from "./temporary.ts";

export interface VehicleOptions {
  readonly clock?: Clock;
  /** What the path loses is decided by it; the system's chance by default. */
  readonly seed?: number;
  readonly scenario?: Scenario;
  /** The module's network interface as a real one. */
  readonly dataLink?: DataLinkOption | undefined;
  /** How many times as fast as the clock the scenario's route is driven; 1 by default. */
  readonly driveSpeed?: number;
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
  readonly smdpFqdn?: string;
  /** Whether the eIM says that it relays downloads; it does by default. */
  readonly indirectDownload?: boolean;
  /** The eIM's, of SGP.32; 1.2 by default. */
  readonly esipaVersion?: EsipaVersion;
  /** Of certificates that are made; P-256 by default. */
  readonly curve?: Curve;
  /** Somebody else's certificates of the eUICC; those of the PKI by default. */
  readonly identityDir?: string;
  /** What the built-in card is: sgp32 by default, see euicc/roles.ts. */
  readonly cardRole?: CardRoleName;
  /** In the module's slot, in place of the built-in eUICC. */
  readonly card?: ExternalCardOption;
  /** Ways in which the built-in eUICC serves other programs beside the module. */
  readonly services?: readonly CardServiceOption[];
  /** Offered by the SM-DP+ on top of the scenario's. */
  readonly profiles?: readonly ProfileFile[];
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
  /** null where the CI cannot issue its certificates. */
  readonly smds: { readonly https: string } | null;
  /** Where an external card is, or may connect; null with the built-in eUICC. */
  readonly card: string | null;
  /** Where the built-in eUICC serves other programs. */
  readonly cardServices: readonly string[];
  /** null when the certificates are kept nowhere. */
  readonly pkiDir: string | null;
  /** null while no external card has told its own. */
  readonly eid: string | null;
  readonly imei: string;
}

export interface Vehicle {
  readonly ready: ReadyLine;
  readonly pki: Pki;
  /** The built-in one. Throws SIM_OPTION when the card is an external one. */
  readonly euicc: VirtualEuicc;
  readonly modem: VirtualModem;
  readonly world: World;
  readonly gate: Gate;
  readonly eim: Eim;
  readonly smdp: Smdp;
  /** Throws SIM_OPTION where the CI cannot issue its certificates. */
  readonly smds: Smds;
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
  const { clock = new SystemClock(), scenario = defaultScenario, log = silentLog, imei = defaultImei } = options;
  const { eimFqdn = "localhost", smdpFqdn = "localhost", cardRole = "sgp32" } = options;
  const state = options.stateDir === undefined ? noState : openState(options.stateDir);
  const identity = options.identityDir === undefined ? undefined : await openIdentity(options.identityDir, options.eid);
  const pki = await pkiOf(options, clock, identity);
  if (identity !== undefined && !isUnder(identity.identities, pki.get("ci").subjectKeyIdentifier))
    throw new SimwardError("SIM_PKI", {
      detail: `--identity ${options.identityDir}: the eUICC is under another CI than eIM and SM-DP+: give these by --pki DIR`,
    });
  const faults = new Faults();
  const world = new World({ clock, country: scenario.country, ...(scenario.world === undefined ? {} : { data: scenario.world }) });
  started.add(obeyFaults(world, faults));
  for (const { name, value } of [...scenario.faults, ...(options.faults ?? [])]) faults.set(name, value);

  // The gate comes first, as its ports stand in activation codes and in the eUICC's memory.
  const bearer = switchedBearer(false);
  const random = options.seed === undefined ? systemRandom : seededRandom(options.seed);
  // The module, which is made when the ports that its card knows are open.
  const serving: { module: VirtualModem | undefined } = { module: undefined };
  const link = options.dataLink && openDataLink({ ...options.dataLink, bearer, addresses: () => serving.module?.packet.addresses ?? [] });
  if (link !== undefined) started.add(() => link.close());
  const quality = (): PathQuality => world.path(serving.module?.registration.state.cell?.plmn);
  const gate = new Gate({ clock, random, bearer, faults, quality, address: link?.gateway });
  started.add(() => gate.close());
  const behind = { eim: 0, smdp: 0, smds: 0 };
  const { eim: eimPort = 0, smdp: smdpPort = 0, smds: smdsPort = 0 } = state.ports ?? {};
  const kept = `--state ${options.stateDir}: its eUICC names a port of the former run, which another simulator or program has now`;
  const wantedPorts = { eim: options.eimPort || eimPort, smdp: smdpPort, smds: smdsPort };
  const ports = await openGate(gate, behind, wantedPorts, (name) => (name === "eim" && options.eimPort ? "--eim-port" : kept));
  state.savePorts(ports);

  const smdp = createSmdp({
    clock,
    pkis: [pki],
    address: `${smdpFqdn}:${ports.smdp}`,
    orders: [...scenario.offers.map(downloadOrder), ...(options.profiles ?? []).map(orderOf)],
    onEvent: ({ kind, ...event }) => {
      log.info(`smdp ${kind}`, event);
      // ES12.DeleteEvent (SGP.22 §5.9.2): what was fetched waits no longer.
      if (kind === "order" && "matchingId" in event && event.state === "installed") smds?.deleteEvents(event.matchingId);
    },
  });
  const smds = canIssue(pki.get("ci")) ? createSmds({ clock, pki, address: `${smdpFqdn}:${ports.smds}` }) : undefined;
  started.add(obeyEs9Errors(smdp, faults));
  behind.smdp = (await smdp.start()).port;
  started.add(() => smdp.stop());
  if (smds !== undefined) {
    behind.smds = (await smds.start()).port;
    started.add(() => smds.stop());
  }

  const behindGate = (address: string): string => {
    if (address === smdp.address) return `localhost:${behind.smdp}`;
    return address === smds?.address ? `localhost:${behind.smds}` : address;
  };
  const direct = createEs9Client({ clock, caPem: [pki.get("ci").certificatePem] });
  const eim = createEim({
    clock,
    pki,
    fqdn: eimFqdn,
    // The eIM is not in the vehicle: its way to SM-DP+ and SM-DS does not lead through the vehicle's bearer.
    post: (address, functionName, body) => direct(behindGate(address), functionName, body),
    ...(options.esipaVersion === undefined ? {} : { esipaVersion: options.esipaVersion }),
    reserve: ({ eid, matchingId, at }) => {
      if (at === "contactDefaultSmdp") smdp.reserve(matchingId, eid);
      else needed(smds, noSmds).registerEvent({ eid, eventId: matchingId, rspServerAddress: smdp.address });
    },
    faultTargets: {
      smdp: { apply: (settings) => smdp.applyFaults(settings), show: () => ({ ...smdp.faults, transformBpp: undefined }) },
      euicc: {
        apply: (settings) => applyCardFaults(needed(inside, notBuiltIn).faults, settings),
        show: () => (inside === undefined ? null : showCardFaults(inside.faults)),
      },
      vehicle: { apply: (settings) => applyVehicleFaults(faults, settings), show: () => showVehicleFaults(faults) },
    },
    ...(options.apiPort === undefined ? {} : { apiPort: options.apiPort }),
  });
  const eimAt = await eim.start();
  behind.eim = eimAt.port;
  started.add(() => eim.stop());
  started.add(eim.onEvent(({ type, n: _n, atMs: _atMs, ...event }) => log.info(`eim ${type}`, brief(event))));

  const fqdn = `${eimFqdn}:${ports.eim}`;
  const configuration = eim.configurationData({ fqdn, indirectProfileDownload: options.indirectDownload ?? true });
  const facts: { eid: string | null } = { eid: null };
  const commissioning = {
    ciPKId: pki.get("ci").subjectKeyIdentifier,
    // The built-in eUICC has it from the factory, or is meant to be without.
    eim: options.card === undefined ? undefined : configuration,
    eimId: eim.eimId,
    log,
    onFacts: (found: CardFacts) => {
      facts.eid = found.eid;
      introduce(eim, found);
    },
  };
  const card = options.card === undefined ? undefined : await openExternalCard(options.card, clock, log);
  if (card !== undefined) started.add(() => card.close());
  const inside =
    card !== undefined
      ? undefined
      : makeEuicc({
          ...options,
          role: cardRole,
          clock,
          identity: identity ?? identityOf(pki),
          state,
          scenario,
          eims: [configuration],
          addresses: { defaultSmdpAddress: smdp.address, ...(smds === undefined ? {} : { rootSmdsAddress: smds.address }) },
        });
  const known = commissioned(card?.connection ?? builtInCard(needed(inside, notBuiltIn)), commissioning);
  started.add(known.stop);
  await introduceNow(known.connection, log);
  inside?.reset();

  const modem = new VirtualModem({
    clock,
    world,
    uicc: card === undefined ? inside : known.connection,
    imei,
    faults,
    log,
    personality: options.personality ?? generic3gpp,
    traffic: link?.traffic ?? (() => trafficOf(gate.counters)),
    ...(options.timings === undefined ? {} : { timings: options.timings }),
  });
  started.add(() => modem.close());
  started.add(modem.bearer.onChange((up) => bearer.set(up)));
  serving.module = modem;
  if (inside !== undefined) started.add(serveOverTheAir(inside, modem, faults));
  const served = await servePorts(options.modem ?? [], modem, clock, started);
  const services = await serveBuiltIn(inside, options.services ?? [], clock, log, started);
  modem.powerOn();
  const { route } = scenario;
  if (route !== undefined) started.add(startDrive({ route, clock, world, faults, random, speed: options.driveSpeed ?? 1 }));
  const ready: ReadyLine = {
    schema: "simward-sim/ready/1",
    modem: served,
    eim: { id: eim.eimId, coaps: `coaps://${fqdn}`, https: `https://${fqdn}`, api: eimAt.api },
    smdp: { https: `https://${smdp.address}` },
    smds: smds === undefined ? null : { https: `https://${smds.address}` },
    card: card?.address ?? null,
    cardServices: services,
    pkiDir: options.pkiDir ?? null,
    eid: inside === undefined || cardRoles[cardRole].domains.length === 0 ? facts.eid : inside.eid,
    imei,
  };
  const activationCode = (matchingId: string): string => smdp.activationCode(matchingId);
  const parts = { ready, pki, modem, world, gate, eim, smdp, faults, activationCode, close: () => started.stop() };
  return {
    ...parts,
    get euicc() {
      return needed(inside, notBuiltIn);
    },
    get smds() {
      return needed(smds, noSmds);
    },
  };
}

async function pkiOf(options: VehicleOptions, clock: Clock, identity: CardIdentityFiles | undefined): Promise<Pki> {
  if (options.pki !== undefined) return options.pki;
  const { eimFqdn = "localhost", smdpFqdn = "localhost", eid, curve } = options;
  const hosts = (fqdn: string): string[] => [fqdn, "localhost", "127.0.0.1", "::1"];
  const wanted = {
    clock,
    ...(eimFqdn === "localhost" ? {} : { eimHosts: hosts(eimFqdn) }),
    ...(smdpFqdn === "localhost" ? {} : { smdpHosts: hosts(smdpFqdn) }),
    ...(eid === undefined ? {} : { eid }),
    ...(curve === undefined ? {} : { curve }),
    withoutEuicc: options.card !== undefined || identity !== undefined,
  };
  return options.pkiDir === undefined ? createPki(wanted) : openPki(options.pkiDir, wanted);
}

/** Throws SIM_OPTION. */
function needed<T>(part: T | undefined, detail: string): T {
  if (part !== undefined) return part;
  throw new SimwardError("SIM_OPTION", { detail });
}

const notBuiltIn = "the card is an external one: the built-in eUICC is not there";
const noSmds = "there is no SM-DS: the CI's key, which would issue its certificates, is not there";

/** A card that is there already is known before the ready line; one that is not yet is told of when it comes. */
async function introduceNow(card: CardConnection, log: Log): Promise<void> {
  if (!card.present) return;
  try {
    await card.reset();
    await carryOut(card, card.subscriber());
  } catch (error) {
    if (!isCode(error, "SIM_CARD")) throw error;
    log.warn("the external card is not there yet", { reason: error.message });
  }
}

async function serveBuiltIn(
  inside: VirtualEuicc | undefined,
  wanted: readonly CardServiceOption[],
  clock: Clock,
  log: Log,
  started: Started,
): Promise<readonly string[]> {
  const addresses: string[] = [];
  for (const option of wanted) {
    const service = await serveCard(fellowGuest(needed(inside, notBuiltIn)), option, clock, log);
    started.add(() => service.close());
    addresses.push(`${service.kind}:${service.address}`);
  }
  return addresses;
}

/** The SM-DP+ refuses what the fault es9-error says; what was set on it otherwise goes with that. */
function obeyEs9Errors(smdp: Smdp, faults: Faults): Disposer {
  const obey = (): void => smdp.applyFaults({ status: faults.get("es9-error") ?? null });
  if (faults.get("es9-error") !== undefined) obey();
  return faults.onChange(({ name }) => {
    if (name === "es9-error") obey();
  });
}

/** `whose` says where a port that cannot be had was asked for. */
async function openGate(
  gate: Gate,
  behind: Readonly<VehiclePorts>,
  wanted: VehiclePorts,
  whose: (name: keyof VehiclePorts) => string,
): Promise<VehiclePorts> {
  const toEim = (): number => behind.eim;
  const open = async (name: keyof VehiclePorts, opening: Promise<number>): Promise<number> => {
    try {
      return await opening;
    } catch (error) {
      if (!isCode(error, "SIM_OPTION") || wanted[name] === 0) throw error;
      throw new SimwardError("SIM_OPTION", { detail: `${whose(name)}: ${error.detail}`, cause: error });
    }
  };
  return {
    eim: await open("eim", gate.openBoth(toEim, toEim, wanted.eim)),
    smdp: await open(
      "smdp",
      gate.openTcp(() => behind.smdp, wanted.smdp),
    ),
    smds: await open(
      "smds",
      gate.openTcp(() => behind.smds, wanted.smds),
    ),
  };
}

function downloadOrder(offer: Offer): DownloadOrderInput {
  const { upp, metadata } = makeProfile(offer);
  const { matchingId, confirmationCode } = offer;
  return { matchingId, profile: upp, metadata, ...(confirmationCode === undefined ? {} : { confirmationCode }) };
}

/** What the eIM must know of the eUICC before its first package: the card's word on counter and token, the factory's on certificates. */
function introduce(eim: Eim, { eid, eims, certificates }: CardFacts): void {
  const known = eims?.find(({ eimId }) => eimId === eim.eimId);
  eim.setEuicc({
    eid,
    counterValue: known?.counterValue === undefined ? undefined : Number(known.counterValue),
    associationToken: known?.associationToken === undefined ? undefined : Number(known.associationToken),
    euiccCertificate: certificates?.euicc,
    eumCertificate: certificates?.eum,
  });
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
      const made = await makeTemporary("simward-sim-");
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
    const asked = Object.entries(settings).map(([name, value]) => ({ name, value: value === true ? "1" : value }));
    // All of them are checked before the first is set.
    for (const { name, value } of asked) value === null ? faultName(name) : faultSetting(name, String(value));
    for (const { name, value } of asked) {
      if (value === null) faults.clear(name);
      else faults.set(name, String(value));
    }
  } catch (error) {
    if (!isCode(error, "SIM_OPTION")) throw error;
    throw new SimwardError("SIM_REQUEST", { detail: `vehicle faults: ${error.detail}`, cause: error });
  }
}

function showVehicleFaults(faults: Faults): unknown {
  return Object.fromEntries(faults.list().map(({ name, value }) => [name, value]));
}

/** IPv4 and UDP (RFC 791, RFC 768). */
const datagramHeadBytes = 28;

/** What passed the gate, as the packets that it came in. */
function trafficOf({ bytes, datagrams }: GateCounters): Traffic {
  return {
    sentBytes: bytes.up + datagramHeadBytes * datagrams.up,
    receivedBytes: bytes.down + datagramHeadBytes * datagrams.down,
  };
}
