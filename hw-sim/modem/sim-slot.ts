// The module's SIM side: powers the card, is busy for a while, keeps logical channels for its host, and follows the card's REFRESH.
import { concatBytes, emptyBytes, fromHex } from "../../base/bytes.ts";
import type { Clock, Disposer } from "../../base/clock.ts";
import type { Subscriber, Uicc } from "../contracts.ts";
import { CmeError, cme } from "./cme.ts";
import type { Personality } from "./personality.ts";

/** empty: the card answers, but no profile is enabled. */
export type SimState = "off" | "absent" | "starting" | "empty" | "ready";

export interface SimSlotOptions {
  readonly clock: Clock;
  readonly uicc: Uicc | undefined;
  readonly personality: Personality;
  readonly onState: (state: SimState) => void;
}

interface Channel {
  readonly number: number;
  /** Rest of a response that is handed out in pieces, with the status that ends it. */
  pending: Uint8Array;
}

/** TERMINAL PROFILE (ETSI TS 102 223 §5.2): profile download, and of the proactive commands REFRESH. */
const terminalProfile = fromHex("8010000003 010080");
const refreshCommand = 0x01;
/** The beginning that all USIM applications share (ETSI TS 101 220). */
const usimAid = fromHex("A0000000871002");

export class SimSlot {
  readonly #clock: Clock;
  readonly #uicc: Uicc | undefined;
  readonly #personality: Personality;
  readonly #onState: (state: SimState) => void;
  #state: SimState = "off";
  #busyCme: number = cme.simBusy;
  #subscriber: Subscriber | undefined;
  #shownIccid: string | undefined;
  readonly #sessions = new Map<string, Channel>();
  readonly #basic: Channel = { number: 0, pending: emptyBytes };
  #sessionsOpened = 0;
  readonly #timers = new Set<Disposer>();

  constructor(options: SimSlotOptions) {
    this.#clock = options.clock;
    this.#uicc = options.uicc;
    this.#personality = options.personality;
    this.#onState = options.onState;
  }

  get state(): SimState {
    return this.#state;
  }

  get subscriber(): Subscriber | undefined {
    return this.#state === "ready" ? this.#subscriber : undefined;
  }

  /** What the module answers for it: for a while after a change, the former one. */
  get iccid(): string | undefined {
    return this.#shownIccid;
  }

