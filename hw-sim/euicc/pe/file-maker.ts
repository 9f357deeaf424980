// Makes files out of what profile elements say: the template's default, the profile's description, and the contents (TCA §8.3).
// One maker works on one profile; it knows which directory is the present one.
import { concatBytes, toHexUpper } from "../../../base/bytes.ts";
import type { Fcp, File, FileManagement } from "./common.ts";
import type { Directory, EfStructure, ElementaryFile, FileNode } from "./file-system.ts";
import type { PeStatusCode } from "./profile-element.ts";
import { type FillPattern, fillWith, type Template, type TemplateFile } from "./templates.ts";

/** How a maker refuses; the reader adds which element it was. */
export type Refuse = (status: PeStatusCode, detail: string) => never;

const structures = { TR: "transparent", LF: "linearFixed", CY: "cyclic", BT: "berTlv" } as const;
const maxFileBytes = 0xffff;

export class FileMaker {
  #mf: Directory | undefined;
  readonly #adfs: Directory[] = [];

  get mf(): Directory | undefined {
    return this.#mf;
  }

  get adfs(): readonly Directory[] {
    return this.#adfs;
  }

  /**
   * Makes the files of a template: in `base`, or in the directory that the template itself makes there (of the MF, when there is none).
   * Answers that directory.
   */
  makeTemplate(template: Template, given: ReadonlyMap<string, File>, base: Directory | undefined, refuse: Refuse): Directory {
    let top: Directory | undefined;
    let directory = base;
    for (const row of template.files) {
      const file = given.get(row.name);
      const fcp = file?.find((command) => command.kind === "fileDescriptor")?.value;
      const isDirectory = row.structure === "MF" || row.structure === "DF" || row.structure === "ADF";
      if ((file === undefined && !template.byDefault) || isForbidden(template, file)) {
        if (isDirectory) directory = undefined;
      } else if (isDirectory) {
        directory = this.#makeDirectory(row, fcp, top ?? base, refuse);
        top ??= directory;
      } else if (directory !== undefined) this.#makeFile(row, fcp, file, directory, refuse);
      else if (file !== undefined) refuse("invalid-request-format", `${row.name} is given but its directory is not`);
    }
    return top ?? base ?? refuse("invalid-request-format", "its files have no directory to be in");
  }

  /** GenericFileManagement (TCA §8.3.5). */
  manage(commands: readonly FileManagement[], refuse: Refuse): void {
    const mf = this.#mf ?? refuse("invalid-request-format", "there is no MF yet");
    for (const list of commands) {
      let directory: Directory = mf;
      let file: ElementaryFile | undefined;
      let at = 0;
      for (const command of list) {
        if (command.kind === "filePath") {
          const node = this.#nodeAt(command.value, refuse);
          file = node.kind === "ef" ? node : undefined;
          if (node.kind === "directory") directory = node;
          at = 0;
        } else if (command.kind === "createFCP") {
          const node = this.#create(command.value, directory, refuse);
          if (node.kind === "directory") directory = node;
          file = node.kind === "ef" ? node : undefined;
          at = 0;
        } else if (file === undefined) refuse("invalid-request-format", "contents before any file");
        else if (command.kind === "fillFileOffset") at += Number(command.value);
        else at = put(file, at, command.value, refuse);
      }
    }
  }

  /** By file identifiers from the MF, temporary ones for ADFs; empty is the MF. */
  directoryAt(path: Uint8Array, refuse: Refuse): Directory {
    const node = this.#nodeAt(path, refuse);
    return node.kind === "directory" ? node : refuse("invalid-parameter", `${toHexUpper(path)} is no directory`);
  }

