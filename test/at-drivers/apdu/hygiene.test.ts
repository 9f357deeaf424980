// Logical channels are few, and a card keeps them open until somebody closes them: what becomes of those that a fault left behind.
import { describe, expect, test } from "vitest";
import { familyNamed } from "../../../at-drivers/families/table.ts";
import { bench, CardModule, isdR, storeData } from "./card-module.ts";

const closes = (sent: readonly string[]): readonly string[] => sent.filter((line) => /CCHC|"0070/.test(line));

describe("AT+CCHO", () => {
  test("at a start, what an earlier session left open is closed", async () => {
    const module = new CardModule();
    module.open.set(1, "left").set(3, "left");
    const { apdu, run, port } = bench(module);
    await run(apdu.closeLeftovers(port));
    expect([...module.open.keys()]).toEqual([]);
  });

  test("an opening whose answer did not come leaves a channel behind: the next closes it first", async () => {
    const module = new CardModule();
    const { apdu, run } = bench(module);
    // The module opens it, and what it says is lost.
    const answer = module.answer.bind(module);
    let isLost = true;
    module.answer = (line) => {
      const said = answer(line);
      if (!line.startsWith("AT+CCHO") || !isLost) return said;
      isLost = false;
      return "\0";
    };
    await expect(run(apdu.open(isdR))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    expect([...module.open.keys()]).toEqual([1]);
    await run(apdu.open(isdR));
    expect([...module.open.keys()]).toEqual([1]);
  });

  test("an opening that was given up does as well", async () => {
    const module = new CardModule();
    const { apdu, run, clock } = bench(module);
    const controller = new AbortController();
    const answer = module.answer.bind(module);
    module.answer = (line) => {
      const said = answer(line);
      return line.startsWith("AT+CCHO") ? "\0" : said;
    };
    const outcome = expect(apdu.open(isdR, controller.signal)).rejects.toThrow("enough");
    await clock.advance(500);
    controller.abort(new Error("enough"));
    await clock.advance(0);
    await outcome;
    module.answer = answer;
    await run(apdu.open(isdR));
    expect(module.open.size).toBe(1);
  });

  test("a close that is refused is made up for, whatever the session is called", async () => {
    const module = new CardModule();
    module.session = (channel) => `+CCHO: 0000000003 8aa32${channel}`.replace(" 8", "8");
    const { apdu, run } = bench(module);
    const channel = await run(apdu.open(isdR));
    const answer = module.answer.bind(module);
    module.answer = (line) => (line.startsWith("AT+CCHC") ? "\r\n+CME ERROR: 14\r\n" : answer(line));
    await run(channel.close());
    module.answer = answer;
    expect(module.open.size).toBe(1);
    const next = await run(apdu.open(isdR));
    expect(module.open.size).toBe(1);
    await run(next.close());
    expect(module.open.size).toBe(0);
  });

  test("a channel from before a refresh that did not come is closed at the next opening", async () => {
    const module = new CardModule();
    const { apdu, run, state } = bench(module);
    const channel = await run(apdu.open(isdR));
    state.epoch++;
    await run(channel.close());
    expect(module.open.size).toBe(1);
    await run((await run(apdu.open(isdR))).close());
    expect(module.open.size).toBe(0);
  });

  test("while another channel of ours is in use nothing is swept away under it", async () => {
    const module = new CardModule();
    const { apdu, run } = bench(module);
    const inUse = await run(apdu.open(isdR));
    module.interrupts.push("\0");
    await expect(run(apdu.open(isdR))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    const second = await run(apdu.open(isdR));
    expect(await run(inUse.transmit(storeData))).toBeDefined();
    await run(second.close());
    await run(inUse.close());
    await run((await run(apdu.open(isdR))).close());
    expect(module.open.size).toBe(0);
  });

  test("where all went well nothing is sent on top", async () => {
    const module = new CardModule();
    const { apdu, run, sent } = bench(module);
    for (let n = 0; n < 3; n++) await run((await run(apdu.open(isdR))).close());
    expect(closes(sent())).toEqual(["AT+CCHC=1", "AT+CCHC=1", "AT+CCHC=1"]);
  });
});

describe("AT+CSIM", () => {
  test("at a start, and after a fault, channels are closed by MANAGE CHANNEL, between lock and unlock where the module wants it", async () => {
    const module = new CardModule();
    module.ccho = false;
    const { csimLock } = familyNamed("telit-me").quirks;
    const { apdu, run, port, far } = bench(module, { apdu: ["csim"], csimLock });
    module.open.set(1, "left").set(2, "left");
    await run(apdu.closeLeftovers(port));
    expect(module.open.size).toBe(0);
    const said = far.received.filter((line) => line.startsWith("AT+CSIM="));
    expect([said[0], said.at(-1)]).toEqual(["AT+CSIM=1", "AT+CSIM=0"]);
    const channel = await run(apdu.open(isdR));
    module.interrupts.push("\0");
    await expect(run(channel.transmit(storeData))).rejects.toMatchObject({ code: "AT_TIMEOUT" });
    module.interrupts.push("\r\nERROR\r\n");
    await run(channel.close());
    expect(module.open.size).toBe(1);
    await run((await run(apdu.open(isdR))).close());
    expect(module.open.size).toBe(0);
  });
});

describe("when no channel is free and none is ours", () => {
  test("the card is started anew, and the opening tried once more", async () => {
    const module = new CardModule({ channels: 3 });
    // Whoever holds them, +CCHC does not reach them.
    for (const channel of [1, 2, 3]) module.open.set(channel, "another's");
    const answer = module.answer.bind(module);
    module.answer = (line) => (line.startsWith("AT+CCHC") ? "\r\nERROR\r\n" : answer(line));
    let restarts = 0;
    const { apdu, run } = bench(module, { apdu: ["ccho-cgla"] }, async () => {
      restarts++;
      module.open.clear();
      return true;
    });
    await run(apdu.open(isdR));
    expect(restarts).toBe(1);
  });

  test("and the card may not be started anew: APDU_CHANNEL", async () => {
    const module = new CardModule({ channels: 0 });
    const { apdu, run } = bench(module, { apdu: ["ccho-cgla"] }, async () => false);
    await expect(run(apdu.open(isdR))).rejects.toMatchObject({ code: "APDU_CHANNEL" });
  });

  test("but ours are in use: nothing is done to them", async () => {
    const module = new CardModule({ channels: 1 });
    let restarts = 0;
    const { apdu, run } = bench(module, { apdu: ["ccho-cgla"] }, async () => {
      restarts++;
      return true;
    });
    const answer = module.answer.bind(module);
    await run(apdu.open(isdR));
    module.answer = (line) => (line.startsWith("AT+CCHC") ? "\r\nERROR\r\n" : answer(line));
    await expect(run(apdu.open(isdR))).rejects.toMatchObject({ code: "APDU_CHANNEL" });
    expect(restarts).toBe(0);
  });
});

test("what the card announces behind a response is kept until somebody has waited for it", async () => {
  const module = new CardModule({ application: () => "9112" });
  const { apdu, run } = bench(module);
  expect(apdu.isRefreshAnnounced).toBe(false);
  const channel = await run(apdu.open(isdR));
  await run(channel.transmit(storeData));
  expect(apdu.isRefreshAnnounced).toBe(true);
  apdu.isRefreshAnnounced = false;
  expect(apdu.isRefreshAnnounced).toBe(false);
});
