// The keys and certificates of the virtual RSP world, made when first needed and kept as PEM pairs in a directory; nothing secret ships.
// More certificates of the same CI (a second eIM, a second eUICC, an expired one) are issued on demand.
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { type Random, systemRandom } from "../../base/random.ts";
import { type Certificate, parseCertificate } from "./certificate.ts";
import { verifyEuiccChain, verifyUnderCi } from "./chain.ts";
import { type FileKind, filesIn, findFile, readCertificate, readKey, refusal } from "./files.ts";
import { type CertificateName, certificateNames, certificateProfiles, type PkiSubjects } from "./profiles.ts";
import { authorityKeyIdentifier, buildCertificate, encodeName, keyIdentifierOf, spkiOf, subjectKeyIdentifier } from "./x509.ts";

export type Curve = "prime256v1" | "brainpoolP256r1";

export interface PkiOptions extends Partial<PkiSubjects> {
  readonly clock: Clock;
  /** prime256v1, which SGP.22 calls NIST P-256, by default. */
  readonly curve?: Curve;
  /** Serial numbers; the system's by default. Keys always come from the system. */
  readonly random?: Random;
  /** A directory need not hold the eUICC and its EUM: somebody else's card is used. */
  readonly withoutEuicc?: boolean;
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
 * The world kept in `dir`, made there when the directory holds none of its files. Keys are stored 0600. Files may be anybody's, as `files.ts`
 * names them; what is not there is issued by the CI where its key is, and the keys of CI and EUM are not needed otherwise.
 * Throws SIM_PKI naming the file that is missing, does not fit the others, has expired, or was made for other options; DISK_WRITE.
 */
export async function openPki(dir: string, options: PkiOptions): Promise<Pki> {
  const present = await filesIn(dir);
  // Where files of both worlds are, the one asked for counts.
  const curve = ([options.curve ?? "prime256v1", "prime256v1", "brainpoolP256r1"] as const).find((one) =>
    certificateNames.some((name) => findFile(dir, present, name, "cert", one) !== undefined),
  );
  if (curve === undefined && !certificateNames.some((name) => findFile(dir, present, name, "key", "prime256v1") !== undefined)) {
    const pki = createPki(options);
    await store(dir, certificateNames, pki);
    return pki;
  }
  return readPki(dir, present, curve ?? "prime256v1", options);
}

async function readPki(dir: string, present: ReadonlySet<string>, fileCurve: Curve, options: PkiOptions): Promise<Pki> {
  const made = new Map<CertificateName, Identity>();
  const paths = new Map<CertificateName, string>();
  const absent: CertificateName[] = [];
  for (const name of certificateNames) {
    // SGP.26 has one name for each curve; TLS certificates are on P-256 in either world.
    const find = (kind: FileKind): string | undefined =>
      findFile(dir, present, name, kind, fileCurve) ?? findFile(dir, present, name, kind, "prime256v1");
    const [certificatePath, keyPath] = [find("cert"), find("key")];
    paths.set(name, certificatePath ?? dir);
    if (certificatePath === undefined && keyPath === undefined) absent.push(name);
    else made.set(name, await readIdentity(dir, name, certificatePath, keyPath));
  }
  const ci = made.get("ci");
  if (ci === undefined) throw refusal(dir, "missing: ci.cert.pem");
  const adopted = adopt(made, options);
  const { subjects, curve } = settle({ ...adopted, curve: options.curve ?? (parseCertificate(ci.certificate).curve as Curve) });
  const needless = (name: CertificateName): boolean => options.withoutEuicc === true && (name === "euicc" || name === "eum");
  const lacking = absent.filter((name) => !needless(name));
  for (const name of lacking) {
    if (!canIssue(made.get(certificateProfiles[name].issuer)))
      throw refusal(
        dir,
        `missing: ${lacking.map((one) => `${one}.cert.pem and ${one}.key.pem`).join(", ")}; the CI's key, which could issue them, is not there`,
      );
    made.set(name, make(name, made, { ...options, ...subjects, curve }));
  }
  check((name) => paths.get(name) ?? dir, made, subjects, curve, options);
  const pki = pkiOf(made, subjects, curve, options);
  await store(dir, lacking, pki);
  return pki;
}

/** What certificates that are there say themselves, where the options leave it open. */
function adopt(made: ReadonlyMap<CertificateName, Identity>, options: PkiOptions): PkiOptions {
  const read = (name: CertificateName): Certificate | undefined => {
    const found = made.get(name);
    return found === undefined ? undefined : parseCertificate(found.certificate);
  };
  const eid = options.eid ?? read("euicc")?.subjectAttributes.serialNumber;
  const smdpOid = options.smdpOid ?? read("dpauth")?.registeredIds[0];
  const eimId = options.eimId ?? read("eimsign")?.subjectAttributes.CN;
  return {
    ...options,
    ...(eid === undefined ? {} : { eid }),
    ...(smdpOid === undefined ? {} : { smdpOid }),
    ...(eimId === undefined ? {} : { eimId }),
  };
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

// --- the directory ----------------------------------------------------------------------------------------------------------

async function store(dir: string, names: readonly CertificateName[], pki: Pki): Promise<void> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    for (const name of names) {
      for (const kind of ["cert", "key"] as const) {
        const identity = pki.get(name);
        const path = join(dir, `${name}.${kind}.pem`);
        const mode = kind === "key" ? 0o600 : 0o644;
        await writeFile(path, kind === "key" ? identity.privateKeyPem : identity.certificatePem, { mode, flag: "wx" });
        // The umask may have narrowed it, never widened: this makes certificates readable as said.
        await chmod(path, mode);
      }
    }
  } catch (error) {
    throw new SimwardError("DISK_WRITE", { detail: `the certificates in ${dir}`, cause: error });
  }
}

