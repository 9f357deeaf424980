// The driver against the virtual module: found as it comes, brought into shape once, driven through profiles, losses and faults.
import { describe, expect, test } from "vitest";
import { openModem } from "../../at-drivers/driver.ts";
import type { Modem } from "../../at-drivers/modem.ts";
import { climbRefreshLadder } from "../../at-drivers/refresh.ts";
import { fromHex, toHexUpper } from "../../base/bytes.ts";
import { SystemClock, VirtualClock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { silentLog } from "../../base/log.ts";
import { systemRandom } from "../../base/random.ts";
import { generic3gpp } from "../../hw-sim/modem/personality.ts";
import { applicationAid } from "../hw-sim/modem/stub-card.ts";
import { type ModuleBench, type ModuleBenchOptions, moduleBench } from "./module-bench.ts";

const storeData = fromHex("80E2910003BF2D00");
const otherProfile = { iccid: "8949020000000000022", imsi: "262990000000002" };
const settings = /^AT(\+CMEE=|\+C?E?G?REG=|\+CGEREP=|\+CTZ[RU]=|\+COPS=)/;

async function readyBench(options: ModuleBenchOptions = {}): Promise<ModuleBench> {
  const bench = moduleBench(options);
  await bench.run(bench.modem.ready());
  return bench;
}

async function onlineBench(options: ModuleBenchOptions = {}): Promise<ModuleBench> {
  const bench = await readyBench(options);
  await bench.run(bench.modem.awaitRegistered({ timeoutMs: 60_000 }));
  return bench;
}

/** Enables another profile: the card says so with 91xx, and is switched at its next reset. */
async function switchProfile({ card, modem, run }: ModuleBench): Promise<void> {
  card.switchTo = otherProfile;
  const channel = await run(modem.apdu.open(applicationAid));
  expect(toHexUpper(await run(channel.transmit(storeData)))).toMatch(/^91/);
  await run(channel.close());
}

describe("a module as it comes: echo on, plain ERROR, still starting", () => {
  test("is identified and initialised", async () => {
    const { modem, module } = await readyBench();
    expect(modem.status).toMatchObject({
      link: "ready",
      reason: undefined,
      family: "generic-3gpp",
      identity: { manufacturer: "Simward", model: "VM-1", revision: "VM1R01A01" },
      imei: "356938035643809",
      iccid: "8988211000000000011",
      sim: "ready",
      consecutiveTimeouts: 0,
    });
    expect(modem.identity()).toEqual({ manufacturer: "Simward", model: "VM-1", revision: "VM1R01A01" });
    expect(module.settings).toMatchObject({ creg: { "+CREG": 3, "+CGREG": 3, "+CEREG": 3 }, cgerep: 2, ctzr: 1, ctzu: 1, copsFormat: 2 });
  });

  test("registers, and says where", async () => {
    const { modem, events } = await onlineBench();
    expect(modem.status.registration).toEqual({ status: "roaming", rat: "lte", plmn: "26298", tac: "42A1", cellId: "01B2C301" });
    expect(events).toContainEqual({ kind: "registration", registration: modem.status.registration });
  });

  test("tells its identifiers and its signal", async () => {
    const { modem, run } = await onlineBench();
    expect(await run(modem.imei())).toBe("356938035643809");
    expect(await run(modem.imsi())).toBe("901980000000001");
    expect(await run(modem.iccid())).toBe("8988211000000000011");
    expect(await run(modem.simState())).toBe("ready");
    expect(await run(modem.signalQuality())).toMatchObject({ rsrpDbm: -86, rsrqDb: -9.5 });
  });

  test("tells the network's time", async () => {
    const { events, clock } = await onlineBench();
    await clock.advance(1_000);
    const times = events.flatMap((event) => (event.kind === "time" ? [event.utcMs] : []));
    expect(times.length).toBeGreaterThan(0);
    // 26/06/01,14:00:10+08 or thereabouts is noon in universal time.
    for (const utcMs of times) expect(Math.abs(utcMs - Date.UTC(2026, 5, 1, 12))).toBeLessThan(60_000);
  });

  test("without a SIM it is a module still, after a few seconds", async () => {
    const { modem, clock } = await readyBench({ noCard: true });
    expect(modem.status.sim).toBe("absent");
    expect(clock.monotonicMs()).toBeLessThan(15_000);
  });

  test("an eUICC without a profile can be reached", async () => {
    const { modem, run } = await readyBench({
      prepare: ({ card }) => {
        card.iccid = undefined;
        card.imsi = undefined;
      },
    });
    expect(modem.status.sim).toBe("failure");
    const channel = await run(modem.apdu.open(applicationAid));
    expect(toHexUpper(await run(channel.transmit(storeData)))).toBe("9000");
    expect(modem.apdu.transmitBasic).toBeTypeOf("function");
  });
});

describe("settings", () => {
  test("are written once: a new session on the same module writes none of them again", async () => {
    const { modem, sent, unplug, run, clock } = await onlineBench();
    expect(sent.filter((line) => settings.test(line)).sort()).toEqual([
      ...["AT+CEREG=3", "AT+CGEREP=2,1", "AT+CGREG=3", "AT+CMEE=1", "AT+COPS=3,2", "AT+CREG=3", "AT+CTZR=1"],
    ]);
    sent.length = 0;
    unplug();
    await clock.advance(0);
    await run(modem.ready());
    // The new port of the virtual module begins with plain ERROR, as a port's own setting.
    expect(sent.filter((line) => settings.test(line))).toEqual(["AT+CMEE=1"]);
  });

  test("the operator choice is sent only when it differs, and both ways work", async () => {
    const { modem, sent, run } = await onlineBench();
    sent.length = 0;
    await run(modem.selectOperator(undefined));
    expect(sent).toEqual(["AT+COPS?"]);
    await run(modem.selectOperator("26299"));
    expect(await run(modem.awaitRegistered({ timeoutMs: 60_000 }))).toMatchObject({ plmn: "26299" });
    sent.length = 0;
    await run(modem.selectOperator("26299"));
    expect(sent).toEqual(["AT+COPS?"]);
    await run(modem.selectOperator(undefined));
    expect(sent).toContain("AT+COPS=0");
    await expect(modem.selectOperator("2629")).rejects.toMatchObject({ code: "BYTES_NOT_PLMN" });
  });

  test("an operator choice that is carried out though refused counts as done", async () => {
    const { modem, run, faults } = await onlineBench();
    faults.set("error-done", "+COPS@2");
    await run(modem.selectOperator("26299"));
    expect(await run(modem.registration())).toMatchObject({ plmn: "26299" });
  });

  test("operators in reach", async () => {
    const { modem, run } = await onlineBench();
    const found = await run(modem.scanOperators());
    expect(found).toContainEqual({ plmn: "26298", name: "Nordfunk", status: "current", act: 7 });
    expect(found.map(({ plmn }) => plmn)).toContain("26299");
  });

  test("flight mode and back", async () => {
    const { modem, run, module, sent } = await onlineBench();
    await run(modem.setFunction(4));
    expect(module.functionLevel).toBe(4);
    sent.length = 0;
    await run(modem.setFunction(4));
    expect(sent).toEqual(["AT+CFUN?"]);
    await run(modem.setFunction(1));
    expect(await run(modem.awaitRegistered({ timeoutMs: 60_000 }))).toMatchObject({ status: "roaming" });
  });
});

describe("data", () => {
  test("a context is defined where it differs, brought up, described, and left alone then", async () => {
    const bench = await onlineBench();
    const { modem, run, sent } = bench;
    const context = { cid: 1, type: "IP", apn: "bootstrap.iot" } as const;
    expect(await run(modem.ensureContext(context))).toEqual({ changed: true });
    await run(modem.awaitRegistered({ timeoutMs: 60_000 }));
    const session = await run(modem.connect(1));
    expect(session).toMatchObject({
      cid: 1,
      apn: "bootstrap.iot",
      address: expect.stringMatching(/^\d+\.\d+\.\d+\.\d+$/),
      mtuBytes: 1_430,
    });
    expect(session.dns.length).toBeGreaterThan(0);
    sent.length = 0;
    expect(await run(modem.ensureContext({ ...context, apn: "BOOTSTRAP.IOT" }))).toEqual({ changed: false });
    expect(await run(modem.connect(1))).toEqual(session);
    expect(sent.filter((line) => /=/.test(line) && !/CGPADDR|CGCONTRDP/.test(line))).toEqual([]);
    expect(await run(modem.contexts())).toContainEqual(context);
    expect(await run(modem.session(1))).toEqual(session);
  });

  test("an APN that the network does not know is refused with its cause, and the right one works after", async () => {
    const { modem, run } = await onlineBench();
    await run(modem.ensureContext({ cid: 2, type: "IP", apn: "wrong.apn" }));
    await expect(run(modem.connect(2))).rejects.toMatchObject({ code: "AT_CME_ERROR", data: { cme: 127 } });
    expect(await run(modem.session(2))).toBeUndefined();
    await run(modem.ensureContext({ cid: 2, type: "IP", apn: "iot" }));
    expect(await run(modem.connect(2))).toMatchObject({ apn: "iot" });
  });

  test("an APN with which the vehicle cannot even attach: no registration in time, with the reject cause", async () => {
    const { modem, run } = await onlineBench();
    await run(modem.ensureContext({ cid: 1, type: "IP", apn: "wrong.apn" }));
    // EMM cause 19, ESM failure.
    await expect(run(modem.awaitRegistered({ timeoutMs: 30_000 }))).rejects.toMatchObject({ code: "DEADLINE", data: { rejectCause: 19 } });
    await run(modem.ensureContext({ cid: 1, type: "IP", apn: "iot" }));
    await run(modem.awaitRegistered({ timeoutMs: 60_000 }));
    expect(await run(modem.connect(1))).toMatchObject({ apn: "iot" });
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])("given up at command %i of a change of APN, the module is not left without radio", async (n) => {
    const { modem, run, module, sent, clock } = await onlineBench();
    sent.length = 0;
    const controller = new AbortController();
    const changing = modem.ensureContext({ cid: 1, type: "IP", apn: "iot" }, undefined, controller.signal).catch((error: unknown) => error);
    while (sent.length < n && clock.nextTimerInMs() !== undefined && module.functionLevel !== undefined) {
      await new Promise((resolve) => setImmediate(resolve));
      if (sent.length < n) await clock.advance(1);
    }
    controller.abort(new Error("enough"));
    await run(changing);
    await run(modem.awaitRegistered({ timeoutMs: 120_000 }));
    expect(module.functionLevel).toBe(1);
  });

  test("credentials are written once a session, and never shown", async () => {
    const { modem, run, sent, trace } = await onlineBench();
    const auth = { protocol: "chap", user: "fleet", password: "not to be seen" } as const;
    const context = { cid: 2, type: "IP", apn: "iot" } as const;
    expect(await run(modem.ensureContext(context, auth))).toEqual({ changed: true });
    expect(await run(modem.ensureContext(context, auth))).toEqual({ changed: false });
    expect(sent.filter((line) => line.startsWith("+CGAUTH"))).toEqual(["+CGAUTH ..."]);
    expect(Buffer.concat(trace.map(({ octets }) => Buffer.from(octets))).toString("latin1")).not.toContain("not to be seen");
  });

  test("credentials of an earlier configuration are taken away when it wants none, whoever wrote them", async () => {
    const { modem, run, sent, module } = await onlineBench();
    const context = { cid: 2, type: "IP", apn: "iot" } as const;
    await run(modem.ensureContext(context, { protocol: "chap", user: "fleet", password: "x" }));
    expect(module.packet.credentials(2)).toMatchObject({ protocol: 2, user: "fleet" });
    expect(await run(modem.ensureContext(context))).toEqual({ changed: false });
    expect(module.packet.credentials(2)).toBeUndefined();
    // Of an earlier life: found after the module's restart.
    module.packet.authenticate(2, { protocol: 1, user: "left", password: "behind" });
    module.reset();
    await run(modem.awaitRegistered({ timeoutMs: 120_000 }));
    await run(modem.ensureContext(context));
    expect(module.packet.credentials(2)).toBeUndefined();
    const written = sent.length;
    await run(modem.ensureContext(context));
    expect(sent.slice(written).filter((line) => line.startsWith("+CGAUTH"))).toEqual([]);
  });

  test("a module that does not tell of its credentials is told once that there are none; one that knows no credentials is let be", async () => {
    for (const fault of ["error", "silent"] as const) {
      const { modem, run, faults, module, clock } = await onlineBench();
      module.packet.authenticate(1, { protocol: 1, user: "left", password: "behind" });
      if (fault === "error") faults.set("error", "+CGAUTH@1");
      else faults.set("late", "+CGAUTH@1:12000");
      await run(modem.ensureContext({ cid: 1, type: "IP", apn: "bootstrap.iot" }));
      expect([fault, module.packet.credentials(1)]).toEqual([fault, undefined]);
      await clock.advance(1);
    }
    const { modem, run, faults } = await onlineBench();
    faults.set("error", "+CGAUTH@1");
    faults.set("cme", "+CGAUTH@2:4");
    expect(await run(modem.ensureContext({ cid: 2, type: "IP", apn: "iot" }))).toEqual({ changed: true });
  });

  test("the end of the session that was brought up is an event, another context's is not", async () => {
    const { modem, run, events, module, clock } = await onlineBench();
    await run(modem.connect(1));
    await run(modem.ensureContext({ cid: 3, type: "IP", apn: "iot" }));
    await run(modem.connect(3));
    await run(modem.disconnect(3));
    expect(events.filter(({ kind }) => kind === "bearer")).toEqual([]);
    module.packet.detach("NW");
    await clock.advance(10);
    expect(events.filter(({ kind }) => kind === "bearer")).toEqual([{ kind: "bearer", active: false }]);
  });
});

describe("a change of profile", () => {
  // shows: a7.wait-for-card, a7.channels-gone
  test("is adopted by the card's own REFRESH; a channel from before is dead", async () => {
    const bench = await onlineBench();
    const { modem, run, events } = bench;
    const before = await run(modem.apdu.open(applicationAid));
    await switchProfile(bench);
    const change = await run(modem.awaitCard({ iccid: otherProfile.iccid }));
    expect(change).toMatchObject({ iccid: otherProfile.iccid, steps: ["wait"] });
    expect(modem.status).toMatchObject({ iccid: otherProfile.iccid, sim: "ready" });
    expect(await run(modem.imsi())).toBe(otherProfile.imsi);
    expect(await run(modem.awaitRegistered({ timeoutMs: 60_000 }))).toMatchObject({ status: "home", plmn: "26299" });
    await expect(run(before.transmit(storeData))).rejects.toMatchObject({ code: "APDU_CHANNEL_LOST" });
    expect(events.filter(({ kind }) => kind === "gone")).toEqual([]);
    expect(toHexUpper(await run((await run(modem.apdu.open(applicationAid))).transmit(storeData)))).toBe("9000");
  });

  // shows: a7.wait-for-card
  test("that the module ignores is adopted by the next step of the ladder", async () => {
    const bench = await onlineBench({ module: { personality: { ...generic3gpp, refresh: "ignored" } } });
    await switchProfile(bench);
    expect(await bench.run(bench.modem.awaitCard({ iccid: otherProfile.iccid, settleMs: 5_000 }))).toMatchObject({
      steps: ["wait", "flight-cycle", "cfun-cycle"],
    });
    expect(await bench.run(bench.modem.imsi())).toBe(otherProfile.imsi);
  });

  test("whose SIM is busy for long is waited for, and not begun anew by the next step", async () => {
    const simBusy = [
      { ms: 18_000, cme: 13 },
      { ms: 8_000, cme: 14 },
    ];
    const bench = await onlineBench({ module: { timings: { simBusy, lateIccidMs: 8_000 } } });
    await switchProfile(bench);
    const change = await bench.run(bench.modem.awaitCard({ iccid: otherProfile.iccid, settleMs: 10_000 }));
    expect(change).toMatchObject({ iccid: otherProfile.iccid, steps: ["wait"] });
    expect(change.tookMs).toBeGreaterThan(30_000);
  });

  test("whose SIM is busy for ever is given the next step, in bounded time", async () => {
    const clock = new VirtualClock();
    const taken: string[] = [];
    const climbed = climbRefreshLadder({
      iccid: otherProfile.iccid,
      ladder: ["wait", "cfun-cycle", "reset"],
      settleMs: 5_000,
      clock,
      signal: undefined,
      read: () => Promise.reject(new SimwardError("AT_CME_ERROR", { data: { cme: 14 } })),
      take: async (step) => void taken.push(step),
    });
    await expect(clock.runUntil(climbed)).rejects.toMatchObject({ code: "SWITCH_NOT_SEEN", data: { steps: taken } });
    expect(taken).toEqual(["wait", "cfun-cycle", "reset"]);
    expect(clock.monotonicMs()).toBeLessThan(3 * 40_000);
  });

  test("goes on through steps that the module refuses, up to its reset", async () => {
    const bench = await onlineBench({ module: { personality: { ...generic3gpp, refresh: "ignored" } } });
    await switchProfile(bench);
    // CFUN=4, then CFUN=0: whatever is refused counts for the other no more.
    bench.faults.set("cme", "+CFUN@1:3");
    bench.faults.set("error", "+CFUN@2");
    const change = await bench.run(bench.modem.awaitCard({ iccid: otherProfile.iccid, settleMs: 5_000 }));
    expect(change.steps).toEqual(["wait", "flight-cycle", "cfun-cycle", "cfun-reset"]);
    expect(change.taken.map(({ step }) => step)).toEqual(change.steps);
    expect(change.taken.reduce((sum, { tookMs }) => sum + tookMs, 0)).toBeLessThanOrEqual(change.tookMs);
    expect(bench.events.find(({ kind }) => kind === "cardSwitch")).toMatchObject({ isSeen: true, iccid: otherProfile.iccid });
    expect(bench.events.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["gone", "back"]));
  });

  test("a busy SIM is waited for by whoever asks it something", async () => {
    const { modem, run, clock } = await onlineBench();
    await run(modem.refresh("cfun-cycle"));
    const startMs = clock.monotonicMs();
    expect(await run(modem.imsi())).toBe("901980000000001");
    expect(clock.monotonicMs() - startMs).toBeGreaterThan(500);
    await run(modem.refresh("cfun-cycle"));
    expect(await run(modem.iccid())).toBe("8988211000000000011");
  });

  test("a card without a profile says so after half a minute, as the module does", async () => {
    const { modem, run, clock } = await readyBench({ noCard: true });
    const startMs = clock.monotonicMs();
    await expect(run(modem.iccid())).rejects.toMatchObject({ code: "AT_CME_ERROR", data: { cme: 10 } });
    expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(28_000);
  });

  test("that is there already takes no step", async () => {
    const { modem, run } = await readyBench();
    expect(await run(modem.awaitCard({ iccid: "8988211000000000011" }))).toMatchObject({ steps: [] });
  });

  test("that never shows: SWITCH_NOT_SEEN after the whole ladder, with the ICCID shortened, and the modem is usable", async () => {
    const { modem, run, events } = await readyBench();
    const error = await run(modem.awaitCard({ iccid: otherProfile.iccid, settleMs: 2_000 }).catch((cause: unknown) => cause));
    expect(error).toMatchObject({ code: "SWITCH_NOT_SEEN", data: { steps: ["wait", "flight-cycle", "cfun-cycle", "cfun-reset"] } });
    expect(events.find(({ kind }) => kind === "cardSwitch")).toMatchObject({
      isSeen: false,
      steps: [{ step: "wait" }, { step: "flight-cycle" }, { step: "cfun-cycle" }, { step: "cfun-reset" }],
    });
    expect(String(error)).not.toContain("8988211000000000011");
    await run(modem.ready());
    expect(await run(modem.iccid())).toBe("8988211000000000011");
  });

  test("can be given up at any time", async () => {
    const { modem, clock } = await readyBench();
    const controller = new AbortController();
    const outcome = expect(modem.awaitCard({ iccid: otherProfile.iccid, signal: controller.signal })).rejects.toThrow("enough");
    await clock.advance(3_000);
    controller.abort(new Error("enough"));
    await clock.advance(0);
    await outcome;
  });
});

