// One AT port: echo, command lines one after the other, final result codes in the form its host asked for, unsolicited lines in between.
// What goes wrong on purpose (faults.ts) goes wrong here.
import type { Disposer } from "../../base/clock.ts";
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
  /** The module takes no octets, so that its host's writes block (CTS). Lines that cannot do it lose what is sent meanwhile. */
  hold?(held: boolean): void;
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
  /** Behind the first line of the reply. */
  readonly inside: string | undefined;
  readonly spewOctets: number;
  readonly lateMs: number;
  readonly hangUp: boolean;
}

/** Numeric result codes of ATV0 (V.250 §5.7). */
const numericFinals: Readonly<Record<string, string>> = {
  OK: "0",
  CONNECT: "1",
  RING: "2",
  "NO CARRIER": "3",
  ERROR: "4",
  "NO DIALTONE": "6",
  BUSY: "7",
  "NO ANSWER": "8",
};
const plainError: Answer = { lines: [], final: "ERROR" };
const aborted: Answer = { lines: [], final: "ABORTED" };
/** Silence around "+++" (V.250 has no escape; S12 of the Hayes set: 50 fiftieths of a second). */
const guardMs = 1_000;
/** What comes so soon behind a command line, as a LF does, does not end its command (V.250 §5.6.1). */
const notYetAbortMs = 125;
const lineFeed = 0x0a;
const escapeSequence = "+++";

/** How many octets wait for a module that is busy; what comes on top is lost, as in a UART. */
const maxWaitingOctets = 16_384;

export class AtPort {
  readonly settings: PortSettings;
  readonly #modem: VirtualModem;
  readonly #line: PortLine;
  /** As they were opened, from 1. */
  readonly number: number;
  readonly #assembler: LineAssembler;
  #waiting: number[] = [];
  #lastLine = "";
  #busy = false;
  #closed = false;
  #held = false;
  /** The context whose data the port carries now, in place of commands. */
  #onlineCid: number | undefined;
  #lastOctetMs = Number.NEGATIVE_INFINITY;
  #escape = "";
  #stopEscape: Disposer = () => {};
  /** Ends the command that any octet ends. */
  #abort: (() => void) | undefined;
  #abortableSinceMs = 0;
  /** Counts resets: what a command answers after one is nobody's. */
  #life = 0;
  readonly #heldUrcs: string[] = [];
  /** Octets that go out one by one. */
  readonly #slow: number[] = [];

  constructor(modem: VirtualModem, line: PortLine, number: number) {
    this.#modem = modem;
    this.#line = line;
    this.number = number;
    this.#assembler = new LineAssembler(modem.personality.maxLineChars);
    this.settings = freshSettings(modem);
  }