  #nodeAt(path: Uint8Array, refuse: Refuse): FileNode {
    let node: FileNode = this.#mf ?? refuse("invalid-request-format", "there is no MF yet");
    for (let at = 0; at < path.length; at += 2) {
      const fid: number = ((path[at] ?? 0) << 8) | (path[at + 1] ?? 0);
      if (at === 0 && fid === 0x3f00) continue;
      const next: FileNode | undefined = node.kind === "directory" ? node.children.get(fid) : undefined;
      node = next ?? refuse("invalid-parameter", `there is no ${toHexUpper(path)}`);
    }
    return node;
  }

  #makeDirectory(row: TemplateFile, fcp: Fcp | undefined, above: Directory | undefined, refuse: Refuse): Directory {
    if (row.structure === "MF") {
      if (this.#mf !== undefined) refuse("invalid-request-format", "a second MF");
      this.#mf = newDirectory("MF", 0x3f00, undefined, fcp, row.accessRule);
      return this.#mf;
    }
    const parent = above ?? this.#mf ?? refuse("invalid-request-format", `${row.name} comes before the MF`);
    const fid = fidOf(fcp) ?? row.fid ?? refuse("bad-values", `${row.name} has no temporary file identifier`);
    if (row.structure === "DF") return this.#add(newDirectory("DF", fid, parent, fcp, row.accessRule), parent, refuse);
    const aid = fcp?.dfName ?? refuse("bad-values", `${row.name} has no dfName`);
    const adf = this.#add(newDirectory("ADF", fid, parent, fcp, row.accessRule, aid), parent, refuse);
    this.#adfs.push(adf);
    return adf;
  }

  #makeFile(row: TemplateFile, fcp: Fcp | undefined, commands: File | undefined, directory: Directory, refuse: Refuse): void {
    const fid = fidOf(fcp) ?? row.fid ?? refuse("bad-values", `${row.name} has no file identifier`);
    if (this.#link(fid, fcp, directory, row.sfi, row.accessRule, refuse) !== undefined) return;
    const contents = commands?.some((command) => command.kind === "fillFileContent") ?? false;
    const structure = structures[row.structure as keyof typeof structures];
    const described = describedSize(fcp, refuse);
    const rowSize = row.size === "contents" ? extentOf(commands) : row.size;
    const recordBytes = structure === "linearFixed" || structure === "cyclic" ? (described.recordBytes ?? rowSize) : 0;
    const size = described.bytes ?? (rowSize === undefined || recordBytes === undefined ? undefined : rowSize * (row.records ?? 1));
    const recordsKnown = described.bytes !== undefined || row.records !== undefined;
    const sizeKnown = size !== undefined && recordBytes !== undefined && (recordBytes === 0 || recordsKnown || row.size === "contents");
    if (!sizeKnown || (row.fill === undefined && !contents && fcp === undefined)) {
      // A file that the template leaves open is there only if the profile describes it.
      if (commands === undefined) return;
      refuse("bad-values", `${row.name} has ${sizeKnown ? "no contents" : "no size"}`);
    }
    const wanted = { fid, structure, recordBytes, size, sfi: sfiOf(fcp, row.sfi), fcp, rule: row.accessRule, fill: row.fill };
    const file = this.#add(newFile(wanted, directory, refuse), directory, refuse);
    let at = 0;
    for (const command of commands ?? []) {
      if (command.kind === "fillFileOffset") at += Number(command.value);
      if (command.kind === "fillFileContent") at = put(file, at, command.value, refuse);
    }
  }

  #create(fcp: Fcp, directory: Directory, refuse: Refuse): FileNode {
    const fid = fidOf(fcp) ?? refuse("bad-values", "a file without identifier");
    const descriptor = fcp.fileDescriptor?.[0];
    const rule = 0;
    const linked = this.#link(fid, fcp, directory, undefined, rule, refuse);
    if (linked !== undefined) return linked;
    if (descriptor === undefined) return refuse("bad-values", `file ${hex(fid)} has no descriptor`);
    if (descriptor === 0x78 || descriptor === 0x38) {
      const aid = fcp.dfName;
      const made = newDirectory(aid === undefined ? "DF" : "ADF", fid, directory, fcp, rule, aid);
      this.#add(made, directory, refuse);
      if (aid !== undefined) this.#adfs.push(made);
      return made;
    }
    const structure = structureOf(descriptor) ?? refuse("bad-values", `file ${hex(fid)} has descriptor ${hex(descriptor)}`);
    const { bytes: size, recordBytes = 0 } = describedSize(fcp, refuse);
    if (size === undefined) return refuse("bad-values", `file ${hex(fid)} has no size`);
    const sfi = fcp.shortEFID === undefined ? fid & 0x1f : sfiOf(fcp, undefined);
    return this.#add(newFile({ fid, structure, recordBytes, size, sfi, fcp, rule, fill: undefined }, directory, refuse), directory, refuse);
  }

  /** A file or directory whose contents are another's (linkPath). An empty path means it is no link after all. */
  #link(
    fid: number,
    fcp: Fcp | undefined,
    directory: Directory,
    sfi: number | undefined,
    rule: number,
    refuse: Refuse,
  ): FileNode | undefined {
    const path = fcp?.linkPath;
    if (path === undefined || path.length === 0) return undefined;
    const parent = this.directoryAt(path.subarray(0, -2), refuse);
    const target = parent.children.get(((path.at(-2) ?? 0) << 8) | (path.at(-1) ?? 0));
    if (target === undefined) return refuse("invalid-parameter", `the link of ${hex(fid)} leads to no file`);
    const node: FileNode =
      target.kind === "ef"
        ? { ...target, fid, sfi: sfiOf(fcp, sfi), accessRule: accessRuleOf(fcp, rule, directory) }
        : { ...target, fid, parent: directory };
    return this.#add(node, directory, refuse);
  }

  #add<N extends FileNode>(node: N, directory: Directory, refuse: Refuse): N {
    if (directory.children.has(node.fid)) refuse("bad-values", `file ${hex(node.fid)} is there already`);
    directory.children.set(node.fid, node);
    return node;
  }
}

interface NewFile {
  readonly fid: number;
  readonly structure: EfStructure;
  readonly recordBytes: number;
  readonly size: number;
  readonly sfi: number | undefined;
  readonly fcp: Fcp | undefined;
  readonly rule: number;
  readonly fill: FillPattern | undefined;
}

