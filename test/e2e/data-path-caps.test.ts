// Caps on real packets: at the cap the fleet's traffic of the vehicle and of the control unit behind it stops while simward's own goes on, what was
// counted is what passed, and a throttle slows the fleet alone.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { UsageReport } from "../../agent/api/usage-types.ts";
import { createNetdClient, type NetdClient } from "../../agent/data-path/netd-client.ts";
import { SystemClock } from "../../base/clock.ts";
import { canGateway, daemonUid, eventually, type Flows, fleetUid, GatewayBench, gatewayLeftOut } from "../support/gateway-bench.ts";

/** Management's part of each cap. */
const reserve = 1_000_000;
const slow = "stage operational";
const config = `[policy.usage]
throttle_kbps = 64
reserve_bytes = ${reserve}
[[policy.usage.cap]]
bytes = 1000000000
action = "block"
[[policy.usage.cap]]
bytes = 1000000000
stage = "operational"
action = "throttle"
`;

describe.skipIf(!canGateway)(`on a virtual gateway${gatewayLeftOut}`, () => {
  let bench: GatewayBench;
  let flows: Flows;
  let netd: NetdClient;

  beforeAll(async () => {
    bench = await GatewayBench.create();
    bench.configure(config);
    await bench.startNetd();
    await bench.startDaemon();
    await bench.online();
    netd = createNetdClient({ path: bench.netdSocket, clock: new SystemClock() });
    flows = await bench.startFlows();
  });
  afterAll(async () => {
    netd?.close();
    await bench?.close();
  });
  afterEach(({ task }) => {
    if (task.result?.state === "fail") process.stderr.write(`${bench.log}\n`);
  });

  /** As the kernel has counted by now, both ways. */
  const counted = async (): Promise<{ readonly sentBytes: number; readonly receivedBytes: number }> =>
    ((await netd.ask("firewall-read", { interface: "wwan0" })) as { readonly fleet: { sentBytes: number; receivedBytes: number } }).fleet;
  const usage = (): Promise<UsageReport> => bench.api().call("GET", "/v1/usage");
  const order = (verb: "limit" | "reset", fields: object): Promise<UsageReport> =>
    bench.api().call("POST", `/v1/usage/${verb}`, { reason: "test", ...fields });
  const used = async (id: string): Promise<number> => (await usage()).caps.find(({ cap }) => cap === id)?.usedBytes ?? 0;

  test("what the kernel counts as the fleet's is what came over the link", async () => {
    await flows.pass();
    const sent = (): number => bench.gateway.passed().fleet4.bytes + bench.gateway.passed().fleet6.bytes;
    const [link, here] = [sent(), await counted()];
    await eventually("some traffic", sent, (bytes) => bytes > link + 100_000);
    const [linkAfter, hereAfter] = [sent(), await counted()];
    const ratio = (hereAfter.sentBytes - here.sentBytes) / (linkAfter - link);
    expect(ratio).toBeGreaterThan(0.9);
    expect(ratio).toBeLessThan(1.15);
  });

  test("at the cap the fleet stops within two seconds, from the vehicle and from behind it; a poll and a download are done; forgiven, it passes again", async () => {
    const before = await used("all");
    const limit = before + reserve + 400_000;
    const start = await counted();
    await order("limit", { cap: "all", bytes: limit });
    const both = async (): Promise<number> => {
      const { sentBytes, receivedBytes } = await counted();
      return sentBytes + receivedBytes - start.sentBytes - start.receivedBytes;
    };
    await eventually("the cap is used up", both, (bytes) => bytes >= 400_000, 30_000);
    await flows.stop();
    const report = await usage();
    expect(report.caps.find(({ cap }) => cap === "all")).toMatchObject({ state: "block" });
    const download = await bench.order({ kind: "download", activationCode: bench.activationCode("RHEINFUNK-1") });
    await bench.poll();
    expect(await download()).toMatchObject({ state: "done" });
    expect((await bench.status()).alarms.map(({ code }) => code)).toContain("USAGE_CAP");
    await order("reset", { cap: "all" });
    await flows.pass();
    await order("limit", { cap: "all" });
  });

  test("a throttle slows the fleet and not simward's own packets", async () => {
    await flows.pass();
    // What the other flows carry is in the fleet's class too.
    await flows.end();
    const octetsOf = (uid: number): number => {
      const curl = [
        "curl",
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{size_download}",
        "-m",
        "4",
        `http://${bench.gateway.ready.fleet.v4}/octets/20000000`,
      ];
      return Number(bench.tryTo("gw", curl, uid).stdout);
    };
    await order("limit", { cap: slow, bytes: (await used(slow)) + reserve + 1 });
    await eventually(
      "tc",
      () => bench.execute("gw", ["tc", "class", "show", "dev", "wwan0"]),
      (text) => text.includes("64Kbit"),
    );
    const [fleet, own] = [octetsOf(fleetUid), octetsOf(daemonUid)];
    expect(fleet).toBeGreaterThan(0);
    expect(own / fleet).toBeGreaterThan(10);
    await bench.poll();
    await order("reset", { cap: slow });
    await order("limit", { cap: slow });
    await eventually(
      "not throttled",
      () => octetsOf(fleetUid),
      (octets) => octets > 10 * fleet,
    );
  });
});
