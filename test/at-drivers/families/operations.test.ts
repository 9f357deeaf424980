// The families' operations where the sessions do not go: what is so already, what is refused, what reads back otherwise, and the card's files.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createAtPort } from "../../../at-drivers/engine/port.ts";
import type { AtPort } from "../../../at-drivers/engine/types.ts";
import { families, familyNamed, familyOf, opsOf } from "../../../at-drivers/families/table.ts";
import type { ModemOps, RadioSwitch } from "../../../at-drivers/family.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { answersProbe, FarEnd as Far, type FarEnd, info, ok } from "../far-end.ts";

interface Bench {
  readonly ops: ModemOps;
  readonly port: AtPort;
  readonly far: FarEnd;
  readonly radio: RadioSwitch & { readonly calls: string[] };
  /** What was sent since the port was found. */
  sent(): readonly string[];
  run<T>(promise: Promise<T>): Promise<T>;
}

/** `answers`: text after the echo by command line; what is missing is answered ERROR. A list is answered one after the other, the last for good. */
async function bench(family: string, answers: Readonly<Record<string, string | readonly string[]>>): Promise<Bench> {
  const clock = new VirtualClock();
  const asked = new Map<string, number>();
  const far = new Far((line) => {
    const answer = answers[line];
    if (answer === undefined) return answersProbe(line) ?? "\r\nERROR\r\n";
    if (typeof answer === "string") return answer;
    const times = asked.get(line) ?? 0;
    asked.set(line, times + 1);
    return answer[Math.min(times, answer.length - 1)];
  });
  const port = createAtPort({ channel: far.channel, clock });
  await clock.runUntil(port.resync(10_000));
  const before = far.received.length;
  const calls: string[] = [];
  const radio = { calls, off: async (level: 0 | 4) => void calls.push(`off ${level}`), on: async () => void calls.push("on") };
  return {
    ...{ ops: opsOf(familyNamed(family)), port, far, radio },
    sent: () => far.received.slice(before),
    run: (promise) => clock.runUntil(promise),
  };
}

describe("which family a module is of", () => {
  test.each([
    ["Quectel", "BG95-M3", "quectel-bg9x"],
    ["Quectel", "BG96", "quectel-bg9x"],
    ["Quectel", "BG77", "quectel-bg9x"],
    ["Quectel", "EG25", "quectel-ec2x"],
    ["Quectel", "EC25", "quectel-ec2x"],
    ["Quectel", "EG91", "quectel-ec2x"],
    ["Quectel", "EG915U", "quectel-ec200"],
    ["Quectel", "EG916Q-GL", "quectel-ec200"],
    ["Quectel", "EG800K", "quectel-ec200"],
    ["Quectel", "EC200A", "quectel-ec200"],
    ["SIMCOM_Ltd", "SIMCOM_SIM7080", "simcom-sim7080"],
    ["SIMCOM INCORPORATED", "A7670C-LASS", "simcom-a76xx"],
    ["SIMCOM INCORPORATED", "SIM7670G-MNGV", "simcom-a76xx"],
    ["u-blox", "SARA-R510S", "ublox-sara-r5"],
    ["u-blox", "SARA-R410M-02B", "ublox-sara-r4"],
    ["u-blox", "LARA-R6001", "ublox-lara-r6"],
    ["u-blox", "LEXI-R10801D-02B", "ublox-lexi-r10"],
    ["Telit", "ME910C1-E1", "telit-me"],
    ["Telit", "ME310G1-W1", "telit-me"],
    ["Telit", "LE910C1-EU", "telit-le910"],
    ["Telit", "LE910C4-WWX", "telit-le910q1"],
    ["Telit", "LE910Q1-SN", "telit-le910q1"],
    ["Nordic Semiconductor ASA", "nRF9151-LACA", "nordic-nrf91"],
    ["Quectel", "RM520N-GL", "generic-3gpp"],
    ["Sierra Wireless, Incorporated", "EM7565", "generic-3gpp"],
  ])("%s %s is of %s", (manufacturer, model, id) => {
    expect(familyOf({ manufacturer, model, revision: "" }).id).toBe(id);
  });

  test("the command APDU they are given fits the line they take", () => {
    for (const { id, quirks } of families) {
      // CLA INS P1 P2 Lc, the data, Le; in hexadecimal, in the longer of the two commands with a one-digit channel.
      const longest = `AT+CGLA=1,999,"${"00".repeat(quirks.maxCommandDataBytes + 6)}"`;
      expect(longest.length, id).toBeLessThanOrEqual(quirks.maxLineChars ?? Number.POSITIVE_INFINITY);
    }
  });
});

