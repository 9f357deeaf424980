// The built-in eUICC over HTTP: POST /apdu {"apdu":hex} → {data, sw1, sw2}; POST /reset → {atr}; GET /atr → {atr}.
import * as v from "valibot";
import { fromHex, toHexUpper } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { errorAnswer, type HttpAnswer, type HttpRequest, jsonAnswer, jsonBody, startHttpServer } from "../http/server.ts";
import type { GuestCard } from "./guest.ts";
import type { CardService } from "./serve.ts";

export const Apdu = v.pipe(
  v.string(),
  v.regex(/^([0-9A-Fa-f]{2}){4,}$/, "not a command APDU in hex"),
  v.transform((text) => fromHex(text)),
);
const Command = v.object({ apdu: Apdu });

export function responseJson(response: Uint8Array): { readonly data: string; readonly sw1: number; readonly sw2: number } {
  return { data: toHexUpper(response.subarray(0, -2)), sw1: response.at(-2) ?? 0, sw2: response.at(-1) ?? 0 };
}

/** Throws SIM_OPTION when it cannot listen there. */
export async function serveHttp(card: GuestCard, host: string, port: number): Promise<CardService> {
  const server = await startHttpServer({ what: "card http", host, port, handle: async (request) => answer(card, request) });
  return { kind: "http", address: `http://${host}:${server.port}/apdu`, close: () => server.stop() };
}

function answer(card: GuestCard, request: HttpRequest): HttpAnswer {
  const showAtr = { atr: toHexUpper(card.atr) };
  switch (`${request.method} ${request.path}`) {
    case "POST /apdu": {
      const parsed = v.safeParse(Command, jsonBody(request));
      if (!parsed.success) throw new SimwardError("SIM_REQUEST", { detail: `apdu: ${parsed.issues[0].message}` });
      return jsonAnswer(200, responseJson(card.transmit(parsed.output.apdu)));
    }
    case "POST /reset":
      card.reset();
      return jsonAnswer(200, showAtr);
    case "GET /atr":
      return jsonAnswer(200, showAtr);
    default: {
      const there = ["POST /apdu", "POST /reset", "GET /atr"];
      const Allow = there.find((one) => one.endsWith(` ${request.path}`))?.split(" ")[0];
      const detail = `${request.method} ${request.path}: there are ${there.join(", ")}`;
      return Allow === undefined ? errorAnswer(404, detail) : errorAnswer(405, detail, { Allow });
    }
  }
}
