// An eUICC under somebody else's certificates, and servers under theirs: files in their forms and names, refusals by file and reason,
// and the main job under a foreign CI on both curves.
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { VirtualClock } from "../../../base/clock.ts";
import { createCard } from "../../../hw-sim/card.ts";
import { openIdentity } from "../../../hw-sim/identity.ts";
import { createPki, newKey, openPki, type Pki, toPem } from "../../../hw-sim/pki/pki.ts";
import type { CertificateName } from "../../../hw-sim/pki/profiles.ts";
import { createVehicle } from "../../../hw-sim/vehicle.ts";
import { inDirectory, mainJob, timeLapse, withAgent } from "../card-socket/fleet.ts";

const clock = new VirtualClock();
const eid = "89049032000000000000000000000042";
const foreign = createPki({ clock, eid });
const brainpool = createPki({ clock, eid, curve: "brainpoolP256r1" });

const keyDer = (key: KeyObject, type: "sec1" | "pkcs8"): Buffer => key.export({ format: "der", type });

/** As a card maker hands them over: our names, PEM. */
function writeIdentity(dir: string, pki: Pki, suffix = ""): void {
  for (const name of ["ci", "eum", "euicc"] as const) writeFileSync(join(dir, `${name}${suffix}.cert.pem`), pki.get(name).certificatePem);
  writeFileSync(join(dir, `euicc${suffix}.key.pem`), pki.get("euicc").privateKeyPem);
}

