// The gate data on the module alone: no path while it is refused, but for a while at each poll; never so that the eIM cannot reach the vehicle.
import { beforeAll, describe, expect, test } from "vitest";
import type { Pki } from "../../../hw-sim/pki/pki.ts";
import { FaultBench, pkiOfBenches } from "../../support/fault-bench.ts";

let pki: Pki;
beforeAll(() => {
  pki = pkiOfBenches();
});

const admin = { role: "admin", peer: undefined } as const;
const minuteMs = 60_000;

const agentOf = ({ agent }: FaultBench) => {
  if (agent === undefined) throw new Error("no agent lives");
  return agent;
};

async function refusedVehicle(enforce: "none" | "flight"): Promise<{ readonly bench: FaultBench; readonly imei: string }> {
  const bench = new FaultBench({
    pki,
    seed: 1,
    config: { eim: { poll_interval_seconds: 1_800, online_timeout_seconds: 60 }, policy: { enforce_without_netd: enforce } },
  });
  bench.start();
  await bench.until("first poll", () => bench.polls > 0);
  let paired = false;
  void agentOf(bench)
    .trust.pairImei(admin, { reason: "end of line" })
    .then(() => {
      paired = true;
    });
  await bench.until("the pairing", () => paired);
  const { imei } = bench.module;
  Object.assign(bench.module, { imei: "490154203237518" });
  await bench.until("the refusal", () => agentOf(bench).policy.explain().data.kind === "refuse", 61 * minuteMs);
  return { bench, imei };
}

describe("enforce_without_netd", () => {
  test("flight: the session goes once the eIM was told, comes for each poll, and stays when the verdict is lifted", async () => {
    const { bench, imei } = await refusedVehicle("flight");
    const polls = bench.polls;
    await bench.until("no session", () => !bench.online, 5 * minuteMs);
    expect(bench.polls).toBeGreaterThan(polls);
    for (let round = 0; round < 2; round++) {
      const before = bench.polls;
      await bench.until("a session for the poll", () => bench.online, 40 * minuteMs);
      await bench.until("the poll", () => bench.polls > before, 10 * minuteMs);
      await bench.until("no session", () => !bench.online, 5 * minuteMs);
    }
    // No fallback, no ladder: nothing is wrong with the network.
    const events = (await agentOf(bench).auditRecords({ last: 500 })).records.map(({ event }) => event);
    expect(events.filter((event) => /^(profile\.fellBack|radio\.|operator\.)/.test(event))).toEqual([]);
    Object.assign(bench.module, { imei });
    await bench.until("the verdict lifted", () => agentOf(bench).policy.explain().data.kind === "allow", 61 * minuteMs);
    await bench.until("the session", () => bench.online, 5 * minuteMs);
    await bench.stop();
  });

  test("flight: an emergency brings the session up at once", async () => {
    const { bench } = await refusedVehicle("flight");
    await bench.until("no session", () => !bench.online, 5 * minuteMs);
    await agentOf(bench).setEmergency("operator:0", { active: true, forSeconds: 900 });
    await bench.until("the session", () => bench.online, minuteMs);
    await agentOf(bench).setEmergency("operator:0", { active: false });
    await bench.until("no session", () => !bench.online, 5 * minuteMs);
    await bench.stop();
  });

  test("none: the verdict is told, and the session stays", async () => {
    const { bench } = await refusedVehicle("none");
    const polls = bench.polls;
    await bench.until("polls", () => bench.polls > polls + 1, 90 * minuteMs);
    expect(bench.online).toBe(true);
    await bench.stop();
  });
});
