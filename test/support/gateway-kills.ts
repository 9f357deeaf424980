// kill -9 of daemon and helper at random moments of what a start does, on a virtual gateway whose fleet keeps sending.
import { expect } from "vitest";
import type { UsageReport } from "../../agent/api/usage-types.ts";
import { SystemClock } from "../../base/clock.ts";
import { integerBelow, seededRandom } from "../../base/random.ts";
import { eventually, type Flows, GatewayBench } from "./gateway-bench.ts";

const clock = new SystemClock();
/** Within that a start has come from nothing to the session on its interface. */
const longestLifeMs = 4_000;

/** Both programs run, and the fleet's packets pass. */
export async function startWithFlows(): Promise<{ readonly bench: GatewayBench; readonly flows: Flows }> {
  const bench = await GatewayBench.create();
  bench.configure();
  await bench.startNetd();
  await bench.startDaemon();
  await bench.online();
  const flows = await bench.startFlows();
  await flows.pass();
  return { bench, flows };
}

/** Not one packet passes, and the table stands. Afterwards they pass again. */
export async function killWhileHeldBack(bench: GatewayBench, flows: Flows, rounds: number, seed: number): Promise<void> {
  const stage = (name: string): Promise<unknown> => bench.api("admin").call("POST", "/v1/lifecycle/stage", { stage: name, reason: "test" });
  await stage("suspended");
  await flows.stop();
  const before = flows.packets;
  await killRounds(bench, rounds, seed, (round) => expect(flows.packets - before, `round ${round}`).toBe(0));
  await flows.stop(0);
  expect(flows.packets - before).toBe(0);
  expectTable(bench);
  await bench.poll();
  await stage("operational");
  await flows.pass();
}

/** What was counted is what passed, to the octet, and the table stands. It ends the flows. */
export async function killWhilePassing(bench: GatewayBench, flows: Flows, rounds: number, seed: number): Promise<void> {
  let before = { counted: 0, seen: 0 };
  await flows.end();
  // A quiet link, so that both sides are asked about the same packets.
  await eventually(
    "a quiet link",
    async () => {
      const last = before;
      before = await countedAgainst(bench);
      return before.seen === last.seen && before.counted === last.counted;
    },
    (isQuiet) => isQuiet,
  );
  const others = await bench.startFlows();
  await others.pass();
  await killRounds(bench, rounds, seed, () => {});
  await others.pass();
  await others.end();
  // The ledger's promise is 1 MB or a minute; the kernel's counters outlive both programs, so that nothing at all is lost here.
  await eventually(
    "counted as seen",
    () => countedAgainst(bench, before),
    ({ counted, seen }) => seen > 0 && counted === seen,
  );
  expectTable(bench);
}

function expectTable(bench: GatewayBench): void {
  expect(bench.nft("list", "table", "inet", "simward")).toContain("wwan0");
}

/** `between` is asked after each kill and each start. The programs run at the end. */
async function killRounds(bench: GatewayBench, rounds: number, seed: number, between: (round: number) => void): Promise<void> {
  const random = seededRandom(seed);
  for (let round = 0; round < rounds; round++) {
    const victims = (["daemon", "netd", "both"] as const)[integerBelow(random, 3)] ?? "both";
    if (victims !== "netd") await bench.killDaemon();
    if (victims !== "daemon") await bench.killNetd();
    between(round);
    if (victims !== "daemon") await bench.startNetd();
    if (victims !== "netd") await bench.startDaemon();
    await clock.sleep(integerBelow(random, longestLifeMs));
    between(round);
  }
  await bench.online();
}

/** What was counted as sent by the fleet, and what the operator saw of it, since `before`. */
async function countedAgainst(
  bench: GatewayBench,
  before?: { readonly counted: number; readonly seen: number },
): Promise<{ readonly counted: number; readonly seen: number }> {
  const { fleet4, fleet6 } = bench.gateway.passed();
  const { amounts } = await bench.api().call<UsageReport>("GET", "/v1/usage");
  const counted = amounts.filter(({ party }) => party === "fleet").reduce((sum, { sentBytes }) => sum + sentBytes, 0);
  return { counted: counted - (before?.counted ?? 0), seen: fleet4.bytes + fleet6.bytes - (before?.seen ?? 0) };
}
