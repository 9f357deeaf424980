import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bcdToDigits,
  bytesToPlmn,
  digitsToBcd,
  fromHex,
  iccidToBytes,
  plmnToBytes,
  swappedBcdToDigits,
  toHex,
  toHexUpper,
  uintToBytes,
} from "../../base/bytes.ts";
import { VirtualClock } from "../../base/clock.ts";
import { asSimwardError, errorReport, errorTable, isCode, SimwardError } from "../../base/errors.ts";
import { createLog } from "../../base/log.ts";
import { runMachine } from "../../base/machine.ts";
import { maskText, maskValue } from "../../base/mask.ts";
import { Queue } from "../../base/queue.ts";
import { integerBelow, seededRandom, shuffle } from "../../base/random.ts";

describe("bytes", () => {
  test("hex goes there and back", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(fromHex(toHex(bytes))).toEqual(bytes);
        expect(fromHex(toHexUpper(bytes))).toEqual(bytes);
      }),
      { seed: 1 },
    );
    expect(fromHex("bf 51\n00")).toEqual(Uint8Array.of(0xbf, 0x51, 0));
  });

  test("what is no hex is refused with its place", () => {
    expect(() => fromHex("abc")).toThrow(expect.objectContaining({ code: "BYTES_NOT_HEX" }));
    expect(() => fromHex("12xy")).toThrow(/"x" at position 2/);
  });

  test("ICCID, EID and PLMN as the standards code them", () => {
    expect(toHexUpper(iccidToBytes("89001023456789012341"))).toBe("98000132547698103214");
    expect(toHexUpper(iccidToBytes("8900102345678901234"))).toBe("980001325476981032F4");
    expect(swappedBcdToDigits(fromHex("980001325476981032F4"))).toBe("8900102345678901234");
    expect(() => iccidToBytes("123")).toThrow(expect.objectContaining({ code: "BYTES_NOT_ICCID" }));
    expect(bcdToDigits(digitsToBcd("89049032123451234512345678901235"))).toBe("89049032123451234512345678901235");
    expect(toHexUpper(plmnToBytes("26201"))).toBe("62F210");
    expect(toHexUpper(plmnToBytes("310410"))).toBe("130014");
    for (const plmn of ["26201", "310410", "00101", "999999"]) expect(bytesToPlmn(plmnToBytes(plmn))).toBe(plmn);
    expect(() => plmnToBytes("262")).toThrow(expect.objectContaining({ code: "BYTES_NOT_PLMN" }));
    expect(toHex(uintToBytes(0x1234, 4))).toBe("00001234");
  });
});

describe("errors", () => {
  test("every row says what to do next, and a SimwardError carries it", () => {
    for (const [code, row] of Object.entries(errorTable)) {
      expect(code).toMatch(/^[A-Z][A-Z0-9_]+$/);
      expect(row.text.length).toBeGreaterThan(10);
      expect(row.next.length).toBeGreaterThan(3);
    }
    const error = new SimwardError("PORT_BUSY", { detail: "/dev/ttyUSB2 is held by ModemManager (812)" });
    expect(errorReport(error)).toEqual({
      code: "PORT_BUSY",
      message: "another process holds the port: /dev/ttyUSB2 is held by ModemManager (812)",
      next: errorTable.PORT_BUSY.next,
      retry: "operator",
    });
  });

  test("a foreign error is wrapped with its cause kept", () => {
    const cause = new TypeError("x is undefined");
    const error = asSimwardError(cause);
    expect(error.code).toBe("INTERNAL");
    expect(error.cause).toBe(cause);
    expect(isCode(error, "DEADLINE", "INTERNAL")).toBe(true);
    expect(asSimwardError(error)).toBe(error);
  });
});

