import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { type Disk, realDisk, subDisk } from "../../base/disk.ts";
import { faultDisk, PowerCut } from "../../base/fault-disk.ts";
import { seededRandom } from "../../base/random.ts";

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-disk-"));
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

const text = async (disk: Disk, path: string): Promise<string | undefined> => {
  const bytes = await disk.read(path);
  return bytes === undefined ? undefined : fromUtf8(bytes);
};

const kinds: readonly [string, () => Disk][] = [
  ["real disk", () => realDisk(join(dir, "state"))],
  ["fault disk", () => faultDisk(seededRandom(1))],
];

describe.each(kinds)("%s", (_name, make) => {
  test("replaces, appends, truncates, lists and removes", async () => {
    const disk = make();
    expect(await disk.read("a.json")).toBeUndefined();
    expect(await disk.list(".")).toEqual([]);
    await disk.replace("a.json", utf8("one"));
    await disk.replace("a.json", utf8("two"));
    await disk.append("audit/1.jsonl", utf8("x"), true);
    await disk.append("audit/1.jsonl", utf8("yz"), false);
    expect(await text(disk, "a.json")).toBe("two");
    expect(await text(subDisk(disk, "audit"), "1.jsonl")).toBe("xyz");
    await disk.truncate("audit/1.jsonl", 2);
    expect(await text(disk, "audit/1.jsonl")).toBe("xy");
    expect(await disk.list("audit")).toEqual(["1.jsonl"]);
    expect(await disk.list(".")).toEqual(["a.json"]);
    await disk.remove("a.json");
    await disk.remove("a.json");
    expect(await disk.list(".")).toEqual([]);
  });
});

describe("real disk", () => {
  test("keeps files to their owner, leaves no temporary file, and refuses paths outside", async () => {
    const disk = realDisk(join(dir, "private"));
    await disk.replace("tls/session", utf8("secret"));
    expect((await stat(join(dir, "private/tls/session"))).mode & 0o777).toBe(0o600);
    expect((await stat(join(dir, "private/tls"))).mode & 0o777).toBe(0o700);
    expect(await readdir(join(dir, "private/tls"))).toEqual(["session"]);
    await expect(disk.read("../outside")).rejects.toMatchObject({ code: "DISK_READ" });
  });

  test("cutting a file that was never made to nothing is no error: so begins the next write after a first one that failed", async () => {
    const disk = realDisk(join(dir, "uncut"));
    await disk.append("there", utf8("abc"), true);
    await disk.truncate("there", 1);
    expect(await text(disk, "there")).toBe("a");
    await disk.truncate("missing", 0);
    expect(await disk.read("missing")).toBeUndefined();
    await expect(disk.truncate("missing", 3)).rejects.toMatchObject({ code: "DISK_WRITE", detail: "missing" });
  });

  test("a failed write names the file", async () => {
    const disk = realDisk(join(dir, "blocked"));
    await disk.replace("file", utf8("x"));
    await expect(disk.replace("file/below", utf8("y"))).rejects.toMatchObject({ code: "DISK_WRITE", detail: "file/below" });
  });
});

describe("fault disk", () => {
  test("a cut loses what was not made durable, and may tear the last append", async () => {
    const kept = new Set<string | undefined>();
    for (let seed = 0; seed < 60; seed++) {
      const disk = faultDisk(seededRandom(seed));
      await disk.append("log", utf8("durable\n"), true);
      await disk.append("log", utf8("volatile\n"), false);
      disk.cutAfter(1);
      await expect(disk.append("log", utf8("last\n"), true)).rejects.toBeInstanceOf(PowerCut);
      await expect(disk.read("log")).rejects.toBeInstanceOf(PowerCut);
      disk.powerOn();
      kept.add(await text(disk, "log"));
    }
    for (const content of kept) expect("durable\nvolatile\nlast\n".startsWith(content ?? "?")).toBe(true);
    for (const content of kept) expect(content?.startsWith("durable\n")).toBe(true);
    expect(kept.size).toBeGreaterThan(8);
  });

  test("a replace is wholly old or wholly new", async () => {
    const seen = new Set<string | undefined>();
    for (let seed = 0; seed < 40; seed++) {
      const disk = faultDisk(seededRandom(seed));
      await disk.replace("f", utf8("old"));
      disk.cutAfter(1);
      await expect(disk.replace("f", utf8("new"))).rejects.toBeInstanceOf(PowerCut);
      disk.powerOn();
      seen.add(await text(disk, "f"));
    }
    expect([...seen].sort()).toEqual(["new", "old"]);
  });

  test("a full disk fails once and keeps what it had", async () => {
    const disk = faultDisk(seededRandom(1));
    await disk.replace("f", utf8("old"));
    disk.failAfter(1);
    await expect(disk.replace("f", utf8("new"))).rejects.toThrow(/no space/);
    expect(await text(disk, "f")).toBe("old");
    await disk.replace("f", utf8("new"));
    expect(await text(disk, "f")).toBe("new");
  });
});
