// Octets of a module's port into lines and prompts, however they are cut into chunks; bounded whatever the module sends.
// A line ends with CR or LF, empty ones are dropped: that covers V0, V1, `\r\r\n` and echoes, which end with a bare CR.

export type Token =
  /** latin1, without its end. */
  | { readonly kind: "line"; readonly text: string }
  | { readonly kind: "prompt"; readonly text: ">" | "@" }
  /** A line grew beyond the limit: it is dropped up to its end. */
  | { readonly kind: "overflow" };

const carriageReturn = 0x0d;
const lineFeed = 0x0a;
const space = 0x20;
const promptSign = 0x3e;
const atSign = 0x40;

export class Tokenizer {
  readonly #line: Buffer;
  #length = 0;
  #dropping = false;
  #afterPrompt = false;
  /** While a command waits for its prompt, `>` without a space and `@` count as one too. */
  expectPrompt = false;

  constructor(maxLineBytes = 16_384) {
    this.#line = Buffer.alloc(maxLineBytes);
  }

  /** Whether a line has begun and not ended. */
  get inLine(): boolean {
    return this.#length > 0 || this.#dropping;
  }

  push(octets: Uint8Array): readonly Token[] {
    const tokens: Token[] = [];
    for (const octet of octets) this.#take(octet, tokens);
    return tokens;
  }

  #take(octet: number, tokens: Token[]): void {
    if (octet === carriageReturn || octet === lineFeed) {
      if (this.#length > 0) tokens.push({ kind: "line", text: this.#line.toString("latin1", 0, this.#length) });
      this.#length = 0;
      this.#dropping = false;
      this.#afterPrompt = false;
      return;
    }
    // UARTs make NULs of breaks and wake-ups.
    if (this.#dropping || octet === 0) return;
    if (this.#afterPrompt && octet === space) {
      this.#afterPrompt = false;
      return;
    }
    this.#afterPrompt = false;
    if (this.#length === this.#line.length) {
      this.#length = 0;
      this.#dropping = true;
      tokens.push({ kind: "overflow" });
      return;
    }
    this.#line[this.#length++] = octet;
    const prompt = this.#prompt();
    if (prompt === undefined) return;
    this.#length = 0;
    tokens.push({ kind: "prompt", text: prompt });
  }

  #prompt(): ">" | "@" | undefined {
    const first = this.#line[0];
    if (first === promptSign && this.#length === 2 && this.#line[1] === space) return ">";
    if (!this.expectPrompt || this.#length !== 1) return undefined;
    if (first === atSign) return "@";
    if (first !== promptSign) return undefined;
    this.#afterPrompt = true;
    return ">";
  }
}
