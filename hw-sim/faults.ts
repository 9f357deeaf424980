// The faults a virtual vehicle can be given: one table, set by command line, by the order API or in-process.
// A fault stays until it is cleared; those that name an nth command go by themselves once they have struck.
import type { Disposer } from "../base/clock.ts";
import { SimwardError } from "../base/errors.ts";
import type { CallKind } from "./modem/voice.ts";
import { readEs9Errors } from "./smdp/faults.ts";

/** The nth command line from now; only lines that hold `command` count when it is given. */
export interface AtCommand {
  readonly command: string | undefined;
  readonly n: number;
}

interface FaultRow<V> {
  /** Which part obeys it. */
  readonly part: "module" | "card" | "path" | "world" | "smdp";
  /** How the value is written. */
  readonly value: string;
  readonly text: string;
  /** undefined when the text is no such value. */
  readonly parse: (text: string) => V | undefined;
}

const row = <V>(part: FaultRow<V>["part"], value: string, parse: FaultRow<V>["parse"], text: string): FaultRow<V> => ({
  part,
  value,
  text,
  parse,
});

const number = (text: string): number | undefined => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined);
const whole = (text: string): number | undefined => (/^\d{1,9}$/.test(text) ? Number(text) : undefined);
const positive = (text: string): number | undefined => (/^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined);
const share = (text: string): number | undefined => {
  const value = number(text);
  return value !== undefined && value <= 1 ? value : undefined;
};
const percent = (text: string): number | undefined => (/^-?\d{1,3}$/.test(text) && Number(text) >= -100 ? Number(text) : undefined);
const digits = (text: string): string | undefined => (/^\d{3,20}$/.test(text) ? text : undefined);
const country = (text: string): string | undefined => (/^[A-Z]{2}$/.test(text) ? text : undefined);
const refusal = (text: string): string | undefined => (/^\d{5,6}:\d{1,3}$/.test(text) ? text : undefined);
const printable = (text: string): string | undefined => (/^[\x20-\x7e]+$/.test(text) ? text : undefined);
const power = (text: string): "cycle" | "off" | undefined => (text === "cycle" || text === "off" ? text : undefined);
const call = (text: string): CallKind | undefined => (text === "active" || text === "ringing" ? text : undefined);
const troubles = ["absent", "busy", "pin", "puk"] as const;
export type SimTrouble = (typeof troubles)[number];
const trouble = (text: string): SimTrouble | undefined => troubles.find((one) => one === text);
const level = (text: string): string | undefined => (/^\d{5,6}:-\d{2,3}$/.test(text) ? text : undefined);
const flag = (text: string): true | undefined => (text === "1" || text === "on" ? true : undefined);

