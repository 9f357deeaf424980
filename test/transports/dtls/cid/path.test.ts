// Where datagrams go when a client's address changes: to a new one at once, but thrice what came from there at most, and for good only once it has answered.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../../base/random.ts";
import { type Address, PeerPath } from "../../../../transports/dtls/cid/path.ts";

const home: Address = { address: "192.0.2.1", port: 5684 };
const away: Address = { address: "198.51.100.7", port: 40_000 };
const third: Address = { address: "198.51.100.7", port: 40_001 };
const octets = (length: number): Uint8Array => new Uint8Array(length);

function bench() {
  const sent: { to: Address; bytes: number }[] = [];
  const moves: Address[] = [];
  const cookies: Uint8Array[] = [];
  const path = new PeerPath({
    proven: home,
    random: seededRandom(1),
    transmit: (datagram, to) => sent.push({ to, bytes: datagram.length }),
    onMoved: (to) => moves.push(to),
  });
  const settle = (): void =>
    path.settle((cookie) => {
      cookies.push(cookie);
      path.send(octets(46));
    });
  return {
    path,
    moves,
    cookies,
    /** A newer authentic record, in a datagram of that size. */
    hear: (from: Address, bytes = 70) => {
      path.arriving(from, bytes);
      path.newer();
      settle();
    },
    /** Something that is not newer, or not authentic. */
    noise: (from: Address, bytes = 1_200) => {
      path.arriving(from, bytes);
      settle();
    },
    answer: (from: Address, cookie: Uint8Array) => {
      path.arriving(from, 60);
      path.newer();
      path.responded(cookie);
      settle();
    },
    send: (bytes: number) => {
      path.send(octets(bytes));
      settle();
    },
    taken: () => sent.splice(0),
  };
}

describe("a path", () => {
  test("small answers follow the client at once and prove nothing", () => {
    const t = bench();
    t.hear(away);
    t.send(50);
    expect(t.taken()).toEqual([{ to: away, bytes: 50 }]);
    expect([t.moves, t.cookies]).toEqual([[], []]);
  });

  test("a large answer waits for the proof, then goes there for good", () => {
    const t = bench();
    t.hear(away);
    t.send(1_100);
    t.send(900);
    expect(t.taken()).toEqual([{ to: away, bytes: 46 }]);
    expect(t.cookies.length).toBe(1);
    t.answer(away, t.cookies[0] ?? octets(0));
    expect(t.taken()).toEqual([
      { to: away, bytes: 1_100 },
      { to: away, bytes: 900 },
    ]);
    expect(t.moves).toEqual([away]);
    t.send(1_200);
    expect(t.taken()).toEqual([{ to: away, bytes: 1_200 }]);
  });

  test("what is not newer moves nothing and earns nothing", () => {
    const t = bench();
    t.noise(away);
    t.send(1_000);
    expect(t.taken()).toEqual([{ to: home, bytes: 1_000 }]);
    t.hear(away, 40);
    for (let i = 0; i < 10; i++) t.noise(away);
    t.send(400);
    expect(t.taken()).toEqual([{ to: away, bytes: 46 }]);
  });

  test("a wrong cookie, one from elsewhere, one of an earlier trial: no proof", () => {
    const t = bench();
    t.hear(away);
    t.send(1_000);
    const cookie = t.cookies[0] ?? octets(0);
    t.answer(away, octets(8));
    t.answer(third, cookie);
    t.answer(away, cookie);
    expect(t.moves).toEqual([]);
  });

  test("an answer that comes late, by another way, proves nothing; by its own way it does", () => {
    const t = bench();
    t.hear(away);
    t.send(1_000);
    const cookie = t.cookies[0] ?? octets(0);
    for (const [from, moves] of [
      [third, []],
      [home, []],
      [away, [away]],
    ] as const) {
      t.path.arriving(from, 60);
      t.path.responded(cookie);
      expect(t.moves).toEqual(moves);
    }
  });

  test("the client speaks from its former address again: it was not moved", () => {
    const t = bench();
    t.hear(away);
    t.send(1_000);
    t.taken();
    t.hear(home);
    expect(t.taken()).toEqual([{ to: home, bytes: 1_000 }]);
    t.send(1_000);
    expect(t.taken()).toEqual([{ to: home, bytes: 1_000 }]);
    expect(t.moves).toEqual([]);
  });

  test("a challenge that was lost is repeated when the client speaks again, with the same cookie", () => {
    const t = bench();
    t.hear(away);
    t.send(1_000);
    t.send(1_000);
    expect(t.cookies.length).toBe(1);
    t.hear(away);
    expect(t.cookies.length).toBe(2);
    expect(t.cookies[1]).toEqual(t.cookies[0]);
    t.answer(away, t.cookies[0] ?? octets(0));
    expect(t.moves).toEqual([away]);
  });

  test("no unproven address is ever sent more than thrice what it sent, whatever happens", () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant("hear" as const),
        from: fc.constantFrom(home, away, third),
        bytes: fc.integer({ min: 38, max: 1_200 }),
      }),
      fc.record({
        kind: fc.constant("noise" as const),
        from: fc.constantFrom(home, away, third),
        bytes: fc.integer({ min: 1, max: 1_200 }),
      }),
      fc.record({ kind: fc.constant("send" as const), from: fc.constant(home), bytes: fc.integer({ min: 40, max: 1_200 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const t = bench();
        let heard = 0;
        for (const { kind, from, bytes } of steps) {
          t[kind === "send" ? "send" : kind](...((kind === "send" ? [bytes] : [from, bytes]) as [never, never]));
          if (kind === "hear" && from !== home) heard += bytes;
        }
        const out = t.taken().reduce((sum, one) => sum + (one.to === home ? 0 : one.bytes), 0);
        expect(out).toBeLessThanOrEqual(3 * heard);
        expect(t.moves).toEqual([]);
      }),
      { seed: 9853, numRuns: 300 },
    );
  });
});
