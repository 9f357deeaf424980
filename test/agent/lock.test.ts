// One daemon a state directory, also where the directory can only be read any more.
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lockDirectory } from "../../agent/state/lock.ts";

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-lock-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const refusing =
  (code: string): typeof open =>
  (path, flags, mode) =>
    flags === "a+" ? Promise.reject(Object.assign(new Error(`${code}: refused`), { code })) : open(path, flags, mode);

test.each([false, true])("on a file system that can only be read it is held all the same (with a lock file: %s)", async (hasFile) => {
  if (hasFile) await (await lockDirectory(dir)).release();
  const lock = await lockDirectory(dir, refusing("EROFS"));
  await expect(lockDirectory(dir, refusing("EROFS"))).rejects.toMatchObject({ code: "STATE_LOCKED" });
  await lock.release();
  await (await lockDirectory(dir, refusing("EROFS"))).release();
});

test("a directory of somebody else's is refused", async () => {
  await expect(lockDirectory(dir, refusing("EACCES"))).rejects.toMatchObject({
    code: "DISK_WRITE",
    detail: expect.stringContaining("EACCES"),
  });
});
