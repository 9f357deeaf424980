// Readers of what modules print beyond the transcripts: every shape of registration, times, events, addresses; and what they refuse.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ipAddress, parseCgev, setCgauth, setCgdcont } from "../../../at-drivers/commands/data.ts";
import { parseRegistration, rsrpDbm, rsrqDb, rssiDbm, testCops } from "../../../at-drivers/commands/network.ts";
import { ccho, cgla, crsm, simStateOf } from "../../../at-drivers/commands/sim.ts";
import { parseLocalTime, parseTimeUrc } from "../../../at-drivers/commands/time.ts";
import { hexBytes, int, optional, query, queryAll, quotedText, splitFields, text } from "../../../at-drivers/declare.ts";
import { combineRegistration, fromLine } from "../../../at-drivers/registration.ts";

describe("+CREG, +CGREG, +CEREG", () => {
  test.each([
    // A URC of one number, and a read of two.
    ["5", false, { n: undefined, stat: 5 }],
    ["2,5", true, { n: 2, stat: 5 }],
    // A number too many in a URC does not make it a read.
    ["1,5", false, { n: undefined, stat: 1 }],
    ['1,"00A1","01A2B3C4",7', false, { n: undefined, stat: 1, tac: "00A1", cellId: "01A2B3C4", act: 7 }],
    // Where a string follows, the shape decides, whoever thinks it a read.
    ['1,"00A1","01A2B3C4",7', true, { n: undefined, stat: 1, tac: "00A1" }],
    ['2,1,"00A1","01A2B3C4",7', false, { n: 2, stat: 1, tac: "00A1" }],
    ['3,1,"00a1","01a2b3c4",7', true, { tac: "00A1", cellId: "01A2B3C4" }],
    ["3,,,,0,15", false, { n: undefined, stat: 3, causeType: 0, rejectCause: 15 }],
    ["3,3,,,,0,15", true, { n: 3, stat: 3, causeType: 0, rejectCause: 15 }],
    ['1,"00A1","01A2B3C4",9,0,0,"00000010","00111000"', false, { act: 9, activeTime: "00000010", periodicTau: "00111000" }],
    ['1,"00A1","01A2B3C4",7,,,"00000010","00111000"', false, { act: 7, causeType: undefined, activeTime: "00000010" }],
    ['1,"00A1","1F","01A2B3C4",7', false, { tac: "00A1", cellId: "01A2B3C4", act: 7 }],
    ['1,"00A1",,"01A2B3C4",7', false, { tac: "00A1", cellId: "01A2B3C4", act: 7 }],
    ['1,"00A1","01A2B3C4",7,"1F"', false, { act: 7, causeType: undefined }],
    ["1,00A1,01A2B3C4,7", false, { stat: 1, tac: "00A1", cellId: "01A2B3C4", act: 7 }],
    ['0,"FFFE","FFFFFFFF",-1', false, { stat: 0, act: -1 }],
    ["", false, undefined],
    ["READY", true, undefined],
    ['"00A1"', false, undefined],
  ])("%s, asked %s", (info, isRead, expected) => {
    const line = parseRegistration(info, isRead);
    if (expected === undefined) expect(line).toBeUndefined();
    else expect(line).toMatchObject(expected);
  });

  const line = (stat: number, more: object = {}) => ({
    ...{ n: 2, stat, tac: undefined, cellId: undefined, act: undefined, causeType: undefined, rejectCause: undefined },
    ...{ activeTime: undefined, periodicTau: undefined },
    ...more,
  });
  const cops = { mode: 0, format: 2, operator: "26201", act: 7 };

  test("the packet domain decides, LTE first; circuit switched counts only alone", () => {
    expect(combineRegistration({ "+CEREG": line(2), "+CGREG": line(5, { act: 0 }) }, cops, {})).toEqual({
      status: "roaming",
      rat: "gsm",
      plmn: "26201",
    });
    expect(combineRegistration({ "+CEREG": line(3, { causeType: 0, rejectCause: 11 }), "+CGREG": line(2) }, cops, {})).toEqual({
      status: "denied",
      rejectCause: 11,
    });
    expect(combineRegistration({ "+CREG": line(1) }, cops, {})).toEqual({ status: "home", rat: "lte", plmn: "26201" });
    expect(combineRegistration({ "+CEREG": line(2), "+CREG": line(1) }, cops, {})).toEqual({ status: "searching" });
    expect(combineRegistration({}, undefined, {})).toEqual({ status: "unknown" });
  });

  test("an operator's name is no PLMN, and what a module leaves standing while it searches is no place", () => {
    expect(combineRegistration({ "+CEREG": line(1, { act: 7 }) }, { ...cops, format: 0, operator: "Example" }, {})).toEqual({
      status: "home",
      rat: "lte",
    });
    expect(fromLine(line(2, { tac: "00A1", cellId: "01", act: 7 }), {})).toEqual({ status: "searching" });
  });

  test("a make's own AcT departs from the standard's", () => {
    expect(fromLine(line(1, { act: 8 }), { 8: "lte-m" })).toEqual({ status: "home", rat: "lte-m" });
    expect(fromLine(line(1, { act: 8 }), {})).toEqual({ status: "home" });
  });

  test("a maker's own cause is not an EMM cause, and 0 is none", () => {
    expect(fromLine(line(3, { causeType: 1, rejectCause: 11 }), {})).toEqual({ status: "denied" });
    expect(fromLine(line(2, { causeType: 0, rejectCause: 0 }), {})).toEqual({ status: "searching" });
  });

  test.each([
    [6, "unknown"],
    [9, "home"],
    [10, "roaming"],
    [8, "emergency"],
    [90, "unknown"],
  ])("<stat> %i is %s", (stat, status) => expect(fromLine(line(stat), {}).status).toBe(status));
});

