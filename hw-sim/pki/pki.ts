// The keys and certificates of the virtual RSP world, made when first needed and kept as PEM pairs in a directory; nothing secret ships.
// More certificates of the same CI (a second eIM, a second eUICC, an expired one) are issued on demand.
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { equalBytes } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { type Random, systemRandom } from "../../base/random.ts";
import { type Certificate, parseCertificate } from "./certificate.ts";
import { verifyEuiccChain, verifyUnderCi } from "./chain.ts";
import { type CertificateName, certificateNames, certificateProfiles, type PkiSubjects } from "./profiles.ts";
import { authorityKeyIdentifier, buildCertificate, encodeName, keyIdentifierOf, spkiOf, subjectKeyIdentifier } from "./x509.ts";

export type Curve = "prime256v1" | "brainpoolP256r1";

export interface PkiOptions extends Partial<PkiSubjects> {
  readonly clock: Clock;
  /** prime256v1, which SGP.22 calls NIST P-256, by default. */
  readonly curve?: Curve;
  /** Serial numbers; the system's by default. Keys always come from the system. */
  readonly random?: Random;
}

/** A certificate and its private key. */
export interface Identity {
  /** DER. */
  readonly certificate: Uint8Array;
  readonly certificatePem: string;
  readonly privateKey: KeyObject;
  readonly privateKeyPem: string;
  /** The certificate's own key identifier; of the CI it is the euiccCiPKId. */
  readonly subjectKeyIdentifier: Uint8Array;
}

export interface IssueOptions extends Partial<PkiSubjects> {
  /** Milliseconds since the epoch; now less a day by default. */
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  /** A key to be certified; a new one by default. */
  readonly privateKey?: KeyObject;
}

export interface Pki {
  readonly curve: Curve;
  readonly subjects: PkiSubjects;
  get(name: CertificateName): Identity;
  /** Another certificate of that kind from the same issuer; this world's own stays. */
  issue(name: Exclude<CertificateName, "ci">, options?: IssueOptions): Identity;
}

const dayMs = 86_400_000;

/** Defaults after SGP.26; the hosts are where the virtual servers listen. */
const defaultSubjects: PkiSubjects = {
  eid: "89049032123451234512345678901235",
  ein: "89049032",
  eumConstraint: "nameConstraints",
  smdpOid: "2.999.10",
  smdpHosts: ["testsmdpplus1.example.com", "localhost", "127.0.0.1", "::1"],
  eimId: "eim.example.com",
  eimHosts: ["eim.example.com", "localhost", "127.0.0.1", "::1"],
};

/** A new world, in memory only. */
export function createPki(options: PkiOptions): Pki {
  const { subjects, curve } = settle(options);
  const made = new Map<CertificateName, Identity>();
  // The rows stand issuer before issued.
  for (const name of certificateNames) made.set(name, make(name, made, { ...options, ...subjects, curve }));
  return pkiOf(made, subjects, curve, options);
}

/**
 * The world kept in `dir`, made there when the directory holds none of its files. Keys are stored 0600.
 * Throws SIM_PKI when files are missing, do not fit each other, have expired, or were made for other options; DISK_WRITE.
 */
export async function openPki(dir: string, options: PkiOptions): Promise<Pki> {
  const { subjects, curve } = settle(options);
  const texts = await Promise.all(files(dir).map(async (file) => ({ ...file, text: await readText(file.path) })));
  if (texts.every(({ text }) => text === undefined)) {
    const pki = createPki({ ...options, ...subjects, curve });
    await store(dir, pki);
    return pki;
  }
  const missing = texts.filter(({ text }) => text === undefined).map(({ path }) => path);
  if (missing.length > 0) throw new SimwardError("SIM_PKI", { detail: `missing: ${missing.join(", ")}` });
  const made = new Map<CertificateName, Identity>();
  for (const name of certificateNames) {
    const of = (kind: PemKind): string => texts.find((file) => file.name === name && file.kind === kind)?.text ?? "";
    made.set(name, readIdentity(join(dir, name), of("cert"), of("key")));
  }
  check(dir, made, subjects, curve, options.clock.now());
  return pkiOf(made, subjects, curve, options);
}

function settle(options: PkiOptions): { readonly subjects: PkiSubjects; readonly curve: Curve } {
  const given = Object.fromEntries(
    Object.keys(defaultSubjects).flatMap((key) => {
      const value = options[key as keyof PkiSubjects];
      return value === undefined ? [] : [[key, value]];
    }),
  ) as Partial<PkiSubjects>;
  const eid = given.eid ?? defaultSubjects.eid;
  return { subjects: { ...defaultSubjects, ein: eid.slice(0, 8), ...given }, curve: options.curve ?? "prime256v1" };
}

function pkiOf(made: ReadonlyMap<CertificateName, Identity>, subjects: PkiSubjects, curve: Curve, options: PkiOptions): Pki {
  const get = (name: CertificateName): Identity => {
    const identity = made.get(name);
    if (identity === undefined) throw new SimwardError("SIM_PKI", { detail: `no certificate ${name}` });
    return identity;
  };
  return {
    curve,
    subjects,
    get,
    issue: (name, overrides = {}) => make(name, made, { ...options, ...subjects, ...overrides, curve }),
  };
}

type MakeOptions = PkiOptions & PkiSubjects & IssueOptions & { readonly curve: Curve };

