// Several eIMs: who gets what, whose acknowledgements count, who is told of what another did; notifications and data requests.
import { describe, expect, test } from "vitest";
import { toHexUpper } from "../../../base/bytes.ts";
import { SimwardError } from "../../../base/errors.ts";
import { decode } from "../../../ipa/asn1/schema.ts";
import { writeTlv } from "../../../ipa/asn1/tlv.ts";
import { type IpaEuiccDataResponse, ProvideEimPackageResult } from "../../../ipa/messages/esipa.ts";
import { a, b, c, clock, eid, factoryProfile, pki, Vehicle } from "../support/vehicle.ts";

const two = { profiles: [factoryProfile(a, true), factoryProfile(b, false)] };
const list = { kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] };

function causes(vehicle: Vehicle): { readonly eim: unknown[]; readonly eim2: unknown[] } {
  const seen = { eim: [] as unknown[], eim2: [] as unknown[] };
  vehicle.eim.onEvent((event) => event.type === "stateChange" && seen.eim.push(event.cause));
  vehicle.eim2?.onEvent((event) => event.type === "stateChange" && seen.eim2.push(event.cause));
  return seen;
}

describe("two eIMs", () => {
  // shows: d8.several
  test("each is asked, each gets its own result", async () => {
    const vehicle = new Vehicle({ ...two, secondEim: true });
    vehicle.order(list);
    vehicle.order(list, vehicle.eim2);
    expect(await vehicle.poll()).toMatchObject({
      kind: "done",
      packages: 2,
      eims: [
        { eimId: vehicle.eim.eimId, packages: 1 },
        { eimId: "eim2", packages: 1 },
      ],
    });
    expect([vehicle.eim.results().length, vehicle.eim2?.results().length]).toEqual([1, 1]);
    expect(await vehicle.poll("eim2")).toMatchObject({ kind: "nothing", eims: [{ eimId: "eim2" }] });
    expect(await vehicle.poll("eim3")).toMatchObject({ kind: "failed", error: { code: "EIM_UNKNOWN" } });
  });

  test("one with a schedule of its own is asked by that, by name at any time, and when it is to be told of a change", async () => {
    const vehicle = new Vehicle({ ...two, secondEim: true, ipa: { peers: [{ eimId: "eim2", pollIntervalMs: 86_400_000 }] } });
    const polled = async (eimId?: string): Promise<string[]> => {
      const outcome = await vehicle.poll(eimId);
      return outcome.eims.map((one) => one.eimId);
    };
    const { eimId } = vehicle.eim;
    expect(await polled()).toEqual([eimId, "eim2"]);
    expect(await polled()).toEqual([eimId]);
    expect(await polled("eim2")).toEqual(["eim2"]);
    vehicle.enable(b);
    expect(await polled()).toEqual([eimId, "eim2"]);
    expect(await polled()).toEqual([eimId]);
    await clock.runUntil(clock.sleep(86_400_000), 100_000_000);
    expect(await polled()).toEqual([eimId, "eim2"]);
  });

  // shows: e14.otherEim, e2.11-state-change
  test("what one did to the profiles, the other is told with its next poll, until it has answered", async () => {
    const vehicle = new Vehicle({ ...two, secondEim: true });
    const seen = causes(vehicle);
    vehicle.enable(b, true);
    let down = true;
    vehicle.intercept = (functionName, body) => {
      if (down && functionName === "getEimPackage" && vehicle.enabled() === b && toHexUpper(body).includes("8000"))
        throw new SimwardError("COAP_TIMEOUT");
      return undefined;
    };
    expect(await vehicle.poll()).toMatchObject({ kind: "failed" });
    expect(seen).toEqual({ eim: [], eim2: [] });
    vehicle.restart("power");
    down = false;
    await vehicle.poll();
    await vehicle.poll();
    expect(seen).toEqual({ eim: [], eim2: ["otherEim"] });
  });

  test("what a rollback undid is told to nobody; a download is told to the other", async () => {
    const undone = new Vehicle({ ...two, secondEim: true });
    undone.coverage.delete(b);
    const quiet = causes(undone);
    undone.enable(b, true);
    await undone.poll();
    await undone.poll();
    expect(quiet).toEqual({ eim: [], eim2: [] });

    const downloaded = new Vehicle({ secondEim: true });
    const seen = causes(downloaded);
    downloaded.download(c);
    await downloaded.poll();
    await downloaded.poll();
    expect(seen).toEqual({ eim: [], eim2: ["otherEim"] });
  });

  test("one cannot be reached: the other is served all the same", async () => {
    const vehicle = new Vehicle({ ...two, secondEim: true });
    vehicle.order(list, vehicle.eim2);
    vehicle.eim.faults.httpStatus = { status: 503, times: 1 };
    const outcome = await vehicle.poll();
    expect(outcome).toMatchObject({ kind: "failed", packages: 1, error: { code: "ESIPA_STATUS" } });
    expect(vehicle.eim2?.results()).toHaveLength(1);
  });
});

