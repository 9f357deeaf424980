// A file that an operator names is read only if it is one, and of a size that makes sense.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readSmallFile } from "../../base/small-file.ts";

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "simward-small-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test("a file is read", async () => {
  writeFileSync(join(dir, "file"), "größer\n");
  expect(await readSmallFile(join(dir, "file"))).toBe("größer\n");
});

test("a FIFO is not waited for, a device not read, a directory and a giant refused", async () => {
  execFileSync("mkfifo", [join(dir, "fifo")]);
  writeFileSync(join(dir, "giant"), "");
  truncateSync(join(dir, "giant"), 2 ** 30);
  await expect(readSmallFile(join(dir, "fifo"))).rejects.toThrow("it is no regular file");
  await expect(readSmallFile("/dev/zero")).rejects.toThrow("it is no regular file");
  await expect(readSmallFile(dir)).rejects.toThrow("it is a directory");
  await expect(readSmallFile(join(dir, "giant"))).rejects.toThrow("octets");
  await expect(readSmallFile(join(dir, "none"))).rejects.toMatchObject({ code: "ENOENT" });
});
