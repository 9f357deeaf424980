// eIM, SM-DP+ and the virtual eUICC together, with nothing between them but APDUs and ESipa messages: download, enable, rollback, memory of the eIM.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { concatBytes, fromHex, toHex, toHexUpper, utf8 } from "../../../base/bytes.ts";
import { SystemClock } from "../../../base/clock.ts";
import { systemRandom } from "../../../base/random.ts";
import { createEim, type Eim } from "../../../hw-sim/eim/eim.ts";
import { isdrAid } from "../../../hw-sim/euicc/card.ts";
import { createEuicc } from "../../../hw-sim/euicc/euicc.ts";
import type { VirtualEuicc } from "../../../hw-sim/euicc/types.ts";
import { createPki, type Pki } from "../../../hw-sim/pki/pki.ts";
import { makeProfile } from "../../../hw-sim/profiles.ts";
import { createSmdp, type Smdp } from "../../../hw-sim/smdp/smdp.ts";
import { encode } from "../../../ipa/asn1/schema.ts";
import { childOf, childrenOf, contentOf, rawOf, readOnlyTlv, readTlv, type Tlv, writeTlv } from "../../../ipa/asn1/tlv.ts";
import { StoreMetadataRequest } from "../../../ipa/messages/profile-info.ts";

const clock = new SystemClock();
const plan = (iccid: string, imsi: string, profileName: string) => ({ iccid, imsi, profileName, serviceProvider: "Test" });
const bootstrap = makeProfile(plan("8949000000000000001", "262010000000001", "bootstrap"));
const operational = makeProfile(plan("8949000000000000012", "262020000000001", "operational"));

interface World {
  readonly pki: Pki;
  readonly smdp: Smdp;
  readonly eim: Eim;
  readonly euicc: VirtualEuicc;
}
let world: World;
/** Of the download last begun. */
let lastTransactionId: Uint8Array = new Uint8Array(0);

async function build(curve: "prime256v1" | "brainpoolP256r1" = "prime256v1", token?: number): Promise<World> {
  const pki = createPki({ clock, curve });
  const smdp = createSmdp({
    clock,
    pkis: [pki],
    orders: [{ matchingId: "TOKEN", profile: operational.upp, metadata: operational.metadata }],
  });
  await smdp.start();
  // Over HTTPS to the SM-DP+: only ESipa has no socket here.
  const eim = createEim({ clock, pki, euiccs: [{ eid: pki.subjects.eid }] });
  const { certificate: euiccCertificate, privateKey } = pki.get("euicc");
  const configuration = eim.configurationData(token === undefined ? {} : { associationToken: token });
  const euicc = createEuicc({
    eid: pki.subjects.eid,
    identities: [{ ciCertificate: pki.get("ci").certificate, eumCertificate: pki.get("eum").certificate, euiccCertificate, privateKey }],
    clock,
    random: systemRandom,
    profiles: [{ upp: bootstrap.upp, metadata: encode(StoreMetadataRequest, bootstrap.metadata), enabled: true }],
    eims: [configuration],
  });
  openChannel(euicc);
  return { pki, smdp, eim, euicc };
}

beforeEach(async () => {
  world = await build();
});
afterEach(async () => {
  await world.eim.stop();
  await world.smdp.stop();
});

// --- an IPA of few lines ----------------------------------------------------------------------------------------------------

function apdu(euicc: VirtualEuicc, command: Uint8Array): Uint8Array {
  let response = euicc.process(command);
  const parts: Uint8Array[] = [];
  for (; response.at(-2) === 0x61; response = euicc.process(Uint8Array.of(0x01, 0xc0, 0, 0, response.at(-1) ?? 0)))
    parts.push(response.subarray(0, -2));
  const sw = toHexUpper(response.subarray(-2));
  if (!/^(9000|91..)$/.test(sw)) throw new Error(`${toHex(command.subarray(0, 8))}: ${sw}`);
  return concatBytes(...parts, response.subarray(0, -2));
}

function openChannel(euicc: VirtualEuicc): void {
  apdu(euicc, fromHex("80AA000005A903840101"));
  apdu(euicc, fromHex("0070000100"));
  apdu(euicc, concatBytes(fromHex("01A4040410"), isdrAid));
}

function storeData(euicc: VirtualEuicc, command: Uint8Array): Uint8Array {
  let answer = new Uint8Array(0);
  for (let at = 0, block = 0; at < command.length; at += 255, block++) {
    const data = command.subarray(at, at + 255);
    answer = new Uint8Array(
      apdu(euicc, concatBytes(Uint8Array.of(0x81, 0xe2, at + 255 >= command.length ? 0x91 : 0x11, block, data.length), data)),
    );
  }
  return answer;
}

