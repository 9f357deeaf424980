// The table's text: whatever a client may say, no rule is about another interface than the one it may touch, none names an address, none opens anything.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chainsOf, type FirewallRules, readTable, scriptOf, tunnelInterface } from "../../../agent/netd/firewall.ts";

const rulesOf = fc.record<FirewallRules>(
  {
    interface: fc.constantFrom("wwan0", "ppp0"),
    fleet: fc.constantFrom("allow", "block"),
    tunnel: fc.constantFrom("none", "required"),
    tunnelInterface: fc.constantFrom("ipsec0", "xfrm12", "vti3"),
    throttleKbps: fc.integer({ min: 8, max: 1_000_000 }),
    udpPort: fc.integer({ min: 1, max: 65_535 }),
    tcpPort: fc.integer({ min: 1, max: 65_535 }),
  },
  { requiredKeys: ["interface", "fleet", "tunnel"] },
);
const none = { sentBytes: 0, receivedBytes: 0 };
const counters = { fleet: { sentBytes: 7, receivedBytes: 8 }, management: none, tunnel: none, inner: none };
const helpers = new Set(["refused", "fleet_refused", "sent", "fleet_sent", "reached"]);
/** None of them leads off the link. */
const linkScope = / ip6 daddr ff02::(\/16|1:2)| ip daddr 255\.255\.255\.255| ip6 saddr \{ ::, fe80::\/10 \}/g;

describe("any rules that can be asked for", () => {
  test("are about the modem's interface and the tunnel's, and nothing else", () => {
    fc.assert(
      fc.property(rulesOf, fc.integer({ min: 0, max: 4_294_967_294 }), (rules, uid) => {
        const mine = new Set([rules.interface, rules.tunnelInterface]);
        for (const [name, lines] of Object.entries(chainsOf(rules, uid)))
          for (const line of lines) {
            const named = [...line.matchAll(/\b[io]ifname "([^"]*)"/g)].map(([, one]) => one);
            expect(named.every((one) => mine.has(one))).toBe(true);
            // What hangs on a hook says which interface, or that it comes out of the kernel's ESP; the rest is jumped to from there.
            if (!helpers.has(name)) expect(named.length > 0 || line === "meta ipsec exists accept").toBe(true);
            expect(line.replaceAll(linkScope, "")).not.toMatch(/\b(ip|ip6) (s|d)addr\b|[;\n]/);
          }
      }),
      { numRuns: 2_000, seed: 5_157 },
    );
  });

  test("refuse the fleet before it is counted, and never management", () => {
    fc.assert(
      fc.property(rulesOf, (rules) => {
        const { fleet_sent: fleet = [], sent = [], refused = [], fleet_refused: told = [] } = chainsOf(rules, 990);
        expect([...sent, ...refused].some((line) => line.includes("reject") || line.includes("drop"))).toBe(false);
        const refuses = rules.fleet === "block" || rules.tunnel === "required";
        expect(told.some((line) => line.includes("reject"))).toBe(refuses);
        expect(fleet.some((line) => line.endsWith("drop"))).toBe(refuses);
        // Nobody is told of a refusal who would not be refused behind it, and the other way round.
        const accepted = (lines: readonly string[]): string[] =>
          lines.filter((line) => line.endsWith("accept")).map((line) => line.split(/ (?:ct mark set|meta priority set|accept)/)[0] ?? "");
        expect(
          accepted(refused).join("\n").replace("ct mark & 0x60000000", "ct mark & 0x40000000 != 0x00000000\nct mark & 0x20000000"),
        ).toBe(accepted(sent).join("\n"));
        expect(fleet.at(-1)).toBe("counter name fleet_sent");
      }),
      { numRuns: 500, seed: 5_158 },
    );
  });

  test("become a script of one transaction, which keeps the counters or begins with what they were", () => {
    const rules: FirewallRules = { interface: "wwan0", fleet: "block", tunnel: "none" };
    const kept = scriptOf(rules, 990, "0123456789abcdef", "kept");
    expect(kept).not.toContain("delete");
    expect(kept).toContain("flush table inet simward");
    const anew = scriptOf(rules, 990, "0123456789abcdef", counters);
    expect(anew).toMatch(/^table inet simward\ndelete table inet simward\n/);
    expect(anew).toContain("counter fleet_sent { packets 0 bytes 7 }");
  });
});

test.each(["eth0", "lo", "wwan0", "ipsec", "ipsec0 ", 'ipsec0"', "ipsec0\n", "ipsec1234", "", 0, null, ["ipsec0"]])(
  "%j is no tunnel's interface",
  (name) => {
    expect(tunnelInterface.check(name)).toBeUndefined();
  },
);

describe("what nft lists", () => {
  const listed = (more = ""): string => {
    const names = ["fleet", "management", "tunnel", "inner"].flatMap((party) => [`${party}_sent`, `${party}_received`]);
    const chains = [
      "output",
      "forward",
      "left",
      "received",
      "input",
      "refused",
      "fleet_refused",
      "sent",
      "fleet_sent",
      "reached",
      "generation_0123456789abcdef",
    ];
    return [
      "table inet simward {",
      ...names.map((name, at) => `\tcounter ${name} {\n\t\tpackets 1 bytes ${at}\n\t}\n`),
      ...chains.map((name) => `\tchain ${name} {\n\t}\n`),
      `${more}}`,
    ].join("\n");
  };
  test("is read, and known by all but what counts", () => {
    const read = readTable(listed());
    expect(read).toMatchObject({ generation: "0123456789abcdef", isWhole: true, counters: { fleet: { sentBytes: 0, receivedBytes: 1 } } });
    expect(readTable(listed().replaceAll("packets 1", "packets 99")).hash).toBe(read.hash);
  });
  test("with another's chain, or without one of ours, it is not whole", () => {
    expect(readTable(listed("\tchain evil {\n\t}\n")).isWhole).toBe(false);
    expect(readTable(listed().replace("\tchain reached {\n\t}\n", "")).isWhole).toBe(false);
    expect(readTable("").isWhole).toBe(false);
  });
});
