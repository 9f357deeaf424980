// The virtual module: power, SIM, registration, contexts and clock, and the AT ports through which hosts see them.
// Everything that takes time takes it from the injected clock.
import type { Clock, Disposer } from "../../base/clock.ts";
import { type Log, silentLog } from "../../base/log.ts";
import { builtInCard } from "../card-socket/built-in.ts";
import type { Bearer, CardConnection, RadioWorld, Uicc } from "../contracts.ts";
import { Faults } from "../faults.ts";
import { ClockChip, formatCtze, formatZone } from "./clock-chip.ts";
import type { CommandRow } from "./commands/command.ts";
import { commandTable } from "./commands/table.ts";
import { PacketService } from "./packet.ts";
import { generic3gpp, type ModemTimings, type Personality } from "./personality.ts";
import { AtPort, type PortLine } from "./port.ts";
import { Registration, type RegistrationState } from "./registration.ts";
import { type RegistrationCommand, registrationCommands, registrationLine } from "./registration-lines.ts";
import { SimSlot, type SimState } from "./sim-slot.ts";
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
  readonly log?: Log;
}

/** Settings that all ports share; a reset brings back those that AT&W saved. */
export interface SharedSettings {
  readonly creg: Record<RegistrationCommand, number>;
  cgerep: number;
  ctzr: number;
  ctzu: number;
  copsFormat: number;
}

/** 0 minimum, 1 full, 4 flight (3GPP TS 27.007 §8.2). */
export type FunctionLevel = 0 | 1 | 4;

const factorySettings = (): SharedSettings => ({
  creg: { "+CREG": 0, "+CGREG": 0, "+CEREG": 0 },
  cgerep: 0,
  ctzr: 0,
  ctzu: 1,
  copsFormat: 0,
});

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
  settings: SharedSettings = factorySettings();
  readonly #ports = new Set<AtPort>();
  readonly #disposers: Disposer[] = [];
  #saved = { creg: factorySettings().creg, echo: true };
  #functionLevel: FunctionLevel = 1;
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
    this.commands = commandTable(this.personality);
    this.chip = new ClockChip(this.clock);
    this.voice = new VoiceService(this.clock, (line) => this.urc(line));
    this.packet = new PacketService(this.world, (event) => {
      if (this.settings.cgerep > 0) this.urc(`+CGEV: ${event}`);
    });
    this.registration = new Registration({
      clock: this.clock,
      world: this.world,
      personality: this.personality,
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
      onState: (state, before) => this.#onRegistration(state, before),
    });
    this.sim = new SimSlot({
      clock: this.clock,
      card: connectionTo(options.uicc),
      personality: this.personality,
      onState: (state) => this.#onSim(state),
    });
    this.#disposers.push(
      this.world.onChange(() => this.#worldChanged()),
      this.faults.onChange(({ name }) => {
        if (name === "silent-ms") this.#watchSilence();
        if (name === "voice-call") this.#callAsFault();
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

  get functionLevel(): FunctionLevel {
    return this.#functionLevel;
  }

  get savedEcho(): boolean {
    return this.#saved.echo;
  }

  powerOn(): void {
    this.#stopBoot();
    const { bootMs } = this.personality.timings;
    if (bootMs === 0) this.#booted();
    else this.#stopBoot = this.clock.after(bootMs, () => this.#booted());
  }

  powerOff(): void {
    this.#stopBoot();
    this.#running = false;
    this.voice.hangUp();
    this.sim.powerOff();
    this.registration.supply(false, undefined);
    this.packet.detach("ME");
  }

  /** As AT+CFUN=1,1 or a watchdog does it. */
  reset(): void {
    this.powerOff();
    const hangUp = this.faults.get("hang-up-on-reset") === true;
    for (const port of [...this.#ports]) {
      port.reset();
      if (hangUp) port.hangUp();
    }
    this.powerOn();
  }

  /** Switches SIM and radio; takes `radioMs`. */
  async setFunction(level: FunctionLevel): Promise<void> {
    const before = this.#functionLevel;
    const life = this.#life;
    if (level === before) return;
    this.#functionLevel = level;
    if (level !== 1) this.voice.hangUp();
    await this.clock.sleep(this.personality.timings.radioMs);
    if (life !== this.#life) return;
    if (level === 0) this.sim.powerOff();
    else if (before === 0) this.sim.powerOn();
    this.#supplyRegistration();
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
    this.settings = { ...this.settings, creg: factorySettings().creg, cgerep: 0 };
  }

  /** Gives the module one more AT port; its host is at the other end of the line. */
  openPort(line: PortLine): AtPort {
    const port = new AtPort(this, line);
    this.#ports.add(port);
    return port;
  }

  closePort(port: AtPort): void {
    port.close();
    this.#ports.delete(port);
  }

  /** An unsolicited result code, to every port. */
  urc(text: string): void {
    if (!this.#running) return;
    for (const port of [...this.#ports]) port.urc(text);
  }

  close(): void {
    this.powerOff();
    this.sim.stop();
    this.registration.stop();
    this.#stopSilence();
    for (const dispose of this.#disposers.splice(0)) dispose();
    for (const port of [...this.#ports]) this.closePort(port);
  }

  #booted(): void {
    this.#running = true;
    this.#life++;
    this.#functionLevel = 1;
    this.settings = { ...factorySettings(), creg: { ...this.#saved.creg } };
    this.packet.reset();
    this.registration.reset();
    this.chip.reset();
    for (const line of this.personality.bootLines) this.urc(line);
    this.sim.powerOn();
    this.#supplyRegistration();
  }

  #supplyRegistration(): void {
    const radio = this.#running && this.#functionLevel === 1;
    const subscriber = radio ? this.sim.subscriber : undefined;
    if (subscriber === undefined) this.packet.detach("ME");
    this.registration.supply(radio, subscriber);
  }

  #onSim(state: SimState): void {
    this.log.info("modem sim", { state, iccid: this.sim.subscriber?.iccid });
    if (state === "starting") this.urc("+CPIN: NOT READY");
    if (state === "ready") this.urc("+CPIN: READY");
    this.#supplyRegistration();
  }

  #onRegistration(state: RegistrationState, before: RegistrationState): void {
    const { cell, emmCause } = state;
    this.log.info("modem registration", { stat: state.stat, plmn: cell?.plmn, operator: cell?.operator, roaming: cell?.roaming, emmCause });
    if (before.cell !== undefined && state.cell === undefined) this.packet.detach("NW");
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
    if (cell !== undefined && rat !== "gsm" && this.packet.attached && this.packet.activeCount === 0) this.registration.search();
  }

  #callAsFault(): void {
    const kind = this.faults.get("voice-call");
    if (kind === undefined) this.voice.remoteEnds();
    else this.voice.begin(kind);
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
