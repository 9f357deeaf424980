// One session with each family's module, by the real driver and the family's real operations: from start to restart, technologies, bands,
// power saving and the way to the packets.
import { afterEach, describe, expect, test } from "vitest";
import { type ModemOptions, openModem } from "../../../at-drivers/driver.ts";
import { createAtPort } from "../../../at-drivers/engine/port.ts";
import type { AtPort, AtTraceEntry } from "../../../at-drivers/engine/types.ts";
import { families, familyNamed, opsOf } from "../../../at-drivers/families/table.ts";
import type { Bands, DataInterfaceKind, ModemOps, OperatorProfile, PsmTimers, RadioSwitch } from "../../../at-drivers/family.ts";
import type { Modem } from "../../../at-drivers/modem.ts";
import type { Rat, RefreshStep, SignalQuality } from "../../../at-drivers/types.ts";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { silentLog } from "../../../base/log.ts";
import { seededRandom } from "../../../base/random.ts";
import { sessionFiles } from "../transcripts.ts";
import { Dialogue } from "./dialogue.ts";

const isdR = fromHex("A0000005591010FFFFFFFF8900000100");
const getEid = fromHex("80E2910006BF3E035C015A");
const eid = "BF3E125A1089049032000000000000000000001234";
const noonMs = Date.UTC(2026, 5, 1, 12);
const firstIccid = "8949020000000123456";
const nextIccid = "8949020000000765432";

/** What the session of a family comes to. */
interface Expected {
  /** What the module answers to the question for the EID, status word included. */
  readonly apdu: string;
  readonly rat: Rat | undefined;
  readonly signal: SignalQuality;
  /** What the first time event says; undefined: no network has set the clock. */
  readonly timeMs?: number;
  readonly ownLpaOn?: boolean;
  readonly step: RefreshStep;
  readonly cid?: number;
  readonly radio: { readonly before: readonly Rat[] | undefined; readonly after: readonly Rat[]; readonly needsReset: boolean };
  readonly bands?: { readonly wanted: Bands; readonly needsReset: boolean };
  readonly granted?: PsmTimers;
  readonly dataInterface?: { readonly before: DataInterfaceKind | undefined; readonly after: DataInterfaceKind };
  readonly profile?: OperatorProfile;
}

const byCesqAndCsq: SignalQuality = { rssiDbm: -73, rsrpDbm: -84, rsrqDb: -10 };
const ublox = { apdu: `${eid}9000`, signal: byCesqAndCsq, step: "cfun-cycle", profile: { name: "global", automatic: false } } as const;
const ubloxPsm: PsmTimers = { periodicTauSeconds: 108_000, activeSeconds: 1_080 };
const emtcBands = { wanted: { "lte-m": [3, 20] }, needsReset: false } as const;

