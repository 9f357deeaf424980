// [trace]: which interfaces are remembered, how much in memory, and when on flash.
import { array, boolean, type InferOutput, integer, maxValue, minValue, number, optional, picklist, pipe, strictObject } from "valibot";
import { traceLayers } from "../../base/trace.ts";

const bytes = (from: number, to: number) => pipe(number(), integer("must be a whole number of octets"), minValue(from), maxValue(to));

export const traceConfig = strictObject({
  enabled: optional(boolean(), true),
  layers: optional(array(picklist(traceLayers)), [...traceLayers]),
  memory_bytes: optional(bytes(65_536, 67_108_864), 1_048_576),
  /** failures: what belongs to an operation that failed. always wears the flash: it is for a bench, or a vehicle that is being looked into. */
  disk: optional(picklist(["never", "failures", "always"]), "failures"),
  ring_bytes: optional(bytes(65_536, 1_073_741_824), 2_097_152),
});
export type TraceConfig = InferOutput<typeof traceConfig>;
export type TraceDisk = TraceConfig["disk"];
