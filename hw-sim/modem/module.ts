// The virtual module: power, SIM, registration, contexts and clock, and the AT ports through which hosts see them.
// Everything that takes time takes it from the injected clock.
import type { Clock, Disposer } from "../../base/clock.ts";
import { type Log, silentLog } from "../../base/log.ts";
import { builtInCard } from "../card-socket/built-in.ts";
import type { Bearer, CardConnection, RadioWorld, SimRat, Uicc } from "../contracts.ts";
import { Faults } from "../faults.ts";
import { ClockChip, formatCtze, formatZone } from "./clock-chip.ts";
import type { CommandRow } from "./commands/command.ts";
import { commandTable } from "./commands/table.ts";
import { DataCounters } from "./counters.ts";
import { type PacketEvent, PacketService } from "./packet.ts";
import { generic3gpp, type ModemTimings, type Personality, type UrcLine } from "./personality.ts";
import { AtPort, type PortLine } from "./port.ts";
import { Registration, type RegistrationState } from "./registration.ts";
import { type RegistrationCommand, registrationCommands, registrationLine } from "./registration-lines.ts";
import { SimSlot, type SimState } from "./sim-slot.ts";
import { VendorSettings } from "./vendor-settings.ts";
import { VoiceService } from "./voice.ts";

export interface VirtualModemOptions {
  readonly clock: Clock;
  readonly world: RadioWorld;
  /** A card of this process, or the way to another's; undefined: the slot is empty. */
  readonly uicc: Uicc | CardConnection | undefined;
  /** 15 digits. */
  readonly imei: string;
  readonly personality?: Personality;
  readonly timings?: Partial<ModemTimings>;
  readonly faults?: Faults;
  /** Octets of its sessions so far, for the counters of makes that have some. */
  readonly traffic?: () => Traffic;
  readonly log?: Log;
}

export interface Traffic {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** Settings that all ports share; a reset brings back those that AT&W saved. */
export interface SharedSettings {
  readonly creg: Record<RegistrationCommand, number>;
  cgerep: number;
  ctzr: number;
  ctzu: number;
  copsFormat: number;
}

const factorySettings = ({ cgerep, cops }: Personality): SharedSettings => ({
  creg: { "+CREG": 0, "+CGREG": 0, "+CEREG": 0 },
  cgerep,
  ctzr: 0,
  ctzu: 1,
  copsFormat: cops.defaultFormat,
});

/** Under which name the level of +CFUN is kept by makes that do. */
const keptLevel = "+CFUN";

export class VirtualModem {
  readonly clock: Clock;
  readonly world: RadioWorld;
  readonly personality: Personality;
  readonly imei: string;
  readonly faults: Faults;
  readonly sim: SimSlot;
  readonly registration: Registration;
  readonly packet: PacketService;
  readonly chip: ClockChip;
  readonly voice: VoiceService;
  readonly commands: ReadonlyMap<string, CommandRow>;
  readonly log: Log;
  readonly vendor = new VendorSettings();
  readonly counters: DataCounters;
  settings: SharedSettings;
  readonly #ports = new Set<AtPort>();
  readonly #disposers: Disposer[] = [];
  #saved: { readonly creg: SharedSettings["creg"]; readonly echo: boolean };
  #functionLevel: number;
  #radio = true;
  #simPowered = true;
  /** Counts changes of level: a later one overtakes the one under way. */
  #functionTurn = 0;
  #baud: number;
  /** Whether the first search and the first definition of a context since the start are still to come. */
  readonly firsts = { scan: true, definition: true };
  #portsOpened = 0;
  /** Counts boots: what was begun before one is not finished after it. */
  #life = 0;
  #running = false;
  #stopBoot: Disposer = () => {};
  #stopSilence: Disposer = () => {};

