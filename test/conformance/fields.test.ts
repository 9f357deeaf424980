// Each field of ProfileInfo, EUICCInfo2 and EimConfigurationData: read from octets that are written down here, given by the virtual card, kept by it.
import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { fromHex, toHexUpper } from "../../base/bytes.ts";
import { buildProfilePackage } from "../../hw-sim/euicc/pe/builder.ts";
import { decode, encode, type Type } from "../../ipa/asn1/schema.ts";
import { EimConfigurationData, GetEimConfigurationDataRequest, GetEimConfigurationDataResponse } from "../../ipa/messages/eim-config.ts";
import { EUICCInfo2, GetEuiccInfo2Request } from "../../ipa/messages/euicc-info.ts";
import {
  ProfileInfo,
  ProfileInfoListRequest,
  ProfileInfoListResponse,
  SetNicknameRequest,
  SetNicknameResponse,
} from "../../ipa/messages/profile-info.ts";
import { bind, loadSegments, prepared, segmentsOf } from "../hw-sim/euicc/small-smdp.ts";
import { bench, eimConfiguration, iccidBytes, load, metadata, pki, psmo, psmoPackage, recipe } from "../hw-sim/euicc/support.ts";

type Field = readonly [name: string, octets: string, value: unknown];

const hex = (bytes: Uint8Array): string => toHexUpper(bytes);
const tlv = (tag: string, ...contents: readonly string[]): string => {
  const content = contents.join("");
  const length = content.length / 2;
  const octets = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return tag + hex(Uint8Array.from(octets)) + content;
};

/** What the fields named in `rows` are read to, and whether the whole comes back in its octets. */
function expectFields<T>(type: Type<T>, tag: string, fields: readonly Field[]): void {
  const octets = tlv(tag, ...fields.map(([, one]) => one));
  const value = decode(type, fromHex(octets));
  expect(value).toEqual(Object.fromEntries(fields.map(([name, , one]) => [name, one])));
  expect(hex(encode(type, value))).toBe(octets);
}

const iccid = "98001032547698103214";

describe("ProfileInfo", () => {
  const profileFields: readonly Field[] = [
    ["iccid", tlv("5A", iccid), fromHex(iccid)],
    ["isdpAid", "4F10A0000005591010FFFFFFFF8900001000", fromHex("A0000005591010FFFFFFFF8900001000")],
    ["profileState", "9F700101", "enabled"],
    ["profileNickname", "90056C6F63616C", "local"],
    ["serviceProviderName", "91034F6E65", "One"],
    ["profileName", "920454776F20", "Two "],
    ["iconType", "930101", "png"],
    ["icon", "940489504E47", fromHex("89504E47")],
    ["profileClass", "950101", "provisioning"],
    [
      "notificationConfigurationInfo",
      "B60B3009800204F08103612E62",
      [
        {
          profileManagementOperation: ["notificationInstall", "notificationEnable", "notificationDisable", "notificationDelete"],
          notificationAddress: "a.b",
        },
      ],
    ],
    ["profileOwner", "B70B800362F2108101018201FF", { mccMnc: fromHex("62F210"), gid1: fromHex("01"), gid2: fromHex("FF") }],
    ["dpProprietaryData", "B8058003883701", { dpOid: "2.999.1" }],
    ["profilePolicyRules", "99020560", ["ppr1", "ppr2"]],
    [
      "serviceSpecificDataStoredInEuicc",
      "BF220C300A8003883701A103040155",
      [{ vendorOid: "2.999.1", vendorSpecificData: fromHex("040155") }],
    ],
    ["ecallIndication", "9F7B01FF", true],
    ["fallbackAttribute", "9F2601FF", true],
    ["fallbackAllowed", "9F6701FF", true],
  ];

  // shows: profile.*
  test.each(profileFields)("%s", (name, octets, value) => {
    const read = decode(ProfileInfo, fromHex(tlv("E3", octets)));
    expect(read).toEqual({ fallbackAttribute: false, [name]: value });
    expect(hex(encode(ProfileInfo, read))).toBe(tlv("E3", octets));
  });

  test("all of them at once, in their order, and no field without a line here", () => {
    expectFields(ProfileInfo, "E3", profileFields);
    const { shape } = ProfileInfo;
    const fields = "inner" in shape ? shape.inner.shape : shape;
    if (fields.kind !== "seq") throw new Error(fields.kind);
    expect(Object.keys(fields.fields)).toEqual(profileFields.map(([name]) => name));
  });

  // shows: profile.*, b2.profiles-tags
  test.each([
    ["iccid", "5A"],
    ["isdpAid", "4F"],
    ["profileState", "9F70"],
    ["profileNickname", "90"],
    ["serviceProviderName", "91"],
    ["profileName", "92"],
    ["iconType", "93"],
    ["icon", "94"],
    ["profileClass", "95"],
    ["notificationConfigurationInfo", "B6"],
    ["profileOwner", "B7"],
    ["dpProprietaryData", "B8"],
    ["profilePolicyRules", "99"],
    ["serviceSpecificDataStoredInEuicc", "BF22"],
    ["ecallIndication", "9F7B"],
    ["fallbackAttribute", "9F26"],
    ["fallbackAllowed", "9F67"],
  ] as const)("the virtual card gives %s for the tag %s, and nothing else", (name, tag) => {
    const { channel } = bench();
    const stored = metadata("c", {
      iconType: "jpg",
      icon: fromHex("FFD8FF"),
      profileOwner: { mccMnc: fromHex("62F230") },
      profilePolicyRules: ["ppr2"],
      serviceSpecificDataStoredInEuicc: [{ vendorOid: "2.999.1", vendorSpecificData: fromHex("040155") }],
      ecallIndication: true,
      fallbackAllowed: true,
    });
    const configure = fromHex("BF2407B8058003883701");
    const package_ = bind({ euiccOtpk: prepared(channel), metadata: stored, upp: buildProfilePackage(recipe("c")), configure });
    expect(hex(loadSegments(channel, segmentsOf(package_)).data)).toContain("A21FA01D4F10");
    channel.call(SetNicknameRequest, SetNicknameResponse, { iccid: iccidBytes("c"), profileNickname: "spare" });
    load(channel, psmoPackage([psmo.setFallback("c")]));
    const listed = channel.call(ProfileInfoListRequest, ProfileInfoListResponse, {
      searchCriteria: { kind: "iccid", value: iccidBytes("c") },
      tagList: fromHex(tag),
    });
    if (listed.kind !== "profileInfoListOk") throw new Error(String(listed.value));
    const [info = { fallbackAttribute: false }] = listed.value;
    const given = Object.entries(info).filter(([field, value]) => field !== "fallbackAttribute" || value === true);
    expect(given.map(([field]) => field)).toEqual([name]);
  });
});

