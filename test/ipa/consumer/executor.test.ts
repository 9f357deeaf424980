// The software package executor on a virtual consumer eUICC: every check of SGP.32 §5.9.1 in its order, every operation with its codes, and no package
// obeyed twice wherever the power is cut.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, iccidToBytes } from "../../../base/bytes.ts";
import { isCode } from "../../../base/errors.ts";
import { decode, encode } from "../../../ipa/asn1/schema.ts";
import { writeTlv } from "../../../ipa/asn1/tlv.ts";
import {
  addInitialEim,
  euiccMemoryReset,
  getEimConfigurationData,
  profileRollback,
  removeNotificationFromList,
  retrieveNotificationsList,
} from "../../../ipa/euicc/es10.ts";
import type { AddInitialEimRequest, EimConfigurationData } from "../../../ipa/messages/eim-config.ts";
import { type Eco, type EuiccPackage, EuiccPackageResult } from "../../../ipa/messages/package.ts";
import {
  a,
  Bench,
  b,
  c,
  configuration,
  disable,
  eid,
  eim,
  enable,
  list,
  type PackageFields,
  packageOf,
  psmos,
  read,
  remove,
  signer,
  stranger,
} from "./bench.ts";

async function associated(more: Partial<EimConfigurationData> = {}, bench = new Bench()): Promise<Bench> {
  await bench.start();
  const added = await bench.use((es10) => es10.call(addInitialEim, { eimConfigurationDataList: [configuration(more)] }));
  expect(added.kind).toBe("addInitialEimOk");
  return bench;
}

const ecos = (...value: readonly Eco[]): EuiccPackage => ({ kind: "ecoList", value });
const otherEid = "89049032000000000000000000000038";

