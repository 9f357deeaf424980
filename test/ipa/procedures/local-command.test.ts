// What a person beside the vehicle orders, on a virtual consumer eUICC: all of a local profile assistant, the way back of an enable, and what an eIM's
// presence forbids on an IoT eUICC. And the machine behind it, from every phase.
import { describe, expect, test } from "vitest";
import { decode, encode } from "../../../ipa/asn1/schema.ts";
import { nextProfileOrder, type ProfileOrderInput, type ProfileOrderState, profileOrder } from "../../../ipa/machines/profile-order.ts";
import { EimConfigurationData } from "../../../ipa/messages/eim-config.ts";
import { ProfileDownloadTriggerRequest } from "../../../ipa/messages/esipa.ts";
import type { LocalProfile } from "../../../ipa/procedures/local-es10c.ts";
import { targetOf } from "../../../ipa/procedures/local-target.ts";
import { a, b, c, factoryProfile, Vehicle, type VehicleOptions } from "../support/vehicle.ts";

const consumer = (more: VehicleOptions = {}): Vehicle =>
  new Vehicle({
    profiles: [factoryProfile(a, true), factoryProfile(b, false)],
    direct: true,
    ...more,
    euicc: { role: "sgp22", eims: [], ...more.euicc },
  });

describe("which profile is meant", () => {
  const profile = (iccid: string, nickname?: string): LocalProfile => ({
    iccid,
    nickname,
    isdpAid: undefined,
    enabled: false,
    profileName: `Profile ${iccid.slice(-2)}`,
    serviceProviderName: undefined,
    profileClass: undefined,
  });
  const profiles = [profile(a, "Fleet"), profile(b, "Fleet Turkey"), profile("8988298000000000017", "89460000000000000012x")];
  test.each([
    [a, a],
    [`${a}F`, a],
    ["8988", "8988298000000000017"],
    ["Fleet", a],
    ["fleet t", b],
    ["89460000000000000012", a],
  ])("%s", (text, iccid) => {
    expect(targetOf(profiles, text).iccid).toBe(iccid);
  });

  test("one that fits several names each of them; one that fits none, or nothing at all, is an error", () => {
    expect(() => targetOf(profiles, "8946")).toThrow(
      expect.objectContaining({ code: "API_INPUT", data: { candidates: [a, b, profiles[2]?.iccid] } }),
    );
    expect(() => targetOf(profiles.slice(0, 2), "flee")).toThrow(`fits ${a} "Fleet" and ${b} "Fleet Turkey"`);
    for (const text of ["", "  "]) expect(() => targetOf(profiles, text)).toThrow(expect.objectContaining({ code: "API_INPUT" }));
    expect(() => targetOf(profiles, "9")).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
  });
});

