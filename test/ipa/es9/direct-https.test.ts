// The whole of it over real HTTPS: ESipa in JSON to the eIM, ES11 to the SM-DS, ES9+ to the SM-DP+, certificates verified against the CI alone.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { iccidToBytes } from "../../../base/bytes.ts";
import { SystemClock } from "../../../base/clock.ts";
import { seededRandom } from "../../../base/random.ts";
import { createEim, type Eim } from "../../../hw-sim/eim/eim.ts";
import { createEuicc } from "../../../hw-sim/euicc/euicc.ts";
import { buildProfilePackage } from "../../../hw-sim/euicc/pe/builder.ts";
import { createPki } from "../../../hw-sim/pki/pki.ts";
import { createSmdp, type Smdp } from "../../../hw-sim/smdp/smdp.ts";
import { createSmds, type Smds } from "../../../hw-sim/smds/smds.ts";
import { RspClient } from "../../../ipa/es9/client.ts";
import type { IpaEvent } from "../../../ipa/events.ts";
import { createIpa } from "../../../ipa/ipa.ts";
import { httpsEsipaTransport } from "../../../transports/esipa.ts";
import { createHttpsClient } from "../../../transports/https/client.ts";
import { createEs9Transport } from "../../../transports/https/es9.ts";
import { cardOf } from "../support/virtual-card.ts";

const clock = new SystemClock();
const pki = createPki({ clock });
const { eid } = pki.subjects;
const https = createHttpsClient({ clock, timeoutMs: 10_000 });
const es9 = createEs9Transport({ https });
let eim: Eim;
let smdp: Smdp;
let smds: Smds;

beforeAll(async () => {
  smdp = createSmdp({ clock, pkis: [pki] });
  smds = createSmds({ clock, pki });
  await smdp.start();
  await smds.start();
  const euiccs = [{ eid, euiccCertificate: pki.get("euicc").certificate, eumCertificate: pki.get("eum").certificate }];
  eim = createEim({ clock, pki, euiccs, post: (_, name, body) => smdp.handle(name, body) });
  await eim.start();
});

afterAll(async () => {
  https.close();
  await Promise.all([eim.stop(), smdp.stop(), smds.stop()]);
});

function vehicle(ciCertificate = pki.get("ci").certificate) {
  const identity = {
    ciCertificate: pki.get("ci").certificate,
    eumCertificate: pki.get("eum").certificate,
    euiccCertificate: pki.get("euicc").certificate,
    privateKey: pki.get("euicc").privateKey,
  };
  const euicc = createEuicc({
    eid,
    identities: [identity],
    clock,
    random: seededRandom(1),
    eims: [eim.configurationData({ indirectProfileDownload: false, protocols: ["eimRetrieveHttps"] })],
    defaultSmdpAddress: smdp.address,
    rootSmdsAddress: smds.address,
  });
  const events: IpaEvent[] = [];
  const ipa = createIpa({
    card: cardOf(euicc),
    transports: [httpsEsipaTransport({ https })],
    rsp: { transport: es9, ciCertificates: [ciCertificate] },
    clock,
    random: seededRandom(2),
    events: { emit: (event) => void events.push(event) },
    gate: { check: () => ({ kind: "allow" }) },
    journal: { load: async () => undefined, save: async () => undefined },
    connectivity: { adopt: async () => "online" },
    device: () => ({ imei: undefined, rPlmn: undefined }),
    options: { terminalCapability: "none", peers: [{ eimId: eim.eimId, binding: "https-json" }] },
  });
  return { euicc, ipa, events };
}

function offer(iccid: string, matchingId: string): string {
  const profile = buildProfilePackage({
    iccid,
    imsi: "262010000000009",
    spn: "SIM",
    ki: new Uint8Array(16).fill(1),
    opc: new Uint8Array(16).fill(2),
  });
  const names = { serviceProviderName: "Operator", profileName: "Profile", profileClass: "operational" } as const;
  smdp.addOrder({ matchingId, profile, metadata: { iccid: iccidToBytes(iccid), ...names } });
  return smdp.activationCode(matchingId);
}

describe("over HTTPS", () => {
  // shows: e5.tls, e5.smds
  test("by activation code, then by SM-DS", async () => {
    const { euicc, ipa, events } = vehicle();
    const byCode = eim.addOrder({ eid, kind: "download", activationCode: offer("89460000000000000038", "TOKEN-1") });
    expect(await ipa.pollOnce()).toMatchObject({ kind: "done", error: undefined });
    expect(eim.order(byCode)).toMatchObject({ state: "done" });

    offer("89460000000000000046", "EVENT-1");
    smds.registerEvent({ eid, eventId: "EVENT-1", rspServerAddress: smdp.address });
    const bySmds = eim.addOrder({ eid, kind: "download", trigger: "contactSmds" });
    expect(await ipa.pollOnce()).toMatchObject({ kind: "done", error: undefined });
    expect(eim.order(bySmds)).toMatchObject({ state: "done" });

    expect(euicc.profiles().map(({ iccid }) => iccid)).toEqual(["89460000000000000038", "89460000000000000046"]);
    expect(smdp.orders.map(({ state }) => state)).toEqual(["installed", "installed"]);
    expect(smdp.notifications.filter(({ verified }) => verified)).toHaveLength(2);
    expect(euicc.pending()).toEqual({ notifications: [], packageResults: [] });
    const steps = events.flatMap((event) => (event.kind === "step" ? [event.name] : []));
    expect(steps).toContain("ES9+.GetBoundProfilePackage");
    expect(steps).not.toContain("ESipa.InitiateAuthentication");
    await ipa.close();
  });

  // shows: e5.tls, e5.03-check
  test("a CI that is not the server's is refused, and the eIM is told", async () => {
    const stranger = createPki({ clock }).get("ci").certificate;
    const { ipa, events } = vehicle(stranger);
    const order = eim.addOrder({ eid, kind: "download", activationCode: offer("89460000000000000053", "TOKEN-2") });
    await ipa.pollOnce();
    expect(eim.order(order)).toMatchObject({ state: "failed" });
    expect(events.find(({ kind }) => kind === "download.failed")).toMatchObject({ error: { code: "DOWNLOAD_REFUSED" } });
    await ipa.close();
  });

  // shows: e5.tls
  test("a server whose certificate leads elsewhere gets nothing", async () => {
    const [, port] = smdp.address.split(":");
    const trust = { kind: "roots", certificates: [createPki({ clock }).get("ci").certificate] } as const;
    const client = new RspClient({
      address: smdp.address,
      server: { host: "localhost", port: Number(port), trust },
      transport: es9,
      clock,
      events: { emit: () => undefined },
      timeoutMs: 10_000,
    });
    const asked = { euiccChallenge: new Uint8Array(16), euiccInfo1: new Uint8Array(2) };
    await expect(client.initiateAuthentication(asked)).rejects.toMatchObject({ code: "TLS_UNTRUSTED" });
  });
});