describe("checks before the first operation, in the card's order", () => {
  const rows: readonly (readonly [string, PackageFields, unknown])[] = [
    ["an eIM that is not associated", { eimId: "eim2" }, { unsigned: undefined }],
    ["a foreign key", { by: stranger }, { unsigned: 1 }],
    ["no token where there is one", { token: 0 }, { unsigned: 1 }],
    ["a foreign token", { token: 2 }, { unsigned: 1 }],
    ["another EID", { token: 1, eid: otherEid }, { error: "invalidEid" }],
    [
      "another EID and a counter that is too large: the EID counts",
      { token: 1, eid: otherEid, counterValue: 2 ** 40 },
      { error: "invalidEid" },
    ],
    ["a counter that is too large", { token: 1, counterValue: 0x8000_0000 }, { error: "counterValueOutOfRange" }],
    ["the counter as it stands", { token: 1, counterValue: 7 }, { error: "replayError" }],
    ["a counter of before", { token: 1, counterValue: 6 }, { error: "replayError" }],
    ["a negative counter", { token: 1, counterValue: -1 }, { error: "replayError" }],
    ["a foreign key and a replay: the signature counts", { by: stranger, token: 1, counterValue: 7 }, { unsigned: 1 }],
  ];
  test.each(rows)("%s", async (_, fields, expected) => {
    const bench = await associated({ counterValue: 7, associationToken: -1 });
    bench.commands.length = 0;
    const answer = await bench.send(packageOf({ counterValue: 8, ...fields }));
    expect(read(answer)).toEqual(expected);
    expect(bench.commands, "the card was left alone").toEqual([]);
    expect(bench.executor?.card).toMatchObject({ eims: [{ counterValue: 7 }], results: [] });
  });

  test("a good package is none of these", async () => {
    const bench = await associated({ counterValue: 7, associationToken: -1 });
    expect(read(await bench.send(packageOf({ counterValue: 8, token: 1 })))).toEqual(["listProfileInfoResult"]);
    expect(bench.executor?.card.eims).toMatchObject([{ counterValue: 8 }]);
  });

  test("one bit anywhere in what is signed, or in the signature, and nothing happens", async () => {
    const bench = await associated();
    const good = packageOf({ euiccPackage: psmos(enable(b)) });
    for (let bit = 0; bit < good.length * 8; bit += 7) {
      const bad = good.slice();
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const answer = await bench.send(bad).catch((error: unknown) => error);
      const refused = answer instanceof Uint8Array ? "unsigned" in Object(read(answer)) : isCode(answer, "APDU_STATUS");
      // Octets that are no BF51 any more are not the executor's.
      if (bad[0] === 0xbf && bad[1] === 0x51) expect(refused, `bit ${bit}`).toBe(true);
      expect(bench.enabled(), `bit ${bit}`).toBe(a);
      expect(bench.executor?.card.eims[0]?.counterValue).toBe(0);
    }
    expect(read(await bench.send(good))).toEqual(["enableResult ok"]);
  });

  test("what does not even name its eIM gets the status word of a card", async () => {
    const bench = await associated();
    await expect(bench.send(fromHex("BF5103300000"))).rejects.toMatchObject({ code: "APDU_STATUS", data: { sw: "6A80" } });
  });

  test("a package that is too large is refused after its signature is known to be good", async () => {
    const bench = await associated();
    const many = Array.from({ length: 1_200 }, () => remove(c));
    expect(read(await bench.send(packageOf({ euiccPackage: psmos(...many) })))).toEqual({ error: "sizeOverflow" });
  });

  test("whatever comes in whatever order: carried out is exactly what a card would carry out", async () => {
    const attempt = fc.record({
      counterValue: fc.integer({ min: -1, max: 9 }),
      isSigned: fc.boolean(),
      hasToken: fc.boolean(),
      isForUs: fc.boolean(),
      restart: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(attempt, { maxLength: 12 }), async (attempts) => {
        const bench = await associated({ associationToken: -1 });
        let counter = 0;
        for (const { counterValue, isSigned, hasToken, isForUs, restart } of attempts) {
          if (restart) await bench.start();
          const fields = { counterValue, by: isSigned ? eim : stranger, token: hasToken ? 1 : 0, eid: isForUs ? eid : otherEid };
          const answer = read(await bench.send(packageOf(fields)));
          const expected =
            !isSigned || !hasToken
              ? { unsigned: 1 }
              : !isForUs
                ? { error: "invalidEid" }
                : counterValue <= counter
                  ? { error: "replayError" }
                  : ["listProfileInfoResult"];
          expect(answer).toEqual(expected);
          if (Array.isArray(expected)) counter = counterValue;
          expect(bench.executor?.card.eims).toMatchObject([{ counterValue: counter }]);
        }
      }),
      { seed: 32, numRuns: 40 },
    );
  });

  test("brainpoolP256r1 signs too; a key of another curve is no key", async () => {
    const brainpool = signer("brainpoolP256r1");
    const bench = await associated({ eimPublicKeyData: { kind: "eimPublicKey", value: brainpool.spki } });
    expect(read(await bench.send(packageOf({ by: brainpool })))).toEqual(["listProfileInfoResult"]);
    const p384: EimConfigurationData = configuration({ eimPublicKeyData: { kind: "eimPublicKey", value: signer("P-384").spki } });
    const fresh = await new Bench().start();
    expect(await fresh.use((es10) => es10.call(addInitialEim, { eimConfigurationDataList: [p384] }))).toEqual({
      kind: "addInitialEimError",
      value: "commandError",
    });
  });
});

