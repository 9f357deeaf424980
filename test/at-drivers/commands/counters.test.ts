// The modules' own counters: transcripts of each make's answer, what is refused, and what a module that says anything can make of it.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cnii, gdatavol, qgdcnt, ugcntrd, xconnstat } from "../../../at-drivers/commands/counters.ts";
import { isCode } from "../../../base/errors.ts";

const reply = (lines: readonly string[]) => ({ lines, finalResult: "OK" });
const all = { qgdcnt, ugcntrd, cnii, gdatavol, xconnstat } as const;

describe("what a module answers", () => {
  test.each([
    ["qgdcnt", "AT+QGDCNT?", ["3832,4618"], [{ cid: undefined, sentBytes: 3_832, receivedBytes: 4_618 }]],
    [
      "ugcntrd",
      "AT+UGCNTRD",
      ["1,10,20,100,200", "4,0,0,0,0"],
      [
        { cid: 1, sentBytes: 100, receivedBytes: 200 },
        { cid: 4, sentBytes: 0, receivedBytes: 0 },
      ],
    ],
    ["ugcntrd", "AT+UGCNTRD", ["1,10,20"], [{ cid: 1, sentBytes: 10, receivedBytes: 20 }]],
    ["ugcntrd", "AT+UGCNTRD", [], []],
    ["cnii", "AT+CNII?", ["0,1430,700,300,9,8,0,0"], [{ cid: undefined, sentBytes: 300, receivedBytes: 700 }]],
    ["gdatavol", "AT#GDATAVOL=2", ["1,300,100,200"], [{ cid: 1, sentBytes: 100, receivedBytes: 200 }]],
    ["xconnstat", "AT%XCONNSTAT?", ["2,3,45,60,708,650"], [{ cid: undefined, sentBytes: 46_080, receivedBytes: 61_440 }]],
  ] as const)("%s: %s", (name, line, lines, expected) => {
    expect(all[name].text()).toBe(line);
    expect(all[name].parse(reply(lines))).toEqual(expected);
  });

  test.each([
    ["qgdcnt", ["-1,2"]],
    ["qgdcnt", ["1"]],
    ["qgdcnt", ["1e3,2"]],
    ["qgdcnt", ["9999999999999,2"]],
    ["qgdcnt", []],
    ["ugcntrd", ["1,2"]],
    ["cnii", ["0,1430,x,300"]],
    ["gdatavol", ["1,300,100"]],
    ["xconnstat", ["2,3,45"]],
  ] as const)("%s refuses %j", (name, lines) => {
    let refusal: unknown;
    try {
      all[name].parse(reply(lines));
    } catch (error) {
      refusal = error;
    }
    expect(isCode(refusal, "AT_REPLY")).toBe(true);
  });
});

test("whatever it says, counts are whole, not negative and exact, or it is refused", () => {
  const piece = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.nat().map(String),
    fc.constantFrom("", "-1", '"7"', "0x10", "1.5", "9".repeat(12), "9".repeat(13)),
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.values(all)),
      fc.array(
        fc.array(piece, { maxLength: 9 }).map((pieces) => pieces.join(",")),
        { maxLength: 4 },
      ),
      (command, lines) => {
        try {
          for (const { sentBytes, receivedBytes } of command.parse(reply(lines)))
            for (const bytes of [sentBytes, receivedBytes]) expect(Number.isSafeInteger(bytes) && bytes >= 0).toBe(true);
        } catch (error) {
          if (!isCode(error, "AT_REPLY")) throw error;
        }
      },
    ),
    { seed: 6, numRuns: 2_000 },
  );
});
