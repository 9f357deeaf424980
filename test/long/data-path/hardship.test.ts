// Management while the fleet does its worst: refused or throttled to the least, flooding from the vehicle and from behind it, with other programs at the
// firewall. Each time a poll and a download are done; how long they took is told, not judged.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { UsageReport } from "../../../agent/api/usage-types.ts";
import { SystemClock } from "../../../base/clock.ts";
import type { Sender } from "../../../hw-sim/gateway/gateway.ts";
import { canGateway, eventually, fleetUid, GatewayBench, gatewayLeftOut } from "../../support/gateway-bench.ts";

const clock = new SystemClock();
const slow = "stage operational";
const config = `[policy.usage]
throttle_kbps = 8
reserve_bytes = 1000000
[[policy.usage.cap]]
bytes = 1000000000
stage = "operational"
action = "throttle"
`;

describe.skipIf(!canGateway)(`on a virtual gateway${gatewayLeftOut}`, () => {
  let bench: GatewayBench;
  const floods: Sender[] = [];
  const took: Record<string, number> = {};

  beforeAll(async () => {
    bench = await GatewayBench.create();
    bench.configure(config);
    await bench.startNetd();
    await bench.startDaemon();
    await bench.online();
  });
  afterAll(async () => {
    process.stdout.write(`poll and download, ms: ${JSON.stringify(took)}\n`);
    await bench?.close();
  });
  afterEach(({ task }) => {
    if (task.result?.state === "fail") process.stderr.write(`${bench.log}\n`);
  });

  const stage = (name: string): Promise<unknown> => bench.api("admin").call("POST", "/v1/lifecycle/stage", { stage: name, reason: "test" });
  const order = (verb: "limit" | "reset", fields: object): Promise<UsageReport> =>
    bench.api().call("POST", `/v1/usage/${verb}`, { reason: "test", ...fields });
  /** Thousands of large packets a second from each side. */
  const flood = async (): Promise<void> => {
    for (const [place, uid] of [
      ["gw", fleetUid],
      ["ecu", undefined],
    ] as const) {
      const sender = await bench.gateway.sender(place, uid);
      floods.push(sender);
      for (const host of [bench.gateway.ready.fleet.v4, bench.gateway.ready.fleet.v6])
        await sender.start({ tag: `flood.${place}.${host.includes(":") ? "v6" : "v4"}`, protocol: "udp", host, everyMs: 1, bytes: 1_300 });
    }
  };
  const calm = async (): Promise<void> => {
    for (const sender of floods.splice(0)) await sender.stop();
  };
  let serial = 0;
  const work = async (what: string): Promise<void> => {
    const startMs = clock.monotonicMs();
    const matchingId = ["RHEINFUNK-1", "NORDFUNK-1"][serial++];
    const download =
      matchingId === undefined ? undefined : await bench.order({ kind: "download", activationCode: bench.activationCode(matchingId) });
    await bench.poll();
    if (download !== undefined) expect(await download()).toMatchObject({ state: "done" });
    took[what] = Math.round(clock.monotonicMs() - startMs);
  };
  const polls = async (what: string, times = 5): Promise<void> => {
    const all: number[] = [];
    for (let left = times; left > 0; left--) {
      const startMs = clock.monotonicMs();
      await bench.poll();
      all.push(clock.monotonicMs() - startMs);
    }
    took[`poll, ${what}`] = Math.round(all.sort((a, b) => a - b)[Math.floor(times / 2)] ?? Number.NaN);
  };

  test("at ease, for comparison", async () => {
    await polls("at ease");
    await work("at ease");
  });

  test("refused, while it floods from both", async () => {
    await stage("suspended");
    await flood();
    const before = bench.gateway.passed();
    await polls("refused and flooding");
    await work("refused and flooding");
    const { fleet4, fleet6 } = bench.gateway.passed();
    expect([fleet4.packets - before.fleet4.packets, fleet6.packets - before.fleet6.packets]).toEqual([0, 0]);
    await calm();
    await stage("operational");
  });

  test("throttled to 8 kbit/s, while it floods from both", async () => {
    const report: UsageReport = await bench.api().call("GET", "/v1/usage");
    const used = report.caps.find(({ cap }) => cap === slow)?.usedBytes ?? 0;
    await order("limit", { cap: slow, bytes: used + 1_000_001 });
    await flood();
    await eventually(
      "throttled",
      () => bench.execute("gw", ["tc", "class", "show", "dev", "wwan0"]),
      (text) => text.includes("8Kbit"),
    );
    await polls("throttled and flooding");
    // Another program takes the queue away: it is put back.
    bench.execute("gw", ["tc", "qdisc", "del", "dev", "wwan0", "root"]);
    await eventually(
      "throttled again",
      () => bench.execute("gw", ["tc", "class", "show", "dev", "wwan0"]),
      (text) => text.includes("8Kbit"),
    );
    await calm();
    await order("reset", { cap: slow });
    await order("limit", { cap: slow });
  });

  test("tables of other programs, before and behind simward's, and a ruleset that is flushed", async () => {
    await stage("suspended");
    bench.nft(
      "add table inet early { chain o { type filter hook output priority -200; policy accept; accept; }; chain f { type filter hook forward priority -200; policy drop; }; }",
    );
    bench.nft("add table inet late { chain o { type filter hook output priority 300; policy accept; accept; }; }");
    await polls("tables of others");
    bench.nft("flush", "ruleset");
    await polls("right after a flushed ruleset", 2);
    await eventually(
      "the table",
      () => bench.nft("list", "tables"),
      (text) => text.includes("simward"),
      15_000,
    );
    await flood();
    await clock.sleep(500);
    const { fleet4 } = bench.gateway.passed();
    await polls("after it is back");
    expect(bench.gateway.passed().fleet4.packets - fleet4.packets).toBe(0);
    await calm();
    await stage("operational");
  });
});
