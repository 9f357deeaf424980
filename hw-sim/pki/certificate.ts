// Reads an X.509 certificate as far as RSP needs it: keys, names, validity, and the extensions that say what it may be used for.
// The octets received are kept: signatures are checked over them.
import { createPublicKey, type KeyObject } from "node:crypto";
import { fromUtf8 } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { boolean, decode, integer, octets, oid } from "../../ipa/asn1/schema.ts";
import { childrenOf, contentOf, rawOf, readOnlyTlv, readTlv, type Tlv } from "../../ipa/asn1/tlv.ts";
import { type AttributeType, attributeTypes, ecdsaWithSha256, extensionOids, KeyUsage } from "./x509.ts";

export interface PermittedName {
  /** O that the subject must carry, if the constraint names one. */
  readonly organization: string | undefined;
  /** First digits that the subject's serialNumber, the EID, must have. */
  readonly eidPrefix: string;
}

export interface Certificate {
  readonly der: Uint8Array;
  readonly tbs: Uint8Array;
  /** DER Ecdsa-Sig-Value. */
  readonly signature: Uint8Array;
  /** As the issuer numbers its certificates. */
  readonly serialNumber: Uint8Array;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly subjectAttributes: Readonly<Partial<Record<AttributeType, string>>>;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly subjectPublicKeyInfo: Uint8Array;
  readonly publicKey: KeyObject;
  /** As node:crypto names it: prime256v1, brainpoolP256r1. */
  readonly curve: string;
  readonly subjectKeyIdentifier: Uint8Array | undefined;
  readonly authorityKeyIdentifier: Uint8Array | undefined;
  readonly policies: readonly string[];
  readonly keyUsage: readonly (string | number)[] | undefined;
  readonly basicConstraints: { readonly ca: boolean; readonly pathLength: number | undefined } | undefined;
  readonly dnsNames: readonly string[];
  readonly addresses: readonly Uint8Array[];
  readonly registeredIds: readonly string[];
  /** Which EIDs an EUM may issue: from nameConstraints or permittedEins; undefined when neither is there. */
  readonly permittedNames: readonly PermittedName[] | undefined;
  /** Critical extensions this reader does not know: such a certificate must not be relied upon (RFC 5280 §4.2). */
  readonly unknownCritical: readonly string[];
}

