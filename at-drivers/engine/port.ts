// One module's AT port: one command in flight, its reply told from everything else that arrives, URCs handed to who asked for them.
// After a timeout nothing is believed until the module has answered a question of ours (resync.ts).
import type { Clock, Disposer } from "../../base/clock.ts";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import { type Log, silentLog } from "../../base/log.ts";
import { Queue } from "../../base/queue.ts";
import { traceId } from "../../base/trace.ts";
import { afterPrefix, ReplyCollector } from "./reply.ts";
import { finalResult } from "./results.ts";
import { escapeGuardMs, resync } from "./resync.ts";
import { type Token, Tokenizer } from "./tokenizer.ts";
import type { AtCommand, AtPort, AtReply, AtTraceEntry, ByteChannel, ChannelEnd, SendOptions } from "./types.ts";

export interface AtPortOptions {
  readonly channel: ByteChannel;
  readonly clock: Clock;
  readonly log?: Log;
  readonly trace?: (entry: AtTraceEntry) => void;
  /** Silence after a final result before the next command. */
  readonly gapMs?: number;
  /** How long a command may wait for a module that has to be found again first. */
  readonly resyncTimeoutMs?: number;
  /** Beginnings of lines that are unsolicited even though nobody listens; those of the form `+NAME:` are known without it. */
  readonly urcs?: readonly string[];
  /** Whether `+++` may be sent to a module that does not answer; it takes a data call back to commands. */
  readonly mayEscape?: (() => boolean) | undefined;
  /** The echo that we had switched off is back: the module has started anew, though it may not have said so. */
  readonly onEchoAgain?: (() => void) | undefined;
}

/** The owner's side of a port. */
export interface OwnedAtPort extends AtPort {
  /** A command is under way, or waits. */
  readonly isBusy: boolean;
  /** Makes sure that the module listens, talks text and answers us. Throws AT_TIMEOUT. */
  resync(timeoutMs: number, signal?: AbortSignal): Promise<void>;
  /** The module has started anew: gives up on the command in flight, and greets before the next. */
  interrupt(reason: SimwardError): void;
  /** Out of whatever text or data state the port may be stuck in: ESC, then `+++` between its silences. Nothing is read. */
  breakOut(signal?: AbortSignal): Promise<void>;
  /** Sends a command line to a module that does not answer, in the hope that it listens; what it answers is nobody's. */
  shout(line: string, signal?: AbortSignal): Promise<void>;
  /** What the family says once it is known. */
  tune(settings: { readonly gapMs: number; readonly urcs: readonly string[] }): void;
}

/** Greeting of a module in an unknown state: text results, no echo. */
const hello = "ATE0Q0V1";
const maxReplyCharacters = 262_144;
const escapeKey = "\u001b";
/** What was shouted has left by then, unless flow control has stopped the line. */
const shoutMs = 1_000;

/** Noise hides an echo now and then, also that of a module which cannot be brought to leave it. */
const surelyWithoutEcho = 3;

/** What the port keeps of a command whose reply is under way or was given up. */
type CommandTraits = Pick<AtCommand<never, unknown>, "name" | "prefix" | "sensitive" | "carriesApdu">;

interface Consumer {
  readonly token: (token: Token) => void;
  readonly fail: (reason: SimwardError) => void;
  /** Whose lines must not show. */
  readonly command: CommandTraits | undefined;
  /** Of who asked: what is read comes in another context. */
  readonly traceId: string | undefined;
}

/** Why nothing can be believed at the moment. */
interface Doubt {
  readonly hello: boolean;
  readonly command: CommandTraits | undefined;
}

export function createAtPort(options: AtPortOptions): OwnedAtPort {
  return new Port(options);
}

