// The shapes of the AT engine: octets in and out, one command in flight, commands as declarations.
import type { Disposer } from "../../base/clock.ts";

/** Octets to and from a module's port, whatever carries them. */
export interface ByteChannel {
  /** "serial:/dev/ttyUSB2", "pty:/tmp/x", "tcp:127.0.0.1:5000", "unix:/run/x" */
  readonly address: string;
  /** Reading starts with the first listener, so nothing that came before is lost. */
  onData(fn: (octets: Uint8Array) => void): Disposer;
  /** Refused with PORT_CLOSED once closed; nothing is ever queued for a later session. */
  write(octets: Uint8Array): Promise<void>;
  /** Resolves with the reason when the channel has ended, by `close` or by itself (hang-up, unplugged), after its last octet was given out. */
  readonly closed: Promise<ChannelEnd>;
  close(): Promise<void>;
}

export interface ChannelEnd {
  readonly kind: "closed" | "hang-up" | "error";
  readonly cause?: unknown;
}

/** One argument of an information line; strings have lost their quotes. */
export interface AtField {
  readonly text: string;
  readonly quoted: boolean;
}

/** An argument list such as `1,"internet",,07`; absent ones are undefined. */
export type AtFields = readonly (AtField | undefined)[];

export interface AtReply {
  /** Information lines that carry the command's prefix, without it; for commands without a prefix, all lines that are no URC. */
  readonly lines: readonly string[];
  /** "OK", "CONNECT 150000000" … */
  readonly finalResult: string;
}

/** One AT command: text, reply and deadline in one place. */
export interface AtCommand<A extends readonly unknown[], R> {
  readonly name: string;
  /** The whole command line without its carriage return. Throws AT_COMMAND. */
  readonly text: (...args: A) => string;
  /** Prefix of its information lines, e.g. "+CGLA:"; undefined where they have none. */
  readonly prefix: string | undefined;
  /** Some modules leave the prefix out: lines without one, and that are no URC, belong to the reply too. */
  readonly prefixOptional?: boolean;
  /** Throws AT_REPLY. */
  readonly parse: (reply: AtReply) => R;
  readonly timeoutMs: number;
  /** The arguments hold a secret or an APDU: logs and traces show the name only. */
  readonly sensitive?: boolean;
  /** What is hidden for it is an APDU: a trace, which cuts secrets out of APDUs, may have the line. */
  readonly carriesApdu?: boolean;
  /** What to write, terminator included, when the module prompts with `> ` or `@`. */
  readonly payload?: (...args: A) => Uint8Array;
  /** It changes nothing, or does: where its line does not tell. A line that ends in `?` without `=` asks, any other is taken for one that changes something. */
  readonly reads?: boolean;
  /** Any character stops it while it runs (27.007 §7.3 for +COPS=?), so giving up on it sends one. */
  readonly abortable?: boolean;
}

export interface SendOptions {
  readonly signal?: AbortSignal;
  /** Instead of the command's own. */
  readonly timeoutMs?: number;
}

/** What went over the wire; secrets and APDUs are replaced before it gets here. */
export interface AtTraceEntry {
  readonly direction: "tx" | "rx";
  readonly atMs: number;
  readonly octets: Uint8Array;
  /** Something was taken out. */
  readonly masked: boolean;
  /** The whole line where what was taken out is an APDU; not for logs. */
  readonly apduLine?: string | undefined;
  /** It answers no command. */
  readonly urc?: boolean | undefined;
  readonly traceId?: string | undefined;
}

export interface AtPort {
  /** Throws AT_TIMEOUT, AT_ERROR, AT_CME_ERROR, AT_CMS_ERROR, AT_NO_CARRIER, AT_REPLY, AT_LINE_TOO_LONG, PORT_CLOSED. */
  send<A extends readonly unknown[], R>(command: AtCommand<A, R>, ...args: A): Promise<R>;
  /** The same port; what is sent through this view ends when the signal aborts, or has another deadline. */
  with(options: SendOptions): AtPort;
  /** Lines that begin with the prefix and answer no command; the longest prefix wins. */
  onUrc(prefix: string, fn: (line: string) => void): Disposer;
  /** How many answers in a row did not come in time. */
  readonly consecutiveTimeouts: number;
  readonly closed: Promise<ChannelEnd>;
  close(): Promise<void>;
}
