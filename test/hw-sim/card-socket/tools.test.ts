// Other people's programs: pcscd with the virtual reader vpcd, OpenSC, and curl, as Debian has them, use our card; and the manual's commands work.
// (Debian 12's vicc, the card of Virtual Smart Card, lacks its own Python modules; the module's side is tested octet by octet in sockets.test.ts.)
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, describe, expect, type TestContext, test } from "vitest";
import { SystemClock } from "../../../base/clock.ts";
import { type CardOptions, createCard, type LoneCard } from "../../../hw-sim/card.ts";
import { atr } from "../../../hw-sim/card-socket/atr.ts";
import { openPki } from "../../../hw-sim/pki/pki.ts";
import { makeProfile } from "../../../hw-sim/profiles.ts";
import { createSmdp } from "../../../hw-sim/smdp/smdp.ts";
import { need, program, type Running, run } from "../../support/programs.ts";
import { inDirectory } from "./fleet.ts";

const loopback = "127.0.0.1";
const driver = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
const commSocket = "/run/pcscd/pcscd.comm";
const pcscd = program("pcscd");
const openscTool = program("opensc-tool");
const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** Whether a pcscd serves this machine already: there can be one only. */
async function isServed(): Promise<boolean> {
  if (!existsSync(commSocket)) return false;
  const socket = connect(commSocket);
  const answered = await new Promise<boolean>((resolve) => {
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
  });
  socket.destroy();
  return answered;
}

async function needPcsc(context: Parameters<typeof need>[0]): Promise<{ readonly daemon: string; readonly tool: string }> {
  const daemon = need(context, pcscd);
  const tool = need(context, openscTool);
  if (!existsSync(driver)) context.skip(`left out: ${driver} (Debian: vsmartcard-vpcd) is not installed`);
  if (process.getuid?.() !== 0) context.skip("left out: only root may start pcscd");
  if (await isServed()) context.skip("left out: a pcscd is running already");
  return { daemon, tool };
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, loopback);
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}

/** A pcscd with one virtual reader, and the port at which that waits for its card. */
async function startPcscd(daemon: string, dir: string): Promise<{ readonly running: Running; readonly port: number }> {
  const port = await freePort();
  const channel = `0x${port.toString(16)}`;
  mkdirSync(join(dir, "conf"));
  const reader = `FRIENDLYNAME "Virtual PCD"\nDEVICENAME /dev/null:${channel}\nLIBPATH ${driver}\nCHANNELID ${channel}\n`;
  writeFileSync(join(dir, "conf", "vpcd"), reader);
  const running = run(daemon, ["--foreground", "--debug", "--config", join(dir, "conf")]);
  // It takes its sockets away when it is asked to end.
  stops.push(async () => {
    running.child.kill("SIGTERM");
    await running.ended;
  });
  await running.printed("Virtual PCD 00 00");
  return { running, port };
}

test("pcscd has our card in its virtual reader: OpenSC reads its ATR and selects the ISD-R", (context) =>
  inDirectory(async (dir) => {
    const { daemon, tool } = await needPcsc(context);
    const { running, port } = await startPcscd(daemon, dir);
    const card = await createCard({ services: [{ kind: "vpcd", host: loopback, port }] });
    stops.push(() => card.close());
    await running.printed(/Card ATR: 3B 9F/);
    const opensc = async (...args: string[]): Promise<string> => {
      const child = run(tool, ["--reader", "0", ...args]);
      await child.ended;
      return child.output();
    };
    const colons = Array.from(atr, (octet) => octet.toString(16).padStart(2, "0")).join(":");
    expect(await opensc("--atr")).toContain(colons);
    // SELECT by AID with Le, then GetEID.
    const seen = await opensc(
      ...["00A4040010A0000005591010FFFFFFFF890000010000", "80E2910006BF3E035C015A", "00C0000015"].flatMap((apdu) => ["--send-apdu", apdu]),
    );
    expect(octetsReceived(seen)).toEqual([expect.stringMatching(/^6F..8410A0000005591010FF/), "", `BF3E125A10${card.ready.eid}`]);
  }));