class Port implements OwnedAtPort {
  readonly #channel: ByteChannel;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #trace: ((entry: AtTraceEntry) => void) | undefined;
  readonly #resyncTimeoutMs: number;
  readonly #mayEscape: () => boolean;
  readonly #onEchoAgain: () => void;
  readonly #queue = new Queue(200);
  readonly #tokenizer = new Tokenizer();
  readonly #listeners = new Map<string, Set<(line: string) => void>>();
  readonly #outstanding: string[] = [];
  #gapMs: number;
  #urcs: readonly string[];
  #consumer: Consumer | undefined;
  #doubt: Doubt | undefined = { hello: true, command: undefined };
  #echoOn = false;
  /** How many replies in a row came without one. */
  #withoutEcho = 0;
  #lastFinalMs = Number.NEGATIVE_INFINITY;
  #lastOctetMs = Number.NEGATIVE_INFINITY;
  #ended: SimwardError | undefined;
  consecutiveTimeouts = 0;

  constructor(options: AtPortOptions) {
    this.#channel = options.channel;
    this.#clock = options.clock;
    this.#log = options.log ?? silentLog;
    this.#trace = options.trace;
    this.#gapMs = options.gapMs ?? 20;
    this.#resyncTimeoutMs = options.resyncTimeoutMs ?? 10_000;
    this.#urcs = options.urcs ?? [];
    this.#mayEscape = options.mayEscape ?? (() => true);
    this.#onEchoAgain = options.onEchoAgain ?? (() => undefined);
    this.#channel.onData((octets) => this.#onData(octets));
    void this.#channel.closed.then((end) => this.#onEnd(end));
  }

  get closed(): Promise<ChannelEnd> {
    return this.#channel.closed;
  }

  get isBusy(): boolean {
    return this.#queue.busy;
  }

  close(): Promise<void> {
    return this.#channel.close();
  }

  with(options: SendOptions): AtPort {
    return new PortView(this, options);
  }

  tune(settings: { readonly gapMs: number; readonly urcs: readonly string[] }): void {
    this.#gapMs = settings.gapMs;
    this.#urcs = settings.urcs;
  }

  interrupt(reason: SimwardError): void {
    this.#doubt = { hello: true, command: this.#doubt?.command };
    this.#consumer?.fail(reason);
  }

  onUrc(prefix: string, fn: (line: string) => void): Disposer {
    const listeners = this.#listeners.get(prefix) ?? new Set();
    this.#listeners.set(prefix, listeners);
    listeners.add(fn);
    return () => {
      listeners.delete(fn);
      if (listeners.size === 0) this.#listeners.delete(prefix);
    };
  }

  send<A extends readonly unknown[], R>(command: AtCommand<A, R>, ...args: A): Promise<R> {
    return this.request(command, args, {});
  }

