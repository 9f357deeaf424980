// Damaged dialogues through the live port and the whole driver, in virtual time: no hang, no crash, and no reply given to another command.
// FUZZ_RUNS sets how many: `make fuzz` takes 100,000, which are 10,000 dialogues.
import { describe, expect, test } from "vitest";
import { int, query } from "../../at-drivers/declare.ts";
import { openModem } from "../../at-drivers/driver.ts";
import { createAtPort } from "../../at-drivers/engine/port.ts";
import type { AtCommand } from "../../at-drivers/engine/types.ts";
import { VirtualClock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { silentLog } from "../../base/log.ts";
import { integerBelow, type Random, seededRandom } from "../../base/random.ts";
import { Dialogue } from "../at-drivers/families/dialogue.ts";
import { answersProbe, FarEnd } from "../at-drivers/far-end.ts";
import { type Exchange, readTranscript, sessionFiles, transcriptFiles } from "../at-drivers/transcripts.ts";
import { heapBytes } from "../support/memory.ts";
import { mutate } from "../support/mutate.ts";

const runs = Number(process.env.FUZZ_RUNS ?? 2_000);
const exchanges = [...transcriptFiles(), ...sessionFiles()].flatMap((name) => readTranscript(name));

/** Every answer names its own question. */
const askNumber = query("+NUMBER", (n: number) => `AT+NUMBER=${n}`, "+NUMBER:", [int("n")], { timeoutMs: 3_000 });

/** A command as a transcript has it, whatever it means; answers its lines. */
const asInTranscript = ({ command }: Exchange): AtCommand<readonly [], readonly string[]> => {
  const name = /^AT([&+%#$*^]?[A-Z0-9]*)/i.exec(command)?.[1] ?? "";
  return { name, text: () => command, prefix: `${name}:`, prefixOptional: true, parse: ({ lines }) => lines, timeoutMs: 3_000 };
};

/** Carries out one line after the other, as modules do: what is late holds up all that comes behind it. */
class SlowModule {
  readonly far: FarEnd;
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #exchanges: ReadonlyMap<string, Exchange>;
  readonly #waiting: string[] = [];
  /** Whether it damages what it says. */
  isSound = false;

  constructor(clock: VirtualClock, random: Random, known: readonly Exchange[]) {
    this.#clock = clock;
    this.#random = random;
    this.#exchanges = new Map(known.map((exchange) => [exchange.command, exchange]));
    this.far = new FarEnd((line) => {
      if (line === "") return undefined;
      this.#waiting.push(line);
      if (this.#waiting.length === 1) this.#work();
      return undefined;
    });
  }

  #work(): void {
    const line = this.#waiting[0];
    if (line === undefined) return;
    this.#clock.after(this.#lastsMs(line), () => {
      this.#say(this.#answer(line), line);
      this.#waiting.shift();
      this.#work();
    });
  }

  /** Anything may take long but the plain queries by which it is found again: makers promise those within 300 ms. */
  #lastsMs(line: string): number {
    const isPlain = answersProbe(line) !== undefined || !line.startsWith("AT");
    if (this.isSound || isPlain || this.#random.unit() < 0.7) return integerBelow(this.#random, 290);
    return integerBelow(this.#random, 20_000);
  }

  #answer(line: string): string {
    const number = /^AT\+NUMBER=(\d+)$/.exec(line)?.[1];
    if (number !== undefined) return `\r\n+NUMBER: ${number}\r\n\r\nOK\r\n`;
    const exchange = this.#exchanges.get(line);
    return exchange?.reply.map((text) => `\r\n${text}\r\n`).join("") ?? answersProbe(line) ?? "\r\nERROR\r\n";
  }

  #say(answer: string, line: string): void {
    // Its numbers are never damaged into others: what is asked is whether they reach the right command.
    const isPlain = this.isSound || line.startsWith("AT+NUMBER") || this.#random.unit() < 0.4;
    const said = isPlain ? Buffer.from(answer, "latin1") : mutate(this.#random, Buffer.from(answer, "latin1"));
    const noise = this.isSound || this.#random.unit() < 0.9 ? "" : Buffer.from(this.#random.bytes(40)).toString("latin1");
    this.far.say(noise + Buffer.from(said).toString("latin1"), integerBelow(this.#random, said.length + 1));
  }
}

const ownErrors = ["AT_TIMEOUT", "AT_REPLY", "AT_ERROR", "AT_CME_ERROR", "AT_CMS_ERROR", "AT_NO_CARRIER", "AT_LINE_TOO_LONG"];

describe("a port that hears damaged dialogues", () => {
  const dialogues = Math.ceil(runs / 10);

  test(`${dialogues} of them: every number comes to who asked for it, or not at all; the memory stays flat`, async () => {
    const random = seededRandom(20260402);
    let right = 0;
    let refused = 0;
    let heapAtHalf = 0;
    for (let run = 0; run < dialogues; run++) {
      if (run === Math.floor(dialogues / 2)) heapAtHalf = heapBytes();
      const clock = new VirtualClock();
      const asked = Array.from({ length: 5 }, () => exchanges[integerBelow(random, exchanges.length)]).filter((one) => one !== undefined);
      const module = new SlowModule(clock, random, asked);
      const port = createAtPort({ channel: module.far.channel, clock, gapMs: 0 });
      const attempt = async (work: Promise<unknown>): Promise<unknown> => {
        try {
          return await clock.runUntil(work, 600_000);
        } catch (error) {
          if (!(error instanceof SimwardError)) throw error;
          expect(ownErrors).toContain(error.code);
          refused++;
          return undefined;
        }
      };
      for (const [index, exchange] of asked.entries()) {
        await attempt(port.send(asInTranscript(exchange)));
        const n = run * 10 + index;
        const answer = await attempt(port.send(askNumber, n));
        if (answer !== undefined) {
          expect(answer).toEqual({ n });
          right++;
        }
      }
      // When it speaks properly again it is understood again, within a minute.
      module.isSound = true;
      await attempt(port.resync(60_000));
      expect(await clock.runUntil(port.send(askNumber, 1_000_000 + run))).toEqual({ n: 1_000_000 + run });
      await port.close();
    }
    // It is a test of what gets through, not of refusing everything.
    expect(right).toBeGreaterThan(dialogues * 2);
    expect(refused).toBeGreaterThan(dialogues / 2);
    expect(heapBytes() - heapAtHalf).toBeLessThan(5_000_000);
  });
});

describe("a driver whose module talks nonsense", () => {
  const sessions = Math.max(12, Math.ceil(runs / 500));

  test(`${sessions} times: it is alive, and ready when the module is itself again`, async () => {
    const random = seededRandom(20260403);
    const files = sessionFiles();
    for (let run = 0; run < sessions; run++) {
      const clock = new VirtualClock();
      const dialogue = new Dialogue(files[run % files.length] ?? "");
      let isSound = false;
      const modem = openModem({
        ...{ clock, random, log: silentLog, address: "unix:/module" },
        open: async () => {
          const channel = dialogue.open();
          return {
            ...{ address: channel.address, closed: channel.closed },
            write: (octets) => channel.write(octets),
            close: () => channel.close(),
            onData: (fn) => channel.onData((octets) => fn(isSound || random.unit() < 0.5 ? octets : mutate(random, octets))),
          };
        },
      });
      await clock.advance(60_000 + integerBelow(random, 240_000));
      isSound = true;
      await clock.runUntil(modem.ready(), 600_000);
      const manufacturer = dialogue.exchanges.find(({ command }) => command === "AT+CGMI")?.reply[0];
      // Read while it talked nonsense, an identity may be damaged; read anew it is right.
      dialogue.urc("RDY");
      await clock.advance(0);
      await clock.runUntil(modem.ready(), 600_000);
      expect(modem.identity().manufacturer).toBe(manufacturer?.replace(/^\+CGMI: /, ""));
      await clock.runUntil(modem.close());
      expect(clock.nextTimerInMs()).toBeUndefined();
    }
  });
});
