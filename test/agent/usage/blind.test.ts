// Billing-blind: over the sockets of roles that may not see usage no amount of data leaves the daemon, by whatever route, and all else does.
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createEventHub } from "../../../agent/api/events.ts";
import type { ApiServices } from "../../../agent/api/route.ts";
import { type ApiServer, serveApi } from "../../../agent/api/server.ts";
import type { PolicyReport, Role, Status } from "../../../agent/api/types.ts";
import type { AuditRecord } from "../../../agent/audit/types.ts";
import { withoutUsage } from "../../../agent/usage/blind.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { silentLog } from "../../../base/log.ts";
import { quietServices as quietServicesOf } from "../../support/quiet-services.ts";

const amount = 312_345_678;
const words = "all: 312.3 MB of 500 MB used, then block";
const alarm = { code: "USAGE_WARNING", message: words, next: "simward usage show" };
const record = (seq: number, event: string, data: AuditRecord["data"], cause = "x"): AuditRecord => ({
  ...{ seq, time: "2026-06-10T00:00:00.000Z", timeSource: "network", prev: "0".repeat(64), event, cause },
  ...(data === undefined ? {} : { data }),
});
const records = [
  record(1, "daemon.started", {}),
  record(2, "usage.period", { party: "fleet", sentBytes: amount }),
  record(3, "session.ended", { receivedBytes: amount, apn: "iot.example" }),
  record(4, "policy.verdict", { to: "warn", reason: words }, "policy:usage"),
  record(5, "lifecycle.stage", { to: "suspended", usedBytes: amount }),
  record(6, "network.changed", { plmn: "26201" }),
];

const quietServices = quietServicesOf();
let dir = "";
let server: ApiServer;
const hub = createEventHub({ clock: new VirtualClock() });
hub.publish("usage.step", { usedBytes: amount });
hub.publish("alarm", { rule: "usage", code: "USAGE_WARNING", reason: words });
hub.publish("policy.data", { verdict: { kind: "refuse", rule: "usage", reason: words } });
for (const one of records) hub.publish("audit", { record: one });
hub.publish("path.up", { apn: "iot.example" });

const services = (usageAccess: Role): ApiServices => ({
  ...quietServices,
  usageAccess,
  status: async () =>
    ({
      ...(await quietServices.status()),
      schema: "simward/status/1",
      stage: "operational",
      usage: { usedBytes: amount, limitBytes: 500_000_000, state: "warn", words: "this month" },
      alarms: [alarm, { code: "IMEI_LOCK_MISMATCH", message: "m", next: "n" }],
    }) as unknown as Status,
  policy: {
    ...quietServices.policy,
    explain: () =>
      ({
        schema: "simward/policy/1",
        data: { kind: "refuse", rule: "usage", reason: words },
        held: false,
        rules: [
          { rule: "usage", verdicts: { data: { kind: "refuse", rule: "usage", reason: words } }, actions: ["alarm"], explain: words },
          { rule: "lifecycle", verdicts: {}, actions: [], explain: `in factory test, ${amount} of 500000000 bytes used` },
        ],
        facts: { lifecycle: { stage: "factory_test", usedBytes: amount, capBytes: amount }, usage: { caps: [{ usedBytes: amount }] } },
      }) as unknown as PolicyReport,
  },
  auditRecords: async () => ({ schema: "simward/audit/1", records }),
  async *auditLines() {
    for (const one of records) yield JSON.stringify(one);
  },
  events: (after, fn) => hub.subscribe(after, fn),
});

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-blind-"));
});
afterEach(async () => {
  await server.close();
  await rm(dir, { recursive: true, force: true });
});

const listen = async (usageAccess: Role): Promise<void> => {
  server = await serveApi({ dir, usage_access: usageAccess }, services(usageAccess), silentLog);
};

/** What comes until `enough`, or the end. */
async function get(role: Role, path: string, enough?: RegExp): Promise<{ readonly status: number | undefined; readonly body: string }> {
  const asked = request({ socketPath: join(dir, `${role}.sock`), path, agent: false });
  asked.end();
  const [response] = await once(asked, "response");
  let body = "";
  for await (const chunk of response) {
    body += String(chunk);
    if (enough?.test(body)) break;
  }
  asked.destroy();
  return { status: response.statusCode, body };
}

const amounts = new RegExp(`${amount}|312\\.3|USAGE_|usage\\.`);

describe("with usage_access = engineer", () => {
  const asked: readonly (readonly [string, RegExp | undefined, readonly string[]])[] = [
    ["/v1/status", undefined, ["operational", "IMEI_LOCK_MISMATCH"]],
    ["/v1/policy", undefined, ['"refuse"', '"rule":"usage"', "factory_test"]],
    ["/v1/audit", undefined, ["daemon.started", "session.ended", "suspended", "26201"]],
    ["/v1/audit/lines", undefined, ["daemon.started", "26201"]],
    ["/v1/events?after=0", /path\.up/, ["policy.data", "26201", "session.ended"]],
    ["/v1/metrics", undefined, ["simward_info"]],
  ];
  test.each(asked)("GET %s shows the viewer no usage, and all else", async (path, enough, there) => {
    await listen("engineer");
    const viewer = await get("viewer", path, enough);
    expect(viewer.status).toBe(200);
    expect(viewer.body).not.toMatch(amounts);
    for (const text of there) expect(viewer.body).toContain(text);
    expect((await get("engineer", path, enough)).body).toMatch(amounts);
  });

  test("usage itself is refused to the viewer, and a line of the trail is whole or not there", async () => {
    await listen("engineer");
    for (const path of ["/v1/usage", "/v1/usage/export"]) {
      expect(await get("viewer", path)).toMatchObject({ status: 403, body: expect.stringContaining("engineer.sock") });
      expect((await get("engineer", path)).status).toBe(200);
    }
    const lines = (await get("viewer", "/v1/audit/lines")).body.trimEnd().split("\n").slice(1);
    expect(lines).toEqual([records[0], records[5]].map((one) => JSON.stringify(one)));
  });
});

test("by default the viewer sees it", async () => {
  await listen("viewer");
  expect((await get("viewer", "/v1/usage")).status).toBe(200);
  expect((await get("viewer", "/v1/status")).body).toContain(String(amount));
});

test("words keep their sense without the amounts; what is no usage stays", () => {
  expect(withoutUsage({ a: "120 of 500 bytes", b: "no 3 of 12 APNs", freeNvmBytes: 5, mtuBytes: 1_400 })).toEqual({
    ...{ a: "some data", b: "no 3 of 12 APNs", freeNvmBytes: 5, mtuBytes: 1_400 },
  });
});
