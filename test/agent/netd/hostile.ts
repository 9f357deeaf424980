// Requests to simward-netd that are right in all but one thing, and some that are nothing at all: none of them may do anything.
import fc from "fast-check";
import { tunnelRequest } from "./tunnel-request.ts";

/** Right in all but one thing, which is drawn from what attackers and accidents bring. */
export const hostileRequests = (): fc.Arbitrary<unknown> => {
  const hostile = fc.oneof(
    fc.constantFrom<unknown>(
      "; reboot",
      "$(reboot)",
      "`reboot`",
      "up\nlink delete wwan0",
      "-batch",
      "--help",
      "../../etc/shadow",
      "/etc/shadow",
      "file",
      "\0",
      "%n%n",
      "10.0.0.1/32; x",
      "wwan0 ",
      " wwan0",
      "WWAN0",
      "eth0",
      "lo",
      "all",
      "default",
      "",
      -1,
      1e99,
      Number.MAX_SAFE_INTEGER,
      0.5,
      true,
      [],
      {},
      [["10.0.0.1"]],
      null,
    ),
    // Text that is nobody's name, address or word: an exclamation mark is in none.
    fc.string().map((some) => `${some}!`),
    fc.object(),
  );
  const right: readonly { readonly verb: string; readonly args: Readonly<Record<string, unknown>> }[] = [
    { verb: "link", args: { interface: "wwan0", state: "up", mtuBytes: 1_400 } },
    { verb: "addr", args: { interface: "wwan0", address: "10.0.0.1/32" } },
    { verb: "addr-flush", args: { interface: "wwan0" } },
    { verb: "route", args: { interface: "wwan0", family: 4, gateway: "10.0.0.1", metric: 700, table: 100 } },
    { verb: "route-flush", args: { interface: "wwan0", family: 6, table: 100 } },
    { verb: "resolv", args: { interface: "wwan0", servers: ["10.0.0.1"] } },
    { verb: "ppp", args: { interface: "ppp0", state: "up", device: "/dev/ttyUSB3", mtuBytes: 1_400 } },
    { verb: "modem-power", args: { action: "cycle" } },
    {
      verb: "firewall",
      args: { interface: "wwan0", fleet: "block", tunnel: "required", tunnelInterface: "ipsec0", throttleKbps: 64, udpPort: 1 },
    },
    { verb: "firewall-off", args: { interface: "wwan0", tunnelInterface: "ipsec0" } },
    { verb: "firewall-read", args: { interface: "wwan0" } },
    { verb: "shaping", args: { interface: "wwan0", throttleKbps: 64, tunnelInterface: "ipsec0" } },
    { verb: "tunnel", args: tunnelRequest },
  ];
  const mutated = fc.constantFrom(...right).chain(({ verb, args }) =>
    fc.oneof(
      fc
        .tuple(fc.constantFrom(...Object.keys(args)), hostile)
        .map(([name, value]) => ({ verb, args: { ...args, [name]: listOf(name, value) } })),
      fc
        .tuple(
          fc.string({ minLength: 1 }).filter((name) => !Object.hasOwn(args, name)),
          hostile,
        )
        .map(([name, value]) => ({
          verb,
          args: Object.defineProperty({ ...args }, name, { value, enumerable: true }),
        })),
      hostile.map((value) => ({ verb: value, args })),
      hostile.filter((value) => value !== null).map((value) => ({ verb, args: value })),
    ),
  );
  return fc.oneof({ weight: 4, arbitrary: mutated }, { weight: 1, arbitrary: fc.anything() }, { weight: 1, arbitrary: fc.object() });
};

/** An empty list is right for some; a wrong one within it is not. */
function listOf(name: string, value: unknown): unknown {
  // Some words are base64 by accident.
  if (name === "key" && typeof value === "string") return `${value}!`;
  return ["servers", "localTs", "virtualIps"].includes(name) ? [name === "localTs" ? "10.0.0.1/32" : "10.0.0.1", value] : value;
}
