// Carries the recovery ladder out: opens the port in the way that the step due has it, and says what came of each.
import { type Clock, deadline } from "../base/clock.ts";
import { isCode, SimwardError } from "../base/errors.ts";
import { type MachineRunner, runMachine } from "../base/machine.ts";
import { resetByCfun } from "./commands/general.ts";
import { atOtherRates } from "./engine/channel.ts";
import type { OwnedAtPort } from "./engine/port.ts";
import { nextRecovery, type Recovery, type RecoveryEffect, type RecoveryInput, well } from "./recovery.ts";
import { abortable } from "./retry.ts";
import type { ModemEvent, RecoveryStep, RecoveryTrouble } from "./types.ts";

export type RecoveryEvent = Extract<ModemEvent, { kind: "recovery" }>;

export interface RescueOptions {
  readonly clock: Clock;
  /** Opens the port at this address; nothing has been sent on it yet. */
  readonly open: (address: string) => Promise<OwnedAtPort>;
  /** Why nothing may be done now that could end a call or a session; undefined: it may. */
  readonly mayDisturb?: (() => string | undefined) | undefined;
  /** Takes the module's power away and gives it back. */
  readonly powerCycle?: (() => Promise<void>) | undefined;
  /** Command lines that restart this module, besides the standard's. */
  readonly resets: () => readonly string[];
  /** How long to leave it alone after a restart. */
  readonly bootMs: () => number;
  readonly report: (event: RecoveryEvent) => void;
}

const huntMs = 3_000;
const powerLimitMs = 60_000;
const leastBootMs = 5_000;

/** What an error of opening or initialising says about the module; undefined: nothing, the port is another's. */
export function troubleOf(error: unknown, during: "open" | "initialise"): RecoveryTrouble | undefined {
  if (isCode(error, "PORT_BUSY", "PORT_ADDRESS", "ABORTED")) return undefined;
  if (isCode(error, "AT_TIMEOUT", "AT_LINE_TOO_LONG")) return "silent";
  return during === "open" || isCode(error, "PORT_CLOSED") ? "absent" : "unfit";
}

export class Rescue {
  readonly #options: RescueOptions;
  readonly #machine: MachineRunner<Recovery, RecoveryInput>;
  #due: RecoveryStep | undefined;
  #undone: string | undefined;
  /** Where the module was found at another rate than the configured. */
  #foundAt: { readonly configured: string; readonly address: string } | undefined;