describe("--identity", () => {
  test("PEM under our names; the EID is the certificate's", () =>
    inDirectory(async (dir) => {
      writeIdentity(dir, foreign);
      const { eid: found, identities } = await openIdentity(dir, undefined);
      expect(found).toBe(eid);
      expect(identities).toMatchObject([
        { euiccCertificate: foreign.get("euicc").certificate, ciCertificate: foreign.get("ci").certificate },
      ]);
    }));

  test.each(["sec1", "pkcs8"] as const)("DER under the names of SGP.26, both curves, keys as %s", (type) =>
    inDirectory(async (dir) => {
      for (const [pki, curve] of [
        [foreign, "NIST"],
        [brainpool, "BRP"],
      ] as const) {
        for (const [name, theirs] of [
          ["ci", "CI"],
          ["eum", "EUM"],
          ["euicc", "EUICC"],
        ] as const)
          writeFileSync(join(dir, `CERT_${theirs}_ECDSA_${curve}.der`), pki.get(name).certificate);
        writeFileSync(join(dir, `SK_EUICC_ECDSA_${curve}.der`), keyDer(pki.get("euicc").privateKey, type));
      }
      const { identities } = await openIdentity(dir, eid);
      expect(identities.map(({ euiccCertificate }) => euiccCertificate)).toEqual([
        foreign.get("euicc").certificate,
        brainpool.get("euicc").certificate,
      ]);
      const card = await createCard({ clock, identityDir: dir, services: [] });
      expect(card.euicc.eid).toBe(eid);
      await card.close();
    }),
  );

  const otherEum = createPki({ clock, eid });
  const noEid = foreign.issue("euicc", { eid: "4711", privateKey: foreign.get("euicc").privateKey });
  const strayEid = foreign.issue("euicc", { eid: "35840574000000000000000000000001", privateKey: foreign.get("euicc").privateKey });
  const p384 = generateKeyPairSync("ec", { namedCurve: "secp384r1" }).privateKey;
  const refusals: readonly (readonly [string, (dir: string) => void, RegExp])[] = [
    ["there is nothing", (dir) => rmSync(join(dir, "euicc.cert.pem")), /no eUICC certificate: euicc\.cert\.pem/],
    ["the key is missing", (dir) => rmSync(join(dir, "euicc.key.pem")), /missing: euicc\.key\.pem .*SK_EUICC/],
    ["the EUM is missing", (dir) => rmSync(join(dir, "eum.cert.pem")), /missing: eum\.cert\.pem/],
    ["there is no CI", (dir) => rmSync(join(dir, "ci.cert.pem")), /missing: ci\.cert\.pem/],
    [
      "the key is another's",
      (dir) => writeFileSync(join(dir, "euicc.key.pem"), newKey("prime256v1").export({ format: "pem", type: "pkcs8" })),
      /euicc\.key\.pem: not the key of .*euicc\.cert\.pem/,
    ],
    [
      "the key is on another curve",
      (dir) => writeFileSync(join(dir, "euicc.key.pem"), p384.export({ format: "pem", type: "pkcs8" })),
      /euicc\.key\.pem: its curve is secp384r1/,
    ],
    [
      "the key is none",
      (dir) => writeFileSync(join(dir, "euicc.key.pem"), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
      /euicc\.key\.pem: no private key/,
    ],
    ["a certificate is none", (dir) => writeFileSync(join(dir, "eum.cert.pem"), "hello"), /eum\.cert\.pem: no PEM certificate/],
    [
      "a certificate is cut off",
      (dir) => writeFileSync(join(dir, "ci.cert.pem"), toPem(foreign.get("ci").certificate.subarray(0, 200))),
      /ci\.cert\.pem: malformed/,
    ],
    [
      "the EUM is another",
      (dir) => writeFileSync(join(dir, "eum.cert.pem"), otherEum.get("eum").certificatePem),
      /eum\.cert\.pem: eum certificate, unknownCi/,
    ],
    [
      "the eUICC is another EUM's",
      (dir) => {
        writeFileSync(join(dir, "eum.cert.pem"), otherEum.get("eum").certificatePem);
        writeFileSync(join(dir, "ci.cert.pem"), otherEum.get("ci").certificatePem);
      },
      /euicc\.cert\.pem: euicc certificate, issuer/,
    ],
    ["the subject holds no EID", (dir) => writeFileSync(join(dir, "euicc.cert.pem"), noEid.certificatePem), /euicc\.cert\.pem: .*no EID/],
    [
      "the EUM may not issue that EID",
      (dir) => writeFileSync(join(dir, "euicc.cert.pem"), strayEid.certificatePem),
      /euicc\.cert\.pem: .*may not issue/,
    ],
  ];
  test.each(refusals)("is refused when %s", (_, damage, message) =>
    inDirectory(async (dir) => {
      writeIdentity(dir, foreign);
      damage(dir);
      await expect(openIdentity(dir, undefined)).rejects.toMatchObject({ code: "SIM_PKI", detail: expect.stringMatching(message) });
    }),
  );

  test("is refused when another EID was asked for", () =>
    inDirectory(async (dir) => {
      writeIdentity(dir, foreign);
      await expect(openIdentity(dir, "89049032000000000000000000000043")).rejects.toMatchObject({
        code: "SIM_PKI",
        detail: expect.stringMatching(/euicc\.cert\.pem: for another EID/),
      });
    }));

  test("a directory that --pki has made on brainpool is an identity as well", () =>
    inDirectory(async (dir) => {
      await openPki(dir, { clock, curve: "brainpoolP256r1" });
      const { identities } = await openIdentity(dir, undefined);
      expect(identities[0]?.privateKey.asymmetricKeyDetails).toMatchObject({ namedCurve: "brainpoolP256r1" });
    }));

  test("takes a CI whose file name only begins so", () =>
    inDirectory(async (dir) => {
      writeIdentity(dir, foreign);
      renameSync(join(dir, "ci.cert.pem"), join(dir, "ci-of-the-laboratory.cert.pem"));
      const { identities } = await openIdentity(dir, eid);
      expect(identities[0]?.ciCertificate).toEqual(foreign.get("ci").certificate);
    }));

  test("a vehicle whose servers are under another CI is refused, as nothing would ever be downloaded", () =>
    inDirectory(async (dir) => {
      writeIdentity(dir, foreign);
      await expect(createVehicle({ clock, identityDir: dir })).rejects.toMatchObject({
        code: "SIM_PKI",
        detail: expect.stringMatching(/another CI.*--pki/),
      });
    }));
});

/** As a test laboratory hands servers over: certificates and keys, but never the CI's key. */
function writeServers(dir: string, pki: Pki, names: Partial<Record<CertificateName, string>> = {}): void {
  for (const name of ["ci", "dpauth", "dppb", "dptls", "eimsign", "eimtls"] as const) {
    const theirs = names[name];
    if (theirs === undefined) writeFileSync(join(dir, `${name}.cert.pem`), pki.get(name).certificatePem);
    else writeFileSync(join(dir, `CERT_${theirs}.der`), pki.get(name).certificate);
    if (name === "ci") continue;
    if (theirs === undefined) writeFileSync(join(dir, `${name}.key.pem`), pki.get(name).privateKeyPem);
    else writeFileSync(join(dir, `SK_${theirs}.pem`), pki.get(name).privateKey.export({ format: "pem", type: "sec1" }));
  }
}

describe("--pki with foreign files", () => {
  test("needs neither the CI's key nor an eUICC where the card is another; nothing can be issued then", () =>
    inDirectory(async (dir) => {
      writeServers(dir, foreign, { dpauth: "S_SM_DPauth_ECDSA_NIST", dptls: "S_SM_DP_TLS_NIST" });
      const pki = await openPki(dir, { clock, withoutEuicc: true });
      expect(pki.get("dpauth").certificate).toEqual(foreign.get("dpauth").certificate);
      expect(pki.subjects).toMatchObject({ smdpOid: "2.999.10", eimId: "eim.example.com" });
      expect(() => pki.issue("eimtls")).toThrow(
        expect.objectContaining({ code: "SIM_PKI", detail: expect.stringContaining("ci.key.pem") }),
      );
      await expect(openPki(dir, { clock })).rejects.toMatchObject({ detail: expect.stringMatching(/missing: eum\.cert\.pem/) });
    }));

  test("where servers of both curves are, the one asked for counts", () =>
    inDirectory(async (dir) => {
      writeServers(dir, foreign);
      for (const [name, theirs] of [
        ["ci", "CI_ECDSA"],
        ["dpauth", "S_SM_DPauth_ECDSA"],
        ["dppb", "S_SM_DPpb_ECDSA"],
        ["dptls", "S_SM_DP_TLS"],
      ] as const) {
        writeFileSync(join(dir, `CERT_${theirs}_BRP.der`), brainpool.get(name).certificate);
        writeFileSync(join(dir, `SK_${theirs}_BRP.pem`), brainpool.get(name).privateKeyPem);
      }
      // It has the CI's key, and eIM certificates of the other CI.
      await expect(openPki(dir, { clock, withoutEuicc: true, curve: "brainpoolP256r1" })).rejects.toMatchObject({
        detail: expect.stringMatching(/eimsign\.cert\.pem: .*unknownCi/),
      });
      for (const name of ["eimsign", "eimtls"]) for (const kind of ["cert", "key"]) rmSync(join(dir, `${name}.${kind}.pem`));
      const pki = await openPki(dir, { clock, withoutEuicc: true, curve: "brainpoolP256r1" });
      expect(pki.get("dppb").certificate).toEqual(brainpool.get("dppb").certificate);
      expect(pki.curve).toBe("brainpoolP256r1");
    }));

  test("what is missing is issued where the CI's key is there, and kept", () =>
    inDirectory(async (dir) => {
      writeServers(dir, foreign);
      for (const name of ["eimsign", "eimtls"]) for (const kind of ["cert", "key"]) rmSync(join(dir, `${name}.${kind}.pem`));
      await expect(openPki(dir, { clock, withoutEuicc: true })).rejects.toMatchObject({ detail: expect.stringMatching(/eimsign.*eimtls/) });
      writeFileSync(join(dir, "ci.key.pem"), foreign.get("ci").privateKeyPem);
      const made = await openPki(dir, { clock, withoutEuicc: true });
      const again = await openPki(dir, { clock, withoutEuicc: true });
      expect(again.get("eimsign").certificate).toEqual(made.get("eimsign").certificate);
    }));

  test.each([
    [
      "a TLS certificate for other hosts",
      "dptls",
      foreign.issue("dptls", { smdpHosts: ["dp.example"] }),
      /dptls\.cert\.pem: dptls is not for localhost/,
    ],
    ["an expired one", "dpauth", foreign.issue("dpauth", { notAfterMs: clock.now() - 1 }), /dpauth\.cert\.pem: .*expired/],
    ["one of another CI", "eimtls", brainpool.get("eimtls"), /eimtls\.cert\.pem: .*unknownCi/],
    ["one of another role", "dppb", foreign.get("dpauth"), /dppb\.cert\.pem: .*policy/],
  ] as const)("is refused for %s", (_, name, identity, message) =>
    inDirectory(async (dir) => {
      writeServers(dir, foreign);
      writeFileSync(join(dir, `${name}.cert.pem`), identity.certificatePem);
      writeFileSync(join(dir, `${name}.key.pem`), identity.privateKeyPem);
      await expect(openPki(dir, { clock, withoutEuicc: true })).rejects.toMatchObject({
        code: "SIM_PKI",
        detail: expect.stringMatching(message),
      });
    }),
  );
});

describe("the main job under a foreign CI", () => {
  test.each([
    ["NIST P-256", foreign, ""],
    ["brainpoolP256r1", brainpool, "-brp"],
  ] as const)("on %s", (_, pki, suffix) =>
    inDirectory(async (identityDir) =>
      inDirectory(async (pkiDir) => {
        writeIdentity(identityDir, pki, suffix);
        writeServers(pkiDir, pki);
        const { clock: fast, stop } = timeLapse();
        await withAgent(fast, { identityDir, pkiDir }, async (fleet) => {
          expect(fleet.eid).toBe(eid);
          await mainJob(fleet);
        });
        stop();
      }),
    ),
  );
});
