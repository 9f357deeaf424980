// Procedures as sequences: every interface that is used, in its order, from the start of the IPA to the end of a package and of both kinds of download.
import { describe, expect, test } from "vitest";
import { fromHex } from "../../base/bytes.ts";
import { createPki } from "../../hw-sim/pki/pki.ts";
import { sealed, signed } from "../../ipa/asn1/schema.ts";
import { ServerSigned1 } from "../../ipa/messages/rsp.ts";
import { checkServer } from "../../ipa/procedures/rsp-checks.ts";
import { a, b, c, clock, factoryProfile, pki, Vehicle, type VehicleOptions } from "../ipa/support/vehicle.ts";
import { es9Statuses } from "./rows/es9.ts";

const two: VehicleOptions = { profiles: [factoryProfile(a, true), factoryProfile(b, false)] };
const direct: VehicleOptions = { direct: true, configuration: { indirectProfileDownload: false } };

/** What was done since the start. */
async function stepsOf(vehicle: Vehicle, job: () => Promise<unknown>): Promise<string[]> {
  await vehicle.run(vehicle.ipa.start());
  const before = vehicle.steps().length;
  await job();
  return vehicle.steps().slice(before);
}

describe("the start", () => {
  // shows: a1.order, e1.order, e1.more
  test("EID, eIMs, notifications; then EUICCInfo2, profiles and package results", async () => {
    const vehicle = new Vehicle(two);
    await vehicle.run(vehicle.ipa.start());
    expect(vehicle.steps()).toEqual([
      "ES10c.GetEID",
      "ES10b.GetEimConfigurationData",
      "ES10b.RetrieveNotificationsList",
      "ES10b.GetEUICCInfo2",
      "ES10b.GetProfilesInfo",
      "ES10b.RetrieveNotificationsList",
    ]);
    // The second retrieval asks for stored results: BF2B{A0{82 00}}.
    expect(vehicle.apdus.filter((apdu) => apdu.includes("BF2B"))).toEqual(["80E2910003BF2B00", "80E2910007BF2B04A0028200"]);
  });
});

describe("an eUICC package", () => {
  // shows: e4.02-loaded, e4.04-notifications, e4.06-switched, e4.07-reported, e4.08-acknowledged, e2.09-again, e2.12-result-first, e8.with-result
  test("that switches: loaded, notifications fetched, adopted, reported with them, removed, and only then asked for more", async () => {
    const vehicle = new Vehicle(two);
    vehicle.enable(b, true);
    const steps = await stepsOf(vehicle, () => vehicle.poll());
    expect(steps).toEqual([
      "ESipa.GetEimPackage",
      "ES10b.GetProfilesInfo",
      "ES10b.LoadEuiccPackage",
      "ES10b.RetrieveNotificationsList",
      "ESipa.ProvideEimPackageResult",
      // Two notifications and the result.
      "ES10b.RemoveNotificationFromList",
      "ES10b.RemoveNotificationFromList",
      "ES10b.RemoveNotificationFromList",
      "ES10b.GetProfilesInfo",
      "ESipa.GetEimPackage",
      "ES10b.RetrieveNotificationsList",
    ]);
    expect(vehicle.adopted).toEqual([b]);
    // The notifications went with the result, not by themselves.
    expect(vehicle.esipa).toEqual(["getEimPackage", "provideEimPackageResult", "getEimPackage"]);
    expect(vehicle.euicc.pending()).toEqual({ notifications: [], packageResults: [] });
    expect(vehicle.smdp.notifications).toHaveLength(2);
  });

  // shows: e8.with-result
  test("whose report finds no way: its notifications are not sent by themselves before it", async () => {
    const vehicle = new Vehicle(two);
    vehicle.order({ kind: "euiccPackage", psmos: [{ delete: { iccid: b } }] });
    vehicle.intercept = (functionName) =>
      functionName === "provideEimPackageResult" ? Promise.resolve({ status: 503, body: new Uint8Array(0) }) : undefined;
    await vehicle.poll();
    expect(vehicle.esipa).toContain("provideEimPackageResult");
    expect(vehicle.esipa).not.toContain("handleNotification");
    expect(vehicle.euicc.pending().notifications).toHaveLength(1);
    vehicle.intercept = undefined;
    await clock.advance(24 * 3_600_000);
    await vehicle.poll();
    await vehicle.deliver();
    expect(vehicle.euicc.pending()).toEqual({ notifications: [], packageResults: [] });
    expect(vehicle.smdp.notifications).toHaveLength(1);
  });
});

