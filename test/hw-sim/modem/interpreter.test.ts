// The AT interpreter, by hand-written dialogues.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCommandLine } from "../../../hw-sim/modem/command-line.ts";
import { generic3gpp } from "../../../hw-sim/modem/personality.ts";
import { bench, Host, readyBench } from "./bench.ts";

describe("a port just powered on", () => {
  it("echoes, and refuses with plain ERROR", async () => {
    const { host } = await bench({ noCard: true });
    expect(await host.command("AT")).toBe("AT\r\r\nOK\r\n");
    expect(await host.command("AT+CPIN?")).toBe("AT+CPIN?\r\r\nERROR\r\n");
  });

  it("prints error numbers with CMEE 1 and words with CMEE 2", async () => {
    const { host } = await bench({ noCard: true });
    await host.command("ATE0");
    expect(await host.command("AT+CMEE=1")).toBe("\r\nOK\r\n");
    expect(await host.command("AT+CPIN?")).toBe("\r\n+CME ERROR: 10\r\n");
    await host.command("AT+CMEE=2");
    expect(await host.command("AT+CPIN?")).toBe("\r\n+CME ERROR: SIM not inserted\r\n");
  });

  it("answers in numbers after ATV0 and not at all after ATQ1", async () => {
    const { host } = await bench();
    await host.command("ATE0");
    host.text = "";
    host.send("ATV0\r");
    await host.until(() => host.text.endsWith("\r"));
    expect(host.text).toBe("0\r");
    host.text = "";
    host.send("AT+CGMI\r");
    await host.until(() => host.text.endsWith("0\r"));
    expect(host.text).toBe("Simward\r\n0\r");
    host.text = "";
    host.send("ATV1Q1\r");
    host.send("AT+CGMM\r");
    await host.shows("VM-1");
    expect(host.text).toBe("\r\nVM-1\r\n");
  });

  it("keeps echo and CMEE for each port, and tells every port what happens", async () => {
    const { modem, clock, host } = await bench();
    const other = new Host(modem, clock);
    await host.command("ATE0+CMEE=1");
    expect(await other.command('AT+CGLA=9,8,"00000000"')).toContain("\r\nERROR\r\n");
    await host.command("AT+CEREG=1");
    host.text = "";
    other.text = "";
    await host.shows("+CEREG: 5");
    await other.shows("+CEREG: 5");
  });
});

