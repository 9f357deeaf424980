// X.509 as TLS and DTLS peers present it (RFC 5280 §6, RFC 6125): path to a trust anchor, purpose, name, validity by our own Clock.
// Pure and without I/O, so that the same judgement is passed at the handshake, after a resumption, and on HTTPS.
import { createHash, type KeyObject, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { Boolean as Asn1Boolean, type AsnType, BitString, Constructed, fromBER, Integer, ObjectIdentifier, OctetString } from "asn1js";
import { equalBytes, uintToBytes } from "../base/bytes.ts";
import type { WallTime } from "../base/clock.ts";
import { SimwardError } from "../base/errors.ts";
import type { TlsTrust } from "../ipa/ports.ts";

export type CertificateTrust = Exclude<TlsTrust, { readonly kind: "psk" }>;

export interface ServerExpectation {
  readonly trust: CertificateTrust;
  /** A DNS name or an IP address; it must be in subjectAltName. */
  readonly serverName: string;
  readonly time: WallTime;
}

/** Judges the chain a server presented, leaf first, DER. Throws TLS_UNTRUSTED, TLS_HOST_MISMATCH, TLS_EXPIRED. */
export function checkServerChain(presented: readonly Uint8Array[], expectation: ServerExpectation): void {
  const certificates = readPresented(presented);
  const anchors = anchorsOf(expectation.trust, certificates);
  const paths = trustedPaths(certificates, anchors, "serverAuth");
  const [leaf] = certificates;
  if (!carriesName(leaf.x509, expectation.serverName)) {
    const detail = `${nameOf(leaf)} carries ${leaf.x509.subjectAltName ?? "no name at all"}, not ${expectation.serverName}`;
    throw new SimwardError("TLS_HOST_MISMATCH", { detail });
  }
  checkValidity(paths, expectation.time);
}

/** Judges the chain a client presented, leaf first, DER. Throws TLS_UNTRUSTED, TLS_EXPIRED. */
export function checkClientChain(
  presented: readonly Uint8Array[],
  expectation: { readonly anchors: readonly Uint8Array[]; readonly time: WallTime },
): void {
  const certificates = readPresented(presented);
  const paths = trustedPaths(certificates, expectation.anchors.map(readAnchor), "clientAuth");
  checkValidity(paths, expectation.time);
}

/**
 * Judges the chain of a client that must be one certain server in the other role, leaf first, DER. Where what is trusted is not the leaf itself but an
 * issuer of it, the leaf must carry the server's name too: an issuer signs for many. Answers which of the two it was.
 * Throws TLS_UNTRUSTED, TLS_HOST_MISMATCH, TLS_EXPIRED.
 */
export function checkClientIdentity(
  presented: readonly Uint8Array[],
  expectation: { readonly trust: CertificateTrust; readonly name: string | undefined; readonly time: WallTime },
): "leaf" | "issuer" {
  const certificates = readPresented(presented);
  const [leaf] = certificates;
  const anchors = anchorsOf(expectation.trust, certificates);
  const paths = trustedPaths(certificates, anchors, "clientAuth");
  const isLeafTrusted = anchors.some((anchor) => equalBytes(anchor.raw, leaf.raw));
  if (!isLeafTrusted && (expectation.name === undefined || !carriesName(leaf.x509, expectation.name))) {
    const detail = `${nameOf(leaf)} carries ${leaf.x509.subjectAltName ?? "no name at all"}, not ${expectation.name ?? "a name to know it by"}`;
    throw new SimwardError("TLS_HOST_MISMATCH", { detail });
  }
  checkValidity(paths, expectation.time);
  return isLeafTrusted ? "leaf" : "issuer";
}

/** Names a trust anchor, in hex: sessions made under one must not be resumed under another. */
export function trustFingerprint(trust: CertificateTrust): string {
  const parts = trust.kind === "certificate" ? [trust.der] : trust.kind === "publicKey" ? [trust.spki] : trust.certificates;
  const hash = createHash("sha256").update(trust.kind);
  for (const part of parts) hash.update(uintToBytes(part.length, 4)).update(part);
  return hash.digest("hex");
}

/** The certificates of a PEM text, in its order, DER. */
export function pemCertificates(pem: string): Uint8Array[] {
  const blocks = pem.matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g);
  return Array.from(blocks, ([, body]) => new Uint8Array(Buffer.from(body ?? "", "base64")));
}

