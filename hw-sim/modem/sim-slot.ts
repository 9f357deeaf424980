// The module's SIM side: powers the card, is busy for a while, keeps logical channels for its host, and follows the card's REFRESH.
import { concatBytes, emptyBytes, equalBytes, fromHex, toHex } from "../../base/bytes.ts";
import type { Clock, Disposer } from "../../base/clock.ts";
import { isCode } from "../../base/errors.ts";
import { CardTurns, type Eventual } from "../card-socket/procedure.ts";
import { followed, isDone, statusOf, whole, withChannel } from "../card-socket/responses.ts";
import { forbiddenPlaces, readForbidden, usimAid, writeForbidden } from "../card-socket/subscriber.ts";
import type { CardConnection, CardProcedure, Subscriber } from "../contracts.ts";
import type { SimTrouble } from "../faults.ts";
import { CmeError, cme } from "./cme.ts";
import type { Personality } from "./personality.ts";

/** empty: the card answers, but no profile is enabled. */
export type SimState = "off" | "absent" | "starting" | "empty" | "ready";

export interface SimSlotOptions {
  readonly clock: Clock;
  readonly card: CardConnection | undefined;
  readonly personality: Personality;
  /** Whether an assistant of the module's own keeps the ISD-R to itself. */
  readonly holdsIsdR: () => boolean;
  readonly onState: (state: SimState) => void;
  /** What is wrong with the card on purpose. */
  readonly trouble: () => SimTrouble | undefined;
}

/** What commands on the SIM are refused with meanwhile; a lock is one on the profile, not on the card's applications. */
const troubleCme: Readonly<Record<SimTrouble, number>> = {
  absent: cme.simNotInserted,
  busy: cme.simBusy,
  pin: cme.simPin,
  puk: cme.simPuk,
};

interface Channel {
  readonly number: number;
  /** Rest of a response that is handed out in pieces, with the status that ends it. */
  pending: Uint8Array;
}

/** TERMINAL PROFILE (ETSI TS 102 223 §5.2): profile download, and of the proactive commands REFRESH. */
const terminalProfile = fromHex("8010000003 010080");
const refreshCommand = 0x01;
/** STORE DATA with GetEuiccDataRequest, without its CLA. */
const getEid = fromHex("E2910006BF3E035C015A");
const isdrAid = fromHex("A0000005591010FFFFFFFF8900000100");
/** A card that was there and does not answer is looked for again. */
const lookAgainMs = 5_000;

export class SimSlot {
  readonly #clock: Clock;
  readonly #card: CardConnection | undefined;
  readonly #turns: CardTurns | undefined;
  readonly #personality: Personality;
  readonly #holdsIsdR: () => boolean;
  readonly #onState: (state: SimState) => void;
  readonly #trouble: () => SimTrouble | undefined;
  #state: SimState = "off";
  #busyCme: number = cme.simBusy;
  #subscriber: Subscriber | undefined;
  #shownIccid: string | undefined;
  /** EF.FPLMN as it was when the card was started, and what was added since. */
  #forbidden: readonly string[] = [];
  readonly #sessions = new Map<string, Channel>();
  readonly #basic: Channel = { number: 0, pending: emptyBytes };
  #sessionsOpened = 0;
  readonly #timers = new Set<Disposer>();
  /** Counts resets of the card. */
  #life = 0;
  readonly #stopWatching: Disposer;

  constructor(options: SimSlotOptions) {
    this.#clock = options.clock;
    this.#card = options.card;
    this.#turns = options.card === undefined ? undefined : new CardTurns(options.card);
    this.#personality = options.personality;
    this.#holdsIsdR = options.holdsIsdR;
    this.#onState = options.onState;
    this.#trouble = options.trouble;
    this.#stopWatching = options.card?.onPresence(() => this.#presenceChanged()) ?? (() => {});
  }

  stop(): void {
    this.#stopTimers();
    this.#stopWatching();
  }

