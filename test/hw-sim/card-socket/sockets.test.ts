// The card sockets octet by octet: vpcd from both ends, HTTP, JSON lines in both dialects, cards that go and come, long answers in pieces.
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, test } from "vitest";
import { concatBytes, fromHex, toHexUpper } from "../../../base/bytes.ts";
import { SystemClock, VirtualClock } from "../../../base/clock.ts";
import { SimwardError } from "../../../base/errors.ts";
import { silentLog } from "../../../base/log.ts";
import { atr } from "../../../hw-sim/card-socket/atr.ts";
import { fellowGuest, soleGuest } from "../../../hw-sim/card-socket/guest.ts";
import { httpCard } from "../../../hw-sim/card-socket/http-card.ts";
import { serveCard } from "../../../hw-sim/card-socket/serve.ts";
import { FrameReader, frame } from "../../../hw-sim/card-socket/vpcd-frames.ts";
import { openVpcdSlot } from "../../../hw-sim/card-socket/vpcd-slot.ts";
import type { CardConnection } from "../../../hw-sim/contracts.ts";
import { startHttpServer } from "../../../hw-sim/http/server.ts";
import { VirtualModem } from "../../../hw-sim/modem/module.ts";
import { World } from "../../../hw-sim/network/world.ts";
import { applicationAid, StubCard } from "../modem/stub-card.ts";

const clock = new SystemClock();
const loopback = "127.0.0.1";
const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

const hex = (bytes: Uint8Array): string => toHexUpper(bytes);

describe("the ATR", () => {
  test("is one by ISO 7816-3: lengths add up, the check octet makes all but TS cancel out", () => {
    const [ts, t0 = 0, ...rest] = atr;
    expect([ts, t0 & 0x0f]).toEqual([0x3b, 15]);
    // TA1 TD1, TD2, TA3 TB3, then 15 historical octets and the check octet.
    expect(rest).toHaveLength(5 + 15 + 1);
    expect(atr.subarray(1).reduce((sum, octet) => sum ^ octet, 0)).toBe(0);
  });
});

/** The other end of a TCP connection, message by message. */
async function vpcdPeer(socket: Socket): Promise<{ next(): Promise<string>; send(octets: string): void }> {
  const reader = new FrameReader();
  const messages: string[] = [];
  const waiting: ((message: string) => void)[] = [];
  socket.on("data", (octets) => {
    for (const message of reader.take(octets)) {
      const wake = waiting.shift();
      if (wake === undefined) messages.push(hex(message));
      else wake(hex(message));
    }
  });
  return {
    next: () => {
      const there = messages.shift();
      return there === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(there);
    },
    send: (octets) => void socket.write(frame(fromHex(octets))),
  };
}