describe("EUICCInfo2", () => {
  const ski = "F54172BDF98A95D65CBEB88A38A1C11D800A85C3";
  const infoFields: readonly Field[] = [
    ["profileVersion", "8103020301", fromHex("020301")],
    ["svn", "8203020501", fromHex("020501")],
    ["euiccFirmwareVer", "8303010203", fromHex("010203")],
    ["extCardResource", "840681010182010A", fromHex("81010182010A")],
    ["uiccCapability", "85020640", ["usimSupport"]],
    ["ts102241Version", "8603090200", fromHex("090200")],
    ["globalplatformVersion", "8703020300", fromHex("020300")],
    ["rspCapability", "88020490", ["additionalProfile", "testProfileSupport"]],
    ["euiccCiPKIdListForVerification", tlv("A9", tlv("04", ski)), [fromHex(ski)]],
    ["euiccCiPKIdListForSigning", tlv("AA", tlv("04", ski), "0401AA"), [fromHex(ski), fromHex("AA")]],
    ["euiccCategory", "8B0102", "mediumEuicc"],
    ["forbiddenProfilePolicyRules", "99020640", ["ppr1"]],
    ["ppVersion", "0403010000", fromHex("010000")],
    ["sasAcreditationNumber", "0C025858", "XX"],
    ["certificationDataObject", "AC088001508103617263", { platformLabel: "P", discoveryBaseURL: "arc" }],
    ["treProperties", "8D020640", ["isIntegrated"]],
    ["treProductReference", "8E0154", "T"],
    ["additionalEuiccProfilePackageVersions", "AF050403030100", [fromHex("030100")]],
    ["ipaMode", "900101", "ipae"],
    ["euiccCiPKIdListForSigningV3", "B1030401BB", [fromHex("BB")]],
    ["additionalEuiccInfo", "920201FF", fromHex("01FF")],
    ["highestSvn", "9303030100", fromHex("030100")],
    ["iotSpecificInfo", "B40BA005040301020081008200", { iotVersion: [fromHex("010200")], ecallSupported: true, fallbackSupported: true }],
  ];

  /** They have to be there for any other to be read. */
  const mandatory = [
    "profileVersion",
    "svn",
    "euiccFirmwareVer",
    "extCardResource",
    "uiccCapability",
    "rspCapability",
    "euiccCiPKIdListForVerification",
    "euiccCiPKIdListForSigning",
    "ppVersion",
    "sasAcreditationNumber",
  ];

  // shows: info2.*
  test.each(infoFields)("%s", (name, octets, value) => {
    const some = infoFields.filter(([field]) => field === name || mandatory.includes(field));
    const octetsOfSome = tlv("BF22", ...some.map(([, one]) => one));
    const read = decode(EUICCInfo2, fromHex(octetsOfSome));
    expect(octetsOfSome).toContain(octets);
    expect(read).toMatchObject({ [name]: value });
    expect(Object.keys(read).sort()).toEqual(some.map(([field]) => field).sort());
    expect(hex(encode(EUICCInfo2, read))).toBe(octetsOfSome);
  });

  test("all of them at once, in their order, and no field without a line here", () => {
    expectFields(EUICCInfo2, "BF22", infoFields);
    const { shape } = EUICCInfo2;
    const fields = "inner" in shape ? shape.inner.shape : shape;
    if (fields.kind !== "seq") throw new Error(fields.kind);
    expect(Object.keys(fields.fields)).toEqual(infoFields.map(([name]) => name));
  });

  // shows: a5.info2-ipa-mode, a5.info2-iot
  test("the virtual card says that it is an IoT eUICC whose device's IPA is active", () => {
    expect(bench().channel.call(GetEuiccInfo2Request, EUICCInfo2, {})).toMatchObject({
      ipaMode: "ipad",
      iotSpecificInfo: { iotVersion: [fromHex("010200")], ecallSupported: true, fallbackSupported: true },
    });
  });
});

