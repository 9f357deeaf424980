// kill -9 of daemon and helper on a virtual gateway, ten times at random moments: not one packet of a fleet that is held back, and counts that hold.
// test/long/data-path does it a hundred times.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { canGateway, eventually, type Flows, GatewayBench, gatewayLeftOut } from "../support/gateway-bench.ts";
import { countedAgainst, killRounds } from "../support/gateway-kills.ts";

describe.skipIf(!canGateway)(`on a virtual gateway${gatewayLeftOut}`, () => {
  let bench: GatewayBench;
  let flows: Flows;

  beforeAll(async () => {
    bench = await GatewayBench.create();
    bench.configure();
    await bench.startNetd();
    await bench.startDaemon();
    await bench.online();
    flows = await bench.startFlows();
    await flows.pass();
  });
  afterAll(() => bench?.close());
  afterEach(({ task }) => {
    if (task.result?.state === "fail") process.stderr.write(`${bench.log}\n`);
  });

  test("kill -9 of daemon and helper while the fleet is held back: not one packet passes, and the table stands", async () => {
    await bench.api("admin").call("POST", "/v1/lifecycle/stage", { stage: "suspended", reason: "test" });
    await flows.stop();
    const before = flows.packets;
    await killRounds(bench, 5, 7, (round) => expect(flows.packets - before, `round ${round}`).toBe(0));
    await flows.stop(0);
    expect(flows.packets - before).toBe(0);
    expect(bench.nft("list", "table", "inet", "simward")).toContain("wwan0");
    await bench.api("admin").call("POST", "/v1/lifecycle/stage", { stage: "operational", reason: "test" });
    await flows.pass();
  });

  test("kill -9 of daemon and helper while the fleet's packets pass: what was counted is what passed, and the table stands", async () => {
    const before = await countedAgainst(bench, flows);
    await killRounds(bench, 5, 11, () => {});
    await flows.pass();
    // A quiet link, so that both sides are asked about the same packets.
    await flows.end();
    const same = async (): Promise<number> => {
      const { counted, seen } = await countedAgainst(bench, flows, before);
      return Math.abs(counted - seen) / seen;
    };
    // The ledger's promise is 1 MB or a minute; the kernel's counters outlive both programs, so that nothing at all is lost here.
    await eventually("counted as seen", same, (difference) => difference < 0.02);
    expect(bench.nft("list", "table", "inet", "simward")).toContain("wwan0");
  });
});
