// The judgement of X.509 chains: one test for each way in which a chain can be wrong, and OpenSSL's own verdict beside ours.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { WallTime } from "../../base/clock.ts";
import { integerBelow, seededRandom } from "../../base/random.ts";
import {
  type CertificateTrust,
  checkClientChain,
  checkServerChain,
  pemCertificates,
  trustFingerprint,
} from "../../transports/certificates.ts";
import { need, program } from "../support/programs.ts";
import { type CertificateOptions, makeCertificate, makePki, oids, type TestCertificate, toPem } from "../support/test-pki.ts";

const host = "eim.example.test";
const now: WallTime = { ms: Date.UTC(2026, 5, 1), source: "network" };
const { root, server } = makePki(host);
const roots = (...of: TestCertificate[]): CertificateTrust => ({ kind: "roots", certificates: of.map(({ der }) => der) });

/** "ok", or the code of the refusal. */
function verdict(
  presented: readonly Uint8Array[],
  trust: CertificateTrust,
  options: { serverName?: string; time?: WallTime } = {},
): string {
  try {
    checkServerChain(presented, { trust, serverName: options.serverName ?? host, time: options.time ?? now });
    return "ok";
  } catch (error) {
    expect(error).toMatchObject({ name: "SimwardError" });
    return (error as { code: string }).code;
  }
}

const leafOf = (issuer: TestCertificate, options: Partial<CertificateOptions> = {}): TestCertificate =>
  makeCertificate({ name: host, issuer, altNames: [host], ...options });
const caOf = (issuer: TestCertificate | undefined, options: Partial<CertificateOptions> = {}): TestCertificate =>
  makeCertificate({ name: options.name ?? "Test intermediate", ca: true, ...(issuer && { issuer }), ...options });

describe("trust", () => {
  const intermediate = caOf(root);
  const leaf = leafOf(intermediate);
  const stranger = makePki(host);

  test.each<[string, CertificateTrust, string]>([
    ["the root", roots(root), "ok"],
    ["one of several roots", roots(stranger.root, root), "ok"],
    ["no root at all", roots(), "TLS_UNTRUSTED"],
    ["another root of the same name", roots(stranger.root), "TLS_UNTRUSTED"],
    ["the root as sole certificate", { kind: "certificate", der: root.der }, "ok"],
    ["the intermediate", { kind: "certificate", der: intermediate.der }, "ok"],
    ["the leaf itself", { kind: "certificate", der: leaf.der }, "ok"],
    ["another leaf of the same issuer", { kind: "certificate", der: leafOf(intermediate).der }, "TLS_UNTRUSTED"],
    ["what is no certificate", { kind: "certificate", der: Uint8Array.of(0x30, 0) }, "TLS_UNTRUSTED"],
    ["the leaf's key", { kind: "publicKey", spki: leaf.spki }, "ok"],
    ["the intermediate's key", { kind: "publicKey", spki: intermediate.spki }, "ok"],
    ["the root's key, the root not being presented", { kind: "publicKey", spki: root.spki }, "TLS_UNTRUSTED"],
    ["another key", { kind: "publicKey", spki: stranger.server.spki }, "TLS_UNTRUSTED"],
    ["no key", { kind: "publicKey", spki: new Uint8Array(0) }, "TLS_UNTRUSTED"],
  ])("in %s", (_what, trust, expected) => {
    expect(verdict(leaf.chain, trust)).toBe(expected);
  });

  test("order of the certificates after the leaf does not matter, and useless ones do no harm", () => {
    const second = caOf(intermediate, { name: "Test intermediate 2" });
    const deep = leafOf(second);
    expect(verdict([deep.der, stranger.server.der, intermediate.der, second.der, root.der], roots(root))).toBe("ok");
    expect(verdict([deep.der, intermediate.der], roots(root))).toBe("TLS_UNTRUSTED");
  });

  test("a pinned key that stands in the chain without having signed the leaf", () => {
    expect(verdict([leaf.der, stranger.server.der], { kind: "publicKey", spki: stranger.server.spki })).toBe("TLS_UNTRUSTED");
    expect(verdict([stranger.server.der, leaf.der], { kind: "publicKey", spki: leaf.spki })).toBe("TLS_UNTRUSTED");
  });

  test("a pinned leaf key does not vouch for certificates it signed, as it is no CA's", () => {
    const sub = makeCertificate({ name: host, issuer: server, altNames: [host] });
    expect(verdict([sub.der, server.der], { kind: "publicKey", spki: server.spki })).toBe("TLS_UNTRUSTED");
    expect(verdict([sub.der, server.der], roots(root))).toBe("TLS_UNTRUSTED");
  });

  test("a signature altered in any octet", () => {
    const random = seededRandom(7);
    for (let i = 0; i < 20; i++) {
      const altered = leaf.der.slice();
      const at = altered.length - 1 - integerBelow(random, 60);
      altered[at] = (altered[at] ?? 0) ^ (1 << integerBelow(random, 8));
      expect(verdict([altered, intermediate.der], roots(root))).toBe("TLS_UNTRUSTED");
    }
  });

  test("nothing presented, too much presented, and octets that are no certificate", () => {
    expect(verdict([], roots(root))).toBe("TLS_UNTRUSTED");
    expect(verdict([Uint8Array.of(1, 2, 3)], roots(root))).toBe("TLS_UNTRUSTED");
    expect(verdict([leaf.der, new Uint8Array(0)], roots(root))).toBe("TLS_UNTRUSTED");
    expect(verdict([server.der, ...Array.from({ length: 20 }, () => root.der)], roots(root))).toBe("TLS_UNTRUSTED");
  });

  test("many certificates that could all be each other's issuer cost a bounded effort", () => {
    const key = caOf(undefined, { name: "Twin" });
    const twins = Array.from({ length: 10 }, () => makeCertificate({ name: "Twin", ca: true, issuer: key, key: key.privateKey }));
    const victim = leafOf(key);
    expect(verdict([victim.der, ...twins.map(({ der }) => der)], roots(root))).toBe("TLS_UNTRUSTED");
  });
});

