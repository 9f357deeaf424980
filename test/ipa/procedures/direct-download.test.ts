// Direct download (SGP.32 §3.2.3.1) on the virtual eUICC, SM-DP+, SM-DS and eIM: every kind of trigger, what the eIM is told and how, every refusal
// with its CancelSession reason, notifications by their own path, power cuts.
import { describe, expect, test } from "vitest";
import { decode } from "../../../ipa/asn1/schema.ts";
import { CancelSessionResponse } from "../../../ipa/messages/rsp.ts";
import { a, b, c, eid, factoryProfile, Vehicle, type VehicleOptions } from "../support/vehicle.ts";

/** The eIM does not say that it relays. */
const direct = (options: VehicleOptions = {}): Vehicle =>
  new Vehicle({ direct: true, configuration: { indirectProfileDownload: false }, ...options });

const dp = ["initiateAuthentication", "authenticateClient", "getBoundProfilePackage", "handleNotification"].map(
  (one) => `dp.example.com ${one}`,
);
const failure = (vehicle: Vehicle): unknown => vehicle.events.find(({ kind }) => kind === "download.failed");

/** Reasons of the cancellations that reached the SM-DP+. */
function cancellations(vehicle: Vehicle): unknown[] {
  const reasons: unknown[] = [];
  vehicle.interceptEs9 = (_, functionName, body) => {
    if (functionName !== "cancelSession") return undefined;
    const text = (body as { readonly cancelSessionResponse: string }).cancelSessionResponse;
    const response = decode(CancelSessionResponse, new Uint8Array(Buffer.from(text, "base64")));
    reasons.push(response.kind === "cancelSessionResponseOk" ? response.value.euiccCancelSessionSigned.value.reason : response.kind);
    return undefined;
  };
  return reasons;
}

