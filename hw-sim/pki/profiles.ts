// What goes into each certificate of the virtual RSP world: one row a kind, after SGP.22 §4.5.2 (variant O of SGP.26) and SGP.32 §4.3.
import { type CertificateRole, roles } from "./chain.ts";
import {
  basicConstraints,
  certificatePolicy,
  crlDistributionPoint,
  type Extension,
  extKeyUsage,
  keyUsage,
  type Name,
  permittedDirectoryName,
  permittedEins,
  subjectAltName,
} from "./x509.ts";

/** Also the names of the PEM files. */
export const certificateNames = ["ci", "eum", "euicc", "dpauth", "dppb", "dptls", "eimsign", "eimtls"] as const;
export type CertificateName = (typeof certificateNames)[number];

/** What differs between one virtual world and another. */
export interface PkiSubjects {
  /** 32 digits. */
  readonly eid: string;
  /** First digits of the EIDs that the EUM may issue. */
  readonly ein: string;
  readonly eumConstraint: "nameConstraints" | "permittedEins";
  readonly smdpOid: string;
  /** Host names and addresses of the SM-DP+'s TLS certificate. */
  readonly smdpHosts: readonly string[];
  readonly eimId: string;
  readonly eimHosts: readonly string[];
}

export interface CertificateProfile {
  readonly issuer: CertificateName;
  readonly role: CertificateRole;
  readonly lifetimeDays: number;
  /** TLS stacks negotiate P-256 everywhere; brainpool not. */
  readonly alwaysP256: boolean;
  readonly subject: (subjects: PkiSubjects) => Name;
  /** Without the key identifiers, which every certificate has. */
  readonly extensions: (subjects: PkiSubjects) => readonly Extension[];
}

const eumOrganization = "RSP Test EUM";
const years = (count: number): number => count * 365;
const policy = (role: CertificateRole, critical = true): Extension => certificatePolicy(roles[role].policy ?? "", critical);
const revocation = crlDistributionPoint("http://ci.test.example.com/CRL-A.crl");

const dpSubject: CertificateProfile["subject"] = () => [
  ["O", "ACME"],
  ["CN", "TEST SM-DP+"],
];
// X.520 allows a common name of 64 characters.
const eimSubject: CertificateProfile["subject"] = ({ eimId }) => [
  ["C", "DE"],
  ["CN", eimId.slice(0, 64)],
];

export const certificateProfiles: Readonly<Record<CertificateName, CertificateProfile>> = {
  ci: {
    issuer: "ci",
    role: "ci",
    lifetimeDays: years(35),
    alwaysP256: false,
    subject: () => [
      ["CN", "Test CI"],
      ["OU", "TESTCERT"],
      ["O", "RSPTEST"],
      ["C", "IT"],
    ],
    extensions: () => [basicConstraints(), policy("ci"), keyUsage("keyCertSign", "cRLSign"), subjectAltName([], "2.999.1")],
  },
  eum: {
    issuer: "ci",
    role: "eum",
    lifetimeDays: years(30),
    alwaysP256: false,
    subject: () => [
      ["C", "ES"],
      ["O", eumOrganization],
      ["CN", "EUM Test"],
    ],
    extensions: ({ ein, eumConstraint }) => [
      basicConstraints(0),
      policy("eum"),
      keyUsage("keyCertSign"),
      subjectAltName([], "2.999.5"),
      eumConstraint === "permittedEins"
        ? permittedEins([ein])
        : permittedDirectoryName([
            ["O", eumOrganization],
            ["serialNumber", ein],
          ]),
      revocation,
    ],
  },
  euicc: {
    issuer: "eum",
    role: "euicc",
    lifetimeDays: years(30),
    alwaysP256: false,
    subject: ({ eid }) => [
      ["C", "ES"],
      ["O", eumOrganization],
      ["serialNumber", eid],
      ["CN", "Test eUICC"],
    ],
    extensions: () => [policy("euicc"), keyUsage("digitalSignature")],
  },
  dpauth: {
    issuer: "ci",
    role: "dpauth",
    lifetimeDays: years(10),
    alwaysP256: false,
    subject: dpSubject,
    extensions: ({ smdpOid }) => [policy("dpauth"), keyUsage("digitalSignature"), subjectAltName([], smdpOid), revocation],
  },
  dppb: {
    issuer: "ci",
    role: "dppb",
    lifetimeDays: years(10),
    alwaysP256: false,
    subject: dpSubject,
    extensions: ({ smdpOid }) => [policy("dppb"), keyUsage("digitalSignature"), subjectAltName([], smdpOid), revocation],
  },
  dptls: {
    issuer: "ci",
    role: "dptls",
    lifetimeDays: 397,
    alwaysP256: true,
    subject: ({ smdpHosts }) => [
      ["O", "ACME"],
      ["CN", (smdpHosts[0] ?? "").slice(0, 64)],
    ],
    extensions: ({ smdpHosts, smdpOid }) => [
      keyUsage("digitalSignature"),
      extKeyUsage(true, "serverAuth", "clientAuth"),
      policy("dptls", false),
      subjectAltName(smdpHosts, smdpOid),
      revocation,
    ],
  },
  eimsign: {
    issuer: "ci",
    role: "eimsign",
    lifetimeDays: years(10),
    alwaysP256: false,
    subject: eimSubject,
    extensions: () => [keyUsage("digitalSignature")],
  },
  eimtls: {
    issuer: "ci",
    role: "eimtls",
    lifetimeDays: 397,
    alwaysP256: true,
    subject: eimSubject,
    extensions: ({ eimHosts }) => [
      keyUsage("digitalSignature"),
      extKeyUsage(true, "serverAuth", "clientAuth"),
      subjectAltName(eimHosts, "2.999.20"),
      revocation,
    ],
  },
};