const atCommandPattern = /^(?:([A-Z&+%#$*^][A-Z0-9]*)@)?(\d{1,6})(?::(\d{1,9}))?$/;
function atCommand(text: string): AtCommand | undefined {
  const [whole, command, n, rest] = atCommandPattern.exec(text) ?? [];
  return whole === undefined || rest !== undefined || Number(n) === 0 ? undefined : { command, n: Number(n) };
}
function atCommandWith<K extends string>(key: K, fallback?: number) {
  return (text: string): (AtCommand & Readonly<Record<K, number>>) | undefined => {
    const [whole, command, n, given] = atCommandPattern.exec(text) ?? [];
    const value = given === undefined ? fallback : Number(given);
    if (whole === undefined || value === undefined || Number(n) === 0) return undefined;
    return { command, n: Number(n), [key]: value } as AtCommand & Record<K, number>;
  };
}
/** "up:1,up:4,down:2": which datagrams from now on are lost. */
function datagrams(text: string): readonly { readonly direction: "up" | "down"; readonly n: number }[] | undefined {
  const items = text.split(",").map((item) => /^(up|down):(\d{1,6})$/.exec(item));
  if (items.some((item) => item === null)) return undefined;
  return items.map((item) => ({ direction: item?.[1] === "up" ? "up" : "down", n: Number(item?.[2]) }));
}

const nth = "[COMMAND@]N";

export const faultTable = {
  "silent-ms": row("module", "MS", whole, "swallows every command for so long"),
  "silent-commands": row("module", "COUNT", positive, "swallows so many commands"),
  cme: row("module", `${nth}[:CODE]`, atCommandWith("cme", 100), "refuses the nth command with +CME ERROR, 100 by default"),
  error: row("module", nth, atCommand, "refuses the nth command with a plain ERROR; +CGLA@5 is the fifth APDU"),
  "error-done": row("module", nth, atCommand, "carries the nth command out, yet answers ERROR"),
  urc: row("module", "TEXT", printable, "prints this line between the echo and the reply of every command"),
  garbage: row("module", nth, atCommand, "line noise before the nth reply"),
  "split-octets": row("module", "MS", whole, "sends every octet by itself, so far apart"),
  late: row("module", `${nth}:MS`, atCommandWith("ms"), "holds the nth reply back for so long"),
  "hang-up": row("module", nth, atCommand, "closes the port right behind the last octet of the nth reply"),
  "hang-up-on-reset": row("module", "1", flag, "every reset of the module closes its ports at once, as USB modules do"),
  reset: row("module", nth, atCommand, "the module resets by itself instead of answering: boot lines, echo on again"),
  sim: row("card", "absent|busy|pin|puk", trouble, "the card is out of the slot, busy for good, or locked by its PIN or PUK"),
  "voice-call": row("module", "active|ringing", call, "a voice call is under way, or comes in; a reset of the module ends it"),
  spew: row("module", "OCTETS", positive, "sends so many octets without a line end before the next reply"),
  "urc-inside": row("module", "TEXT", printable, "prints this line inside every reply, behind its first line"),
  hang: row("module", "1", flag, "answers nothing and says nothing, whatever it is told, until its power is switched"),
  power: row("module", "cycle|off", power, "what a power hook does: off and on again, or off until this is cleared"),
  "cts-stuck": row("module", "1", flag, "takes no octets: its host's writes block"),
  "only-port": row("module", "N", positive, "answers only on the port opened as the Nth; unsolicited lines go to all"),
  "urc-port": row("module", "N", positive, "unsolicited lines go to the port opened as the Nth alone; all of them answer"),
  "counter-drift": row("module", "PERCENT", percent, "its own counters of octets count so much too much from now on; -10: too little"),
  "hang-up-after-data": row("module", "1", flag, "a data call that ends closes its port"),
  "hang-up-on-radio-off": row("module", "1", flag, "AT+CFUN=0 closes all ports right behind its OK, as some USB modules do"),
  loss: row("path", "0..1", share, "share of datagrams lost, each way"),
  "rtt-ms": row("path", "MS", whole, "round trip added, half of it each way"),
  duplicate: row("path", "0..1", share, "share of datagrams that come twice"),
  reorder: row("path", "0..1", share, "share of datagrams that are overtaken by the next"),
  "rate-bps": row("path", "BITS_PER_SECOND", whole, "how fast the bearer is, each way"),
  drop: row("path", "up:N,down:N,…", datagrams, "loses exactly these datagrams, counted from now"),
  "nat-rebind": row("path", "1", flag, "the network gives the vehicle another port, once"),
  "no-coverage": row("world", "DIGITS", digits, "no cell for the IMSI or ICCID that begins so"),
  signal: row("world", "PLMN:DBM", level, "this operator's cells are received that strongly (RSRP): 26299:-128"),
  outage: row("world", "PLMN", digits, "this operator's cells are off"),
  "core-down": row("world", "PLMN", digits, "this operator gives no session: LTE attaches fail (ESM cause 38)"),
  "ota-enable": row("world", "ICCID", digits, "the SM-SR enables that profile of an M2M card (--card sgp02) over the air, once"),
  refuse: row("world", "PLMN:CAUSE", refusal, "this operator refuses whoever attaches with that EMM cause"),
  "black-hole": row("world", "PLMN", digits, "this operator's sessions come up, and nothing passes"),
  "es9-error": row(
    "smdp",
    "FUNCTION:SUBJECT/REASON[:TIMES],…",
    readEs9Errors,
    "the SM-DP+ refuses these functions of ES9+ with that status: getBoundProfilePackage:8.2.7/3.8",
  ),
  country: row("world", "ISO", country, "where the vehicle stands"),
} as const;

export type FaultName = keyof typeof faultTable;
export type FaultValue<N extends FaultName> = NonNullable<ReturnType<(typeof faultTable)[N]["parse"]>>;

export interface FaultChange {
  readonly name: FaultName;
  /** undefined when it was cleared. */
  readonly value: string | undefined;
}

interface Active {
  readonly text: string;
  readonly value: unknown;
  /** Command lines that counted so far. */
  seen: number;
}

export class Faults {
  readonly #active = new Map<FaultName, Active>();
  readonly #listeners = new Set<(change: FaultChange) => void>();

  /** Throws SIM_OPTION when there is no such fault or the value is not one of its own. */
  set(name: string, text: string): void {
    const known = faultName(name);
    const value = faultValue(known, text);
    const before = this.#active.get(known);
    this.#active.set(known, { text, value, seen: 0 });
    try {
      this.#tell({ name: known, value: text });
    } catch (error) {
      // What cannot be obeyed is not in force.
      if (before === undefined) this.#active.delete(known);
      else this.#active.set(known, before);
      throw error;
    }
  }

  /** Throws SIM_OPTION when there is no such fault. */
  clear(name: string): void {
    const known = faultName(name);
    if (this.#active.delete(known)) this.#tell({ name: known, value: undefined });
  }

  get<N extends FaultName>(name: N): FaultValue<N> | undefined {
    return this.#active.get(name)?.value as FaultValue<N> | undefined;
  }

  list(): readonly FaultSetting[] {
    return [...this.#active].map(([name, { text }]) => ({ name, value: text }));
  }

  onChange(fn: (change: FaultChange) => void): Disposer {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  /** Counts one command line against a fault that names an nth; its value when this is the one, and the fault is over. */
  strike<N extends NthFault>(name: N, commands: readonly string[]): FaultValue<N> | undefined {
    const active = this.#active.get(name);
    if (active === undefined) return undefined;
    const value = active.value as AtCommand;
    if (value.command !== undefined && !commands.includes(value.command)) return undefined;
    active.seen++;
    if (active.seen < value.n) return undefined;
    this.clear(name);
    return value as FaultValue<N>;
  }

  /** Takes one from a fault that is a count; false when none is left. */
  spend(name: "silent-commands"): boolean {
    const active = this.#active.get(name);
    if (active === undefined) return false;
    active.seen++;
    if (active.seen >= (active.value as number)) this.clear(name);
    return true;
  }

  #tell(change: FaultChange): void {
    for (const fn of [...this.#listeners]) fn(change);
  }
}

type NthFault = { [N in FaultName]: FaultValue<N> extends AtCommand ? N : never }[FaultName];

export interface FaultSetting {
  readonly name: FaultName;
  readonly value: string;
}

/** Splits "name=value", as the command line has it. Throws SIM_OPTION. */
export function parseFault(text: string): FaultSetting {
  const at = text.indexOf("=");
  if (at < 1) throw new SimwardError("SIM_OPTION", { detail: `fault ${JSON.stringify(text)}: write name=value` });
  return faultSetting(text.slice(0, at), text.slice(at + 1));
}

/** Throws SIM_OPTION when there is no such fault or the value is not one of its own. */
export function faultSetting(name: string, value: string): FaultSetting {
  const known = faultName(name);
  faultValue(known, value);
  return { name: known, value };
}

function faultValue(name: FaultName, text: string): unknown {
  const { parse, value: form } = faultTable[name];
  const value = parse(text);
  if (value === undefined) throw new SimwardError("SIM_OPTION", { detail: `fault ${name}=${text}: its value is written ${form}` });
  return value;
}

/** Throws SIM_OPTION when there is no such fault. */
export function faultName(name: string): FaultName {
  if (Object.hasOwn(faultTable, name)) return name as FaultName;
  throw new SimwardError("SIM_OPTION", { detail: `fault ${JSON.stringify(name)} is none of ${Object.keys(faultTable).join(", ")}` });
}
