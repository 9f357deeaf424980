// --dry-run against a virtual vehicle: what it says is what then goes out, to the octet; and until then nothing does, nothing changes, nothing is audited.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { DryRun } from "../../../agent/api/cli-types.ts";
import { serveApi } from "../../../agent/api/server.ts";
import { digitsToBcd, toHexUpper } from "../../../base/bytes.ts";
import { silentLog } from "../../../base/log.ts";
import { encode } from "../../../ipa/asn1/schema.ts";
import { contentOf, readTlv } from "../../../ipa/asn1/tlv.ts";
import { es10Functions } from "../../../ipa/euicc/es10.ts";
import { GetEimPackageRequest } from "../../../ipa/messages/esipa.ts";
import { type CapturedRun, capturedCli } from "../../support/captured-cli.ts";
import { bootstrap, fleet, type Given, inWorld, type World } from "../../support/e2e.ts";

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-dry-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

interface Bench extends World {
  simward(...args: readonly string[]): Promise<CapturedRun>;
  rehearsed(...args: readonly string[]): Promise<DryRun>;
  /** What went to module and card since it was asked last. */
  sent(): { readonly lines: readonly string[]; readonly functions: readonly string[]; readonly apdus: readonly string[] };
}

async function onVehicle(given: Omit<Given, "run">, run: (bench: Bench) => Promise<void>): Promise<void> {
  await inWorld(given, async (world) => {
    const server = await serveApi({ dir }, world.agent, silentLog);
    const lines: string[] = [];
    const functions: string[] = [];
    const apdus: string[] = [];
    const stop = world.trace.listen(["at", "es10", "apdu"], ({ layer, direction, text, name, octets, traceId }) => {
      // What the daemon does of itself meanwhile is none of it.
      if (direction !== "tx" || traceId?.startsWith("api-") !== true) return;
      if (layer === "at") lines.push((text ?? new TextDecoder().decode(octets)).trim());
      else if (layer === "es10") functions.push(name ?? "");
      else if (octets !== undefined) apdus.push(toHexUpper(octets));
    });
    const simward: Bench["simward"] = (...args) => capturedCli(dir, args);
    try {
      await run({
        ...world,
        simward,
        async rehearsed(...args) {
          const { code, stdout } = await simward(...args, "--dry-run", "--json", "--show-ids");
          expect([code, stdout]).toEqual([0, expect.stringContaining("simward/dry-run/1")]);
          return JSON.parse(stdout) as DryRun;
        },
        sent: () => ({ lines: lines.splice(0), functions: functions.splice(0), apdus: apdus.splice(0) }),
      });
    } finally {
      stop();
      await server.close();
    }
  });
}

/** Channels are opened and closed for what only reads; +CGAUTH is shown by its name only, also where it asks. */
const harmless =
  /\?$|^AT\+(CCHO|CGLA|CCHC|CRSM=(176|178|192|242)|CSQ|CESQ|QCSQ|QNWINFO|CEDRXRDP)|^AT\+QCFG="[a-z]+"$|^AT$|^\+CGAUTH \.\.\.$/;
const readers: readonly string[] = es10Functions.filter((one) => one.reads === true).map(({ name }) => name);
const meant = ["--yes", "--reason", "ticket 1"];
/** Without the logical channel, which the way to the card chooses. */
const classless = (apdu: string): string => apdu.slice(2);

function expectUntouched({ lines, functions }: ReturnType<Bench["sent"]>): void {
  expect(lines.filter((line) => !harmless.test(line))).toEqual([]);
  expect(functions.filter((name) => !readers.includes(name))).toEqual([]);
}

