// Who may order what of the eUICC on the vehicle itself, and what needs a reason: the rules in front of the local assistant.
import { describe, expect, test } from "vitest";
import { initialEimsOf } from "../../agent/initial-eims.ts";
import { type Asker, createLocalProfiles, isLastWayBack } from "../../agent/local-profiles.ts";
import { toHex } from "../../base/bytes.ts";
import { encode } from "../../ipa/asn1/schema.ts";
import { AddInitialEimRequest, EimConfigurationData } from "../../ipa/messages/eim-config.ts";
import { a, b, c, factoryProfile, Vehicle } from "../ipa/support/vehicle.ts";

const engineer: Asker = { role: "engineer", peer: undefined };
const admin: Asker = { role: "admin", peer: undefined };

function commanded(profiles = [factoryProfile(a, true), factoryProfile(b, false)]) {
  const vehicle = new Vehicle({ profiles, direct: true, euicc: { role: "sgp22", eims: [] } });
  const audited: [string, string, Readonly<Record<string, string | null>>][] = [];
  let changed = 0;
  const acts = createLocalProfiles({
    ipa: vehicle.ipa,
    audit: async (act, { role }, data) => void audited.push([act, role, data]),
    changed: async () => {
      changed++;
    },
    signal: new AbortController().signal,
  });
  return { vehicle, acts, audited, changes: () => changed };
}

describe("the rules of local command", () => {
  test("what is ordered is audited before it is done, with who and why, and never with a code", async () => {
    const { vehicle, acts, audited, changes } = commanded();
    const activationCode = vehicle.offer(c);
    expect(await vehicle.run(acts.downloadProfile(engineer, { activationCode }))).toMatchObject({
      schema: "simward/profile-downloaded/1",
      iccid: c,
    });
    await vehicle.run(acts.enableProfile(engineer, { target: c, reason: "ticket 1" }));
    expect(audited).toEqual([
      ["profile.downloadAsked", "engineer", { smdpAddress: "dp.example.com" }],
      ["profile.enableAsked", "engineer", { target: c, reason: "ticket 1" }],
    ]);
    expect(JSON.stringify(audited)).not.toContain("TOKEN");
    expect(changes()).toBe(2);
  });

  test("an activation code with a part missing is refused, and no part of it is audited", async () => {
    const { acts, audited } = commanded();
    await expect(acts.downloadProfile(engineer, { activationCode: "dp.example.com$TOKEN-1" })).rejects.toMatchObject({
      code: "ACTIVATION_CODE",
      message: expect.not.stringContaining("TOKEN"),
    });
    expect(audited).toEqual([]);
  });

  test("disable: only by who says that it goes dark, and why", async () => {
    const { vehicle, acts, audited } = commanded();
    for (const order of [{ target: a }, { target: a, goesDark: true }, { target: a, reason: "x" }])
      await expect(acts.disableProfile(engineer, order)).rejects.toMatchObject({ code: "POLICY_GOES_DARK" });
    expect([audited, vehicle.enabled()]).toEqual([[], a]);
    expect(await vehicle.run(acts.disableProfile(engineer, { target: a, goesDark: true, reason: "x" }))).toMatchObject({ enabled: false });
  });

  test("two that are deleted at once leave the last way back", async () => {
    const { vehicle, acts } = commanded([factoryProfile(a, true), factoryProfile(b, false), factoryProfile(c, false)]);
    const orders = [b, c].map((target) => acts.deleteProfile(engineer, { target }));
    const outcomes = await vehicle.run(Promise.allSettled(orders));
    expect(outcomes).toMatchObject([{ status: "fulfilled" }, { status: "rejected", reason: { code: "API_FORBIDDEN" } }]);
    expect(vehicle.installed()).toEqual([a, c]);
  });

  test("the last way back is deleted by an admin with a reason only; any other profile by an engineer", async () => {
    const { vehicle, acts, audited } = commanded([factoryProfile(a, true), factoryProfile(b, false), factoryProfile(c, false)]);
    expect(await vehicle.run(acts.deleteProfile(engineer, { target: c }))).toMatchObject({ iccid: c, outcome: "done" });
    await expect(vehicle.run(acts.deleteProfile(engineer, { target: b, reason: "x" }))).rejects.toMatchObject({ code: "API_FORBIDDEN" });
    await expect(vehicle.run(acts.deleteProfile(admin, { target: b }))).rejects.toMatchObject({ code: "POLICY_GOES_DARK" });
    expect(vehicle.installed()).toEqual([a, b]);
    await vehicle.run(acts.deleteProfile(admin, { target: b, reason: "scrapped" }));
    expect(vehicle.installed()).toEqual([a]);
    expect(audited.at(-1)).toEqual(["profile.deleteAsked", "admin", { iccid: b, reason: "scrapped" }]);
  });

  test("a test profile is no way back, and none where there are others", () => {
    const profile = (iccid: string, enabled: boolean, profileClass = "operational") => ({
      iccid,
      enabled,
      profileClass,
      isdpAid: undefined,
      nickname: undefined,
      profileName: undefined,
      serviceProviderName: undefined,
    });
    expect(isLastWayBack([profile(a, true), profile(b, false)], b)).toBe(true);
    expect(isLastWayBack([profile(a, true), profile(b, false), profile(c, false)], b)).toBe(false);
    expect(isLastWayBack([profile(a, true), profile(b, false), profile(c, false, "test")], b)).toBe(true);
    expect(isLastWayBack([profile(a, true), profile(b, false, "test")], b)).toBe(false);
  });

  test("notifications are listed in their order and delivered; one that cannot be says why", async () => {
    const { vehicle, acts } = commanded();
    await vehicle.run(acts.enableProfile(engineer, { target: b }));
    expect(await vehicle.run(acts.notifications())).toMatchObject({
      notifications: [
        { event: "notificationDisable", receiver: "dp.example.com" },
        { event: "notificationEnable", receiver: "dp.example.com" },
      ],
    });
    vehicle.coverage.clear();
    expect(await vehicle.run(acts.deliverNotifications(engineer))).toMatchObject({
      delivered: 0,
      remaining: 2,
      error: { code: "HTTP_CONNECT" },
    });
    vehicle.coverage.add(b);
    expect(await vehicle.run(acts.deliverNotifications(engineer))).toEqual({
      schema: "simward/notification-delivery/1",
      delivered: 2,
      remaining: 0,
    });
  });

  test("first eIMs come as a list or as one; anything else is refused before it is audited", async () => {
    const { acts, audited } = commanded();
    const one = { eimId: "eim1", counterValue: 0 };
    const list = encode(AddInitialEimRequest, { eimConfigurationDataList: [one] });
    expect(initialEimsOf(list)).toEqual(initialEimsOf(encode(EimConfigurationData, one)));
    await expect(acts.addInitialEim(admin, { configuration: "DEAD", reason: "x" })).rejects.toMatchObject({
      code: expect.stringMatching(/^ASN1_/),
    });
    expect(audited).toEqual([]);
    await expect(acts.addInitialEim(admin, { configuration: toHex(list), reason: "x" })).rejects.toMatchObject({ code: "CARD_NOT_SGP32" });
    expect(audited).toEqual([["eim.addInitialAsked", "admin", { eimIds: "eim1", reason: "x" }]]);
  });
});
