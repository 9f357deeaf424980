// make soak: the shipped daemon in real time for SOAK_MINUTES (10): polls, downloads, switches there and back, deletions, lost ports, resets and
// rebinding NATs; its memory, descriptors and files must not grow.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bootstrapIccid } from "../../support/fault-bench.ts";
import { downloaded, type Measured, PathBench } from "../../support/path-bench.ts";
import { type Bundles, bundlePrograms } from "../../support/shipped.ts";

const minutes = Number(process.env.SOAK_MINUTES ?? "10");
const pollsARound = 40;

let bundles: Bundles;
beforeAll(async () => {
  bundles = await bundlePrograms();
});
afterAll(() => bundles.close());

interface Figures {
  readonly round: number;
  readonly rssKiB: number;
  readonly descriptors: number;
  readonly files: number;
  readonly auditBytes: number;
  readonly stateBytes: number;
}

/** A small trail, so that it comes round many times. */
const sections =
  '[eim]\npoll_interval_seconds = 86400\nonline_timeout_seconds = 60\n[audit]\nsegment_bytes = 16384\nmax_segments = 4\n[log]\nlevel = "debug"\n';

function figures(round: number, { pid, daemon }: PathBench): Figures {
  const rss = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  const files = readdirSync(daemon.stateDir, { recursive: true, encoding: "utf8" }).map((name) => join(daemon.stateDir, name));
  const bytes = (part: readonly string[]): number => part.reduce((sum, path) => sum + statSync(path).size, 0);
  const plain = files.filter((path) => statSync(path).isFile());
  const isAudit = (path: string): boolean => path.includes("/audit/");
  return {
    round,
    rssKiB: Number(rss),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    files: plain.length,
    auditBytes: bytes(plain.filter(isAudit)),
    stateBytes: bytes(plain.filter((path) => !isAudit(path))),
  };
}

/** Everything that a vehicle does in ten years, in half a minute; every order must come to a good end, if not at the first poll. */
async function round(bench: PathBench, number: number): Promise<void> {
  const { vehicle } = bench;
  const ends = async (what: string, measured: Measured): Promise<void> => {
    if (measured.problem === undefined) return;
    // A lost port ends the poll; the daemon goes on by itself.
    for (let polls = 0; polls < 20 && vehicle.eim.order(measured.orderId ?? "")?.state !== "done"; polls++) await bench.settle();
    expect([what, vehicle.eim.order(measured.orderId ?? "")?.state]).toEqual([what, "done"]);
  };
  for (let i = 0; i < pollsARound; i++) {
    if (i % 10 === 9) vehicle.gate.rebind();
    expect(await bench.poll()).toMatchObject({ problem: undefined });
  }
  if (number % 3 === 0) vehicle.faults.set("hang-up", `+CGLA@${5 + (number % 40)}`);
  await ends("download", await bench.download());
  if (number % 4 === 1) vehicle.faults.set("reset", `+CGLA@${2 + (number % 10)}`);
  await ends("enable", await bench.execute({ psmos: [{ enable: { iccid: downloaded.iccid, rollback: true } }] }));
  await ends("and back", await bench.execute({ psmos: [{ enable: { iccid: bootstrapIccid, rollback: true } }] }));
  await ends("delete", await bench.delete());
  for (const { name } of vehicle.faults.list()) vehicle.faults.clear(name);
  expect(vehicle.euicc.profiles().map(({ iccid, state }) => [iccid, state])).toEqual([[bootstrapIccid, "enabled"]]);
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

test(`the daemon for ${minutes} minutes: every order done; memory, descriptors and files flat`, async () => {
  const bench = await PathBench.start(bundles, 1, {}, sections);
  const seen: Figures[] = [];
  try {
    const endMs = performance.now() + minutes * 60_000;
    for (let number = 1; performance.now() < endMs || number <= 6; number++) {
      await round(bench, number);
      seen.push(figures(number, bench));
    }
    await bench.settle();
    expect(await bench.daemon.verify()).toMatchObject({ ok: true });
    const { alarms, pending } = await bench.daemon.status();
    expect({ alarms, pending }).toEqual({ alarms: [], pending: { notifications: 0, packageResults: 0 } });
    process.stdout.write(`${seen.length} rounds, ${seen.length * pollsARound} polls\n`);
    const quarter = Math.max(1, Math.floor(seen.length / 4));
    const [early, late] = [seen.slice(quarter, 2 * quarter), seen.slice(-quarter)];
    for (const what of ["rssKiB", "descriptors", "files", "auditBytes", "stateBytes"] as const) {
      const of = (part: readonly Figures[]): number => median(part.map((one) => one[what]));
      const greatest = Math.max(...seen.map((one) => one[what]));
      process.stdout.write(`${what}: second quarter ${of(early)}, last quarter ${of(late)}, greatest ${greatest}\n`);
      // Of 24 MiB that V8 gives or takes as it likes, nothing can be concluded.
      const slack = { rssKiB: 24 * 1_024, descriptors: 2, files: 3, auditBytes: 2 * 16_384, stateBytes: 8_192 }[what];
      expect(of(late), what).toBeLessThanOrEqual(of(early) + slack);
    }
  } finally {
    await bench.close();
  }
});
