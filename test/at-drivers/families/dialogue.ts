// A module that plays a family's session: what it answers follows from what it was told before, as the file has it.
import type { ByteChannel } from "../../../at-drivers/engine/types.ts";
import { answersProbe, FarEnd } from "../far-end.ts";
import { backgroundFile, type Exchange, readTranscript } from "../transcripts.ts";

export class Dialogue {
  readonly exchanges: readonly Exchange[];
  /** Command lines in the order they came. */
  readonly said: string[] = [];
  /** What neither the session nor the background knows; answered with ERROR. */
  readonly unknown: string[] = [];
  readonly #background: ReadonlyMap<string, Exchange>;
  readonly #turns = new Map<string, Turn>();
  #port: FarEnd | undefined;

  constructor(session: string) {
    this.exchanges = readTranscript(session);
    this.#background = new Map(readTranscript(backgroundFile).map((exchange) => [exchange.command, exchange]));
    for (const [at, { command }] of this.exchanges.entries()) {
      const turn = this.#turns.get(command) ?? { places: [], current: 0, since: new Set<string>() };
      turn.places.push(at);
      this.#turns.set(command, turn);
    }
  }

  /** A port as the module opens it, again and again. */
  open(): ByteChannel {
    this.#port = new FarEnd((line) => this.#answer(line));
    return this.#port.channel;
  }

  /** An unsolicited line on the port that was opened last. */
  urc(line: string): void {
    this.#port?.say(`\r\n${line}\r\n`);
  }

  /** Lines of the session that nobody asked for. */
  get unsaid(): readonly string[] {
    return [...this.#turns].flatMap(([command, { places, current }]) => [
      ...(this.said.includes(command) ? [] : [command]),
      ...places.slice(current + 1).map((at) => this.exchanges[at]?.where ?? ""),
    ]);
  }

  #answer(line: string): string | undefined {
    const turn = this.#turns.get(line);
    const exchange = turn === undefined ? this.#background.get(line) : this.exchanges[turn.places[turn.current] ?? 0];
    if (exchange === undefined) {
      const probe = answersProbe(line);
      if (probe === undefined && line !== "") this.unknown.push(line);
      return line === "" ? undefined : (probe ?? "\r\nERROR\r\n");
    }
    this.said.push(line);
    for (const other of this.#turns.values()) this.#pass(other, line);
    return exchange.reply.map((text) => `\r\n${text}\r\n`).join("");
  }

  /** The next of several lines of a command is in force once all lines between the two were said; of neighbours, once the first was. */
  #pass(turn: Turn, line: string): void {
    turn.since.add(line);
    const [from = 0, to] = turn.places.slice(turn.current, turn.current + 2);
    if (to === undefined) return;
    const between = this.exchanges.slice(from + 1, to).map(({ command }) => command);
    const needed = between.length === 0 ? [this.exchanges[from]?.command ?? ""] : between;
    if (!needed.every((command) => turn.since.has(command))) return;
    turn.current++;
    turn.since.clear();
  }
}

interface Turn {
  /** Where in the file the command stands. */
  readonly places: number[];
  current: number;
  /** What was said since the current place came into force. */
  readonly since: Set<string>;
}
