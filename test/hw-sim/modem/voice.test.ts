// Voice calls of the virtual module as its hosts see them, and what the driver makes of them.
import { expect, test } from "vitest";
import { callLines, clcc, isVoiceCall } from "../../../at-drivers/commands/voice.ts";
import { moduleBench } from "../../at-drivers/module-bench.ts";
import { readyBench } from "./bench.ts";

test("+CLCC of modules: voice in whatever state is a call; data, and what has ended, is none", () => {
  const calls = (lines: readonly string[]) => clcc.parse({ lines, finalResult: "OK" });
  expect(calls([])).toEqual([]);
  const read = calls(['1,0,0,0,0,"+49112",145', "2,1,4,0,0", '3,0,0,1,0,"",128', "4,1,6,0,0", "5,0,3,9,0", "rubbish", ",,,"]);
  expect(read.map(isVoiceCall)).toEqual([true, true, false, false, true]);
});

test("dialled by a host: listed until it is hung up, by either end", async () => {
  const { host, faults } = await readyBench();
  expect(await host.lines("AT+CLCC")).toEqual([]);
  expect(await host.command("ATD112;")).toContain("OK");
  expect(await host.lines("AT+CLCC")).toEqual(['+CLCC: 1,0,0,0,0,"112",129']);
  host.send("ATD112;\r");
  await host.shows("BUSY");
  expect(await host.command("ATD*99#")).toContain("NO CARRIER");
  expect(await host.command("AT+CHUP")).toContain("OK");
  expect(await host.lines("AT+CLCC")).toEqual([]);
  faults.set("voice-call", "active");
  expect(await host.lines("AT+CLCC")).toEqual(["+CLCC: 1,0,0,0,0"]);
  host.text = "";
  faults.clear("voice-call");
  expect(host.text).toContain("NO CARRIER");
  expect(await host.lines("AT+CLCC")).toEqual([]);
});

test("one that comes in rings until it is answered, and ends with the radio", async () => {
  const { host, faults, clock } = await readyBench();
  faults.set("voice-call", "ringing");
  await clock.advance(9_000);
  expect(host.text.split("RING")).toHaveLength(4);
  expect(await host.lines("AT+CLCC")).toEqual(["+CLCC: 1,1,4,0,0"]);
  expect(await host.command("ATA")).toContain("OK");
  host.text = "";
  await clock.advance(20_000);
  expect(host.text).not.toContain("RING");
  expect(await host.lines("AT+CLCC")).toEqual(["+CLCC: 1,1,0,0,0"]);
  await host.command("AT+CFUN=4");
  expect(await host.lines("AT+CLCC")).toEqual([]);
  expect(await host.command("ATA")).toContain("NO CARRIER");
});

test("the driver tells that something rings, and answers whether there is a call; a module that cannot tell is undefined", async () => {
  const { modem, faults, run, clock, until } = moduleBench();
  await run(modem.ready());
  const told: string[] = [];
  modem.onEvent(({ kind }) => told.push(kind));
  expect(await run(modem.voiceCall())).toBe(false);
  faults.set("voice-call", "ringing");
  await until(() => told.includes("call"));
  expect(await run(modem.voiceCall())).toBe(true);
  faults.clear("voice-call");
  await clock.advance(1_000);
  expect(await run(modem.voiceCall())).toBe(false);
  faults.set("cme", "+CLCC@1:4");
  expect(await run(modem.voiceCall())).toBeUndefined();
  expect(callLines).toContain("RING");
});
