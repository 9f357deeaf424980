// The kernel's firewall for the vehicle's traffic, table inet simward: its text made of checked values, set in one transaction, its counters read. No rule
// names a destination: a packet is told by who sent it (simwardd's uid, charon's mark), and its answers by the connection's mark.
import { createHash, randomBytes } from "node:crypto";
import { SimwardError } from "../../base/errors.ts";
import { type Argument, oneOf, optional, wholeNumber } from "./arguments.ts";
import type { Kept } from "./guard.ts";
import { paceAndKeep, unpace } from "./pace.ts";
import { readQueues, readShaping } from "./shape.ts";
import { type Hands, type Verb, verb } from "./verb.ts";

/** Of the packets that charon sends (socket-default.fwmark), and of what the kernel's ESP makes (mark_out). */
export const tunnelMark = 0x5157;
/** Bits of the connection's mark, so that answers are known by what they answer. */
const managementBit = 0x4000_0000;
const tunnelBit = 0x2000_0000;
const ourBits = managementBit | tunnelBit;
/** Behind the usual filter (0): what another program's rules drop there is not counted, and what they accept is judged here all the same. */
const priority = 10;
/** In tc's classes: see shape.ts. */
const managementClass = "5157:10";

/** Only these names: no rule can touch an interface of another kind. */
export const tunnelInterface: Argument<string> = {
  expected: "a tunnel's interface, e.g. ipsec0",
  check: (value) => (typeof value === "string" && /^(ipsec|xfrm|vti)\d{1,3}$/.test(value) ? value : undefined),
};
export const throttleKbps = wholeNumber(8, 1_000_000);
const port = wholeNumber(1, 65_535);

export interface FirewallRules {
  readonly interface: string;
  readonly fleet: "allow" | "block";
  /** required: no packet of the fleet's by the interface itself, only through the tunnel. */
  readonly tunnel: "none" | "required";
  /** undefined: the kernel's own ESP, known by `rt ipsec`. */
  readonly tunnelInterface?: string | undefined;
  readonly throttleKbps?: number | undefined;
  /** Where simwardd is listening: a first packet from outside has no connection yet. */
  readonly udpPort?: number | undefined;
  readonly tcpPort?: number | undefined;
  /** What the counters show is another generation's from now on: somebody has set them back. */
  readonly counters?: "anew" | undefined;
}

const parties = ["fleet", "management", "tunnel", "inner"] as const;
type Party = (typeof parties)[number];
export type Counters = Readonly<Record<Party, { readonly sentBytes: number; readonly receivedBytes: number }>>;

const generationPrefix = "generation_";
const hooks = { output: "output", forward: "forward", left: "postrouting", received: "prerouting", input: "input" } as const;
const helpers = ["refused", "fleet_refused", "sent", "fleet_sent", "reached"] as const;
const empty: Counters = Object.fromEntries(parties.map((one) => [one, { sentBytes: 0, receivedBytes: 0 }])) as unknown as Counters;

// --- text --------------------------------------------------------------------------------------------------------------------

/** RFC 7296 §2.23, and ESP without encapsulation. */
const tunnelSent = ["udp sport { 500, 4500 }", "meta l4proto esp"];
/** Neighbours, routers and group membership of IPv6, as the kernel sends them: a raw socket's have a uid, and nobody forwards from these addresses or with this hop limit. */
const kernelLinkSent = [
  "icmpv6 type { 133, 135, 136 } ip6 hoplimit 255",
  "icmpv6 type { 131, 132, 143 } ip6 hoplimit 1 ip6 saddr { ::, fe80::/10 }",
];
/**
 * What the platform's own configuration programs (DHCP, router solicitation) send: without them there may be no interface. To the link alone, so that nobody
 * writes to the world under these ports; a lease of IPv4 is renewed at the server's address, which a few small packets are enough for (RFC 2131 §4.4.5).
 */
