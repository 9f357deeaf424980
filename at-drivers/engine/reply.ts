// Which of the lines that arrive while a command runs are its reply, and which are not. Pure: lines in, verdicts out.
import { type FinalResult, finalResult } from "./results.ts";

export interface Expected {
  readonly name: string;
  /** The command line as it was sent, which is what an echo repeats. */
  readonly text: string;
  readonly prefix: string | undefined;
  readonly prefixOptional: boolean;
  /** The module was echoing when last heard: its echo is then where the reply begins. */
  readonly echoOn: boolean;
  /** Whether a line that carries another prefix, or none, is known to be unsolicited. */
  readonly isUrc: (line: string) => boolean;
}

export type Verdict =
  | { readonly kind: "reply" }
  | { readonly kind: "urc" }
  /** What came before the echo was not the reply after all. */
  | { readonly kind: "echo"; readonly earlier: readonly string[] }
  /** A final result from before the echo: an earlier command's. */
  | { readonly kind: "stale" }
  | { readonly kind: "final"; readonly result: FinalResult };

/** Shorter command lines end too many other lines by chance. */
const minEchoTailLength = 5;

export class ReplyCollector {
  readonly #expected: Expected;
  readonly #raw: string[] = [];
  #lines: string[] = [];
  #characters = 0;
  #echoSeen = false;

  constructor(expected: Expected) {
    this.#expected = expected;
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  get characters(): number {
    return this.#characters;
  }

  get echoSeen(): boolean {
    return this.#echoSeen;
  }

  take(line: string): Verdict {
    this.#characters += line.length;
    if (this.#isEcho(line)) {
      const earlier = this.#raw.splice(0);
      this.#lines = [];
      this.#echoSeen = true;
      return { kind: "echo", earlier };
    }
    const { prefix, prefixOptional, echoOn, name } = this.#expected;
    const result = finalResult(line, { command: name, prefixed: prefix !== undefined && !prefixOptional });
    if (echoOn && !this.#echoSeen) return { kind: result === undefined ? "urc" : "stale" };
    if (result !== undefined) return { kind: "final", result };
    const rest = prefix === undefined ? undefined : afterPrefix(line, prefix);
    if (rest !== undefined) return this.#keep(line, rest);
    if ((prefix === undefined || prefixOptional) && !this.#expected.isUrc(line)) return this.#keep(line, line.trim());
    return { kind: "urc" };
  }

  #keep(line: string, rest: string): Verdict {
    this.#raw.push(line);
    this.#lines.push(rest);
    return { kind: "reply" };
  }

  #isEcho(line: string): boolean {
    const { text } = this.#expected;
    // A URC without an end, or noise, may stand before the echo on its line.
    return line === text || (text.length >= minEchoTailLength && line.endsWith(text));
  }
}

/** What stands behind the prefix, or undefined. A space before the colon is let pass (`+QSIMSTAT : 1,0`). */
export function afterPrefix(line: string, prefix: string): string | undefined {
  const text = line.trimStart();
  if (text.startsWith(prefix)) return text.slice(prefix.length).trim();
  if (!prefix.endsWith(":")) return undefined;
  const spaced = `${prefix.slice(0, -1)} :`;
  return text.startsWith(spaced) ? text.slice(spaced.length).trim() : undefined;
}