describe("an assistant in Python over PC/SC, which shares no line with simward,", () => {
  const python = program("python3");
  const bootstrap = "8988298000000000017";
  const iccid = "8949299000000000105";
  const plan = { iccid, imsi: "262990000000010", serviceProvider: "Werksnetz", profileName: "Werksnetz test" };

  /** A card of that role in the reader of a new pcscd, and the assistant: command and arguments in, its answer out. */
  async function withAssistant(
    context: TestContext,
    dir: string,
    options: Partial<CardOptions>,
  ): Promise<{ readonly card: LoneCard; readonly lpa: (...args: string[]) => Promise<unknown> }> {
    const { daemon } = await needPcsc(context);
    const interpreter = need(context, python);
    const { running, port } = await startPcscd(daemon, dir);
    const card = await createCard({ ...options, services: [{ kind: "vpcd", host: loopback, port }] });
    stops.push(() => card.close());
    await running.printed(/Card ATR: 3B 9F/);
    const lpa = async (...args: string[]): Promise<unknown> => {
      const child = run(interpreter, ["test/interop/lpa.py", "--ca", join(dir, "pki", "ci.cert.pem"), ...args]);
      await child.ended;
      try {
        return JSON.parse(child.output());
      } catch {
        throw new Error(`lpa.py ${args.join(" ")}: ${child.output()}`);
      }
    };
    return { card, lpa };
  }

  test("downloads a profile to our consumer eUICC from our SM-DP+, goes over to it, and manages both", (context) =>
    inDirectory(async (dir) => {
      const pki = await openPki(join(dir, "pki"), { clock: new SystemClock() });
      const { upp, metadata } = makeProfile(plan);
      const smdp = createSmdp({ clock: new SystemClock(), pkis: [pki] });
      await smdp.start();
      // Only now its address is known, to which the profile's notifications go.
      smdp.addOrder({ matchingId: "WERK-1", profile: upp, metadata });
      stops.push(() => smdp.stop());
      const { card, lpa } = await withAssistant(context, dir, { cardRole: "sgp22", pkiDir: join(dir, "pki") });

      expect(await lpa("eid")).toBe(card.ready.eid);
      expect(await lpa("info")).toMatchObject({ svn: "2.2.2", iot: false, ipaMode: null, templates: ["E0"] });
      const first = { iccid: bootstrap, state: "enabled", provider: "Worldlink", name: "Worldlink bootstrap" };
      expect(await lpa("profiles")).toEqual([first]);

      expect(await lpa("download", smdp.activationCode("WERK-1"))).toEqual({ ok: true, refresh: false, iccid });
      expect(smdp.orders).toMatchObject([{ state: "installed", eid: card.ready.eid }]);
      expect(smdp.notifications).toMatchObject([{ kind: "profileInstallationResult", verified: true, installed: true }]);
      expect(await lpa("download", smdp.activationCode("NO-SUCH-1"))).toEqual({ error: "authenticateClient: 8.2.6/3.8" });
      const second = { iccid, provider: plan.serviceProvider, name: plan.profileName };
      expect(await lpa("profiles")).toEqual([first, { ...second, state: "disabled" }]);

      expect(await lpa("enable", iccid)).toEqual({ ok: true, refresh: true });
      expect(await lpa("iccid")).toBe(iccid);
      expect(await lpa("enable", iccid)).toEqual({ error: "result 2" });
      expect(await lpa("nickname", iccid, "Werk")).toMatchObject({ ok: true });
      expect(await lpa("profiles")).toEqual([
        { ...first, state: "disabled" },
        { ...second, state: "enabled", nickname: "Werk" },
      ]);
      const enabled = { seq: 2, event: "enable", to: smdp.address, iccid };
      expect(await lpa("notifications")).toEqual([enabled]);
      expect(await lpa("disable", iccid)).toEqual({ ok: true, refresh: true });
      expect(await lpa("notifications")).toEqual([enabled, { ...enabled, seq: 3, event: "disable" }]);
      expect(await lpa("remove", "2")).toMatchObject({ ok: true });
      expect(await lpa("remove", "2")).toEqual({ error: "result 1" });
      expect(await lpa("delete", iccid)).toMatchObject({ ok: true });
      expect(await lpa("profiles")).toEqual([{ ...first, state: "disabled" }]);
      expect(await lpa("reset")).toMatchObject({ ok: true });
      expect(await lpa("profiles")).toEqual([]);
    }));

  test.for([
    ["sgp32", { eid: /^\d{32}$/, info: { iot: true, ipaMode: 0, templates: ["E0", "E1"] }, enable: "result 2" }],
    ["ipae", { eid: /^\d{32}$/, info: { iot: true, ipaMode: 1, templates: ["E0", "E1"] }, enable: "ES10 BF31: 6985" }],
    ["sgp02", { eid: "ES10 BF3E: 6982", info: { error: "ES10 BF22: 6982" }, enable: "ES10 BF31: 6982" }],
    ["uicc", { eid: "no ISD-R: 6A82", info: { error: "no ISD-R: 6A82" }, enable: "no ISD-R: 6A82" }],
  ] as const)("finds of a card of role %s what it is", ([cardRole, expected], context) =>
    inDirectory(async (dir) => {
      const { lpa } = await withAssistant(context, dir, { cardRole });
      expect(await lpa("iccid")).toBe(bootstrap);
      if (typeof expected.eid === "string") expect(await lpa("eid")).toEqual({ error: expected.eid });
      else expect(await lpa("eid")).toMatch(expected.eid);
      expect(await lpa("info")).toMatchObject(expected.info);
      expect(await lpa("enable", bootstrap)).toEqual({ error: expected.enable });
      expect(await lpa("iccid")).toBe(bootstrap);
    }),
  );
});

