// How the virtual SM-DP+ misbehaves when told to; everything is off at the start and may be changed while it runs.
import * as v from "valibot";
import { applySettings } from "../fault-settings.ts";
import { type Es9Codes, type Es9FunctionName, type Es9StatusName, es9Executions, es9Functions, es9Statuses, readCodes } from "./status.ts";

export interface SmdpFaults {
  /** The next `times` calls of a function are refused with that status, by its name or by its codes; Executed-WithWarning does not refuse. */
  status: Partial<Record<Es9FunctionName, StatusFault>>;
  /** That signature does not verify. */
  wrongSignature: "none" | "serverSignature1" | "smdpSignature2" | "smdpSign";
  /** CERT.DPauth and CERT.DPpb are expired ones, or of a CI that nobody knows. */
  certificates: "own" | "expired" | "foreign";
  /** The profile is protected with keys of its own, sent by ReplaceSessionKeys. No fault, but a form that few peers are tested with. */
  ppk: boolean;
  /** Only so many octets of the Bound Profile Package are sent. */
  truncateBppAt: number | undefined;
  /** That octet of the Bound Profile Package is inverted. */
  flipBppOctet: number | undefined;
  /** Whatever else is to happen to a Bound Profile Package; for tests in the same process. */
  transformBpp: ((bpp: Uint8Array) => Uint8Array) | undefined;
  /** profileMetadata of AuthenticateClient names another profile than the package does. */
  otherMetadata: boolean;
  /** Signatures and key identifiers are sent without their tags, as some servers do. */
  bareValues: boolean;
  /** So many more requests get that HTTP status and no body. */
  httpStatus: { readonly status: number; readonly times: number } | undefined;
  /** So many more requests are never answered. */
  silentRequests: number;
}

export type StatusFault = { readonly times: number } & ({ readonly status: Es9StatusName } | Es9Codes);

/** Until it is cleared. */
const always = Number.MAX_SAFE_INTEGER;

/**
 * "getBoundProfilePackage:8.2.7/3.8", ":TIMES" behind it, several with commas between: what `status` becomes. Undefined when it is no such text,
 * names no function, or one of them twice.
 */
export function readEs9Errors(text: string): SmdpFaults["status"] | undefined {
  const out: SmdpFaults["status"] = {};
  for (const item of text.split(",")) {
    const [name, codes, times, more] = item.split(":");
    const functionName = es9Functions.find((one) => one === name);
    const read = readCodes(codes ?? "");
    if (functionName === undefined || read === undefined || more !== undefined || out[functionName] !== undefined) return undefined;
    if (times !== undefined && !/^[1-9]\d{0,5}$/.test(times)) return undefined;
    out[functionName] = { ...read, times: times === undefined ? always : Number(times) };
  }
  return out;
}

/** The fault of the next call of that function, and one less of it to come. */
export function spendStatus(faults: SmdpFaults, functionName: Es9FunctionName): StatusFault | undefined {
  const fault = faults.status[functionName];
  if (fault === undefined || fault.times <= 0) return undefined;
  faults.status = { ...faults.status, [functionName]: { ...fault, times: fault.times - 1 } };
  return fault;
}

export function defaultSmdpFaults(): SmdpFaults {
  return {
    status: {},
    wrongSignature: "none",
    certificates: "own",
    ppk: false,
    truncateBppAt: undefined,
    flipBppOctet: undefined,
    transformBpp: undefined,
    otherMetadata: false,
    bareValues: false,
    httpStatus: undefined,
    silentRequests: 0,
  };
}

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const code = v.pipe(v.string(), v.regex(/^\d{1,2}(\.\d{1,2}){0,4}$/, "not a code like 8.2.6"));
const statusFault = v.union([
  v.strictObject({ status: v.picklist(Object.keys(es9Statuses) as Es9StatusName[]), times: count }),
  v.strictObject({ subjectCode: code, reasonCode: code, execution: v.optional(v.picklist(es9Executions)), times: count }),
]);

const FaultSettings = v.partial(
  v.strictObject({
    status: v.partial(v.strictObject(v.entriesFromList(es9Functions, statusFault))),
    wrongSignature: v.picklist(["none", "serverSignature1", "smdpSignature2", "smdpSign"]),
    certificates: v.picklist(["own", "expired", "foreign"]),
    ppk: v.boolean(),
    truncateBppAt: count,
    flipBppOctet: count,
    otherMetadata: v.boolean(),
    bareValues: v.boolean(),
    httpStatus: v.strictObject({ status: v.pipe(v.number(), v.integer(), v.minValue(400), v.maxValue(599)), times: count }),
    silentRequests: count,
  }),
);

/** Throws SIM_REQUEST naming the field. */
export function applySmdpFaults(faults: SmdpFaults, settings: unknown): void {
  applySettings("smdp", FaultSettings, faults, defaultSmdpFaults(), settings);
}
