// Roaming and markets in their place: the configured rule file, orders through the API, alarms and records; and how it is shown.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createAlarms } from "../../../agent/alarms.ts";
import type { AuditEvent } from "../../../agent/audit/types.ts";
import { createOutput } from "../../../agent/cli/output.ts";
import { renderRoaming } from "../../../agent/cli/verbs/roaming.ts";
import { parseConfig } from "../../../agent/config/load.ts";
import type { LastingFacts, VehicleFacts } from "../../../agent/policy/types.ts";
import { defaultRoamingRules } from "../../../agent/roaming/default-rules.ts";
import { createTravel } from "../../../agent/travel.ts";
import { fromUtf8 } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { faultDisk } from "../../../base/fault-disk.ts";
import { silentLog } from "../../../base/log.ts";
import { seededRandom } from "../../../base/random.ts";
import { dayMs, german, imei } from "./road.ts";

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-travel-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const admin = { role: "admin", peer: { uid: 7, pid: 8, gid: 9 } } as const;
const rules = (version: number): string => JSON.stringify({ ...defaultRoamingRules, version });

async function vehicle(more = "") {
  const config = parseConfig(`[modem]\naddress = "pty:/x"\n[roaming]\nrules_file = "${dir}/rules.json"\n${more}`);
  const clock = new VirtualClock();
  const alarms = createAlarms();
  const audited: AuditEvent[] = [];
  const told: LastingFacts[] = [];
  const travel = await createTravel({
    ...{ config, clock, alarms, disk: faultDisk(seededRandom(1)), log: silentLog, publish: () => undefined },
    audit: async (event) => void audited.push(event),
    records: async function* () {},
    engine: { update: async (facts) => void told.push(facts) },
    // The signatures of the fleet are tested with the rule book; here "good" is one.
    keys: {
      has: () => true,
      signerOf: (_purpose, _content, signature) => (fromUtf8(signature) === "good" ? "policy-1" : undefined),
      status: () => ({ keys: [], revoked: [] }),
    },
    emergency: { sources: [], onChange: () => () => undefined },
  });
  const start = (): void =>
    travel.start({
      local: { profiles: async () => [], enable: () => Promise.reject(new Error("not asked for")) },
      ...{ eims: () => [], leaveOperator: () => undefined, changed: async () => undefined, signal: new AbortController().signal },
    });
  const seen: VehicleFacts = {
    ...{ imei, ...german, country: "TR", plmn: "28601", registered: true, dataSession: true, clockTrusted: true, todayDay: 0 },
  };
  const put = async (text: string, signature: string): Promise<void> => {
    await writeFile(join(dir, "rules.json"), text);
    await writeFile(join(dir, "rules.json.sig"), signature);
  };
  const codes = (): string[] => alarms.list().map(({ code }) => code);
  /** What was asked of the disk of this machine has been answered; the test's own limit ends it otherwise. */
  const read = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
  };
  return { travel, start, clock, alarms, audited, told, seen, put, codes, read, events: () => audited.map(({ event }) => event) };
}

describe("the configured rule file", () => {
  it("is taken at the start, and a newer one within the hour", async () => {
    const { travel, start, put, clock, read } = await vehicle();
    await put(rules(3), "good");
    start();
    await read(() => travel.roamingRules().version === 3);
    await put(rules(4), "good");
    await clock.advance(3_600_000);
    await read(() => travel.roamingRules().version === 4);
    expect(travel.roamingRules()).toMatchObject({ signedBy: "policy-1", overridden: [], unknownOverrides: [] });
  });

  it("that is not there, or bad, is an alarm, recorded once, and leaves the rules before it in force; a good one ends the alarm", async () => {
    const { travel, start, put, clock, codes, events, read } = await vehicle();
    start();
    await read(() => codes().includes("CONFIG_READ"));
    await put(rules(3), "bad");
    await clock.advance(3_600_000);
    await read(() => codes().includes("ROAMING_RULES"));
    await clock.advance(5 * 3_600_000);
    expect(travel.roamingRules()).toMatchObject({ version: defaultRoamingRules.version });
    expect(events()).toEqual(["roaming.rulesRefused", "roaming.rulesRefused"]);
    await put(rules(3), "good");
    await clock.advance(3_600_000);
    await read(() => travel.roamingRules().version === 3);
    expect([codes(), events().at(-1)]).toEqual([[], "roaming.rulesInstalled"]);
  });
});

describe("orders through the API", () => {
  it("install rules, recorded with who gave them and why; refused ones are recorded too", async () => {
    const { travel, audited } = await vehicle();
    const signature = Buffer.from("good").toString("base64");
    expect(await travel.installRoamingRules(admin, { rules: rules(9), signature, reason: "rules of 2027" })).toMatchObject({
      outcome: "installed",
      version: 9,
    });
    const bad = travel.installRoamingRules(admin, { rules: rules(8), signature, reason: "older" });
    await expect(bad).rejects.toMatchObject({ code: "ROAMING_RULES" });
    expect(audited).toMatchObject([
      {
        event: "roaming.rulesInstalled",
        cause: "operator:7",
        data: { role: "admin", uid: 7, pid: 8, reason: "rules of 2027", version: 9 },
      },
      { event: "roaming.rulesRefused", cause: "operator:7", data: { reason: "older", code: "ROAMING_RULES", inForce: 9 } },
    ]);
  });

  it("show how the vehicle stands, for people and for programs", async () => {
    const { travel, seen, clock, told } = await vehicle(
      "[policy.roaming.tr-90-in-120]\nact_at = 70\n[policy.roaming.nobody]\noff = true\n",
    );
    travel.see(seen);
    await clock.advance(75 * dayMs);
    const report = travel.roaming();
    expect(report).toMatchObject({ country: "TR", home: "DE", local: false, certain: true, counting: ["registration", "data_session"] });
    expect(report.standings[0]).toMatchObject({
      rule: "tr-90-in-120",
      level: "act",
      used: 76,
      limit: 90,
      daysLeft: 14,
      sourceDate: "2019-09-20",
    });
    expect(travel.status()).toMatchObject({ roaming: { country: "TR", tightest: { rule: "tr-90-in-120", daysLeft: 14 } } });
    expect(travel.roamingRules()).toMatchObject({ overridden: ["tr-90-in-120"], unknownOverrides: ["nobody"] });
    expect(travel.market("CN")).toMatchObject({ country: "CN", local: false, swap: { policy: "allow_list", from: "cn-local-profile" } });
    expect(told.at(-1)).toMatchObject({ roaming: { country: "TR", standings: [{ level: "act" }, {}] } });
    const out = createOutput({ json: false, showIds: false, color: false, width: 200, stdout: () => undefined, stderr: () => undefined });
    const text = renderRoaming(report, out);
    expect(text).toMatch(/^Country +TR, roaming with a profile of DE$/m);
    expect(text).toMatch(
      /^tr-90-in-120 +act {2}\[#{20}-{4}\] 76\/90 {2}14 days left {2}warns at 60, acts at 70 {2}by IMEI {2}law, high confidence, 2019-09-20/m,
    );
    const turkish = travel.roamingHistory().entries.filter(({ country, identity }) => country === "TR" && identity === `imei ${imei}`);
    expect(turkish.map(({ counted, days, stays }) => [counted, days, stays.length])).toEqual([
      ["registration foreign", 76, 1],
      ["data_session foreign", 76, 1],
    ]);
    await travel.stop();
  });
});
