// What a request becomes, and above all what becomes of requests that somebody made up.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { interfaceName } from "../../../agent/netd/arguments.ts";
import type { Action } from "../../../agent/netd/verb.ts";
import { actionsFor, pppdArguments, verbNames } from "../../../agent/netd/verbs.ts";
import { SimwardError } from "../../../base/errors.ts";
import { hostileRequests } from "./hostile.ts";

const grounds = { interfaces: ["wwan0", "ppp0"] };
const text = (request: unknown): string[] =>
  actionsFor(request, grounds).map((action) => (action.kind === "run" ? [action.program, ...action.args].join(" ") : action.kind));

describe("verbs of simward-netd", () => {
  test("become programs with checked arguments", () => {
    expect(text({ verb: "link", args: { interface: "wwan0", state: "up", mtuBytes: 1_420 } })).toEqual([
      "ip link set dev wwan0 mtu 1420",
      "ip link set dev wwan0 up",
    ]);
    expect(text({ verb: "addr", args: { interface: "wwan0", address: "2001:db8::7/64" } })).toEqual([
      "ip address replace 2001:db8::7/64 dev wwan0",
    ]);
    expect(text({ verb: "route", args: { interface: "wwan0", family: 4, gateway: "10.0.0.1", metric: 700, table: 100 } })).toEqual([
      "ip -4 route replace default via 10.0.0.1 dev wwan0 onlink metric 700 table 100",
    ]);
    expect(text({ verb: "route", args: { interface: "wwan0", family: 6 } })).toEqual(["ip -6 route replace default dev wwan0"]);
    expect(text({ verb: "route-flush", args: { interface: "wwan0", family: 6, table: 100 } })).toEqual([
      "ip -6 route flush dev wwan0 table 100",
    ]);
  });

  test("or something else of a fixed kind", () => {
    expect(actionsFor({ verb: "resolv", args: { interface: "wwan0", servers: ["10.0.0.53", "2001:db8::53"] } }, grounds)).toEqual([
      { kind: "resolv", interface: "wwan0", servers: ["10.0.0.53", "2001:db8::53"], isTunnel: false },
    ]);
    expect(actionsFor({ verb: "modem-power", args: { action: "cycle" } }, grounds)).toEqual([{ kind: "power", action: "cycle" }]);
    expect(actionsFor({ verb: "ppp", args: { interface: "ppp0", state: "down" } }, grounds)).toEqual([
      { kind: "pppDown", interface: "ppp0" },
    ]);
    expect(actionsFor({ verb: "ppp", args: { interface: "ppp0", state: "up", device: "/dev/ttyUSB3", mtuBytes: 1_420 } }, grounds)).toEqual(
      [{ kind: "pppUp", interface: "ppp0", device: "/dev/ttyUSB3", args: pppdArguments("/dev/ttyUSB3", "ppp0", 1_420) }],
    );
  });

  test("pppd's options are a fixed table: no file, no program, no name server and no default route of its own", () => {
    const args = pppdArguments("/dev/ttyUSB3", "ppp0", 1_420);
    expect(args[0]).toBe("/dev/ttyUSB3");
    expect(args.slice(-6)).toEqual(["ifname", "ppp0", "mtu", "1420", "mru", "1420"]);
    expect(
      args.filter((one) =>
        /^(file|call|connect|disconnect|init|welcome|pty|plugin|ktune|usepeerdns|defaultroute|logfile|record)$/.test(one),
      ),
    ).toEqual([]);
    expect(args).toContain("nodefaultroute");
    expect(args).toContain("nodetach");
  });

  // Each is one thing wrong with a request that is otherwise right.
  const refused: readonly [string, unknown, string][] = [
    ["no object", null, "NETD_VERB"],
    ["a list", [], "NETD_VERB"],
    ["an unknown verb", { verb: "shell", args: {} }, "NETD_VERB"],
    ["a name every object has", { verb: "constructor", args: {} }, "NETD_VERB"],
    ["the prototype", { verb: "__proto__", args: {} }, "NETD_VERB"],
    ["a member too many", { verb: "addr-flush", args: { interface: "wwan0" }, and: "reboot" }, "NETD_ARGUMENT"],
    ["arguments that are a list", { verb: "link", args: [] }, "NETD_ARGUMENT"],
    ["an argument too many", { verb: "addr-flush", args: { interface: "wwan0", all: true } }, "NETD_ARGUMENT"],
    ["an argument every object has", { verb: "addr-flush", args: { interface: "wwan0", toString: 1 } }, "NETD_ARGUMENT"],
    ["a missing argument", { verb: "addr", args: { interface: "wwan0" } }, "NETD_ARGUMENT"],
    ["a foreign interface", { verb: "link", args: { interface: "eth0", state: "up" } }, "NETD_ARGUMENT"],
    ["an option as interface", { verb: "link", args: { interface: "--help", state: "up" } }, "NETD_ARGUMENT"],
    ["a list with the interface", { verb: "link", args: { interface: ["wwan0"], state: "up" } }, "NETD_ARGUMENT"],
    ["a bad state", { verb: "link", args: { interface: "wwan0", state: "up; reboot" } }, "NETD_ARGUMENT"],
    ["a state in a list", { verb: "link", args: { interface: "wwan0", state: ["up"] } }, "NETD_ARGUMENT"],
    ["an MTU out of range", { verb: "link", args: { interface: "wwan0", state: "up", mtuBytes: 100 } }, "NETD_ARGUMENT"],
    ["an MTU as text", { verb: "link", args: { interface: "wwan0", state: "up", mtuBytes: "1400" } }, "NETD_ARGUMENT"],
    ["an MTU with a fraction", { verb: "link", args: { interface: "wwan0", state: "up", mtuBytes: 1_400.5 } }, "NETD_ARGUMENT"],
    ["an address without prefix", { verb: "addr", args: { interface: "wwan0", address: "10.0.0.1" } }, "NETD_ARGUMENT"],
    ["a prefix too long", { verb: "addr", args: { interface: "wwan0", address: "10.0.0.1/33" } }, "NETD_ARGUMENT"],
    ["an address with more behind it", { verb: "addr", args: { interface: "wwan0", address: "10.0.0.1/32 dev eth0" } }, "NETD_ARGUMENT"],
    ["an address with a zone", { verb: "addr", args: { interface: "wwan0", address: "fe80::1%eth0/64" } }, "NETD_ARGUMENT"],
    ["a gateway that is an option", { verb: "route", args: { interface: "wwan0", family: 4, gateway: "-batch" } }, "NETD_ARGUMENT"],
    ["a gateway with a zone", { verb: "route", args: { interface: "wwan0", family: 6, gateway: "fe80::1%eth0" } }, "NETD_ARGUMENT"],
    ["a gateway of the other family", { verb: "route", args: { interface: "wwan0", family: 4, gateway: "fe80::1" } }, "NETD_ARGUMENT"],
    ["a family that there is not", { verb: "route", args: { interface: "wwan0", family: 5 } }, "NETD_ARGUMENT"],
    ["the kernel's own table", { verb: "route", args: { interface: "wwan0", family: 4, table: 255 } }, "NETD_ARGUMENT"],
    ["a metric below nothing", { verb: "route", args: { interface: "wwan0", family: 4, metric: -1 } }, "NETD_ARGUMENT"],
    ["a flush of everything", { verb: "route-flush", args: { family: 4 } }, "NETD_ARGUMENT"],
    ["a server with a line feed", { verb: "resolv", args: { interface: "wwan0", servers: ["10.0.0.1\noptions use-vc"] } }, "NETD_ARGUMENT"],
    ["a server that is a name", { verb: "resolv", args: { interface: "wwan0", servers: ["dns.example"] } }, "NETD_ARGUMENT"],
    [
      "too many servers",
      { verb: "resolv", args: { interface: "wwan0", servers: ["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"] } },
      "NETD_ARGUMENT",
    ],
    ["servers that are no list", { verb: "resolv", args: { interface: "wwan0", servers: { length: 0 } } }, "NETD_ARGUMENT"],
    ["a path of the client's", { verb: "resolv", args: { interface: "wwan0", servers: [], path: "/etc/passwd" } }, "NETD_ARGUMENT"],
    ["PPP without a port", { verb: "ppp", args: { interface: "ppp0", state: "up" } }, "NETD_ARGUMENT"],
    ["a port by a link", { verb: "ppp", args: { interface: "ppp0", state: "up", device: "/dev/serial/by-id/x" } }, "NETD_ARGUMENT"],
    ["a port by a way round", { verb: "ppp", args: { interface: "ppp0", state: "up", device: "/dev/../etc/passwd" } }, "NETD_ARGUMENT"],
    ["the console as port", { verb: "ppp", args: { interface: "ppp0", state: "up", device: "/dev/tty1" } }, "NETD_ARGUMENT"],
    ["a disk as port", { verb: "ppp", args: { interface: "ppp0", state: "up", device: "/dev/sda1" } }, "NETD_ARGUMENT"],
    ["an option of pppd as port", { verb: "ppp", args: { interface: "ppp0", state: "up", device: "file" } }, "NETD_ARGUMENT"],
    ["a port with a line feed", { verb: "ppp", args: { interface: "ppp0", state: "up", device: "/dev/ttyUSB3\n" } }, "NETD_ARGUMENT"],
    [
      "a pseudo terminal, where there is no bench",
      { verb: "ppp", args: { interface: "ppp0", state: "up", device: "/dev/pts/3" } },
      "NETD_ARGUMENT",
    ],
    [
      "an option for pppd",
      { verb: "ppp", args: { interface: "ppp0", state: "up", device: "/dev/ttyUSB3", connect: "reboot" } },
      "NETD_ARGUMENT",
    ],
    ["a power action that there is not", { verb: "modem-power", args: { action: "cycle; reboot" } }, "NETD_ARGUMENT"],
    ["a tunnel without anything", { verb: "tunnel", args: {} }, "NETD_ARGUMENT"],
    ["the end of a tunnel by name", { verb: "tunnel-down", args: { name: "other" } }, "NETD_ARGUMENT"],
    ["a tunnel's file", { verb: "tunnel-read", args: { file: "/etc/shadow" } }, "NETD_ARGUMENT"],
    [
      "a firewall on a foreign interface",
      { verb: "firewall", args: { interface: "eth0", fleet: "block", tunnel: "none" } },
      "NETD_ARGUMENT",
    ],
    [
      "an interface with a rule behind it",
      { verb: "firewall", args: { interface: 'wwan0" accept; #', fleet: "block", tunnel: "none" } },
      "NETD_ARGUMENT",
    ],
    [
      "a foreign interface as the tunnel's",
      { verb: "firewall", args: { interface: "wwan0", fleet: "block", tunnel: "none", tunnelInterface: "eth0" } },
      "NETD_ARGUMENT",
    ],
    [
      "a tunnel's interface with a line feed",
      { verb: "firewall", args: { interface: "wwan0", fleet: "block", tunnel: "none", tunnelInterface: "ipsec0\n" } },
      "NETD_ARGUMENT",
    ],
    ["a verdict that there is not", { verb: "firewall", args: { interface: "wwan0", fleet: "drop", tunnel: "none" } }, "NETD_ARGUMENT"],
    ["a firewall without a word on the tunnel", { verb: "firewall", args: { interface: "wwan0", fleet: "allow" } }, "NETD_ARGUMENT"],
    [
      "a rate that is text",
      { verb: "firewall", args: { interface: "wwan0", fleet: "allow", tunnel: "none", throttleKbps: "64 accept" } },
      "NETD_ARGUMENT",
    ],
    [
      "rules of the client's",
      { verb: "firewall", args: { interface: "wwan0", fleet: "allow", tunnel: "none", rules: "" } },
      "NETD_ARGUMENT",
    ],
    ["a uid of the client's", { verb: "firewall", args: { interface: "wwan0", fleet: "allow", tunnel: "none", uid: 0 } }, "NETD_ARGUMENT"],
    ["no interface to leave alone", { verb: "firewall-off", args: {} }, "NETD_ARGUMENT"],
    ["another table to read", { verb: "firewall-read", args: { interface: "wwan0", table: "filter" } }, "NETD_ARGUMENT"],
    ["a rate of nothing", { verb: "shaping", args: { interface: "wwan0", throttleKbps: 0 } }, "NETD_ARGUMENT"],
    ["a hook of the client's", { verb: "modem-power", args: { action: "on", hook: "/tmp/x" } }, "NETD_ARGUMENT"],
  ];
  test.each(refused)("%s is refused", (_name, request, code) => {
    expect(() => actionsFor(request, grounds)).toThrow(expect.objectContaining({ code }));
  });

  test("each verb is among those that the refusals cover", () => {
    const covered = new Set(refused.map(([, request]) => (request as { verb?: unknown } | null)?.verb));
    expect(verbNames().filter((name) => !covered.has(name))).toEqual([]);
  });

  test("a pseudo terminal where the bench says so", () => {
    const request = { verb: "ppp", args: { interface: "ppp0", state: "up", device: "/dev/pts/3" } };
    expect(actionsFor(request, { ...grounds, pseudoTerminals: true })).toMatchObject([{ kind: "pppUp", device: "/dev/pts/3" }]);
  });

  test("names of interfaces are checked at the start", () => {
    expect(interfaceName("wwan0.100")).toBe("wwan0.100");
    for (const name of ["", "-x", "a/b", "a b", "x".repeat(16)])
      expect(() => interfaceName(name)).toThrow(expect.objectContaining({ code: "NETD_ARGUMENT" }));
  });
});

test("10,000 made-up requests: nothing but refusals", () => {
  const codes = new Set<string>();
  fc.assert(
    fc.property(hostileRequests(), (request) => {
      let actions: readonly Action[] | undefined;
      try {
        actions = actionsFor(request, grounds);
      } catch (error) {
        if (!(error instanceof SimwardError)) throw error;
        codes.add(error.code);
      }
      expect(actions).toBeUndefined();
    }),
    { numRuns: 10_000, seed: 32_012 },
  );
  expect([...codes].sort()).toEqual(["NETD_ARGUMENT", "NETD_VERB"]);
});
