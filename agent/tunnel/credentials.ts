// What proves the vehicle to the gateway, and the gateway to the vehicle: read from systemd credentials and the CA's file, checked, and looked at for its end.
import { createPrivateKey, X509Certificate } from "node:crypto";
import type { WallTime } from "../../base/clock.ts";
import { asSimwardError, reasonOf, SimwardError } from "../../base/errors.ts";
import type { TunnelConfig } from "./config.ts";

export interface TunnelCredentials {
  /** Arguments of simward-netd's verb, in base64. Secret. */
  readonly request: Readonly<Record<string, unknown>>;
  readonly certificates: readonly CertificateEnd[];
}

export interface CertificateEnd {
  readonly whose: "vehicle" | "ca";
  /** Its subject's common name. */
  readonly name: string;
  /** The credential or file it is from. */
  readonly from: string;
  readonly endMs: number;
}

export interface CredentialPorts {
  readonly credential: (name: string) => Promise<string>;
  readonly readFile: (path: string) => Promise<string>;
}

const pemBlock = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
const mostCertificates = 4;

/** Throws TUNNEL_CREDENTIAL, which names the credential and never what is in it. */
export async function readCredentials(config: TunnelConfig, ports: CredentialPorts): Promise<TunnelCredentials> {
  const { certificate_credential: certificateName, key_credential: keyName, secret_credential: secretName } = config;
  const cas = certificatesIn(await text(config.ca, ports.readFile), config.ca);
  const shared = { cas: cas.map(derOf) };
  const ends = cas.map((one) => endOf(one, "ca", config.ca));
  if (config.auth === "eap") {
    const secret = await text(secretName ?? "", ports.credential);
    if (secret === "") throw unusable(secretName ?? "", "is empty");
    const request = {
      ...shared,
      certificates: [],
      eapIdentity: config.eap_identity,
      secret: Buffer.from(secret, "utf8").toString("base64"),
    };
    return { request, certificates: ends };
  }
  const chain = certificatesIn(await text(certificateName ?? "", ports.credential), certificateName ?? "");
  const [leaf] = chain;
  const pem = await text(keyName ?? "", ports.credential);
  let key: ReturnType<typeof createPrivateKey>;
  try {
    key = createPrivateKey(pem);
  } catch {
    // Not even OpenSSL's words about it.
    throw unusable(keyName ?? "", "is no private key in PEM");
  }
  if (leaf === undefined || !leaf.checkPrivateKey(key)) throw unusable(keyName ?? "", `is not the key of ${certificateName ?? ""}`);
  const der = key.export({ format: "der", type: "pkcs8" }).toString("base64");
  return {
    request: { ...shared, certificates: chain.map(derOf), key: der },
    certificates: [endOf(leaf, "vehicle", certificateName ?? ""), ...ends],
  };
}

async function text(name: string, read: (name: string) => Promise<string>): Promise<string> {
  try {
    return await read(name);
  } catch (error) {
    throw new SimwardError("TUNNEL_CREDENTIAL", { detail: asSimwardError(error).detail ?? `${name}: ${reasonOf(error)}`, cause: error });
  }
}

function certificatesIn(pem: string, from: string): readonly X509Certificate[] {
  const blocks = pem.match(pemBlock) ?? [];
  if (blocks.length === 0 || blocks.length > mostCertificates)
    throw unusable(from, `has ${blocks.length} certificates in PEM; 1 to ${mostCertificates} are taken`);
  return blocks.map((block) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw unusable(from, `holds what is no certificate: ${reasonOf(error)}`);
    }
  });
}

function endOf(certificate: X509Certificate, whose: CertificateEnd["whose"], from: string): CertificateEnd {
  const name = /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? certificate.subject.replaceAll("\n", ", ");
  return { whose, name, from, endMs: Date.parse(certificate.validTo) };
}

function derOf(certificate: X509Certificate): string {
  return certificate.raw.toString("base64");
}

function unusable(name: string, what: string): SimwardError {
  return new SimwardError("TUNNEL_CREDENTIAL", { detail: `${name} ${what}` });
}

const dayMs = 86_400_000;

/** The certificate that ends first, where that is soon or past; by a clock that never is ahead of the true time unless the network says so. */
export function endingOf(certificates: readonly CertificateEnd[], now: WallTime, warnDays: number): SimwardError | undefined {
  const [first] = [...certificates].sort((a, b) => a.endMs - b.endMs);
  if (first === undefined || now.source === "none") return undefined;
  const leftMs = first.endMs - now.ms;
  if (leftMs > warnDays * dayMs) return undefined;
  const detail = `${first.whose === "ca" ? "the CA" : "the vehicle's"} ${first.name} (${first.from}): ${new Date(first.endMs).toISOString()}`;
  return new SimwardError(leftMs <= 0 ? "TUNNEL_CERTIFICATE_EXPIRED" : "TUNNEL_CERTIFICATE_EXPIRING", {
    detail,
    data: { leftDays: Math.floor(leftMs / dayMs) },
  });
}
