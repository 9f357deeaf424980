// Fallback and return struck at every write, at every change of the card's memory and at a sample of messages: whatever falls, the vehicle is online again
// with the right profile, the eIM has been told, nothing is left half done, and it goes on from there.
import { describe, expect, test } from "vitest";
import type { Pki } from "../../hw-sim/pki/pki.ts";
import type { ProfilePlan } from "../../hw-sim/scenarios/scenario.ts";
import { defaultScenario } from "../../hw-sim/scenarios/table.ts";
import { type Blow, bootstrapIccid, FaultBench, type Place, pkiOfBenches } from "../support/fault-bench.ts";
import { stateChangesOf } from "../support/state-changes.ts";

const [, second] = defaultScenario.offers;
if (second === undefined) throw new Error("the default scenario offers one profile only");
const spare: ProfilePlan = { ...second, fallbackAllowed: true };
const pki = pkiOfBenches();

interface Played {
  readonly struck: readonly string[];
  /** What is not as it must be. */
  readonly wrong: readonly string[];
}

async function play(world: Pki, blow: Blow | undefined): Promise<Played> {
  const bench = new FaultBench({
    pki: world,
    seed: 1,
    installed: [spare],
    config: {
      radio: { registration_timeout_seconds: 20 },
      eim: { poll_interval_seconds: 600, online_timeout_seconds: 60 },
      fallback: { after_seconds: 60, return_after_seconds: 240 },
    },
  });
  const told = stateChangesOf(bench.eim);
  const enabled = (): readonly string[] => bench.euicc.profiles().flatMap(({ iccid, state }) => (state === "enabled" ? [iccid] : []));
  const isOn = (iccid: string): boolean => bench.online && enabled()[0] === iccid && bench.module.sim.iccid === iccid;
  const wrong: string[] = [];
  try {
    const id = bench.eim.addOrder({
      eid: world.subjects.eid,
      kind: "euiccPackage",
      psmos: [{ setFallbackAttribute: { iccid: spare.iccid } }],
    });
    bench.start();
    await bench.until("the attribute", () => bench.eim.order(id)?.state === "done" && bench.idle);
    if (blow !== undefined) bench.arm([blow]);

    bench.faults.set("no-coverage", bootstrapIccid);
    await bench.until("fallback", () => isOn(spare.iccid));
    await bench.until("the eIM is told of it", () => told.length > 0);
    bench.faults.clear("no-coverage");
    await bench.until("return", () => isOn(bootstrapIccid));
    const before = told.length;
    await bench.until("the eIM is told of that", () => told.length > before || told.length >= 2);
    await bench.until("all is done", () => bench.idle && bench.agent?.ipa.status().started === true);

    // Nothing more must come of it, not after another start either.
    bench.disarm();
    bench.killNow();
    await bench.pollsPass(2);
    await bench.until("all is done still", () => bench.idle);
    if (JSON.stringify(enabled()) !== JSON.stringify([bootstrapIccid])) wrong.push(`enabled: ${enabled()}`);
    if (!told.every((cause) => cause === "fallback" || cause === "undefined")) wrong.push(`told: ${told}`);
    const { notifications } = bench.euicc.pending();
    if (notifications.length > 0) wrong.push(`notifications: ${notifications}`);
    await bench.stop();
    const { problem, records, journal } = await bench.readBack();
    if (problem !== undefined) wrong.push(problem);
    for (const event of ["profile.fellBack", "profile.returned"])
      if (!records.some((record) => record.event === event)) wrong.push(`the trail lacks ${event}`);
    const { localSwitch, operation } = journal as Record<string, unknown>;
    if (localSwitch !== undefined || operation !== undefined)
      wrong.push(`left in the journal: ${JSON.stringify({ localSwitch, operation })}`);
  } catch (error) {
    wrong.push(`${error instanceof Error ? error.message : error}; told: ${told}`);
    await bench.stop().catch(() => undefined);
  }
  return { struck: [...bench.struck], wrong };
}

async function sweep(
  what: Blow["what"],
  at: Place,
  stride: number,
): Promise<{ readonly points: number; readonly wrong: readonly string[] }> {
  const wrong: string[] = [];
  for (let points = 0; ; points++) {
    const n = 1 + points * stride;
    const played = await play(pki, { what, at, n });
    wrong.push(...played.wrong.map((one) => `${what} at ${at} ${n}: ${one}`));
    if (played.struck.length === 0 || wrong.length > 3) return { points, wrong };
  }
}

describe("coverage lost, fallback, coverage back, return", () => {
  test("goes well when nothing strikes, and the eIM is told twice", async () => {
    expect(await play(pki, undefined)).toEqual({ struck: [], wrong: [] });
  });

  test.each([
    ["kill", "disk", 1],
    ["power", "disk", 1],
    ["full", "disk", 1],
    ["kill", "card", 1],
    ["power", "card", 1],
    ["reset", "card", 1],
    ["kill", "wire", 41],
    ["power", "wire", 43],
  ] as const)("%s, counted by the %s, at every %i. step", async (what, at, stride) => {
    const { points, wrong } = await sweep(what, at, stride);
    expect(wrong).toEqual([]);
    expect(points).toBeGreaterThan(4);
  });
});
