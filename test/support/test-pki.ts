// Certificates made at run time for tests: CA, intermediate, leaf, and every way in which one can be wrong.
// Written with the product's own DER writer and signed by node:crypto; no external program.
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { isIP } from "node:net";
import { concatBytes, fromHex, utf8 } from "../../base/bytes.ts";
import { systemRandom } from "../../base/random.ts";
import { writeTlv } from "../../ipa/asn1/tlv.ts";

export interface TestCertificate {
  readonly der: Uint8Array;
  readonly pem: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  readonly privateKey: KeyObject;
  readonly privateKeyPem: string;
  readonly name: string;
  /** From this certificate up to, and without, the root: what a server presents. */
  readonly chainPem: string;
  readonly chain: readonly Uint8Array[];
}

export interface CertificateOptions {
  /** Common name. */
  readonly name: string;
  /** Self-signed when absent. */
  readonly issuer?: TestCertificate;
  readonly key?: "p256" | "p384" | "rsa1024" | "rsa2048" | KeyObject;
  readonly ca?: boolean | { readonly pathLength: number };
  /** subjectAltName: DNS names and IP addresses. */
  readonly altNames?: readonly string[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Bit numbers of keyUsage; by default what `ca` wants. Null leaves the extension out. */
  readonly keyUsage?: readonly number[] | null;
  /** Dotted OIDs. */
  readonly extendedKeyUsage?: readonly string[];
  readonly nameConstraints?: { readonly permitted?: readonly string[]; readonly excluded?: readonly string[] };
  readonly extraExtensions?: readonly { readonly oid: string; readonly critical: boolean; readonly value: Uint8Array }[];
  readonly digest?: "sha1" | "sha256";
}

export const oids = { serverAuth: "1.3.6.1.5.5.7.3.1", clientAuth: "1.3.6.1.5.5.7.3.2" } as const;

/** Makes and signs one certificate. Valid from 2020 to 2050 unless told otherwise. */
export function makeCertificate(options: CertificateOptions): TestCertificate {
  const { issuer } = options;
  const privateKey = makeKey(options.key ?? "p256");
  const spki = new Uint8Array(publicDer(privateKey));
  const signer = issuer?.privateKey ?? privateKey;
  const algorithm = signatureAlgorithm(signer, options.digest ?? "sha256");
  const tbs = seq(
    writeTlv(0xa0, integer(Uint8Array.of(2))),
    integer(concatBytes(Uint8Array.of(0x40), systemRandom.bytes(8))),
    algorithm,
    rdn(issuer?.name ?? options.name),
    seq(time(options.notBefore ?? new Date("2020-01-01T00:00:00Z")), time(options.notAfter ?? new Date("2050-01-01T00:00:00Z"))),
    rdn(options.name),
    spki,
    writeTlv(0xa3, seq(...extensions(options))),
  );
  const signature = new Uint8Array(sign(options.digest ?? "sha256", tbs, signer));
  const der = seq(tbs, algorithm, bitString(signature, 0));
  const pem = toPem(der);
  const presentsIssuer = issuer !== undefined && issuer.chain.length > 0;
  const isRoot = issuer === undefined;
  return {
    der,
    pem,
    spki,
    privateKey,
    privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    name: options.name,
    chainPem: isRoot && options.ca ? "" : pem + (presentsIssuer ? issuer.chainPem : ""),
    chain: isRoot && options.ca ? [] : [der, ...(presentsIssuer ? issuer.chain : [])],
  };
}

/** What most tests need: a root, and a server certificate for `host` below it. */
export function makePki(host = "eim.example.test"): { readonly root: TestCertificate; readonly server: TestCertificate } {
  const root = makeCertificate({ name: `Test root of ${host}`, ca: true });
  return { root, server: makeCertificate({ name: host, issuer: root, altNames: [host], extendedKeyUsage: [oids.serverAuth] }) };
}

/** A server certificate whose chain of RSA intermediates makes the handshake's messages `octets` long or more. */
export function makeLargeChain(host: string, octets: number): { readonly root: TestCertificate; readonly server: TestCertificate } {
  const root = makeCertificate({ name: "Test RSA root", ca: true, key: "rsa2048" });
  let issuer = root;
  const total = (): number => issuer.chain.reduce((sum, der) => sum + der.length, 0);
  for (let i = 1; total() < octets; i++) {
    // A long extension instead of a long key: large, and quickly made.
    const padding = { oid: "1.3.6.1.4.1.99999.1", critical: false, value: writeTlv(0x04, systemRandom.bytes(500)) };
    issuer = makeCertificate({ name: `Test RSA intermediate ${i}`, ca: true, issuer, key: root.privateKey, extraExtensions: [padding] });
  }
  return { root, server: makeCertificate({ name: host, issuer, altNames: [host] }) };
}

export function toPem(der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString("base64")
    .match(/.{1,64}/g);
  return `-----BEGIN CERTIFICATE-----\n${lines?.join("\n")}\n-----END CERTIFICATE-----\n`;
}

// --- DER ------------------------------------------------------------------------------------------------------------------------

const seq = (...parts: readonly Uint8Array[]): Uint8Array => writeTlv(0x30, ...parts);
const integer = (octets: Uint8Array): Uint8Array => writeTlv(0x02, octets);
const bitString = (octets: Uint8Array, unusedBits: number): Uint8Array => writeTlv(0x03, Uint8Array.of(unusedBits), octets);

function objectIdentifier(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const octets = [first * 40 + second, ...rest].flatMap((arc) => {
    const out = [arc % 128];
    for (let more = Math.floor(arc / 128); more > 0; more = Math.floor(more / 128)) out.unshift((more % 128) | 0x80);
    return out;
  });
  return writeTlv(0x06, Uint8Array.from(octets));
}

function rdn(commonName: string): Uint8Array {
  return seq(writeTlv(0x31, seq(objectIdentifier("2.5.4.3"), writeTlv(0x0c, utf8(commonName)))));
}

function time(date: Date): Uint8Array {
  const digits = date.toISOString().replace(/[-:T]/g, "").slice(0, 14);
  const isUtcTime = date.getUTCFullYear() >= 1950 && date.getUTCFullYear() < 2050;
  return isUtcTime ? writeTlv(0x17, utf8(`${digits.slice(2)}Z`)) : writeTlv(0x18, utf8(`${digits}Z`));
}

function extensions(options: CertificateOptions): Uint8Array[] {
  const { ca } = options;
  const out: Uint8Array[] = [];
  const add = (oid: string, critical: boolean, value: Uint8Array): void => {
    out.push(seq(objectIdentifier(oid), ...(critical ? [writeTlv(0x01, Uint8Array.of(0xff))] : []), writeTlv(0x04, value)));
  };
  const isCa = ca !== undefined && ca !== false;
  if (isCa) {
    const length = typeof ca === "object" ? [integer(Uint8Array.of(ca.pathLength))] : [];
    add("2.5.29.19", true, seq(writeTlv(0x01, Uint8Array.of(0xff)), ...length));
  }
  const usage = options.keyUsage === undefined ? (isCa ? [5, 6] : [0]) : options.keyUsage;
  if (usage !== null) {
    const octet = usage.reduce((bits, bit) => bits | (0x80 >> bit), 0);
    add("2.5.29.15", true, bitString(Uint8Array.of(octet), octet === 0 ? 0 : 31 - Math.clz32(octet & -octet)));
  }
  if (options.extendedKeyUsage !== undefined) add("2.5.29.37", false, seq(...options.extendedKeyUsage.map(objectIdentifier)));
  if (options.altNames !== undefined) add("2.5.29.17", false, seq(...options.altNames.map(generalName)));
  if (options.nameConstraints !== undefined) {
    const { permitted, excluded } = options.nameConstraints;
    const subtrees = (tag: number, names: readonly string[] | undefined): Uint8Array[] =>
      names === undefined ? [] : [writeTlv(tag, ...names.map((name) => seq(generalName(name))))];
    add("2.5.29.30", true, seq(...subtrees(0xa0, permitted), ...subtrees(0xa1, excluded)));
  }
  for (const extra of options.extraExtensions ?? []) add(extra.oid, extra.critical, extra.value);
  return out;
}

/** "a.example", "192.0.2.1", "192.0.2.0/255.255.255.0" */
function generalName(text: string): Uint8Array {
  const parts = text.split("/");
  if (parts.every((part) => isIP(part) === 4)) return writeTlv(0x87, Uint8Array.from(parts.flatMap((part) => part.split(".").map(Number))));
  return writeTlv(0x82, utf8(text));
}

function makeKey(key: NonNullable<CertificateOptions["key"]>): KeyObject {
  switch (key) {
    case "p256":
      return generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey;
    case "p384":
      return generateKeyPairSync("ec", { namedCurve: "secp384r1" }).privateKey;
    case "rsa1024":
      return generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey;
    case "rsa2048":
      return generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
    default:
      return key;
  }
}

function publicDer(privateKey: KeyObject): Buffer {
  return createPublicKey(privateKey).export({ type: "spki", format: "der" });
}

function signatureAlgorithm(key: KeyObject, digest: "sha1" | "sha256"): Uint8Array {
  if (key.asymmetricKeyType === "rsa") {
    const oid = digest === "sha1" ? "1.2.840.113549.1.1.5" : "1.2.840.113549.1.1.11";
    return seq(objectIdentifier(oid), fromHex("0500"));
  }
  return seq(objectIdentifier(digest === "sha1" ? "1.2.840.10045.4.1" : "1.2.840.10045.4.3.2"));
}
