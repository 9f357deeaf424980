// ProfileElement, the CHOICE a profile package is a row of, and EUICCResponse, what the eUICC says of it (TCA §8.1, §8.11, §9).
// The tags follow the order of the alternatives.
import {
  choice,
  type Infer,
  implicit,
  integer,
  namedInteger,
  nullType,
  optional,
  seq,
  seqOf,
  utf8String,
} from "../../../ipa/asn1/schema.ts";
import { PE_Application, PE_NonStandard, PE_RFM, PE_SecurityDomain } from "./application-elements.ts";
import { PE_AKAParameter, PE_CDMAParameter, PE_PINCodes, PE_PUKCodes } from "./code-elements.ts";
import { contextTag, FileManagement, PEHeader, ProfileHeader } from "./common.ts";
import {
  PE_CD,
  PE_CSIM,
  PE_DF_5GPROSE,
  PE_DF_5GS,
  PE_DF_SAIP,
  PE_DF_SNPN,
  PE_EAP,
  PE_GSM_ACCESS,
  PE_IoT,
  PE_ISIM,
  PE_MF,
  PE_OPT_CSIM,
  PE_OPT_IoT,
  PE_OPT_ISIM,
  PE_OPT_USIM,
  PE_PHONEBOOK,
  PE_TELECOM,
  PE_USIM,
} from "./file-elements.ts";

const at = (index: number): number => contextTag(index, true);

/** TCA §8.3.5 */
export const PE_GenericFileManagement = seq({ "gfm-header": implicit(0xa0, PEHeader), fileManagementCMD: seqOf(FileManagement, 0xa1) });
/** TCA §8.11 */
export const PE_End = seq({ "end-header": implicit(0xa0, PEHeader) });

/** TCA §8.1; 11 to 15 are reserved. */
export const ProfileElement = choice({
  header: implicit(at(0), ProfileHeader),
  genericFileManagement: implicit(at(1), PE_GenericFileManagement),
  pinCodes: implicit(at(2), PE_PINCodes),
  pukCodes: implicit(at(3), PE_PUKCodes),
  akaParameter: implicit(at(4), PE_AKAParameter),
  cdmaParameter: implicit(at(5), PE_CDMAParameter),
  securityDomain: implicit(at(6), PE_SecurityDomain),
  rfm: implicit(at(7), PE_RFM),
  application: implicit(at(8), PE_Application),
  nonStandard: implicit(at(9), PE_NonStandard),
  end: implicit(at(10), PE_End),
  mf: implicit(at(16), PE_MF),
  cd: implicit(at(17), PE_CD),
  telecom: implicit(at(18), PE_TELECOM),
  usim: implicit(at(19), PE_USIM),
  "opt-usim": implicit(at(20), PE_OPT_USIM),
  isim: implicit(at(21), PE_ISIM),
  "opt-isim": implicit(at(22), PE_OPT_ISIM),
  phonebook: implicit(at(23), PE_PHONEBOOK),
  "gsm-access": implicit(at(24), PE_GSM_ACCESS),
  csim: implicit(at(25), PE_CSIM),
  "opt-csim": implicit(at(26), PE_OPT_CSIM),
  eap: implicit(at(27), PE_EAP),
  "df-5gs": implicit(at(28), PE_DF_5GS),
  "df-saip": implicit(at(29), PE_DF_SAIP),
  "df-snpn": implicit(at(30), PE_DF_SNPN),
  "df-5gprose": implicit(at(31), PE_DF_5GPROSE),
  iot: implicit(at(32), PE_IoT),
  "opt-iot": implicit(at(33), PE_OPT_IoT),
});
export type ProfileElement = Infer<typeof ProfileElement>;
export type ProfileElementKind = ProfileElement["kind"];

/** TCA §9.1 */
export const peStatusCodes = {
  ok: 0,
  "pe-not-supported": 1,
  "memory-failure": 2,
  "bad-values": 3,
  "not-enough-memory": 4,
  "invalid-request-format": 5,
  "invalid-parameter": 6,
  "runtime-not-supported": 7,
  "lib-not-supported": 8,
  "template-not-supported": 9,
  "feature-not-supported": 10,
  "pin-code-missing": 11,
  "unsupported-profile-version": 31,
} as const;
export type PeStatusCode = keyof typeof peStatusCodes;

export const PEStatus = seq({
  status: namedInteger(peStatusCodes, 0x80),
  identification: optional(integer(0x81)),
  "additional-information": optional(integer(0x82)),
  offset: optional(integer(0x83)),
});
export type PEStatus = Infer<typeof PEStatus>;

export const EUICCResponse = seq({
  peStatus: seqOf(PEStatus, 0xa0),
  profileInstallationAborted: optional(nullType(0x81)),
  statusMessage: optional(utf8String(0x82, { min: 2, max: 64 })),
});
export type EUICCResponse = Infer<typeof EUICCResponse>;
