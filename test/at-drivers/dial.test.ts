// A data call on a port of its own, over a real pseudo terminal: dialled, then another process's, without an octet taken from it.
import { spawn } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { dialData } from "../../at-drivers/dial.ts";
import { openChannel } from "../../at-drivers/engine/channel.ts";
import type { TtyHold } from "../../at-drivers/engine/channels/tty.ts";
import { type Disposer, SystemClock } from "../../base/clock.ts";
import { openPty, type Pty } from "../support/pty.ts";

/** How long silence is waited for is not what is tested. */
class Hasty extends SystemClock {
  override after(ms: number, fn: () => void): Disposer {
    return super.after(ms / 20, fn);
  }
  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return super.sleep(ms / 20, signal);
  }
}

const clock = new SystemClock();
let pty: Pty;
let received: string[] = [];
let raw = "";
let answer: (line: string) => string | undefined = () => undefined;
let hold: TtyHold | undefined;

beforeEach(() => {
  pty = openPty();
  received = [];
  raw = "";
  answer = (line) => ({ AT: "\r\nOK\r\n", "ATE0&D0": "ATE0&D0\r\r\nOK\r\n", "ATD*99***1#": "\r\nCONNECT 150000000\r\n" })[line];
  let partial = "";
  pty.onData((octets) => {
    raw += octets.toString("latin1");
    partial += octets.toString("latin1");
    const lines = partial.split("\r");
    partial = lines.pop() ?? "";
    for (const line of lines) {
      received.push(line);
      const said = answer(line);
      if (said !== undefined) pty.write(said);
    }
  });
});
afterEach(async () => {
  await hold?.release();
  hold = undefined;
  pty.hangUp();
});

const dial = (by: SystemClock = clock, signal?: AbortSignal) => dialData({ device: pty.path, number: "*99***1#", clock: by, signal });

test("from AT to CONNECT; then not one octet is read here any more, and another process has the line", async () => {
  hold = await dial();
  expect(received).toEqual(["AT", "ATE0&D0", "ATD*99***1#"]);
  const other = spawn("head", ["-c", "12", pty.path], { stdio: ["ignore", "pipe", "inherit"] });
  const heard = new Promise<string>((resolve) => other.stdout.on("data", (chunk: Buffer) => resolve(chunk.toString("latin1"))));
  pty.write("~\xff}#LCP-ping");
  expect(Buffer.from((await heard).slice(0, 12), "latin1").length).toBe(12);
  await new Promise((resolve) => other.once("close", resolve));
});

test("the port stays locked to other simwards until it is released", async () => {
  hold = await dial();
  await expect(openChannel(`serial:${pty.path}`, { clock })).rejects.toMatchObject({ code: "PORT_BUSY" });
  await hold.release();
  hold = undefined;
  const channel = await openChannel(`serial:${pty.path}`, { clock });
  await channel.close();
});

describe("a call that does not come about", () => {
  test.each(["NO CARRIER", "ERROR", "+CME ERROR: 148", "BUSY"])("%s", async (refusal) => {
    answer = (line) => (line.startsWith("ATD") ? `\r\n${refusal}\r\n` : "\r\nOK\r\n");
    await expect(dial()).rejects.toMatchObject({ code: "AT_NO_CARRIER", detail: expect.stringContaining(refusal) });
    // The port is free again.
    const channel = await openChannel(`pty:${pty.path}`, { clock });
    await channel.close();
  });

  test("settings that a module does not know are no hindrance", async () => {
    answer = (line) => (line === "ATE0&D0" ? "\r\nERROR\r\n" : line.startsWith("ATD") ? "\r\nCONNECT\r\n" : "\r\nOK\r\n");
    hold = await dial();
  });

  test("a port that was left in data mode is brought back by the escape", async () => {
    let escaped = false;
    answer = (line) => {
      if (line.includes("+++")) escaped = true;
      if (!escaped) return undefined;
      return line.startsWith("ATD") ? "\r\nCONNECT\r\n" : "\r\nOK\r\n";
    };
    hold = await dial(new Hasty());
    expect(raw).toContain("AT\r+++ATH\rAT\r");
  });

  test("one that never answers ends with its reason, one that hangs up too, and so does one that is no longer wanted", async () => {
    answer = () => undefined;
    await expect(dial(new Hasty())).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    const wanted = new AbortController();
    const tried = dial(clock, wanted.signal);
    wanted.abort(new Error("no longer"));
    await expect(tried).rejects.toThrow();
    answer = (line) => {
      if (line.startsWith("ATD")) pty.hangUp();
      return line.startsWith("ATD") ? undefined : "\r\nOK\r\n";
    };
    await expect(dial()).rejects.toMatchObject({ code: "PORT_CLOSED" });
  });
});
