// Two ways to ask the daemon: patiently, while it is away or busy (--wait), and only in words, without asking (--dry-run).
import type { Clock } from "../../base/clock.ts";
import { asSimwardError, isCode } from "../../base/errors.ts";
import type { ApiClient } from "./client.ts";
import type { Output } from "./output.ts";

/** What would have been asked was shown, and that was all. */
export class Rehearsed extends Error {}

/** Reads are carried out; of what changes something the request is shown, and the verb ends by Rehearsed. */
export function rehearsing(client: ApiClient, role: string, out: Output): ApiClient {
  return {
    ...client,
    call: (method, path, body) => {
      if (method === "GET") return client.call(method, path, body);
      const request = { schema: "simward/dry-run/1", role, method, path, body: body ?? {} };
      out.result(request, () => `would ask ${role}.sock: ${method} ${path} ${JSON.stringify(out.masked(request.body))}`);
      throw new Rehearsed();
    },
  };
}

const pauseMs = 1_000;

/** The daemon's being away or at work is no answer for as long as `waitMs`. */
export function patient(
  client: ApiClient,
  { waitMs, clock, signal, hint }: { waitMs: number; clock: Clock; signal: AbortSignal; hint: (text: string) => void },
): ApiClient {
  const untilMs = clock.monotonicMs() + waitMs;
  let isTold = false;
  const again = async <T>(ask: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!isCode(error, "API_NOT_RUNNING", "BUSY", "QUEUE_FULL") || clock.monotonicMs() + pauseMs > untilMs) throw error;
        if (!isTold) hint(`waiting: ${asSimwardError(error).message}`);
        isTold = true;
        await clock.sleep(pauseMs, signal);
      }
    }
  };
  return {
    call: (method, path, body) => again(() => client.call(method, path, body)),
    lines: (path, onLine, leaving, onOpen) => again(() => client.lines(path, onLine, leaving, onOpen)),
    textLines: (path, onLine, leaving, onOpen) => again(() => client.textLines(path, onLine, leaving, onOpen)),
  };
}
