// A disk in memory that behaves like a bad one at a power cut: what was not synced is gone, and the last write may be torn at any octet.
import type { Disk } from "./disk.ts";
import { SimwardError } from "./errors.ts";
import type { Random } from "./random.ts";
import { integerBelow } from "./random.ts";

/** Thrown by every operation from the moment of the cut until `powerOn`. */
export class PowerCut extends Error {
  constructor() {
    super("the power was cut");
    this.name = "PowerCut";
  }
}

export interface FaultDisk extends Disk {
  /** Operations that change something, so far. */
  readonly operations: number;
  /** Cuts the power in the middle of the nth change from now (1 = the next one). */
  cutAfter(changes: number): void;
  /** Fails the nth change from now once, as a full disk does, without a power cut; part of an append may be there nevertheless. */
  failAfter(changes: number): void;
  /** Fails every change from now on, until it is told that there is room again. Removing and cutting off still work. */
  setFull(isFull: boolean): void;
  readonly isOff: boolean;
  /** What the medium holds after the cut, ready to be used by a restarted process. */
  powerOn(): void;
}

interface FileState {
  durable: Uint8Array | undefined;
  current: Uint8Array | undefined;
}

export function faultDisk(random: Random): FaultDisk {
  const files = new Map<string, FileState>();
  let operations = 0;
  let cutAt: number | undefined;
  let failAt: number | undefined;
  let full = false;
  let off = false;

  const fileAt = (path: string): FileState => {
    const known = files.get(path);
    if (known !== undefined) return known;
    const made: FileState = { durable: undefined, current: undefined };
    files.set(path, made);
    return made;
  };
  // Volatile changes may or may not have reached the medium; a torn append keeps a prefix of what was added.
  const lose = (): void => {
    for (const file of files.values()) {
      const { durable, current } = file;
      if (current === undefined || durable === current) continue;
      const kept = durable?.length ?? 0;
      const isAppend = current.length > kept && (durable === undefined || durable.every((b, i) => current[i] === b));
      file.durable = isAppend ? current.slice(0, kept + integerBelow(random, current.length - kept + 1)) : durable;
      if (file.durable?.length === 0 && kept === 0) file.durable = random.unit() < 0.5 ? undefined : file.durable;
    }
    for (const file of files.values()) file.current = file.durable;
  };
  /** `torn` is what a power cut in the middle leaves, `refused` what a full disk does; undefined where it needs no room. */
  const change = (path: string, apply: () => void, torn: () => void, refused?: () => void): void => {
    if (off) throw new PowerCut();
    operations++;
    const isDue = failAt !== undefined && operations >= failAt;
    if (isDue || (full && refused !== undefined)) {
      if (isDue) failAt = undefined;
      refused?.();
      const cause = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
      throw new SimwardError("DISK_WRITE", { detail: `${path}: no space left on device`, cause });
    }
    if (cutAt !== undefined && operations >= cutAt) {
      torn();
      off = true;
      lose();
      throw new PowerCut();
    }
    apply();
  };

  return {
    get operations() {
      return operations;
    },
    get isOff() {
      return off;
    },
    cutAfter(changes) {
      cutAt = operations + changes;
    },
    failAfter(changes) {
      failAt = operations + changes;
    },
    setFull(isFull) {
      full = isFull;
    },
    powerOn() {
      if (!off) lose();
      off = false;
      cutAt = undefined;
    },
    async read(path) {
      if (off) throw new PowerCut();
      return files.get(path)?.current?.slice();
    },
    async replace(path, data) {
      const file = fileAt(path);
      const take = (): void => {
        file.durable = data.slice();
        file.current = file.durable;
      };
      // The rename is atomic: at a cut the file is wholly old or wholly new.
      change(
        path,
        take,
        () => {
          if (random.unit() < 0.5) take();
        },
        () => undefined,
      );
    },
    async append(path, data, durable) {
      const file = fileAt(path);
      const add = (added = data): void => {
        const before = file.current ?? new Uint8Array(0);
        const after = new Uint8Array(before.length + added.length);
        after.set(before);
        after.set(added, before.length);
        file.current = after;
      };
      change(
        path,
        () => {
          add();
          if (durable) file.durable = file.current;
        },
        add,
        () => add(data.subarray(0, integerBelow(random, data.length))),
      );
    },
    async truncate(path, length) {
      const file = fileAt(path);
      const cut = (): void => {
        if (file.current === undefined && length === 0) return;
        file.durable = (file.current ?? new Uint8Array(0)).slice(0, length);
        file.current = file.durable;
      };
      change(path, cut, () => {
        if (random.unit() < 0.5) cut();
      });
    },
    async overwrite(path, offset, data) {
      const file = fileAt(path);
      const before = file.current;
      if (before === undefined || before.length < offset + data.length)
        throw new SimwardError("DISK_WRITE", { detail: `${path}: it ends before octet ${offset + data.length}` });
      const put = (from = 0, to = data.length): void => {
        const after = before.slice();
        after.set(data.subarray(from, to), offset + from);
        file.durable = after;
        file.current = after;
      };
      // Sectors reach the medium in any order: its beginning may be missing as well as its end.
      const torn = (): void => {
        const [a, b] = [integerBelow(random, data.length + 1), integerBelow(random, data.length + 1)];
        put(Math.min(a, b), Math.max(a, b));
      };
      change(path, put, torn, torn);
    },
    async list(dir) {
      if (off) throw new PowerCut();
      const prefix = dir === "" || dir === "." ? "" : `${dir.replace(/\/$/, "")}/`;
      return [...files]
        .filter(([path, file]) => file.current !== undefined && path.startsWith(prefix) && !path.slice(prefix.length).includes("/"))
        .map(([path]) => path.slice(prefix.length))
        .sort();
    },
    async remove(path) {
      const file = files.get(path);
      const drop = (): void => {
        if (file === undefined) return;
        file.durable = undefined;
        file.current = undefined;
      };
      change(path, drop, () => {
        if (random.unit() < 0.5) drop();
      });
    },
  };
}