describe("a direct download", () => {
  // shows: e5.activation-code, e5.01-info, e5.02-initiate, e5.04-authenticate-server, e5.05-authenticate-client, e5.07-prepare
  // shows: e5.08-package, e5.10-load, e5.12-result, e5.13-smdp, bf54.activation-code, bf54.result-installed, d2.bf3d-result
  test("by activation code: the SM-DP+ is spoken to, the eIM gets the result by HandleNotification, nothing is left on the card", async () => {
    const vehicle = direct();
    const order = vehicle.download(c);
    expect(await vehicle.poll()).toMatchObject({ kind: "done", packages: 1, error: undefined, unfinished: false });
    expect(vehicle.installed()).toContain(c);
    expect(vehicle.es9).toEqual(dp);
    expect(vehicle.esipa).toEqual(["getEimPackage", "handleNotification", "getEimPackage"]);
    expect(vehicle.eim.order(order)).toMatchObject({ state: "done" });
    expect(vehicle.smdp.orders).toMatchObject([{ state: "installed" }]);
    expect(vehicle.smdp.notifications).toMatchObject([{ kind: "profileInstallationResult", verified: true, times: 1 }]);
    // Its result is gone; the install notification that its metadata ask for waits for the round of deliveries.
    expect(vehicle.euicc.pending().notifications).toEqual([2]);
    await vehicle.deliver();
    expect(vehicle.es9.slice(dp.length)).toEqual(["dp.example.com handleNotification"]);
    expect(vehicle.euicc.pending().notifications).toEqual([]);
  });

  // shows: e5.12-result, bf50.trigger-result
  test("an eIM that will not have it by HandleNotification gets it by ProvideEimPackageResult", async () => {
    const vehicle = direct();
    const order = vehicle.download(c);
    vehicle.intercept = (functionName) =>
      functionName === "handleNotification" ? Promise.resolve({ status: 400, body: new Uint8Array(0) }) : undefined;
    await vehicle.poll();
    expect(vehicle.esipa).toEqual(["getEimPackage", "handleNotification", "provideEimPackageResult", "getEimPackage"]);
    expect(vehicle.eim.order(order)).toMatchObject({ state: "done" });
  });

  // shows: e5.default-smdp, bf54.default-smdp
  test("default SM-DP+: its order is found by the EID", async () => {
    const vehicle = direct();
    vehicle.offer(c, { matchingId: "", eid } as never);
    const order = vehicle.order({ kind: "download", trigger: "contactDefaultSmdp" });
    await vehicle.poll();
    expect(vehicle.installed()).toContain(c);
    expect(vehicle.eim.order(order)).toMatchObject({ state: "done" });
  });

  // shows: e5.smds, bf54.smds
  test("SM-DS: each of its events is followed to its server", async () => {
    const vehicle = direct();
    vehicle.offer(b);
    vehicle.offer(c);
    for (const eventId of ["TOKEN-020", "TOKEN-038"]) vehicle.smds.registerEvent({ eid, eventId, rspServerAddress: "dp.example.com" });
    vehicle.order({ kind: "download", trigger: "contactSmds" });
    expect(await vehicle.poll()).toMatchObject({ kind: "done", error: undefined });
    expect(vehicle.installed()).toEqual([a, b, c]);
    expect(vehicle.es9).toEqual([
      "testrootsmds.example.com initiateAuthentication",
      "testrootsmds.example.com authenticateClient",
      ...dp,
      ...dp,
    ]);
    expect(vehicle.smdp.notifications).toHaveLength(2);
    await vehicle.deliver();
    expect(vehicle.euicc.pending().notifications).toEqual([]);
  });

  // shows: e5.smds
  test("SM-DS without an event: told to the eIM, with the session on the card closed", async () => {
    const vehicle = direct();
    const order = vehicle.order({ kind: "download", trigger: "contactSmds" });
    await vehicle.poll();
    expect(failure(vehicle)).toMatchObject({ error: { message: expect.stringContaining("no event") } });
    expect(vehicle.eim.order(order)).toMatchObject({ state: "failed" });
  });

  // shows: b5.hash-cc, e5.07-prepare, e5.confirmation-missing
  test("confirmation code: hashed with the transaction; without one the SM-DP+ is not even asked", async () => {
    const withCode = direct({ confirmationCode: "4711" });
    withCode.order({ kind: "download", activationCode: withCode.offer(c, { confirmationCode: "4711" } as never) });
    await withCode.poll();
    expect(withCode.installed()).toContain(c);

    const without = direct();
    const order = without.order({ kind: "download", activationCode: without.offer(c, { confirmationCode: "4711" } as never) });
    await without.poll();
    expect(without.es9).toEqual([]);
    expect(failure(without)).toMatchObject({ error: { code: "DOWNLOAD_REFUSED" } });
    expect(without.eim.order(order)).toMatchObject({ state: "failed" });

    const wrong = direct({ confirmationCode: "WRONG-CODE" });
    wrong.order({ kind: "download", activationCode: wrong.offer(c, { confirmationCode: "4711" } as never) });
    const reasons = cancellations(wrong);
    await wrong.poll();
    expect(failure(wrong)).toMatchObject({ error: { code: "RSP_SERVER", message: expect.stringContaining("confirmationCodeRefused") } });
    expect(reasons).toEqual(["loadBppExecutionError"]);
    expect(JSON.stringify(wrong.events)).not.toContain("WRONG-CODE");
  });
});

describe("the way", () => {
  // shows: e5.choice
  test.each([
    ["through an eIM that says it relays", { configuration: { indirectProfileDownload: true } }, "indirect"],
    ["directly where the eIM says nothing", { configuration: { indirectProfileDownload: false } }, "direct"],
    [
      "through the eIM where direct download is off",
      { configuration: { indirectProfileDownload: false }, ipa: { directDownload: false } },
      "indirect",
    ],
    ["through the eIM where no server can be reached", { configuration: { indirectProfileDownload: false }, direct: false }, "indirect"],
  ] as const)("%s", async (_, options, way) => {
    const vehicle = new Vehicle({ direct: true, ...options });
    vehicle.download(c);
    await vehicle.poll();
    expect(vehicle.installed()).toContain(c);
    expect(vehicle.es9.length > 0).toBe(way === "direct");
    expect(vehicle.esipa.includes("initiateAuthentication")).toBe(way === "indirect");
  });

  // shows: e0.directRspServerCommunication, e0.indirectRspServerCommunication
  test("what the IPA announces is what it can", async () => {
    const announced = async (options: VehicleOptions): Promise<unknown> => {
      const vehicle = new Vehicle(options);
      const order = vehicle.order({ kind: "ipaEuiccData", tags: ["A8"] });
      await vehicle.poll();
      return JSON.stringify(vehicle.eim.order(order));
    };
    expect(await announced({ direct: true })).toContain('"ipaFeatures":["directRspServerCommunication","indirectRspServerCommunication"]');
    expect(await announced({})).toContain('"ipaFeatures":["indirectRspServerCommunication"]');
    expect(await announced({ direct: true, ipa: { directDownload: false } })).toContain('"ipaFeatures":["indirectRspServerCommunication"]');
    expect(await announced({ ipa: { eimFeatures: ["eimDownloadDataHandling"] } })).toContain("eimDownloadDataHandling");
  });
});

