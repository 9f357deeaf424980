// The ways to the card's logical channels, against the habits of modules: forms of session ids, leftovers, refusals, and who follows 61xx.
import { describe, expect, test } from "vitest";
import { defaultApduTimeouts } from "../../../at-drivers/apdu/access.ts";
import { familyNamed } from "../../../at-drivers/families/table.ts";
import type { ModemApdu } from "../../../at-drivers/modem.ts";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { isCode } from "../../../base/errors.ts";
import type { ApduAccess } from "../../../ipa/ports.ts";
import { info, ok } from "../far-end.ts";
import { bench, CardModule, isdR, storeData, usim } from "./card-module.ts";

describe("AT+CCHO", () => {
  // shows: a8.ccho, a8.session-number
  test.each([
    ["a prefix and a number", (channel: number) => `+CCHO: ${channel}`, "1"],
    ["a bare number", (channel: number) => `${channel}`, "1"],
    ["a long handle", (channel: number) => `+CCHO: 00000000038aa32${channel}`, "00000000038aa321"],
  ])("%s names the session, which is given back as it came", async (_, session, id) => {
    const module = new CardModule();
    module.session = session;
    module.cchcLine = true;
    const { apdu, run, sent } = bench(module);
    const channel = await run(apdu.open(isdR));
    expect(toHexUpper(await run(channel.transmit(storeData)))).toBe("6107");
    await run(channel.close());
    expect(sent()).toEqual([`AT+CCHO="${toHexUpper(isdR)}"`, `AT+CGLA=${id},22,"80E2910006BF3E035C015A"`, `AT+CCHC=${id}`]);
    expect(module.open.size).toBe(0);
  });

  // shows: a8.session-number
  test("CLA goes out with channel 0, whatever the caller writes", async () => {
    const { apdu, run, sent } = bench(new CardModule());
    const channel = await run(apdu.open(isdR));
    await run(channel.transmit(fromHex("81E2910000")));
    await run(channel.transmit(fromHex("01C0000007")));
    expect(sent().slice(1)).toEqual(['AT+CGLA=1,10,"80E2910000"', 'AT+CGLA=1,10,"00C0000007"']);
  });

  test.each([
    ["leaves 61xx to the host", "6107"],
    ["has completed 61xx itself", "BF3E029000"],
    ["wants another length", "6C10"],
    ["has a proactive command waiting", "910B"],
    ["refuses", "6985"],
  ])("the answer of a card that %s is the caller's, as it is", async (_, response) => {
    const { apdu, run } = bench(new CardModule({ application: () => response }));
    const channel = await run(apdu.open(isdR));
    expect(toHexUpper(await run(channel.transmit(storeData)))).toBe(response);
  });

  test("sessions that were left open are closed when none is free", async () => {
    const module = new CardModule({ channels: 2 });
    const { apdu, run } = bench(module);
    module.open.set(1, "x").set(2, "x");
    await run(apdu.open(isdR));
    expect([...module.open.keys()]).toEqual([1]);
  });

  test("none is free after all: APDU_CHANNEL", async () => {
    const module = new CardModule({ channels: 0 });
    module.csim = false;
    const { apdu, run } = bench(module);
    await expect(run(apdu.open(isdR))).rejects.toMatchObject({ code: "APDU_CHANNEL" });
  });

  test.each(["+CME ERROR: 22", "+CME ERROR: 13", "+CME ERROR: 3", "+CME ERROR: 4", "ERROR"])(
    "a card without the application, where the module says %s: CARD_NOT_EUICC, and nothing stays open",
    async (notFound) => {
      const module = new CardModule({ applications: [usim] });
      module.notFound = notFound;
      const { apdu, run } = bench(module);
      await expect(run(apdu.open(isdR))).rejects.toMatchObject({ code: "CARD_NOT_EUICC" });
      expect(module.open.size).toBe(0);
    },
  );

  test("one stray +CME ERROR: 22 is not believed: the application is asked for again after a while", async () => {
    const module = new CardModule();
    module.interrupts.push("\r\n+CME ERROR: 22\r\n");
    const { apdu, run, clock } = bench(module);
    const startMs = clock.monotonicMs();
    const channel = await run(apdu.open(isdR));
    expect(toHexUpper(await run(channel.transmit(storeData)))).toBe("6107");
    expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(2_000);
  });

  test("a SIM that is busy is waited for", async () => {
    const module = new CardModule();
    module.interrupts.push("\r\n+CME ERROR: 14\r\n", "\r\n+CME ERROR: 13\r\n");
    module.cpin = "\r\n+CME ERROR: 14\r\n";
    const { apdu, run, clock } = bench(module);
    const startMs = clock.monotonicMs();
    await run(apdu.open(isdR));
    expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(2_000);
  });

  test("a SIM that stays busy ends as AT_SIM_BUSY", async () => {
    const module = new CardModule();
    module.noCcho = "+CME ERROR: 14";
    module.ccho = false;
    module.cpin = "\r\n+CME ERROR: 14\r\n";
    const { apdu, run } = bench(module);
    await expect(run(apdu.open(isdR))).rejects.toMatchObject({ code: "AT_SIM_BUSY" });
  });
});