const expected: Readonly<Record<string, Expected>> = {
  "quectel-bg9x": {
    apdu: "6115",
    rat: "lte-m",
    signal: { rssiDbm: -52, rsrpDbm: -81, sinrDb: 19, rsrqDb: -10 },
    timeMs: noonMs + 5_000,
    step: "cfun-cycle",
    radio: { before: ["lte-m", "nb-iot", "gsm"], after: ["lte-m"], needsReset: false },
    bands: emtcBands,
    granted: { periodicTauSeconds: 46_800, activeSeconds: 2_880 },
  },
  "quectel-ec2x": {
    apdu: "6115",
    rat: "lte",
    signal: { rssiDbm: -60, rsrpDbm: -95, sinrDb: 4, rsrqDb: -11 },
    ownLpaOn: true,
    timeMs: noonMs + 5_000,
    step: "cfun-cycle",
    radio: { before: ["lte", "utran", "gsm"], after: ["lte"], needsReset: false },
    bands: { wanted: { lte: [3, 7, 20] }, needsReset: false },
    dataInterface: { before: undefined, after: "ecm" },
    profile: { name: "ROW_Commercial", automatic: true },
  },
  "quectel-ec200": {
    apdu: `${eid}9000`,
    rat: "lte",
    signal: { rssiDbm: -60, rsrpDbm: -95, sinrDb: 4, rsrqDb: -11 },
    ownLpaOn: true,
    timeMs: noonMs + 5_000,
    step: "cfun-cycle",
    radio: { before: ["lte", "utran", "gsm"], after: ["lte"], needsReset: false },
    bands: { wanted: { lte: [3, 7, 20] }, needsReset: false },
    dataInterface: { before: undefined, after: "ecm" },
    profile: { name: "ROW_Commercial", automatic: true },
  },
  "simcom-sim7080": {
    apdu: "6115",
    rat: "lte-m",
    signal: { rsrqDb: -7, rsrpDbm: -115, rssiDbm: -110, sinrDb: 6 },
    step: "cfun-cycle",
    radio: { before: undefined, after: ["lte-m"], needsReset: false },
    bands: emtcBands,
    granted: { periodicTauSeconds: 3_600, activeSeconds: 12 },
  },
  "simcom-a76xx": {
    apdu: "6115",
    rat: "lte",
    // 255 is unknown, so +CSQ says it.
    signal: { rsrqDb: -9.5, rsrpDbm: -73, rssiDbm: -73 },
    step: "cfun-cycle",
    radio: { before: ["lte", "utran", "gsm"], after: ["lte"], needsReset: false },
    bands: { wanted: { lte: [3, 20] }, needsReset: false },
    dataInterface: { before: undefined, after: "ecm" },
  },
  "ublox-sara-r5": {
    ...ublox,
    rat: "lte-m",
    radio: { before: ["nb-iot"], after: ["lte-m"], needsReset: true },
    bands: { wanted: { "lte-m": [3, 20] }, needsReset: true },
    granted: ubloxPsm,
  },
  "ublox-sara-r4": {
    ...ublox,
    rat: "lte-m",
    radio: { before: ["lte-m", "nb-iot"], after: ["lte-m"], needsReset: true },
    bands: { wanted: { "lte-m": [3, 20] }, needsReset: true },
    granted: ubloxPsm,
  },
  "ublox-lara-r6": {
    ...ublox,
    rat: "lte",
    radio: { before: ["lte", "utran", "gsm"], after: ["lte"], needsReset: true },
    dataInterface: { before: "rndis", after: "ecm" },
  },
  "ublox-lexi-r10": {
    ...ublox,
    rat: "lte",
    radio: { before: ["lte"], after: ["lte"], needsReset: false },
    dataInterface: { before: "rndis", after: "ecm" },
  },
  "telit-me": {
    apdu: `${eid}9000`,
    rat: "lte-m",
    signal: { rsrpDbm: -98, rssiDbm: -67, rsrqDb: -12 },
    step: "cfun-cycle",
    radio: { before: undefined, after: ["lte-m"], needsReset: true },
    bands: { wanted: { "lte-m": [3, 20] }, needsReset: true },
    dataInterface: { before: undefined, after: "ecm" },
  },
  "telit-le910": {
    apdu: `${eid}9000`,
    rat: "lte",
    signal: { rsrpDbm: -98, rssiDbm: -67, rsrqDb: -12 },
    step: "cfun-cycle",
    radio: { before: ["lte", "utran", "gsm"], after: ["lte"], needsReset: true },
    dataInterface: { before: undefined, after: "ecm" },
  },
  "nordic-nrf91": {
    apdu: `${eid}9000`,
    rat: "lte-m",
    signal: { rssiDbm: -73, rsrpDbm: -86, rsrqDb: -12, sinrDb: 18 },
    step: "sim-power",
    cid: 0,
    radio: { before: ["nb-iot"], after: ["lte-m"], needsReset: false },
    bands: emtcBands,
    granted: { periodicTauSeconds: 72_000, activeSeconds: 20 },
  },
};

let modem: Modem | undefined;
afterEach(() => modem?.close());

test("every family but the generic and those that differ from another by a number has a session", () => {
  const without = ["generic-3gpp", "telit-le910q1"];
  expect(Object.keys(expected).sort()).toEqual(sessionFiles().map((name) => name.split("/")[0]));
  expect([...Object.keys(expected), ...without].sort()).toEqual(families.map(({ id }) => id).sort());
});

describe.each(Object.entries(expected))("%s", (id, wanted) => {
  test("plays its session to the end", async () => {
    const clock = new VirtualClock({ ms: noonMs });
    const dialogue = new Dialogue(`${id}/session.txt`);
    const run = <T>(promise: Promise<T>): Promise<T> => runIn(clock, promise);
    const cid = wanted.cid ?? 1;
    const trace: AtTraceEntry[] = [];
    const times: number[] = [];
    modem = openModem({ ...options(clock, dialogue), trace: (entry) => trace.push(entry) });
    modem.onEvent((event) => {
      if (event.kind === "time") times.push(event.utcMs);
    });

    // Start.
    await run(modem.ready());
    expect(modem.status).toMatchObject({ link: "ready", family: id, imei: "490154203237518", iccid: firstIccid, sim: "ready" });
    expect(modem.status.ownLpa?.on).toBe(wanted.ownLpaOn);
    const registration = await run(modem.awaitRegistered({ timeoutMs: 60_000 }));
    expect(registration).toMatchObject({ status: "roaming", plmn: "26201", tac: expect.stringMatching(/^[0-9A-F]{4}$/) });
    expect(registration.rat).toBe(wanted.rat);
    expect(await run(modem.signalQuality())).toEqual(wanted.signal);

    expect(times[0]).toBe(wanted.timeMs);

    // The card.
    const channel = await run(modem.apdu.open(isdR));
    expect(toHexUpper(await run(channel.transmit(getEid)))).toBe(wanted.apdu);
    await run(channel.close());

    // Data.
    const context = { cid, type: "IP", apn: "fleet.example" } as const;
    expect(await run(modem.ensureContext(context, { protocol: "pap", user: "user", password: "secret" }))).toEqual({ changed: true });
    expect(await run(modem.connect(cid))).toMatchObject({ cid, address: "10.64.3.7" });

    // Another profile, then a restart.
    expect(await run(modem.awaitCard({ iccid: nextIccid, settleMs: 5_000 }))).toMatchObject({
      iccid: nextIccid,
      steps: wanted.step === "sim-power" ? ["wait", "sim-power"] : ["wait", "flight-cycle", wanted.step],
    });
    await run(modem.reset());
    expect(modem.status).toMatchObject({ link: "ready", iccid: nextIccid });
    await modem.close();
    const traced = trace.map(({ octets }) => Buffer.from(octets).toString("latin1")).join("");
    expect(traced).toContain("AT+CGDCONT=");
    expect(traced).not.toContain("secret");

    // What is not the driver's to decide, by the operations it has for it.
    const port = createAtPort({ channel: dialogue.open(), clock });
    await run(port.resync(10_000));
    await run(playOperations(opsOf(familyNamed(id)), port, wanted, cid));
    await port.close();

    expect(dialogue.unsaid).toEqual([]);
  });
});

