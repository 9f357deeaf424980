// The far end of a byte channel in memory: plays a module from a function that answers command lines, and says whatever a test wants.

import type { ByteChannel, ChannelEnd } from "../../at-drivers/engine/types.ts";
import type { Disposer } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";

export type Answer = string | undefined;

/** What every module answers to the questions by which a port finds it again. */
export function answersProbe(line: string): Answer {
  if (line.startsWith("ATE0Q0V1")) return ok();
  if (line === "AT+CMEE?") return info("+CMEE: 1");
  if (line === "AT+CGATT?") return info("+CGATT: 1");
  if (line === "AT+CSQ") return info("+CSQ: 20,99");
  if (line === "AT+CFUN?") return info("+CFUN: 1");
  return undefined;
}

export function ok(): string {
  return "\r\nOK\r\n";
}

export function info(...lines: readonly string[]): string {
  return `${lines.map((line) => `\r\n${line}\r\n`).join("")}${ok()}`;
}

export class FarEnd {
  readonly channel: ByteChannel;
  /** Command lines in the order they came. */
  readonly received: string[] = [];
  /** The raw octets, as latin1. */
  octets = "";
  answer: (line: string) => Answer;
  #listeners = new Set<(octets: Uint8Array) => void>();
  #resolve: (end: ChannelEnd) => void = () => undefined;
  #partial = "";
  #ended = false;
  /** Nothing is taken any more: flow control has stopped the line. */
  stuck = false;

  constructor(answer: (line: string) => Answer, address = "memory:module") {
    this.answer = answer;
    const closed = new Promise<ChannelEnd>((resolve) => {
      this.#resolve = resolve;
    });
    this.channel = {
      address,
      closed,
      onData: (fn): Disposer => {
        this.#listeners.add(fn);
        return () => this.#listeners.delete(fn);
      },
      write: (octets) => this.#take(octets),
      close: async () => this.end({ kind: "closed" }),
    };
  }

  /** Octets towards the port, in one chunk unless told otherwise. */
  say(text: string, splitAt?: number): void {
    const octets = Buffer.from(text, "latin1");
    const parts = splitAt === undefined ? [octets] : [octets.subarray(0, splitAt), octets.subarray(splitAt)];
    for (const part of parts) for (const fn of this.#listeners) fn(part);
  }

  end(end: ChannelEnd): void {
    this.#ended = true;
    this.#resolve(end);
  }

  #take(octets: Uint8Array): Promise<void> {
    if (this.#ended) return Promise.reject(new SimwardError("PORT_CLOSED", { detail: "memory" }));
    if (this.stuck) return new Promise(() => undefined);
    const text = Buffer.from(octets).toString("latin1");
    this.octets += text;
    // ESC outside a text is skipped, like everything before `AT` (V.250 §5.2.1).
    this.#partial += text.replaceAll("\u001b", "");
    const lines = this.#partial.split("\r");
    this.#partial = lines.pop() ?? "";
    for (const line of lines) {
      this.received.push(line);
      const answer = this.answer(line);
      if (answer !== undefined) queueMicrotask(() => this.say(answer));
    }
    return Promise.resolve();
  }
}
