// Carries the link machine out: opens the port, has the module initialised, notices when it goes away, and tries again.
import { type Clock, type Disposer, deadline } from "../base/clock.ts";
import { asSimwardError, SimwardError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { type MachineRunner, runMachine } from "../base/machine.ts";
import type { Random } from "../base/random.ts";
import { outOfRehearsal, type Rehearsal, rehearsal } from "../base/rehearsal.ts";
import { type OpenChannel, openChannel, parsePortAddress } from "./engine/channel.ts";
import { createAtPort, type OwnedAtPort } from "./engine/port.ts";
import type { AtPort, AtTraceEntry, ByteChannel } from "./engine/types.ts";
import { closedLink, type Link, type LinkEffect, type LinkInput, nextLink } from "./link.ts";
import { rehearsedPort } from "./rehearsed-port.ts";
import { Rescue, type RescueOptions, troubleOf } from "./rescue.ts";

export interface LinkKeeperOptions {
  readonly address: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: Random;
  readonly trace?: ((entry: AtTraceEntry) => void) | undefined;
  /** Instead of what the address says, for tests. */
  readonly open?: ((address: string, options: { readonly clock: Clock }) => Promise<ByteChannel>) | undefined;
  /** A port has been opened; nothing has been sent on it yet. */
  readonly onPort: (port: OwnedAtPort) => void;
  /** Brings the module into the state wanted. The link is ready when this resolves. */
  readonly initialise: (port: OwnedAtPort, signal: AbortSignal) => Promise<void>;
  readonly onReady: () => void;
  readonly onGone: (reason: string) => void;
  readonly onBack: () => void;
  /** What may be done about a module that does not answer, and who hears of it. */
  readonly rescue: Pick<RescueOptions, "mayDisturb" | "powerCycle" | "resets" | "bootMs" | "report">;
}

/** A module that does not answer this often in a row is given up, and its port opened anew. */
const timeoutsUntilLost = 10;
/** From the end of the quiet after a restart until it is ready. */
export const restartLimitMs = 180_000;
/** Enough to tell what speaks on a port. */
const heardOctets = 256;

export class LinkKeeper {
  readonly #options: LinkKeeperOptions;
  readonly #openChannel: OpenChannel;
  readonly #machine: MachineRunner<Link, LinkInput>;
  readonly #waiting = new Set<() => void>();
  #port: OwnedAtPort | undefined;
  #portAddress: string | undefined;
  readonly #rescue: Rescue;
  #opening = new AbortController();
  #probing = new AbortController();
  #cancelRetry: Disposer = () => undefined;
  #wasReady = false;
  #life = 0;
  #starts = 0;
  #complaint = "";
  #heard: Uint8Array = new Uint8Array();

  constructor(options: LinkKeeperOptions) {
    this.#options = options;
    const { address, open } = options;
    this.#openChannel = open === undefined ? parsePortAddress(address) : (o) => open(address, o);
    this.#rescue = new Rescue({ ...options.rescue, clock: options.clock, open: (at) => this.#openPort(at) });
    this.#machine = runMachine<Link, LinkInput, LinkEffect>({
      initial: closedLink,
      next: nextLink,
      // The link is everybody's: opened and initialised for a rehearsal it would stay one for all.
      perform: (effect) => outOfRehearsal(() => this.#perform(effect)),
      onChange: (link, input, before) => {
        if (link.kind !== before.kind) options.log.debug("modem.link", { from: before.kind, to: link.kind, because: input.kind });
        for (const wake of [...this.#waiting]) wake();
      },
    });
  }

  get state(): Link {
    return this.#machine.state;
  }

  /** While one is open, ready or not. */
  get port(): OwnedAtPort | undefined {
    return this.#port;
  }

  /** Ready, and no command under way or waiting. */
  get isFree(): boolean {
    return this.state.kind === "ready" && this.#port?.isBusy === false;
  }

  /** The end of what came on the port that is open, or was last, while the module was not ready. */
  get heard(): Uint8Array {
    return this.#heard;
  }

  /** How often the module was initialised. */
  get life(): number {
    return this.#life;
  }

  /** How often it said that it starts since it was ready last. */
  get starts(): number {
    return this.#starts;
  }

  /** Of the port that is open, or was last: for a module that is looked for, where it was found. */
  get portAddress(): string | undefined {
    return this.#portAddress;
  }

  start(): void {
    this.#machine.send({ kind: "open" });
  }

  async close(): Promise<void> {
    const port = this.#port;
    this.#machine.send({ kind: "close" });
    await port?.close();
  }

  /** The module says that it has started: whatever ran has ended, and it is to be initialised anew. */
  rebooted(port: OwnedAtPort, reason: string): void {
    if (this.#port !== port) return;
    this.#starts++;
    port.interrupt(new SimwardError("PORT_CLOSED", { detail: `${this.#options.address}: ${reason}` }));
    this.#machine.send({ kind: "rebooted", reason });
  }

  /** It has been told to restart: the port is left alone for that time, since it may hang up right after data. */
  resetting(reason: string, bootMs: number): void {
    this.#machine.send({ kind: "resetting", reason, bootMs });
  }

  /** Throws MODEM_ABSENT before the module was ever ready, PORT_CLOSED after. */
  readyPort(): AtPort {
    const port = this.cardPort();
    const going = rehearsal();
    return going === undefined ? port : rehearsedPort(port, going);
  }

  /** The same for APDUs: which of them may go out is decided where their meaning is known. */
  cardPort(): OwnedAtPort {
    if (this.state.kind !== "ready" || this.#port === undefined) throw this.#notReady();
    return this.#port;
  }

  /** Runs an operation on the port, and notices when the module has stopped answering. */
  async use<T>(signal: AbortSignal | undefined, run: (port: AtPort) => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    const port = this.cardPort();
    const going = rehearsal();
    if (going !== undefined) return this.#rehearse(going, () => run(this.readyPort()));
    try {
      return await run(signal === undefined ? port : port.with({ signal }));
    } catch (error) {
      if (port === this.#port && port.consecutiveTimeouts >= timeoutsUntilLost) {
        this.#rescue.failed(this.#options.address, "silent");
        this.#machine.send({ kind: "silent", reason: `${port.consecutiveTimeouts} answers in a row did not come in time` });
      }
      throw error;
    }
  }

  /** An operation that would have sent something is at its end with that: what it thinks to have done it has not. */
  async #rehearse<T>(going: Rehearsal, run: () => Promise<T>): Promise<T> {
    const { length } = going.commands;
    try {
      return await run();
    } finally {
      if (going.commands.length > length) going.end();
    }
  }

  async ready(signal?: AbortSignal): Promise<void> {
    for (;;) {
      signal?.throwIfAborted();
      if (this.state.kind === "ready") return;
      if (this.state.kind === "closed") throw this.#notReady();
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          signal?.removeEventListener("abort", wake);
          resolve();
        };
        this.#waiting.add(wake);
        signal?.addEventListener("abort", wake, { once: true });
      });
    }
  }

  /** The same for a module that is restarting. Throws MODEM_ABSENT. */
  async readyAgain(signal: AbortSignal | undefined): Promise<void> {
    const { address, clock } = this.#options;
    const late = (): SimwardError =>
      new SimwardError("MODEM_ABSENT", { detail: `${address}: not back within ${restartLimitMs / 1_000} s` });
    const limit = deadline(clock, restartLimitMs, late, signal);
    try {
      await this.ready(limit.signal);
    } finally {
      limit.done();
    }
  }

  #perform(effect: LinkEffect): void {
    const { clock, random, onReady, onGone, onBack } = this.#options;
    switch (effect.kind) {
      case "openPort":
        void this.#open();
        break;
      case "probe":
        void this.#probe();
        break;
      case "closePort":
        this.#opening.abort(this.#notReady());
        this.#probing.abort(this.#notReady());
        void this.#port?.close();
        this.#port = undefined;
        break;
      case "retryAfter": {
        // Spread, so that what disturbs the module at fixed times is not met each time.
        const delayMs = effect.delayMs * (0.75 + random.unit() / 2);
        this.#cancelRetry = clock.after(delayMs, () => this.#machine.send({ kind: "retry" }));
        break;
      }
      case "cancelRetry":
        this.#cancelRetry();
        break;
      case "announceReady":
        this.#wasReady = true;
        this.#starts = 0;
        this.#heard = new Uint8Array();
        this.#complaint = "";
        this.#rescue.answered();
        onReady();
        break;
      case "announceGone":
        onGone(effect.reason);
        break;
      case "announceBack":
        onBack();
        break;
    }
  }

  async #open(): Promise<void> {
    const { address } = this.#options;
    const opening = new AbortController();
    this.#opening = opening;
    try {
      const port = await this.#rescue.open(address, opening.signal);
      if (this.state.kind !== "opening" || opening.signal.aborted) {
        await port.close();
        return;
      }
      this.#port = port;
      void port.closed.then((end) => {
        if (this.#port !== port) return;
        this.#port = undefined;
        this.#probing.abort(this.#notReady());
        if (this.state.kind === "probing") this.#rescue.failed(address, "absent");
        this.#machine.send({ kind: "ended", reason: `the port ended (${end.kind})` });
      });
      this.#machine.send({ kind: "opened" });
    } catch (error) {
      if (opening.signal.aborted) return;
      const cause = asSimwardError(error, "PORT_OPEN");
      this.#rescue.failed(address, troubleOf(cause, "open"));
      this.#machine.send({ kind: "openFailed", reason: this.#complain(cause) });
    }
  }

  /** Whatever is said on it is heard from the beginning. */
  async #openPort(address: string): Promise<OwnedAtPort> {
    const { clock, log, trace, open, rescue, onPort } = this.#options;
    // Only what was made of the configured address remembers where that module was found.
    const channel = await (address === this.#options.address ? this.#openChannel({ clock }) : (open ?? openChannel)(address, { clock }));
    this.#portAddress = channel.address;
    let isNew = true;
    const port: OwnedAtPort = createAtPort({
      ...{ channel, clock, log },
      ...(trace === undefined ? {} : { trace }),
      mayEscape: () => rescue.mayDisturb?.() === undefined,
      onEchoAgain: () => this.rebooted(port, "the module has restarted (its echo is back)"),
    });
    onPort(port);
    channel.onData((octets) => {
      if (this.state.kind === "ready") return;
      // What was said before the port was opened again is true until something else is.
      this.#heard = Uint8Array.from([...(isNew ? [] : this.#heard), ...octets].slice(-heardOctets));
      isNew = false;
    });
    return port;
  }

  async #probe(): Promise<void> {
    this.#probing.abort(new SimwardError("ABORTED", { detail: "the module has restarted" }));
    const probing = new AbortController();
    this.#probing = probing;
    const port = this.#port;
    if (port === undefined) return;
    try {
      this.#life++;
      await this.#options.initialise(port, probing.signal);
      if (!probing.signal.aborted) this.#machine.send({ kind: "probed" });
    } catch (error) {
      if (probing.signal.aborted) return;
      const cause = asSimwardError(error);
      this.#rescue.failed(this.#options.address, troubleOf(cause, "initialise"));
      this.#machine.send({ kind: "probeFailed", reason: this.#complain(cause) });
    }
  }

  /** Every retry meets the same trouble: the log has it once, and again when it changes. */
  #complain(error: SimwardError): string {
    const { address, log } = this.#options;
    if (error.message === this.#complaint) log.debug("modem.unreachable", { address, error });
    else log.warn("modem.unreachable", { address, error });
    this.#complaint = error.message;
    return error.message;
  }

  #notReady(): SimwardError {
    const link = this.state;
    const reason = "reason" in link && link.reason !== undefined ? `: ${link.reason}` : "";
    const code = this.#wasReady || link.kind === "closed" ? "PORT_CLOSED" : "MODEM_ABSENT";
    return new SimwardError(code, { detail: `${this.#options.address} is ${link.kind}${reason}` });
  }
}
