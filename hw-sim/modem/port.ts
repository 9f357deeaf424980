// One AT port: echo, command lines one after the other, final result codes in the form its host asked for, unsolicited lines in between.
// What goes wrong on purpose (faults.ts) goes wrong here.
import type { Faults } from "../faults.ts";
import { CmeError, cme, cmeTexts } from "./cme.ts";
import { LineAssembler, type ParsedCommand, parseCommandLine } from "./command-line.ts";
import type { Answer, PortSettings } from "./commands/command.ts";
import type { VirtualModem } from "./module.ts";

/** The host's side of the port, as the module sees it. */
export interface PortLine {
  write(bytes: Uint8Array): void;
  /** Everything written so far is the last that comes. */
  hangUp(): void;
}

/** What an armed fault makes of one command line. */
interface Mischief {
  readonly silent: boolean;
  /** In place of carrying it out. */
  readonly refuse: Answer | undefined;
  /** After carrying it out. */
  readonly denyDone: boolean;
  readonly reset: boolean;
  /** Lines between echo and reply. */
  readonly before: readonly string[];
  readonly spewOctets: number;
  readonly lateMs: number;
  readonly hangUp: boolean;
}

/** Numeric result codes of ATV0 (V.250 §5.7). */
const numericFinals: Readonly<Record<string, string>> = { OK: "0", "NO CARRIER": "3", ERROR: "4" };
const plainError: Answer = { lines: [], final: "ERROR" };

/** How many octets wait for a module that is busy; what comes on top is lost, as in a UART. */
const maxWaitingOctets = 16_384;

export class AtPort {
  readonly settings: PortSettings;
  readonly #modem: VirtualModem;
  readonly #line: PortLine;
  readonly #assembler: LineAssembler;
  #waiting: number[] = [];
  #lastLine = "";
  #busy = false;
  #closed = false;
  /** Counts resets: what a command answers after one is nobody's. */
  #life = 0;
  readonly #heldUrcs: string[] = [];
  /** Octets that go out one by one. */
  readonly #slow: number[] = [];

  constructor(modem: VirtualModem, line: PortLine) {
    this.#modem = modem;
    this.#line = line;
    this.#assembler = new LineAssembler(modem.personality.maxLineChars);
    this.settings = { echo: modem.savedEcho, verbose: true, quiet: false, cmee: 0 };
  }

