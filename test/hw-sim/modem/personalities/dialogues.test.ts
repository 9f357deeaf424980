// Every make answers as the sources have it: identity, SIM, registration, radio, power saving, data.
import { describe, expect, it } from "vitest";
import { personalities } from "../../../../hw-sim/modem/personalities/table.ts";
import type { Host } from "../bench.ts";
import { booted, known, online } from "./bench.ts";
import { dialogues, granted, type Turn } from "./dialogues.ts";

/** The lines of an answer, its OK left out where that is the last; an error is a line. */
async function answer(host: Host, command: string): Promise<string[]> {
  const text = await host.command(command);
  const lines = text.split("\r\n").filter((line) => line !== "");
  return lines.at(-1) === "OK" ? lines.slice(0, -1) : lines;
}

async function converse(host: Host, address: string | undefined, turns: readonly Turn[]): Promise<void> {
  for (const [command, expected, source] of turns) {
    const wanted = expected.map((line) => line.replace("{address}", address ?? ""));
    expect(await answer(host, command), `${command} [${source}]`).toEqual(wanted);
  }
}

const ids = Object.keys(personalities);

describe("the dialogues of the sources", () => {
  it("are there for every make but the generic one", () => {
    expect(Object.keys(dialogues).sort()).toEqual(ids.filter((id) => id !== "generic").sort());
  });

  it.each(Object.entries(dialogues))("%s", async (id, turns) => {
    const { host, modem, personality } = await online(id);
    await converse(host, modem.packet.active(personality.contexts.defaultCid)?.address, turns);
  });
});

describe("what a network grants", () => {
  it.each(Object.entries(granted))("%s at home, where PSM and eDRX are granted", async (id, turns) => {
    const { host, card, modem } = await booted(id);
    card.iccid = "8949299000000000026";
    card.imsi = "262990000000001";
    modem.reset();
    await host.until(() => modem.running);
    await host.command("ATE0+CMEE=1");
    if (modem.functionLevel !== 1) await host.command("AT+CFUN=1");
    await host.until(() => modem.registration.state.cell !== undefined);
    await converse(host, undefined, turns);
  });

  it.each(Object.keys(granted))("%s while roaming, where it is not", async (id) => {
    const { host } = await online(id);
    const n = id === "nordic-nrf91" || id === "ublox-sara-r5" ? 5 : 4;
    await host.command(`AT+CEREG=${n}`);
    expect(await host.command('AT+CPSMS=1,,,"00100001","00100010"')).toContain("OK");
    expect(await host.lines("AT+CPSMS?")).toEqual(['+CPSMS: 1,,,"00100001","00100010"']);
    expect((await host.lines("AT+CEREG?"))[0]).toMatch(/,"11100000","11100000"$/);
  });
});

describe("boot", () => {
  const greetings: Readonly<Record<string, readonly string[]>> = {
    "quectel-bg95": ["RDY", "APP RDY", "+CFUN: 1", "+CPIN: NOT READY", "+CPIN: READY"],
    "quectel-eg25": ["RDY", "+CFUN: 1", "+CPIN: NOT READY", "+CPIN: READY", "+QUSIM: 1", "+QIND: SMS DONE", "+QIND: PB DONE"],
    "simcom-sim7080": ["RDY", "+CFUN: 1", "+CPIN: NOT READY", "+CPIN: READY", "SMS Ready"],
    "simcom-a76xx": [
      "*ATREADY: 1",
      "+CPIN: NOT READY",
      "+CPIN: READY",
      "SMS DONE",
      "PB DONE",
      "+CGEV: EPS PDN ACT 1",
      "+CGEV: ME PDN ACT 8,1",
    ],
    "ublox-sara-r5": [],
    "telit-me910": [],
    "nordic-nrf91": ["Ready"],
  };
  it.each(Object.entries(greetings))("%s greets as its maker says", async (id, lines) => {
    const { host, clock } = await booted(id);
    await clock.advance(30_000);
    expect(host.text.split("\r\n").filter((line) => line !== "")).toEqual(lines);
  });

  it("on u-blox the card is busy for commands that have nothing to do with it", async () => {
    const { host } = await booted("ublox-sara-r4");
    await host.command("ATE0+CMEE=1");
    expect(await host.command("AT&C1")).toBe("\r\n+CME ERROR: 14\r\n");
    await host.until(() => host.text !== "", 1);
    expect(await host.command("AT+CGMM")).toContain("SARA-R410M");
  });

  it("on nRF91 is switched off until told otherwise, and its card with it", async () => {
    const { host, modem } = await booted("nordic-nrf91");
    await host.command("ATE0+CMEE=1");
    expect(await host.lines("AT+CFUN?")).toEqual(["+CFUN: 0"]);
    expect(await host.command("AT+CIMI")).toBe("\r\n+CME ERROR: 13\r\n");
    await host.command("AT+CFUN=41");
    await host.until(() => modem.sim.state === "ready");
    expect(await host.lines("AT+CIMI")).toEqual(["901980000000001"]);
    expect(modem.registration.state.cell).toBeUndefined();
    await host.command("AT+CFUN=1");
    await host.until(() => modem.registration.state.cell !== undefined);
  });

  it("on u-blox flight mode outlives a reset, on others it does not", async () => {
    for (const [id, level] of [
      ["ublox-sara-r5", 4],
      ["quectel-bg95", 1],
    ] as const) {
      const { host, modem } = await online(id);
      await host.command("AT+CFUN=4");
      modem.reset();
      await host.until(() => modem.running);
      expect(modem.functionLevel, id).toBe(level);
    }
  });
});

