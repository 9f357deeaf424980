// One command in flight: its reply is told from URCs, echoes, noise and the late replies of others, and every wait ends.
import { describe, expect, test } from "vitest";
import { cgmi, cgmm, readCfun, setCmee } from "../../../at-drivers/commands/general.ts";
import { csq, readRegistrations, testCops } from "../../../at-drivers/commands/network.ts";
import { cgla, cimi, readCpin } from "../../../at-drivers/commands/sim.ts";
import { declare, set } from "../../../at-drivers/declare.ts";
import { createAtPort } from "../../../at-drivers/engine/port.ts";
import type { AtTraceEntry } from "../../../at-drivers/engine/types.ts";
import { fromHex } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import type { SimwardError } from "../../../base/errors.ts";
import { type Answer, answersProbe, FarEnd, info, ok } from "../far-end.ts";
import { type Bench, bench, silence } from "./port-bench.ts";

describe("a reply", () => {
  test("one command at a time, in order, each with its own reply", async () => {
    const { port, far, run } = await bench((line) =>
      line === "AT+CSQ" ? info("+CSQ: 11,0") : line === "AT+CPIN?" ? info("+CPIN: READY") : undefined,
    );
    const both = Promise.all([port.send(csq), port.send(readCpin), port.send(csq)]);
    expect(await run(both)).toEqual([{ rssi: 11, ber: 0 }, "READY", { rssi: 11, ber: 0 }]);
    expect(far.received).toEqual(["AT+CSQ", "AT+CPIN?", "AT+CSQ"]);
  });

  test("split at every octet into two chunks it reads the same", async () => {
    const reply = '\r\n+CEREG: 2,5,"1A2B","00E2BD12",7\r\n\r\nOK\r\n';
    for (let at = 0; at <= reply.length; at++) {
      const { port, far, run, clock } = await bench(() => silence);
      const asked = port.send(readRegistrations["+CEREG"]);
      await clock.advance(0);
      far.say(reply, at);
      expect(await run(asked)).toMatchObject({ stat: 5, tac: "1A2B", act: 7 });
    }
  });

  test("a URC between command and reply goes to its listener, and the reply is whole", async () => {
    const { port, run } = await bench((line) => (line === "AT+CSQ" ? `\r\n+CEREG: 5\r\n${info("+CSQ: 9,99")}` : undefined));
    const urcs: string[] = [];
    port.onUrc("+CEREG:", (line) => urcs.push(line));
    expect(await run(port.send(csq))).toEqual({ rssi: 9, ber: 99 });
    expect(urcs).toEqual(["+CEREG: 5"]);
  });

  test("a URC inside a reply without prefix does not become part of it", async () => {
    const { port, run } = await bench((line) =>
      line === "AT+CIMI" ? "\r\nRING\r\n\r\n+CGEV: ME DETACH\r\n\r\nDST: 1\r\n\r\n001010123456789\r\n\r\nOK\r\n" : undefined,
    );
    expect(await run(port.send(cimi))).toBe("001010123456789");
  });

  test("a bare reply is not a listener's", async () => {
    const { port, run } = await bench((line) => (line === "AT+CGMI" ? info("Quectel") : undefined));
    port.onUrc("RDY", () => undefined);
    expect(await run(port.send(cgmi))).toBe("Quectel");
  });

  test("a URC of the command's own name does not stand in for the answer to a read", async () => {
    const { port, run } = await bench((line) =>
      line === "AT+CEREG?" ? `\r\n+CEREG: 2\r\n${info("+CEREG: 2,1")}\r\n+CEREG: 5\r\n` : undefined,
    );
    expect(await run(port.send(readRegistrations["+CEREG"]))).toMatchObject({ n: 2, stat: 1 });
  });

  test("an OK without the information that belongs to it is refused, and the port finds the module anew before it goes on", async () => {
    let answers = 0;
    const { port, far, run } = await bench((line) => (line === "AT+CPIN?" ? (answers++ === 0 ? ok() : info("+CPIN: READY")) : undefined));
    await expect(run(port.send(readCpin))).rejects.toMatchObject({ code: "AT_REPLY" });
    expect(await run(port.send(readCpin))).toBe("READY");
    expect(far.received).toEqual(["AT+CPIN?", "AT+CMEE?", "AT+CPIN?"]);
  });

  test("a gap is kept after each final result", async () => {
    const { port, run, clock } = await bench((line) => (line === "AT+CSQ" ? info("+CSQ: 9,99") : undefined), { gapMs: 100 });
    await run(port.send(csq));
    const startMs = clock.monotonicMs();
    await run(port.send(csq));
    expect(clock.monotonicMs() - startMs).toBe(100);
  });
});

