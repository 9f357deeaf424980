// Addresses of ports and what opens them: one row a scheme.
import type { Clock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { pty } from "./channels/pty.ts";
import { serial } from "./channels/serial.ts";
import { tcp } from "./channels/tcp.ts";
import { unix } from "./channels/unix.ts";
import type { ByteChannel } from "./types.ts";

export interface ChannelOptions {
  readonly clock: Clock;
}

/** Throws PORT_OPEN, PORT_BUSY. */
export type OpenChannel = (options: ChannelOptions) => Promise<ByteChannel>;

export interface ChannelScheme {
  readonly example: string;
  /** What stands behind the colon. Throws PORT_ADDRESS. */
  parse(rest: string, address: string): OpenChannel;
}

const schemes: ReadonlyMap<string, ChannelScheme> = new Map([
  ["serial", serial],
  ["pty", pty],
  ["tcp", tcp],
  ["unix", unix],
]);

/** Reads an address without touching the port. Throws PORT_ADDRESS. */
export function parsePortAddress(address: string): OpenChannel {
  const colon = address.indexOf(":");
  const scheme = schemes.get(address.slice(0, Math.max(colon, 0)));
  if (scheme === undefined) {
    const examples = [...schemes.values()].map(({ example }) => example).join(", ");
    throw new SimwardError("PORT_ADDRESS", { detail: `${JSON.stringify(address)} is none of ${examples}` });
  }
  return scheme.parse(address.slice(colon + 1), address);
}

/** Throws PORT_ADDRESS, PORT_OPEN, PORT_BUSY. */
export async function openChannel(address: string, options: ChannelOptions): Promise<ByteChannel> {
  return parsePortAddress(address)(options);
}