const card = {
  info: ["ES10b.GetEUICCInfo1", "ES10b.GetEUICCChallenge"],
  authenticate: "ES10b.AuthenticateServer",
  prepare: "ES10b.PrepareDownload",
  load: "ES10b.LoadBoundProfilePackage",
  remove: "ES10b.RemoveNotificationFromList",
};

describe("a download", () => {
  const between = (steps: readonly string[]): readonly string[] =>
    steps.slice(steps.indexOf("ES10b.GetEUICCInfo1"), steps.indexOf("ES10b.GetProfilesInfo"));

  // shows: e5.01-info, e5.02-initiate, e5.04-authenticate-server, e5.05-authenticate-client, e5.07-prepare, e5.08-package, e5.10-load
  // shows: e5.12-result, e5.13-smdp
  test("directly from the SM-DP+: each step in its order", async () => {
    const vehicle = new Vehicle(direct);
    vehicle.download(c);
    expect(between(await stepsOf(vehicle, () => vehicle.poll()))).toEqual([
      ...card.info,
      "ES9+.InitiateAuthentication",
      card.authenticate,
      "ES9+.AuthenticateClient",
      card.prepare,
      "ES9+.GetBoundProfilePackage",
      card.load,
      "ESipa.HandleNotification",
      "ES9+.HandleNotification",
      card.remove,
    ]);
  });

  // shows: e6.01-info, e6.02-initiate, e6.03-authenticate-server, e6.04-authenticate-client, e6.06-prepare, e6.07-package, e6.08-load
  // shows: e6.10-notification
  test("through the eIM: each step in its order", async () => {
    const vehicle = new Vehicle();
    vehicle.download(c);
    expect(between(await stepsOf(vehicle, () => vehicle.poll()))).toEqual([
      ...card.info,
      "ESipa.InitiateAuthentication",
      card.authenticate,
      "ESipa.AuthenticateClient",
      card.prepare,
      "ESipa.GetBoundProfilePackage",
      card.load,
      "ESipa.HandleNotification",
      card.remove,
    ]);
  });

  // shows: e6.refused-initiate, e6.refused-authenticate, e6.refused-package
  test.each([
    ["initiateAuthentication", []],
    ["authenticateClient", ["ES10b.CancelSession", "ESipa.CancelSession"]],
    ["getBoundProfilePackage", ["ES10b.CancelSession", "ESipa.CancelSession"]],
  ] as const)("through an eIM that refuses %s: cancelled by %j, then reported", async (functionName, cancelled) => {
    const vehicle = new Vehicle();
    vehicle.eim.faults.errors = { [functionName]: { code: 127, times: 1 } };
    vehicle.download(c);
    const steps = await stepsOf(vehicle, () => vehicle.poll());
    const refused = `ESipa.${functionName.charAt(0).toUpperCase()}${functionName.slice(1)}`;
    const after = steps.slice(steps.indexOf(refused) + 1).filter((name) => !/GetProfilesInfo|RetrieveNotificationsList/.test(name));
    expect(after).toEqual([...cancelled, "ESipa.ProvideEimPackageResult", "ESipa.GetEimPackage"]);
  });

  // shows: e5.14-failure, bf54.result-error
  test.each([
    ["initiateAuthentication", "invalidSmdpAddress", []],
    ["authenticateClient", "matchingIdRefused", ["cancelSession"]],
    ["getBoundProfilePackage", "orderExpired", ["cancelSession"]],
  ] as const)("directly from an SM-DP+ that refuses %s (%s): then %j, and the eIM is told", async (functionName, status, then) => {
    const vehicle = new Vehicle(direct);
    vehicle.smdp.faults.status = { [functionName]: { status, times: 1 } };
    const id = vehicle.download(c);
    await vehicle.poll();
    const asked = vehicle.es9.map((one) => one.replace("dp.example.com ", ""));
    expect(asked.slice(asked.indexOf(functionName) + 1)).toEqual(then);
    expect(vehicle.esipa).toEqual(["getEimPackage", "handleNotification", "getEimPackage"]);
    expect(vehicle.eim.order(id)).toMatchObject({ state: "failed" });
    expect(vehicle.installed()).toEqual([a]);
  });
});