describe("what ends it, and how the session is closed", () => {
  // shows: e5.03-check
  test("the server signs under another address than was asked: nothing goes to the card", async () => {
    const vehicle = direct();
    vehicle.order({ kind: "download", activationCode: vehicle.offer(c).replace("dp.example.com", "other.example.com") });
    vehicle.interceptEs9 = (_, functionName, body) =>
      vehicle.smdp.handle(functionName, { ...(body as Record<string, unknown>), smdpAddress: "dp.example.com" });
    await vehicle.poll();
    expect(failure(vehicle)).toMatchObject({ error: { message: expect.stringContaining("signs as dp.example.com") } });
    expect(vehicle.steps()).not.toContain("ES10b.AuthenticateServer");
  });

  // shows: e5.03-check
  test("the OID of the activation code is another server's", async () => {
    const vehicle = direct();
    vehicle.order({ kind: "download", activationCode: `${vehicle.offer(c)}$2.999.99` });
    await vehicle.poll();
    expect(failure(vehicle)).toMatchObject({ error: { code: "DOWNLOAD_REFUSED", message: expect.stringContaining("OID") } });
    expect(vehicle.es9).toEqual(["dp.example.com initiateAuthentication"]);
  });

  // shows: e5.14-failure, e13.undefinedReason
  test("matching id refused: RSP_SERVER by its name, session cancelled", async () => {
    const vehicle = direct();
    const reasons = cancellations(vehicle);
    const order = vehicle.order({ kind: "download", activationCode: "1$dp.example.com$NO-SUCH" });
    await vehicle.poll();
    expect(failure(vehicle)).toMatchObject({
      error: { code: "RSP_SERVER", message: expect.stringContaining("matchingIdRefused (8.2.6/3.8)") },
    });
    expect(reasons).toEqual(["undefinedReason"]);
    expect(vehicle.eim.order(order)).toMatchObject({ state: "failed" });
    expect(JSON.stringify(vehicle.events)).not.toContain("NO-SUCH");
  });

  test.each([
    ["a policy rule that the table does not allow", "pprNotAllowed", {}],
    ["metadata that are not the package's", "metadataMismatch", {}],
    ["policy that refuses", "endUserRejection", {}],
    ["policy that refuses for now", "postponed", {}],
  ])("%s: %s", async (_, reason) => {
    const vehicle = direct(reason === "pprNotAllowed" ? { euicc: { rulesAuthorisationTable: Uint8Array.of(0x30, 0x00) } } : {});
    const reasons = cancellations(vehicle);
    vehicle.order({ kind: "download", activationCode: vehicle.offer(c, reason === "pprNotAllowed" ? ({ ppr: ["ppr2"] } as never) : {}) });
    if (reason === "metadataMismatch") vehicle.smdp.applyFaults({ otherMetadata: true });
    const retryAt = reason === "postponed" ? vehicle.clock.now() + 1_000 : undefined;
    if (reason === "endUserRejection" || reason === "postponed")
      vehicle.verdict = (gate) =>
        gate === "profileMetadata" ? { kind: "refuse", rule: "test", reason: "not now", retryAt } : { kind: "allow" };
    await vehicle.poll();
    expect(reasons).toEqual([reason]);
    expect(vehicle.installed()).not.toContain(c);
  });

  // shows: e13.timeout, e5.14-failure
  test("a server that does not answer: three attempts, then cancelled for want of time", async () => {
    const vehicle = direct();
    const order = vehicle.download(c);
    const reasons = cancellations(vehicle);
    const inner = vehicle.interceptEs9;
    vehicle.interceptEs9 = (host, functionName, body) =>
      functionName === "getBoundProfilePackage" ? new Promise(() => undefined) : inner?.(host, functionName, body);
    for (let poll = 0; poll < 4; poll++) await vehicle.poll();
    expect(reasons).toEqual(["timeout"]);
    expect(vehicle.eim.order(order)).toMatchObject({ state: "failed" });
  });

  test("answers that are none are refused and end it", async () => {
    for (const answer of [[], { header: 7 }, { serverSigned1: "@" }, { serverSigned1: "MAA=" }, "text", undefined, null]) {
      const vehicle = direct();
      vehicle.download(c);
      vehicle.interceptEs9 = (_, functionName) => (functionName === "initiateAuthentication" ? Promise.resolve(answer) : undefined);
      await vehicle.poll();
      expect(failure(vehicle)).toMatchObject({ error: { code: "HTTP_MESSAGE" } });
    }
  });
});

