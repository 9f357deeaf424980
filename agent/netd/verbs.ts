// What simward-netd can do, and nothing else: a fixed table of verbs, each with checked arguments and the program it runs, never a shell.
import { isIP } from "node:net";
import { SimwardError } from "../../base/errors.ts";

export interface NetdRequest {
  readonly verb: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/** A program and its arguments, run as they stand. */
export interface Command {
  readonly program: "ip";
  readonly args: readonly string[];
}

type Check = (value: unknown) => string | undefined;

interface Argument {
  readonly name: string;
  readonly optional?: boolean;
  /** Answers the argument as text, undefined when it is not allowed. */
  readonly check: Check;
  readonly expected: string;
}

interface Verb {
  readonly args: readonly Argument[];
  readonly commands: (args: Readonly<Record<string, string | undefined>>) => readonly Command[];
}

const ip = (...args: readonly string[]): Command => ({ program: "ip", args });
const wholeNumber =
  (least: number, most: number): Check =>
  (value) =>
    typeof value === "number" && Number.isInteger(value) && value >= least && value <= most ? String(value) : undefined;

const state: Argument = {
  name: "state",
  expected: '"up" or "down"',
  check: (value) => (value === "up" || value === "down" ? value : undefined),
};
const mtu: Argument = { name: "mtuBytes", optional: true, expected: "a whole number from 576 to 9000", check: wholeNumber(576, 9_000) };
const address: Argument = {
  name: "address",
  expected: "an address with prefix length, e.g. 10.1.2.3/32",
  check: (value) => {
    if (typeof value !== "string") return undefined;
    const [host = "", prefix = "", more] = value.split("/");
    const family = isIP(host);
    const isPrefix = /^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 6 ? 128 : 32);
    return family !== 0 && isPrefix && more === undefined ? value : undefined;
  },
};
const gateway: Argument = {
  name: "gateway",
  optional: true,
  expected: "an IP address",
  check: (value) => (typeof value === "string" && isIP(value) !== 0 ? value : undefined),
};
const family: Argument = { name: "family", expected: "4 or 6", check: (value) => (value === 4 || value === 6 ? String(value) : undefined) };
const metric: Argument = { name: "metric", optional: true, expected: "a whole number from 0 to 65535", check: wholeNumber(0, 65_535) };

/** Every verb also takes `interface`, which must be one of those simward-netd was started for. */
const verbs: Readonly<Record<string, Verb>> = {
  link: {
    args: [state, mtu],
    commands: ({ interface: dev = "", state: to = "", mtuBytes }) => [
      ...(mtuBytes === undefined ? [] : [ip("link", "set", "dev", dev, "mtu", mtuBytes)]),
      ip("link", "set", "dev", dev, to),
    ],
  },
  addr: { args: [address], commands: ({ interface: dev = "", address: cidr = "" }) => [ip("address", "replace", cidr, "dev", dev)] },
  "addr-flush": { args: [], commands: ({ interface: dev = "" }) => [ip("address", "flush", "dev", dev)] },
  route: {
    args: [family, gateway, metric],
    commands: ({ interface: dev = "", family: f = "4", gateway: via, metric: m }) => [
      ip(
        `-${f}`,
        "route",
        "replace",
        "default",
        ...(via === undefined ? [] : ["via", via]),
        "dev",
        dev,
        ...(m === undefined ? [] : ["metric", m]),
      ),
    ],
  },
  "route-flush": { args: [family], commands: ({ interface: dev = "", family: f = "4" }) => [ip(`-${f}`, "route", "flush", "dev", dev)] },
};

/** Checks a request and says what to run. Throws NETD_VERB, NETD_ARGUMENT. */
export function commandsFor(request: unknown, interfaces: readonly string[]): readonly Command[] {
  const { verb, args } = parseRequest(request);
  const row = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined;
  if (row === undefined)
    throw new SimwardError("NETD_VERB", { detail: `${JSON.stringify(verb)}; there are ${Object.keys(verbs).join(", ")}` });
  const device: Argument = {
    name: "interface",
    expected: `one of ${interfaces.join(", ")}`,
    check: (value) => (typeof value === "string" && interfaces.includes(value) ? value : undefined),
  };
  const known = [device, ...row.args];
  const extra = Object.keys(args).find((name) => !known.some((one) => one.name === name));
  if (extra !== undefined) throw new SimwardError("NETD_ARGUMENT", { detail: `${verb} takes no ${JSON.stringify(extra)}` });
  const checked: Record<string, string | undefined> = {};
  for (const { name, optional, check, expected } of known) {
    if (args[name] === undefined && optional === true) continue;
    checked[name] = check(args[name]);
    if (checked[name] === undefined) throw new SimwardError("NETD_ARGUMENT", { detail: `${verb}: ${name} must be ${expected}` });
  }
  return row.commands(checked);
}

export function verbNames(): readonly string[] {
  return Object.keys(verbs);
}

function parseRequest(value: unknown): NetdRequest {
  const request = value as Partial<NetdRequest> | null;
  if (typeof request !== "object" || request === null || typeof request.verb !== "string")
    throw new SimwardError("NETD_VERB", { detail: 'a request is {"verb": …, "args": {…}}' });
  const args = request.args ?? {};
  if (typeof args !== "object" || args === null || Array.isArray(args))
    throw new SimwardError("NETD_ARGUMENT", { detail: "args must be an object" });
  return { verb: request.verb, args: args as Readonly<Record<string, unknown>> };
}

export function interfaceName(name: string): string {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/.test(name))
    throw new SimwardError("NETD_ARGUMENT", { detail: `${JSON.stringify(name)} is no name of an interface` });
  return name;
}
