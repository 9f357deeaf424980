// status --watch: the screen kept true through events, resizes, slow terminals and a daemon that goes and comes.
import { describe, expect, test } from "vitest";
import type { Status } from "../../../agent/api/types.ts";
import { createOutput, type Output } from "../../../agent/cli/output.ts";
import { enterScreen, leaveScreen, openPicture, type Screen } from "../../../agent/cli/screen.ts";
import { renderStatus } from "../../../agent/cli/verbs/status.ts";
import { followStatus, watchStatus } from "../../../agent/cli/watch-status.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { SimwardError } from "../../../base/errors.ts";

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class Terminal implements Screen {
  columns = 80;
  rows = 24;
  written: string[] = [];
  isFast = true;
  readonly #drain = new Set<() => void>();
  readonly #resize = new Set<() => void>();
  write(text: string): boolean {
    this.written.push(text);
    return this.isFast;
  }
  onDrain(fn: () => void): () => void {
    this.#drain.add(fn);
    return () => void this.#drain.delete(fn);
  }
  onResize(fn: () => void): () => void {
    this.#resize.add(fn);
    return () => void this.#resize.delete(fn);
  }
  drained(): void {
    for (const fn of this.#drain) fn();
  }
  resized(columns: number, rows: number): void {
    this.columns = columns;
    this.rows = rows;
    for (const fn of this.#resize) fn();
  }
  get listeners(): number {
    return this.#drain.size + this.#resize.size;
  }
  /** As it is seen: the last picture, without what moves the cursor. */
  get lines(): readonly string[] {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what a terminal is told by
    return (this.written.at(-1) ?? "").replace(/\u001b\[[0-9;?]*[A-Za-z]/g, "").split("\r\n");
  }
}

class Daemon {
  isUp = true;
  asked = 0;
  seq = 1;
  imei = "356938035643809";
  #onLine: ((line: unknown) => boolean) | undefined;
  #end: (() => void) | undefined;
  readonly api = {
    call: async <T>(): Promise<T> => {
      this.asked++;
      if (!this.isUp) throw new SimwardError("API_NOT_RUNNING");
      return this.status() as T;
    },
    lines: (_path: string, onLine: (line: unknown) => boolean, signal?: AbortSignal): Promise<"left" | "ended"> => {
      if (!this.isUp) return Promise.reject(new SimwardError("API_NOT_RUNNING"));
      this.#onLine = onLine;
      return new Promise((resolve) => {
        this.#end = () => resolve("ended");
        signal?.addEventListener("abort", () => resolve("left"), { once: true });
      });
    },
    textLines: async (): Promise<"ended"> => "ended",
  };
  event(): void {
    this.seq++;
    this.#onLine?.({});
  }
  down(): void {
    this.isUp = false;
    this.#end?.();
  }
  status(): Status {
    return {
      schema: "simward/status/1",
      ...{ version: "1", time: "2026-06-01T12:00:00.000Z", timeSource: "network", uptimeMs: 1, profiles: [], eims: [] },
      network: { link: "ready", registration: "home", imei: this.imei, address: "10.0.0.1" },
      ...{ pending: { notifications: 0, packageResults: 0 }, audit: { seq: this.seq, hash: "00" }, alarms: [] },
    };
  }
}

function watched() {
  const clock = new VirtualClock();
  const terminal = new Terminal();
  const daemon = new Daemon();
  const end = new AbortController();
  const outputAt = (width: number): Output =>
    createOutput({ json: false, showIds: false, color: false, width, stdout: () => {}, stderr: () => {} });
  const { api } = daemon;
  const ended = watchStatus({ api, screen: terminal, outputAt, render: renderStatus, clock, signal: end.signal });
  const pass = async (ms: number): Promise<void> => {
    await settled();
    await clock.advance(ms);
    await settled();
  };
  return { clock, terminal, daemon, pass, stop: () => end.abort(), ended };
}

describe("the screen", () => {
  test("shows the status, masked, keeps it true, and gives the terminal back", async () => {
    const { terminal, daemon, pass, stop, ended } = watched();
    await pass(1);
    expect(terminal.written[0]).toBe(enterScreen);
    expect(terminal.lines[0]).toBe("simward status, 12:00:00 UTC; Ctrl-C ends");
    expect(terminal.lines.join()).toContain("3569…3809");
    expect(terminal.lines.join()).not.toContain(daemon.imei);
    expect(terminal.lines.join()).toContain("1 records");
    await pass(600);
    daemon.event();
    await pass(1);
    expect(terminal.lines.join()).toContain("2 records");
    stop();
    await ended;
    expect(terminal.written.at(-1)).toBe(leaveScreen);
    expect(terminal.listeners).toBe(0);
  });

  test("however much happens, the daemon is asked twice a second at most; and every two seconds without", async () => {
    const { daemon, pass, stop, ended } = watched();
    await pass(1);
    const { asked } = daemon;
    for (let n = 0; n < 1_000; n++) {
      daemon.event();
      await pass(10);
    }
    expect(daemon.asked - asked).toBeGreaterThan(10);
    expect(daemon.asked - asked).toBeLessThanOrEqual(20);
    const quiet = daemon.asked;
    for (let n = 0; n < 20; n++) await pass(1_000);
    expect(daemon.asked - quiet).toBeGreaterThanOrEqual(9);
    expect(daemon.asked - quiet).toBeLessThanOrEqual(11);
    stop();
    await ended;
  });

  test("a resize is drawn at once, down to 40 columns and five rows, with what is left out said", async () => {
    const { terminal, pass, stop, ended } = watched();
    await pass(1);
    terminal.resized(40, 24);
    for (const line of terminal.lines) expect(line.length).toBeLessThanOrEqual(45);
    terminal.resized(40, 4);
    expect(terminal.lines).toHaveLength(4);
    expect(terminal.lines.at(-1)).toMatch(/^\d+ more lines; simward status shows all$/);
    stop();
    await ended;
  });

  test("a daemon that restarts is said to be away, with what was last known, and shown again when it is back", async () => {
    const { terminal, daemon, pass, stop, ended } = watched();
    await pass(1);
    daemon.down();
    await pass(3_000);
    expect(terminal.lines.slice(0, 2)).toEqual(["simwardd is not running: waiting for it", "as of 12:00:00 UTC:"]);
    expect(terminal.lines.join()).toContain("1 records");
    daemon.isUp = true;
    for (let n = 0; n < 6; n++) await pass(1_000);
    expect(terminal.lines[0]).toContain("Ctrl-C ends");
    daemon.event();
    for (let n = 0; n < 3; n++) await pass(1_000);
    expect(terminal.lines.join()).toContain("2 records");
    stop();
    await ended;
  });
});

describe("a slow terminal", () => {
  test("gets the latest picture when it has taken the one before, and none between", () => {
    const terminal = new Terminal();
    const picture = openPicture(terminal);
    terminal.isFast = false;
    picture.show(["one"]);
    for (let n = 0; n < 1_000; n++) picture.show([`waiting ${n}`]);
    expect(terminal.written).toHaveLength(2);
    terminal.drained();
    expect(terminal.written).toHaveLength(3);
    expect(terminal.lines).toEqual(["waiting 999"]);
    picture.end();
    terminal.drained();
    picture.show(["too late"]);
    expect(terminal.written.at(-1)).toBe(leaveScreen);
  });
});

describe("for a program", () => {
  test("each status is told; a daemon that is away at the start is an error", async () => {
    const daemon = new Daemon();
    const clock = new VirtualClock();
    const end = new AbortController();
    const told: number[] = [];
    const ended = followStatus({ api: daemon.api, clock, signal: end.signal, tell: ({ audit }) => void told.push(audit.seq) });
    for (let n = 0; n < 3; n++) {
      await settled();
      daemon.event();
      await clock.advance(2_500);
    }
    end.abort();
    await ended;
    expect(told.length).toBeGreaterThanOrEqual(3);
    daemon.isUp = false;
    await expect(followStatus({ api: daemon.api, clock, signal: end.signal, tell: () => {} })).rejects.toMatchObject({
      code: "API_NOT_RUNNING",
    });
  });
});
