// A card with logical channels behind a module's AT commands, in memory; and the access to it on a port in virtual time.
import { createApdu } from "../../../at-drivers/apdu/access.ts";
import { createAtPort } from "../../../at-drivers/engine/port.ts";
import { genericQuirks } from "../../../at-drivers/families/generic-3gpp.ts";
import type { ModemQuirks } from "../../../at-drivers/family.ts";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { answersProbe, FarEnd, info, ok } from "../far-end.ts";

export const isdR = fromHex("A0000005591010FFFFFFFF8900000100");
export const usim = "A0000000871002";
export const storeData = fromHex("80E2910006BF3E035C015A");

interface CardOptions {
  /** Applications by AID, upper-case hex. */
  readonly applications?: readonly string[];
  /** Logical channels besides the basic one. */
  readonly channels?: number;
  /** What the application answers to a command on its channel; CLA as it came in. */
  readonly application?: (apdu: string) => string;
}

/** A card with logical channels, and the AT commands that a module has for them; each can be taken away or bent. */
export class CardModule {
  readonly open = new Map<number, string>();
  readonly #options: Required<CardOptions>;
  /** Session id of a channel as +CCHO prints it. */
  session = (channel: number): string => `+CCHO: ${channel}`;
  ccho = true;
  csim = true;
  notFound = "+CME ERROR: 22";
  noChannel = "+CME ERROR: 20";
  noCcho = "ERROR";
  cpin = info("+CPIN: READY");
  cchcLine = false;
  /** SW of success: 91xx while a proactive command waits. */
  done = "9000";
  /** In place of an answer, once for each. */
  readonly interrupts: string[] = [];

  constructor(options: CardOptions = {}) {
    this.#options = {
      applications: options.applications ?? [toHexUpper(isdR), usim],
      channels: options.channels ?? 3,
      application: options.application ?? ((apdu) => (/^8.E2/.test(apdu) ? "6107" : "BF3E0212349000")),
    };
  }

  answer(line: string): string | undefined {
    const interrupt = /^AT\+C(CHO|GLA|SIM)/.test(line) ? this.interrupts.shift() : undefined;
    if (interrupt !== undefined) return interrupt;
    if (line === "AT+CPIN?") return this.cpin;
    const ccho = /^AT\+CCHO="(.*)"$/.exec(line);
    if (ccho !== null) return this.ccho ? this.#openByName(ccho[1] ?? "") : `\r\n${this.noCcho}\r\n`;
    const cgla = /^AT\+CGLA=(\w+),(\d+),"(.*)"$/.exec(line);
    if (cgla !== null) return this.#transmitBySession(cgla[1] ?? "", Number(cgla[2]), cgla[3] ?? "");
    const cchc = /^AT\+CCHC=(\w+)$/.exec(line);
    if (cchc !== null) return this.#closeBySession(cchc[1] ?? "");
    const csim = /^AT\+CSIM=(\d+),"(.*)"$/.exec(line);
    if (csim === null || !this.csim) return undefined;
    const response = this.card(csim[2] ?? "");
    return info(`+CSIM: ${response.length},"${response}"`);
  }

  /** The card itself: hex in, hex out. */
  card(apdu: string): string {
    const channel = Number.parseInt(apdu.slice(0, 2), 16) & 3;
    const header = apdu.slice(2, 8);
    if (header === "700000") return this.#assign();
    if (header.startsWith("7080")) return this.open.delete(Number.parseInt(apdu.slice(6, 8), 16)) ? "9000" : "6881";
    if (header.startsWith("F2") && channel === 0) return "9000";
    if (channel !== 0 && !this.open.has(channel)) return "6881";
    if (header.startsWith("A4")) {
      const aid = apdu.slice(10, 10 + Number.parseInt(apdu.slice(8, 10), 16) * 2);
      if (!this.#options.applications.includes(aid)) return "6A82";
      this.open.set(channel, aid);
      return "9000";
    }
    return this.#options.application(apdu);
  }

  #assign(): string {
    for (let channel = 1; channel <= this.#options.channels; channel++)
      if (!this.open.has(channel)) {
        this.open.set(channel, "");
        return `0${channel}${this.done}`;
      }
    return "6A81";
  }

  #openByName(aid: string): string {
    if (!this.#options.applications.includes(aid)) return `\r\n${this.notFound}\r\n`;
    const answer = this.#assign();
    if (answer === "6A81") return `\r\n${this.noChannel}\r\n`;
    const channel = Number(answer.slice(0, 2));
    this.open.set(channel, aid);
    return info(this.session(channel));
  }

  #channelOf(session: string): number | undefined {
    return [...this.open.keys()].find((channel) => this.session(channel).replace("+CCHO: ", "") === session);
  }

  #transmitBySession(session: string, length: number, apdu: string): string {
    if (this.#channelOf(session) === undefined || length !== apdu.length) return "\r\n+CME ERROR: 3\r\n";
    const response = this.#options.application(apdu);
    return info(`+CGLA: ${response.length},"${response}"`);
  }

  #closeBySession(session: string): string {
    const channel = this.#channelOf(session);
    if (channel === undefined) return "\r\nERROR\r\n";
    this.open.delete(channel);
    return this.cchcLine ? info("+CCHC") : ok();
  }
}

export function bench(module: CardModule, quirks: Partial<ModemQuirks> = {}, restartCard?: () => Promise<boolean>) {
  const clock = new VirtualClock();
  const far = new FarEnd((line) => module.answer(line) ?? answersProbe(line) ?? "\r\nERROR\r\n");
  const port = createAtPort({ channel: far.channel, clock, gapMs: 0 });
  const state = { epoch: 1 };
  const host = { clock, port: () => port, quirks: () => ({ ...genericQuirks, ...quirks }), epoch: () => state.epoch };
  const apdu = createApdu({ ...host, restartCard });
  const run = <T>(promise: Promise<T>): Promise<T> => clock.runUntil(promise);
  const sent = (): string[] => far.received.filter((line) => /CCHO|CGLA|CCHC|CSIM/.test(line));
  return { clock, far, port, apdu, run, state, sent };
}
