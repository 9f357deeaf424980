// Loss, delay, duplicates, reordering and a NAT that rebinds, with the shipped daemon in real time: what it takes, and that all of it arrives.
// Run by `make matrix`.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Measured, PathBench } from "../../support/path-bench.ts";
import { type Bundles, bundlePrograms } from "../../support/shipped.ts";

let bundles: Bundles;
beforeAll(async () => {
  bundles = await bundlePrograms();
});
afterAll(() => bundles.close());

interface Row {
  readonly path: string;
  readonly faults: Readonly<Record<string, string>>;
  readonly polls: number;
  readonly downloads: number;
}

const seed = Number(process.env.MATRIX_SEED ?? 25);

const rows: readonly Row[] = [
  { path: "clean", faults: {}, polls: 20, downloads: 5 },
  { path: "25 % lost", faults: { loss: "0.25" }, polls: 20, downloads: 5 },
  { path: "25 % lost, RTT 600 ms", faults: { loss: "0.25", "rtt-ms": "600" }, polls: 20, downloads: 5 },
  { path: "RTT 3 s", faults: { "rtt-ms": "3000" }, polls: 4, downloads: 2 },
  { path: "RTT 3 s, 10 % lost", faults: { "rtt-ms": "3000", loss: "0.1" }, polls: 4, downloads: 1 },
  { path: "30 % duplicated, 30 % overtaken", faults: { duplicate: "0.3", reorder: "0.3", "rtt-ms": "100" }, polls: 20, downloads: 5 },
  {
    path: "NB-IoT: 20 kbit/s, RTT 1.6 s, 5 % lost",
    faults: { "rate-bps": "20000", "rtt-ms": "1600", loss: "0.05" },
    polls: 4,
    downloads: 1,
  },
];

const sum = (all: readonly Measured[], of: (one: Measured) => number): number => all.reduce((total, one) => total + of(one), 0);
const seconds = (ms: number): string => (ms / 1_000).toFixed(1);

function line(path: string, what: string, all: readonly Measured[]): string {
  const times = all.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
  const went = all.filter(({ problem }) => problem === undefined).length;
  const at = (share: number): string => seconds(times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0);
  const each = (of: (one: Measured) => number): string => (sum(all, of) / all.length).toFixed(1);
  return (
    `${path}: ${went} of ${all.length} ${what}; s: median ${at(0.5)}, longest ${at(1)}; ` +
    `each ${each((m) => m.datagrams.up)} datagrams up, ${each((m) => m.datagrams.down)} down, ${each((m) => m.bytes.up + m.bytes.down)} octets, ${each((m) => m.lost)} lost\n`
  );
}

test.concurrent.each(rows)("$path: every poll and every download completes", async ({ path, faults, polls, downloads }) => {
  const bench = await PathBench.start(bundles, seed, faults);
  try {
    const polled: Measured[] = [];
    // Every other one from another port of the NAT, so that associations are resumed as well.
    for (let i = 0; i < polls; i++) {
      if (i % 2 === 1) bench.vehicle.gate.rebind();
      polled.push(await bench.poll());
    }
    const downloaded: Measured[] = [];
    for (let i = 0; i < downloads; i++) {
      downloaded.push(await bench.download());
      if (i < downloads - 1) expect(await bench.delete()).toMatchObject({ problem: undefined });
    }
    process.stdout.write(line(path, "polls", polled) + line(path, "downloads of 12 KB", downloaded));
    expect([...polled, ...downloaded].map(({ problem }) => problem).filter((problem) => problem !== undefined)).toEqual([]);
  } finally {
    await bench.close();
  }
});