describe("vpcd", () => {
  test("frames are cut out of a stream however it is torn", () => {
    const stream = concatBytes(frame(fromHex("04")), frame(new Uint8Array(300).fill(7)), frame(new Uint8Array(0)));
    const reader = new FrameReader();
    const seen: number[] = [];
    for (const octet of stream) for (const message of reader.take(Uint8Array.of(octet))) seen.push(message.length);
    expect(seen).toEqual([1, 300, 0]);
  });

  // shows: a8.vpcd
  test("our card obeys a reader: no answer to power and reset, ATR when asked, else an APDU", async () => {
    const uicc = new StubCard();
    const reader = createServer();
    reader.listen(0, loopback);
    await once(reader, "listening");
    const address = reader.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    const service = await serveCard(soleGuest(uicc), { kind: "vpcd", host: loopback, port }, clock, silentLog);
    stops.push(
      () => reader.close(),
      () => service.close(),
    );
    const [socket] = (await once(reader, "connection")) as [Socket];
    const peer = await vpcdPeer(socket);
    for (const order of ["00", "01", "02", "04"]) peer.send(order);
    expect(await peer.next()).toBe(hex(atr));
    expect(uicc.resets).toBe(3);
    peer.send("0070000001");
    expect(await peer.next()).toBe("019000");
    // The reader goes and comes back: the card is inserted again, reset.
    socket.destroy();
    const [again] = (await once(reader, "connection")) as [Socket];
    const second = await vpcdPeer(again);
    expect(uicc.resets).toBe(4);
    second.send("0070000001");
    expect(await second.next()).toBe("019000");
    again.destroy();
  });

  // shows: a8.vpcd
  test("our slot powers a card, asks its ATR, gives it APDUs, and turns a second card away", async () => {
    const slot = await openVpcdSlot({ clock, host: loopback, port: 0 });
    stops.push(() => slot.close());
    expect(slot.present).toBe(false);
    await expect(slot.transmit(fromHex("00A40000"))).rejects.toMatchObject({ code: "SIM_CARD" });
    const port = Number(slot.address.split(":")[1]);
    const inserted = new Promise<void>((resolve) => slot.onPresence(resolve));
    const socket = connect(port, loopback);
    const peer = await vpcdPeer(socket);
    await inserted;
    const reset = slot.reset();
    expect([await peer.next(), await peer.next(), await peer.next()]).toEqual(["00", "01", "04"]);
    peer.send("3B00");
    await reset;
    const response = slot.transmit(fromHex("00B0000002"));
    expect(await peer.next()).toBe("00B0000002");
    peer.send("12349000");
    expect(hex(await response)).toBe("12349000");
    const second = connect(port, loopback).resume();
    await once(second, "close");
    const lost = slot.transmit(fromHex("00B0000002"));
    socket.destroy();
    await expect(lost).rejects.toMatchObject({ code: "SIM_CARD", detail: expect.stringContaining(slot.address) });
    expect(slot.present).toBe(false);
  });

  test("a card that never answers is put out of the slot when its time is over", async () => {
    const virtual = new VirtualClock();
    const slot = await openVpcdSlot({ clock: virtual, host: loopback, port: 0, answerMs: 30_000 });
    stops.push(() => slot.close());
    const inserted = new Promise<void>((resolve) => slot.onPresence(resolve));
    const socket = connect(Number(slot.address.split(":")[1]), loopback).resume();
    const gone = once(socket, "close");
    await inserted;
    const answer = expect(slot.transmit(fromHex("00B0000002"))).rejects.toMatchObject({ detail: expect.stringContaining("30000 ms") });
    await virtual.advance(30_000);
    await gone;
    await answer;
  });
});

describe("HTTP", () => {
  const post = async (url: string, body: string): Promise<{ status: number; body: unknown }> => {
    const response = await fetch(url, { method: "POST", body });
    return { status: response.status, body: await response.json().catch(() => undefined) };
  };

  test("our server answers APDUs, gives the ATR, resets, and refuses what is none", async () => {
    const uicc = new StubCard();
    const service = await serveCard(soleGuest(uicc), { kind: "http", host: loopback, port: 0 }, clock, silentLog);
    stops.push(() => service.close());
    const url = service.address;
    expect(await post(url, '{"apdu":"0070000001"}')).toEqual({ status: 200, body: { data: "01", sw1: 0x90, sw2: 0 } });
    expect(await post(url, '{"apdu":"03B0000002"}')).toMatchObject({ body: { data: "", sw1: 0x68, sw2: 0x81 } });
    for (const body of ['{"apdu":"0070"}', '{"apdu":"xyz"}', "{}", "apdu"])
      expect(await post(url, body)).toMatchObject({ status: 400, body: { error: { code: "SIM_REQUEST" } } });
    expect(await post(new URL("reset", url).href, "")).toEqual({ status: 200, body: { atr: hex(atr) } });
    expect(uicc.resets).toBe(1);
    for (const [path, status] of [
      ["apdu", 405],
      ["card", 404],
    ] as const) {
      const refused = await fetch(new URL(path, url));
      expect(refused.status).toBe(status);
      expect(await refused.json()).toMatchObject({ error: { code: "SIM_REQUEST", message: expect.stringContaining("POST /apdu") } });
    }
  });

  test("a card of that kind in the slot: numbers or hex as status, no reset of its own, and every failure has a reason", async () => {
    const seen: string[] = [];
    let reply: string | number = '{"data":"0102","sw1":"90","sw2":"00"}';
    const server = await startHttpServer({
      host: loopback,
      port: 0,
      handle: async ({ path, body }) => {
        if (path !== "/apdu") return { status: 404 };
        seen.push(JSON.parse(Buffer.from(body).toString("utf8")).apdu);
        return typeof reply === "number" ? { status: reply } : { status: 200, body: reply };
      },
    });
    stops.push(() => server.stop());
    const card = httpCard({ clock, url: `http://${loopback}:${server.port}/apdu` });
    expect(hex(await card.transmit(fromHex("00B0000002")))).toBe("01029000");
    reply = '{"sw1":104,"sw2":129}';
    await card.reset();
    expect(seen).toEqual(["00B0000002", "00708001", "00708002", "00708003"]);
    for (const bad of [500, "hello", '{"data":"0"}', '{"data":"","sw1":300,"sw2":0}']) {
      reply = bad;
      await expect(card.transmit(fromHex("00B0000002"))).rejects.toMatchObject({ code: "SIM_CARD" });
    }
    await server.stop();
    await expect(card.transmit(fromHex("00B0000002"))).rejects.toMatchObject({
      code: "SIM_CARD",
      detail: expect.stringMatching(/:\d+\/apdu/),
    });
  });
});

