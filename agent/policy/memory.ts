// What the policy engine remembers over restarts: which verdicts have been told, and by which configuration. Losing it costs records told twice.
import { nullable, object, parse, record, string } from "valibot";
import type { Disk } from "../../base/disk.ts";
import { openState, type StateStore } from "../state/store.ts";
import type { RememberedVerdicts } from "./engine.ts";

export interface PolicyMemoryContent {
  readonly verdicts: RememberedVerdicts;
  /** SHA-256, hex, of the configuration of the last start. */
  readonly configSha256: string | null;
}

const schema = object({ verdicts: record(string(), string()), configSha256: nullable(string()) });

export function openPolicyMemory(disk: Disk): Promise<StateStore<PolicyMemoryContent>> {
  return openState<PolicyMemoryContent>({
    disk,
    name: "policy",
    version: 1,
    initial: { verdicts: {}, configSha256: null },
    parse: (value) => parse(schema, value),
    onLost: () => undefined,
  });
}
