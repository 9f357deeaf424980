// What peers in the field send otherwise than the standard has it: read always, or only when asked; and never written.
import { describe, expect, test } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { isCode } from "../../../base/errors.ts";
import { decode, encode, type Type } from "../../../ipa/asn1/schema.ts";
import { ConfigureISDPRequest, ReplaceSessionKeysRequest } from "../../../ipa/messages/bpp.ts";
import { EimConfigurationData, GetCertsRequest, GetCertsResponse } from "../../../ipa/messages/eim-config.ts";
import { CancelSessionRequestEs9 } from "../../../ipa/messages/es9.ts";
import {
  DisableEmergencyProfileRequest,
  EnableEmergencyProfileRequest,
  ExecuteFallbackMechanismRequest,
  ImmediateEnableRequest,
  ProfileRollbackRequest,
  ProfileRollbackResponse,
  ReturnFromFallbackRequest,
} from "../../../ipa/messages/es10.ts";
import {
  CancelSessionRequestEsipa,
  ProfileDownloadTriggerRequest,
  ProvideEimPackageResult,
  ProvideEimPackageResultResponse,
} from "../../../ipa/messages/esipa.ts";
import { ErrorResult, NotificationMetadata } from "../../../ipa/messages/notifications.ts";
import { EuiccPackageRequest, EuiccPackageResult, Psmo, RetrieveNotificationsListRequest } from "../../../ipa/messages/package.ts";
import { ProfileInfo, ProfileInfoListResponse } from "../../../ipa/messages/profile-info.ts";
import { fromTagsOfV10, ipaEuiccDataTags, readTagList, writeTagList } from "../../../ipa/messages/tag-list.ts";

/** Reads what was received and writes it as the standard has it. */
function normalized<T>(type: Type<T>, hex: string): string {
  return toHexUpper(encode(type, decode(type, fromHex(hex))));
}