// --- reading ----------------------------------------------------------------------------------------------------------------

interface Certificate {
  readonly raw: Uint8Array;
  readonly x509: X509Certificate;
  /** SubjectPublicKeyInfo as encoded in the certificate. */
  readonly spki: Uint8Array;
  readonly signatureAlgorithm: string;
  readonly isSelfIssued: boolean;
  readonly isCa: boolean;
  readonly pathLength: number | undefined;
  /** Bit 0 is digitalSignature, bit 5 keyCertSign; undefined when the extension is absent. */
  readonly keyUsage: readonly boolean[] | undefined;
  readonly extendedKeyUsage: readonly string[] | undefined;
  readonly names: readonly GeneralName[];
  readonly nameConstraints: { readonly permitted: readonly GeneralName[]; readonly excluded: readonly GeneralName[] } | undefined;
  readonly unknownCritical: readonly string[];
}

/** RFC 5280 §4.2.1.6: dNSName is 2, directoryName 4, iPAddress 7. */
interface GeneralName {
  readonly tag: number;
  readonly value: Uint8Array;
}

type Purpose = "serverAuth" | "clientAuth";
const purposeOids: Readonly<Record<Purpose, string>> = { serverAuth: "1.3.6.1.5.5.7.3.1", clientAuth: "1.3.6.1.5.5.7.3.2" };
const anyExtendedKeyUsage = "2.5.29.37.0";

const extensionOids = {
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  nameConstraints: "2.5.29.30",
  certificatePolicies: "2.5.29.32",
  extendedKeyUsage: "2.5.29.37",
} as const;
const knownExtensions: ReadonlySet<string> = new Set(Object.values(extensionOids));

/** Signatures that still mean something; the absent are MD5, SHA-1 and what no CA of the field uses. */
const signatureAlgorithms: ReadonlySet<string> = new Set([
  "1.2.840.10045.4.3.2", // ecdsa-with-SHA256
  "1.2.840.10045.4.3.3", // ecdsa-with-SHA384
  "1.2.840.10045.4.3.4", // ecdsa-with-SHA512
  "1.2.840.113549.1.1.11", // sha256WithRSAEncryption
  "1.2.840.113549.1.1.12", // sha384WithRSAEncryption
  "1.2.840.113549.1.1.13", // sha512WithRSAEncryption
  "1.3.101.112", // Ed25519
]);
const rsaMinBits = 2048;
const curves: ReadonlySet<string> = new Set([
  "prime256v1",
  "secp384r1",
  "secp521r1",
  "brainpoolP256r1",
  "brainpoolP384r1",
  "brainpoolP512r1",
]);

const presentedMax = 12;

function readPresented(presented: readonly Uint8Array[]): readonly [Certificate, ...Certificate[]] {
  if (presented.length > presentedMax)
    throw new SimwardError("TLS_UNTRUSTED", {
      detail: `${presented.length} certificates presented, at most ${presentedMax} are looked at`,
    });
  const [leaf, ...others] = presented.map((der) => readCertificate(der, "a certificate presented"));
  if (leaf === undefined) throw new SimwardError("TLS_UNTRUSTED", { detail: "no certificate was presented" });
  return [leaf, ...others];
}

function readAnchor(der: Uint8Array): Certificate {
  return readCertificate(der, "the trust anchor");
}

function readCertificate(der: Uint8Array, what: string): Certificate {
  try {
    return parseCertificate(der);
  } catch (cause) {
    throw new SimwardError("TLS_UNTRUSTED", { detail: `${what} cannot be read`, cause });
  }
}

