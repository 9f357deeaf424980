import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { describe, expect, test } from "vitest";
import { openChallenges } from "../../../agent/keys/challenges.ts";
import { openKeyRing } from "../../../agent/keys/ring.ts";
import { lengthPrefixed, verifyingKeys } from "../../../agent/keys/signature.ts";
import { toHex, utf8 } from "../../../base/bytes.ts";
import { type FaultDisk, faultDisk } from "../../../base/fault-disk.ts";
import { seededRandom } from "../../../base/random.ts";

const root = generateKeyPairSync("ed25519");
const other = generateKeyPairSync("ed25519");
const one = generateKeyPairSync("ed25519");
const two = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const der = (key: KeyObject): Buffer => key.export({ format: "der", type: "spki" });
const fingerprint = (key: KeyObject): string => createHash("sha256").update(der(key)).digest("hex");
const rootPem = root.publicKey.export({ format: "pem", type: "spki" }).toString();

interface Ring {
  readonly version: number;
  readonly keys?: readonly { readonly id: string; readonly purpose: string; readonly publicKey: string }[];
  readonly revoked?: readonly string[];
}
const key = (id: string, purpose: string, publicKey: KeyObject) => ({ id, purpose, publicKey: der(publicKey).toString("base64") });
const textOf = ({ version, keys = [key("one", "unlock", one.publicKey)], revoked = [] }: Ring): string =>
  JSON.stringify({ schema: "simward/keyring/1", version, issued: "2026-06-01", keys, revoked });
const signed = (text: string, by: KeyObject = root.privateKey) => [text, new Uint8Array(sign(null, Buffer.from(text), by))] as const;
const open = (disk: FaultDisk, onLost?: (why: Error) => void) => openKeyRing(disk, verifyingKeys(rootPem, "root"), onLost);