describe("ES10: a consumer eUICC, two profiles", () => {
  const given = { cardRole: "sgp22", installed: [fleet], seed: 7 } as const;

  test("each writing verb tells the command that would go out; card, journal and trail stay as they are", () =>
    onVehicle(given, async ({ vehicle, agent, audit, rehearsed, sent }) => {
      const before = { profiles: vehicle.euicc.profiles(), head: agent.auditKey().head, pending: vehicle.euicc.pending() };
      sent();
      const told: Record<string, readonly string[]> = {};
      for (const args of [
        ["profile", "enable", fleet.iccid],
        ["profile", "delete", fleet.iccid, "--admin", ...meant],
        ["profile", "nickname", fleet.iccid, "Rhine"],
        ["profile", "disable", bootstrap.iccid, "--i-know-it-goes-dark", "--reason", "x"],
        ["card", "memory-reset", "--operational", ...meant],
      ]) {
        const { outcome, commands } = await rehearsed(...args);
        expect([args.join(" "), outcome]).toEqual([args.join(" "), "commands"]);
        told[args.slice(0, 2).join(" ")] = commands.map((one) => (one.interface === "es10" ? one.name : one.line));
      }
      expect(told).toEqual({
        "profile enable": ["ES10c.EnableProfile"],
        "profile delete": ["ES10c.DeleteProfile"],
        "profile nickname": ["ES10c.SetNickname"],
        "profile disable": ["ES10c.DisableProfile"],
        "card memory-reset": ["ES10c.eUICCMemoryReset"],
      });
      expectUntouched(sent());
      expect({ profiles: vehicle.euicc.profiles(), head: agent.auditKey().head, pending: vehicle.euicc.pending() }).toEqual(before);
      expect(agent.ipa.status().operation).toBeUndefined();
      expect(await audit.events("profile.enableAsked", "card.memoryResetAsked")).toEqual([]);
    }));

  test("what was told is what goes out, to the octet", () =>
    onVehicle(given, async ({ rehearsed, simward, sent }) => {
      const { commands } = await rehearsed("profile", "nickname", fleet.iccid, "Rhine");
      sent();
      expect((await simward("profile", "nickname", fleet.iccid, "Rhine")).code).toBe(0);
      const [told] = commands;
      const apdus = told?.interface === "es10" ? told.apdus.map(classless) : [];
      expect(apdus.length).toBeGreaterThan(0);
      expect(sent().apdus.map(classless)).toEqual(expect.arrayContaining(apdus));
    }));

  test("what is so already sends nothing; what is not to be found or is refused ends as the act itself would", () =>
    onVehicle(given, async ({ rehearsed, simward, sent }) => {
      sent();
      expect(await rehearsed("profile", "enable", bootstrap.iccid)).toMatchObject({ outcome: "nothing", commands: [] });
      expect(await simward("profile", "delete", fleet.iccid, ...meant, "--dry-run")).toMatchObject({
        code: 5,
        stderr: expect.stringContaining("last profile"),
      });
      expect(await simward("profile", "enable", "nobody", "--dry-run")).toMatchObject({
        code: 3,
        stderr: expect.stringContaining("NOT_FOUND"),
      });
      expect(await simward("profile", "disable", bootstrap.iccid, "--dry-run")).toMatchObject({
        code: 12,
        stderr: expect.stringContaining("POLICY_GOES_DARK"),
      });
      for (const nickname of ["two\nlines", "🚗".repeat(17)])
        expect(await simward("profile", "nickname", fleet.iccid, nickname, "--dry-run")).toMatchObject({
          code: 2,
          stderr: expect.stringContaining("nickname: "),
        });
      expectUntouched(sent());
    }));

  test("for people: the command by its name, its APDUs with the ICCID masked", () =>
    onVehicle(given, async ({ simward }) => {
      const { stdout } = await simward("profile", "enable", fleet.iccid, "--dry-run");
      expect(stdout).toMatch(/^would ask engineer\.sock: POST \/v1\/profiles\/enable/);
      expect(stdout).toContain("  ES10c.EnableProfile (SGP.22 §5.7.16)\n    80E29100");
      expect(stdout).toMatch(/5A0A[0-9A-F]{4}…[0-9A-F]{4}/);
      expect(stdout).toContain("nothing was sent");
    }));
});