describe("time", () => {
  test.each([
    ["26/06/01,14:00:00+08", 0, "2026-06-01T12:00:00.000Z"],
    ["26/06/01,14:00:00-20", 0, "2026-06-01T19:00:00.000Z"],
    ["2026/06/01,12:00:00", 32, "2026-06-01T04:00:00.000Z"],
    ["80/01/06,00:00:10+00", 0, undefined],
    ["70/01/01,00:00:07+00", 0, undefined],
    ["00/01/01,00:00:07+00", 0, undefined],
    ["26/02/30,12:00:00+00", 0, undefined],
    ["26/13/01,12:00:00+00", 0, undefined],
    ["26/06/01,25:00:00+00", 0, undefined],
    ["", 0, undefined],
  ])("%s", (printed, zone, iso) => {
    const ms = parseLocalTime(printed, zone);
    expect(ms === undefined ? undefined : new Date(ms).toISOString()).toBe(iso);
  });

  test.each([
    ['+CTZE: "+32",0,"2026/06/01,12:00:00"', { utcMs: Date.UTC(2026, 5, 1, 4) }],
    ['+CTZEU: "+32",0,"2026/06/01,12:00:00"', { utcMs: Date.UTC(2026, 5, 1, 12) }],
    ["+CTZV: 26/06/01,10:00:00+08", { utcMs: Date.UTC(2026, 5, 1, 8) }],
    ['+CTZV: "26/06/01,10:00:00+08"', { utcMs: Date.UTC(2026, 5, 1, 8) }],
    ["+CTZV: +08", { utcMs: undefined }],
    ['+CTZE: "+32",0', { utcMs: undefined }],
    ["+CREG: 1", undefined],
  ])("%s", (line, expected) => expect(parseTimeUrc(line)).toEqual(expected));
});

describe("+CGEV", () => {
  test.each([
    ["+CGEV: ME PDN ACT 8,1", { kind: "activated", cid: 8 }],
    ["+CGEV: EPS PDN ACT 1", { kind: "activated", cid: 1 }],
    ["+CGEV: PDN ACT 1", { kind: "activated", cid: 1 }],
    ["+CGEV: NW PDN DEACT 2", { kind: "deactivated", cid: 2 }],
    ["+CGEV: ME PDN DEACT 1", { kind: "deactivated", cid: 1 }],
    ['+CGEV: NW DEACT "IP","10.0.0.2",3', { kind: "deactivated", cid: 3 }],
    ["+CGEV: NW DETACH", { kind: "detached" }],
    ["+CGEV: ME DETACH", { kind: "detached" }],
    ["+CGEV: REJECT", { kind: "rejected" }],
    ['+CGEV: NW CLASS "B"', { kind: "other" }],
    ["+CREG: 1", undefined],
  ])("%s", (line, expected) => expect(parseCgev(line)).toEqual(expected));
});

describe("addresses", () => {
  test.each([
    ["10.1.2.3", "10.1.2.3"],
    ["0.0.0.0", undefined],
    ["32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1", "2001:db8:0:0:0:0:0:1"],
    ["2001:DB8::1", "2001:db8::1"],
    ["::", undefined],
    ["", undefined],
    ["300.1.1.1", undefined],
    ["1.2.3", undefined],
  ])("%s", (printed, address) => expect(ipAddress(printed)).toBe(address));
});

