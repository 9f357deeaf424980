// What the status says of a module that has an LPA of its own.
import { expect, test } from "vitest";
import { moduleAlarms } from "../../agent/status.ts";

const remedy = 'AT+QESIM="lpa_enable",0 and a restart of the module';

test.each([true, undefined])("an LPA that is on, or may be (%s), is an alarm that says what to do", (on) => {
  expect(moduleAlarms({ ownLpa: { command: "+QESIM", on, remedy } })).toMatchObject([
    { code: "MODEM_OWN_LPA", retry: "operator", message: expect.stringContaining(`+QESIM answers: ${remedy}`) },
  ]);
});

test("one that is off, or that is not there, is none", () => {
  expect(moduleAlarms({ ownLpa: { command: "+QESIM", on: false, remedy } })).toEqual([]);
  expect(moduleAlarms({ ownLpa: undefined })).toEqual([]);
});
