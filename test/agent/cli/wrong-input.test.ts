// Whatever a stranger types wrong, at every verb, on a virtual vehicle: it ends with a documented exit code, and the answer names what, where and what next.
import { mkdir, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { serveApi } from "../../../agent/api/server.ts";
import { exitCodeOf, exitCodes } from "../../../agent/cli/exit.ts";
import { mostGivenBytes } from "../../../agent/cli/given.ts";
import { runCli } from "../../../agent/cli/main.ts";
import { optionsOf, type Verb } from "../../../agent/cli/verb.ts";
import { loadVerbs } from "../../../agent/cli/verbs/table.ts";
import { type ErrorCode, errorTable } from "../../../base/errors.ts";
import { silentLog } from "../../../base/log.ts";
import { type CapturedRun, capturedCli } from "../../support/captured-cli.ts";
import { bootstrap, fleet, inWorld, second } from "../../support/e2e.ts";

const verbs = await loadVerbs();
let dir = "";
const file = (name: string): string => join(dir, name);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-wrong-"));
  await mkdir(file("dir"));
  await writeFile(file("empty"), "");
  await writeFile(file("junk"), Uint8Array.of(0, 255, 254, 27, 91, 50, 74));
  // Sparse: it takes no room.
  const huge = await open(file("huge"), "w");
  await huge.truncate(1024 ** 3);
  await huge.close();
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** What no answer holds: JavaScript's own words, and what would move a terminal's cursor. */
const unheard = /undefined|\[object|\bTypeError|\bRangeError|\n {4}at |ERR_[A-Z]|without null bytes/;

function expectHelpful(line: readonly string[], { code, stdout, stderr }: CapturedRun): void {
  const typed = line.map((word) => (word.length > 100 ? `${word.slice(0, 20)}…` : word)).join(" ");
  const said = stdout + stderr;
  expect(unheard.exec(said)?.[0], `${typed}: ${said.slice(0, 500)}`).toBeUndefined();
  const controls = [...said].filter((one) => /\p{Cc}/u.test(one) && one !== "\n" && one !== "\r" && one !== "\t");
  expect(controls, typed).toEqual([]);
  expect(Object.values(exitCodes), typed).toContain(code);
  expect(said.length, typed).toBeLessThan(200_000);
  const [, errorCode, what = "", next = ""] = /^error ([A-Z0-9_]+): (.*)\n {2}next: (.*)$/m.exec(stderr) ?? [];
  if (errorCode === undefined) return;
  expect(Object.keys(errorTable), typed).toContain(errorCode);
  expect(errorCode, `${typed}: ${what}`).not.toBe("INTERNAL");
  expect(code, typed).toBe(exitCodeOf(errorCode as ErrorCode));
  expect([what.length > 0, what.length < 1_000, next.length > 5], typed).toEqual([true, true, true]);
}

const required = ({ args = [] }: Verb): readonly string[] => args.filter(({ optional }) => optional !== true).map(() => "zzz");
const meant = ({ danger, writes }: Verb): readonly string[] => [
  ...(danger === undefined ? [] : ["--yes"]),
  ...(danger === undefined && writes !== true ? [] : ["--reason", "test"]),
];
const flagOf = (flags: string): string => /--[a-z-]+/.exec(flags)?.[0] ?? "";

describe("before anything is asked of the daemon", () => {
  const nowhere = "/nowhere";

  test.each(verbs.map((verb) => [verb.name, verb] as const))("%s: the line itself", async (name, verb) => {
    const words = name.split(" ");
    const [value, ...others] = optionsOf(verb).filter(({ flags }) => flags.includes("<"));
    const flags = optionsOf(verb).filter(({ flags: one }) => !one.includes("<"));
    const has = optionsOf(verb).map(({ flags: one }) => flagOf(one));
    const foreign = ["--csv", "--fast", "--force", "--cid"].filter((one) => !has.includes(one));
    const lines = [
      [...required(verb), ...(verb.args ?? []).slice(required(verb).length).map(() => "zzz"), "more"],
      ...(required(verb).length === 0 ? [] : [required(verb).slice(1)]),
      [...required(verb), "--frob"],
      [...required(verb), foreign[0] ?? ""],
      ...[value, ...others].flatMap((one) => (one === undefined ? [] : [[...required(verb), flagOf(one.flags)]])),
      ...flags.map((one) => [...required(verb), `${flagOf(one.flags)}=3`]),
      ...["0", "-5", "1e309", "", "soon"].flatMap((time) => [
        [...required(verb), ...meant(verb), `--timeout=${time}`],
        [...required(verb), ...meant(verb), `--wait=${time}`],
      ]),
      [...required(verb), ...meant(verb), "--socket", ""],
      [...required(verb), ...meant(verb), "--state-dir", ""],
    ];
    for (const rest of lines) {
      const line = [...words, ...rest];
      const ran = await capturedCli(nowhere, line);
      expectHelpful(line, ran);
      expect([ran.code, ran.stdout], line.join(" ")).toEqual([2, ""]);
      expect(ran.stderr, line.join(" ")).toContain(`error USAGE`);
      expect(ran.stderr, line.join(" ")).toContain(`next: simward ${name} --help`);
    }
  });

  test.each<readonly [line: string, message: string]>([
    ["status --watch=3", "--watch takes no value"],
    ["emergency on --for=", "--for '': give a whole number from 1 to 7200"],
    ["events --after=-1", "--after -1: give a whole number of 0 or more"],
    ["audit query --from=-1", "--from -1: give RFC 3339"],
    ["audit query --to=2026-13-45", "--to 2026-13-45: give RFC 3339"],
    ["policy simulate --trail --from=yesterday", "--from yesterday: give RFC 3339"],
    ["lifecycle test-trigger --time=noon", "--time noon: give RFC 3339"],
    ["modem psm --tau=60", "--tau and --active go with on"],
    ["modem psm off --tau=60", "--tau and --active go with on"],
    ["modem psm on --tau=60", "on needs --tau and --active"],
    ["modem edrx --rat=gsm", "--rat gsm: give lte-m or nb-iot"],
    ["modem edrx 0x10", "0x10: give seconds"],
    ["modem edrx 1e1", "1e1: give seconds"],
    ["modem list ttyUSB2", "ttyUSB2: give auto or usb:VENDOR:PRODUCT"],
    ["net register 1", "1: give MCC and MNC digits"],
    ["usage limit 5qb --reason x", "5qb: give an amount"],
    ["imei-lock unlock --token= --reason x", "the name of the file to be read is empty"],
    ["keys install - --reason x", "the --signature is to be named"],
    ["roaming rules install - --reason x", "the --signature is to be named"],
    ["status --timeout 0", "--timeout 0: give a time"],
  ])("%s: %s", async (line, message) => {
    const { code, stderr } = await capturedCli(nowhere, line.split(" "));
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });

  test("an option that is given twice holds as it was given last", async () => {
    const { stderr } = await capturedCli(nowhere, ["emergency", "on", "--for", "0", "--for", "9999"]);
    expect(stderr).toContain("--for 9999: give");
  });

  test("a line of a hundred thousand characters is answered in one that can be read", async () => {
    for (const line of [["x".repeat(100_000)], ["net", "register", "x".repeat(100_000)], ["status", `--${"x".repeat(100_000)}`]]) {
      const ran = await capturedCli(nowhere, line);
      expectHelpful(line, ran);
      expect([ran.code, ran.stderr.length < 500]).toEqual([2, true]);
    }
  });

  test("--jsonl wins over --json, either over --plain; all together are no error", async () => {
    const { code, stdout } = await capturedCli(nowhere, ["config", "validate", "/nowhere/at.all", "--json", "--plain", "--jsonl"]);
    expect([code, JSON.parse(stdout)]).toMatchObject([2, { type: "result", error: { code: "CONFIG_READ" } }]);
  });
});

describe("a file that cannot be what is asked for", () => {
  const asks: readonly (readonly string[])[] = [
    ["keys", "install", "FILE", "--reason", "x"],
    ["roaming", "rules", "install", "FILE", "--reason", "x"],
    ["imei-lock", "unlock", "--token", "FILE", "--reason", "x"],
    ["lifecycle", "set", "operational", "--token", "FILE", "--reason", "x"],
    ["policy", "simulate", "--facts", "FILE"],
    ["profile", "download", "--ac", "FILE"],
    ["package", "load", "FILE", "--reason", "x"],
    ["package", "decode", "FILE"],
    ["eim", "add-initial", "FILE", "--reason", "x"],
  ];
  const said = async (name: string): Promise<readonly unknown[]> => {
    const all: unknown[] = [];
    for (const ask of asks) {
      const line = ask.map((word) => (word === "FILE" ? file(name) : word));
      const ran = await capturedCli("/nowhere", line);
      expectHelpful(line, ran);
      const [, code] = /error ([A-Z0-9_]+):/.exec(ran.stderr) ?? [];
      all.push([ask.slice(0, 2).join(" "), ran.code, code, ran.stderr.includes(file(name))]);
    }
    return all;
  };
  const everywhere = (...rest: readonly unknown[]): readonly unknown[] => asks.map((ask) => [ask.slice(0, 2).join(" "), ...rest]);

  test("is not there: exit 3", async () => expect(await said("none")).toEqual(everywhere(3, "NOT_FOUND", true)));

  test("is a directory: exit 2", async () => expect(await said("dir")).toEqual(everywhere(2, "USAGE", true)));

  test("has a gigabyte: exit 2, and no more of it is read than may be used", async () => {
    const before = process.memoryUsage().rss;
    expect(await said("huge")).toEqual(everywhere(2, "USAGE", true));
    expect(process.memoryUsage().rss - before).toBeLessThan(20 * mostGivenBytes);
  });

  test("has no end: it is left", async () => {
    const { code, stderr } = await capturedCli("/nowhere", ["package", "decode", "/dev/zero"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("/dev/zero has more than 16 MiB")]);
  });

  test("is no trail: exit 3, for the audit verbs", async () => {
    for (const verb of ["query", "export", "verify"]) {
      const { code, stderr } = await capturedCli("/nowhere", ["audit", verb, file("dir")]);
      expect([verb, code, stderr]).toEqual([verb, 3, expect.stringContaining(file("dir"))]);
    }
  });

  test("is nowhere to be written: exit 1 and the path", async () => {
    const { code, stderr } = await capturedCli("/nowhere", ["bugreport", "-o", join(dir, "none", "x.tgz")]);
    expect([code, stderr]).toEqual([1, expect.stringContaining(`DISK_WRITE: a file could not be written: ${join(dir, "none", "x.tgz")}`)]);
  });
});

describe("on a virtual vehicle", () => {
  const junk = ["", "-1", "1e309", "🚗üñ", "x".repeat(5_000), "\u001b[31mred\u202e\u009b2J", "../../etc", "99999999999999999999"];
  /** Streams have no end; these write a file of that name. */
  const leftOut = /^(events|ui)$/;
  /** The test's own standard input does not end. */
  const insteadOfStdin: Readonly<Record<string, readonly string[]>> = {
    "profile download": ["--ac", "/dev/null"],
    "imei-lock unlock": ["--token", "/dev/null"],
    "imei-lock repair": ["--token", "/dev/null"],
  };
  const writesFile = /--(pcap|output|config)/;

  test(
    "every argument and option of every verb, with what it cannot be; writing verbs as rehearsals",
    () =>
      inWorld({ cardRole: "sgp22", installed: [fleet, second], seed: 7 }, async (world) => {
        const server = await serveApi({ dir }, world.agent, silentLog);
        let count = 0;
        const all = verbs.flatMap((verb) => optionsOf(verb)).map(({ flags }) => flags);
        const isOfMany = (flags: string): boolean => all.filter((one) => one === flags).length > 40;
        const tried = async (line: readonly string[]): Promise<void> => {
          count++;
          expectHelpful(line, await capturedCli(dir, ["--state-dir", file("none"), ...line]));
        };
        try {
          for (const [number, verb] of verbs.filter(({ name }) => !leftOut.test(name)).entries()) {
            const given = [
              ...verb.name.split(" "),
              ...(insteadOfStdin[verb.name] ?? []),
              ...(verb.writes === true ? ["--dry-run"] : []),
              ...meant(verb),
            ];
            for (const at of (verb.args ?? []).keys())
              for (const value of junk)
                await tried([
                  ...given,
                  "--",
                  ...(verb.args ?? []).slice(0, Math.max(at + 1, required(verb).length)).map((_, i) => (i === at ? value : "zzz")),
                ]);
            // Those that all verbs take are read in one place: each verb has another of the values for them.
            const some = junk.slice(number % junk.length).slice(0, 1);
            for (const { flags } of optionsOf(verb))
              if (flags.includes("<") && !writesFile.test(flags))
                for (const value of isOfMany(flags) ? some : junk)
                  await tried([
                    ...given,
                    ...required(verb),
                    `${flagOf(flags)}=${value}`,
                    ...(verb.name === "bugreport" ? ["-o", file("empty")] : []),
                  ]);
          }
          expect(count).toBeGreaterThan(600);
          // It was all for nothing.
          expect(world.vehicle.euicc.profiles().filter(({ state }) => state === "enabled")).toMatchObject([{ iccid: bootstrap.iccid }]);
        } finally {
          await server.close();
        }
      }),
    120_000,
  );

  test("names that fit nothing, or more than one, in masked and in whole", () =>
    inWorld({ cardRole: "sgp22", installed: [fleet, second], seed: 7 }, async ({ agent }) => {
      const server = await serveApi({ dir }, agent, silentLog);
      const said = async (...line: readonly string[]) => {
        const { code, stderr } = await capturedCli(dir, line);
        return [code, stderr.split("\n").filter((text) => /^(error| {2}next)/.test(text))];
      };
      try {
        for (const verb of ["show", "enable", "delete"]) {
          const more = verb === "delete" ? ["--yes", "--reason", "x"] : [];
          expect([verb, await said("profile", verb, "12345", ...more, "--dry-run")]).toEqual([
            verb,
            [3, [expect.stringMatching(/NOT_FOUND: .*12345/), "  next: simward profile list"]],
          ]);
          const [code, lines] = await said("profile", verb, "8949", ...more, "--dry-run");
          expect([verb, code, lines]).toEqual([
            verb,
            2,
            [expect.stringMatching(/8949 fits .* and /), expect.stringContaining("next: simward profile ")],
          ]);
          expect(String(lines)).not.toContain(fleet.iccid);
        }
        expect(await said("notif", "drop", "7", "--force", "--yes", "--reason", "x")).toEqual([
          3,
          [expect.stringContaining("7"), "  next: simward notif list"],
        ]);
        expect(await said("profile", "nickname", fleet.iccid, "two\nlines")).toEqual([
          2,
          [expect.stringContaining("nickname: "), "  next: simward profile nickname --help"],
        ]);
        expect(await said("profile", "nickname", fleet.iccid, "Rhine", "--reason", "ticket 1")).toEqual([0, []]);
        expect(await said("config", "schema", "nothing.")).toEqual([
          3,
          [expect.stringContaining("nothing."), "  next: simward config schema"],
        ]);
      } finally {
        await server.close();
      }
    }));

  test("a name of the operator that would clear the terminal is shown as what it is", () =>
    inWorld({ cardRole: "sgp22", installed: [{ ...fleet, profileName: "\u001b[2J\u202eevil" }], seed: 7 }, async ({ agent }) => {
      const server = await serveApi({ dir }, agent, silentLog);
      try {
        const { stdout } = await capturedCli(dir, ["profile", "list"]);
        expect(stdout).toContain("\\u001b[2J\\u202eevil");
      } finally {
        await server.close();
      }
    }));

  test("Ctrl-C at an order that has no progress to show says that the daemon goes on", () =>
    inWorld({ cardRole: "sgp32", seed: 7 }, async ({ agent }) => {
      const leaving = new AbortController();
      const auditAdminAct: typeof agent.auditAdminAct = async () => leaving.abort();
      const server = await serveApi({ dir }, { ...agent, auditAdminAct }, silentLog);
      let stderr = "";
      try {
        const code = await runCli(["net", "apn", "test", "iot.example"], {
          stdout: () => undefined,
          stderr: (text) => {
            stderr += text;
          },
          columns: undefined,
          env: { SIMWARD_API_DIR: dir },
          signal: leaving.signal,
        });
        expect([code, stderr]).toEqual([130, expect.stringContaining("simward status")]);
      } finally {
        await server.close();
      }
    }));
});