describe("EimConfigurationData", () => {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const spki = new Uint8Array(publicKey.export({ format: "der", type: "spki" }));
  const certificate = pki.get("eimsign").certificate;
  /** Its own 30 gives way to the tag of its place. */
  const under = (tag: string, der: Uint8Array): string => tag + hex(der.subarray(1));
  const eimFields: readonly Field[] = [
    ["eimId", "80026531", "e1"],
    ["eimFqdn", "8103652E78", "e.x"],
    ["eimIdType", "820101", "eimIdTypeOid"],
    ["counterValue", "83020080", 128],
    ["associationToken", "8401FF", -1],
    ["eimPublicKeyData", tlv("A5", under("A0", spki)), { kind: "eimPublicKey", value: spki }],
    ["trustedPublicKeyDataTls", tlv("A6", under("A1", certificate)), { kind: "trustedCertificateTls", value: certificate }],
    ["eimSupportedProtocol", "870203F8", ["eimRetrieveHttps", "eimRetrieveCoaps", "eimInjectHttps", "eimInjectCoaps", "eimProprietary"]],
    ["euiccCiPKId", "8802AABB", fromHex("AABB")],
    ["indirectProfileDownload", "8900", true],
  ];
  const other: readonly (readonly [string, Field])[] = [
    [
      "eimPublicKeyData-certificate",
      ["eimPublicKeyData", tlv("A5", under("A1", certificate)), { kind: "eimCertificate", value: certificate }],
    ],
    ["trustedPublicKeyDataTls-key", ["trustedPublicKeyDataTls", tlv("A6", under("A0", spki)), { kind: "trustedEimPkTls", value: spki }]],
    ["eimIdType FQDN", ["eimIdType", "820102", "eimIdTypeFqdn"]],
    ["eimIdType proprietary", ["eimIdType", "820103", "eimIdTypeProprietary"]],
  ];
  const all: readonly (readonly [string, Field])[] = [...eimFields.map((field) => [field[0], field] as const), ...other];

  // shows: eim.*
  test.each(all)("%s, everything else left out", (_, [name, octets, value]) => {
    const fields: readonly Field[] =
      name === "eimId"
        ? [[name, octets, value]]
        : [
            ["eimId", "80026531", "e1"],
            [name, octets, value],
          ];
    expectFields(EimConfigurationData, "30", fields);
  });

  test("all of them at once, in their order", () => {
    expectFields(EimConfigurationData, "30", eimFields);
  });

  test("a name of 1 to 128 characters", () => {
    const named = (length: number): string => tlv("30", tlv("80", "65".repeat(length)));
    for (const length of [1, 64, 128]) expect(decode(EimConfigurationData, fromHex(named(length))).eimId).toHaveLength(length);
    expect(() => encode(EimConfigurationData, { eimId: "" })).toThrow();
    expect(() => encode(EimConfigurationData, { eimId: "e".repeat(129) })).toThrow();
  });

  test("the virtual card keeps each of them", () => {
    const whole = eimConfiguration({
      associationToken: -1,
      trustedPublicKeyDataTls: { kind: "trustedEimPkTls", value: spki },
      eimSupportedProtocol: ["eimRetrieveHttps", "eimInjectCoaps"],
      indirectProfileDownload: true,
    });
    const { channel } = bench({ eims: [encode(EimConfigurationData, whole)] });
    const { eimConfigurationDataList } = channel.call(GetEimConfigurationDataRequest, GetEimConfigurationDataResponse, {});
    expect(eimConfigurationDataList).toEqual([{ ...whole, associationToken: 1 }]);
  });
});
