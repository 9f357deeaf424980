// simward as a process beside a daemon: terminals with and without colour, narrow ones, one that is resized, readers that have seen enough, and a daemon
// that goes away or says nothing in the middle of its answer.
import { spawn } from "node:child_process";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createEventHub, type EventHub } from "../../../agent/api/events.ts";
import type { ApiServices } from "../../../agent/api/route.ts";
import { type ApiServer, serveApi } from "../../../agent/api/server.ts";
import { SystemClock, VirtualClock } from "../../../base/clock.ts";
import { silentLog } from "../../../base/log.ts";
import { buildSimward } from "../../support/cli-program.ts";
import { openPty } from "../../support/pty.ts";
import { quietServices } from "../../support/quiet-services.ts";

let program = "";
let dir = "";
let hub: EventHub;
let api: ApiServer | undefined;
const broken: Server[] = [];

beforeAll(async () => {
  program = await buildSimward();
  dir = await mkdtemp(join(tmpdir(), "simward-terminal-"));
}, 60_000);
afterAll(async () => {
  await rm(program, { recursive: true, force: true });
  await rm(dir, { recursive: true, force: true });
});
afterEach(async () => {
  await api?.close();
  api = undefined;
  for (const server of broken.splice(0)) await new Promise((done) => server.close(done));
});

async function served(more: Partial<ApiServices> = {}): Promise<void> {
  hub = createEventHub({ clock: new VirtualClock() });
  api = await serveApi({ dir }, { ...quietServices(hub), ...more }, silentLog);
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const environment = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => {
  const { NO_COLOR: _, ...env } = process.env;
  return { ...env, SIMWARD_API_DIR: dir, ...more };
};

/** A line of bash in which $simward is the program. */
function bash(line: string): Promise<Ended> {
  const child = spawn("bash", ["-c", line], { env: environment({ simward: `${process.execPath} ${join(program, "simward.mjs")}` }) });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (text: Buffer) => {
    stdout += text;
  });
  child.stderr.on("data", (text: Buffer) => {
    stderr += text;
  });
  return new Promise((done) => child.once("close", (code) => done({ code, stdout, stderr })));
}

interface Window {
  readonly columns?: number;
  readonly env?: NodeJS.ProcessEnv;
  /** Told of all that is on the screen so far, as it comes. */
  readonly onScreen?: (screen: string, window: { resize(columns: number): void; kill(signal: NodeJS.Signals): void }) => void;
}

const lastWord = "<that was all>";