describe("the key ring", () => {
  test("is taken from the root alone, and its keys are good for their purpose alone", async () => {
    const disk = faultDisk(seededRandom(1));
    const ring = await open(disk);
    const text = textOf({ version: 1 });
    await expect(ring.install(...signed(text, other.privateKey))).rejects.toMatchObject({ code: "KEYRING_INVALID" });
    await expect(ring.install(`${text} `, signed(text)[1])).rejects.toMatchObject({ code: "KEYRING_INVALID" });
    expect(await ring.install(...signed(text))).toBe("installed");
    expect(await ring.install(...signed(text))).toBe("already");
    const message = utf8("m");
    const signature = new Uint8Array(sign(null, message, one.privateKey));
    expect(ring.signerOf("unlock", message, signature)).toBe("one");
    expect(ring.signerOf("commands", message, signature)).toBeUndefined();
    expect(ring.signerOf("unlock", utf8("n"), signature)).toBeUndefined();
    expect((await open(disk)).signerOf("unlock", message, signature)).toBe("one");
  });

  test("without a root none is taken; with another root what is kept is not believed, and told", async () => {
    const disk = faultDisk(seededRandom(1));
    await expect((await openKeyRing(disk, [])).install(...signed(textOf({ version: 1 })))).rejects.toMatchObject({ code: "KEYS_NO_ROOT" });
    await (await open(disk)).install(...signed(textOf({ version: 1 })));
    const lost: string[] = [];
    const otherPem = other.publicKey.export({ format: "pem", type: "spki" }).toString();
    const ring = await openKeyRing(disk, verifyingKeys(otherPem, "root"), (why) => lost.push(why.message));
    expect([ring.has("unlock"), lost.length]).toEqual([false, 1]);
  });

  test("goes forward only, even where the ring itself was lost", async () => {
    const disk = faultDisk(seededRandom(1));
    await (await open(disk)).install(...signed(textOf({ version: 5 })));
    await expect((await open(disk)).install(...signed(textOf({ version: 4 })))).rejects.toMatchObject({ code: "KEYRING_INVALID" });
    for (const slot of [0, 1]) await disk.replace(`keyring.${slot}.json`, utf8("damaged"));
    const lost: string[] = [];
    const ring = await open(disk, (why) => lost.push(why.message));
    expect([ring.has("unlock"), lost.length]).toEqual([false, 1]);
    await expect(ring.install(...signed(textOf({ version: 5 })))).rejects.toMatchObject({ code: "KEYRING_INVALID" });
    expect(await ring.install(...signed(textOf({ version: 6 })))).toBe("installed");
  });

  test("a revoked key is never believed again", async () => {
    const disk = faultDisk(seededRandom(1));
    const ring = await open(disk);
    await ring.install(...signed(textOf({ version: 1 })));
    const two1 = [key("two", "unlock", two.publicKey)];
    await ring.install(...signed(textOf({ version: 2, keys: two1, revoked: [fingerprint(one.publicKey)] })));
    const message = utf8("m");
    expect(ring.signerOf("unlock", message, new Uint8Array(sign(null, message, one.privateKey)))).toBeUndefined();
    expect(ring.signerOf("unlock", message, new Uint8Array(sign("sha256", message, two.privateKey)))).toBe("two");
    await expect((await open(disk)).install(...signed(textOf({ version: 3 })))).rejects.toMatchObject({
      code: "KEYRING_INVALID",
      message: expect.stringContaining("one was revoked"),
    });
  });

  test.each([
    ["not JSON", "{"],
    ["an unknown purpose", textOf({ version: 1, keys: [key("one", "everything", one.publicKey)] })],
    ["a key under two purposes", textOf({ version: 1, keys: [key("a", "unlock", one.publicKey), key("b", "policy", one.publicKey)] })],
    ["a name twice", textOf({ version: 1, keys: [key("a", "unlock", one.publicKey), key("a", "unlock", two.publicKey)] })],
    [
      "a key of a kind that is not taken",
      textOf({ version: 1, keys: [key("a", "unlock", generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey)] }),
    ],
    ["a key given and revoked", textOf({ version: 1, revoked: [fingerprint(one.publicKey)] })],
    ["version 0", textOf({ version: 0 })],
  ])("%s is refused though the root has signed it", async (_what, text) => {
    const ring = await open(faultDisk(seededRandom(1)));
    await expect(ring.install(...signed(text))).rejects.toMatchObject({ code: "KEYRING_INVALID" });
  });

  test("power cut at each write of an install: the former ring or the new one, and it can be installed again", async () => {
    for (let at = 1; ; at++) {
      const disk = faultDisk(seededRandom(at));
      const ring = await open(disk);
      await ring.install(...signed(textOf({ version: 1 })));
      disk.cutAfter(at);
      const next = signed(textOf({ version: 2, keys: [key("two", "unlock", two.publicKey)], revoked: [fingerprint(one.publicKey)] }));
      await ring.install(...next).catch(() => undefined);
      const isCut = disk.isOff;
      disk.powerOn();
      const lost: string[] = [];
      const after = await open(disk, (why) => lost.push(why.message));
      expect([1, 2]).toContain(after.status().version);
      expect(["installed", "already"]).toContain(await after.install(...next));
      expect([after.status().version, lost]).toEqual([2, []]);
      if (!isCut) return;
    }
  });
});

describe("challenges", () => {
  test("stay until used, are good once, and do not come again after a restart", async () => {
    const disk = faultDisk(seededRandom(1));
    const first = await openChallenges(disk, seededRandom(7));
    const challenge = await first.current("a");
    expect(challenge).toMatch(/^[0-9a-f]{64}$/);
    expect(await (await openChallenges(disk, seededRandom(8))).current("a")).toBe(challenge);
    expect(await first.current("b")).not.toBe(challenge);
    expect(await first.use("b", challenge)).toBe(false);
    expect(await first.use("a", challenge)).toBe(true);
    expect(await first.use("a", challenge)).toBe(false);
    const second = await openChallenges(disk, seededRandom(9));
    expect(second.wasUsed("a", challenge)).toBe(true);
    expect(await second.current("a")).not.toBe(challenge);
  });
});

test("fields that run into each other sign different octets", () => {
  expect(toHex(lengthPrefixed(["ab", "c"]))).toBe("000261620001" + "63");
  expect(lengthPrefixed(["ab", "c"])).not.toEqual(lengthPrefixed(["a", "bc"]));
});
