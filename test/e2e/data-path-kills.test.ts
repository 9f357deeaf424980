// kill -9 of daemon and helper on a virtual gateway, ten times at random moments: not one packet of a fleet that is held back, and counts that hold.
// test/long/data-path does it a hundred times.
import { afterAll, afterEach, beforeAll, describe, test } from "vitest";
import { canGateway, type Flows, type GatewayBench, gatewayLeftOut } from "../support/gateway-bench.ts";
import { killWhileHeldBack, killWhilePassing, startWithFlows } from "../support/gateway-kills.ts";

describe.skipIf(!canGateway)(`on a virtual gateway${gatewayLeftOut}`, () => {
  let bench: GatewayBench;
  let flows: Flows;

  beforeAll(async () => {
    ({ bench, flows } = await startWithFlows());
  });
  afterAll(() => bench?.close());
  afterEach(({ task }) => {
    if (task.result?.state === "fail") process.stderr.write(`${bench.log}\n`);
  });

  test("kill -9 of daemon and helper while the fleet is held back: not one packet passes, and the table stands", () =>
    killWhileHeldBack(bench, flows, 5, 7));

  test("kill -9 of daemon and helper while the fleet's packets pass: what was counted is what passed, and the table stands", () =>
    killWhilePassing(bench, flows, 5, 11));
});