/** Resets the card as a module does after a switch. */
function reset(euicc: VirtualEuicc): void {
  euicc.reset();
  openChannel(euicc);
}

async function esipa(eim: Eim, message: Uint8Array): Promise<Uint8Array> {
  const answer = await eim.handle(message);
  if (answer === "silence") throw new Error("silence");
  return answer.body;
}

const bytesIn = (parent: Tlv, tag: number): Uint8Array => {
  const found = childOf(parent, tag);
  if (found === undefined) throw new Error(`no ${tag.toString(16)} in ${toHexUpper(rawOf(parent)).slice(0, 60)}`);
  return rawOf(found);
};
const eidTlv = ({ euicc }: World): Uint8Array => writeTlv(0x5a, fromHex(euicc.eid));

async function poll(on: World): Promise<Uint8Array> {
  return contentOf(readOnlyTlv(await esipa(on.eim, writeTlv(0xbf4f, eidTlv(on)))));
}

/** LoadEuiccPackage; the answer as it came from the card. */
const load = ({ euicc }: World, bf51: Uint8Array): Uint8Array => storeData(euicc, bf51);

/** The card's own numbers, acknowledged by the eIM, removed from the card. */
async function deliver(on: World, result: Uint8Array): Promise<string> {
  const list = readOnlyTlv(storeData(on.euicc, fromHex("BF2B00")));
  const notifications = childOf(list, 0xa0);
  const body =
    notifications === undefined || notifications.contentStart === notifications.end ? result : writeTlv(0x30, result, rawOf(notifications));
  const answer = await esipa(on.eim, writeTlv(0xbf50, eidTlv(on), body));
  const acknowledgements = childOf(readOnlyTlv(answer), 0xbf53);
  if (acknowledgements !== undefined) for (const seq of childrenOf(acknowledgements)) storeData(on.euicc, writeTlv(0xbf30, rawOf(seq)));
  return toHexUpper(answer);
}

/** E.6 of the reference: indirect download, from the trigger to the installation result on the card. */
async function download(on: World): Promise<Uint8Array> {
  const trigger = readOnlyTlv(await poll(on));
  expect(trigger.tag).toBe(0xbf54);
  const { euicc, eim } = on;
  const info1 = storeData(euicc, fromHex("BF2000"));
  const challenge = contentOf(readTlv(contentOf(readOnlyTlv(storeData(euicc, fromHex("BF2E00"))))));
  const initiated = readOnlyTlv(
    await esipa(eim, writeTlv(0xbf39, writeTlv(0x81, challenge), writeTlv(0x83, utf8(on.smdp.address)), info1, bytesIn(trigger, 0x82))),
  );
  const server = readOnlyTlv(bytesIn(initiated, 0xa0));
  lastTransactionId = contentOf(readOnlyTlv(bytesIn(server, 0x80)));
  const certificate = childrenOf(server).filter((one) => one.tag === 0x30)[1];
  if (certificate === undefined) throw new Error("no serverCertificate");
  const deviceInfo = writeTlv(0xa1, writeTlv(0x80, fromHex("35290611")), writeTlv(0xa1));
  const ctxParams1 = writeTlv(0xa0, writeTlv(0x80, contentOf(readOnlyTlv(bytesIn(server, 0x0c)))), deviceInfo);
  const bf38 = storeData(
    euicc,
    writeTlv(0xbf38, bytesIn(server, 0x30), bytesIn(server, 0x5f37), bytesIn(server, 0x04), rawOf(certificate), ctxParams1),
  );
  const authenticated = readOnlyTlv(bytesIn(readOnlyTlv(await esipa(eim, writeTlv(0xbf3b, bytesIn(server, 0x80), bf38))), 0xa0));
  const dppb = childrenOf(authenticated).filter((one) => one.tag === 0x30)[1];
  if (dppb === undefined) throw new Error("no smdpCertificate");
  const bf21 = storeData(euicc, writeTlv(0xbf21, bytesIn(authenticated, 0x30), bytesIn(authenticated, 0x5f37), rawOf(dppb)));
  const answer = readOnlyTlv(await esipa(eim, writeTlv(0xbf3a, bytesIn(server, 0x80), bf21)));
  return loadBpp(euicc, bytesIn(readOnlyTlv(bytesIn(answer, 0xa0)), 0xbf36));
}