describe("technologies", () => {
  const bg = (mode: number, iot: number, sequence: string): Readonly<Record<string, string>> => ({
    'AT+QCFG="nwscanmode"': info(`+QCFG: "nwscanmode",${mode}`),
    'AT+QCFG="iotopmode"': info(`+QCFG: "iotopmode",${iot}`),
    'AT+QCFG="nwscanseq"': info(`+QCFG: "nwscanseq",${sequence}`),
  });

  test("are understood whatever the order of search says, and not rewritten for it when there is but one", async () => {
    const { ops, port, radio, run, sent } = await bench("quectel-bg9x", bg(3, 0, "020301"));
    expect((await run(ops.radioAccess(port)))?.rats).toEqual(["lte-m"]);
    expect(await run(ops.setRadioAccess(port, ["lte-m"], radio))).toEqual({ changed: false, needsReset: false });
    expect(sent().filter((line) => line.includes(","))).toEqual([]);
  });

  test("in another order are written where there are several: only the setting that differs", async () => {
    const answers = { ...bg(0, 0, "0102"), 'AT+QCFG="nwscanseq"': [info('+QCFG: "nwscanseq",0102'), info('+QCFG: "nwscanseq",0201')] };
    const { ops, port, radio, run, sent } = await bench("quectel-bg9x", { ...answers, 'AT+QCFG="nwscanseq",0201,1': ok() });
    expect(await run(ops.setRadioAccess(port, ["lte-m", "gsm"], radio))).toEqual({ changed: true, needsReset: false });
    expect(sent().filter((line) => line.includes(","))).toEqual(['AT+QCFG="nwscanseq",0201,1']);
    expect(radio.calls).toEqual([]);
  });

  test("that the family does not offer are refused with what it offers, before anything is sent", async () => {
    const { ops, port, radio, run, sent } = await bench("ublox-sara-r5", {});
    await expect(run(ops.setRadioAccess(port, ["lte-m", "gsm"], radio))).rejects.toMatchObject({
      code: "MODEM_UNABLE",
      detail: "lte-m before gsm: it offers lte-m; nb-iot",
    });
    await expect(run(opsOf(familyNamed("generic-3gpp")).setRadioAccess(port, ["lte-m"], radio))).rejects.toMatchObject({
      code: "MODEM_UNABLE",
    });
    expect(sent()).toEqual([]);
  });

  test("that cannot be asked for are unknown, and none at all where no setting answers", async () => {
    const { ops, port, run } = await bench("simcom-sim7080", { "AT+CNMP?": info("+CNMP: 38") });
    expect(await run(ops.radioAccess(port))).toEqual({ rats: undefined, read: { "+CNMP": "38" } });
    const { ops: others, port: other, run: runOther } = await bench("simcom-sim7080", {});
    expect(await runOther(others.radioAccess(other))).toBeUndefined();
  });

  test("that read back otherwise are an error, and the radio comes back", async () => {
    const { ops, port, radio, run } = await bench("ublox-sara-r5", { "AT+URAT?": info("+URAT: 8"), "AT+URAT=7": ok() });
    await expect(run(ops.setRadioAccess(port, ["lte-m"], radio))).rejects.toMatchObject({
      code: "AT_REPLY",
      detail: "+URAT reads back as 8, not 7",
    });
    expect(radio.calls).toEqual(["off 0", "on"]);
  });

  test("are not touched and leave the radio on when the write is refused", async () => {
    const { ops, port, radio, run } = await bench("nordic-nrf91", {
      "AT%XSYSTEMMODE?": info("%XSYSTEMMODE: 0,1,0,0"),
      "AT%XSYSTEMMODE=1,0,1,0": "\r\n+CME ERROR: 518\r\n",
    });
    await expect(run(ops.setRadioAccess(port, ["lte-m"], radio))).rejects.toMatchObject({ code: "AT_CME_ERROR" });
    expect(radio.calls).toEqual(["off 4", "on"]);
  });

  test("of a moving vehicle come first in every family that has a choice: one, without NB-IoT", () => {
    for (const { id, quirks } of families) {
      const { modes, settings } = quirks.radio ?? { modes: [], settings: [] };
      if (modes.length > 0) expect(["lte", "lte-m"], id).toContain(modes[0]?.rats.join());
      for (const mode of modes) expect(mode.values, id).toHaveLength(settings.length);
    }
  });
});

