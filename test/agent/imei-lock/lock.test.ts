// The IMEI lock: what it finds, and what a token lets it do; with the commands of docs/policy.md as the fleet's side.
import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AuditEvent } from "../../../agent/audit/types.ts";
import { type Identity, judge } from "../../../agent/imei-lock/judge.ts";
import { type ImeiLock, type Orderer, openImeiLock } from "../../../agent/imei-lock/lock.ts";
import { type LockAct, signedOctets } from "../../../agent/imei-lock/token.ts";
import { openChallenges } from "../../../agent/keys/challenges.ts";
import { openKeyRing } from "../../../agent/keys/ring.ts";
import { verifyingKeys } from "../../../agent/keys/signature.ts";
import { stageTokenOctets } from "../../../agent/lifecycle/token.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { type FaultDisk, faultDisk, PowerCut } from "../../../base/fault-disk.ts";
import { silentLog } from "../../../base/log.ts";
import { seededRandom } from "../../../base/random.ts";
import { runBlock } from "../../support/doc-commands.ts";
import { need, program } from "../../support/programs.ts";

const paired: Identity = { imei: "356938035643809", eid: "89049032123451234512345678901235", iccid: "8946200000000000001" };
const foreign: Identity = { ...paired, imei: "490154203237518" };
const admin: Orderer = { by: "operator:0", data: { role: "admin", uid: 0, pid: 42 } };

const pem = (key: KeyObject): string => key.export({ format: "pem", type: "spki" }).toString();
const root = generateKeyPairSync("ed25519");
const unlock = generateKeyPairSync("ed25519");
const unlock256 = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const commands = generateKeyPairSync("ed25519");

function ringOf(
  version: number,
  keys: readonly (readonly [id: string, purpose: string, key: KeyObject])[],
  revoked: readonly string[] = [],
) {
  const publicKey = (key: KeyObject): string => key.export({ format: "der", type: "spki" }).toString("base64");
  const text = JSON.stringify({
    ...{ schema: "simward/keyring/1", version, issued: "2026-06-01", revoked },
    keys: keys.map(([id, purpose, key]) => ({ id, purpose, publicKey: publicKey(key) })),
  });
  return { text, signature: new Uint8Array(sign(null, Buffer.from(text), root.privateKey)) };
}
const firstRing = ringOf(1, [
  ["unlock-2026", "unlock", unlock.publicKey],
  ["unlock-hsm", "unlock", unlock256.publicKey],
  ["commands-2026", "commands", commands.publicKey],
]);

/** A vehicle: its disk lives on over restarts. */
class Vehicle {
  readonly clock = new VirtualClock();
  readonly events: AuditEvent[] = [];
  found: Identity | undefined = paired;
  lock!: ImeiLock;
  readonly disk: FaultDisk;
  #life = 0;

  constructor(disk = faultDisk(seededRandom(1))) {
    this.disk = disk;
  }