function parseCertificate(der: Uint8Array): Certificate {
  const x509 = new X509Certificate(der);
  const [tbs, algorithm] = childrenOf(parse(x509.raw));
  const fields = childrenOf(tbs);
  // version [0] is absent in v1
  const at = isContext(fields[0], 0) ? 1 : 0;
  const spki = fields[at + 5];
  if (spki === undefined) throw new Error("no SubjectPublicKeyInfo");
  const extensions = readExtensions(fields.find((field) => isContext(field, 3)));
  const extension = (oid: string): AsnType | undefined => extensions.get(oid)?.value;
  const basic = extension(extensionOids.basicConstraints);
  const [isCaField, lengthField] = basic === undefined ? [] : childrenOf(basic);
  const keyUsage = extension(extensionOids.keyUsage);
  const extendedKeyUsage = extension(extensionOids.extendedKeyUsage);
  const names = extension(extensionOids.subjectAltName);
  const constraints = extension(extensionOids.nameConstraints);
  return {
    raw: new Uint8Array(x509.raw),
    x509,
    spki: new Uint8Array(spki.valueBeforeDecodeView),
    signatureAlgorithm: oidOf(childrenOf(algorithm)[0]),
    isSelfIssued: x509.subject === x509.issuer,
    isCa: isCaField instanceof Asn1Boolean && isCaField.getValue(),
    pathLength: lengthField instanceof Integer ? lengthField.valueBlock.valueDec : undefined,
    keyUsage: keyUsage instanceof BitString ? bitsOf(keyUsage) : undefined,
    extendedKeyUsage: extendedKeyUsage === undefined ? undefined : childrenOf(extendedKeyUsage).map(oidOf),
    names: names === undefined ? [] : childrenOf(names).map(generalNameOf),
    nameConstraints: constraints === undefined ? undefined : nameConstraintsOf(constraints),
    unknownCritical: [...extensions].filter(([oid, { critical }]) => critical && !knownExtensions.has(oid)).map(([oid]) => oid),
  };
}

function readExtensions(field: AsnType | undefined): Map<string, { readonly critical: boolean; readonly value: AsnType }> {
  const out = new Map<string, { critical: boolean; value: AsnType }>();
  if (field === undefined) return out;
  for (const extension of childrenOf(childrenOf(field)[0])) {
    const [id, ...rest] = childrenOf(extension);
    const content = rest.at(-1);
    if (!(content instanceof OctetString)) throw new Error("an extension without a value");
    const oid = oidOf(id);
    if (out.has(oid)) throw new Error(`extension ${oid} twice`);
    const critical = rest[0] instanceof Asn1Boolean && rest[0].getValue();
    // The content of an extension that is not known is not looked at: it need not even be DER.
    const value = knownExtensions.has(oid) ? parse(new Uint8Array(content.getValue())) : content;
    out.set(oid, { critical, value });
  }
  return out;
}

function nameConstraintsOf(constraints: AsnType): { permitted: GeneralName[]; excluded: GeneralName[] } {
  const subtrees = (tag: number): GeneralName[] => {
    const list = childrenOf(constraints).find((child) => isContext(child, tag));
    return list === undefined ? [] : childrenOf(list).map((subtree) => generalNameOf(childrenOf(subtree)[0]));
  };
  return { permitted: subtrees(0), excluded: subtrees(1) };
}

function parse(der: Uint8Array): AsnType {
  const { result, offset } = fromBER(der);
  if (offset !== der.length) throw new Error(`not one DER value: ${result.error}`);
  return result;
}

function childrenOf(block: AsnType | undefined): AsnType[] {
  if (!(block instanceof Constructed)) throw new Error("a structure is not where X.509 has it");
  return block.valueBlock.value as AsnType[];
}

function isContext(block: AsnType | undefined, tag: number): boolean {
  return block !== undefined && block.idBlock.tagClass === 3 && block.idBlock.tagNumber === tag;
}

function oidOf(block: AsnType | undefined): string {
  if (!(block instanceof ObjectIdentifier)) throw new Error("an OBJECT IDENTIFIER is not where X.509 has it");
  return block.getValue();
}

function bitsOf(bits: BitString): boolean[] {
  const octets = bits.valueBlock.valueHexView;
  return Array.from(
    { length: octets.length * 8 - bits.valueBlock.unusedBits },
    (_, i) => ((octets[i >> 3] ?? 0) & (0x80 >> (i & 7))) !== 0,
  );
}

function generalNameOf(block: AsnType | undefined): GeneralName {
  if (block === undefined || block.idBlock.tagClass !== 3) throw new Error("a GeneralName is not where X.509 has it");
  const raw = block.valueBeforeDecodeView;
  return { tag: block.idBlock.tagNumber, value: new Uint8Array(raw.subarray(raw.length - block.lenBlock.length)) };
}