function make(name: CertificateName, made: ReadonlyMap<CertificateName, Identity>, options: MakeOptions): Identity {
  const profile = certificateProfiles[name];
  const privateKey = options.privateKey ?? newKey(profile.alwaysP256 ? "prime256v1" : options.curve);
  const subject = encodeName(profile.subject(options));
  const subjectPublicKeyInfo = spkiOf(privateKey);
  const ownKeyIdentifier = keyIdentifierOf(subjectPublicKeyInfo);
  const above = profile.issuer === name ? undefined : made.get(profile.issuer);
  const issuer = above === undefined ? undefined : parseCertificate(above.certificate);
  const nowMs = options.clock.now();
  const serialNumber = (options.random ?? systemRandom).bytes(16);
  // Positive, and without a leading zero octet.
  serialNumber[0] = ((serialNumber[0] ?? 0) & 0x3f) | 0x40;
  const certificate = buildCertificate(
    {
      serialNumber,
      issuer: issuer?.subject ?? subject,
      subject,
      notBeforeMs: options.notBeforeMs ?? nowMs - dayMs,
      notAfterMs: options.notAfterMs ?? nowMs + profile.lifetimeDays * dayMs,
      subjectPublicKeyInfo,
      extensions: [
        ...(above === undefined ? [] : [authorityKeyIdentifier(above.subjectKeyIdentifier)]),
        subjectKeyIdentifier(ownKeyIdentifier),
        ...profile.extensions(options),
      ],
    },
    above?.privateKey ?? privateKey,
  );
  return {
    certificate,
    certificatePem: toPem(certificate),
    privateKey,
    privateKeyPem: String(privateKey.export({ format: "pem", type: "pkcs8" })),
    subjectKeyIdentifier: ownKeyIdentifier,
  };
}

/** A key pair on one of the two curves of SGP.22 §2.6.5. */
export function newKey(curve: Curve): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: curve }).privateKey;
}

export function toPem(certificate: Uint8Array): string {
  const lines =
    Buffer.from(certificate)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}

function fromPem(path: string, text: string): Uint8Array {
  const body = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/.exec(text)?.[1];
  if (body === undefined) throw new SimwardError("SIM_PKI", { detail: `${path}: no PEM certificate` });
  return new Uint8Array(Buffer.from(body, "base64"));
}

// --- the directory ----------------------------------------------------------------------------------------------------------

type PemKind = "cert" | "key";

function files(dir: string): { readonly name: CertificateName; readonly kind: PemKind; readonly path: string }[] {
  return certificateNames.flatMap((name) =>
    (["cert", "key"] as const).map((kind) => ({ name, kind, path: join(dir, `${name}.${kind}.pem`) })),
  );
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new SimwardError("SIM_PKI", { detail: `${path}: cannot be read`, cause: error });
  }
}

async function store(dir: string, pki: Pki): Promise<void> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    for (const { name, kind, path } of files(dir)) {
      const identity = pki.get(name);
      const mode = kind === "key" ? 0o600 : 0o644;
      await writeFile(path, kind === "key" ? identity.privateKeyPem : identity.certificatePem, { mode, flag: "wx" });
      // The umask may have narrowed it, never widened: this makes certificates readable as said.
      await chmod(path, mode);
    }
  } catch (error) {
    throw new SimwardError("DISK_WRITE", { detail: `the certificates in ${dir}`, cause: error });
  }
}

function readIdentity(base: string, certificateText: string, keyText: string): Identity {
  const certificate = fromPem(`${base}.cert.pem`, certificateText);
  const parsed = asSimPki(`${base}.cert.pem`, () => parseCertificate(certificate));
  const privateKey = asSimPki(`${base}.key.pem`, () => createPrivateKey(keyText));
  if (privateKey.asymmetricKeyType !== "ec" || !equalBytes(spkiOf(privateKey), parsed.subjectPublicKeyInfo)) {
    throw new SimwardError("SIM_PKI", { detail: `${base}.key.pem is not the key of ${base}.cert.pem` });
  }
  return {
    certificate,
    certificatePem: certificateText,
    privateKey,
    privateKeyPem: keyText,
    subjectKeyIdentifier: parsed.subjectKeyIdentifier ?? new Uint8Array(0),
  };
}

/** Whether what was read still serves, for these options and at this time. */
function check(dir: string, made: ReadonlyMap<CertificateName, Identity>, subjects: PkiSubjects, curve: Curve, atMs: number): void {
  const der = (name: CertificateName): Uint8Array => made.get(name)?.certificate ?? new Uint8Array(0);
  const anchors = [der("ci")];
  const read = (name: CertificateName): Certificate => parseCertificate(der(name));
  const refuse = (detail: string): never => {
    throw new SimwardError("SIM_PKI", { detail: `${dir}: ${detail}` });
  };
  asSimPki(dir, () => {
    for (const name of certificateNames) {
      if (name !== "ci" && name !== "euicc") verifyUnderCi(der(name), name, { anchors, atMs });
    }
    const { eid } = verifyEuiccChain(der("euicc"), der("eum"), { anchors, atMs });
    if (eid !== subjects.eid) refuse("the eUICC certificate is for another EID than asked for");
  });
  if (read("ci").curve !== curve) refuse(`made on ${read("ci").curve}, asked for ${curve}`);
  const hosts = [
    ["dptls", subjects.smdpHosts],
    ["eimtls", subjects.eimHosts],
  ] as const;
  for (const [name, wanted] of hosts) {
    const { dnsNames, addresses } = read(name);
    const carried = dnsNames.length + addresses.length;
    const lacking = wanted.filter((host) => !dnsNames.includes(host) && !isAddress(host));
    if (lacking.length > 0 || carried < wanted.length) refuse(`${name} is not for ${lacking.join(", ") || "all hosts asked for"}`);
  }
}

const isAddress = (host: string): boolean => /^[\d.]+$|:/.test(host);

function asSimPki<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof SimwardError && error.code === "SIM_PKI") throw error;
    const detail = error instanceof SimwardError ? (error.detail ?? error.message) : "not readable";
    throw new SimwardError("SIM_PKI", { detail: `${path}: ${detail}`, cause: error });
  }
}
