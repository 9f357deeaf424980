// The bug report of a vehicle in whose life random identifiers and secrets were planted wherever they can be: none of them is in any octet of the archive.
import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ApiServer, serveApi } from "../../../agent/api/server.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { silentLog } from "../../../base/log.ts";
import { integerBelow, type Random, seededRandom } from "../../../base/random.ts";
import { redactText } from "../../../base/redact.ts";
import { tarOf } from "../../../base/tar.ts";
import { createPki } from "../../../hw-sim/pki/pki.ts";
import { agentOf, during } from "../../support/agent-acts.ts";
import { type CapturedRun, capturedCli } from "../../support/captured-cli.ts";
import { FaultBench } from "../../support/fault-bench.ts";
import { expectAnswer } from "../../support/openapi.ts";
import { need, program } from "../../support/programs.ts";

const tar = program("tar");
const random = seededRandom(Number(process.env.SEED ?? 20261122));
const digitsOf = (source: Random, count: number, beginning = ""): string =>
  beginning + Array.from({ length: count - beginning.length }, () => integerBelow(source, 10)).join("");
const word = (): string => Buffer.from(random.bytes(9)).toString("base64url").replace(/[-_]/g, "x");

const withLuhn = (digits: string): string => {
  const sum = [...digits].reverse().reduce((all, digit, at) => {
    const doubled = Number(digit) * (at % 2 === 0 ? 2 : 1);
    return all + (doubled > 9 ? doubled - 9 : doubled);
  }, 0);
  return `${digits}${(10 - (sum % 10)) % 10}`;
};
/** ITU-T E.118: so that 97 divides what is left of 1 (SGP.29). */
const eidOf = (digits30: string): string => `${digits30}${String(98n - ((BigInt(digits30) * 100n) % 97n)).padStart(2, "0")}`;

const planted = {
  eid: eidOf(digitsOf(random, 30, "89049032")),
  imei: withLuhn(digitsOf(random, 14, "35")),
  iccid: withLuhn(digitsOf(random, 18, "894929")),
  imsi: digitsOf(random, 15, "26299"),
};
const secrets = {
  matchingId: word(),
  confirmationCode: digitsOf(random, 9),
  apnPassword: word(),
  psk: Buffer.from(random.bytes(16)).toString("hex"),
  pin: `7${digitsOf(random, 7)}`,
  token: Buffer.from(random.bytes(48)).toString("base64"),
};

const swapped = (digits: string): string => (digits.length % 2 === 0 ? digits : `${digits}F`).replace(/(.)(.)/g, "$2$1");
/** As text, as a card holds it, as ASCII in hex, in base64 at any offset. */
function formsOf(value: string): readonly string[] {
  const base64 = [0, 1, 2].map((offset) => {
    const text = Buffer.from(`${"x".repeat(offset)}${value}`)
      .toString("base64")
      .replace(/=+$/, "");
    return text.slice(offset === 0 ? 0 : offset + 1, -2);
  });
  return [value, Buffer.from(value).toString("hex"), ...base64, ...(/^\d+$/.test(value) ? [swapped(value)] : [])];
}

let dir = "";
let bench: FaultBench;
let server: ApiServer | undefined;
let isDriven = true;
let driving: Promise<void>;

