// Writes X.509 v3 certificates (RFC 5280) in DER: names, validity, the extensions that RSP profiles use, and the issuer's ECDSA signature.
// What goes into which certificate is said in profiles.ts.
import { createHash, createPublicKey, type KeyObject, sign } from "node:crypto";
import { isIP } from "node:net";
import { concatBytes, utf8 } from "../../base/bytes.ts";
import { boolean, encode, integer, namedBits, octets, oid } from "../../ipa/asn1/schema.ts";
import { childrenOf, contentOf, readTlv, writeTlv } from "../../ipa/asn1/tlv.ts";

/** X.520 attribute types; those written as PrintableString are what RSP compares octet by octet. */
export const attributeTypes = {
  C: { oid: "2.5.4.6", stringTag: 0x13 },
  O: { oid: "2.5.4.10", stringTag: 0x0c },
  OU: { oid: "2.5.4.11", stringTag: 0x0c },
  CN: { oid: "2.5.4.3", stringTag: 0x0c },
  serialNumber: { oid: "2.5.4.5", stringTag: 0x13 },
} as const;
export type AttributeType = keyof typeof attributeTypes;

/** A distinguished name, its attributes in the order written. */
export type Name = readonly (readonly [AttributeType, string])[];

export const extensionOids = {
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  nameConstraints: "2.5.29.30",
  crlDistributionPoints: "2.5.29.31",
  certificatePolicies: "2.5.29.32",
  authorityKeyIdentifier: "2.5.29.35",
  extKeyUsage: "2.5.29.37",
  /** SEQUENCE OF PrintableString, each the first digits of EIDs an EUM may issue. */
  permittedEins: "2.23.146.1.2.2.0",
} as const;

export const KeyUsage = namedBits({
  digitalSignature: 0,
  nonRepudiation: 1,
  keyEncipherment: 2,
  dataEncipherment: 3,
  keyAgreement: 4,
  keyCertSign: 5,
  cRLSign: 6,
});
export type KeyUsageName = "digitalSignature" | "keyCertSign" | "cRLSign";

export const extKeyUsageOids = { serverAuth: "1.3.6.1.5.5.7.3.1", clientAuth: "1.3.6.1.5.5.7.3.2" } as const;

export const ecdsaWithSha256 = "1.2.840.10045.4.3.2";