describe("bands", () => {
  test("none would leave the module without any, and are refused where they do not stand for all", async () => {
    const { ops, port, radio, run, sent } = await bench("quectel-ec2x", {});
    await expect(run(ops.setBands(port, { lte: [] }, radio))).rejects.toMatchObject({ code: "MODEM_UNABLE" });
    expect(sent()).toEqual([]);
  });

  test("of Nordic: none take the lock away", async () => {
    const { ops, port, radio, run, sent } = await bench("nordic-nrf91", {
      "AT%XBANDLOCK?": [info('%XBANDLOCK: "100",""'), info('%XBANDLOCK: "",""')],
      "AT%XBANDLOCK=0": ok(),
    });
    expect(await run(ops.setBands(port, { "lte-m": [] }, radio))).toEqual({ changed: true, needsReset: false });
    expect(sent()).toContain("AT%XBANDLOCK=0");
    expect(radio.calls).toEqual(["off 4", "on"]);
  });

  test("of u-blox in two masks a technology, bands above 64 in the second", async () => {
    const { ops, port, radio, run, sent } = await bench("ublox-sara-r5", {
      "AT+UBANDMASK?": [info("+UBANDMASK: 0,4,2,1,4,0"), info("+UBANDMASK: 0,4,2,1,4,0"), info("+UBANDMASK: 0,524288,4194304,1,4,0")],
      "AT+UBANDMASK=0,524288,4194304": ok(),
    });
    expect(await run(ops.bands(port))).toEqual({ "lte-m": [3, 66], "nb-iot": [3] });
    expect(await run(ops.setBands(port, { "lte-m": [20, 87] }, radio))).toEqual({ changed: true, needsReset: true });
    expect(sent()).toContain("AT+UBANDMASK=0,524288,4194304");
  });

  test.each([
    ["0,4,0,1,8,0", { "lte-m": [3], "nb-iot": [4] }],
    ["0,4,1,1,8,0", { "lte-m": [3, 65], "nb-iot": [4] }],
    ["0,4,1,8", { "lte-m": [3], "nb-iot": [4] }],
    ["0,4,1,8,3,1", { "lte-m": [3], "nb-iot": [4] }],
    ["0,4,2", { "lte-m": [3, 66] }],
  ])("of u-blox as %s", async (printed, bands) => {
    const { ops, port, run } = await bench("ublox-sara-r5", { "AT+UBANDMASK?": info(`+UBANDMASK: ${printed}`) });
    expect(await run(ops.bands(port))).toEqual(bands);
  });

  test("of a technology that the module does not tell are refused", async () => {
    const { ops, port, radio, run } = await bench("simcom-sim7080", { "AT+CBANDCFG?": info('+CBANDCFG: "CAT-M",3,20') });
    await expect(run(ops.setBands(port, { gsm: [3] }, radio))).rejects.toMatchObject({ code: "MODEM_UNABLE", detail: "bands of gsm" });
  });

  test("that are no numbers are no answer", async () => {
    const { ops, port, run } = await bench("quectel-bg9x", { 'AT+QCFG="band"': info('+QCFG: "band",0xf,all,none') });
    expect(await run(ops.bands(port))).toBeUndefined();
  });
});

