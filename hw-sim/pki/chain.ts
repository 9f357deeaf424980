// Walks a certificate chain as SGP.22 §4.5.2 and SGP.32 §4.3 want it. Generic validators cannot: the EUM's critical nameConstraints
// on an incomplete directory name make them refuse every eUICC.
import { verify } from "node:crypto";
import { equalBytes, toHexUpper } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { type Certificate, parseCertificate } from "./certificate.ts";

const rspRole = "2.23.146.1.2.1";

interface RoleRow {
  /** The policy the certificate must carry; eIM certificates carry none (SGP.32 §4.3). */
  readonly policy: string | undefined;
  readonly ca: boolean;
  /** Who signs it. */
  readonly issuer: "ci" | "eum";
}

/** id-rspRole of RSPDefinitions. */
export const roles = {
  ci: { policy: `${rspRole}.0`, ca: true, issuer: "ci" },
  euicc: { policy: `${rspRole}.1`, ca: false, issuer: "eum" },
  eum: { policy: `${rspRole}.2`, ca: true, issuer: "ci" },
  dptls: { policy: `${rspRole}.3`, ca: false, issuer: "ci" },
  dpauth: { policy: `${rspRole}.4`, ca: false, issuer: "ci" },
  dppb: { policy: `${rspRole}.5`, ca: false, issuer: "ci" },
  dstls: { policy: `${rspRole}.6`, ca: false, issuer: "ci" },
  dsauth: { policy: `${rspRole}.7`, ca: false, issuer: "ci" },
  eimsign: { policy: undefined, ca: false, issuer: "ci" },
  eimtls: { policy: undefined, ca: false, issuer: "ci" },
} as const satisfies Record<string, RoleRow>;
export type CertificateRole = keyof typeof roles;

export type ChainReason =
  | "malformed"
  | "unknownCi"
  | "issuer"
  | "signature"
  | "notYetValid"
  | "expired"
  | "policy"
  | "basicConstraints"
  | "keyUsage"
  | "criticalExtension"
  | "eid"
  | "curve";

/** What a CERTIFICATE error of this file carries in `data`. */
export interface ChainFault {
  readonly reason: ChainReason;
  readonly role: CertificateRole;
}

export interface ChainOptions {
  /** CI certificates, DER. Their signatures are not checked: they are trusted because they are here. */
  readonly anchors: readonly Uint8Array[];
  /** Milliseconds since the epoch; left out by an eUICC, which has no clock. */
  readonly atMs?: number;
}

export interface EuiccChain {
  readonly euicc: Certificate;
  readonly eum: Certificate;
  readonly ci: Certificate;
  /** 32 digits, from the subject's serialNumber. */
  readonly eid: string;
}

/** The reason in a CERTIFICATE error raised here, or undefined for any other error. */
export function chainFault(error: unknown): ChainFault | undefined {
  if (!(error instanceof SimwardError) || error.code !== "CERTIFICATE") return undefined;
  return error.data as unknown as ChainFault;
}

/** eUICC, then EUM, then one of the CIs (SGP.22 §4.5.2.1.0.1 and .2). Throws CERTIFICATE. */
export function verifyEuiccChain(euiccDer: Uint8Array, eumDer: Uint8Array, options: ChainOptions): EuiccChain {
  const eum = parse(eumDer, "eum");
  const ci = verifyAgainstAnchors(eum, "eum", options);
  const euicc = parse(euiccDer, "euicc");
  verifyLink(euicc, "euicc", eum, options.atMs);
  return { euicc, eum, ci, eid: eidUnder(euicc, eum) };
}

/** A certificate issued by one of the CIs directly: SM-DP+, SM-DS, eIM, EUM. Throws CERTIFICATE. */
export function verifyUnderCi(
  der: Uint8Array,
  role: Exclude<CertificateRole, "euicc" | "ci">,
  options: ChainOptions,
): { readonly certificate: Certificate; readonly ci: Certificate } {
  const certificate = parse(der, role);
  return { certificate, ci: verifyAgainstAnchors(certificate, role, options) };
}

function parse(der: Uint8Array, role: CertificateRole): Certificate {
  try {
    return parseCertificate(der);
  } catch (error) {
    throw refusal(role, "malformed", error instanceof SimwardError ? (error.detail ?? "") : String(error));
  }
}

