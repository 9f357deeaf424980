// The card as the terminal meets it: logical channels, SELECT, STORE DATA and GET RESPONSE, files, proactive commands, reset
// (ISO/IEC 7816-4, ETSI TS 102 221). What ES10 commands mean is not known here.
import { concatBytes, equalBytes, fromHex } from "../../base/bytes.ts";
import type { Disposer } from "../../base/clock.ts";
import { childrenOf, contentOf, readOnlyTlv, writeTlv } from "../../ipa/asn1/tlv.ts";
import type { Uicc } from "../contracts.ts";
import { filesAccess } from "./access.ts";
import { type Answer, answer, answerBytes, type CommandApdu, parseApdu, sw } from "./apdu.ts";
import { type EuiccCore, PowerCut } from "./core.ts";
import { runEs10 } from "./es10.ts";
import { FileSelection, selectionModes } from "./file-commands.ts";
import { isdrTemplates } from "./functions/info.ts";
import { finishInterruptedInstallation } from "./functions/install.ts";
import { finishInterrupted } from "./functions/package.ts";
import { readOverTheAir } from "./over-the-air.ts";
import { findFile } from "./pe/file-system.ts";
import { iccidOf, imsiOf } from "./pe/reader.ts";
import { PinStore } from "./pins.ts";
import { ProactiveSession } from "./proactive.ts";
import { profileByAid, withEnabled } from "./registry.ts";

export const isdrAid = fromHex("A0000005591010FFFFFFFF8900000100");
const ecasdAid = fromHex("A0000005591010FFFFFFFF8900000200");

interface Channel {
  application: "files" | "isdr" | "ecasd";
  selection: FileSelection;
  /** Blocks of STORE DATA so far; the next block's number is their count. */
  blocks: Uint8Array[];
  /** What GET RESPONSE has still to give. */
  pending: Uint8Array;
}

const nothing = new Uint8Array(0);
const basicChannel = 0;
/** Without being told of more, a card has channels 0 to 3 (ETSI TS 102 221 §8.7). */
const plainChannels = 3;

export class Card implements Uicc {
  readonly #core: EuiccCore;
  readonly #proactive = new ProactiveSession();
  readonly #pins: PinStore;
  readonly #channels = new Map<number, Channel>();
  #extendedChannels = false;
  /** IpaeActivation holds at least until the next reset (SGP.32 §5.9.3). */
  #ipadMayReturn = true;
  /** After a power cut nothing answers until the reset. */
  #dead = false;

  constructor(core: EuiccCore) {
    this.#core = core;
    this.#pins = new PinStore(core);
    this.#start();
  }