describe("on a consumer eUICC", () => {
  test("download, enable, nickname, delete: each is done, and its notification goes to the SM-DP+ by itself", async () => {
    const vehicle = consumer();
    const { local } = vehicle.ipa;
    const activationCode = vehicle.offer(c);
    expect(await vehicle.run(local.download({ activationCode: `LPA:${activationCode.replace(/^LPA:/, "")}` }))).toEqual({
      iccid: c,
      profileName: "Profile 3",
      serviceProviderName: "Operator 3",
    });
    expect(vehicle.smdp.orders).toMatchObject([{ state: "installed" }]);
    expect(vehicle.ipa.status().operation).toBeUndefined();
    expect(await vehicle.run(local.enable(c))).toMatchObject({ profile: { iccid: c, enabled: true }, outcome: "online" });
    expect(vehicle.enabled()).toBe(c);
    expect(vehicle.adopted).toEqual([c]);
    expect(await vehicle.run(local.enable(c))).toMatchObject({ outcome: "already" });
    expect(await vehicle.run(local.nickname(c, "Fleet"))).toMatchObject({ outcome: "done" });
    expect(await vehicle.run(local.profiles())).toMatchObject([{ iccid: a }, { iccid: b }, { iccid: c, nickname: "Fleet", enabled: true }]);
    expect(await vehicle.run(local.delete(a))).toMatchObject({ profile: { iccid: a }, outcome: "done" });
    expect(vehicle.installed()).toEqual([b, c]);
    expect((await vehicle.run(local.notifications())) as unknown).toHaveLength(4);
    await vehicle.deliver();
    expect(vehicle.euicc.pending().notifications).toEqual([]);
    expect(vehicle.esipa).toEqual([]);
    const told = vehicle.events.filter(
      ({ kind }) => kind === "profile.enabled" || kind === "profile.deleted" || kind === "download.finished",
    );
    expect(told).toMatchObject([{ eimId: "" }, { eimId: "" }, { eimId: "" }]);
    expect(JSON.stringify(vehicle.events)).not.toContain("TOKEN-");
    expect(JSON.stringify(vehicle.journal)).not.toContain(Buffer.from("TOKEN-").toString("base64").slice(0, 6));
  });

  test("a profile that finds no network gives way to the former one, and the reason is told", async () => {
    const vehicle = consumer();
    vehicle.coverage.delete(b);
    await expect(vehicle.run(vehicle.ipa.local.enable(b))).rejects.toMatchObject({ code: "PROFILE_NOT_ONLINE" });
    expect(vehicle.enabled()).toBe(a);
    expect(vehicle.adopted).toEqual([b, a]);
    expect(vehicle.told()).toEqual(expect.arrayContaining(["profile.enabled", "profile.offline", "profile.rolledBack", "profile.online"]));
    expect(vehicle.ipa.status()).toMatchObject({ operation: undefined, enabledIccid: a });
  });

  test("disable leaves none enabled; enable then has nothing to go back to", async () => {
    const vehicle = consumer();
    vehicle.coverage.delete(b);
    expect(await vehicle.run(vehicle.ipa.local.disable(a))).toMatchObject({ outcome: "offline" });
    expect(vehicle.enabled()).toBeUndefined();
    expect(await vehicle.run(vehicle.ipa.local.enable(b))).toMatchObject({ outcome: "offline" });
    expect(vehicle.enabled()).toBe(b);
  });

  test("a busy card is asked again; what the card refuses is told with its code", async () => {
    const vehicle = consumer();
    vehicle.euicc.faults.catBusyTimes = 2;
    expect(await vehicle.run(vehicle.ipa.local.enable(b))).toMatchObject({ outcome: "online" });
    vehicle.euicc.faults.catBusyTimes = 3;
    await expect(vehicle.run(vehicle.ipa.local.enable(a))).rejects.toMatchObject({ code: "ES10_REFUSED", data: { error: "catBusy" } });
    await expect(vehicle.run(vehicle.ipa.local.delete(b))).rejects.toMatchObject({
      code: "ES10_REFUSED",
      data: { error: "profileNotInDisabledState" },
    });
  });

  test.each([
    ["no activation code", "1$", undefined, "ACTIVATION_CODE"],
    ["one that asks for a code that was not given", "1$dp.example.com$TOKEN$$1", undefined, "DOWNLOAD_REFUSED"],
    ["an unknown one", "1$dp.example.com$NOBODY", undefined, "RSP_SERVER"],
    ["a server that is not there", "1$dp9.example.com$X", undefined, "HTTP_CONNECT"],
  ])("%s: told why, nothing left behind", async (_, activationCode, confirmationCode, code) => {
    const vehicle = consumer();
    await expect(vehicle.run(vehicle.ipa.local.download({ activationCode, confirmationCode }))).rejects.toMatchObject({ code });
    expect(vehicle.ipa.status().operation).toBeUndefined();
    expect(vehicle.installed()).toEqual([a, b]);
    expect(await vehicle.poll()).toMatchObject({ kind: "nothing", unfinished: false });
  });

  test("the confirmation code reaches the SM-DP+ as a hash only", async () => {
    const vehicle = consumer();
    const activationCode = vehicle.offer(c, { confirmationCode: "4711-XY" } as never);
    const sent: string[] = [];
    vehicle.interceptEs9 = (_address, _name, body) => {
      sent.push(JSON.stringify(body));
      return undefined;
    };
    await expect(vehicle.run(vehicle.ipa.local.download({ activationCode, confirmationCode: "wrong" }))).rejects.toThrow();
    expect(await vehicle.run(vehicle.ipa.local.download({ activationCode, confirmationCode: "4711-XY" }))).toMatchObject({ iccid: c });
    expect(sent.join() + JSON.stringify(vehicle.events) + JSON.stringify(vehicle.journal)).not.toContain("4711");
  });

  test("memory reset by SGP.22's own function; what it does not know is refused before anything is done", async () => {
    const vehicle = consumer();
    await expect(vehicle.run(vehicle.ipa.local.memoryReset(["deleteOperationalProfiles", "resetEimConfigData"]))).rejects.toMatchObject({
      code: "ES10_UNSUPPORTED",
    });
    expect(vehicle.installed()).toEqual([a, b]);
    expect(await vehicle.run(vehicle.ipa.local.memoryReset(["deleteOperationalProfiles"]))).toEqual({ resetResult: "ok" });
    expect(vehicle.installed()).toEqual([]);
  });

  test("without an eIM to be obeyed there is none to be added", async () => {
    const vehicle = consumer();
    const eim = decode(EimConfigurationData, vehicle.eim.configurationData({}));
    await expect(vehicle.run(vehicle.ipa.local.addInitialEim({ eimConfigurationDataList: [eim] }))).rejects.toMatchObject({
      code: "CARD_NOT_SGP32",
    });
  });
});

