// What happens when a package ends otherwise than hoped: no network, a silent eIM, a card that refuses, an order that is not for this eUICC.
import { describe, expect, test } from "vitest";
import { fromHex } from "../../../base/bytes.ts";
import { EnableEmergencyProfileRequest, EnableEmergencyProfileResponse } from "../../../ipa/messages/es10.ts";
import { a, b, eid, factoryProfile, never, Vehicle } from "../support/vehicle.ts";

const twoProfiles = [factoryProfile(a, true), factoryProfile(b, false)];

describe("the new profile finds no network", () => {
  // shows: rollback.unreachable, rollback.result-replaces, rollback.reported, e4.09-undelivered, result.rollbackResult
  test("with the rollback flag: rolled back, online again, reported once, and the eIM knows", async () => {
    const vehicle = new Vehicle({ profiles: twoProfiles });
    vehicle.coverage.delete(b);
    const order = vehicle.enable(b, true);
    expect(await vehicle.poll()).toMatchObject({ kind: "done", packages: 1, unfinished: false });
    expect(vehicle.enabled()).toBe(a);
    expect(vehicle.adopted).toEqual([b, a]);
    expect(vehicle.eim.order(order)).toMatchObject({ state: "failed", reason: "rolledBack" });
    expect(vehicle.eim.results()).toMatchObject([
      {
        commands: [
          { kind: "enableResult", value: "ok" },
          { kind: "rollbackResult", value: "ok" },
        ],
      },
    ]);
    expect(vehicle.euicc.pending()).toEqual({ notifications: [], packageResults: [] });
    expect(vehicle.told()).toEqual([
      "started",
      "package.received",
      "package.executed",
      "profile.enabled",
      "profile.offline",
      "profile.rolledBack",
      "profile.online",
      "package.reported",
    ]);
  });

  // shows: rollback.flag, c6.not-acknowledged, e4.09-undelivered
  test("without the flag: stays, the card keeps the result, and it is delivered when there is a path again", async () => {
    const vehicle = new Vehicle({ profiles: twoProfiles });
    vehicle.coverage.delete(b);
    const order = vehicle.enable(b);
    expect(await vehicle.poll()).toMatchObject({ kind: "failed", packages: 1, unfinished: true, error: { retry: "online" } });
    expect(vehicle.enabled()).toBe(b);
    expect(vehicle.euicc.pending().packageResults).toHaveLength(1);
    expect(vehicle.ipa.status()).toMatchObject({ operation: undefined, pendingResults: 1 });

    vehicle.coverage.add(b);
    expect(await vehicle.poll()).toMatchObject({ kind: "nothing", unfinished: false });
    expect(vehicle.eim.order(order)).toMatchObject({ state: "done" });
    expect(vehicle.euicc.pending().packageResults).toEqual([]);
  });

  // shows: rollback.refused
  test("a rollback that the card refuses is told, and the report is tried over the new profile", async () => {
    const vehicle = new Vehicle({ profiles: twoProfiles, euicc: { faults: { statusWords: { 48984: 0x6a88 } } } });
    vehicle.coverage.delete(b);
    vehicle.enable(b, true);
    expect(await vehicle.poll()).toMatchObject({ unfinished: true });
    expect(vehicle.enabled()).toBe(b);
    expect(vehicle.told()).toContain("profile.rollbackRefused");
    vehicle.coverage.add(b);
    expect(await vehicle.poll()).toMatchObject({ unfinished: false });
    expect(vehicle.eim.results()).toHaveLength(1);
  });

  // shows: a7.cat-busy
  test("the card says catBusy to the rollback first: asked again", async () => {
    const vehicle = new Vehicle({ profiles: twoProfiles });
    vehicle.coverage.delete(b);
    vehicle.enable(b, true);
    vehicle.intercept = () => {
      // The enable has been carried out by now; the next switch is the rollback.
      vehicle.euicc.faults.catBusyTimes = vehicle.enabled() === a ? 0 : 1;
      return undefined;
    };
    const { adopted } = vehicle;
    const polled = vehicle.ipa.pollOnce();
    const watch = vehicle.clock.every(1_000, () => {
      if (adopted.length === 1 && vehicle.enabled() === b && vehicle.euicc.faults.catBusyTimes === 0) vehicle.euicc.faults.catBusyTimes = 1;
    });
    const armed = vehicle.clock.after(20_000, watch);
    await vehicle.run(polled);
    armed();
    watch();
    expect(vehicle.enabled()).toBe(a);
    expect(vehicle.steps().filter((name) => name === "ES10b.ProfileRollback")).toHaveLength(2);
  });
});