describe("credentials", () => {
  const chap = { protocol: "chap", user: "user", password: "secret" } as const;

  test("of SIMCom: where CHAP with a user is refused, the password alone", async () => {
    const { ops, port, run, sent } = await bench("simcom-a76xx", { 'AT+CGAUTH=1,2,"secret"': ok() });
    await run(ops.authenticate(port, 1, chap));
    expect(sent()).toEqual(['AT+CGAUTH=1,2,"secret","user"', 'AT+CGAUTH=1,2,"secret"']);
  });

  test("by the next way where the maker's own is refused", async () => {
    const { ops, port, run, sent } = await bench("ublox-lara-r6", { 'AT+CGAUTH=1,2,"user","secret"': ok() });
    await run(ops.authenticate(port, 1, chap));
    expect(sent()).toEqual(['AT+UAUTHREQ=1,2,"secret","user"', 'AT+CGAUTH=1,2,"user","secret"']);
  });

  test("that no way takes: the first refusal is told", async () => {
    const { ops, port, run } = await bench("telit-me", { 'AT#PDPAUTH=1,2,"user","secret"': "\r\n+CME ERROR: 50\r\n" });
    await expect(run(ops.authenticate(port, 1, chap))).rejects.toMatchObject({ code: "AT_CME_ERROR", data: { cme: 50 } });
  });
});

describe("the way to the packets", () => {
  test("a composition that is so already is not written", async () => {
    const { ops, port, radio, run, sent } = await bench("quectel-ec2x", { 'AT+QCFG="usbnet"': info('+QCFG: "usbnet",1') });
    expect(await run(ops.setDataInterface(port, "ecm", radio))).toEqual({ changed: false, needsReset: false });
    expect(await run(ops.dataInterface(port))).toBe("ecm");
    expect(sent().some((line) => line.includes(",1"))).toBe(false);
  });

  test("PPP has nothing to set, and its number names the context", async () => {
    const { ops, port, radio, run, sent } = await bench("ublox-sara-r5", {});
    expect(await run(ops.setDataInterface(port, "ppp", radio))).toEqual({ changed: false, needsReset: false });
    await run(ops.startDataInterface(port, "ppp", 3));
    expect(sent()).toEqual([]);
    expect(familyNamed("ublox-sara-r5").quirks.dataInterfaces[0]?.dial?.(3)).toBe("*99***3#");
  });

  test("a kind the family does not have is refused with those it has", async () => {
    const { ops, port, radio, run } = await bench("ublox-sara-r5", {});
    await expect(run(ops.setDataInterface(port, "rndis", radio))).rejects.toMatchObject({
      code: "MODEM_UNABLE",
      detail: "rndis: its interfaces are ppp",
    });
  });
});