  powerOn(): void {
    if (this.#uicc === undefined) this.#enter("absent");
    else this.#start();
  }

  powerOff(): void {
    this.#stopTimers();
    this.#dropChannels();
    this.#subscriber = undefined;
    this.#shownIccid = undefined;
    this.#uicc?.reset();
    this.#enter("off");
  }

  /** Throws what commands on the SIM are answered with now; does nothing when a profile is there to be used. */
  needProfile(): Subscriber {
    this.needCard();
    if (this.#subscriber === undefined) throw new CmeError(cme.simFailure);
    return this.#subscriber;
  }

  /** As `needProfile`, but the card alone is enough. */
  needCard(): Uicc {
    if (this.#state === "absent") throw new CmeError(cme.simNotInserted);
    if (this.#state === "starting") throw new CmeError(this.#busyCme);
    if (this.#state === "off" || this.#uicc === undefined) throw new CmeError(cme.simFailure);
    return this.#uicc;
  }

  /** +CCHO: a channel with the application selected on it; answers the session id. */
  open(aid: Uint8Array): string {
    const uicc = this.needCard();
    const { cchoErrors, maxChannels } = this.#personality;
    if (this.#sessions.size >= maxChannels) throw new CmeError(cchoErrors.noChannel);
    const number = this.#openChannel(uicc);
    const select = Uint8Array.of(withChannel(0x00, number), 0xa4, 0x04, 0x00, aid.length, ...aid, 0x00);
    const selected = statusOf(uicc.process(select));
    if (![0x90, 0x91, 0x61].includes(selected >> 8)) {
      uicc.process(Uint8Array.of(0x00, 0x70, 0x80, number));
      throw new CmeError(cchoErrors.notFound);
    }
    const session = this.#sessionId(number);
    this.#sessions.set(session, { number, pending: emptyBytes });
    return session;
  }

  /** +CGLA: whatever channel the host wrote into CLA, the session's goes to the card (3GPP TS 27.007 §8.45). */
  transmit(session: string, apdu: Uint8Array): Uint8Array {
    const uicc = this.needCard();
    const channel = this.#sessions.get(session);
    if (channel === undefined) throw new CmeError(cme.invalidIndex);
    this.#checkApdu(apdu);
    return this.#exchange(uicc, channel, Uint8Array.of(withChannel(apdu[0] ?? 0, channel.number), ...apdu.subarray(1)));
  }

  /** +CCHC. */
  close(session: string): void {
    const uicc = this.needCard();
    const channel = this.#sessions.get(session);
    if (channel === undefined) throw new CmeError(cme.invalidIndex);
    this.#sessions.delete(session);
    uicc.process(Uint8Array.of(0x00, 0x70, 0x80, channel.number));
  }

  /** +CSIM: to the card as it is. */
  raw(apdu: Uint8Array): Uint8Array {
    const uicc = this.needCard();
    this.#checkApdu(apdu);
    if (this.#personality.csimForbidden.includes(apdu[1] ?? 0)) throw new CmeError(cme.notAllowed);
    return this.#exchange(uicc, this.#basic, apdu);
  }

  /**
   * +CRSM: one command on a file, on a channel of the module's own. `path` begins with 7FFF for a file of the USIM, else at the MF.
   * Answers the file's control parameters and the command's response, or the status word that ended it; `command` lacks its CLA.
   */
  onFile(path: string, command: Uint8Array): { readonly control: Uint8Array; readonly response: Uint8Array } {
    const uicc = this.needCard();
    const channel = this.#openChannel(uicc);
    const send = (...octets: readonly number[]): Uint8Array =>
      this.#follow(uicc, channel, Uint8Array.of(withChannel(0x00, channel), ...octets));
    try {
      const inUsim = path.startsWith("7FFF");
      if (inUsim) {
        const selected = send(0xa4, 0x04, 0x0c, usimAid.length, ...usimAid);
        if (!isDone(selected)) return { control: emptyBytes, response: selected };
      }
      // From the current DF, or from the MF (ETSI TS 102 221 §11.1.1).
      const ids = fromHex(inUsim ? path.slice(4) : path);
      const control = send(0xa4, inUsim ? 0x09 : 0x08, 0x04, ids.length, ...ids);
      return { control, response: isDone(control) ? send(...command) : control };
    } finally {
      uicc.process(Uint8Array.of(0x00, 0x70, 0x80, channel));
    }
  }

  #openChannel(uicc: Uicc): number {
    const opened = uicc.process(Uint8Array.of(0x00, 0x70, 0x00, 0x00, 0x01));
    const [number] = opened;
    if (number === undefined || opened.length !== 3 || !isDone(opened)) throw new CmeError(this.#personality.cchoErrors.noChannel);
    return number;
  }

  #checkApdu(apdu: Uint8Array): void {
    if (apdu.length < 4 || apdu.length > this.#personality.maxApduBytes) throw new CmeError(cme.incorrectParameters);
  }

  #exchange(uicc: Uicc, channel: Channel, apdu: Uint8Array): Uint8Array {
    const isGetResponse = apdu[1] === 0xc0 && channel.pending.length > 0;
    const response = isGetResponse ? channel.pending : uicc.process(apdu);
    if (this.#personality.getResponse === "module") {
      const whole = this.#followed(uicc, channel.number, apdu, response);
      this.#watch(whole);
      return whole;
    }
    if (!isGetResponse) this.#watch(response);
    return this.#inPieces(channel, response, isGetResponse ? expectedBytes(apdu) : this.#personality.responseChunkBytes);
  }

  #follow(uicc: Uicc, channel: number, apdu: Uint8Array): Uint8Array {
    return this.#followed(uicc, channel, apdu, uicc.process(apdu));
  }

  /** 6Cxx: again with that length. 61xx: the rest, as long as there is one. */
  #followed(uicc: Uicc, channel: number, apdu: Uint8Array, first: Uint8Array): Uint8Array {
    let response = first;
    if (statusOf(response) >> 8 === 0x6c) response = uicc.process(Uint8Array.of(...apdu.subarray(0, 4), statusOf(response) & 0xff));
    const parts: Uint8Array[] = [];
    while (statusOf(response) >> 8 === 0x61) {
      parts.push(response.subarray(0, -2));
      response = uicc.process(Uint8Array.of(withChannel(0x00, channel), 0xc0, 0x00, 0x00, statusOf(response) & 0xff));
    }
    return concatBytes(...parts, response);
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

  #start(): void {
    this.#stopTimers();
    this.#dropChannels();
    this.#uicc?.reset();
    this.#subscriber = undefined;
    this.#enter("starting");
    this.#busyPhase(0);
  }

  #busyPhase(index: number): void {
    const phase = this.#personality.timings.simBusy[index];
    if (phase === undefined) this.#initialise();
    else {
      this.#busyCme = phase.cme;
      this.#after(phase.ms, () => this.#busyPhase(index + 1));
    }
  }

  #initialise(): void {
    const uicc = this.#uicc;
    if (uicc === undefined) return;
    if (this.#personality.refresh === "handled") this.#watch(uicc.process(terminalProfile));
    const { imsi, iccid } = uicc;
    this.#subscriber = imsi === undefined || iccid === undefined ? undefined : { imsi, iccid };
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
    this.#after(this.#personality.timings.fetchMs, () => this.#fetch(status & 0xff));
  }

  #fetch(length: number): void {
    const uicc = this.#uicc;
    if (uicc === undefined || this.#state === "off") return;
    const command = proactiveCommand(uicc.process(Uint8Array.of(0x80, 0x12, 0x00, 0x00, length)));
    if (command === undefined) return;
    const { number, type, qualifier } = command;
    // Result 00: performed; 30: beyond the terminal's capabilities.
    const result = type === refreshCommand ? 0x00 : 0x30;
    const details = [0x81, 0x03, number, type, qualifier, 0x82, 0x02, 0x82, 0x81, 0x83, 0x01, result];
    const answer = uicc.process(Uint8Array.of(0x80, 0x14, 0x00, 0x00, details.length, ...details));
    if (type === refreshCommand) this.#start();
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

function statusOf(response: Uint8Array): number {
  return ((response.at(-2) ?? 0) << 8) | (response.at(-1) ?? 0);
}

/** 9000, or 91xx where the card has something to say as well. */
function isDone(response: Uint8Array): boolean {
  const status = statusOf(response);
  return status === 0x9000 || status >> 8 === 0x91;
}

/** Channels 0 to 3 in the low bits; 4 to 19 in the further coding (ISO 7816-4 §5.4.1). */
function withChannel(cla: number, channel: number): number {
  const plain = (cla & 0x40) !== 0 ? cla & 0xb0 : cla & 0xfc;
  return channel < 4 ? (plain & 0xfc) | channel : (plain & 0xb0) | 0x40 | (channel - 4);
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
