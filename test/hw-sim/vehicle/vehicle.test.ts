// The whole virtual vehicle: real eUICC, real eIM and SM-DP+ behind the gate, driven by hand-written AT dialogues.
import { mkdtemp, rm } from "node:fs/promises";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { concatBytes, digitsToBcd, toHexUpper } from "../../../base/bytes.ts";
import { SystemClock, VirtualClock } from "../../../base/clock.ts";
import { createPki, type Pki } from "../../../hw-sim/pki/pki.ts";
import { makeProfile } from "../../../hw-sim/profiles.ts";
import { scenarios } from "../../../hw-sim/scenarios/table.ts";
import { createVehicle, type Vehicle, type VehicleOptions } from "../../../hw-sim/vehicle.ts";
import { encode } from "../../../ipa/asn1/schema.ts";
import { childOf, rawOf, readOnlyTlv, writeTlv } from "../../../ipa/asn1/tlv.ts";
import { StoreMetadataRequest } from "../../../ipa/messages/profile-info.ts";
import { openDtls } from "../../../transports/dtls/dtls.ts";
import { AtClient } from "./at-client.ts";

const demo = scenarios.demo;
const [local] = demo?.offers ?? [];
if (demo === undefined || local === undefined) throw new Error("the demo has no offer");

const quick = { bootMs: 0, simBusy: [{ ms: 20, cme: 14 }], lateIccidMs: 30, fetchMs: 10, searchMs: 20, radioMs: 1 };
const factory = (...plans: (typeof demo.bootstrap)[]) =>
  plans.map((plan, index) => {
    const { upp, metadata } = makeProfile(plan);
    return { upp, metadata: encode(StoreMetadataRequest, metadata), enabled: index === 0 };
  });
/** As if the local profile had been downloaded already. */
const twoProfiles = { profiles: factory(demo.bootstrap, local) };

let pki: Pki;
beforeAll(() => {
  pki = createPki({ clock: new SystemClock() });
});

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function start(options: VehicleOptions = {}): Promise<{ vehicle: Vehicle; at: AtClient }> {
  const vehicle = await createVehicle({ pki, timings: quick, ...options, modem: [{ kind: "tcp", port: 0 }] });
  open.push(vehicle);
  const at = new AtClient(vehicle.ready.modem.tcp ?? "");
  open.push(at);
  return { vehicle, at };
}

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A GetEimPackage, and the eIM's answer without its outer tag. */
async function fetchPackage({ eim, euicc }: Vehicle): Promise<Uint8Array> {
  const answer = await eim.handle(writeTlv(0xbf4f, writeTlv(0x5a, digitsToBcd(euicc.eid))));
  if (answer === "silence") throw new Error("the eIM is silent");
  const request = childOf(readOnlyTlv(answer.body), 0xbf51);
  if (request === undefined) throw new Error(`no eUICC package: ${toHexUpper(answer.body)}`);
  return rawOf(request);
}

const enable = (eid: string, rollback = false) => ({ kind: "euiccPackage", eid, psmos: [{ enable: { iccid: local.iccid, rollback } }] });

