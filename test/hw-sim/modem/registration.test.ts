// Registration, operators and contexts, as a host sees them on its port.
import { describe, expect, it } from "vitest";
import { generic3gpp } from "../../../hw-sim/modem/personality.ts";
import { bench, readyBench } from "./bench.ts";

describe("registration", () => {
  it("comes after boot, SIM and search, each with its own line and delay", async () => {
    const { host, clock } = await bench();
    const { simBusy, searchMs } = generic3gpp.timings;
    await host.command("ATE0+CEREG=1;+CGEREP=2,1");
    const startedAt = clock.monotonicMs();
    host.text = "";
    await host.shows("+CEREG: 5");
    expect(host.text).toBe("\r\n+CPIN: READY\r\n\r\n+CEREG: 2\r\n\r\n+CGEV: PDN ACT 1\r\n\r\n+CEREG: 5\r\n");
    expect(clock.monotonicMs() - startedAt).toBe(simBusy.reduce((sum, { ms }) => sum + ms, searchMs));
  });

  it("is told in the shape that <n> asks for", async () => {
    const { host } = await readyBench();
    const shapes = [];
    for (let n = 0; n <= 5; n++) shapes.push(...(await host.lines(`AT+CEREG=${n};+CEREG?`)));
    const cell = '"42A1","01B2C301",7';
    expect(shapes).toEqual([
      "+CEREG: 0,5",
      "+CEREG: 1,5",
      `+CEREG: 2,5,${cell}`,
      `+CEREG: 3,5,${cell}`,
      `+CEREG: 4,5,${cell},,,"11100000","11100000"`,
      `+CEREG: 5,5,${cell},,,"11100000","11100000"`,
    ]);
    expect(await host.lines("AT+CGREG=2;+CGREG?")).toEqual([`+CGREG: 2,5,${cell},"01"`]);
    expect(await host.command("AT+CREG=4")).toBe("\r\n+CME ERROR: 50\r\n");
  });

  it("that is refused tells the EMM cause where asked for it", async () => {
    const { host, world } = await readyBench();
    await host.command("AT+CEREG=3");
    host.text = "";
    world.moveTo("TR");
    await host.shows("+CEREG: 3");
    expect(host.text).toBe("\r\n+CEREG: 2\r\n\r\n+CEREG: 3,,,,0,13\r\n");
    expect(await host.lines("AT+CEER")).toEqual(['+CEER: "EMM cause",13']);
    expect(await host.lines("AT+CSQ")).toEqual(["+CSQ: 99,99"]);
    world.moveTo("AT");
    await host.shows('+CEREG: 5,"1A2B"');
  });

  it("is lost with coverage and comes back with it", async () => {
    const { host, world, modem } = await readyBench();
    await host.command("AT+CGEREP=2");
    host.text = "";
    world.setCoverage({ subscriber: "89882110" }, false);
    await host.shows("+CEREG: 2\r");
    expect(host.text).toContain("+CGEV: NW DETACH");
    expect(modem.bearer.up).toBe(false);
    expect(await host.lines("AT+CGPADDR=1")).toEqual(['+CGPADDR: 1,"0.0.0.0"']);
    world.setCoverage({ subscriber: "89882110" }, true);
    await host.shows('+CEREG: 5,"42A1"');
    expect(modem.bearer.up).toBe(true);
  });

  it("falls back to another operator when one fails", async () => {
    const { host, world } = await readyBench();
    world.setCoverage({ plmn: "26299" }, false);
    world.setCoverage({ plmn: "26298" }, false);
    await host.shows("+CEREG: 2\r");
    world.setCoverage({ plmn: "26299" }, true);
    await host.shows('+CEREG: 5,"51C0"');
  });
});

describe("AT+COPS", () => {
  it("tells the operator in the format chosen", async () => {
    const { host } = await readyBench();
    expect(await host.lines("AT+COPS?")).toEqual(['+COPS: 0,0,"Nordfunk",7']);
    expect(await host.lines("AT+COPS=3,1;+COPS?")).toEqual(['+COPS: 0,1,"NORDF",7']);
    expect(await host.lines("AT+COPS=3,2;+COPS?")).toEqual(['+COPS: 0,2,"26298",7']);
  });

  it("searches for as long as a real module does, and marks who would refuse", async () => {
    const { host, clock } = await readyBench();
    const startedAt = clock.monotonicMs();
    const [list] = await host.lines("AT+COPS=?");
    expect(clock.monotonicMs() - startedAt).toBe(generic3gpp.timings.scanMs);
    expect(list).toBe(
      '+COPS: (2,"Nordfunk","NORDF","26298",7),(1,"Rheinfunk","RHEIN","26299",7),(1,"Nordfunk","NORDF","26298",0),,(0-4),(0-2)',
    );
  });

  it("chooses by hand, fails where the operator is not, and 4 goes back to automatic", async () => {
    const { host } = await readyBench();
    expect(await host.command('AT+COPS=1,2,"26299",7')).toContain("\r\nOK\r\n");
    expect(await host.lines("AT+COPS=3,2;+COPS?")).toEqual(['+COPS: 1,2,"26299",7']);
    expect(await host.command('AT+COPS=1,2,"23298"')).toContain("\r\n+CME ERROR: 30\r\n");
    expect(await host.lines("AT+COPS?")).toEqual(["+COPS: 1"]);
    expect(await host.command('AT+COPS=4,2,"23298"')).toContain("\r\nOK\r\n");
    expect(await host.lines("AT+COPS?")).toEqual(['+COPS: 4,2,"26298",7']);
    expect(await host.command('AT+COPS=1,0,"Rheinfunk"')).toContain("\r\nOK\r\n");
  });

  it("answers a refusal with its cause, and 2 lets go of the network", async () => {
    const { host, world, modem } = await readyBench();
    world.moveTo("BR");
    await host.shows("+CEREG: 3");
    expect(await host.command('AT+COPS=1,2,"72498"')).toContain("\r\n+CME ERROR: 111\r\n");
    world.moveTo("DE");
    await host.command("AT+COPS=2");
    expect(await host.lines("AT+COPS?")).toEqual(["+COPS: 2"]);
    expect(modem.bearer.up).toBe(false);
    await host.command("AT+COPS=0");
    expect(modem.bearer.up).toBe(true);
  });
});

