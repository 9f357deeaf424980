// Orders as JSON has them, checked once, to the values of the message tables. docs/hw-sim-api.md shows each.
import * as v from "valibot";
import { fromHex, iccidToBytes } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import type { EimConfigurationData } from "../../ipa/messages/eim-config.ts";
import type { EuiccPackage } from "../../ipa/messages/package.ts";

export type OrderRequest =
  | {
      readonly kind: "download";
      readonly eid: string;
      /** Absent: the IPA leaves the download data to the eIM (eimDownloadDataHandling). */
      readonly trigger: DownloadTrigger | undefined;
      /** What the eIM knows of the download, whatever the trigger says. */
      readonly activationCode: string | undefined;
      readonly confirmationCode: string | undefined;
      /** Where the trigger sends the IPA, the profile behind the activation code is made to wait for this eUICC. */
      readonly reserve?: boolean | undefined;
    }
  | { readonly kind: "euiccPackage"; readonly eid: string; readonly euiccPackage: EuiccPackage }
  | {
      readonly kind: "ipaEuiccData";
      readonly eid: string;
      readonly tagList: Uint8Array;
      readonly euiccCiPKId: Uint8Array | undefined;
      readonly notifications: { readonly seqNumber: number } | { readonly event: NotificationEventName } | undefined;
      readonly packageResult: number | undefined;
    }
  | { readonly kind: "raw"; readonly eid: string; readonly octets: Uint8Array };

export type DownloadTrigger =
  | { readonly kind: "activationCode"; readonly value: string }
  | { readonly kind: "contactDefaultSmdp"; readonly value: true }
  | { readonly kind: "contactSmds"; readonly value: { readonly smdsAddress?: string | undefined } };

const notificationEvents = ["notificationInstall", "notificationEnable", "notificationDisable", "notificationDelete"] as const;
type NotificationEventName = (typeof notificationEvents)[number];

const eid = v.pipe(v.string(), v.regex(/^\d{32}$/, "not 32 digits"));
const hex = v.pipe(
  v.string(),
  v.regex(/^(\s*[0-9A-Fa-f]{2})*\s*$/, "not hex"),
  v.transform((text) => fromHex(text)),
);
const iccid = v.pipe(
  v.string(),
  v.regex(/^\d{18,20}$/, "not 18 to 20 digits"),
  v.transform((digits) => iccidToBytes(digits)),
);
const eimId = v.pipe(v.string(), v.minLength(1), v.maxLength(128));
const int = v.pipe(v.number(), v.safeInteger());
const nothing = v.pipe(
  v.strictObject({}),
  v.transform(() => ({})),
);
/** PEM, or DER in base64. */
const der = v.pipe(
  v.string(),
  v.transform((text) => new Uint8Array(Buffer.from(text.replace(/-----[^-]+-----/g, ""), "base64"))),
  v.check((octets) => octets[0] === 0x30, "neither PEM nor DER in base64"),
);

const onlyIccid = v.strictObject({ iccid });

/** Psmo of SGP.32 §2.11.1.1. */
const psmos = {
  enable: v.pipe(
    v.strictObject({ iccid, rollback: v.optional(v.boolean(), false) }),
    v.transform(({ iccid: id, rollback }) => (rollback ? { iccid: id, rollbackFlag: true as const } : { iccid: id })),
  ),
  disable: onlyIccid,
  delete: onlyIccid,
  listProfileInfo: v.pipe(
    v.strictObject({
      iccid: v.optional(iccid),
      isdpAid: v.optional(hex),
      profileClass: v.optional(v.picklist(["test", "provisioning", "operational"])),
      tagList: v.optional(hex),
    }),
    v.check(
      ({ iccid: a, isdpAid: b, profileClass: c }) => [a, b, c].filter((one) => one !== undefined).length <= 1,
      "one search criterion at most",
    ),
    v.transform(({ iccid: byIccid, isdpAid, profileClass, tagList }) => ({
      searchCriteria:
        byIccid !== undefined
          ? ({ kind: "iccid", value: byIccid } as const)
          : isdpAid !== undefined
            ? ({ kind: "isdpAid", value: isdpAid } as const)
            : profileClass !== undefined
              ? ({ kind: "profileClass", value: profileClass } as const)
              : undefined,
      tagList,
    })),
  ),
  getRAT: nothing,
  configureImmediateEnable: v.pipe(
    v.strictObject({
      immediateEnable: v.optional(v.boolean(), false),
      defaultSmdpOid: v.optional(v.string()),
      defaultSmdpAddress: v.optional(v.string()),
    }),
    v.transform(({ immediateEnable, ...rest }) => (immediateEnable ? { immediateEnableFlag: true as const, ...rest } : rest)),
  ),
  setFallbackAttribute: onlyIccid,
  unsetFallbackAttribute: nothing,
  setDefaultDpAddress: v.strictObject({ defaultDpAddress: v.string() }),
  /** A whole TLV of no operation known here. */
  unknown: hex,
};

