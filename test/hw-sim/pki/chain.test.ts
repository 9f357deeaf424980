// The chain walker: what it takes, and each reason for which it refuses.
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { VirtualClock } from "../../../base/clock.ts";
import { SimwardError } from "../../../base/errors.ts";
import { parseCertificate } from "../../../hw-sim/pki/certificate.ts";
import { type ChainReason, chainFault, verifyEuiccChain, verifyUnderCi } from "../../../hw-sim/pki/chain.ts";
import { createPki, newKey, type Pki } from "../../../hw-sim/pki/pki.ts";
import {
  authorityKeyIdentifier,
  basicConstraints,
  buildCertificate,
  certificatePolicy,
  type Extension,
  encodeName,
  keyIdentifierOf,
  keyUsage,
  spkiOf,
  subjectKeyIdentifier,
} from "../../../hw-sim/pki/x509.ts";

const clock = new VirtualClock();
const atMs = clock.now();
const pki = createPki({ clock });
const anchors = [pki.get("ci").certificate];
const der = (name: Parameters<Pki["get"]>[0], world = pki): Uint8Array => world.get(name).certificate;

function reasonOf(run: () => unknown): ChainReason | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return chainFault(error)?.reason;
  }
}

describe("a chain is taken", () => {
  test.each(["prime256v1", "brainpoolP256r1"] as const)("on %s, from the eUICC to the CI, and its EID told", (curve) => {
    const world = createPki({ clock, curve });
    const chain = verifyEuiccChain(der("euicc", world), der("eum", world), { anchors: [...anchors, der("ci", world)], atMs });
    expect(chain.eid).toBe("89049032123451234512345678901235");
    expect(chain.ci.der).toEqual(der("ci", world));
  });

  test("with permittedEins in place of nameConstraints", () => {
    const world = createPki({ clock, eumConstraint: "permittedEins" });
    expect(reasonOf(() => verifyEuiccChain(der("euicc", world), der("eum", world), { anchors: [der("ci", world)], atMs }))).toBeUndefined();
  });

  test("for every role directly under the CI", () => {
    for (const name of ["eum", "dpauth", "dppb", "dptls", "eimsign", "eimtls"] as const) {
      expect([name, reasonOf(() => verifyUnderCi(der(name), name, { anchors, atMs }))]).toEqual([name, undefined]);
    }
  });

  test("without a time, whatever the hour is: an eUICC has no clock", () => {
    const old = pki.issue("dpauth", { notBeforeMs: Date.UTC(2001, 0, 1), notAfterMs: Date.UTC(2002, 0, 1) }).certificate;
    expect(reasonOf(() => verifyUnderCi(old, "dpauth", { anchors }))).toBeUndefined();
    expect(reasonOf(() => verifyUnderCi(old, "dpauth", { anchors, atMs }))).toBe("expired");
  });
});

describe("a chain is refused", () => {
  /** A certificate with this world's CI as issuer and everything else free. */
  const forged = (extensions: readonly Extension[], key = newKey("prime256v1"), issuerKey = pki.get("ci").privateKey): Uint8Array =>
    buildCertificate(
      {
        serialNumber: Uint8Array.of(1),
        issuer: parseCertificate(der("ci")).subject,
        subject: encodeName([["CN", "forged"]]),
        notBeforeMs: atMs - 1_000,
        notAfterMs: atMs + 1_000,
        subjectPublicKeyInfo: spkiOf(key),
        extensions: [
          authorityKeyIdentifier(pki.get("ci").subjectKeyIdentifier),
          subjectKeyIdentifier(keyIdentifierOf(spkiOf(key))),
          ...extensions,
        ],
      },
      issuerKey,
    );
  const dpauth = [certificatePolicy("2.23.146.1.2.1.4", true), keyUsage("digitalSignature")];
  const other = createPki({ clock });
  const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;

  const cases: readonly (readonly [string, ChainReason | undefined, () => Uint8Array])[] = [
    ["nothing is wrong (the forgery itself is sound)", undefined, () => forged(dpauth)],
    ["the CI is another", "unknownCi", () => der("dpauth", other)],
    ["the signature is another CI's", "signature", () => forged(dpauth, undefined, other.get("ci").privateKey)],
    ["an octet of the signed part has changed", "signature", () => flipped(der("dpauth"), serialNumberAt)],
    ["it has expired", "expired", () => pki.issue("dpauth", { notBeforeMs: atMs - 2, notAfterMs: atMs - 1_000 }).certificate],
    ["it is not yet valid", "notYetValid", () => pki.issue("dpauth", { notBeforeMs: atMs + 1_000 }).certificate],
    ["it is for profile binding", "policy", () => der("dppb")],
    ["it has no policy at all", "policy", () => forged([keyUsage("digitalSignature")])],
    ["it is a CA", "basicConstraints", () => forged([...dpauth, basicConstraints()])],
    ["it may not sign", "keyUsage", () => forged([certificatePolicy("2.23.146.1.2.1.4", true)])],
    [
      "it has an unknown critical extension",
      "criticalExtension",
      () => forged([...dpauth, { oid: "2.999.7.7", critical: true, value: Uint8Array.of(5, 0) }]),
    ],
    ["its key is on another curve", "curve", () => forged(dpauth, p384)],
    ["it is no certificate", "malformed", () => Uint8Array.of(0x30, 0x03, 0x02, 0x01, 0x05)],
    ["it was cut off", "malformed", () => der("dpauth").subarray(0, 200)],
  ];
  test.each(cases)("when %s", (_, reason, make) => {
    expect(reasonOf(() => verifyUnderCi(make(), "dpauth", { anchors, atMs }))).toBe(reason);
  });

  test("when a non-CI, though known, stands above", () => {
    // The eUICC as an issuer of an eUICC: its key identifier fits, its role does not.
    expect(reasonOf(() => verifyEuiccChain(der("euicc"), der("euicc"), { anchors, atMs }))).toBe("unknownCi");
  });

  test("when the EUM did not issue this eUICC", () => {
    const twin = createPki({ clock });
    const both = { anchors: [der("ci"), der("ci", twin)], atMs };
    expect(reasonOf(() => verifyEuiccChain(der("euicc"), der("eum", twin), both))).toBe("issuer");
  });

  test("when the CI itself has expired", () => {
    const late = Date.UTC(2062, 0, 1);
    const young = pki.issue("dpauth", { notBeforeMs: late - 1_000, notAfterMs: late + 1_000 }).certificate;
    expect(() => verifyUnderCi(young, "dpauth", { anchors, atMs: late })).toThrow(/ci certificate, expired/);
  });

  test("when the EID is outside what the EUM may issue, in either form of saying so", () => {
    for (const eumConstraint of ["nameConstraints", "permittedEins"] as const) {
      const world = createPki({ clock, eumConstraint, eid: "89044000123451234512345678901234", ein: "89049032" });
      expect(reasonOf(() => verifyEuiccChain(der("euicc", world), der("eum", world), { anchors: [der("ci", world)], atMs }))).toBe("eid");
    }
  });

  test("when the eUICC certificate names no EID", () => {
    const nameless = pki.issue("euicc", { eid: "8904903212345" }).certificate;
    expect(reasonOf(() => verifyEuiccChain(nameless, der("eum"), { anchors, atMs }))).toBe("eid");
  });
});