describe("acknowledgements", () => {
  const acknowledge = (...numbers: readonly number[]): Uint8Array =>
    writeTlv(0xbf50, writeTlv(0xbf53, ...numbers.map((number) => writeTlv(0x80, Uint8Array.of(number)))));

  // shows: c6.exactly-acknowledged
  test("of one eIM never remove what is addressed to another, nor notifications it was not given", async () => {
    const vehicle = new Vehicle({ ...two, secondEim: true });
    const { eim2 } = vehicle;
    if (eim2 === undefined) throw new Error("no second eIM");
    // A notification (1, delete of b) and two results (2 for the first eIM, then 3 for the second) that wait.
    vehicle.eim.faults.acknowledge = "none";
    vehicle.order({ kind: "euiccPackage", psmos: [{ delete: { iccid: b } }] });
    await vehicle.poll(vehicle.eim.eimId);
    const waiting = vehicle.euicc.pending();
    expect([waiting.notifications.length, waiting.packageResults.length]).toEqual([1, 1]);

    vehicle.order({ kind: "ipaEuiccData", tags: ["BF20"] }, eim2);
    vehicle.intercept = (functionName) =>
      functionName === "provideEimPackageResult" ? Promise.resolve({ status: 200, body: acknowledge(1, 2, 3, 99) }) : undefined;
    await vehicle.poll("eim2");
    expect(vehicle.euicc.pending()).toEqual(waiting);
    expect(vehicle.events).toContainEqual({ kind: "acknowledgement.ignored", eimId: "eim2", seqNumbers: [1, 2, 3, 99] });
  });

  test("of its own older result count, even with another report", async () => {
    const vehicle = new Vehicle(two);
    vehicle.eim.faults.acknowledge = "none";
    vehicle.order(list);
    await vehicle.poll();
    expect(vehicle.euicc.pending().packageResults).toEqual([1]);
    vehicle.order({ kind: "ipaEuiccData", tags: ["BF20"] });
    vehicle.intercept = (functionName) =>
      functionName === "provideEimPackageResult" ? Promise.resolve({ status: 200, body: acknowledge(1) }) : undefined;
    await vehicle.poll();
    expect(vehicle.euicc.pending().packageResults).toEqual([]);
  });

  // shows: c6.not-acknowledged
  test("none: the result stays, is not sent again with every poll, but is after its time", async () => {
    const vehicle = new Vehicle({ ...two, ipa: { resultRetryMs: 3_600_000 } });
    vehicle.eim.faults.acknowledge = "none";
    vehicle.order(list);
    await vehicle.poll();
    await vehicle.poll();
    const provided = (): number => vehicle.esipa.filter((name) => name === "provideEimPackageResult").length;
    expect([provided(), vehicle.euicc.pending().packageResults.length]).toEqual([1, 1]);
    await vehicle.clock.advance(3_600_000);
    vehicle.eim.faults.acknowledge = "all";
    await vehicle.poll();
    expect([provided(), vehicle.euicc.pending().packageResults.length]).toEqual([2, 0]);
    expect(vehicle.eim.results()).toHaveLength(1);
  });

  // shows: c6.not-acknowledged
  test("of what cannot be removed from the card: sent again at the next poll, acknowledged again, and then removed", async () => {
    const vehicle = new Vehicle();
    vehicle.order({ kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] });
    vehicle.euicc.faults.statusWords = { 48944: 0x6985 };
    expect(await vehicle.poll()).toMatchObject({ unfinished: true });
    expect(vehicle.euicc.pending().packageResults).toHaveLength(1);
    vehicle.euicc.faults.statusWords = {};
    vehicle.events.length = 0;
    expect(await vehicle.poll()).toMatchObject({ unfinished: false });
    expect(vehicle.euicc.pending().packageResults).toEqual([]);
    expect(vehicle.eim.results()).toHaveLength(1);
    // Told before it is gone: a power cut in between leaves a record too many, not one too few.
    const told = vehicle.events.findIndex(({ kind }) => kind === "package.reported");
    const removed = vehicle.events.findIndex((event) => event.kind === "step" && event.name === "ES10b.RemoveNotificationFromList");
    expect(told).toBeGreaterThanOrEqual(0);
    expect(removed).toBeGreaterThan(told);
  });

  // shows: c6.partial, c6.exactly-acknowledged
  test("partial: what was left out waits, notifications by their own way", async () => {
    const vehicle = new Vehicle(two);
    vehicle.eim.faults.acknowledge = "partial";
    vehicle.enable(b, true);
    await vehicle.poll();
    const { notifications, packageResults } = vehicle.euicc.pending();
    expect(notifications.length + packageResults.length).toBe(1);
    await vehicle.deliver();
    expect(vehicle.euicc.pending().notifications).toEqual([]);
  });

  // shows: c6.remove-own
  test("an eIM that never acknowledges, configured so: its result is removed once it has it", async () => {
    const vehicle = new Vehicle({ ...two, ipa: { peers: [{ eimId: pki.subjects.eimId, compat: { removeOwnResult: true } }] } });
    vehicle.eim.faults.acknowledge = "none";
    vehicle.order(list);
    await vehicle.poll();
    expect(vehicle.euicc.pending().packageResults).toEqual([]);
  });
});