interface ReadExtension {
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** Throws CERTIFICATE with reason `malformed`. */
export function parseCertificate(der: Uint8Array): Certificate {
  try {
    return parse(der);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new SimwardError("CERTIFICATE", { detail: `malformed: ${detail}`, cause: error, data: { reason: "malformed" } });
  }
}

function parse(der: Uint8Array): Certificate {
  const [tbs, algorithm, signature] = parts(readOnlyTlv(der), 3, "Certificate");
  const fields = childrenOf(tbs);
  if (fields[0]?.tag !== 0xa0) throw new Error("not version 3");
  const [, serialNumber, tbsAlgorithm, issuer, validity, subject, spki] = need(fields, 7, "TBSCertificate");
  for (const one of [algorithm, tbsAlgorithm]) {
    const id = decode(oid(), rawOf(parts(one, 1, "AlgorithmIdentifier")[0]));
    if (id !== ecdsaWithSha256) throw new Error(`signature algorithm ${id}`);
  }
  const [notBefore, notAfter] = parts(validity, 2, "Validity");
  const extensions = readExtensions(fields.find((field) => field.tag === 0xa3));
  const publicKey = createPublicKey({ key: Buffer.from(rawOf(spki)), format: "der", type: "spki" });
  const curve = publicKey.asymmetricKeyDetails?.namedCurve;
  if (curve === undefined) throw new Error("the key is not on a named curve");
  const known = new Set<string>(Object.values(extensionOids));
  return {
    der: rawOf(readTlv(der)).slice(),
    tbs: rawOf(tbs).slice(),
    signature: contentOf(signature).slice(1),
    serialNumber: contentOf(serialNumber).slice(),
    issuer: rawOf(issuer).slice(),
    subject: rawOf(subject).slice(),
    subjectAttributes: readName(subject),
    notBeforeMs: readTime(notBefore),
    notAfterMs: readTime(notAfter),
    subjectPublicKeyInfo: rawOf(spki).slice(),
    publicKey,
    curve,
    ...readKnown(extensions),
    unknownCritical: [...extensions].filter(([id, { critical }]) => critical && !known.has(id)).map(([id]) => id),
  };
}

type Known = Pick<
  Certificate,
  | "subjectKeyIdentifier"
  | "authorityKeyIdentifier"
  | "policies"
  | "keyUsage"
  | "basicConstraints"
  | "dnsNames"
  | "addresses"
  | "registeredIds"
  | "permittedNames"
>;

function readKnown(extensions: ReadonlyMap<string, ReadExtension>): Known {
  const tlv = (name: keyof typeof extensionOids): Tlv | undefined => {
    const found = extensions.get(extensionOids[name]);
    return found === undefined ? undefined : readOnlyTlv(found.value);
  };
  const inside = (name: keyof typeof extensionOids): Tlv[] => {
    const found = tlv(name);
    return found === undefined ? [] : childrenOf(found);
  };
  const ski = tlv("subjectKeyIdentifier");
  const aki = inside("authorityKeyIdentifier").find((child) => child.tag === 0x80);
  const usage = tlv("keyUsage");
  const names = inside("subjectAltName");
  const tagged = (tag: number): Uint8Array[] => names.filter((name) => name.tag === tag).map((name) => contentOf(name).slice());
  return {
    subjectKeyIdentifier: ski === undefined ? undefined : decode(octets(), rawOf(ski)),
    authorityKeyIdentifier: aki === undefined ? undefined : contentOf(aki).slice(),
    policies: inside("certificatePolicies").map((policy) => decode(oid(), rawOf(parts(policy, 1, "PolicyInformation")[0]))),
    keyUsage: usage === undefined ? undefined : decode(KeyUsage, rawOf(usage)),
    basicConstraints: readBasicConstraints(tlv("basicConstraints")),
    dnsNames: tagged(0x82).map(fromUtf8),
    addresses: tagged(0x87),
    registeredIds: names.filter((name) => name.tag === 0x88).map((name) => decode(oid(0x88), rawOf(name))),
    permittedNames: readPermitted(tlv("nameConstraints"), tlv("permittedEins")),
  };
}

function readExtensions(field: Tlv | undefined): Map<string, ReadExtension> {
  const out = new Map<string, ReadExtension>();
  if (field === undefined) return out;
  for (const extension of childrenOf(parts(field, 1, "extensions")[0])) {
    const children = childrenOf(extension);
    const [id, second] = need(children, 2, "Extension");
    const value = children[children.length - 1] ?? second;
    const name = decode(oid(), rawOf(id));
    if (out.has(name)) throw new Error(`extension ${name} twice`);
    out.set(name, { critical: children.length > 2 && decode(boolean(), rawOf(second)), value: decode(octets(), rawOf(value)) });
  }
  return out;
}

function readBasicConstraints(tlv: Tlv | undefined): Certificate["basicConstraints"] {
  if (tlv === undefined) return undefined;
  const children = childrenOf(tlv);
  const ca = children.find((child) => child.tag === 0x01);
  const length = children.find((child) => child.tag === 0x02);
  return {
    ca: ca !== undefined && decode(boolean(), rawOf(ca)),
    pathLength: length === undefined ? undefined : Number(decode(integer(), rawOf(length))),
  };
}

function readPermitted(constraints: Tlv | undefined, eins: Tlv | undefined): readonly PermittedName[] | undefined {
  if (eins !== undefined) return childrenOf(eins).map((one) => ({ organization: undefined, eidPrefix: fromUtf8(contentOf(one)) }));
  if (constraints === undefined) return undefined;
  const permitted = childrenOf(constraints).find((child) => child.tag === 0xa0);
  const subtrees = permitted === undefined ? [] : childrenOf(permitted);
  return subtrees.flatMap((subtree) => {
    const directory = childrenOf(subtree).find((child) => child.tag === 0xa4);
    if (directory === undefined) return [];
    const name = readName(parts(directory, 1, "directoryName")[0]);
    return [{ organization: name.O, eidPrefix: name.serialNumber ?? "" }];
  });
}

function readName(name: Tlv): Partial<Record<AttributeType, string>> {
  const out: Partial<Record<AttributeType, string>> = {};
  for (const attribute of childrenOf(name).flatMap((set) => childrenOf(set))) {
    const [id, value] = parts(attribute, 2, "AttributeTypeAndValue");
    const text = decode(oid(), rawOf(id));
    for (const [type, row] of Object.entries(attributeTypes)) if (row.oid === text) out[type as AttributeType] = fromUtf8(contentOf(value));
  }
  return out;
}

function readTime(tlv: Tlv): number {
  const text = fromUtf8(contentOf(tlv));
  const full = tlv.tag === 0x17 ? `${Number(text.slice(0, 2)) < 50 ? "20" : "19"}${text}` : text;
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(full);
  if (match === null || (tlv.tag !== 0x17 && tlv.tag !== 0x18)) throw new Error(`time ${JSON.stringify(text)}`);
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

function parts(tlv: Tlv, count: 1, what: string): [Tlv];
function parts(tlv: Tlv, count: 2, what: string): [Tlv, Tlv];
function parts(tlv: Tlv, count: 3, what: string): [Tlv, Tlv, Tlv];
function parts(tlv: Tlv, count: number, what: string): Tlv[] {
  const children = childrenOf(tlv);
  if (children.length < count) throw new Error(`${what} has ${children.length} parts`);
  return children;
}

function need(list: readonly Tlv[], count: 2, what: string): [Tlv, Tlv];
function need(list: readonly Tlv[], count: 7, what: string): [Tlv, Tlv, Tlv, Tlv, Tlv, Tlv, Tlv];
function need(list: readonly Tlv[], count: number, what: string): readonly Tlv[] {
  if (list.length < count) throw new Error(`${what} has ${list.length} parts`);
  return list;
}
