// Who holds a port: named where this user may look, guessed where not.
import { spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeHolders, portHolders, portOpeners, portSuspects } from "../../../at-drivers/engine/channels/holders.ts";
import { openDescriptors } from "../../support/memory.ts";
import { openPty } from "../../support/pty.ts";

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "simward-holders-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** Any program under the name of one that takes ports. */
async function running<T>(args: readonly string[], use: (pid: number) => Promise<T>): Promise<T> {
  const path = join(dir, "ModemManager");
  copyFileSync("/bin/cat", path);
  const child = spawn(path, [...args], { stdio: ["pipe", "pipe", "inherit"] });
  await new Promise((resolve) => child.once("spawn", resolve));
  try {
    // An answer shows that it runs under its own name by now.
    if (args.length === 0) {
      child.stdin.write("x");
      await new Promise((resolve) => child.stdout.once("data", resolve));
    }
    return await use(child.pid ?? 0);
  } finally {
    child.kill();
    await new Promise((resolve) => child.once("close", resolve));
  }
}

describe("holders of a port", () => {
  test("one that has it open without a lock is named", async () => {
    const pty = openPty();
    await running([pty.path], async (pid) => {
      const holds = async (): Promise<boolean> =>
        (await portHolders(pty.path)).some((one) => one.pid === pid && one.name === "ModemManager");
      while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
    });
    pty.hangUp();
  });

  test("one whose descriptors are not shown is guessed at, if it is known to take ports", async () => {
    await running([], async (pid) => {
      expect(await portSuspects()).toContainEqual({ pid, name: "ModemManager" });
    });
    expect(describeHolders([], [{ pid: 812, name: "ModemManager" }])).toBe(
      "held by a process this user may not see; ModemManager (pid 812) runs",
    );
    expect(describeHolders([])).toBe("held by a process this user may not see");
  });

  test("of many processes one after the other is looked at: a daemon has few descriptors, and one without them would overlook", async () => {
    const many = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const child = spawn("cat", { stdio: ["pipe", "ignore", "ignore"] });
        await new Promise((resolve) => child.once("spawn", resolve));
        return child;
      }),
    );
    for (const look of [portSuspects, () => portHolders("/dev/null"), () => portOpeners("/dev/null")]) {
      const before = openDescriptors();
      let most = 0;
      let isOver = false;
      const over = look().finally(() => {
        isOver = true;
      });
      while (!isOver) {
        most = Math.max(most, openDescriptors());
        await new Promise((resolve) => setImmediate(resolve));
      }
      await over;
      expect(most - before).toBeLessThanOrEqual(2);
    }
    for (const child of many) child.kill();
    await Promise.all(many.map((child) => new Promise((resolve) => child.once("close", resolve))));
  });
});