describe("over AT", () => {
  it("shows the bootstrap profile's numbers and the card's EID", async () => {
    const { vehicle, at } = await start();
    await at.command("ATE0+CMEE=1");
    await at.until("AT+CEREG?", /\+CEREG: 0,5\r/, tick);
    expect(await at.command("AT+CIMI")).toContain(`\r\n${demo.bootstrap.imsi}\r\n`);
    expect(await at.command("AT+CCID")).toContain(`+CCID: ${demo.bootstrap.iccid}\r\n`);
    expect(await at.command("AT+CRSM=176,28423,0,0,9")).toMatch(/\+CRSM: 144,0,"08991089/);
    // STATUS needs no file: it tells the USIM's control parameters.
    expect(await at.command("AT+CRSM=242")).toMatch(/\+CRSM: 144,0,"62.*84..A0000000871002/);
    const session = await at.openIsdr();
    const { response, sw } = await at.es10(session, Uint8Array.from([0xbf, 0x3e, 0x03, 0x5c, 0x01, 0x5a]));
    expect(toHexUpper(response)).toBe(`BF3E125A10${vehicle.ready.eid}`);
    expect(sw).toBe("9000");
    expect(await at.command(`AT+CCHC=${session}`)).toContain("OK");
  });

  it("writes files where the profile lets it, as for a forgotten FPLMN list", async () => {
    const { at } = await start();
    await at.command("ATE0+CMEE=1");
    await at.until("AT+CPIN?", /READY/, tick);
    expect(await at.command('AT+CRSM=214,28539,0,0,12,"62F210FFFFFFFFFFFFFFFFFF"')).toContain("+CRSM: 144,0\r");
    expect(await at.command("AT+CRSM=176,28539,0,0,12")).toContain('+CRSM: 144,0,"62F210FFFFFFFFFFFFFFFFFF"');
    expect(await at.command('AT+CRSM=214,28423,0,0,9,"080910101032547698"')).toMatch(/\+CRSM: 105,130\r/);
  });

  it("carries out a signed package: the profile switches, the module follows, the eIM verifies the result", async () => {
    const { vehicle, at } = await start({ euicc: twoProfiles });
    await at.command("ATE0+CMEE=1;+CEREG=2");
    await at.until("AT+CEREG?", /,5,/, tick);
    const orderId = vehicle.eim.addOrder(enable(vehicle.euicc.eid));
    const session = await at.openIsdr();
    const { response, sw } = await at.es10(session, await fetchPackage(vehicle));
    expect(sw).toMatch(/^91/);

    await at.seen(/\+CPIN: NOT READY[\s\S]*\+CPIN: READY[\s\S]*\+CEREG: 1,/);
    expect(await at.command("AT+CIMI")).toContain(local.imsi);
    await at.until("AT+CCID", new RegExp(local.iccid), tick);
    expect(await at.command(`AT+CGLA=${session},10,"80E2910000"`)).toContain("+CME ERROR: 21");
    expect(vehicle.euicc.profiles()).toMatchObject([{ state: "disabled" }, { state: "enabled", imsi: local.imsi }]);

    // ProvideEimPackageResult (BF50) with the eUICC's own octets.
    const result = writeTlv(0xbf50, writeTlv(0x5a, digitsToBcd(vehicle.euicc.eid)), response);
    expect(await vehicle.eim.handle(result)).toMatchObject({ status: 200 });
    expect(vehicle.eim.order(orderId)).toMatchObject({ state: "done" });
    expect(vehicle.eim.results()).toHaveLength(1);
  });

  it("runs the same way every time when time is virtual", async () => {
    const run = async (): Promise<string> => {
      const clock = new VirtualClock();
      const { vehicle } = await start({ clock, pki: createPki({ clock }), timings: {}, euicc: twoProfiles });
      let text = "";
      const port = vehicle.modem.openPort({ write: (bytes) => (text += Buffer.from(bytes).toString("latin1")), hangUp: () => {} });
      const command = async (line: string): Promise<void> => {
        port.receive(Buffer.from(`${line}\r`));
        await clock.advance(500);
      };
      await clock.advance(4_000);
      for (const line of ["ATE0", "AT+CMEE=1", "AT+CREG=2;+CEREG=5;+CGEREP=2", `AT+CCHO="A0000005591010FFFFFFFF8900000100"`])
        await command(line);
      vehicle.eim.addOrder(enable(vehicle.euicc.eid));
      const request = await fetchPackage(vehicle);
      for (let at = 0, block = 0; at < request.length; at += 120, block++) {
        const data = request.subarray(at, at + 120);
        const apdu = toHexUpper(concatBytes(Uint8Array.of(0x80, 0xe2, at + 120 < request.length ? 0x11 : 0x91, block, data.length), data));
        await command(`AT+CGLA=1,${apdu.length},"${apdu}"`);
      }
      await command(`AT+CGLA=1,10,"00C00000${/61(..)"\r\n\r\nOK\r\n$/.exec(text)?.[1]}"`);
      await clock.advance(30_000);
      // Signatures differ from run to run, and with them the octets of the response.
      return text.replace(/\+CGLA: [^\r]*/g, "+CGLA");
    };
    const first = await run();
    expect(first).toMatch(/NOT READY[\s\S]*READY[\s\S]*\+CEREG: 1,"51C0"/);
    expect(await run()).toBe(first);
  });
});

describe("the gate", () => {
  const status = (vehicle: Vehicle): Promise<number | string> =>
    new Promise((resolve) => {
      const request = get(`${vehicle.ready.eim.https}/`, { ca: pki.get("ci").certificatePem, agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      request.on("error", (error) => resolve("code" in error ? String(error.code) : error.message));
    });

  it("lets the vehicle reach the eIM only while its profile has a session", async () => {
    const { vehicle, at } = await start();
    await at.command("ATE0");
    await at.until("AT+CGATT?", /\+CGATT: 1/, tick);
    expect(await status(vehicle)).toBe(404);
    const dtls = openDtls();
    const port = Number(new URL(vehicle.ready.eim.https).port);
    const connect = (handshakeTimeoutMs: number) =>
      dtls.connect({
        host: "127.0.0.1",
        port,
        serverName: "localhost",
        trust: { kind: "certificate", der: pki.get("ci").certificate },
        clock: new SystemClock(),
        handshakeTimeoutMs,
        retransmitInitialMs: 50,
      });
    (await connect(20_000)).close();

    vehicle.faults.set("no-coverage", demo.bootstrap.iccid);
    await at.until("AT+CGATT?", /\+CGATT: 0/, tick);
    expect(await status(vehicle)).toBe("ECONNRESET");
    await expect(connect(300)).rejects.toMatchObject({ code: "DTLS_TIMEOUT" });
    expect(vehicle.gate.counters.lost.up).toBeGreaterThan(0);

    vehicle.faults.clear("no-coverage");
    await at.until("AT+CGATT?", /\+CGATT: 1/, tick);
    expect(await status(vehicle)).toBe(404);
    (await connect(20_000)).close();
  });

  it("is what eUICC, activation codes and ready line name", async () => {
    const { vehicle } = await start();
    const { eim, smdp } = vehicle.ready;
    expect(new URL(eim.coaps).port).toBe(new URL(eim.https).port);
    expect(vehicle.activationCode(local.matchingId)).toBe(`LPA:1$${new URL(smdp.https).host}$${local.matchingId}`);
    expect(new URL(eim.api).port).not.toBe(new URL(eim.https).port);
  });
});

describe("faults over the order API", () => {
  const post = async (vehicle: Vehicle, body: unknown): Promise<{ status: number; body: unknown }> => {
    const response = await fetch(`${vehicle.ready.eim.api}/v1/faults`, { method: "POST", body: JSON.stringify(body) });
    return { status: response.status, body: await response.json() };
  };

  it("reach every part of the vehicle", async () => {
    const { vehicle, at } = await start();
    const { status, body } = await post(vehicle, {
      vehicle: { loss: 0.5, cme: "+CGMM@1:14", "hang-up-on-reset": true },
      euicc: { catBusyTimes: 1, statusWords: { BF22: "6A88" } },
      smdp: { silentRequests: 1 },
      eim: { silentRequests: 2 },
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({ vehicle: { loss: "0.5", cme: "+CGMM@1:14", "hang-up-on-reset": "1" }, eim: { silentRequests: 2 } });
    expect(vehicle.euicc.faults).toMatchObject({ catBusyTimes: 1, statusWords: { 48930: 0x6a88 } });
    expect(vehicle.smdp.faults.silentRequests).toBe(1);
    await at.command("ATE0+CMEE=1");
    expect(await at.command("AT+CGMM")).toBe("\r\n+CME ERROR: 14\r\n");
    await post(vehicle, { vehicle: { loss: null } });
    expect(vehicle.faults.list().map(({ name }) => name)).toEqual(["hang-up-on-reset"]);
  });

  it("are shown as they are set: what is read may be sent back, and says the same", async () => {
    const { vehicle } = await start();
    const asked = {
      vehicle: { loss: "0.5" },
      euicc: { refuseSegment: { segment: 4, sw: "6985" }, statusWords: { BF22: "6A88" }, unsupportedStatusWord: "6D00" },
      eim: { garbage: { octets: "BF4F03", times: 2 }, counterValue: 7 },
      smdp: { flipBppOctet: 3 },
    };
    const { body } = await post(vehicle, asked);
    expect(body).toMatchObject(asked);
    await post(vehicle, { euicc: { statusWords: null, refuseSegment: null, unsupportedStatusWord: null }, eim: { garbage: null } });
    expect((await post(vehicle, body)).body).toEqual(body);
    expect(vehicle.euicc.faults).toMatchObject({ refuseSegment: { segment: 4, sw: 0x6985 }, statusWords: { 48930: 0x6a88 } });
    await post(vehicle, { eim: { garbage: null } });
  });

  it("are set all or not at all where one of them is none", async () => {
    const { vehicle } = await start();
    for (const body of [
      { vehicle: { loss: 0.5, rust: 1 } },
      { vehicle: { loss: 0.5, rust: null } },
      { vehicle: { loss: 0.5 }, wheels: {} },
    ])
      expect((await post(vehicle, body)).status).toBe(400);
    expect(vehicle.faults.list()).toEqual([]);
  });

  it("are refused by name", async () => {
    const { vehicle } = await start();
    for (const [body, detail] of [
      [{ vehicle: { rust: 1 } }, "rust"],
      [{ vehicle: { loss: 7 } }, "0..1"],
      [{ vehicle: 7 }, "object"],
      [{ euicc: { responseChunkBytes: 0 } }, "responseChunkBytes"],
      [{ wheels: {} }, "wheels"],
    ] as const) {
      expect(await post(vehicle, body)).toMatchObject({
        status: 400,
        body: { error: { code: "SIM_REQUEST", message: expect.stringContaining(detail) } },
      });
    }
  });
});

describe("a state directory", () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "simward-vehicle-"));
  });
  afterAll(() => rm(dir, { recursive: true }));

  it("keeps the eUICC, the addresses it knows, and what its eIM must know", async () => {
    const kept = { stateDir: dir, pki, euicc: twoProfiles };
    const runPackage = async (order: (eid: string) => object): Promise<{ vehicle: Vehicle; sw: string }> => {
      const { vehicle, at } = await start(kept);
      await at.command("ATE0+CMEE=1");
      await at.until("AT+CPIN?", /READY/, tick);
      vehicle.eim.addOrder(order(vehicle.euicc.eid));
      const { sw } = await at.es10(await at.openIsdr(), await fetchPackage(vehicle));
      return { vehicle, sw };
    };
    const first = await runPackage(enable);
    for (const one of open.splice(0).reverse()) await one.close();
    const second = await runPackage((eid) => ({ kind: "euiccPackage", eid, psmos: [{ listProfileInfo: {} }] }));
    expect([first.sw.slice(0, 2), second.sw]).toEqual(["91", "9000"]);
    expect(second.vehicle.ready.eim.coaps).toBe(first.vehicle.ready.eim.coaps);
    expect(second.vehicle.ready.smdp).toEqual(first.vehicle.ready.smdp);
    expect(second.vehicle.modem.sim.iccid).toBe(local.iccid);
    expect(second.vehicle.euicc.pending().packageResults).toHaveLength(2);
  });
});
