// What the virtual eUICC is made of and how it is driven: its identities, what it leaves the factory with, the faults it can be told
// to show, and what a test or the simulator may look at. Everything else goes through APDUs.
import type { KeyObject } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import type { Uicc } from "../contracts.ts";
import type { CardRoleName } from "./roles.ts";

/** The key pair of the eUICC under one CI, with the chain up to it; an eUICC has one or more, the first being the preferred. */
export interface EuiccIdentity {
  /** DER. The CI's subjectKeyIdentifier is the euiccCiPKId. */
  readonly ciCertificate: Uint8Array;
  readonly eumCertificate: Uint8Array;
  readonly euiccCertificate: Uint8Array;
  readonly privateKey: KeyObject;
}

/** A profile put in at the factory, for example the bootstrap profile. */
export interface FactoryProfile {
  /** Unprotected Profile Package: the profile elements one after the other, DER. See pe/builder.ts. */
  readonly upp: Uint8Array;
  /** StoreMetadataRequest, BF25. */
  readonly metadata: Uint8Array;
  readonly enabled?: boolean;
}

/** What this make of eUICC supports; figures in octets. */
export interface EuiccCapabilities {
  readonly ecall: boolean;
  readonly fallback: boolean;
  readonly immediateEnable: boolean;
  readonly ipae: boolean;
  readonly nonVolatileMemoryBytes: number;
  readonly volatileMemoryBytes: number;
  readonly maxProfiles: number;
  readonly maxEims: number;
  /** Logical channels besides the basic one; more than 3 need a terminal that announces them (ETSI TS 102 221 §11.1.19). */
  readonly channels: number;
  /** Ceiling of counterValue; at least 8388607. */
  readonly maxCounterValue: number;
  /** Larger eUICC packages get sizeOverflow. */
  readonly maxPackageBytes: number;
  /** Longer lists of results end with resultSizeOverflow. */
  readonly maxResultBytes: number;
}

/** How this make of card differs, and what goes wrong with it. All may be changed while it runs. */
export interface EuiccFaults {
  /** What follows a switch of profile: a REFRESH of that qualifier (ETSI TS 102 223 §8.6) announced by 91xx, or nothing until a reset. */
  refreshQualifier: number | "none";
  /** At most this many octets are announced by one 61xx, 1 to 256. */
  responseChunkBytes: number;
  /** So many more switches are refused with catBusy. */
  catBusyTimes: number;
  /** Lengths in responses are written in long form (BER), signed parts included. */
  berLengths: boolean;
  /** Tagged CHOICEs repeat their tag: BF51{BF51{…}}. */
  doubleTag: boolean;
  /** Responses carry a field of a later version. */
  unknownFields: boolean;
  /** The result of a package's only operation is given as 02 in place of its own tag. */
  untaggedSingleResult: boolean;
  /** Signatures are Ecdsa-Sig-Values in DER in place of 64 octets. */
  derSignatures: boolean;
  /** Certificates of GetCerts stand as whole 30 inside A5 and A6. */
  nestedCertificates: boolean;
  /** GetEimConfigurationData gives keys and certificates of eIMs as a bare 30, without the arm of their CHOICE. */
  bareKeys: boolean;
  /** cmdResult of ProfileRollback is given as 80 in place of 02. */
  taggedCmdResult: boolean;
  /** fallbackAttribute is written out where it has its default, FALSE. */
  writtenDefaults: boolean;
  /** An IoT eUICC of SGP.32 v1.0: without what came later, in the earlier forms. */
  version10: boolean;
  /** GetEID answers without 5A. */
  omitEid: boolean;
  /** The n-th segment (from 1) of the next Bound Profile Package is refused with that status word. */
  refuseSegment: { readonly segment: number; readonly sw: number } | undefined;
  /** There is room for nothing more. */
  memoryFull: boolean;
  /** The power fails once that many more operations of a package have been carried out. */
  cutPowerAfterOperations: number | undefined;
  /** eUICC signatures come out wrong. */
  wrongSignature: boolean;
  /** What STORE DATA of a function that the card has not is answered with, where it is not the usual word of its role. */
  unsupportedStatusWord: number | undefined;
  /** STORE DATA of these ES10 tags is answered with a status word, e.g. { 0xbf51: 0x6985 }. */
  statusWords: Readonly<Record<number, number>>;
}

