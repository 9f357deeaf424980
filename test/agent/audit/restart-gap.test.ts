// A gap between sessions that a restart lies in: told by the next life, from what the trail has of the one before.
import { beforeAll, expect, test } from "vitest";
import type { Pki } from "../../../hw-sim/pki/pki.ts";
import { agentOf } from "../../support/agent-acts.ts";
import { FaultBench, pkiOfBenches } from "../../support/fault-bench.ts";

let pki: Pki;
beforeAll(() => {
  pki = pkiOfBenches();
});

const gapsOf = async (bench: FaultBench) => (await agentOf(bench).auditRecords({ last: 100, event: "session.gap" })).records;

test("after a crash it is one, from the last record on, with its reason; the first life of all has none", async () => {
  const bench = new FaultBench({ pki, seed: 3 });
  bench.start();
  await bench.until("first poll", () => bench.polls > 0);
  expect(await gapsOf(bench)).toEqual([]);
  const last = (await agentOf(bench).auditRecords({ last: 1 })).records[0];
  bench.killNow();
  const { polls } = bench;
  await bench.until("a poll of the next life", () => bench.agent !== undefined && bench.polls > polls);
  const gaps = await gapsOf(bench);
  expect(gaps).toMatchObject([{ cause: "start", data: { from: last?.time, reason: expect.stringContaining("without a word") } }]);
  expect(gaps[0]?.data?.seconds).toBeGreaterThan(0);
  await bench.stop();
});
