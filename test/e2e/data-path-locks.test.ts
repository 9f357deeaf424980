// Real packets under the locks of policy: a card in another module, and a vehicle that is retired. The fleet's stop, simward's own go on.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { canGateway, eventually, type Flows, GatewayBench, gatewayLeftOut } from "../support/gateway-bench.ts";

const ownImei = "356938035643809";
const otherImei = "490154203237518";

describe.skipIf(!canGateway)(`on a virtual gateway${gatewayLeftOut}`, () => {
  let bench: GatewayBench;
  let flows: Flows;

  beforeAll(async () => {
    bench = await GatewayBench.create({ vehicle: ["--imei", ownImei] });
    bench.configure(`[policy]\nimei_lock = "refuse"\n[lifecycle]\nretire_by = "eim"\n`);
    await bench.startNetd();
    await bench.startDaemon();
    await bench.online();
    flows = await bench.startFlows();
  });
  afterAll(() => bench?.close());
  afterEach(({ task }) => {
    if (task.result?.state === "fail") process.stderr.write(`${bench.log}\n`);
  });

  const lockState = async (): Promise<string> => (await bench.api().call<{ readonly state: string }>("GET", "/v1/imei-lock")).state;

  const downloads = async (matchingId: string): Promise<void> => {
    const download = await bench.order({ kind: "download", activationCode: bench.activationCode(matchingId) });
    await bench.poll();
    expect(await download()).toMatchObject({ state: "done" });
  };

  test("a card in another module: the fleet's packets do not pass, a poll and a download do; in its own module they pass again", async () => {
    await bench.api().call("POST", "/v1/imei-lock/pair", { reason: "test" });
    await flows.pass();
    await bench.gateway.restartVehicle(["--imei", otherImei]);
    await eventually("the other module is known", lockState, (state) => state === "mismatch", 40_000);
    await bench.online();
    await flows.stop();
    await downloads("RHEINFUNK-1");
    await bench.gateway.restartVehicle(["--imei", ownImei]);
    await eventually("the own module is known", lockState, (state) => state !== "mismatch", 40_000);
    await bench.online();
    await flows.pass();
  });

  test("retired: the fleet's packets stop within two seconds, and the eIM is asked still, so that it can take the profile away", async () => {
    await bench.api().call("POST", "/v1/lifecycle/retire", { reason: "test" });
    await flows.stop();
    expect(await bench.poll()).toBeDefined();
    expect(bench.nft("list", "table", "inet", "simward")).toContain("wwan0");
  });
});