describe("the echo", () => {
  test("lines before it are URCs, lines after it the reply", async () => {
    const { port, run } = await bench((line) => (line === "AT+CGMM" ? `\r\nEG25\r\n${line}\r${info("SIM7080")}` : undefined));
    expect(await run(port.send(cgmm))).toBe("SIM7080");
  });

  test("when the module echoes, a final result before the echo is another command's", async () => {
    const { port, run } = await bench((line) =>
      line === "AT+CPIN?" ? `${line}\r${info("+CPIN: READY")}` : line === "AT+CSQ" ? `${ok()}${line}\r${info("+CSQ: 3,0")}` : undefined,
    );
    await run(port.send(readCpin));
    expect(await run(port.send(csq))).toEqual({ rssi: 3, ber: 0 });
  });

  test("a URC without its end in front of the echo does not hide it", async () => {
    const { port, run } = await bench((line) => (line === "AT+CGMM" ? `\r\n+CREG: 1${line}\r${info("SIM7080")}` : undefined));
    expect(await run(port.send(cgmm))).toBe("SIM7080");
  });
});

describe("final results", () => {
  test.each([
    ["ERROR", "AT_ERROR", {}],
    ["+CME ERROR: 14", "AT_CME_ERROR", { cme: 14 }],
    ["+CME ERROR: SIM busy", "AT_CME_ERROR", { cme: 14 }],
    ["+CME ERROR: Parameters error", "AT_CME_ERROR", { cme: 50 }],
    ["+CME ERROR: something new", "AT_CME_ERROR", {}],
    ["+CMS ERROR: 305", "AT_CMS_ERROR", {}],
    ["+EXT ERROR: 7", "AT_ERROR", {}],
    ["COMMAND NOT SUPPORT", "AT_ERROR", {}],
    ["ABORTED", "AT_ERROR", {}],
    ["NO CARRIER", "AT_NO_CARRIER", {}],
    ["BUSY", "AT_NO_CARRIER", {}],
    ["NO ANSWER", "AT_NO_CARRIER", {}],
    ["NO DIALTONE", "AT_NO_CARRIER", {}],
    ["NA", "AT_ERROR", {}],
  ])("%s", async (result, code, data) => {
    const { port, run } = await bench((line) => (line === "AT+CPIN?" ? `\r\n${result}\r\n` : undefined));
    await expect(run(port.send(readCpin))).rejects.toMatchObject({ code, data: { command: "+CPIN", result, ...data } });
  });

  test.each(["OK", "CONNECT", "CONNECT 150000000"])("%s", async (result) => {
    const dial = declare("D", "ATD*99#", undefined, {}, (reply) => reply.finalResult);
    const { port, run } = await bench((line) => (line === "ATD*99#" ? `\r\n${result}\r\n` : undefined));
    expect(await run(port.send(dial))).toBe(result);
  });

  test("NA is information of a command whose lines have no prefix", async () => {
    const { port, run } = await bench((line) => (line === "AT+CGMM" ? info("NA") : undefined));
    expect(await run(port.send(cgmm))).toBe("NA");
  });

  test("NO CARRIER while no call is made may be the end of one: the command's own result does not reach the next", async () => {
    const { port, run, far } = await bench((line) =>
      line === "AT+CPIN?"
        ? "\r\nNO CARRIER\r\n"
        : line === "AT+CMEE?"
          ? info("+CPIN: READY") + info("+CMEE: 1")
          : line === "AT+CFUN?"
            ? info("+CFUN: 4")
            : undefined,
    );
    await expect(run(port.send(readCpin))).rejects.toMatchObject({ code: "AT_NO_CARRIER" });
    expect(await run(port.send(readCfun))).toEqual({ level: 4 });
    expect(far.received.at(-1)).toBe("AT+CFUN?");
  });

  test("an error of a command leaves the port in step: the next is sent at once", async () => {
    const { port, run, far } = await bench((line) => (line === "AT+CPIN?" ? "\r\n+CME ERROR: 10\r\n" : undefined));
    await expect(run(port.send(readCpin))).rejects.toMatchObject({ data: { cme: 10 } });
    await run(port.send(csq));
    expect(far.received).toEqual(["AT+CPIN?", "AT+CSQ"]);
  });
});

