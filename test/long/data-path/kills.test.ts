// A hundred kill -9 of daemon and helper at random moments on a virtual gateway: not a packet of a fleet that is held back, and counts that hold.
import { afterAll, afterEach, beforeAll, describe, test } from "vitest";
import { canGateway, type Flows, type GatewayBench, gatewayLeftOut } from "../../support/gateway-bench.ts";
import { killWhileHeldBack, killWhilePassing, startWithFlows } from "../../support/gateway-kills.ts";

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

  test("fifty while the fleet is held back: not one packet passes, and the table stands", () => killWhileHeldBack(bench, flows, 50, 2));

  test("fifty while the fleet passes: what was counted is what passed, and the table stands", () => killWhilePassing(bench, flows, 50, 1));
});
