// Each family on a module that is not of it: what it does not know is refused, and everything still works. So does a new firmware.
import { describe, expect, test } from "vitest";
import { families } from "../../../at-drivers/families/table.ts";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { applicationAid } from "../../hw-sim/modem/stub-card.ts";
import { moduleBench } from "../module-bench.ts";

const storeData = fromHex("80E2910003BF2D00");
const otherProfile = { iccid: "8949020000000000022", imsi: "262990000000002" };

describe.each(families.map(({ id }) => [id]))("%s", (family) => {
  test("comes online, changes the profile and restarts on the plain virtual module", async () => {
    const { modem, card, run } = moduleBench({ modem: { family } });
    await run(modem.ready());
    expect(modem.status).toMatchObject({ family, iccid: "8988211000000000011", sim: "ready" });
    expect(await run(modem.awaitRegistered({ timeoutMs: 60_000 }))).toMatchObject({ status: "roaming", plmn: "26298" });
    expect((await run(modem.signalQuality())).rsrpDbm).toBe(-86);
    await run(modem.ensureContext({ cid: 1, type: "IP", apn: "iot" }, { protocol: "pap", user: "user", password: "secret" }));
    await run(modem.awaitRegistered({ timeoutMs: 60_000 }));
    expect(await run(modem.connect(1))).toMatchObject({ cid: 1, address: expect.stringMatching(/^[\d.]+$/) });

    card.switchTo = otherProfile;
    const channel = await run(modem.apdu.open(applicationAid));
    expect(toHexUpper(await run(channel.transmit(storeData)))).toMatch(/^91/);
    await run(channel.close());
    expect(await run(modem.awaitCard({ iccid: otherProfile.iccid }))).toMatchObject({ iccid: otherProfile.iccid });

    await run(modem.reset());
    expect(modem.status).toMatchObject({ link: "ready", family, iccid: otherProfile.iccid });
    await run(modem.close());
  });
});
