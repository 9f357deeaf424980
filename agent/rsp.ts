// What a direct download needs of the configuration's [rsp]: the GSMA CI certificates to verify servers with, and the confirmation code.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { asSimwardError, reasonOf, SimwardError } from "../base/errors.ts";
import type { Es9Transport, RspPorts } from "../ipa/ports.ts";
import type { Config } from "./config/schema.ts";

const certificateFile = /\.(pem|crt|cer|der)$/i;
const pemBlock = /-----BEGIN CERTIFICATE-----([\s\S]+?)-----END CERTIFICATE-----/g;

/** Undefined without `ci_dir` or certificates in it: then every download goes through an eIM. Why is said to `onProblem`. */
export async function rspOf(
  { ci_dir: dir, confirmation_code_credential: name }: Config["rsp"],
  transport: Es9Transport,
  credential: (name: string) => Promise<string>,
  onProblem: (error: SimwardError) => void,
): Promise<RspPorts | undefined> {
  if (dir === undefined) return undefined;
  let ciCertificates: readonly Uint8Array[];
  try {
    ciCertificates = await certificatesIn(dir);
  } catch (error) {
    // No reason to leave the vehicle without its eIM.
    onProblem(asSimwardError(error));
    return undefined;
  }
  return { transport, ciCertificates, ...(name === undefined ? {} : { confirmationCode: () => credential(name) }) };
}

/** Throws CONFIG_READ, CONFIG_INVALID. */
export async function certificatesIn(dir: string): Promise<Uint8Array[]> {
  let files: Buffer[];
  try {
    const names = (await readdir(dir)).filter((name) => certificateFile.test(name)).sort();
    files = await Promise.all(names.map((name) => readFile(join(dir, name))));
  } catch (error) {
    throw new SimwardError("CONFIG_READ", { detail: `rsp.ci_dir ${dir}: ${reasonOf(error)}`, cause: error });
  }
  const certificates = files.flatMap(certificatesOf);
  if (certificates.length === 0) throw new SimwardError("CONFIG_INVALID", { detail: `rsp.ci_dir ${dir} holds no certificate, PEM or DER` });
  return certificates;
}

/** PEM, several in one file too, or one in DER. */
function certificatesOf(file: Buffer): Uint8Array[] {
  if (file[0] === 0x30) return [new Uint8Array(file)];
  return [...file.toString("latin1").matchAll(pemBlock)].map((match) => new Uint8Array(Buffer.from(match[1] ?? "", "base64")));
}
