// What this eUICC can carry of a profile package: services, file templates, elements, packages. The capability it announces
// (UICCCapability of EUICCInfo2) is made from the same rows.
import { toHexUpper } from "../../../base/bytes.ts";
import type { UICCCapability } from "../../../ipa/messages/euicc-info.ts";
import type { ServiceName } from "./common.ts";
import type { ProfileElementKind } from "./profile-element.ts";

type Capability = UICCCapability[number];

/** Applications are kept, not run; that is all a profile can see of a runtime at its installation. */
const services: Readonly<Partial<Record<ServiceName, Capability | undefined>>> = {
  usim: "usimSupport",
  isim: "isimSupport",
  csim: "csimSupport",
  cave: "akaCave",
  eap: "eapClient",
  milenage: "akaMilenage",
  tuak128: "akaTuak128",
  tuak256: "akaTuak256",
  "usim-test-algorithm": "usimTestAlgorithm",
  "gba-usim": "gbaAuthenUsim",
  "gba-isim": "gbaAuthenISim",
  javacard: "javacard",
  "multiple-usim": "multipleUsimSupport",
  "multiple-isim": "multipleIsimSupport",
  "multiple-csim": "multipleCsimSupport",
  "ber-tlv": "berTlvFileSupport",
  dfLink: "dfLinkSupport",
  "cat-tp": "catTp",
  "get-identity": "getIdentity",
  "profile-a-x25519": "profile-a-x25519",
  "profile-b-p256": "profile-b-p256",
  suciCalculatorApi: "suciCalculatorApi",
};

export const uiccCapability: UICCCapability = Object.values(services).filter((name) => name !== undefined);

export function supportsService(name: ServiceName): boolean {
  return name in services;
}

/** Elements that make files: which template family, and in which directory. */
export interface FileElementRow {
  readonly template: string;
  readonly base: "none" | "mf" | "usim" | "isim" | "csim" | "last";
}

export const fileElements: Readonly<Partial<Record<ProfileElementKind, FileElementRow>>> = {
  mf: { template: "2.23.143.1.2.1", base: "none" },
  cd: { template: "2.23.143.1.2.2", base: "mf" },
  telecom: { template: "2.23.143.1.2.3", base: "mf" },
  usim: { template: "2.23.143.1.2.4", base: "mf" },
  "opt-usim": { template: "2.23.143.1.2.5", base: "usim" },
  phonebook: { template: "2.23.143.1.2.6", base: "usim" },
  "gsm-access": { template: "2.23.143.1.2.7", base: "usim" },
  isim: { template: "2.23.143.1.2.8", base: "mf" },
  "opt-isim": { template: "2.23.143.1.2.9", base: "isim" },
  csim: { template: "2.23.143.1.2.10", base: "mf" },
  "opt-csim": { template: "2.23.143.1.2.11", base: "csim" },
  eap: { template: "2.23.143.1.2.12", base: "last" },
  "df-5gs": { template: "2.23.143.1.2.13", base: "usim" },
  "df-saip": { template: "2.23.143.1.2.14", base: "usim" },
  "df-snpn": { template: "2.23.143.1.2.15", base: "usim" },
};

/** Elements that are known and yet of no use here. */
export const unsupportedElements: ReadonlySet<ProfileElementKind> = new Set(["nonStandard", "df-5gprose", "iot", "opt-iot"] as const);

/** Java Card, GlobalPlatform, ETSI and 3GPP packages. */
const packagePrefixes = ["A0000000620", "A00000015100", "A000000009", "A000000087"];

export function supportsPackage(aid: Uint8Array): boolean {
  return packagePrefixes.some((prefix) => toHexUpper(aid).startsWith(prefix));
}
