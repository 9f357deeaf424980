// Voice calls of the module, as its hosts see them: one at a time, dialled here, coming in, or made by somebody else (3GPP TS 27.007 §7.18, V.250 §6.3).
import type { Clock, Disposer } from "../../base/clock.ts";

/** <stat> of +CLCC. */
const clccStat = { active: 0, incoming: 4 } as const;
const ringMs = 4_000;

/** active: answered at both ends. ringing: it comes in, and nobody has answered yet. */
export type CallKind = "active" | "ringing";

interface Call {
  /** 0 mobile originated, 1 mobile terminated. */
  readonly direction: 0 | 1;
  readonly state: keyof typeof clccStat;
  readonly number: string | undefined;
}

export class VoiceService {
  readonly #clock: Clock;
  readonly #urc: (line: string) => void;
  #call: Call | undefined;
  #stopRing: Disposer = () => {};

  constructor(clock: Clock, urc: (line: string) => void) {
    this.#clock = clock;
    this.#urc = urc;
  }

  /** A line of +CLCC; undefined when there is no call. */
  get line(): string | undefined {
    if (this.#call === undefined) return undefined;
    const { direction, state, number } = this.#call;
    return `+CLCC: 1,${direction},${clccStat[state]},0,0${number === undefined ? "" : `,"${number}",129`}`;
  }

  /** False when the line is taken. */
  dial(number: string): boolean {
    if (this.#call !== undefined) return false;
    this.#call = { direction: 0, state: "active", number };
    return true;
  }

  /** A call that no host of the module has asked for; an eCall of its own system is told by no line. */
  begin(kind: CallKind): void {
    this.#end();
    this.#call =
      kind === "active" ? { direction: 0, state: "active", number: undefined } : { direction: 1, state: "incoming", number: undefined };
    if (kind === "ringing") this.#ring();
  }

  /** False when nobody calls. */
  answer(): boolean {
    if (this.#call?.state !== "incoming") return false;
    this.#stopRing();
    this.#call = { ...this.#call, state: "active" };
    return true;
  }

  /** By this end, or with the radio. */
  hangUp(): void {
    this.#end();
  }

  /** By the other end, which hosts hear of. */
  remoteEnds(): void {
    if (this.#call === undefined) return;
    this.#end();
    this.#urc("NO CARRIER");
  }

  #end(): void {
    this.#stopRing();
    this.#call = undefined;
  }

  #ring(): void {
    this.#urc("RING");
    this.#stopRing = this.#clock.after(ringMs, () => this.#ring());
  }
}
