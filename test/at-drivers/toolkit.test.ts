// What a module's toolkit announces: TERMINAL PROFILE read facility by facility, the makers' switches, and modules that do not tell.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readQstk, readStk, readUsatProfile } from "../../at-drivers/commands/stk.ts";
import type { AtCommand, AtPort } from "../../at-drivers/engine/types.ts";
import { judgeToolkit, readToolkit } from "../../at-drivers/toolkit.ts";
import { fromHex } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";

/** Everything. */
const all = fromHex("FF".repeat(20));
const facts = { profile: all, source: "uicc", isSwitchedOn: true } as const;

function without(octet: number, bit: number): Uint8Array {
  const profile = all.slice();
  profile[octet - 1] = (profile[octet - 1] ?? 0) & ~(1 << (bit - 1));
  return profile;
}

describe("judging a TERMINAL PROFILE (ETSI TS 102 223 §5.2)", () => {
  test.each([
    [1, 1, "profile download", "missing", "missing"],
    [1, 2, "SMS-PP data download", "missing", "ready"],
    [3, 8, "REFRESH", "missing", "missing"],
    [6, 3, "event: data available", "ready", "missing"],
    [12, 1, "OPEN CHANNEL", "ready", "missing"],
    [13, 2, "packet bearer", "ready", "missing"],
    [17, 1, "TCP, UICC in client mode", "ready", "missing"],
  ] as const)("without octet %i bit %i: %s", (octet, bit, name, sms, bip) => {
    expect(judgeToolkit({ ...facts, profile: without(octet, bit) })).toMatchObject({ sms, bip, missing: [name] });
  });

  test("a short profile announces nothing behind its end; a module that tells nothing is unknown, unless its toolkit is off", () => {
    expect(judgeToolkit({ ...facts, profile: all.subarray(0, 11) })).toMatchObject({ sms: "ready", bip: "missing" });
    const silent = { profile: undefined, source: undefined, isSwitchedOn: undefined };
    expect(judgeToolkit(silent)).toMatchObject({ sms: "unknown", bip: "unknown" });
    expect(judgeToolkit({ ...silent, isSwitchedOn: false })).toMatchObject({ sms: "missing", bip: "missing" });
  });

  test("more facilities never make it less ready", () => {
    const rank = { unknown: 0, missing: 0, ready: 1 };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), fc.uint8Array({ maxLength: 24 }), (one, more) => {
        const both = Uint8Array.from({ length: Math.max(one.length, more.length) }, (_, i) => (one[i] ?? 0) | (more[i] ?? 0));
        const [less, greater] = [one, both].map((profile) => judgeToolkit({ ...facts, profile }));
        return less !== undefined && greater !== undefined && rank[greater.sms] >= rank[less.sms] && rank[greater.bip] >= rank[less.bip];
      }),
      { seed: 12 },
    );
  });
});

/** A port of which the lines are given: by command, its information lines, or a final result. */
function portOf(answers: Readonly<Record<string, readonly string[] | SimwardError>>): AtPort & { readonly asked: string[] } {
  const asked: string[] = [];
  const port = {
    asked,
    consecutiveTimeouts: 0,
    closed: new Promise<never>(() => undefined),
    async send<A extends readonly unknown[], R>(command: AtCommand<A, R>, ...args: A): Promise<R> {
      const line = command.text(...args);
      asked.push(line);
      const answer = answers[line] ?? new SimwardError("AT_ERROR", { detail: line });
      if (answer instanceof SimwardError) throw answer;
      const prefix = command.prefix ?? "";
      return command.parse({ lines: answer.map((one) => one.slice(prefix.length).trim()), finalResult: "OK" } as never);
    },
    with: () => port,
    onUrc: () => () => undefined,
    close: async () => undefined,
  };
  return port;
}

describe("asking a module", () => {
  const hex = "FF".repeat(20);
  test("what was sent to the card counts, and nothing but questions is sent", async () => {
    const port = portOf({ "AT+CUSATR=3": [`+CUSATR: 3,"${hex}"`], "AT+QSTK?": ["+QSTK: 1,0"] });
    expect(await readToolkit(port)).toEqual({ sms: "ready", bip: "ready", missing: [], source: "uicc", isSwitchedOn: true });
    expect(port.asked).toEqual(["AT+CUSATR=3", "AT+QSTK?"]);
    for (const line of port.asked) expect(line).toMatch(/^AT\+(CUSATR=[23]|Q?STK\?)$/);
  });

  test("else what the module could send; else its switch; else nothing is known", async () => {
    expect(await readToolkit(portOf({ "AT+CUSATR=2": [`+CUSATR: 2,${hex}`] }))).toMatchObject({ source: "module", bip: "ready" });
    expect(await readToolkit(portOf({ "AT+STK?": ["+STK: 0"] }))).toMatchObject({ source: undefined, sms: "missing", isSwitchedOn: false });
    expect(await readToolkit(portOf({}))).toMatchObject({ sms: "unknown", bip: "unknown", missing: [] });
  });

  test("an answer that is none is no answer; a port that is gone is said", async () => {
    expect(await readToolkit(portOf({ "AT+CUSATR=3": ['+CUSATR: 3,"XYZ"'] }))).toMatchObject({ source: undefined });
    await expect(readToolkit(portOf({ "AT+CUSATR=3": new SimwardError("PORT_CLOSED") }))).rejects.toMatchObject({ code: "PORT_CLOSED" });
  });

  test("each command is declared with its question and deadline", () => {
    expect(readUsatProfile.text(3)).toBe("AT+CUSATR=3");
    for (const command of [readUsatProfile, readQstk, readStk]) expect(command.timeoutMs).toBe(5_000);
  });
});