const keyOrCertificate = <const K extends string, const C extends string>(key: K, certificate: C) =>
  v.pipe(
    v.strictObject({ publicKey: v.optional(der), certificate: v.optional(der) }),
    v.check(({ publicKey, certificate: one }) => (publicKey === undefined) !== (one === undefined), "either publicKey or certificate"),
    v.transform(({ publicKey, certificate: one }) =>
      one === undefined ? ({ kind: key, value: publicKey ?? new Uint8Array(0) } as const) : ({ kind: certificate, value: one } as const),
    ),
  );

const configuration = v.pipe(
  v.strictObject({
    eimId,
    eimFqdn: v.optional(v.string()),
    eimIdType: v.optional(v.picklist(["eimIdTypeOid", "eimIdTypeFqdn", "eimIdTypeProprietary"])),
    counterValue: v.optional(int),
    associationToken: v.optional(int),
    eimPublicKeyData: v.optional(keyOrCertificate("eimPublicKey", "eimCertificate")),
    trustedPublicKeyDataTls: v.optional(keyOrCertificate("trustedEimPkTls", "trustedCertificateTls")),
    eimSupportedProtocol: v.optional(
      v.array(v.picklist(["eimRetrieveHttps", "eimRetrieveCoaps", "eimInjectHttps", "eimInjectCoaps", "eimProprietary"])),
    ),
    euiccCiPKId: v.optional(hex),
    indirectProfileDownload: v.optional(v.boolean(), false),
  }),
  v.transform(
    ({ indirectProfileDownload, ...rest }): EimConfigurationData =>
      indirectProfileDownload ? { ...rest, indirectProfileDownload: true } : rest,
  ),
);

/** Eco of SGP.32 §2.11.1.1. */
const ecos = { addEim: configuration, updateEim: configuration, deleteEim: v.strictObject({ eimId }), listEim: nothing, unknown: hex };

const download = v.pipe(
  v.strictObject({
    kind: v.literal("download"),
    eid,
    activationCode: v.optional(v.pipe(v.string(), v.maxLength(255))),
    /** What the trigger carries; the activation code by default. */
    trigger: v.optional(v.picklist(["activationCode", "contactDefaultSmdp", "contactSmds", "none"]), "activationCode"),
    smdsAddress: v.optional(v.string()),
    confirmationCode: v.optional(v.string()),
    /** An event at the SM-DS, or an order without a MatchingID at the default SM-DP+, for what the activation code names. */
    reserve: v.optional(v.boolean(), false),
  }),
  v.check(({ reserve, activationCode }) => !reserve || activationCode !== undefined, "reserve needs an activationCode"),
  v.check(({ trigger, activationCode }) => trigger !== "activationCode" || activationCode !== undefined, "activationCode is missing"),
  v.transform(
    ({ kind, eid: who, trigger, activationCode, smdsAddress, confirmationCode, reserve }): OrderRequest => ({
      kind,
      eid: who,
      trigger: triggerOf(trigger, activationCode ?? "", smdsAddress),
      activationCode,
      confirmationCode,
      reserve,
    }),
  ),
);

function triggerOf(
  trigger: "activationCode" | "contactDefaultSmdp" | "contactSmds" | "none",
  activationCode: string,
  smdsAddress: string | undefined,
): DownloadTrigger | undefined {
  switch (trigger) {
    case "activationCode":
      return { kind: trigger, value: activationCode };
    case "contactDefaultSmdp":
      return { kind: trigger, value: true };
    case "contactSmds":
      return { kind: trigger, value: { smdsAddress } };
    case "none":
      return undefined;
  }
}