/** SGP.22 §2.5.5; BF37, which ends the load wherever it comes. */
function loadBpp(euicc: VirtualEuicc, bpp: Uint8Array): Uint8Array {
  const outer = readOnlyTlv(bpp);
  const [bf23, ...lists] = childrenOf(outer);
  if (bf23 === undefined) throw new Error("no BF23");
  const segments = [bpp.subarray(outer.start, bf23.end)];
  for (const list of lists) {
    if (list.tag === 0xa0 || list.tag === 0xa2) segments.push(rawOf(list));
    else segments.push(list.source.subarray(list.start, list.contentStart), ...childrenOf(list).map(rawOf));
  }
  for (const segment of segments) {
    const answer = storeData(euicc, segment);
    if (answer.length > 0) return answer;
  }
  throw new Error("no BF37");
}

const enable = (on: World, rollback = false): string =>
  on.eim.addOrder({ eid: on.euicc.eid, kind: "euiccPackage", psmos: [{ enable: { iccid: "8949000000000000012", rollback } }] });

// --- the tests --------------------------------------------------------------------------------------------------------------

describe.each(["prime256v1", "brainpoolP256r1"] as const)("on %s", (curve) => {
  test("a profile is downloaded through the eIM, enabled by its package, and both are reported", async () => {
    await world.smdp.stop();
    world = await build(curve, -1);
    const { eim, smdp, euicc } = world;
    // The factory told the eIM nothing: it learns the certificate from the download, the token from the IPA.
    const ordered = eim.addOrder({ eid: euicc.eid, kind: "download", activationCode: smdp.activationCode("TOKEN") });
    const bf37 = await download(world);
    expect(toHexUpper(bf37).slice(0, 4)).toBe("BF37");
    const forwarded = new Promise<void>((resolve) => void eim.onEvent(({ type }) => type === "forwarded" && resolve()));
    await esipa(eim, writeTlv(0xbf3d, writeTlv(0xa0, bf37)));
    await forwarded;
    expect([eim.order(ordered)?.state, smdp.orders[0]?.state]).toEqual(["done", "installed"]);
    storeData(euicc, fromHex("BF3003800101"));

    const data = eim.addOrder({ eid: euicc.eid, kind: "ipaEuiccData", tags: ["84"] });
    const request = readOnlyTlv(await poll(world));
    const configuration = readOnlyTlv(contentOf(readOnlyTlv(contentOf(readOnlyTlv(storeData(euicc, fromHex("BF5500")))))));
    await esipa(
      eim,
      writeTlv(
        0xbf50,
        eidTlv(world),
        writeTlv(0xbf52, writeTlv(0xa0, bytesIn(configuration, 0x84), writeTlv(0x87, contentOf(readOnlyTlv(bytesIn(request, 0x83)))))),
      ),
    );
    expect(eim.order(data)?.state).toBe("done");

    const package_ = enable(world);
    const result = load(world, await poll(world));
    reset(euicc);
    expect(await deliver(world, result)).toMatch(/^BF50..BF53/);
    expect(eim.order(package_)).toMatchObject({
      state: "done",
      results: [{ verified: true, commands: [{ kind: "enableResult", value: "ok" }] }],
    });
    expect(euicc.iccid).toBe("8949000000000000012");
    expect(euicc.pending()).toEqual({ notifications: [], packageResults: [] });
    expect(eim.notifications().map(({ event }) => event)).toContainEqual(["notificationEnable"]);
  });
});

describe("packages the card refuses", () => {
  const refusals: readonly (readonly [string, object, string])[] = [
    ["a wrong key", { wrongSigningKey: 1 }, "euiccPackageErrorUnsigned"],
    ["a wrong token", { wrongToken: 1 }, "euiccPackageErrorUnsigned"],
    ["another EID", { wrongEid: 1 }, "invalidEid"],
    ["a replayed counter", { replayedCounter: 1 }, "replayError"],
    ["a counter out of range", { counterValue: 0x800000 }, "counterValueOutOfRange"],
  ];
  test.each(refusals)("%s ends the order as the card says, and the next one works", async (_, faults, reason) => {
    const { eim, euicc, pki } = world;
    eim.setEuicc({ eid: euicc.eid, euiccCertificate: pki.get("euicc").certificate, eumCertificate: pki.get("eum").certificate });
    const list = (): string => eim.addOrder({ eid: euicc.eid, kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] });
    const first = list();
    await deliver(world, load(world, await poll(world)));
    expect(eim.order(first)?.state).toBe("done");

    const refused = list();
    await eim.applyFaults(faults);
    await deliver(world, load(world, await poll(world)));
    expect([eim.order(refused)?.state, eim.order(refused)?.reason]).toEqual(["failed", reason]);

    await eim.applyFaults({ counterValue: null });
    const sound = list();
    await deliver(world, load(world, await poll(world)));
    expect(eim.order(sound)).toMatchObject({
      state: "done",
      results: [
        { commands: [{ kind: "listProfileInfoResult", value: { value: [{ iccid: "8949000000000000001", profileState: "enabled" }] } }] },
      ],
    });
    expect(euicc.pending().packageResults).toEqual([]);
  });
});

