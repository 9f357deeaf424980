// make soak: polls, changes of profile there and back, downloads, deletions and port losses, for SOAK_MINUTES (10); nothing may grow.
import { readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { bootstrap, fleet, inWorld, type Order, second, type World } from "../../support/e2e.ts";

setFlagsFromString("--expose_gc");
const collectGarbage = runInNewContext("gc") as () => void;
const minutes = Number(process.env.SOAK_MINUTES ?? "10");

interface Figures {
  readonly rounds: number;
  readonly heapMiB: number;
  readonly rssMiB: number;
  readonly descriptors: number;
}

function figures(rounds: number): Figures {
  collectGarbage();
  const { heapUsed, rss } = process.memoryUsage();
  return {
    rounds,
    heapMiB: Math.round(heapUsed / 2 ** 20),
    rssMiB: Math.round(rss / 2 ** 20),
    descriptors: readdirSync("/proc/self/fd").length,
  };
}

async function round(world: World, number: number): Promise<void> {
  const carriedOut = async (order: () => Order): Promise<void> => {
    await world.poll();
    await world.until(order, ({ state }) => state === "done" || state === "failed");
    expect(order()).toMatchObject({ state: "done" });
  };
  await carriedOut(world.enable(fleet, { rollback: true }));
  await carriedOut(world.enable(bootstrap, { rollback: true }));
  await carriedOut(world.download(second));
  if (number % 3 === 0) await world.fault({ vehicle: { "hang-up": "+CGLA@5" } });
  await carriedOut(world.order({ kind: "euiccPackage", psmos: [{ delete: { iccid: second.iccid } }] }));
  expect(world.enabled()).toBe(bootstrap.iccid);
}

test(`for ${minutes} minutes: every order done, memory and descriptors flat`, async () => {
  const endMs = performance.now() + minutes * 60_000;
  const seen: Figures[] = [];
  await inWorld({ port: "pty", installed: [fleet] }, async (world) => {
    let rounds = 0;
    while (performance.now() < endMs || rounds < 6) {
      await round(world, ++rounds);
      if (rounds % 3 === 0) seen.push(figures(rounds));
    }
    expect((await world.agent.verifyAudit()).ok).toBe(true);
    process.stdout.write(`${seen.map((one) => JSON.stringify(one)).join("\n")}\n`);
  });
  // The first figures are of a process that still warms up.
  const [warm, last] = [seen[Math.floor(seen.length / 2)], seen.at(-1)];
  if (warm === undefined || last === undefined) throw new Error("no figures");
  expect(last.descriptors).toBeLessThanOrEqual(warm.descriptors + 4);
  expect(last.heapMiB).toBeLessThanOrEqual(warm.heapMiB * 1.5 + 16);
});