describe("the module goes away", () => {
  test("with its port, and comes back: events, and operations that say so", async () => {
    const { modem, run, events, unplug, refuseOpening, clock } = await onlineBench();
    refuseOpening.times = 6;
    unplug();
    await clock.advance(0);
    expect(modem.status).toMatchObject({ link: "lost", registration: { status: "unknown" } });
    await expect(modem.iccid()).rejects.toMatchObject({ code: "PORT_CLOSED" });
    await expect(modem.apdu.open(applicationAid)).rejects.toMatchObject({ code: "PORT_CLOSED" });
    await run(modem.ready());
    expect(events.filter(({ kind }) => kind === "gone" || kind === "back").map(({ kind }) => kind)).toEqual(["gone", "back"]);
    expect(refuseOpening.times).toBe(0);
    expect(await run(modem.iccid())).toBe("8988211000000000011");
  });

  test("in the middle of a command: it ends at once", async () => {
    const { modem, unplug, faults, clock } = await onlineBench();
    faults.set("silent-commands", "1");
    const asked = expect(modem.imsi()).rejects.toMatchObject({ code: "PORT_CLOSED" });
    await clock.advance(10);
    unplug();
    await clock.advance(0);
    await asked;
  });

  test.each([
    ["its port stays", false],
    ["its port hangs up with it", true],
  ])("by our reset, and is initialised anew, where %s", async (_, hangUp) => {
    const { modem, run, events, faults, module } = await onlineBench();
    if (hangUp) faults.set("hang-up-on-reset", "1");
    await run(modem.reset());
    expect(modem.status.link).toBe("ready");
    expect(events.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["gone", "back"]));
    expect(module.settings.creg["+CEREG"]).toBe(3);
    expect(await run(modem.awaitRegistered({ timeoutMs: 60_000 }))).toMatchObject({ status: "roaming" });
  });

  test("by itself in the middle of a command, its port staying: the command fails at its boot line, and all is set again", async () => {
    const { modem, run, faults, module, events, clock } = await onlineBench();
    faults.set("reset", "+CIMI@1");
    const startMs = clock.monotonicMs();
    await expect(run(modem.imsi())).rejects.toMatchObject({ code: "PORT_CLOSED", detail: expect.stringContaining("RDY") });
    expect(clock.monotonicMs() - startMs).toBeLessThan(5_000);
    await run(modem.ready());
    expect(module.settings.creg["+CEREG"]).toBe(3);
    expect(events.filter(({ kind }) => kind === "gone" || kind === "back").map(({ kind }) => kind)).toEqual(["gone", "back"]);
    expect(await run(modem.imsi())).toBe("901980000000001");
  });

  test("into silence: it is noticed without anybody asking, and found again when it speaks", async () => {
    const { modem, faults, events, until, run } = await onlineBench();
    faults.set("silent-ms", "600000");
    await until(({ link }) => link !== "ready", 400_000);
    expect(events.at(-1)).toMatchObject({ kind: "gone", reason: expect.stringContaining("in a row") });
    await until(({ link }) => link === "ready", 1_000_000);
    expect(await run(modem.iccid())).toBe("8988211000000000011");
    expect(modem.status.consecutiveTimeouts).toBe(0);
  });

  test("was never there: MODEM_ABSENT with the reason, asked for again and again, ever slower", async () => {
    const openings: number[] = [];
    const absent = moduleBench({
      modem: {
        open: async () => {
          openings.push(absent.clock.monotonicMs());
          throw new Error("no such device");
        },
      },
    });
    await absent.clock.advance(600_000);
    expect(absent.modem.status).toMatchObject({
      link: expect.stringMatching(/lost|opening/),
      reason: expect.stringContaining("no such device"),
    });
    await expect(absent.modem.imei()).rejects.toMatchObject({ code: "MODEM_ABSENT" });
    const pauses = openings.slice(1).map((atMs, index) => atMs - (openings[index] ?? 0));
    expect(pauses[0]).toBeLessThan(500);
    expect(Math.max(...pauses)).toBeLessThan(40_000);
    expect(openings.length).toBeGreaterThan(15);
    expect(openings.length).toBeLessThan(60);
  });
});

