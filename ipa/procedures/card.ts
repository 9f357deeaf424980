// What procedures read from the eUICC, as facts beside the octets: profiles, notifications, stored package results.
import { bcdToDigits, digitsToBcd, swappedBcdToDigits } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { decode } from "../asn1/schema.ts";
import { childrenOf, rawOf, readOnlyTlv, type Tlv } from "../asn1/tlv.ts";
import { collapsed } from "../euicc/double-tag.ts";
import { type Es10, getEid, getProfilesInfo, removeNotificationFromList, retrieveNotificationsList } from "../euicc/es10.ts";
import { PendingNotification } from "../messages/notifications.ts";
import type { RetrieveNotificationsListRequest } from "../messages/package.ts";
import type { ProfileInfo } from "../messages/profile-info.ts";
import type { ProfileFacts } from "../ports.ts";
import { outcomeOf, type PackageOutcome } from "./package-facts.ts";

export interface Eid {
  readonly bytes: Uint8Array;
  readonly digits: string;
}

/** The last two digits check the others (SGP.29 §7). An EID that they do not fit is read twice: a line may lie once, a card says the same. */
export async function readEid(es10: Es10): Promise<Eid> {
  const first = await readEidOnce(es10);
  if (isEid(first.digits)) return first;
  const second = await readEidOnce(es10);
  if (second.digits === first.digits || isEid(second.digits)) return second;
  throw new SimwardError("ES10_RESPONSE", { detail: `${getEid.name}: two answers that differ, and neither is an EID` });
}

async function readEidOnce(es10: Es10): Promise<Eid> {
  const { eidValue } = await es10.call(getEid, { tagList: Uint8Array.of(0x5a) });
  return { bytes: eidValue, digits: bcdToDigits(eidValue) };
}

function isEid(digits: string): boolean {
  return /^\d{32}$/.test(digits) && BigInt(digits) % 97n === 1n;
}

export function eidOf(digits: string): Eid {
  return { bytes: digitsToBcd(digits), digits };
}

/** 5A 4F 9F70 91 92 95 99 B7 9F7B 9F26 9F67: what decisions need, without icons. */
const profileTags = Uint8Array.of(0x5a, 0x4f, 0x9f, 0x70, 0x91, 0x92, 0x95, 0x99, 0xb7, 0x9f, 0x7b, 0x9f, 0x26, 0x9f, 0x67);

export async function readProfiles(es10: Es10): Promise<readonly ProfileInfo[]> {
  const response = await es10.carryOut(getProfilesInfo, { tagList: profileTags });
  return response.kind === "profileInfoListOk" ? response.value : [];
}

export function profileFacts(profile: ProfileInfo): ProfileFacts {
  return {
    iccid: profile.iccid === undefined ? "" : swappedBcdToDigits(profile.iccid),
    enabled: profile.profileState === "enabled",
    profileClass: typeof profile.profileClass === "bigint" ? undefined : profile.profileClass,
    fallbackAttribute: profile.fallbackAttribute,
    ecallIndication: profile.ecallIndication,
    profileName: profile.profileName,
    serviceProviderName: profile.serviceProviderName,
  };
}

export interface StoredNotification {
  readonly raw: Uint8Array;
  readonly seqNumber: number;
  readonly event: string;
  /** Address of the receiver. */
  readonly receiver: string;
  /** Of a ProfileInstallationResult, hex. */
  readonly transactionId: Uint8Array | undefined;
}

/** What waits on the card, by ascending sequence number. What does not decode is left where it is. */
export async function readNotifications(
  es10: Es10,
  request: RetrieveNotificationsListRequest = {},
): Promise<readonly StoredNotification[]> {
  const list = await readList(es10, request, 0xa0);
  return list.flatMap((tlv) => notificationOf(rawOf(tlv)) ?? []).sort((a, b) => a.seqNumber - b.seqNumber);
}

export function notificationOf(raw: Uint8Array): StoredNotification | undefined {
  let notification: PendingNotification;
  try {
    notification = decode(PendingNotification, raw, { name: "PendingNotification" });
  } catch {
    return undefined;
  }
  switch (notification.kind) {
    case "profileInstallationResult": {
      const { transactionId, notificationMetadata } = notification.value.profileInstallationResultData.value;
      return { ...metadata(raw, notificationMetadata), transactionId };
    }
    case "otherSignedNotification":
    case "compactOtherSignedNotification":
      return { ...metadata(raw, notification.value.tbsOtherNotification.value), transactionId: undefined };
    case "compactProfileInstallationResult":
      return undefined;
  }
}

function metadata(
  raw: Uint8Array,
  data: {
    readonly seqNumber: number | bigint;
    readonly profileManagementOperation: readonly (string | number)[];
    readonly notificationAddress: string;
  },
): Omit<StoredNotification, "transactionId"> {
  return {
    raw,
    seqNumber: Number(data.seqNumber),
    event: String(data.profileManagementOperation[0] ?? "unknown"),
    receiver: data.notificationAddress,
  };
}

export interface StoredResult {
  readonly raw: Uint8Array;
  readonly outcome: PackageOutcome;
  readonly seqNumber: number;
}

/** Package results that no eIM has acknowledged (SGP.32 §5.9.11), by ascending sequence number. */
export async function readPackageResults(es10: Es10): Promise<readonly StoredResult[]> {
  const request: RetrieveNotificationsListRequest = { searchCriteria: { kind: "euiccPackageResults", value: true } };
  const list = await readList(es10, request, 0xa2);
  return list
    .flatMap((tlv) => {
      const raw = rawOf(tlv);
      try {
        const outcome = outcomeOf(raw, []);
        return outcome.seqNumber === undefined ? [] : [{ raw, outcome, seqNumber: outcome.seqNumber }];
      } catch {
        return [];
      }
    })
    .sort((a, b) => a.seqNumber - b.seqNumber);
}

async function readList(es10: Es10, request: RetrieveNotificationsListRequest, tag: number): Promise<readonly Tlv[]> {
  const { raw, value } = await es10.ask(retrieveNotificationsList, request);
  if (value.kind === "notificationsListResultError")
    throw new SimwardError("ES10_REFUSED", { detail: `ES10b.RetrieveNotificationsList: ${value.value}` });
  const list = childrenOf(collapsed(readOnlyTlv(raw))).find((child) => child.tag === tag);
  return list === undefined ? [] : childrenOf(list).map(collapsed);
}

/** A number already gone is no error. Throws ES10_REFUSED. */
export async function removeFromList(es10: Es10, seqNumber: number): Promise<void> {
  await es10.carryOut(removeNotificationFromList, { seqNumber });
}
