// Mutated dialogues through tokenizer, reply collection and every command's reader: nothing but our own errors, no hang, no growth.
// FUZZ_RUNS sets the number of inputs; `make fuzz` takes 100,000.
import { expect, test } from "vitest";
import * as data from "../../at-drivers/commands/data.ts";
import * as general from "../../at-drivers/commands/general.ts";
import * as network from "../../at-drivers/commands/network.ts";
import * as sim from "../../at-drivers/commands/sim.ts";
import { parseTimeUrc } from "../../at-drivers/commands/time.ts";
import { ReplyCollector } from "../../at-drivers/engine/reply.ts";
import { Tokenizer } from "../../at-drivers/engine/tokenizer.ts";
import type { AtCommand } from "../../at-drivers/engine/types.ts";
import { SimwardError } from "../../base/errors.ts";
import { integerBelow, seededRandom } from "../../base/random.ts";
import { readTranscript, sessionFiles, transcriptFiles } from "../at-drivers/transcripts.ts";
import { heapBytes } from "../support/memory.ts";
import { mutate } from "../support/mutate.ts";

const runs = Number(process.env.FUZZ_RUNS ?? 5_000);
const maxLineBytes = 1_024;

/** What modules say, to be mutated: by hand, and every reply of the transcripts with its command echoed. */
const dialogues = [
  ...[...transcriptFiles(), ...sessionFiles()].flatMap((name) =>
    readTranscript(name).map(({ command, reply }) => `${command}\r${reply.map((line) => `\r\n${line}\r\n`).join("")}`),
  ),
  'AT+CEREG?\r\r\n+CEREG: 5,5,"420F","00E2BD12",7,,,"00001010","00110100"\r\n\r\nOK\r\n',
  '\r\n+COPS: (2,"Home","H","26201",7),(3,"Other","O","26202",7),,(0,1,2,3,4),(0,1,2)\r\n\r\nOK\r\n',
  '\r\n+CGLA: 36,"BF3E125A10890490320012345678901234567890129000"\r\n\r\nOK\r\n',
  "\r\n+CCHO: 00000000038aa32f\r\n\r\nOK\r\n",
  "\r\n1\r\n\r\nOK\r\n",
  '\r\n+CGCONTRDP: 1,5,"internet","10.1.2.3.255.255.255.0","10.1.2.1","8.8.8.8","8.8.4.4","","",0,0,1430\r\n\r\nOK\r\n',
  '\r\n+CGDCONT: 1,"IPV4V6","internet","0.0.0.0",0,0,0,0\r\n+CGDCONT: 2,"IP","ims"\r\n\r\nOK\r\n',
  '\r\n+CRSM: 144,0,"98940300000000000010"\r\n\r\nOK\r\n',
  '\r\n+CCLK: "26/06/01,10:00:00+08"\r\n\r\nOK\r\n',
  '\r\n+CTZE: "+32",0,"2026/06/01,12:00:00"\r\n\r\n+CGEV: ME PDN ACT 8,1\r\n',
  "\r\n+CME ERROR: SIM busy\r\n> \r\nNO CARRIER\r\n\r\nCONNECT 9600\r\n",
  "\r\n+CESQ: 99,99,255,255,20,57\r\n+CSQ: 31,99\r\n\r\nOK\r\n0\r",
  "\r\n+QCCID: 89490200001234567890F\r\n\r\n001010123456789\r\n\r\nOK\r\n",
];

const commands = [data, general, network, sim].flatMap((module) =>
  Object.values(module)
    .flatMap((value) => ("+CEREG" in Object(value) ? Object.values(value as object) : [value]))
    .filter((value): value is AtCommand<readonly never[], unknown> => typeof value === "object" && "parse" in value),
);

test(`${runs * 2} random octets leave the tokenizer empty-handed or with lines, never with more than it may keep`, () => {
  const random = seededRandom(20260107);
  const tokenizer = new Tokenizer(maxLineBytes);
  const octets = random.bytes(runs * 2);
  const before = heapBytes();
  let lines = 0;
  for (let at = 0; at < octets.length; ) {
    tokenizer.expectPrompt = random.unit() < 0.3;
    const next = at + 1 + integerBelow(random, 4_096);
    for (const token of tokenizer.push(octets.subarray(at, next))) {
      if (token.kind !== "line") continue;
      lines++;
      expect(token.text.length).toBeLessThanOrEqual(maxLineBytes);
      data.parseCgev(token.text);
      parseTimeUrc(token.text);
      for (const command of commands) {
        try {
          command.parse({ lines: [token.text], finalResult: "OK" });
        } catch (error) {
          if (!(error instanceof SimwardError)) throw error;
        }
      }
    }
    at = next;
  }
  expect(lines).toBeGreaterThan(octets.length / 1_000);
  expect(heapBytes() - before).toBeLessThan(5_000_000);
});

test(`${runs} mutated dialogues raise nothing but our own errors, and keep nothing`, () => {
  expect(commands.length).toBeGreaterThan(30);
  const random = seededRandom(20260103);
  const tokenizer = new Tokenizer(maxLineBytes);
  const refusals = new Map<string, number>();
  let read = 0;
  let heapAtHalf = 0;
  for (let run = 0; run < runs; run++) {
    if (run === Math.floor(runs / 2)) heapAtHalf = heapBytes();
    const command = commands[integerBelow(random, commands.length)];
    const dialogue = dialogues[integerBelow(random, dialogues.length)] ?? "";
    if (command === undefined) continue;
    const octets = mutate(random, Buffer.from(dialogue, "latin1"));
    const cut = integerBelow(random, octets.length + 1);
    tokenizer.expectPrompt = random.unit() < 0.5;
    const collector = new ReplyCollector({
      name: command.name,
      text: `AT${command.name}?`,
      prefix: command.prefix,
      prefixOptional: command.prefixOptional ?? false,
      echoOn: random.unit() < 0.2,
      isUrc: (line) => line.startsWith("+CREG"),
    });
    let final = "";
    for (const token of [...tokenizer.push(octets.subarray(0, cut)), ...tokenizer.push(octets.subarray(cut))]) {
      if (token.kind !== "line") continue;
      expect(token.text.length).toBeLessThanOrEqual(maxLineBytes);
      data.parseCgev(token.text);
      parseTimeUrc(token.text);
      const verdict = collector.take(token.text);
      if (verdict.kind === "final") final = verdict.result.kind;
    }
    try {
      command.parse({ lines: collector.lines, finalResult: final });
      read++;
    } catch (error) {
      if (!(error instanceof SimwardError)) throw error;
      refusals.set(error.code, (refusals.get(error.code) ?? 0) + 1);
    }
    tokenizer.push(Buffer.from("\r"));
  }
  expect([...refusals.keys()]).toEqual(["AT_REPLY"]);
  expect(read).toBeGreaterThan(0);
  expect(heapBytes() - heapAtHalf).toBeLessThan(5_000_000);
});
