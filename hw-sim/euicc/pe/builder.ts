// Builds an unprotected profile package that any eUICC of the interoperable format can install: a USIM with Milenage, its codes, access
// rules, an issuer security domain and remote file management. Version 2.3 of the format, templates only.
import { concatBytes, digitsToSwappedBcd, fromHex, iccidToBytes, plmnToBytes, utf8 } from "../../../base/bytes.ts";
import { SimwardError } from "../../../base/errors.ts";
import { systemRandom } from "../../../base/random.ts";
import { encode } from "../../../ipa/asn1/schema.ts";
import { writeTlv } from "../../../ipa/asn1/tlv.ts";
import type { Fcp, File, PEHeader } from "./common.ts";
import { ProfileElement } from "./profile-element.ts";

/** A PLMN with its access technologies as 3GPP TS 31.102 §4.2.5 codes them, e.g. 0x4000 for E-UTRAN. */
export interface PlmnWithAct {
  readonly plmn: string;
  readonly act: number;
}

export interface PinRecipe {
  /** Up to 8 digits. */
  readonly pin: string;
  /** 8 digits. */
  readonly puk: string;
  /** Whether the card asks for the PIN; devices with nobody present want false, the default. */
  readonly enabled?: boolean;
}

export interface ProfileRecipe {
  /** 18 to 20 digits. */
  readonly iccid: string;
  /** Up to 15 digits. */
  readonly imsi: string;
  /** 2 or 3; 2 by default. */
  readonly mncDigits?: 2 | 3;
  /** Shown to people; at most 16 octets. */
  readonly spn: string;
  /** 16 octets each. */
  readonly ki: Uint8Array;
  readonly opc: Uint8Array;
  readonly profileType?: string;
  readonly pin1?: PinRecipe;
  readonly pin2?: PinRecipe;
  /** 8 octets. */
  readonly adm1?: Uint8Array;
  readonly ehplmns?: readonly string[];
  readonly hplmnWithAct?: readonly PlmnWithAct[];
  readonly oplmnWithAct?: readonly PlmnWithAct[];
  readonly fplmns?: readonly string[];
  readonly gid1?: Uint8Array;
  readonly gid2?: Uint8Array;
  /** Keys of the issuer security domain, 16 octets each: encryption, authentication, key encryption. New ones by default. */
  readonly otaKeys?: readonly [Uint8Array, Uint8Array, Uint8Array];
}

/** 3GPP TS 31.102 Annex: USIM application of the issuer (ETSI TS 101 220 PIX). */
export const usimAid = fromHex("A0000000871002FF33FF018900000100");
/** The issuer security domain of a profile (TCA §8.6). */
const mnoSecurityDomainAid = fromHex("A000000151000000");

const template = (arcs: string): string => `2.23.143.1.2.${arcs}`;
const filled = (content: Uint8Array): File => [{ kind: "fillFileContent", value: content }];
const described = (fcp: Partial<Fcp>, ...rest: File): File => [
  { kind: "fileDescriptor", value: { lcsi: Uint8Array.of(0x05), ...fcp } },
  ...rest,
];
/** Records, each filled up with FF to `recordBytes`. */
function recordFile(records: readonly Uint8Array[], recordBytes: number): File {
  const fcp = {
    fileDescriptor: fromHex(`422100${recordBytes.toString(16).padStart(2, "0")}`),
    efFileSize: minimal(records.length * recordBytes),
  };
  const contents = records.flatMap((record, index): File => {
    const gap = recordBytes - record.length;
    const content: File = filled(record);
    return gap === 0 || index === records.length - 1 ? content : [...content, { kind: "fillFileOffset", value: gap }];
  });
  return described(fcp, ...contents);
}

