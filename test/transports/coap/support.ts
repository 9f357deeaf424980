// What the CoAP tests share: our client, session and server on one virtual clock, joined by paths in memory.
import { VirtualClock } from "../../../base/clock.ts";
import { type Random, seededRandom } from "../../../base/random.ts";
import { type Block, decodeBlock, encodeBlock, showBlock } from "../../../transports/coap/blockwise.ts";
import { createCoapClient } from "../../../transports/coap/client.ts";
import { type CoapMessage, encodeMessage, parseMessage, type ReceivedMessage } from "../../../transports/coap/message.ts";
import { createCoapServer } from "../../../transports/coap/server.ts";
import { type CoapSessionOptions, createCoapSession } from "../../../transports/coap/session.ts";
import type {
  CoapClientOptions,
  CoapEvent,
  CoapRequest,
  CoapServer,
  CoapServerOptions,
  CoapServerResponse,
} from "../../../transports/coap/types.ts";
import type { DatagramLink } from "../../../transports/link.ts";
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

function bench(options: BenchOptions): Bench & { readonly startServer: () => CoapServer } {
  const made: Bench = { clock: new VirtualClock(), random: seededRandom(options.seed ?? 1), asked: [], events: [] };
  const startServer = () =>
    createCoapServer({
      clock: made.clock,
      random: made.random,
      handle: async (request) => {
        made.asked.push(request);
        return options.answer(request, made);
      },
      ...options.server,
    });
  return { ...made, startServer };
}

/** Our client and our server on one path. */
export function clientBench(options: BenchOptions) {
  const made = bench(options);
  const { clock, random } = made;
  const server = made.startServer();
  const path = memoryPath({ clock, random, ...options.path });
  server.serve(path.server);
  const onEvent = (event: CoapEvent): void => void made.events.push(event);
  const client = createCoapClient({ link: path.client, clock, random, onEvent, ...options.client });
  return { ...made, server, path, client };
}

/** Our session and our server; each connection is a new path, as each DTLS association is. */
export function sessionBench(options: BenchOptions) {
  const made = bench(options);
  const { clock, random } = made;
  let server = made.startServer();
  const paths: MemoryPath[] = [];
  const onEvent = (event: CoapEvent): void => void made.events.push(event);
  const way = {
    connect: async (): Promise<DatagramLink> => {
      const path = memoryPath({ clock, random, peer: `memory:${paths.length + 1}`, ...options.path });
      paths.push(path);
      server.serve(path.server);
      return path.client;
    },
  };
  const session = createCoapSession({ clock, random, onEvent, connect: () => way.connect(), ...options.session });
  return {
    ...made,
    paths,
    session,
    /** How an association opens; may be replaced. */
    get connect() {
      return way.connect;
    },
    set connect(connect: () => Promise<DatagramLink>) {
      way.connect = connect;
    },
    get server() {
      return server;
    },
    /** The server loses all it knew; new associations reach its successor. */
    restart: () => {
      server.close();
      server = made.startServer();
    },
  };
}

export function sentUp(paths: readonly MemoryPath[]): number {
  return paths.reduce((sum, path) => sum + path.sent.filter((one) => one.direction === "up").length, 0);
}

// --- peers by hand ------------------------------------------------------------------------------------------------------------------

/** A message with the parts that matter; what is left out is as plain as can be. */
export type Sketch = Partial<CoapMessage> & { readonly block1?: Block; readonly block2?: Block };

export function datagramOf({ block1, block2, ...message }: Sketch): Uint8Array {
  return encodeMessage({
    type: "CON",
    code: "0.01",
    messageId: 1,
    token: new Uint8Array(0),
    payload: new Uint8Array(0),
    ...message,
    options: {
      ...message.options,
      ...(block1 && { block1: [encodeBlock(block1)] }),
      ...(block2 && { block2: [encodeBlock(block2)] }),
    },
  });
}

/** "1/0/1024", or undefined where the option is not there. */
export function blockIn(message: CoapMessage, name: "block1" | "block2"): string | undefined {
  const value = message.options[name]?.[0];
  return value === undefined ? undefined : showBlock(decodeBlock(value));
}

/** Our client against a server that does as the test says: each request is given to `script`, which answers what to send back. */
export function scriptedServer(
  script: (request: ReceivedMessage, index: number) => readonly (Sketch | Uint8Array)[],
  options: Partial<CoapClientOptions> = {},
) {
  const clock = new VirtualClock();
  const random = seededRandom(5);
  const path = memoryPath({ clock, random });
  const requests: ReceivedMessage[] = [];
  /** Acknowledgements and resets that the client sent. */
  const replies: ReceivedMessage[] = [];
  const events: CoapEvent[] = [];
  path.server.onDatagram((datagram) => {
    const message = parseMessage(datagram);
    if (message.type !== "CON") {
      replies.push(message);
      return;
    }
    requests.push(message);
    for (const each of script(message, requests.length - 1)) {
      const piggybacked = { type: "ACK", messageId: message.messageId, token: message.token } as const;
      path.server.send(each instanceof Uint8Array ? each : datagramOf({ ...piggybacked, code: "2.05", ...each }));
    }
  });
  const client = createCoapClient({ link: path.client, clock, random, onEvent: (event) => events.push(event), ...options });
  const request = (over: Partial<CoapRequest> = {}, signal?: AbortSignal) =>
    clock.runUntil(client.request({ method: "POST", path: "a/b", ...over }, signal));
  return { clock, path, requests, replies, events, client, request };
}

/** Our server against a client that sends what the test says; answers what came back after a second. */
export function scriptedClient(options: Partial<CoapServerOptions> & Pick<CoapServerOptions, "handle">) {
  const clock = new VirtualClock();
  const random = seededRandom(6);
  const server = createCoapServer({ clock, random, ...options });
  const open = () => {
    const path = memoryPath({ clock, random });
    server.serve(path.server);
    let received: ReceivedMessage[] = [];
    path.client.onDatagram((datagram) => received.push(parseMessage(datagram)));
    const send = async (message: Sketch | Uint8Array, waitMs = 1_000): Promise<readonly ReceivedMessage[]> => {
      received = [];
      path.client.send(message instanceof Uint8Array ? message : datagramOf(message));
      await clock.advance(waitMs);
      return received;
    };
    return { path, send };
  };
  return { clock, server, open, ...open() };
}
