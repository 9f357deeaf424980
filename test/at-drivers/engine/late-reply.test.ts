// What a module says too late, of which nothing may reach the next command: in pieces, in bursts, after minutes, looking like an answer.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cgmi, cgmm, readCmee } from "../../../at-drivers/commands/general.ts";
import { csq } from "../../../at-drivers/commands/network.ts";
import { cgla, readCpin } from "../../../at-drivers/commands/sim.ts";
import { fromHex } from "../../../base/bytes.ts";
import type { VirtualClock } from "../../../base/clock.ts";
import type { SimwardError } from "../../../base/errors.ts";
import { answersProbe, type FarEnd, info, ok } from "../far-end.ts";
import { bench, silence } from "./port-bench.ts";

describe("a late reply", () => {
  test("never reaches the next command", async () => {
    const { port, far, run, clock } = await bench((line) =>
      line === "AT+CPIN?" ? silence : line === "AT+CGMI" ? info("the maker") : undefined,
    );
    await expect(run(port.send(readCpin))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    const next = port.send(cgmi);
    await clock.advance(10);
    far.say(info("+CPIN: READY"));
    expect(await run(next)).toBe("the maker");
    expect(port.consecutiveTimeouts).toBe(0);
  });

  test("not even in pieces around the question that finds the module again", async () => {
    const late = info("EG25-G");
    for (let cut = 0; cut <= late.length; cut++) {
      // The first piece comes before the question, the second between question and answer.
      const { port, far, run } = await bench((line) =>
        line === "AT+CGMM"
          ? silence
          : line === "AT+CMEE?"
            ? late.slice(cut) + info("+CMEE: 1")
            : line === "AT+CGMI"
              ? info("the maker")
              : undefined,
      );
      await expect(run(port.send(cgmm))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
      far.say(late.slice(0, cut));
      expect(await run(port.send(cgmi))).toBe("the maker");
    }
  });

  test("not when it looks like the answer to our question: another one is asked", async () => {
    const { port, far, run } = await bench((line) => (line === "AT+CSQ" ? silence : line === "AT+CGMI" ? info("the maker") : undefined));
    await expect(run(port.send(csq))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    const next = port.send(cgmi);
    far.say(info("+CSQ: 1,1"));
    expect(await run(next)).toBe("the maker");
    expect(far.received.slice(1)).not.toContain("AT+CSQ");
  });

  test("a module that was busy for minutes answers all questions at once, and only then is believed", async () => {
    const pending: string[] = [];
    let busy = true;
    const { port, far, run, clock } = await bench((line) => {
      if (!busy) return line === "AT+CGMI" ? info("the maker") : undefined;
      pending.push(line);
      return silence;
    });
    await expect(run(port.send(cgla, "1", fromHex("80E2910000")))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    for (let i = 0; i < 3; i++) await expect(run(port.send(cgmi))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    expect(port.consecutiveTimeouts).toBeGreaterThan(3);
    const next = port.send(cgmi);
    await clock.advance(1_500);
    busy = false;
    expect(pending.length).toBeGreaterThan(4);
    for (const line of pending) far.say(line.startsWith("AT+CGLA") ? info('+CGLA: 4,"9000"') : (answersProbe(line) ?? ""));
    expect(await run(next)).toBe("the maker");
  });

  /** A module that carries out one line after the other, each taking its time, and answers what it was asked while it was busy. */
  function sequential(far: FarEnd, clock: VirtualClock, lastsMs: (line: string) => number): void {
    const waiting: string[] = [];
    const work = (): void => {
      const line = waiting[0];
      if (line === undefined) return;
      clock.after(lastsMs(line), () => {
        waiting.shift();
        far.say(line === "AT+CGMI" ? info("the maker") : line === "AT+CPIN?" ? info("+CPIN: READY") : (answersProbe(line) ?? ok()));
        work();
      });
    };
    far.answer = (line) => {
      waiting.push(line);
      if (waiting.length === 1) work();
      return undefined;
    };
  }

  test("a module that works off minutes of questions one by one is believed when it has answered the last", async () => {
    const { port, far, run, clock } = await bench(() => undefined);
    let busyUntilMs = clock.monotonicMs() + 60_000;
    sequential(far, clock, () => {
      const lastsMs = Math.max(400, busyUntilMs - clock.monotonicMs());
      busyUntilMs = 0;
      return lastsMs;
    });
    await expect(run(port.send(readCpin))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    for (let tries = 0; tries < 4; tries++) await expect(run(port.send(cgmi))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    expect(far.received.length).toBeGreaterThan(8);
    const answers: unknown[] = [];
    for (let tries = 0; tries < 4; tries++) answers.push(await run(port.send(cgmi).catch((error: SimwardError) => error.code)));
    expect(new Set(answers.filter((answer) => answer !== "AT_TIMEOUT"))).toEqual(new Set(["the maker"]));
  });

  test("more answers than questions are remembered: nothing is believed before they end", async () => {
    const { port, far, run, clock } = await bench(() => undefined);
    let busyUntilMs = clock.monotonicMs() + 120_000;
    sequential(far, clock, () => {
      const lastsMs = Math.max(60, busyUntilMs - clock.monotonicMs());
      busyUntilMs = 0;
      return lastsMs;
    });
    await expect(run(port.send(readCpin))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    while (clock.monotonicMs() < 115_000) await expect(run(port.send(cgmi))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    expect(far.received.length).toBeGreaterThan(24);
    const answers: unknown[] = [];
    for (let tries = 0; tries < 4; tries++) answers.push(await run(port.send(cgmi).catch((error: SimwardError) => error.code)));
    expect(new Set(answers.filter((answer) => answer !== "AT_TIMEOUT"))).toEqual(new Set(["the maker"]));
  });

  test("the late answer to a question of the same name is not taken for that of our own", async () => {
    const { port, far, run, clock } = await bench(() => undefined);
    let first = true;
    sequential(far, clock, () => {
      const lastsMs = first ? 3_050 : 500;
      first = false;
      return lastsMs;
    });
    await expect(run(port.send(readCmee))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    expect(await run(port.send(cgmi))).toBe("the maker");
  });

  test("property: whatever the module said late, and however it is cut, no line of it reaches the next command", async () => {
    const lates = [
      "OK",
      "ERROR",
      "+CME ERROR: 14",
      "+CMEE: 1",
      "+CSQ: 1,1",
      "+CGATT: 0",
      "+CPIN: READY",
      "NO CARRIER",
      "the wrong one",
      "> ",
      "CONNECT",
    ];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...lates), { maxLength: 6 }), fc.nat(60), fc.nat(300), async (lines, cut, delayMs) => {
        const late = lines.map((line) => `\r\n${line}\r\n`).join("");
        const { port, far, run, clock } = await bench((line) =>
          line === "AT+CPIN?" ? silence : line === "AT+CGMI" ? info("the maker") : undefined,
        );
        await expect(run(port.send(readCpin))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
        const next = port.send(cgmi);
        far.say(late.slice(0, cut));
        await clock.advance(Math.min(delayMs, 90));
        far.say(late.slice(cut));
        expect(await run(next)).toBe("the maker");
      }),
      { seed: 20260102, numRuns: 60 },
    );
  });
});
