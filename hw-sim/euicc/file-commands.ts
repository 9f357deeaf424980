// The commands on a profile's file system (ETSI TS 102 221 §11.1) as one logical channel sees them: what is selected there, and reading and
// updating it. Access rules are asked of the caller's `allows`.
import { equalBytes } from "../../base/bytes.ts";
import { writeTlv } from "../../ipa/asn1/tlv.ts";
import { type Answer, answer, type CommandApdu, sw } from "./apdu.ts";
import {
  type Directory,
  type ElementaryFile,
  type FileNode,
  type FileSystem,
  fcpOf,
  fileBySfi,
  pathOf,
  recordCount,
  recordOf,
} from "./pe/file-system.ts";

export interface FileAccess {
  readonly files: FileSystem;
  /** Whether the access rules let the terminal read (1) or update (2) that file now. */
  allows(file: ElementaryFile, directory: Directory, mode: 1 | 2): boolean;
  /** Keeps a file's new contents. */
  updated(path: string, bytes: Uint8Array): void;
}

/** P1 of SELECT by identifier or path: any, child directory, parent, from the MF, from the current directory. */
export const selectionModes: readonly number[] = [0x00, 0x01, 0x03, 0x08, 0x09];

export class FileSelection {
  readonly #access: FileAccess;
  #directory: Directory;
  #file: ElementaryFile | undefined;
  /** The ADF that 7FFF stands for on this channel. */
  #adf: Directory | undefined;
  #record = 0;

  constructor(access: FileAccess, from?: FileSelection) {
    this.#access = access;
    this.#directory = from?.directory ?? access.files.mf;
    this.#adf = from?.adf;
  }

  get directory(): Directory {
    return this.#directory;
  }

  get adf(): Directory | undefined {
    return this.#adf;
  }

  /** SELECT by file identifier or path (§11.1.1). */
  select({ p1, p2, data }: CommandApdu): Answer {
    if (data.length % 2 !== 0) return answer(sw.wrongLength);
    const node = this.#find(p1, data);
    if (node === undefined) return answer(sw.fileNotFound);
    this.#choose(node);
    return selected(node, p2);
  }

  /** SELECT by AID, which may be cut short; `next` takes the one after the present. */
  selectApplication(aid: Uint8Array, p2: number): Answer | undefined {
    const matching = this.#access.files.adfs.filter((adf) => adf.aid !== undefined && equalBytes(adf.aid.subarray(0, aid.length), aid));
    const present = this.#adf === undefined ? -1 : matching.indexOf(this.#adf);
    const adf = (p2 & 0x03) === 0x02 ? matching[present + 1] : matching[0];
    if (adf === undefined) return undefined;
    this.#choose(adf);
    return selected(adf, p2);
  }

  /** STATUS (§11.1.2) */
  status({ p1, p2 }: CommandApdu): Answer {
    if (p1 > 0x02) return answer(sw.incorrectP1P2);
    switch (p2) {
      case 0x00:
        return answer(sw.ok, fcpOf(this.#directory));
      case 0x01:
        return this.#adf?.aid === undefined ? answer(sw.referencedDataNotFound) : answer(sw.ok, writeTlv(0x84, this.#adf.aid));
      case 0x0c:
        return answer(sw.ok);
      default:
        return answer(sw.incorrectP1P2);
    }
  }

  /** READ BINARY (§11.1.3) */
  readBinary(command: CommandApdu): Answer {
    return this.#binary(command, 1, (file, offset) => {
      const available = file.data.bytes.length - offset;
      const wanted = command.le ?? 256;
      if (wanted > available) return answer(0x6c00 | (available & 0xff));
      return answer(sw.ok, file.data.bytes.slice(offset, offset + wanted));
    });
  }