describe("JSON lines", () => {
  test("speak APDUs, and lpac's dialect with and without its envelope", async () => {
    const uicc = new StubCard();
    const service = await serveCard(soleGuest(uicc), { kind: "tcp", host: loopback, port: 0 }, clock, silentLog);
    stops.push(() => service.close());
    const socket = connect(Number(service.address.split(":")[1]), loopback);
    stops.push(() => socket.destroy());
    const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
    const ask = async (line: object | string): Promise<unknown> => {
      socket.write(`${typeof line === "string" ? line : JSON.stringify(line)}\n`);
      return JSON.parse(String((await lines.next()).value));
    };
    const lpac = (func: string, param?: string): Promise<unknown> => ask({ type: "apdu", payload: { func, param } });
    expect(await ask({ reset: true })).toEqual({ atr: hex(atr) });
    expect(await ask({ apdu: "0070000001" })).toEqual({ data: "01", sw1: 0x90, sw2: 0 });
    expect(await lpac("connect")).toEqual({ type: "apdu", payload: { ecode: 0 } });
    expect(await lpac("logic_channel_open", hex(applicationAid))).toEqual({ type: "apdu", payload: { ecode: 1 } });
    expect(await lpac("logic_channel_open", "A000000000")).toEqual({ type: "apdu", payload: { ecode: -1 } });
    uicc.response = fromHex("BF3E00");
    expect(await lpac("transmit", "81E2910003BF3E00")).toEqual({ type: "apdu", payload: { ecode: 0, data: "6103" } });
    expect(await ask({ func: "transmit", param: "01C0000003" })).toEqual({ ecode: 0, data: "BF3E009000" });
    expect(await lpac("logic_channel_close", "01")).toEqual({ type: "apdu", payload: { ecode: 0 } });
    for (const [line, said] of [
      ["apdu", "not JSON"],
      [{ apdu: "00" }, "apdu"],
      [{ func: "fly" }, "{func, param}"],
      [{ type: "apdu" }, "{func, param}"],
    ] as const)
      expect(await ask(line)).toMatchObject({ error: { code: "SIM_REQUEST", message: expect.stringContaining(said) } });
  });
});

test("a guest beside the module closes what it has opened, and nothing else", () => {
  const uicc = new StubCard();
  const open = fromHex("0070000001");
  expect(hex(uicc.process(open))).toBe("019000");
  const guest = fellowGuest(uicc);
  expect([hex(guest.transmit(open)), hex(guest.transmit(open))]).toEqual(["029000", "039000"]);
  guest.transmit(fromHex("00708002"));
  guest.reset();
  expect(uicc.resets).toBe(0);
  expect([hex(uicc.process(open)), hex(uicc.process(open)), hex(uicc.process(open))]).toEqual(["029000", "039000", "6A81"]);
});