describe("ES10: an IoT eUICC under an eIM", () => {
  test("package load tells the octets that the eUICC would get, and the package may be loaded afterwards", () =>
    onVehicle(
      { cardRole: "sgp32", installed: [fleet], seed: 7 },
      async ({ order, eim, vehicle, agent, audit, trace, rehearsed, simward, sent }) => {
        order({ kind: "euiccPackage", psmos: [{ enable: { iccid: fleet.iccid } }] });
        const request = encode(GetEimPackageRequest, { eidValue: digitsToBcd(vehicle.euicc.eid) });
        const { body } = (await eim.handle(request)) as { readonly body: Uint8Array };
        const file = join(dir, "package.der");
        await writeFile(file, contentOf(readTlv(body)));
        const before = { profiles: vehicle.euicc.profiles(), head: agent.auditKey().head, pending: vehicle.euicc.pending() };
        sent();

        const { outcome, commands } = await rehearsed("package", "load", file, "--reason", "ticket 1");
        const [told] = commands;
        if (told?.interface !== "es10") throw new Error("it tells an AT line");
        expect([outcome, commands.length, told.name]).toEqual(["commands", 1, "ES10b.LoadEuiccPackage"]);
        expectUntouched(sent());
        expect({ profiles: vehicle.euicc.profiles(), head: agent.auditKey().head, pending: vehicle.euicc.pending() }).toEqual(before);
        expect(await audit.events("package.loaded", "package.received", "package.executed")).toEqual([]);

        // It has a trace of its own, as one that was fetched.
        const apdus: string[] = [];
        const stop = trace.listen(["apdu"], ({ direction, octets }) => {
          if (direction === "tx" && octets !== undefined) apdus.push(toHexUpper(octets));
        });
        expect(await simward("package", "load", file, "--reason", "ticket 1")).toMatchObject({ code: 0, stderr: "" });
        stop();
        expect(apdus.map(classless)).toEqual(expect.arrayContaining(told.apdus.map(classless)));
        expect(vehicle.euicc.profiles().find(({ state }) => state === "enabled")).toMatchObject({ iccid: fleet.iccid });
      },
    ));

  test("what is no package is told beforehand, with the place; the eUICC hears of it neither way", () =>
    onVehicle({ cardRole: "sgp32", seed: 7 }, async ({ simward, sent }) => {
      const given = ["package", "load", "BF5103020100", "--reason", "x"];
      sent();
      const rehearsed = await simward(...given, "--dry-run");
      expect([rehearsed.code, rehearsed.stderr]).toEqual([
        2,
        expect.stringMatching(/ASN1_MISSING: .*EuiccPackageRequest\.euiccPackageSigned at offset 0/),
      ]);
      expect(await simward(...given)).toMatchObject({ code: 9, stdout: expect.stringContaining("eimPackageError") });
      expectUntouched(sent());
    }));
});

describe("AT: a module of Quectel, and a plain IoT eUICC", () => {
  const given = { cardRole: "sgp32", personality: "quectel-bg95", seed: 7, apns: "" } as const;

  test("lines come from the dialect that would send them; the module hears questions only", () =>
    onVehicle(given, async ({ agent, rehearsed, sent }) => {
      const { head } = agent.auditKey();
      const { contexts } = await agent.module.info();
      sent();
      const lines = async (...args: readonly string[]) =>
        (await rehearsed(...args)).commands.map((one) => (one.interface === "at" ? one.line : one.name));
      expect(await lines("net", "register", "26299")).toEqual(['AT+COPS=1,2,"26299"']);
      expect(await lines("net", "scan")).toEqual(["AT+COPS=?"]);
      expect(await lines("modem", "reset", ...meant)).toEqual(["AT+CFUN=1,1"]);
      expect((await lines("modem", "psm", "on", "--tau", "3600", "--active", "60"))[0]).toMatch(/^AT\+CPSMS=1,/);
      expect((await lines("modem", "edrx", "20"))[0]).toMatch(/^AT\+CEDRXS=/);
      expect((await lines("modem", "rat", "set", "lte-m")).join(" ")).toContain('AT+QCFG="');
      expect((await lines("modem", "apn", "set", "iot.example")).join(" ")).toContain('"iot.example"');
      expect(await lines("modem", "at", "AT+CSQ", "--reason", "x")).toEqual(["AT+CSQ"]);
      expectUntouched(sent());
      expect(agent.auditKey().head).toEqual(head);
      expect((await agent.module.info()).contexts).toEqual(contexts);
    }));

  test("what was told goes out, and the module's own refusals are told beforehand too", () =>
    onVehicle(given, async ({ rehearsed, simward, sent, online }) => {
      const { commands } = await rehearsed("modem", "psm", "on", "--tau", "3600", "--active", "60");
      sent();
      expect((await simward("modem", "psm", "on", "--tau", "3600", "--active", "60")).code).toBe(0);
      const told = commands.map((one) => (one.interface === "at" ? one.line : ""));
      expect(sent().lines).toEqual(expect.arrayContaining(told));
      expect(await rehearsed("modem", "psm", "on", "--tau", "3600", "--active", "60")).toMatchObject({ outcome: "nothing" });
      expect(await simward("modem", "at", "AT+EGMR=1,7", "--reason", "x", "--dry-run")).toMatchObject({ code: 12 });
      await online();
    }));

  test("what cannot be known says so: an eIM's answer, the daemon's own state", () =>
    onVehicle(given, async ({ simward, esipa }) => {
      const asked = esipa().length;
      for (const args of [
        ["eim", "poll"],
        ["emergency", "on"],
        ["net", "probe"],
      ]) {
        const { code, stdout } = await simward(...args, "--dry-run");
        expect([args, code, stdout]).toEqual([args, 0, expect.stringContaining("is not known before it runs; nothing was sent")]);
      }
      expect(esipa()).toHaveLength(asked);
      expect(JSON.parse((await simward("emergency", "status", "--json")).stdout)).toMatchObject({ active: false });
    }));
});