describe("what certificates may be used for", () => {
  test.each<[string, () => TestCertificate, string]>([
    ["an issuer that is no CA", () => leafOf(makeCertificate({ name: "No CA", issuer: root, keyUsage: null })), "TLS_UNTRUSTED"],
    ["an issuer whose key may not sign certificates", () => leafOf(caOf(root, { keyUsage: [0] })), "TLS_UNTRUSTED"],
    ["an issuer without keyUsage", () => leafOf(caOf(root, { keyUsage: null })), "ok"],
    ["a leaf whose key may not sign", () => leafOf(root, { keyUsage: [4] }), "TLS_UNTRUSTED"],
    ["a leaf for servers", () => leafOf(root, { extendedKeyUsage: [oids.serverAuth, oids.clientAuth] }), "ok"],
    ["a leaf for anything", () => leafOf(root, { extendedKeyUsage: ["2.5.29.37.0"] }), "ok"],
    ["a leaf for clients only", () => leafOf(root, { extendedKeyUsage: [oids.clientAuth] }), "TLS_UNTRUSTED"],
    ["an issuer for clients only", () => leafOf(caOf(root, { extendedKeyUsage: [oids.clientAuth] })), "TLS_UNTRUSTED"],
    ["a path as long as allowed", () => leafOf(caOf(root, { ca: { pathLength: 0 } })), "ok"],
    [
      "a path longer than allowed",
      () => leafOf(caOf(caOf(root, { ca: { pathLength: 0 } }), { name: "Test intermediate 2" })),
      "TLS_UNTRUSTED",
    ],
    ["an RSA issuer", () => leafOf(caOf(root, { key: "rsa2048" })), "ok"],
    ["an RSA issuer of 1,024 bits", () => leafOf(caOf(root, { key: "rsa1024" })), "TLS_UNTRUSTED"],
    ["a leaf on P-384", () => leafOf(root, { key: "p384" }), "ok"],
    ["a signature over SHA-1", () => leafOf(root, { digest: "sha1" }), "TLS_UNTRUSTED"],
  ])("%s", (_what, make, expected) => {
    expect(verdict(make().chain, roots(root))).toBe(expected);
  });

  test("a critical extension that is not understood, in the leaf or above it", () => {
    const extraExtensions = [{ oid: "1.3.6.1.4.1.99999.2", critical: true, value: Uint8Array.of(5, 0) }];
    expect(verdict(leafOf(root, { extraExtensions }).chain, roots(root))).toBe("TLS_UNTRUSTED");
    expect(verdict(leafOf(caOf(root, { extraExtensions })).chain, roots(root))).toBe("TLS_UNTRUSTED");
    const harmless = [{ oid: "1.3.6.1.4.1.99999.2", critical: false, value: Uint8Array.of(0xff) }];
    expect(verdict(leafOf(root, { extraExtensions: harmless }).chain, roots(root))).toBe("ok");
  });

  test.each<[string, NonNullable<CertificateOptions["nameConstraints"]>, readonly string[], string]>([
    ["within those permitted", { permitted: ["example.test"] }, [host], "ok"],
    ["outside those permitted", { permitted: ["example.org"] }, [host], "TLS_UNTRUSTED"],
    ["one inside, one outside", { permitted: ["example.test"] }, [host, "eim.example.org"], "TLS_UNTRUSTED"],
    ["like one permitted, but not below it", { permitted: ["ample.test"] }, [host], "TLS_UNTRUSTED"],
    ["excluded", { excluded: ["example.test"] }, [host], "TLS_UNTRUSTED"],
    ["not excluded", { excluded: ["example.org"] }, [host], "ok"],
    ["an address within", { permitted: ["192.0.2.0/255.255.255.0"] }, [host, "192.0.2.7"], "ok"],
    ["an address outside", { permitted: ["192.0.2.0/255.255.255.0"] }, [host, "198.51.100.7"], "TLS_UNTRUSTED"],
  ])("names constrained by the issuer: %s", (_what, nameConstraints, altNames, expected) => {
    expect(verdict(leafOf(caOf(root, { nameConstraints }), { altNames }).chain, roots(root))).toBe(expected);
  });

  test("a client's certificate: anchors, purpose and time", () => {
    const check = (certificate: TestCertificate, anchor = root, time = now): string => {
      try {
        checkClientChain(certificate.chain, { anchors: [anchor.der], time });
        return "ok";
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    const vehicle = makeCertificate({ name: "vehicle", issuer: root, extendedKeyUsage: [oids.clientAuth] });
    expect(check(vehicle)).toBe("ok");
    expect(check(server)).toBe("TLS_UNTRUSTED");
    expect(check(vehicle, caOf(undefined))).toBe("TLS_UNTRUSTED");
    expect(check(vehicle, root, { ms: Date.UTC(2051, 0, 1), source: "network" })).toBe("TLS_EXPIRED");
  });
});

describe("names", () => {
  test.each<[string, readonly string[] | undefined, string, string]>([
    ["the same", [host], host, "ok"],
    ["in other case", ["EIM.Example.Test"], host, "ok"],
    ["asked for with a final dot", [host], `${host}.`, "ok"],
    ["one of several", ["a.test", host], host, "ok"],
    ["a wildcard for the first label", ["*.example.test"], host, "ok"],
    ["a wildcard for part of a label", ["e*.example.test"], host, "TLS_HOST_MISMATCH"],
    ["a wildcard does not span labels", ["*.test"], host, "TLS_HOST_MISMATCH"],
    ["a longer name", [`x.${host}`], host, "TLS_HOST_MISMATCH"],
    ["only as common name", undefined, host, "TLS_HOST_MISMATCH"],
    ["an address", ["192.0.2.1"], "192.0.2.1", "ok"],
    ["an address written as a DNS name", ["host.192.0.2.1"], "192.0.2.1", "TLS_HOST_MISMATCH"],
  ])("%s", (_what, altNames, serverName, expected) => {
    const leaf = makeCertificate({ name: host, issuer: root, ...(altNames && { altNames }) });
    expect(verdict(leaf.chain, roots(root), { serverName })).toBe(expected);
  });
});

describe("validity", () => {
  const notBefore = new Date("2026-01-01T00:00:00Z");
  const notAfter = new Date("2026-12-31T23:59:59Z");
  const leaf = leafOf(root, { notBefore, notAfter });
  const at = (date: Date, offsetMs: number, source: WallTime["source"] = "network"): WallTime => ({
    ms: date.getTime() + offsetMs,
    source,
  });

  test.each<[string, WallTime, string]>([
    ["its first second", at(notBefore, 0), "ok"],
    ["the second before", at(notBefore, -1_000), "TLS_EXPIRED"],
    ["its last second", at(notAfter, 0), "ok"],
    ["the second after", at(notAfter, 1_000), "TLS_EXPIRED"],
    ["too early by a clock that knows only its floor", at(notBefore, -1_000, "none"), "ok"],
    ["too late even by such a clock", at(notAfter, 1_000, "none"), "TLS_EXPIRED"],
  ])("%s", (_what, time, expected) => {
    expect(verdict(leaf.chain, roots(root), { time })).toBe(expected);
  });

  test("the leaf as its own anchor, and the pinned key, do not make up for it", () => {
    const time = at(notAfter, 1_000);
    expect(verdict(leaf.chain, { kind: "certificate", der: leaf.der }, { time })).toBe("TLS_EXPIRED");
    expect(verdict(leaf.chain, { kind: "publicKey", spki: leaf.spki }, { time })).toBe("TLS_EXPIRED");
  });

  test("an expired issuer, unless another path does without it", () => {
    const expired = caOf(root, { notBefore: new Date("2010-01-01"), notAfter: new Date("2011-01-01") });
    const child = leafOf(expired);
    expect(verdict(child.chain, roots(root))).toBe("TLS_EXPIRED");
    const renewed = makeCertificate({ name: expired.name, ca: true, issuer: root, key: expired.privateKey });
    expect(verdict([...child.chain, renewed.der], roots(root))).toBe("ok");
  });

  test("what is wrong first is said first: trust, then name, then time", () => {
    const time = at(notAfter, 1_000);
    expect(verdict(leaf.chain, roots(), { time, serverName: "x" })).toBe("TLS_UNTRUSTED");
    expect(verdict(leaf.chain, roots(root), { time, serverName: "x" })).toBe("TLS_HOST_MISMATCH");
  });
});

test("a fingerprint differs by kind and content", () => {
  const some: CertificateTrust[] = [
    { kind: "certificate", der: root.der },
    roots(root),
    roots(root, server),
    roots(server, root),
    { kind: "publicKey", spki: root.spki },
  ];
  expect(new Set(some.map(trustFingerprint)).size).toBe(some.length);
});

test("PEM: every certificate in its order, whatever stands between", () => {
  expect(pemCertificates(`subject=x\n${server.pem}\r\n\n${root.pem}tail`)).toEqual([server.der, root.der]);
  expect(pemCertificates("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----")).toEqual([]);
});

// The reference judges each chain that the dice give; both must agree on trust, purpose, names, lengths and times at once.
test("openssl verify says the same of 60 chains at random", { timeout: 120_000 }, (context) => {
  const openssl = need(context, program("openssl"));
  const dir = mkdtempSync(join(tmpdir(), "simward-verify-"));
  const random = seededRandom(2026);
  const often = <T>(usual: T, ...rare: T[]): T => (random.unit() < 0.75 ? usual : (rare[integerBelow(random, rare.length)] ?? usual));
  const verdicts: Record<string, number> = {};
  try {
    const keys = { issuer: caOf(undefined).privateKey, leaf: caOf(undefined).privateKey };
    for (let i = 0; i < 60; i++) {
      const expired = { notBefore: new Date("2010-01-01"), notAfter: new Date("2011-01-01") };
      let issuer = root;
      for (let depth = integerBelow(random, 3); depth > 0; depth--) {
        const ca = often<CertificateOptions["ca"] & {}>(true, { pathLength: 0 }, { pathLength: 1 }, false);
        issuer = makeCertificate({
          name: `CA ${depth}`,
          issuer,
          key: keys.issuer,
          ca,
          // Without basicConstraints OpenSSL takes keyCertSign for "CA", which RFC 5280 §4.2.1.9 forbids: the one known difference.
          keyUsage: ca === false ? [0] : often<readonly number[]>([5, 6], [0], [5]),
          ...often<object>({}, { extendedKeyUsage: [oids.clientAuth] }, { extendedKeyUsage: [oids.serverAuth] }),
          ...often<object>({}, { nameConstraints: { permitted: ["example.test"] } }, { nameConstraints: { excluded: ["example.test"] } }),
          ...often<object>({}, expired),
        });
      }
      const leaf = makeCertificate({
        name: host,
        issuer,
        key: keys.leaf,
        altNames: [often(host, "other.example.org")],
        ...often<object>({}, { extendedKeyUsage: [oids.clientAuth] }, { extendedKeyUsage: [oids.serverAuth] }),
        ...often<object>({}, expired),
      });
      const anchor = often(root, leaf, issuer);
      // Up to the anchor: above it openssl would go on building and judging, where we have arrived.
      const arrived = leaf.chain.findIndex((der) => Buffer.compare(der, anchor.der) === 0);
      const untrusted = leaf.chain.slice(1, arrived < 0 ? undefined : Math.max(arrived, 1)).map(toPem);
      writeFileSync(join(dir, "anchor.pem"), anchor.pem);
      writeFileSync(join(dir, "leaf.pem"), leaf.pem);
      writeFileSync(join(dir, "chain.pem"), untrusted.join("") || leaf.pem);
      const args = ["verify", "-no-CAfile", "-no-CApath", "-no-CAstore", "-partial_chain", "-purpose", "sslserver", "-auth_level", "1"];
      const files = [
        "-trusted",
        "anchor.pem",
        "-untrusted",
        "chain.pem",
        "-verify_hostname",
        host,
        "-attime",
        String(now.ms / 1000),
        "leaf.pem",
      ];
      const reference = spawnSync(openssl, [...args, ...files], { cwd: dir, encoding: "latin1" });
      const ours = verdict(leaf.chain, { kind: "certificate", der: anchor.der });
      verdicts[ours] = (verdicts[ours] ?? 0) + 1;
      expect(ours === "ok", `${ours} against openssl: ${reference.stdout}${reference.stderr}`).toBe(reference.status === 0);
    }
    // Enough of each for the comparison to mean something.
    expect(Object.keys(verdicts).sort()).toEqual(["TLS_EXPIRED", "TLS_HOST_MISMATCH", "TLS_UNTRUSTED", "ok"]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