test("a rollback's second result replaces the first", async () => {
  const { eim, euicc, smdp } = world;
  eim.addOrder({ eid: euicc.eid, kind: "download", activationCode: smdp.activationCode("TOKEN") });
  await esipa(eim, writeTlv(0xbf3d, writeTlv(0xa0, await download(world))));
  const orderId = enable(world, true);
  load(world, await poll(world));
  reset(euicc);
  expect(euicc.iccid).toBe("8949000000000000012");
  const rolledBack = bytesIn(readOnlyTlv(storeData(euicc, fromHex("BF58038001FF"))), 0xbf51);
  reset(euicc);
  expect(euicc.iccid).toBe("8949000000000000001");
  await deliver(world, rolledBack);
  expect(eim.order(orderId)).toMatchObject({ state: "failed", reason: "rolledBack" });
  expect(eim.results()).toMatchObject([{ commands: [{ value: "ok" }, { kind: "rollbackResult", value: "ok" }] }]);
});

test("a package given out twice and executed once still ends in its result", async () => {
  const { eim, euicc, pki } = world;
  eim.setEuicc({ eid: euicc.eid, euiccCertificate: pki.get("euicc").certificate, eumCertificate: pki.get("eum").certificate });
  const orderId = eim.addOrder({ eid: euicc.eid, kind: "euiccPackage", psmos: [{ getRAT: {} }] });
  load(world, await poll(world));
  // The IPA lost power before it could report; it polls again, and the card says replay.
  await deliver(world, load(world, await poll(world)));
  expect(eim.order(orderId)?.state).toBe("executed");
  const stored = childOf(readOnlyTlv(storeData(euicc, fromHex("BF2B04A0028200"))), 0xa2);
  const result = stored === undefined ? undefined : childrenOf(stored)[0];
  if (result === undefined) throw new Error("nothing stored");
  await deliver(world, rawOf(result));
  expect([eim.order(orderId)?.state, eim.results().length]).toEqual(["done", 1]);
});

test.each([
  ["altered", { flipBppOctet: 1_500 }],
  ["signed by another", { wrongSignature: "smdpSign" }],
])("a package %s on its way is refused by the card, reported, and can be had again", async (_, faults) => {
  const { eim, euicc, smdp } = world;
  const orderId = eim.addOrder({ eid: euicc.eid, kind: "download", activationCode: smdp.activationCode("TOKEN") });
  smdp.applyFaults(faults);
  const bf37 = await download(world);
  await esipa(eim, writeTlv(0xbf3d, writeTlv(0xa0, bf37)));
  expect(eim.order(orderId)).toMatchObject({ state: "failed", reason: expect.stringMatching(/scp03tSecurityError|invalidSignature/) });
  expect(euicc.profiles()).toHaveLength(1);
  smdp.applyFaults({ flipBppOctet: null, wrongSignature: "none" });
  storeData(euicc, fromHex("BF3003800101"));
  const again = eim.addOrder({ eid: euicc.eid, kind: "download", activationCode: smdp.activationCode("TOKEN") });
  await esipa(eim, writeTlv(0xbf3d, writeTlv(0xa0, await download(world))));
  expect([eim.order(again)?.state, euicc.profiles().length]).toEqual(["done", 2]);
});

test("a package cut short reaches the IPA as it is, and the session can be cancelled", async () => {
  const { eim, euicc, smdp } = world;
  const orderId = eim.addOrder({ eid: euicc.eid, kind: "download", activationCode: smdp.activationCode("TOKEN") });
  smdp.applyFaults({ truncateBppAt: 1_500 });
  await expect(download(world)).rejects.toMatchObject({ code: "ASN1_TRUNCATED" });
  const transactionId = lastTransactionId;
  const bf41 = storeData(euicc, writeTlv(0xbf41, writeTlv(0x80, transactionId), writeTlv(0x81, Uint8Array.of(5))));
  const answer = await esipa(eim, writeTlv(0xbf41, writeTlv(0x80, transactionId), writeTlv(0xa1, contentOf(readOnlyTlv(bf41)))));
  expect(toHexUpper(answer)).toBe("BF4102A000");
  expect([eim.order(orderId)?.reason, smdp.orders[0]?.state]).toEqual(["cancelled: loadBppExecutionError", "released"]);
});
