// kill -9 of daemon and helper at random moments of what a start does, on a virtual gateway whose fleet keeps sending.
import type { UsageReport } from "../../agent/api/usage-types.ts";
import { SystemClock } from "../../base/clock.ts";
import { integerBelow, seededRandom } from "../../base/random.ts";
import type { Flows, GatewayBench } from "./gateway-bench.ts";

const clock = new SystemClock();
/** Within that a start has come from nothing to the session on its interface. */
const longestLifeMs = 4_000;

/** `between` is asked after each kill and each start. The programs run at the end. */
export async function killRounds(bench: GatewayBench, rounds: number, seed: number, between: (round: number) => void): Promise<void> {
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
export async function countedAgainst(
  bench: GatewayBench,
  flows: Flows,
  before?: { readonly counted: number; readonly seen: number },
): Promise<{ readonly counted: number; readonly seen: number }> {
  const { amounts } = await bench.api().call<UsageReport>("GET", "/v1/usage");
  const counted = amounts.filter(({ party }) => party === "fleet").reduce((sum, { sentBytes }) => sum + sentBytes, 0);
  return { counted: counted - (before?.counted ?? 0), seen: flows.sentBytes - (before?.seen ?? 0) };
}
