// The tunnel's service over simward-netd and two real charons: up with the path, an address that changes, a gateway that restarts or refuses, charon,
// simward-netd and the daemon killed, an emergency, name servers, what is told to policies, alarms and the audit trail.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Alarms, createAlarms } from "../../../agent/alarms.ts";
import type { AuditEvent } from "../../../agent/audit/types.ts";
import { parseConfig } from "../../../agent/config/load.ts";
import { createNetdClient, type NetdClient } from "../../../agent/data-path/netd-client.ts";
import { evaluate } from "../../../agent/policy/engine.ts";
import { bindRules } from "../../../agent/policy/rules/table.ts";
import type { LastingFacts } from "../../../agent/policy/types.ts";
import { createTunnel, type Tunnel } from "../../../agent/tunnel/service.ts";
import { SystemClock } from "../../../base/clock.ts";
import { silentLog } from "../../../base/log.ts";
import { seededRandom } from "../../../base/random.ts";
import type { EmergencySource } from "../../../ipa/ports.ts";
import { makeCertificate } from "../../support/tunnel-pki.ts";
import { canTunnel, eapSecret, ids, leftOut, places, TunnelBench, until } from "./bench.ts";

let bench: TunnelBench;

class Vehicle {
  readonly clock = new SystemClock();
  readonly alarms: Alarms = createAlarms();
  readonly audited: AuditEvent[] = [];
  readonly netd: NetdClient;
  readonly tunnel: Tunnel;
  facts: LastingFacts = {};
  sources: readonly EmergencySource[] = [];
  readonly #listeners = new Set<() => void>();
  /** Verbs, in order. */
  readonly asked: string[] = [];
  /** Of the path. */
  address: string = places.vehicle;
  readonly config;

  constructor(more = "", auth: "cert" | "eap" = "cert", certificate = bench.vehiclePair) {
    const proof =
      auth === "cert"
        ? 'certificate_credential = "certificate"\nkey_credential = "key"'
        : `auth = "eap"\neap_identity = "${ids.eap}"\nsecret_credential = "secret"`;
    this.config = parseConfig(
      `[modem]\naddress = "pty:/x"\n[tunnel]\ngateway = "vpn.fleet.example"\nlocal_id = "${ids.vehicle}"\nremote_id = "${ids.gateway}"\n${proof}\n` +
        `ca = "${bench.ca.certificate}"\nremote_ts = ["10.9.0.0/24", "fd09::/64"]\nvirtual_ip = ["0.0.0.0", "::"]\ninterface = "ipsec0"\n` +
        `dpd_seconds = 5\nattempt_seconds = 5\n${more}`,
    );
    const { clock, alarms } = this;
    const { tunnel } = this.config;
    if (tunnel === undefined) throw new Error("no [tunnel]");
    this.netd = createNetdClient({ path: bench.netd.socketPath, clock });
    const credentials: Readonly<Record<string, string>> = {
      certificate: readFileSync(certificate.certificate, "utf8"),
      key: readFileSync(certificate.key, "utf8"),
      secret: eapSecret,
    };
    this.tunnel = createTunnel({
      netd: {
        ask: (verb, args, signal) => {
          this.asked.push(verb);
          return this.netd.ask(verb, args, signal);
        },
      },
      ...{ config: tunnel, clock, alarms, log: silentLog, random: seededRandom(1), publish: () => {} },
      resolve: async () => [places.gateway],
      interfaceName: () => "wwan0",
      routeTable: undefined,
      credential: async (name) => credentials[name] ?? "",
      readFile: async (path) => readFileSync(path, "utf8"),
      emergency: this,
      engine: {
        update: async (facts) => {
          this.facts = { ...this.facts, ...facts };
        },
      },
      audit: async (event) => void this.audited.push(event),
    });
  }

  path(up: boolean): void {
    this.tunnel.follow({ up, iccid: "8988", address: this.address });
  }