/** Access rules of TCA Annex A.9, one record each: PIN 1 is key 01, PIN 2 81, the administrator 0A. */
const always = "9000";
const never = "9700";
const key = (reference: string): string => `A4068301${reference}950108`;
const rule = (accessMode: string, condition: string): string => `8001${accessMode}${condition}`;
const accessRules = [
  rule("01", always) + rule("02", key("01")) + rule("58", key("0A")),
  rule("01", key("01")) + rule("5A", key("0A")),
  rule("5B", key("0A")),
  rule("01", always) + rule("1A", never) + rule("40", key("0A")),
  rule("03", key("01")) + rule("58", key("0A")),
  rule("11", key("01")) + rule("4A", key("0A")),
  `${rule("03", key("01")) + rule("58", key("0A"))}840132${key("01")}`,
  rule("01", key("01")) + rule("02", key("81")) + rule("58", key("0A")),
  rule("01", always) + rule("1A", key("01")) + rule("40", key("0A")),
  rule("01", always) + rule("5A", key("0A")),
  rule("01", always) + rule("18", key("0A")) + rule("42", never),
  rule("01", key("01")) + rule("5A", never),
  rule("13", key("01")) + rule("48", key("0A")),
  rule("5E", key("0A")),
].map(fromHex);
const accessRuleFile = recordFile(accessRules, 40);

/** Throws PROFILE_PACKAGE when the recipe names what no profile can hold. */
export function buildProfilePackage(recipe: ProfileRecipe): Uint8Array {
  check(recipe);
  let identification = 0;
  const head = (): PEHeader => ({ mandated: true, identification: ++identification });
  const { optional, services } = optionalFiles(recipe);
  const elements: ProfileElement[] = [
    {
      kind: "header",
      value: {
        "major-version": 2,
        "minor-version": 3,
        profileType: recipe.profileType ?? "simward virtual profile",
        // Its digits in order, unlike EF.ICCID's.
        iccid: fromHex(recipe.iccid.padEnd(20, "F")),
        "eUICC-Mandatory-services": { usim: true, milenage: true },
        "eUICC-Mandatory-GFSTEList": [template("1"), template("4"), ...(optional.size === 0 ? [] : [template("5")])],
      },
    },
    { kind: "mf", value: { header: head(), templateID: template("1"), files: masterFiles(recipe) } },
    {
      kind: "pukCodes",
      value: {
        "puk-Header": head(),
        pukCodes: [
          { keyReference: "pukAppl1", pukValue: digitCode(recipe.pin1?.puk ?? "00000000"), "maxNumOfAttemps-retryNumLeft": 0xaa },
          { keyReference: "secondPUKAppl1", pukValue: digitCode(recipe.pin2?.puk ?? "00000000"), "maxNumOfAttemps-retryNumLeft": 0xaa },
        ],
      },
    },
    {
      kind: "pinCodes",
      value: {
        "pin-Header": head(),
        pinCodes: {
          kind: "pinconfig",
          value: [
            pinConfiguration("pinAppl1", "pukAppl1", recipe.pin1),
            {
              keyReference: "adm1",
              pinValue: recipe.adm1 ?? utf8("88888888"),
              pinAttributes: 1,
              "maxNumOfAttemps-retryNumLeft": 0xaa,
            },
          ],
        },
      },
    },
    { kind: "usim", value: { header: head(), templateID: template("4"), files: usimFiles(recipe, services) } },
    {
      kind: "pinCodes",
      value: {
        "pin-Header": head(),
        pinCodes: { kind: "pinconfig", value: [pinConfiguration("secondPINAppl1", "secondPUKAppl1", recipe.pin2)] },
      },
    },
    ...(optional.size === 0 ? [] : [{ kind: "opt-usim" as const, value: { header: head(), templateID: template("5"), files: optional } }]),
    {
      kind: "akaParameter",
      value: {
        "aka-header": head(),
        algoConfiguration: {
          kind: "algoParameter",
          value: {
            algorithmID: "milenage",
            algorithmOptions: Uint8Array.of(0x01),
            key: recipe.ki,
            opc: recipe.opc,
            rotationConstants: fromHex("4000204060"),
            xoringConstants: xoringConstants(),
            numberOfKeccak: 1,
          },
        },
        sqnOptions: Uint8Array.of(0x02),
        sqnDelta: fromHex("000010000000"),
        sqnAgeLimit: fromHex("000010000000"),
        sqnInit: Array.from({ length: 32 }, () => new Uint8Array(6)),
      },
    },
    { kind: "securityDomain", value: securityDomain(head(), recipe) },
    { kind: "rfm", value: remoteFileManagement(head(), "A00000055910100001", "B00000", undefined) },
    { kind: "rfm", value: remoteFileManagement(head(), "A00000055910100002", "B00001", usimAid) },
    { kind: "end", value: { "end-header": head() } },
  ];
  return concatBytes(...elements.map((element) => encode(ProfileElement, element)));
}

