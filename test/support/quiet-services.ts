// A vehicle on which nothing happens, as the local API sees it: for tests of what lies before the agent.
import { createEventHub, type EventHub } from "../../agent/api/events.ts";
import type { ApiServices } from "../../agent/api/route.ts";
import { VirtualClock } from "../../base/clock.ts";
import { quietLocalActs } from "./local-acts.ts";

export function quietServices(hub: EventHub = createEventHub({ clock: new VirtualClock() })): ApiServices {
  return {
    ...quietLocalActs,
    status: async () => ({
      schema: "simward/status/1",
      ...{ version: "dev", time: "2026-06-02T00:00:00.000Z", timeSource: "network", uptimeMs: 1 },
      profiles: [],
      network: { link: "ready", registration: "home" },
      eims: [],
      pending: { notifications: 0, packageResults: 0 },
      audit: { seq: 0, hash: "" },
      alarms: [],
    }),
    profiles: async () => ({ schema: "simward/profiles/1", eid: "", profiles: [] }),
    pollEim: async () => ({ schema: "simward/poll/1", eims: [] }),
    auditRecords: async () => ({ schema: "simward/audit/1", records: [] }),
    verifyAudit: async () => ({
      schema: "simward/audit-verification/1",
      ...{ ok: true, records: 0, firstSeq: 0, head: { seq: 0, hash: "" }, tornBytes: 0, checkpoints: 0 },
    }),
    events: (after, fn) => hub.subscribe(after, fn),
    auditAdminAct: async () => {},
  };
}
