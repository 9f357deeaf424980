// The acts ordered on the vehicle itself, for tests of what lies before them: nothing is under way, every change goes well.
import type { LocalActs } from "../../agent/local-acts.ts";
import type { LocalProfileActs } from "../../agent/local-profiles.ts";
import type { TrustActs } from "../../agent/trust.ts";

const lock = async () => ({ schema: "simward/imei-lock/1", state: "unpaired", differs: [] }) as const;
const keys = { schema: "simward/keys/1", roots: [], keys: [], revoked: [] } as const;
const trust: TrustActs = { imeiLock: lock, pairImei: lock, obeyImeiLock: lock, keys: () => keys, installKeys: async () => keys };
const changed = async () => ({ schema: "simward/profile-change/1", iccid: "", enabled: false, outcome: "done" }) as const;

const local: LocalProfileActs = {
  enableProfile: changed,
  disableProfile: changed,
  deleteProfile: changed,
  nameProfile: changed,
  downloadProfile: async () => ({ schema: "simward/profile-downloaded/1" }),
  notifications: async () => ({ schema: "simward/notifications/1", notifications: [] }),
  deliverNotifications: async () => ({ schema: "simward/notification-delivery/1", delivered: 0, remaining: 0 }),
  resetMemory: async () => ({ schema: "simward/memory-reset/1", results: {} }),
  addInitialEim: async () => ({ schema: "simward/eims-added/1", eimIds: [] }),
};

export const quietLocalActs: LocalActs & { readonly local: LocalProfileActs; readonly trust: TrustActs } = {
  local,
  trust,
  emergency: () => ({ schema: "simward/emergency/1", active: false, sources: [] }),
  setEmergency: async (_by, { active, forSeconds = 900 }) => ({
    schema: "simward/emergency/1",
    active,
    sources: active ? ["api"] : [],
    ...(active ? { remainingMs: forSeconds * 1_000 } : {}),
  }),
  setEmergencyProfile: async () => ({ schema: "simward/profile-switch/1", outcome: "switched", online: true }),
  fallback: async () => ({ schema: "simward/profile-switch/1", outcome: "switched", online: true }),
  setImmediateEnable: async ({ enabled }) => ({ schema: "simward/immediate-enable/1", enabled }),
};
