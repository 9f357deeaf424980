// Finds a module's AT port among those that are there, opens it, and finds the same module again when it has gone and come back under
// another name. One finder belongs to one module.
import type { Clock } from "../../base/clock.ts";
import { asSimwardError, isCode, SimwardError } from "../../base/errors.ts";
import { openTty } from "../engine/channels/tty.ts";
import type { ByteChannel } from "../engine/types.ts";
import { probe, verdictTexts } from "./probe.ts";
import { type Candidate, type Found, isSameModule, parseWanted, survey, type Wanted } from "./survey.ts";
import { type Sysfs, usbTtys } from "./sysfs.ts";

export interface FinderOptions {
  readonly sysfs?: Sysfs | undefined;
  /** Instead of a serial port at its usual speed, for tests. */
  readonly openPort?: ((device: string, clock: Clock) => Promise<ByteChannel>) | undefined;
}

/** How long a module that went away is waited for before another one is taken in its place: it restarts within that. */
export const holdMs = 60_000;
const baudRate = 115_200;

export class Finder {
  readonly #address: string;
  readonly #wanted: Wanted;
  readonly #sysfs: Sysfs;
  readonly #openPort: (device: string, clock: Clock) => Promise<ByteChannel>;
  #before: (Found & { readonly lastSeenMs: number }) | undefined;

  /** Throws PORT_ADDRESS. */
  constructor(address: string, { sysfs = {}, openPort = openSerial }: FinderOptions = {}) {
    this.#address = address;
    this.#wanted = parseWanted(address);
    this.#sysfs = sysfs;
    this.#openPort = openPort;
  }

  /** Throws MODEM_ABSENT when nothing is there, PORT_BUSY when somebody else holds what may be it, PORT_OPEN when nothing that is there answers. */
  async open(clock: Clock): Promise<ByteChannel> {
    const all = survey(await usbTtys(this.#sysfs), this.#wanted, this.#before);
    const candidates = this.#heldBack(
      all.filter(({ skipped }) => skipped === undefined),
      clock,
    );
    if (candidates.length === 0) throw new SimwardError("MODEM_ABSENT", { detail: `${this.#address}: ${describeSkipped(all)}` });
    const tried: string[] = [];
    let busy: SimwardError | undefined;
    /** Known for its AT port, and silent: it may hang, and what wakes it needs an open port. */
    let silent: Candidate | undefined;
    for (const candidate of candidates) {
      const { tty, role } = candidate;
      try {
        const channel = await this.#openPort(tty.device, clock);
        const verdict = await probe(channel, clock);
        if (verdict === "at") return this.#keep(candidate, channel, clock);
        await channel.close();
        tried.push(`${tty.device} ${verdictTexts[verdict]}`);
        const isKnown = role === "at" || this.#before?.interface === tty.usb.number;
        if (verdict === "silent" && isKnown) silent ??= candidate;
      } catch (error) {
        const e = asSimwardError(error, "PORT_OPEN");
        if (isCode(e, "PORT_BUSY")) busy ??= e;
        tried.push(e.detail ?? e.message);
      }
    }
    if (busy !== undefined) throw new SimwardError("PORT_BUSY", { detail: `${this.#address}: ${tried.join("; ")}`, cause: busy });
    if (silent !== undefined) return this.#keep(silent, await this.#openPort(silent.tty.device, clock), clock);
    throw new SimwardError("PORT_OPEN", { detail: `${this.#address}: ${tried.join("; ")}` });
  }

  /** While the module that was found before may still come back, another one is none. */
  #heldBack(candidates: readonly Candidate[], clock: Clock): readonly Candidate[] {
    const before = this.#before;
    if (before === undefined || this.#wanted.kind === "usb") return candidates;
    const same = candidates.filter(({ tty }) => isSameModule(tty.usb, before));
    return same.length > 0 || clock.monotonicMs() - before.lastSeenMs < holdMs ? same : candidates;
  }

  #keep({ tty: { usb } }: Candidate, channel: ByteChannel, clock: Clock): ByteChannel {
    const { vendor, serial, path, number } = usb;
    const remember = (): void => {
      this.#before = { vendor, serial, path, interface: number, lastSeenMs: clock.monotonicMs() };
    };
    remember();
    void channel.closed.then(remember);
    return channel;
  }
}

function openSerial(device: string, clock: Clock): Promise<ByteChannel> {
  return openTty({ address: `serial:${device}`, path: device, baudRate, refuseOthers: true, clock });
}

function describeSkipped(all: readonly Candidate[]): string {
  if (all.length === 0) return "no USB serial port is there";
  return all.map(({ tty, skipped }) => `${tty.device}: ${skipped ?? "of another module than the one that was found before"}`).join("; ");
}
