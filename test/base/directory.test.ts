// Directories are made with those above them, and where that is impossible it is said, at once.
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeDirectory } from "../../base/directory.ts";

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-directory-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe("a directory", () => {
  test("is made with those above it, for its owner only; the topmost made is answered", async () => {
    expect(await makeDirectory(join(dir, "a/b/c"), 0o700)).toBe(join(dir, "a"));
    expect((await stat(join(dir, "a/b/c"))).mode & 0o777).toBe(0o700);
    expect(await makeDirectory(join(dir, "a/b/c"), 0o700)).toBeUndefined();
    expect(await makeDirectory(join(dir, "a/b/d"), 0o700)).toBe(join(dir, "a/b/d"));
    expect(await makeDirectory("/", 0o700)).toBeUndefined();
  });

  test("made by several at once is there for all of them", async () => {
    const made = await Promise.all(Array.from({ length: 16 }, (_, at) => makeDirectory(join(dir, `x/y/z/${at % 4}`), 0o700)));
    expect(made.some((one) => one === join(dir, "x"))).toBe(true);
    expect((await stat(join(dir, "x/y/z/3"))).isDirectory()).toBe(true);
  });

  test.each(["/proc/simward", "/proc/simward/run", "/proc/self/simward/run"])("%s is refused, not tried for ever", async (path) => {
    await expect(makeDirectory(path, 0o700)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("below a file is refused", async () => {
    await writeFile(join(dir, "file"), "");
    await expect(makeDirectory(join(dir, "file"), 0o700)).rejects.toMatchObject({ code: "EEXIST" });
    await expect(makeDirectory(join(dir, "file/below"), 0o700)).rejects.toMatchObject({ code: "ENOTDIR" });
  });
});