describe("the new profile has a network and the eIM does not answer", () => {
  // shows: rollback.silent-eim, rollback.unreachable
  test("the report is tried until it is time, then rolled back and reported over the old profile", async () => {
    const vehicle = new Vehicle({ profiles: twoProfiles, ipa: { esipaTimeoutMs: 20_000, rollbackAfterMs: 120_000 } });
    const order = vehicle.enable(b, true);
    let silent = 0;
    vehicle.intercept = (functionName) => {
      if (functionName !== "provideEimPackageResult" || vehicle.enabled() === a) return undefined;
      silent++;
      return never();
    };
    await vehicle.poll();
    expect(silent).toBeGreaterThan(1);
    expect(vehicle.enabled()).toBe(a);
    expect(vehicle.eim.order(order)).toMatchObject({ reason: "rolledBack" });
  });

  test("without a way back the poll ends as one whose eIM cannot be reached: the next is due when there is a path", async () => {
    const vehicle = new Vehicle({ profiles: twoProfiles, ipa: { esipaTimeoutMs: 20_000 } });
    vehicle.enable(b);
    vehicle.intercept = (functionName) => (functionName === "provideEimPackageResult" ? never() : undefined);
    expect(await vehicle.poll()).toMatchObject({ kind: "failed", unfinished: true, error: { code: "ESIPA_UNREACHABLE", retry: "online" } });
  });

  test("an error of the eIM's server proves the path: the profile stays, the result is delivered later", async () => {
    const vehicle = new Vehicle({ profiles: twoProfiles });
    const order = vehicle.enable(b, true);
    let failures = 0;
    vehicle.intercept = (functionName) => {
      if (functionName !== "provideEimPackageResult" || failures > 1) return undefined;
      failures++;
      return Promise.resolve({ status: 500, body: new Uint8Array(0) });
    };
    expect(await vehicle.poll()).toMatchObject({ unfinished: true });
    expect(vehicle.enabled()).toBe(b);
    // Still in trouble: it is not asked for more before it has the result.
    expect(await vehicle.poll()).toMatchObject({ kind: "failed", unfinished: true, error: { code: "ESIPA_STATUS" } });
    expect(vehicle.esipa.filter((name) => name === "getEimPackage")).toHaveLength(1);
    expect(await vehicle.poll()).toMatchObject({ unfinished: false });
    expect(vehicle.eim.order(order)).toMatchObject({ state: "done" });
    expect(vehicle.eim.results()).toHaveLength(1);
  });

  test("a first answer lost on its way: the second try gets it, nothing is rolled back", async () => {
    const vehicle = new Vehicle({ profiles: twoProfiles, ipa: { esipaTimeoutMs: 20_000 } });
    vehicle.enable(b, true);
    let lost = 0;
    vehicle.intercept = (functionName, body) => {
      if (functionName !== "provideEimPackageResult" || lost > 0) return undefined;
      lost++;
      // The eIM has it; only its answer does not come.
      void vehicle.eim.handle(body);
      return never();
    };
    expect(await vehicle.poll()).toMatchObject({ unfinished: false });
    expect(vehicle.enabled()).toBe(b);
    expect(vehicle.eim.results()).toHaveLength(1);
    expect(vehicle.told()).not.toContain("profile.rolledBack");
  });
});