  /** UPDATE BINARY (§11.1.4) */
  updateBinary(command: CommandApdu): Answer {
    return this.#binary(command, 2, (file, offset, directory) => {
      if (offset + command.data.length > file.data.bytes.length) return answer(sw.wrongLength);
      file.data.bytes.set(command.data, offset);
      this.#access.updated(pathOf(directory, file.fid), file.data.bytes);
      return answer(sw.ok);
    });
  }

  /** READ RECORD (§11.1.5) */
  readRecord(command: CommandApdu): Answer {
    return this.#recordCommand(command, 1, (file, number) => {
      const record = recordOf(file, number);
      if (record === undefined) return answer(sw.recordNotFound);
      if (command.le !== undefined && command.le !== record.length) return answer(0x6c00 | record.length);
      return answer(sw.ok, record.slice());
    });
  }

  /** UPDATE RECORD (§11.1.6) */
  updateRecord(command: CommandApdu): Answer {
    return this.#recordCommand(command, 2, (file, number, directory) => {
      if (command.data.length !== file.recordBytes) return answer(sw.wrongLength);
      const record = recordOf(file, number);
      if (record === undefined) return answer(sw.recordNotFound);
      record.set(command.data);
      this.#access.updated(pathOf(directory, file.fid), file.data.bytes);
      return answer(sw.ok);
    });
  }

  #choose(node: FileNode): void {
    this.#record = 0;
    if (node.kind === "ef") {
      this.#file = node;
      return;
    }
    this.#directory = node;
    this.#file = undefined;
    if (node.type === "ADF") this.#adf = node;
  }

  #find(p1: number, data: Uint8Array): FileNode | undefined {
    const fids = Array.from({ length: data.length / 2 }, (_, i) => ((data[2 * i] ?? 0) << 8) | (data[2 * i + 1] ?? 0));
    const { mf } = this.#access.files;
    switch (p1) {
      case 0x00:
        return fids.length === 0 ? mf : fids.length === 1 ? this.#near(fids[0] ?? 0) : undefined;
      case 0x01:
        return fids.length === 1 ? directoryOf(this.#directory.children.get(fids[0] ?? 0)) : undefined;
      case 0x03:
        return this.#directory.parent;
      case 0x08:
        return this.#along(fids[0] === 0x7fff ? (this.#adf ?? undefined) : mf, fids[0] === 0x7fff ? fids.slice(1) : fids);
      case 0x09:
        return this.#along(this.#directory, fids);
      default:
        return undefined;
    }
  }

  /** By a single identifier: the present directory, its children, its parent, the parent's children, the MF (§8.4.1). */
  #near(fid: number): FileNode | undefined {
    const { mf } = this.#access.files;
    const { parent } = this.#directory;
    if (fid === mf.fid) return mf;
    if (fid === 0x7fff) return this.#adf;
    const child = this.#directory.children.get(fid) ?? (fid === this.#directory.fid ? this.#directory : undefined);
    if (child !== undefined) return hidden(child);
    if (parent !== undefined && parent.fid === fid) return parent;
    return directoryOf(parent?.children.get(fid));
  }

  #along(start: FileNode | undefined, fids: readonly number[]): FileNode | undefined {
    if (start === undefined) return undefined;
    const own = fids[0] === 0x3f00 && start === this.#access.files.mf ? fids.slice(1) : fids;
    return own.reduce<FileNode | undefined>((node, fid) => {
      const next = node?.kind === "directory" ? node.children.get(fid) : undefined;
      return next === undefined ? undefined : hidden(next);
    }, start);
  }

  #binary(command: CommandApdu, mode: 1 | 2, run: (file: ElementaryFile, offset: number, directory: Directory) => Answer): Answer {
    const { p1, p2 } = command;
    const bySfi = (p1 & 0x80) !== 0;
    const file = bySfi ? this.#bySfi(p1 & 0x1f) : this.#file;
    if (file === undefined) return answer(bySfi ? sw.fileNotFound : sw.noFileSelected);
    if (file.structure !== "transparent") return answer(sw.incompatibleStructure);
    if (!this.#access.allows(file, this.#directory, mode)) return answer(sw.securityNotSatisfied);
    const offset = bySfi ? p2 : (p1 << 8) | p2;
    return offset >= file.data.bytes.length ? answer(sw.outsideFile) : run(file, offset, this.#directory);
  }

  #recordCommand(command: CommandApdu, mode: 1 | 2, run: (file: ElementaryFile, number: number, directory: Directory) => Answer): Answer {
    const { p1, p2 } = command;
    const sfi = p2 >> 3;
    const file = sfi === 0 ? this.#file : this.#bySfi(sfi);
    if (file === undefined) return answer(sfi === 0 ? sw.noFileSelected : sw.fileNotFound);
    if (file.structure !== "linearFixed" && file.structure !== "cyclic") return answer(sw.incompatibleStructure);
    if (!this.#access.allows(file, this.#directory, mode)) return answer(sw.securityNotSatisfied);
    const count = recordCount(file);
    const moves = { 2: this.#record >= count ? undefined : this.#record + 1, 3: this.#record <= 1 ? undefined : this.#record - 1 };
    const kind = p2 & 0x07;
    if (kind === 0x04) return run(file, p1 === 0 ? this.#record : p1, this.#directory);
    if (kind !== 0x02 && kind !== 0x03) return answer(sw.incorrectP1P2);
    const number = moves[kind];
    if (number === undefined) return answer(sw.recordNotFound);
    this.#record = number;
    return run(file, number, this.#directory);
  }

  #bySfi(sfi: number): ElementaryFile | undefined {
    const file = fileBySfi(this.#directory, sfi);
    if (file !== undefined) this.#choose(file);
    return file;
  }
}

/** An ADF cannot be reached by the temporary identifier that the profile package gave it. */
function hidden(node: FileNode): FileNode | undefined {
  return node.kind === "directory" && node.type === "ADF" ? undefined : node;
}

function directoryOf(node: FileNode | undefined): FileNode | undefined {
  return node?.kind === "directory" ? hidden(node) : undefined;
}

function selected(node: FileNode, p2: number): Answer {
  const wanted = p2 & 0x0c;
  if (wanted === 0x0c) return answer(sw.ok);
  return wanted === 0x04 || wanted === 0x00 ? answer(sw.ok, fcpOf(node)) : answer(sw.incorrectP1P2);
}
