// One connection to simward-netd: one request at a time, answers in order, and in between the news of what was started on it.
import { connect, type Socket } from "node:net";
import { type Clock, deadline } from "../../base/clock.ts";
import { type ErrorCode, errorTable, reasonOf, SimwardError } from "../../base/errors.ts";
import { Queue } from "../../base/queue.ts";

export interface NetdLineOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly onNews: (news: Readonly<Record<string, unknown>>) => void;
  /** Whoever had served has gone, and what it had started here is nobody's. */
  readonly onEnd: (how: string) => void;
}

export interface NetdLine {
  /** Resolves with the answer's data. Throws NETD_ABSENT when nobody answers, and what simward-netd says. */
  ask(verb: string, args: Readonly<Record<string, unknown>>, signal?: AbortSignal): Promise<unknown>;
  close(): void;
}

interface Connection {
  readonly socket: Socket;
  hasServed: boolean;
  refusal: SimwardError | undefined;
  waiting: { readonly resolve: (line: string) => void; readonly reject: (error: SimwardError) => void } | undefined;
}

/** The longest of its verbs runs the power hook. */
const answerLimitMs = 45_000;
const maxLineBytes = 65_536;

export function createNetdLine({ path, clock, onNews, onEnd }: NetdLineOptions): NetdLine {
  const work = new Queue(64);
  let current: Connection | undefined;

  const absent = (why: string, cause?: unknown): SimwardError => new SimwardError("NETD_ABSENT", { detail: `${path}: ${why}`, cause });
  const open = (): Connection => {
    const socket = connect(path);
    const made: Connection = { socket, hasServed: false, refusal: undefined, waiting: undefined };
    current = made;
    let failure: unknown;
    socket.on("error", (error) => {
      failure = error;
    });
    socket.once("close", () => {
      if (current === made) current = undefined;
      const why = failure === undefined ? "the connection has ended" : reasonOf(failure);
      made.waiting?.reject(made.refusal ?? absent(why, failure));
      // Who never served has left nothing behind, and is not asked again for having gone.
      if (made.hasServed) onEnd(why);
    });
    let rest = "";
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > maxLineBytes) socket.destroy();
      for (const line of lines) heard(made, line);
    });
    return made;
  };
  const heard = (from: Connection, line: string): void => {
    const said = parse(line);
    if (said?.event !== undefined) {
      onNews(said);
      return;
    }
    // Whoever is not served hears it once, before or after having asked, and is hung up on.
    const error = said?.error === undefined ? undefined : errorOf(said, line);
    if (from.waiting === undefined || error?.code === "NETD_FORBIDDEN") from.refusal = error;
    from.waiting?.resolve(line);
  };

  return {
    ask: (verb, args, signal) =>
      work.run(async () => {
        const limit = deadline(clock, answerLimitMs, () => absent(`no answer to ${verb} within ${answerLimitMs / 1_000} s`), signal);
        const to = current?.socket.destroyed === false ? current : open();
        try {
          const line = await new Promise<string>((resolve, reject) => {
            limit.signal.throwIfAborted();
            to.waiting = { resolve, reject };
            limit.signal.addEventListener("abort", () => reject(limit.signal.reason), { once: true });
            to.socket.write(`${JSON.stringify({ verb, args })}\n`);
          });
          const data = dataOf(line);
          to.hasServed = true;
          return data;
        } catch (error) {
          // An answer that is still to come must not be taken for the next one's: that one has a connection of its own, at once.
          if (limit.signal.aborted) {
            if (current === to) current = undefined;
            to.socket.destroy();
          }
          throw error;
        } finally {
          to.waiting = undefined;
          limit.done();
        }
      }, signal),
    close() {
      work.close(absent("closed"));
      current?.socket.destroy();
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
