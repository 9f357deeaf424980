// Profiles, notifications, memory and first eIMs under local command, as the API offers them: who may what, and what needs a reason in the audit trail.
import { fromHex } from "../base/bytes.ts";
import { errorReport, SimwardError } from "../base/errors.ts";
import { rehearsal } from "../base/rehearsal.ts";
import type { Ipa } from "../ipa/ipa.ts";
import { parseActivationCode } from "../ipa/procedures/activation-code.ts";
import type { LocalChange, ResetOption } from "../ipa/procedures/local-assistant.ts";
import type { LocalProfile } from "../ipa/procedures/local-es10c.ts";
import type { PeerCredentials } from "./api/peer.ts";
import type {
  EimsAdded,
  MemoryReset,
  NotificationDelivery,
  NotificationList,
  ProfileChange,
  ProfileDownloaded,
  Role,
} from "./api/types.ts";
import { initialEimsOf } from "./initial-eims.ts";

export interface Asker {
  readonly role: Role;
  readonly peer: PeerCredentials | undefined;
}

export interface LocalProfileActs {
  enableProfile(by: Asker, order: { readonly target: string; readonly reason?: string | undefined }): Promise<ProfileChange>;
  /** `goesDark`: it is understood that nothing is enabled afterwards. */
  disableProfile(
    by: Asker,
    order: { readonly target: string; readonly reason?: string | undefined; readonly goesDark?: boolean | undefined },
  ): Promise<ProfileChange>;
  deleteProfile(by: Asker, order: { readonly target: string; readonly reason?: string | undefined }): Promise<ProfileChange>;
  nameProfile(by: Asker, order: { readonly target: string; readonly nickname: string }): Promise<ProfileChange>;
  /** Joins the one that is under way with the same codes. */
  downloadProfile(
    by: Asker,
    order: { readonly activationCode: string; readonly confirmationCode?: string | undefined },
  ): Promise<ProfileDownloaded>;
  notifications(): Promise<NotificationList>;
  deliverNotifications(by: Asker): Promise<NotificationDelivery>;
  resetMemory(by: Asker, order: { readonly options: readonly ResetOption[]; readonly reason: string }): Promise<MemoryReset>;
  addInitialEim(by: Asker, order: { readonly configuration: string; readonly reason: string }): Promise<EimsAdded>;
}

export interface LocalProfileParts {
  readonly ipa: Pick<Ipa, "local">;
  /** Writes who asked for what. */
  readonly audit: (act: string, by: Asker, data: Readonly<Record<string, string | null>>) => Promise<void>;
  /** Something may have changed that the status shows. */
  readonly changed: () => Promise<void>;
  /** Ends what waits. */
  readonly signal: AbortSignal;
}