  /** Octets from the host. */
  receive(bytes: Uint8Array): void {
    if (!this.#modem.running || this.#closed) return;
    for (const octet of bytes) if (this.#waiting.length < maxWaitingOctets) this.#waiting.push(octet);
    this.#consume();
  }

  /** Held back while a command runs; lines must not be torn. */
  urc(text: string): void {
    if (this.#closed) return;
    if (this.#busy) this.#heldUrcs.push(text);
    else this.#print(this.#framed(text));
  }

  /** Back to what it was when powered on. */
  reset(): void {
    Object.assign(this.settings, { echo: this.#modem.savedEcho, verbose: true, quiet: false, cmee: 0 });
    this.#life++;
    this.#busy = false;
    this.#waiting = [];
    this.#heldUrcs.length = 0;
    this.#slow.length = 0;
    this.#assembler.clear();
  }

  hangUp(): void {
    this.#line.hangUp();
  }

  close(): void {
    this.#closed = true;
    this.#waiting = [];
  }

  #consume(): void {
    while (!this.#busy && this.#waiting.length > 0) {
      const echo: number[] = [];
      const event = this.#nextLine(echo);
      if (this.settings.echo) this.#write(Uint8Array.from(echo));
      if (event === undefined) return;
      if (event.kind === "too-long") this.#print(this.#final("ERROR"));
      else {
        if (event.kind === "line") this.#lastLine = event.text;
        void this.#run(this.#lastLine);
      }
    }
  }

  #nextLine(echo: number[]): ReturnType<LineAssembler["take"]> {
    for (let octet = this.#waiting.shift(); octet !== undefined; octet = this.#waiting.shift()) {
      echo.push(octet);
      const event = this.#assembler.take(octet);
      if (event !== undefined) return event;
    }
    return undefined;
  }

  async #run(line: string): Promise<void> {
    const life = this.#life;
    this.#busy = true;
    const commands = parseCommandLine(line);
    const names = (commands ?? []).map(({ name }) => name);
    const mischief = plan(this.#modem.faults, names);
    let after: (() => void) | undefined;
    if (mischief.reset) after = () => this.#modem.reset();
    else if (!mischief.silent) {
      const answer = mischief.refuse ?? (commands === undefined ? plainError : await this.#carryOut(commands));
      if (mischief.lateMs > 0) await this.#modem.clock.sleep(mischief.lateMs);
      if (life !== this.#life) return;
      after = answer.after;
      this.#print(mischief.before.map((text) => this.#framed(text)).join("") + "x".repeat(mischief.spewOctets));
      this.#print(answer.lines.map((text) => this.#framed(text)).join("") + this.#finalOf(mischief.denyDone ? plainError : answer));
    }
    this.#busy = false;
    if (this.#closed) return;
    if (mischief.hangUp) this.hangUp();
    after?.();
    if (life !== this.#life) return;
    for (const text of this.#heldUrcs.splice(0)) this.urc(text);
    this.#consume();
  }

  async #carryOut(commands: readonly ParsedCommand[]): Promise<Answer> {
    const lines: string[] = [];
    let last: Answer = { lines: [] };
    for (const command of commands) {
      last = await this.#one(command);
      lines.push(...last.lines);
      if (last.final !== undefined || last.cme !== undefined) break;
    }
    return { ...last, lines };
  }

  async #one({ name, kind, args }: ParsedCommand): Promise<Answer> {
    const row = this.#modem.commands.get(name);
    if (row === undefined) return plainError;
    const handler = row[kind];
    // Every extended command that is there answers its test form.
    if (handler === undefined) return kind === "test" ? { lines: [] } : { lines: [], cme: cme.notSupported };
    try {
      return await handler({ modem: this.#modem, port: this.settings, args, name });
    } catch (error) {
      if (error instanceof CmeError) return { lines: [], cme: error.cme };
      this.#modem.log.error("a command handler failed", { command: name, error });
      return { lines: [], cme: cme.unknown };
    }
  }

  #finalOf(answer: Answer): string {
    if (answer.cme === undefined) return this.#final(answer.final ?? "OK");
    if (this.settings.cmee === 0) return this.#final("ERROR");
    return this.#final(`+CME ERROR: ${this.settings.cmee === 1 ? answer.cme : (cmeTexts[answer.cme] ?? answer.cme)}`);
  }

  #final(text: string): string {
    if (this.settings.quiet) return "";
    if (this.settings.verbose) return `\r\n${text}\r\n`;
    return `${numericFinals[text] ?? text}\r`;
  }

  #framed(text: string): string {
    return this.settings.verbose ? `\r\n${text}\r\n` : `${text}\r\n`;
  }

  #print(text: string): void {
    if (text !== "") this.#write(Buffer.from(text, "latin1"));
  }

  #write(bytes: Uint8Array): void {
    if (this.#closed) return;
    const gapMs = this.#modem.faults.get("split-octets");
    const idle = this.#slow.length === 0;
    if (gapMs === undefined && idle) this.#line.write(bytes);
    else {
      this.#slow.push(...bytes);
      if (idle) this.#sendSlowly();
    }
  }

  #sendSlowly(): void {
    const octet = this.#slow[0];
    if (octet === undefined || this.#closed) return;
    this.#line.write(Uint8Array.of(octet));
    this.#modem.clock.after(this.#modem.faults.get("split-octets") ?? 0, () => {
      this.#slow.shift();
      this.#sendSlowly();
    });
  }
}

/** Line noise: what a loose connector or a wrong baud rate looks like, without a line end of its own. */
const noise = "\xfe\x81\x00\xc3+C\x7f\xff";

function plan(faults: Faults, commands: readonly string[]): Mischief {
  const refused = faults.strike("cme", commands);
  const urc = faults.get("urc");
  const spewOctets = faults.get("spew") ?? 0;
  if (spewOctets > 0) faults.clear("spew");
  return {
    silent: faults.get("silent-ms") !== undefined || faults.spend("silent-commands"),
    refuse:
      refused !== undefined ? { lines: [], cme: refused.cme } : faults.strike("error", commands) !== undefined ? plainError : undefined,
    denyDone: faults.strike("error-done", commands) !== undefined,
    reset: faults.strike("reset", commands) !== undefined,
    before: [...(urc === undefined ? [] : [urc]), ...(faults.strike("garbage", commands) === undefined ? [] : [noise])],
    spewOctets,
    lateMs: faults.strike("late", commands)?.ms ?? 0,
    hangUp: faults.strike("hang-up", commands) !== undefined,
  };
}