describe("power saving", () => {
  const cpsms = (answer: string): Readonly<Record<string, string>> => ({ "AT+CPSMS?": info(answer) });

  test("is not asked for again when it is so", async () => {
    const { ops, port, run, sent } = await bench("quectel-bg9x", cpsms('+CPSMS: 1,,,"00100001","00100001"'));
    expect(await run(ops.setPowerSaving(port, { periodicTauSeconds: 3_600, activeSeconds: 60 }))).toEqual({
      changed: false,
      needsReset: false,
    });
    expect(sent()).toEqual(["AT+CPSMS?"]);
  });

  test("an active time of nothing is what a network that refuses grants", async () => {
    const { ops, port, run } = await bench("quectel-bg9x", {
      ...cpsms('+CPSMS: 1,,,"00100001","00100001"'),
      "AT+QPSMS?": info('+QPSMS: 1,,,"3600","0"'),
      "AT+CEREG?": info('+CEREG: 5,5,"2AF9","69330B",8,,,"11100000","00100001"'),
    });
    expect(await run(ops.powerSaving(port))).toEqual({
      enabled: true,
      requested: { periodicTauSeconds: 3_600, activeSeconds: 60 },
      granted: undefined,
    });
  });

  test("the reports of registration are set back after they were asked for the timers", async () => {
    const { ops, port, run, sent } = await bench("nordic-nrf91", {
      ...cpsms('+CPSMS: 1,,,"00100001","00100001"'),
      "AT+CEREG?": [info('+CEREG: 3,5,"420F","00E2BD12",7'), info("+CEREG: 5,5")],
      "AT+CEREG=5": ok(),
      "AT+CEREG=3": ok(),
    });
    await run(ops.powerSaving(port));
    expect(sent().filter((line) => line.startsWith("AT+CEREG"))).toEqual(["AT+CEREG?", "AT+CEREG=5", "AT+CEREG?", "AT+CEREG=3"]);
  });

  test("eDRX as asked for and as granted, with its window", async () => {
    const { ops, port, run, sent } = await bench("simcom-sim7080", {
      "AT+CEDRXS?": info('+CEDRXS: 4,"0010"'),
      "AT+CEDRXRDP": info('+CEDRXRDP: 4,"0010","0101","0011"'),
      'AT+CEDRXS=1,4,"0011"': ok(),
      "AT+CEDRXS=0,4": ok(),
    });
    expect(await run(ops.edrx(port))).toEqual({
      requested: [{ rat: "lte-m", cycleSeconds: 20.48, pagingWindowSeconds: undefined }],
      granted: { rat: "lte-m", cycleSeconds: 81.92, pagingWindowSeconds: 5.12 },
    });
    expect(await run(ops.setEdrx(port, "lte-m", 20))).toEqual({ changed: false, needsReset: false });
    expect(await run(ops.setEdrx(port, "lte-m", 30))).toEqual({ changed: true, needsReset: true });
    expect(await run(ops.setEdrx(port, "lte-m", undefined))).toEqual({ changed: true, needsReset: true });
    expect(sent()).toContain('AT+CEDRXS=1,4,"0011"');
  });

  test("a module without the commands has none to switch off", async () => {
    const { ops, port, run } = await bench("quectel-ec200", {});
    expect(await run(ops.setPowerSaving(port, undefined))).toEqual({ changed: false, needsReset: false });
    expect(await run(ops.edrx(port))).toBeUndefined();
  });
});

describe("operators", () => {
  const file = "62F22062F240FFFFFFFFFFFF";

  test("forbidden ones are read in the card's own length, and taken away", async () => {
    const { ops, port, run, sent } = await bench("quectel-ec2x", {
      "AT+CRSM=176,28539,0,0,0": info("+CRSM: 108,12"),
      "AT+CRSM=176,28539,0,0,12": [
        info(`+CRSM: 144,0,"${file}"`),
        info(`+CRSM: 144,0,"${file}"`),
        info(`+CRSM: 144,0,"${"F".repeat(24)}"`),
      ],
      [`AT+CRSM=214,28539,0,0,12,"${"F".repeat(24)}"`]: info("+CRSM: 144,0"),
    });
    expect(await run(ops.forbiddenOperators(port))).toEqual(["26202", "26204"]);
    expect(await run(ops.clearForbiddenOperators(port))).toBe(true);
    expect(await run(ops.clearForbiddenOperators(port))).toBe(false);
    expect(sent().filter((line) => line.startsWith("AT+CRSM=214"))).toHaveLength(1);
  });

  test("forbidden ones that cannot be read are none, and that the card keeps them is told", async () => {
    const { ops, port, run } = await bench("quectel-ec2x", {});
    expect(await run(ops.forbiddenOperators(port))).toEqual([]);
    const keeping = await bench("quectel-ec2x", {
      "AT+CRSM=176,28539,0,0,0": info(`+CRSM: 144,0,"${file}"`),
      [`AT+CRSM=214,28539,0,0,12,"${"F".repeat(24)}"`]: info("+CRSM: 105,130"),
    });
    await expect(keeping.run(keeping.ops.clearForbiddenOperators(keeping.port))).rejects.toMatchObject({ code: "APDU_STATUS" });
  });

  test("a technology is named with the operator as the maker numbers it", async () => {
    const choose = async (family: string, line: string): Promise<readonly string[]> => {
      const { ops, port, run, sent } = await bench(family, { [line]: ok() });
      await run(ops.selectOperator(port, "26201", "lte-m"));
      return sent();
    };
    expect(await choose("quectel-bg9x", 'AT+COPS=1,2,"26201",8')).toEqual(['AT+COPS=1,2,"26201",8']);
    expect(await choose("simcom-sim7080", 'AT+COPS=1,2,"26201",7')).toEqual(['AT+COPS=1,2,"26201",7']);
  });

  test("in reach are asked for again where the first ERROR means nothing", async () => {
    const list = info('+COPS: (2,"Example","Ex","26201",7),,(0-4),(0-2)');
    const { ops, port, run } = await bench("quectel-ec2x", { "AT+COPS=?": ["\r\nERROR\r\n", "\r\nERROR\r\n", list] });
    expect(await run(ops.scan(port))).toEqual([{ plmn: "26201", name: "Example", status: "current", act: 7 }]);
    const once = await bench("simcom-sim7080", { "AT+COPS=?": ["\r\nERROR\r\n", list] });
    await expect(once.run(once.ops.scan(once.port))).rejects.toMatchObject({ code: "AT_ERROR" });
  });

  test("forbidden ones that +CRSM does not reach are taken away by the maker's command", async () => {
    const { ops, port, run, sent } = await bench("quectel-ec2x", { 'AT+QFPLMNCFG="Delete","all"': ok() });
    expect(await run(ops.clearForbiddenOperators(port))).toBe(true);
    expect(sent().at(-1)).toBe('AT+QFPLMNCFG="Delete","all"');
  });

  test("their configuration: chosen by the card, or by somebody", async () => {
    const byCard = await bench("ublox-sara-r4", { "AT+UMNOPROF?": info("+UMNOPROF: 1,1,2") });
    expect(await byCard.run(byCard.ops.operatorProfile(byCard.port))).toEqual({ name: "by ICCID", automatic: true });
    const none = await bench("quectel-ec2x", { 'AT+QMBNCFG="AutoSel"': info('+QMBNCFG: "AutoSel",0') });
    expect(await none.run(none.ops.operatorProfile(none.port))).toEqual({ name: "none", automatic: false });
  });
});