/** One extension: its OID, whether it is critical, and the DER inside its OCTET STRING. */
export interface Extension {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

export interface CertificateContent {
  /** 1 to 20 octets, first bit clear. */
  readonly serialNumber: Uint8Array;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly subjectPublicKeyInfo: Uint8Array;
  readonly extensions: readonly Extension[];
}

const der = {
  oid: (value: string): Uint8Array => encode(oid(), value),
  sequence: (...parts: readonly Uint8Array[]): Uint8Array => writeTlv(0x30, ...parts),
};

/** The certificate, signed with ECDSA and SHA-256 by the issuer's key. */
export function buildCertificate(content: CertificateContent, issuerKey: KeyObject): Uint8Array {
  const algorithm = der.sequence(der.oid(ecdsaWithSha256));
  const tbs = der.sequence(
    writeTlv(0xa0, encode(integer(), 2)),
    writeTlv(0x02, content.serialNumber),
    algorithm,
    content.issuer,
    der.sequence(encodeTime(content.notBeforeMs), encodeTime(content.notAfterMs)),
    content.subject,
    content.subjectPublicKeyInfo,
    writeTlv(0xa3, der.sequence(...content.extensions.map(encodeExtension))),
  );
  const signature = sign("sha256", tbs, { key: issuerKey, dsaEncoding: "der" });
  return der.sequence(tbs, algorithm, writeTlv(0x03, Uint8Array.of(0), signature));
}

export function encodeName(name: Name): Uint8Array {
  const attribute = ([type, value]: Name[number]): Uint8Array => {
    const row = attributeTypes[type];
    return writeTlv(0x31, der.sequence(der.oid(row.oid), writeTlv(row.stringTag, utf8(value))));
  };
  return der.sequence(...name.map(attribute));
}

/** UTCTime until 2049, GeneralizedTime from then on (RFC 5280 §4.1.2.5). */
export function encodeTime(ms: number): Uint8Array {
  const digits = new Date(ms).toISOString().replace(/[-:T]/g, "").slice(0, 14);
  return Number(digits.slice(0, 4)) < 2050 ? writeTlv(0x17, utf8(`${digits.slice(2)}Z`)) : writeTlv(0x18, utf8(`${digits}Z`));
}

export function encodeExtension({ oid: id, critical, value }: Extension): Uint8Array {
  return der.sequence(der.oid(id), ...(critical ? [encode(boolean(), true)] : []), encode(octets(), value));
}

/** SHA-1 of the public key's bits (RFC 5280 §4.2.1.2, method 1). */
export function keyIdentifierOf(subjectPublicKeyInfo: Uint8Array): Uint8Array {
  const bits = childrenOf(readTlv(subjectPublicKeyInfo))[1];
  if (bits === undefined) return new Uint8Array(0);
  return new Uint8Array(createHash("sha1").update(contentOf(bits).subarray(1)).digest());
}

export function spkiOf(key: KeyObject): Uint8Array {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  return new Uint8Array(publicKey.export({ format: "der", type: "spki" }));
}

// --- extensions -------------------------------------------------------------------------------------------------------------

const extension = (name: keyof typeof extensionOids, critical: boolean, value: Uint8Array): Extension => ({
  oid: extensionOids[name],
  critical,
  value,
});

export const basicConstraints = (pathLength?: number): Extension =>
  extension(
    "basicConstraints",
    true,
    der.sequence(encode(boolean(), true), ...(pathLength === undefined ? [] : [encode(integer(), pathLength)])),
  );

export const keyUsage = (...usages: readonly KeyUsageName[]): Extension => extension("keyUsage", true, encode(KeyUsage, usages));

export const certificatePolicy = (policy: string, critical: boolean): Extension =>
  extension("certificatePolicies", critical, der.sequence(der.sequence(der.oid(policy))));

export const subjectKeyIdentifier = (keyIdentifier: Uint8Array): Extension =>
  extension("subjectKeyIdentifier", false, encode(octets(), keyIdentifier));

export const authorityKeyIdentifier = (keyIdentifier: Uint8Array): Extension =>
  extension("authorityKeyIdentifier", false, der.sequence(encode(octets(0x80), keyIdentifier)));

export const extKeyUsage = (critical: boolean, ...purposes: readonly (keyof typeof extKeyUsageOids)[]): Extension =>
  extension("extKeyUsage", critical, der.sequence(...purposes.map((purpose) => der.oid(extKeyUsageOids[purpose]))));

/** Host names become dNSName, addresses iPAddress; RSP entities also carry their OID as registeredID. */
export function subjectAltName(hosts: readonly string[], registeredId?: string): Extension {
  const host = (name: string): Uint8Array => (isIP(name) === 0 ? writeTlv(0x82, utf8(name)) : writeTlv(0x87, addressOctets(name)));
  const registered = registeredId === undefined ? [] : [encode(oid(0x88), registeredId)];
  return extension("subjectAltName", false, der.sequence(...hosts.map(host), ...registered));
}

/** permittedSubtrees with one directoryName. */
export const permittedDirectoryName = (name: Name): Extension =>
  extension("nameConstraints", true, der.sequence(writeTlv(0xa0, der.sequence(writeTlv(0xa4, encodeName(name))))));

// SGP.26 does not mark it critical, so that generic validators pass it by.
export const permittedEins = (prefixes: readonly string[]): Extension =>
  extension("permittedEins", false, der.sequence(...prefixes.map((prefix) => writeTlv(0x13, utf8(prefix)))));

export const crlDistributionPoint = (uri: string): Extension =>
  extension("crlDistributionPoints", false, der.sequence(der.sequence(writeTlv(0xa0, writeTlv(0xa0, writeTlv(0x86, utf8(uri)))))));

function addressOctets(address: string): Uint8Array {
  if (isIP(address) === 4) return Uint8Array.from(address.split("."), Number);
  const [head = "", tail] = address.split("::");
  const groups = (part: string): number[] => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)));
  const left = groups(head);
  const right = groups(tail ?? "");
  const all = tail === undefined ? left : [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return concatBytes(...all.map((group) => Uint8Array.of(group >> 8, group & 0xff)));
}
