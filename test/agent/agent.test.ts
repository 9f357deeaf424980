// The whole agent on a virtual vehicle in virtual time: what is broken around it is told, and does not keep the vehicle off the air.
import { beforeAll, describe, expect, test } from "vitest";
import { openAgentState } from "../../agent/state/agent-state.ts";
import { utf8 } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import type { Pki } from "../../hw-sim/pki/pki.ts";
import { FaultBench, pkiOfBenches } from "../support/fault-bench.ts";

let pki: Pki;
beforeAll(() => {
  pki = pkiOfBenches();
});

async function vehicle(prepare?: (bench: FaultBench) => Promise<void>): Promise<FaultBench> {
  const bench = new FaultBench({ pki, seed: 1 });
  await prepare?.(bench);
  bench.start();
  await bench.until("first poll", () => bench.polls > 0);
  return bench;
}

/** Until it settles; virtual time goes by. */
async function during<T>(bench: FaultBench, promise: Promise<T>, limitMs?: number): Promise<T> {
  let done = false;
  const end = (): void => {
    done = true;
  };
  promise.then(end, end);
  await bench.until("an answer", () => done, limitMs);
  return promise;
}

const agentOf = (bench: FaultBench) => {
  const { agent } = bench;
  if (agent === undefined) throw new Error("no agent lives");
  return agent;
};
const alarmsOf = async (bench: FaultBench) => (await during(bench, agentOf(bench).status())).alarms.map(({ code }) => code);
const eventsOf = async (bench: FaultBench) => (await agentOf(bench).auditRecords({ last: 1_000 })).records.map(({ event }) => event);

describe("what is broken around the agent", () => {
  test("a disk that is full: polling goes on, the alarm says so, and goes when there is room", async () => {
    const bench = await vehicle();
    bench.disk.setFull(true);
    await bench.pollsPass(3);
    expect(await alarmsOf(bench)).toEqual(["DISK_WRITE"]);
    await agentOf(bench).auditAdminAct("eim.pollAsked", "engineer", undefined, {});
    expect((await alarmsOf(bench)).sort()).toEqual(["AUDIT_WRITE", "DISK_WRITE"]);
    bench.disk.setFull(false);
    await bench.pollsPass(2);
    expect(await alarmsOf(bench)).toEqual([]);
    expect(await eventsOf(bench)).toContain("eim.pollAsked");
    expect(await agentOf(bench).verifyAudit()).toMatchObject({ ok: true });
    await bench.stop();
  });

  test("an emergency told while the disk is full is written as soon as there is room, and its alarm goes, though nothing else happens", async () => {
    const bench = await vehicle();
    bench.disk.setFull(true);
    await during(bench, agentOf(bench).setEmergency("operator:0", { active: true, forSeconds: 900, reason: "eCall" }));
    expect(await alarmsOf(bench)).toContain("DISK_WRITE");
    const { polls } = bench;
    bench.disk.setFull(false);
    await bench.clock.advance(30_000);
    expect([await alarmsOf(bench), bench.polls]).toEqual([[], polls]);
    expect((await openAgentState(bench.disk)).get().emergency).toMatchObject({ reason: "eCall" });
    await bench.stop();
  });

  test("an order that comes while the disk is full is not begun, and carried out when there is room", async () => {
    const bench = await vehicle();
    bench.disk.setFull(true);
    const ids = bench.order();
    await bench.pollsPass(3);
    expect(bench.euicc.profiles()).toHaveLength(1);
    bench.disk.setFull(false);
    await bench.until("the order", () => bench.idle && bench.eim.order(ids.enable)?.state === "done");
    expect(await alarmsOf(bench)).toEqual([]);
    await bench.stop();
  });

  test("a record that the disk refused is in the trail before the step after it is remembered, whatever ends the daemon", async () => {
    const bench = await vehicle();
    const { append } = bench.disk;
    let refused = 0;
    // Its neighbours fit, this one and those behind it do not.
    Object.assign(bench.disk, {
      append: async (path: string, data: Uint8Array, sync: boolean) => {
        if (path.startsWith("audit/") && (refused > 0 || new TextDecoder().decode(data).includes('"package.received"'))) {
          refused++;
          throw new SimwardError("DISK_WRITE", { detail: path });
        }
        return append(path, data, sync);
      },
    });
    const ids = bench.order();
    await bench.until("a record that does not fit", () => refused > 0);
    await bench.pollsPass(2);
    Object.assign(bench.disk, { append });
    bench.killNow();
    await bench.until("the order", () => bench.idle && bench.eim.order(ids.enable)?.state === "done");
    const told = await eventsOf(bench);
    expect(told.filter((event) => ["package.received", "profile.enabled"].includes(event)).slice(-2)).toEqual([
      "package.received",
      "profile.enabled",
    ]);
    await bench.stop();
  });

  test("a state that is damaged in both places: begun anew, told in the trail and as an alarm", async () => {
    const bench = await vehicle(async ({ disk }) => {
      for (const slot of [0, 1]) await disk.replace(`state.${slot}.json`, utf8("\u0000\u0000"));
    });
    expect(await alarmsOf(bench)).toEqual(["STATE_CORRUPT"]);
    expect((await eventsOf(bench)).slice(0, 2)).toEqual(["daemon.started", "state.lost"]);
    await bench.stop();
  });

  test("an audit trail that was cut off: polled all the same, told as an alarm and by whoever asks", async () => {
    const bench = await vehicle();
    await bench.pollsPass(1);
    bench.killNow();
    const segment = "audit/00000001.jsonl";
    const whole = (await bench.disk.read(segment)) ?? new Uint8Array(0);
    await bench.disk.truncate(segment, whole.indexOf(0x0a) + 1);
    await bench.pollsPass(1);
    expect(await alarmsOf(bench)).toEqual(["AUDIT_BROKEN"]);
    const [started] = (await agentOf(bench).auditRecords({ last: 100, event: "daemon.started", afterSeq: 1 })).records;
    expect(started).toMatchObject({ data: { auditWhole: false } });
    await bench.stop();
  });
});