test("signal: scales, and what stands for unknown", () => {
  expect([rssiDbm(0), rssiDbm(31), rssiDbm(99)]).toEqual([-113, -51, undefined]);
  expect([rsrpDbm(0), rsrpDbm(97), rsrpDbm(255)]).toEqual([-141, -44, undefined]);
  expect([rsrqDb(0), rsrqDb(34), rsrqDb(255)]).toEqual([-20, -3, undefined]);
});

test.each([
  ["READY", "ready"],
  ["SIM PIN", "pin"],
  ["SIM PUK2", "puk"],
  ["NOT READY", "busy"],
  ["NOT INSERTED", "absent"],
])("+CPIN: %s", (info, state) => expect(simStateOf(info)).toBe(state));

describe("replies that are not of the command's shape", () => {
  const reply = (...lines: readonly string[]) => ({ lines, finalResult: "OK" });

  test.each([
    ["cut", '8,"9000"'],
    ["no hexadecimal", '4,"90GZ"'],
    ["an odd number of digits", '3,"900"'],
    ["no status word", '2,"90"'],
    ["no length", '"9000"'],
    ["nothing", ""],
  ])("an APDU response with %s", (_, line) => expect(() => cgla.parse(reply(line))).toThrow(expect.objectContaining({ code: "AT_REPLY" })));

  test("a length in octets is let pass", () => expect(cgla.parse(reply('2,"9000"'))).toEqual(Uint8Array.of(0x90, 0x00)));
  test("no session id", () => expect(() => ccho.parse(reply("no free channel"))).toThrow(expect.objectContaining({ code: "AT_REPLY" })));
  test("a status that is no number", () =>
    expect(() => crsm.parse(reply('144,"0"x'))).toThrow(expect.objectContaining({ code: "AT_REPLY" })));
  test("OK alone", () => expect(() => ccho.parse(reply())).toThrow("OK without information"));

  test("an operator list broken over several lines is one list", () => {
    expect(testCops.parse(reply('(2,"A","B","26201",7),', '(1,"C","D","26202"', ",7),,(0,1)"))).toHaveLength(2);
  });
});

describe("arguments", () => {
  test("what cannot stand in quotes is refused, and not shown", () => {
    expect(() => setCgdcont.text(1, "IP", 'a"b')).toThrow(expect.objectContaining({ code: "AT_COMMAND" }));
    expect(() => setCgauth.text(1, 1, "user", "se\rcret")).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining("cret") }),
    );
  });
});

describe("declarations", () => {
  const command = query("+X", "AT+X", "+X:", [int("a"), optional(quotedText("b")), optional(hexBytes("c")), optional(text("d"))]);

  test("fields by position, absent ones undefined", () => {
    expect(command.parse({ lines: ['-1,"q,(x",0a0B,y z'], finalResult: "OK" })).toEqual({
      a: -1,
      b: "q,(x",
      c: Uint8Array.of(10, 11),
      d: "y z",
    });
    expect(command.parse({ lines: ["7"], finalResult: "OK" })).toEqual({ a: 7, b: undefined, c: undefined, d: undefined });
  });

  test.each([
    ["x", "<a> is not a number"],
    ["", "<a> is missing"],
    ["1,bare", "<b> is not in quotes"],
    ["1,,0a0", "<c> is not hexadecimal"],
  ])("%j: %s", (line, why) => expect(() => command.parse({ lines: [line], finalResult: "OK" })).toThrow(why));

  test("a list may be empty, and one line that does not read spoils it", () => {
    const all = queryAll("+X", "AT+X", "+X:", [int("a")]);
    expect(all.parse({ lines: [], finalResult: "OK" })).toEqual([]);
    expect(() => all.parse({ lines: ["1", "x"], finalResult: "OK" })).toThrow("<a>");
  });

  test("property: fields that were joined come apart again", () => {
    const field = fc.oneof(
      fc.constant(undefined),
      fc.stringMatching(/^[A-Za-z0-9.:_-]{1,8}$/).map((value) => ({ text: value, quoted: false })),
      fc.stringMatching(/^[A-Za-z0-9,() .-]{0,8}$/).map((value) => ({ text: value, quoted: true })),
    );
    fc.assert(
      fc.property(fc.array(field, { minLength: 1, maxLength: 6 }), (fields) => {
        const line = fields.map((value) => (value === undefined ? "" : value.quoted ? `"${value.text}"` : value.text)).join(",");
        expect(splitFields(line)).toEqual(fields);
      }),
      { seed: 20260104 },
    );
  });
});
