// 500 associations opened and closed, refused and resumed leave nothing behind: no SSL, no callback, no memory of the C library.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import koffi from "koffi";
import { expect, test } from "vitest";
import { loadOpenSsl } from "../../../transports/dtls/openssl.ts";
import { memorySessionStore } from "../../../transports/dtls/sessions.ts";
import { closed, dtlsBench, echo, refusal, rootsOf } from "../../support/dtls-bench.ts";
import { makeCertificate } from "../../support/test-pki.ts";

const bench = dtlsBench();

test.each([
  ["", false],
  [" with Connection ID", true],
])("memory after 500 cycles%s is as before", { timeout: 120_000 }, async (_how, connectionId) => {
  const allocated = allocatedBytes();
  const openssl = await loadOpenSsl();
  // A small session cache, so that it is full before anything is measured.
  const server = await bench.server({ associationsMax: 20, connectionId });
  const stranger = rootsOf(makeCertificate({ name: "stranger", ca: true }));
  const sessions = memorySessionStore();
  const cycle = async (i: number): Promise<void> => {
    if (i % 5 === 4) {
      await refusal(bench.connect(server, { trust: stranger, connectionId }));
      return;
    }
    const link = await bench.connect(server, i % 5 === 3 ? { sessions, connectionId } : { connectionId });
    await echo(link, bench.clock);
    if (i % 5 === 2) {
      // Another socket of the client: the former one is to be let go, too.
      link.rebind?.();
      await echo(link, bench.clock);
    }
    const serverEnd = closed(server.links.pop() ?? link);
    link.close();
    await serverEnd;
  };
  for (let i = 0; i < 100; i++) await cycle(i);
  const before = await allocated();
  for (let i = 0; i < 500; i++) await cycle(i);
  const grown = (await allocated()) - before;
  while (server.size > 0) await new Promise((resolve) => setImmediate(resolve));
  // The server's listening SSL and its socket are what stays.
  expect([openssl.hooks.size, openSockets()]).toEqual([1, 1]);
  // An association is about 75 KB, a certificate or a session with one 4 KB: one of them left behind in each cycle is beyond this.
  expect(grown).toBeLessThan(500 * 2_000);
});

function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => /udp/i.test(name)).length;
}

/** Octets that malloc has given out, after a collection; resident memory where the C library cannot tell. */
function allocatedBytes(): () => Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const names = ["arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"];
  let mallinfo2: (() => Record<string, number>) | undefined;
  try {
    const info = koffi.struct(Object.fromEntries(names.map((name) => [name, "size_t"])));
    mallinfo2 = koffi.load(null).func("mallinfo2", info, []) as () => Record<string, number>;
  } catch {
    mallinfo2 = undefined;
  }
  return async () => {
    // Handles of closed sockets are let go a turn after their collection.
    for (let i = 0; i < 20; i++) {
      collect();
      await new Promise((resolve) => setImmediate(resolve));
    }
    return mallinfo2 === undefined ? process.memoryUsage().rss : Number(mallinfo2().uordblks);
  };
}