describe("questions from outside", () => {
  test("a module that does not answer holds up no status, and no profile list for ever", async () => {
    const bench = await vehicle();
    await bench.pollsPass(1);
    bench.faults.set("silent-ms", "600000");
    const startMs = bench.clock.monotonicMs();
    const status = await during(bench, agentOf(bench).status());
    expect(bench.clock.monotonicMs() - startMs).toBeLessThanOrEqual(500);
    expect(status).toMatchObject({ schema: "simward/status/1", network: { link: "ready" } });
    await expect(during(bench, agentOf(bench).profiles())).rejects.toMatchObject({ code: expect.stringMatching(/^(BUSY|AT_TIMEOUT)$/) });
    expect(bench.clock.monotonicMs() - startMs).toBeLessThanOrEqual(60_000);
    bench.faults.clear("silent-ms");
    await bench.pollsPass(1);
    await bench.stop();
  });

  test("stop is the last thing told, in whatever it is doing", async () => {
    for (const afterMs of [0, 300, 1_500, 4_000, 9_000, 30_000]) {
      const bench = new FaultBench({ pki, seed: 1 });
      bench.order();
      bench.start();
      await bench.until("a moment", () => bench.agent !== undefined);
      await during(bench, bench.clock.sleep(afterMs));
      const startMs = bench.clock.monotonicMs();
      await bench.stop();
      expect(bench.clock.monotonicMs() - startMs).toBeLessThanOrEqual(20_000);
      const { records, problem } = await bench.readBack();
      expect([records.at(-1)?.event, problem]).toEqual(["daemon.stopped", undefined]);
    }
  });

  test("what a stop interrupts is told as that, with how far it was, not as an error", async () => {
    for (const phase of ["authenticatingClient", "fetching", "notifying"]) {
      const bench = new FaultBench({ pki, seed: 1 });
      bench.order();
      bench.start();
      await bench.until(phase, () => bench.agent?.ipa.status().operation?.phase === phase);
      await bench.stop();
      const { records } = await bench.readBack();
      expect(records.filter(({ event }) => event === "error" || event === "interrupted")).toEqual([
        expect.objectContaining({
          event: "interrupted",
          cause: "ipa",
          data: { where: "poll", operation: "profileDownload", phase, reason: expect.stringMatching(/stops|closing/) },
        }),
      ]);
    }
  });
});