const programLinkSent = [
  "icmpv6 type { 133, 135, 136 } ip6 hoplimit 255 ip6 daddr ff02::/16",
  "udp sport 68 udp dport 67 ip daddr 255.255.255.255",
  "udp sport 68 udp dport 67 meta length <= 600 limit rate 12/hour burst 4 packets",
  "udp sport 546 udp dport 547 ip6 daddr ff02::1:2",
];
const linkReceived = [
  "icmpv6 type { 134, 135, 136, 137 } ip6 hoplimit 255",
  "icmpv6 type { 130, 131, 132, 143 } ip6 hoplimit 1",
  "udp sport 67 udp dport 68",
  "udp sport 547 udp dport 546",
];
const hex = (value: number): string => `0x${value.toString(16).padStart(8, "0")}`;
const marked = (bits: number): string => `ct mark & ${hex(bits)} != 0x00000000`;
const counted = (party: Party, way: "sent" | "received"): string => `counter name ${party}_${way}`;
/** At once told to the sender, which need not wait for a time-out. */
const refusal = "reject with icmpx type admin-prohibited";
/** Over IPv6 connect(2) heeds no ICMP error before it has sent again, a second later. What stands is not torn down by it. */
const refusalOfConnect = "meta nfproto ipv6 tcp flags & (syn | ack) == syn reject with tcp reset";

/** What each chain has. Pure. */
export function chainsOf(rules: FirewallRules, uid: number): Readonly<Record<string, readonly string[]>> {
  const { interface: modem, tunnelInterface: tunnel } = rules;
  const isBlocked = rules.fleet === "block";
  const isRequired = rules.tunnel === "required";
  const refuses = isBlocked || isRequired;
  /** What of the fleet's is refused. */
  const which = isBlocked ? [""] : isRequired ? [`oifname "${modem}" rt ipsec missing `] : [];
  const through = [modem, ...(tunnel === undefined ? [] : [tunnel])];
  const toManagement = `ct mark set ct mark | ${hex(managementBit)} meta priority set ${managementClass}`;
  const toLink = `meta priority set ${managementClass} ${counted("management", "sent")}`;
  const toTunnel = `meta priority set ${managementClass} ${counted("tunnel", "sent")}`;
  const isTunnels = `meta mark ${hex(tunnelMark)}`;
  const limit = rules.throttleKbps === undefined ? [] : [`limit rate over ${bytesPerSecond(rules.throttleKbps)} drop`];
  /** Of what reaches the vehicle, or what is behind it, while the fleet is refused. */
  const pass = isBlocked ? [] : ["meta ipsec exists accept", ...(tunnel === undefined ? [] : [`iifname "${tunnel}" accept`])];
  const listening = [
    ...(rules.tcpPort === undefined ? [] : [`ct state new tcp dport ${rules.tcpPort} accept`]),
    ...(rules.udpPort === undefined ? [] : [`ct state new udp dport ${rules.udpPort} accept`]),
  ];
  return {
    // Refused where the sender can be told; what is sent another way behind this hook (another table's NAT, marks and routes) meets `fleet_sent`.
    output: refuses ? through.map((name) => `oifname "${name}" jump refused`) : [],
    refused: [
      ...tunnelSent.map((one) => `${one} ${isTunnels} accept`),
      `meta skuid ${uid} accept`,
      ...programLinkSent.map((one) => `meta skuid != ${uid} ${one} accept`),
      `meta skuid != ${uid} goto fleet_refused`,
      `${marked(ourBits)} accept`,
      ...kernelLinkSent.map((one) => `${one} accept`),
      "goto fleet_refused",
    ],
    forward: refuses
      ? [...through.map((name) => `oifname "${name}" jump fleet_refused`), ...pass, ...through.map((name) => `iifname "${name}" drop`)]
      : [],
    fleet_refused: which.flatMap((one) => [`${one}${refusalOfConnect}`, `${one}${refusal}`]),
    // What is inside a tunnel is counted here once more: the tunnel's own packets less these are what the tunnel costs.
    left: [
      ...[`oifname "${modem}" rt ipsec exists`, ...(tunnel === undefined ? [] : [`oifname "${tunnel}"`])].map(
        (one) => `${one} ${counted("inner", "sent")}`,
      ),
      ...through.map((name) => `oifname "${name}" jump sent`),
    ],
    sent: [
      // The mark alone can be set by whoever may open raw sockets (CAP_NET_RAW): it must be IKE or ESP too.
      ...tunnelSent.map((one) => `${one} ${isTunnels} ct mark set ct mark | ${hex(tunnelBit)} ${toTunnel} accept`),
      `meta skuid ${uid} ${toManagement} ${counted("management", "sent")} accept`,
      // A connection that another process has taken over under the same ports.
      `meta skuid != ${uid} ${marked(ourBits)} ct mark set ct mark & ${hex(~ourBits >>> 0)}`,
      ...programLinkSent.map((one) => `meta skuid != ${uid} ${one} ${toLink} accept`),
      `meta skuid != ${uid} goto fleet_sent`,
      // From here on what has no uid: what the kernel sends for a connection or for the link, and what is forwarded.
      `${marked(managementBit)} ${toLink} accept`,
      `${marked(tunnelBit)} ${toTunnel} accept`,
      ...kernelLinkSent.map((one) => `${one} ${toLink} accept`),
      "goto fleet_sent",
    ],
    fleet_sent: [...which.map((one) => `${one}drop`), counted("fleet", "sent")],
    received: through.flatMap((name) => [
      ...(name === modem ? ["meta ipsec exists"] : [""]).map((one) => `iifname "${name}" ${one} ${counted("inner", "received")}`),
      `iifname "${name}" ${marked(managementBit)} ${counted("management", "received")} accept`,
      `iifname "${name}" ${marked(tunnelBit)} meta ipsec missing ${counted("tunnel", "received")} accept`,
      ...linkReceived.map((one) => `iifname "${name}" ${one} ${counted("management", "received")} accept`),
      `iifname "${name}" ${counted("fleet", "received")}`,
      ...limit.map((one) => `iifname "${name}" ${one}`),
    ]),
    input: refuses ? through.map((name) => `iifname "${name}" jump reached`) : [],
    // By its mark; or by the socket that waits for it: what was asked while the table was away has none.
    reached: [
      ...pass,
      `${marked(ourBits)} accept`,
      `meta skuid ${uid} accept`,
      ...linkReceived.map((one) => `${one} accept`),
      ...listening,
      "drop",
    ],
  };
}

