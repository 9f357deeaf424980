// The driver on every make the virtual module can be, which was written from the same sources by other hands: it knows it by what it answers,
// comes online, reaches the card, changes the profile and restarts.
import { describe, expect, test } from "vitest";
import { generic3gpp } from "../../../at-drivers/families/generic-3gpp.ts";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { personalities } from "../../../hw-sim/modem/personalities/table.ts";
import { applicationAid } from "../../hw-sim/modem/stub-card.ts";
import { moduleBench } from "../module-bench.ts";

const storeData = fromHex("80E2910003BF2D00");
const otherProfile = { iccid: "8949020000000000022", imsi: "262990000000002" };

/** BG96's manual has neither +CCHO nor +CSIM: a module that is no host for an eUICC says so. */
const noAccess: readonly string[] = ["quectel-bg96"];
/** nRF91's modem core has no command for a restart, and which its application has is not known: the refusal is told. */
const noRestart: readonly string[] = ["nordic-nrf91"];

describe.each(Object.entries(personalities))("%s", (id, personality) => {
  test("is known, comes online, changes the profile and restarts", async () => {
    const { modem, card, run } = moduleBench({ module: { personality } });
    await run(modem.ready());
    expect(modem.status).toMatchObject({ iccid: "8988211000000000011", sim: "ready", identity: { model: personality.model } });
    if (id !== "generic") expect(modem.status.family).not.toBe(generic3gpp.id);
    expect((await run(modem.awaitRegistered({ timeoutMs: 300_000 }))).plmn).toMatch(/^\d{5,6}$/);

    const cid = personality.contexts.defaultCid;
    await run(modem.ensureContext({ cid, type: "IP", apn: "iot" }, { protocol: "pap", user: "user", password: "secret" }));
    await run(modem.awaitRegistered({ timeoutMs: 300_000 }));
    expect(await run(modem.connect(cid))).toMatchObject({ cid, address: expect.stringMatching(/^[\d.]+$/) });

    if (noAccess.includes(id)) {
      await expect(run(modem.apdu.open(applicationAid))).rejects.toMatchObject({ code: "APDU_ACCESS" });
    } else {
      card.switchTo = otherProfile;
      const channel = await run(modem.apdu.open(applicationAid));
      expect(toHexUpper(await run(channel.transmit(storeData)))).toMatch(/^91/);
      await run(channel.close());
      expect(await run(modem.awaitCard({ iccid: otherProfile.iccid }))).toMatchObject({ iccid: otherProfile.iccid });
    }

    const { iccid } = modem.status;
    if (noRestart.includes(id)) await expect(run(modem.reset())).rejects.toMatchObject({ code: "AT_ERROR" });
    else await run(modem.reset());
    expect(modem.status).toMatchObject({ link: "ready", iccid });
    await run(modem.close());
  });
});