describe("changes of the eIMs themselves", () => {
  test("an eIM deletes itself: its result still reaches it, and it is asked no more", async () => {
    const vehicle = new Vehicle({ ...two, secondEim: true });
    const id = vehicle.order({ kind: "euiccPackage", ecos: [{ deleteEim: { eimId: vehicle.eim.eimId } }] });
    await vehicle.poll();
    expect(vehicle.eim.order(id)).toMatchObject({ state: "done" });
    expect(vehicle.ipa.status().eims.map(({ eimId }) => eimId)).toEqual(["eim2"]);
    expect(vehicle.events).toContainEqual({ kind: "eim.changed", eimIds: ["eim2"] });
    expect(await vehicle.poll()).toMatchObject({ eims: [{ eimId: "eim2" }] });
  });

  test("an eIM adds another, which is asked from the next poll on", async () => {
    const vehicle = new Vehicle({ ...two, secondEim: true, euicc: {} });
    const id = vehicle.order({
      kind: "euiccPackage",
      ecos: [
        {
          addEim: {
            eimId: "eim3",
            eimFqdn: "eim3.example",
            counterValue: 0,
            eimPublicKeyData: { certificate: Buffer.from(pki.get("eimsign").certificate).toString("base64") },
          },
        },
      ],
    });
    await vehicle.poll();
    expect(vehicle.eim.order(id)).toMatchObject({ state: "done" });
    expect(vehicle.ipa.status().eims).toMatchObject([{}, {}, { eimId: "eim3", error: { code: "EIM_NO_PROTOCOL" } }]);
  });

  // shows: e1.no-eim
  test("none configured: said so, and nothing else happens", async () => {
    const vehicle = new Vehicle({ euicc: { eims: [] } });
    expect(await vehicle.run(vehicle.ipa.start())).toMatchObject({ started: true, eims: [] });
    expect(await vehicle.poll()).toMatchObject({ kind: "failed", error: { code: "EIM_NOT_CONFIGURED" } });
  });

  test("one that cannot be trusted: told at the start, and refused at each poll", async () => {
    const vehicle = new Vehicle({ configuration: { tls: "none" } });
    expect(await vehicle.poll()).toMatchObject({ kind: "failed", error: { code: "EIM_NO_TRUST" } });
    expect(vehicle.esipa).toEqual([]);
    expect(vehicle.told()).toContain("eim.unusable");
  });
});