export function createLocalProfiles({ ipa, audit, changed, signal }: LocalProfileParts): LocalProfileActs {
  const { local } = ipa;
  const carriedOut = async <T>(what: Promise<T>): Promise<T> => what.finally(changed);
  const change = async (done: Promise<LocalChange>): Promise<ProfileChange> => {
    const { profile, outcome } = await carriedOut(done);
    const { iccid, nickname } = profile;
    return {
      schema: "simward/profile-change/1",
      iccid,
      ...(nickname === undefined ? {} : { nickname }),
      enabled: profile.enabled,
      outcome,
    };
  };

  /** By their codes, which are good once: who asks for the same again, having left, gets the one answer. */
  const downloads = new Map<string, ReturnType<typeof local.download>>();
  const download = (codes: Parameters<typeof local.download>[0]): ReturnType<typeof local.download> => {
    if (rehearsal() !== undefined) return local.download(codes, signal);
    const key = JSON.stringify([codes.activationCode, codes.confirmationCode]);
    const underWay = downloads.get(key);
    if (underWay !== undefined) return underWay;
    const begun = carriedOut(local.download(codes, signal)).finally(() => downloads.delete(key));
    downloads.set(key, begun);
    return begun;
  };

  return {
    async enableProfile(by, { target, reason = null }) {
      await audit("profile.enableAsked", by, { target, reason });
      return change(local.enable(target, signal));
    },
    async disableProfile(by, { target, reason, goesDark }) {
      if (goesDark !== true || reason === undefined)
        throw new SimwardError("POLICY_GOES_DARK", {
          detail: "with the profile disabled the vehicle has no network; say goesDark (--i-know-it-goes-dark) and a reason (--reason)",
        });
      await audit("profile.disableAsked", by, { target, reason });
      return change(local.disable(target, signal));
    },
    async deleteProfile(by, { target, reason }) {
      // Two who delete at once must not each take the other's profile for the way back.
      const deleted = local.delete(target, signal, async ({ iccid }, profiles) => {
        if (isLastWayBack(profiles, iccid)) mayLoseWayBack(by, reason);
        await audit("profile.deleteAsked", by, { iccid, reason: reason ?? null });
      });
      return change(deleted);
    },
    async nameProfile(by, { target, nickname }) {
      await audit("profile.nicknameAsked", by, { target, nickname });
      return change(local.nickname(target, nickname, signal));
    },
    async downloadProfile(by, codes) {
      // The address may be known; what entitles to the profile may not, nor what might be it in a code with a part missing.
      const { smdpAddress } = parseActivationCode(codes.activationCode);
      await audit("profile.downloadAsked", by, { smdpAddress });
      const { iccid, profileName, serviceProviderName } = await download(codes);
      return {
        schema: "simward/profile-downloaded/1",
        ...(iccid === undefined ? {} : { iccid }),
        ...(profileName === undefined ? {} : { name: profileName }),
        ...(serviceProviderName === undefined ? {} : { serviceProvider: serviceProviderName }),
      };
    },
    async notifications() {
      const waiting = await local.notifications(signal);
      return {
        schema: "simward/notifications/1",
        notifications: waiting.map(({ seqNumber, event, receiver }) => ({ seqNumber, event, receiver })),
      };
    },
    async deliverNotifications(by) {
      await audit("notification.deliveryAsked", by, {});
      const { delivered, remaining, error } = await carriedOut(local.deliver(signal));
      return {
        schema: "simward/notification-delivery/1",
        delivered,
        remaining,
        ...(error === undefined ? {} : { error: errorReport(error) }),
      };
    },
    async resetMemory(by, { options, reason }) {
      await audit("card.memoryResetAsked", by, { options: options.join(" "), reason });
      return { schema: "simward/memory-reset/1", results: await carriedOut(local.memoryReset(options, signal)) };
    },
    async addInitialEim(by, { configuration, reason }) {
      const request = initialEimsOf(fromHex(configuration));
      const eimIds = request.eimConfigurationDataList.map(({ eimId }) => eimId);
      await audit("eim.addInitialAsked", by, { eimIds: eimIds.join(" "), reason });
      return { schema: "simward/eims-added/1", eimIds: await carriedOut(local.addInitialEim(request, signal)) };
    },
  };
}

/** Without it there is no disabled profile left that could be gone back to. A test profile has no network. */
export function isLastWayBack(profiles: readonly LocalProfile[], iccid: string): boolean {
  const isWay = ({ enabled, profileClass }: LocalProfile): boolean => !enabled && profileClass !== "test";
  const target = profiles.find((one) => one.iccid === iccid);
  return target !== undefined && isWay(target) && !profiles.some((one) => one.iccid !== iccid && isWay(one));
}

/** Throws API_FORBIDDEN, POLICY_GOES_DARK. */
function mayLoseWayBack({ role }: Asker, reason: string | undefined): void {
  if (role !== "admin")
    throw new SimwardError("API_FORBIDDEN", {
      detail: `it is the last profile that could be gone back to: deleting it needs admin.sock; this is ${role}.sock`,
    });
  if (reason === undefined)
    throw new SimwardError("POLICY_GOES_DARK", {
      detail: "it is the last profile that could be gone back to: give a reason (--reason)",
    });
}