describe("the module with a card that answers in its own time", () => {
  /** As over a socket: every answer comes a turn of the event loop later. */
  function slowly(uicc: StubCard): CardConnection & { insert(): void; remove(): void } {
    const listeners = new Set<() => void>();
    let present = true;
    const change = (now: boolean): void => {
      present = now;
      for (const fn of listeners) fn();
    };
    return {
      get present() {
        return present;
      },
      transmit: async (apdu) => {
        await new Promise((resolve) => setImmediate(resolve));
        return uicc.process(apdu);
      },
      reset: async () => uicc.reset(),
      *subscriber() {
        yield fromHex("00B000000A");
        return { iccid: uicc.iccid ?? "", imsi: uicc.imsi ?? "" };
      },
      onPresence: (fn) => {
        listeners.add(fn);
        return () => listeners.delete(fn);
      },
      insert: () => change(true),
      remove: () => change(false),
    };
  }

  async function module() {
    const virtual = new VirtualClock();
    const uicc = new StubCard();
    const card = slowly(uicc);
    const modem = new VirtualModem({ clock: virtual, world: new World({ clock: virtual }), uicc: card, imei: "356938035643809" });
    stops.push(() => modem.close());
    const until = async (done: () => boolean): Promise<void> => {
      while (!done()) {
        await virtual.advance(50);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    modem.powerOn();
    await until(() => modem.sim.state === "ready");
    return { uicc, card, modem, until };
  }

  test("reads its subscriber and hands long answers out in pieces behind 61xx", async () => {
    const { uicc, modem } = await module();
    expect(modem.sim.subscriber).toEqual({ iccid: uicc.iccid, imsi: uicc.imsi });
    const session = await modem.sim.open(applicationAid);
    uicc.process = () => concatBytes(new Uint8Array(600).fill(0x5a), fromHex("9000"));
    const first = await modem.sim.transmit(session, fromHex("80E2910003BF2D00"));
    expect([first.length, hex(first.subarray(-2))]).toEqual([258, "6100"]);
    const second = await modem.sim.transmit(session, fromHex("00C0000000"));
    expect([second.length, hex(second.subarray(-2))]).toEqual([258, "6158"]);
    const third = await modem.sim.transmit(session, fromHex("00C0000058"));
    expect([third.length, hex(third.subarray(-2))]).toEqual([90, "9000"]);
  });

  test("two ports never get into each other's way", async () => {
    const { uicc, modem } = await module();
    uicc.seen.length = 0;
    await Promise.all([modem.sim.open(applicationAid), modem.sim.open(applicationAid)]);
    expect(uicc.seen.map((apdu) => hex(apdu.subarray(0, 2)))).toEqual(["0070", "01A4", "0070", "02A4"]);
  });

  test("a card pulled out is a missing SIM, and one put in is read anew", async () => {
    const { uicc, card, modem, until } = await module();
    const under = expect(modem.sim.open(applicationAid)).rejects.toMatchObject({ cme: 13 });
    card.remove();
    expect(modem.sim.state).toBe("absent");
    await under;
    expect(() => modem.sim.needCard()).toThrow(expect.objectContaining({ cme: 10 }));
    uicc.iccid = "8949990000000000027";
    card.insert();
    await until(() => modem.sim.state === "ready");
    expect(modem.sim.subscriber?.iccid).toBe("8949990000000000027");
  });

  test("a reset of the module ends what was under way, and what comes after works", async () => {
    const { modem, until } = await module();
    const opened = expect(modem.sim.open(applicationAid)).rejects.toMatchObject({ cme: 13 });
    modem.reset();
    await opened;
    await until(() => modem.sim.state === "ready");
    expect(await modem.sim.open(applicationAid)).toBe("1");
  });

  test("a card that fails to answer is looked for again", async () => {
    const { card, modem, until } = await module();
    const transmit = card.transmit;
    card.transmit = () => Promise.reject(new SimwardError("SIM_CARD"));
    await expect(modem.sim.open(applicationAid)).rejects.toMatchObject({ cme: 13 });
    expect(modem.sim.state).toBe("absent");
    card.transmit = transmit;
    await until(() => modem.sim.state === "ready");
  });
});
