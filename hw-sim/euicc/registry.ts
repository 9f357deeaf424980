// The profiles in the card's memory, as pure functions of it: finding them, switching between them, and the notifications that follow.
// A switch becomes visible to the terminal at the REFRESH or reset after it.
import { concatBytes, equalBytes, fromHex, uintToBytes } from "../../base/bytes.ts";
import { encode } from "../../ipa/asn1/schema.ts";
import { NotificationMetadata, PendingNotification } from "../../ipa/messages/notifications.ts";
import { type EuiccCore, metadataOf } from "./core.ts";
import type { CardState, NotificationEventName, StoredProfile } from "./state.ts";

const isdpAidHead = fromHex("A0000005591010FFFFFFFF8900");
const firstIsdp = 0x0010;

export function enabledProfile(state: CardState): StoredProfile | undefined {
  return state.profiles.find((profile) => profile.state === "enabled");
}

export function profileByIccid(state: CardState, iccid: Uint8Array): StoredProfile | undefined {
  return state.profiles.find((profile) => equalBytes(profile.iccid, iccid));
}

export function profileByAid(state: CardState, aid: Uint8Array): StoredProfile | undefined {
  return state.profiles.find((profile) => equalBytes(profile.aid, aid));
}

/** The lowest ISD-P AID that is free (SGP.02 §2.2.1.3). */
export function freeIsdpAid(state: CardState): Uint8Array {
  for (let number = firstIsdp; ; number++) {
    const aid = concatBytes(isdpAidHead, uintToBytes(number, 2), Uint8Array.of(0x00));
    if (profileByAid(state, aid) === undefined) return aid;
  }
}

/** Whether a profile policy rule forbids it: ppr1 the disabling, ppr2 the deletion (SGP.22 §2.9.1). */
export function forbids(profile: StoredProfile, rule: "ppr1" | "ppr2"): boolean {
  return metadataOf(profile).profilePolicyRules?.includes(rule) ?? false;
}

export function withProfile(state: CardState, aid: Uint8Array, change: Partial<StoredProfile>): CardState {
  return { ...state, profiles: state.profiles.map((profile) => (equalBytes(profile.aid, aid) ? { ...profile, ...change } : profile)) };
}

/** That profile enabled, or none, and every other disabled. */
export function withEnabled(state: CardState, aid: Uint8Array | undefined): CardState {
  return {
    ...state,
    profiles: state.profiles.map((profile) => ({
      ...profile,
      state: aid !== undefined && equalBytes(profile.aid, aid) ? "enabled" : "disabled",
    })),
  };
}

/** The switch, and the notifications that the two profiles' metadata ask for, the disabled one's first (SGP.22 §3.5). */
export function switched(core: EuiccCore, state: CardState, aid: Uint8Array | undefined): CardState {
  const before = enabledProfile(state);
  const after = aid === undefined ? undefined : profileByAid(state, aid);
  let out = withEnabled(state, aid);
  if (before !== undefined) out = notified(core, out, before, "notificationDisable");
  return after === undefined ? out : notified(core, out, after, "notificationEnable");
}

/** One signed notification for each address that the profile's metadata name for the event (SGP.22 §3.5). */
export function notified(core: EuiccCore, state: CardState, profile: StoredProfile, event: NotificationEventName): CardState {
  const wanted = (metadataOf(profile).notificationConfigurationInfo ?? []).filter((entry) =>
    entry.profileManagementOperation.includes(event),
  );
  return wanted.reduce((out, { notificationAddress }) => withNotification(core, out, profile, event, notificationAddress), state);
}

function withNotification(
  core: EuiccCore,
  state: CardState,
  profile: StoredProfile,
  event: NotificationEventName,
  address: string,
): CardState {
  const identity = core.signer(profile.ciPKId);
  const seqNumber = state.seqCounter + 1;
  const tbsOtherNotification = core.seal(NotificationMetadata, {
    seqNumber,
    profileManagementOperation: [event],
    notificationAddress: address,
    iccid: profile.iccid,
  });
  const tlv = encode(PendingNotification, {
    kind: "otherSignedNotification",
    value: {
      tbsOtherNotification,
      euiccNotificationSignature: core.sign(identity, tbsOtherNotification.raw),
      euiccCertificate: identity.euiccCertificate,
      eumCertificate: identity.eumCertificate,
    },
  });
  const entry = { seqNumber, event, metadata: tbsOtherNotification.raw, tlv };
  return { ...state, seqCounter: seqNumber, notifications: [...state.notifications, entry] };
}
