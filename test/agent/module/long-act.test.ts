// Long work of the module: told phase by phase, seen while it goes on, joined by who asks again, and not begun by a rehearsal.
import { expect, test } from "vitest";
import { createLongActs } from "../../../agent/module/long-act.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { inRehearsal, Rehearsal } from "../../../base/rehearsal.ts";

function scanning() {
  const clock = new VirtualClock();
  const told: object[] = [];
  const acts = createLongActs({ clock, publish: (kind, fields) => told.push({ kind, ...fields }) });
  const scan = acts.act<"asked" | "scanning" | "answered", string>({
    work: "net scan",
    phases: ["asked", "scanning", "answered"],
    limitMs: () => 240_000,
  });
  let jobs = 0;
  const ask = (): Promise<string> =>
    scan.ask(async (phase) => {
      jobs++;
      phase("asked");
      phase("scanning");
      await clock.sleep(90_000);
      phase("answered");
      return "found";
    });
  return { clock, told, acts, scan, ask, jobs: () => jobs };
}

test("each phase is told with its place, its time and its limit", async () => {
  const { clock, told, ask } = scanning();
  const answer = ask();
  await clock.advance(90_000);
  expect(await answer).toBe("found");
  const common = { kind: "phase", work: "net scan", of: 3, limitMs: 240_000 };
  expect(told).toEqual([
    { ...common, phase: "asked", n: 1, elapsedMs: 0 },
    { ...common, phase: "scanning", n: 2, elapsedMs: 0 },
    { ...common, phase: "answered", n: 3, elapsedMs: 90_000 },
  ]);
});

test("who asks while it goes on, its first asker being gone, gets the same answer, and is told where it stands", async () => {
  const { clock, told, acts, ask, jobs } = scanning();
  const first = ask();
  await clock.advance(40_000);
  expect(acts.underWay).toMatchObject({ work: "net scan", phase: "scanning", elapsedMs: 40_000 });
  const second = ask();
  expect(told.at(-1)).toMatchObject({ phase: "scanning", elapsedMs: 40_000, joined: true });
  await clock.advance(50_000);
  expect([await first, await second, jobs(), acts.underWay]).toEqual(["found", "found", 1, undefined]);
});

test("what has failed is over for all who wait, and may be asked for anew", async () => {
  const { scan, acts, ask, clock, jobs } = scanning();
  const fail = (): Promise<string> => scan.ask(() => Promise.reject(new Error("no")));
  await expect(Promise.allSettled([fail(), fail()])).resolves.toMatchObject([{ status: "rejected" }, { status: "rejected" }]);
  expect(acts.underWay).toBeUndefined();
  const again = ask();
  await clock.advance(90_000);
  expect([await again, jobs()]).toEqual(["found", 1]);
});

test("a rehearsal neither tells anything nor joins what goes on", async () => {
  const { clock, told, scan, acts, ask } = scanning();
  const rehearsed = async (phase: (name: "asked") => void): Promise<string> => {
    phase("asked");
    return "rehearsed";
  };
  expect(await inRehearsal(new Rehearsal(), () => scan.ask(rehearsed))).toBe("rehearsed");
  expect([told, acts.underWay]).toEqual([[], undefined]);
  const meant = ask();
  expect(await inRehearsal(new Rehearsal(), () => scan.ask(async () => "rehearsed"))).toBe("rehearsed");
  await clock.advance(90_000);
  expect(await meant).toBe("found");
});