/** The program with a terminal on all three streams. */
function atTerminal(
  args: readonly string[],
  { columns = 80, env, onScreen }: Window = {},
): Promise<{ readonly code: number | null; readonly screen: string }> {
  const pty = openPty();
  pty.resize(columns, 24);
  const fd = openSync(pty.path, constants.O_RDWR | constants.O_NOCTTY);
  const child = spawn(process.execPath, [join(program, "simward.mjs"), ...args], { stdio: [fd, fd, fd], env: environment(env) });
  let screen = "";
  let code: number | null = null;
  const window = {
    resize: (to: number) => {
      pty.resize(to, 24);
      child.kill("SIGWINCH");
    },
    kill: (signal: NodeJS.Signals) => void child.kill(signal),
  };
  return new Promise((done) => {
    pty.onData((octets) => {
      screen += octets.toString("utf8");
      if (!screen.includes(lastWord)) return onScreen?.(screen, window);
      pty.hangUp();
      done({ code, screen: screen.replace(lastWord, "") });
    });
    child.once("close", (ended) => {
      code = ended;
      writeSync(fd, lastWord);
      closeSync(fd);
    });
  });
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are escape sequences.
const colour = /\u001b\[\d+m/;

describe("a terminal", () => {
  test("has colours, unless NO_COLOR or --plain says otherwise; an empty NO_COLOR says nothing", async () => {
    await served();
    expect((await atTerminal(["status"])).screen).toMatch(colour);
    expect((await atTerminal(["status"], { env: { NO_COLOR: "" } })).screen).toMatch(colour);
    for (const how of [{ env: { NO_COLOR: "1" } }, { args: ["--plain"] }]) {
      const { code, screen } = await atTerminal(["status", ...(how.args ?? [])], how);
      expect(code).toBe(0);
      expect(screen).toContain("Module");
      expect(screen).not.toMatch(colour);
    }
  }, 60_000);

  test("of 40 columns has no line that wraps", async () => {
    await served();
    for (const args of [["status"], ["net", "status"], ["policy", "explain"], ["--help"], ["profile", "download", "--help"]]) {
      const { code, screen } = await atTerminal(args, { columns: 40, env: { NO_COLOR: "1" } });
      // A command line is to be copied as it is.
      const long = screen
        .split("\r\n")
        .filter((line) => [...line].length > 40 && line.trim().includes(" ") && !/^(Usage:| {2}simward) /.test(line));
      expect([code, long], args.join(" ")).toEqual([0, []]);
    }
  }, 60_000);

  test("that is made narrower while a download goes on has its line of progress cut to the new width", async () => {
    let finish = (): void => {};
    const done = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const { local } = quietServices();
    const tellSegment = (n: number): void => hub.publish("segment", { number: n, of: 9, sentBytes: 1_000 });
    await served({
      local: {
        ...local,
        downloadProfile: async () => {
          hub.publish("step", { name: "ES9+.GetBoundProfilePackage", sentBytes: 1, receivedBytes: 2, durationMs: 3 });
          tellSegment(1);
          await done;
          return { schema: "simward/profile-downloaded/1", iccid: "8949299000000000026" };
        },
      },
    });
    await writeFile(join(dir, "code"), "LPA:1$smdp.example.com$TOKEN\n");
    let resizedAt = 0;
    const drawnIn = (text: string): readonly string[] => text.split("\r\u001b[K").filter((one) => /^[-\\|/] \[.* … /.test(one));
    const isShort = (line: string): boolean => [...line].length < 40;
    const { code, screen } = await atTerminal(["profile", "download", "--ac", join(dir, "code")], {
      env: { NO_COLOR: "1" },
      onScreen: (shown, { resize }) => {
        if (resizedAt === 0 && drawnIn(shown).some((one) => !isShort(one))) {
          resizedAt = shown.length;
          resize(40);
        } else if (resizedAt > 0 && drawnIn(shown.slice(resizedAt)).filter(isShort).length >= 3) finish();
      },
    });
    expect(code).toBe(0);
    const after = drawnIn(screen.slice(resizedAt));
    expect(after.slice(after.findIndex(isShort)).every(isShort)).toBe(true);
    expect(screen).toContain("installed 8949…0026");
  }, 60_000);

  test("at which something is to be typed is told so, and Ctrl-C ends the wait", async () => {
    await served();
    for (const args of [
      ["profile", "download"],
      ["package", "decode", "-"],
      ["imei-lock", "unlock", "--reason", "ticket 1"],
    ]) {
      let isLeft = false;
      const { code, screen } = await atTerminal(args, {
        onScreen: (all, { kill }) => {
          if (isLeft || !all.includes("Ctrl-D")) return;
          isLeft = true;
          kill("SIGINT");
        },
      });
      expect([args, code, screen]).toEqual([args, 130, expect.stringContaining("reading from the terminal")]);
    }
  }, 60_000);

  test("of simward ui has the address, and Ctrl-C ends it well", async () => {
    await served();
    const { code, screen } = await atTerminal(["ui"], {
      env: { NO_COLOR: "1" },
      onScreen: (shown, { kill }) => {
        if (shown.includes("ends it")) kill("SIGINT");
      },
    });
    expect(code).toBe(0);
    expect(screen).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\S{40,}\r\n/);
  }, 60_000);
});

describe("a reader that has seen enough", () => {
  test.each([
    ["a stream that ends", "audit export --jsonl"],
    ["a stream that does not end", "events --jsonl --after 0"],
    ["what follows", "audit tail --follow"],
  ])(
    "ends %s quietly, with 0",
    async (_what, line) => {
      const record = {
        time: "2026-06-01T12:00:00.000Z",
        timeSource: "network",
        event: "daemon.started",
        cause: "start",
        prev: "0".repeat(64),
      } as const;
      const head = { schema: "simward/audit-key/1", head: { seq: 9, hash: "0" } } as const;
      await served({
        auditKey: () => head,
        async *auditLines() {
          for (let seq = 1; seq <= 50_000; seq++) yield JSON.stringify({ seq, ...record });
        },
        auditRecords: async () => ({ schema: "simward/audit/1", records: [1, 2, 3].map((seq) => ({ seq, ...record })) }),
      });
      let seq = 3;
      const stop = new SystemClock().every(20, () => hub.publish("audit", { record: { seq: ++seq, ...record } }));
      const { stdout, stderr } = await bash(`$simward ${line} | head -n 1; echo "\${PIPESTATUS[0]}"`);
      stop();
      const lines = stdout.trimEnd().split("\n");
      expect([lines.length, lines.at(-1), stderr]).toEqual([2, "0", ""]);
    },
    60_000,
  );
});

describe("a daemon that is not what it should be", () => {
  const half = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"schema":';

  /** What listens on the sockets of all roles in its place. */
  async function standIn(onRequest: (socket: Socket, request: string) => void): Promise<void> {
    for (const role of ["viewer", "engineer", "admin"]) {
      const server = createServer((socket) => {
        socket.on("error", () => undefined);
        socket.on("data", (octets) => onRequest(socket, octets.toString("latin1")));
      });
      await new Promise<void>((done) => server.listen(join(dir, `${role}.sock`), done));
      broken.push(server);
    }
  }

  test("goes away in the middle of an answer: that is said, with 4", async () => {
    await standIn((socket) => socket.end(half));
    const { code, stdout, stderr } = await bash("$simward profile list");
    expect([code, stdout]).toEqual([4, ""]);
    expect(stderr).toContain("API_GONE: simwardd went away before it had answered");
    const json = await bash("$simward profile list --json");
    expect([json.code, JSON.parse(json.stdout), json.stderr]).toMatchObject([4, { error: { code: "API_GONE" } }, ""]);
  }, 60_000);

  test("and with --wait a question is asked again, an order is not", async () => {
    let asked = 0;
    const whole = JSON.stringify({ schema: "simward/profiles/1", eid: "", profiles: [] });
    await standIn((socket, request) => {
      asked++;
      if (request.startsWith("POST") || asked === 1) socket.end(half);
      else socket.end(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${whole.length}\r\n\r\n${whole}`);
    });
    const question = await bash("$simward profile list --wait 30s");
    expect(question).toMatchObject({ code: 0, stderr: expect.stringContaining("waiting: simwardd went away") });
    expect(asked).toBe(2);
    asked = 0;
    const order = await bash("$simward notif deliver --wait 30s");
    expect(order).toMatchObject({ code: 4, stderr: expect.stringContaining("whether an order was carried out: simward audit tail") });
    expect(asked).toBe(1);
  }, 60_000);

  test.each([
    ["says nothing", ""],
    ["falls silent in the middle of its answer", half],
  ])(
    "%s: --timeout ends it, with 7",
    async (_what, beginning) => {
      const open = new Set<Socket>();
      await standIn((socket) => {
        open.add(socket);
        socket.write(beginning);
      });
      const { code, stderr } = await bash("$simward profile list --timeout 300ms");
      for (const socket of open) socket.destroy();
      expect(code).toBe(7);
      expect(stderr).toContain("DEADLINE");
      expect(stderr).toContain("after 300 ms");
    },
    60_000,
  );
});