/** Within the serial number: after the two SEQUENCEs, the version, and its own tag and length. */
const serialNumberAt = 20;

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const out = bytes.slice();
  out[at] = (out[at] ?? 0) ^ 0x01;
  return out;
}

describe("certificates that others made", () => {
  test("one made by openssl is read as openssl reads it, and verified", () => {
    const dir = mkdtempSync(join(tmpdir(), "simward-chain-"));
    try {
      const openssl = (...args: readonly string[]): void => void execFileSync("openssl", args, { cwd: dir, stdio: "pipe" });
      writeFileSync(join(dir, "ci.pem"), pki.get("ci").certificatePem);
      writeFileSync(join(dir, "ci.key"), pki.get("ci").privateKeyPem, { mode: 0o600 });
      writeFileSync(
        join(dir, "ext.cnf"),
        [
          "basicConstraints=critical,CA:TRUE,pathlen:0",
          "keyUsage=critical,keyCertSign",
          "certificatePolicies=critical,2.23.146.1.2.1.2",
          "subjectAltName=RID:2.999.5",
          "subjectKeyIdentifier=hash",
          "authorityKeyIdentifier=keyid:always",
          "nameConstraints=critical,permitted;dirName:eins",
          "[eins]",
          "1.O=Other EUM",
          "serialNumber=89033023",
        ].join("\n"),
      );
      openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "eum.key");
      openssl("req", "-new", "-key", "eum.key", "-subj", "/C=FR/O=Other EUM/CN=EUM", "-out", "eum.csr");
      const sign = [
        "x509",
        "-req",
        "-in",
        "eum.csr",
        "-CA",
        "ci.pem",
        "-CAkey",
        "ci.key",
        "-CAcreateserial",
        "-extfile",
        "ext.cnf",
        "-days",
        "30",
      ];
      openssl(...sign, "-outform", "DER", "-out", "eum.der");
      const { certificate } = verifyUnderCi(new Uint8Array(readFileSync(join(dir, "eum.der"))), "eum", { anchors });
      expect(certificate.permittedNames).toEqual([{ organization: "Other EUM", eidPrefix: "89033023" }]);
      expect(certificate.registeredIds).toEqual(["2.999.5"]);
      expect(certificate.basicConstraints).toEqual({ ca: true, pathLength: 0 });
      expect(certificate.subjectAttributes).toEqual({ C: "FR", O: "Other EUM", CN: "EUM" });
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});

test("mutated certificates raise nothing but CERTIFICATE", () => {
  const good = der("eum");
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), (changes) => {
      const bytes = good.slice();
      for (const [at, value] of changes) bytes[at] = value;
      try {
        verifyUnderCi(bytes, "eum", { anchors, atMs });
      } catch (error) {
        expect(error instanceof SimwardError && error.code).toBe("CERTIFICATE");
      }
    }),
    { seed: 1, numRuns: 1_000 },
  );
});
