// Every verb of the command line on the virtual vehicle: for people at 80 and at 40 columns, and as JSON, against the files in golden/ (UPDATE=1 writes them
// anew). What differs from run to run is settled in the daemon's answers, before the command line gets them; JSON is what its published schema says.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ApiServices } from "../../../agent/api/route.ts";
import { type ApiServer, serveApi } from "../../../agent/api/server.ts";
import { runCli } from "../../../agent/cli/main.ts";
import { loadVerbs } from "../../../agent/cli/verbs/table.ts";
import { silentLog } from "../../../base/log.ts";
import { bootstrap, fleet, inWorld, second, type World } from "../../support/e2e.ts";
import { expectAnswer } from "../../support/openapi.ts";
import { settled, settledText } from "../../support/settled.ts";
import { goldenRuns } from "./golden-runs.ts";

const goldenDir = join(import.meta.dirname, "golden");
const verbs = await loadVerbs();
let dir = "";
const shown = new Map<string, string>();
const documents = new Map<string, readonly unknown[]>();

/** The daemon's services, each answer settled. */
function settledServices<T extends object>(services: T): T {
  return new Proxy(services, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value === "function")
        return (...args: readonly unknown[]) => {
          const listening = args.map((arg) => (typeof arg === "function" ? (event: unknown) => arg(settled(event)) : arg));
          const answer = Reflect.apply(value, target, name === "events" ? listening : args) as unknown;
          if (answer instanceof Promise) return answer.then((one) => settled(one));
          return isLines(answer) ? settledLines(answer) : typeof answer === "function" ? answer : settled(answer);
        };
      return typeof value === "object" && value !== null ? settledServices(value) : value;
    },
  });
}