  async request<A extends readonly unknown[], R>(command: AtCommand<A, R>, args: A, options: SendOptions): Promise<R> {
    const text = command.text(...args);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a control character would end the command line early
    if (/[\x00-\x1f\x7f]|[^\x00-\xff]/.test(text))
      throw new SimwardError("AT_COMMAND", { detail: `${command.name}: it holds a control character or one outside latin1` });
    const { signal } = options;
    return this.#queue.run(async () => {
      if (this.#doubt !== undefined) await this.#resync(this.#resyncTimeoutMs, signal);
      await this.#gap(signal);
      const reply = await this.#exchange(command, args, text, options);
      try {
        return command.parse(reply);
      } catch (error) {
        // OK without the information that goes with it may be another command's OK.
        this.#doubtBecauseOf(command);
        throw asSimwardError(error, "AT_REPLY");
      }
    }, signal);
  }

  resync(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    return this.#queue.run(() => this.#resync(timeoutMs, signal), signal);
  }

  breakOut(signal?: AbortSignal): Promise<void> {
    return this.#queue.run(async () => {
      for (const text of [escapeKey, "+++", "\r"]) {
        this.#whisper(text);
        await this.#clock.sleep(escapeGuardMs, signal);
      }
    }, signal);
  }

  shout(line: string, signal?: AbortSignal): Promise<void> {
    return this.#queue.run(async () => {
      this.#whisper(`\r${line}\r`);
      await this.#clock.sleep(shoutMs, signal);
    }, signal);
  }

  /** Writes without waiting for it: a line that takes nothing must hold nobody up. */
  #whisper(text: string): void {
    this.#doubt = { hello: true, command: this.#doubt?.command };
    this.#write(text).catch(() => undefined);
  }

  async #gap(signal: AbortSignal | undefined): Promise<void> {
    const waitMs = this.#lastFinalMs + this.#gapMs - this.#clock.monotonicMs();
    if (waitMs > 0) await this.#clock.sleep(waitMs, signal);
    signal?.throwIfAborted();
  }

  #exchange<A extends readonly unknown[], R>(command: AtCommand<A, R>, args: A, text: string, options: SendOptions): Promise<AtReply> {
    const { signal } = options;
    const timeoutMs = options.timeoutMs ?? command.timeoutMs;
    const prefixOptional = command.prefixOptional ?? false;
    return new Promise<AtReply>((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      const collector = new ReplyCollector({
        name: command.name,
        text,
        prefix: command.prefix,
        prefixOptional,
        echoOn: this.#echoOn,
        isUrc: (line) => this.#isUrc(line),
      });
      let prompted = false;
      let left = false;
      const leave = (): void => {
        left = true;
        stopTimer();
        signal?.removeEventListener("abort", onAbort);
        this.#consumer = undefined;
        this.#tokenizer.expectPrompt = false;
      };
      const fail = (reason: unknown, doubtful: boolean): void => {
        if (left) return;
        leave();
        if (doubtful) this.#doubtBecauseOf(command);
        reject(reason);
      };
      /** The command is still the module's: it is told to stop where it can be, and its late reply is waited out before the next. */
      const giveUp = (reason: unknown): void => {
        fail(reason, true);
        if (prompted) this.#write(escapeKey).catch(() => undefined);
        else if (command.abortable) this.#write("\r").catch(() => undefined);
      };
      const onAbort = (): void => giveUp(signal?.reason);
      const stopTimer = this.#clock.after(timeoutMs, () => {
        this.consecutiveTimeouts++;
        giveUp(
          new SimwardError("AT_TIMEOUT", {
            detail: `${command.name}: no final result within ${timeoutMs} ms`,
            data: { command: command.name, timeoutMs },
          }),
        );
      });
      const onLine = (line: string): void => {
        const verdict = collector.take(line);
        if (collector.characters > maxReplyCharacters) {
          fail(
            new SimwardError("AT_LINE_TOO_LONG", { detail: `${command.name}: its reply passes ${maxReplyCharacters} characters` }),
            true,
          );
          return;
        }
        if (verdict.kind === "urc") this.#dispatch(line);
        if (verdict.kind === "echo") for (const earlier of verdict.earlier) this.#dispatch(earlier);
        if (verdict.kind !== "final") return;
        this.#lastFinalMs = this.#clock.monotonicMs();
        this.consecutiveTimeouts = 0;
        this.#noteEcho(collector.echoSeen && !/^ATE0/i.test(text));
        if (verdict.result.kind === "error") {
          // NO CARRIER and its like may be the end of a call, and this command's result still to come.
          const ownResult = verdict.result.error.code !== "AT_NO_CARRIER" || /^AT(?:D|A$|O)/i.test(text);
          fail(verdict.result.error, !ownResult);
          return;
        }
        leave();
        resolve({ lines: collector.lines, finalResult: verdict.result.text });
      };
      const onPrompt = (): void => {
        const octets = prompted ? undefined : command.payload?.(...args);
        prompted = true;
        const written = octets === undefined ? this.#write(escapeKey) : this.#writePayload(octets, command);
        written.catch((error: unknown) => fail(error, false));
      };
      this.#tokenizer.expectPrompt = command.payload !== undefined;
      this.#consumer = {
        token: (token) => {
          if (token.kind === "line") onLine(token.text);
          else if (token.kind === "prompt") onPrompt();
          else fail(new SimwardError("AT_LINE_TOO_LONG", { detail: `while ${command.name} waited for its reply` }), true);
        },
        fail: (reason) => fail(reason, true),
        command,
        traceId: traceId(),
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#write(`${text}\r`, command).catch((error: unknown) => fail(error, true));
    });
  }

  async #resync(limitMs: number, signal: AbortSignal | undefined): Promise<void> {
    const doubt = this.#doubt ?? { hello: false, command: undefined };
    this.#doubt = doubt;
    const tokens: Token[] = [];
    let wake: (() => void) | undefined;
    let failure: unknown = this.#ended;
    const failed = (reason: unknown): void => {
      failure ??= reason;
      wake?.();
    };
    const onAbort = (): void => failed(signal?.reason);
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#consumer = {
      token: (token) => {
        tokens.push(token);
        // Spew must not pile up while nobody takes it.
        if (tokens.length > 1_000) tokens.shift();
        wake?.();
      },
      fail: failed,
      command: doubt.command,
      traceId: traceId(),
    };
    const next = async (withinMs: number): Promise<Token | undefined> => {
      if (failure !== undefined) throw failure;
      if (tokens.length === 0 && withinMs > 0) {
        await new Promise<void>((resolve) => {
          const stop = this.#clock.after(withinMs, resolve);
          wake = () => {
            stop();
            resolve();
          };
        });
        wake = undefined;
      }
      if (failure !== undefined) throw failure;
      const token = tokens.shift();
      if (token?.kind === "line") this.#overheard(token.text, doubt);
      return token;
    };
    try {
      const found = await resync(
        {
          clock: this.#clock,
          // A line that takes nothing is told from the answer that does not come.
          write: (text) => void this.#write(text).catch(failed),
          next,
          quietForMs: () => this.#clock.monotonicMs() - this.#lastOctetMs,
        },
        {
          limitMs,
          outstanding: this.#outstanding,
          avoid: doubt.command?.prefix,
          hello: doubt.hello ? hello : undefined,
          mayEscape: this.#mayEscape,
          onMissed: () => {
            this.consecutiveTimeouts++;
          },
        },
      );
      if (found === undefined)
        throw new SimwardError("AT_TIMEOUT", {
          detail: `${this.#channel.address}: no answer within ${limitMs} ms`,
          data: { timeoutMs: limitMs },
        });
      this.#doubt = undefined;
      if (doubt.hello) this.#withoutEcho = 0;
      this.#noteEcho(found.echo);
      this.#lastFinalMs = this.#clock.monotonicMs();
      this.consecutiveTimeouts = 0;
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#consumer = undefined;
    }
  }

  /** Between commands: URCs are served, what may be the late reply of an abandoned command is not. */
  #overheard(line: string, doubt: Doubt | undefined): void {
    const prefix = doubt?.command?.prefix;
    if (prefix !== undefined && afterPrefix(line, prefix) !== undefined) return;
    if (this.#isUrc(line)) this.#dispatch(line);
  }

  #noteEcho(on: boolean): void {
    const isBack = on && this.#withoutEcho >= surelyWithoutEcho;
    this.#echoOn = on;
    this.#withoutEcho = on ? 0 : this.#withoutEcho + 1;
    if (isBack) this.#onEchoAgain();
  }

  #doubtBecauseOf(command: CommandTraits): void {
    this.#doubt ??= { hello: false, command };
  }

  #onData(octets: Uint8Array): void {
    this.#lastOctetMs = this.#clock.monotonicMs();
    for (const token of this.#tokenizer.push(octets)) {
      const consumer = this.#consumer;
      if (token.kind === "line") this.#record("rx", token.text, (consumer ?? this.#doubt)?.command);
      if (consumer !== undefined) consumer.token(token);
      else if (token.kind === "line") this.#overheard(token.text, this.#doubt);
      else this.#doubt ??= { hello: false, command: undefined };
    }
  }

  #onEnd(end: ChannelEnd): void {
    const reason = new SimwardError("PORT_CLOSED", { detail: `${this.#channel.address}: ${end.kind}`, cause: end.cause });
    this.#ended = reason;
    this.#queue.close(reason);
    this.#consumer?.fail(reason);
  }

  /** A line that answers no command, whatever runs: somebody asked for it, or it looks like one. */
  #isUrc(line: string): boolean {
    return (
      /^[+#%*^$][A-Z0-9]+ ?:/i.test(line) || this.#listenerPrefix(line) !== undefined || this.#urcs.some((urc) => line.startsWith(urc))
    );
  }

  #listenerPrefix(line: string): string | undefined {
    let longest: string | undefined;
    for (const prefix of this.#listeners.keys())
      if (afterPrefix(line, prefix) !== undefined && prefix.length > (longest?.length ?? -1)) longest = prefix;
    return longest;
  }

  #dispatch(line: string): void {
    const prefix = this.#listenerPrefix(line);
    if (prefix === undefined) return;
    for (const fn of [...(this.#listeners.get(prefix) ?? [])]) {
      try {
        fn(line);
      } catch (error) {
        this.#log.error("at.urc-listener-failed", { prefix, error });
      }
    }
  }

  #write(text: string, command?: CommandTraits): Promise<void> {
    this.#record("tx", text, command);
    return this.#channel.write(Buffer.from(text, "latin1"));
  }

  #writePayload(octets: Uint8Array, command: CommandTraits): Promise<void> {
    this.#record("tx", `${octets.length} octets`, { ...command, sensitive: true, carriesApdu: false });
    return this.#channel.write(octets);
  }

  /** For the trace only: whether the line is one of a module's own accord. */
  #answersNothing(line: string): boolean {
    const command = this.#consumer?.command;
    if (command?.prefix !== undefined && afterPrefix(line, command.prefix) !== undefined) return false;
    return this.#isUrc(line);
  }

  /** Traces and logs one line; of one that belongs to a command with secrets, only that it was there. */
  #record(direction: "tx" | "rx", line: string, command: CommandTraits | undefined): void {
    const masked = command?.sensitive === true && finalResult(line, { command: "", prefixed: true }) === undefined;
    const shown = masked ? `${command.name} ...` : line;
    this.#log.debug(`at.${direction}`, { line: shown.trimEnd() });
    if (this.#trace === undefined) return;
    const urc = direction === "rx" && this.#answersNothing(line);
    this.#trace({
      ...{ direction, atMs: this.#clock.now(), octets: Buffer.from(shown, "latin1"), masked, urc },
      apduLine: masked && command.carriesApdu === true ? line : undefined,
      traceId: urc ? undefined : direction === "tx" ? traceId() : this.#consumer?.traceId,
    });
  }
}

/** The same port with a signal or a deadline laid over every command. */
class PortView implements AtPort {
  readonly #port: Port;
  readonly #options: SendOptions;

  constructor(port: Port, options: SendOptions) {
    this.#port = port;
    this.#options = options;
  }

  get consecutiveTimeouts(): number {
    return this.#port.consecutiveTimeouts;
  }

  get closed(): Promise<ChannelEnd> {
    return this.#port.closed;
  }

  send<A extends readonly unknown[], R>(command: AtCommand<A, R>, ...args: A): Promise<R> {
    return this.#port.request(command, args, this.#options);
  }

  with(options: SendOptions): AtPort {
    return new PortView(this.#port, { ...this.#options, ...options });
  }

  onUrc(prefix: string, fn: (line: string) => void): Disposer {
    return this.#port.onUrc(prefix, fn);
  }

  close(): Promise<void> {
    return this.#port.close();
  }
}