  async start(rootPem = pem(root.publicKey)): Promise<this> {
    const { clock, disk } = this;
    const keys = await openKeyRing(disk, verifyingKeys(rootPem, "test"));
    if (keys.status().version === undefined) await keys.install(firstRing.text, firstRing.signature);
    this.lock = await openImeiLock({
      ...{ disk, clock, keys, log: silentLog },
      challenges: await openChallenges(disk, seededRandom(100 + this.#life++)),
      audit: async (event) => void this.events.push(event),
      identity: async () => {
        if (this.found === undefined) throw new Error("the module does not answer");
        return this.found;
      },
    });
    return this;
  }

  async paired(): Promise<this> {
    await this.start();
    await this.lock.pair(admin, { reason: "end of line" });
    return this;
  }

  kinds = (): readonly string[] => this.events.map(({ event }) => event);
}

async function tokenFor(vehicle: Vehicle, act: LockAct, key: KeyObject = unlock.privateKey): Promise<string> {
  const { challenge, found, pairing } = await vehicle.lock.show();
  if (found === undefined || pairing === undefined) throw new Error("nothing to unlock");
  const octets = signedOctets({ act, challenge, eid: found.eid ?? "", oldImei: pairing.imei, newImei: found.imei });
  return sign(key.asymmetricKeyType === "ed25519" ? null : "sha256", octets, key).toString("base64");
}

describe("what is compared", () => {
  const pairing = { imei: paired.imei, eid: paired.eid, iccids: ["8946200000000000001"], vin: undefined, pairedAt: "", by: "", reason: "" };
  const plain = { ...pairing, eid: undefined };
  test.each([
    ["the pair", pairing, paired, "match", []],
    ["another profile on the same eUICC", pairing, { ...paired, iccid: "8949000000000000002" }, "match", []],
    ["no profile enabled", pairing, { ...paired, iccid: undefined }, "match", []],
    ["another device", pairing, foreign, "mismatch", ["imei"]],
    ["another eUICC", pairing, { ...paired, eid: "89049032999999999999999999999999" }, "mismatch", ["eid"]],
    ["a plain SIM in place of the eUICC", pairing, { ...paired, eid: undefined }, "mismatch", ["eid"]],
    ["a plain SIM that was paired", plain, { ...paired, eid: undefined }, "match", []],
    ["another plain SIM", plain, { ...paired, eid: undefined, iccid: "8949000000000000002" }, "mismatch", ["iccid"]],
  ] as const)("%s", (_what, one, found, state, differs) => {
    expect(judge({ pairing: one, unlocked: undefined }, found)).toEqual({ state, differs });
  });
});

describe("pairing", () => {
  test("is asked for once; what is paired otherwise needs a token", async () => {
    const vehicle = await new Vehicle().paired();
    expect(vehicle.lock.facts).toEqual({ state: "match", differs: [] });
    expect(await vehicle.lock.pair(admin, { reason: "again" })).toBe("already");
    vehicle.found = foreign;
    await expect(vehicle.lock.pair(admin, { reason: "a thief's" })).rejects.toMatchObject({ code: "IMEI_LOCK" });
    expect(vehicle.events[0]).toMatchObject({
      event: "imeiLock.paired",
      cause: "operator:0",
      data: { role: "admin", uid: 0, pid: 42, reason: "end of line", imei: paired.imei, eid: paired.eid },
    });
  });

  test("a profile that the eIM installs is added to it", async () => {
    const vehicle = await new Vehicle().paired();
    vehicle.found = { ...paired, iccid: "8949000000000000002" };
    expect(await vehicle.lock.check("test")).toEqual({ state: "match", differs: [] });
    expect((await vehicle.lock.show()).pairing?.iccids).toEqual(["8946200000000000001", "8949000000000000002"]);
    expect(vehicle.kinds()).toContain("imeiLock.profileAdded");
  });
});

describe("a foreign IMEI", () => {
  test("is found at the hourly check, told once, and holds over a restart until the module answers", async () => {
    const vehicle = await new Vehicle().paired();
    const heard: string[] = [];
    vehicle.lock.onChange(({ state }) => heard.push(state));
    vehicle.lock.start();
    vehicle.found = foreign;
    await vehicle.clock.advance(3_599_999);
    expect(heard).toEqual([]);
    await vehicle.clock.advance(1);
    await vehicle.lock.check("settled");
    expect(heard).toEqual(["mismatch"]);
    expect(vehicle.kinds().filter((kind) => kind === "imeiLock.mismatch")).toHaveLength(1);
    vehicle.found = undefined;
    vehicle.disk.powerOn();
    await vehicle.start();
    expect(vehicle.lock.facts).toEqual({ state: "mismatch", differs: ["imei"] });
    expect(await vehicle.lock.check("boot")).toEqual({ state: "mismatch", differs: ["imei"] });
    vehicle.found = paired;
    expect(await vehicle.lock.check("boot")).toEqual({ state: "match", differs: [] });
  });

  test.each([
    ["Ed25519", unlock.privateKey, "unlock-2026"],
    ["P-256", unlock256.privateKey, "unlock-hsm"],
  ])("a good token of %s lets it pass; a third device is a mismatch again", async (_kind, key, keyId) => {
    const vehicle = await new Vehicle().paired();
    vehicle.found = foreign;
    const token = await tokenFor(vehicle, "unlock", key);
    expect(await vehicle.lock.obey(admin, "unlock", { token, reason: "ticket 123" })).toEqual({ state: "unlocked", differs: ["imei"] });
    expect(vehicle.events.at(-2)).toMatchObject({
      event: "imeiLock.unlockOrdered",
      data: { keyId, reason: "ticket 123", oldImei: paired.imei, newImei: foreign.imei, role: "admin" },
    });
    await vehicle.start();
    expect(vehicle.lock.facts.state).toBe("unlocked");
    vehicle.found = { ...foreign, imei: "352099001761481" };
    expect((await vehicle.lock.check("test")).state).toBe("mismatch");
  });

  test("a repair token makes it the pair; the former device is the foreign one then", async () => {
    const vehicle = await new Vehicle().paired();
    vehicle.found = foreign;
    const token = await tokenFor(vehicle, "repair");
    expect(await vehicle.lock.obey(admin, "repair", { token })).toEqual({ state: "match", differs: [] });
    expect((await vehicle.lock.show()).pairing).toMatchObject({ imei: foreign.imei, by: "token:unlock-2026" });
    vehicle.found = paired;
    expect((await vehicle.lock.check("test")).state).toBe("mismatch");
  });

  test("a replayed, an altered, another act's, another key's and another vehicle's token are refused and recorded", async () => {
    const vehicle = await new Vehicle().paired();
    vehicle.found = foreign;
    const token = await tokenFor(vehicle, "unlock");
    await vehicle.lock.check("test");
    const refused = async (bad: string, act: LockAct = "unlock"): Promise<void> => {
      await expect(vehicle.lock.obey(admin, act, { token: bad })).rejects.toMatchObject({ code: "TOKEN_REFUSED" });
      expect(vehicle.lock.facts.state).toBe("mismatch");
    };
    const altered = Buffer.from(token, "base64");
    altered[10] = (altered[10] ?? 0) ^ 1;
    await refused(altered.toString("base64"));
    await refused(token, "repair");
    await refused(await tokenFor(vehicle, "unlock", commands.privateKey));
    await refused("AAAA");
    const other = await new Vehicle(faultDisk(seededRandom(2))).start();
    other.found = { ...paired, eid: "89049032000000000000000000000001" };
    await other.lock.pair(admin, { reason: "end of line" });
    other.found = { ...other.found, imei: foreign.imei };
    await refused(await tokenFor(other, "unlock"));
    // It was good all the while, and is good once.
    await vehicle.lock.obey(admin, "unlock", { token });
    vehicle.found = { ...foreign, imei: "352099001761481" };
    await vehicle.lock.check("test");
    vehicle.found = foreign;
    await vehicle.start();
    await vehicle.lock.check("test");
    expect(vehicle.lock.facts.state).toBe("unlocked");
    await expect(vehicle.lock.obey(admin, "repair", { token })).rejects.toMatchObject({ code: "TOKEN_REFUSED" });
    expect(vehicle.kinds().filter((kind) => kind === "imeiLock.tokenRefused").length).toBeGreaterThanOrEqual(5);
  });

  test("a token that was used cannot be used again after the device was changed back", async () => {
    const vehicle = await new Vehicle().paired();
    vehicle.found = foreign;
    const first = await tokenFor(vehicle, "repair");
    await vehicle.lock.obey(admin, "repair", { token: first });
    vehicle.found = paired;
    await vehicle.lock.obey(admin, "repair", { token: await tokenFor(vehicle, "repair") });
    vehicle.found = foreign;
    await expect(vehicle.lock.obey(admin, "repair", { token: first })).rejects.toMatchObject({ code: "TOKEN_REFUSED" });
    expect(vehicle.lock.facts.state).toBe("mismatch");
  });

  test("power cut at each write: the effect is there only with its challenge used up, and a token is never good twice", async () => {
    let cuts = 0;
    let spent = 0;
    for (let at = 1; ; at++) {
      const vehicle = await new Vehicle(faultDisk(seededRandom(at))).paired();
      vehicle.found = foreign;
      await vehicle.lock.check("test");
      const token = await tokenFor(vehicle, "unlock");
      const { challenge } = await vehicle.lock.show();
      vehicle.disk.cutAfter(at);
      const outcome = await vehicle.lock.obey(admin, "unlock", { token }).then(
        () => "done",
        (error: unknown) => error,
      );
      const isCut = vehicle.disk.isOff;
      vehicle.disk.powerOn();
      await vehicle.start();
      const { state } = await vehicle.lock.check("boot");
      const isUsed = (await vehicle.lock.show()).challenge !== challenge;
      if (state === "unlocked") expect(isUsed).toBe(true);
      if (state === "mismatch" && isUsed) {
        spent++;
        await expect(vehicle.lock.obey(admin, "unlock", { token })).rejects.toMatchObject({ code: "TOKEN_REFUSED" });
      }
      if (state === "mismatch" && !isUsed) expect((await vehicle.lock.obey(admin, "unlock", { token })).state).toBe("unlocked");
      if (!isCut) {
        expect(outcome).toBe("done");
        break;
      }
      cuts++;
      if (outcome !== "done") expect(outcome).toBeInstanceOf(PowerCut);
    }
    expect(cuts).toBeGreaterThanOrEqual(2);
    expect(spent).toBeGreaterThanOrEqual(1);
  });
});

describe("docs/policy.md", () => {
  let dir = "";
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "simward-keys-"));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));
  const page = "docs/policy.md";
  const openssl = program("openssl");
  const jq = program("jq");

  test("its commands make keys, a ring and tokens that the vehicle takes, and revoke them", async (context) => {
    need(context, openssl);
    need(context, jq);
    const made = await runBlock(page, "keys", dir);
    expect(made, made.stderr).toMatchObject({ code: 0 });
    const file = (name: string): Promise<Buffer> => readFile(join(dir, name));
    const vehicle = new Vehicle();
    const keys = await openKeyRing(vehicle.disk, verifyingKeys((await file("root.pem")).toString(), "root.pem"));
    expect(await keys.install((await file("keyring.json")).toString(), new Uint8Array(await file("keyring.json.sig")))).toBe("installed");
    expect(keys.status().keys.map(({ id, purpose, algorithm }) => `${purpose} ${id} ${algorithm}`)).toEqual([
      "unlock unlock-2026 ed25519",
      "unlock unlock-hsm P-256",
      "commands commands-2026 ed25519",
    ]);
    await vehicle.start((await file("root.pem")).toString());
    await vehicle.lock.pair(admin, { reason: "end of line" });
    vehicle.found = foreign;
    for (const [act, block] of [
      ["unlock", undefined],
      ["repair", "token-p256"],
    ] as const) {
      const shown = await vehicle.lock.show();
      const env = { challenge: shown.challenge, eid: foreign.eid ?? "", old_imei: paired.imei, new_imei: foreign.imei, act };
      const signed = await runBlock(page, "token", dir, env);
      expect(signed, signed.stderr).toMatchObject({ code: 0 });
      expect((await file("order.bin")).toString("hex")).toBe(shown.signs?.[act]);
      if (block !== undefined) expect(await runBlock(page, block, dir)).toMatchObject({ code: 0 });
      await vehicle.lock.obey(admin, act, { token: (await file("token.b64")).toString() });
    }
    expect(vehicle.lock.facts.state).toBe("match");
    const [challenge, eid, imei, to] = ["0f".repeat(32), foreign.eid ?? "", foreign.imei, "suspended"] as const;
    const ordered = await runBlock(page, "lifecycle-token", dir, { challenge, eid, imei, stage: to });
    expect(ordered, ordered.stderr).toMatchObject({ code: 0 });
    const octets = stageTokenOctets({ challenge, eid, imei, to });
    const signature = new Uint8Array(Buffer.from((await file("token.b64")).toString(), "base64"));
    expect(keys.signerOf("commands", octets, signature)).toBe("commands-2026");
    const revoked = await runBlock(page, "revoke", dir);
    expect(revoked, revoked.stderr).toMatchObject({ code: 0 });
    await keys.install((await file("keyring-2.json")).toString(), new Uint8Array(await file("keyring-2.json.sig")));
    const gone = createPrivateKey(await file("unlock.key"));
    const message = Buffer.from("anything");
    expect(keys.signerOf("unlock", message, new Uint8Array(sign(null, message, gone)))).toBeUndefined();
    expect(keys.status().revoked).toHaveLength(1);
  });
});