describe("AT+CSIM", () => {
  // shows: a8.csim, a1.cla-1-3
  test("serves where AT+CCHO does not: the channel's number stands in CLA, GET RESPONSE keeps the plain class", async () => {
    const module = new CardModule();
    module.ccho = false;
    const { apdu, run, sent } = bench(module);
    const channel = await run(apdu.open(isdR));
    expect(toHexUpper(await run(channel.transmit(storeData)))).toBe("6107");
    expect(toHexUpper(await run(channel.transmit(fromHex("00C0000007"))))).toBe("BF3E0212349000");
    await run(channel.close());
    expect(sent().filter((line) => line.includes("CSIM"))).toEqual([
      'AT+CSIM=10,"0070000001"',
      `AT+CSIM=42,"01A4040010${toHexUpper(isdR)}"`,
      'AT+CSIM=22,"81E2910006BF3E035C015A"',
      'AT+CSIM=10,"01C0000007"',
      'AT+CSIM=10,"0070800100"',
    ]);
  });

  test("once it has worked, a refusal is not believed before it is said twice", async () => {
    const module = new CardModule();
    module.ccho = false;
    const { apdu, run } = bench(module);
    await run((await run(apdu.open(isdR))).close());
    // AT+CCHO, then every form of MANAGE CHANNEL.
    module.interrupts.push(...Array.from({ length: 4 }, () => "\r\nERROR\r\n"));
    const channel = await run(apdu.open(isdR));
    expect(toHexUpper(await run(channel.transmit(storeData)))).toBe("6107");
    module.interrupts.push(...Array.from({ length: 16 }, () => "\r\nERROR\r\n"));
    await run(channel.close());
    await expect(run(apdu.open(isdR))).rejects.toMatchObject({ code: "APDU_ACCESS" });
  });

  test("a channel is open even when the card announces a proactive command with it", async () => {
    const module = new CardModule();
    module.ccho = false;
    module.done = "910B";
    const { apdu, run } = bench(module);
    const channel = await run(apdu.open(isdR));
    expect(toHexUpper(await run(channel.transmit(storeData)))).toBe("6107");
  });

  test("the way that worked is the first one next time", async () => {
    const module = new CardModule();
    module.ccho = false;
    const { apdu, run, far } = bench(module);
    await run((await run(apdu.open(isdR))).close());
    far.received.length = 0;
    await run(apdu.open(isdR));
    expect(far.received).toEqual(['AT+CSIM=10,"0070000001"', `AT+CSIM=42,"01A4040010${toHexUpper(isdR)}"`]);
  });

  // shows: a5.none, a4.6a82
  test("a card without the application: CARD_NOT_EUICC, and the channel is closed", async () => {
    const module = new CardModule({ applications: [] });
    module.ccho = false;
    const { apdu, run } = bench(module);
    await expect(run(apdu.open(isdR))).rejects.toMatchObject({ code: "CARD_NOT_EUICC" });
    expect(module.open.size).toBe(0);
  });

  test("no channel is free: those left open are closed, and if that does not help it is APDU_CHANNEL", async () => {
    const module = new CardModule({ channels: 1 });
    module.open.set(1, "x");
    const { apdu, run } = bench(module, { apdu: ["csim"] });
    await run(apdu.open(isdR));
    const none = bench(new CardModule({ channels: 0 }), { apdu: ["csim"] });
    await expect(none.run(none.apdu.open(isdR))).rejects.toMatchObject({ code: "APDU_CHANNEL" });
  });

  test("neither way works: APDU_ACCESS names both refusals", async () => {
    const module = new CardModule();
    module.ccho = false;
    module.csim = false;
    const { apdu, run } = bench(module);
    await expect(run(apdu.open(isdR))).rejects.toMatchObject({ code: "APDU_ACCESS", detail: expect.stringMatching(/\+CCHO.*\+CSIM/) });
  });

  test("the basic channel is offered once it was seen to work", async () => {
    const module = new CardModule();
    const { apdu, port, run } = bench(module);
    expect(apdu.transmitBasic).toBeUndefined();
    await run(apdu.probe(port));
    expect(toHexUpper(await run(apdu.transmitBasic?.(fromHex("80F2000000")) ?? Promise.reject(new Error("none"))))).toBe("9000");
    module.csim = false;
    await run(apdu.probe(port));
    expect(apdu.transmitBasic).toBeUndefined();
  });
});

