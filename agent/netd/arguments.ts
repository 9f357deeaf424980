// Arguments of simward-netd's verbs: each is checked once, here, and is true from then on. Pure.
import { isIP } from "node:net";
import { SimwardError } from "../../base/errors.ts";

export interface NetdRequest {
  readonly verb: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/** A check answers the argument, or undefined when it is not allowed. */
export interface Argument<T> {
  readonly expected: string;
  readonly isOptional?: boolean;
  check(value: unknown): T | undefined;
}

export type Arguments = Readonly<Record<string, Argument<unknown>>>;
type Checked<A> = A extends Argument<infer T> ? T : never;
/** What a verb with these arguments is given. */
export type Given<S extends Arguments> = {
  readonly [K in keyof S as S[K] extends { readonly isOptional: true } ? never : K]: Checked<S[K]>;
} & { readonly [K in keyof S as S[K] extends { readonly isOptional: true } ? K : never]?: Checked<S[K]> };

export function optional<T>(argument: Argument<T>): Argument<T> & { readonly isOptional: true } {
  return { ...argument, isOptional: true };
}

export function wholeNumber(least: number, most: number): Argument<number> {
  return {
    expected: `a whole number from ${least} to ${most}`,
    check: (value) => (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most ? value : undefined),
  };
}

export function oneOf<const T extends string | number>(...choices: readonly T[]): Argument<T> {
  return { expected: choices.map((one) => JSON.stringify(one)).join(" or "), check: (value) => choices.find((one) => one === value) };
}

export const ipAddress: Argument<string> = {
  expected: "an IP address",
  check: (value) => (typeof value === "string" && isAddress(value) ? value : undefined),
};

export const addressWithPrefix: Argument<string> = {
  expected: "an address with prefix length, e.g. 10.1.2.3/32",
  check: (value) => {
    if (typeof value !== "string") return undefined;
    const [host = "", prefix = "", more] = value.split("/");
    const isPrefix = /^\d{1,3}$/.test(prefix) && Number(prefix) <= (isIP(host) === 6 ? 128 : 32);
    return isAddress(host) && isPrefix && more === undefined ? value : undefined;
  },
};

export function addressList(most: number): Argument<readonly string[]> {
  return {
    expected: `a list of at most ${most} IP addresses`,
    check: (value) =>
      Array.isArray(value) && value.length <= most && value.every((one) => typeof one === "string" && isAddress(one)) ? value : undefined,
  };
}

/** A serial port by the kernel's own name: no link, no other directory. Pseudo terminals are for benches without a module. */
export const serialDevice: Argument<string> = {
  expected: "a serial port, e.g. /dev/ttyUSB3",
  check: (value) =>
    typeof value === "string" && /^\/dev\/(tty(USB|ACM|S|AMA|HS|HSL|LP|mxc|O|SC|MSM|THS|XRUSB)|pts\/)\d{1,3}$/.test(value)
      ? value
      : undefined,
};
export const isPseudoTerminal = (device: string): boolean => device.startsWith("/dev/pts/");

/** isIP takes zone names behind a percent sign: nothing that we write has one. */
function isAddress(value: string): boolean {
  return isIP(value) !== 0 && !value.includes("%");
}

/** Throws NETD_VERB, NETD_ARGUMENT. */
export function parseRequest(value: unknown): NetdRequest {
  const request = value as Partial<NetdRequest> | null;
  if (typeof request !== "object" || request === null || typeof request.verb !== "string")
    throw new SimwardError("NETD_VERB", { detail: 'a request is {"verb": …, "args": {…}}' });
  const strange = Object.keys(request).find((name) => name !== "verb" && name !== "args");
  if (strange !== undefined) throw new SimwardError("NETD_ARGUMENT", { detail: `a request has no ${quoted(strange)}` });
  const args = request.args ?? {};
  if (typeof args !== "object" || args === null || Array.isArray(args))
    throw new SimwardError("NETD_ARGUMENT", { detail: "args must be an object" });
  return { verb: request.verb, args: args as Readonly<Record<string, unknown>> };
}

/** Throws NETD_ARGUMENT. */
export function checkArguments(
  verb: string,
  wanted: Arguments,
  args: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const extra = Object.keys(args).find((name) => !Object.hasOwn(wanted, name));
  if (extra !== undefined) throw new SimwardError("NETD_ARGUMENT", { detail: `${verb} takes no ${quoted(extra)}` });
  const checked: Record<string, unknown> = {};
  for (const [name, { isOptional, check, expected }] of Object.entries(wanted)) {
    const value = Object.hasOwn(args, name) ? args[name] : undefined;
    if (value === undefined && isOptional === true) continue;
    checked[name] = check(value);
    if (checked[name] === undefined) throw new SimwardError("NETD_ARGUMENT", { detail: `${verb}: ${name} must be ${expected}` });
  }
  return checked;
}

/** What a client wrote, short enough for a log. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

export function interfaceName(name: string): string {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/.test(name))
    throw new SimwardError("NETD_ARGUMENT", { detail: `${JSON.stringify(name)} is no name of an interface` });
  return name;
}
