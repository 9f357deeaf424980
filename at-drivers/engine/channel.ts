// Addresses of ports and what opens them: one row a scheme.
import type { Clock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { pty } from "./channels/pty.ts";
import { serial } from "./channels/serial.ts";
import { tcp } from "./channels/tcp.ts";
import { unix } from "./channels/unix.ts";
import { auto, usb } from "./channels/usb.ts";
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
  /** The same port at other rates, as addresses, in the order in which a module is likely to be found there. */
  atOtherRates?(rest: string): readonly string[];
}

const schemes: ReadonlyMap<string, ChannelScheme> = new Map([
  ["serial", serial],
  ["pty", pty],
  ["tcp", tcp],
  ["unix", unix],
  ["usb", usb],
  ["auto", auto],
]);

/**
 * Reads an address without touching the port; a bare path is a serial port's. What is answered remembers which module it has found, so whoever
 * wants the same one again keeps it. Throws PORT_ADDRESS.
 */
export function parsePortAddress(address: string): OpenChannel {
  const { scheme, rest } = split(address);
  if (scheme === undefined) {
    const examples = [...schemes.values()].map(({ example }) => example).join(", ");
    throw new SimwardError("PORT_ADDRESS", { detail: `${JSON.stringify(address)} is none of ${examples}` });
  }
  return scheme.parse(rest, address);
}

/** Where else a module may be that has changed its rate; nowhere for ports that have none. */
export function atOtherRates(address: string): readonly string[] {
  const { scheme, rest } = split(address);
  return scheme?.atOtherRates?.(rest) ?? [];
}

function split(address: string): { readonly scheme: ChannelScheme | undefined; readonly rest: string } {
  if (address.startsWith("/")) return { scheme: serial, rest: address };
  if (address === "auto") return { scheme: auto, rest: "" };
  const colon = address.indexOf(":");
  return { scheme: colon < 0 ? undefined : schemes.get(address.slice(0, colon)), rest: address.slice(colon + 1) };
}

/** Throws PORT_ADDRESS, PORT_OPEN, PORT_BUSY. */
export async function openChannel(address: string, options: ChannelOptions): Promise<ByteChannel> {
  return parsePortAddress(address)(options);
}
