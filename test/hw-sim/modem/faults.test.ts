// What goes wrong on purpose, as the host sees it.
import { describe, expect, it } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { Faults, faultTable, parseFault } from "../../../hw-sim/faults.ts";
import { Host, readyBench } from "./bench.ts";
import { applicationAid } from "./stub-card.ts";

describe("the table of faults", () => {
  it("refuses names and values that are none, saying which there are", () => {
    const faults = new Faults();
    expect(() => faults.set("rust", "1")).toThrow(
      expect.objectContaining({ code: "SIM_OPTION", detail: expect.stringContaining("silent-ms") }),
    );
    for (const [name, value] of [
      ["silent-ms", "-1"],
      ["loss", "1.5"],
      ["cme", "0"],
      ["cme", "+CGLA@x"],
      ["late", "3"],
      ["error", "1:2"],
      ["drop", "sideways:1"],
      ["country", "de"],
      ["urc", ""],
    ] as const)
      expect(() => faults.set(name, value), `${name}=${value}`).toThrow(expect.objectContaining({ code: "SIM_OPTION" }));
    expect(() => parseFault("silent-ms")).toThrow(expect.objectContaining({ code: "SIM_OPTION" }));
    expect(faults.list()).toEqual([]);
  });

  it("is set, listed, told and cleared", () => {
    const faults = new Faults();
    const told: unknown[] = [];
    faults.onChange((change) => told.push(change));
    faults.set("cme", "+CPIN@2:14");
    expect(faults.list()).toEqual([{ name: "cme", value: "+CPIN@2:14" }]);
    expect(faults.get("cme")).toEqual({ command: "+CPIN", n: 2, cme: 14 });
    faults.clear("cme");
    faults.clear("cme");
    expect(told).toEqual([
      { name: "cme", value: "+CPIN@2:14" },
      { name: "cme", value: undefined },
    ]);
    expect(Object.values(faultTable).every(({ text, value }) => text !== "" && value !== "")).toBe(true);
  });
});

describe("a module that", () => {
  it("is silent for a while swallows what it is sent", async () => {
    const { host, faults, clock } = await readyBench();
    faults.set("silent-ms", "5000");
    host.text = "";
    host.send("AT+CGMM\r");
    await clock.advance(5_000);
    expect(host.text).toBe("");
    expect(await host.command("AT+CGMI")).toBe("\r\nSimward\r\n\r\nOK\r\n");
    faults.set("silent-commands", "2");
    host.text = "";
    host.send("AT+CGMM\rAT+CGMM\rAT+CGMI\r");
    await host.shows("OK");
    expect(host.text).toBe("\r\nSimward\r\n\r\nOK\r\n");
  });

  it("refuses the nth APDU once, without carrying it out", async () => {
    const { host, faults, card } = await readyBench();
    await host.command(`AT+CCHO="${toHexUpper(applicationAid)}"`);
    card.response = fromHex("01");
    card.seen.length = 0;
    faults.set("error", "+CGLA@3");
    faults.set("cme", "+CPIN@1:14");
    const answers = [];
    for (let i = 0; i < 4; i++) answers.push((await host.command('AT+CGLA=1,10,"80E2910000"')).includes("ERROR"));
    expect(answers).toEqual([false, false, true, false]);
    expect(card.seen).toHaveLength(3);
    expect(await host.command("AT+CPIN?")).toBe("\r\n+CME ERROR: 14\r\n");
    expect(await host.command("AT+CPIN?")).toBe("\r\n+CPIN: READY\r\n\r\nOK\r\n");
    expect(faults.list()).toEqual([]);
  });

  it("does what it says it did not", async () => {
    const { host, faults, modem } = await readyBench();
    faults.set("error-done", "+COPS@1");
    expect(await host.command("AT+COPS=2")).toContain("\r\nERROR\r\n");
    expect(modem.registration.selection.mode).toBe(2);
  });

  it("prints other things between echo and reply", async () => {
    const { host, faults } = await readyBench();
    await host.command("ATE1");
    faults.set("urc", "+CEREG: 2");
    expect(await host.command("AT+CEREG?")).toMatch(/^AT\+CEREG\?\r\r\n\+CEREG: 2\r\n\r\n\+CEREG: 2,5,/);
    faults.clear("urc");
    faults.set("garbage", "1");
    expect(await host.command("AT+CGMM")).toBe("AT+CGMM\r\r\n\xfe\x81\x00\xc3+C\x7f\xff\r\n\r\nVM-1\r\n\r\nOK\r\n");
    expect(await host.command("AT+CGMM")).toBe("AT+CGMM\r\r\nVM-1\r\n\r\nOK\r\n");
    faults.set("spew", "5000");
    expect(await host.command("AT")).toBe(`AT\r${"x".repeat(5_000)}\r\nOK\r\n`);
  });

  it("sends octet by octet keeps them in order, command after command", async () => {
    const { host, faults } = await readyBench();
    faults.set("split-octets", "3");
    host.pieces.length = 0;
    host.text = "";
    host.send("AT+CGMM\rAT+CGMI\r");
    await host.until(() => host.text.split("OK").length === 3);
    await host.until(() => host.text.endsWith("\r\n"));
    expect(host.text).toBe("\r\nVM-1\r\n\r\nOK\r\n\r\nSimward\r\n\r\nOK\r\n");
    expect(new Set(host.pieces)).toEqual(new Set([1]));
  });

  it("answers late answers in order", async () => {
    const { host, faults, clock } = await readyBench();
    faults.set("late", "+CGMM@1:30000");
    host.text = "";
    host.send("AT+CGMM\r");
    host.send("AT+CGMI\r");
    await clock.advance(29_999);
    expect(host.text).toBe("");
    await clock.advance(1);
    expect(host.text).toBe("\r\nVM-1\r\n\r\nOK\r\n\r\nSimward\r\n\r\nOK\r\n");
  });

  it("resets by itself starts as delivered, and never answers what it was doing", async () => {
    const { host, faults, modem, clock } = await readyBench();
    const other = new Host(modem, clock);
    faults.set("late", "+CGMM@1:1500");
    other.send("AT+CGMM\r");
    await clock.advance(0);
    faults.set("reset", "+CGMI@1");
    host.text = "";
    host.send("AT+CGMI\r");
    await host.shows("RDY");
    expect(host.text).not.toContain("Simward");
    expect(await host.command("AT")).toBe("AT\r\r\nOK\r\n");
    await clock.advance(10_000);
    expect(other.text).not.toContain("VM-1");
    expect(await other.command("AT+CGMM")).toContain("VM-1");
  });

  it("hangs up right behind an answer", async () => {
    const { host, faults } = await readyBench();
    faults.set("hang-up", "2");
    await host.command("AT");
    host.text = "";
    host.send("AT+CGMM\rAT+CGMI\r");
    await host.until(() => host.hungUp);
    expect(host.text).toBe("\r\nVM-1\r\n\r\nOK\r\n");
  });
});
