// Rule files of the fleet: signed, newer than those before, and whole; or those before stay in force.

import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type KeyRing, openKeyRing } from "../../../agent/keys/ring.ts";
import { verifyingKey, verifyingKeys } from "../../../agent/keys/signature.ts";
import { defaultRoamingRules } from "../../../agent/roaming/default-rules.ts";
import { rulesReport } from "../../../agent/roaming/report.ts";
import { openRuleBook, type RuleKeys } from "../../../agent/roaming/rule-book.ts";
import { utf8 } from "../../../base/bytes.ts";
import type { Disk } from "../../../base/disk.ts";
import { type FaultDisk, faultDisk } from "../../../base/fault-disk.ts";
import { seededRandom } from "../../../base/random.ts";
import { runBlock } from "../../support/doc-commands.ts";
import { need, program } from "../../support/programs.ts";

const root = generateKeyPairSync("ed25519");
const ed25519 = generateKeyPairSync("ed25519");
const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
const unlock = generateKeyPairSync("ed25519");
const spki = (key: KeyObject): Buffer => key.export({ format: "der", type: "spki" });
const signed = (content: Uint8Array, key: KeyObject): Uint8Array =>
  new Uint8Array(sign(key.asymmetricKeyType === "ed25519" ? null : "sha256", content, key));

async function revoke(ring: KeyRing, pair: { readonly publicKey: KeyObject }): Promise<void> {
  const { fingerprint } = verifyingKey(new Uint8Array(spki(pair.publicKey)), "x");
  const left = { id: "ec", purpose: "policy", publicKey: spki(p256.publicKey).toString("base64") };
  const text = JSON.stringify({ schema: "simward/keyring/1", version: 2, issued: "2026-02-01", keys: [left], revoked: [fingerprint] });
  await ring.install(text, signed(utf8(text), root.privateKey));
}

async function ringOf(disk: Disk): Promise<KeyRing> {
  const ring = await openKeyRing(disk, [verifyingKey(new Uint8Array(spki(root.publicKey)), "root")]);
  const key = (id: string, purpose: string, pair: { readonly publicKey: KeyObject }) => ({
    ...{ id, purpose },
    publicKey: spki(pair.publicKey).toString("base64"),
  });
  const keys = [key("ed", "policy", ed25519), key("ec", "policy", p256), key("un", "unlock", unlock)];
  const text = JSON.stringify({ schema: "simward/keyring/1", version: 1, issued: "2026-01-01", keys });
  await ring.install(text, signed(utf8(text), root.privateKey));
  return ring;
}

const rulesOf = (version: number, more: object = {}): Uint8Array =>
  utf8(JSON.stringify({ ...defaultRoamingRules, version, issued: "2026-10-01", ...more }));

async function open(disk: FaultDisk = faultDisk(seededRandom(1)), keys?: RuleKeys) {
  const lost: string[] = [];
  let file: { content: Uint8Array; signature: Uint8Array } | undefined;
  const ring = keys ?? (await ringOf(disk));
  const book = await openRuleBook({ disk, keys: ring, file: async () => file, onLost: (why) => void lost.push(why.code) });
  return { disk, book, lost, ring, put: (content: Uint8Array, signature: Uint8Array) => (file = { content, signature }) };
}