/** EF.IMSI: length, parity and the digits (3GPP TS 31.102 §4.2.2). */
export function imsiToBytes(imsi: string): Uint8Array {
  const odd = imsi.length % 2 === 1;
  const digits = digitsToSwappedBcd(`${odd ? "9" : "1"}${imsi}`, 8);
  return concatBytes(Uint8Array.of(Math.ceil((imsi.length + 1) / 2)), digits);
}

function masterFiles(recipe: ProfileRecipe): ReadonlyMap<string, File> {
  const application = writeTlv(0x61, writeTlv(0x4f, usimAid), writeTlv(0x50, utf8("USIM")));
  return new Map<string, File>([
    ["mf", described({ pinStatusTemplateDO: fromHex("01810A") })],
    ["ef-pl", filled(utf8("en"))],
    ["ef-iccid", filled(iccidToBytes(recipe.iccid))],
    ["ef-dir", recordFile([application], 38)],
    ["ef-arr", accessRuleFile],
    ["ef-umpc", filled(fromHex("0A1E000000"))],
  ]);
}

function usimFiles(recipe: ProfileRecipe, services: readonly number[]): ReadonlyMap<string, File> {
  const accessClass = Number(recipe.imsi.at(-1));
  const forbidden = recipe.fplmns ?? [];
  return new Map<string, File>([
    ["adf-usim", described({ fileID: fromHex("7FD0"), dfName: usimAid, pinStatusTemplateDO: fromHex("01810A") })],
    ["ef-imsi", filled(imsiToBytes(recipe.imsi))],
    ["ef-arr", accessRuleFile],
    ["ef-ust", filled(serviceTable([10, 12, 19, 33, 85, ...services], 14))],
    ["ef-spn", filled(concatBytes(Uint8Array.of(0x00), padded(utf8(recipe.spn), 16)))],
    ["ef-est", filled(Uint8Array.of(0x00))],
    ["ef-acc", filled(Uint8Array.of((1 << accessClass) >> 8, (1 << accessClass) & 0xff))],
    ...(forbidden.length === 0 ? [] : [["ef-fplmn", filled(concatBytes(...forbidden.map(plmnToBytes)))] as const]),
    ["ef-ad", filled(Uint8Array.of(0x00, 0x00, 0x00, recipe.mncDigits ?? 2))],
    ["ef-ecc", filled(fromHex("11F2FF00"))],
  ]);
}

/** The files of the optional template that the recipe asks for, with the services of EF.UST that tell of them. */
function optionalFiles(recipe: ProfileRecipe): { readonly optional: Map<string, File>; readonly services: readonly number[] } {
  const optional = new Map<string, File>();
  const services: number[] = [];
  const add = (name: string, service: number, size: number, content: Uint8Array | undefined): void => {
    if (content === undefined || content.length === 0) return;
    optional.set(name, content.length === size ? filled(content) : described({ efFileSize: minimal(content.length) }, ...filled(content)));
    services.push(service);
  };
  const withAct = (list: readonly PlmnWithAct[] = []): Uint8Array =>
    concatBytes(...list.map(({ plmn, act }) => concatBytes(plmnToBytes(plmn), Uint8Array.of(act >> 8, act & 0xff))));
  add("ef-gid1", 17, 8, recipe.gid1);
  add("ef-gid2", 18, 8, recipe.gid2);
  add("ef-oplmnwact", 42, 40, withAct(recipe.oplmnWithAct));
  add("ef-hplmnwact", 43, 5, withAct(recipe.hplmnWithAct));
  add("ef-ehplmn", 71, 15, concatBytes(...(recipe.ehplmns ?? []).map(plmnToBytes)));
  return { optional, services };
}

