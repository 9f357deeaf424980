// What V.250 and 3GPP TS 27.007 say of single commands, met by programs that are not ours.
import { describe, expect, it } from "vitest";
import { withQuirks } from "../../../hw-sim/modem/personalities/quirks.ts";
import { generic3gpp } from "../../../hw-sim/modem/personality.ts";
import { readyBench } from "./bench.ts";

describe("ATV0", () => {
  it("makes numbers of unsolicited result codes too, and ATQ1 silences them", async () => {
    const { host, faults } = await readyBench();
    await host.command("AT+CREG=0;+CGREG=0;+CEREG=0");
    host.send("ATV0\r");
    await host.until(() => host.text.endsWith("0\r"));
    host.text = "";
    faults.set("voice-call", "ringing");
    await host.until(() => host.text.length > 0);
    faults.clear("voice-call");
    expect(host.text).toBe("2\r3\r");
    host.send("ATQ1\r");
    host.text = "";
    faults.set("voice-call", "ringing");
    faults.clear("voice-call");
    host.send("ATQ0\r");
    await host.until(() => host.text.length > 0);
    expect(host.text).toBe("0\r");
  });
});

describe("a set command", () => {
  it.each([
    "+CREG=1,1",
    "+CEREG=2,1",
    "+CMEE=1,1",
    "+CFUN=1,0,0",
    '+COPS=1,2,"26298",7,1',
    '+CGLA=1,8,"00000000",1',
    "+CCHC=1,1",
    "+CGATT=1,1",
    "+CTZR=1,1",
    "+IPR=115200,1",
  ])("AT%s has one argument more than it takes, and changes nothing", async (command) => {
    const { host, modem } = await readyBench();
    await host.command("ATE0+CMEE=1");
    const before = JSON.stringify(modem.settings);
    expect(await host.command(`AT${command}`)).toBe("\r\n+CME ERROR: 50\r\n");
    expect(JSON.stringify(modem.settings)).toBe(before);
  });
});

describe("AT+CGSN", () => {
  it("tells the serial number alone, the others behind its name", async () => {
    const { host, modem } = await readyBench();
    await host.command("ATE0");
    expect(await host.command("AT+CGSN=0")).toBe(`\r\n${modem.imei}\r\n\r\nOK\r\n`);
    expect(await host.command("AT+CGSN=")).toBe(`\r\n${modem.imei}\r\n\r\nOK\r\n`);
    expect(await host.command("AT+CGSN=1")).toBe(`\r\n+CGSN: "${modem.imei}"\r\n\r\nOK\r\n`);
  });
});

describe("a card that is locked", () => {
  it("by its PIN says so to all who ask, and takes no PIN", async () => {
    const { host, faults } = await readyBench();
    await host.command("ATE0+CMEE=1");
    expect(await host.command('AT+CLCK="SC",2')).toContain("+CLCK: 0");
    faults.set("sim", "pin");
    expect(await host.command("AT+CPIN?")).toContain("+CPIN: SIM PIN");
    expect(await host.command('AT+CLCK="SC",2')).toContain("+CLCK: 1");
    expect(await host.command('AT+CPIN="1234"')).toContain("+CME ERROR: 16");
    expect(await host.command("AT+CIMI")).toContain("+CME ERROR: 11");
    faults.set("sim", "puk");
    expect(await host.command('AT+CPIN="12345678","1234"')).toContain("+CME ERROR: 16");
    faults.clear("sim");
    await host.until(() => host.text.includes("+CPIN: READY"));
    expect(await host.command('AT+CPIN="1234"')).toContain("+CME ERROR: 3\r");
  });

  it("or without power has no locks to tell", async () => {
    const { host } = await readyBench();
    await host.command("ATE0+CMEE=1");
    await host.command("AT+CFUN=0");
    expect(await host.command('AT+CLCK="SC",2')).toBe("\r\n+CME ERROR: 13\r\n");
  });
});

describe("a search that any octet ends", () => {
  it("is not ended by the LF behind its own line, but by what comes later, which is nobody's command", async () => {
    const { host, clock } = await readyBench({ personality: withQuirks(generic3gpp, ["abortable"]) });
    host.text = "";
    host.send("AT+COPS=?\r");
    await clock.advance(20);
    host.send("\n");
    await clock.advance(1_000);
    expect(host.text).toBe("");
    host.send("A");
    await host.until(() => host.text !== "");
    expect(host.text).toBe("\r\nABORTED\r\n");
    expect(await host.command("AT+CGMM")).toBe("\r\nVM-1\r\n\r\nOK\r\n");
  });
});

describe("a detach", () => {
  it("is the module's own where its host asked for it, the network's where that has gone", async () => {
    const { host, world } = await readyBench();
    await host.command("AT+CGEREP=2");
    for (const [command, back] of [
      ["AT+COPS=2", "AT+COPS=0"],
      ['AT+COPS=1,2,"99999"', "AT+COPS=0"],
    ] as const) {
      host.text = "";
      host.send(`${command}\r`);
      await host.shows("+CGEV: ME DETACH");
      await host.command(back);
      await host.until(() => host.text.includes("PDN ACT"));
      expect(host.text).not.toContain("NW DETACH");
    }
    host.text = "";
    world.setCoverage({ subscriber: "89882110" }, false);
    await host.shows("+CGEV: NW DETACH");
  });
});