describe("contexts", () => {
  it("carry what the network gave", async () => {
    const { host } = await readyBench();
    const [address] = await host.lines("AT+CGPADDR=1");
    expect(address).toMatch(/^\+CGPADDR: 1,"10\.\d+\.\d+\.\d+"$/);
    const ip = address?.slice(13, -1) ?? "";
    expect(await host.lines("AT+CGCONTRDP=1")).toEqual([
      `+CGCONTRDP: 1,5,"bootstrap.iot","${ip}.255.255.255.255","${ip.replace(/\d+$/, "1")}","10.0.0.53","10.0.1.53",,,0,0,1430`,
    ]);
    expect(await host.lines("AT+CGATT?")).toEqual(["+CGATT: 1"]);
    expect(await host.lines("AT+CGACT?")).toEqual(["+CGACT: 1,1"]);
    expect(await host.command("AT+CGACT=0,1")).toBe("\r\n+CME ERROR: 171\r\n");
  });

  it("with an APN that nobody sold are refused", async () => {
    const { host } = await readyBench();
    await host.command('AT+CGDCONT=2,"IP","not.an.apn"');
    expect(await host.command("AT+CGACT=1,2")).toBe("\r\n+CME ERROR: 127\r\n");
    expect(await host.lines("AT+CEER")).toEqual(['+CEER: "ESM cause",27']);
    await host.command('AT+CGDCONT=2,"IPV4V6","iot"');
    expect(await host.command("AT+CGACT=1,2")).toBe("\r\nOK\r\n");
    expect(await host.lines("AT+CGACT?")).toEqual(["+CGACT: 1,1", "+CGACT: 2,1"]);
    expect(await host.command("AT+CGACT=0,1")).toBe("\r\nOK\r\n");
  });

  it("make an LTE attach fail when the first has the wrong APN, until it is corrected", async () => {
    const { host, modem } = await readyBench();
    await host.command('AT+CGDCONT=1,"IP","wrong.apn"');
    await host.command("AT+CEREG=3;+CFUN=4");
    host.text = "";
    expect(await host.command("AT+CFUN=1")).toContain("OK");
    await host.shows("+CEREG: 2,,,,0,19");
    expect(modem.bearer.up).toBe(false);
    await host.command('AT+CGDCONT=1,"IP","iot"');
    await host.shows('+CEREG: 5,"42A1"');
    expect(modem.bearer.up).toBe(true);
  });

  it("come down when the core network fails", async () => {
    const { host, world, modem } = await readyBench();
    await host.command("AT+CGEREP=2");
    host.text = "";
    world.setCore({ plmn: "26298" }, false);
    await host.shows("+CGEV: NW PDN DEACT 1");
    expect(modem.bearer.up).toBe(false);
    world.setCore({ plmn: "26298" }, true);
    await host.shows("+CGEV: PDN ACT 1");
  });

  it("are given up with CGATT=0 and by flight mode", async () => {
    const { host, modem } = await readyBench();
    await host.command("AT+CGATT=0");
    expect(await host.lines("AT+CEREG?")).toEqual(["+CEREG: 2,0"]);
    expect(await host.command("AT+CGACT=1,1")).toBe("\r\n+CME ERROR: 30\r\n");
    await host.command("AT+CGATT=1");
    expect(modem.bearer.up).toBe(true);
    await host.command("AT+CFUN=4");
    expect(modem.bearer.up).toBe(false);
    expect(await host.lines("AT+CPIN?")).toEqual(["+CPIN: READY"]);
    expect(await host.command("AT+COPS=?")).toBe("\r\n+CME ERROR: 3\r\n");
  });
});

it("the same run gives the same dialogue, to the octet", async () => {
  const run = async (): Promise<string> => {
    const { host, world, clock, card } = await readyBench();
    let all = "";
    for (const line of ["AT+CEREG=5;+CGEREP=2", "AT+COPS=?", "AT+CGCONTRDP", "AT+CESQ", "AT+CCLK?"]) all += await host.command(line);
    world.moveTo("AT");
    card.switchTo = { iccid: "8949990000000000027", imsi: "262990000000007" };
    await host.command("AT+CFUN=1,1");
    await clock.advance(20_000);
    return all + host.text;
  };
  expect(await run()).toBe(await run());
});
