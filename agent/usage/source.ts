// What counts the vehicle's traffic: the firewall, which can tell parties apart, or else the interface that carries the session.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Clock } from "../../base/clock.ts";
import type { ByteCounts } from "../connectivity/sessions.ts";
import type { TrafficReading } from "./reading.ts";

export interface UsageSourceOptions {
  /** Undefined where there is none; answers undefined while it cannot be read. */
  readonly firewall?: (() => Promise<TrafficReading | undefined>) | undefined;
  /** Of the session's interface, while there is one. */
  readonly interfaceName: () => string | undefined;
  readonly kernel: { index(name: string): Promise<number | undefined>; counters(name: string): ByteCounts | undefined };
  readonly clock: Clock;
  /** Another one after each boot of the kernel, whose counters begin anew then. */
  readonly bootId?: string;
}

export interface UsageSource {
  read(): Promise<TrafficReading | undefined>;
  pulse(): number | undefined;
}

/** A firewall that has not answered until then does not: counting must not wait for ever, nor go to and fro, which would count some twice. */
const firewallPatienceMs = 60_000;
const nothing = { sentBytes: 0, receivedBytes: 0 };

export function createUsageSource(options: UsageSourceOptions): UsageSource {
  const { firewall, interfaceName, kernel, clock, bootId = bootIdOfKernel() } = options;
  /** Since when there has been something to count. */
  let upSinceMs: number | undefined;
  let by: "undecided" | "firewall" | "interface" = firewall === undefined ? "interface" : "undecided";
  let lastName: string | undefined;
  const nameNow = (): string | undefined => {
    lastName = interfaceName() ?? lastName;
    return lastName;
  };
  const epochOf = (kind: string, ...parts: readonly (string | number)[]): string =>
    `${kind}:${createHash("sha256")
      .update([bootId, ...parts].join(" "))
      .digest("hex")
      .slice(0, 16)}`;

  const readInterface = async (): Promise<TrafficReading | undefined> => {
    const name = nameNow();
    if (name === undefined) return undefined;
    const index = await kernel.index(name);
    const counted = kernel.counters(name);
    if (index === undefined || counted === undefined) return undefined;
    return { epoch: epochOf("interface", name, index), fleet: counted, management: nothing };
  };

  return {
    async read() {
      if (by !== "interface" && firewall !== undefined) {
        // What is wrong with it is its own alarm.
        const reading = await firewall().catch(() => undefined);
        if (reading !== undefined) {
          by = "firewall";
          return { ...reading, epoch: epochOf("firewall", reading.epoch) };
        }
        if (interfaceName() !== undefined) upSinceMs ??= clock.monotonicMs();
        if (by === "firewall" || upSinceMs === undefined || clock.monotonicMs() - upSinceMs < firewallPatienceMs) return undefined;
        by = "interface";
      }
      return readInterface();
    },
    pulse() {
      const name = nameNow();
      const counted = name === undefined ? undefined : kernel.counters(name);
      return counted === undefined ? undefined : counted.sentBytes + counted.receivedBytes;
    },
  };
}

/** Undefined where simward has nothing to do with the vehicle's traffic. */
export function usageSourceOf(
  dataPath: { readonly status: { readonly interface: string | undefined } } | undefined,
  kernel: UsageSourceOptions["kernel"] | undefined,
  firewall: { read(): Promise<TrafficReading | undefined> } | undefined,
  clock: Clock,
): UsageSource | undefined {
  if (dataPath === undefined || kernel === undefined) return undefined;
  return createUsageSource({
    ...{ kernel, clock, interfaceName: () => dataPath.status.interface },
    firewall: firewall === undefined ? undefined : () => firewall.read(),
  });
}

function bootIdOfKernel(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}