// --- the path -----------------------------------------------------------------------------------------------------------------

const pathMax = 8;
/** Certificates that all sign each other must not cost more than this many verifications. */
const verificationsMax = 64;

function anchorsOf(trust: CertificateTrust, presented: readonly Certificate[]): readonly Certificate[] {
  switch (trust.kind) {
    case "certificate":
      return [readAnchor(trust.der)];
    case "roots":
      return trust.certificates.map(readAnchor);
    // The key is what is trusted; whoever presents a certificate with it has shown which name goes with it.
    case "publicKey":
      return presented.filter((certificate) => equalBytes(certificate.spki, trust.spki));
  }
}

/** The paths from the leaf to an anchor that hold but for time and name. Throws TLS_UNTRUSTED when there is none. */
function trustedPaths(
  presented: readonly [Certificate, ...Certificate[]],
  anchors: readonly Certificate[],
  purpose: Purpose,
): readonly (readonly Certificate[])[] {
  let budget = verificationsMax;
  let objection: string | undefined;
  const found: (readonly Certificate[])[] = [];
  const isAnchor = (certificate: Certificate): boolean => anchors.some((anchor) => equalBytes(anchor.raw, certificate.raw));
  const extend = (path: readonly [Certificate, ...Certificate[]]): void => {
    const tip = path.at(-1) ?? path[0];
    if (isAnchor(tip)) {
      const wrong = objectionTo(path, purpose);
      if (wrong === undefined) found.push(path);
      else objection ??= wrong;
      return;
    }
    if (path.length >= pathMax) return;
    for (const issuer of [...anchors, ...presented]) {
      if (path.some((certificate) => equalBytes(certificate.raw, issuer.raw)) || !tip.x509.checkIssued(issuer.x509)) continue;
      if (budget-- <= 0) return;
      if (isSignedBy(tip, issuer)) extend([...path, issuer]);
    }
  };
  extend([presented[0]]);
  if (found.length === 0)
    throw new SimwardError("TLS_UNTRUSTED", { detail: objection ?? `no path leads from ${nameOf(presented[0])} to the trust anchor` });
  return found;
}

function isSignedBy(certificate: Certificate, issuer: Certificate): boolean {
  try {
    return certificate.x509.verify(issuer.x509.publicKey);
  } catch {
    return false;
  }
}

/** Why a path, leaf first and anchor last, is not to be believed. */
function objectionTo(path: readonly [Certificate, ...Certificate[]], purpose: Purpose): string | undefined {
  const [leaf, ...issuers] = path;
  if (leaf.keyUsage !== undefined && leaf.keyUsage[0] !== true) return `${nameOf(leaf)} is not for signing (keyUsage)`;
  let intermediates = 0;
  for (const issuer of issuers) {
    if (!issuer.isCa) return `${nameOf(issuer)} signed a certificate but is no CA (basicConstraints)`;
    if (issuer.keyUsage !== undefined && issuer.keyUsage[5] !== true) return `${nameOf(issuer)} may not sign certificates (keyUsage)`;
    if (issuer.pathLength !== undefined && intermediates > issuer.pathLength)
      return `${nameOf(issuer)} allows ${issuer.pathLength} CAs below it, there are ${intermediates} (pathLenConstraint)`;
    if (!issuer.isSelfIssued) intermediates++;
    const forbidden = forbiddenName(leaf, issuer);
    if (forbidden !== undefined) return forbidden;
  }
  for (const [i, certificate] of path.entries()) {
    const [unknown] = certificate.unknownCritical;
    if (unknown !== undefined) return `${nameOf(certificate)} has the critical extension ${unknown}, which is not understood`;
    const usages = certificate.extendedKeyUsage;
    if (usages !== undefined && !usages.includes(purposeOids[purpose]) && !usages.includes(anyExtendedKeyUsage))
      return `${nameOf(certificate)} is not for ${purpose} (extendedKeyUsage)`;
    if (!isStrong(certificate.x509.publicKey)) return `${nameOf(certificate)} has a key that is too weak or of an unknown kind`;
    // The anchor's own signature proves nothing and is not asked.
    if (i < path.length - 1 && !signatureAlgorithms.has(certificate.signatureAlgorithm))
      return `${nameOf(certificate)} is signed with algorithm ${certificate.signatureAlgorithm}, which is not accepted`;
  }
  return undefined;
}

