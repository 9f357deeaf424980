// A connection to charon's vici socket: one command at a time, what it streams meanwhile, and a deadline for each.
import { connect, type Socket } from "node:net";
import { type Clock, deadline } from "../../base/clock.ts";
import { reasonOf, SimwardError } from "../../base/errors.ts";
import { commandPacket, decodePacket, registerPacket, Segments, textOf, type ViciMessage, type ViciPacket, type ViciTree } from "./vici.ts";

export interface ViciRequest {
  readonly message?: ViciMessage;
  readonly limitMs: number;
  /** What is streamed while the command runs. */
  readonly stream?: { readonly event: string; readonly on: (message: ViciTree) => void };
  readonly signal?: AbortSignal | undefined;
}

export interface ViciConnection {
  /** Throws TUNNEL_ABSENT when charon goes away, VICI_MESSAGE, DEADLINE. A connection of which a request failed is of no use any more. */
  request(command: string, request: ViciRequest): Promise<ViciTree>;
  close(): void;
}

const connectLimitMs = 2_000;

/** Throws TUNNEL_ABSENT when nobody listens. */
export async function openVici(path: string, clock: Clock): Promise<ViciConnection> {
  const socket = connect(path);
  const absent = (why: string, cause?: unknown): SimwardError => new SimwardError("TUNNEL_ABSENT", { detail: `${path}: ${why}`, cause });
  const limit = deadline(clock, connectLimitMs, () => absent(`no connection within ${connectLimitMs / 1_000} s`));
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", (error) => reject(absent(reasonOf(error), error)));
      limit.signal.addEventListener("abort", () => reject(limit.signal.reason), { once: true });
    });
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    limit.done();
  }
  return serve(socket, clock, absent);
}

function serve(socket: Socket, clock: Clock, absent: (why: string) => SimwardError): ViciConnection {
  const segments = new Segments();
  let onPacket: (packet: ViciPacket) => void = () => {};
  let onFailure: (error: unknown) => void = () => {};
  let failure: unknown;
  const fail = (error: unknown): void => {
    failure ??= error;
    socket.destroy();
    onFailure(failure);
  };
  socket.on("data", (chunk) => {
    try {
      for (const one of segments.push(chunk)) onPacket(decodePacket(one));
    } catch (error) {
      fail(error);
    }
  });
  socket.on("error", (error) => fail(absent(reasonOf(error))));
  socket.once("close", () => fail(absent("the connection has ended")));

  /** Sends, and waits for the one packet that ends the exchange. */
  const exchange = (octets: Uint8Array, signal: AbortSignal, take: (packet: ViciPacket) => ViciTree | undefined): Promise<ViciTree> =>
    new Promise((resolve, reject) => {
      if (failure !== undefined) return reject(failure);
      if (signal.aborted) return reject(signal.reason);
      const stop = (): void => fail(signal.reason);
      const settle = (): void => {
        signal.removeEventListener("abort", stop);
        onPacket = () => {};
        onFailure = () => {};
      };
      onFailure = (error) => {
        settle();
        reject(error);
      };
      onPacket = (packet) => {
        const done = take(packet);
        if (done === undefined) return;
        settle();
        resolve(done);
      };
      signal.addEventListener("abort", stop, { once: true });
      socket.write(octets);
    });

  const register = (event: string, signal: AbortSignal): Promise<ViciTree> =>
    exchange(registerPacket(event, true), signal, (packet) => {
      if (packet.kind === "eventConfirm") return {};
      throw new SimwardError("VICI_MESSAGE", { detail: `registering for ${event}: ${packet.kind}` });
    });

  return {
    async request(command, { message = {}, limitMs, stream, signal }) {
      const late = (): SimwardError => new SimwardError("DEADLINE", { detail: `charon: ${command}, ${limitMs / 1_000} s` });
      const limit = deadline(clock, limitMs, late, signal);
      try {
        if (stream !== undefined) await register(stream.event, limit.signal);
        return await exchange(commandPacket(command, message), limit.signal, (packet) => {
          if (packet.kind === "response") return packet.message;
          if (packet.kind === "event" && packet.name === stream?.event) {
            stream.on(packet.message);
            return undefined;
          }
          throw new SimwardError("VICI_MESSAGE", { detail: `the answer to ${command}: ${packet.kind}` });
        });
      } finally {
        limit.done();
      }
    },
    close() {
      onFailure = () => {};
      failure ??= absent("closed");
      socket.destroy();
    },
  };
}

/** Of commands that answer with success and errmsg. Throws TUNNEL_FAILED in charon's words. */
export function demandSuccess(command: string, answer: ViciTree): void {
  if (textOf(answer, "success") === "yes") return;
  throw new SimwardError("TUNNEL_FAILED", { detail: `${command}: ${textOf(answer, "errmsg") ?? "no reason given"}` });
}
