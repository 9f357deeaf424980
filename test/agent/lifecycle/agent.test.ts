// The lifecycle in the whole agent, on the virtual module and eUICC: suspended, tested, retired through power cuts; a transfer refused.
import { beforeAll, describe, expect, test } from "vitest";
import type { Pki } from "../../../hw-sim/pki/pki.ts";
import { admin, agentOf, during } from "../../support/agent-acts.ts";
import { bootstrapIccid, FaultBench, pkiOfBenches } from "../../support/fault-bench.ts";

let pki: Pki;
beforeAll(() => {
  pki = pkiOfBenches();
});

const engineer = { role: "engineer", peer: { uid: 1000, gid: 1000, pid: 43 } } as const;
async function onTheRoad(config: object = {}): Promise<FaultBench> {
  const bench = new FaultBench({ pki, seed: 1, config });
  bench.start();
  await bench.until("first poll", () => bench.polls > 0);
  return bench;
}

const enabledOn = (bench: FaultBench): readonly string[] =>
  bench.euicc
    .profiles()
    .filter(({ state }) => state === "enabled")
    .map(({ iccid }) => iccid);
const phaseOf = async (bench: FaultBench) => (await during(bench, agentOf(bench).lifecycle.lifecycle())).wipe?.phase;
const recordsOf = async (bench: FaultBench, event: string) => (await agentOf(bench).auditRecords({ last: 200, event })).records;

describe("suspended", () => {
  test("data is refused, polls go on, a restart keeps it, and an order ends it", async () => {
    const bench = await onTheRoad();
    await expect(agentOf(bench).lifecycle.setStage(engineer, { stage: "suspended", reason: "unpaid" })).rejects.toMatchObject({
      code: "API_FORBIDDEN",
    });
    await during(bench, agentOf(bench).lifecycle.setStage(admin, { stage: "suspended", reason: "unpaid" }));
    expect(agentOf(bench).policy.explain().data).toMatchObject({ kind: "refuse", rule: "lifecycle" });
    const { polls } = bench;
    await bench.until("the next poll", () => bench.polls > polls + 1);
    bench.killNow();
    await bench.until("the next life", () => bench.agent !== undefined);
    expect(agentOf(bench).policy.explain().data).toMatchObject({ kind: "refuse", rule: "lifecycle" });
    expect((await during(bench, agentOf(bench).status())).stage).toBe("suspended");
    await during(bench, agentOf(bench).lifecycle.setStage(engineer, { stage: "operational", reason: "paid" }));
    expect(agentOf(bench).policy.explain().data.kind).toBe("allow");
    const records = await recordsOf(bench, "lifecycle.stage");
    expect(records).toMatchObject([
      {
        cause: "operator:0",
        data: { from: "operational", to: "suspended", trigger: "command:admin", reason: "unpaid", role: "admin", pid: 42 },
      },
      { cause: "operator:1000", data: { from: "suspended", to: "operational", trigger: "command:engineer", reason: "paid" } },
    ]);
    await bench.stop();
  });
});

describe("what the vehicle tells", () => {
  test("moves it on; a dry run says so before, and moves nothing", async () => {
    const bench = await onTheRoad({ lifecycle: { first: "shipping", operational_on: ["odometer:50"] } });
    const { lifecycle } = agentOf(bench);
    expect(lifecycle.testTrigger({ odometerKm: 50 })).toMatchObject({ from: "shipping", to: "operational", trigger: "odometer:50" });
    expect(lifecycle.testTrigger({ odometerKm: 49 }).to).toBeUndefined();
    expect((await lifecycle.lifecycle()).stage).toBe("shipping");
    expect((await during(bench, lifecycle.tellVehicle(engineer, { odometerKm: 50 }))).stage).toBe("operational");
    await bench.stop();
  });

  test("in factory test the vehicle has an APN of its own, and the configured one behind it", async () => {
    const bench = await onTheRoad({ lifecycle: { first: "factory_test", test_apn: "iot" } });
    expect((await during(bench, agentOf(bench).status())).network.apn).toBe("iot");
    await during(bench, agentOf(bench).lifecycle.setStage(engineer, { stage: "operational", reason: "delivered" }));
    let apn: string | undefined;
    const ask = () =>
      void agentOf(bench)
        .status()
        .then((status) => (apn = status.network.apn));
    await bench.until("the other APN", () => {
      ask();
      return apn === "bootstrap.iot";
    });
    await bench.stop();
  });
});

describe("retired", () => {
  test("no profile is enabled on the eUICC, though the daemon is killed before and after the wipe", async () => {
    const bench = await onTheRoad();
    expect(enabledOn(bench)).toEqual([bootstrapIccid]);
    await during(bench, agentOf(bench).lifecycle.setStage(admin, { stage: "retired", reason: "scrapped" }));
    bench.killNow();
    await bench.until("the next life", () => bench.agent !== undefined);
    await bench.until("the wipe", () => enabledOn(bench).length === 0);
    bench.killNow();
    await bench.until("the next life", () => bench.agent !== undefined);
    let phase: string | undefined;
    await bench.until("the end of it", () => {
      void agentOf(bench)
        .lifecycle.lifecycle()
        .then(({ wipe }) => {
          phase = wipe?.phase;
        });
      return phase === "done";
    });
    expect(await phaseOf(bench)).toBe("done");
    expect(enabledOn(bench)).toEqual([]);
    const kinds = (await recordsOf(bench, "lifecycle.")).map(({ event }) => event);
    for (const kind of ["lifecycle.stage", "lifecycle.evidence", "lifecycle.wiped", "lifecycle.retireConfirmed"])
      expect(kinds).toContain(kind);
    expect(await agentOf(bench).verifyAudit()).toMatchObject({ ok: true });
    await bench.stop();
  });

  test("ownership is not transferred where no provisioning profile would be left", async () => {
    const bench = await onTheRoad();
    const transfer = during(bench, agentOf(bench).lifecycle.transfer(admin, { reason: "sold" }));
    await expect(transfer).rejects.toMatchObject({ code: "LIFECYCLE_REFUSED" });
    expect(enabledOn(bench)).toEqual([bootstrapIccid]);
    await bench.stop();
  });
});
