// The list of what waits to be delivered: notifications and package results, by sequence number, until the assistant removes them
// (SGP.22 §5.7.9 to §5.7.11, SGP.32 §5.9.11).
import { SimwardError } from "../../../base/errors.ts";
import { decode, type Infer } from "../../../ipa/asn1/schema.ts";
import { writeTlv } from "../../../ipa/asn1/tlv.ts";
import {
  type ListNotificationRequest,
  type ListNotificationResponse,
  NotificationMetadata,
  type NotificationSentRequest,
  type NotificationSentResponse,
} from "../../../ipa/messages/notifications.ts";
import type { RetrieveNotificationsListRequest } from "../../../ipa/messages/package.ts";
import type { EuiccCore } from "../core.ts";

/** ES10b.ListNotification */
export function listNotification(
  core: EuiccCore,
  { profileManagementOperation: events }: ListNotificationRequest,
): ListNotificationResponse {
  const wanted = core.state.notifications.filter((entry) => events === undefined || events.includes(entry.event));
  return { kind: "notificationMetadataList", value: wanted.map((entry) => decode(NotificationMetadata, entry.metadata)) };
}

/** ES10b.RetrieveNotificationsList; what is stored is given out as it was signed. */
export function retrieveNotificationsList(core: EuiccCore, { searchCriteria }: Infer<typeof RetrieveNotificationsListRequest>): Uint8Array {
  const { notifications, packageResults } = core.state;
  const answer = (tag: number, list: readonly { readonly tlv: Uint8Array }[]): Uint8Array =>
    writeTlv(0xbf2b, writeTlv(tag, ...list.map((entry) => entry.tlv)));
  switch (searchCriteria?.kind) {
    case undefined:
      return answer(0xa0, notifications);
    case "profileManagementOperation":
      return answer(
        0xa0,
        notifications.filter((entry) => searchCriteria.value.includes(entry.event)),
      );
    case "euiccPackageResults":
      // SGP.22's criteria end at 81 (§5.7.10).
      if (core.role.es10 === "sgp22") throw new SimwardError("ASN1_TAG", { detail: "82 is no search criterion of SGP.22" });
      return answer(0xa2, packageResults);
    case "seqNumber": {
      const has = (entry: { readonly seqNumber: number }): boolean => entry.seqNumber === searchCriteria.value;
      const results = packageResults.filter(has);
      return results.length > 0 ? answer(0xa2, results) : answer(0xa0, notifications.filter(has));
    }
  }
}

/** ES10b.RemoveNotificationFromList, for package results too. */
export function removeNotification(core: EuiccCore, { seqNumber }: NotificationSentRequest): NotificationSentResponse {
  const isIt = (entry: { readonly seqNumber: number }): boolean => entry.seqNumber === seqNumber;
  const { notifications, packageResults } = core.state;
  if (!notifications.some(isIt) && !packageResults.some(isIt)) return { deleteNotificationStatus: "nothingToDelete" };
  core.update((state) => ({
    ...state,
    notifications: state.notifications.filter((entry) => !isIt(entry)),
    packageResults: state.packageResults.filter((entry) => !isIt(entry)),
  }));
  return { deleteNotificationStatus: "ok" };
}
