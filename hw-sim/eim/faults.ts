// How the virtual eIM misbehaves when told to; everything is off at the start. Numbers count down: so many more times.
import * as v from "valibot";
import { fromHex } from "../../base/bytes.ts";
import { applySettings } from "../fault-settings.ts";

export interface EimFaults {
  /** eUICC packages are signed with a key that nobody knows. */
  wrongSigningKey: number;
  /** eUICC packages carry the counter of the one before. */
  replayedCounter: number;
  /** eUICC packages carry this counter. */
  counterValue: number | undefined;
  /** eUICC packages name another eUICC. */
  wrongEid: number;
  /** eUICC packages are signed over another association token. */
  wrongToken: number;
  /** Requests are never answered. */
  silentRequests: number;
  /** Requests are refused below ESipa. */
  httpStatus: { readonly status: number; readonly times: number } | undefined;
  /** The next requests are answered with these octets. */
  garbage: { readonly octets: Uint8Array; readonly times: number } | undefined;
  /** Which of the sequence numbers stored are acknowledged: "partial" leaves out the last, "others" names what was not sent; or these. */
  acknowledge: "all" | "partial" | "none" | "others" | readonly number[];
  /** The next calls of a function end with that error (its INTEGER). */
  errors: Partial<Record<EsipaErrorFunction, { readonly code: number; readonly times: number }>>;
  /** What DTLS and TLS present. */
  tlsCertificate: TlsCertificateKind;
  /** Bindings that are not served. */
  notServed: readonly ("coaps" | "https" | "https-json")[];
  /** JSON: signatures and key identifiers without their tags. */
  bareValues: boolean;
  /** JSON: base64 in lines. */
  lineBreaks: boolean;
  /** eimSignature is an Ecdsa-Sig-Value in DER in place of 64 octets. */
  derSignatures: boolean;
  /** rollbackFlag of enable is written as 81 in place of 05. */
  taggedRollbackFlag: boolean;
  /** smdsAddress of a download trigger is written as 0C in place of 80. */
  universalSmdsAddress: boolean;
  /** ESipa answers repeat their tag: BF4F{BF4F{…}}. */
  doubleTag: boolean;
  /** HandleNotification is answered with 200 and an empty body in place of 204. */
  notificationOk: boolean;
  /** Results of packages that simward carries out on a consumer eUICC, which have no card's signature, are taken. */
  takesUnsigned: boolean;
}

export const tlsCertificateKinds = ["own", "foreign", "expired", "wrongHost"] as const;
export type TlsCertificateKind = (typeof tlsCertificateKinds)[number];

export const esipaErrorFunctions = [
  "getEimPackage",
  "provideEimPackageResult",
  "initiateAuthentication",
  "authenticateClient",
  "getBoundProfilePackage",
  "cancelSession",
] as const;
export type EsipaErrorFunction = (typeof esipaErrorFunctions)[number];

export function defaultEimFaults(): EimFaults {
  return {
    wrongSigningKey: 0,
    replayedCounter: 0,
    counterValue: undefined,
    wrongEid: 0,
    wrongToken: 0,
    silentRequests: 0,
    httpStatus: undefined,
    garbage: undefined,
    acknowledge: "all",
    errors: {},
    tlsCertificate: "own",
    notServed: [],
    bareValues: false,
    lineBreaks: false,
    derSignatures: false,
    taggedRollbackFlag: false,
    universalSmdsAddress: false,
    doubleTag: false,
    notificationOk: false,
    takesUnsigned: false,
  };
}

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const hex = v.pipe(
  v.string(),
  v.regex(/^([0-9A-Fa-f]{2})*$/, "not hex"),
  v.transform((text) => fromHex(text)),
);
const times = count;

const FaultSettings = v.partial(
  v.strictObject({
    wrongSigningKey: times,
    replayedCounter: times,
    counterValue: v.pipe(v.number(), v.safeInteger()),
    wrongEid: times,
    wrongToken: times,
    silentRequests: times,
    httpStatus: v.strictObject({ status: v.pipe(v.number(), v.integer(), v.minValue(400), v.maxValue(599)), times }),
    garbage: v.strictObject({ octets: hex, times }),
    acknowledge: v.union([v.picklist(["all", "partial", "none", "others"]), v.array(count)]),
    errors: v.partial(
      v.strictObject(v.entriesFromList(esipaErrorFunctions, v.strictObject({ code: v.pipe(v.number(), v.integer()), times }))),
    ),
    tlsCertificate: v.picklist(tlsCertificateKinds),
    notServed: v.array(v.picklist(["coaps", "https", "https-json"])),
    bareValues: v.boolean(),
    lineBreaks: v.boolean(),
    derSignatures: v.boolean(),
    taggedRollbackFlag: v.boolean(),
    universalSmdsAddress: v.boolean(),
    doubleTag: v.boolean(),
    notificationOk: v.boolean(),
    takesUnsigned: v.boolean(),
  }),
);

/** Throws SIM_REQUEST naming the field. */
export function applyEimFaults(faults: EimFaults, settings: unknown): void {
  applySettings("eim", FaultSettings, faults, defaultEimFaults(), settings);
}

/** What an eIM with that habit acknowledges of the sequence numbers it has stored. */
export function acknowledgedOf({ acknowledge }: EimFaults, stored: readonly number[]): readonly number[] {
  switch (acknowledge) {
    case "all":
      return stored;
    case "partial":
      return stored.slice(0, -1);
    case "none":
      return [];
    case "others":
      return stored.map((number) => Math.max(...stored) + number);
    default:
      return acknowledge;
  }
}

/** One use of a fault that counts down. */
export function spend(
  faults: EimFaults,
  name: "wrongSigningKey" | "replayedCounter" | "wrongEid" | "wrongToken" | "silentRequests",
): boolean {
  if (faults[name] <= 0) return false;
  faults[name]--;
  return true;
}