export interface EuiccOptions {
  /** sgp32 by default; see roles.ts. */
  readonly role?: CardRoleName;
  /** 32 digits. */
  readonly eid: string;
  readonly identities: readonly EuiccIdentity[];
  readonly clock: Clock;
  /** Challenges; keys always come from the system. */
  readonly random: Random;
  /** As given to `onChange` before; then the factory contents below are not used. Throws SIM_OPTION when it is not one of ours. */
  readonly snapshot?: Uint8Array;
  /** Called within `process` after every step that must survive a power cut, with all of the card's memory, before the answer is given. */
  readonly onChange?: (snapshot: Uint8Array) => void;
  readonly profiles?: readonly FactoryProfile[];
  /** EimConfigurationData, DER; associated at the factory, with tokens where asked for (-1). */
  readonly eims?: readonly Uint8Array[];
  /** RulesAuthorisationTable, DER; allows every operator every rule by default. */
  readonly rulesAuthorisationTable?: Uint8Array;
  readonly defaultSmdpAddress?: string;
  readonly rootSmdsAddress?: string;
  /** httpParams of GetConnectivityParameters. */
  readonly connectivityParameters?: Uint8Array;
  readonly capabilities?: Partial<EuiccCapabilities>;
  readonly faults?: Partial<EuiccFaults>;
}

export interface ProfileSummary {
  /** Digits. */
  readonly iccid: string;
  readonly imsi: string | undefined;
  readonly aid: string;
  readonly state: "disabled" | "enabled";
  readonly profileName: string;
  readonly serviceProviderName: string;
  readonly fallbackAttribute: boolean;
}

export interface VirtualEuicc extends Uicc {
  readonly role: CardRoleName;
  readonly eid: string;
  readonly faults: EuiccFaults;
  /**
   * What the SM-SR sends an M2M eUICC to enable that profile: the data of an ENVELOPE. Throws SIM_OPTION when the card takes no orders over the
   * air or has no such profile.
   */
  orderOverTheAir(iccid: string): Uint8Array;
  /** Everything that survives a power cut. */
  snapshot(): Uint8Array;
  profiles(): readonly ProfileSummary[];
  /** Numbers of what waits to be acknowledged, ascending. */
  pending(): { readonly notifications: readonly number[]; readonly packageResults: readonly number[] };
  /** eimIds, in the order of association. */
  eims(): readonly string[];
}

export const defaultCapabilities: EuiccCapabilities = {
  ecall: true,
  fallback: true,
  immediateEnable: true,
  ipae: false,
  nonVolatileMemoryBytes: 512 * 1024,
  volatileMemoryBytes: 16 * 1024,
  maxProfiles: 10,
  maxEims: 5,
  channels: 19,
  maxCounterValue: 0x7fffff,
  maxPackageBytes: 16 * 1024,
  maxResultBytes: 16 * 1024,
};

export function defaultFaults(): EuiccFaults {
  return {
    refreshQualifier: 0x04,
    responseChunkBytes: 256,
    catBusyTimes: 0,
    berLengths: false,
    doubleTag: false,
    unknownFields: false,
    untaggedSingleResult: false,
    derSignatures: false,
    nestedCertificates: false,
    bareKeys: false,
    taggedCmdResult: false,
    writtenDefaults: false,
    version10: false,
    omitEid: false,
    refuseSegment: undefined,
    memoryFull: false,
    cutPowerAfterOperations: undefined,
    wrongSignature: false,
    unsupportedStatusWord: undefined,
    statusWords: {},
  };
}