describe("a rule file", () => {
  it.each([
    ["Ed25519", ed25519.privateKey, "ed"],
    ["ECDSA", p256.privateKey, "ec"],
  ])("signed with %s by a policy key is in force, and after a restart too", async (_kind, key, signedBy) => {
    const { disk, book, ring } = await open();
    expect(book).toMatchObject({ current: defaultRoamingRules, signedBy: undefined, sha256: undefined });
    const content = rulesOf(7);
    expect(await book.install(content, signed(content, key))).toBe("installed");
    expect(await book.install(content, signed(content, key))).toBe("already");
    const { book: again } = await open(disk, ring);
    expect(again).toMatchObject({ current: { version: 7 }, signedBy, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
  });

  it("in its place on the disk is taken when it is looked at, its signature as text too", async () => {
    const { book, put } = await open();
    const content = rulesOf(3);
    put(content, utf8(`${Buffer.from(signed(content, ed25519.privateKey)).toString("base64")}\n`));
    expect(await book.look()).toBe("installed");
    expect(book.current.version).toBe(3);
    expect(await book.look()).toBe("already");
  });

  const content = rulesOf(8);
  const good = signed(content, ed25519.privateKey);
  const signing = (bytes: Uint8Array): [Uint8Array, Uint8Array] => [bytes, signed(bytes, ed25519.privateKey)];
  const altered = content.map((octet, at) => (at === 40 ? octet ^ 1 : octet));
  it.each<[string, Uint8Array, Uint8Array, RegExp]>([
    ["altered", altered, good, /signature/],
    ["with another's signature", content, signed(content, root.privateKey), /signature/],
    ["signed by a key for something else", content, signed(content, unlock.privateKey), /signature/],
    ["without a signature", content, new Uint8Array(), /signature/],
    ["of a lower version", ...signing(rulesOf(4)), /version 4; 5/],
    ["of the same version, but other rules", ...signing(rulesOf(5, { issued: "2027-01-01" })), /version 5; 5/],
    ["that is no JSON", ...signing(utf8("{")), /JSON/],
    [
      "with a rule that lacks its limit",
      ...signing(rulesOf(8, { rules: [{ id: "xx", iso: "TR", kind: "consecutive_days", confidence: "high" }] })),
      /rules\.0.*limit/,
    ],
    ["with a field that is unknown", ...signing(rulesOf(8, { days: 3 })), /days/],
    [
      "with two rules of one id",
      ...signing(rulesOf(8, { rules: [1, 2].map(() => ({ id: "xx", iso: "TR", kind: "unknown", confidence: "low" })) })),
      /two rules/,
    ],
    ["larger than any", ...signing(utf8(" ".repeat(50_000))), /50000 octets/],
  ])("%s is not taken; those before stay in force", async (_what, bytes, signature, why) => {
    const { book, disk, ring } = await open();
    await book.install(...signing(rulesOf(5)));
    await expect(book.install(bytes, signature)).rejects.toMatchObject({ code: "ROAMING_RULES", detail: expect.stringMatching(why) });
    expect(book.current.version).toBe(5);
    expect((await open(disk, ring)).book.current.version).toBe(5);
  });

  it("without a policy key in the ring is not taken", async () => {
    const { book } = await open(undefined, { has: () => false, signerOf: () => "x", status: () => ({ keys: [], revoked: [] }) });
    await expect(book.install(content, good)).rejects.toMatchObject({ code: "ROAMING_RULES" });
  });

  it("whose copy is damaged is said to be lost; an older one is no way back, the same one is", async () => {
    const { book, disk, ring } = await open();
    await book.install(...signing(rulesOf(9)));
    for (const slot of [0, 1]) await disk.replace(`roaming-rules.${slot}.json`, new Uint8Array(30));
    const { book: again, lost } = await open(disk, ring);
    expect([again.current, lost]).toEqual([defaultRoamingRules, ["STATE_CORRUPT"]]);
    await expect(again.install(...signing(rulesOf(8)))).rejects.toMatchObject({ code: "ROAMING_RULES" });
    expect(await again.install(...signing(rulesOf(9)))).toBe("installed");
  });

  it("cut off by a power failure anywhere is wholly in force or not at all, and can be installed again", async () => {
    for (let change = 1; change <= 4; change++)
      for (let seed = 0; seed < 10; seed++) {
        const disk = faultDisk(seededRandom(seed));
        const { book, ring } = await open(disk);
        await book.install(...signing(rulesOf(5)));
        disk.cutAfter(change);
        await book.install(...signing(rulesOf(6))).catch(() => undefined);
        disk.powerOn();
        const { book: again, lost } = await open(disk, ring);
        expect([5, 6]).toContain(again.current.version);
        expect(lost).toEqual([]);
        expect(["installed", "already"]).toContain(await again.install(...signing(rulesOf(6))));
        expect(again.current.version).toBe(6);
      }
  });
});

describe("a key that is revoked", () => {
  it("takes what it has signed out of force, over a restart too; the same rules signed by another key are in force again", async () => {
    const disk = faultDisk(seededRandom(1));
    const ring = await ringOf(disk);
    const { book } = await open(disk, ring);
    const content = rulesOf(7);
    await book.install(content, signed(content, ed25519.privateKey));
    expect([book.current.version, book.isRevoked]).toEqual([7, false]);
    await revoke(ring, ed25519);
    expect(book).toMatchObject({ current: defaultRoamingRules, signedBy: undefined, sha256: undefined, isRevoked: true });
    const { book: later } = await open(disk, ring);
    expect(later).toMatchObject({ current: defaultRoamingRules, isRevoked: true });
    await expect(later.install(content, signed(content, ed25519.privateKey))).rejects.toMatchObject({ code: "ROAMING_RULES" });
    await expect(later.install(rulesOf(6), signed(rulesOf(6), p256.privateKey))).rejects.toMatchObject({ code: "ROAMING_RULES" });
    expect(await later.install(content, signed(content, p256.privateKey))).toBe("installed");
    expect([later.current.version, later.signedBy, later.isRevoked]).toEqual([7, "ec", false]);
  });
});

describe("docs/policy.md", () => {
  const openssl = program("openssl");
  const jq = program("jq");

  it("its commands make rules out of those in force that the vehicle takes", async (context) => {
    need(context, openssl);
    need(context, jq);
    const dir = await mkdtemp(join(tmpdir(), "simward-rules-"));
    try {
      const file = (name: string): Uint8Array => new Uint8Array(readFileSync(join(dir, name)));
      expect(await runBlock("docs/policy.md", "keys", dir)).toMatchObject({ code: 0 });
      const disk = faultDisk(seededRandom(1));
      const { book: before } = await open(disk, { has: () => false, signerOf: () => undefined, status: () => ({ keys: [], revoked: [] }) });
      writeFileSync(join(dir, "in-force.json"), JSON.stringify(rulesReport(before, {})));
      const made = await runBlock("docs/policy.md", "roaming-rules", dir);
      expect(made, made.stderr).toMatchObject({ code: 0 });
      const keys = await openKeyRing(disk, verifyingKeys(readFileSync(join(dir, "root.pem"), "utf8"), "root.pem"));
      await keys.install(readFileSync(join(dir, "keyring-policy.json"), "utf8"), file("keyring-policy.json.sig"));
      const { book } = await open(disk, keys);
      expect(await book.install(file("roaming-rules.json"), file("roaming-rules.json.sig"))).toBe("installed");
      expect(book.current.rules.find(({ id }) => id === "tr-90-in-120")).toMatchObject({ act_at: 75, action: "refuse_data", limit: 90 });
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});