describe("a module's own LPA", () => {
  test("that is switched off is told as such", async () => {
    const { ops, port, run } = await bench("quectel-ec2x", { 'AT+QESIM="lpa_enable"': info('+QESIM: "lpa_enable",0') });
    expect(await run(ops.ownLpa(port))).toMatchObject({ command: "+QESIM", on: false });
  });

  test("that only tells the EID may be on", async () => {
    const { ops, port, run } = await bench("quectel-bg9x", { 'AT+QESIM="eid"': info('+QESIM: "89049032000000000000000000001234"') });
    const found = await run(ops.ownLpa(port));
    expect(found).toMatchObject({ command: "+QESIM" });
    expect(found?.on).toBeUndefined();
  });

  test("is not made out of a bare OK", async () => {
    const { ops, port, run } = await bench("quectel-ec2x", { 'AT+QESIM="lpa_enable"': ok(), 'AT+QESIM="eid"': ok() });
    expect(await run(ops.ownLpa(port))).toBeUndefined();
  });
});

describe("the network's time", () => {
  const noonMs = Date.UTC(2026, 5, 1, 12);
  const local = { "AT+CCLK?": info('+CCLK: "26/06/01,14:00:00+08"') };

  test("of Quectel, before any network told it, is unknown whatever the clock shows", async () => {
    const { ops, port, run } = await bench("quectel-bg9x", { ...local, "AT+QLTS=1": info('+QLTS: ""'), "AT+CTZU?": info("+CTZU: 3") });
    expect(await run(ops.networkTime(port))).toBeUndefined();
  });

  test("of Quectel without +QLTS: local time is believed, what may be universal time is not", async () => {
    const setLocal = await bench("quectel-ec200", { ...local, "AT+CTZU?": info("+CTZU: 3") });
    expect(await setLocal.run(setLocal.ops.networkTime(setLocal.port))).toBe(noonMs);
    const universal = await bench("quectel-ec200", { ...local, "AT+CTZU?": info("+CTZU: 1") });
    expect(await universal.run(universal.ops.networkTime(universal.port))).toBeUndefined();
  });

  test("of SIMCom without +CTZU: by +CLTS", async () => {
    const { ops, port, run } = await bench("simcom-sim7080", { ...local, "AT+CLTS?": info("+CLTS: 1") });
    expect(await run(ops.networkTime(port))).toBe(noonMs);
    const off = await bench("simcom-sim7080", { ...local, "AT+CLTS?": info("+CLTS: 0") });
    expect(await off.run(off.ops.networkTime(off.port))).toBeUndefined();
  });
});

