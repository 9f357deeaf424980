// How AT commands are declared: text, prefix, fields and deadline as one value; the reply's type follows from its fields.
import { fromHex } from "../base/bytes.ts";
import { SimwardError } from "../base/errors.ts";
import type { AtCommand, AtField, AtFields, AtReply } from "./engine/types.ts";

/** Raises AT_REPLY for the argument being read. */
type Refuse = (what: string) => never;

/** One argument of an information line: its name in the result and how to read it. */
export interface Field<N extends string, T> {
  readonly name: N;
  readonly read: (field: AtField | undefined, refuse: Refuse) => T;
}

export type FieldsOf<F extends readonly Field<string, unknown>[]> = { readonly [K in F[number] as K["name"]]: ReturnType<K["read"]> };

export interface CommandOptions {
  readonly timeoutMs?: number;
  readonly sensitive?: boolean;
  readonly carriesApdu?: boolean;
  readonly prefixOptional?: boolean;
  readonly abortable?: boolean;
  readonly reads?: boolean;
}

/** What robust drivers use for a plain query; documented maxima are shorter, and wrong. */
const defaultTimeoutMs = 10_000;

// Fields

export function int<N extends string>(name: N): Field<N, number> {
  return {
    name,
    read: (field, refuse) => {
      if (field === undefined) return refuse("is missing");
      if (!/^[+-]?\d+$/.test(field.text)) return refuse(`is not a number (${shown(field)})`);
      return Number(field.text);
    },
  };
}

/** With or without quotes. */
export function text<N extends string>(name: N): Field<N, string> {
  return {
    name,
    read: (field, refuse) => {
      if (field === undefined) return refuse("is missing");
      return field.text;
    },
  };
}

/** A string that must stand in quotes. */
export function quotedText<N extends string>(name: N): Field<N, string> {
  return {
    name,
    read: (field, refuse) => {
      if (field === undefined) return refuse("is missing");
      if (!field.quoted) return refuse(`is not in quotes (${shown(field)})`);
      return field.text;
    },
  };
}

export function hexBytes<N extends string>(name: N): Field<N, Uint8Array> {
  return {
    name,
    read: (field, refuse) => {
      if (field === undefined) return refuse("is missing");
      if (field.text.length % 2 !== 0 || !/^[0-9A-Fa-f]*$/.test(field.text))
        return refuse(`is not hexadecimal (${field.text.length} characters)`);
      return fromHex(field.text);
    },
  };
}

export function optional<N extends string, T>(field: Field<N, T>): Field<N, T | undefined> {
  return {
    name: field.name,
    read: (value, refuse) => (value === undefined ? undefined : field.read(value, refuse)),
  };
}

// Commands

/** A command that answers with one information line. */
export function query<A extends readonly unknown[], const F extends readonly Field<string, unknown>[]>(
  name: string,
  line: string | ((...args: A) => string),
  prefix: string,
  fields: F,
  options: CommandOptions = {},
): AtCommand<A, FieldsOf<F>> {
  return declare(name, line, prefix, options, (reply) =>
    firstThatReads(name, reply, (info) => readFields(name, fields, splitFields(info))),
  );
}

/** A command that answers with any number of information lines, none included. */
export function queryAll<A extends readonly unknown[], const F extends readonly Field<string, unknown>[]>(
  name: string,
  line: string | ((...args: A) => string),
  prefix: string,
  fields: F,
  options: CommandOptions = {},
): AtCommand<A, readonly FieldsOf<F>[]> {
  return declare(name, line, prefix, options, (reply) => reply.lines.map((info) => readFields(name, fields, splitFields(info))));
}

/** A command whose information lines need a reader of their own; `read` gets each line without the prefix and answers undefined for one that is not it. */
export function queryWith<A extends readonly unknown[], R>(
  name: string,
  line: string | ((...args: A) => string),
  prefix: string | undefined,
  read: (info: string) => R | undefined,
  options: CommandOptions = {},
): AtCommand<A, R> {
  return declare(name, line, prefix, options, (reply) =>
    firstThatReads(name, reply, (info) => {
      const value = read(info);
      if (value === undefined) throw replyError(name, `${shown({ text: info, quoted: false })} is not its information`);
      return value;
    }),
  );
}

/** A command that answers with its result only; what else it prints is let pass. */
export function set<A extends readonly unknown[]>(
  name: string,
  line: (...args: A) => string,
  options: CommandOptions = {},
): AtCommand<A, void> {
  return declare(name, line, undefined, options, () => undefined);
}

/** The same without arguments. */
export function action(name: string, line: string, options: CommandOptions = {}): AtCommand<readonly [], void> {
  return declare(name, line, undefined, options, () => undefined);
}

/** A command of a shape of its own. */
export function declare<A extends readonly unknown[], R>(
  name: string,
  line: string | ((...args: A) => string),
  prefix: string | undefined,
  options: CommandOptions,
  parse: (reply: AtReply) => R,
): AtCommand<A, R> {
  return { name, text: typeof line === "string" ? () => line : line, prefix, parse, timeoutMs: defaultTimeoutMs, ...options };
}

// Text

/** A string constant as an argument. Throws AT_COMMAND for what cannot stand between quotes. */
export function quoted(value: string, what: string): string {
  if (!/^[\x20\x21\x23-\x7e]*$/.test(value))
    throw new SimwardError("AT_COMMAND", { detail: `${what} holds a quotation mark or a character outside printable ASCII` });
  return `"${value}"`;
}

/** Splits an argument list; commas inside quotes and parentheses do not count. */
export function splitFields(line: string): AtFields {
  const fields: (AtField | undefined)[] = [];
  let current = "";
  let inQuotes = false;
  let depth = 0;
  const take = (): void => {
    const trimmed = current.trim();
    const isQuoted = trimmed.length >= 2 && trimmed.startsWith('"') && trimmed.endsWith('"');
    if (isQuoted) fields.push({ text: trimmed.slice(1, -1), quoted: true });
    else fields.push(trimmed === "" ? undefined : { text: trimmed, quoted: false });
    current = "";
  };
  for (const character of line) {
    if (character === '"') inQuotes = !inQuotes;
    else if (!inQuotes && character === "(") depth++;
    else if (!inQuotes && character === ")") depth--;
    if (character === "," && !inQuotes && depth <= 0) take();
    else current += character;
  }
  take();
  return fields;
}

export function replyError(name: string, what: string): SimwardError {
  return new SimwardError("AT_REPLY", { detail: `${name}: ${what}`, data: { command: name } });
}

function readFields<const F extends readonly Field<string, unknown>[]>(name: string, fields: F, values: AtFields): FieldsOf<F> {
  const out: Record<string, unknown> = {};
  for (const [index, field] of fields.entries()) {
    out[field.name] = field.read(values[index], (what) => {
      throw replyError(name, `<${field.name}> ${what}`);
    });
  }
  return out as FieldsOf<F>;
}

/** A URC of the command's own name may stand among the lines, so it is not simply the first. */
function firstThatReads<R>(name: string, reply: AtReply, read: (info: string) => R): R {
  let refusal: SimwardError | undefined;
  for (const info of reply.lines) {
    try {
      return read(info);
    } catch (error) {
      if (!(error instanceof SimwardError)) throw error;
      refusal ??= error;
    }
  }
  throw refusal ?? replyError(name, `${reply.finalResult} without information`);
}

function shown(field: AtField): string {
  return field.text.length > 24 ? `${field.text.length} characters` : JSON.stringify(field.text);
}
