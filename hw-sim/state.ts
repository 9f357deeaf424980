// What a virtual vehicle keeps from one run to the next: its eUICC's memory, and the ports that this memory names.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { SimwardError } from "../base/errors.ts";

/** `smds` came later: what was kept before has none. */
const Ports = v.strictObject({ eim: v.number(), smdp: v.number(), smds: v.optional(v.number(), 0) });
export type VehiclePorts = v.InferOutput<typeof Ports>;

export interface VehicleState {
  readonly snapshot: Uint8Array | undefined;
  readonly ports: VehiclePorts | undefined;
  /** Before the card's answer goes out, so that a killed simulator forgets nothing it has promised. */
  saveSnapshot(snapshot: Uint8Array): void;
  savePorts(ports: VehiclePorts): void;
}

/** Keeps nothing. */
export const noState: VehicleState = { snapshot: undefined, ports: undefined, saveSnapshot() {}, savePorts() {} };

/** Throws SIM_OPTION when the directory cannot be used or what it holds is not ours. */
export function openState(dir: string): VehicleState {
  const [snapshotFile, portsFile] = [join(dir, "euicc.bin"), join(dir, "ports.json")];
  const guarded = <T>(path: string, act: () => T): T => {
    try {
      return act();
    } catch (error) {
      throw new SimwardError("SIM_OPTION", { detail: `--state: ${path}: ${error instanceof Error ? error.message : error}`, cause: error });
    }
  };
  const replace = (path: string, data: Uint8Array | string): void =>
    guarded(path, () => {
      writeFileSync(`${path}.tmp`, data, { mode: 0o600 });
      renameSync(`${path}.tmp`, path);
    });
  guarded(dir, () => mkdirSync(dir, { recursive: true, mode: 0o700 }));
  const ports = guarded(portsFile, () => {
    const text = readIfThere(portsFile);
    return text === undefined ? undefined : v.parse(Ports, JSON.parse(text.toString("utf8")));
  });
  const snapshot = guarded(snapshotFile, () => readIfThere(snapshotFile));
  return {
    snapshot: snapshot === undefined ? undefined : new Uint8Array(snapshot),
    ports,
    saveSnapshot: (data) => replace(snapshotFile, data),
    savePorts: (saved) => replace(portsFile, JSON.stringify(saved)),
  };
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