/** In one transaction either way. `kept`: the table is there, and its counters count on; else it is made anew, beginning with these values. */
export function scriptOf(rules: FirewallRules, uid: number, generation: string, begin: Counters | "kept"): string {
  const counters = parties.flatMap((party) =>
    (["sent", "received"] as const).map((way) => {
      const bytes = begin === "kept" ? undefined : begin[party][way === "sent" ? "sentBytes" : "receivedBytes"];
      return `  counter ${party}_${way} {${bytes === undefined ? "" : ` packets 0 bytes ${bytes} `}}`;
    }),
  );
  const named = [...helpers, `${generationPrefix}${generation}`].map((name) => `  chain ${name} {\n  }`);
  const based = Object.entries(hooks).map(
    ([name, hook]) => `  chain ${name} {\n    type filter hook ${hook} priority ${priority}; policy accept;\n  }`,
  );
  const filled = Object.entries(chainsOf(rules, uid)).map(
    ([name, lines]) => `  chain ${name} {\n${lines.map((line) => `    ${line}\n`).join("")}  }`,
  );
  const inTable = (lines: readonly string[]): readonly string[] => ["table inet simward {", ...lines, "}"];
  return [
    ...(begin === "kept" ? [] : removal),
    ...inTable([...counters, ...named, ...based]),
    "flush table inet simward",
    ...inTable(filled),
    "",
  ].join("\n");
}

/** Of a table that is not there, too. */
const removal = ["table inet simward", "delete table inet simward"];

/** A tenth of a second's worth, at least some whole packets. */
function bytesPerSecond(kbps: number): string {
  return `${kbps * 125} bytes/second burst ${Math.max(8_000, Math.round(kbps * 12.5))} bytes`;
}

// --- reading -----------------------------------------------------------------------------------------------------------------