describe("whatever goes wrong on the line, the answers are right", () => {
  const ask = async (modem: Modem): Promise<unknown> => ({
    imei: await modem.imei(),
    imsi: await modem.imsi(),
    iccid: await modem.iccid(),
    plmn: (await modem.registration()).plmn,
    contexts: (await modem.contexts()).length,
  });
  const answers = { imei: "356938035643809", imsi: "901980000000001", iccid: "8988211000000000011", plmn: "26298", contexts: 1 };

  test.each([
    ["a URC inside every reply", "urc", '+CEREG: 2,"0000","00000000",7'],
    ["a URC that looks like no URC", "urc", "DST: 1"],
    ["every octet by itself", "split-octets", "1"],
  ] as const)("%s", async (_, name, value) => {
    const { modem, run, faults } = await onlineBench();
    faults.set(name, value);
    expect(await run(ask(modem))).toEqual(answers);
  });

  test.each([1, 2, 3, 4, 5, 6])("noise before reply %i", async (n) => {
    const { modem, run, faults } = await onlineBench();
    faults.set("garbage", `${n}`);
    expect(await run(ask(modem))).toEqual(answers);
  });

  test.each([1, 2, 3, 4, 5, 6, 7])(
    "reply %i comes after its deadline: that question fails or is asked again, no other gets its answer",
    async (n) => {
      const { modem, run, faults, clock } = await onlineBench();
      faults.set("late", `${n}:12000`);
      await run(ask(modem)).catch((error: unknown) => expect(error).toMatchObject({ code: "AT_TIMEOUT" }));
      await clock.advance(1_000);
      expect(await run(ask(modem))).toEqual(answers);
    },
  );

  test("a line without end", async () => {
    const { modem, run, faults } = await onlineBench();
    faults.set("spew", "40000");
    await expect(run(modem.imei())).rejects.toMatchObject({ code: "AT_LINE_TOO_LONG" });
    expect(await run(ask(modem))).toEqual(answers);
  });
});

test("closing ends it: no timer is left, what waits is refused", async () => {
  const { modem, module, clock, run } = await onlineBench();
  await run(modem.close());
  module.close();
  expect(clock.nextTimerInMs()).toBeUndefined();
  await expect(modem.ready()).rejects.toMatchObject({ code: "PORT_CLOSED" });
  await expect(modem.imei()).rejects.toMatchObject({ code: "PORT_CLOSED" });
});

test("closing while the port is being opened closes what was opened", async () => {
  const { modem, module, run } = moduleBench();
  await run(modem.close());
  await run(Promise.resolve());
  expect(modem.status.link).toBe("closed");
  module.close();
});

test("an address or a family that nobody knows is refused at once", () => {
  const options = { clock: new SystemClock(), log: silentLog, random: systemRandom };
  expect(() => openModem({ ...options, address: "modem:/dev/ttyUSB0" })).toThrow(expect.objectContaining({ code: "PORT_ADDRESS" }));
  expect(() => openModem({ ...options, address: "tcp:127.0.0.1:1", family: "nokia" })).toThrow(
    expect.objectContaining({ code: "MODEM_FAMILY" }),
  );
});
