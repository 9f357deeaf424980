// The profile elements of codes and keys: PIN, PUK, AKA and CDMA parameters (TCA §8.4, §8.5).
// Defaults are the ones the format prescribes.
import {
  choice,
  explicit,
  type Infer,
  implicit,
  integer,
  namedInteger,
  octets,
  optional,
  seq,
  seqOf,
  withDefault,
} from "../../../ipa/asn1/schema.ts";
import { PEHeader } from "./common.ts";

const header = implicit(0xa0, PEHeader);

export const pinKeyReferences = {
  pinAppl1: 1,
  pinAppl2: 2,
  pinAppl3: 3,
  pinAppl4: 4,
  pinAppl5: 5,
  pinAppl6: 6,
  pinAppl7: 7,
  pinAppl8: 8,
  adm1: 10,
  adm2: 11,
  adm3: 12,
  adm4: 13,
  adm5: 14,
  secondPINAppl1: 129,
  secondPINAppl2: 130,
  secondPINAppl3: 131,
  secondPINAppl4: 132,
  secondPINAppl5: 133,
  secondPINAppl6: 134,
  secondPINAppl7: 135,
  secondPINAppl8: 136,
  adm6: 138,
  adm7: 139,
  adm8: 140,
  adm9: 141,
  adm10: 142,
} as const;

export const pukKeyReferences = {
  pukAppl1: 1,
  pukAppl2: 2,
  pukAppl3: 3,
  pukAppl4: 4,
  pukAppl5: 5,
  pukAppl6: 6,
  pukAppl7: 7,
  pukAppl8: 8,
  secondPUKAppl1: 129,
  secondPUKAppl2: 130,
  secondPUKAppl3: 131,
  secondPUKAppl4: 132,
  secondPUKAppl5: 133,
  secondPUKAppl6: 134,
  secondPUKAppl7: 135,
  secondPUKAppl8: 136,
} as const;

/** TCA §8.4.2: attempts allowed in the high nibble, attempts left in the low one. */
export const PINConfiguration = seq({
  keyReference: namedInteger(pinKeyReferences, 0x80),
  pinValue: octets(0x81, { min: 8, max: 8 }),
  unblockingPINReference: optional(namedInteger(pukKeyReferences, 0x82)),
  pinAttributes: withDefault(integer(0x83), 7),
  "maxNumOfAttemps-retryNumLeft": withDefault(integer(0x84), 51),
});
export type PINConfiguration = Infer<typeof PINConfiguration>;

/** TCA §8.4.2: for the directory made last, or shared with another one. */
export const PE_PINCodes = seq({
  "pin-Header": header,
  pinCodes: explicit(0xa1, choice({ pinconfig: seqOf(PINConfiguration, 0xa0), filePath: octets(0x81, { min: 0, max: 8 }) })),
});

export const PUKConfiguration = seq({
  keyReference: namedInteger(pukKeyReferences, 0x80),
  pukValue: octets(0x81, { min: 8, max: 8 }),
  "maxNumOfAttemps-retryNumLeft": withDefault(integer(0x82), 170),
});
export type PUKConfiguration = Infer<typeof PUKConfiguration>;

/** TCA §8.4.3 */
export const PE_PUKCodes = seq({ "puk-Header": header, pukCodes: seqOf(PUKConfiguration, 0xa1) });

const xoringConstants = new Uint8Array(80);
for (const [index, value] of [0, 1, 2, 4, 8].entries()) xoringConstants[index * 16 + 15] = value;

/** TCA §8.5.2; rotation and XOR constants are those of 3GPP TS 35.206 §4.1. */
export const AlgoParameter = seq({
  algorithmID: namedInteger({ milenage: 1, tuak: 2, "usim-test-algorithm": 3 }, 0x80),
  algorithmOptions: octets(0x81, { min: 1, max: 1 }),
  key: octets(0x82),
  opc: octets(0x83),
  rotationConstants: withDefault(octets(0x84, { min: 5, max: 5 }), Uint8Array.of(0x40, 0x00, 0x20, 0x40, 0x60)),
  xoringConstants: withDefault(octets(0x85, { min: 80, max: 80 }), xoringConstants),
  authCounterMax: optional(octets(0x86, { min: 3, max: 3 })),
  numberOfKeccak: withDefault(integer(0x87), 1),
});
export type AlgoParameter = Infer<typeof AlgoParameter>;

export const MappingParameter = seq({ mappingOptions: octets(0x80, { min: 1, max: 1 }), mappingSource: octets(0x81, { min: 5, max: 16 }) });

const sqnLimit = Uint8Array.of(0x00, 0x00, 0x10, 0x00, 0x00, 0x00);
const sqn = octets(0x04, { min: 6, max: 6 });

/** TCA §8.5.2 */
export const PE_AKAParameter = seq({
  "aka-header": header,
  algoConfiguration: explicit(
    0xa1,
    choice({ mappingParameter: implicit(0xa0, MappingParameter), algoParameter: implicit(0xa1, AlgoParameter) }),
  ),
  sqnOptions: withDefault(octets(0x82, { min: 1, max: 1 }), Uint8Array.of(0x02)),
  sqnDelta: withDefault(octets(0x83, { min: 6, max: 6 }), sqnLimit),
  sqnAgeLimit: withDefault(octets(0x84, { min: 6, max: 6 }), sqnLimit),
  sqnInit: withDefault(
    seqOf(sqn, 0xa5),
    Array.from({ length: 32 }, () => new Uint8Array(6)),
  ),
});
export type PE_AKAParameter = Infer<typeof PE_AKAParameter>;

/** TCA §8.5.3 */
export const PE_CDMAParameter = seq({
  "cdma-header": header,
  authenticationKey: octets(0x81, { min: 8, max: 8 }),
  ssd: optional(octets(0x82, { min: 16, max: 16 })),
  hrpdAccessAuthenticationData: optional(octets(0x83, { min: 2, max: 32 })),
  simpleIPAuthenticationData: optional(octets(0x84, { min: 3, max: 483 })),
  mobileIPAuthenticationData: optional(octets(0x85, { min: 5, max: 957 })),
});
