// Outside programs that tests talk to. One that is not installed is reported by name as left out, never passed over in silence.
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { TestContext } from "vitest";

export interface Program {
  readonly name: string;
  /** Undefined when it is not installed. */
  readonly path: string | undefined;
  /** For vitest's `skip(note)`. */
  readonly note: string;
}

/** Looks the program up in PATH, and where Debian keeps what only root runs. */
export function program(name: string): Program {
  const dirs = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  const path = dirs.map((dir) => join(dir, name)).find(isExecutable);
  return { name, path, note: `left out: the program ${name} is not installed` };
}

/** The program's path; leaves the test out, with the reason, when there is none. */
export function need(context: Pick<TestContext, "skip">, wanted: Program): string {
  return wanted.path ?? context.skip(wanted.note);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export interface Running {
  readonly child: ChildProcess;
  /** All it printed so far, both streams. */
  readonly output: () => string;
  /** Waits until the output holds the text; rejects when the program ends first. */
  printed(text: string | RegExp): Promise<string>;
  write(text: string): void;
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** Starts a program whose output is watched. The caller stops it. */
export function run(path: string, args: readonly string[], options: { readonly cwd?: string } = {}): Running {
  const child = spawn(path, [...args], { ...options, stdio: ["pipe", "pipe", "pipe"] });
  let text = "";
  let ended: string | undefined;
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const check of [...waiting]) check();
  };
  const add = (chunk: Buffer): void => {
    text += chunk.toString("latin1");
    wake();
  };
  child.stdout.on("data", add);
  child.stderr.on("data", add);
  // A write to a program that has gone is told by its end.
  child.stdin.on("error", () => {});
  const closed = new Promise<void>((resolve) => {
    const end = (reason: string): void => {
      ended ??= reason;
      wake();
      resolve();
    };
    child.once("error", (error) => end(error.message));
    child.once("close", (code, signal) => end(`ended with ${signal ?? code}`));
  });
  return {
    child,
    output: () => text,
    printed(wanted) {
      return new Promise((resolve, reject) => {
        const check = (): void => {
          if (typeof wanted === "string" ? text.includes(wanted) : wanted.test(text)) resolve(text);
          else if (ended !== undefined) reject(new Error(`${path} ${ended} without printing ${wanted}:\n${text}`));
          else return;
          waiting.delete(check);
        };
        waiting.add(check);
        check();
      });
    },
    write: (input) => {
      child.stdin.write(input);
    },
    ended: closed,
    async stop() {
      if (ended === undefined) child.kill("SIGKILL");
      await closed;
    },
  };
}
