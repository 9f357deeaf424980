// The shapes of the AT engine: octets in and out, one command in flight, commands as declarations.
import type { Disposer } from "../../base/clock.ts";

/** Octets to and from a module's port, whatever carries them. */
export interface ByteChannel {
  /** "serial:/dev/ttyUSB2", "pty:/tmp/x", "tcp:127.0.0.1:5000", "unix:/run/x" */
  readonly address: string;
  onData(fn: (octets: Uint8Array) => void): Disposer;
  /** Refused with PORT_CLOSED once closed; nothing is ever queued for a later session. */
  write(octets: Uint8Array): Promise<void>;
  /** Resolves with the reason when the channel has ended, by `close` or by itself (hang-up, unplugged). */
  readonly closed: Promise<ChannelEnd>;
  close(): Promise<void>;
}

export interface ChannelEnd {
  readonly kind: "closed" | "hang-up" | "error";
  readonly cause?: unknown;
}

/** Reads an argument list such as `1,"internet",,07`; strings lose their quotes, absent ones are undefined. */
export type AtFields = readonly (string | undefined)[];

export interface AtReply {
  /** Information lines that carry the command's prefix, without it; for commands without a prefix, all lines that are no known URC. */
  readonly lines: readonly string[];
  /** "OK", "CONNECT 150000000" … */
  readonly finalResult: string;
}

/** One AT command: text, reply and deadline in one place. */
export interface AtCommand<A extends readonly unknown[], R> {
  readonly name: string;
  /** The whole command line without its carriage return. */
  readonly text: (...args: A) => string;
  /** Prefix of its information lines, e.g. "+CGLA:"; undefined where they have none. */
  readonly prefix: string | undefined;
  /** Throws AT_REPLY. */
  readonly parse: (reply: AtReply) => R;
  readonly timeoutMs: number;
  /** The arguments hold a secret or an APDU: the log shows the name only. */
  readonly sensitive?: boolean;
}

export interface AtPort {
  /** Throws AT_TIMEOUT, AT_ERROR, AT_CME_ERROR, AT_CMS_ERROR, AT_NO_CARRIER, AT_REPLY, PORT_CLOSED. */
  send<A extends readonly unknown[], R>(command: AtCommand<A, R>, ...args: A): Promise<R>;
  /** Lines that begin with the prefix and answer no command. */
  onUrc(prefix: string, fn: (line: string) => void): Disposer;
  readonly closed: Promise<ChannelEnd>;
  close(): Promise<void>;
}
