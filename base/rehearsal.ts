// An order rehearsed: it runs as it always does, asks what only reads, and writes down what it would send instead of sending it. Whoever owns something
// that can be changed (port, eUICC, trail, journal) looks here whether it is one. It ends where what follows would depend on an answer.
import { AsyncLocalStorage } from "node:async_hooks";
import { SimwardError } from "./errors.ts";

export type RehearsedCommand =
  /** Whole, as it is before it is cut into APDUs. */
  | { readonly interface: "es10"; readonly name: string; readonly section: string; readonly command: Uint8Array }
  | { readonly interface: "at"; readonly line: string };

export class Rehearsal {
  readonly #commands: RehearsedCommand[] = [];
  readonly #over = new AbortController();

  /** What would be sent, in its order. */
  get commands(): readonly RehearsedCommand[] {
    return this.#commands;
  }

  /** Aborts when it has ended: nothing is tried again, and nothing undone. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Throws ABORTED once it has ended: what still runs of it sends nothing, and is not remembered for ever. */
  note(command: RehearsedCommand): void {
    this.#over.signal.throwIfAborted();
    this.#commands.push(command);
  }

  /** Who asked for it has his answer. */
  over(): void {
    this.#over.abort(new SimwardError("ABORTED", { detail: "rehearsed" }));
  }

  /** What comes now is not known before it runs. Throws ABORTED. */
  end(): never {
    const error = new SimwardError("ABORTED", { detail: "rehearsed" });
    this.#over.abort(error);
    throw error;
  }
}

const scope = new AsyncLocalStorage<Rehearsal>();

/** The one that runs now; undefined where things are meant. */
export function rehearsal(): Rehearsal | undefined {
  return scope.getStore();
}

export function inRehearsal<T>(one: Rehearsal, run: () => T): T {
  return scope.run(one, run);
}

/** What is begun so is meant, whoever happens to begin it: work that is everybody's. */
export function outOfRehearsal<T>(run: () => T): T {
  return scope.exit(run);
}

/** Whatever is asked of it ends the rehearsal: what it would do is not known beforehand. */
export function barred<T extends object>(going: Rehearsal): T {
  const bar: () => never = () => going.end();
  const whole: object = new Proxy(bar, { get: (_, name) => (typeof name === "symbol" || name === "then" ? undefined : whole) });
  return whole as T;
}
