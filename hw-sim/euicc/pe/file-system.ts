// The files of one profile (ETSI TS 102 221 §8): directories, elementary files, what is in them, and how a path finds them.
// The reader makes them; the card selects, reads and updates them.
import { concatBytes, fromHex, toHexUpper, uintToBytes } from "../../../base/bytes.ts";
import { writeTlv } from "../../../ipa/asn1/tlv.ts";

export type EfStructure = "transparent" | "linearFixed" | "cyclic" | "berTlv";

export interface ElementaryFile {
  readonly kind: "ef";
  readonly fid: number;
  readonly structure: EfStructure;
  /** Of a record; 0 for files without records. */
  readonly recordBytes: number;
  readonly sfi: number | undefined;
  /** EF.ARR and record in it: 3 octets. */
  readonly accessRule: Uint8Array;
  /** Shared with the files linked to it. */
  readonly data: { bytes: Uint8Array };
}

export interface Directory {
  readonly kind: "directory";
  readonly type: "MF" | "DF" | "ADF";
  readonly fid: number;
  readonly aid: Uint8Array | undefined;
  readonly accessRule: Uint8Array;
  readonly pinStatusTemplate: Uint8Array | undefined;
  readonly parent: Directory | undefined;
  readonly children: Map<number, FileNode>;
}

export type FileNode = ElementaryFile | Directory;

const structureOctets: Readonly<Record<EfStructure, number>> = { transparent: 0x41, linearFixed: 0x42, cyclic: 0x46, berTlv: 0x79 };

/** The whole tree. ADFs hang under the MF by their temporary identifiers, which no terminal knows: it selects them by AID. */
export interface FileSystem {
  readonly mf: Directory;
  readonly adfs: readonly Directory[];
}

/** "2FE2" or "3F00/2FE2" from the MF, "7FFF/6F07" from an ADF: the given one, else the first. */
export function findFile(files: FileSystem, path: string, adf: Directory | undefined = files.adfs[0]): FileNode | undefined {
  const [first, ...rest] = path.split("/").map((part) => Number.parseInt(part, 16));
  if (first === undefined) return undefined;
  const start = first === 0x3f00 ? files.mf : first === 0x7fff ? adf : files.mf.children.get(first);
  return rest.reduce<FileNode | undefined>((node, fid) => (node?.kind === "directory" ? node.children.get(fid) : undefined), start);
}

/** The path from the MF, temporary identifiers included, e.g. "3F00/7FD0/6F07": the key of a file in the card's memory. */
export function pathOf(directory: Directory, fid?: number): string {
  const own = toHexUpper(uintToBytes(directory.fid, 2));
  const path = directory.parent === undefined ? own : pathOf(directory.parent, directory.fid);
  return fid === undefined ? path : `${path}/${toHexUpper(uintToBytes(fid, 2))}`;
}

export function fileBySfi(directory: Directory, sfi: number): ElementaryFile | undefined {
  for (const node of directory.children.values()) if (node.kind === "ef" && node.sfi === sfi) return node;
  return undefined;
}

export function recordCount(file: ElementaryFile): number {
  return file.recordBytes === 0 ? 0 : Math.floor(file.data.bytes.length / file.recordBytes);
}

/** Numbered from 1. */
export function recordOf(file: ElementaryFile, number: number): Uint8Array | undefined {
  if (number < 1 || number > recordCount(file)) return undefined;
  return file.data.bytes.subarray((number - 1) * file.recordBytes, number * file.recordBytes);
}

/** FCP template, 62 (ETSI TS 102 221 §11.1.1.3). `aid` names the application when an ADF is selected by it. */
export function fcpOf(node: FileNode): Uint8Array {
  const fid = writeTlv(0x83, uintToBytes(node.fid, 2));
  const lifeCycle = fromHex("8A0105");
  const access = writeTlv(0x8b, node.accessRule);
  if (node.kind === "directory") {
    // The profile lists key references; none of them is said to be enabled here: the PIN status is the card's to tell.
    const references = node.pinStatusTemplate ?? fromHex("010A");
    const pins = concatBytes(fromHex("900100"), ...[...references].map((reference) => writeTlv(0x83, Uint8Array.of(reference))));
    return writeTlv(
      0x62,
      fromHex("82027821"),
      node.type === "ADF" ? fromHex("83027FFF") : fid,
      node.aid === undefined ? new Uint8Array(0) : writeTlv(0x84, node.aid),
      fromHex("A503800171"),
      lifeCycle,
      access,
      writeTlv(0xc6, pins),
    );
  }
  const records = recordCount(node);
  const structure = Uint8Array.of(structureOctets[node.structure], 0x21);
  const descriptor = records === 0 ? structure : concatBytes(structure, uintToBytes(node.recordBytes, 2), uintToBytes(records, 1));
  return writeTlv(
    0x62,
    writeTlv(0x82, descriptor),
    fid,
    lifeCycle,
    access,
    writeTlv(0x80, uintToBytes(node.data.bytes.length, 2)),
    writeTlv(0x88, node.sfi === undefined ? new Uint8Array(0) : Uint8Array.of(node.sfi << 3)),
  );
}

/** Octets that files take in the card's memory, a few for each of their heads. */
export function sizeOf(directory: Directory): number {
  const headBytes = 32;
  let sum = headBytes;
  for (const node of directory.children.values()) sum += node.kind === "ef" ? headBytes + node.data.bytes.length : sizeOf(node);
  return sum;
}