export interface TableRead {
  readonly generation: string | undefined;
  /** Of all but what counts: another one means that somebody has altered it. */
  readonly hash: string;
  readonly counters: Counters;
  /** Chains and counters of the names that there should be, and no others. */
  readonly isWhole: boolean;
  /** How many rules each chain has; undefined when a chain hooks in elsewhere, lets pass by another policy, or the table sleeps. */
  readonly rules: Readonly<Record<string, number>> | undefined;
}

/** Of `nft -n list table inet simward`. Pure. */
export function readTable(text: string): TableRead {
  const counters: Record<string, { sentBytes: number; receivedBytes: number }> = structuredClone(empty);
  for (const [, party = "", way, bytes] of text.matchAll(/^\tcounter "?(\w+)_(sent|received)"? \{\s+packets \d+ bytes (\d+)\s+\}/gm)) {
    const one = Object.hasOwn(counters, party) ? counters[party] : undefined;
    if (one !== undefined) one[way === "sent" ? "sentBytes" : "receivedBytes"] = Number(bytes);
  }
  const generation = new RegExp(`^\\tchain ${generationPrefix}([0-9a-f]{16}) \\{`, "m").exec(text)?.[1];
  const blocks = [...text.matchAll(/^\t(\w+) "?([\w-]+)"? \{$/gm)].map(([, kind, name]) => `${kind} ${name}`);
  const expected = [
    ...parties.flatMap((party) => [`counter ${party}_sent`, `counter ${party}_received`]),
    ...[...Object.keys(hooks), ...helpers, `${generationPrefix}${generation}`].map((name) => `chain ${name}`),
  ];
  return {
    generation,
    hash: createHash("sha256")
      .update(text.replaceAll(/packets \d+ bytes \d+/g, ""))
      .digest("hex"),
    counters: counters as unknown as Counters,
    rules: rulesIn(text),
    isWhole: generation !== undefined && blocks.sort().join() === expected.sort().join(),
  };
}

/** One rule a line, as nft lists them. */
function rulesIn(text: string): Readonly<Record<string, number>> | undefined {
  if (/^\tflags /m.test(text)) return undefined;
  const rules: Record<string, number> = {};
  for (const [, name = "", body = ""] of text.matchAll(/^\tchain "?(\w+)"? \{\n((?:\t\t.*\n)*)\t\}/gm)) {
    const lines = body.split("\n").filter((line) => line !== "");
    const hook = Object.hasOwn(hooks, name) ? hooks[name as keyof typeof hooks] : undefined;
    if (hook !== undefined && lines.shift()?.trim() !== `type filter hook ${hook} priority ${priority}; policy accept;`) return undefined;
    rules[name] = lines.length;
  }
  return rules;
}

/** Whoever altered it between its setting and its listing must not be taken for us: that listing would be what is kept from then on. */
function isAsMade({ isWhole, rules }: TableRead, wanted: FirewallRules, uid: number): boolean {
  return isWhole && rules !== undefined && Object.entries(chainsOf(wanted, uid)).every(([name, lines]) => rules[name] === lines.length);
}

/** undefined: there is no such table. Throws NETD_PROGRAM, NETD_FAILED. */
async function listTable(hands: Hands): Promise<TableRead | undefined> {
  try {
    return readTable(await hands.run("nft", ["-n", "list", "table", "inet", "simward"]));
  } catch (error) {
    if (error instanceof SimwardError && error.code === "NETD_FAILED" && /No such file or directory/.test(error.message)) return undefined;
    throw error;
  }
}

// --- verbs -------------------------------------------------------------------------------------------------------------------

/** undefined: another program has altered the table at once. Throws NETD_PROGRAM, NETD_FAILED. */
async function apply(hands: Hands, rules: FirewallRules, before: TableRead | undefined): Promise<TableRead | undefined> {
  const { uid } = hands;
  const generation = rules.counters === "anew" ? undefined : before?.generation;
  const anew = (): string => scriptOf(rules, uid, generation ?? randomBytes(8).toString("hex"), before?.counters ?? empty);
  if (before?.isWhole === true && generation !== undefined)
    // A chain that was altered in what cannot be changed in place is refused: then all of it is made anew.
    await hands.run("nft", ["-f", "-"], scriptOf(rules, uid, generation, "kept")).catch(() => hands.run("nft", ["-f", "-"], anew()));
  else await hands.run("nft", ["-f", "-"], anew());
  const after = await listTable(hands);
  return after !== undefined && isAsMade(after, rules, uid) ? after : undefined;
}

/** From now on, until another change: whatever another program does to the table, it is made again from the same arguments. */
async function applyAndKeep(hands: Hands, rules: FirewallRules, keep: (kept: Kept) => void): Promise<object> {
  let made: TableRead | undefined;
  let seen: TableRead | undefined;
  keep({
    interface: rules.interface,
    // The second: the kernel's news were more than the socket could hold.
    concerns: (news) => news.includes("inet simward") || news.includes("# ERROR"),
    async look() {
      const now = await listTable(hands);
      seen = now;
      if (now !== undefined && now.hash === made?.hash) return undefined;
      return now === undefined || (made !== undefined && now.generation !== made.generation) ? "removed" : "altered";
    },
    async restore() {
      made = await apply(hands, { ...rules, counters: undefined }, seen);
      return made === undefined ? "again" : "set";
    },
  });
  made = await apply(hands, rules, await listTable(hands));
  if (made === undefined) throw new SimwardError("NETD_FAILED", { detail: "firewall: another program altered the table at once" });
  return dataOf(made);
}

function dataOf({ generation, hash, counters }: TableRead): object {
  return { present: true, generation: generation ?? "unknown", hash, ...counters };
}

export const firewallVerbs: Readonly<Record<string, Verb>> = {
  firewall: verb(
    {
      fleet: oneOf("allow", "block"),
      tunnel: oneOf("none", "required"),
      tunnelInterface: optional(tunnelInterface),
      throttleKbps: optional(throttleKbps),
      udpPort: optional(port),
      tcpPort: optional(port),
      counters: optional(oneOf("anew")),
    },
    (rules) => [{ kind: "act", act: (hands) => hands.table((keep) => applyAndKeep(hands, rules, keep)) }],
  ),
  "firewall-off": verb({ tunnelInterface: optional(tunnelInterface) }, ({ interface: modem, tunnelInterface: tunnel }) => [
    {
      kind: "act",
      act: (hands) =>
        hands.table(async () => {
          await hands.run("nft", ["-f", "-"], [...removal, ""].join("\n"));
        }),
    },
    { kind: "act", act: (hands) => hands.pace(() => unpace(hands, { modem, tunnel })) },
  ]),
  "firewall-read": verb({ tunnelInterface: optional(tunnelInterface) }, ({ interface: modem, tunnelInterface: tunnel }) => [
    {
      kind: "act",
      act: async (hands) => {
        const table = await listTable(hands);
        const shaping = await readShaping(hands, modem);
        const tunnelShaping = tunnel === undefined ? {} : { tunnelShaping: await tunnelShapingOf(hands, tunnel) };
        return { ...(table === undefined ? { present: false } : dataOf(table)), shaping, ...tunnelShaping };
      },
    },
  ]),
  shaping: verb(
    { throttleKbps: optional(throttleKbps), tunnelInterface: optional(tunnelInterface) },
    ({ interface: modem, throttleKbps: kbps, tunnelInterface: tunnel }) => [
      {
        kind: "act",
        act: (hands) =>
          hands.pace((keep) => (kbps === undefined ? unpace(hands, { modem, tunnel }) : paceAndKeep(hands, { modem, tunnel }, kbps, keep))),
      },
      { kind: "act", act: async (hands) => ({ shaping: await readShaping(hands, modem) }) },
    ],
  ),
};

/** A tunnel that is not up has nothing to pace. */
async function tunnelShapingOf(hands: Hands, tunnel: string): Promise<number | "none" | "absent"> {
  const queues = await readQueues(hands, tunnel);
  return queues === undefined ? "absent" : (queues.kbps ?? "none");
}