function newFile(wanted: NewFile, directory: Directory, refuse: Refuse): ElementaryFile {
  const { fid, structure, recordBytes, size, sfi, fcp, rule, fill } = wanted;
  const hasRecords = structure === "linearFixed" || structure === "cyclic";
  if (size > maxFileBytes) refuse("not-enough-memory", `file ${hex(fid)} has ${size} octets`);
  if (hasRecords && (recordBytes < 1 || recordBytes > 255 || size % recordBytes !== 0 || size / recordBytes > 254))
    refuse("bad-values", `file ${hex(fid)} of ${size} octets has records of ${recordBytes}`);
  const pattern = patternOf(fcp) ?? fill ?? { head: Uint8Array.of(0xff), repeat: "lastOctet", tail: new Uint8Array(0) };
  const unit = hasRecords ? recordBytes : size;
  const filled = fillWith(pattern, unit);
  const bytes = hasRecords ? concatBytes(...Array.from({ length: size / recordBytes }, () => filled)) : filled;
  return {
    kind: "ef",
    fid,
    structure,
    recordBytes: hasRecords ? recordBytes : 0,
    sfi,
    accessRule: accessRuleOf(fcp, rule, directory),
    data: { bytes },
  };
}

function newDirectory(
  type: Directory["type"],
  fid: number,
  parent: Directory | undefined,
  fcp: Fcp | undefined,
  rule: number,
  aid?: Uint8Array,
): Directory {
  return {
    kind: "directory",
    type,
    fid,
    aid,
    parent,
    pinStatusTemplate: fcp?.pinStatusTemplateDO,
    accessRule: accessRuleOf(fcp, rule, type === "DF" ? parent : undefined),
    children: new Map(),
  };
}

/** Which EF.ARR: 2F06 for the MF, ADFs and what lies right under the MF, else 6F06. */
function accessRuleOf(fcp: Fcp | undefined, rule: number, directory: Directory | undefined): Uint8Array {
  const given = fcp?.securityAttributesReferenced;
  if (given?.length === 3) return given;
  const record = given?.at(-1) ?? rule;
  const atTop = directory === undefined || directory.type === "MF";
  return Uint8Array.of(atTop ? 0x2f : 0x6f, 0x06, record);
}

function describedSize(
  fcp: Fcp | undefined,
  refuse: Refuse,
): { readonly bytes: number | undefined; readonly recordBytes: number | undefined } {
  const descriptor = fcp?.fileDescriptor;
  const size = fcp?.efFileSize ?? fcp?.proprietaryEFInfo?.maximumFileSize;
  if (size !== undefined && (size.length === 0 || size.length > 3)) refuse("bad-values", `a file size of ${size.length} octets`);
  return {
    bytes: size?.reduce((sum, octet) => sum * 256 + octet, 0),
    recordBytes: descriptor?.length === 4 ? ((descriptor[2] ?? 0) << 8) | (descriptor[3] ?? 0) : undefined,
  };
}

/** Octets from the first to the last of what is filled in. */
function extentOf(commands: File | undefined): number | undefined {
  let end = 0;
  for (const command of commands ?? []) {
    if (command.kind === "fillFileOffset") end += Number(command.value);
    if (command.kind === "fillFileContent") end += command.value.length;
  }
  return end === 0 ? undefined : end;
}

function put(file: ElementaryFile, at: number, content: Uint8Array, refuse: Refuse): number {
  const end = at + content.length;
  if (end > file.data.bytes.length)
    refuse("bad-values", `file ${hex(file.fid)} has ${file.data.bytes.length} octets, contents end at ${end}`);
  file.data.bytes.set(content, at);
  return end;
}

function patternOf(fcp: Fcp | undefined): FillPattern | undefined {
  const { fillPattern, repeatPattern } = fcp?.proprietaryEFInfo ?? {};
  const tail = new Uint8Array(0);
  if (fillPattern !== undefined) return { head: fillPattern, repeat: "lastOctet", tail };
  return repeatPattern === undefined ? undefined : { head: repeatPattern, repeat: "all", tail };
}

function structureOf(descriptor: number): EfStructure | undefined {
  if (descriptor === 0x79 || descriptor === 0x39) return "berTlv";
  const kinds: Readonly<Record<number, EfStructure>> = { 1: "transparent", 2: "linearFixed", 6: "cyclic" };
  return (descriptor & 0xb8) === 0 ? kinds[descriptor & 0x07] : undefined;
}

function sfiOf(fcp: Fcp | undefined, fallback: number | undefined): number | undefined {
  if (fcp?.shortEFID === undefined) return fallback;
  return fcp.shortEFID.length === 0 ? undefined : (fcp.shortEFID[0] ?? 0) >> 3;
}

function fidOf(fcp: Fcp | undefined): number | undefined {
  return fcp?.fileID === undefined ? undefined : ((fcp.fileID[0] ?? 0) << 8) | (fcp.fileID[1] ?? 0);
}

/** doNotCreate; in the MF it has no effect. */
function isForbidden(template: Template, file: File | undefined): boolean {
  return template.files[0]?.structure !== "MF" && (file?.some((command) => command.kind === "doNotCreate") ?? false);
}

function hex(value: number): string {
  return value.toString(16).toUpperCase().padStart(4, "0");
}