describe("operations on profiles", () => {
  const run = async (euiccPackage: EuiccPackage, bench?: Bench): Promise<{ readonly bench: Bench; readonly results: unknown }> => {
    const used = bench ?? (await associated());
    const counterValue = (used.executor?.card.eims[0]?.counterValue ?? 0) + 1;
    return { bench: used, results: read(await used.send(packageOf({ euiccPackage, counterValue }))) };
  };

  test.each([
    ["enable", psmos(enable(b)), ["enableResult ok"], b],
    ["enable what is not there", psmos(enable(c)), ["enableResult iccidOrAidNotFound"], a],
    ["enable what is enabled", psmos(enable(a)), ["enableResult profileNotInDisabledState"], a],
    ["disable", psmos(disable(a)), ["disableResult ok"], undefined],
    ["disable what is disabled", psmos(disable(b)), ["disableResult profileNotInEnabledState"], a],
    ["delete", psmos(remove(b)), ["deleteResult ok"], a],
    ["delete what is enabled", psmos(remove(a)), ["deleteResult profileNotInDisabledState"], a],
    ["two enables", psmos(enable(b), enable(a)), ["enableResult ok", "enableResult undefinedError"], b],
    ["a failed one does not stop the next", psmos(enable(c), enable(b)), ["enableResult iccidOrAidNotFound", "enableResult ok"], b],
    ["disable, enable, delete", psmos(disable(a), enable(b), remove(a)), ["disableResult ok", "enableResult ok", "deleteResult ok"], b],
    [
      "a list after a change ends the package",
      psmos(remove(b), { kind: "listProfileInfo", value: {} }, enable(b)),
      ["deleteResult ok", "listProfileInfoResult", "processingTerminated unknownOrDamagedCommand"],
      a,
    ],
    ["getRAT", psmos({ kind: "getRAT", value: {} }), ["getRATResult"], a],
    [
      "default SM-DP+",
      psmos({ kind: "setDefaultDpAddress", value: { defaultDpAddress: "dp2.example.com" } }),
      ["setDefaultDpAddressResult"],
      a,
    ],
    [
      "what SGP.22 does not have",
      psmos(
        { kind: "configureImmediateEnable", value: { immediateEnableFlag: true } },
        { kind: "setFallbackAttribute", value: { iccid: iccidToBytes(b) } },
        { kind: "setFallbackAttribute", value: { iccid: iccidToBytes(c) } },
        { kind: "unsetFallbackAttribute", value: {} },
      ),
      [
        "configureImmediateEnableResult commandError",
        "setFallbackAttributeResult fallbackNotAllowed",
        "setFallbackAttributeResult iccidOrAidNotFound",
        "unsetFallbackAttributeResult noFallbackAttribute",
      ],
      a,
    ],
    [
      "an operation of a later version ends the package",
      psmos({ kind: "unknown", value: writeTlv(0xaf, fromHex("8000")) }, enable(b)),
      ["processingTerminated unknownOrDamagedCommand"],
      a,
    ],
  ] as const)("%s", async (_, euiccPackage, expected, enabled) => {
    const { bench, results } = await run(euiccPackage);
    expect(results).toEqual(expected);
    expect(bench.enabled()).toBe(enabled);
  });

  test("a rollback needs a profile to go back to", async () => {
    const { bench } = await run(psmos(disable(a)));
    const { results } = await run(psmos(enable(b, true)), bench);
    expect(results).toEqual(["enableResult rollbackNotAvailable"]);
    expect(bench.enabled()).toBeUndefined();
  });

  test("the profile to go back to cannot be deleted in the same package", async () => {
    const { bench, results } = await run(psmos(enable(b, true), remove(a)));
    expect(results).toEqual(["enableResult ok", "deleteResult rollbackNotAvailable"]);
    expect(bench.euicc.profiles()).toHaveLength(2);
  });

  test("ProfileRollback goes back, and the result takes the place of the first; a second one is not allowed", async () => {
    const { bench } = await run(psmos(enable(b, true)));
    const first = bench.executor?.card.results[0]?.seqNumber;
    const back = await bench.use((es10) => es10.call(profileRollback, { refreshFlag: true }));
    expect(back.cmdResult).toBe("ok");
    expect(bench.enabled()).toBe(a);
    expect(bench.executor?.card.results).toHaveLength(1);
    expect(bench.executor?.card.results[0]?.seqNumber).not.toBe(first);
    expect(read(encode(EuiccPackageResult, back.eUICCPackageResult ?? fail()))).toEqual(["enableResult ok", "rollbackResult ok"]);
    expect(await bench.use((es10) => es10.call(profileRollback, { refreshFlag: true }))).toMatchObject({ cmdResult: "rollbackNotAllowed" });
  });

  test("an enable without the flag, or one that failed, leaves no way back", async () => {
    for (const euiccPackage of [psmos(enable(b)), psmos(enable(c, true))]) {
      const { bench } = await run(euiccPackage);
      expect(await bench.use((es10) => es10.call(profileRollback, { refreshFlag: true }))).toMatchObject({
        cmdResult: "rollbackNotAllowed",
      });
    }
  });

  test("a card with a proactive session says catBusy, as ever", async () => {
    const bench = await associated();
    bench.euicc.faults.catBusyTimes = 1;
    expect((await run(psmos(enable(b)), bench)).results).toEqual(["enableResult catBusy"]);
    expect((await run(psmos(enable(b)), bench)).results).toEqual(["enableResult ok"]);
  });
});

