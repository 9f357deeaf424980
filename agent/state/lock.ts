// One simwardd a state directory: a lock of the kernel's (flock(2)), which goes with the process however it ends.
import { type FileHandle, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import koffi from "koffi";
import { makeDirectory } from "../../base/directory.ts";
import { reasonOf, SimwardError } from "../../base/errors.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;
const EWOULDBLOCK = 11;

export interface Lock {
  release(): Promise<void>;
}

/** A flash that can only be read any more must not keep the vehicle from its network: flock(2) asks for no right to write. */
async function openReadOnly(path: string, dir: string, openFile: typeof open, refusal: unknown): Promise<FileHandle> {
  if (!(refusal instanceof Error && "code" in refusal && refusal.code === "EROFS")) throw refusal;
  return openFile(path, "r").catch(() => openFile(dir, "r"));
}

/** Makes the directory where there is none. Throws STATE_LOCKED, naming the process; DISK_WRITE. */
export async function lockDirectory(dir: string, openFile: typeof open = open): Promise<Lock> {
  const path = join(dir, "lock");
  let file: FileHandle;
  try {
    await makeDirectory(dir, 0o700);
    file = await openFile(path, "a+", 0o600).catch((error: unknown) => openReadOnly(path, dir, openFile, error));
  } catch (error) {
    throw new SimwardError("DISK_WRITE", { detail: `${path}: ${reasonOf(error)}`, cause: error });
  }
  const flock = koffi.load(null).func("int flock(int fd, int operation)") as (fd: number, operation: number) => number;
  if (flock(file.fd, LOCK_EX | LOCK_NB) !== 0) {
    const errno = koffi.errno();
    const holder = (await readFile(path, "utf8").catch(() => "")).trim();
    await file.close();
    if (errno === EWOULDBLOCK) throw new SimwardError("STATE_LOCKED", { detail: `${dir}, by process ${holder || "unknown"}` });
    throw new SimwardError("DISK_WRITE", { detail: `${path}: flock fails with errno ${errno}` });
  }
  // For the message above only: a full disk is no reason not to start.
  await file
    .truncate(0)
    .then(() => file.write(`${process.pid}\n`))
    .catch(() => undefined);
  return { release: () => file.close() };
}
