// What the driver finds out, and does of itself, while something is rehearsed: facts and the link are everybody's, and nobody is drawn into the rehearsal.
import { describe, expect, test } from "vitest";
import { inRehearsal, Rehearsal, rehearsal } from "../../base/rehearsal.ts";
import { generic3gpp } from "../../hw-sim/modem/personality.ts";
import { applicationAid } from "../hw-sim/modem/stub-card.ts";
import { type ModuleBench, moduleBench } from "./module-bench.ts";

/** The lines written as part of a rehearsal. */
const drawnIn: string[] = [];
const watched: Parameters<typeof moduleBench>[0] = {
  line: (channel) => ({
    ...channel,
    write: (octets) => {
      if (rehearsal() !== undefined) drawnIn.push(Buffer.from(octets).toString("latin1").trim());
      return channel.write(octets);
    },
  }),
};

async function onAir(options?: Parameters<typeof moduleBench>[0]): Promise<ModuleBench> {
  const bench = moduleBench({ ...watched, ...options });
  await bench.until(({ link, registration }) => link === "ready" && registration.status === "roaming");
  drawnIn.length = 0;
  return bench;
}

describe("a rehearsal under way", () => {
  test("the module is lost, found and initialised in its midst: nothing of that is rehearsed, and who hears of it acts for real", async () => {
    const bench = await onAir();
    const { modem, sent } = bench;
    const scopes: (string | undefined)[] = [];
    modem.onEvent(({ kind }) => {
      scopes.push(rehearsal() === undefined ? undefined : kind);
      if (kind === "back") void modem.setFunction(4);
    });
    const going = new Rehearsal();
    sent.length = 0;
    await inRehearsal(going, async () => {
      bench.unplug();
      await bench.until(({ link }) => link !== "ready");
      await bench.until(({ link }) => link === "ready");
      expect(drawnIn).toEqual([]);
      await bench.clock.advance(60_000);
    });
    expect(scopes.length).toBeGreaterThan(2);
    expect(scopes.filter((kind) => kind !== undefined)).toEqual([]);
    expect(going.commands).toEqual([]);
    expect(sent).toContain("AT+CFUN=4");
    await modem.close();
  });

  test("a reading of it that finds another network tells those who listen, who are not drawn into it", async () => {
    const bench = await onAir();
    const { modem } = bench;
    const heard: unknown[] = [];
    const going = new Rehearsal();
    modem.onEvent(({ kind }) => {
      if (kind !== "registration") return;
      heard.push(rehearsal());
      void modem.setFunction(4);
    });
    const chosen = modem.selectOperator("26299");
    await inRehearsal(going, () => bench.until(({ registration }) => registration.plmn === "26299"));
    await bench.run(chosen);
    expect(drawnIn).toEqual([]);
    expect(heard.length).toBeGreaterThan(0);
    expect(heard.filter((scope) => scope !== undefined)).toEqual([]);
    await bench.clock.advance(10_000);
    expect([going.commands, bench.sent.includes("AT+CFUN=4")]).toEqual([[], true]);
    await modem.close();
  });

  test("it restarts no card whose channels are taken, and does not use up the restart that another may need now", async () => {
    const personality = { ...generic3gpp, ccho: "long-hex" as const, csimForbidden: [...generic3gpp.csimForbidden, 0x70] };
    const bench = await onAir({ module: { personality } });
    const { modem, events } = bench;
    for (let n = 0; n < personality.maxChannels; n++) await bench.module.sim.open(applicationAid);
    const going = new Rehearsal();
    bench.sent.length = 0;
    await expect(inRehearsal(going, () => bench.run(modem.apdu.open(applicationAid)))).rejects.toMatchObject({ code: "ABORTED" });
    expect(bench.sent.filter((line) => line.startsWith("AT+CFUN="))).toEqual([]);
    expect(going.commands.length).toBeGreaterThan(0);
    await bench.run((await bench.run(modem.apdu.open(applicationAid))).close());
    expect(events.filter(({ kind }) => kind === "recovery")).toMatchObject([{ step: "card-restart", outcome: "answered" }]);
    await modem.close();
  });
});