describe("a command line", () => {
  it("may hold several commands, and ends at the first that fails", async () => {
    const { host, modem } = await readyBench();
    expect(await host.command("AT+CREG=1;+CGREG=1;+CEREG?")).toContain("+CEREG: 2,5,");
    expect(await host.command("AT+CREG=0;+CGREG=99;+CEREG=0")).toBe("\r\n+CME ERROR: 50\r\n");
    expect(modem.settings.creg).toEqual({ "+CREG": 0, "+CGREG": 1, "+CEREG": 2 });
  });

  it("needs no LF, forgives one, and forgets what was rubbed out", async () => {
    const { host } = await readyBench();
    expect(await host.command("AT+CGMX\bI")).toBe("\r\nSimward\r\n\r\nOK\r\n");
    host.text = "";
    host.send("AT\r\nAT+CGMI\r\n");
    await host.shows("Simward");
    expect(host.text.startsWith("\r\nOK\r\n\r\nSimward\r\n")).toBe(true);
  });

  it("is repeated by A/ without a CR", async () => {
    const { host } = await readyBench();
    await host.command("AT+CGMI");
    host.text = "";
    host.send("A/");
    await host.shows("OK");
    expect(host.text).toBe("\r\nSimward\r\n\r\nOK\r\n");
  });

  it("that is longer than the module takes is refused whole", async () => {
    const { host, card } = await readyBench();
    const before = card.seen.length;
    expect(await host.command(`AT+CSIM=4000,"${"00".repeat(2_000)}"`)).toBe("\r\nERROR\r\n");
    expect(card.seen.length).toBe(before);
  });

  it("unknown to the module is a plain ERROR whatever CMEE says", async () => {
    const { host } = await readyBench();
    expect(await host.command("AT+NOSUCH?")).toBe("\r\nERROR\r\n");
    expect(await host.command("AT+CGMI=1,")).toBe("\r\n+CME ERROR: 4\r\n");
    expect(await host.command('AT+CCHO="A0')).toBe("\r\nERROR\r\n");
  });

  it("reads as V.250 has it", () => {
    expect(parseCommandLine('E0V1&C1S0=2+CGDCONT=1,"IP","a;b",,5;+COPS?;+CREG=?;I')).toEqual([
      { name: "E", kind: "execute", args: ["0"] },
      { name: "V", kind: "execute", args: ["1"] },
      { name: "&C", kind: "execute", args: ["1"] },
      { name: "S0", kind: "set", args: ["2"] },
      { name: "+CGDCONT", kind: "set", args: ["1", "IP", "a;b", undefined, "5"] },
      { name: "+COPS", kind: "read", args: [] },
      { name: "+CREG", kind: "test", args: [] },
      { name: "I", kind: "execute", args: [] },
    ]);
  });

  it("of any octets gets exactly one final result code and never stops the port", async () => {
    const { host, modem } = await readyBench();
    const harmless = fc.stringMatching(/^[ -~]{0,40}$/).filter((text) => !/cfun|cops|q\s*1|e\s*1|v|z|&f|cmee|a\//i.test(text));
    await fc.assert(
      fc.asyncProperty(harmless, async (text) => {
        const answer = await host.command(`AT${text}`);
        expect(answer.match(/\r\n(OK|ERROR|NO CARRIER|\+CME ERROR: \d+)\r\n/g)).toHaveLength(1);
        expect(await host.command("AT")).toBe("\r\nOK\r\n");
      }),
      { seed: 7, numRuns: 300 },
    );
    expect(modem.running).toBe(true);
  });
});

describe("settings", () => {
  it("that AT&W saved survive a reset; echo and CMEE come back as they were delivered otherwise", async () => {
    const { host, modem } = await readyBench();
    await host.command("AT+CEREG=4;+CMEE=1");
    expect(await host.command("AT+CFUN=1,1")).toBe("\r\nOK\r\n");
    await host.shows("RDY");
    expect(await host.command("AT+CEREG?")).toContain("AT+CEREG?\r\r\n+CEREG: 0,");
    await host.command("ATE0+CEREG=4");
    await host.command("AT&W");
    await host.command("AT+CFUN=1,1");
    await host.shows("RDY");
    expect(await host.command("AT+CEREG?")).toMatch(/^\r\n\+CEREG: 4,/);
    expect(modem.savedEcho).toBe(false);
  });

  it("of the clock are set by the network at attach", async () => {
    const { host } = await bench();
    await host.command("ATE0");
    expect(await host.lines("AT+CCLK?")).toEqual(['+CCLK: "80/01/06,00:00:00+00"']);
    await host.command("AT+CTZR=2");
    host.text = "";
    await host.shows("+CTZE");
    expect(host.text).toMatch(/\+CTZE: "\+04",0,"2026\/06\/01,13:00:0\d"/);
    expect(await host.lines("AT+CCLK?")).toEqual([expect.stringMatching(/^\+CCLK: "26\/06\/01,13:00:0\d\+04"$/)]);
  });
});

describe("identity", () => {
  it("is the module's own, and the card's", async () => {
    const { host } = await readyBench();
    expect(await host.lines("ATI")).toEqual(["Simward", "VM-1", "Revision: VM1R01A01"]);
    expect(await host.lines("AT+CGSN")).toEqual(["356938035643809"]);
    expect(await host.lines("AT+CGSN=2")).toEqual(['+CGSN: "3569380356438001"']);
    expect(await host.lines("AT+CIMI")).toEqual(["901980000000001"]);
    expect(await host.lines("AT+QCCID")).toEqual(["+QCCID: 8988211000000000011"]);
    expect(await host.lines("AT+CICCID")).toEqual(["+ICCID: 8988211000000000011"]);
    expect(await host.lines("AT+CRSM=176,12258,0,0,10")).toEqual(['+CRSM: 144,0,"988812010000000010F1"']);
    expect(await host.lines("AT+CRSM=176,28539,0,0,12")).toEqual(["+CRSM: 106,130"]);
  });
});

describe("AT+CFUN", () => {
  it("cut short by a reset is not finished after it", async () => {
    const { host, modem, clock } = await readyBench({ timings: { ...generic3gpp.timings, radioMs: 5_000, bootMs: 1_000 } });
    const other = new Host(modem, clock);
    other.send("AT+CFUN=0\r");
    await clock.advance(100);
    await host.command("AT+CFUN=1,1");
    await host.until(() => modem.registration.state.cell !== undefined);
    await clock.advance(10_000);
    expect(modem.sim.state).toBe("ready");
    expect(modem.functionLevel).toBe(1);
    expect(await host.command("AT+CFUN=7")).toContain("ERROR");
    expect(await host.command("AT+CFUN=4,1")).toContain("ERROR");
  });
});