describe("the card refuses", () => {
  const cases: readonly (readonly [string, Record<string, unknown>, (vehicle: Vehicle) => void, unknown])[] = [
    [
      "an unknown ICCID",
      { psmos: [{ enable: { iccid: "89460000000000000099" } }] },
      () => undefined,
      [{ kind: "enableResult", value: "iccidOrAidNotFound" }],
    ],
    [
      "a profile enabled already",
      { psmos: [{ enable: { iccid: a } }] },
      () => undefined,
      [{ kind: "enableResult", value: "profileNotInDisabledState" }],
    ],
    [
      "deleting the enabled profile",
      { psmos: [{ delete: { iccid: a } }] },
      () => undefined,
      [{ kind: "deleteResult", value: "profileNotInDisabledState" }],
    ],
    [
      "catBusy",
      { psmos: [{ enable: { iccid: b } }] },
      (vehicle) => {
        vehicle.euicc.faults.catBusyTimes = 1;
      },
      [{ kind: "enableResult", value: "catBusy" }],
    ],
    [
      "an operation of a later version",
      { psmos: [{ unknown: "BE0100" }] },
      () => undefined,
      [{ kind: "processingTerminated", value: "unknownOrDamagedCommand" }],
    ],
  ];

  // shows: result.enableResult, result.deleteResult, result.processingTerminated
  test.each(cases)("%s: reported as it is, nothing switched", async (_name, order, prepare, commands) => {
    const vehicle = new Vehicle({ profiles: twoProfiles });
    prepare(vehicle);
    const id = vehicle.order({ kind: "euiccPackage", ...order });
    expect(await vehicle.poll()).toMatchObject({ kind: "done", unfinished: false });
    expect(vehicle.eim.results()).toMatchObject([{ commands }]);
    expect(vehicle.eim.order(id)).toMatchObject({ state: "failed" });
    expect([vehicle.enabled(), vehicle.adopted]).toEqual([a, []]);
  });

  const signedErrors: readonly (readonly [string, (vehicle: Vehicle) => void, string])[] = [
    ["another eUICC's EID", ({ eim }) => Object.assign(eim.faults, { wrongEid: 1 }), "invalidEid"],
    ["a counter beyond what the card counts", ({ eim }) => Object.assign(eim.faults, { counterValue: 0x800000 }), "counterValueOutOfRange"],
  ];

  // shows: result.error-signed, c5.eid, c5.range, e4.03-error
  test.each(signedErrors)("%s: the signed error reaches the eIM, octet for octet", async (_name, prepare, reason) => {
    const vehicle = new Vehicle({ profiles: twoProfiles });
    prepare(vehicle);
    const id = vehicle.enable(b);
    expect(await vehicle.poll()).toMatchObject({ kind: "done", unfinished: false });
    expect(vehicle.eim.order(id)).toMatchObject({ state: "failed", reason });
    expect(vehicle.enabled()).toBe(a);
  });

  // shows: c4.ppr1, c4.rollback-needs-profile
  test("a rule against disabling, and a rollback without a profile to go back to", async () => {
    const kept = new Vehicle({ profiles: [factoryProfile(a, true, { profilePolicyRules: ["ppr1"] }), factoryProfile(b, false)] });
    kept.enable(b, true);
    await kept.poll();
    expect(kept.eim.results()).toMatchObject([{ commands: [{ kind: "enableResult", value: "disallowedByPolicy" }] }]);
    expect([kept.enabled(), kept.adopted]).toEqual([a, []]);

    const none = new Vehicle({ profiles: twoProfiles });
    none.order({ kind: "euiccPackage", psmos: [{ disable: { iccid: a } }, { enable: { iccid: b, rollback: true } }] });
    await none.poll();
    // Nothing is enabled now, so nobody can be told; policy saw before that there would be no way back.
    expect(none.events).toContainEqual(
      expect.objectContaining({
        kind: "package.executed",
        outcomes: [
          { name: "disable", iccid: a, code: "ok" },
          { name: "enable", iccid: b, code: "rollbackNotAvailable" },
        ],
      }),
    );
    expect([none.enabled(), none.adopted]).toEqual([undefined, [undefined]]);
  });

  // shows: c5.ecall, e11.bars-packages
  test("a package larger than the card takes, and one while the emergency profile is enabled", async () => {
    const small = new Vehicle({ profiles: twoProfiles, euicc: { capabilities: { maxPackageBytes: 64 } } });
    const large = small.enable(b);
    await small.poll();
    expect(small.eim.order(large)).toMatchObject({ state: "failed", reason: "sizeOverflow" });

    const ecall = new Vehicle({ profiles: [factoryProfile(a, true), factoryProfile(b, false, { ecallIndication: true })] });
    await ecall.run(ecall.ipa.start());
    const enableEmergencyProfile = {
      name: "ES10b.EnableEmergencyProfile",
      request: EnableEmergencyProfileRequest,
      response: EnableEmergencyProfileResponse,
      section: "SGP.32 §5.9.19",
      idempotent: false,
    };
    await ecall.run(ecall.ipa.euicc.withEuicc("emergency", (es10) => es10.call(enableEmergencyProfile, { refreshFlag: true })));
    ecall.euicc.reset();
    const refused = ecall.enable(a);
    await ecall.poll();
    expect(ecall.eim.order(refused)).toMatchObject({ state: "failed", reason: "ecallActive" });
  });

  // shows: c5.replay
  test("a replayed counter, after a package that was executed", async () => {
    const vehicle = new Vehicle({ profiles: twoProfiles });
    vehicle.order({ kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] });
    await vehicle.poll();
    vehicle.eim.faults.replayedCounter = 1;
    const id = vehicle.enable(b);
    await vehicle.poll();
    expect(vehicle.eim.order(id)).toMatchObject({ state: "failed", reason: "replayError" });
    expect(vehicle.enabled()).toBe(a);
  });

  // shows: result.error-unsigned, c5.signature, e4.03-error
  test.each(["wrongSigningKey", "wrongToken"] as const)("%s: errorUnsigned reaches the eIM", async (fault) => {
    const vehicle = new Vehicle({ profiles: twoProfiles });
    vehicle.eim.faults[fault] = 1;
    const id = vehicle.enable(b);
    expect(await vehicle.poll()).toMatchObject({ kind: "done", unfinished: false });
    expect(vehicle.eim.order(id)).toMatchObject({ state: "failed" });
    expect(vehicle.events).toContainEqual(expect.objectContaining({ kind: "package.executed", result: "euiccPackageErrorUnsigned" }));
    expect(vehicle.enabled()).toBe(a);
  });

  // shows: code.EimPackageResultError.undefinedError, a4.6a80
  test("LoadEuiccPackage answered with a status word only: the eIM gets undefinedError with its transaction", async () => {
    const vehicle = new Vehicle({ profiles: twoProfiles, euicc: { faults: { statusWords: { 48977: 0x6a80 } } } });
    const id = vehicle.enable(b);
    expect(await vehicle.poll()).toMatchObject({ kind: "done", unfinished: false });
    expect(vehicle.eim.order(id)).toMatchObject({ state: "failed", reason: "undefinedError" });
  });

  test("cards that deviate: double tags, BER lengths, an untagged single result, small chunks", async () => {
    const faults = { doubleTag: true, berLengths: true, untaggedSingleResult: true, responseChunkBytes: 7 };
    for (const [name, value] of Object.entries(faults)) {
      const vehicle = new Vehicle({ profiles: twoProfiles, euicc: { faults: { [name]: value } } });
      const id = vehicle.enable(b, true);
      expect([name, await vehicle.poll()]).toMatchObject([name, { kind: "done", unfinished: false }]);
      expect([name, vehicle.enabled(), vehicle.adopted]).toEqual([name, b, [b]]);
      expect([name, vehicle.eim.order(id)]).toMatchObject([name, { state: "done" }]);
    }
  });

  // shows: c4.interruption
  test("power fails between two operations: the result built at the restart is reported, as far as it got", async () => {
    const vehicle = new Vehicle({ profiles: twoProfiles });
    vehicle.euicc.faults.cutPowerAfterOperations = 1;
    vehicle.order({ kind: "euiccPackage", psmos: [{ setFallbackAttribute: { iccid: a } }, { listProfileInfo: {} }] });
    await vehicle.poll();
    vehicle.euicc.faults.cutPowerAfterOperations = undefined;
    vehicle.restart("power");
    await vehicle.run(vehicle.ipa.start());
    await vehicle.poll();
    expect(vehicle.eim.results()).toMatchObject([{ commands: [{}, { kind: "processingTerminated", value: "interruption" }] }]);
    expect(vehicle.euicc.pending().packageResults).toEqual([]);
  });
});

