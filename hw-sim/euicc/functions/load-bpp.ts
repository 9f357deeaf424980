// ES10b.LoadBoundProfilePackage, the parsing half (SGP.22 §2.5.4, §5.7.6): takes the package's octets command by command, in whatever lawful
// slices, checks structure, order and protection, and hands the four inner commands to the installation.
import { concatBytes } from "../../../base/bytes.ts";
import { isCode, SimwardError } from "../../../base/errors.ts";
import { rawOf, readTlv, type Tlv, tagOctets } from "../../../ipa/asn1/tlv.ts";
import type { BppCommandId, ErrorReason } from "../../../ipa/messages/notifications.ts";
import { Bsp, type BspKeys } from "../../crypto/bsp.ts";

/** Ends the load: what the installation result will say. */
export class BppError extends Error {
  readonly commandId: BppCommandId;
  readonly reason: ErrorReason;
  readonly simaResponse: Uint8Array | undefined;

  constructor(commandId: BppCommandId, reason: ErrorReason, detail: string, simaResponse?: Uint8Array) {
    super(detail);
    this.commandId = commandId;
    this.reason = reason;
    this.simaResponse = simaResponse;
  }
}

/** What the parser calls with each inner command's plaintext; each may throw BppError. */
export interface BppCommands {
  /** BF23 whole; answers the session keys. */
  initialiseSecureChannel(request: Tlv): BspKeys;
  configureIsdp(request: Uint8Array): void;
  storeMetadata(request: Uint8Array): void;
  /** Answers the profile protection keys. */
  replaceSessionKeys(request: Uint8Array): BspKeys;
  /** The unprotected profile package. */
  loadProfileElements(upp: Uint8Array): void;
}

interface SectionRow {
  readonly item: number;
  readonly commandId: BppCommandId;
  readonly next: readonly number[];
}

interface Section {
  readonly tag: number;
  readonly row: SectionRow;
  /** Octets still to come. */
  left: number;
  readonly plaintext: Uint8Array[];
}

/** The parts of BF36 after BF23. */
const sections: Readonly<Record<number, SectionRow>> = {
  160: { item: 0x87, commandId: "configureISDP", next: [0xa1] },
  161: { item: 0x88, commandId: "storeMetadata", next: [0xa2, 0xa3] },
  162: { item: 0x87, commandId: "replaceSessionKeys", next: [0xa3] },
  163: { item: 0x86, commandId: "loadProfileElements", next: [] },
};

export class BppLoad {
  readonly #commands: BppCommands;
  /** Segments taken so far, from 1. */
  segments = 0;
  #pending: Uint8Array = new Uint8Array(0);
  /** Octets of BF36 still to come; undefined before its head. */
  #left: number | undefined;
  #bsp: Bsp | undefined;
  #section: Section | undefined;
  #next: readonly number[] = [0xa0];
  #done = false;

  constructor(commands: BppCommands) {
    this.#commands = commands;
  }

  get done(): boolean {
    return this.#done;
  }

  /** One ES10 command's octets: they end where an element ends (SGP.22 §2.5.5). Throws BppError. */
  push(segment: Uint8Array): void {
    this.segments++;
    this.#pending = concatBytes(this.#pending, segment);
    while (this.#pending.length > 0) this.#element();
  }

  get #commandId(): BppCommandId {
    if (this.#bsp === undefined) return "initialiseSecureChannel";
    const tag = this.#section?.tag ?? this.#next[0] ?? 0xa3;
    return sections[tag]?.commandId ?? "loadProfileElements";
  }

  #fail(reason: ErrorReason, detail: string): never {
    throw new BppError(this.#commandId, reason, detail);
  }

  #element(): void {
    if (this.#left === undefined) this.#left = this.#head(0xbf36);
    else if (this.#bsp === undefined) {
      const request = this.#whole();
      this.#bsp = new Bsp(this.#commands.initialiseSecureChannel(request));
    } else if (this.#section === undefined) this.#open(this.#left);
    else this.#item(this.#section, this.#bsp);
    if (this.#section?.left === 0) this.#close(this.#section);
  }

  #open(left: number): void {
    const tag = this.#pending[0] ?? 0;
    const row = sections[tag];
    if (row === undefined || !this.#next.includes(tag))
      this.#fail("scp03tStructureError", `tag ${tag.toString(16)} in place of the next part`);
    this.#next = [tag];
    const length = this.#head(tag);
    const rest = (this.#left ?? left) - length;
    if (rest < 0 || (row.next.length === 0 && rest > 0)) this.#fail("scp03tStructureError", "the parts do not add up to the package");
    this.#section = { tag, row, left: length, plaintext: [] };
  }

  #item(section: Section, bsp: Bsp): void {
    const tlv = this.#whole();
    if (tlv.tag !== section.row.item) this.#fail("scp03tStructureError", `a TLV ${tlv.tag.toString(16)} among others`);
    section.left -= tlv.end - tlv.start;
    if (section.left < 0) this.#fail("scp03tStructureError", "a TLV reaches beyond its part");
    try {
      section.plaintext.push(bsp.unprotect(rawOf(tlv)).plaintext);
    } catch (error) {
      if (!isCode(error, "BPP_SECURITY")) throw error;
      this.#fail(error.data.kind === "structure" ? "scp03tStructureError" : "scp03tSecurityError", error.message);
    }
  }

  #close({ tag, row, plaintext }: Section): void {
    const command = concatBytes(...plaintext);
    if (tag === 0xa0) this.#commands.configureIsdp(command);
    else if (tag === 0xa1) this.#commands.storeMetadata(command);
    else if (tag === 0xa2) this.#bsp = new Bsp(this.#commands.replaceSessionKeys(command));
    else {
      this.#commands.loadProfileElements(command);
      this.#done = true;
      if (this.#pending.length > 0) this.#fail("scp03tStructureError", "there is more after the package");
    }
    this.#next = row.next;
    this.#section = undefined;
  }

  /** Takes tag and length; the contents come later. */
  #head(tag: number): number {
    const [first = 0] = tagOctets(tag);
    const at = tagOctets(tag).length;
    const octet = this.#pending[at];
    const isTag = tagOctets(tag).every((one, index) => this.#pending[index] === one);
    const count = octet !== undefined && octet > 0x80 ? octet & 0x7f : 0;
    if (!isTag || octet === undefined || octet === 0x80 || count > 4 || this.#pending.length < at + 1 + count)
      this.#fail(first === 0xbf ? "incorrectInputValues" : "scp03tStructureError", "a head that is none");
    const length = count === 0 ? octet : this.#pending.subarray(at + 1, at + 1 + count).reduce((sum, one) => sum * 256 + one, 0);
    this.#take(at + 1 + count, tag !== 0xbf36);
    return length;
  }

  #whole(): Tlv {
    let tlv: Tlv;
    try {
      tlv = readTlv(this.#pending);
    } catch (error) {
      if (!(error instanceof SimwardError)) throw error;
      this.#fail(
        this.#bsp === undefined ? "incorrectInputValues" : "scp03tStructureError",
        `the command ends within a TLV: ${error.message}`,
      );
    }
    this.#take(tlv.end, true);
    return tlv;
  }

  #take(octets: number, ofPackage: boolean): void {
    this.#pending = this.#pending.subarray(octets);
    if (!ofPackage || this.#left === undefined) return;
    this.#left -= octets;
    if (this.#left < 0) this.#fail("scp03tStructureError", "the package is longer than it says");
  }
}
