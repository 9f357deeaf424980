// Whole transfers over paths that lose, repeat, delay and reorder: every body arrives byte for byte, runs once, in a bounded number of messages.
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../../base/random.ts";
import type { PathOptions } from "../../support/memory-link.ts";
import { clientBench, sentUp, sessionBench } from "./support.ts";

const upBytes = 8_192;
const downBytes = 61_440;
/** 8 blocks up, the last of which draws the first of 60 down. */
const exchanges = 8 + 59;
const answer = seededRandom(99).bytes(downBytes);

/** Transmissions that one exchange takes on average when each way loses this share. */
const transmissions = (loss: number): number => 1 / (1 - loss) ** 2;

interface Case {
  readonly name: string;
  readonly path: Omit<PathOptions, "clock" | "random">;
  readonly transfers: number;
  /** Messages of the client for each transfer. */
  readonly mostMessages: number;
}

const cases: readonly Case[] = [
  { name: "nothing is lost", path: { delayMs: 50 }, transfers: 5, mostMessages: exchanges },
  {
    name: "a quarter is lost both ways",
    path: { loss: 0.25, delayMs: 50 },
    transfers: 200,
    mostMessages: exchanges * transmissions(0.25) * 1.05,
  },
  {
    name: "a tenth is lost, a fifth repeated, a third overtaken",
    path: { loss: 0.1, duplicate: 0.2, reorder: 0.33, delayMs: 80 },
    transfers: 20,
    mostMessages: exchanges * transmissions(0.1) * 1.3,
  },
  // The first message leaves twice at most: its answer cannot come before the first timeout. From then on the timeout is known.
  { name: "a round trip takes 3 s", path: { delayMs: 1_500 }, transfers: 5, mostMessages: exchanges + 1 },
  { name: "a round trip takes 8 s", path: { delayMs: 4_000 }, transfers: 3, mostMessages: exchanges + 3 },
];

describe.each(cases)("8 KB up and 60 KB down when $name", ({ path, transfers, mostMessages }) => {
  it(`arrive byte for byte ${transfers} times, and each request runs once`, async () => {
    const t = sessionBench({ path, answer: () => ({ code: "2.04", payload: answer }) });
    for (let i = 0; i < transfers; i++) {
      const payload = t.random.bytes(upBytes);
      const response = await t.clock.runUntil(t.session.request({ method: "POST", path: "gsma/rsp2/asn1", payload }));
      expect(response.code).toBe("2.04");
      expect(Buffer.compare(response.payload, answer)).toBe(0);
      expect(t.asked).toHaveLength(i + 1);
      expect(t.asked[i]?.path).toBe("gsma/rsp2/asn1");
      expect(Buffer.compare(t.asked[i]?.payload ?? new Uint8Array(0), payload)).toBe(0);
    }
    expect(sentUp(t.paths) / transfers).toBeLessThanOrEqual(mostMessages);
  });
});

describe("back-off", () => {
  it("starts anew at each block: four blocks that each lose their first answer cost four short waits", async () => {
    const lost = new Set<string>();
    const t = clientBench({
      path: {
        delayMs: 50,
        alter: (datagram, direction) => {
          const id = `${datagram[2]}.${datagram[3]}`;
          if (direction === "up" || lost.has(id)) return [datagram];
          lost.add(id);
          return [];
        },
      },
      answer: () => ({ code: "2.05", payload: answer.subarray(0, 4_096) }),
    });
    const response = await t.clock.runUntil(t.client.request({ method: "GET", path: "x" }));
    expect(Buffer.compare(response.payload, answer.subarray(0, 4_096))).toBe(0);
    expect(t.events.filter((event) => event.kind === "retransmit").map((event) => event.attempt)).toEqual([1, 1, 1, 1]);
    // With a back-off that adds up over the blocks it would be 3 + 6 + 12 + 24 s.
    expect(t.clock.monotonicMs()).toBeLessThan(4 * 4_500 + 8 * 50 + 1_000);
  });
});