describe("on an IoT eUICC", () => {
  test("with an eIM profiles are the eIM's; a download and a nickname are not", async () => {
    const vehicle = new Vehicle({ profiles: [factoryProfile(a, true), factoryProfile(b, false)], direct: true });
    const { local } = vehicle.ipa;
    for (const order of [() => local.enable(b), () => local.disable(a), () => local.delete(b)])
      await expect(vehicle.run(order())).rejects.toMatchObject({ code: "CARD_EIM_MANAGED", detail: vehicle.eim.eimId });
    expect(vehicle.apdus.join()).not.toMatch(/BF3[123]/);
    expect(await vehicle.run(local.download({ activationCode: vehicle.offer(c) }))).toMatchObject({ iccid: c });
  });

  test("without one it takes local command until the first is added", async () => {
    const vehicle = new Vehicle({ profiles: [factoryProfile(a, true), factoryProfile(b, false)], euicc: { eims: [] } });
    const { local } = vehicle.ipa;
    expect(await vehicle.run(local.enable(b))).toMatchObject({ outcome: "online" });
    const eim = decode(EimConfigurationData, vehicle.eim.configurationData({ fqdn: "eim.example" }));
    expect(await vehicle.run(local.addInitialEim({ eimConfigurationDataList: [eim] }))).toEqual([vehicle.eim.eimId]);
    await expect(vehicle.run(local.addInitialEim({ eimConfigurationDataList: [eim] }))).rejects.toMatchObject({
      code: "ES10_REFUSED",
      data: { error: "associatedEimAlreadyExists" },
    });
    await expect(vehicle.run(local.enable(a))).rejects.toMatchObject({ code: "CARD_EIM_MANAGED" });
    expect(await vehicle.run(local.memoryReset(["resetEimConfigData"]))).toMatchObject({ resetEimResult: "ok" });
    expect(vehicle.ipa.status().eims).toEqual([]);
  });
});