function securityDomain(header: PEHeader, { otaKeys }: ProfileRecipe) {
  const keys = otaKeys ?? [systemRandom.bytes(16), systemRandom.bytes(16), systemRandom.bytes(16)];
  return {
    "sd-Header": header,
    instance: {
      applicationLoadPackageAID: fromHex("A0000001515350"),
      classAID: fromHex("A000000151535041"),
      instanceAID: mnoSecurityDomainAid,
      applicationPrivileges: fromHex("82FC80"),
      lifeCycleState: Uint8Array.of(0x0f),
      // SCP80 and SCP03, key versions 01 and 30.
      applicationSpecificParametersC9: fromHex("810280008201F08701F0"),
      applicationParameters: { uiccToolkitApplicationSpecificParametersField: fromHex("0100000100000002011203B2010000") },
    },
    keyList: keys.map((keyData, index) => ({
      keyUsageQualifier: fromHex(["38", "34", "C8"][index] ?? "38"),
      keyAccess: Uint8Array.of(0x00),
      keyIdentifier: Uint8Array.of(index + 1),
      keyVersionNumber: Uint8Array.of(0x01),
      keyCounterValue: fromHex("0000000000"),
      keyCompontents: [{ keyType: Uint8Array.of(0x88), keyData, macLength: 8 }],
    })),
  };
}

function remoteFileManagement(header: PEHeader, aid: string, tar: string, adf: Uint8Array | undefined) {
  const full = Uint8Array.of(0x00);
  return {
    "rfm-header": header,
    instanceAID: fromHex(aid),
    securityDomainAID: mnoSecurityDomainAid,
    tarList: [fromHex(tar)],
    minimumSecurityLevel: Uint8Array.of(0x16),
    uiccAccessDomain: full,
    uiccAdminAccessDomain: full,
    adfRFMAccess: adf === undefined ? undefined : { adfAID: adf, adfAccessDomain: full, adfAdminAccessDomain: full },
  };
}

function pinConfiguration<K extends string, P extends string>(keyReference: K, unblockingPINReference: P, recipe: PinRecipe | undefined) {
  // Bit 1 enabled, 2 changeable, 3 may be disabled (TCA §8.4.2).
  const pinAttributes = recipe?.enabled === true ? 7 : 6;
  const pinValue = digitCode(recipe?.pin ?? "0000");
  return { keyReference, pinValue, unblockingPINReference, pinAttributes, "maxNumOfAttemps-retryNumLeft": 0x33 };
}

function serviceTable(services: readonly number[], size: number): Uint8Array {
  const out = new Uint8Array(size);
  for (const service of services) out[(service - 1) >> 3] = (out[(service - 1) >> 3] ?? 0) | (1 << ((service - 1) & 7));
  return out;
}

/** 3GPP TS 35.206 §4.1: c1 to c5. */
function xoringConstants(): Uint8Array {
  const out = new Uint8Array(80);
  for (const [index, value] of [0, 1, 2, 4, 8].entries()) out[index * 16 + 15] = value;
  return out;
}

function digitCode(digits: string): Uint8Array {
  return padded(utf8(digits), 8);
}

function padded(bytes: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(size).fill(0xff);
  out.set(bytes.subarray(0, size));
  return out;
}

/** On as few octets as hold it. */
function minimal(value: number): Uint8Array {
  return value < 0x100 ? Uint8Array.of(value) : Uint8Array.of(value >> 8, value & 0xff);
}

function check({ imsi, ki, opc, spn, adm1, fplmns = [] }: ProfileRecipe): void {
  const faults = [
    /^\d{6,15}$/.test(imsi) ? undefined : "imsi is not 6 to 15 digits",
    ki.length === 16 && opc.length === 16 ? undefined : "ki and opc have 16 octets each",
    utf8(spn).length <= 16 ? undefined : "spn has more than 16 octets",
    adm1 === undefined || adm1.length === 8 ? undefined : "adm1 has 8 octets",
    fplmns.length <= 4 ? undefined : "EF.FPLMN holds 4 networks",
  ].filter((fault) => fault !== undefined);
  if (faults.length > 0) throw new SimwardError("PROFILE_PACKAGE", { detail: faults.join("; ") });
}
