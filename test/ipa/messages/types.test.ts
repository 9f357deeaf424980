// The TypeScript types of the messages are those of the tables: a wrong field, name or kind does not compile.
import { describe, expect, expectTypeOf, test } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import type { Integer } from "../../../ipa/asn1/content.ts";
import { decode, encode, type Infer, type Signed, sealed, signed, type UnknownChoice } from "../../../ipa/asn1/schema.ts";
import type { EimConfigurationData } from "../../../ipa/messages/eim-config.ts";
import type { GetEimPackageResponse, IpaEuiccData } from "../../../ipa/messages/esipa.ts";
import type { EUICCInfo2 } from "../../../ipa/messages/euicc-info.ts";
import type { PendingNotification } from "../../../ipa/messages/notifications.ts";
import {
  type EnableProfileResult,
  EuiccPackageRequest,
  type EuiccPackageResult,
  EuiccPackageSigned,
  type EuiccResultData,
  type Psmo,
} from "../../../ipa/messages/package.ts";
import type { AuthenticateServerRequest, ServerSigned1 } from "../../../ipa/messages/rsp.ts";

describe("inferred types", () => {
  test("operations and results by kind, unknown ones as their octets", () => {
    expectTypeOf<Psmo["kind"]>().toEqualTypeOf<
      | "enable"
      | "disable"
      | "delete"
      | "listProfileInfo"
      | "getRAT"
      | "configureImmediateEnable"
      | "setFallbackAttribute"
      | "unsetFallbackAttribute"
      | "setDefaultDpAddress"
      | "unknown"
    >();
    expectTypeOf<Extract<Psmo, { kind: "unknown" }>>().toEqualTypeOf<UnknownChoice>();
    expectTypeOf<Extract<Psmo, { kind: "enable" }>["value"]["rollbackFlag"]>().toEqualTypeOf<true | undefined>();
    expectTypeOf<Extract<EuiccResultData, { kind: "enableResult" }>["value"]>().toEqualTypeOf<EnableProfileResult>();
    expectTypeOf<EnableProfileResult>().toEqualTypeOf<
      | "ok"
      | "iccidOrAidNotFound"
      | "profileNotInDisabledState"
      | "disallowedByPolicy"
      | "catBusy"
      | "rollbackNotAvailable"
      | "undefinedError"
      | Integer
    >();
    expectTypeOf<EuiccPackageResult["kind"]>().toEqualTypeOf<
      "euiccPackageResultSigned" | "euiccPackageErrorSigned" | "euiccPackageErrorUnsigned"
    >();
    expectTypeOf<GetEimPackageResponse["kind"]>().toEqualTypeOf<
      "euiccPackageRequest" | "ipaEuiccDataRequest" | "profileDownloadTriggerRequest" | "eimPackageError"
    >();
    expectTypeOf<PendingNotification["kind"]>().toEqualTypeOf<
      "profileInstallationResult" | "otherSignedNotification" | "compactProfileInstallationResult" | "compactOtherSignedNotification"
    >();
  });

  test("what is signed carries its octets, what is optional may be absent", () => {
    expectTypeOf<Infer<typeof EuiccPackageRequest>["euiccPackageSigned"]>().toEqualTypeOf<Signed<EuiccPackageSigned>>();
    expectTypeOf<AuthenticateServerRequest["serverSigned1"]>().toEqualTypeOf<Signed<ServerSigned1>>();
    expectTypeOf<EimConfigurationData["counterValue"]>().toEqualTypeOf<Integer | undefined>();
    expectTypeOf<EimConfigurationData["eimId"]>().toEqualTypeOf<string>();
    expectTypeOf<IpaEuiccData["euiccInfo2"]>().toEqualTypeOf<EUICCInfo2 | undefined>();
    expectTypeOf<EUICCInfo2["ipaMode"]>().toEqualTypeOf<"ipad" | "ipae" | Integer | undefined>();
  });
});

test("a package is made in the words of the standard", () => {
  const iccid = fromHex("98001032547698103214");
  const euiccPackageSigned = sealed(signed(EuiccPackageSigned), {
    eimId: "eim1",
    eidValue: fromHex("89049032123451234512345678901235"),
    counterValue: 42,
    eimTransactionId: fromHex("AABBCCDD"),
    euiccPackage: { kind: "psmoList", value: [{ kind: "enable", value: { iccid, rollbackFlag: true } }] },
  });
  const request: EuiccPackageRequest = { euiccPackageSigned, eimSignature: fromHex("1122") };
  expect(toHexUpper(encode(EuiccPackageRequest, request))).toBe(
    "BF513A3033800465696D315A108904903212345123451234567890123581012A8204AABBCCDDA010A30E5A0A9800103254769810321405005F37021122",
  );
  expect(decode(EuiccPackageSigned, euiccPackageSigned.raw)).toEqual(euiccPackageSigned.value);
});