/** Nobody signs with these after their certificates have been issued. */
const keyNotNeeded: ReadonlySet<CertificateName> = new Set(["ci", "eum"]);

async function readIdentity(
  dir: string,
  name: CertificateName,
  certificatePath: string | undefined,
  keyPath: string | undefined,
): Promise<Identity> {
  if (certificatePath === undefined) throw refusal(dir, `missing: ${join(dir, `${name}.cert.pem`)}`);
  if (keyPath === undefined && !keyNotNeeded.has(name)) throw refusal(dir, `missing: ${join(dir, `${name}.key.pem`)}`);
  const certificate = await readCertificate(certificatePath);
  const privateKey = keyPath === undefined ? undefined : await readKey(keyPath, certificatePath, certificate);
  const key = (): KeyObject => {
    if (privateKey !== undefined) return privateKey;
    throw refusal(dir, `missing: ${name}.key.pem, so that nothing can be issued`);
  };
  return {
    certificate: certificate.der,
    certificatePem: toPem(certificate.der),
    get privateKey() {
      return key();
    },
    get privateKeyPem() {
      return String(key().export({ format: "pem", type: "pkcs8" }));
    },
    subjectKeyIdentifier: certificate.subjectKeyIdentifier ?? new Uint8Array(0),
  };
}

/** Somebody else's CI and EUM come without their keys. */
export function canIssue(issuer: Identity | undefined): boolean {
  try {
    return issuer?.privateKey !== undefined;
  } catch {
    return false;
  }
}

/** Whether what was read serves, for these options and now. */
function check(
  pathOf: (name: CertificateName) => string,
  made: ReadonlyMap<CertificateName, Identity>,
  subjects: PkiSubjects,
  curve: Curve,
  options: PkiOptions,
): void {
  const atMs = options.clock.now();
  const der = (name: CertificateName): Uint8Array => made.get(name)?.certificate ?? new Uint8Array(0);
  const anchors = [der("ci")];
  const read = (name: CertificateName): Certificate => parseCertificate(der(name));
  for (const name of certificateNames) {
    if (name === "ci" || name === "euicc" || !made.has(name)) continue;
    asSimPki(pathOf(name), () => verifyUnderCi(der(name), name, { anchors, atMs }));
  }
  if (made.has("euicc")) {
    const { eid } = asSimPki(pathOf("euicc"), () => verifyEuiccChain(der("euicc"), der("eum"), { anchors, atMs }));
    if (eid !== subjects.eid) throw refusal(pathOf("euicc"), "for another EID than asked for");
  }
  if (read("ci").curve !== curve) throw refusal(pathOf("ci"), `made on ${read("ci").curve}, asked for ${curve}`);
  const hosts = [
    ["dptls", options.smdpHosts],
    ["eimtls", options.eimHosts],
  ] as const;
  for (const [name, wanted] of hosts) {
    const { dnsNames, addresses } = read(name);
    // The name it is called by comes first.
    const [host = "localhost"] = wanted ?? [];
    if (isAddress(host) ? addresses.length === 0 : !dnsNames.includes(host)) throw refusal(pathOf(name), `${name} is not for ${host}`);
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
