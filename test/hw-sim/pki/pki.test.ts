// The virtual world's certificates, judged by openssl where its rules allow, and the directory they are kept in.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SystemClock, VirtualClock } from "../../../base/clock.ts";
import { parseCertificate } from "../../../hw-sim/pki/certificate.ts";
import { createPki, openPki, type Pki } from "../../../hw-sim/pki/pki.ts";
import { type CertificateName, certificateNames } from "../../../hw-sim/pki/profiles.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "simward-pki-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const clock = new SystemClock();

function openssl(...args: readonly string[]): string {
  return execFileSync("openssl", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** What openssl says of a chain: "OK" or its error text. */
function judge(pki: Pki, leaf: CertificateName, intermediates: readonly CertificateName[], ...extra: readonly string[]): string {
  const file = (name: CertificateName): string => {
    const path = join(dir, `judged-${name}.pem`);
    writeFileSync(path, pki.get(name).certificatePem);
    return path;
  };
  const untrusted = intermediates.flatMap((name) => ["-untrusted", file(name)]);
  try {
    return (
      openssl("verify", "-x509_strict", ...extra, "-CAfile", file("ci"), ...untrusted, file(leaf))
        .trim()
        .split(": ")
        .pop() ?? ""
    );
  } catch (error) {
    return String((error as { stderr?: string }).stderr);
  }
}

describe.each(["prime256v1", "brainpoolP256r1"] as const)("certificates on %s", (curve) => {
  test("openssl verifies every certificate whose profile generic rules can judge", () => {
    const pki = createPki({ clock, curve });
    for (const name of ["eum", "dpauth", "dppb", "dptls", "eimsign", "eimtls"] as const)
      expect([name, judge(pki, name, [])]).toEqual([name, "OK"]);
  });

  test("openssl refuses the eUICC under nameConstraints, for the reason the reference names, and takes it under permittedEins", () => {
    expect(judge(createPki({ clock, curve }), "euicc", ["eum"])).toContain("permitted subtree violation");
    expect(judge(createPki({ clock, curve, eumConstraint: "permittedEins" }), "euicc", ["eum"])).toBe("OK");
  });

  test("TLS certificates are on P-256 whatever the rest is on", () => {
    const pki = createPki({ clock, curve });
    const curves = certificateNames.map((name) => [name, parseCertificate(pki.get(name).certificate).curve]);
    expect(curves.filter(([, one]) => one !== curve).map(([name]) => name)).toEqual(curve === "prime256v1" ? [] : ["dptls", "eimtls"]);
  });
});

describe("what openssl reads in them", () => {
  const text = (pki: Pki, name: CertificateName): string => {
    const path = join(dir, "shown.pem");
    writeFileSync(path, pki.get(name).certificatePem);
    return openssl("x509", "-in", path, "-noout", "-text").replace(/\s+/g, " ").replace(/ = /g, "=").replace(/"/g, "");
  };

  test("the extensions of each row", () => {
    const pki = createPki({ clock, smdpHosts: ["dp.test", "127.0.0.1", "fe80::1:2"], smdpOid: "2.999.10" });
    const expected: Record<CertificateName, readonly string[]> = {
      ci: [
        "Basic Constraints: critical CA:TRUE",
        "Key Usage: critical Certificate Sign, CRL Sign",
        "Policy: 2.23.146.1.2.1.0",
        "Registered ID:2.999.1",
      ],
      eum: [
        "CA:TRUE, pathlen:0",
        "Key Usage: critical Certificate Sign",
        "Policy: 2.23.146.1.2.1.2",
        "Name Constraints: critical Permitted: DirName:O=RSP Test EUM, serialNumber=89049032",
        "Registered ID:2.999.5",
      ],
      euicc: [
        "C=ES, O=RSP Test EUM, serialNumber=89049032123451234512345678901235, CN=Test eUICC",
        "Key Usage: critical Digital Signature",
        "Certificate Policies: critical Policy: 2.23.146.1.2.1.1",
      ],
      dpauth: ["O=ACME, CN=TEST SM-DP+", "Policy: 2.23.146.1.2.1.4", "Registered ID:2.999.10", "CRL-A.crl"],
      dppb: ["O=ACME, CN=TEST SM-DP+", "Policy: 2.23.146.1.2.1.5", "Registered ID:2.999.10"],
      dptls: [
        "CN=dp.test",
        "Extended Key Usage: critical TLS Web Server Authentication, TLS Web Client Authentication",
        "Certificate Policies: Policy: 2.23.146.1.2.1.3",
        "DNS:dp.test, IP Address:127.0.0.1, IP Address:FE80:0:0:0:0:0:1:2, Registered ID:2.999.10",
      ],
      eimsign: ["C=DE, CN=eim.example.com", "Key Usage: critical Digital Signature"],
      eimtls: ["DNS:eim.example.com", "Registered ID:2.999.20", "Extended Key Usage: critical TLS Web Server Authentication"],
    };
    for (const name of certificateNames) {
      const shown = text(pki, name);
      for (const part of expected[name]) expect(shown).toContain(part);
    }
    expect(text(pki, "eimsign")).not.toContain("Certificate Policies");
  });

  test("openssl's own reading of the times and key identifiers agrees with ours", () => {
    const pki = createPki({ clock: new VirtualClock({ ms: Date.UTC(2026, 2, 4, 5, 6, 7) }) });
    const ci = parseCertificate(pki.get("ci").certificate);
    // The CI outlives 2049, where UTCTime ends.
    expect(text(pki, "ci")).toContain("Not Before: Mar 3 05:06:07 2026 GMT Not After : Feb 23 05:06:07 2061 GMT");
    expect([ci.notBeforeMs, ci.notAfterMs]).toEqual([Date.UTC(2026, 2, 3, 5, 6, 7), Date.UTC(2061, 1, 23, 5, 6, 7)]);
    const ski = Buffer.from(pki.get("ci").subjectKeyIdentifier).toString("hex").toUpperCase().match(/../g)?.join(":");
    expect(text(pki, "dpauth")).toContain(`Authority Key Identifier: ${ski}`);
    const path = join(dir, "der");
    writeFileSync(path, pki.get("ci").certificate);
    expect(openssl("asn1parse", "-inform", "DER", "-in", path)).toContain("GENERALIZEDTIME");
  });

  test("an expired one is refused by openssl as expired", () => {
    const pki = createPki({ clock });
    const path = join(dir, "expired.pem");
    writeFileSync(path, pki.issue("eimtls", { notBeforeMs: Date.UTC(2020, 0, 1), notAfterMs: Date.UTC(2021, 0, 1) }).certificatePem);
    writeFileSync(join(dir, "ci.pem"), pki.get("ci").certificatePem);
    expect(() => openssl("verify", "-CAfile", join(dir, "ci.pem"), path)).toThrow(/certificate has expired/);
  });
});

describe("the directory", () => {
  test("is made when it is not there, with keys that only their owner reads", async () => {
    const place = join(dir, "new");
    await openPki(place, { clock });
    expect(readdirSync(place).sort()).toEqual(certificateNames.flatMap((name) => [`${name}.cert.pem`, `${name}.key.pem`]).sort());
    for (const name of certificateNames) expect(statSync(join(place, `${name}.key.pem`)).mode & 0o777).toBe(0o600);
    expect(statSync(place).mode & 0o777).toBe(0o700);
    expect(openssl("pkey", "-in", join(place, "euicc.key.pem"), "-noout", "-text")).toContain("prime256v1");
  });

  test("is used again as it is", async () => {
    const first = await openPki(dir, { clock });
    const second = await openPki(dir, { clock });
    for (const name of certificateNames) {
      expect(second.get(name).certificate).toEqual(first.get(name).certificate);
      expect(second.get(name).privateKey.equals(first.get(name).privateKey)).toBe(true);
    }
    expect(judge(second, "dpauth", [])).toBe("OK");
  });

  test("what was read can issue more", async () => {
    await openPki(dir, { clock });
    const pki = await openPki(dir, { clock });
    const path = join(dir, "second.pem");
    writeFileSync(path, pki.issue("eimtls", { eimId: "second-eim", eimHosts: ["second.example"] }).certificatePem);
    expect(openssl("verify", "-CAfile", join(dir, "ci.cert.pem"), path)).toContain("OK");
    expect(openssl("x509", "-in", path, "-noout", "-subject")).toMatch(/CN ?= ?second-eim/);
  });

  const damages: readonly (readonly [string, (place: string) => void, RegExp])[] = [
    ["a file is missing", (place) => rmSync(join(place, "dppb.key.pem")), /missing: .*dppb\.key\.pem/],
    [
      "a key belongs to another certificate",
      (place) => writeFileSync(join(place, "dppb.key.pem"), readFileSync(join(place, "dpauth.key.pem"))),
      /not the key of/,
    ],
    ["a certificate is no PEM", (place) => writeFileSync(join(place, "eum.cert.pem"), "hello"), /eum\.cert\.pem: no PEM certificate/],
    ["a key is no PEM", (place) => writeFileSync(join(place, "eum.key.pem"), "hello"), /eum\.key\.pem/],
    [
      "a certificate stands in another's place",
      (place) => {
        for (const kind of ["cert", "key"]) writeFileSync(join(place, `dppb.${kind}.pem`), readFileSync(join(place, `dpauth.${kind}.pem`)));
      },
      /dppb certificate, policy/,
    ],
  ];
  test.each(damages)("is refused when %s", async (_, damage, message) => {
    await openPki(dir, { clock });
    damage(dir);
    await expect(openPki(dir, { clock })).rejects.toMatchObject({ code: "SIM_PKI", message: expect.stringMatching(message) });
  });

  test("is refused when made for another EID, curve or host, or when it has expired", async () => {
    await openPki(dir, { clock: new VirtualClock({ ms: Date.UTC(2026, 5, 1) }) });
    const then = (years: number): VirtualClock => new VirtualClock({ ms: Date.UTC(2026 + years, 5, 1) });
    await expect(openPki(dir, { clock: then(0), eid: "89049032000000000000000000000000" })).rejects.toMatchObject({ code: "SIM_PKI" });
    await expect(openPki(dir, { clock: then(0), curve: "brainpoolP256r1" })).rejects.toMatchObject({ code: "SIM_PKI" });
    await expect(openPki(dir, { clock: then(0), eimHosts: ["else.example"] })).rejects.toThrow(/eimtls is not for else\.example/);
    await expect(openPki(dir, { clock: then(2) })).rejects.toThrow(/dptls certificate, expired/);
    await expect(openPki(dir, { clock: then(-1) })).rejects.toThrow(/notYetValid/);
    await expect(openPki(dir, { clock: then(1) })).resolves.toBeDefined();
  });
});