describe("restarts", () => {
  test("by the next command where the first is refused", async () => {
    const { ops, port, run, sent } = await bench("simcom-a76xx", { "AT+CFUN=6": ok() });
    await run(ops.reset(port));
    expect(sent()).toEqual(["AT+CRESET", "AT+CFUN=6"]);
  });

  test("a module that cannot switch its card off says so", async () => {
    const { ops, port, run } = await bench("quectel-ec2x", {});
    await expect(run(ops.setSimPower(port, false))).rejects.toMatchObject({ code: "MODEM_UNABLE" });
  });
});

describe("signal", () => {
  const signalOf = async (family: string, line: string, answer: string): Promise<unknown> => {
    const { ops, port, run } = await bench(family, { [line]: info(answer) });
    return run(ops.signal(port));
  };
  // What is not said otherwise comes from +CSQ: 20,99.
  test.each([
    ["quectel-bg9x", "AT+QCSQ", '+QCSQ: "NOSERVICE"', { rssiDbm: -73 }],
    ["quectel-bg9x", "AT+QCSQ", '+QCSQ: "NBIoT",-60,-90,0,-15', { rssiDbm: -60, rsrpDbm: -90, sinrDb: -20, rsrqDb: -15 }],
    ["simcom-sim7080", "AT+CPSI?", "+CPSI: NO SERVICE,Online", { rssiDbm: -73 }],
    ["simcom-sim7080", "AT+CPSI?", "+CPSI: GSM,Online,262-01,0x182d,12401,27 EGSM 900,-64,2110,42-42", { rssiDbm: -73 }],
    ["simcom-a76xx", "AT+CPSI?", "+CPSI: NO SERVICE, Low Power Mode", { rssiDbm: -73 }],
    ["simcom-a76xx", "AT+CPSI?", "+CPSI: LTE,Online,262-01,0x230A,1,318,EUTRAN-BAND3,1650,5,0,255,255,40,19", { rssiDbm: -70 }],
    ["nordic-nrf91", "AT%XMONITOR", "%XMONITOR: 2", { rssiDbm: -73 }],
    ["telit-me", "AT#RFSTS", '#RFSTS: "262 01",6300,-98,-67', { rsrpDbm: -98, rssiDbm: -67 }],
  ])("%s: %s answers %s", async (family, line, answer, expected) => {
    expect(await signalOf(family, line, answer)).toEqual(expected);
  });
});

test("whatever a module answers to the makers' own questions is read, or refused as AT_REPLY", () => {
  const questions = families.flatMap(({ quirks }) => [
    ...(quirks.radio?.settings ?? []).map(({ read }) => read),
    ...quirks.start.map(({ setting }) => setting.read),
    ...quirks.dataInterfaces.flatMap(({ composition }) => (composition === undefined ? [] : [composition.setting.read])),
    ...(quirks.bands === undefined ? [] : [quirks.bands.read]),
    ...(quirks.grantedPsm === undefined ? [] : [quirks.grantedPsm]),
    ...quirks.ownLpa.map(({ command }) => command),
  ]);
  const field = fc.oneof(
    fc.integer().map(String),
    fc.stringMatching(/^0[xX][0-9a-fA-F]{0,40}$/),
    fc.string({ maxLength: 12 }),
    fc.constantFrom('"band"', '"CAT-M"', '"nwscanmode"', '"usbnetmode"', '"101"', '"', "(0-3)", ""),
  );
  const lines = fc.array(
    fc.array(field, { maxLength: 9 }).map((fields) => fields.join(",")),
    { maxLength: 4 },
  );
  fc.assert(
    fc.property(fc.constantFrom(...questions), lines, (question, said) => {
      try {
        question.parse({ lines: said, finalResult: "OK" });
      } catch (error) {
        expect(error).toMatchObject({ code: "AT_REPLY" });
      }
    }),
    { seed: 27_007, numRuns: 3_000 },
  );
});
