// A module on the bench: in-process port, virtual time, everything the module prints kept as text.
import { VirtualClock } from "../../../base/clock.ts";
import type { Uicc } from "../../../hw-sim/contracts.ts";
import { Faults } from "../../../hw-sim/faults.ts";
import { VirtualModem, type VirtualModemOptions } from "../../../hw-sim/modem/module.ts";
import type { AtPort } from "../../../hw-sim/modem/port.ts";
import { World } from "../../../hw-sim/network/world.ts";
import { StubCard } from "./stub-card.ts";

const final = /\r\n(OK|ERROR|NO CARRIER|BUSY|CONNECT|ABORTED|NORMAL POWER DOWN|\+CME ERROR: [^\r]*)\r\n|(?:^|[\r\n])[0-9]\r$/;

/** A program at the other end of a port. */
export class Host {
  /** All it has received. */
  text = "";
  hungUp = false;
  /** Lengths of the pieces in which it came. */
  readonly pieces: number[] = [];
  readonly port: AtPort;
  readonly #clock: VirtualClock;

  constructor(modem: VirtualModem, clock: VirtualClock) {
    this.#clock = clock;
    this.port = modem.openPort({
      write: (bytes) => {
        if (this.hungUp) return;
        this.text += Buffer.from(bytes).toString("latin1");
        this.pieces.push(bytes.length);
      },
      hangUp: () => {
        this.hungUp = true;
      },
    });
  }

  send(text: string): void {
    this.port.receive(Buffer.from(text, "latin1"));
  }

  /** Sends a command line; answers all that came since, up to the final result code. */
  async command(line: string, limitMs = 600_000): Promise<string> {
    this.text = "";
    this.send(`${line}\r`);
    await this.until(() => final.test(this.text), limitMs);
    return this.text;
  }

  /** The information lines of a command's answer. */
  async lines(line: string): Promise<string[]> {
    const answer = await this.command(line);
    return answer.split("\r\n").filter((part) => part !== "" && part !== "OK" && !part.startsWith(line));
  }

  /** Lets virtual time go by, timer by timer, until it is so. */
  async until(done: () => boolean, limitMs = 600_000): Promise<void> {
    const endMs = this.#clock.monotonicMs() + limitMs;
    await this.#clock.advance(0);
    while (!done()) {
      const leftMs = endMs - this.#clock.monotonicMs();
      if (leftMs <= 0) throw new Error(`not seen in ${limitMs} ms; so far ${JSON.stringify(this.text)}`);
      await this.#clock.advance(Math.min(this.#clock.nextTimerInMs() ?? leftMs, leftMs));
    }
  }

  async shows(text: string): Promise<void> {
    await this.until(() => this.text.includes(text));
  }
}

export interface Bench {
  readonly clock: VirtualClock;
  readonly world: World;
  readonly faults: Faults;
  readonly card: StubCard;
  readonly modem: VirtualModem;
  readonly host: Host;
}

/** A booted module; its port as a real one greets its host: echo on, plain ERROR. */
export async function bench(
  options: Partial<VirtualModemOptions> & { readonly noCard?: boolean; readonly uicc?: Uicc } = {},
): Promise<Bench> {
  const clock = new VirtualClock({ ms: Date.UTC(2026, 5, 1, 12) });
  const world = new World({ clock });
  const faults = new Faults();
  const card = new StubCard();
  const { noCard = false, ...rest } = options;
  const modem = new VirtualModem({ clock, world, faults, uicc: noCard ? undefined : card, imei: "356938035643809", ...rest });
  const host = new Host(modem, clock);
  modem.powerOn();
  await host.shows("RDY");
  return { clock, world, faults, card, modem, host };
}

/** The same, registered and with echo off and numeric errors. */
export async function readyBench(options: Parameters<typeof bench>[0] = {}): Promise<Bench> {
  const made = await bench(options);
  await made.host.command("ATE0+CMEE=1;+CEREG=2");
  await made.host.until(() => made.modem.registration.state.cell !== undefined);
  return made;
}
