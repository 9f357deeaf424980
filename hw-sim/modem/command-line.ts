// V.250 command lines: octets to lines (with A/), a line to its commands. Nothing here knows what a command does.

export type CommandKind = "execute" | "read" | "test" | "set";

export interface ParsedCommand {
  /** Upper case: "E", "&F", "S0", "+CREG". */
  readonly name: string;
  readonly kind: CommandKind;
  /** One a comma; undefined where nothing stands. Quotes are taken off. */
  readonly args: readonly (string | undefined)[];
}

const cr = 0x0d;
const backspace = 0x08;
/** DEL is what terminals send for it. */
const deleteKey = 0x7f;

/** What one octet does to the line being written. */
export type LineEvent = { readonly kind: "line"; readonly text: string } | { readonly kind: "repeat" } | { readonly kind: "too-long" };

/** Gathers octets into command lines; what comes before "AT" is noise and dropped (V.250 §5.2.1). */
export class LineAssembler {
  #text = "";
  #overflow = false;
  readonly #maxChars: number;

  constructor(maxChars: number) {
    this.#maxChars = maxChars;
  }

  take(octet: number): LineEvent | undefined {
    if (octet === cr) {
      const text = this.#text;
      const overflow = this.#overflow;
      this.clear();
      if (overflow) return { kind: "too-long" };
      const at = text.search(/at/i);
      return at < 0 ? undefined : { kind: "line", text: text.slice(at + 2) };
    }
    if (octet === backspace || octet === deleteKey) this.#text = this.#text.slice(0, -1);
    else if (octet >= 0x20 && octet < 0x7f) {
      if (this.#text.length >= this.#maxChars) this.#overflow = true;
      else this.#text += String.fromCharCode(octet);
    }
    if (!/^a\/$/i.test(this.#text)) return undefined;
    this.clear();
    return { kind: "repeat" };
  }

  /** Nothing of the next line has come yet. */
  get empty(): boolean {
    return this.#text === "" && !this.#overflow;
  }

  clear(): void {
    this.#text = "";
    this.#overflow = false;
  }
}

const extendedName = /^[+#%$^*][A-Z][A-Z0-9\-./:_!%]*/i;

/** The commands of a line, without its "AT"; undefined where it is not written as V.250 §5.2 has it. */
export function parseCommandLine(body: string): readonly ParsedCommand[] | undefined {
  const commands: ParsedCommand[] = [];
  let rest = body.trimStart();
  while (rest !== "") {
    const extended = extendedName.exec(rest)?.[0];
    const taken = extended === undefined ? takeBasic(rest) : takeExtended(extended.toUpperCase(), rest.slice(extended.length));
    if (taken === undefined) return undefined;
    commands.push(taken.command);
    rest = taken.rest.trimStart();
  }
  return commands;
}

interface Taken {
  readonly command: ParsedCommand;
  readonly rest: string;
}

function takeExtended(name: string, after: string): Taken | undefined {
  const end = unquotedIndex(after, ";");
  const part = after.slice(0, end).trim();
  const rest = after.slice(end + 1);
  if (part === "") return { command: { name, kind: "execute", args: [] }, rest };
  if (part === "?") return { command: { name, kind: "read", args: [] }, rest };
  if (part === "=?") return { command: { name, kind: "test", args: [] }, rest };
  if (!part.startsWith("=")) return undefined;
  const args = splitArguments(part.slice(1));
  return args === undefined ? undefined : { command: { name, kind: "set", args }, rest };
}

function takeBasic(text: string): Taken | undefined {
  // A dial string takes the rest of its line.
  if (/^d/i.test(text)) return { command: { name: "D", kind: "execute", args: [text.slice(1).trim()] }, rest: "" };
  const register = /^s(\d+)\s*(\?|=\s*(\d*))/i.exec(text);
  if (register !== null) {
    const [whole, number, form, value] = register;
    const kind = form === "?" ? "read" : "set";
    return { command: { name: `S${Number(number)}`, kind, args: kind === "set" ? [value] : [] }, rest: text.slice(whole.length) };
  }
  const basic = /^(&?[a-z])\s*(\d*)/i.exec(text);
  if (basic === null) return undefined;
  const [whole, name = "", digits = ""] = basic;
  const args = digits === "" ? [] : [digits];
  return { command: { name: name.toUpperCase(), kind: "execute", args }, rest: text.slice(whole.length).replace(/^\s*;/, "") };
}

function splitArguments(text: string): (string | undefined)[] | undefined {
  const args: (string | undefined)[] = [];
  let rest = text;
  for (;;) {
    const end = unquotedIndex(rest, ",");
    const part = rest.slice(0, end).trim();
    if (part === "") args.push(undefined);
    else if (part.startsWith('"')) {
      if (!/^"[^"]*"$/.test(part)) return undefined;
      args.push(part.slice(1, -1));
    } else if (part.includes('"')) return undefined;
    else args.push(part);
    if (end === rest.length) return args;
    rest = rest.slice(end + 1);
  }
}

/** Where `mark` stands outside quotes; the length when it does not. */
function unquotedIndex(text: string, mark: string): number {
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '"') quoted = !quoted;
    else if (text[i] === mark && !quoted) return i;
  }
  return text.length;
}
