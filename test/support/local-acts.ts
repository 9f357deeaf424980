// The acts ordered on the vehicle itself, for tests of what lies before them: nothing is under way, every change goes well.
import type { LocalActs } from "../../agent/local-acts.ts";

export const quietLocalActs: LocalActs = {
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
