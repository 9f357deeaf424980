// A card behind HTTP in the module's slot: POST /apdu {"apdu":"00A4…"} answers {"data":"…","sw1":144,"sw2":0}.
import * as v from "valibot";
import { concatBytes, fromHex, toHexUpper } from "../../base/bytes.ts";
import { type Clock, deadline } from "../../base/clock.ts";
import { isCode, SimwardError } from "../../base/errors.ts";
import type { CardConnection } from "../contracts.ts";
import { readSubscriber } from "./subscriber.ts";

const hex = v.pipe(v.string(), v.regex(/^([0-9A-Fa-f]{2})*$/, "not hex"));
/** 144 or "90": both are met. */
const octet = v.union([
  v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255)),
  v.pipe(
    v.string(),
    v.regex(/^[0-9A-Fa-f]{2}$/, "not two hex digits"),
    v.transform((text) => Number.parseInt(text, 16)),
  ),
]);
const Response = v.object({ data: v.optional(v.nullable(hex)), sw1: octet, sw2: octet });

export interface HttpCardOptions {
  readonly clock: Clock;
  /** http://host:port/apdu */
  readonly url: string;
  /** How long a card may take over one command. */
  readonly answerMs?: number;
}

/** More channels than these are not closed on a server that knows no reset. */
const channels = [1, 2, 3];

export function httpCard({ clock, url, answerMs = 30_000 }: HttpCardOptions): CardConnection {
  const refuse = (detail: string, cause?: unknown): SimwardError => new SimwardError("SIM_CARD", { detail: `${url}: ${detail}`, cause });

  const post = async (to: string | URL, body: unknown): Promise<{ readonly status: number; readonly text: string }> => {
    const late = refuse(`no answer in ${answerMs} ms`);
    const { signal, done } = deadline(clock, answerMs, () => late);
    try {
      const headers = { "Content-Type": "application/json" };
      const response = await fetch(to, { method: "POST", headers, body: JSON.stringify(body), signal });
      return { status: response.status, text: await response.text() };
    } catch (error) {
      if (isCode(error, "SIM_CARD")) throw error;
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      throw refuse(cause instanceof Error ? cause.message : String(cause), error);
    } finally {
      done();
    }
  };

  const transmit = async (apdu: Uint8Array): Promise<Uint8Array> => {
    const { status, text } = await post(url, { apdu: toHexUpper(apdu) });
    if (status !== 200) throw refuse(`HTTP status ${status}: ${text.slice(0, 200)}`);
    const parsed = v.safeParse(Response, asJson(text));
    if (!parsed.success)
      throw refuse(`answered no {data, sw1, sw2}: ${v.getDotPath(parsed.issues[0]) ?? "body"}: ${parsed.issues[0].message}`);
    const { data, sw1, sw2 } = parsed.output;
    return concatBytes(fromHex(data ?? ""), Uint8Array.of(sw1, sw2));
  };

  return {
    present: true,
    transmit,
    async reset() {
      const { status } = await post(new URL("reset", url), {});
      if (status === 200) return;
      // A server that knows only /apdu: what a reset would have closed is closed by hand.
      for (const channel of channels) await transmit(Uint8Array.of(0x00, 0x70, 0x80, channel));
    },
    subscriber: readSubscriber,
    onPresence: () => () => {},
  };
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