  onChange(fn: () => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  emergency(active: boolean): void {
    this.sources = active ? ["api"] : [];
    for (const listener of this.#listeners) listener();
  }

  get data(): string {
    return evaluate(bindRules(this.config), this.facts).data.kind;
  }

  get events(): readonly string[] {
    return this.audited.map(({ event }) => event);
  }

  get resolv(): string {
    return readFileSync(join(bench.dir, "resolv.conf"), "utf8");
  }

  async is(phase: string, limitMs?: number): Promise<void> {
    await until(
      () => this.tunnel.phase === phase,
      `${phase}, and not ${this.tunnel.phase}: ${JSON.stringify(this.tunnel.report())}`,
      limitMs,
    );
  }

  /** As a power cut, or kill -9, ends it: nothing is told to anybody. */
  vanish(): void {
    this.netd.close();
  }
}

const firewall = { interface: "wwan0", fleet: "allow", tunnel: "required", tunnelInterface: "ipsec0" };
let vehicle: Vehicle;
beforeAll(async () => {
  if (canTunnel) bench = await TunnelBench.make();
}, 60_000);
afterAll(async () => {
  if (canTunnel) await bench.close();
});
beforeEach(() => {
  if (!canTunnel) return;
  bench.configureGateway();
});
afterEach(async () => {
  if (!canTunnel) return;
  await vehicle.tunnel.stop();
  vehicle.netd.close();
});

describe.skipIf(!canTunnel)(`the tunnel${leftOut}`, () => {
  test("comes up with the path and goes with it; policies, name servers, the record and the report follow", async () => {
    vehicle = new Vehicle();
    expect(vehicle.data).toBe("refuse");
    await vehicle.netd.ask("resolv", { interface: "wwan0", servers: ["10.64.3.53"] });
    vehicle.path(true);
    await vehicle.is("up");
    expect(vehicle.data).toBe("allow");
    await until(() => vehicle.resolv.includes(`nameserver ${places.nameServer}`), "the tunnel's name server");
    expect(vehicle.resolv).not.toContain("nameserver 10.64.3.53");
    expect(await bench.seenAs(places.fleet)).toBe(places.virtual);
    const { sa, certificates } = vehicle.tunnel.report();
    expect(sa).toMatchObject({
      virtualIps: [places.virtual, places.virtual6],
      gatewayAddress: places.gateway,
      nameServers: [places.nameServer],
    });
    expect(certificates.map(({ whose }) => whose)).toEqual(["vehicle", "ca"]);
    vehicle.path(false);
    await vehicle.is("idle");
    expect(vehicle.data).toBe("refuse");
    await until(() => vehicle.resolv.includes("nameserver 10.64.3.53"), "the network's name server");
    await until(() => vehicle.events.length === 2, "the record");
    expect(vehicle.audited).toMatchObject([
      { event: "tunnel.up", data: { gateway: places.gateway } },
      { event: "tunnel.down", data: { reason: "there is no data path" } },
    ]);
  });

  const movedTo = async (): Promise<void> => {
    vehicle.address = places.vehicleLater;
    vehicle.path(true);
    await until(async () => (await bench.seenAs(places.fleet)) === places.virtual, "packets from the other address");
  };
  const reported = async (addresses: readonly string[]): Promise<void> => {
    const local = (): string => vehicle.tunnel.report().sa?.localAddress ?? "";
    await until(() => addresses.includes(local()), "the other address in the report");
    expect(vehicle.data).toBe("allow");
  };

  describe("where the network gives IPv4 alone", () => {
    beforeEach(() => bench.hasIpv6(false));
    afterEach(() => {
      bench.moveTo(places.vehicle);
      bench.hasIpv6(true);
    });

    test("follows to another address by MOBIKE: nothing is begun anew, and the fleet's packets are let through", async () => {
      vehicle = new Vehicle();
      vehicle.path(true);
      await vehicle.is("up");
      bench.moveTo(places.vehicleLater);
      await movedTo();
      await reported([places.vehicleLater]);
      expect(vehicle.asked.filter((verb) => verb === "tunnel")).toHaveLength(1);
      expect(vehicle.events).toEqual(["tunnel.up"]);
    });

    test("is made anew at another address where the gateway has no MOBIKE", async () => {
      bench.configureGateway({ hasMobike: false });
      vehicle = new Vehicle();
      vehicle.path(true);
      await vehicle.is("up");
      bench.moveTo(places.vehicleLater);
      await movedTo();
      await reported([places.vehicleLater]);
    }, 40_000);

    test("a profile switch: the path gone, the link down, another address: it is up again", async () => {
      vehicle = new Vehicle();
      vehicle.path(true);
      await vehicle.is("up");
      vehicle.path(false);
      bench.netd.ip("link", "set", "wwan0", "down");
      await vehicle.is("idle");
      bench.netd.ip("link", "set", "wwan0", "up");
      bench.moveTo(places.vehicleLater);
      await movedTo();
      await reported([places.vehicleLater]);
      await until(() => vehicle.events.length === 3, "the record");
      expect(vehicle.events).toEqual(["tunnel.up", "tunnel.down", "tunnel.up"]);
    }, 40_000);
  });

  test("follows by IPv6 too where the gateway has that: both ways are tried at once, and the first answer counts", async () => {
    vehicle = new Vehicle();
    vehicle.path(true);
    await vehicle.is("up");
    expect(vehicle.tunnel.report().sa).toMatchObject({ localAddress: places.vehicle, gatewayAddress: places.gateway });
    bench.moveTo(places.vehicleLater);
    try {
      await movedTo();
      await reported([places.vehicleLater, places.vehicle6]);
      const { localAddress, gatewayAddress } = vehicle.tunnel.report().sa ?? {};
      expect(gatewayAddress).toBe(localAddress === places.vehicle6 ? places.gateway6 : places.gateway);
      expect(vehicle.asked.filter((verb) => verb === "tunnel")).toHaveLength(1);
      expect(vehicle.events).toEqual(["tunnel.up"]);
    } finally {
      bench.moveTo(places.vehicle);
    }
  });

  test("a gateway that was started anew: the loss is seen, told and mended", async () => {
    vehicle = new Vehicle();
    vehicle.path(true);
    await vehicle.is("up");
    await bench.gateway.stop("SIGKILL");
    await vehicle.is("waiting", 30_000);
    expect(vehicle.data).toBe("refuse");
    expect(vehicle.alarms.list()).toMatchObject([{ code: "TUNNEL_UNREACHABLE" }]);
    await bench.gateway.start();
    bench.configureGateway();
    await vehicle.is("up", 30_000);
    await until(() => vehicle.events.length === 3, "the record");
    expect(vehicle.events).toEqual(["tunnel.up", "tunnel.down", "tunnel.up"]);
    expect(vehicle.alarms.list()).toEqual([]);
  }, 60_000);

  test("charon killed, and started again as systemd does: it is up again; meanwhile the firewall lets no packet of the fleet's out in the plain", async () => {
    vehicle = new Vehicle();
    vehicle.path(true);
    await vehicle.is("up");
    expect(await bench.ask("firewall", firewall)).toMatchObject({ ok: true });
    try {
      expect(await bench.seenAs(places.fleet)).toBe(places.virtual);
      // Not one of the tunnel's networks, and the fleet's: it does not leave; the management's does.
      expect(await bench.seenAs(places.gateway)).toBeUndefined();
      expect(await bench.seenAs(places.gateway, 12_345)).toBe(places.vehicle);
      const lines = await bench.capture(async () => {
        await bench.vehicle.stop("SIGKILL");
        expect(await bench.seenAs(places.fleet)).toBeUndefined();
        expect(await bench.seenAs(places.fleet6)).toBeUndefined();
        await vehicle.is("waiting", 10_000);
        expect(vehicle.alarms.list()).toMatchObject([{ code: "TUNNEL_ABSENT" }]);
        await bench.vehicle.start();
        // Its own packets pass.
        await vehicle.is("up", 30_000);
        expect(await bench.seenAs(places.fleet)).toBe(places.virtual);
      });
      const inPlain = lines.filter((line) =>
        [places.fleet, places.fleet6, places.virtual, places.virtual6].some((one) => line.includes(one)),
      );
      expect(inPlain).toEqual([]);
      expect(lines.length).toBeGreaterThan(10);
    } finally {
      await bench.ask("firewall-off", { interface: "wwan0", tunnelInterface: "ipsec0" });
    }
  }, 60_000);

  test("simward-netd killed: the tunnel stays, and is known again", async () => {
    vehicle = new Vehicle();
    vehicle.path(true);
    await vehicle.is("up");
    bench.killNetd();
    expect(await bench.seenAs(places.fleet)).toBe(places.virtual);
    bench.startNetd();
    await until(
      () =>
        vehicle.netd.ask("tunnel-read", {}).then(
          () => true,
          () => false,
        ),
      "simward-netd",
    );
    const before = vehicle.asked.length;
    await until(() => vehicle.asked.length >= before + 2, "two looks at the tunnel");
    expect(vehicle.tunnel.phase).toBe("up");
    expect(vehicle.events).toEqual(["tunnel.up"]);
  }, 30_000);

  test("simward-netd gone for good: what nobody sees does not count as up", async () => {
    vehicle = new Vehicle();
    vehicle.path(true);
    await vehicle.is("up");
    bench.killNetd();
    await vehicle.is("waiting", 30_000);
    expect(vehicle.data).toBe("refuse");
    expect(vehicle.alarms.list()).toMatchObject([{ code: "NETD_ABSENT" }]);
    bench.startNetd();
    await vehicle.is("up", 30_000);
    expect(vehicle.alarms.list()).toEqual([]);
  }, 70_000);

  test("the daemon killed: its successor finds the tunnel as it is, and begins nothing anew", async () => {
    vehicle = new Vehicle();
    vehicle.path(true);
    await vehicle.is("up");
    const before = bench.swanctl("--list-sas").match(/#\d+, ESTABLISHED/)?.[0];
    const former = vehicle;
    former.vanish();
    vehicle = new Vehicle();
    vehicle.path(true);
    await vehicle.is("up");
    expect(bench.swanctl("--list-sas").match(/#\d+, ESTABLISHED/)?.[0]).toBe(before);
    former.path(false);
  });

  test("the daemon killed, and no tunnel to be had any more: its successor takes the tunnel's name servers away", async () => {
    await bench.ask("resolv", { interface: "wwan0", servers: ["10.64.3.53"] });
    vehicle = new Vehicle();
    vehicle.path(true);
    await vehicle.is("up");
    await until(() => vehicle.resolv.includes(`nameserver ${places.nameServer}\n`), "the tunnel's name server");
    vehicle.vanish();
    await bench.vehicle.stop("SIGKILL");
    try {
      vehicle = new Vehicle();
      vehicle.path(true);
      await vehicle.is("waiting");
      await until(() => vehicle.resolv.includes("nameserver 10.64.3.53\n"), "the network's name server");
    } finally {
      await bench.vehicle.start();
    }
  }, 30_000);

  test("an emergency: nothing is begun until it is over", async () => {
    vehicle = new Vehicle();
    vehicle.emergency(true);
    vehicle.path(true);
    // Its first act behind which an attempt would stand.
    await until(() => vehicle.tunnel.report().certificates.length > 0, "the certificates");
    expect((await bench.reading()).attempt).toEqual({ state: "none" });
    expect(vehicle.tunnel.phase).toBe("idle");
    expect(vehicle.asked).not.toContain("tunnel");
    vehicle.emergency(false);
    await vehicle.is("up");
    vehicle.emergency(true);
    expect(await bench.seenAs(places.fleet)).toBe(places.virtual);
    expect(vehicle.tunnel.phase).toBe("up");
  });

  test("by EAP, its secret from a credential", async () => {
    bench.configureGateway({ auth: "eap" });
    vehicle = new Vehicle("", "eap");
    vehicle.path(true);
    await vehicle.is("up");
  });

  test("a gateway that refuses: an alarm with its name, the fleet kept in, and a long back-off", async () => {
    const inFar = makeCertificate(bench.dir, { name: ids.vehicle, ca: bench.ca, to: new Date(Date.now() + 9.5 * 86_400_000) });
    bench.configureGateway({ localTs: "172.16.0.0/12" });
    vehicle = new Vehicle("", "cert", inFar);
    vehicle.path(true);
    await vehicle.is("waiting");
    expect(vehicle.data).toBe("refuse");
    expect(vehicle.tunnel.report()).toMatchObject({ phase: "waiting", failures: 1, problem: { code: "TUNNEL_SELECTORS" } });
    expect(
      vehicle.alarms
        .list()
        .map(({ code }) => code)
        .sort(),
    ).toEqual(["TUNNEL_CERTIFICATE_EXPIRING", "TUNNEL_SELECTORS"]);
  });
});
