// Ways to ask the daemon: no faster than it takes questions, patiently, while it is away or busy (--wait), and what it would do, without having it done
// (--dry-run).
import type { Clock } from "../../base/clock.ts";
import { asSimwardError, isCode, SimwardError } from "../../base/errors.ts";
import type { DryRunCommand, DryRunReport } from "../api/dry-run-types.ts";
import type { ApiClient } from "./client.ts";
import type { Output } from "./output.ts";

/** What would have been asked was shown, and that was all. */
export class Rehearsed extends Error {}

const outcomes: Readonly<Record<DryRunReport["outcome"], string>> = {
  commands: "what follows depends on the answer, and is not known before it runs; nothing was sent",
  nothing: "nothing would be sent: it is so already",
  unknown: "what it would send to card, module or servers is not known before it runs; nothing was sent",
};

/** Tag 5A: the ICCID, nibbles swapped. */
const withoutIccid = (command: DryRunCommand): DryRunCommand =>
  command.interface === "at"
    ? command
    : { ...command, apdus: command.apdus.map((apdu) => apdu.replace(/(5A0A[0-9A-F]{4})[0-9A-F]{12}(?=[0-9A-F]{4})/, "$1…")) };

/** Reads are carried out; of what changes something it is shown what the daemon says it would send, and the verb ends by Rehearsed. */
export function rehearsing(client: ApiClient, role: string, out: Output): ApiClient {
  return {
    ...client,
    async call(method, path, body = {}) {
      if (method === "GET") return client.call(method, path);
      const { outcome, commands: plain } = await client.call<DryRunReport>("POST", "/v1/dry-run", { method, path, body });
      const commands = out.showIds ? plain : plain.map(withoutIccid);
      out.result({ schema: "simward/dry-run/1", role, method, path, body, outcome, commands }, () =>
        [
          `would ask ${role}.sock: ${method} ${path} ${JSON.stringify(out.masked(body as object))}`,
          ...commands.flatMap((one) =>
            one.interface === "at" ? [`  ${one.line}`] : [`  ${one.name} (${one.section})`, ...one.apdus.map((apdu) => `    ${apdu}`)],
          ),
          outcomes[outcome],
        ].join("\n"),
      );
      throw new Rehearsed();
    },
  };
}

/** Whoever asked too often asks again when the daemon says, as long as that is within `limitMs` in all. What was refused so was not carried out. */
export function courteous(
  client: ApiClient,
  { limitMs, clock, signal, hint }: { limitMs: number; clock: Clock; signal: AbortSignal; hint: (text: string) => void },
): ApiClient {
  const untilMs = clock.monotonicMs() + limitMs;
  const again = async <T>(ask: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!isCode(error, "API_RATE") || typeof error.data.retryAfterSeconds !== "number") throw error;
        const { retryAfterSeconds: seconds } = error.data;
        if (clock.monotonicMs() + seconds * 1_000 > untilMs) {
          const next = `type it again in ${seconds} s, or with a longer --timeout`;
          throw new SimwardError("API_RATE", { ...(error.detail === undefined ? {} : { detail: error.detail }), next, cause: error });
        }
        hint(`this user asked the daemon too often: asked again in ${seconds} s, as it says`);
        await clock.sleep(seconds * 1_000, signal);
      }
    }
  };
  return {
    call: (method, path, body) => again(() => client.call(method, path, body)),
    lines: (path, onLine, leaving, onOpen) => again(() => client.lines(path, onLine, leaving, onOpen)),
    textLines: (path, onLine, leaving, onOpen) => again(() => client.textLines(path, onLine, leaving, onOpen)),
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
  // An order that was on its way when the daemon went away may have been carried out: it is not given twice.
  const again = async <T>(ask: () => Promise<T>, isOrder = false): Promise<T> => {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        const isWaitedFor = isCode(error, "API_NOT_RUNNING", "BUSY", "QUEUE_FULL") || (isCode(error, "API_GONE") && !isOrder);
        if (!isWaitedFor || clock.monotonicMs() + pauseMs > untilMs) throw error;
        if (!isTold) hint(`waiting: ${asSimwardError(error).message}`);
        isTold = true;
        await clock.sleep(pauseMs, signal);
      }
    }
  };
  return {
    call: (method, path, body) => again(() => client.call(method, path, body), method !== "GET"),
    lines: (path, onLine, leaving, onOpen) => again(() => client.lines(path, onLine, leaving, onOpen)),
    textLines: (path, onLine, leaving, onOpen) => again(() => client.textLines(path, onLine, leaving, onOpen)),
  };
}