  constructor(options: VirtualModemOptions) {
    const personality = options.personality ?? generic3gpp;
    this.clock = options.clock;
    this.world = options.world;
    this.imei = options.imei;
    this.personality = { ...personality, timings: { ...personality.timings, ...options.timings } };
    this.faults = options.faults ?? new Faults();
    this.log = options.log ?? silentLog;
    this.counters = new DataCounters({
      ...this.personality.counters,
      traffic: options.traffic ?? (() => ({ sentBytes: 0, receivedBytes: 0 })),
      driftPercent: () => this.faults.get("counter-drift") ?? 0,
    });
    this.settings = factorySettings(this.personality);
    this.#saved = { creg: { ...this.settings.creg }, echo: this.personality.echo !== "off" };
    this.#functionLevel = this.personality.bootLevel;
    this.#baud = this.personality.baud;
    this.commands = commandTable(this.personality);
    this.chip = new ClockChip(this.clock);
    this.voice = new VoiceService(this.clock, (line) => this.urc(line));
    this.packet = new PacketService(this.world, this.personality.contexts.defaultCid, (event) => this.#onPacket(event));
    this.registration = new Registration({
      clock: this.clock,
      world: this.world,
      personality: this.personality,
      rats: () => this.rats,
      admit: (subscriber, cell, rat) => this.packet.attach(subscriber, cell.plmn, rat !== "gsm"),
      forbidden: {
        list: () => this.sim.forbidden,
        add: (plmn) => {
          if (!this.sim.forbidden.includes(plmn)) this.sim.setForbidden([...this.sim.forbidden, plmn]);
        },
        remove: (plmn) => {
          if (this.sim.forbidden.includes(plmn)) this.sim.setForbidden(this.sim.forbidden.filter((one) => one !== plmn));
        },
      },
      onState: (state, before, by) => this.#onRegistration(state, before, by),
    });
    this.sim = new SimSlot({
      clock: this.clock,
      card: connectionTo(options.uicc),
      personality: this.personality,
      holdsIsdR: () => this.#holdsIsdR(),
      onState: (state) => this.#onSim(state),
      trouble: () => this.faults.get("sim"),
    });
    this.#disposers.push(
      this.world.onChange(() => this.#worldChanged()),
      this.faults.onChange(({ name }) => {
        if (name === "silent-ms") this.#watchSilence();
        if (name === "voice-call") this.#callAsFault();
        if (name === "power") this.#powerAsFault();
        if (name === "sim") this.sim.troubled();
        if (name === "cts-stuck") this.#holdLines();
      }),
    );
    this.#watchSilence();
    this.#callAsFault();
  }

  /** Whether the vehicle's datagrams pass. */
  get bearer(): Bearer {
    return this.packet.bearer;
  }

  /** Booted, with its ports listening. */
  get running(): boolean {
    return this.#running;
  }

  /** <fun> of +CFUN (3GPP TS 27.007 §8.2). */
  get functionLevel(): number {
    return this.#functionLevel;
  }

  /** Whether it may transmit. */
  get radio(): boolean {
    return this.#running && this.#radio;
  }

  /** Technologies that its settings leave, in the order in which it tries them. */
  get rats(): readonly SimRat[] {
    const { chosenRats, rats } = this.personality;
    return chosenRats === undefined ? rats : chosenRats(this.vendor);
  }

  /** Bits a second of its lines: what a host on a real one had to use. Pseudo-terminals and sockets pass octets at any. */
  get baud(): number {
    return this.#baud;
  }

  get savedEcho(): boolean {
    return this.#saved.echo;
  }

  powerOn(): void {
    // Taking its power away is what ends a hang; the first start is not that.
    if (this.#life > 0) this.faults.clear("hang");
    this.#boot();
  }

  powerOff(): void {
    this.#stopBoot();
    this.#running = false;
    for (const port of this.#ports) port.reset();
    this.voice.hangUp();
    this.sim.powerOff();
    this.registration.supply(false, undefined);
    this.packet.detach("ME");
  }

  /** As AT+CFUN=1,1 or a watchdog does it; what hangs stays so. */
  reset(): void {
    this.powerOff();
    if (this.faults.get("hang-up-on-reset") === true) this.hangUpPorts();
    const { baudAfterReset } = this.personality;
    if (baudAfterReset !== undefined) {
      this.#baud = baudAfterReset;
      this.log.warn("modem baud changed by the reset", { baud: this.#baud });
    }
    this.#boot();
  }

  /** By a command of its host: it stays off until it is given power anew. */
  shutDown(farewell: string | undefined): void {
    const life = this.#life;
    this.clock.after(this.personality.timings.powerDownMs, () => {
      if (life !== this.#life || !this.#running) return;
      if (farewell !== undefined) this.urc(farewell);
      this.powerOff();
    });
  }

  hangUpPorts(): void {
    for (const port of [...this.#ports]) port.hangUp();
  }

  /** Switches SIM and radio as the make's level says; takes `radioMs`. */
  async setFunction(level: number): Promise<void> {
    const life = this.#life;
    const { functionLevels, keptLevels, timings } = this.personality;
    const { radio = this.#radio, sim = this.#simPowered, shows = level } = functionLevels[level] ?? {};
    if (radio === this.#radio && sim === this.#simPowered && (shows === this.#functionLevel || shows === "as before")) return;
    if (shows !== "as before") this.#functionLevel = shows;
    if (keptLevels.includes(level)) this.vendor.set(keptLevel, String(level), "now");
    const turn = ++this.#functionTurn;
    this.#radio = radio;
    if (!radio) this.voice.hangUp();
    await this.clock.sleep(timings.radioMs);
    if (life !== this.#life || turn !== this.#functionTurn) return;
    const before = this.#simPowered;
    this.#simPowered = sim;
    if (!sim && before) this.sim.powerOff();
    if (sim && !before) this.sim.powerOn();
    this.#supplyRegistration();
  }

  setBaud(baud: number): void {
    this.#baud = baud;
  }

  /** AT&W */
  save(echo: boolean): void {
    this.#saved = { creg: { ...this.settings.creg }, echo };
  }

  /** ATZ */
  restoreSaved(): void {
    this.settings = { ...this.settings, creg: { ...this.#saved.creg } };
  }

  /** AT&F: registration lines and events off. */
  factoryDefaults(): void {
    const { creg, cgerep } = factorySettings(this.personality);
    this.settings = { ...this.settings, creg, cgerep };
  }

  /** Gives the module one more AT port; its host is at the other end of the line. */
  openPort(line: PortLine): AtPort {
    const port = new AtPort(this, line, ++this.#portsOpened);
    this.#ports.add(port);
    if (this.faults.get("cts-stuck") === true) port.hold(true);
    return port;
  }

  closePort(port: AtPort): void {
    port.close();
    this.#ports.delete(port);
  }

  /** An unsolicited result code, to every port. */
  urc(text: string): void {
    if (!this.#running || this.faults.get("hang") === true) return;
    const only = this.faults.get("urc-port");
    for (const port of [...this.#ports]) if (only === undefined || only === port.number) port.urc(text);
  }

  /** Lines of a make; those that a setting switches only while it does. */
  urcs(lines: readonly UrcLine[]): void {
    for (const line of lines) {
      if (typeof line === "string") this.urc(line);
      else if (this.vendor.get(line.if, "0") !== "0") this.urc(line.text);
    }
  }

  close(): void {
    this.powerOff();
    this.sim.stop();
    this.registration.stop();
    this.#stopSilence();
    for (const dispose of this.#disposers.splice(0)) dispose();
    for (const port of [...this.#ports]) this.closePort(port);
  }

  #boot(): void {
    this.#stopBoot();
    const { bootMs } = this.personality.timings;
    if (bootMs === 0) this.#booted();
    else this.#stopBoot = this.clock.after(bootMs, () => this.#booted());
  }

  #booted(): void {
    const { bootLevel, functionLevels, contexts, bootNoise, bootLines } = this.personality;
    this.#running = true;
    this.#life++;
    this.vendor.started();
    this.counters.started();
    this.#functionLevel = Number(this.vendor.get(keptLevel, String(bootLevel)));
    const { radio = true, sim = true } = functionLevels[this.#functionLevel] ?? {};
    this.#radio = radio;
    this.#simPowered = sim;
    Object.assign(this.firsts, { scan: true, definition: true });
    this.settings = { ...factorySettings(this.personality), creg: { ...this.#saved.creg } };
    if (!contexts.kept) this.packet.reset();
    this.registration.reset();
    this.chip.reset();
    if (bootNoise !== "") for (const port of this.#ports) port.noise(bootNoise);
    for (const line of bootLines) this.urc(line);
    if (sim) this.sim.powerOn();
    this.#supplyRegistration();
  }

  #supplyRegistration(): void {
    const subscriber = this.radio ? this.sim.subscriber : undefined;
    if (subscriber === undefined) this.packet.detach("ME");
    this.registration.supply(this.radio, subscriber);
  }

  #onSim(state: SimState): void {
    this.log.info("modem sim", { state, iccid: this.sim.subscriber?.iccid });
    const { simLines } = this.personality;
    if (state === "starting" || state === "ready" || state === "absent") this.urcs(simLines[state]);
    this.#supplyRegistration();
  }

  /** The network's word on timers came with a tracking area update: whoever asked for them hears of it. */
  tellTimers(): void {
    for (const command of registrationCommands) {
      if (this.settings.creg[command] < 4 || this.registration.state.cell === undefined) continue;
      const line = registrationLine(this, command, "urc");
      if (line !== undefined) this.urc(line);
    }
  }

  #onPacket(event: PacketEvent): void {
    if (event.kind === "attached" || event.kind === "activated") this.counters.beginSession();
    if (event.kind === "deactivated" || event.kind === "detached")
      for (const port of this.#ports) port.lostData("cid" in event ? event.cid : undefined);
    if (this.settings.cgerep === 0) return;
    const { cgev } = this.personality;
    const texts = event.kind === "deactivated" || event.kind === "detached" ? cgev[event.kind][event.by] : cgev[event.kind];
    const { cid = "", address = "" } = { cid: undefined, address: undefined, ...event };
    for (const text of texts) this.urc(`+CGEV: ${text.replace("{cid}", String(cid)).replace("{address}", address)}`);
  }

  #holdsIsdR(): boolean {
    const { ownLpa } = this.personality;
    return ownLpa !== undefined && this.vendor.get(ownLpa.setting, "1") !== "0";
  }

  #onRegistration(state: RegistrationState, before: RegistrationState, by: "ME" | "NW"): void {
    const { cell, emmCause } = state;
    this.log.info("modem registration", { stat: state.stat, plmn: cell?.plmn, operator: cell?.operator, roaming: cell?.roaming, emmCause });
    if (before.cell !== undefined && state.cell === undefined) this.packet.detach(by);
    for (const command of registrationCommands) {
      const line = registrationLine(this, command, "urc");
      if (line !== undefined) this.urc(line);
    }
    if (state.cell !== undefined && state.cell !== before.cell) this.#takeNetworkTime(state.cell.plmn);
  }

  #takeNetworkTime(plmn: string): void {
    const told = this.world.networkTime(plmn);
    if (told === undefined) return;
    const time = { utcMs: told.utcMs, zoneQuarters: told.zoneMinutes / 15 };
    if (this.settings.ctzu > 0) this.chip.set(time);
    if (this.settings.ctzr === 1) this.urc(`+CTZV: ${formatZone(time.zoneQuarters)}`);
    if (this.settings.ctzr === 2) this.urc(`+CTZE: "${formatZone(time.zoneQuarters)}",0,"${formatCtze(time)}"`);
  }

  #worldChanged(): void {
    this.registration.worldChanged();
    this.packet.worldChanged();
    // An EPS attach lives by its PDN connections: with the last one gone it starts again (3GPP TS 24.301 §5.5.2).
    const { rat, cell } = this.registration.state;
    if (cell !== undefined && rat !== "gsm" && this.packet.attached && this.packet.activeCount === 0) this.registration.search("NW");
  }

  #callAsFault(): void {
    const kind = this.faults.get("voice-call");
    if (kind === undefined) this.voice.remoteEnds();
    else this.voice.begin(kind);
  }

  #powerAsFault(): void {
    const asked = this.faults.get("power");
    if (asked !== undefined) this.powerOff();
    if (asked === "cycle") this.faults.clear("power");
    else if (asked === undefined) this.powerOn();
  }

  #holdLines(): void {
    const stuck = this.faults.get("cts-stuck") === true;
    for (const port of this.#ports) port.hold(stuck);
  }

  #watchSilence(): void {
    this.#stopSilence();
    const ms = this.faults.get("silent-ms");
    this.#stopSilence = ms === undefined ? () => {} : this.clock.after(ms, () => this.faults.clear("silent-ms"));
  }
}

function connectionTo(card: Uicc | CardConnection | undefined): CardConnection | undefined {
  return card !== undefined && "process" in card ? builtInCard(card) : card;
}
