// SGP.32 v1.0 on the wire beside v1.2, message by message: what is sent to an eIM of that version, and that its answers are understood; v1.3's additions.
import { describe, expect, test } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { decode, encode } from "../../../ipa/asn1/schema.ts";
import { childOf, childrenOf, readOnlyTlv } from "../../../ipa/asn1/tlv.ts";
import * as messages from "../../../ipa/esipa/messages.ts";
import { EimConfigurationData } from "../../../ipa/messages/eim-config.ts";
import { AuthenticateClientResponseEsipa, IpaEuiccDataRequest, ProvideEimPackageResultResponse } from "../../../ipa/messages/esipa.ts";
import { a, b, factoryProfile, Vehicle } from "../support/vehicle.ts";

const eid = fromHex("89049032123451234512345678901235");
const txId = fromHex("AABBCCDD");
const rPlmn = fromHex("62F210");
const challenge = new Uint8Array(16);
const hex = (bytes: Uint8Array): string => toHexUpper(bytes);
const unsigned = fromHex("BF5105A203800165");
const notification = fromHex("30003000");

type Version = "1.0" | "1.2";
const result = (answer: messages.EimPackageAnswer) => (version: Version) => messages.provideEimPackageResult(eid, answer, version);

describe("sent", () => {
  // shows: v10.bf50, v10.bf4f, v10.bf54-error, v10.bf3d
  test.each<readonly [string, (version: Version) => Uint8Array, string, string]>([
    [
      "BF50 with a result",
      result({ kind: "euiccPackageResult", result: unsigned, notifications: [] }),
      "BF5008BF5105A203800165",
      "BF501A5A1089049032123451234512345678901235BF5105A203800165",
    ],
    [
      "BF50 with notifications",
      result({ kind: "euiccPackageResult", result: unsigned, notifications: [notification] }),
      "BF50133011BF5105A203800165BF2B06A00430003000",
      "BF50225A10890490321234512345123456789012353" + "00EBF5105A203800165A00430003000",
    ],
    [
      "BF50 with an error of the IPA",
      result({ kind: "error", eimTransactionId: txId, code: "invalidPackageFormat" }),
      "BF5003020101",
      "BF501D5A1089049032123451234512345678901235A0098004AABBCCDD020101",
    ],
    [
      "BF4F with a change and a PLMN",
      (version) => messages.getEimPackage(eid, "fallback", rPlmn, version),
      "BF4F195A108904903212345123451234567890123580008103" + "62F210",
      "BF4F1C5A10890490321234512345123456789012358000810101820362F210",
    ],
    [
      "BF39",
      (version) =>
        messages.initiateAuthentication(
          { euiccChallenge: challenge, smdpAddress: "dp", euiccInfo1: fromHex("BF2000"), eimTransactionId: txId },
          version,
        ),
      `BF39198110${hex(challenge)}83026470BF2000`,
      `BF391F8110${hex(challenge)}83026470BF20008204AABBCCDD`,
    ],
    [
      "BF54, the download did not happen",
      (version) => messages.profileDownloadError(txId, "undefinedError", fromHex("0102"), version),
      "BF5406300480020102",
      "BF540F8204AABBCCDD300780017F04020102",
    ],
    ["BF3D around a BF50", (version) => messages.handleResult(fromHex("BF5003BF5400"), version), "BF3D05A103BF5400", "BF3D06BF5003BF5400"],
  ])("%s", (_, make, former, present) => {
    expect(hex(make("1.0"))).toBe(former);
    expect(hex(make("1.2"))).toBe(present);
  });
});

describe("understood", () => {
  // shows: bf50.empty, v10.bf50-empty
  test("BF50 00 is an empty answer, as is BF50{30 00}", () => {
    expect(decode(ProvideEimPackageResultResponse, fromHex("BF5000"))).toEqual({ kind: "emptyResponse", value: {} });
    expect(decode(ProvideEimPackageResultResponse, fromHex("BF50023000"))).toEqual({ kind: "emptyResponse", value: {} });
  });

  // shows: v10.bf52-request
  test("BF52 that asks for package results by 82", () => {
    expect(decode(IpaEuiccDataRequest, fromHex("BF52085C02BF2BA1028200"))).toMatchObject({
      searchCriteriaNotification: { kind: "euiccPackageResults" },
    });
  });
});