describe("notifications", () => {
  const profiles = [factoryProfile(a, true), factoryProfile(b, false)];

  // shows: e8.direct, e8.by-eim
  test("go to their SM-DP+ by themselves, through the eIM where it cannot be reached", async () => {
    const vehicle = direct({ profiles });
    vehicle.enable(b);
    await vehicle.eim.applyFaults({ acknowledge: "none" });
    await vehicle.poll();
    await vehicle.deliver();
    expect(vehicle.es9).toEqual(["dp.example.com handleNotification", "dp.example.com handleNotification"]);
    expect(vehicle.euicc.pending().notifications).toEqual([]);

    const cut = direct({ profiles });
    cut.interceptEs9 = () => Promise.reject(new Error("no route"));
    cut.enable(b);
    await cut.eim.applyFaults({ acknowledge: "none" });
    await cut.poll();
    await cut.deliver();
    expect(cut.esipa.filter((one) => one === "handleNotification")).toHaveLength(2);
    expect(cut.euicc.pending().notifications).toEqual([]);
  });

  // shows: e8.direct-result
  test("the result of a direct download waits for its SM-DP+ and goes to nobody else", async () => {
    const vehicle = direct();
    const order = vehicle.download(c);
    let reachable = false;
    vehicle.interceptEs9 = (_, functionName) =>
      functionName === "handleNotification" && !reachable ? Promise.reject(new Error("no route")) : undefined;
    expect(await vehicle.poll()).toMatchObject({ kind: "done", error: undefined });
    expect(vehicle.eim.order(order)).toMatchObject({ state: "done" });
    await vehicle.deliver();
    // The install notification of the same profile may go through the eIM, its result may not.
    expect(vehicle.euicc.pending().notifications).toContain(1);
    expect(vehicle.events.some((event) => event.kind === "notification.delivered" && event.seqNumber === 1)).toBe(false);
    reachable = true;
    await vehicle.clock.advance(60_000);
    await vehicle.deliver();
    expect(vehicle.euicc.pending().notifications).toEqual([]);
    expect(vehicle.smdp.notifications.map(({ kind }) => kind)).toContain("profileInstallationResult");
  });
});

describe("power cuts", () => {
  test("at every write of the journal, before and after: installed once, the eIM and the SM-DP+ told", async () => {
    const whole = direct();
    whole.download(c);
    await whole.poll();
    expect(whole.saves).toBeGreaterThan(5);
    for (let at = 1; at <= whole.saves; at++)
      for (const when of ["before", "after"] as const) {
        const vehicle = direct();
        const order = vehicle.download(c);
        vehicle.crash = { at, when };
        await vehicle.run(vehicle.ipa.pollOnce());
        if (!vehicle.crashed) continue;
        vehicle.restart("power");
        for (let poll = 0; poll < 4; poll++) await vehicle.poll();
        await vehicle.deliver();
        expect([at, when, vehicle.installed().filter((one) => one === c)]).toEqual([at, when, [c]]);
        expect([at, when, vehicle.eim.order(order)?.state]).toEqual([at, when, "done"]);
        expect([at, when, vehicle.smdp.notifications.some(({ installed }) => installed)]).toEqual([at, when, true]);
        expect([at, when, vehicle.euicc.pending().notifications]).toEqual([at, when, []]);
      }
  });
});