describe("eIMs", () => {
  test("AddInitialEim: defaults, tokens, all or none, and only the first time", async () => {
    const bench = await new Bench().start();
    const add = (...eims: readonly EimConfigurationData[]) =>
      bench.use((es10) => es10.call(addInitialEim, { eimConfigurationDataList: eims } satisfies AddInitialEimRequest));
    const other = configuration({ eimId: "eim2", associationToken: -1 });
    const refusals: readonly (readonly [EimConfigurationData, string])[] = [
      [{ ...other, eimPublicKeyData: undefined }, "commandError"],
      [{ ...other, counterValue: undefined }, "commandError"],
      [{ ...other, eimId: "eim1" }, "commandError"],
      [{ ...other, euiccCiPKId: fromHex("0102") }, "ciPKUnknown"],
      [{ ...other, associationToken: 3 }, "invalidAssociationToken"],
      [{ ...other, counterValue: 0x8000_0000 }, "counterValueOutOfRange"],
    ];
    for (const [bad, code] of refusals) expect(await add(configuration(), bad)).toEqual({ kind: "addInitialEimError", value: code });
    expect(bench.executor?.card.eims).toEqual([]);
    expect(await add(configuration(), other)).toEqual({
      kind: "addInitialEimOk",
      value: [
        { kind: "addOk", value: true },
        { kind: "associationToken", value: 1 },
      ],
    });
    expect(await add(configuration({ eimId: "eim3" }))).toEqual({ kind: "addInitialEimError", value: "associatedEimAlreadyExists" });
    const { eimConfigurationDataList } = await bench.use((es10) => es10.call(getEimConfigurationData, {}));
    expect(eimConfigurationDataList).toMatchObject([
      { eimId: "eim1", eimIdType: "eimIdTypeProprietary", eimSupportedProtocol: ["eimProprietary"], counterValue: 0 },
      { eimId: "eim2", associationToken: 1 },
    ]);
    const found = await bench.use((es10) => es10.call(getEimConfigurationData, { searchCriteria: { kind: "eimId", value: "eim2" } }));
    expect(found.eimConfigurationDataList).toHaveLength(1);
  });

  test("eCOs: added, updated, listed, deleted; a token from before a new association is worth nothing", async () => {
    const bench = await associated({ associationToken: -1 });
    const send = async (counterValue: number, token: number, ...ops: readonly Eco[]): Promise<unknown> =>
      read(await bench.send(packageOf({ counterValue, token, euiccPackage: ecos(...ops) })));
    const second = configuration({ eimId: "eim2", associationToken: -1, eimPublicKeyData: { kind: "eimPublicKey", value: stranger.spki } });
    expect(
      await send(
        1,
        1,
        { kind: "addEim", value: second },
        { kind: "addEim", value: second },
        { kind: "updateEim", value: { eimId: "eim2", eimFqdn: "eim2.example.com" } },
        { kind: "updateEim", value: { eimId: "eim3" } },
        { kind: "listEim", value: {} },
      ),
    ).toEqual(["addEimResult", "addEimResult", "updateEimResult ok", "updateEimResult eimNotFound", "listEimResult"]);
    expect(bench.executor?.card.eims).toMatchObject([{ eimId: "eim1" }, { eimId: "eim2", associationToken: 2 }]);
    expect(await send(2, 1, { kind: "deleteEim", value: { eimId: "eim2" } }, { kind: "deleteEim", value: { eimId: "eim2" } })).toEqual([
      "deleteEimResult ok",
      "deleteEimResult eimNotFound",
    ]);
    expect(await send(3, 1, { kind: "addEim", value: second })).toEqual(["addEimResult"]);
    const old = packageOf({ eimId: "eim2", counterValue: 1, token: 2, by: stranger });
    expect(read(await bench.send(old))).toEqual({ unsigned: 3 });
    expect(read(await bench.send(packageOf({ eimId: "eim2", counterValue: 1, token: 3, by: stranger })))).toEqual([
      "listProfileInfoResult",
    ]);
    expect(await send(4, 1, { kind: "deleteEim", value: { eimId: "eim2" } }, { kind: "deleteEim", value: { eimId: "eim1" } })).toEqual([
      "deleteEimResult ok",
      "deleteEimResult lastEimDeleted",
    ]);
  });

  test("the configured first eIMs are put in once in the life of a card, not after the last was deleted", async () => {
    const bench = await new Bench().start();
    const first: AddInitialEimRequest = { eimConfigurationDataList: [configuration()] };
    expect(await bench.executor?.initialise(first)).toBe(true);
    await bench.send(packageOf({ euiccPackage: ecos({ kind: "deleteEim", value: { eimId: "eim1" } }) }));
    await bench.start();
    expect(await bench.executor?.initialise(first)).toBe(false);
    expect(bench.executor?.card.eims).toEqual([]);
  });

  test("eUICCMemoryReset with resetEimConfigData takes them away, and profiles by the card's own function", async () => {
    const bench = await associated();
    const answer = await bench.use((es10) =>
      es10.call(euiccMemoryReset, { resetOptions: ["deleteOperationalProfiles", "resetEimConfigData", "resetImmediateEnableConfig"] }),
    );
    expect(answer).toEqual({ resetResult: "ok", resetEimResult: "ok", resetImmediateEnableConfigResult: "resetIECNotSupported" });
    expect(bench.euicc.profiles()).toEqual([]);
    expect(bench.executor?.card.eims).toEqual([]);
  });
});

