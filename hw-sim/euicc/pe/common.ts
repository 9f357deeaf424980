// What all profile elements of the eUICC Profile Package (TCA Interoperable Format Technical Specification 3.3.1) are made of:
// their head, the profile header, and a file with what fills it.
import {
  choice,
  type Infer,
  implicit,
  integer,
  nullType,
  octets,
  oid,
  optional,
  seq,
  seqOf,
  type Type,
  utf8String,
  withDefault,
} from "../../../ipa/asn1/schema.ts";

/** The context tag of component `index` under automatic tagging. */
export function contextTag(index: number, constructed: boolean): number {
  const base = constructed ? 0xa0 : 0x80;
  return index < 31 ? base | index : ((base | 0x1f) << 8) | index;
}

/** `mandated`: an eUICC that does not know the element must refuse the profile. */
export const PEHeader = seq({ mandated: optional(nullType(0x80)), identification: integer(0x81) });
export type PEHeader = Infer<typeof PEHeader>;

export const ApplicationIdentifier = octets(0x4f, { min: 5, max: 16 });

/** TCA §8.2, ServicesList, in the order of their tags. */
export const serviceNames = [
  "contactless",
  "usim",
  "isim",
  "csim",
  "milenage",
  "tuak128",
  "cave",
  "gba-usim",
  "gba-isim",
  "mbms",
  "eap",
  "javacard",
  "multos",
  "multiple-usim",
  "multiple-isim",
  "multiple-csim",
  "tuak256",
  "usim-test-algorithm",
  "ber-tlv",
  "dfLink",
  "cat-tp",
  "get-identity",
  "profile-a-x25519",
  "profile-b-p256",
  "suciCalculatorApi",
  "dns-resolution",
  "scp11ac",
  "scp11c-authorization-mechanism",
  "s16mode",
  "eaka",
] as const;
export type ServiceName = (typeof serviceNames)[number];

const serviceFields = Object.fromEntries(serviceNames.map((name, index) => [name, optional(nullType(contextTag(index, false)))])) as Record<
  ServiceName,
  { optional: Type<true> }
>;
export const ServicesList = seq(serviceFields);
export type ServicesList = Infer<typeof ServicesList>;

/** TCA §8.2 */
export const ProfileHeader = seq({
  "major-version": integer(0x80),
  "minor-version": integer(0x81),
  profileType: optional(utf8String(0x82, { min: 1, max: 100 })),
  iccid: octets(0x83, { min: 10, max: 10 }),
  pol: optional(octets(0x84)),
  "eUICC-Mandatory-services": implicit(0xa5, ServicesList),
  "eUICC-Mandatory-GFSTEList": seqOf(oid(), 0xa6),
  connectivityParameters: optional(octets(0x87)),
  "eUICC-Mandatory-AIDs": optional(seqOf(seq({ aid: octets(0x80, { min: 5, max: 16 }), version: octets(0x81, { min: 2, max: 2 }) }), 0xa8)),
  iotOptions: optional(seq({ pix: octets(0x80, { min: 7, max: 11 }) }, 0xa9)),
});
export type ProfileHeader = Infer<typeof ProfileHeader>;

/** TCA §8.3.3 */
export const ProprietaryInfo = seq(
  {
    specialFileInformation: withDefault(octets(0xc0, { min: 1, max: 1 }), Uint8Array.of(0x00)),
    fillPattern: optional(octets(0xc1, { min: 1, max: 200 })),
    repeatPattern: optional(octets(0xc2, { min: 1, max: 200 })),
    maximumFileSize: optional(octets(0x86)),
    fileDetails: withDefault(octets(0x84, { min: 1, max: 1 }), Uint8Array.of(0x01)),
  },
  0xa5,
);

/** TCA §8.3.3: what differs from the template, or all of it for a file of GenericFileManagement. */
export const Fcp = seq({
  fileDescriptor: optional(octets(0x82, { min: 2, max: 4 })),
  fileID: optional(octets(0x83, { min: 2, max: 2 })),
  dfName: optional(octets(0x84, { min: 5, max: 16 })),
  lcsi: withDefault(octets(0x8a, { min: 1, max: 1 }), Uint8Array.of(0x05)),
  securityAttributesReferenced: optional(octets(0x8b, { min: 1, max: 3 })),
  efFileSize: optional(octets(0x80)),
  pinStatusTemplateDO: optional(octets(0xc6)),
  shortEFID: optional(octets(0x88, { min: 0, max: 1 })),
  proprietaryEFInfo: optional(ProprietaryInfo),
  linkPath: optional(octets(0xc7, { min: 0, max: 8 })),
});
export type Fcp = Infer<typeof Fcp>;

/** TCA §8.3.2: the file's description and contents; offsets count from where the last content ended. */
export const File = seqOf(
  choice({
    doNotCreate: nullType(0x80),
    fileDescriptor: implicit(0xa1, Fcp),
    fillFileOffset: integer(0x82),
    fillFileContent: octets(0x83),
  }),
);
export type File = Infer<typeof File>;

/** TCA §8.3.5 */
export const FileManagement = seqOf(
  choice({
    filePath: octets(0x80, { min: 0, max: 8 }),
    createFCP: implicit(0x62, Fcp),
    fillFileOffset: integer(),
    fillFileContent: octets(0x81),
  }),
);
export type FileManagement = Infer<typeof FileManagement>;