describe("always read", () => {
  test.each([
    ["ProfileRollback", ProfileRollbackRequest, "BF58"],
    ["ImmediateEnable", ImmediateEnableRequest, "BF5A"],
    ["EnableEmergencyProfile", EnableEmergencyProfileRequest, "BF5B"],
    ["DisableEmergencyProfile", DisableEmergencyProfileRequest, "BF5C"],
    ["ExecuteFallbackMechanism", ExecuteFallbackMechanismRequest, "BF5D"],
    ["ReturnFromFallback", ReturnFromFallbackRequest, "BF5E"],
  ])("refreshFlag of %s as 01, TRUE as any but zero", (_, type, tag) => {
    expect(normalized(type as Type<unknown>, `${tag}03010101`)).toBe(`${tag}038001FF`);
  });

  // shows: field.rollback-flag
  test("rollbackFlag as 81", () => {
    expect(decode(Psmo, fromHex("A30E5A0A980010325476981032148100"))).toMatchObject({ kind: "enable", value: { rollbackFlag: true } });
    expect(normalized(Psmo, "A30E5A0A980010325476981032148100")).toBe("A30E5A0A980010325476981032140500");
  });

  // shows: field.cmd-result
  test("cmdResult of ProfileRollback as 80", () => {
    expect(decode(ProfileRollbackResponse, fromHex("BF5803800105"))).toEqual({ cmdResult: "catBusy" });
    expect(normalized(ProfileRollbackResponse, "BF5803800105")).toBe("BF5803020105");
  });

  // shows: field.search-criteria
  test("search criteria of BF2B without their A0", () => {
    expect(normalized(RetrieveNotificationsListRequest, "BF2B028200")).toBe("BF2B04A0028200");
    expect(normalized(RetrieveNotificationsListRequest, "BF2B03800107")).toBe("BF2B05A003800107");
  });

  // shows: field.key-identifier
  test("the key identifier of GetCerts as 04", () => {
    expect(normalized(GetCertsRequest, "BF56060404F54172BD")).toBe("BF56068004F54172BD");
  });

  // shows: field.nested-certificate
  test("certificates nested as 30 inside A5 and A6", () => {
    const certificate = "3003020101300306012A03020041";
    const right = `BF5622A020A50E${certificate}A60E${certificate}`;
    const nested = `BF5626A024A510300E${certificate}A610300E${certificate}`;
    expect(normalized(GetCertsResponse, right)).toBe(right);
    expect(normalized(GetCertsResponse, nested)).toBe(right);
  });

  // shows: field.smds-address
  test("smdsAddress as 0C", () => {
    expect(normalized(ProfileDownloadTriggerRequest, "BF540AA008A2060C0464732E78")).toBe("BF540AA008A206800464732E78");
  });

  // shows: bf50.empty
  test("the empty answer of v1.0 to ProvideEimPackageResult", () => {
    expect(decode(ProvideEimPackageResultResponse, fromHex("BF5000"))).toEqual({ kind: "emptyResponse", value: {} });
  });

  // shows: bf50.no-eid
  test("ProvideEimPackageResult without the EID", () => {
    expect(decode(ProvideEimPackageResult, fromHex("BF5008BF5105A203800165"))).toMatchObject({
      eimPackageResult: { kind: "euiccPackageResult" },
    });
  });

  // shows: d2.bf41-form
  test("the card's whole BF41 inside A1, as some compilers have it", () => {
    const right = "BF410B8004AABBCCDDA103810105";
    const nested = "BF410E8004AABBCCDDA106BF4103810105";
    expect(normalized(CancelSessionRequestEsipa, nested)).toBe(right);
    expect(normalized(CancelSessionRequestEs9, nested)).toBe(right);
    // And BF41 repeated at the top.
    expect(normalized(CancelSessionRequestEsipa, `BF4111${nested}`)).toBe(right);
  });

  test("universal tags where automatic tagging has context tags", () => {
    expect(normalized(ReplaceSessionKeysRequest, "BF26090401AA0401BB0401CC")).toBe("BF26098001AA8101BB8201CC");
    expect(normalized(ConfigureISDPRequest, "BF2407B805060388370A")).toBe("BF2407B805800388370A");
    expect(normalized(ErrorResult, "30098001058101080401AA")).toBe("30098001058101088201AA");
  });

  // shows: field.bit-strings
  test("events in bit strings that are not shortened", () => {
    expect(decode(NotificationMetadata, fromHex("BF2F0C800101810204800C03612E62"))).toMatchObject({
      profileManagementOperation: ["notificationInstall"],
    });
  });

  // shows: profile.fallbackAttribute
  test("a default value that is written out", () => {
    expect(decode(ProfileInfo, fromHex("E3089F2601009F670100"))).toMatchObject({ fallbackAttribute: false, fallbackAllowed: false });
    expect(normalized(ProfileInfo, "E3089F2601009F670100")).toBe("E3049F670100");
  });

  test("a result for a single operation that only says processingTerminated: the codec says what is there", () => {
    const result = decode(EuiccPackageResult, fromHex("BF511AA0183011800465696D3181012A83010530030201025F37021122"));
    expect(result).toMatchObject({
      kind: "euiccPackageResultSigned",
      value: {
        euiccPackageResultDataSigned: { value: { euiccResult: [{ kind: "processingTerminated", value: "unknownOrDamagedCommand" }] } },
      },
    });
  });

  test("a signature that is no 64 octets is for the verifier to judge", () => {
    const request = decode(EuiccPackageRequest, fromHex("BF51243 01D800465696D315A108904903212345123451234567890123581012AA0005F37023000"));
    expect(toHexUpper(request.eimSignature)).toBe("3000");
  });

  test("a name longer than the standard allows does not cost the list", () => {
    const name = "4E".repeat(70);
    const list = decode(ProfileInfoListResponse, fromHex(`BF2D4CA04AE3489246${name}`));
    expect(list).toMatchObject({ kind: "profileInfoListOk", value: [{ profileName: "N".repeat(70) }] });
  });
});

describe("read only when asked", () => {
  const key = "3003060129030100";
  const bare = fromHex(`3012800465696D31A50A3008${key}`);

  // shows: field.bare-key
  test("a bare key in eimPublicKeyData", () => {
    expect(() => decode(EimConfigurationData, bare)).toThrow(expect.objectContaining({ code: "ASN1_TAG" }));
    const value = decode(EimConfigurationData, bare, { lenient: { bareKeyOrCertificate: true } });
    expect(value.eimPublicKeyData).toEqual({ kind: "eimPublicKey", value: fromHex(`3008${key}`) });
    expect(toHexUpper(encode(EimConfigurationData, value))).toBe(`3012800465696D31A50AA008${key}`);
  });

  // shows: field.tag-list
  test("a tag list in the numbering of v1.0", () => {
    const v10 = readTagList(fromHex("80BF20BF228384A5A688A9BF2B"));
    expect(v10).toEqual([0x80, 0xbf20, 0xbf22, 0x83, 0x84, 0xa5, 0xa6, 0x88, 0xa9, 0xbf2b]);
    expect(toHexUpper(writeTagList(fromTagsOfV10(v10)))).toBe("81BF20BF228384A5A6A8A9A0");
    const all = Object.values(ipaEuiccDataTags);
    expect(fromTagsOfV10(all)).toEqual(all);
  });
});

test.each(["BF", "5ABF", "BF8181818101"])("a tag list with a tag cut off or without end is refused: %s", (hex) => {
  try {
    readTagList(fromHex(hex));
    expect.unreachable();
  } catch (error) {
    expect(isCode(error, "ASN1_VALUE")).toBe(true);
  }
});