  get state(): SimState {
    return this.#state;
  }

  get subscriber(): Subscriber | undefined {
    return this.#state === "ready" && this.#trouble() === undefined ? this.#subscriber : undefined;
  }

  /** Operators that the module does not try by itself. What its host writes into the file counts from the next start of the card. */
  get forbidden(): readonly string[] {
    return this.#forbidden;
  }

  setForbidden(plmns: readonly string[]): void {
    this.#forbidden = plmns.slice(-forbiddenPlaces);
    this.#background(writeForbidden(this.#forbidden));
  }

  /** What the module answers for it: for a while after a change, the former one. */
  get iccid(): string | undefined {
    return this.#shownIccid;
  }

  /** A trouble has begun or ended. */
  troubled(): void {
    if (this.#state === "off") return;
    if (this.#trouble() === undefined) this.powerOn();
    else this.#enter(this.#state);
  }

  powerOn(): void {
    if (this.#card?.present !== true) this.#enter("absent");
    else this.#start("power");
  }

  powerOff(): void {
    this.#forget();
    this.#shownIccid = undefined;
    this.#resetCard();
    this.#enter("off");
  }

  /** Throws what commands on the SIM are answered with now; does nothing when a profile is there to be used. */
  needProfile(): Subscriber {
    this.needCard();
    const trouble = this.#trouble();
    if (trouble !== undefined) throw new CmeError(troubleCme[trouble]);
    if (this.#subscriber === undefined) throw new CmeError(cme.simFailure);
    return this.#subscriber;
  }

  /** As `needProfile`, but the card alone is enough. */
  needCard(): void {
    const trouble = this.#trouble();
    if (trouble === "absent" || trouble === "busy") throw new CmeError(troubleCme[trouble]);
    if (this.#state === "absent") throw new CmeError(cme.simNotInserted);
    if (this.#state === "starting") throw new CmeError(this.#busyCme);
    if (this.#state === "off") throw new CmeError(cme.simFailure);
  }

  /** +CCHO: a channel with the application selected on it; answers the session id. */
  open(aid: Uint8Array): Eventual<string> {
    this.needCard();
    if (this.#holdsIsdR() && equalBytes(aid, isdrAid)) throw new CmeError(this.#personality.cchoErrors.notFound);
    return this.#perform(this.#opening(aid));
  }

  /** +CGLA: whatever channel the host wrote into CLA, the session's goes to the card (3GPP TS 27.007 §8.45). */
  transmit(session: string, apdu: Uint8Array): Eventual<Uint8Array> {
    this.needCard();
    const channel = this.#sessions.get(session);
    if (channel === undefined) throw new CmeError(cme.invalidIndex);
    this.#checkApdu(apdu);
    return this.#perform(this.#exchange(channel, Uint8Array.of(withChannel(apdu[0] ?? 0, channel.number), ...apdu.subarray(1))));
  }

  isOpen(session: string): boolean {
    return this.#sessions.has(session);
  }

  /** +CCHC. */
  close(session: string): Eventual<void> {
    this.needCard();
    const channel = this.#sessions.get(session);
    if (channel === undefined) throw new CmeError(cme.invalidIndex);
    this.#sessions.delete(session);
    return this.#perform(closing(channel.number));
  }

  /** +CSIM: to the card as it is. */
  raw(apdu: Uint8Array): Eventual<Uint8Array> {
    this.needCard();
    this.#checkApdu(apdu);
    if (this.#personality.csimForbidden.includes(apdu[1] ?? 0)) throw new CmeError(cme.notAllowed);
    // SELECT by name of what the module's own assistant holds: the application is not to be found.
    if (apdu[1] === 0xa4 && apdu[2] === 0x04 && this.#holdsIsdR() && equalBytes(apdu.subarray(5, 5 + isdrAid.length), isdrAid))
      return Uint8Array.of(0x6a, 0x82);
    return this.#perform(this.#exchange(this.#basic, apdu));
  }

  /**
   * +CRSM: one command on a file, on a channel of the module's own. `path` begins with 7FFF for a file of the USIM, else at the MF;
   * 7FFF alone is the USIM itself, whose control parameters are then the response.
   * Answers the file's control parameters and the command's response, or the status word that ended it; `command` lacks its CLA.
   */
  onFile(path: string, command: Uint8Array): Eventual<{ readonly control: Uint8Array; readonly response: Uint8Array }> {
    this.needCard();
    return this.#perform(this.#fileCommand(path, command));
  }

  /** The EID as a module asks for it by itself (SGP.22 §5.7.20); undefined where the card is no eUICC. */
  eid(): Eventual<string | undefined> {
    this.needCard();
    return this.#perform(this.#askingEid());
  }

  *#askingEid(): CardProcedure<string | undefined> {
    const channel = yield* this.#openingChannel();
    const selected = yield* whole(channel, Uint8Array.of(withChannel(0x00, channel), 0xa4, 0x04, 0x00, isdrAid.length, ...isdrAid, 0x00));
    const answer = isDone(selected) ? yield* whole(channel, Uint8Array.of(withChannel(0x80, channel), ...getEid)) : emptyBytes;
    yield* closing(channel);
    // BF3E 12 5A 10 and sixteen octets.
    return answer.length >= 21 && isDone(answer) ? toHex(answer.subarray(5, 21)) : undefined;
  }

  /** In its turn; a card that has gone is a SIM failure. */
  #perform<T>(procedure: CardProcedure<T>): Eventual<T> {
    if (this.#turns === undefined) throw new CmeError(cme.simNotInserted);
    const result = this.#turns.run(procedure);
    return result instanceof Promise ? result.catch(this.#lostBy(this.#life)) : result;
  }

  /** What the network sends to the card itself (SMS-PP download, ETSI TS 102 223 §7.1): handed on, and followed up like any answer. */
  envelope(data: Uint8Array): void {
    if (this.#state !== "ready" && this.#state !== "empty") return;
    this.#background(this.#enveloping(data));
  }

  *#enveloping(data: Uint8Array): CardProcedure<void> {
    this.#watch(yield Uint8Array.of(0x80, 0xc2, 0x00, 0x00, data.length, ...data));
  }

  *#opening(aid: Uint8Array): CardProcedure<string> {
    const { cchoErrors, maxChannels } = this.#personality;
    if (this.#sessions.size >= maxChannels) throw new CmeError(cchoErrors.noChannel);
    const number = yield* this.#openingChannel();
    const select = Uint8Array.of(withChannel(0x00, number), 0xa4, 0x04, 0x00, aid.length, ...aid, 0x00);
    const selected = statusOf(yield select);
    if (![0x90, 0x91, 0x61].includes(selected >> 8)) {
      yield* closing(number);
      throw new CmeError(cchoErrors.notFound);
    }
    const session = this.#sessionId(number);
    this.#sessions.set(session, { number, pending: emptyBytes });
    return session;
  }

  *#fileCommand(path: string, command: Uint8Array): CardProcedure<{ readonly control: Uint8Array; readonly response: Uint8Array }> {
    const channel = yield* this.#openingChannel();
    const send = (...octets: readonly number[]): CardProcedure<Uint8Array> =>
      whole(channel, Uint8Array.of(withChannel(0x00, channel), ...octets));
    const inUsim = path.startsWith("7FFF");
    // From the current DF, or from the MF (ETSI TS 102 221 §11.1.1).
    const ids = fromHex(inUsim ? path.slice(4) : path);
    const selected = inUsim ? yield* send(0xa4, 0x04, ids.length === 0 ? 0x04 : 0x0c, usimAid.length, ...usimAid) : undefined;
    let result = { control: emptyBytes, response: selected ?? emptyBytes };
    if (ids.length > 0 && (selected === undefined || isDone(selected))) {
      const control = yield* send(0xa4, inUsim ? 0x09 : 0x08, 0x04, ids.length, ...ids);
      result = { control, response: isDone(control) ? yield* send(...command) : control };
    }
    yield* closing(channel);
    return result;
  }

  *#openingChannel(): CardProcedure<number> {
    const opened = yield Uint8Array.of(0x00, 0x70, 0x00, 0x00, 0x01);
    const [number] = opened;
    if (number === undefined || opened.length !== 3 || !isDone(opened)) throw new CmeError(this.#personality.cchoErrors.noChannel);
    return number;
  }

  #checkApdu(apdu: Uint8Array): void {
    if (apdu.length < 4 || apdu.length > this.#personality.maxApduBytes) throw new CmeError(cme.incorrectParameters);
  }

  *#exchange(channel: Channel, apdu: Uint8Array): CardProcedure<Uint8Array> {
    const isGetResponse = apdu[1] === 0xc0 && channel.pending.length > 0;
    const response = isGetResponse ? channel.pending : yield apdu;
    if (this.#personality.getResponse === "module") {
      // What +CSIM sends goes where its own CLA says.
      const all = yield* followed(channel === this.#basic ? (apdu[0] ?? 0) & 0x03 : channel.number, apdu, response);
      this.#watch(all);
      return all;
    }
    if (!isGetResponse) this.#watch(response);
    return this.#inPieces(channel, response, isGetResponse ? expectedBytes(apdu) : this.#personality.responseChunkBytes);
  }

  #inPieces(channel: Channel, response: Uint8Array, maxBytes: number): Uint8Array {
    const size = Math.min(maxBytes, this.#personality.responseChunkBytes);
    if (response.length - 2 <= size) {
      channel.pending = emptyBytes;
      return response;
    }
    channel.pending = response.slice(size);
    const left = channel.pending.length - 2;
    return concatBytes(response.subarray(0, size), Uint8Array.of(0x61, left > 0xff ? 0 : left));
  }

  #sessionId(channel: number): string {
    this.#sessionsOpened++;
    if (this.#personality.ccho === "long-hex") return (0x038aa32e + this.#sessionsOpened * 0x11).toString(16).padStart(16, "0");
    return String(channel);
  }

  #start(why: "power" | "refresh"): void {
    this.#forget();
    this.#resetCard();
    this.#enter("starting");
    const { simBusy } = this.#personality.timings;
    // That the card seems to have been pulled is seen only when it resets itself.
    this.#busyPhase(why === "refresh" ? simBusy : simBusy.filter(({ cme: code }) => code !== cme.simNotInserted));
  }

  /** Nothing of the card now in use is known any more. */
  #forget(): void {
    this.#life++;
    this.#stopTimers();
    this.#dropChannels();
    this.#subscriber = undefined;
  }

  #resetCard(): void {
    const reset = this.#turns?.reset();
    // A card that is not there is met by the first command.
    if (reset instanceof Promise) reset.catch(() => {});
  }

  #presenceChanged(): void {
    if (this.#state === "off") return;
    this.#forget();
    // What was under way with a card that has been pulled is over.
    if (this.#card?.present === false) this.#resetCard();
    this.powerOn();
  }

  /** Carries out a procedure of the module's own; a card that is lost in the middle of it is looked for again. */
  #background(procedure: CardProcedure<void>): void {
    const done = this.#turns?.run(procedure);
    if (done instanceof Promise) done.catch(this.#lostBy(this.#life)).catch(ignoreLoss);
  }

  /** What to do about a failed procedure: a card that has gone leaves the slot empty, unless it was reset and asked anew since. */
  #lostBy(life: number): (error: unknown) => never {
    return (error) => {
      if (!isCode(error, "SIM_CARD")) throw error;
      if (life === this.#life) this.#lost();
      throw new CmeError(cme.simFailure);
    };
  }

  #lost(): void {
    this.#forget();
    this.#enter("absent");
    this.#after(lookAgainMs, () => this.powerOn());
  }

  #busyPhase([phase, ...rest]: Personality["timings"]["simBusy"]): void {
    if (phase === undefined) this.#background(this.#initialise());
    else {
      this.#busyCme = phase.cme;
      this.#after(phase.ms, () => this.#busyPhase(rest));
    }
  }

  *#initialise(): CardProcedure<void> {
    if (this.#personality.refresh === "handled") this.#watch(yield terminalProfile);
    this.#subscriber = yield* this.#card?.subscriber() ?? nobody();
    this.#forbidden = this.#subscriber === undefined ? [] : yield* readForbidden();
    const iccid = this.#subscriber?.iccid;
    const { lateIccidMs } = this.#personality.timings;
    if (this.#shownIccid === undefined || this.#shownIccid === iccid || lateIccidMs === 0) this.#shownIccid = iccid;
    else
      this.#after(lateIccidMs, () => {
        this.#shownIccid = this.#subscriber?.iccid;
      });
    this.#enter(this.#subscriber === undefined ? "empty" : "ready");
  }

  /** The card has a proactive command waiting (ETSI TS 102 221 §7.4.2): 91xx. */
  #watch(response: Uint8Array): void {
    const status = statusOf(response);
    if (status >> 8 !== 0x91 || this.#personality.refresh === "ignored") return;
    this.#after(this.#personality.timings.fetchMs, () => this.#background(this.#fetch(status & 0xff)));
  }

  *#fetch(length: number): CardProcedure<void> {
    const command = proactiveCommand(yield Uint8Array.of(0x80, 0x12, 0x00, 0x00, length));
    if (command === undefined) return;
    const { number, type, qualifier } = command;
    // Result 00: performed; 30: beyond the terminal's capabilities.
    const result = type === refreshCommand ? 0x00 : 0x30;
    const details = [0x81, 0x03, number, type, qualifier, 0x82, 0x02, 0x82, 0x81, 0x83, 0x01, result];
    const answer = yield Uint8Array.of(0x80, 0x14, 0x00, 0x00, details.length, ...details);
    if (type === refreshCommand) this.#start("refresh");
    else this.#watch(answer);
  }

  #dropChannels(): void {
    this.#sessions.clear();
    this.#basic.pending = emptyBytes;
  }

  #enter(state: SimState): void {
    this.#state = state;
    this.#onState(state);
  }

  #after(ms: number, fn: () => void): void {
    const stop = this.#clock.after(ms, () => {
      this.#timers.delete(stop);
      fn();
    });
    this.#timers.add(stop);
  }

  #stopTimers(): void {
    for (const stop of this.#timers) stop();
    this.#timers.clear();
  }
}

/** Of the module's own procedures nobody waits for the end. */
function ignoreLoss(error: unknown): void {
  if (!(error instanceof CmeError)) throw error;
}

/** MANAGE CHANNEL, whatever the card says to it. */
function* closing(channel: number): CardProcedure<void> {
  yield Uint8Array.of(0x00, 0x70, 0x80, channel);
}

// biome-ignore lint/correctness/useYield: an empty slot is asked nothing.
function* nobody(): CardProcedure<undefined> {
  return undefined;
}

function expectedBytes(apdu: Uint8Array): number {
  return (apdu[4] ?? 0) || 256;
}

/** COMMAND DETAILS out of a proactive command (ETSI TS 102 223 §8.6). */
function proactiveCommand(response: Uint8Array): { number: number; type: number; qualifier: number } | undefined {
  if (response[0] !== 0xd0) return undefined;
  for (let at = 2; at + 4 < response.length - 2; at += 2 + (response[at + 1] ?? 0)) {
    if (((response[at] ?? 0) & 0x7f) !== 0x01 || response[at + 1] !== 3) continue;
    return { number: response[at + 2] ?? 0, type: response[at + 3] ?? 0, qualifier: response[at + 4] ?? 0 };
  }
  return undefined;
}
