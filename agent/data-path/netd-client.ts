// Asks simward-netd: one connection, one request at a time, answers in order; news of what it has started in between.
import { connect, type Socket } from "node:net";
import { type Clock, deadline } from "../../base/clock.ts";
import { type ErrorCode, errorTable, reasonOf, SimwardError } from "../../base/errors.ts";
import { Queue } from "../../base/queue.ts";

export interface NetdClient {
  /** Resolves with the answer's data, undefined where it has none. Throws NETD_ABSENT when nobody answers, NETD_ARGUMENT, NETD_FAILED, NETD_REFUSED, … as it says. */
  ask(verb: string, args: Readonly<Record<string, unknown>>, signal?: AbortSignal): Promise<unknown>;
  /** A pppd has ended; the connection's own end is the end of all that it started. */
  onPppEnd(fn: (end: { readonly interface: string | undefined; readonly how: string }) => void): () => void;
  /** The firewall was another program's doing, `times` since the last such news, and simward-netd has set it again as it was asked to. */
  onFirewallAltered(fn: (seen: FirewallAltered) => void): () => void;
  close(): void;
}

export interface FirewallAltered {
  /** unpaced: the queue that holds the fleet's pace is gone or another. */
  readonly how: "removed" | "altered" | "unpaced";
  readonly times: number;
}

/** The longest of its verbs runs the power hook. */
const answerLimitMs = 45_000;
const maxLineBytes = 65_536;

export function createNetdClient({ path, clock }: { readonly path: string; readonly clock: Clock }): NetdClient {
  const work = new Queue(64);
  const listeners = new Set<(end: { readonly interface: string | undefined; readonly how: string }) => void>();
  const alteredListeners = new Set<(seen: FirewallAltered) => void>();
  let socket: Socket | undefined;
  let refusal: SimwardError | undefined;
  /** On this connection. */
  let hasServed = false;
  let waiting: { readonly resolve: (line: string) => void; readonly reject: (error: SimwardError) => void } | undefined;

  const tell = (name: string | undefined, how: string): void => {
    for (const listener of [...listeners]) listener({ interface: name, how });
  };
  const absent = (why: string, cause?: unknown): SimwardError => new SimwardError("NETD_ABSENT", { detail: `${path}: ${why}`, cause });
  const opened = (): Promise<Socket> =>
    new Promise((resolve, reject) => {
      if (socket !== undefined) return resolve(socket);
      const made = connect(path);
      let failure: unknown;
      refusal = undefined;
      hasServed = false;
      made.once("connect", () => {
        socket = made;
        resolve(made);
      });
      made.on("error", (error) => {
        failure = error;
      });
      made.once("close", () => {
        const why = failure === undefined ? "the connection has ended" : reasonOf(failure);
        const reason = refusal ?? absent(why, failure);
        reject(reason);
        waiting?.reject(reason);
        if (socket !== made) return;
        socket = undefined;
        // Who never served has left nothing behind, and is not asked again for having gone.
        if (hasServed) tell(undefined, why);
      });
      let rest = "";
      made.setEncoding("utf8").on("data", (chunk: string) => {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        if (rest.length > maxLineBytes) made.destroy();
        for (const line of lines) heard(line);
      });
    });
  const heard = (line: string): void => {
    const said = parse(line);
    if (said?.event === "ppp.ended") tell(typeof said.interface === "string" ? said.interface : undefined, String(said.how));
    else if (said?.event === "firewall.altered") {
      const how = (["removed", "altered", "unpaced"] as const).find((one) => one === said.how) ?? "altered";
      for (const listener of [...alteredListeners]) listener({ how, times: typeof said.times === "number" ? said.times : 1 });
    } else {
      // Whoever is not served hears it once, before or after having asked, and is hung up on.
      const error = said?.error === undefined ? undefined : errorOf(said, line);
      if (waiting === undefined || error?.code === "NETD_FORBIDDEN") refusal = error;
      waiting?.resolve(line);
    }
  };

  return {
    ask: (verb, args, signal) =>
      work.run(async () => {
        const limit = deadline(clock, answerLimitMs, () => absent(`no answer to ${verb} within ${answerLimitMs / 1_000} s`), signal);
        try {
          const to = await Promise.race([opened(), whenAborted(limit.signal)]);
          const line = await new Promise<string>((resolve, reject) => {
            waiting = { resolve, reject };
            limit.signal.addEventListener("abort", () => reject(limit.signal.reason), { once: true });
            to.write(`${JSON.stringify({ verb, args })}\n`);
          });
          const data = dataOf(line);
          hasServed = true;
          return data;
        } catch (error) {
          // An answer that is still to come must not be taken for the next one's.
          if (limit.signal.aborted) socket?.destroy();
          throw error;
        } finally {
          waiting = undefined;
          limit.done();
        }
      }, signal),
    onPppEnd(fn) {
      listeners.add(fn);
      return () => listeners.delete(fn);
    },
    onFirewallAltered(fn) {
      alteredListeners.add(fn);
      return () => alteredListeners.delete(fn);
    },
    close() {
      work.close(absent("closed"));
      socket?.destroy();
    },
  };
}

function dataOf(line: string): unknown {
  const said = parse(line);
  if (said?.ok === true) return said.data;
  throw errorOf(said, line);
}

function errorOf(said: Readonly<Record<string, unknown>> | undefined, line: string): SimwardError {
  const { code, message } = (said?.error ?? {}) as { readonly code?: unknown; readonly message?: unknown };
  const known = typeof code === "string" && Object.hasOwn(errorTable, code) ? (code as ErrorCode) : "NETD_FAILED";
  const detail = typeof message === "string" ? message : line.slice(0, 200);
  // What went wrong is said once, though both ends say it.
  const prefix = `${errorTable[known].text}: `;
  const rest = detail.startsWith(prefix) ? detail.slice(prefix.length) : detail;
  return new SimwardError(known === "API_FORBIDDEN" ? "NETD_FORBIDDEN" : known, { detail: rest });
}

function parse(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const said: unknown = JSON.parse(line);
    return typeof said === "object" && said !== null ? (said as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
