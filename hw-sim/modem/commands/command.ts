// An AT command of the module is a row: its name and what each of its forms does. Helpers read arguments and make answers.
import { CmeError, cme } from "../cme.ts";
import type { CommandKind } from "../command-line.ts";
import type { VirtualModem } from "../module.ts";

/** Settings each port has for itself. */
export interface PortSettings {
  echo: boolean;
  verbose: boolean;
  quiet: boolean;
  /** +CMEE: 0 plain ERROR, 1 number, 2 words. */
  cmee: number;
  /** The context of a data call that "+++" has left waiting for ATO or ATH. */
  dataCid: number | undefined;
}

export interface Call {
  readonly modem: VirtualModem;
  readonly port: PortSettings;
  readonly args: readonly (string | undefined)[];
  readonly name: string;
}

export interface Answer {
  readonly lines: readonly string[];
  /** In place of OK. */
  readonly final?: string;
  /** +CME ERROR; ends the command line. */
  readonly cme?: number;
  /** Nothing at all is said, not even the final result code. */
  readonly silent?: boolean;
  /** From the final result code on the port carries this context's data. */
  readonly online?: number;
  /** Done once the final result code is out. */
  readonly after?: () => void;
}

export type Handler = (call: Call) => Answer | Promise<Answer>;

/** A form that is absent is refused; the test form alone answers OK. */
export type CommandRow = {
  readonly name: string;
  /** Of the set form: one more is an error (V.250 §5.4.4.2). Left out where the form itself looks after it, or has no end. */
  readonly maxArgs?: number;
} & { readonly [K in CommandKind]?: Handler };

export const ok: Answer = { lines: [] };

export function line(...lines: readonly string[]): Answer {
  return { lines };
}

/** The handler of a test form whose answer never changes. */
export function says(...lines: readonly string[]): Handler {
  return () => ({ lines });
}

export const doNothing: Handler = () => ok;

/** Refuses with +CME ERROR. */
export function refuse(code: number): never {
  throw new CmeError(code);
}

/** The argument as a number; refuses when it is none, or out of range, or missing without a default. */
export function int(call: Call, index: number, min: number, max: number, fallback?: number): number {
  const text = call.args[index];
  if (text === undefined) return fallback ?? refuse(cme.incorrectParameters);
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max ? value : refuse(cme.incorrectParameters);
}

export function text(call: Call, index: number, fallback?: string): string {
  return call.args[index] ?? fallback ?? refuse(cme.incorrectParameters);
}

/** As test forms list numbers: "(0-2)", "(0,1,4)". */
export function listed(numbers: readonly number[]): string {
  const [first = 0] = numbers;
  const last = numbers.at(-1) ?? first;
  return numbers.length > 2 && last - first === numbers.length - 1 ? `(${first}-${last})` : `(${numbers.join(",")})`;
}