const bootLines = families.flatMap(({ id, quirks }) => (id in expected ? quirks.bootLines.map((line) => [id, line] as const) : []));

test.each(bootLines)("%s: %s in mid-session is a restart, and all is asked anew", async (id, line) => {
  const clock = new VirtualClock({ ms: noonMs });
  const dialogue = new Dialogue(`${id}/session.txt`);
  const events: string[] = [];
  modem = openModem(options(clock, dialogue));
  modem.onEvent(({ kind }) => events.push(kind));
  await runIn(clock, modem.ready());
  events.length = 0;
  const asked = dialogue.said.length;
  dialogue.urc(line);
  await runIn(clock, clock.sleep(0));
  expect(events).toContain("gone");
  await runIn(clock, modem.ready());
  expect(events).toContain("back");
  expect(dialogue.said.slice(asked)).toEqual(expect.arrayContaining(["ATE0", "AT+CGMM", "AT+CPIN?"]));
});

function options(clock: VirtualClock, dialogue: Dialogue): ModemOptions {
  return { address: "pty:/module", clock, log: silentLog, random: seededRandom(1), open: async () => dialogue.open() };
}

async function playOperations(ops: ModemOps, port: AtPort, wanted: Expected, cid: number): Promise<void> {
  const radio: RadioSwitch = { off: (level) => ops.setFunction(port, level), on: () => ops.setFunction(port, 1) };

  expect((await ops.radioAccess(port))?.rats).toEqual(wanted.radio.before);
  const changed = wanted.radio.before?.join() !== wanted.radio.after.join();
  expect(await ops.setRadioAccess(port, wanted.radio.after, radio)).toEqual({ changed, needsReset: wanted.radio.needsReset });
  expect((await ops.radioAccess(port))?.rats).toEqual(wanted.radio.after);
  expect(await ops.setRadioAccess(port, wanted.radio.after, radio)).toEqual({ changed: false, needsReset: false });

  if (wanted.bands === undefined) expect(await ops.bands(port)).toBeUndefined();
  else {
    const { wanted: bands, needsReset } = wanted.bands;
    expect(await ops.setBands(port, bands, radio)).toEqual({ changed: true, needsReset });
    expect(await ops.bands(port)).toMatchObject(bands);
    expect(await ops.setBands(port, bands, radio)).toEqual({ changed: false, needsReset: false });
  }

  if (wanted.granted === undefined) expect(await ops.powerSaving(port)).toBeUndefined();
  else {
    expect(await ops.powerSaving(port)).toMatchObject({ enabled: true, granted: wanted.granted });
    expect(await ops.setPowerSaving(port, undefined)).toEqual({ changed: true, needsReset: false });
    expect(await ops.powerSaving(port)).toMatchObject({ enabled: false, granted: undefined });
  }

  if (wanted.dataInterface !== undefined) {
    const { before, after } = wanted.dataInterface;
    expect(await ops.dataInterface(port)).toBe(before);
    expect(await ops.setDataInterface(port, after, radio)).toEqual({ changed: true, needsReset: true });
    await ops.startDataInterface(port, after, cid);
  }

  expect(await ops.operatorProfile(port)).toEqual(wanted.profile);
  if (wanted.profile?.name === "global") expect(await ops.failureCause(port)).toMatchObject({ kind: "emm", cause: 15 });
}

/** Time goes by as far as anything waits for it. */
async function runIn<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let done = false;
  const finish = (): void => {
    done = true;
  };
  promise.then(finish, finish);
  for (let turns = 0; turns < 20_000; turns++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (done) return promise;
    await clock.advance(clock.nextTimerInMs() ?? 0);
  }
  throw new Error("it does not end");
}