describe("results", () => {
  test("carry no signature that anybody could take for one, are kept until acknowledged, and never share a number with a notification", async () => {
    const bench = await associated();
    const answer = decode(EuiccPackageResult, await bench.send(packageOf({ euiccPackage: psmos(enable(b)) })));
    if (answer.kind !== "euiccPackageResultSigned") throw new Error(answer.kind);
    expect(answer.value.euiccSignEPR).toHaveLength(0);
    const { seqNumber } = answer.value.euiccPackageResultDataSigned.value;
    expect(bench.euicc.pending().notifications).not.toContain(seqNumber);
    await bench.start();
    const stored = await bench.use((es10) =>
      es10.call(retrieveNotificationsList, { searchCriteria: { kind: "euiccPackageResults", value: true } }),
    );
    expect(stored).toMatchObject({ kind: "euiccPackageResultList", value: [{ kind: "euiccPackageResultSigned" }] });
    const notifications = await bench.use((es10) => es10.call(retrieveNotificationsList, {}));
    expect(notifications).toMatchObject({ kind: "notificationList", value: [{}, {}] });
    for (const status of ["ok", "nothingToDelete"]) {
      expect(await bench.use((es10) => es10.call(removeNotificationFromList, { seqNumber }))).toEqual({ deleteNotificationStatus: status });
    }
    expect(bench.euicc.pending().notifications).toHaveLength(2);
    expect(bench.executor?.card.results).toEqual([]);
  });
});

