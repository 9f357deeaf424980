// The shipped daemon and helper on a virtual gateway, with real packets: the module's session on the vehicle's interface, the main job over it, and the
// fleet's traffic of the vehicle and of the control unit behind it, stopped by policy and let through again while simward's own goes on.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { canGateway, eventually, type Flows, GatewayBench, gatewayLeftOut } from "../support/gateway-bench.ts";

const fleetProfile = "8949299000000000026";

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
  afterEach(({ task }) => {
    if (task.result?.state === "fail") process.stderr.write(`${bench.log}\n`);
  });

  test("the session's address, route and MTU are the interface's, as the network told the module", async () => {
    const { network } = await bench.status();
    expect(bench.ip("address", "show", "dev", "wwan0")).toMatch(new RegExp(`mtu 1430[\\s\\S]*inet ${network.address}/32`));
    expect(bench.ip("route", "get", "198.51.100.10")).toContain(`dev wwan0 src ${network.address}`);
    // From the network's announcements, which come by themselves; the link-local address outlives what is flushed of a session before.
    const ipv6 = (): string => bench.ip("-6", "-o", "address", "show", "dev", "wwan0") + bench.ip("-6", "route");
    await eventually("IPv6 on wwan0", ipv6, (text) => /2001:db8:64::\S+[\s\S]*fe80::\S+[\s\S]*default via fe80::\S+ dev wwan0/.test(text));
  });

  test("the fleet's traffic passes from the vehicle and from behind it, and the main job is done over the same interface", async () => {
    await flows.pass();
    const before = bench.gateway.passed().servers.bytes;
    const download = await bench.order({ kind: "download", activationCode: bench.activationCode("RHEINFUNK-1") });
    await bench.poll();
    expect(await download()).toMatchObject({ state: "done" });
    const { profiles } = await bench.status();
    expect(profiles.map(({ iccid }) => iccid)).toContain(fleetProfile);
    expect(bench.gateway.passed().servers.bytes - before).toBeGreaterThan(2_000);
  });

  test("suspended: the fleet's packets stop within two seconds, the eIM is asked and obeyed all the same; let through again by the next order", async () => {
    const stage = (name: string) => bench.api("admin").call("POST", "/v1/lifecycle/stage", { stage: name, reason: "test" });
    await stage("suspended");
    await flows.stop();
    const download = await bench.order({ kind: "download", activationCode: bench.activationCode("NORDFUNK-1") });
    await bench.poll();
    expect(await download()).toMatchObject({ state: "done" });
    await stage("operational");
    await flows.pass();
  });

  test("a table that another program has flushed is back, and who altered it is in the trail", async () => {
    await bench.api("admin").call("POST", "/v1/lifecycle/stage", { stage: "suspended", reason: "test" });
    await flows.stop();
    bench.nft("flush", "table", "inet", "simward");
    // Until the next look, ten seconds at most, that program has opened the way; then it is shut.
    await eventually(
      "the fleet held back again",
      async () => (await bench.audit()).map(({ event }) => event),
      (all) => all.includes("firewall.altered"),
      15_000,
    );
    await flows.stop();
  });
});