  /** Octets from the host. */
  receive(bytes: Uint8Array): void {
    if (!this.#modem.running || this.#closed || this.#held) return;
    // Not even an echo.
    if (this.#modem.faults.get("hang") === true) return;
    const only = this.#modem.faults.get("only-port");
    if (only !== undefined && only !== this.number) return;
    if (this.#onlineCid !== undefined) {
      this.#data(bytes);
      return;
    }
    if (this.#abort !== undefined) {
      if (this.#modem.clock.monotonicMs() - this.#abortableSinceMs >= notYetAbortMs) this.#abort();
      return;
    }
    for (const octet of bytes) if (this.#waiting.length < maxWaitingOctets) this.#waiting.push(octet);
    this.#consume();
  }

  /** Held back while a command runs; lines must not be torn. */
  urc(text: string): void {
    if (this.#closed) return;
    if (this.#busy || this.#onlineCid !== undefined) this.#heldUrcs.push(text);
    else this.#print(this.#unsolicited(text));
  }

  /** Octets that are no line. */
  noise(text: string): void {
    this.#print(text);
  }

  /** Stops or begins taking octets. */
  hold(held: boolean): void {
    this.#held = held && this.#line.hold === undefined;
    this.#line.hold?.(held);
  }

  /** A context has gone; undefined: all of them. Whoever dialled it hears of it. */
  lostData(cid: number | undefined): void {
    const lost = (mine: number | undefined): boolean => mine !== undefined && (cid === undefined || cid === mine);
    if (lost(this.settings.dataCid)) this.settings.dataCid = undefined;
    if (!lost(this.#onlineCid)) return;
    this.#leaveData();
    this.#print(this.#final("NO CARRIER"));
    // DCD drops with the call: a terminal whose host did not say CLOCAL is hung up.
    if (this.#modem.faults.get("hang-up-after-data") === true) this.hangUp();
    else this.#flushHeld();
  }

  /** Back to what it was when powered on. */
  reset(): void {
    Object.assign(this.settings, freshSettings(this.#modem));
    this.#leaveData();
    this.#abort = undefined;
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
    this.#leaveData();
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
      // The LF of hosts that end their lines with CR LF is not part of the next one.
      if (octet !== lineFeed || !this.#assembler.empty) echo.push(octet);
      const event = this.#assembler.take(octet);
      if (event !== undefined) return event;
    }
    return undefined;
  }

  async #run(line: string): Promise<void> {
    const life = this.#life;
    this.#busy = true;
    const parsed = parseCommandLine(line);
    const commands = parsed !== undefined && parsed.length <= this.#modem.personality.maxCommands ? parsed : undefined;
    const names = (commands ?? []).map(({ name }) => name);
    const mischief = plan(this.#modem.faults, names);
    let after: (() => void) | undefined;
    if (mischief.reset) after = () => this.#modem.reset();
    else if (!mischief.silent) {
      const answer = mischief.refuse ?? (commands === undefined ? plainError : await this.#carryOut(commands));
      if (mischief.lateMs > 0) await this.#modem.clock.sleep(mischief.lateMs);
      if (life !== this.#life) return;
      after = answer.after;
      const lines = mischief.inside === undefined ? answer.lines : withLine(answer.lines, mischief.inside);
      this.#print(mischief.before.map((text) => this.#framed(text)).join("") + "x".repeat(mischief.spewOctets));
      if (answer.silent !== true)
        this.#print(lines.map((text) => this.#framed(text)).join("") + this.#finalOf(mischief.denyDone ? plainError : answer));
      if (answer.online !== undefined && !mischief.denyDone) this.#enterData(answer.online);
    }
    this.#busy = false;
    if (this.#closed) return;
    if (mischief.hangUp) this.hangUp();
    after?.();
    if (life !== this.#life) return;
    this.#flushHeld();
    this.#consume();
  }

  #flushHeld(): void {
    if (this.#onlineCid !== undefined) return;
    for (const text of this.#heldUrcs.splice(0)) this.urc(text);
  }

  #enterData(cid: number): void {
    this.#onlineCid = cid;
    this.settings.dataCid = undefined;
    this.#lastOctetMs = this.#modem.clock.monotonicMs();
    this.#waiting = [];
  }

  #leaveData(): void {
    this.#stopEscape();
    this.#escape = "";
    this.#onlineCid = undefined;
  }

  /** Nothing answers at the other end of the line; what matters here is the way out: silence, "+++", silence. */
  #data(bytes: Uint8Array): void {
    const nowMs = this.#modem.clock.monotonicMs();
    const quiet = nowMs - this.#lastOctetMs >= guardMs;
    this.#lastOctetMs = nowMs;
    this.#stopEscape();
    const text = Buffer.from(bytes).toString("latin1");
    this.#escape = quiet || this.#escape !== "" ? this.#escape + text : "";
    if (!escapeSequence.startsWith(this.#escape)) this.#escape = "";
    if (this.#escape !== escapeSequence) return;
    this.#stopEscape = this.#modem.clock.after(guardMs, () => {
      this.settings.dataCid = this.#onlineCid;
      this.#leaveData();
      this.#print(this.#final("OK"));
      this.#flushHeld();
    });
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
    const { busyWithSim, cops } = this.#modem.personality;
    if (busyWithSim.includes(name) && this.#modem.sim.state === "starting") return { lines: [], cme: cme.simBusy };
    const handler = row[kind];
    // Every extended command that is there answers its test form.
    if (handler === undefined) return kind === "test" ? { lines: [] } : { lines: [], cme: cme.notSupported };
    if (kind === "set" && args.length > (row.maxArgs ?? args.length)) return { lines: [], cme: cme.incorrectParameters };
    try {
      const answer = handler({ modem: this.#modem, port: this.settings, args, name });
      return cops.abortable && name === "+COPS" && kind === "test" ? await this.#abortable(answer) : await answer;
    } catch (error) {
      if (error instanceof CmeError) return { lines: [], cme: error.cme };
      this.#modem.log.error("a command handler failed", { command: name, error });
      return { lines: [], cme: cme.unknown };
    }
  }

  async #abortable(answer: Answer | Promise<Answer>): Promise<Answer> {
    this.#abortableSinceMs = this.#modem.clock.monotonicMs();
    const stopped = new Promise<Answer>((resolve) => {
      this.#abort = () => resolve(aborted);
    });
    try {
      return await Promise.race([answer, stopped]);
    } finally {
      this.#abort = undefined;
    }
  }

  #finalOf(answer: Answer): string {
    if (answer.cme === undefined) return this.#final(answer.final ?? "OK");
    const { cmeAlwaysText } = this.#modem.personality;
    if (this.settings.cmee === 0 && !cmeAlwaysText) return this.#final("ERROR");
    const inWords = this.settings.cmee === 2 || cmeAlwaysText;
    return this.#final(`+CME ERROR: ${inWords ? (cmeTexts[answer.cme] ?? answer.cme) : answer.cme}`);
  }

  #final(text: string): string {
    if (this.settings.quiet || text === "") return "";
    if (this.settings.verbose) return this.#framed(text);
    return `${numericFinals[text] ?? text}\r`;
  }

  /** RING and the like are result codes of V.250, which ATV0 makes numbers; ATQ1 suppresses all of them. */
  #unsolicited(text: string): string {
    if (this.settings.quiet) return "";
    return numericFinals[text] === undefined ? this.#framed(text) : this.#final(text);
  }

  #framed(text: string): string {
    const { head, tail } = this.#modem.personality.frame;
    return this.settings.verbose ? `${head}${text}${tail}` : `${text}\r\n`;
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

/** Behind the first of them; alone where there is none. */
function withLine([first, ...rest]: readonly string[], line: string): readonly string[] {
  return first === undefined ? [line] : [first, line, ...rest];
}

function freshSettings({ savedEcho, personality }: VirtualModem): PortSettings {
  return { echo: savedEcho, verbose: true, quiet: false, cmee: personality.cmee, dataCid: undefined };
}

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
    inside: faults.get("urc-inside"),
    spewOctets,
    lateMs: faults.strike("late", commands)?.ms ?? 0,
    hangUp: faults.strike("hang-up", commands) !== undefined,
  };
}
