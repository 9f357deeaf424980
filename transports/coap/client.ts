// The CoAP client over one link: whole requests, one after the other (NSTART 1, RFC 7252 §4.7).
import { SimwardError } from "../../base/errors.ts";
import { Queue } from "../../base/queue.ts";
import { createMessenger } from "./messenger.ts";
import { unknownRoundTrip } from "./reliability.ts";
import { createTokens, transfer } from "./transfer.ts";
import type { CoapClient, CoapClientOptions } from "./types.ts";

export const coapDefaults = {
  blockBytes: 1_024,
  ackTimeoutMs: 3_000,
  maxRetransmit: 10,
  responseTimeoutMs: 120_000,
  maxBodyBytes: 1_048_576,
} as const;

export function createCoapClient(options: CoapClientOptions): CoapClient {
  const onEvent = options.onEvent ?? (() => undefined);
  const ackTimeoutMs = options.ackTimeoutMs ?? coapDefaults.ackTimeoutMs;
  const roundTrip = { value: unknownRoundTrip(ackTimeoutMs) };
  const messenger = createMessenger({
    link: options.link,
    clock: options.clock,
    random: options.random,
    roundTrip,
    ackTimeoutMs,
    responseTimeoutMs: options.responseTimeoutMs ?? coapDefaults.responseTimeoutMs,
    onEvent,
  });
  const maxRetransmit = options.maxRetransmit ?? coapDefaults.maxRetransmit;
  const tokens = createTokens(options.random);
  const requests = new Queue();
  return {
    request: (request, signal) =>
      requests.run(
        () =>
          transfer(request, (message) => messenger.exchange(message, maxRetransmit, signal), {
            random: options.random,
            tokens,
            blockBytes: options.blockBytes ?? coapDefaults.blockBytes,
            maxDatagramBytes: options.link.maxDatagramBytes,
            maxBodyBytes: options.maxBodyBytes ?? coapDefaults.maxBodyBytes,
            onEvent,
          }),
        signal,
      ),
    get roundTripMs() {
      return roundTrip.value.smoothedMs;
    },
    close: () => {
      requests.close(new SimwardError("ABORTED", { detail: "the CoAP client was closed" }));
      messenger.release();
    },
  };
}