const ipaEuiccData = v.pipe(
  v.strictObject({
    kind: v.literal("ipaEuiccData"),
    eid,
    /** Tags in hex, e.g. ["BF20", "BF22", "A5", "A6"]. */
    tags: v.pipe(v.array(hex), v.minLength(1)),
    euiccCiPKId: v.optional(hex),
    notificationSeqNumber: v.optional(int),
    notificationEvent: v.optional(v.picklist(notificationEvents)),
    packageResultSeqNumber: v.optional(int),
  }),
  v.transform(
    ({ kind, eid: who, tags, euiccCiPKId, notificationSeqNumber, notificationEvent, packageResultSeqNumber }): OrderRequest => ({
      kind,
      eid: who,
      tagList: new Uint8Array(Buffer.concat(tags)),
      euiccCiPKId,
      notifications:
        notificationSeqNumber !== undefined
          ? { seqNumber: notificationSeqNumber }
          : notificationEvent !== undefined
            ? { event: notificationEvent }
            : undefined,
      packageResult: packageResultSeqNumber,
    }),
  ),
);

const raw = v.pipe(
  v.strictObject({ kind: v.literal("raw"), eid, hex }),
  v.transform(({ kind, eid: who, hex: octets }): OrderRequest => ({ kind, eid: who, octets })),
);

const operations = v.array(v.record(v.string(), v.unknown()));
const euiccPackage = v.pipe(
  v.strictObject({ kind: v.literal("euiccPackage"), eid, psmos: v.optional(operations), ecos: v.optional(operations) }),
  v.check(({ psmos: a, ecos: b }) => (a === undefined) !== (b === undefined), "either psmos or ecos"),
  v.transform(({ kind, eid: who, psmos: psmoInput, ecos: ecoInput }): OrderRequest => {
    const list =
      psmoInput !== undefined
        ? { kind: "psmoList", value: psmoInput.map((one, at) => operation(psmos, one, `psmos.${at}`)) }
        : { kind: "ecoList", value: (ecoInput ?? []).map((one, at) => operation(ecos, one, `ecos.${at}`)) };
    return { kind, eid: who, euiccPackage: list as EuiccPackage };
  }),
);

const OrderInput = v.variant("kind", [download, euiccPackage, ipaEuiccData, raw]);

/** Throws SIM_REQUEST naming the field. */
export function parseOrder(input: unknown): OrderRequest {
  return check(OrderInput, input, "order");
}

/** One key, which names the operation; its value holds the fields. */
function operation(
  table: Readonly<Record<string, v.GenericSchema<unknown, object>>>,
  input: Readonly<Record<string, unknown>>,
  path: string,
): unknown {
  const [kind = "", ...others] = Object.keys(input);
  const schema = Object.hasOwn(table, kind) ? table[kind] : undefined;
  if (schema === undefined || others.length > 0) {
    throw new SimwardError("SIM_REQUEST", { detail: `order ${path}: one key of ${Object.keys(table).join(", ")}` });
  }
  return { kind, value: check(schema, input[kind], `order ${path}.${kind}`) };
}

export const EuiccInput = v.strictObject({
  eid,
  /** The last one used; the next package has one more. */
  counterValue: v.optional(int),
  associationToken: v.optional(int),
  euiccCertificate: v.optional(der),
  eumCertificate: v.optional(der),
  ciCertificate: v.optional(der),
  /** "host:port" of the vehicle's own servers, and how to know them. */
  injection: v.optional(
    v.strictObject({
      coaps: v.optional(v.string()),
      https: v.optional(v.string()),
      certificate: der,
      serverName: v.optional(v.string()),
    }),
  ),
});

/** Throws SIM_REQUEST with the path of what is wrong. */
export function check<T>(schema: v.GenericSchema<unknown, T>, input: unknown, what: string): T {
  const parsed = v.safeParse(schema, input);
  if (parsed.success) return parsed.output;
  const detail = parsed.issues.map((issue) => `${what}${issuePath(issue)}: ${issue.message}`).join("; ");
  throw new SimwardError("SIM_REQUEST", { detail });
}

function issuePath(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue);
  return path === null ? "" : `.${path}`;
}
