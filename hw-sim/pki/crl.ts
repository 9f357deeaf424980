// Lists of revoked certificates (RFC 5280 §5, SGP.22 §4.6): written by a CI, read and checked by the virtual eUICC.
// One list may come in parts; lists of differences (delta CRLs) are not read.
import { type KeyObject, sign, verify } from "node:crypto";
import { equalBytes, toHex } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { boolean, decode, encode, integer, octets, oid } from "../../ipa/asn1/schema.ts";
import { childrenOf, contentOf, rawOf, readOnlyTlv, type Tlv, writeTlv } from "../../ipa/asn1/tlv.ts";
import { parseCertificate } from "./certificate.ts";
import { authorityKeyIdentifier, type Extension, ecdsaWithSha256, encodeExtension, encodeTime } from "./x509.ts";

const crlOids = {
  authorityKeyIdentifier: "2.5.29.35",
  crlNumber: "2.5.29.20",
  issuingDistributionPoint: "2.5.29.28",
  expiredCertsOnCrl: "2.5.29.60",
  /** id-rspExt 2 and 3 */
  totalPartialCrlNumber: "2.23.146.1.2.0.2",
  partialCrlNumber: "2.23.146.1.2.0.3",
} as const;

export interface Crl {
  /** The CI's key. */
  readonly authorityKeyIdentifier: Uint8Array;
  readonly crlNumber: number;
  /** Serial numbers in hex. */
  readonly revoked: readonly string[];
  /** 1 of 1 where the list comes whole. */
  readonly part: number;
  readonly parts: number;
  readonly tbs: Uint8Array;
  /** DER Ecdsa-Sig-Value. */
  readonly signature: Uint8Array;
}

/** Throws CERTIFICATE when it is no list that can be relied upon: not of version 2, without issuer or number, with unknown critical extensions. */
export function readCrl(der: Uint8Array): Crl {
  try {
    return read(der);
  } catch (error) {
    throw new SimwardError("CERTIFICATE", { detail: `CRL: ${error instanceof Error ? error.message : error}`, cause: error });
  }
}

function read(der: Uint8Array): Crl {
  const [tbs, , signature] = childrenOf(readOnlyTlv(der));
  if (tbs === undefined || signature === undefined) throw new Error("not in three parts");
  const fields = childrenOf(tbs);
  const [version, algorithm] = fields;
  if (version === undefined || algorithm === undefined || decode(integer(), rawOf(version)) !== 1) throw new Error("not version 2");
  const [id] = childrenOf(algorithm);
  if (id === undefined || decode(oid(), rawOf(id)) !== ecdsaWithSha256) throw new Error("signature algorithm");
  const extensions = extensionsOf(fields.find(({ tag }) => tag === 0xa0));
  const aki = extensions.get(crlOids.authorityKeyIdentifier);
  const key = aki === undefined ? undefined : childrenOf(readOnlyTlv(aki)).find(({ tag }) => tag === 0x80);
  const number = (name: keyof typeof crlOids): number | undefined => {
    const value = extensions.get(crlOids[name]);
    return value === undefined ? undefined : Number(decode(integer(), value));
  };
  const crlNumber = number("crlNumber");
  if (key === undefined || crlNumber === undefined) throw new Error("without authorityKeyIdentifier or number");
  const [part, parts] = [number("partialCrlNumber") ?? 1, number("totalPartialCrlNumber") ?? 1];
  if (part < 1 || part > parts) throw new Error(`part ${part} of ${parts}`);
  // Version, algorithm, issuer, one or two times, and then the list, if anything is revoked.
  const list = fields.slice(4).find(({ tag }) => tag === 0x30);
  return {
    authorityKeyIdentifier: contentOf(key).slice(),
    crlNumber,
    revoked: (list === undefined ? [] : childrenOf(list)).map(serialOf),
    part,
    parts,
    tbs: rawOf(tbs).slice(),
    signature: contentOf(signature).slice(1),
  };
}

function serialOf(entry: Tlv): string {
  const [serial] = childrenOf(entry);
  if (serial?.tag !== 0x02) throw new Error("an entry without serial number");
  return toHex(contentOf(serial));
}

function extensionsOf(field: Tlv | undefined): Map<string, Uint8Array> {
  const out = new Map<string, Uint8Array>();
  const [list] = field === undefined ? [] : childrenOf(field);
  for (const extension of list === undefined ? [] : childrenOf(list)) {
    const children = childrenOf(extension);
    const [id, second] = children;
    const value = children.at(-1);
    if (id === undefined || second === undefined || value === undefined) throw new Error("an extension without value");
    const name = decode(oid(), rawOf(id));
    const critical = children.length > 2 && decode(boolean(), rawOf(second));
    if (critical && !(Object.values(crlOids) as string[]).includes(name)) throw new Error(`unknown critical extension ${name}`);
    out.set(name, decode(octets(), rawOf(value)));
  }
  return out;
}

/** Whether that CI has signed it. */
export function isIssuedBy({ tbs, signature, authorityKeyIdentifier: aki }: Crl, ciCertificate: Uint8Array): boolean {
  const ci = parseCertificate(ciCertificate);
  if (ci.subjectKeyIdentifier === undefined || !equalBytes(ci.subjectKeyIdentifier, aki)) return false;
  return verify("sha256", tbs, { key: ci.publicKey, dsaEncoding: "der" }, signature);
}

export interface CrlContent {
  readonly ciCertificate: Uint8Array;
  readonly ciKey: KeyObject;
  readonly crlNumber: number;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  /** Certificates, DER. */
  readonly revoked: readonly Uint8Array[];
  readonly part?: { readonly number: number; readonly of: number };
  readonly extensions?: readonly Extension[];
}

/** The list, or one part of it, signed by the CI. */
export function buildCrl(content: CrlContent): Uint8Array {
  const { ciCertificate, ciKey, crlNumber, thisUpdateMs, nextUpdateMs, revoked, part } = content;
  const ci = parseCertificate(ciCertificate);
  const algorithm = writeTlv(0x30, encode(oid(), ecdsaWithSha256));
  const numbered = (id: string, value: number): Extension => ({ oid: id, critical: false, value: encode(integer(), value) });
  const extensions = [
    authorityKeyIdentifier(ci.subjectKeyIdentifier ?? new Uint8Array(0)),
    numbered(crlOids.crlNumber, crlNumber),
    ...(part === undefined ? [] : [numbered(crlOids.totalPartialCrlNumber, part.of), numbered(crlOids.partialCrlNumber, part.number)]),
    ...(content.extensions ?? []),
  ];
  const entries = revoked.map((der) => writeTlv(0x30, writeTlv(0x02, parseCertificate(der).serialNumber), encodeTime(thisUpdateMs)));
  const tbs = writeTlv(
    0x30,
    encode(integer(), 1),
    algorithm,
    ci.subject,
    encodeTime(thisUpdateMs),
    encodeTime(nextUpdateMs),
    ...(entries.length === 0 ? [] : [writeTlv(0x30, ...entries)]),
    writeTlv(0xa0, writeTlv(0x30, ...extensions.map(encodeExtension))),
  );
  const signature = sign("sha256", tbs, { key: ciKey, dsaEncoding: "der" });
  return writeTlv(0x30, tbs, algorithm, writeTlv(0x03, Uint8Array.of(0), signature));
}
