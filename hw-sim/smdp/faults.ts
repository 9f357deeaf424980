// How the virtual SM-DP+ misbehaves when told to; everything is off at the start and may be changed while it runs.
import * as v from "valibot";
import { applySettings } from "../fault-settings.ts";
import { type Es9FunctionName, type Es9StatusName, es9Functions, es9Statuses } from "./status.ts";

export interface SmdpFaults {
  /** The next `times` calls of a function are refused with that status. */
  status: Partial<Record<Es9FunctionName, { readonly status: Es9StatusName; readonly times: number }>>;
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
const statusFault = v.strictObject({ status: v.picklist(Object.keys(es9Statuses) as Es9StatusName[]), times: count });

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
