// A disk in memory that behaves like a bad one at a power cut: what was not synced is gone, and the last write may be torn at any octet.
import type { Disk } from "./disk.ts";
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
  /** Fails the nth change from now once, as a full or read-only disk does, without a power cut. */
  failAfter(changes: number): void;
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
  const change = (apply: () => void, torn: () => void): void => {
    if (off) throw new PowerCut();
    operations++;
    if (failAt !== undefined && operations >= failAt) {
      failAt = undefined;
      throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
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
      change(take, () => {
        if (random.unit() < 0.5) take();
      });
    },
    async append(path, data, durable) {
      const file = fileAt(path);
      const add = (): void => {
        const before = file.current ?? new Uint8Array(0);
        const after = new Uint8Array(before.length + data.length);
        after.set(before);
        after.set(data, before.length);
        file.current = after;
      };
      change(() => {
        add();
        if (durable) file.durable = file.current;
      }, add);
    },
    async truncate(path, length) {
      const file = fileAt(path);
      const cut = (): void => {
        if (file.current === undefined && length === 0) return;
        file.durable = (file.current ?? new Uint8Array(0)).slice(0, length);
        file.current = file.durable;
      };
      change(cut, () => {
        if (random.unit() < 0.5) cut();
      });
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
      change(drop, () => {
        if (random.unit() < 0.5) drop();
      });
    },
  };
}