describe("a channel", () => {
  test("that the module has lost is APDU_CHANNEL_LOST, with what the module said", async () => {
    const module = new CardModule();
    const { apdu, run } = bench(module);
    const channel = await run(apdu.open(isdR));
    module.open.clear();
    await expect(run(channel.transmit(storeData))).rejects.toMatchObject({ code: "APDU_CHANNEL_LOST", data: { cme: 3 } });
    await run(channel.close());
  });

  test("from before a reset sends nothing any more, though a session of its number may be open again", async () => {
    const { apdu, run, state, far } = bench(new CardModule());
    const channel = await run(apdu.open(isdR));
    state.epoch++;
    far.received.length = 0;
    await expect(run(channel.transmit(storeData))).rejects.toMatchObject({ code: "APDU_CHANNEL_LOST" });
    await run(channel.close());
    expect(far.received).toEqual([]);
  });

  test("that is closed refuses, and closing it again does nothing", async () => {
    const { apdu, run, far } = bench(new CardModule());
    const channel = await run(apdu.open(isdR));
    await run(channel.close());
    far.received.length = 0;
    await run(channel.close());
    await expect(run(channel.transmit(storeData))).rejects.toMatchObject({ code: "APDU_CHANNEL_LOST" });
    expect(far.received).toEqual([]);
  });

  test.each([
    ["cut short", info('+CGLA: 8,"9000"')],
    ["no hexadecimal", info('+CGLA: 4,"90xx"')],
    ["missing", ok()],
  ])("a response that is %s is APDU_MALFORMED, not an answer", async (_, reply) => {
    const module = new CardModule();
    const { apdu, run } = bench(module);
    const channel = await run(apdu.open(isdR));
    module.interrupts.push(reply);
    await expect(run(channel.transmit(storeData))).rejects.toMatchObject({ code: "APDU_MALFORMED" });
    expect(toHexUpper(await run(channel.transmit(storeData)))).toBe("6107");
  });

  test("STORE DATA may take minutes, other commands may not", async () => {
    const module = new CardModule();
    const { apdu, run, clock } = bench(module);
    const channel = await run(apdu.open(isdR));
    const lasts = async (command: Uint8Array): Promise<number> => {
      module.interrupts.push("\0");
      const startMs = clock.monotonicMs();
      await expect(run(channel.transmit(command))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
      return clock.monotonicMs() - startMs;
    };
    expect(await lasts(storeData)).toBe(defaultApduTimeouts.storeDataMs);
    // The port finds the module again first, which takes its time too.
    expect(await lasts(fromHex("00C0000007"))).toBeLessThan(defaultApduTimeouts.plainMs + 1_000);
  });

  test("aborting gives up at once", async () => {
    const module = new CardModule();
    const { apdu, run, clock } = bench(module);
    const channel = await run(apdu.open(isdR));
    module.interrupts.push("\0");
    const controller = new AbortController();
    const outcome = expect(channel.transmit(storeData, controller.signal)).rejects.toThrow("enough");
    await clock.advance(100);
    controller.abort(new Error("enough"));
    await outcome;
    expect(toHexUpper(await run(channel.transmit(storeData)))).toBe("6107");
  });
});

test("the access is what ipa wants of one", () => {
  const access: ApduAccess = bench(new CardModule()).apdu satisfies ModemApdu;
  expect(access.maxCommandDataBytes).toBe(120);
});

describe("a module that refuses long lines", () => {
  const command = (bytes: number): Uint8Array => Uint8Array.from([0x80, 0xe2, 0x91, 0x00, bytes, ...new Uint8Array(bytes)]);

  /** Refuses whatever has more than `most` data octets. */
  function strict(most: number): ReturnType<typeof bench> {
    const module = new CardModule();
    const answer = module.answer.bind(module);
    module.answer = (line) =>
      /^AT\+CGLA=/.test(line) && line.length > `AT+CGLA=1,000,""`.length + (most + 5) * 2 ? "\r\nERROR\r\n" : answer(line);
    return bench(module);
  }

  test("is given half as much, until it takes it", async () => {
    const { apdu, run } = strict(40);
    const tried: number[] = [];
    for (let took = false; !took; ) {
      const bytes = apdu.maxCommandDataBytes;
      tried.push(bytes);
      const channel = await run(apdu.open(isdR));
      took = await run(
        channel.transmit(command(bytes)).then(
          () => true,
          (error: unknown) => !isCode(error, "APDU_CHANNEL_LOST"),
        ),
      );
      await run(channel.close());
    }
    expect(tried).toEqual([120, 60, 30]);
  });

  test("is not thought to, when it took as much before and then lost the channel", async () => {
    const { apdu, run } = strict(120);
    const channel = await run(apdu.open(isdR));
    await run(channel.transmit(command(120)));
    await expect(run(channel.transmit(command(200)))).rejects.toMatchObject({ code: "APDU_CHANNEL_LOST" });
    expect(apdu.maxCommandDataBytes).toBe(120);
  });
});

describe("a module that wants the card locked for AT+CSIM", () => {
  const { csimLock } = familyNamed("telit-me").quirks;

  test("has it locked while a channel is open, and never longer", async () => {
    const module = new CardModule();
    module.ccho = false;
    const { apdu, run, far } = bench(module, { csimLock });
    const channel = await run(apdu.open(isdR));
    await run(channel.close());
    const said = far.received.filter((line) => line.startsWith("AT+CSIM=")).map((line) => line.slice(0, 10));
    expect(said[0]).toBe("AT+CSIM=1");
    expect(said.at(-1)).toBe("AT+CSIM=0");
    expect(said.filter((line) => line === "AT+CSIM=1")).toHaveLength(1);
  });

  test("has it unlocked again when the application is not there", async () => {
    const module = new CardModule({ applications: [] });
    module.ccho = false;
    const { apdu, run, far } = bench(module, { csimLock });
    await expect(run(apdu.open(isdR))).rejects.toMatchObject({ code: "CARD_NOT_EUICC" });
    const locks = far.received.filter((line) => /^AT\+CSIM=[01]$/.test(line));
    expect(locks).toEqual(["AT+CSIM=1", "AT+CSIM=0", "AT+CSIM=1", "AT+CSIM=0"]);
  });
});