describe("the answer to a data request", () => {
  /** The BF52 that an eIM of that version gets for its request. */
  async function answered(request: string, version: Version): Promise<Uint8Array> {
    const vehicle = new Vehicle({
      profiles: [factoryProfile(a, true), factoryProfile(b, false)],
      ipa: { peers: [{ eimId: "eim.example.com", compat: { esipaVersion: version } }] },
    });
    await vehicle.eim.applyFaults({ acknowledge: "none" });
    vehicle.enable(b);
    await vehicle.poll();
    let sent: Uint8Array = new Uint8Array(0);
    vehicle.intercept = (functionName, body) => {
      if (functionName === "provideEimPackageResult") sent = body;
      return undefined;
    };
    vehicle.order({ kind: "raw", hex: request });
    await vehicle.poll();
    const bf52 = childOf(readOnlyTlv(sent), 0xbf52);
    if (bf52 === undefined) throw new Error(`no BF52 in ${hex(sent)}`);
    return sent.slice(bf52.start, bf52.end);
  }
  const tagsIn = (bf52: Uint8Array): string[] => {
    const [data] = childrenOf(readOnlyTlv(bf52));
    return data === undefined ? [] : childrenOf(data).map(({ tag }) => tag.toString(16));
  };

  // shows: v10.bf52-data
  test("v1.0: address under 80, notifications last and inside BF2B, no transaction", async () => {
    const bf52 = await answered("BF4F10BF520D5C0B80BF20BF2283A5A688BF2B", "1.0");
    expect(tagsIn(bf52)).toEqual(["80", "bf20", "bf22", "83", "a5", "a6", "a8", "bf2b"]);
    const [data] = childrenOf(readOnlyTlv(bf52));
    const list = data === undefined ? undefined : childOf(data, 0xbf2b);
    expect(list === undefined ? [] : childrenOf(list).map(({ tag }) => tag)).toEqual([0xa0]);
  });

  // shows: v10.bf52-request
  test("v1.0: package results by 82, under A2 inside BF2B", async () => {
    const bf52 = await answered("BF4F0BBF52085C02BF2BA1028200", "1.0");
    const [data] = childrenOf(readOnlyTlv(bf52));
    const list = data === undefined ? undefined : childOf(data, 0xbf2b);
    const [results] = list === undefined ? [] : childrenOf(list);
    expect(results?.tag).toBe(0xa2);
    expect(results === undefined ? 0 : childrenOf(results).length).toBe(1);
  });

  // shows: v10.bf52-data
  test("an error: 81 in v1.0, A1 with code and transaction in v1.2", async () => {
    expect(hex(await answered("BF4F06BF52035C0177", "1.0"))).toBe("BF5203810101");
    expect(hex(await answered("BF4F0CBF52095C01778304AABBCCDD", "1.2"))).toBe("BF520BA1098004AABBCCDD020101");
  });
});

describe("v1.3", () => {
  // shows: v13.eim-proprietary
  test("proprietary protocol information of an eIM is read and written; what comes after it is passed over", () => {
    const raw = fromHex("3018800465696D31AA1030" + "0E80032A0304A1070405" + "0102030405");
    const config = decode(EimConfigurationData, raw);
    expect(config).toMatchObject({ eimId: "eim1", eSipaProprietaryProtocolInformation: [{ vendorOid: "1.2.3.4" }] });
    expect(hex(encode(EimConfigurationData, config))).toBe(hex(raw));
    expect(decode(EimConfigurationData, fromHex("3009800465696D318B0101")).eimId).toBe("eim1");
  });

  // shows: v13.order-expired
  test("AuthenticateClient's downloadOrderExpired has its name", () => {
    expect(decode(AuthenticateClientResponseEsipa, fromHex("BF3B03820112"))).toEqual({
      kind: "authenticateClientErrorEsipa",
      value: "downloadOrderExpired",
    });
  });
});