describe("Queue", () => {
  test("runs one at a time, in order, and a failure does not stop it", async () => {
    const queue = new Queue();
    const seen: string[] = [];
    const job = (name: string, fails = false) =>
      queue.run(async () => {
        seen.push(`${name} begins`);
        await Promise.resolve();
        seen.push(`${name} ends`);
        if (fails) throw new Error(name);
        return name;
      });
    const results = await Promise.allSettled([job("a"), job("b", true), job("c")]);
    expect(results.map((r) => r.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(seen).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
  });

  test("who waits can leave; who comes to a full or closed queue is refused", async () => {
    const queue = new Queue(1);
    let release = (): void => {};
    const running = queue.run(() => new Promise<void>((resolve) => (release = resolve)));
    const controller = new AbortController();
    const waiting = queue.run(async () => "never", controller.signal);
    await expect(queue.run(async () => "third")).rejects.toMatchObject({ code: "QUEUE_FULL" });
    controller.abort(new SimwardError("ABORTED"));
    await expect(waiting).rejects.toMatchObject({ code: "ABORTED" });
    const left = queue.run(async () => "left");
    queue.close();
    release();
    await running;
    await expect(left).rejects.toMatchObject({ code: "QUEUE_CLOSED" });
    await expect(queue.run(async () => "late")).rejects.toMatchObject({ code: "QUEUE_CLOSED" });
  });
});

describe("random", () => {
  test("the same seed gives the same sequence", () => {
    expect(seededRandom(7).bytes(32)).toEqual(seededRandom(7).bytes(32));
    expect(seededRandom(7).bytes(32)).not.toEqual(seededRandom(8).bytes(32));
    const random = seededRandom(1);
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 4_000; i++) counts[integerBelow(random, 4)] = (counts[integerBelow(random, 4)] ?? 0) + 1;
    expect(shuffle(random, [1, 2, 3, 4, 5]).sort()).toEqual([1, 2, 3, 4, 5]);
    for (const count of counts) expect(count).toBeGreaterThan(0);
  });
});

describe("runMachine", () => {
  test("inputs sent by an effect come after those already waiting", () => {
    const order: string[] = [];
    const machine = runMachine<number, string, string>({
      initial: 0,
      next: (state, input) => {
        order.push(input);
        return { state: state + 1, effects: input === "go" ? ["first", "second"] : [] };
      },
      perform: (effect, send) => send(`${effect} done`),
    });
    machine.send("go");
    expect(order).toEqual(["go", "first done", "second done"]);
    expect(machine.state).toBe(3);
  });
});

describe("masking", () => {
  test("identifiers are shortened at info, whole at debug; secrets are never shown", () => {
    const lines: string[] = [];
    const log = createLog({ level: "debug", clock: new VirtualClock(), destination: { write: (line) => void lines.push(line) } });
    const fields = {
      iccid: "89001023456789012341",
      note: "card 89001023456789012341 ready",
      nested: { imsi: "262011234567890" },
      psk: "hunter2",
      apdu: Uint8Array.of(1, 2),
    };
    log.info("profile 89001023456789012341 enabled", fields);
    log.debug("profile enabled", fields);
    const [info = "", debug = ""] = lines;
    expect(info).not.toContain("89001023456789012341");
    expect(info).not.toContain("262011234567890");
    expect(info).toContain("8900…2341");
    expect(debug).toContain("89001023456789012341");
    for (const line of lines) {
      expect(line).not.toContain("hunter2");
      expect(line).toContain("<2 octets>");
      expect(JSON.parse(line)).toMatchObject({ level: expect.any(String), time: expect.stringMatching(/Z$/) });
    }
    expect(maskText("at 12345678901234")).toBe("at 1234…1234");
    expect(maskValue({ imei: "1234" })).toEqual({ imei: "…" });
  });

  const lpa = "LPA:1$rsp.example.com$MATCHING-4711";
  test.each([
    ["EID in an error's message", "the card is 89049032123451234512345678901235, not ours", "the card is 8904…1235, not ours"],
    ["ICCID with its filler", "8949492090000000020F", "8949…020F"],
    ["ICCID as the card holds it", "EF.ICCID 989492090000000020F6.", "EF.ICCID 9894…20F6."],
    ["ICCID of 19 digits, nibbles swapped", "98001032547698103 980010325476981032F4", "9800…8103 9800…32F4"],
    ["hex that only begins with digits", "12345678901234567890abcdef0123456789", "12345678901234567890abcdef0123456789"],
    ["a time", "2026-06-01T00:00:00.000Z", "2026-06-01T00:00:00.000Z"],
    ["an activation code", `download of ${lpa} failed`, "download of LPA:1$rsp.example.com$<secret> failed"],
    ["an activation code with more behind it", `"${lpa}$1.3.6.1$1", then`, '"LPA:1$rsp.example.com$<secret>", then'],
    ["an activation code without its prefix", "order 1$rsp.example.com$MATCHING-4711: none", "order 1$rsp.example.com$<secret> none"],
    ["a password on its way to the module", 'AT+CGAUTH=1,2,"vehicle","hunter2": timeout', "AT+CGAUTH=<secret>"],
    ["a PIN", 'at.tx AT+CPIN="1234"', "at.tx AT+CPIN=<secret>"],
    ["a key", "-----BEGIN EC PRIVATE KEY-----\nMHc=\n-----END EC PRIVATE KEY-----", "<secret>"],
  ])("inside text: %s", (_name, text, masked) => {
    expect(maskText(text)).toBe(masked);
  });

  test("at any depth, in errors and their causes, under any spelling of the field's name", () => {
    const cause = Object.assign(new Error("imsi 262011234567890"), { password: "hunter2" });
    const error = new SimwardError("CARD_NOT_EUICC", {
      detail: lpa,
      cause,
      data: { eid: "89049032123451234512345678901235", matchingId: "M" },
    });
    const shown = JSON.stringify(
      maskValue({ list: [{ error }], oldIccid: "89490200000000000", n: 12n, apn_password: "hunter2", Token: "t" }),
    );
    for (const secret of [
      "262011234567890",
      "hunter2",
      "MATCHING-4711",
      "89049032123451234512345678901235",
      '"M"',
      "89490200000000000",
      '"t"',
    ])
      expect(shown).not.toContain(secret);
    expect(JSON.parse(shown)).toMatchObject({
      list: [{ error: { code: "CARD_NOT_EUICC", eid: "8904…1235", matchingId: "<secret>", cause: { message: "imsi 2620…7890" } } }],
      n: "12",
    });
    interface Ring {
      secret: string;
      next?: Ring;
    }
    const ring: Ring = { secret: "hunter2" };
    ring.next = ring;
    expect(JSON.stringify(maskValue(ring))).not.toContain("hunter2");
    // Who may see identifiers may still see no secret.
    expect(JSON.stringify(maskValue({ lpa, iccid: "89490200000000000" }, true))).toBe(
      '{"lpa":"LPA:1$rsp.example.com$<secret>","iccid":"89490200000000000"}',
    );
  });

  test("journald gets its priority before the line", () => {
    const lines: string[] = [];
    const log = createLog({
      level: "info",
      clock: new VirtualClock(),
      journald: true,
      destination: { write: (line) => void lines.push(line) },
    });
    log.error("bad");
    log.info("good");
    expect(lines.map((line) => line.slice(0, 4))).toEqual(["<3>{", "<6>{"]);
  });

  test("an error is logged with its code, its next step and its cause", () => {
    const lines: string[] = [];
    const log = createLog({ level: "info", clock: new VirtualClock(), destination: { write: (line) => void lines.push(line) } });
    log.child({ port: "tcp:x" }).warn("port lost", { error: new SimwardError("PORT_CLOSED", { cause: new Error("EIO") }) });
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({
      event: "port lost",
      port: "tcp:x",
      level: "warn",
      error: { code: "PORT_CLOSED", cause: { message: "EIO" } },
    });
  });
});
