// The production line's checklist: each item the worst of its checks, and what could not be looked at is not well.
import { expect, test } from "vitest";
import type { Finding, FindingLevel } from "../../../agent/api/doctor-types.ts";
import { checklistOf } from "../../../agent/doctor/factory.ts";

const found = (check: string, level: FindingLevel, cause?: string): Finding => ({
  ...{ check, level, section: "eim", tookMs: 0 },
  ...(cause === undefined ? {} : { cause }),
});
const level = (item: string, findings: readonly Finding[]): FindingLevel | undefined =>
  checklistOf(findings).find((one) => one.item === item)?.level;

test("names the six of the seed's list", () => {
  expect(checklistOf([]).map(({ item }) => item)).toEqual([
    "rat",
    "bip",
    "imei-pairing",
    "test-state-plan",
    "apn-per-market",
    "eim-reachable",
  ]);
});

test("an eIM that offers one way only is reached by that one", () => {
  const reached = [
    found("eim-configured", "pass"),
    found("dns", "pass"),
    found("dtls-handshake", "pass"),
    found("tls-handshake", "skip", "no eIM is reached by https"),
  ];
  expect(level("eim-reachable", reached)).toBe("pass");
});

test("what stands on something that failed has not been shown to be well", () => {
  expect(level("eim-reachable", [found("eim-configured", "pass"), found("dtls-handshake", "skip", "needs sim, which failed")])).toBe(
    "fail",
  );
  expect(level("rat", [found("rat", "skip", "needs module-answers, which failed")])).toBe("fail");
});

test("a warning is one, and a failure outweighs it", () => {
  expect(level("apn-per-market", [found("apn-per-market", "warn", "w"), found("apn", "pass")])).toBe("warn");
  const both = checklistOf([found("apn-per-market", "warn", "w"), found("apn", "fail", "the network says the APN does not exist")]);
  expect(both.find(({ item }) => item === "apn-per-market")).toMatchObject({
    level: "fail",
    words: "the network says the APN does not exist",
  });
});
