// After a change of profile on the virtual module: which steps a family has, how long each is given, and what is told at the end.
import { describe, expect, test } from "vitest";
import { familyNamed } from "../../at-drivers/families/table.ts";
import { refreshLadder } from "../../at-drivers/refresh.ts";
import { fromHex, toHexUpper } from "../../base/bytes.ts";
import { line } from "../../hw-sim/modem/commands/command.ts";
import { generic3gpp } from "../../hw-sim/modem/personality.ts";
import { applicationAid } from "../hw-sim/modem/stub-card.ts";
import { type ModuleBench, type ModuleBenchOptions, moduleBench } from "./module-bench.ts";

const storeData = fromHex("80E2910003BF2D00");
const otherProfile = { iccid: "8949020000000000022", imsi: "262990000000002" };
const ignoring = { module: { personality: { ...generic3gpp, refresh: "ignored" as const } } };

async function onlineBench(options: ModuleBenchOptions = {}): Promise<ModuleBench> {
  const bench = moduleBench(options);
  await bench.run(bench.modem.ready());
  await bench.run(bench.modem.awaitRegistered({ timeoutMs: 60_000 }));
  return bench;
}

/** Enables another profile: the card says so with 91xx, and is switched at its next reset. */
async function switchProfile({ card, modem, run }: ModuleBench): Promise<void> {
  card.switchTo = otherProfile;
  const channel = await run(modem.apdu.open(applicationAid));
  expect(toHexUpper(await run(channel.transmit(storeData)))).toMatch(/^91/);
  await run(channel.close());
}

describe("what a family's ladder comes to", () => {
  test.each<[string, readonly string[]]>([
    ["generic-3gpp", ["wait", "flight-cycle", "cfun-cycle", "cfun-reset"]],
    ["telit-me", ["wait", "flight-cycle", "cfun-cycle", "cfun-reset", "reset"]],
    ["nordic-nrf91", ["wait", "sim-power", "flight-cycle", "cfun-cycle", "cfun-reset", "reset"]],
  ])("%s: %j", (id, steps) => {
    const ladder = refreshLadder(familyNamed(id).quirks);
    // Families may come to know how to switch the card's power; the order stays.
    expect(ladder.filter((step) => steps.includes(step))).toEqual(steps);
  });

  test("nothing that its modules cannot do", () => {
    const { quirks } = familyNamed("generic-3gpp");
    expect(refreshLadder({ ...quirks, simPower: undefined })).not.toContain("sim-power");
    expect(refreshLadder(quirks)).not.toContain("reset");
  });
});

test("a switch of which the card announces nothing is not waited for as long as its REFRESH is", async () => {
  const took = async (announce: boolean): Promise<number> => {
    const bench = await onlineBench(ignoring);
    if (announce) await switchProfile(bench);
    else bench.card.switchTo = otherProfile;
    const { taken } = await bench.run(bench.modem.awaitCard({ iccid: otherProfile.iccid }));
    expect(taken.map(({ step }) => step)).toEqual(["wait", "flight-cycle", "cfun-cycle"]);
    return taken[0]?.tookMs ?? 0;
  };
  expect(await took(false)).toBeLessThan(8_000);
  expect(await took(true)).toBeGreaterThanOrEqual(15_000);
});

test("what was announced for one switch does not count for the next", async () => {
  const bench = await onlineBench(ignoring);
  await switchProfile(bench);
  await bench.run(bench.modem.awaitCard({ iccid: otherProfile.iccid }));
  bench.card.switchTo = { iccid: "8949020000000000033", imsi: "262990000000003" };
  const { taken } = await bench.run(bench.modem.awaitCard({ iccid: "8949020000000000033" }));
  expect(taken[0]?.tookMs).toBeLessThan(8_000);
});

test.each([10, 13, 14])("+CME ERROR: %i while the card is read anew is waited out, for longer than the step's own time", async (cme) => {
  const bench = await onlineBench({ module: { timings: { simBusy: [{ ms: 12_000, cme }], lateIccidMs: 0 } } });
  await switchProfile(bench);
  expect(await bench.run(bench.modem.awaitCard({ iccid: otherProfile.iccid, settleMs: 3_000 }))).toMatchObject({ steps: ["wait"] });
  expect(await bench.run(bench.modem.imsi())).toBe(otherProfile.imsi);
});

test("the operator's configuration that the module runs with is told, where its family has one", async () => {
  const row = {
    name: "+QMBNCFG",
    set: ({ args }: { readonly args: readonly (string | undefined)[] }) =>
      args[0]?.includes("AutoSel") === true
        ? line('+QMBNCFG: "AutoSel",0')
        : line('+QMBNCFG: "List",0,1,1,"ROW_Generic_3GPP",0x05010824,201905061'),
  };
  const bench = await onlineBench({ module: { personality: { ...generic3gpp, commands: [row] } }, modem: { family: "quectel-ec2x" } });
  await switchProfile(bench);
  const { iccid } = otherProfile;
  const change = await bench.run(bench.modem.awaitCard({ iccid }));
  expect(change).toMatchObject({ operatorProfile: { name: "ROW_Generic_3GPP", automatic: false } });
  // Without a change there is nothing to ask.
  expect(await bench.run(bench.modem.awaitCard({ iccid }))).toMatchObject({ steps: [], operatorProfile: undefined });
});

test("a module that does not tell its operator's configuration is none the worse", async () => {
  const bench = await onlineBench({ modem: { family: "quectel-ec2x" } });
  await switchProfile(bench);
  expect(await bench.run(bench.modem.awaitCard({ iccid: otherProfile.iccid }))).toMatchObject({ operatorProfile: undefined });
});
