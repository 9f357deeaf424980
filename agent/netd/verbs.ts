// What simward-netd can do, and nothing else: a fixed table of verbs, each with checked arguments and what follows from them. Pure; no shell.
import { isIP } from "node:net";
import { SimwardError } from "../../base/errors.ts";
import {
  type Argument,
  addressList,
  addressWithPrefix,
  checkArguments,
  ipAddress,
  isPseudoTerminal,
  oneOf,
  optional,
  parseRequest,
  quoted,
  serialDevice,
  wholeNumber,
} from "./arguments.ts";
import { firewallVerbs } from "./firewall.ts";
import { tunnelVerbs } from "./tunnel-verbs.ts";
import { type Action, type Verb, verb } from "./verb.ts";

const ip = (...args: readonly string[]): Action => ({ kind: "run", program: "ip", args });
const mtuBytes = optional(wholeNumber(576, 9_000));
const family = oneOf(4, 6);
/** Not the kernel's own: 0 is none, 253 to 255 are default, main and local. */
const table = optional(wholeNumber(1, 252));
const named = (name: string, value: number | string | undefined): readonly string[] => (value === undefined ? [] : [name, String(value)]);

/** resolv.conf(5) reads three. */
const mostServers = 3;

const verbs: Readonly<Record<string, Verb>> = {
  link: verb({ state: oneOf("up", "down"), mtuBytes }, ({ interface: dev, state, mtuBytes: mtu }) => [
    ...(mtu === undefined ? [] : [ip("link", "set", "dev", dev, "mtu", String(mtu))]),
    ip("link", "set", "dev", dev, state),
  ]),
  addr: verb({ address: addressWithPrefix }, ({ interface: dev, address }) => [ip("address", "replace", address, "dev", dev)]),
  // Not the link-local one: IPv6 is dead without it until the link goes down and up again.
  "addr-flush": verb({}, ({ interface: dev }) => [ip("address", "flush", "dev", dev, "scope", "global")]),
  route: verb(
    { family, gateway: optional(ipAddress), metric: optional(wholeNumber(0, 65_535)), table },
    ({ interface: dev, family: f, gateway, metric, table: t }) => {
      if (gateway !== undefined && isIP(gateway) !== f)
        throw new SimwardError("NETD_ARGUMENT", { detail: `route: gateway must be of family ${f}` });
      // A network gives the address alone, without a prefix the gateway would be in: it is on the link all the same.
      const via = gateway === undefined ? [] : ["via", gateway];
      const onlink = gateway === undefined ? [] : ["onlink"];
      return [ip(`-${f}`, "route", "replace", "default", ...via, "dev", dev, ...onlink, ...named("metric", metric), ...named("table", t))];
    },
  ),
  "route-flush": verb({ family, table }, ({ interface: dev, family: f, table: t }) => [
    ip(`-${f}`, "route", "flush", "dev", dev, ...named("table", t)),
  ]),
  resolv: verb({ servers: addressList(mostServers), of: optional(oneOf("interface", "tunnel")) }, ({ interface: name, servers, of }) => [
    { kind: "resolv", interface: name, servers, isTunnel: of === "tunnel" },
  ]),
  ppp: verb(
    { state: oneOf("up", "down"), device: optional(serialDevice), mtuBytes },
    ({ interface: name, state, device, mtuBytes: mtu }): readonly Action[] => {
      if (state === "down") return [{ kind: "pppDown", interface: name }];
      if (device === undefined) throw new SimwardError("NETD_ARGUMENT", { detail: `ppp: device must be ${serialDevice.expected}` });
      return [{ kind: "pppUp", interface: name, device, args: pppdArguments(device, name, mtu) }];
    },
  ),
  "modem-power": {
    args: { action: oneOf("off", "on", "cycle") },
    hasInterface: false,
    actions: (checked) => [{ kind: "power", action: (checked as { readonly action: "off" | "on" | "cycle" }).action }],
  },
  ...firewallVerbs,
  ...tunnelVerbs,
};

/** A fixed table: no options file and no option of the client's. Dialling is simward's; the line is in data mode when pppd gets it. */
export function pppdArguments(device: string, interfaceName: string, mtu: number | undefined): readonly string[] {
  return [
    device,
    // In the foreground, so that its end is seen; it takes the speed as it is, and no signal of the line for a hang-up.
    ...["nodetach", "local"],
    // The network gives the addresses; it need not prove itself, and what the module asks of us the context's own credentials have answered.
    ...["noauth", "user", "simward", "password", "simward", "noipdefault", "ipcp-accept-local", "ipcp-accept-remote"],
    // Routes and name servers are simward's to set, for pppd as for any interface.
    ...["nodefaultroute", "noproxyarp"],
    // Compression that modules refuse, or take and break.
    ...["noccp", "novj", "novjccomp", "noaccomp", "nopcomp"],
    // Three echoes without an answer are the end.
    ...["lcp-echo-interval", "20", "lcp-echo-failure", "3", "maxfail", "1"],
    ...["ifname", interfaceName],
    ...(mtu === undefined ? [] : ["mtu", String(mtu), "mru", String(mtu)]),
  ];
}

export interface Grounds {
  /** The interfaces that may be touched. */
  readonly interfaces: readonly string[];
  /** pppd may be put on a pseudo terminal, where a virtual module is. */
  readonly pseudoTerminals?: boolean | undefined;
}

/** Checks a request and says what follows. Throws NETD_VERB, NETD_ARGUMENT. */
export function actionsFor(request: unknown, { interfaces, pseudoTerminals = false }: Grounds): readonly Action[] {
  const { verb: name, args } = parseRequest(request);
  const row = Object.hasOwn(verbs, name) ? verbs[name] : undefined;
  if (row === undefined) throw new SimwardError("NETD_VERB", { detail: `${quoted(name)}; there are ${verbNames().join(", ")}` });
  const device: Argument<string> = {
    expected: `one of ${interfaces.join(", ")}`,
    check: (value) => (typeof value === "string" && interfaces.includes(value) ? value : undefined),
  };
  const actions = row.actions(checkArguments(name, row.hasInterface ? { interface: device, ...row.args } : row.args, args));
  if (!pseudoTerminals && actions.some((one) => one.kind === "pppUp" && isPseudoTerminal(one.device)))
    throw new SimwardError("NETD_ARGUMENT", { detail: `${name}: device must be ${serialDevice.expected}` });
  return actions;
}

export function verbNames(): readonly string[] {
  return Object.keys(verbs);
}