describe("choice of technology", () => {
  const nbOnly: Readonly<Record<string, readonly string[]>> = {
    "quectel-bg95": ['AT+QCFG="nwscanmode",3,1', 'AT+QCFG="iotopmode",1,1'],
    "simcom-sim7080": ["AT+CNMP=38", "AT+CMNB=2"],
    "ublox-sara-r5": ["AT+CFUN=0", "AT+URAT=8", "AT+CFUN=16"],
    "telit-me910": ["AT+WS46=28", "AT#WS46=1", "AT#REBOOT"],
    "nordic-nrf91": ["AT+CFUN=4", "AT%XSYSTEMMODE=0,1,0,0", "AT+CFUN=1"],
  };
  it.each(Object.entries(nbOnly))("%s goes to NB-IoT when told so, and not before its time", async (id, commands) => {
    const { host, modem } = await online(id);
    expect(modem.registration.state.rat).toBe("lte-m");
    for (const command of commands) await host.command(command);
    await host.until(() => modem.running);
    await host.command("AT+CFUN=1");
    await host.until(() => modem.registration.state.rat === "nb-iot");
    expect(modem.registration.state.cell?.plmn).toBe("26299");
  });

  it("counts on u-blox and Telit only from the next start", async () => {
    for (const [id, command] of [
      ["ublox-sara-r5", "AT+URAT=8"],
      ["telit-me910", "AT#WS46=1"],
    ] as const) {
      const { host, modem } = await online(id);
      expect(await host.command(command)).toContain("OK");
      expect(modem.rats, id).toEqual(known(id).rats.filter((rat) => modem.rats.includes(rat)));
      expect(modem.rats[0], id).toBe("lte-m");
      expect(modem.registration.state.rat).toBe("lte-m");
    }
  });

  it("deregisters a Quectel even when nothing changes", async () => {
    const { host, modem } = await online("quectel-bg95");
    await host.command('AT+QCFG="iotopmode",0,1');
    expect(modem.registration.state.cell).toBeUndefined();
    await host.until(() => modem.registration.state.cell !== undefined);
  });

  it("of no technology that is there leaves the module without service, until it is taken back", async () => {
    const { host, modem, clock } = await online("simcom-a76xx");
    await host.command("AT+CNMP=14");
    await clock.advance(60_000);
    expect(modem.registration.state.cell).toBeUndefined();
    await host.command("AT+CNMP=2");
    await host.until(() => modem.registration.state.cell !== undefined);
  });
});

describe("switching off", () => {
  it.each([
    ["quectel-eg25", "AT+QPOWD", "\r\nOK\r\n", "\r\nPOWERED DOWN\r\n"],
    ["simcom-sim7080", "AT+CPOWD=1", "\r\nNORMAL POWER DOWN\r\n", ""],
    ["simcom-a76xx", "AT+CPOF", "\r\nOK\r\n", ""],
    ["ublox-sara-r5", "AT+CPWROFF", "\r\nOK\r\n", ""],
    ["telit-me910", "AT#SHDN", "\r\nOK\r\n", ""],
  ])("%s: %s, and then nothing answers until there is power again", async (id, command, said, farewell) => {
    const { host, modem, clock } = await online(id);
    expect(await host.command(command)).toBe(said);
    await host.until(() => !modem.running);
    expect(host.text.slice(said.length).endsWith(farewell)).toBe(true);
    host.text = "";
    host.send("AT\r");
    await clock.advance(60_000);
    expect(host.text).toBe("");
    modem.powerOn();
    await host.until(() => modem.running);
    expect(await host.command("AT")).toContain("OK");
  });

  it.each([
    ["simcom-sim7080", "AT+CREBOOT"],
    ["simcom-sim7080", "AT+CFUN=6"],
    ["simcom-a76xx", "AT+CRESET"],
    ["ublox-sara-r5", "AT+CFUN=16"],
    ["ublox-lara-r6", "AT+CFUN=15"],
    ["telit-le910", "AT#REBOOT"],
    ["quectel-bg95", "AT+CFUN=1,1"],
  ])("%s resets by %s: echo is back", async (id, command) => {
    const { host, modem, card } = await online(id);
    const before = card.resets;
    await host.command(command);
    await host.until(() => modem.running && card.resets > before);
    expect(await host.command("AT")).toBe("AT\r\r\nOK\r\n");
  });
});