describe("notifications", () => {
  async function withNotifications(): Promise<Vehicle> {
    const vehicle = new Vehicle(two);
    vehicle.eim.faults.acknowledge = "none";
    vehicle.enable(b);
    await vehicle.poll();
    vehicle.esipa.length = 0;
    return vehicle;
  }

  // shows: e8.order, e8.taken, esipa.HandleNotification
  test("in order of their numbers, removed only once taken; the SM-DP+ has them, verified", async () => {
    const vehicle = await withNotifications();
    const waiting = vehicle.euicc.pending().notifications;
    expect(waiting.length).toBe(2);
    expect(await vehicle.deliver()).toEqual({ delivered: 2, remaining: 0, error: undefined });
    const delivered = vehicle.events.flatMap((event) => (event.kind === "notification.delivered" ? [[event.seqNumber, event.event]] : []));
    expect(delivered).toEqual([
      [waiting[0], "notificationDisable"],
      [waiting[1], "notificationEnable"],
    ]);
    expect(vehicle.euicc.pending().notifications).toEqual([]);
  });

  // shows: e8.refused
  test("refused: the ones behind it for the same receiver wait their turn, none is lost", async () => {
    const vehicle = await withNotifications();
    const waiting = vehicle.euicc.pending().notifications;
    vehicle.intercept = (functionName) =>
      functionName === "handleNotification" ? Promise.resolve({ status: 500, body: new Uint8Array(0) }) : undefined;
    expect(await vehicle.deliver()).toMatchObject({ delivered: 0, remaining: 2, error: { code: "ESIPA_STATUS" } });
    expect(vehicle.esipa).toEqual(["handleNotification"]);
    expect(vehicle.euicc.pending().notifications).toEqual(waiting);
    vehicle.intercept = undefined;
    await vehicle.clock.advance(60_000);
    expect(await vehicle.deliver()).toMatchObject({ delivered: 2, remaining: 0 });
  });

  // shows: e8.no-path
  test("no path: nothing is tried twice in one round, nothing lost", async () => {
    const vehicle = await withNotifications();
    vehicle.intercept = (functionName) => {
      if (functionName === "handleNotification") throw new SimwardError("COAP_TIMEOUT");
      return undefined;
    };
    expect(await vehicle.deliver()).toMatchObject({ delivered: 0, remaining: 2, error: { retry: "online" } });
    expect(vehicle.ipa.status().pendingNotifications).toBe(2);
  });

  // shows: e6.10-notification
  test("the result of a download goes through the eIM that relayed it, also after a restart", async () => {
    const vehicle = new Vehicle({ secondEim: true });
    const { eim2 } = vehicle;
    const id = vehicle.order({ kind: "download", activationCode: vehicle.offer(c) }, eim2);
    let down = true;
    vehicle.intercept = (functionName) =>
      down && functionName === "handleNotification" ? Promise.resolve({ status: 503, body: new Uint8Array(0) }) : undefined;
    expect(await vehicle.poll()).toMatchObject({ kind: "failed", unfinished: true, error: { code: "ESIPA_STATUS" } });
    expect(vehicle.installed()).toEqual([a, c]);
    // Before it has the result it is not asked for more: it would offer the same download again.
    expect(await vehicle.poll("eim2")).toMatchObject({ kind: "failed", unfinished: true });
    expect(vehicle.events.filter(({ kind }) => kind === "download.started")).toHaveLength(1);
    expect(eim2?.order(id)).toMatchObject({ state: "inProgress" });
    vehicle.restart("power");
    down = false;
    await vehicle.deliver();
    expect(eim2?.order(id)).toMatchObject({ state: "done" });
    expect(vehicle.euicc.pending().notifications).toEqual([]);
    expect(JSON.stringify(vehicle.journal)).toContain('"relays":{}');
  });
});

