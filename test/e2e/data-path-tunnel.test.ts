// Real packets where policy wants the private APN's tunnel: without it none of the fleet's leaves the vehicle, with it only what goes through it; the
// eIM is reached all the time.
import { readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { canTunnel, eventually, type Flows, fleetUid, GatewayBench, tunnelLeftOut } from "../support/gateway-bench.ts";

describe.skipIf(!canTunnel)(`on a virtual gateway with a tunnel${tunnelLeftOut}`, () => {
  let bench: GatewayBench;
  let flows: Flows;

  beforeAll(async () => {
    bench = await GatewayBench.create({ vpn: true });
    const { vpn } = bench.gateway.ready;
    if (vpn === null) throw new Error("no VPN gateway");
    const file = (name: string, path: string): string => bench.credential(name, readFileSync(path, "utf8"));
    file("tunnel-certificate", vpn.certificate);
    file("tunnel-key", vpn.key);
    const ca = file("ca.pem", vpn.ca);
    bench.configure(
      `[tunnel]\ngateway = "${vpn.host}"\nlocal_id = "${vpn.vehicleId}"\nremote_id = "${vpn.host}"\nauth = "cert"\ncertificate_credential = "tunnel-certificate"\nkey_credential = "tunnel-key"\nca = "${ca}"\nremote_ts = ["172.20.0.0/24"]\nrequired = true\ninterface = "ipsec0"\ndpd_seconds = 10\n`,
    );
    await bench.startNetd("--vici", bench.vici);
    await bench.startDaemon();
    await bench.online();
    flows = await bench.startFlows();
  });
  afterAll(() => bench?.close());
  afterEach(({ task }) => {
    if (task.result?.state === "fail") process.stderr.write(`${bench.log}\n`);
  });

  const inside = (place: "gw" | "ecu"): string => {
    const { vpn } = bench.gateway.ready;
    const curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "2", `http://${vpn?.inside}/octets/5000`];
    return bench.tryTo(place, curl, place === "gw" ? fleetUid : undefined).stdout;
  };

  test("the tunnel is down: not one packet of the fleet's leaves, from the vehicle or from behind it; a poll and a download are done", async () => {
    await flows.stop();
    expect([inside("gw"), inside("ecu")]).toEqual(["000", "000"]);
    const download = await bench.order({ kind: "download", activationCode: bench.activationCode("RHEINFUNK-1") });
    await bench.poll();
    expect(await download()).toMatchObject({ state: "done" });
    expect(bench.gateway.passed()).toMatchObject({ fleet4: { packets: 0 }, fleet6: { packets: 0 }, inside: { packets: 0 } });
  });

  test("the tunnel is up: what goes through it arrives, all else of the fleet's does not, and nothing of it is seen outside", async () => {
    bench.startCharon();
    await eventually(
      "through the tunnel",
      () => [inside("gw"), inside("ecu")].join(" "),
      (codes) => codes === "200 200",
      40_000,
    );
    await flows.stop(0);
    const { fleet4, fleet6, inside: plain, vpn } = bench.gateway.passed();
    expect([fleet4.packets, fleet6.packets, plain.packets]).toEqual([0, 0, 0]);
    // Requests and acknowledgements: the answers come the other way.
    expect(vpn.bytes).toBeGreaterThan(2_000);
    await bench.poll();
  });

  test("charon is killed, and the gateway gone: shut again at once, and the eIM is reached", async () => {
    await bench.gateway.vpn("down");
    await bench.killCharon();
    expect([inside("gw"), inside("ecu")]).toEqual(["000", "000"]);
    await flows.stop(0);
    const { fleet4, fleet6, inside: plain } = bench.gateway.passed();
    expect([fleet4.packets, fleet6.packets, plain.packets]).toEqual([0, 0, 0]);
    await bench.poll();
  });
});