describe("the power is cut", () => {
  /** Enables are counted by the notifications they leave. */
  const euiccPackage = psmos(enable(b, true), { kind: "getRAT", value: {} });
  const command = packageOf({ euiccPackage });

  async function cutAt(operation: number, power: boolean): Promise<boolean> {
    const bench = await associated();
    bench.disk.cutAfter(operation);
    const answer = await bench.send(command).then(
      (octets) => octets,
      () => undefined,
    );
    const wasCut = bench.disk.isOff;
    await bench.start(power);
    const again = read(await bench.send(command));
    const counter = bench.executor?.card.eims[0]?.counterValue;
    const stored = bench.executor?.card.results ?? [];
    const where = `cut at ${operation}, ${power ? "card too" : "daemon alone"}`;
    expect(counter, where).toBe(1);
    // Obeyed once, whichever of the two did it; and what it came to is there for the eIM.
    expect(stored, where).toHaveLength(1);
    if (answer !== undefined) expect(again, where).toEqual({ error: "replayError" });
    const tlv = new Uint8Array(Buffer.from(stored[0]?.tlv ?? "", "base64"));
    const results = read(tlv);
    const told = JSON.stringify(results).includes("enableResult ok");
    expect(told, `${where}: ${JSON.stringify(results)}`).toBe(bench.enabled() === b);
    expect(bench.euicc.pending().notifications.length, where).toBe(bench.enabled() === b ? 2 : 0);
    expect(read(await bench.send(command)), where).toEqual({ error: "replayError" });
    return wasCut;
  }

  test.each([false, true])("at any write, the card losing power too: %s", async (power) => {
    let operation = 1;
    while (await cutAt(operation, power)) operation++;
    expect(operation).toBeGreaterThan(4);
  });

  test("a disk that takes nothing: the package is not begun, and may come again", async () => {
    const bench = await associated();
    bench.disk.setFull(true);
    await expect(bench.send(command)).rejects.toMatchObject({ code: "DISK_WRITE" });
    expect(bench.enabled()).toBe(a);
    bench.disk.setFull(false);
    expect(read(await bench.send(command))).toEqual(["enableResult ok", "getRATResult"]);
  });

  test("the card falls silent in the middle: what it did is looked up, and reported with the interruption", async () => {
    for (const did of [true, false]) {
      const bench = await associated();
      let silent = false;
      bench.line = async (sent, exchange) => {
        if (sent[1] !== 0x31 && !silent) return exchange();
        if (sent[1] === 0x31 && did) await exchange();
        silent = true;
        throw new Error("no answer");
      };
      await expect(bench.send(command)).rejects.toThrow();
      bench.line = undefined;
      const stored = await bench.use((es10) =>
        es10.call(retrieveNotificationsList, { searchCriteria: { kind: "euiccPackageResults", value: true } }),
      );
      if (stored.kind !== "euiccPackageResultList") throw new Error(stored.kind);
      const [result] = stored.value;
      const expected = did ? ["enableResult ok", "processingTerminated interruption"] : ["processingTerminated interruption"];
      expect(read(encode(EuiccPackageResult, result ?? fail()))).toEqual(expected);
      expect(bench.enabled()).toBe(did ? b : a);
      expect(read(await bench.send(command))).toEqual({ error: "replayError" });
    }
  });

  test("in the middle of a rollback: it is done once, and its result is there", async () => {
    for (let operation = 1; ; operation++) {
      const bench = await associated();
      await bench.send(command);
      bench.disk.cutAfter(operation);
      await bench.use((es10) => es10.call(profileRollback, { refreshFlag: false })).catch(() => undefined);
      const wasCut = bench.disk.isOff;
      await bench.start(true);
      await bench.use((es10) => es10.call(profileRollback, { refreshFlag: false }));
      expect(bench.enabled()).toBe(a);
      const [stored, ...others] = bench.executor?.card.results ?? [];
      expect(others).toEqual([]);
      expect(read(new Uint8Array(Buffer.from(stored?.tlv ?? "", "base64")))).toContain("rollbackResult ok");
      if (!wasCut) return expect(operation).toBeGreaterThan(2);
    }
  });

  test("counters that cannot be read are not counters of zero", async () => {
    const bench = await associated();
    await bench.send(packageOf({ euiccPackage: list, by: eim }));
    for (const path of await bench.disk.list(".")) await bench.disk.replace(path, fromHex("00"));
    await expect(bench.start()).rejects.toMatchObject({ code: "STATE_CORRUPT" });
  });
});

function fail(): never {
  throw new Error("there is none");
}
