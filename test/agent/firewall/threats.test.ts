// Ways past the firewall while the fleet is refused, tried by a program that shares nothing with it, as root; tcpdump in front of the vehicle is the
// witness. Each way is tried with the fleet allowed too, so that it is known to be seen.
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { NetdClient } from "../../../agent/data-path/netd-client.ts";
import { program } from "../../support/programs.ts";
import { canFilter, far, managementUid, type Peer, VehicleBench } from "./vehicle.ts";

const python = program("python3").path;
const tcpdump = program("tcpdump").path;
const canTry = canFilter && python !== undefined && tcpdump !== undefined;

describe.skipIf(!canTry)(`ways past the firewall${canTry ? "" : " (left out: needs root, iproute2, nftables, tcpdump, python3)"}`, () => {
  let vehicle: VehicleBench;
  let netd: NetdClient;
  let management: Peer;
  let serial = 0;

  beforeAll(async () => {
    vehicle = await VehicleBench.make();
    await vehicle.startNetd();
    netd = vehicle.client();
    management = await vehicle.peer("gateway", managementUid);
    vehicle.bench.ip("route", "add", "default", "via", "203.0.113.1");
    vehicle.bench.ip("route", "add", "10.99.0.1/32", "dev", "lan0");
  }, 30_000);
  afterAll(async () => {
    netd?.close();
    await vehicle?.close();
  });

  const fleet = (is: "allow" | "block"): Promise<unknown> => netd.ask("firewall", { interface: "wwan0", fleet: is, tunnel: "none" });

  /** How many packets with this tag came out in front while `act` was at it. */
  const seenInFront = async (tag: string, act: () => void): Promise<number> => {
    const path = join(vehicle.bench.dir, `${++serial}.pcap`);
    const args = [
      "netns",
      "exec",
      vehicle.space("core"),
      tcpdump ?? "",
      "-i",
      "core0",
      "-Q",
      "in",
      "-n",
      "--immediate-mode",
      "-Z",
      "root",
      "-U",
      "-w",
      path,
    ];
    const witness: ChildProcess = spawn("/sbin/ip", args, { stdio: ["ignore", "ignore", "pipe"] });
    await new Promise<void>((done) => {
      let said = "";
      witness.stderr?.on("data", (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes("listening on")) done();
      });
    });
    act();
    // What comes last is seen last; apart for each family, since packets wait for a neighbour that has to be found first.
    for (const [host, last] of [
      [far.v4, "the-last-of-4"],
      [far.v6, "the-last-of-6"],
    ] as const) {
      await management.ask(host, last, { waitMs: 10 });
      while (!readFileSync(path).includes(last)) await vehicle.clock.sleep(10);
    }
    const ended = new Promise((done) => witness.once("close", done));
    witness.kill("SIGINT");
    await ended;
    return readFileSync(path).toString("latin1").split(tag).length - 1;
  };
  const smuggle = (way: string): Promise<number> => {
    const tag = `smuggled-${way}-${++serial}`;
    return seenInFront(tag, () => vehicle.run(python ?? "", resolve("test/agent/firewall/smuggle.py"), way, tag));
  };
  const inTable = (rules: string, way: string) => async (): Promise<number> => {
    vehicle.run("nft", `add table ip other; ${rules}`);
    try {
      return await smuggle(way);
    } finally {
      vehicle.run("nft", "delete", "table", "ip", "other");
    }
  };

  const ways: readonly [string, () => Promise<number>][] = [
    ["a datagram with the ports of DHCP", () => smuggle("dhcp")],
    ["a datagram with the ports of DHCPv6", () => smuggle("dhcpv6")],
    ["raw messages like those of neighbours and routers", () => smuggle("neighbour")],
    ["raw messages like those of multicast listeners", () => smuggle("multicast-listener")],
    ["the tunnel's mark on a datagram that is neither IKE nor ESP", () => smuggle("mark")],
    ["a datagram in fragments of its own making", () => smuggle("fragments")],
    ["protocols that nobody knows", () => smuggle("protocols")],
    [
      "an address behind another interface, which another table translates",
      inTable(
        "add chain ip other c { type nat hook output priority -100; }; add rule ip other c ip daddr 10.99.0.1 dnat to 203.0.113.1",
        "elsewhere",
      ),
    ],
    [
      "a mark that another table sets behind our hook, and a route by it",
      async () => {
        vehicle.bench.ip("rule", "add", "fwmark", "7", "table", "77");
        vehicle.bench.ip("route", "replace", "default", "via", "203.0.113.1", "dev", "wwan0", "table", "77");
        return inTable(
          "add chain ip other c { type route hook output priority 20; }; add rule ip other c ip daddr 10.99.0.1 meta mark set 7",
          "elsewhere",
        )();
      },
    ],
  ];
  test.each(ways)("%s: not one packet", async (_name, tried) => {
    await fleet("allow");
    expect(await tried()).toBeGreaterThan(0);
    await fleet("block");
    expect(await tried()).toBe(0);
  });

  test("what the platform's own programs need for the link passes, and no more", async () => {
    await fleet("block");
    expect(await smuggle("lease")).toBe(1);
    expect(await smuggle("solicitation")).toBe(1);
    const renewals = await smuggle("renewals");
    expect(renewals).toBeGreaterThan(0);
    expect(renewals).toBeLessThanOrEqual(5);
  });
});
