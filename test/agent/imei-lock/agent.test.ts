// The IMEI lock in the whole agent, on the virtual module: a device that is not the paired one loses the fleet's traffic, and the eIM hears of it.
import { beforeAll, describe, expect, test } from "vitest";
import type { Pki } from "../../../hw-sim/pki/pki.ts";
import { admin, agentOf, during } from "../../support/agent-acts.ts";
import { FaultBench, pkiOfBenches } from "../../support/fault-bench.ts";

let pki: Pki;
beforeAll(() => {
  pki = pkiOfBenches();
});

const hourMs = 3_600_000;

const dataOf = (bench: FaultBench) => agentOf(bench).policy.explain().data;
const recordsOf = async (bench: FaultBench, event: string) => (await agentOf(bench).auditRecords({ last: 100, event })).records;

async function pairedVehicle(): Promise<FaultBench> {
  const bench = new FaultBench({ pki, seed: 1 });
  bench.start();
  await bench.until("first poll", () => bench.polls > 0);
  const report = await during(bench, agentOf(bench).trust.pairImei(admin, { reason: "end of line", vin: "WVWZZZ1JZXW000001" }));
  expect(report).toMatchObject({ state: "match", pairing: { imei: bench.module.imei, eid: pki.subjects.eid, vin: "WVWZZZ1JZXW000001" } });
  return bench;
}

/** Another module in the same slot. */
const exchange = (bench: FaultBench, imei: string): void => void Object.assign(bench.module, { imei });

describe("a foreign module", () => {
  test("is found within the hour: data refused, alarm, notifyStateChange, audited; with the former one all is as before", async () => {
    const bench = await pairedVehicle();
    const own = bench.module.imei;
    const heard: unknown[] = [];
    bench.eim.onEvent(({ type, cause }) => void (type === "stateChange" && heard.push(cause)));
    exchange(bench, "490154203237518");
    await bench.until("the refusal", () => dataOf(bench).kind === "refuse", hourMs + 60_000);
    expect(dataOf(bench)).toMatchObject({ rule: "imei_lock", reason: expect.stringContaining("IMEI") });
    await bench.until("notifyStateChange", () => heard.length > 0);
    expect(heard).toEqual(["undefined"]);
    const status = await during(bench, agentOf(bench).status());
    expect(status.alarms.map(({ code }) => code)).toEqual(["IMEI_LOCK_MISMATCH"]);
    expect((await recordsOf(bench, "imeiLock.mismatch"))[0]).toMatchObject({ data: { imei: "490154203237518", pairedImei: own } });
    expect((await recordsOf(bench, "policy.verdict")).at(-1)).toMatchObject({
      cause: "policy:imei_lock",
      data: { gate: "data", to: "refuse" },
    });
    // A restart does not open the gate while nobody has looked.
    bench.killNow();
    await bench.until("the next life", () => bench.agent !== undefined);
    expect(dataOf(bench)).toMatchObject({ kind: "refuse", rule: "imei_lock" });
    exchange(bench, own);
    await bench.until("the match", () => dataOf(bench).kind === "allow", hourMs + 60_000);
    expect((await during(bench, agentOf(bench).status())).alarms).toEqual([]);
    expect((await recordsOf(bench, "policy.verdict")).map(({ data }) => data?.to)).toEqual(["refuse", "allow"]);
    await bench.stop();
  });

  test("an emergency opens the gate for as long as it lasts", async () => {
    const bench = await pairedVehicle();
    exchange(bench, "490154203237518");
    await bench.until("the refusal", () => dataOf(bench).kind === "refuse", hourMs + 60_000);
    await agentOf(bench).setEmergency("operator:0", { active: true, forSeconds: 600 });
    expect([dataOf(bench).kind, agentOf(bench).policy.explain().held]).toEqual(["allow", true]);
    await agentOf(bench).setEmergency("operator:0", { active: false });
    await bench.until("the refusal", () => dataOf(bench).kind === "refuse");
    await bench.stop();
  });

  test("every act of a person has its record, with role, uid, pid and reason, and a checkpoint behind it", async () => {
    const bench = await pairedVehicle();
    const records = (await agentOf(bench).auditRecords({ last: 100 })).records;
    const at = records.findIndex(({ event }) => event === "imeiLock.paired");
    expect(records[at]).toMatchObject({ cause: "operator:0", data: { role: "admin", uid: 0, pid: 42, reason: "end of line" } });
    expect(records.slice(at).map(({ event }) => event)).toContain("audit.checkpoint");
    expect(await agentOf(bench).verifyAudit()).toMatchObject({ ok: true, checkpoints: 1 });
    await bench.stop();
  });
});

describe("the trail of a vehicle that drives", () => {
  test("has its network, its radio technology, and its gaps with their reason", async () => {
    const bench = new FaultBench({ pki, seed: 1 });
    bench.start();
    await bench.until("first poll", () => bench.polls > 0);
    expect((await recordsOf(bench, "network.changed"))[0]).toMatchObject({ data: { plmn: expect.any(String), rat: expect.any(String) } });
    const { network } = await during(bench, agentOf(bench).status());
    bench.faults.set("outage", network.plmn ?? "");
    const gaps = async () => (await recordsOf(bench, "session.gap")).length;
    let seen = 0;
    await bench.until("the gap", () => {
      void gaps().then((count) => {
        seen = count;
      });
      return seen > 0;
    });
    const [gap] = await recordsOf(bench, "session.gap");
    const [down] = await recordsOf(bench, "path.down");
    const up = (await recordsOf(bench, "path.up"))[1];
    const seconds = Math.round((Date.parse(up?.time ?? "") - Date.parse(down?.time ?? "")) / 1_000);
    expect(gap).toMatchObject({ data: { reason: down?.data?.reason, from: down?.time, seconds } });
    expect(gap?.data?.reason).toEqual(expect.stringMatching(/\S/));
    await bench.stop();
  });
});
