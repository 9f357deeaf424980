// Real packets through the kernel's firewall: from the gateway and from the control unit behind it, IPv4 and IPv6; the fleet's and management's.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { NetdClient } from "../../../agent/data-path/netd-client.ts";
import { type Disposer, SystemClock } from "../../../base/clock.ts";
import { allow, PolicyStub, refuse, throttle } from "./policy-stub.ts";
import { canFilter, far, leftOut, managementUid, type Peer, port, VehicleBench } from "./vehicle.ts";

/** Only the regular look is hastened. */
class Hasty extends SystemClock {
  override every(ms: number, fn: () => void): Disposer {
    return super.every(ms / 100, fn);
  }
}

describe.skipIf(!canFilter)(`in network namespaces${leftOut}`, () => {
  let vehicle: VehicleBench;
  let netd: NetdClient;
  let fleet: Peer;
  let management: Peer;
  let ecu: Peer;
  let core: Peer;
  let policy: PolicyStub;

  beforeAll(async () => {
    vehicle = await VehicleBench.make();
    await vehicle.startNetd();
    netd = vehicle.client();
    [fleet, management, ecu, core] = await Promise.all([
      vehicle.peer("gateway", 54_321),
      vehicle.peer("gateway", managementUid),
      vehicle.peer("ecu"),
      vehicle.peer("core"),
    ]);
    await core.do("serve", { port });
    await ecu.do("serve", { port });
    await vehicle.warm(fleet, ecu);
  }, 30_000);
  afterAll(async () => {
    netd?.close();
    await vehicle?.close();
  });
  beforeEach(async () => {
    await policy?.firewall.stop();
    // What is still to be told of the test before goes with its connection.
    netd.close();
    netd = vehicle.client();
    policy = new PolicyStub(netd, new Hasty());
    policy.firewall.start();
    await policy.firewall.changed();
  });

  const hosts = [far.v4, far.v6];
  const refused = /^refused E(HOSTUNREACH|ACCES|PERM|CONNREFUSED)$/;

  test("allowed: everything passes, and is counted for whoever sent it, to the octet", async () => {
    const before = await policy.firewall.read();
    for (const host of hosts) {
      expect(await fleet.ask(host, "fleet", { bytes: 93 })).toBe("answered");
      expect(await management.ask(host, "management", { bytes: 188 })).toBe("answered");
      expect(await ecu.ask(host, "fleet", { bytes: 93 })).toBe("answered");
    }
    const now = await policy.firewall.read();
    // Two of 100 octets with either head, there and back; one of 200.
    const both = (octets: number): { sentBytes: number; receivedBytes: number } => ({ sentBytes: octets, receivedBytes: octets });
    expect(now?.epoch).toBe(before?.epoch);
    expect(difference(now?.fleet, before?.fleet)).toEqual(both(2 * (100 + 28) + 2 * (100 + 48)));
    const own = difference(now?.management, before?.management);
    // Neighbour discovery may have been among it.
    expect(own.sentBytes).toBeGreaterThanOrEqual(200 + 28 + 200 + 48);
    expect(own.sentBytes).toBeLessThan(2 * (200 + 48) + 2_000);
  });

  test("refused: the fleet is told at once, from the gateway and from behind it; management goes on; then it flows again", async () => {
    await policy.decide(refuse);
    const heardBefore = await core.do("heard", { who: "fleet" });
    for (const host of hosts) {
      expect(await fleet.ask(host, "fleet")).toMatch(refused);
      expect(await ecu.ask(host, "fleet")).toMatch(refused);
      expect(await fleet.do("connect", { id: "no", host, port })).toMatch(refused);
      expect(await ecu.do("connect", { id: "no", host, port })).toMatch(refused);
      expect(await management.ask(host, "management")).toBe("answered");
      expect(await management.do("connect", { id: host, host, port })).toBe("connected");
      expect(await management.do("talk", { id: host })).toBe("answered");
    }
    // Nor does anything reach what is behind the gateway.
    expect(await core.ask("192.0.2.2", "inward", { waitMs: 300 })).toBe("silent");
    expect(await core.ask("2001:db8:e::2", "inward", { waitMs: 300 })).toBe("silent");
    expect(await ecu.do("heard", { who: "inward" })).toEqual({ datagrams: 0, bytes: 0 });
    expect(await core.do("heard", { who: "fleet" })).toEqual(heardBefore);
    await policy.decide(allow);
    for (const host of hosts) {
      expect(await fleet.ask(host, "fleet")).toBe("answered");
      expect(await ecu.ask(host, "fleet")).toBe("answered");
    }
    expect(await core.ask("192.0.2.2", "inward")).toBe("answered");
  });

  test("connections that stand are cut with it, and those of management are not", async () => {
    const all = [fleet, ecu, management];
    for (const host of hosts) for (const peer of all) expect(await peer.do("connect", { id: `cut ${host}`, host, port })).toBe("connected");
    await policy.decide(refuse);
    for (const host of hosts) {
      expect(await management.do("talk", { id: `cut ${host}` })).toBe("answered");
      expect(await fleet.do("talk", { id: `cut ${host}`, waitMs: 300 })).toBe("silent");
      expect(await ecu.do("talk", { id: `cut ${host}`, waitMs: 300 })).toBe("silent");
    }
  });

  test("a port that management has used makes nobody else management", async () => {
    expect(await management.ask(far.v4, "management", { localPort: 40_001 })).toBe("answered");
    await policy.decide(refuse);
    expect(await fleet.ask(far.v4, "fleet", { localPort: 40_001 })).toMatch(refused);
    expect(await management.ask(far.v4, "management", { localPort: 40_001 })).toBe("answered");
  });

  test("while the fleet is refused an eIM reaches simward where it listens, and nobody reaches a program of the fleet's", async () => {
    await management.do("serve", { port: 5_684 });
    await fleet.do("serve", { port: 5_685 });
    policy.listening = { udpPort: 5_684, tcpPort: 5_684 };
    await policy.decide(refuse);
    for (const host of ["203.0.113.7", "2001:db8:f::7"]) {
      expect(await core.ask(host, "eim", { port: 5_684 })).toBe("answered");
      expect(await core.do("connect", { id: `eim ${host}`, host, port: 5_684 })).toBe("connected");
      expect(await core.do("talk", { id: `eim ${host}` })).toBe("answered");
      expect(await core.ask(host, "stranger", { port: 5_685, waitMs: 300 })).toBe("silent");
      expect(await core.do("connect", { id: "stranger", host, port: 5_685, waitMs: 300 })).toBe("silent");
    }
    expect(await fleet.do("heard", { who: "stranger" })).toEqual({ datagrams: 0, bytes: 0 });
  });

  test("neighbours are found while the fleet is refused", async () => {
    await policy.decide(refuse);
    vehicle.bench.ip("neighbour", "flush", "dev", "wwan0");
    vehicle.in("core", "neighbour", "flush", "dev", "core0");
    for (const host of hosts) expect(await management.ask(host, "management")).toBe("answered");
  });

  test("in an emergency nothing is blocked, whatever policy and tunnel say; afterwards it is again", async () => {
    policy.tunnel = { tunnel: "required", tunnelInterface: "ipsec0" };
    await policy.decide(refuse);
    expect(await ecu.ask(far.v4, "fleet")).toMatch(refused);
    await policy.emergency(true);
    expect(await ecu.ask(far.v4, "fleet")).toBe("answered");
    expect(await fleet.ask(far.v6, "fleet")).toBe("answered");
    await policy.emergency(false);
    expect(await ecu.ask(far.v4, "fleet")).toMatch(refused);
  });

  test("a tunnel that is required: nothing of the fleet's by the module's interface, neither out nor in; management goes on", async () => {
    policy.tunnel = { tunnel: "required", tunnelInterface: "ipsec0" };
    await policy.firewall.changed();
    for (const host of hosts) {
      expect(await fleet.ask(host, "fleet")).toMatch(refused);
      expect(await ecu.ask(host, "fleet")).toMatch(refused);
      expect(await management.ask(host, "management")).toBe("answered");
    }
    expect(await core.ask("192.0.2.2", "inward", { waitMs: 300 })).toBe("silent");
    // A tunnel's interface: what goes there passes, and is counted for the fleet.
    vehicle.bench.ip("link", "add", "ipsec0", "type", "veth", "peer", "name", "ipsec1", "netns", vehicle.space("core"));
    vehicle.bench.ip("address", "add", "10.9.0.2/24", "dev", "ipsec0");
    vehicle.bench.ip("link", "set", "dev", "ipsec0", "up");
    vehicle.in("core", "address", "add", "10.9.0.1/24", "dev", "ipsec1");
    vehicle.in("core", "link", "set", "dev", "ipsec1", "up");
    vehicle.in("core", "route", "replace", "192.0.2.0/24", "via", "10.9.0.2");
    try {
      const before = await policy.firewall.read();
      expect(await fleet.ask("10.9.0.1", "fleet", { bytes: 93 })).toBe("answered");
      expect(await ecu.ask("10.9.0.1", "fleet", { bytes: 93 })).toBe("answered");
      const now = await policy.firewall.read();
      expect(difference(now?.fleet, before?.fleet)).toEqual({ sentBytes: 256, receivedBytes: 256 });
      await policy.decide(refuse);
      expect(await fleet.ask("10.9.0.1", "fleet")).toMatch(refused);
      expect(await ecu.ask("10.9.0.1", "fleet")).toMatch(refused);
    } finally {
      vehicle.bench.ip("link", "delete", "ipsec0");
      vehicle.in("core", "route", "replace", "192.0.2.0/24", "via", "203.0.113.7");
    }
  });

  test("throttled: the fleet's excess is dropped both ways, management's is not, and all of it is gone afterwards", async () => {
    await policy.decide(throttle);
    policy.firewall.raised();
    await policy.firewall.changed();
    expect(vehicle.run("tc", "class", "show", "dev", "wwan0")).toMatch(/htb 5157:20 root .*rate 64Kbit/);
    const load = { hosts: [far.v4], port, bytes: 1_000 };
    await fleet.do("flood", { ...load, who: "slow" });
    await management.do("flood", { ...load, who: "quick" });
    await new Promise((done) => vehicle.clock.after(1_000, () => done(undefined)));
    const [slow, quick] = [await fleet.do("calm"), await management.do("calm")] as { datagrams: number }[];
    const heard = async (who: string) => ((await core.do("heard", { who })) as { datagrams: number }).datagrams;
    // 64 kbit/s is 8 of these in a second, and some more that waited; of management's none is missing.
    expect(await heard("slow")).toBeLessThan((slow?.datagrams ?? 0) / 4);
    expect(await heard("quick")).toBe(quick?.datagrams);
    await policy.decide(allow);
    expect(vehicle.run("tc", "qdisc", "show", "dev", "wwan0")).not.toContain("5157");
    expect(vehicle.table()).not.toContain("limit rate over");
  });

  describe("against others", () => {
    const wrongs: readonly [string, readonly string[], string][] = [
      ["the whole ruleset is flushed", ["flush", "ruleset"], "removed"],
      ["the table is deleted", ["delete", "table", "inet", "simward"], "removed"],
      ["its rules are flushed", ["flush", "chain", "inet", "simward", "fleet_sent"], "altered"],
      ["a rule that accepts is put before ours", ["insert", "rule", "inet", "simward", "output", "accept"], "altered"],
      ["a chain of another's is put in", ["add chain inet simward evil { type filter hook output priority 0; policy drop; }"], "altered"],
      ["a chain's policy is altered", ["chain inet simward output { policy drop; }"], "altered"],
    ];
    test.each(wrongs)("%s: repaired, told, audited", async (_name, command, how) => {
      await policy.decide(refuse);
      expect(await ecu.ask(far.v4, "fleet")).toMatch(refused);
      const healthy = vehicle.table().replaceAll(/packets \d+ bytes \d+|generation_\w+/g, "");
      const before = await policy.firewall.read();
      const told = policy.next("firewall.altered");
      vehicle.run("nft", ...command);
      expect((await told).data).toEqual({ how, repaired: true, times: 1 });
      expect(policy.alarms.get("firewallAltered")).toBe("FIREWALL_ALTERED");
      expect(vehicle.table().replaceAll(/packets \d+ bytes \d+|generation_\w+/g, "")).toBe(healthy);
      expect(await ecu.ask(far.v4, "fleet")).toMatch(refused);
      expect(await management.ask(far.v6, "management")).toBe("answered");
      const now = await policy.firewall.read();
      // Counters count on, or have begun anew and say so.
      if (how === "removed") expect(now?.epoch).not.toBe(before?.epoch);
      else expect(now?.management.sentBytes).toBeGreaterThan(before?.management.sentBytes ?? Number.NaN);
    });

    test("counters that another program has set to zero: another epoch, never less within one", async () => {
      expect(await fleet.ask(far.v4, "fleet")).toBe("answered");
      const before = await policy.firewall.read();
      vehicle.run("nft", "reset", "counters", "table", "inet", "simward");
      const now = await policy.firewall.read();
      expect(now?.epoch).not.toBe(before?.epoch);
    });

    test("a table of the integrator's is left alone", async () => {
      vehicle.run("nft", "add table inet vehicle { chain c { type filter hook forward priority 0; policy accept; counter; }; }");
      await policy.decide(refuse);
      await policy.decide(allow);
      await policy.firewall.stop();
      expect(vehicle.table()).toContain("table inet vehicle");
      expect(vehicle.table()).not.toContain("table inet simward");
      vehicle.run("nft", "delete", "table", "inet", "vehicle");
    });

    test("an interface that has gone and come back is under the same rules", async () => {
      await policy.decide(refuse);
      vehicle.bench.ip("link", "delete", "wwan0");
      vehicle.addModule();
      expect(await ecu.ask(far.v4, "fleet")).toMatch(refused);
      expect(await management.ask(far.v4, "management")).toBe("answered");
    });
  });

  test("an orderly stop takes the table away where nothing is refused, and leaves it where something is", async () => {
    await policy.decide(refuse);
    await policy.firewall.stop();
    expect(await ecu.ask(far.v4, "fleet")).toMatch(refused);
    policy = new PolicyStub(netd, new Hasty());
    policy.firewall.start();
    await policy.firewall.changed();
    expect(await ecu.ask(far.v4, "fleet")).toBe("answered");
    await policy.firewall.stop();
    expect(vehicle.table()).toBe("");
  });

  test("without nft: a clear alarm, and what is refused is left to the module's flight", async () => {
    const bare = ["--interface", "wwan0", "--uid", String(managementUid), "--socket", `${vehicle.bench.dir}/bare.sock`];
    vehicle.bench.start([...bare, "--nft", "/nonexistent/nft"]);
    (await vehicle.bench.client(`${vehicle.bench.dir}/bare.sock`)).end();
    const poor = vehicle.client(`${vehicle.bench.dir}/bare.sock`);
    const alone = new PolicyStub(poor, new Hasty());
    const unmet: string[] = [];
    alone.firewall.unmet.onData(({ kind }) => unmet.push(kind));
    alone.firewall.start();
    await alone.firewall.changed();
    expect(alone.alarms.get("firewall")).toBe("NETD_PROGRAM");
    expect(alone.firewall.unmet.data).toEqual(allow);
    await alone.decide(refuse);
    expect(alone.firewall.unmet.data).toEqual(refuse);
    expect(alone.firewall.status).toMatchObject({ state: "unable", fleet: "block" });
    expect(await alone.firewall.read()).toBeUndefined();
    await alone.decide(allow);
    expect(unmet).toEqual(["refuse", "allow"]);
    await alone.firewall.stop();
    poor.close();
  });
});

function difference(
  now: { readonly sentBytes: number; readonly receivedBytes: number } | undefined,
  before: { readonly sentBytes: number; readonly receivedBytes: number } | undefined,
): { readonly sentBytes: number; readonly receivedBytes: number } {
  const of = (way: "sentBytes" | "receivedBytes"): number => (now?.[way] ?? Number.NaN) - (before?.[way] ?? Number.NaN);
  return { sentBytes: of("sentBytes"), receivedBytes: of("receivedBytes") };
}