describe("life ends in the middle", () => {
  test.each(["process", "power"] as const)(
    "of an enable (%s): one profile is enabled, the module has it, nothing is left half done",
    async (how) => {
      for (let at = 1; at < 30; at++) {
        const vehicle = consumer();
        vehicle.coverage.delete(b);
        await vehicle.run(vehicle.ipa.start());
        vehicle.crash = { at: vehicle.saves + at, when: at % 2 === 0 ? "before" : "after" };
        await vehicle.run(vehicle.ipa.local.enable(b).catch(() => undefined));
        const { crashed } = vehicle;
        vehicle.restart(how);
        await vehicle.run(vehicle.ipa.start());
        expect(vehicle.ipa.status().operation, `write ${at}`).toBeUndefined();
        expect(vehicle.enabled(), `write ${at}`).toBe(a);
        expect(vehicle.euicc.iccid, `write ${at}`).toBe(a);
        if (!crashed) return expect(at).toBeGreaterThan(4);
      }
      throw new Error("it never ended");
    },
  );

  test("of a download: it is brought to an end or forgotten, and no code stays in the journal", async () => {
    for (let at = 1; at < 40; at++) {
      const vehicle = consumer();
      await vehicle.run(vehicle.ipa.start());
      vehicle.crash = { at: vehicle.saves + at, when: "after" };
      await vehicle.run(vehicle.ipa.local.download({ activationCode: vehicle.offer(c) }).catch(() => undefined));
      const { crashed } = vehicle;
      vehicle.restart("power");
      await vehicle.run(vehicle.ipa.start());
      await vehicle.poll();
      await vehicle.deliver();
      expect(vehicle.ipa.status().operation, `write ${at}`).toBeUndefined();
      expect(vehicle.euicc.pending().notifications, `write ${at}`).toEqual([]);
      const trigger = encode(ProfileDownloadTriggerRequest, {
        profileDownloadData: { kind: "activationCode", value: "1$dp.example.com$TOKEN-038" },
      });
      expect(JSON.stringify(vehicle.journal)).not.toContain(Buffer.from(trigger).toString("base64"));
      if (!crashed) return expect(at).toBeGreaterThan(6);
    }
    throw new Error("it never ended");
  });
});

describe("the machine of an order", () => {
  const order = profileOrder(a, b);
  const at = (phase: ProfileOrderState["phase"], more: Partial<ProfileOrderState> = {}): ProfileOrderState => ({
    ...order,
    phase,
    ...more,
  });
  const rows: readonly (readonly [string, ProfileOrderState, ProfileOrderInput, string, readonly string[]])[] = [
    ["ordered", order, { kind: "ordered" }, "switching", ["switch"]],
    ["done by the card", order, { kind: "answered", code: "ok", enabledIccid: b }, "adopting", ["tell", "adopt"]],
    ["done, though the answer was lost", order, { kind: "answered", code: "AT_TIMEOUT", enabledIccid: b }, "adopting", ["tell", "adopt"]],
    ["busy", order, { kind: "answered", code: "catBusy", enabledIccid: a }, "switching", ["switch"]],
    ["busy for too long", at("switching", { attempts: 2 }), { kind: "answered", code: "catBusy", enabledIccid: a }, "done", ["finish"]],
    ["refused", order, { kind: "answered", code: "disallowedByPolicy", enabledIccid: a }, "done", ["finish"]],
    ["the card says nothing", order, { kind: "answered", code: "AT_TIMEOUT", enabledIccid: undefined }, "switching", ["switch"]],
    [
      "nothing, again and again",
      at("switching", { attempts: 2 }),
      { kind: "answered", code: "x", enabledIccid: undefined },
      "switching",
      [],
    ],
    ["online", at("adopting"), { kind: "adopted", online: true }, "done", ["finish"]],
    ["offline", at("adopting"), { kind: "adopted", online: false }, "switchingBack", ["switch"]],
    ["offline, and nothing to go back to", at("adopting", { fromIccid: null }), { kind: "adopted", online: false }, "done", ["finish"]],
    ["disabled", at("adopting", { toIccid: null }), { kind: "adopted", online: false }, "done", ["finish"]],
    ["back on the card", at("switchingBack"), { kind: "answered", code: "ok", enabledIccid: a }, "returning", ["tell", "adopt"]],
    ["not back", at("switchingBack"), { kind: "answered", code: "disallowedByPolicy", enabledIccid: b }, "done", ["tell", "finish"]],
    ["back", at("returning"), { kind: "adopted", online: false }, "done", ["finish"]],
    ["resumed before the card had it", order, { kind: "resumed" }, "switching", ["look"]],
    ["resumed when adopting", at("adopting"), { kind: "resumed" }, "adopting", ["adopt"]],
    ["resumed on the way back", at("switchingBack"), { kind: "resumed" }, "switchingBack", ["switch"]],
    ["resumed when returning", at("returning"), { kind: "resumed" }, "returning", ["adopt"]],
    ["resumed at the end", at("done"), { kind: "resumed" }, "done", ["finish"]],
  ];
  test.each(rows)("%s", (_, state, input, phase, effects) => {
    const step = nextProfileOrder(state, input);
    expect(step.state.phase).toBe(phase);
    expect(step.effects.map((effect) => effect.do)).toEqual(effects);
  });
});
