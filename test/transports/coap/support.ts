// What the CoAP tests share: our client, session and server on one virtual clock, joined by paths in memory.
import { VirtualClock } from "../../../base/clock.ts";
import { type Random, seededRandom } from "../../../base/random.ts";
import { createCoapClient } from "../../../transports/coap/client.ts";
import { createCoapServer } from "../../../transports/coap/server.ts";
import { type CoapSessionOptions, createCoapSession } from "../../../transports/coap/session.ts";
import type { CoapClientOptions, CoapEvent, CoapRequest, CoapServerOptions, CoapServerResponse } from "../../../transports/coap/types.ts";
import { type MemoryPath, memoryPath, type PathOptions } from "../../support/memory-link.ts";

export interface Bench {
  readonly clock: VirtualClock;
  readonly random: Random;
  /** Requests as the server's handler saw them. */
  readonly asked: CoapRequest[];
  readonly events: CoapEvent[];
}

export type BenchOptions = {
  readonly seed?: number;
  readonly path?: Omit<PathOptions, "clock" | "random">;
  readonly answer: (request: CoapRequest, bench: Bench) => CoapServerResponse | Promise<CoapServerResponse>;
  readonly server?: Partial<CoapServerOptions>;
  readonly client?: Partial<CoapClientOptions>;
  readonly session?: Partial<CoapSessionOptions>;
};

function bench(options: BenchOptions): Bench & { readonly server: ReturnType<typeof createCoapServer> } {
  const made: Bench = { clock: new VirtualClock(), random: seededRandom(options.seed ?? 1), asked: [], events: [] };
  const server = createCoapServer({
    clock: made.clock,
    random: made.random,
    handle: async (request) => {
      made.asked.push(request);
      return options.answer(request, made);
    },
    ...options.server,
  });
  return { ...made, server };
}

/** Our client and our server on one path. */
export function clientBench(options: BenchOptions) {
  const made = bench(options);
  const { clock, random, server } = made;
  const path = memoryPath({ clock, random, ...options.path });
  server.serve(path.server);
  const onEvent = (event: CoapEvent): void => void made.events.push(event);
  const client = createCoapClient({ link: path.client, clock, random, onEvent, ...options.client });
  return { ...made, path, client };
}

/** Our session and our server; each connection is a new path, as each DTLS association is. */
export function sessionBench(options: BenchOptions) {
  const made = bench(options);
  const { clock, random, server } = made;
  const paths: MemoryPath[] = [];
  const onEvent = (event: CoapEvent): void => void made.events.push(event);
  const session = createCoapSession({
    clock,
    random,
    onEvent,
    connect: async () => {
      const path = memoryPath({ clock, random, peer: `memory:${paths.length + 1}`, ...options.path });
      paths.push(path);
      server.serve(path.server);
      return path.client;
    },
    ...options.session,
  });
  return { ...made, paths, session };
}

export function sentUp(paths: readonly MemoryPath[]): number {
  return paths.reduce((sum, path) => sum + path.sent.filter((one) => one.direction === "up").length, 0);
}