function isStrong(key: KeyObject): boolean {
  const details = key.asymmetricKeyDetails;
  switch (key.asymmetricKeyType) {
    case "ec":
      return curves.has(details?.namedCurve ?? "");
    case "rsa":
      return (details?.modulusLength ?? 0) >= rsaMinBits;
    case "ed25519":
      return true;
    default:
      return false;
  }
}

/** RFC 5280 §4.2.1.10 for dNSName and iPAddress; a constraint of another kind cannot be kept, so nothing passes it. */
function forbiddenName(leaf: Certificate, issuer: Certificate): string | undefined {
  const constraints = issuer.nameConstraints;
  if (constraints === undefined) return undefined;
  const { permitted, excluded } = constraints;
  const unsupported = [...permitted, ...excluded].find(({ tag }) => tag !== 2 && tag !== 7);
  if (unsupported !== undefined) return `${nameOf(issuer)} constrains names of kind ${unsupported.tag}, which is not supported`;
  for (const name of leaf.names) {
    const ofKind = permitted.filter(({ tag }) => tag === name.tag);
    if (ofKind.length > 0 && !ofKind.some((subtree) => isWithin(name, subtree)))
      return `${nameOf(leaf)} has a name outside those that ${nameOf(issuer)} may vouch for (nameConstraints)`;
    if (excluded.some((subtree) => isWithin(name, subtree)))
      return `${nameOf(leaf)} has a name that ${nameOf(issuer)} may not vouch for (nameConstraints)`;
  }
  return undefined;
}

function isWithin(name: GeneralName, subtree: GeneralName): boolean {
  if (name.tag !== subtree.tag) return false;
  if (name.tag === 2) {
    const text = Buffer.from(name.value).toString("latin1").toLowerCase();
    const base = Buffer.from(subtree.value).toString("latin1").toLowerCase().replace(/^\./, "");
    return base === "" || text === base || text.endsWith(`.${base}`);
  }
  // An address, then a mask of the same length.
  const half = subtree.value.length / 2;
  return (
    name.value.length === half && name.value.every((octet, i) => ((octet ^ (subtree.value[i] ?? 0)) & (subtree.value[half + i] ?? 0)) === 0)
  );
}

// --- name and time --------------------------------------------------------------------------------------------------------------

/** Only subjectAltName counts (RFC 6125 §6.4.4); a wildcard stands for the whole leftmost label. */
function carriesName(certificate: X509Certificate, serverName: string): boolean {
  const bare = serverName.replace(/^\[(.*)\]$/, "$1");
  if (isIP(bare) !== 0) return certificate.checkIP(bare) !== undefined;
  return certificate.checkHost(bare.replace(/\.$/, ""), { subject: "never", partialWildcards: false }) !== undefined;
}

/** One path valid at this time is enough. */
function checkValidity(paths: readonly (readonly Certificate[])[], time: WallTime): void {
  let objection: string | undefined;
  for (const path of paths) {
    const wrong = path.map((certificate) => outsideValidity(certificate, time)).find((reason) => reason !== undefined);
    if (wrong === undefined) return;
    objection ??= wrong;
  }
  throw new SimwardError("TLS_EXPIRED", { detail: objection ?? "no path" });
}

function outsideValidity(certificate: Certificate, time: WallTime): string | undefined {
  const { validFrom, validTo } = certificate.x509;
  const now = new Date(time.ms).toISOString();
  // Written so that a date that cannot be read is outside. A clock without a source still knows that its floor has passed:
  // it can find a certificate expired, but not too young.
  if (!(time.ms <= Date.parse(validTo))) return `${nameOf(certificate)} expired on ${validTo}; it is ${now}`;
  if (!(time.ms >= Date.parse(validFrom)) && time.source !== "none")
    return `${nameOf(certificate)} is valid from ${validFrom}; it is ${now}`;
  return undefined;
}

function nameOf(certificate: Certificate): string {
  return certificate.x509.subject?.replaceAll("\n", ", ") || "a certificate without a subject";
}