/** Checks that run side by side end in any order, and an order's steps are another test's subject. */
const isProgress = /^\s*\[\d+\/\d+\]|^\{"type":"progress"/;

const isLines = (value: unknown): value is AsyncIterable<unknown> =>
  typeof value === "object" && value !== null && Symbol.asyncIterator in value;

async function* settledLines(lines: AsyncIterable<unknown>): AsyncIterable<unknown> {
  for await (const line of lines) yield typeof line === "string" ? JSON.stringify(settled(JSON.parse(line))) : settled(line);
}

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function simward(columns: number | undefined, args: readonly string[]): Promise<Ran> {
  let stdout = "";
  let stderr = "";
  const leaving = new AbortController();
  const code = await runCli(args, {
    stdout: (text) => {
      stdout += text;
      // Streams have no end of their own.
      if (args.includes("--follow") || args.includes("events")) leaving.abort();
    },
    stderr: (text) => {
      stderr += text;
    },
    columns,
    env: { SIMWARD_API_DIR: dir, NO_COLOR: "1" },
    signal: leaving.signal,
  });
  return { code, stdout, stderr };
}

const file = (verb: string): string => join(goldenDir, `${verb.replaceAll(" ", "-")}.txt`);

async function runAll(world: World): Promise<void> {
  await writeFile(join(dir, "package"), "BF5103020100");
  await writeFile(join(dir, "token"), "AAAA\n");
  await writeFile(join(dir, "code"), `${world.vehicle.smdp.activationCode(fleet.matchingId)}\n`);
  await writeFile(join(dir, "rules.json"), "{}");
  await writeFile(join(dir, "rules.json.sig"), "AAAA");
  await writeFile(join(dir, "simward.toml"), '[modem]\naddress = "serial:/dev/ttyUSB2"\n');
  const places = { dir, bootstrap: bootstrap.iccid, second: second.iccid };
  for (const { verb, args, before, lines, once = false } of goldenRuns(places)) {
    await before?.(world);
    const line = ["--state-dir", join(dir, "state"), ...verb.split(" "), ...args];
    const parts: string[] = [];
    const look = async (what: string, columns: number | undefined, more: readonly string[]): Promise<Ran> => {
      const ran = await simward(columns, [...line, ...more]);
      const clean = (text: string): string =>
        text
          .replaceAll(dir, "/tmp/simward")
          .split("\n")
          .filter((one) => !isProgress.test(one))
          .map((one) => (one.startsWith("{") ? JSON.stringify(settled(JSON.parse(one))) : settledText(one)))
          .slice(0, lines)
          .join("\n")
          .trimEnd();
      parts.push(`=== simward ${verb} ${args.map((arg) => arg.replaceAll(dir, "/tmp/simward")).join(" ")} (${what}) -> ${ran.code}`);
      if (ran.stdout !== "") parts.push(clean(ran.stdout));
      const said = clean(ran.stderr);
      if (said !== "") parts.push(`--- stderr\n${said}`);
      return ran;
    };
    if (!once) {
      await look("80 columns", 80, []);
      await look("40 columns", 40, []);
    }
    const { stdout } = await look("JSON", undefined, ["--json"]);
    shown.set(verb, `${parts.join("\n")}\n`);
    documents.set(
      verb,
      stdout
        .split("\n")
        .filter((text) => text.startsWith("{"))
        .map((text) => JSON.parse(text) as unknown),
    );
  }
}

describe("every verb on the virtual vehicle", () => {
  let api: ApiServer | undefined;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "simward-golden-"));
    await inWorld({ installed: [second], cardRole: "sgp32", seed: 7 }, async (world) => {
      api = await serveApi({ dir }, settledServices<ApiServices>(world.agent), silentLog);
      try {
        await runAll(world);
      } finally {
        await api.close();
      }
    });
  }, 240_000);
  afterAll(() => rm(dir, { recursive: true, force: true }));

  /** An auditor gets the trail as it is; what was given to be decoded is shown; a JSON Schema is no answer. */
  const unmasked = new Set(["audit export", "config schema"]);

  test("is among these", () => {
    expect(verbs.map(({ name }) => name).filter((name) => !shown.has(name))).toEqual([]);
  });

  for (const { name } of verbs) {
    test(`${name}: what it says`, () => {
      const text = shown.get(name) ?? "it was not run\n";
      if (process.env.UPDATE !== undefined) {
        mkdirSync(goldenDir, { recursive: true });
        writeFileSync(file(name), text);
      }
      expect(existsSync(file(name)), `${file(name)}; UPDATE=1 writes it`).toBe(true);
      expect(text).toBe(readFileSync(file(name), "utf8"));
    });

    test(`${name}: its JSON is what its schema says, and masks what is nobody's business`, () => {
      const all = documents.get(name) ?? [];
      if (unmasked.has(name)) return;
      for (const document of all) expectAnswer(withoutType(document));
      const text = JSON.stringify(all);
      for (const secret of [bootstrap.iccid, second.iccid, fleet.matchingId]) expect(text).not.toContain(secret);
    });

    test(`${name}: at 40 columns no line is longer, unless one word is`, () => {
      const [, narrow = ""] = /=== [^\n]*\(40 columns\)[^\n]*\n([\s\S]*?)\n(?:===|--- )/.exec(shown.get(name) ?? "") ?? [];
      const raw = new Set([
        "package decode",
        "package show",
        "audit export",
        "audit query",
        "audit tail",
        "audit key",
        "completion",
        "config show",
      ]);
      const isText = /^(trace|log|modem capture|usage export|roaming export|events)/.test(name) || raw.has(name);
      const long = narrow.split("\n").filter((line) => [...line].length > 40 && line.trim().split(/\s+/).length > 3);
      if (!isText) expect(long).toEqual([]);
    });
  }

  test("no golden file is of a verb that is gone", () => {
    const names = new Set(verbs.map(({ name }) => file(name).split("/").at(-1)));
    expect(readdirSync(goldenDir).filter((one) => !names.has(one))).toEqual([]);
  });
});

/** What says that there was progress is around the document. */
function withoutType(document: unknown): unknown {
  const { type, ...rest } = document as { readonly type?: string };
  return type === "result" ? rest : document;
}