  constructor(options: RescueOptions) {
    this.#options = options;
    this.#machine = runMachine<Recovery, RecoveryInput, RecoveryEffect>({
      initial: well,
      next: nextRecovery,
      perform: (effect) => this.#perform(effect),
    });
  }

  /** `address` is the port's as it is configured or was found. */
  failed(address: string, trouble: RecoveryTrouble | undefined): void {
    if (trouble === undefined) return;
    const { clock, mayDisturb } = this.#options;
    const undone = this.#undone;
    this.#undone = undefined;
    if (trouble === "silent") this.#foundAt = undefined;
    this.#machine.send({ kind: "failed", trouble, nowMs: clock.monotonicMs(), can: this.#can(address), held: mayDisturb?.(), undone });
  }

  answered(): void {
    this.#machine.send({ kind: "answered", nowMs: this.#options.clock.monotonicMs() });
  }

  /** Opens the port as the step due has it. Throws what opening it throws, AT_TIMEOUT, DEADLINE. */
  async open(address: string, signal: AbortSignal): Promise<OwnedAtPort> {
    const step = this.#due;
    this.#due = undefined;
    const held = this.#options.mayDisturb?.();
    if (step === undefined || step === "reopen" || step === "marker" || step === "card-restart") return this.#openAt(address);
    if (held !== undefined) {
      this.#undone = held;
      return this.#openAt(address);
    }
    try {
      return await this.#take(step, address, signal);
    } catch (error) {
      if (!isCode(error, "AT_TIMEOUT")) this.#undone = error instanceof Error ? error.message : String(error);
      throw error;
    }
  }

  #perform(effect: RecoveryEffect): void {
    if (effect.do === "take") {
      this.#due = effect.step;
      return;
    }
    const { do: _, ...said } = effect;
    const found = effect.step === "baud-hunt" && effect.outcome === "answered" ? this.#foundAt : undefined;
    this.#options.report({ kind: "recovery", ...said, ...(found === undefined ? {} : { reason: `found at ${found.address}` }) });
  }

  #can(address: string): ReadonlySet<RecoveryStep> {
    const able: RecoveryStep[] = ["reopen", "marker", "escape", "cfun-reset"];
    if (atOtherRates(address).length > 0) able.push("baud-hunt");
    if (this.#moduleResets().length > 0) able.push("module-reset");
    if (this.#options.powerCycle !== undefined) able.push("power");
    return new Set(able);
  }

  #moduleResets(): readonly string[] {
    return this.#options.resets().filter((line) => line !== resetByCfun.text());
  }

  #openAt(address: string): Promise<OwnedAtPort> {
    const found = this.#foundAt?.configured === address ? this.#foundAt.address : address;
    return this.#options.open(found);
  }

  async #take(
    step: Exclude<RecoveryStep, "reopen" | "marker" | "card-restart">,
    address: string,
    signal: AbortSignal,
  ): Promise<OwnedAtPort> {
    switch (step) {
      case "escape": {
        const port = await this.#openAt(address);
        await orClose(port, port.breakOut(signal));
        return port;
      }
      case "baud-hunt":
        return this.#hunt(address, signal);
      case "cfun-reset":
        return this.#restart([resetByCfun.text()], address, signal);
      case "module-reset":
        return this.#restart(this.#moduleResets(), address, signal);
      case "power":
        await this.#switchPower(signal);
        return this.#afterBoot(address, signal);
    }
  }

  async #hunt(configured: string, signal: AbortSignal): Promise<OwnedAtPort> {
    for (const address of atOtherRates(configured)) {
      let port: OwnedAtPort | undefined;
      try {
        port = await this.#options.open(address);
        await port.resync(huntMs, signal);
        this.#foundAt = { configured, address };
        return port;
      } catch (error) {
        await port?.close();
        // Not every port can be set to every rate.
        if (!isCode(error, "AT_TIMEOUT", "AT_LINE_TOO_LONG", "PORT_OPEN", "PORT_CLOSED")) throw error;
        signal.throwIfAborted();
      }
    }
    throw new SimwardError("AT_TIMEOUT", { detail: `${configured}: no answer at any of the usual rates` });
  }

  /** It may hang up right behind the command: the port is closed, and opened again when the module has had its time. */
  async #restart(lines: readonly string[], address: string, signal: AbortSignal): Promise<OwnedAtPort> {
    const port = await this.#openAt(address);
    try {
      for (const line of lines) await port.shout(line, signal);
    } catch (error) {
      // That the port has gone is what was wanted.
      if (!isCode(error, "PORT_CLOSED")) throw error;
    } finally {
      await port.close();
    }
    return this.#afterBoot(address, signal);
  }

  async #afterBoot(address: string, signal: AbortSignal): Promise<OwnedAtPort> {
    await this.#options.clock.sleep(Math.max(leastBootMs, this.#options.bootMs()), signal);
    return this.#openAt(address);
  }

  async #switchPower(signal: AbortSignal): Promise<void> {
    const late = (): SimwardError => new SimwardError("DEADLINE", { detail: `the module's power: ${powerLimitMs / 1_000} s` });
    const limit = deadline(this.#options.clock, powerLimitMs, late, signal);
    try {
      await abortable(this.#options.powerCycle?.() ?? Promise.resolve(), limit.signal);
    } finally {
      limit.done();
    }
  }
}

async function orClose(port: OwnedAtPort, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    await port.close();
    throw error;
  }
}
