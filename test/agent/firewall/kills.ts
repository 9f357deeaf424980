// kill -9 of simward-netd and of the daemon at made-up moments, while the fleet floods and management talks: what leaked, and what the counters said.
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import type { TrafficReading } from "../../../agent/usage/reading.ts";
import { integerBelow, seededRandom } from "../../../base/random.ts";
import { far, managementUid, port, VehicleBench } from "./vehicle.ts";

export interface KillsSeen {
  readonly kills: number;
  readonly readings: number;
  /** Datagrams of the fleet that came out in front. */
  readonly leaked: number;
  /** Octets of management: as its sender made them, and as the kernel counted them. */
  readonly sentBytes: number;
  readonly countedBytes: number;
  /** Readings lower than one before them. */
  readonly backwards: number;
  readonly epochs: number;
  readonly tableAfter: string;
}

export async function killAtRandom(kills: number, seed: number): Promise<KillsSeen> {
  const vehicle = await VehicleBench.make();
  const random = seededRandom(seed);
  const bundle = join(vehicle.bench.dir, "harness.mjs");
  await build({
    entryPoints: ["test/agent/firewall/harness.ts"],
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    outfile: bundle,
    packages: "external",
  });
  const readings: TrafficReading[] = [];
  const wakers = new Set<() => void>();
  const startDaemon = (): ChildProcess => {
    const args = ["netns", "exec", vehicle.bench.namespace, process.execPath, bundle, vehicle.bench.socketPath];
    const child = spawn("/sbin/ip", args, { stdio: ["ignore", "pipe", "inherit"] });
    if (child.stdout !== null)
      createInterface({ input: child.stdout }).on("line", (line) => {
        // The last one may be torn by its end.
        if (!line.endsWith("}")) return;
        readings.push(JSON.parse(line) as TrafficReading);
        for (const wake of [...wakers]) wake();
      });
    return child;
  };
  const nextReading = (): Promise<void> =>
    new Promise((resolve) => {
      const wake = (): void => {
        wakers.delete(wake);
        resolve();
      };
      wakers.add(wake);
    });
  const ended = (child: ChildProcess): Promise<void> =>
    new Promise((resolve) => {
      child.once("close", () => resolve());
      child.kill("SIGKILL");
    });
  try {
    await vehicle.startNetd();
    const [fleet, management, ecu, core] = await Promise.all([
      vehicle.peer("gateway", 54_321),
      vehicle.peer("gateway", managementUid),
      vehicle.peer("ecu"),
      vehicle.peer("core"),
    ]);
    await core.do("serve", { port });
    await vehicle.warm(fleet, ecu);
    let daemon = startDaemon();
    await nextReading();
    const first = readings.at(-1);
    const hosts = [far.v4, far.v6];
    await fleet.do("flood", { hosts, port, who: "fleet" });
    await ecu.do("flood", { hosts, port, who: "fleet" });
    await management.do("flood", { hosts, port, who: "management" });
    for (let done = 0; done < kills; done++) {
      await vehicle.clock.sleep(integerBelow(random, 60));
      if (integerBelow(random, 2) === 0) {
        await ended(daemon);
        daemon = startDaemon();
      } else {
        await vehicle.killNetd();
        await vehicle.startNetd();
      }
      await nextReading();
    }
    const sent = (await management.do("calm")) as { readonly bytes: number };
    await fleet.do("calm");
    await ecu.do("calm");
    await nextReading();
    await nextReading();
    const last = readings.at(-1);
    await ended(daemon);
    const leaked = (await core.do("heard", { who: "fleet" })) as { readonly datagrams: number };
    let backwards = 0;
    readings.forEach((now, at) => {
      const before = readings[at - 1];
      if (before === undefined) return;
      for (const party of ["fleet", "management"] as const)
        if (now[party].sentBytes < before[party].sentBytes || now[party].receivedBytes < before[party].receivedBytes) backwards++;
    });
    return {
      kills,
      readings: readings.length,
      leaked: leaked.datagrams,
      sentBytes: sent.bytes,
      countedBytes: (last?.management.sentBytes ?? Number.NaN) - (first?.management.sentBytes ?? Number.NaN),
      backwards,
      epochs: new Set(readings.map(({ epoch }) => epoch)).size,
      tableAfter: vehicle.table(),
    };
  } finally {
    await vehicle.close();
  }
}
