// A drive through five countries with outages, in virtual time: at no time without data for longer than the ladder's documented bound while any operator
// would have served. The same drive without the choice of operator is longer without: the test can fail.
import { describe, expect, test } from "vitest";
import { ladderBoundMs } from "../../../agent/connectivity/operator-ladder.ts";
import { answerLimitMs, doubtMs } from "../../../agent/connectivity/prober.ts";
import { seededRandom } from "../../../base/random.ts";
import { type Route, startDrive } from "../../../hw-sim/network/drive.ts";
import { obeyFaults } from "../../../hw-sim/network/world-faults.ts";
import { fiveCountries, fiveCountriesRoute } from "../../../hw-sim/scenarios/five-countries.ts";
import { former, type KeeperBench, keeperBench } from "../keeper-bench.ts";

const lookMs = 5_000;
const rats = ["cat-1bis", "lte-m"] as const;
/** As the virtual module has them; the probe is asked by DNS. */
const boundMs = ladderBoundMs({
  detectMs: 300_000 + 2 * answerLimitMs + 2 * (doubtMs.several + answerLimitMs),
  attemptMs: 180_000,
  scanMs: 45_000,
  selectMs: 10_000,
  candidateMs: 45_000,
  candidates: 2,
});

interface Driven {
  /** The longest time in a row without data while somebody would have served. */
  readonly worstMs: number;
  /** Of all the time in which somebody would have served. */
  readonly share: number;
  readonly plmns: ReadonlySet<string>;
  readonly told: readonly string[];
}

async function drive(route: Route, seed: number, operators: boolean): Promise<Driven> {
  const bench = await keeperBench({ operators, world: { data: fiveCountries, country: "NL" }, apns: [{ name: "iot" }] });
  const { clock, world, faults, keeper, told, pass, up } = bench;
  const stopFaults = obeyFaults(world, faults);
  keeper.start();
  await up();
  const stopDrive = startDrive({ route, clock, world, faults, random: seededRandom(seed) });
  let withoutMs = 0;
  let worstMs = 0;
  let servedMs = 0;
  let couldMs = 0;
  const plmns = new Set<string>();
  const minutes = Math.max(...route.waypoints.map(({ atMinutes }) => atMinutes));
  for (let atMs = 0; atMs < minutes * 60_000; atMs += lookMs) {
    await pass(lookMs);
    const { plmn } = bench.modem.status.registration;
    const hasData = keeper.path.up && bench.passes();
    if (hasData && plmn !== undefined) plmns.add(plmn);
    const could = anybodyServes(bench);
    if (could) couldMs += lookMs;
    if (could && hasData) servedMs += lookMs;
    withoutMs = hasData || !could ? 0 : withoutMs + lookMs;
    worstMs = Math.max(worstMs, withoutMs);
  }
  stopDrive();
  stopFaults();
  await bench.run(keeper.stop());
  bench.prober?.stop();
  await bench.run(bench.modem.close());
  return { worstMs, share: servedMs / couldMs, plmns, told };
}

function anybodyServes({ world, faults }: KeeperBench): boolean {
  const subscriber = former;
  const refusing = faults.get("refuse")?.split(":")[0];
  return rats.some((rat) =>
    world
      .scan(subscriber, rat)
      .some(
        ({ plmn, allowed }) =>
          allowed && plmn !== refusing && world.path(plmn).loss !== 1 && world.session(subscriber, plmn, "iot").kind === "up",
      ),
  );
}

/** Trouble of every kind on top of the scenario's own, an hour long at most; it strikes the strongest operators, which modules choose by themselves. */
const troubled: Route = {
  ...fiveCountriesRoute,
  outages: {
    kinds: ["outage", "core-down", "black-hole"],
    plmns: ["20498", "26298", "26299", "23098", "23097", "23298", "22297"],
    everyMinutes: 4,
    lastingMinutes: [20, 60],
  },
};
const seeds = Array.from({ length: 16 }, (_, at) => at + 1);

describe("a drive through five countries", () => {
  test("as the scenario has it: data in each of them, and never without for longer than the bound", async () => {
    const { worstMs, share, plmns } = await drive(fiveCountriesRoute, 1, true);
    expect(worstMs).toBeLessThanOrEqual(boundMs);
    expect(share).toBeGreaterThan(0.95);
    expect(new Set([...plmns].map((plmn) => plmn.slice(0, 3)))).toEqual(new Set(["204", "262", "230", "232", "222"]));
  });

  test.each(seeds)("with random outages of up to an hour, seed %d", async (seed) => {
    const { worstMs } = await drive(troubled, seed, true);
    expect(worstMs).toBeLessThanOrEqual(boundMs);
  });

  test("without the choice of operator the same drives are longer without data", async () => {
    const drives = await Promise.all(seeds.slice(0, 6).map((seed) => drive(troubled, seed, false)));
    expect(drives.filter(({ worstMs }) => worstMs > boundMs).length).toBeGreaterThanOrEqual(2);
  });
});
