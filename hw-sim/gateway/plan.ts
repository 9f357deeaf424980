// The gateway's network as data: which namespaces there are, what stands in them, and the ip(8) and nft(8) input that makes it so.
// gw is the telematics unit, ecu another control unit behind it, core the operator, inet everything else.
import { SimwardError } from "../../base/errors.ts";
import { gatewayAddress, operatorEnd } from "../network/data-link.ts";

export const places = ["gw", "ecu", "core", "inet"] as const;
export type Place = (typeof places)[number];

/** The module's interface, as the vehicle sees it. */
export const modemInterface = "wwan0";
export const coreModemInterface = operatorEnd(modemInterface);

/** Documentation and benchmark ranges (RFC 5737, RFC 3849, RFC 2544), so that nobody's addresses are taken. */
export const addresses = {
  /** eIM, SM-DP+, SM-DS: IPv4 only, as their gate is. */
  servers: gatewayAddress,
  /** What the fleet's traffic goes to. */
  fleet: { v4: "198.51.100.10", v6: "2001:db8:100::10" },
  /** The fleet's VPN gateway, and what is reached through it only. */
  vpn: { v4: "198.51.100.20", v6: "2001:db8:100::20" },
  inside: "172.20.0.1",
  insideNet: "172.20.0.0/24",
  vpnPool: "172.20.1.0/24",
  /** As every session of the virtual module names them. */
  dns: ["10.0.0.53", "10.0.1.53"],
  /** Announced on the module's link. */
  modemPrefix: "2001:db8:64::",
  lan: { gw: "192.168.77.1", ecu: "192.168.77.2", prefix: "2001:db8:77::", gw6: "2001:db8:77::1", ecu6: "2001:db8:77::2" },
} as const;

/** As the virtual module tells it (+CGCONTRDP). */
export const mtuBytes = 1_430;

export const ports = { http: 80, udp: 7_002 } as const;

export const names = {
  eim: "eim.simward.test",
  smdp: "smdp.simward.test",
  fleet: "fleet.simward.test",
  vpn: "vpn.simward.test",
  inside: "inside.simward.test",
} as const;

export const records: Readonly<Record<string, readonly string[]>> = {
  [names.eim]: [addresses.servers],
  [names.smdp]: [addresses.servers],
  [names.fleet]: [addresses.fleet.v4, addresses.fleet.v6],
  [names.vpn]: [addresses.vpn.v4, addresses.vpn.v6],
  [names.inside]: [addresses.inside],
};

/** Throws SIM_OPTION. */
export function checkedName(name: string): string {
  if (/^[a-z][a-z0-9-]{0,30}$/.test(name)) return name;
  throw new SimwardError("SIM_OPTION", { detail: `gateway: ${JSON.stringify(name)} is no name: small letters, digits, -` });
}

export const namespaceOf = (name: string, place: Place): string => `${name}-${place}`;

/** Switches of the kernel's, under /proc/sys/net. */
export const settings: Readonly<Record<Place, Readonly<Record<string, string>>>> = {
  gw: {
    "ipv4/ip_forward": "1",
    "ipv6/conf/all/forwarding": "1",
    // A router takes announcements only so; the module's link is where its own come from.
    "ipv6/conf/default/accept_ra": "2",
    "ipv6/conf/default/dad_transmits": "0",
  },
  ecu: { "ipv6/conf/default/dad_transmits": "0" },
  core: {
    "ipv4/ip_forward": "1",
    "ipv6/conf/all/forwarding": "1",
    "ipv6/conf/default/dad_transmits": "0",
    // Whatever gateway a session names is the operator's.
    "ipv4/conf/default/proxy_arp": "1",
  },
  inet: { "ipv6/conf/default/dad_transmits": "0" },
};

/** Of the module's link, when it is there: the operator answers for its gateways at once. */
export const linkSettings: Readonly<Partial<Record<Place, Readonly<Record<string, string>>>>> = {
  core: { [`ipv4/neigh/${coreModemInterface}/proxy_delay`]: "0" },
};

interface Step {
  readonly at: Place;
  readonly args: readonly string[];
}

const step = (at: Place, line: string): Step => ({ at, args: line.split(" ") });

