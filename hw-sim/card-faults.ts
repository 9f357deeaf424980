// Faults of the eUICC as JSON has them, for POST /v1/faults {"euicc": {…}}; euicc/types.ts says what each does.
import * as v from "valibot";
import { defaultFaults, type EuiccFaults } from "./euicc/types.ts";
import { applySettings } from "./fault-settings.ts";

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
    bareKeys: v.boolean(),
    taggedCmdResult: v.boolean(),
    writtenDefaults: v.boolean(),
    version10: v.boolean(),
    omitEid: v.boolean(),
    refuseSegment: v.strictObject({ segment: count, sw: statusWord }),
    memoryFull: v.boolean(),
    cutPowerAfterOperations: count,
    wrongSignature: v.boolean(),
    unsupportedStatusWord: statusWord,
    statusWords,
  }),
);

/** Throws SIM_REQUEST naming the field. */
export function applyCardFaults(faults: EuiccFaults, settings: unknown): void {
  applySettings("euicc", Settings, faults, defaultFaults(), settings);
}

/** As JSON has them. */
export function showCardFaults(faults: EuiccFaults): unknown {
  const word = (value: number): string => value.toString(16).toUpperCase().padStart(4, "0");
  const { refuseSegment, unsupportedStatusWord, statusWords } = faults;
  const byTag = Object.entries(statusWords).map(([tag, sw]) => [Number(tag).toString(16).toUpperCase(), word(sw)]);
  return {
    ...faults,
    statusWords: Object.fromEntries(byTag),
    ...(refuseSegment === undefined ? {} : { refuseSegment: { ...refuseSegment, sw: word(refuseSegment.sw) } }),
    ...(unsupportedStatusWord === undefined ? {} : { unsupportedStatusWord: word(unsupportedStatusWord) }),
  };
}
