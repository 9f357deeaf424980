// A hundred kill -9 of daemon and helper at random moments on a virtual gateway: not a packet of a fleet that is held back, counts within the promise.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canGateway, eventually, type Flows, GatewayBench, gatewayLeftOut } from "../../support/gateway-bench.ts";
import { countedAgainst, killRounds } from "../../support/gateway-kills.ts";

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
  });
  afterAll(() => bench?.close());

  test("fifty while the fleet passes: what was counted is what passed", async () => {
    const before = await countedAgainst(bench, flows);
    await killRounds(bench, 50, 1, () => {});
    await flows.pass();
    await flows.end();
    const same = async (): Promise<number> => {
      const { counted, seen } = await countedAgainst(bench, flows, before);
      return Math.abs(counted - seen) / seen;
    };
    await eventually("counted as seen", same, (difference) => difference < 0.02);
  });

  test("fifty while it is held back: not one packet, and the table stands", async () => {
    flows = await bench.startFlows();
    await flows.pass();
    await bench.api().call("POST", "/v1/lifecycle/stage", { stage: "suspended", reason: "test" });
    await flows.stop();
    const before = flows.packets;
    await killRounds(bench, 50, 2, (round) => expect(flows.packets - before, `round ${round}`).toBe(0));
    await flows.stop(0);
    expect(flows.packets - before).toBe(0);
    expect(bench.nft("list", "table", "inet", "simward")).toContain("wwan0");
    await bench.poll();
  });
});
