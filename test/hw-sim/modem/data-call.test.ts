// A data call on an AT port (D*99#), and what else can become of ports: silence, one that answers alone, lines inside answers, power.
import { describe, expect, it } from "vitest";
import { Host, readyBench } from "./bench.ts";

describe("D*99#", () => {
  it("connects, carries data in silence, comes back by +++ between two silences, and goes on by O", async () => {
    const { host, clock } = await readyBench();
    expect(await host.command("ATD*99***1#")).toBe("\r\nCONNECT\r\n");
    host.text = "";
    host.send('AT\r~\x7f}#\xc0!}!}!} }4}"}&~');
    await clock.advance(500);
    // Not silent long enough before.
    host.send("+++");
    await clock.advance(5_000);
    expect(host.text).toBe("");
    host.send("+++");
    await clock.advance(999);
    expect(host.text).toBe("");
    await clock.advance(1);
    expect(host.text).toBe("\r\nOK\r\n");
    expect(await host.command("AT+CGMM")).toContain("VM-1");
    expect(await host.command("ATO")).toBe("\r\nCONNECT\r\n");
    await clock.advance(1_000);
    for (const plus of "+++") host.send(plus);
    host.text = "";
    await clock.advance(1_000);
    expect(host.text).toBe("\r\nOK\r\n");
    await host.command("ATH");
    expect(await host.command("ATO")).toBe("\r\nNO CARRIER\r\n");
  });

  it("is no escape when something follows the three signs", async () => {
    const { host, clock } = await readyBench();
    await host.command("ATD*99#");
    await clock.advance(2_000);
    host.text = "";
    host.send("+++ATH\r");
    await clock.advance(5_000);
    expect(host.text).toBe("");
    host.send("+++");
    await clock.advance(500);
    host.send("x");
    await clock.advance(5_000);
    expect(host.text).toBe("");
  });

  it("ends with the session: NO CARRIER, held lines after it; the port may close", async () => {
    const { host, world, faults, modem, clock } = await readyBench();
    const other = new Host(modem, clock);
    await host.command("ATD*99#");
    host.text = "";
    other.text = "";
    world.setCoverage({}, false);
    await host.shows("NO CARRIER");
    expect(host.text).toMatch(/^\r\nNO CARRIER\r\n/);
    await host.shows("+CEREG: 2");
    expect(other.text).not.toContain("NO CARRIER");
    world.setCoverage({}, true);
    await host.until(() => modem.packet.attached);
    faults.set("hang-up-after-data", "1");
    await host.command("ATD*99#");
    world.setCoverage({}, false);
    await host.until(() => host.hungUp);
    expect(host.text).toContain("NO CARRIER");
  });

  it("is refused without service, for a context that is not there, and for an APN that nobody sold", async () => {
    const { host, world, modem } = await readyBench();
    expect(await host.command("ATD*99***5#")).toBe("\r\nNO CARRIER\r\n");
    await host.command('AT+CGDCONT=5,"IP","nobody"');
    expect(await host.command("ATD*99***5#")).toBe("\r\nNO CARRIER\r\n");
    world.setCoverage({}, false);
    await host.until(() => !modem.packet.attached);
    expect(await host.command("ATD*99#")).toContain("NO CARRIER");
  });

  it("does not outlive a reset", async () => {
    const { host, modem } = await readyBench();
    await host.command("ATD*99#");
    modem.reset();
    await host.until(() => modem.running);
    expect(await host.command("AT")).toContain("OK");
  });
});

describe("a module that", () => {
  it("hangs is silent through a reset too, and answers when its power was switched", async () => {
    const { host, faults, clock, modem, world } = await readyBench();
    faults.set("hang", "1");
    host.text = "";
    host.send("AT\r");
    world.setCoverage({}, false);
    await clock.advance(3_600_000);
    modem.reset();
    await clock.advance(60_000);
    host.send("AT\r");
    await clock.advance(60_000);
    expect(host.text).toBe("");
    faults.set("power", "cycle");
    expect(faults.list()).toEqual([]);
    await host.shows("RDY");
    expect(await host.command("AT")).toContain("OK");
  });

  it("has no power is dead until it is given some", async () => {
    const { host, faults, clock } = await readyBench();
    faults.set("power", "off");
    host.text = "";
    host.send("AT\r");
    await clock.advance(60_000);
    expect(host.text).toBe("");
    faults.clear("power");
    await host.shows("RDY");
  });

  it("answers on one port alone tells all of them what happens", async () => {
    const { host, faults, modem, clock } = await readyBench();
    const second = new Host(modem, clock);
    faults.set("only-port", "2");
    host.text = "";
    host.send("AT\r");
    await clock.advance(10_000);
    expect(host.text).toBe("");
    expect(await second.command("AT")).toContain("OK");
    modem.urc("+QIND: PB DONE");
    expect(host.text).toContain("+QIND: PB DONE");
  });

  it("tells one port alone what happens answers on all of them", async () => {
    const { host, faults, modem, clock } = await readyBench();
    const second = new Host(modem, clock);
    faults.set("urc-port", "2");
    host.text = "";
    modem.urc("+QIND: PB DONE");
    expect(host.text).toBe("");
    expect(second.text).toBe("\r\n+QIND: PB DONE\r\n");
    expect(await host.command("AT")).toContain("OK");
  });

  it("prints lines inside its answers keeps these complete", async () => {
    const { host, faults } = await readyBench();
    faults.set("urc-inside", "+CREG: 1");
    expect(await host.command("ATI")).toBe("\r\nSimward\r\n\r\n+CREG: 1\r\n\r\nVM-1\r\n\r\nRevision: VM1R01A01\r\n\r\nOK\r\n");
    expect(await host.command("AT")).toBe("\r\n+CREG: 1\r\n\r\nOK\r\n");
  });

  it("takes no octets has not lost its own tongue", async () => {
    const { host, faults, modem, clock } = await readyBench();
    faults.set("cts-stuck", "1");
    host.text = "";
    host.send("AT\r");
    await clock.advance(10_000);
    modem.urc("+CREG: 1");
    expect(host.text).toBe("\r\n+CREG: 1\r\n");
    faults.clear("cts-stuck");
    expect(await host.command("AT")).toContain("OK");
  });

  it("closes its ports when its radio goes off does so behind the OK", async () => {
    const { host, faults } = await readyBench();
    faults.set("hang-up-on-radio-off", "1");
    expect(await host.command("AT+CFUN=4")).toContain("OK");
    expect(host.hungUp).toBe(false);
    await host.command("AT+CFUN=1");
    await host.command("AT+CFUN=0");
    await host.until(() => host.hungUp);
  });
});
