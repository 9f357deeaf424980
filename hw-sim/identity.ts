// The identity of an eUICC that somebody else made: EID, certificates and keys from a directory, so that the virtual eUICC lives under any
// test CI (SGP.26's, for example). One identity a curve; with both, NIST P-256 is the preferred one.
import { join } from "node:path";
import { SimwardError } from "../base/errors.ts";
import type { Curve } from "./crypto/ecdsa.ts";
import type { EuiccIdentity } from "./euicc/types.ts";
import { parseCertificate } from "./pki/certificate.ts";
import { type CertificateRole, chainFault, verifyEuiccChain } from "./pki/chain.ts";
import { fileNames, filesIn, findFile, readCertificate, readKey, refusal } from "./pki/files.ts";

export interface CardIdentityFiles {
  /** 32 digits, from the eUICC certificate's subject. */
  readonly eid: string;
  readonly identities: readonly EuiccIdentity[];
}

const curves: readonly Curve[] = ["prime256v1", "brainpoolP256r1"];
/** CI certificates, whatever else their names say: an identity is under any of them. */
const ciPattern = /^(ci.*\.cert|CERT_CI_.+)\.(pem|der)$/;

/** Throws SIM_PKI naming the file and what is wrong with it: missing, unreadable, another's key, a broken chain, no EID, or not the one asked for. */
export async function openIdentity(dir: string, wantedEid: string | undefined): Promise<CardIdentityFiles> {
  const present = await filesIn(dir);
  const anchors = await Promise.all(
    [...present]
      .filter((name) => ciPattern.test(name))
      .sort()
      .map(async (name) => ({ path: join(dir, name), certificate: await readCertificate(join(dir, name)) })),
  );
  const found = await Promise.all(
    curves.map((curve) =>
      readIdentity(
        dir,
        present,
        curve,
        anchors.map(({ certificate }) => certificate.der),
      ),
    ),
  );
  const identities = found.flatMap((one) => (one === undefined ? [] : [one]));
  const [first] = identities;
  if (first === undefined) throw refusal(dir, `no eUICC certificate: ${fileNames("euicc", "cert", "prime256v1").join(", ")}`);
  for (const { eid, path } of identities) {
    if (eid !== first.eid) throw refusal(path, `for another EID than ${first.path}`);
    if (wantedEid !== undefined && eid !== wantedEid) throw refusal(path, "for another EID than asked for (--eid)");
  }
  return { eid: first.eid, identities: identities.map(({ identity }) => identity) };
}

interface Found {
  readonly eid: string;
  /** Of the eUICC's certificate. */
  readonly path: string;
  readonly identity: EuiccIdentity;
}

async function readIdentity(
  dir: string,
  present: ReadonlySet<string>,
  curve: Curve,
  anchors: readonly Uint8Array[],
): Promise<Found | undefined> {
  const path = findFile(dir, present, "euicc", "cert", curve);
  if (path === undefined) return undefined;
  const needed = (name: "euicc" | "eum", kind: "cert" | "key"): string => {
    const file = findFile(dir, present, name, kind, curve);
    if (file === undefined) throw refusal(dir, `missing: ${fileNames(name, kind, curve).join(" or ")}`);
    return file;
  };
  const eumPath = needed("eum", "cert");
  const certificate = await readCertificate(path);
  const eum = await readCertificate(eumPath);
  const privateKey = await readKey(needed("euicc", "key"), path, certificate);
  if (anchors.length === 0) throw refusal(dir, `missing: ${fileNames("ci", "cert", curve).join(" or ")}`);
  const paths: Partial<Record<CertificateRole, string>> = { euicc: path, eum: eumPath, ci: dir };
  try {
    // An eUICC has no clock: what has expired is for the servers to refuse.
    const { eid, ci } = verifyEuiccChain(certificate.der, eum.der, { anchors });
    return { eid, path, identity: { ciCertificate: ci.der, eumCertificate: eum.der, euiccCertificate: certificate.der, privateKey } };
  } catch (error) {
    const fault = chainFault(error);
    if (fault === undefined || !(error instanceof SimwardError)) throw error;
    throw refusal(paths[fault.role] ?? dir, error.detail ?? error.message, error);
  }
}

/** Whether one of the identities is under that CI. */
export function isUnder(identities: readonly EuiccIdentity[], ciPKId: Uint8Array): boolean {
  return identities.some(({ ciCertificate }) => {
    const own = parseCertificate(ciCertificate).subjectKeyIdentifier;
    return own !== undefined && Buffer.compare(own, ciPKId) === 0;
  });
}
