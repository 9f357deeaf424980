// Files that survive a power cut. All state goes through a Disk, so that tests can cut the power between any two steps.
import { constants } from "node:fs";
import { mkdir, open, readdir, readFile, rename, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { SimwardError } from "./errors.ts";

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
  /** Names of the files in a directory, sorted; empty when there is none. */
  list(dir: string): Promise<readonly string[]>;
  /** Durable; no error when there is no such file. */
  remove(path: string): Promise<void>;
}

/** A directory of the real file system; files are 0600, directories 0700. */
export function realDisk(root: string): Disk {
  const base = resolve(root);
  const at = (path: string): string => {
    const full = resolve(base, path);
    if (full !== base && !full.startsWith(`${base}/`)) throw new SimwardError("DISK_READ", { detail: `${path} lies outside ${base}` });
    return full;
  };
  const ensureDir = async (dir: string): Promise<void> => {
    const made = await mkdir(dir, { recursive: true, mode: 0o700 });
    if (made !== undefined) for (let d = dir; d.length >= dirname(made).length; d = dirname(d)) await syncDir(d);
  };
  return {
    async read(path) {
      try {
        return new Uint8Array(await readFile(at(path)));
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw new SimwardError("DISK_READ", { detail: path, cause: error });
      }
    },
    async replace(path, data) {
      const full = at(path);
      const temporary = `${full}.tmp`;
      await writing(path, async () => {
        await ensureDir(dirname(full));
        await withFile(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, async (file) => {
          await file.writeFile(data);
          await file.sync();
        });
        await rename(temporary, full);
        await syncDir(dirname(full));
      });
    },
    async append(path, data, durable) {
      const full = at(path);
      await writing(path, async () => {
        await ensureDir(dirname(full));
        const isNew = await withFile(full, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND, async (file) => {
          const { size } = await file.stat();
          await file.appendFile(data);
          if (durable) await file.datasync();
          return size === 0;
        });
        if (durable && isNew) await syncDir(dirname(full));
      });
    },
    async truncate(path, length) {
      const full = at(path);
      await writing(path, async () => {
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
    async list(dir) {
      try {
        const entries = await readdir(at(dir), { withFileTypes: true });
        return entries
          .filter((entry) => entry.isFile())
          .map((entry) => entry.name)
          .sort();
      } catch (error) {
        if (isMissing(error)) return [];
        throw new SimwardError("DISK_READ", { detail: dir, cause: error });
      }
    },
    async remove(path) {
      const full = at(path);
      await writing(path, async () => {
        try {
          await unlink(full);
        } catch (error) {
          if (!isMissing(error)) throw error;
          return;
        }
        await syncDir(dirname(full));
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
    list: (path) => disk.list(at(path)),
    remove: (path) => disk.remove(at(path)),
  };
}

async function withFile<T>(path: string, flags: number, use: (file: Awaited<ReturnType<typeof open>>) => Promise<T>): Promise<T> {
  const file = await open(path, flags, 0o600);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

async function syncDir(dir: string): Promise<void> {
  await withFile(dir, constants.O_RDONLY | constants.O_DIRECTORY, (file) => file.sync());
}

async function writing<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (error instanceof SimwardError) throw error;
    throw new SimwardError("DISK_WRITE", { detail: path, cause: error });
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
