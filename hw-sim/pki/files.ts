// Certificates and keys as files: under our names or those of SGP.26, as PEM or DER. Every refusal names the file.
import { createPrivateKey, type KeyObject } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { equalBytes } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { type Curve, curveOf } from "../crypto/ecdsa.ts";
import { type Certificate, parseCertificate } from "./certificate.ts";
import type { CertificateName } from "./profiles.ts";
import { spkiOf } from "./x509.ts";

/** What SGP.26 calls them, without CERT_ or SK_ before and the curve behind; it has none for eIMs. */
const sgp26Names: Readonly<Record<CertificateName, readonly string[]>> = {
  ci: ["CI_ECDSA", "CI_SIG"],
  eum: ["EUM_ECDSA", "EUM_SIG"],
  euicc: ["EUICC_ECDSA", "EUICC_SIG"],
  dpauth: ["S_SM_DPauth_ECDSA", "S_SM_DPauth_SIG"],
  dppb: ["S_SM_DPpb_ECDSA", "S_SM_DPpb_SIG"],
  dptls: ["S_SM_DP_TLS"],
  eimsign: [],
  eimtls: [],
};
const ourSuffix: Readonly<Record<Curve, string>> = { prime256v1: "", brainpoolP256r1: "-brp" };
const sgp26Suffix: Readonly<Record<Curve, string>> = { prime256v1: "NIST", brainpoolP256r1: "BRP" };

export type FileKind = "cert" | "key";

/** Every name under which that file is looked for, ours first. */
export function fileNames(name: CertificateName, kind: FileKind, curve: Curve): readonly string[] {
  const ours = `${name}${ourSuffix[curve]}.${kind}`;
  const theirs = sgp26Names[name].map((part) => `${kind === "cert" ? "CERT" : "SK"}_${part}_${sgp26Suffix[curve]}`);
  return [ours, ...theirs].flatMap((stem) => [`${stem}.pem`, `${stem}.der`]);
}

/** Names of the files in the directory; none when it is not there. Throws SIM_PKI. */
export async function filesIn(dir: string): Promise<ReadonlySet<string>> {
  try {
    return new Set(await readdir(dir));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return new Set();
    throw refusal(dir, "cannot be read", cause);
  }
}

/** The first of the names that is there. */
export function findFile(
  dir: string,
  present: ReadonlySet<string>,
  name: CertificateName,
  kind: FileKind,
  curve: Curve,
): string | undefined {
  const found = fileNames(name, kind, curve).find((file) => present.has(file));
  return found === undefined ? undefined : join(dir, found);
}

export function refusal(path: string, reason: string, cause?: unknown): SimwardError {
  return new SimwardError("SIM_PKI", { detail: `${path}: ${reason}`, cause });
}

/** Throws SIM_PKI. */
export async function readCertificate(path: string): Promise<Certificate> {
  const octets = await read(path);
  const text = octets.toString("latin1");
  const body = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/.exec(text)?.[1];
  if (body === undefined && octets[0] !== 0x30) throw refusal(path, "no PEM certificate, and no DER");
  try {
    return parseCertificate(new Uint8Array(body === undefined ? octets : Buffer.from(body, "base64")));
  } catch (error) {
    throw refusal(path, error instanceof SimwardError ? (error.detail ?? error.message) : "not readable", error);
  }
}

/** The private key of that certificate. Throws SIM_PKI when it is another's, is not on an RSP curve, or cannot be read. */
export async function readKey(path: string, certificatePath: string, certificate: Certificate): Promise<KeyObject> {
  const key = parseKey(path, await read(path));
  if (key.asymmetricKeyType !== "ec") throw refusal(path, `a key of kind ${key.asymmetricKeyType}, where an EC key must be`);
  const curve = curveOf(key);
  if (curve === undefined)
    throw refusal(path, `its curve is ${key.asymmetricKeyDetails?.namedCurve}, where prime256v1 or brainpoolP256r1 must be`);
  if (!equalBytes(spkiOf(key), certificate.subjectPublicKeyInfo)) throw refusal(path, `not the key of ${certificatePath}`);
  return key;
}

function parseKey(path: string, octets: Buffer): KeyObject {
  const forms =
    octets[0] === 0x30
      ? (["pkcs8", "sec1"] as const).map((type) => ({ key: octets, format: "der" as const, type }))
      : [{ key: octets, format: "pem" as const }];
  let cause: unknown;
  for (const form of forms) {
    try {
      return createPrivateKey(form);
    } catch (error) {
      cause = error;
    }
  }
  throw refusal(path, "no private key in PEM or DER", cause);
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw refusal(path, "cannot be read", error);
  }
}
