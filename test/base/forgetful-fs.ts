// A file system in memory that is as forgetful as POSIX allows: at a power cut, data that was not synced is there in part or not at all, and so is
// each directory's record of what was made, renamed or removed in it, unless that directory was synced.
import { constants } from "node:fs";
import { basename, dirname } from "node:path";
import type { FileSystem, OpenFile } from "../../base/disk.ts";
import { PowerCut } from "../../base/fault-disk.ts";
import { integerBelow, type Random } from "../../base/random.ts";

interface File {
  readonly kind: "file";
  data: Uint8Array;
  durable: Uint8Array;
}

interface Directory {
  readonly kind: "directory";
  entries: Map<string, Node>;
  durable: Map<string, Node>;
  /** Changes since it was synced, in order. */
  pending: ((entries: Map<string, Node>) => void)[];
}

type Node = File | Directory;

export class ForgetfulFs implements FileSystem {
  readonly #random: Random;
  readonly #root: Directory = directory();
  #callsLeft = Number.POSITIVE_INFINITY;
  #off = false;
  full = false;

  constructor(random: Random) {
    this.#random = random;
  }

  /** The power goes in the middle of the nth call from now. */
  cutAfter(calls: number): void {
    this.#callsLeft = calls;
  }

  /** The power goes, if it has not yet, and comes back. */
  crash(): void {
    this.#forget(this.#root);
    this.#off = false;
    this.#callsLeft = Number.POSITIVE_INFINITY;
  }

  async mkdir(path: string): Promise<void> {
    if (this.#find(path) !== undefined) throw failure("EEXIST", path);
    const into = this.#directoryOf(path);
    this.#call(() => change(into, (entries) => entries.set(basename(path), directory())));
  }

  async stat(path: string): Promise<{ isDirectory(): boolean }> {
    const node = this.#find(path);
    if (node === undefined) throw failure("ENOENT", path);
    return { isDirectory: () => node.kind === "directory" };
  }

  async open(path: string, flags: number): Promise<OpenFile> {
    const node = this.#find(path);
    if ((flags & constants.O_DIRECTORY) !== 0) {
      if (node?.kind !== "directory") throw failure("ENOTDIR", path);
      return openDirectory(node, (apply) => this.#call(apply));
    }
    if (node?.kind === "directory") throw failure("EISDIR", path);
    let file = node;
    if (file === undefined) {
      if ((flags & constants.O_CREAT) === 0) throw failure("ENOENT", path);
      const made: File = { kind: "file", data: new Uint8Array(0), durable: new Uint8Array(0) };
      this.#call(() => change(this.#directoryOf(path), (entries) => entries.set(basename(path), made)));
      file = made;
    }
    const open = file;
    if ((flags & constants.O_TRUNC) !== 0)
      this.#call(() => {
        open.data = new Uint8Array(0);
      });
    return this.#openFile(open);
  }

  async readFile(path: string): Promise<Uint8Array> {
    if (this.#off) throw new PowerCut();
    const node = this.#find(path);
    if (node?.kind !== "file") throw failure("ENOENT", path);
    return node.data.slice();
  }

  async rename(from: string, to: string): Promise<void> {
    const node = this.#find(from);
    if (node === undefined) throw failure("ENOENT", from);
    // Within one directory, as a disk does it: both names change in one step.
    this.#call(() =>
      change(this.#directoryOf(to), (entries) => {
        entries.delete(basename(from));
        entries.set(basename(to), node);
      }),
    );
  }

  async unlink(path: string): Promise<void> {
    if (this.#find(path) === undefined) throw failure("ENOENT", path);
    this.#call(() => change(this.#directoryOf(path), (entries) => entries.delete(basename(path))));
  }

  async readdir(path: string): Promise<readonly { readonly name: string; isFile(): boolean }[]> {
    if (this.#off) throw new PowerCut();
    const node = this.#find(path);
    if (node?.kind !== "directory") throw failure("ENOENT", path);
    return [...node.entries].map(([name, entry]) => ({ name, isFile: () => entry.kind === "file" }));
  }

  #openFile(file: File): OpenFile {
    const append = async (data: Uint8Array): Promise<void> => {
      if (this.full) throw failure("ENOSPC", "a file");
      this.#call(() => {
        file.data = Buffer.concat([file.data, data]);
      });
    };
    const sync = async (): Promise<void> =>
      this.#call(() => {
        file.durable = file.data;
      });
    return {
      writeFile: append,
      appendFile: append,
      truncate: async (length) =>
        this.#call(() => {
          file.data = file.data.slice(0, length);
        }),
      write: async (data, offset, length, position) => {
        this.#call(() => {
          const next = file.data.slice();
          next.set(data.subarray(offset, offset + length), position);
          file.data = next;
        });
        return { bytesWritten: length };
      },
      stat: async () => ({ size: file.data.length }),
      sync,
      datasync: sync,
      close: async () => undefined,
    };
  }

  #call(apply: () => void): void {
    if (this.#off) throw new PowerCut();
    if (--this.#callsLeft > 0) {
      apply();
      return;
    }
    if (this.#random.unit() < 0.5) apply();
    this.#off = true;
    throw new PowerCut();
  }

  #find(path: string): Node | undefined {
    if (this.#off) throw new PowerCut();
    let node: Node | undefined = this.#root;
    for (const name of namesOf(path)) node = node?.kind === "directory" ? node.entries.get(name) : undefined;
    return node;
  }

  #directoryOf(path: string): Directory {
    const node = this.#find(dirname(path));
    if (node?.kind !== "directory") throw failure("ENOENT", dirname(path));
    return node;
  }

  #forget(node: Node): void {
    if (node.kind === "file") {
      const { data, durable } = node;
      const isAppend = data.length >= durable.length && Buffer.compare(data.subarray(0, durable.length), durable) === 0;
      // Some of what was added may have reached the medium; of a change in the middle, all or nothing.
      if (isAppend) node.data = data.slice(0, durable.length + integerBelow(this.#random, data.length - durable.length + 1));
      else if (this.#random.unit() < 0.5) node.data = durable;
      node.durable = node.data;
      return;
    }
    const kept = node.pending.slice(0, integerBelow(this.#random, node.pending.length + 1));
    for (const apply of kept) apply(node.durable);
    node.pending = [];
    node.entries = new Map(node.durable);
    for (const child of node.entries.values()) this.#forget(child);
  }
}

function namesOf(path: string): readonly string[] {
  return path.split("/").filter((name) => name !== "");
}

function directory(): Directory {
  return { kind: "directory", entries: new Map(), durable: new Map(), pending: [] };
}

function change(parent: Directory, apply: (entries: Map<string, Node>) => void): void {
  apply(parent.entries);
  parent.pending.push(apply);
}

function openDirectory(node: Directory, call: (apply: () => void) => void): OpenFile {
  const never = async (): Promise<never> => {
    throw failure("EISDIR", "a directory");
  };
  const sync = async (): Promise<void> =>
    call(() => {
      node.durable = new Map(node.entries);
      node.pending = [];
    });
  return {
    writeFile: never,
    appendFile: never,
    truncate: never,
    write: never,
    stat: never,
    sync,
    datasync: sync,
    close: async () => undefined,
  };
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
