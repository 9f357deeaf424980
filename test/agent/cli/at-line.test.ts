// What may be typed to the module, and what may not: forms that go round a naive look at the line are refused too.
import { describe, expect, test } from "vitest";
import { commandsOf, judgeLine, refusedLine } from "../../../agent/module/at-line.ts";
import { isCode } from "../../../base/errors.ts";

const codeOf = (line: string, emergency: readonly string[] = []): string => {
  try {
    judgeLine(line, emergency);
    return "ok";
  } catch (error) {
    return isCode(error, "AT_DENIED", "AT_COMMAND", "EMERGENCY_ACTIVE") ? error.code : String(error);
  }
};

describe("an AT line typed by hand", () => {
  test("is taken apart into its commands", () => {
    expect(commandsOf('at+cfun?;+cops=1,2,"Ab;c";e0v1')).toEqual(["+CFUN?", '+COPS=1,2,"Ab;c"', "E0", "V1"]);
  });

  test("that reads is allowed", () => {
    for (const line of [
      "AT",
      "ATI",
      "AT+CSQ",
      "at+cops?",
      "AT+CGSN",
      "AT+CGSN=1",
      "AT+CRSM=176,28539,0,0,12",
      "AT+CPIN?",
      "AT+CFUN?",
      'AT+QCFG="band"',
    ])
      expect([line, codeOf(line)]).toEqual([line, "ok"]);
  });

  test("that rewrites identity, reaches the eUICC, carries codes, changes firmware or framing is refused, however it is written", () => {
    for (const line of [
      'AT+EGMR=1,7,"490154203237518"',
      'at + egmr=1,7,"490154203237518"',
      "AT+SIMEI=490154203237518",
      'AT+CSQ;+EGMR=1,7,"490154203237518"',
      'ATE0+EGMR=1,7,"490154203237518"',
      "AT$QCFG",
      'AT+CCHO="A0000005591010FFFFFFFF8900000100"',
      'AT+CGLA=1,10,"80E2910000"',
      'AT+CSIM=10,"00A4000000"',
      "AT+CRSM=214,28539,0,0,12",
      'AT+QESIM="lpa_enable",1',
      'AT+CPIN="1234"',
      "AT*MRD_IMEI=W,0101,11JAN1970,490154203237518",
      'AT+GTSN=1,7,"490154203237518"',
      'AT#PDPAUTH=1,2,"user","s3cret"',
      'AT^AUTHDATA=1,2,"","s3cret","user"',
      'AT+QFOTADL="http://x"',
      "AT+IPR=9600",
      "AT&F",
      "ATZ",
      "ATE1",
      "ATD112;",
      "ATO",
      "AT+CMGS=5",
      "AT+CFUN=1,1",
      "AT#REBOOT",
    ])
      expect([line, codeOf(line)]).toEqual([line, "AT_DENIED"]);
  });

  test("that is refused is written down without what it carries, be it a code", () => {
    for (const [line, written] of [
      ['AT+CPIN="1234"', "AT+CPIN=…"],
      ['at+csq;+clck="SC",1,"1234"', "AT+CSQ;+CLCK=…"],
      ['AT+QICSGP=1,1,"apn","user","s3cret",2', "AT+QICSGP=…"],
      ["AT+COPS=?;E0", "AT+COPS=?;E0"],
      ['AT+X="1234', "10 characters that are no AT line"],
    ] as const)
      expect([line, refusedLine(line)]).toEqual([line, written]);
  });

  test("that is none is refused as such", () => {
    for (const line of ["", "CSQ", "AT+CSQ\rAT+EGMR=1", "AT+CSQ\u001a", `AT+X=${"1".repeat(500)}`, 'AT+X="open'])
      expect([line, codeOf(line)]).toEqual([line, "AT_COMMAND"]);
  });

  test("holds one command: what a later one answers could be lost", () => {
    for (const line of ["AT+CSQ;+CREG?", "AT+CSQ ; +COPS?", "ATI;+CGMM", "ATI1I2"])
      expect([line, codeOf(line)]).toEqual([line, "AT_COMMAND"]);
    for (const line of ["AT+CSQ;", 'AT+CGDCONT=1,"IP","a;b"']) expect([line, codeOf(line)]).toEqual([line, "ok"]);
  });

  test("during an emergency only reads", () => {
    expect(codeOf("AT+COPS?", ["call"])).toBe("ok");
    for (const line of ["AT+COPS=?", "AT+COPS=0", "ATH", "AT+CGATT=0"])
      expect([line, codeOf(line, ["call"])]).toEqual([line, "EMERGENCY_ACTIVE"]);
  });
});
