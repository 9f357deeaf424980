// The built-in eUICC as a TCP server of JSON lines. Two dialects, told apart line by line: ours, {"apdu":hex} and {"reset":true},
// and that of lpac's stdio driver, {"type":"apdu","payload":{"func","param"}}, with or without its envelope.
import { createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";
import * as v from "valibot";
import { fromHex, toHexUpper } from "../../base/bytes.ts";
import { errorReport, SimwardError } from "../../base/errors.ts";
import { closeChannel, type GuestCard, openChannel } from "./guest.ts";
import { Apdu, responseJson } from "./http-server.ts";
import type { CardService } from "./serve.ts";

const Aid = v.pipe(
  v.string(),
  v.regex(/^([0-9A-Fa-f]{2}){5,16}$/, "not an AID in hex"),
  v.transform((text) => fromHex(text)),
);
const ChannelNumber = v.pipe(
  v.string(),
  v.regex(/^[0-9A-Fa-f]{2}$/, "not a channel in hex"),
  v.transform((text) => Number.parseInt(text, 16)),
);
const Payload = v.variant("func", [
  v.object({ func: v.literal("connect") }),
  v.object({ func: v.literal("disconnect") }),
  v.object({ func: v.literal("logic_channel_open"), param: Aid }),
  v.object({ func: v.literal("logic_channel_close"), param: ChannelNumber }),
  v.object({ func: v.literal("transmit"), param: Apdu }),
]);
const Line = v.union([
  v.object({ apdu: Apdu }),
  v.object({ reset: v.literal(true) }),
  v.object({ type: v.literal("apdu"), payload: Payload }),
  Payload,
]);

/** Of lpac: less than zero is a failure. */
const failed = { ecode: -1 } as const;

/** Throws SIM_OPTION when it cannot listen there. */
export async function serveLines(card: GuestCard, host: string, port: number): Promise<CardService> {
  const guests = new Set<Socket>();
  const server = createServer((socket) => {
    guests.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => guests.delete(socket));
    const lines = createInterface({ input: socket });
    lines.on("line", (line) => {
      if (line.trim() !== "" && socket.writable) socket.write(`${JSON.stringify(answer(card, line))}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(new SimwardError("SIM_OPTION", { detail: `card tcp: cannot listen on ${host}:${port}: ${cause.message}`, cause })),
    );
    server.listen(port, host, () => resolve());
  });
  const bound = server.address();
  return {
    kind: "tcp",
    address: `${host}:${typeof bound === "object" ? bound?.port : port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const guest of guests) guest.destroy();
      }),
  };
}

/** What one line is answered with. */
export function answer(card: GuestCard, line: string): unknown {
  const parsed = v.safeParse(Line, asJson(line));
  if (!parsed.success) return { error: errorReport(new SimwardError("SIM_REQUEST", { detail: reasonOf(line) })) };
  const asked = parsed.output;
  if ("apdu" in asked) return responseJson(card.transmit(asked.apdu));
  if ("reset" in asked) {
    card.reset();
    return { atr: toHexUpper(card.atr) };
  }
  return "payload" in asked ? { type: "apdu", payload: lpac(card, asked.payload) } : lpac(card, asked);
}

function reasonOf(line: string): string {
  const json = asJson(line);
  if (json === undefined) return "the line is not JSON";
  // Which of the forms was meant is seen from what is in it.
  if (typeof json === "object" && json !== null && "apdu" in json) return "apdu: not a command APDU in hex, four octets at least";
  return "not one of {apdu}, {reset: true}, {func, param}, {type: apdu, payload: {func, param}}";
}

function lpac(card: GuestCard, payload: v.InferOutput<typeof Payload>): { readonly ecode: number; readonly data?: string } {
  switch (payload.func) {
    case "connect":
    case "disconnect":
      card.reset();
      return { ecode: 0 };
    case "logic_channel_open": {
      const number = openChannel(card, payload.param);
      return number === undefined ? failed : { ecode: number };
    }
    case "logic_channel_close":
      closeChannel(card, payload.param);
      return { ecode: 0 };
    case "transmit":
      return { ecode: 0, data: toHexUpper(card.transmit(payload.param)) };
  }
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