/** What ip(8) does in each namespace, in this order; the module's link is the virtual vehicle's. */
export function steps(name: string): readonly Step[] {
  const ns = (place: Place): string => namespaceOf(name, place);
  const { lan, fleet, vpn } = addresses;
  return [
    ...places.map((at) => step(at, "link set lo up")),
    step("gw", `link add lan0 type veth peer name eth0 netns ${ns("ecu")}`),
    step("core", `link add inet0 type veth peer name core0 netns ${ns("inet")}`),
    step("gw", `address add ${lan.gw}/24 dev lan0`),
    step("gw", `address add ${lan.gw6}/64 dev lan0`),
    step("gw", "link set lan0 up"),
    step("ecu", `address add ${lan.ecu}/24 dev eth0`),
    step("ecu", `address add ${lan.ecu6}/64 dev eth0`),
    step("ecu", "link set eth0 up"),
    step("ecu", `route add default via ${lan.gw}`),
    step("ecu", `route add default via ${lan.gw6}`),
    step("core", "address add 203.0.113.1/24 dev inet0"),
    step("core", "address add 2001:db8:cafe::1/64 dev inet0"),
    step("core", "link set inet0 up"),
    ...addresses.dns.map((address) => step("core", `address add ${address}/32 dev lo`)),
    step("inet", "address add 203.0.113.2/24 dev core0"),
    step("inet", "address add 2001:db8:cafe::2/64 dev core0"),
    step("inet", "link set core0 up"),
    ...[`${fleet.v4}/32`, `${vpn.v4}/32`, `${addresses.inside}/32`, `${fleet.v6}/128`, `${vpn.v6}/128`].map((address) =>
      step("inet", `address add ${address} dev lo`),
    ),
    // The fleet's inside network has no route here.
    // 10.0.0.0/8: sessions have routes of their own; for the gateways that they name the operator answers (proxy ARP), as it knows a way to them.
    ...["198.18.0.0/15", "198.51.100.0/24", "10.0.0.0/8"].map((net) => step("core", `route add ${net} via 203.0.113.2`)),
    step("core", "route add unreachable 172.20.0.0/16"),
    step("core", "route add 2001:db8:100::/64 via 2001:db8:cafe::2"),
    ...[`${addresses.modemPrefix}/64`, `${lan.prefix}/64`].map((net) => step("inet", `route add ${net} via 2001:db8:cafe::1`)),
  ];
}

/** When the module's link is there. The vehicle's end has a known hardware address, and with it a known link-local one. */
export function modemSteps(): readonly Step[] {
  return [
    step("gw", `link set ${modemInterface} address 02:00:00:00:00:02 mtu ${mtuBytes}`),
    step("core", `link set ${coreModemInterface} mtu ${mtuBytes}`),
  ];
}

/** The link is down without a session, and takes routes and addresses of IPv6 with it: the operator sets them anew with each. */
export const sessionSteps: readonly (readonly string[])[] = [
  `-6 address replace ${addresses.modemPrefix}1/64 dev ${coreModemInterface}`,
  `-6 route replace ${addresses.lan.prefix}/64 dev ${coreModemInterface} via fe80::ff:fe00:2`,
].map((line) => line.split(" "));

/** What the platform of a telematics unit has for those behind it; simward's own table is another one. */
export const vehicleNat = `table ip platform {
  chain postrouting { type nat hook postrouting priority srcnat; oifname != "lan0" ip saddr ${addresses.lan.gw}/24 masquerade; }
}
`;

/** What passes the operator's end of the module's link, before anything is done to it. */
export const counted = {
  fleet4: `ip daddr ${addresses.fleet.v4}`,
  fleet6: `ip6 daddr ${addresses.fleet.v6}`,
  servers: `ip daddr ${addresses.servers}`,
  dns: `ip daddr { ${addresses.dns.join(", ")} }`,
  vpn: `ip daddr ${addresses.vpn.v4}`,
  inside: `ip daddr ${addresses.insideNet}`,
} as const;
export type Counted = keyof typeof counted;

export const coreTables = `table inet sniff {
${Object.keys(counted)
  .map((counter) => `  counter ${counter} { }`)
  .join("\n")}
  chain arriving {
    type filter hook prerouting priority -310;
    iifname != "${coreModemInterface}" return
${Object.entries(counted)
  .map(([counter, match]) => `    ${match} counter name ${counter}`)
  .join("\n")}
  }
}
table ip operator {
  chain postrouting { type nat hook postrouting priority srcnat; oifname "inet0" masquerade; }
}
`;