describe("packages that are none", () => {
  // shows: e2.07-unknown, e2.08-malformed, bf50.error, code.EimPackageResultError.invalidPackageFormat
  // shows: code.EimPackageResultError.unknownPackage
  test("malformed: invalidPackageFormat with the transaction if it can be found; unknown: unknownPackage; the daemon goes on", async () => {
    const vehicle = new Vehicle();
    const sent: string[] = [];
    vehicle.intercept = (functionName, body) => {
      if (functionName === "provideEimPackageResult") sent.push(Buffer.from(body).toString("hex").toUpperCase());
      return undefined;
    };
    for (const hex of ["BF4F05BF7F028000", "BF4F11BF510E300C800465696D318204AABBCCDD", "DEADBEEF"]) vehicle.order({ kind: "raw", hex });
    expect(await vehicle.poll()).toMatchObject({ kind: "done", packages: 3, error: undefined, unfinished: false });
    expect(sent).toEqual([`BF50175A10${eid}A003020102`, `BF501D5A10${eid}A0098004AABBCCDD020101`, `BF50175A10${eid}A003020101`]);
    expect(vehicle.events.flatMap((event) => (event.kind === "package.malformed" ? [event.code] : []))).toEqual([
      "PACKAGE_UNKNOWN",
      "PACKAGE_FORMAT",
      "PACKAGE_FORMAT",
    ]);
    const reported = vehicle.events.flatMap((event) =>
      event.kind === "package.reported" ? [[event.packageKind, event.eimTransactionId]] : [],
    );
    expect(reported).toEqual([
      ["unknown", undefined],
      ["unknown", "aabbccdd"],
      ["unknown", undefined],
    ]);
  });

  test("the answer to one could not be sent: it waits in the journal over a restart and goes out then", async () => {
    const vehicle = new Vehicle();
    vehicle.order({ kind: "raw", hex: "DEADBEEF" });
    let down = true;
    const sent: string[] = [];
    vehicle.intercept = (functionName, body) => {
      if (functionName !== "provideEimPackageResult") return undefined;
      if (down) return Promise.resolve({ status: 503, body: new Uint8Array(0) });
      sent.push(Buffer.from(body).toString("hex").toUpperCase());
      return undefined;
    };
    expect(await vehicle.poll()).toMatchObject({ kind: "failed", unfinished: true, error: { code: "ESIPA_STATUS" } });
    vehicle.restart("power");
    down = false;
    expect(await vehicle.poll()).toMatchObject({ kind: "nothing", unfinished: false });
    expect(sent).toEqual([`BF50175A10${eid}A003020101`]);
  });

  // shows: e2.10-guard
  test("an eIM that never ends is left after so many packages", async () => {
    const vehicle = new Vehicle({ ipa: { maxPackagesPerPoll: 3 } });
    vehicle.intercept = (functionName) =>
      functionName === "getEimPackage" ? Promise.resolve({ status: 200, body: fromHex("BF4F05BF7F028000") }) : undefined;
    expect(await vehicle.poll()).toMatchObject({ kind: "done", packages: 3 });
  });
});