function verifyAgainstAnchors(certificate: Certificate, role: CertificateRole, { anchors, atMs }: ChainOptions): Certificate {
  const aki = certificate.authorityKeyIdentifier;
  if (aki === undefined) throw refusal(role, "issuer", "it has no authorityKeyIdentifier");
  const ci = anchors
    .map((anchor) => parse(anchor, "ci"))
    .find(({ subjectKeyIdentifier: ski }) => ski !== undefined && equalBytes(ski, aki));
  if (ci === undefined) throw refusal(role, "unknownCi", `no CI has the key identifier ${toHexUpper(aki)}`);
  verifyProperties(ci, "ci", atMs);
  verifyLink(certificate, role, ci, atMs);
  return ci;
}

/** One step up: `issuer` has been or will be verified by the caller. */
function verifyLink(certificate: Certificate, role: CertificateRole, issuer: Certificate, atMs: number | undefined): void {
  const { authorityKeyIdentifier: aki } = certificate;
  const { subjectKeyIdentifier: ski } = issuer;
  if (aki === undefined || ski === undefined || !equalBytes(aki, ski)) {
    throw refusal(role, "issuer", "its authorityKeyIdentifier is not its issuer's subjectKeyIdentifier");
  }
  if (!equalBytes(certificate.issuer, issuer.subject))
    throw refusal(role, "issuer", "its issuer's name is not that of the certificate above it");
  const input = { key: issuer.publicKey, dsaEncoding: "der" } as const;
  if (!verify("sha256", certificate.tbs, input, certificate.signature)) throw refusal(role, "signature", "its signature does not verify");
  verifyProperties(certificate, role, atMs);
}

function verifyProperties(certificate: Certificate, role: CertificateRole, atMs: number | undefined): void {
  const row: RoleRow = roles[role];
  const { notBeforeMs, notAfterMs, basicConstraints, keyUsage, policies, unknownCritical, curve } = certificate;
  if (atMs !== undefined && atMs < notBeforeMs) throw refusal(role, "notYetValid", `valid from ${new Date(notBeforeMs).toISOString()}`);
  if (atMs !== undefined && atMs > notAfterMs) throw refusal(role, "expired", `valid until ${new Date(notAfterMs).toISOString()}`);
  if (unknownCritical.length > 0) throw refusal(role, "criticalExtension", `unknown critical extension ${unknownCritical.join(", ")}`);
  if (row.policy !== undefined && !policies.includes(row.policy)) throw refusal(role, "policy", `it has not the policy ${row.policy}`);
  if ((basicConstraints?.ca ?? false) !== row.ca) throw refusal(role, "basicConstraints", row.ca ? "it is not a CA" : "it is a CA");
  const usage = row.ca ? "keyCertSign" : "digitalSignature";
  if (!(keyUsage?.includes(usage) ?? false)) throw refusal(role, "keyUsage", `its keyUsage lacks ${usage}`);
  if (curve !== "prime256v1" && curve !== "brainpoolP256r1") throw refusal(role, "curve", `its key is on ${curve}`);
}

/** The EID, which must lie within what the EUM may issue. */
function eidUnder(euicc: Certificate, eum: Certificate): string {
  const { serialNumber: eid, O: organization } = euicc.subjectAttributes;
  if (eid === undefined || !/^\d{32}$/.test(eid)) throw refusal("euicc", "eid", "its subject's serialNumber is no EID");
  if (eum.permittedNames === undefined) throw refusal("eum", "eid", "it says nothing of the EIDs it may issue");
  const allowed = eum.permittedNames.some(
    (name) =>
      name.eidPrefix !== "" && eid.startsWith(name.eidPrefix) && (name.organization === undefined || name.organization === organization),
  );
  if (!allowed) throw refusal("euicc", "eid", "its EUM may not issue this EID");
  return eid;
}

function refusal(role: CertificateRole, reason: ChainReason, detail: string): SimwardError {
  const fault: ChainFault = { reason, role };
  return new SimwardError("CERTIFICATE", { detail: `${role} certificate, ${reason}: ${detail}`, data: { ...fault } });
}
