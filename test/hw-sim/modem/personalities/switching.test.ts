// A change of profile on every make that has a way to its card: by +CCHO and +CGLA, or by +CSIM on a channel of the host's own.
import { describe, expect, it } from "vitest";
import { withQuirks } from "../../../../hw-sim/modem/personalities/quirks.ts";
import { personalities } from "../../../../hw-sim/modem/personalities/table.ts";
import { createVehicle } from "../../../../hw-sim/vehicle.ts";
import { known, type Make, online } from "./bench.ts";

const next = { iccid: "8949299000000000026", imsi: "262990000000001" };
const isdr = "A0000005591010FFFFFFFF8900000100";

/** The switch itself is any STORE DATA to the stub card. */
async function enable({ host, personality }: Make): Promise<void> {
  if (!personality.without.includes("+CCHO")) {
    expect(await host.command(`AT+CCHO="${isdr}"`)).toContain("+CCHO: 1");
    expect(await host.command('AT+CGLA=1,10,"80E2910000"')).toMatch(/"91[0-9A-F]{2}"/);
    return;
  }
  expect(await host.command('AT+CSIM=10,"0070000001"')).toContain('"019000"');
  expect(await host.command(`AT+CSIM=42,"01A4040010${isdr}"`)).toContain('"9000"');
  expect(await host.command('AT+CSIM=10,"81E2910000"')).toMatch(/"91[0-9A-F]{2}"/);
}

// BG96 knows +CRSM only.
const reachable = Object.keys(personalities).filter((id) => id !== "quectel-bg96");

describe("a change of profile", () => {
  it.each(reachable)("%s: the card is away, busy, back; then ICCID, IMSI and operator are the new ones", async (id) => {
    const make = await online(id);
    const { host, modem, card, clock, personality } = make;
    const [iccidCommand = ""] = Object.keys(personality.iccidCommands);
    card.switchTo = next;
    await enable(make);
    host.text = "";
    await host.until(() => modem.sim.state === "starting");
    const busy = new Set<string>();
    while (modem.sim.state === "starting") {
      busy.add(/ERROR: (\d+)/.exec(await host.command("AT+CPIN?"))?.[1] ?? "");
      await clock.advance(100);
    }
    expect([...busy]).toEqual([...new Set(personality.timings.simBusy.map(({ cme }) => String(cme)))]);
    // A channel from before is nobody's now.
    if (!personality.without.includes("+CGLA")) expect(await host.command('AT+CGLA=1,10,"80E2910000"')).toContain("+CME ERROR: 21");
    await host.until(() => modem.sim.iccid === next.iccid);
    expect((await host.lines(`AT${iccidCommand}`)).join()).toContain(next.iccid);
    expect(await host.lines("AT+CIMI")).toEqual([next.imsi]);
    await host.until(() => modem.registration.state.cell?.plmn === "26299");
  });

  it("leaves BG96 without a way, but its card can be read", async () => {
    const { host } = await online("quectel-bg96");
    for (const command of [`AT+CCHO="${isdr}"`, 'AT+CSIM=10,"0070000001"']) expect(await host.command(command)).toBe("\r\nERROR\r\n");
    expect(await host.command("AT+CRSM=176,12258,0,0,10")).toContain("+CRSM: 144,0,");
  });
});

describe("the EID that a module asks its card for by itself", () => {
  it.each([
    ["simcom-sim7080", "AT+CEID", "+CEID: "],
    ["quectel-ec200", 'AT+QESIM="eid"', '+QESIM: "eid","'],
  ])("%s: %s", async (id, command, prefix) => {
    const vehicle = await createVehicle({
      personality: withQuirks(known(id), id === "simcom-sim7080" ? [] : ["own-lpa"]),
      timings: { bootMs: 0, simBusy: [], searchMs: 1 },
    });
    try {
      const { modem } = vehicle;
      let text = "";
      const waiting: (() => void)[] = [];
      const port = modem.openPort({
        write: (bytes) => {
          text += Buffer.from(bytes).toString("latin1");
          for (const wake of waiting.splice(0)) wake();
        },
        hangUp: () => {},
      });
      const seen = async (wanted: RegExp): Promise<void> => {
        while (!wanted.test(text)) await new Promise<void>((resolve) => waiting.push(resolve));
      };
      for (;;) {
        text = "";
        port.receive(Buffer.from(`${command}\r`));
        await seen(/OK\r\n|ERROR/);
        if (text.includes("OK\r\n")) break;
        // The card of a module that has just been switched on is still busy.
        await seen(/\+CPIN: READY/);
      }
      expect(text).toContain(`${prefix}${vehicle.euicc.eid}`);
    } finally {
      await vehicle.close();
    }
  });

  it("is none where the card is no eUICC", async () => {
    const { host, card } = await online("simcom-sim7080");
    card.response = Uint8Array.of(0x6a);
    expect(await host.command("AT+CEID")).toContain("+CME ERROR: 22");
  });
});