describe("an SM-DP+ that refuses a direct download", () => {
  // shows: es9.*
  test.each(es9Statuses)("%s: subject %s, reason %s is %s, the session is closed, the eIM told", async (name, subject, reason, meaning) => {
    const vehicle = new Vehicle(direct);
    vehicle.smdp.applyFaults({ status: { [name]: { subjectCode: subject, reasonCode: reason, times: 1 } } });
    const id = vehicle.download(c);
    await vehicle.poll();
    expect(vehicle.events).toContainEqual(
      expect.objectContaining({
        kind: "download.failed",
        error: expect.objectContaining({ code: "RSP_SERVER", message: expect.stringContaining(`${meaning} (${subject}/${reason})`) }),
      }),
    );
    expect(vehicle.es9.at(-1)).toBe(`dp.example.com ${name === "initiateAuthentication" ? name : "cancelSession"}`);
    expect(vehicle.eim.order(id)).toMatchObject({ state: "failed" });
    expect(vehicle.installed()).toEqual([a]);
  });
});

describe("the server that answers", () => {
  const stranger = createPki({ clock });
  const euiccChallenge = new Uint8Array(16).fill(7);
  const ci = pki.get("ci").subjectKeyIdentifier;
  const otherCi = stranger.get("ci").subjectKeyIdentifier;
  const signedBy = (world: typeof pki, ciPKId: Uint8Array) => ({
    serverSigned1: sealed(signed(ServerSigned1), {
      transactionId: fromHex("AABB"),
      euiccChallenge,
      serverAddress: "dp.example.com",
      serverChallenge: new Uint8Array(16),
    }),
    serverSignature1: new Uint8Array(64),
    euiccCiPKIdentifierToBeUsed: ciPKId,
    serverCertificate: world.get("dpauth").certificate,
  });
  const asked = {
    euiccChallenge,
    target: { smdpAddress: "dp.example.com", matchingId: undefined, smdpOid: undefined, confirmationCodeRequired: false },
    info: { svn: fromHex("020500"), euiccCiPKIdListForVerification: [ci, otherCi], euiccCiPKIdListForSigning: [ci, otherCi] },
    allowedCi: ci,
  };

  // shows: e6.ci, e5.03-check
  test.each([
    ["of that CI", signedBy(pki, ci), undefined],
    ["of that CI, its identifier cut", signedBy(pki, ci.subarray(0, 8)), undefined],
    ["naming another CI", signedBy(stranger, otherCi), "not the one this eIM is bound to"],
    ["with a certificate of another CI", signedBy(stranger, ci), "not under the CI this eIM is bound to"],
    ["naming a CI that the eUICC does not have", signedBy(pki, fromHex("0102")), "not one of this eUICC's"],
  ] as const)("%s, where the eIM is bound to one", (_, answer, refusal) => {
    const check = () => checkServer(answer, asked);
    if (refusal === undefined) expect(check()).toEqual(ci);
    else expect(check).toThrow(expect.objectContaining({ code: "DOWNLOAD_REFUSED", detail: expect.stringContaining(refusal) }));
  });
});
