// What the eUICC remembers without power, as one value: each change makes a new one, whole, and hands it out to be kept.
// Its form on disk is JSON with octets in hex; the RSP session is not part of it.
import { fromHex, fromUtf8, toHex, utf8 } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import type { OverTheAirKeys } from "./over-the-air.ts";
import type { CardRoleName } from "./roles.ts";

export interface StoredProfile {
  readonly aid: Uint8Array;
  /** As in EF.ICCID. */
  readonly iccid: Uint8Array;
  readonly state: "disabled" | "enabled";
  /** StoreMetadataRequest, BF25. */
  readonly metadata: Uint8Array;
  readonly nickname?: string;
  /** DpProprietaryData of ConfigureISDP, its DER. */
  readonly dpProprietaryData?: Uint8Array;
  readonly upp: Uint8Array;
  /** Files that were updated since, by their path from the MF. */
  readonly updates: Readonly<Record<string, Uint8Array>>;
  /** PINs and, by their reference and 100 (hex) more, PUKs that have changed since. */
  readonly pins?: Readonly<Record<string, PinState>>;
  readonly fallbackAttribute: boolean;
  readonly preloaded: boolean;
  /** Its notifications are signed with the key under this CI. */
  readonly ciPKId: Uint8Array;
}

export interface PinState {
  readonly value: Uint8Array;
  readonly enabled: boolean;
  readonly left: number;
}

export interface StoredEim {
  readonly eimId: string;
  /** EimConfigurationData without counter and token, which change. */
  readonly configuration: Uint8Array;
  readonly counterValue: number;
  readonly associationToken?: number;
}

export interface StoredNotification {
  readonly seqNumber: number;
  readonly event: NotificationEventName;
  /** NotificationMetadata, BF2F. */
  readonly metadata: Uint8Array;
  /** PendingNotification. */
  readonly tlv: Uint8Array;
}

export type NotificationEventName = "notificationInstall" | "notificationEnable" | "notificationDisable" | "notificationDelete";

export interface StoredResult {
  readonly seqNumber: number;
  /** EuiccPackageResult, BF51. */
  readonly tlv: Uint8Array;
}

/** A package being carried out: what a power cut must not lose. */
export interface Execution {
  readonly eimId: string;
  readonly counterValue: number;
  readonly eimTransactionId?: Uint8Array;
  /** What its result is signed with, even when the package removes its own eIM. */
  readonly ciPKId: Uint8Array;
  readonly associationToken?: number;
  /** EuiccResultData each. */
  readonly results: readonly Uint8Array[];
}

/** The permission that an enable with rollbackFlag gave. */
export interface Rollback {
  /** The profile to go back to. */
  readonly aid: Uint8Array;
  readonly execution: Execution;
  /** Of the stored result that the rollback replaces; unknown while the package is still being carried out. */
  readonly seqNumber?: number;
}

export interface ImmediateEnable {
  readonly flag: boolean;
  readonly smdpOid?: string;
  readonly smdpAddress?: string;
}

/** A Bound Profile Package being loaded, so that its end by a power cut can be reported. */
export interface Installing {
  readonly transactionId: Uint8Array;
  readonly smdpOid: string;
  readonly smdpAddress: string;
  readonly ciPKId: Uint8Array;
}

/** The last list of a CI, as far as its parts have come. */
export interface StoredCrl {
  readonly ciPKId: Uint8Array;
  readonly crlNumber: number;
  readonly of: number;
  /** Serial numbers in hex. */
  readonly parts: readonly { readonly number: number; readonly revoked: readonly string[] }[];
}

export interface CardState {
  readonly version: 1;
  readonly eid: string;
  /** sgp32 where none is named. */
  readonly role?: CardRoleName;
  readonly profiles: readonly StoredProfile[];
  readonly eims: readonly StoredEim[];
  /** Last association token given out. */
  readonly tokenCounter: number;
  /** Last sequence number given out, to notifications and package results alike. */
  readonly seqCounter: number;
  readonly notifications: readonly StoredNotification[];
  readonly packageResults: readonly StoredResult[];
  readonly defaultSmdpAddress?: string;
  readonly immediateEnable?: ImmediateEnable;
  readonly rollback?: Rollback;
  /** The profile that fallback left, enabled again by ReturnFromFallback. */
  readonly fallbackFrom?: Uint8Array;
  /** Set while the emergency profile is enabled: what to enable afterwards. */
  readonly emergency?: { readonly previous?: Uint8Array };
  readonly execution?: Execution;
  readonly installing?: Installing;
  /** Key pair of a download that has not been installed; its owner may bind the package to it again. */
  readonly oneTimeKey?: { readonly curve: "prime256v1" | "brainpoolP256r1"; readonly privateValue: Uint8Array };
  readonly ipaMode: "ipad" | "ipae";
  readonly crls?: readonly StoredCrl[];
  /** Of a card that takes orders over the air. */
  readonly overTheAir?: OverTheAirKeys;
}

export function encodeSnapshot(state: CardState): Uint8Array {
  return utf8(JSON.stringify(state, (_, value: unknown) => (value instanceof Uint8Array ? { hex: toHex(value) } : value)));
}

/** Throws SIM_OPTION. */
export function decodeSnapshot(snapshot: Uint8Array, eid: string, role: CardRoleName = "sgp32"): CardState {
  let state: CardState;
  try {
    state = JSON.parse(fromUtf8(snapshot), (_, value: unknown) => (isHex(value) ? fromHex(value.hex) : value)) as CardState;
  } catch (error) {
    throw new SimwardError("SIM_OPTION", { detail: "the eUICC's memory is no JSON", cause: error });
  }
  if (state.version !== 1) throw new SimwardError("SIM_OPTION", { detail: `the eUICC's memory has version ${state.version}` });
  if (state.eid !== eid) throw new SimwardError("SIM_OPTION", { detail: "the eUICC's memory belongs to another EID" });
  const { role: kept = "sgp32" } = state;
  if (kept !== role) throw new SimwardError("SIM_OPTION", { detail: `the memory is that of a card of role ${kept}, not ${role}` });
  return state;
}

function isHex(value: unknown): value is { hex: string } {
  return typeof value === "object" && value !== null && "hex" in value && typeof value.hex === "string" && Object.keys(value).length === 1;
}

/** The state without one of its optional parts. */
export function without<
  K extends
    | "rollback"
    | "fallbackFrom"
    | "emergency"
    | "execution"
    | "installing"
    | "oneTimeKey"
    | "immediateEnable"
    | "defaultSmdpAddress",
>(state: CardState, ...keys: readonly K[]): CardState {
  const out: Record<string, unknown> = { ...state };
  for (const key of keys) delete out[key];
  return out as unknown as CardState;
}
