// Every verb of the command line on the virtual vehicle: for people at 80 and at 40 columns, and as JSON, against the files in golden/ (UPDATE=1 writes them
// anew). What differs from run to run is settled in the daemon's answers, before the command line gets them; JSON is what its published schema says.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ApiServices } from "../../../agent/api/route.ts";
import { serveApi } from "../../../agent/api/server.ts";
import { runCli } from "../../../agent/cli/main.ts";
import { loadVerbs } from "../../../agent/cli/verbs/table.ts";
import { silentLog } from "../../../base/log.ts";
import { bootstrap, fleet, inWorld, pki, second, type World } from "../../support/e2e.ts";
import { expectAnswer } from "../../support/openapi.ts";
import { settled, settledText } from "../../support/settled.ts";
import { type GoldenRun, goldenVehicles, neverDone } from "./golden-runs.ts";
import { type Tape, taped } from "./golden-tape.ts";

const goldenDir = join(import.meta.dirname, "golden");
const verbs = await loadVerbs();
let dir = "";
/** Of all its runs. */
const shown = new Map<string, string>();
const documents = new Map<string, readonly unknown[]>();

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
      if (args.includes("--follow") || args.includes("events") || args.includes("ui")) leaving.abort();
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
/** Verbs of which a run that is none in words only ended well at each width and as JSON, and said something. */
const done = new Set<string>();

interface Look {
  readonly what: string;
  readonly columns: number | undefined;
  readonly given: readonly string[];
}

/** Checks that run side by side end in any order. */
const finding =
  /^\[\d+(?=\/\d+\] [a-z-]+ (?:pass|warn|fail|skip)$)|(?<=^\{"type":"progress","step":"[a-z-]+","n":)\d+(?=,"of":\d+,"level":)/;

function inOrder(lines: readonly string[]): readonly string[] {
  const found = lines
    .filter((one) => finding.test(one))
    .map((one) => one.replace(finding, (all) => all.replace(/\d+/, "0")))
    .sort();
  return lines.map((one) => (finding.test(one) ? (found.shift() ?? "") : one));
}

async function look({ verb, args, lines, each }: GoldenRun, { what, columns, given }: Look): Promise<Ran & { readonly text: string }> {
  await each?.();
  const line = ["--state-dir", join(dir, "state"), ...verb.split(" "), ...given, ...(columns === undefined ? ["--json"] : [])];
  const ran = await simward(columns, line);
  const clean = (text: string): string =>
    inOrder(text.replaceAll(dir, "/tmp/simward").split("\n"))
      .map((one) => (one.startsWith("{") ? JSON.stringify(settled(JSON.parse(one))) : settledText(one)))
      .slice(0, lines)
      .join("\n")
      .trimEnd();
  const parts = [`=== simward ${verb} ${args.map((arg) => arg.replaceAll(dir, "/tmp/simward")).join(" ")} (${what}) -> ${ran.code}`];
  if (ran.stdout !== "") parts.push(clean(ran.stdout));
  const said = clean(ran.stderr);
  if (said !== "") parts.push(`--- stderr\n${said}`);
  return { ...ran, text: `${parts.join("\n")}\n` };
}

async function runOn(world: World, tape: Tape<unknown>, runs: readonly GoldenRun[]): Promise<void> {
  for (const one of runs) {
    const { verb, args, before } = one;
    tape.off();
    await before?.(world);
    if (one.once === true) tape.record();
    const given = (await one.given?.(world)) ?? args;
    const wide = await look(one, { what: "80 columns", columns: 80, given });
    if (one.once === true) tape.play();
    const narrow = await look(one, { what: "40 columns", columns: 40, given });
    if (one.once === true) tape.play();
    const json = await look(one, { what: "JSON", columns: undefined, given });
    shown.set(verb, `${shown.get(verb) ?? ""}${wide.text}${narrow.text}${json.text}`);
    const looks = [wide, narrow, json];
    if (!args.includes("--dry-run") && looks.every(({ code, stdout }) => code === 0 && stdout !== "")) done.add(verb);
    const said = json.stdout.split("\n").filter((text) => text.startsWith("{"));
    documents.set(verb, [...(documents.get(verb) ?? []), ...said.map((text) => JSON.parse(text) as unknown)]);
  }
}

async function putFiles(): Promise<void> {
  await mkdir(join(dir, "state"));
  await writeFile(join(dir, "package"), "BF5103020100");
  await writeFile(join(dir, "code"), "LPA:1$smdp.example.com$NOBODY\n");
  await writeFile(join(dir, "rules.json"), "{}");
  await writeFile(join(dir, "rules.json.sig"), "AAAA");
  await writeFile(join(dir, "simward.toml"), '[modem]\naddress = "serial:/dev/ttyUSB2"\n');
}

describe("every verb on a virtual vehicle", () => {
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "simward-golden-"));
    await putFiles();
    for (const { given, runs } of goldenVehicles(dir))
      await inWorld(given, async (world) => {
        const tape = taped<ApiServices>(world.agent);
        const api = await serveApi({ dir }, tape.services, silentLog);
        try {
          await runOn(world, tape, runs);
        } finally {
          await api.close();
        }
      });
  }, 240_000);
  afterAll(() => rm(dir, { recursive: true, force: true }));

  /** An auditor gets the trail as it is, and a JSON Schema is one of its own. */
  const noAnswer = new Set(["audit export", "config schema"]);
  /** For who pays. */
  const unmasked = new Set(["usage export"]);

  test("has been seen to do what it is for, or never does", () => {
    expect(verbs.map(({ name }) => name).filter((name) => !done.has(name))).toEqual(Object.keys(neverDone).sort(byTable));
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
      if (noAnswer.has(name)) return;
      for (const document of all) expectAnswer(withoutType(document));
      if (unmasked.has(name)) return;
      const text = JSON.stringify(all);
      for (const secret of [bootstrap.iccid, second.iccid, fleet.matchingId, "WVWZZZ1JZXW000001", pki.subjects.eid])
        expect(text).not.toContain(secret);
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

function byTable(a: string, b: string): number {
  const at = (name: string): number => verbs.findIndex((one) => one.name === name);
  return at(a) - at(b);
}

/** What says that there was progress is around the document. */
function withoutType(document: unknown): unknown {
  const { type, ...rest } = document as { readonly type?: string };
  return type === "result" ? rest : document;
}
