// Faults of the eUICC as JSON has them, for POST /v1/faults {"euicc": {…}}; euicc/types.ts says what each does.
import * as v from "valibot";
import { SimwardError } from "../base/errors.ts";
import type { EuiccFaults } from "./euicc/types.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff));
/** "6985" */
const statusWord = v.pipe(
  v.string(),
  v.regex(/^[0-9A-Fa-f]{4}$/, "not four hex digits"),
  v.transform((text) => Number.parseInt(text, 16)),
);
/** {"BF51": "6985"} */
const statusWords = v.pipe(
  v.record(v.pipe(v.string(), v.regex(/^[0-9A-Fa-f]{2,6}$/, "not a tag in hex")), statusWord),
  v.transform((byTag) => Object.fromEntries(Object.entries(byTag).map(([tag, sw]) => [Number.parseInt(tag, 16), sw]))),
);

const Settings = v.partial(
  v.strictObject({
    refreshQualifier: v.union([v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(6)), v.literal("none")]),
    responseChunkBytes: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(256)),
    catBusyTimes: count,
    berLengths: v.boolean(),
    doubleTag: v.boolean(),
    unknownFields: v.boolean(),
    untaggedSingleResult: v.boolean(),
    derSignatures: v.boolean(),
    nestedCertificates: v.boolean(),
    taggedCmdResult: v.boolean(),
    writtenDefaults: v.boolean(),
    omitEid: v.boolean(),
    refuseSegment: v.nullable(v.strictObject({ segment: count, sw: statusWord })),
    memoryFull: v.boolean(),
    cutPowerAfterOperations: v.nullable(count),
    wrongSignature: v.boolean(),
    statusWords,
  }),
);

/** What is named is set, null switches off, the rest stays. Throws SIM_REQUEST naming the field. */
export function applyCardFaults(faults: EuiccFaults, settings: unknown): void {
  const parsed = v.safeParse(Settings, settings);
  if (!parsed.success) {
    const detail = parsed.issues.map((issue) => `${v.getDotPath(issue) ?? "value"}: ${issue.message}`).join("; ");
    throw new SimwardError("SIM_REQUEST", { detail: `euicc faults: ${detail}` });
  }
  for (const [name, value] of Object.entries(parsed.output)) Object.assign(faults, { [name]: value ?? undefined });
}
