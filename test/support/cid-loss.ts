// Many handshakes with Connection ID under loss, at once: what the suite does with a few and the long tests with hundreds.
import { seededRandom } from "../../base/random.ts";
import { memorySessionStore } from "../../transports/dtls/sessions.ts";
import { type DtlsBench, echo } from "./dtls-bench.ts";

/** Each client has its echo, then another from a new address. Answers how many were opened, and how many of them were resumed. */
export async function handshakesUnderLoss(
  bench: DtlsBench,
  { count, resumed, seed }: { readonly count: number; readonly resumed: boolean; readonly seed: number },
): Promise<{ opened: number; resumed: number }> {
  const server = await bench.server({ connectionId: true, handshakeTimeoutMs: 60_000 });
  const network = { loss: 0, duplicate: 0, reorder: 0 };
  const random = seededRandom(seed);
  const proxy = await bench.proxy(server, {
    random,
    // Calm until the sessions to be resumed are made.
    alter: (datagram) => {
      if (random.unit() < network.loss) return [];
      return random.unit() < network.duplicate ? [datagram, datagram] : [datagram];
    },
    reorder: 0.2,
  });
  const stores = Array.from({ length: count }, () => memorySessionStore());
  const connect = (sessions: ReturnType<typeof memorySessionStore>) =>
    bench.connect(proxy, { connectionId: true, handshakeTimeoutMs: 60_000, sessions });
  if (resumed) await Promise.all(stores.map(async (sessions) => (await connect(sessions)).close()));
  Object.assign(network, { loss: 0.25, duplicate: 0.1 });
  const links = await Promise.all(stores.map(connect));
  await Promise.all(links.map((link) => echo(link, bench.clock)));
  proxy.rebind();
  await Promise.all(links.map((link) => echo(link, bench.clock)));
  const outcome = { opened: links.filter((link) => link.survivesRebinding).length, resumed: links.filter((link) => link.resumed).length };
  for (const link of links) link.close();
  return outcome;
}
