// Certificates for the tunnel's tests, made when they are wanted by openssl: a CA, the gateway's and the vehicle's, in whatever period of validity.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface TunnelPair {
  /** PEM files. */
  readonly certificate: string;
  readonly key: string;
}

export interface CertificateWish {
  readonly name: string;
  readonly ca: TunnelPair;
  /** RFC 3339; a year around now where left out. */
  readonly from?: Date;
  readonly to?: Date;
}

const openssl = (dir: string, ...args: readonly string[]): void => {
  execFileSync("openssl", [...args], { cwd: dir, stdio: ["ignore", "ignore", "pipe"] });
};
const dayMs = 86_400_000;
/** YYYYMMDDHHMMSSZ */
const asn1Time = (time: Date): string => `${time.toISOString().replace(/[-:T]/g, "").slice(0, 14)}Z`;

export function makeCa(dir: string, name: string): TunnelPair {
  const pair = { certificate: join(dir, `${name}.pem`), key: join(dir, `${name}.key`) };
  const subject = ["-subj", `/O=simward test/CN=${name}`, "-days", "3650"];
  const extensions = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"];
  openssl(
    dir,
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    ...subject,
    ...extensions,
    "-keyout",
    pair.key,
    "-out",
    pair.certificate,
  );
  return pair;
}

let made = 0;

/** Its subjectAltName is the name. */
export function makeCertificate(dir: string, { name, ca, from, to }: CertificateWish): TunnelPair {
  made++;
  const file = join(dir, `${name}-${made}`);
  const pair = { certificate: `${file}.pem`, key: `${file}.key` };
  openssl(
    dir,
    "req",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-subj",
    `/O=simward test/CN=${name}`,
    "-keyout",
    pair.key,
    "-out",
    `${file}.csr`,
  );
  writeFileSync(`${file}.ext`, `basicConstraints=CA:FALSE\nsubjectAltName=DNS:${name}\nextendedKeyUsage=serverAuth,clientAuth\n`);
  // `openssl ca` alone sets both ends of the period.
  const database = `${file}.db`;
  writeFileSync(database, "");
  writeFileSync(
    `${file}.serial`,
    `${Math.trunc(performance.now() * 1_000)
      .toString(16)
      .padStart(12, "0")}\n`,
  );
  writeFileSync(
    `${file}.conf`,
    `[ca]\ndefault_ca=this\n[this]\ndatabase=${database}\nserial=${file}.serial\nnew_certs_dir=${dir}\ndefault_md=sha256\npolicy=any\nunique_subject=no\n[any]\norganizationName=optional\ncommonName=supplied\n`,
  );
  const period = [
    "-startdate",
    asn1Time(from ?? new Date(Date.now() - dayMs)),
    "-enddate",
    asn1Time(to ?? new Date(Date.now() + 365 * dayMs)),
  ];
  openssl(
    dir,
    "ca",
    "-batch",
    "-notext",
    "-config",
    `${file}.conf`,
    "-in",
    `${file}.csr`,
    "-out",
    pair.certificate,
    "-cert",
    ca.certificate,
    "-keyfile",
    ca.key,
    "-extfile",
    `${file}.ext`,
    ...period,
  );
  return pair;
}

export function pem(path: string): string {
  return readFileSync(path, "utf8");
}
