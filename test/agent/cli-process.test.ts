// simward as a process: pipes that break, disks that are full, and a bundle in which what a verb does not need is not set up.
import { execFile, spawn } from "node:child_process";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildSimward } from "../support/cli-program.ts";
import { openPty } from "../support/pty.ts";

let dir = "";
beforeAll(async () => {
  dir = await buildSimward();
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** Runs a line of bash in which $simward is the program. */
function bash(line: string): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  return new Promise((done) => {
    const env = { ...process.env, simward: `${process.execPath} ${join(dir, "simward.mjs")}` };
    const child = execFile("bash", ["-c", line], { env }, (_error, stdout, stderr) => done({ code: child.exitCode, stdout, stderr }));
  });
}

describe("simward, the program", () => {
  test("a reader that has seen enough is no error, on either stream", async () => {
    for (const line of ["$simward package decode --list | head -n 1", "$simward package decode --list 2>&1 | head -n 1"])
      expect(await bash(`${line}; echo \${PIPESTATUS[0]}`)).toMatchObject({ stdout: expect.stringMatching(/^\w+\n0\n$/), stderr: "" });
    expect(await bash("$simward status --socket /nowhere 2> >(exec head -c 1 >/dev/null); echo $?")).toMatchObject({ stdout: "4\n" });
  });

  test("a full disk behind a redirection is one", async () => {
    expect((await bash("$simward package decode --list > /dev/full")).code).toBe(1);
  });

  test("standard input is read where - stands for it", async () => {
    expect(await bash("echo 'BF4F 0302 0101' | $simward package decode --reencode -")).toMatchObject({
      code: 0,
      stdout: "BF4F03020101\n",
      stderr: expect.stringContaining("GetEimPackageResponse"),
    });
  });
});

const lastWord = "<that was all>";
/** Behind all that the program has written: it may have ended before the terminal has taken it. */
function sayLastWord(path: string): void {
  const fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  writeSync(fd, lastWord);
  closeSync(fd);
}

describe("the question at a terminal", () => {
  /** Types the first key when the program asks, the next ones when it asks again. */
  function typed(...keys: readonly string[]): Promise<{ readonly code: number | null; readonly screen: string }> {
    const pty = openPty();
    const fd = openSync(pty.path, constants.O_RDWR | constants.O_NOCTTY);
    let screen = "";
    let asked = 0;
    let code: number | null = null;
    const args = [join(dir, "simward.mjs"), "notif", "drop", "7", "--force", "--socket", "/nowhere"];
    const child = spawn(process.execPath, args, { stdio: [fd, fd, fd], env: { ...process.env, NO_COLOR: "1" } });
    closeSync(fd);
    let tell = (_end: { readonly code: number | null; readonly screen: string }): void => {};
    pty.onData((octets) => {
      screen += octets.toString("latin1");
      if (screen.includes(lastWord)) {
        pty.hangUp();
        return tell({ code, screen });
      }
      const questions = screen.match(/\[y\/N\] |trail\)\? /g)?.length ?? 0;
      const key = keys[asked];
      if (questions <= asked || key === undefined) return;
      asked = questions;
      pty.write(key);
    });
    child.once("close", (ended) => {
      code = ended;
      sayLastWord(pty.path);
    });
    return new Promise((done) => {
      tell = done;
    });
  }

  test("yes and a reason go on to the daemon, no ends it, Ctrl-C is an interruption, and an end of input is no yes", async () => {
    expect(await typed("y\r", "ticket 123\r")).toMatchObject({ code: 4, screen: expect.stringContaining("API_NOT_RUNNING") });
    expect(await typed("n\r")).toMatchObject({ code: 2, screen: expect.stringContaining("not done") });
    expect(await typed("\u0003")).toMatchObject({ code: 130 });
    expect(await typed("\u0004")).toMatchObject({ code: 2, screen: expect.stringContaining("not done") });
    expect(await typed("y\r", "\u0004")).toMatchObject({ code: 2, screen: expect.stringContaining("--reason") });
  }, 60_000);
});

describe("status --watch at a terminal", () => {
  test.each(["SIGTERM", "SIGHUP", "Ctrl-C"] as const)("waits for the daemon, and at %s gives the terminal back", async (how) => {
    const pty = openPty();
    const fd = openSync(pty.path, constants.O_RDWR | constants.O_NOCTTY);
    const args = [join(dir, "simward.mjs"), "status", "--watch", "--socket", "/nowhere"];
    const child = spawn(process.execPath, args, { stdio: [fd, fd, fd], env: { ...process.env, NO_COLOR: "1" } });
    closeSync(fd);
    let seen = "";
    let isSeen = (): void => {};
    const allSeen = new Promise<void>((done) => {
      isSeen = done;
    });
    pty.onData((octets) => {
      const before = seen;
      seen += octets.toString("latin1");
      if (seen.includes(lastWord)) isSeen();
      if (!seen.includes("waiting for it") || before.includes("waiting for it")) return;
      child.kill(how === "Ctrl-C" ? "SIGINT" : how);
    });
    const code = await new Promise((done) => child.once("close", done));
    sayLastWord(pty.path);
    await allSeen;
    pty.hangUp();
    expect(seen.startsWith("\u001b[?1049h\u001b[?25l")).toBe(true);
    expect(seen.endsWith(`\u001b[?25h\u001b[?1049l${lastWord}`)).toBe(true);
    expect([0, 130]).toContain(code);
  });
});