/** The data of each response that opensc-tool shows: sixteen octets a line, and beside them what they are in ASCII. */
function octetsReceived(shown: string): string[] {
  return shown
    .split("Received")
    .slice(1)
    .map((part) => part.split("Sending")[0] ?? "")
    .map((part) => (part.match(/^(?:[0-9A-F]{2} ){1,16}/gm) ?? []).join("").replaceAll(" ", ""));
}

describe("the manual's commands", () => {
  /** A checkout as after `npm run build`, inside the real one, so that koffi is found. */
  let place = "";
  beforeAll(async () => {
    mkdirSync(resolve("node_modules/.cache"), { recursive: true });
    place = mkdtempSync(resolve("node_modules/.cache/simward-manual-"));
    const banner =
      'import { createRequire as simwardCreateRequire } from "node:module"; const require = simwardCreateRequire(import.meta.url);';
    await build({
      entryPoints: ["hw-sim/main.ts"],
      bundle: true,
      platform: "node",
      target: "node20",
      format: "esm",
      outfile: join(place, "dist", "simward-sim.mjs"),
      external: ["koffi"],
      banner: { js: banner },
      logLevel: "error",
    });
    const plan = { iccid: "8949299000000000105", imsi: "262990000000010", serviceProvider: "Werksnetz", profileName: "Werksnetz test" };
    writeFileSync(join(place, "fleet.der"), makeProfile(plan).upp);
  });
  afterAll(() => rmSync(place, { recursive: true, force: true }));

  const manual = readFileSync("docs/hw-sim.md", "utf8");
  const section = manual.slice(manual.indexOf("## With other people's tools"));
  const blocks = [...section.matchAll(/```sh\n([^`]*)```/g)].map(([, block = ""]) => block);

  /** As somebody types it; what was left running ends with the shell. Answers what was printed. */
  async function typed(block: string): Promise<string> {
    const shell = run("/bin/bash", ["-ec", `trap 'kill $(jobs -p); wait' EXIT\n${block}`], { cwd: place });
    await shell.ended;
    expect(shell.child.exitCode, shell.output()).toBe(0);
    return shell.output();
  }
  const blockWith = (text: string): string => {
    const [found, ...more] = blocks.filter((block) => block.includes(text));
    if (found === undefined || more.length > 0) throw new Error(`not one block with ${text}`);
    return found;
  };

  const marked = (name: string): string => {
    const [, block] = new RegExp(`<!-- run: ${name} -->\\n\`\`\`sh\\n([^\`]*)\`\`\``).exec(manual) ?? [];
    if (block === undefined) throw new Error(`no block ${name}`);
    return block;
  };

  test("a first session: a script speaks AT, and orders a download", async (context) => {
    for (const name of ["curl", "jq"]) need(context, program(name));
    const said = await typed(marked("session"));
    for (const line of ["901980000000001", "+CCHO: 1", '+CGLA: 4,"6115"', '+CGLA: 46,"BF3E125A10890490321234512345123456789012359000"'])
      expect(said.split("\n")).toContain(line);
    expect(said).toMatch(/\{"orderId":"[0-9a-f]+"\}\{"orderId":"[0-9a-f]+"\}/);
  });

  test("curl and openssl reach eIM and SM-DP+ as the vehicle does", async (context) => {
    for (const name of ["curl", "jq", "openssl"]) need(context, program(name));
    const said = await typed(marked("servers"));
    expect(said).toContain('"eimPackageError":1');
    expect(said).toContain(" bf 4f 03 02 01 01");
    expect(said).toContain('"message":"A mandatory element is missing: euiccChallenge"');
    expect(said).toMatch(/Verification: OK[\s\S]*Verified peername: localhost[\s\S]*GCM-SHA256/);
    expect(said).toMatch(/New, TLSv1\.2, Cipher is ECDHE-ECDSA-AES128-CCM8/);
  });

  test("curl reads the EID", async (context) => {
    need(context, program("curl"));
    expect(await typed(blockWith("/apdu -d"))).toMatch(/"data":"BF3E125A10\d{32}","sw1":144,"sw2":0/);
  });

  test("a vehicle drives with the card of another process", async () => {
    expect(await typed(blockWith("run --card"))).toMatch(/"card":"http:\/\/127.0.0.1:8470\/apdu".*"eid":"\d{32}"/);
  });

  test("a profile file is offered", async () => {
    await typed(blockWith("--profile"));
  });

  test("OpenSC selects the ISD-R", async (context) => {
    await needPcsc(context);
    if (!existsSync("/etc/reader.conf.d/vpcd")) context.skip("left out: /etc/reader.conf.d/vpcd (Debian: vsmartcard-vpcd) is not there");
    expect(await typed(blockWith("opensc-tool"))).toMatch(/3b:9f:96[\s\S]*SW1=0x90, SW2=0x00/);
  });

  test("are all here", () => {
    expect(blocks).toHaveLength(5);
  });
});