  process(apdu: Uint8Array): Uint8Array {
    if (this.#dead) return answerBytes(answer(sw.technicalProblem));
    try {
      const command = parseApdu(apdu);
      return answerBytes(typeof command === "number" ? answer(command) : this.#run(command));
    } catch (error) {
      // A card has no way to say more; the fault itself is the card's own.
      this.#dead = error instanceof PowerCut;
      return answerBytes(answer(sw.technicalProblem));
    }
  }

  reset(): void {
    this.#dead = false;
    this.#proactive.reset();
    this.#core.refreshWanted = false;
    this.#start();
  }

  readFile(path: string): Uint8Array | undefined {
    const active = this.#core.active;
    const node = active === undefined ? undefined : findFile(this.#core.profileOf(active).files, path);
    return node?.kind === "ef" ? node.data.bytes.slice() : undefined;
  }

  get iccid(): string | undefined {
    const active = this.#core.active;
    return active === undefined ? undefined : iccidOf(this.#core.profileOf(active).files);
  }

  get imsi(): string | undefined {
    const active = this.#core.active;
    return active === undefined ? undefined : imsiOf(this.#core.profileOf(active).files);
  }

  onRefresh(fn: (qualifier: number) => void): Disposer {
    return this.#proactive.onRefresh(fn);
  }

  /** After reset or REFRESH: what was interrupted is reported, the enabled profile becomes the one seen, all channels are gone. */
  #start(): void {
    finishInterrupted(this.#core);
    finishInterruptedInstallation(this.#core);
    this.#core.session = undefined;
    this.#pins.forget();
    this.#core.activate();
    this.#extendedChannels = false;
    this.#ipadMayReturn = this.#core.state.ipaMode === "ipae";
    this.#channels.clear();
    this.#channels.set(basicChannel, this.#newChannel());
  }

  #newChannel(from?: Channel): Channel {
    const selection = new FileSelection(filesAccess(this.#core, this.#pins), from?.selection);
    return { application: "files", selection, blocks: [], pending: nothing };
  }

  #run(command: CommandApdu): Answer {
    const channel = this.#channels.get(command.channel);
    if (channel === undefined) return answer(sw.channelNotSupported);
    if (command.ins === 0xc0) return this.#finished(this.#getResponse(channel, command));
    channel.pending = nothing;
    if (command.ins !== 0xe2) channel.blocks = [];
    const result = this.#dispatch(channel, command);
    // A command that is still being put together is not interrupted.
    if (command.ins === 0xe2 && (command.p1 & 0x80) === 0) return result;
    return this.#finished(this.#handOut(channel, result, command.le, isCaseTwo(command)));
  }

  #dispatch(channel: Channel, command: CommandApdu): Answer {
    const { ins, proprietary, selection } = { ...command, selection: channel.selection };
    if (proprietary) {
      switch (ins) {
        case 0xe2:
          return this.#storeData(channel, command);
        case 0xca:
          return this.#getData(channel, command);
        case 0xaa:
          return this.#terminalCapability(command);
        case 0xf2:
          return channel.application === "files" ? selection.status(command) : answer(sw.conditionsNotSatisfied);
        case 0x10:
          if (this.#core.role.overTheAir) this.#proactive.setUp(command.data);
          return answer(sw.ok);
        case 0xc2:
          return this.#envelope(command);
        case 0x12:
          return this.#fetch(command);
        case 0x14:
          return this.#terminalResponse(command);
        default:
          return answer(sw.insNotSupported);
      }
    }
    if (ins === 0x70) return this.#manageChannel(channel, command);
    // Of both classes (GlobalPlatform §11.3.2).
    if (ins === 0xca) return this.#getData(channel, command);
    if (ins === 0xa4) return this.#select(channel, command);
    if (channel.application !== "files") return answer(sw.insNotSupported);
    switch (ins) {
      case 0xb0:
        return selection.readBinary(command);
      case 0xb2:
        return selection.readRecord(command);
      case 0xd6:
        return selection.updateBinary(command);
      case 0xdc:
        return selection.updateRecord(command);
      case 0x20:
        return this.#pins.verify(command);
      case 0x24:
        return this.#pins.change(command);
      case 0x26:
        return this.#pins.disable(command);
      case 0x28:
        return this.#pins.enable(command);
      case 0x2c:
        return this.#pins.unblock(command);
      default:
        return answer(sw.insNotSupported);
    }
  }

  // --- answers --------------------------------------------------------------------------------------------------------------

  /** Data at once where the command expects it (Le), else announced by 61xx. */
  #handOut(channel: Channel, result: Answer, le: number | undefined, caseTwo: boolean): Answer {
    if (result.data.length === 0 || caseTwo) return result;
    channel.pending = result.data;
    if (le !== undefined) return this.#take(channel, Math.min(le, this.#available(channel)));
    return answer(0x6100 | (this.#available(channel) & 0xff));
  }

  #getResponse(channel: Channel, { p1, p2, le, data }: CommandApdu): Answer {
    if (p1 !== 0 || p2 !== 0) return answer(sw.incorrectP1P2);
    if (le === undefined || data.length > 0) return answer(sw.wrongLength);
    const available = this.#available(channel);
    if (available === 0) return answer(sw.conditionsNotSatisfied);
    return le > available ? answer(0x6c00 | (available & 0xff)) : this.#take(channel, le);
  }

  #take(channel: Channel, octets: number): Answer {
    const data = channel.pending.slice(0, octets);
    channel.pending = channel.pending.slice(octets);
    const left = this.#available(channel);
    return answer(left === 0 ? sw.ok : 0x6100 | (left & 0xff), data);
  }

  #available(channel: Channel): number {
    return Math.min(channel.pending.length, Math.max(1, this.#core.faults.responseChunkBytes), 256);
  }

  /** Where all is well and the card wants something, 91xx says so. */
  #finished(result: Answer): Answer {
    if (result.sw !== sw.ok) return result;
    const { refreshQualifier } = this.#core.faults;
    if (this.#core.refreshWanted && refreshQualifier !== "none") {
      this.#core.refreshWanted = false;
      this.#proactive.announceRefresh(refreshQualifier);
    }
    const waiting = this.#proactive.waitingBytes;
    return waiting === 0 ? result : answer(0x9100 | waiting, result.data);
  }

  // --- channels and applications --------------------------------------------------------------------------------------------

  /** ETSI TS 102 221 §11.1.17 */
  #manageChannel(from: Channel, { p1, p2, channel: own, data }: CommandApdu): Answer {
    if (data.length > 0) return answer(sw.wrongLength);
    const last = Math.min(this.#core.capabilities.channels, this.#extendedChannels ? 19 : plainChannels);
    if (p1 === 0x00) {
      const number = p2 === 0 ? this.#freeChannel(last) : p2;
      if (number === undefined || number > last) return answer(p2 === 0 ? sw.functionNotSupported : sw.channelNotSupported);
      if (this.#channels.has(number)) return answer(sw.incorrectP1P2);
      this.#channels.set(number, this.#newChannel(own === basicChannel ? undefined : from));
      return answer(sw.ok, p2 === 0 ? Uint8Array.of(number) : nothing);
    }
    if (p1 !== 0x80) return answer(sw.incorrectP1P2);
    const number = p2 === 0 ? own : p2;
    if (number === basicChannel) return answer(sw.incorrectP1P2);
    return answer(this.#channels.delete(number) ? sw.ok : sw.channelNotSupported);
  }

  #freeChannel(last: number): number | undefined {
    for (let number = 1; number <= last; number++) if (!this.#channels.has(number)) return number;
    return undefined;
  }

  #select(channel: Channel, command: CommandApdu): Answer {
    const { p1, p2, data } = command;
    if (!isSelectionControl(p1, p2)) return answer(sw.incorrectP1P2);
    if (p1 !== 0x04) {
      const result = channel.selection.select(command);
      if (result.sw === sw.ok) channel.application = "files";
      return result;
    }
    if (data.length < 5 || data.length > 16) return answer(sw.fileNotFound);
    for (const [application, aid] of [
      ["isdr", isdrAid],
      ["ecasd", ecasdAid],
    ] as const) {
      if (!this.#hasDomain(application) || !equalBytes(aid, data)) continue;
      // There is one of each: behind the one that is selected comes none (§11.1.1.2).
      if ((p2 & 0x02) !== 0 && channel.application === application) return answer(sw.fileNotFound);
      channel.application = application;
      // 04 and 0C ask for no FCI of an application that has no FCP.
      return answer(sw.ok, (p2 & 0x0c) === 0 ? this.#fci(application, aid) : nothing);
    }
    const result = channel.selection.selectApplication(data, p2);
    if (result?.sw === sw.ok) channel.application = "files";
    return result ?? answer(sw.fileNotFound);
  }

  #hasDomain(application: "isdr" | "ecasd"): boolean {
    return (this.#core.role.domains as readonly string[]).includes(application);
  }

  /** GlobalPlatform's FCI with the largest STORE DATA, and what the ISD-R says of the eUICC (SGP.22 §5.7.1, SGP.32 §3.8.4). */
  #fci(application: "isdr" | "ecasd", aid: Uint8Array): Uint8Array {
    const templates = application === "isdr" ? isdrTemplates(this.#core) : nothing;
    return writeTlv(0x6f, writeTlv(0x84, aid), writeTlv(0xa5, fromHex("9F6501FF"), templates));
  }

  // --- STORE DATA -----------------------------------------------------------------------------------------------------------

  /** GlobalPlatform §11.11: blocks in order, the last one marked in P1. */
  #storeData(channel: Channel, { p1, p2, data }: CommandApdu): Answer {
    if (channel.application !== "isdr") return answer(sw.insNotSupported);
    // Without SGP.22's local interfaces it is for the SM-SR alone, which comes through a secure channel (GlobalPlatform §11.11).
    if (this.#core.role.es10 === "none") return answer(this.#core.faults.unsupportedStatusWord ?? sw.securityNotSatisfied);
    if ((p1 & 0x7f) !== 0x11 && (p1 & 0x7f) !== 0x10) return answer(sw.incorrectP1P2);
    if (data.length === 0) return answer(sw.wrongLength);
    if (p2 === 0) channel.blocks = [];
    if (p2 !== channel.blocks.length) {
      channel.blocks = [];
      return answer(sw.incorrectP1P2);
    }
    channel.blocks.push(data);
    if ((p1 & 0x80) === 0) return answer(sw.ok);
    const command = concatBytes(...channel.blocks);
    channel.blocks = [];
    return runEs10(this.#core, command);
  }

  /** GlobalPlatform §11.3: of the ECASD the EID, for anybody (SGP.02 §2.2.1.2). */
  #getData({ application }: Channel, { p1, p2 }: CommandApdu): Answer {
    if (application === "files") return answer(sw.insNotSupported);
    if (application !== "ecasd" || p1 !== 0x00 || p2 !== 0x5a) return answer(sw.referencedDataNotFound);
    return answer(sw.ok, writeTlv(0x5a, this.#core.eidBytes));
  }

  // --- terminal -------------------------------------------------------------------------------------------------------------

  /** ETSI TS 102 221 §11.1.19 with GSMA's tags 83 and 84. */
  #terminalCapability({ data }: CommandApdu): Answer {
    let tags: ReadonlyMap<number, Uint8Array>;
    try {
      const template = readOnlyTlv(data);
      if (template.tag !== 0xa9) return answer(sw.incorrectData);
      tags = new Map(childrenOf(template).map((child) => [child.tag, contentOf(child)]));
    } catch {
      return answer(sw.incorrectData);
    }
    this.#extendedChannels = tags.has(0x81);
    const isIpad = ((tags.get(0x84)?.[0] ?? 0) & 0x01) !== 0;
    if (isIpad && this.#ipadMayReturn) {
      this.#ipadMayReturn = false;
      this.#core.update((state) => ({ ...state, ipaMode: "ipad" }));
    }
    return answer(sw.ok);
  }

  /** SMS-PP download: an order of the SM-SR to a card that takes them; what cannot be verified changes nothing and says so (ETSI TS 102 225). */
  #envelope({ data }: CommandApdu): Answer {
    const { state, role } = this.#core;
    if (!role.overTheAir || state.overTheAir === undefined) return answer(sw.insNotSupported);
    const order = readOverTheAir(state.overTheAir, data);
    const profile = order === undefined ? undefined : profileByAid(state, order.isdpAid);
    if (order === undefined || profile === undefined) return answer(sw.incorrectData);
    const switches = profile.state === "disabled";
    this.#core.update((now) => ({
      ...(switches ? withEnabled(now, order.isdpAid) : now),
      ...(now.overTheAir === undefined ? {} : { overTheAir: { ...now.overTheAir, counter: order.counter } }),
    }));
    if (switches) this.#core.wantRefresh();
    return answer(sw.ok);
  }

  #fetch({ le, channel }: CommandApdu): Answer {
    const waiting = this.#proactive.waitingBytes;
    if (waiting === 0 || channel !== basicChannel) return answer(sw.conditionsNotSatisfied);
    if (le !== waiting) return answer(0x6c00 | waiting);
    return answer(sw.ok, this.#proactive.fetch() ?? nothing);
  }

  #terminalResponse({ data }: CommandApdu): Answer {
    const outcome = this.#proactive.respond(data);
    if (outcome === "refused") return answer(sw.incorrectData);
    // A REFRESH carried out without a reset: the files are those of the enabled profile from now on.
    if (outcome === "refreshed") this.#start();
    return answer(sw.ok);
  }
}

/** P1 and P2 of SELECT (ETSI TS 102 221 §11.1.1.2): which, and what is answered; by name also the next one, and the end of an application. */
function isSelectionControl(p1: number, p2: number): boolean {
  const byName = p1 === 0x04;
  if ((p2 & (byName ? 0xb0 : 0xf3)) !== 0 || (p2 & 0x0c) === 0x08) return false;
  return byName || selectionModes.includes(p1);
}

/** READ BINARY, READ RECORD, GET DATA, STATUS, FETCH, MANAGE CHANNEL: their data comes with the answer, never by GET RESPONSE. */
function isCaseTwo({ ins, data }: CommandApdu): boolean {
  return data.length === 0 && [0xb0, 0xb2, 0xca, 0xf2, 0x12, 0x70].includes(ins);
}
