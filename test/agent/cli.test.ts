import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createEventHub } from "../../agent/api/events.ts";
import { type ApiServer, serveApi } from "../../agent/api/server.ts";
import type { Status } from "../../agent/api/types.ts";
import { openAudit } from "../../agent/audit/log.ts";
import { runCli } from "../../agent/cli/main.ts";
import { loadVerbs } from "../../agent/cli/verbs/table.ts";
import { openAgentState } from "../../agent/state/agent-state.ts";
import { VirtualClock } from "../../base/clock.ts";
import { realDisk } from "../../base/disk.ts";
import { silentLog } from "../../base/log.ts";
import { quietLocalActs } from "../support/local-acts.ts";

const verbs = await loadVerbs();

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Terminal {
  readonly columns?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Called with all that stdout has got so far. */
  readonly onOutput?: (stdout: string) => unknown;
}

let dir = "";
const cli = (...args: readonly string[]): Promise<Ran> => cliOn({}, ...args);
async function cliOn({ columns, env, signal, onOutput }: Terminal, ...args: readonly string[]): Promise<Ran> {
  let stdout = "";
  let stderr = "";
  const code = await runCli(args, {
    stdout: (text) => {
      stdout += text;
      onOutput?.(stdout);
    },
    stderr: (text) => {
      stderr += text;
    },
    columns,
    env: { SIMWARD_API_DIR: dir, ...env },
    signal: signal ?? new AbortController().signal,
  });
  return { code, stdout, stderr };
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-cli-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe("without a daemon", () => {
  test("a verb that needs one says so and exits 4", async () => {
    const { code, stderr, stdout } = await cli("status");
    expect(code).toBe(4);
    expect(stdout).toBe("");
    expect(stderr).toContain("API_NOT_RUNNING");
    expect(stderr).toContain("next: systemctl status simwardd");
    const json = await cli("status", "--json");
    expect(JSON.parse(json.stdout)).toMatchObject({ schema: "simward/error/1", error: { code: "API_NOT_RUNNING" } });
  });

  test("bad command lines exit 2 and name what is wrong", async () => {
    for (const [args, message] of [
      [["statos"], /there is no verb "statos"; did you mean simward status\?/],
      [["poll"], /did you mean simward eim poll\?/],
      [["audit", "tial"], /did you mean simward audit tail\?/],
      [["autid", "tail"], /did you mean simward audit tail\?/],
      [["profle", "list"], /did you mean simward profile list\?/],
      [["conjure", "rabbits"], /there is no verb "conjure rabbits"\n/],
      [["status", "now"], /too many arguments/],
      [["status", "--frob"], /unknown option '--frob'/],
      [["audit"], /Usage: simward audit[\s\S]*tail[\s\S]*verify/],
      [[], /Usage: simward [\s\S]*audit +tail, query, export, key,\s+verify/],
      [["audit", "tail", "--lines", "0"], /--lines 0: give a whole number from 1/],
      [["audit", "tail", "--timeout", "soon"], /--timeout soon/],
      [["package", "decode"], /give hex, a file/],
      [["events", "--after", "x"], /--after x/],
    ] as const) {
      const { code, stderr } = await cli(...args);
      expect(code, args.join(" ")).toBe(2);
      expect(stderr).toMatch(message);
    }
  });

  test("every verb has a help with an example that names it", async () => {
    for (const verb of verbs) {
      const { code, stdout } = await cli(...verb.name.split(" "), "--help");
      expect(code).toBe(0);
      expect(stdout).toContain(`simward ${verb.name}`);
      expect(verb.example.startsWith(`simward ${verb.name}`)).toBe(true);
    }
  });

  test("global options stand anywhere, also with =; behind -- nothing is an option", async () => {
    for (const args of [
      ["--json", "status"],
      ["status", "--json"],
      ["status", "--socket=/nowhere", "--json"],
      ["status", "--json", "--socket", "/nowhere"],
    ])
      expect(JSON.parse((await cli(...args)).stdout)).toMatchObject({ error: { code: "API_NOT_RUNNING" } });
    expect(await cli("package", "decode", "--", "--json")).toMatchObject({
      code: 3,
      stderr: expect.stringContaining("--json is neither hex"),
    });
  });

  test("package decode shows path, tag, offset and value", async () => {
    const { code, stdout } = await cli(
      "package",
      "decode",
      "--type",
      "EuiccPackageRequest",
      "BF513A3033800465696D315A108904903212345123451234567890123581012A8204AABBCCDDA010A30E5A0A9800103254769810321405005F37021122",
    );
    expect(code).toBe(0);
    expect(stdout).toContain("eim1");
    expect(stdout).toMatch(/counterValue.*42/);
    expect(stdout).toContain("rollbackFlag");
    const json = await cli("package", "decode", "--json", "BF4F03020101");
    expect(JSON.parse(json.stdout)).toMatchObject({
      schema: "simward/decoded/1",
      type: "GetEimPackageResponse",
      octets: 6,
      nodes: expect.arrayContaining([
        expect.objectContaining({ tagName: "02", offset: 3, value: expect.stringContaining("noEimPackageAvailable") }),
      ]),
    });
  });

  test("package decode reads files in hex, base64 and DER, and re-encodes", async () => {
    const der = Buffer.from("BF5009BF5306800101800102", "hex");
    await writeFile(join(dir, "der"), der);
    await writeFile(join(dir, "hex"), `${der.toString("hex")}\n`);
    await writeFile(join(dir, "base64"), `${der.toString("base64")}\n`);
    for (const name of ["der", "hex", "base64"]) {
      const { stdout } = await cli("package", "decode", "--type", "ProvideEimPackageResultResponse", "--reencode", join(dir, name));
      expect(stdout).toBe("BF5009BF5306800101800102\n");
    }
    expect((await cli("package", "decode", "--reencode", "--type", "EimAcknowledgements", "BF538106800101800102")).stdout).toBe(
      "BF5306800101800102\n",
    );
  });

  test("package decode says what is wrong with a bad object, and where", async () => {
    const short = await cli("package", "decode", "--type", "GetEimPackageResponse", "BF4F0302");
    expect(short.code).toBe(2);
    expect(short.stderr).toMatch(/ASN1_TRUNCATED.*offset/);
    const wrong = await cli("package", "decode", "--type", "EuiccPackageRequest", "BF51053003800165");
    expect(wrong.stderr).toMatch(/ASN1_MISSING.*EuiccPackageRequest/);
    expect((await cli("package", "decode", "--type", "EuiccPackageReqest", "BF5100")).stderr).toMatch(/ASN1_UNKNOWN_TYPE/);
    expect((await cli("package", "decode", "/nonexistent")).code).toBe(3);
    expect((await cli("package", "decode", "--list")).stdout).toContain("EuiccPackageResult\n");
  });

  test("audit verify reads the files; a broken trail exits 1 and is located; an anchor finds a cut-off end", async () => {
    const trail = join(dir, "state/audit");
    const audit = await openAudit({ disk: realDisk(trail), clock: new VirtualClock() });
    for (let i = 0; i < 3; i++) await audit.append({ event: "tick", cause: "test" });
    const whole = await cli("audit", "verify", "--state-dir", join(dir, "state"));
    expect(whole.code).toBe(0);
    expect(whole.stdout).toContain(`head 3:${audit.head.hash}`);
    expect((await cli("audit", "verify", trail, "--anchor", `3:${audit.head.hash}`)).code).toBe(0);
    const cut = await cli("audit", "verify", trail, "--json", "--anchor", `9:${audit.head.hash}`);
    expect(cut.code).toBe(1);
    expect(JSON.parse(cut.stdout)).toMatchObject({ ok: false, problem: { reason: expect.stringContaining("seq 9") } });
    expect((await cli("audit", "verify", trail, "--anchor", "3")).code).toBe(2);
    expect((await cli("audit", "verify", join(dir, "nothing"))).code).toBe(3);
  });

  test("audit verify finds an end that was cut off by what the state remembers", async () => {
    const stateDir = join(dir, "remembers");
    const audit = await openAudit({ disk: realDisk(join(stateDir, "audit")), clock: new VirtualClock() });
    for (let i = 0; i < 3; i++) await audit.append({ event: "tick", cause: "test" });
    const state = await openAgentState(realDisk(stateDir));
    await state.update((before) => ({ ...before, auditHead: audit.head }));
    await audit.append({ event: "after", cause: "test" });
    const whole = await cli("audit", "verify", "--json", "--state-dir", stateDir);
    expect([whole.code, JSON.parse(whole.stdout)]).toMatchObject([0, { ok: true, storedHead: { seq: 3 }, head: { seq: 4 } }]);
    expect((await cli("audit", "verify", "--state-dir", stateDir)).stdout).toContain("it holds seq 3, the last that the state knows of");
    const segment = join(stateDir, "audit/00000001.jsonl");
    const lines = (await readFile(segment, "utf8")).split("\n");
    await writeFile(segment, `${lines.slice(0, 2).join("\n")}\n`);
    const cut = await cli("audit", "verify", "--json", "--state-dir", stateDir);
    expect([cut.code, JSON.parse(cut.stdout)]).toMatchObject([1, { ok: false, problem: { reason: expect.stringContaining("seq 3") } }]);
    // Without the state the chain alone says nothing of it, and that is said.
    for (const slot of [0, 1]) await writeFile(join(stateDir, `state.${slot}.json`), "{}");
    const blind = await cli("audit", "verify", "--state-dir", stateDir);
    expect([blind.code, blind.stderr]).toEqual([0, expect.stringContaining("is not compared with the state")]);
  });

  test("config validate reads a file as the daemon would", async () => {
    await writeFile(join(dir, "good.toml"), '[modem]\naddress = "pty:/x"\n');
    await writeFile(join(dir, "bad.toml"), '[modem]\naddres = "pty:/x"\n');
    expect((await cli("config", "validate", join(dir, "good.toml"))).code).toBe(0);
    const bad = await cli("config", "validate", join(dir, "bad.toml"));
    expect(bad.code).toBe(2);
    expect(bad.stderr).toContain("modem.addres is no setting");
  });
});

describe("with a daemon", () => {
  let server: ApiServer | undefined;
  const status: Status = {
    schema: "simward/status/1",
    version: "1.0.0",
    time: "2026-06-01T00:00:00.000Z",
    timeSource: "nitz",
    uptimeMs: 1_000,
    card: { eid: "89049032123451234512345678901235", sgp32Version: "1.2.0", ipaMode: "ipad", freeNvmBytes: 421_888 },
    profiles: [{ iccid: "8944500102198304826", state: "enabled", name: "Global boot", profileClass: "operational" }],
    network: {
      link: "ready",
      registration: "roaming",
      rat: "lte-m",
      plmn: "28601",
      rsrpDbm: -97,
      apn: "iot.example",
      address: "10.0.0.7",
      imei: "356938035643809",
    },
    eims: [
      {
        eimId: "eim.example",
        host: "eim.example",
        port: 5684,
        binding: "coaps",
        lastContact: "2026-05-31T23:46:00.000Z",
        nextPollInMs: 2_760_000,
      },
    ],
    pending: { notifications: 1, packageResults: 0 },
    audit: { seq: 12, hash: "ab".repeat(32) },
    alarms: [{ code: "EIM_NO_TRUST", message: "the eIM cannot be trusted", next: "add ca", retry: "operator" }],
  };
  let hub = createEventHub({ clock: new VirtualClock() });
  /** Given, a poll never ends. */
  let begun: (() => void) | undefined;

  beforeEach(async () => {
    hub = createEventHub({ clock: new VirtualClock() });
    begun = undefined;
    const never = async (): Promise<never> => {
      throw new Error("not asked for");
    };
    server = await serveApi(
      { dir },
      {
        ...quietLocalActs,
        status: async () => status,
        profiles: async () => ({ schema: "simward/profiles/1", eid: status.card?.eid ?? "", profiles: status.profiles }),
        pollEim: async () => {
          begun?.();
          if (begun !== undefined) await new Promise(() => undefined);
          hub.publish("step", { name: "ESipa.GetEimPackage", sentBytes: 21, receivedBytes: 6, durationMs: 120 });
          return {
            schema: "simward/poll/1",
            eims: [
              { eimId: "e1", packages: 2, outcome: "done" },
              {
                eimId: "e2",
                packages: 0,
                outcome: "failed",
                error: { code: "DTLS_TIMEOUT", message: "no answer", next: "simward eim test", retry: "online" },
              },
            ],
          };
        },
        auditRecords: async () => ({
          schema: "simward/audit/1",
          records: [
            {
              seq: 1,
              time: "2026-06-01T00:00:00.000Z",
              timeSource: "nitz",
              event: "profile.enabled",
              cause: "eim:e1",
              data: { iccid: "8944500102198304826" },
              prev: "0".repeat(64),
            },
          ],
        }),
        verifyAudit: never,
        events: (after, fn) => hub.subscribe(after, fn),
        auditAdminAct: async () => {},
      },
      silentLog,
    );
  });
  afterEach(() => server?.close());

  test("status is one screen, identifiers masked; --show-ids shows them; --json is one object", async () => {
    const { code, stdout } = await cli("status");
    expect(code).toBe(0);
    expect(stdout).toBe(
      [
        "Card     EID 8904…1235  SGP.32 v1.2.0 (IPAd)  free 412 KiB",
        'Profile  8944…4826  "Global boot"  enabled',
        "Module   IMEI 3569…3809",
        "Network  LTE-M  286 01  roaming  RSRP -97  APN iot.example  online 10.0.0.7",
        "eIM      eim.example  coaps://eim.example:5684  last contact 14 min ago  next poll in 46 min",
        "Queue    1 notification  to be delivered",
        "Audit    12 records  head abababababab",
        "Alarm    EIM_NO_TRUST: the eIM cannot be trusted  -> add ca",
        "",
      ].join("\n"),
    );
    expect((await cli("status", "--show-ids")).stdout).toContain("89049032123451234512345678901235");
    expect(JSON.parse((await cli("--json", "status")).stdout)).toMatchObject({ schema: "simward/status/1", card: { eid: "8904…1235" } });
  });

  test("a terminal of 40 columns still reads well", async () => {
    const { stdout } = await cliOn({ columns: 40, env: { NO_COLOR: "1" } }, "status");
    expect(stdout).toBe(
      [
        "Card     EID 8904…1235",
        "         SGP.32 v1.2.0 (IPAd)",
        "         free 412 KiB",
        'Profile  8944…4826  "Global boot"',
        "         enabled",
        "Module   IMEI 3569…3809",
        "Network  LTE-M  286 01  roaming",
        "         RSRP -97  APN iot.example",
        "         online 10.0.0.7",
        "eIM      eim.example",
        "         coaps://eim.example:5684",
        "         last contact 14 min ago",
        "         next poll in 46 min",
        "Queue    1 notification  to be delivered",
        "Audit    12 records  head abababababab",
        "Alarm    EIM_NO_TRUST: the eIM cannot be",
        "         trusted  -> add ca",
        "",
      ].join("\n"),
    );
    const list = (await cliOn({ columns: 40, env: { NO_COLOR: "1" } }, "profile", "list")).stdout;
    expect(list).toBe("ICCID  8944…4826\nSTATE  enabled\nCLASS  operational\nNAME   Global boot\n");
    const poll = await cliOn({ columns: 40, env: { NO_COLOR: "1" } }, "eim", "poll");
    for (const line of [...poll.stdout.split("\n"), ...poll.stderr.split("\n")]) expect(line.length).toBeLessThanOrEqual(44);
  });

  test("colour is for terminals, unless it is not wanted; it takes no room in columns", async () => {
    const csi = "\u001b[";
    const colored = (await cliOn({ columns: 100 }, "status")).stdout;
    expect(colored).toContain(`${csi}32menabled${csi}0m`);
    const plain = (await cliOn({ columns: 100 }, "status", "--plain")).stdout;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is taken out.
    expect(colored.replace(/\u001b\[\d+m/g, "")).toBe(plain);
    for (const quiet of [
      await cliOn({ columns: 100, env: { NO_COLOR: "1" } }, "status"),
      await cliOn({ columns: 100 }, "status", "--json"),
      await cli("status"),
    ])
      expect(quiet.stdout).not.toContain(csi);
  });

  test("profile list is a table", async () => {
    const { stdout } = await cli("profile", "list");
    expect(stdout.split("\n")[0]).toMatch(/^ICCID\s+STATE\s+CLASS\s+NAME/);
    const [head = "", row = ""] = stdout.split("\n");
    expect(row).toMatch(/^8944…4826 {2}enabled {2}operational {2}Global boot/);
    expect(row.indexOf("operational")).toBe(head.indexOf("CLASS"));
  });

  test("eim poll shows progress on stderr, the outcome on stdout, and exits 13 when only some failed", async () => {
    const { code, stdout, stderr } = await cli("eim", "poll");
    expect(code).toBe(13);
    expect(stdout).toBe("e1  2 packages answered\ne2  failed  DTLS_TIMEOUT: no answer  next: simward eim test\n");
    expect(stderr).toMatch(/ESipa\.GetEimPackage\s+21 B out\s+6 B in\s+120 ms/);
  });

  test("audit tail prints a record a line", async () => {
    expect((await cli("audit", "tail")).stdout).toMatch(
      /^ +1 {2}2026-06-01T00:00:00\.000Z {2}profile\.enabled +eim:e1 {2}iccid=8944…4826\n$/,
    );
    expect(JSON.parse((await cli("audit", "tail", "--json", "--show-ids")).stdout)).toMatchObject({
      seq: 1,
      data: { iccid: "8944500102198304826" },
    });
  });

  test("events end where they are told to", async () => {
    hub.publish("profile.enabled", { iccid: "8944500102198304826", fromIccid: null, eimId: "e1" });
    const { code, stdout } = await cli("events", "--after", "0", "--until", "profile.enabled");
    expect(code).toBe(0);
    expect(stdout).toContain("profile enabled: 8944…4826");
  });

  test("in JSON every line names its schema, on stdout and on stderr", async () => {
    hub.publish("audit", { record: { seq: 1 } });
    for (const args of [
      ["audit", "tail"],
      ["eim", "poll"],
      ["events", "--after", "0", "--until", "audit"],
      ["profile", "list"],
      ["status"],
    ]) {
      const { stdout, stderr } = await cli(...args, "--json");
      const lines = [...stdout.split("\n"), ...stderr.split("\n")].filter((line) => line !== "");
      expect(lines.length).toBeGreaterThan(0);
      for (const line of lines) expect(JSON.parse(line)).toMatchObject({ schema: expect.stringMatching(/^simward\/[a-z-]+\/1$/) });
    }
  });

  const follow = (seqs: readonly number[]) => {
    for (const seq of seqs)
      hub.publish("audit", {
        record: { seq, time: "2026-06-01T00:00:00.000Z", event: seq % 2 === 0 ? "profile.enabled" : "path.up", cause: "x" },
      });
  };

  test("audit tail --follow misses nothing and repeats nothing; who leaves is satisfied", async () => {
    follow([1, 2, 3]);
    const leaving = new AbortController();
    const { code, stdout } = await cliOn(
      {
        signal: leaving.signal,
        onOutput: (text) => {
          if (text.includes("     3  ") && !text.includes("     4  ")) follow([4]);
          if (text.includes("     4  ")) leaving.abort();
        },
      },
      "audit",
      "tail",
      "--follow",
    );
    expect(stdout.match(/^ +\d+/gm)?.map(Number)).toEqual([1, 2, 3, 4]);
    expect([0, 130]).toContain(code);
  });

  test("a daemon that ends while it is listened to is told, with exit 4", async () => {
    follow([2]);
    const stopped = cliOn({ onOutput: (text) => text.includes("     2  ") && void server?.close() }, "audit", "tail", "--follow");
    expect(await stopped).toMatchObject({ code: 4, stderr: expect.stringContaining("the daemon ended the stream") });
  });

  test("Ctrl-C ends the waiting, not the poll, with exit 130", async () => {
    const interrupted = new AbortController();
    begun = () => interrupted.abort();
    const { code, stderr, stdout } = await cliOn({ signal: interrupted.signal }, "eim", "poll", "--quiet");
    expect({ code, stderr, stdout }).toEqual({
      code: 130,
      stderr: "not waited for any longer; the daemon goes on: simward status shows it\n",
      stdout: "",
    });
  });
});