describe("policy", () => {
  test("a refused package never reaches the card; the eIM gets undefinedError; the same order is answered from memory", async () => {
    const vehicle = new Vehicle({ profiles: twoProfiles });
    const asked: unknown[] = [];
    vehicle.verdict = (gate, facts) => {
      if (gate === "poll") return { kind: "allow" };
      asked.push(facts);
      return { kind: "refuse", rule: "no-way-back", reason: "no rollback flag", retryAt: vehicle.clock.now() + 3_600_000 };
    };
    const id = vehicle.enable(b);
    const replay = vehicle.ipa.pollOnce();
    await vehicle.run(replay);
    expect(vehicle.eim.order(id)).toMatchObject({ state: "failed", reason: "undefinedError" });
    expect(vehicle.steps()).not.toContain("ES10b.LoadEuiccPackage");
    expect(asked).toMatchObject([
      {
        operations: [{ name: "enable", iccid: b, rollbackFlag: false }],
        changesProfile: true,
        wayBack: "none",
        profiles: [{ iccid: a, enabled: true }, { iccid: b }],
      },
    ]);
    const again = Buffer.from(JSON.stringify(vehicle.eim.order(id))).length;
    expect(again).toBeGreaterThan(0);
    expect(vehicle.events.filter(({ kind }) => kind === "policy.refused")).toHaveLength(1);
  });

  test("the way back as policy sees it", async () => {
    const seen: unknown[] = [];
    const look = async (psmos: readonly Record<string, unknown>[]): Promise<void> => {
      const vehicle = new Vehicle({ profiles: [factoryProfile(a, true, { fallbackAllowed: true }), factoryProfile(b, false)] });
      vehicle.verdict = (gate, facts) => {
        if (gate === "euiccPackage" && "wayBack" in facts) seen.push(facts.wayBack);
        return { kind: "allow" };
      };
      vehicle.order({ kind: "euiccPackage", psmos });
      await vehicle.poll();
      if (psmos[0]?.setFallbackAttribute !== undefined) {
        vehicle.enable(b);
        await vehicle.poll();
      }
    };
    await look([{ listProfileInfo: {} }]);
    await look([{ enable: { iccid: b } }]);
    await look([{ enable: { iccid: b, rollback: true } }]);
    await look([{ setFallbackAttribute: { iccid: a } }]);
    expect(seen).toEqual(["not needed", "none", "rollback", "not needed", "fallback"]);
  });

  test("a poll that policy forbids asks nobody, and says until when", async () => {
    const vehicle = new Vehicle();
    const retryAt = vehicle.clock.now() + 60_000;
    vehicle.verdict = () => ({ kind: "refuse", rule: "cap", reason: "month is used up", retryAt });
    expect(await vehicle.poll()).toMatchObject({ kind: "refused", retryAt });
    expect(vehicle.esipa).toEqual([]);
  });

  // shows: bf54.result-error, code.ProfileDownloadError.undefinedError
  test("a refused download: profileDownloadError 127 with the transaction", async () => {
    const vehicle = new Vehicle();
    vehicle.verdict = (gate) =>
      gate === "download" ? { kind: "refuse", rule: "swap", reason: "not here", retryAt: undefined } : { kind: "allow" };
    const id = vehicle.download(b);
    expect(await vehicle.poll()).toMatchObject({ kind: "done", unfinished: false });
    expect(vehicle.eim.order(id)).toMatchObject({ state: "failed" });
    expect(vehicle.steps()).not.toContain("ES10b.GetEUICCChallenge");
  });
});
