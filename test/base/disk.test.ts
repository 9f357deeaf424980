import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { type Disk, realDisk, subDisk } from "../../base/disk.ts";
import { faultDisk, PowerCut } from "../../base/fault-disk.ts";
import { integerBelow, seededRandom } from "../../base/random.ts";
import { ForgetfulFs } from "./forgetful-fs.ts";

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
    await disk.overwrite("audit/1.jsonl", 1, utf8("z"));
    expect(await text(disk, "audit/1.jsonl")).toBe("xz");
    await expect(disk.overwrite("audit/1.jsonl", 1, utf8("zz"))).rejects.toMatchObject({ code: "DISK_WRITE" });
    await expect(disk.overwrite("missing", 0, utf8("z"))).rejects.toMatchObject({ code: "DISK_WRITE" });
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
    await expect(disk.truncate("missing", 3)).rejects.toMatchObject({
      code: "DISK_WRITE",
      detail: expect.stringMatching(/\/missing: ENOENT: no such file or directory$/),
    });
  });

  test("a failed write names the file", async () => {
    const disk = realDisk(join(dir, "blocked"));
    await disk.replace("file", utf8("x"));
    await expect(disk.replace("file/below", utf8("y"))).rejects.toMatchObject({
      code: "DISK_WRITE",
      detail: expect.stringMatching(/\/blocked\/file\/below: (ENOTDIR|EEXIST): /),
    });
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

  test("a cut in the middle of an overwrite leaves any one piece of it, and nothing beside it", async () => {
    const seen = new Set<string | undefined>();
    for (let seed = 0; seed < 60; seed++) {
      const disk = faultDisk(seededRandom(seed));
      await disk.replace("ring", utf8("........"));
      disk.cutAfter(1);
      await expect(disk.overwrite("ring", 2, utf8("abcd"))).rejects.toBeInstanceOf(PowerCut);
      disk.powerOn();
      seen.add(await text(disk, "ring"));
    }
    for (const content of seen) expect(content).toMatch(/^\.\.(a|\.)(b|\.)(c|\.)(d|\.)\.\.$/);
    expect(seen.size).toBeGreaterThan(5);
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

describe("real disk on a file system that forgets what was not synced", () => {
  const root = "/var/lib/simward";
  const names = ["state.0.json", "state.1.json", "audit/1.jsonl", "audit/2.jsonl"] as const;

  test("after a power cut at any call: what was promised is there, and what was under way is wholly old, wholly new, or a torn append", async () => {
    for (let seed = 0; seed < 400; seed++) {
      const random = seededRandom(seed);
      const fs = new ForgetfulFs(random);
      const disk = realDisk(root, fs);
      const promised = new Map<string, string | undefined>();
      const pick = <T>(items: readonly T[]): T => items[integerBelow(random, items.length)] as T;
      let underWay: { readonly name: string; readonly allowed: (found: string | undefined) => boolean } | undefined;
      fs.cutAfter(1 + integerBelow(random, 60));
      try {
        for (let n = 0; n < 40; n++) {
          const name = pick(names);
          const before = promised.get(name);
          const added = `${n}:${"x".repeat(integerBelow(random, 8))};`;
          const oneOf = (after: string | undefined) => (found: string | undefined) => found === before || found === after;
          switch (pick(["replace", "append", "append", "truncate", "remove"] as const)) {
            case "replace":
              underWay = { name, allowed: oneOf(added) };
              await disk.replace(name, utf8(added));
              promised.set(name, added);
              break;
            case "append": {
              const after = (before ?? "") + added;
              underWay = {
                name,
                allowed: (found) => found === before || (after.startsWith(found ?? "?") && (found ?? "").length >= (before ?? "").length),
              };
              await disk.append(name, utf8(added), true);
              promised.set(name, after);
              break;
            }
            case "truncate": {
              const after = before?.slice(0, 2);
              underWay = { name, allowed: oneOf(after) };
              if (before === undefined) break;
              await disk.truncate(name, 2);
              promised.set(name, after);
              break;
            }
            case "remove":
              underWay = { name, allowed: oneOf(undefined) };
              await disk.remove(name);
              promised.set(name, undefined);
          }
          underWay = undefined;
        }
      } catch (error) {
        expect((error as Error).cause ?? error, `seed ${seed}`).toBeInstanceOf(PowerCut);
      }
      fs.crash();
      const again = realDisk(root, fs);
      for (const name of names) {
        const found = await text(again, name);
        if (underWay?.name === name) expect(underWay.allowed(found), `seed ${seed}, ${name}: ${found}`).toBe(true);
        else expect([seed, name, found]).toEqual([seed, name, promised.get(name)]);
      }
    }
  });

  test("a full disk: the file is as it was, and nothing is left that takes room", async () => {
    const fs = new ForgetfulFs(seededRandom(1));
    const disk = realDisk(root, fs);
    await disk.replace("state.0.json", utf8("old"));
    fs.full = true;
    await expect(disk.replace("state.0.json", utf8("new"))).rejects.toMatchObject({
      code: "DISK_WRITE",
      detail: `${root}/state.0.json: ENOSPC: a file`,
    });
    expect([await text(disk, "state.0.json"), await disk.list(".")]).toEqual(["old", ["state.0.json"]]);
  });
});