const simward = (...args: readonly string[]): Promise<CapturedRun> => capturedCli(dir, args);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-bug-"));
  const { eid, imei, iccid, imsi } = planted;
  bench = new FaultBench({
    pki: createPki({ clock: new VirtualClock(), eid }),
    ...{ seed: 3, imei, credential: secrets.apnPassword, recorded: true },
    installed: [{ iccid, imsi, profileName: "Planted", serviceProvider: "Nobody" }],
    config: {
      apn: [{ name: "bootstrap.iot", auth: "chap", user: "fleet", password_credential: "apn-password" }],
      trace: { disk: "always" },
    },
  });
  bench.start();
  await bench.until("first poll", () => bench.polls > 0);
  const agent = agentOf(bench);
  const by = { role: "admin", peer: { uid: 0, gid: 0, pid: 1 } } as const;
  // What goes well and what does not: both leave words behind.
  const tries: (() => Promise<unknown>)[] = [
    () =>
      agent.local.downloadProfile(by, {
        activationCode: `LPA:1$dp.example.com$${secrets.matchingId}`,
        confirmationCode: secrets.confirmationCode,
      }),
    () => agent.local.enableProfile(by, { target: iccid, reason: `IMEI ${imei} shall have ${iccid}` }),
    () => agent.local.nameProfile(by, { target: iccid, nickname: "Planted" }),
    () => agent.trust.pairImei(by, { reason: `device ${imei}, card ${eid}` }),
    () => agent.trust.obeyImeiLock(by, "unlock", { token: secrets.token, reason: "ticket 123" }),
    () => agent.setEmergency("operator:0", { active: true, reason: `psk=${secrets.psk} PIN: ${secrets.pin}` }),
    () => agent.setEmergency("operator:0", { active: false }),
    () =>
      agent.auditAdminAct("planted", "admin", by.peer, { text: `${eid} ${swapped(iccid)} {"matchingId":"${secrets.matchingId}"}`, imsi }),
  ];
  for (const one of tries) await during(bench, one()).catch(() => undefined);
  bench.log.error("planted", { imsi, eid, matchingId: secrets.matchingId, text: `AT+CPIN="${secrets.pin}" for ${imsi}` });
  bench.log.debug("planted", {
    apdu: `BF2D${swapped(iccid)}9000 08${swapped(`9${imsi}`)}`,
    line: `AT+CGAUTH=1,2,"fleet","${secrets.apnPassword}"`,
  });
  await bench.pollsPass(2);
  server = await serveApi({ dir }, agent, silentLog, { clock: bench.clock });
  driving = (async () => {
    while (isDriven) {
      await bench.clock.advance(Math.min(bench.clock.nextTimerInMs() ?? 100, 100));
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
});
afterAll(async () => {
  isDriven = false;
  await driving;
  await server?.close();
  await bench.stop();
  await rm(dir, { recursive: true, force: true });
});

async function unpacked(file: string, context: Parameters<typeof need>[0]): Promise<Map<string, string>> {
  const into = await mkdtemp(join(dir, "unpacked-"));
  execFileSync(need(context, tar), ["-xzf", file, "-C", into]);
  const names = await readdir(into, { recursive: true, withFileTypes: true });
  const files = names.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
  return new Map(await Promise.all(files.map(async (path) => [path.slice(into.length + 1), await readFile(path, "latin1")] as const)));
}

describe("simward bugreport", () => {
  test("the daemon's own answer and archive hold no secret and no whole identifier, and what finds a fault", async (context) => {
    const file = join(dir, "bug.tgz");
    const { code, stdout } = await simward("bugreport", "-o", file, "--json", "--reason", `vehicle of ${planted.imei}`);
    expect(code).toBe(0);
    const said = JSON.parse(stdout);
    expect(said).toMatchObject({ schema: "simward/bugreport-file/1", id: expect.stringMatching(/^bug-[0-9a-f-]{14}$/), complete: true });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const files = await unpacked(file, context);
    const names = [...files.keys()].map((name) => name.slice(said.id.length + 1));
    expect(names).toEqual(
      expect.arrayContaining([
        ...["report.json", "versions.json", "status.json", "doctor.json", "config.json", "policy.json", "net.json", "usage.json"],
        ...["audit.jsonl", "log.jsonl", "trace.jsonl", "events.jsonl", "machine/versions.txt"],
      ]),
    );
    expect(JSON.parse(files.get(`${said.id}/report.json`) ?? "")).toMatchObject({ id: said.id, missing: {} });
    const all = [...files.values()].join("\n");
    for (const [what, value] of Object.entries({ ...planted, ...secrets }))
      for (const form of formsOf(value)) expect(all.toLowerCase().includes(form.toLowerCase()), `${what} as ${form}`).toBe(false);
    // Nor any other that the virtual vehicle came with.
    for (const { iccid } of bench.euicc.profiles()) expect(all.includes(iccid)).toBe(false);
    // They were there to be found: what is left of them is.
    for (const value of Object.values(planted).slice(0, 3))
      expect(all).toContain(`${value.slice(0, 4)}…`.replace("…", "\u00e2\u0080\u00a6"));
    for (const name of ["audit.jsonl", "log.jsonl", "trace.jsonl"])
      expect(files.get(`${said.id}/${name}`)?.length, name).toBeGreaterThan(500);
    expect(all).toContain("<secret>");
    expect(names.filter((name) => name.includes("tls"))).toEqual([]);
    expect(
      (await during(bench, agentOf(bench).auditRecords({ last: 50 }))).records.map(({ event, data }) => `${event} ${data?.id}`),
    ).toContain(`bugreport.made ${said.id}`);
    // It is not written over.
    expect(await simward("bugreport", "-o", file)).toMatchObject({ code: 2, stderr: expect.stringContaining("is there already") });
  });

  test("its document is what its type says; a viewer gets none", async () => {
    const report = await agentOf(bench).bugreport.make({ role: "engineer", peer: undefined }, undefined);
    expectAnswer(report);
    const { code } = await simward("bugreport", "--socket", join(dir, "viewer.sock"), "-o", join(dir, "no.tgz"), "--json");
    expect(code).toBe(13);
  });

  test("without the daemon there is one too, of what this machine can tell", async (context) => {
    const file = join(dir, "down.tgz");
    const config = join(dir, "simward.toml");
    await writeFile(config, `[modem]\naddress = "tcp:127.0.0.1:1"\n[paths]\nstate = "${dir}/state"\n`);
    const { code, stdout, stderr } = await simward("bugreport", "--socket", join(dir, "none.sock"), "-o", file, "--config", config);
    expect([code, stderr]).toEqual([13, expect.stringContaining("not running")]);
    const [id = ""] = stdout.split("\n");
    expect(id).toMatch(/^bug-local-[0-9a-f]{8}$/);
    const files = await unpacked(file, context);
    expect(files.get(`${id}/machine/daemon.txt`)).toContain("API_NOT_RUNNING");
    expect(files.get(`${id}/machine/config.json`)).toContain("tcp:127.0.0.1:1");
  });
});

describe("what it is made by", () => {
  test("random identifiers and secrets in random company are redacted, whatever stands around them", () => {
    const source = seededRandom(5);
    for (let n = 0; n < 2_000; n++) {
      const value = digitsOf(source, 14 + integerBelow(source, 19));
      const around = [
        `"${value}"`,
        `BF2D${swapped(value)}9000`,
        `iccid=${value};`,
        `x${value}y`,
        Buffer.from(value).toString("hex"),
        `${value}F`,
      ];
      for (const text of around) expect(redactText(text).includes(value.slice(2, -2)), text).toBe(false);
    }
    for (const text of [
      '{"confirmationCode":"1234-x y"}',
      '"{\\"matchingId\\":\\"1234-x y\\"}"',
      "psk = 1234-x",
      "PIN: 1234-x",
      'password: "1234-x y"',
      "LPA:1$dp.example.com$1234-x",
      'AT+CPWD="SC","1234-x","5678"',
    ])
      expect([text, redactText(text).includes("1234-x")]).toEqual([text, false]);
    expect(redactText("+CPIN: READY")).toBe("+CPIN: READY");
    expect(redactText('{"password_credential":"apn-password","seq":12,"hash":"')).toBe(
      '{"password_credential":"apn-password","seq":12,"hash":"',
    );
  });

  test("archives of any sizes are read back whole by tar", async (context) => {
    const source = seededRandom(6);
    const files = [0, 1, 511, 512, 513, 5_000].map((bytes) => ({ name: `dir/file-${bytes}`, content: source.bytes(bytes) }));
    const file = join(dir, "sizes.tar");
    await writeFile(file, tarOf(files, Date.UTC(2026, 5, 1)));
    const into = await mkdtemp(join(dir, "sizes-"));
    execFileSync(need(context, tar), ["-xf", file, "-C", into]);
    for (const { name, content } of files) expect(new Uint8Array(await readFile(join(into, name)))).toEqual(new Uint8Array(content));
    expect(() => tarOf([{ name: "x".repeat(101), content: new Uint8Array(0) }], 0)).toThrow(RangeError);
  });
});