describe("a module that does not answer", () => {
  test("ends each command at its deadline and counts", async () => {
    const { port, run, clock } = await bench(() => silence);
    const startMs = clock.monotonicMs();
    await expect(run(port.send(readCpin))).rejects.toMatchObject({ code: "AT_TIMEOUT", data: { command: "+CPIN", timeoutMs: 10_000 } });
    expect(clock.monotonicMs() - startMs).toBe(10_000);
    expect(port.consecutiveTimeouts).toBe(1);
    await expect(run(port.send(readCpin))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    expect(port.consecutiveTimeouts).toBeGreaterThan(1);
  });

  test("a deadline may be set for one command", async () => {
    const { port, run, clock } = await bench(() => silence);
    const startMs = clock.monotonicMs();
    await expect(run(port.with({ timeoutMs: 240_000 }).send(cgla, "1", fromHex("80E2910000")))).rejects.toMatchObject({
      code: "AT_TIMEOUT",
    });
    expect(clock.monotonicMs() - startMs).toBe(240_000);
  });

  test("a line that takes nothing, stopped by flow control, ends at the deadline too", async () => {
    const { port, run, far } = await bench(() => undefined);
    far.stuck = true;
    await expect(run(port.send(readCpin))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
  });

  test("nor is it waited for by the questions that look for the module, which are counted as missed", async () => {
    const { port, run, far } = await bench(() => undefined);
    far.stuck = true;
    await expect(run(port.send(readCpin))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    for (let tries = 0; tries < 3; tries++) await expect(run(port.send(cgmi))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    expect(port.consecutiveTimeouts).toBeGreaterThan(6);
    await expect(run(port.resync(5_000))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    // What is shouted and what breaks out ends as well, though none of it leaves.
    await run(port.shout("AT+CFUN=1,1"));
    await run(port.breakOut());
  });

  test("after it wakes up it is found again", async () => {
    let awake = false;
    const { port, run, far } = await bench((line) => (awake ? (line === "AT+CGMI" ? info("the maker") : undefined) : silence));
    await expect(run(port.send(readCpin))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    awake = true;
    expect(await run(port.send(cgmi))).toBe("the maker");
    expect(far.received.at(-1)).toBe("AT+CGMI");
  });

  test("aborting gives up at once; the next command waits for the module", async () => {
    const controller = new AbortController();
    const { port, run, far, clock } = await bench((line) =>
      line === "AT+CPIN?" ? silence : line === "AT+CGMI" ? info("the maker") : undefined,
    );
    const asked = port.with({ signal: controller.signal }).send(readCpin);
    const outcome = expect(asked).rejects.toThrow("enough");
    await clock.advance(100);
    controller.abort(new Error("enough"));
    await outcome;
    expect(await run(port.send(cgmi))).toBe("the maker");
    expect(far.received).toEqual(["AT+CPIN?", "AT+CMEE?", "AT+CGMI"]);
  });

  test("aborting a waiting command takes it out of the queue", async () => {
    const controller = new AbortController();
    const { port, run, far } = await bench((line) => (line === "AT+CPIN?" ? silence : undefined));
    const running = port.send(readCpin);
    const waiting = port.with({ signal: controller.signal }).send(csq);
    controller.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    await expect(run(running)).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    expect(far.received).toEqual(["AT+CPIN?"]);
  });

  test("a scan that is given up is stopped by a character", async () => {
    const controller = new AbortController();
    const { port, far, clock } = await bench((line) => (line === "AT+COPS=?" ? silence : undefined));
    const asked = port.with({ signal: controller.signal }).send(testCops);
    const outcome = expect(asked).rejects.toThrow("enough");
    await clock.advance(100);
    controller.abort(new Error("enough"));
    await outcome;
    expect(far.octets).toBe("AT+COPS=?\r\r");
  });
});

describe("noise", () => {
  test("garbage before, between and after lines changes nothing", async () => {
    const { port, run } = await bench((line) =>
      line === "AT+CSQ" ? `\xff\xfe\x81garbage\r\n\r\n~\x7f\r\n${info("+CSQ: 9,99")}\r\n\xc0\xc1` : undefined,
    );
    expect(await run(port.send(csq))).toEqual({ rssi: 9, ber: 99 });
    expect(await run(port.send(csq))).toEqual({ rssi: 9, ber: 99 });
  });

  test("a line without end fails the command, and the port recovers when it stops", async () => {
    const { port, run, far } = await bench((line) =>
      line === "AT+CPIN?" ? "x".repeat(20_000) : line === "AT+CGMI" ? info("the maker") : undefined,
    );
    await expect(run(port.send(readCpin))).rejects.toMatchObject({ code: "AT_LINE_TOO_LONG" });
    far.say(`${"x".repeat(50_000)}\r\n`);
    expect(await run(port.send(cgmi))).toBe("the maker");
  });

  test("lines without end fail it too", async () => {
    const { port, run } = await bench((line) => (line === "AT+CPIN?" ? "+CPIN: READY\r\n".repeat(30_000) : undefined));
    await expect(run(port.send(readCpin))).rejects.toMatchObject({ code: "AT_LINE_TOO_LONG" });
  });

  test("a listener that throws does not harm the port", async () => {
    const { port, run } = await bench((line) => (line === "AT+CSQ" ? `\r\n+CREG: 1\r\n${info("+CSQ: 9,99")}` : undefined));
    port.onUrc("+CREG:", () => {
      throw new Error("listener");
    });
    expect(await run(port.send(csq))).toEqual({ rssi: 9, ber: 99 });
  });
});

describe("a new session", () => {
  async function fresh(answer: (line: string) => Answer): Promise<Bench> {
    const clock = new VirtualClock();
    const far = new FarEnd(answer);
    const port = createAtPort({ channel: far.channel, clock, gapMs: 0 });
    return { clock, far, port, run: (promise) => clock.runUntil(promise) };
  }

  test("silences echo, numbers and quiet before it believes anything", async () => {
    let echo = true;
    let numeric = true;
    const { port, run, far } = await fresh((line) => {
      const echoed = echo ? `${line}\r` : "";
      if (line === "ATE0Q0V1") {
        echo = false;
        numeric = false;
        return `${echoed}${ok()}`;
      }
      const answer = line === "AT+CGMI" ? info("the maker") : (answersProbe(line) ?? ok());
      return echoed + (numeric ? answer.replace(/\r\nOK\r\n$/, "0\r") : answer);
    });
    expect(await run(port.send(cgmi))).toBe("the maker");
    expect(far.received).toEqual(["ATE0Q0V1", "AT+CMEE?", "AT+CGMI"]);
  });

  test("finds a module in ATV0 that does not know the greeting", async () => {
    const { port, run } = await fresh((line) =>
      line === "ATE0Q0V1" ? "4\r" : line === "AT+CMEE?" ? "+CMEE: 0\r\n0\r" : line === "AT+CGMI" ? info("the maker") : undefined,
    );
    expect(await run(port.send(cgmi))).toBe("the maker");
  });

  test("does not take the rest of the last session's reply", async () => {
    const { port, run, far, clock } = await fresh((line) => (line === "AT+CGMI" ? info("the maker") : answersProbe(line)));
    const asked = port.send(cgmi);
    far.say("ing else\r\n\r\nOK\r\n");
    await clock.advance(50);
    far.say(info('+CGLA: 4,"9000"'));
    expect(await run(asked)).toBe("the maker");
  });

  test("leaves a prompt that the last session left open", async () => {
    let prompting = true;
    const { port, run, far } = await fresh((line) => {
      prompting &&= !far.octets.includes("\u001b");
      if (prompting) return "\r\n> ";
      return line === "AT+CGMI" ? info("the maker") : (answersProbe(line) ?? ok());
    });
    expect(await run(port.send(cgmi))).toBe("the maker");
    expect(far.octets).toContain("\u001b");
  });

  test("leaves the data state with its guard times", async () => {
    let dataState = true;
    let lastMs = 0;
    const clock = new VirtualClock();
    const far = new FarEnd((line) => {
      if (dataState && line.startsWith("+++") && clock.monotonicMs() - lastMs >= 1_000) dataState = false;
      lastMs = clock.monotonicMs();
      return dataState ? undefined : line === "AT+CGMI" ? info("the maker") : (answersProbe(line) ?? ok());
    });
    const port = createAtPort({ channel: far.channel, clock, gapMs: 0, resyncTimeoutMs: 60_000 });
    expect(await clock.runUntil(port.send(cgmi))).toBe("the maker");
  });

  test("says that no module answers, within its limit", async () => {
    const { port, run, clock } = await fresh(() => undefined);
    const startMs = clock.monotonicMs();
    await expect(run(port.resync(5_000))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    expect(clock.monotonicMs() - startMs).toBeLessThan(9_000);
  });
});

describe("prompts", () => {
  const text = declare(
    "+CMGS",
    (length: number, _text: string) => `AT+CMGS=${length}`,
    "+CMGS:",
    { timeoutMs: 5_000 },
    (reply) => reply.lines[0],
  );
  const sendText = { ...text, payload: (_length: number, body: string) => Buffer.from(`${body}\u001a`, "latin1") };

  test("a command that has something to say says it when prompted", async () => {
    const { port, run, far, clock } = await bench((line) => (line.startsWith("AT+CMGS") ? "\r\n> " : undefined));
    const sent = port.send(sendText, 5, "hello");
    await clock.advance(0);
    expect(far.octets).toBe("AT+CMGS=5\rhello\u001a");
    far.say(info("+CMGS: 7"));
    expect(await run(sent)).toBe("7");
  });

  test("any other command leaves the prompt", async () => {
    const { port, run, far, clock } = await bench((line) => (line.startsWith("AT+CMGS") ? "\r\n> " : undefined));
    const sent = port.send(text, 5, "hello");
    await clock.advance(0);
    expect(far.octets).toBe("AT+CMGS=5\r\u001b");
    far.say("\r\nERROR\r\n");
    await expect(run(sent)).rejects.toMatchObject({ code: "AT_ERROR" });
  });
});

describe("URCs", () => {
  test("the longest prefix wins, and a listener can leave", async () => {
    const { port, far } = await bench(() => undefined);
    const heard: string[] = [];
    port.onUrc("+CGEV:", (line) => heard.push(`any ${line}`));
    const stop = port.onUrc("+CGEV: ME", (line) => heard.push(`me ${line}`));
    far.say("\r\n+CGEV: ME DETACH\r\n\r\n+CGEV: NW DETACH\r\n");
    stop();
    far.say("\r\n+CGEV: ME DETACH\r\n");
    expect(heard).toEqual(["me +CGEV: ME DETACH", "any +CGEV: NW DETACH", "any +CGEV: ME DETACH"]);
  });

  test("a space before the colon is let pass", async () => {
    const { port, far } = await bench(() => undefined);
    const heard: string[] = [];
    port.onUrc("+QSIMSTAT:", (line) => heard.push(line));
    far.say("\r\n+QSIMSTAT : 1,0\r\n");
    expect(heard).toEqual(["+QSIMSTAT : 1,0"]);
  });
});

describe("the port goes away", () => {
  test("in mid-command: it, those behind it and those to come are refused", async () => {
    const { port, far, run, clock } = await bench(() => silence);
    const outcomes = Promise.allSettled([port.send(readCpin), port.send(csq)]);
    await clock.advance(0);
    far.end({ kind: "hang-up" });
    expect(await run(outcomes)).toMatchObject([
      { status: "rejected", reason: { code: "PORT_CLOSED" } },
      { status: "rejected", reason: { code: "PORT_CLOSED" } },
    ]);
    await expect(port.send(csq)).rejects.toMatchObject({ code: "PORT_CLOSED" });
    expect(far.received).toEqual(["AT+CPIN?"]);
  });

  test("while it looks for the module", async () => {
    const clock = new VirtualClock();
    const far = new FarEnd(() => undefined);
    const port = createAtPort({ channel: far.channel, clock });
    const asked = port.send(csq);
    const outcome = expect(asked).rejects.toMatchObject({ code: "PORT_CLOSED" });
    await clock.advance(1_500);
    far.end({ kind: "hang-up" });
    await clock.advance(10);
    await outcome;
  });
});

describe("what is written", () => {
  test.each(['AT+X="a\rAT+CFUN=0"', "AT\n", "AT\u001a", "ATé€"])("%j is no command line", async (line) => {
    const { port, far } = await bench(() => undefined);
    await expect(port.send(set("+X", () => line))).rejects.toMatchObject({ code: "AT_COMMAND" });
    expect(far.received).toEqual([]);
  });
});

describe("the trace", () => {
  test("shows what goes by, and of a command with an APDU only its name, late replies included", async () => {
    const entries: AtTraceEntry[] = [];
    const { port, far, run } = await bench((line) => (line.startsWith("AT+CGLA") ? `${line}\r\r\n+CGLA: 8,"CAFE9000"\r\n` : undefined), {
      trace: (entry) => entries.push(entry),
    });
    entries.length = 0;
    const failed: SimwardError = await run(port.send(cgla, "1", fromHex("80E2910002BEEF"))).catch((error) => error);
    expect(failed.code).toBe("AT_TIMEOUT");
    far.say('\r\n+CGLA: 8,"CAFE9000"\r\n\r\nOK\r\n');
    await run(port.send(setCmee, 1).catch(() => undefined));
    const shown = entries.map(({ direction, octets }) => `${direction} ${Buffer.from(octets).toString("latin1").trim()}`);
    expect(shown.slice(0, 3)).toEqual(["tx +CGLA ...", "rx +CGLA ...", "rx +CGLA ..."]);
    expect(shown.join("\n")).not.toMatch(/BEEF|CAFE/);
    expect(shown).toContain("tx AT+CMEE=1");
    expect(entries.at(-1)?.masked).toBe(false);
  });
});

describe("a port in a state where commands are not heard", () => {
  test("is broken out of: ESC, then +++ with silence on both sides", async () => {
    const { port, run, far, clock } = await bench(() => undefined);
    const times: number[] = [];
    const { write } = far.channel;
    Object.assign(far.channel, {
      write: (octets: Uint8Array) => {
        times.push(clock.monotonicMs());
        return write(octets);
      },
    });
    await run(port.breakOut());
    expect(far.octets).toBe("\u001b+++\r");
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(1_004);
    expect((times[2] ?? 0) - (times[1] ?? 0)).toBeGreaterThanOrEqual(1_004);
  });

  test("is not taken out of the data state while that is forbidden", async () => {
    let mayEscape = false;
    const { port, run, far } = await bench(() => silence, { mayEscape: () => mayEscape });
    far.answer = () => silence;
    await expect(run(port.resync(60_000))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    expect(far.octets).not.toContain("+++");
    mayEscape = true;
    await expect(run(port.resync(60_000))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    expect(far.octets).toContain("+++");
  });

  test("what a shouted command is answered reaches nobody", async () => {
    const { port, run, far } = await bench((line) => (line === "AT+CGMI" ? info("the maker") : undefined));
    far.answer = (line) =>
      line === "AT+CFUN=1,1" ? info("+CGMI: the wrong one") : line === "AT+CGMI" ? info("the maker") : answersProbe(line);
    const shouted = port.shout("AT+CFUN=1,1");
    const asked = port.send(cgmi);
    await run(shouted);
    expect(await run(asked)).toBe("the maker");
    expect(far.received.filter((line) => line.startsWith("ATE0"))).toHaveLength(1);
  });
});

describe("an echo that is back", () => {
  const echoing = (line: string, answer: string): string => `${line}\r${answer}`;

  test("after replies without one is told, once", async () => {
    let told = 0;
    let echo = false;
    const { port, run } = await bench(
      (line) => (line === "AT+CGMI" ? (echo ? echoing(line, info("the maker")) : info("the maker")) : undefined),
      {
        onEchoAgain: () => told++,
      },
    );
    for (let i = 0; i < 4; i++) await run(port.send(cgmi));
    expect(told).toBe(0);
    echo = true;
    for (let i = 0; i < 4; i++) expect(await run(port.send(cgmi))).toBe("the maker");
    expect(told).toBe(1);
  });

  test("of a module that always echoes is none, though noise hides it now and then", async () => {
    let told = 0;
    let n = 0;
    const { port, run } = await bench(
      (line) => (line === "AT+CGMI" ? (++n % 3 === 0 ? info("the maker") : echoing(line, info("the maker"))) : undefined),
      { onEchoAgain: () => told++ },
    );
    for (let i = 0; i < 12; i++) await run(port.send(cgmi).catch(() => undefined));
    expect(told).toBe(0);
  });
});
