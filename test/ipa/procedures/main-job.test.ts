// The main job against the virtual eUICC, eIM and SM-DP+: a profile is ordered, downloaded, installed, enabled, adopted, reported.
import { describe, expect, test } from "vitest";
import { a, b, c, eid, factoryProfile, Vehicle } from "../support/vehicle.ts";

describe("start", () => {
  // shows: a1.order, e1.order, d5.port
  test("reads the card in the order that others expect, and says what it found", async () => {
    const vehicle = new Vehicle({ profiles: [factoryProfile(a, true), factoryProfile(b, false)] });
    const status = await vehicle.run(vehicle.ipa.start());
    expect(status).toMatchObject({
      started: true,
      eid,
      enabledIccid: a,
      eims: [{ eimId: vehicle.eim.eimId, scheme: "coaps", host: `${vehicle.eim.eimId}.example`, port: 5684, error: undefined }],
      operation: undefined,
      pendingNotifications: 0,
      pendingResults: 0,
    });
    expect(vehicle.steps().slice(0, 3)).toEqual(["ES10c.GetEID", "ES10b.GetEimConfigurationData", "ES10b.RetrieveNotificationsList"]);
  });
});

describe("the main job", () => {
  // shows: psmo.enable-rollback, e2.01-ask, e2.02-package, e2.04-trigger, e2.09-again, e4.06-switched, e4.07-reported, e4.08-acknowledged
  test("download, then enable with rollback flag: installed, enabled, online, reported once, acknowledged, nothing left", async () => {
    const vehicle = new Vehicle();
    const download = vehicle.download(c);
    const outcome = await vehicle.poll();
    expect(outcome).toMatchObject({ kind: "done", packages: 1, error: undefined, unfinished: false });
    expect(vehicle.eim.order(download)).toMatchObject({ state: "done" });
    expect(vehicle.installed()).toEqual([a, c]);
    expect(vehicle.enabled()).toBe(a);

    const enable = vehicle.enable(c, true);
    expect(await vehicle.poll()).toMatchObject({ kind: "done", packages: 1, unfinished: false });
    expect(vehicle.eim.order(enable)).toMatchObject({ state: "done" });
    expect(vehicle.enabled()).toBe(c);
    expect(vehicle.adopted).toEqual([c]);
    expect(vehicle.eim.results()).toHaveLength(1);
    expect(vehicle.euicc.pending()).toEqual({ notifications: [], packageResults: [] });
    expect(vehicle.told()).toEqual([
      "started",
      "package.received",
      "download.started",
      "download.metadata",
      "download.finished",
      "notification.delivered",
      "package.received",
      "package.executed",
      "profile.enabled",
      "profile.online",
      "package.reported",
    ]);
    expect(await vehicle.poll()).toMatchObject({ kind: "nothing", packages: 0 });
  });

  // shows: e6.01-info, e6.02-initiate, e6.03-authenticate-server, e6.04-authenticate-client, e6.06-prepare, e6.07-package, e6.08-load
  // shows: e6.10-notification
  test("each step of the download is told by its interface's name, and each segment by its number", async () => {
    const vehicle = new Vehicle();
    await vehicle.run(vehicle.ipa.start());
    vehicle.events.length = 0;
    vehicle.download(c);
    await vehicle.poll();
    const names = vehicle.steps();
    expect(names.slice(0, 12)).toEqual([
      "ESipa.GetEimPackage",
      "ES10b.GetEimConfigurationData",
      "ES10b.GetEUICCInfo1",
      "ES10b.GetEUICCChallenge",
      "ESipa.InitiateAuthentication",
      "ES10b.AuthenticateServer",
      "ESipa.AuthenticateClient",
      "ES10b.PrepareDownload",
      "ESipa.GetBoundProfilePackage",
      "ES10b.LoadBoundProfilePackage",
      "ESipa.HandleNotification",
      "ES10b.RemoveNotificationFromList",
    ]);
    const segments = vehicle.events.flatMap((event) => (event.kind === "segment" ? [[event.number, event.of]] : []));
    expect(segments.length).toBeGreaterThan(6);
    expect(segments.map(([number]) => number)).toEqual(segments.map((_, index) => index + 1));
    expect(new Set(segments.map(([, of]) => of))).toEqual(new Set([segments.length]));
  });

  // shows: b6.one-channel
  test("the whole download runs over one logical channel", async () => {
    const vehicle = new Vehicle();
    await vehicle.run(vehicle.ipa.start());
    vehicle.apdus.length = 0;
    vehicle.download(c);
    await vehicle.poll();
    const first = vehicle.apdus.findIndex((apdu) => apdu.startsWith("80E2910003BF2E00"));
    const selects = vehicle.apdus.flatMap((apdu, index) => (apdu.startsWith("00A404") ? [index] : []));
    const last = vehicle.apdus.findLastIndex((apdu) => /^80E2(11|91)00..86/.test(apdu));
    expect(first).toBeGreaterThan(0);
    expect(last).toBeGreaterThan(first);
    expect(selects.filter((index) => index > first && index < last)).toEqual([]);
  });

  // shows: b5.device-info, e2.13-rplmn
  test("what the module says of itself reaches the SM-DP+ by the eUICC's signature, and the eIM by the poll", async () => {
    const vehicle = new Vehicle();
    const polls: string[] = [];
    vehicle.intercept = (functionName, body) => {
      if (functionName === "getEimPackage") polls.push(Buffer.from(body).toString("hex").toUpperCase());
      return undefined;
    };
    vehicle.download(c);
    await vehicle.poll();
    expect(polls[0]).toBe(`BF4F175A10${eid}820362F210`);
    // ctxParams1: TAC 35290611, no capabilities named, IMEI; TBCD.
    expect(vehicle.apdus.join("")).toContain("800453926011A1008208539260112143657F");
  });
});
