// Our client against our server over paths that lose, repeat, delay and reorder: every body arrives byte for byte, in a bounded number of messages.
import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../../base/clock.ts";
import { seededRandom } from "../../../base/random.ts";
import { createCoapClient } from "../../../transports/coap/client.ts";
import { createCoapServer } from "../../../transports/coap/server.ts";
import { memoryPath, type PathOptions } from "../../support/memory-link.ts";

const upBytes = 8_192;
const downBytes = 61_440;

function setUp(seed: number, path: Omit<PathOptions, "clock" | "random">) {
  const clock = new VirtualClock();
  const random = seededRandom(seed);
  const asked: Uint8Array[] = [];
  const answer = random.bytes(downBytes);
  const server = createCoapServer({
    clock,
    random,
    handle: async (request) => {
      asked.push(request.payload ?? new Uint8Array(0));
      return { code: "2.04", payload: answer };
    },
  });
  const way = memoryPath({ clock, random, ...path });
  server.serve(way.server);
  const client = createCoapClient({ link: way.client, clock, random });
  return { clock, random, asked, answer, server, client, way };
}

describe("a request of 8 KB with an answer of 60 KB", () => {
  it("arrives byte for byte 200 times when a quarter of the datagrams is lost both ways", async () => {
    const t = setUp(1, { loss: 0.25, delayMs: 50 });
    for (let i = 0; i < 200; i++) {
      const payload = t.random.bytes(upBytes);
      const response = await t.clock.runUntil(t.client.request({ method: "POST", path: "gsma/rsp2/asn1", payload }));
      expect(response.code).toBe("2.04");
      expect(Buffer.compare(response.payload, t.answer)).toBe(0);
      expect(t.asked).toHaveLength(i + 1);
      expect(Buffer.compare(t.asked[i] as Uint8Array, payload)).toBe(0);
    }
    // 8 + 59 blocks a transfer need 67 exchanges; each is sent 1 / 0.75² = 1.78 times on average.
    const perTransfer = t.way.sent.filter((one) => one.direction === "up").length / 200;
    expect(perTransfer).toBeLessThan(67 * 1.9);
  });
});
