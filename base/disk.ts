// Files that survive a power cut. All state goes through a Disk, so that tests can cut the power between any two steps.
import { constants, promises } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type DirectoryMaker, makeDirectory } from "./directory.ts";
import { reasonOf, SimwardError } from "./errors.ts";

/** Paths are relative to the disk's root and use `/`. */
export interface Disk {
  /** The content, or undefined when there is no such file. Throws DISK_READ. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Atomic and durable: afterwards, and after any crash, the file is wholly old or wholly new. Throws DISK_WRITE. */
  replace(path: string, data: Uint8Array): Promise<void>;
  /** Adds to the end, making the file if there is none; `durable` waits until the medium has it. Throws DISK_WRITE. */
  append(path: string, data: Uint8Array, durable: boolean): Promise<void>;
  /** Cuts the file to `length` octets, durably; to none, no error when there is no such file. Throws DISK_WRITE. */
  truncate(path: string, length: number): Promise<void>;
  /** Writes in the middle of a file that is long enough, durably; at a power cut any part of it may be there. Throws DISK_WRITE. */
  overwrite(path: string, offset: number, data: Uint8Array): Promise<void>;
  /** Names of the files in a directory, sorted; empty when there is none. */
  list(dir: string): Promise<readonly string[]>;
  /** Durable; no error when there is no such file. */
  remove(path: string): Promise<void>;
}

/** What a disk needs of the file system, so that a test can put one underneath that forgets at a power cut what was not synced. */
export interface FileSystem extends DirectoryMaker {
  open(path: string, flags: number, mode: number): Promise<OpenFile>;
  readFile(path: string): Promise<Uint8Array>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  readdir(path: string, options: { readonly withFileTypes: true }): Promise<readonly { readonly name: string; isFile(): boolean }[]>;
}

export interface OpenFile {
  writeFile(data: Uint8Array): Promise<void>;
  appendFile(data: Uint8Array): Promise<void>;
  truncate(length: number): Promise<void>;
  write(data: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesWritten: number }>;
  stat(): Promise<{ readonly size: number }>;
  sync(): Promise<void>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}

/** A directory of the real file system; files are 0600, directories 0700. */
export function realDisk(root: string, fs: FileSystem = promises): Disk {
  const base = resolve(root);
  /** Files whose names are known to be on the medium. */
  const named = new Set<string>();
  const at = (path: string): string => {
    const full = resolve(base, path);
    if (full !== base && !full.startsWith(`${base}/`)) throw new SimwardError("DISK_READ", { detail: `${path} lies outside ${base}` });
    return full;
  };
  const withFile = async <T>(path: string, flags: number, use: (file: OpenFile) => Promise<T>): Promise<T> => {
    const file = await fs.open(path, flags, 0o600);
    try {
      return await use(file);
    } finally {
      await file.close();
    }
  };
  const syncDir = (dir: string): Promise<void> => withFile(dir, constants.O_RDONLY | constants.O_DIRECTORY, (file) => file.sync());
  const ensureDir = async (dir: string): Promise<void> => {
    const made = await makeDirectory(dir, 0o700, fs);
    if (made === undefined) return;
    const last = dirname(made);
    for (let d = dir; ; d = dirname(d)) {
      await syncDir(d);
      if (d === last) return;
    }
  };
  const unlink = async (path: string): Promise<boolean> => {
    try {
      await fs.unlink(path);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  };
  return {
    async read(path) {
      const full = at(path);
      return reading(full, undefined, async () => new Uint8Array(await fs.readFile(full)));
    },
    async replace(path, data) {
      const full = at(path);
      const temporary = `${full}.tmp`;
      await writing(full, async () => {
        await ensureDir(dirname(full));
        try {
          await withFile(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, async (file) => {
            await file.writeFile(data);
            await file.sync();
          });
          await fs.rename(temporary, full);
        } catch (error) {
          // On a full disk it would take room from what is tried next.
          await unlink(temporary).catch(() => undefined);
          throw error;
        }
        await syncDir(dirname(full));
        named.add(full);
      });
    },
    async append(path, data, durable) {
      const full = at(path);
      await writing(full, async () => {
        await ensureDir(dirname(full));
        await withFile(full, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND, async (file) => {
          await file.appendFile(data);
          if (durable) await file.datasync();
        });
        if (!durable || named.has(full)) return;
        await syncDir(dirname(full));
        named.add(full);
      });
    },
    async truncate(path, length) {
      const full = at(path);
      await writing(full, async () => {
        try {
          await withFile(full, constants.O_WRONLY, async (file) => {
            await file.truncate(length);
            await file.sync();
          });
        } catch (error) {
          if (!(isMissing(error) && length === 0)) throw error;
        }
      });
    },
    async overwrite(path, offset, data) {
      const full = at(path);
      await writing(full, () =>
        withFile(full, constants.O_WRONLY, async (file) => {
          if ((await file.stat()).size < offset + data.length) throw new Error(`it ends before octet ${offset + data.length}`);
          for (let done = 0; done < data.length; ) done += (await file.write(data, done, data.length - done, offset + done)).bytesWritten;
          await file.datasync();
        }),
      );
    },
    async list(dir) {
      const full = at(dir);
      return reading(full, [], async () =>
        (await fs.readdir(full, { withFileTypes: true }))
          .filter((entry) => entry.isFile())
          .map((entry) => entry.name)
          .sort(),
      );
    },
    async remove(path) {
      const full = at(path);
      await writing(full, async () => {
        named.delete(full);
        if (await unlink(full)) await syncDir(dirname(full));
      });
    },
  };
}

/** A part of a disk, as a disk. */
export function subDisk(disk: Disk, dir: string): Disk {
  const at = (path: string): string => join(dir, path);
  return {
    read: (path) => disk.read(at(path)),
    replace: (path, data) => disk.replace(at(path), data),
    append: (path, data, durable) => disk.append(at(path), data, durable),
    truncate: (path, length) => disk.truncate(at(path), length),
    overwrite: (path, offset, data) => disk.overwrite(at(path), offset, data),
    list: (path) => disk.list(at(path)),
    remove: (path) => disk.remove(at(path)),
  };
}

async function reading<T, N>(path: string, missing: N, read: () => Promise<T>): Promise<T | N> {
  try {
    return await read();
  } catch (error) {
    if (isMissing(error)) return missing;
    throw new SimwardError("DISK_READ", { detail: `${path}: ${reasonOf(error)}`, cause: error });
  }
}

async function writing<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw new SimwardError("DISK_WRITE", { detail: `${path}: ${reasonOf(error)}`, cause: error });
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