describe("IpaEuiccDataRequest", () => {
  async function answer(order: Record<string, unknown>, prepare?: (vehicle: Vehicle) => Promise<void>) {
    const vehicle = new Vehicle(two);
    await prepare?.(vehicle);
    const sent: Uint8Array[] = [];
    vehicle.intercept = (functionName, body) => {
      if (functionName === "provideEimPackageResult") sent.push(body);
      return undefined;
    };
    const id = vehicle.order({ kind: "ipaEuiccData", ...order });
    const outcome = await vehicle.poll();
    const result = decode(ProvideEimPackageResult, sent[0] ?? new Uint8Array(0)).eimPackageResult;
    return { vehicle, id, outcome, data: result.kind === "ipaEuiccDataResponse" ? (result.value as IpaEuiccDataResponse) : undefined };
  }

  // shows: e2.03-data, e7.a0-notifications, e7.81-default-smdp, e7.a2-results, e7.83-root-smds, e7.a5-eum, e7.a6-euicc
  // shows: e7.a8-capabilities, e7.a9-device, e7.transaction, bf50.data, bf52.tag-list, bf52.transaction, e0.ipaSupportedProtocols
  // shows: d6.announced, b5.device-info
  test("everything there is, in the card's octets, with the transaction echoed", async () => {
    const tags = ["A0", "81", "A2", "BF20", "BF22", "83", "84", "A5", "A6", "A8", "A9"];
    const { data, id, vehicle, outcome } = await answer({ tags });
    expect(outcome).toMatchObject({ kind: "done", unfinished: false });
    expect(vehicle.eim.order(id)).toMatchObject({ state: "done" });
    expect(data).toMatchObject({
      kind: "ipaEuiccData",
      value: {
        notificationsList: [],
        euiccPackageResultList: [],
        defaultSmdpAddress: "dp.example.com",
        rootSmdsAddress: "testrootsmds.example.com",
        eumCertificate: pki.get("eum").certificate,
        euiccCertificate: pki.get("euicc").certificate,
        ipaCapabilities: { ipaFeatures: ["indirectRspServerCommunication"], ipaSupportedProtocols: ["ipaRetrieveCoaps"] },
        deviceInfo: {
          tac: Uint8Array.of(0x53, 0x92, 0x60, 0x11),
          imei: Uint8Array.of(0x53, 0x92, 0x60, 0x11, 0x21, 0x43, 0x65, 0x7f),
        },
        eimTransactionId: expect.any(Uint8Array),
      },
    });
  });

  // shows: e7.bf20-info1, e7.absent
  test("only what was asked for; what is not there is left out", async () => {
    const { data } = await answer({ tags: ["BF20", "A9", "84"] }, async (vehicle) => {
      vehicle.imei = undefined;
    });
    expect(Object.keys(data?.value ?? {}).sort()).toEqual(["eimTransactionId", "euiccInfo1"]);
  });

  // shows: e7.unknown-tag, e7.unknown-ci, bf52.ci, bf52.transaction, code.IpaEuiccDataError.incorrectTagList
  // shows: code.IpaEuiccDataError.euiccCiPKIdNotFound
  test("a tag nobody knows: incorrectTagList; a CI the card does not have: euiccCiPKIdNotFound", async () => {
    expect((await answer({ tags: ["BF20", "5A"] })).data).toMatchObject({
      kind: "ipaEuiccDataResponseError",
      value: { ipaEuiccDataErrorCode: "incorrectTagList", eimTransactionId: expect.any(Uint8Array) },
    });
    expect((await answer({ tags: ["A5"], euiccCiPKId: "00112233" })).data).toMatchObject({
      value: { ipaEuiccDataErrorCode: "euiccCiPKIdNotFound" },
    });
  });

  test("certificates asked of a card that has no GetCerts are left out; the rest is told", async () => {
    const { data } = await answer({ tags: ["BF20", "A5", "A6"] }, async (vehicle) => {
      vehicle.euicc.faults.statusWords = { 48982: 0x6a88 };
    });
    expect(data).toMatchObject({ kind: "ipaEuiccData", value: { euiccInfo1: expect.anything() } });
    expect(data).not.toHaveProperty("value.eumCertificate");
    expect(data).not.toHaveProperty("value.euiccCertificate");
  });

  // shows: e7.acknowledged, bf52.criteria-notification
  test("notifications by event or number, own package results by number; what is acknowledged is removed", async () => {
    const before = async (vehicle: Vehicle): Promise<void> => {
      vehicle.eim.faults.acknowledge = "none";
      vehicle.enable(b);
      await vehicle.poll();
      vehicle.eim.faults.acknowledge = "all";
    };
    const { data, vehicle } = await answer({ tags: ["A0", "A2"], notificationEvent: "notificationEnable" }, before);
    expect(data).toMatchObject({ value: { notificationsList: [{ kind: "otherSignedNotification" }], euiccPackageResultList: [{}] } });
    expect(vehicle.euicc.pending().packageResults).toEqual([]);
    expect(vehicle.euicc.pending().notifications).toHaveLength(1);
  });

  // shows: e7.own-only
  test("another eIM's results are not this one's business", async () => {
    const vehicle = new Vehicle({ ...two, secondEim: true });
    vehicle.eim.faults.acknowledge = "none";
    vehicle.order(list);
    await vehicle.poll();
    const sent: string[] = [];
    vehicle.intercept = (functionName, body) => {
      if (functionName === "provideEimPackageResult") sent.push(toHexUpper(body));
      return undefined;
    };
    vehicle.order({ kind: "ipaEuiccData", tags: ["A2"] }, vehicle.eim2);
    await vehicle.poll("eim2");
    expect(sent[0]).toMatch(new RegExp(`^BF50..5A10${eid}BF52..A0..A2008710`));
  });
});
