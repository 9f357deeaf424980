// The daemon with cards that are not IoT eUICCs in its module: it lives with each, keeps the path up, and does what there is to do.
import { expect } from "vitest";
import { decode } from "../../ipa/asn1/schema.ts";
import { EimConfigurationData } from "../../ipa/messages/eim-config.ts";
import { bootstrap, fleet, scenario } from "../support/e2e.ts";

const engineer = { role: "engineer", peer: undefined } as const;
const admin = { role: "admin", peer: undefined } as const;

scenario("a consumer eUICC: a profile is downloaded and enabled under local command, its notifications go out by themselves", {
  cardRole: "sgp22",
  direct: true,
  async run({ agent, vehicle, audit, enabled, until, status }) {
    const activationCode = vehicle.smdp.activationCode(fleet.matchingId);
    const { iccid } = await agent.local.downloadProfile(engineer, { activationCode });
    expect(iccid).toBe(fleet.iccid);
    expect(await agent.local.enableProfile(engineer, { target: "8949" })).toMatchObject({ iccid, outcome: "online" });
    expect(enabled()).toBe(iccid);
    expect(await status()).toMatchObject({ card: { class: "sgp22" }, network: { apn: "fleet.rheinfunk" }, alarms: [] });
    await until(
      () => vehicle.euicc.pending().notifications,
      (waiting) => waiting.length === 0,
    );
    expect(await audit.events("profile.", "download.finished")).toEqual([
      "profile.downloadAsked",
      "download.finished",
      "profile.enableAsked",
      "profile.enabled",
      "profile.online",
    ]);
    await expect(agent.pollEim(undefined)).rejects.toMatchObject({ code: "EIM_NOT_CONFIGURED" });
  },
});

scenario("a consumer eUICC under an eIM: its first eIM comes by an admin, its package is carried out, its result is taken unsigned", {
  cardRole: "sgp22",
  direct: true,
  config: "[eim]\non_consumer_euicc = true\n",
  async run({ agent, vehicle, audit, enabled, order, poll }) {
    const { eim } = vehicle;
    await eim.applyFaults({ takesUnsigned: true });
    const configuration = Buffer.from(eim.configurationData({ indirectProfileDownload: false, associationToken: -1 })).toString("hex");
    await agent.local.addInitialEim(admin, { configuration, reason: "commissioning" });
    eim.setEuicc({ eid: vehicle.euicc.eid, associationToken: 1 });
    await agent.local.downloadProfile(engineer, { activationCode: vehicle.smdp.activationCode(fleet.matchingId) });
    const enabling = order({ kind: "euiccPackage", psmos: [{ enable: { iccid: fleet.iccid, rollback: true } }] });
    expect(await poll()).toEqual({ packages: 1, code: undefined });
    expect(enabling()).toMatchObject({ state: "done", results: [{ verified: false }] });
    expect(enabled()).toBe(fleet.iccid);
    expect(await audit.data("package.unsigned")).toMatchObject({ eimId: eim.eimId, counterValue: "1" });
    expect(await audit.data("eim.addInitialAsked")).toMatchObject({ role: "admin", reason: "commissioning", eimIds: eim.eimId });
    expect(decode(EimConfigurationData, Buffer.from(configuration, "hex")).eimId).toBe(eim.eimId);
  },
});

scenario("an M2M eUICC: its SM-SR changes the profile over the air, and that is noticed and audited", {
  cardRole: "sgp02",
  installed: [fleet],
  async run({ agent, audit, status, fault, until, enabled, online }) {
    expect((await status()).card).toMatchObject({ class: "sgp02" });
    await until(
      () => audit.events("card."),
      (events) => events.includes("card.toolkitChecked"),
    );
    await fault({ vehicle: { "ota-enable": fleet.iccid } });
    await until(
      () => audit.events("profile."),
      (events) => events.includes("profile.changedByCard"),
    );
    expect(enabled()).toBe(fleet.iccid);
    expect(await audit.data("profile.changedByCard")).toEqual({ cardClass: "sgp02", fromIccid: bootstrap.iccid, toIccid: fleet.iccid });
    await online();
    expect(await status()).toMatchObject({ alarms: [], eims: [] });
    await expect(agent.profiles()).rejects.toMatchObject({ code: "CARD_NOT_SGP32" });
  },
});

scenario("a plain UICC: the path is kept up, nothing is asked of an eIM", {
  cardRole: "uicc",
  async run({ agent, status, esipa }) {
    expect(await status()).toMatchObject({ card: { class: "uicc" }, network: { address: expect.any(String) }, alarms: [] });
    await expect(agent.pollEim(undefined)).rejects.toMatchObject({ code: "CARD_NOT_EUICC" });
    expect(esipa()).toEqual([]);
  },
});

scenario("an IoT eUICC with its own assistant: simward stays passive and says so", {
  cardRole: "ipae",
  async run({ agent, vehicle, status, esipa, audit }) {
    expect(await status()).toMatchObject({ card: { class: "sgp32-ipae", ipaMode: "ipae" }, alarms: [] });
    await expect(agent.pollEim(undefined)).rejects.toMatchObject({ code: "CARD_IPAE_ACTIVE" });
    expect(esipa()).toEqual([]);
    expect(await audit.data("card.classified")).toMatchObject({ cardClass: "sgp32-ipae", acts: "none" });
    expect(vehicle.euicc.profiles()).toHaveLength(1);
  },
});
