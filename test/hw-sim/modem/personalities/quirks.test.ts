// Each quirk does what its line of the table says, on whatever make; and the switches of the module's ports.
import { describe, expect, it } from "vitest";
import { fromHex } from "../../../../base/bytes.ts";
import { type QuirkName, quirkNames, withQuirks } from "../../../../hw-sim/modem/personalities/quirks.ts";
import { generic3gpp } from "../../../../hw-sim/modem/personality.ts";
import { defaultWorld } from "../../../../hw-sim/network/data.ts";
import { booted, type Make, online } from "./bench.ts";

const open = 'AT+CCHO="A0000005591010FFFFFFFF8900000100"';
const storeData = 'AT+CGLA=1,22,"80E2910006BF3E035C015A"';

/** What a host sees of each quirk; a make on which it can be seen. */
const seen: Readonly<Record<QuirkName, { readonly on?: string; readonly check: (make: Make) => Promise<void> }>> = {
  "lf-only": { check: async ({ host }) => expect(await raw(host, "AT+CGMM")).toBe("VM-1\nOK\n") },
  "no-leading-crlf": { check: async ({ host }) => expect(await raw(host, "AT+CGMM")).toBe("VM-1\r\nOK\r\n") },
  "double-cr": { check: async ({ host }) => expect(await raw(host, "AT+CGMM")).toBe("\r\nVM-1\r\r\n\r\nOK\r\r\n") },
  "echo-stuck": { check: async ({ host }) => expect(await raw(host, "AT+CGMM")).toBe("AT+CGMM\r\r\nVM-1\r\n\r\nOK\r\n") },
  "no-echo": {
    check: async ({ modem, host }) => {
      modem.reset();
      await host.until(() => modem.running);
      expect(await raw(host, "AT")).toBe("\r\nOK\r\n");
    },
  },
  "cme-words": {
    check: async ({ host }) => {
      await host.command("AT+CMEE=0");
      expect(await host.command("AT+CFUN=9")).toBe("\r\n+CME ERROR: operation not supported\r\n");
    },
  },
  "boot-noise": {
    check: async ({ modem, host }) => {
      host.text = "";
      modem.reset();
      await host.shows("RDY");
      expect(host.text.startsWith("\x00\xff\xfe")).toBe(true);
    },
  },
  "boot-silent": {
    check: async ({ modem, host, clock }) => {
      host.text = "";
      modem.reset();
      await host.until(() => modem.running);
      await clock.advance(30_000);
      expect(host.text).toBe("");
    },
  },
  "baud-after-reset": {
    check: async ({ modem, host }) => {
      modem.reset();
      await host.until(() => modem.running);
      expect(await host.command("AT+IPR?")).toContain("+IPR: 9600");
    },
  },
  "ccho-bare": { check: async ({ host }) => expect(await host.command(open)).toBe("\r\n1\r\n\r\nOK\r\n") },
  "ccho-handle": { check: async ({ host }) => expect(await host.command(open)).toMatch(/\+CCHO: [0-9a-f]{16}\r/) },
  "ccho-cme-13": { check: async ({ host }) => expect(await host.command('AT+CCHO="A000000559"')).toContain("+CME ERROR: 13") },
  "ccho-cme-100": { check: async ({ host }) => expect(await host.command('AT+CCHO="A000000559"')).toContain("+CME ERROR: 100") },
  "cchc-line": {
    check: async ({ host }) => {
      await host.command(open);
      expect(await host.command("AT+CCHC=1")).toBe("\r\n+CCHC\r\n\r\nOK\r\n");
    },
  },
  "cchc-ok": { check: async ({ host }) => expect(await host.command("AT+CCHC=3")).toBe("\r\nOK\r\n") },
  "apdu-test-error": {
    check: async ({ host }) => {
      expect(await host.command("AT+CCHO=?")).toBe("\r\nERROR\r\n");
      expect(await host.command(open)).toContain("+CCHO: 1");
    },
  },
  "apdu-test-silent": {
    check: async ({ host, clock }) => {
      host.text = "";
      host.send("AT+CGLA=?\r");
      await clock.advance(60_000);
      expect(host.text).toBe("");
      expect(await host.command(open)).toContain("+CCHO: 1");
    },
  },
  "no-logical-channels": { check: async ({ host }) => expect(await host.command(open)).toBe("\r\nERROR\r\n") },
  "csim-all": { check: async ({ host }) => expect(await host.command('AT+CSIM=10,"8010000000"')).toContain("+CSIM: 4,") },
  "get-response-module": {
    check: async ({ host, card }) => {
      card.response = fromHex("BF3E125A1089049032123451234512345678901235");
      await host.command(open);
      expect(await host.command(storeData)).toContain("+CGLA: 46,");
    },
  },
  "get-response-host": {
    check: async ({ host, card }) => {
      card.response = fromHex("BF3E125A1089049032123451234512345678901235");
      await host.command(open);
      expect(await host.command(storeData)).toContain('+CGLA: 4,"6115"');
    },
  },
  "apdu-125": {
    check: async ({ host }) => {
      await host.command(open);
      expect(await host.command(`AT+CGLA=1,252,"80E29100${"00".repeat(122)}"`)).toContain("+CME ERROR: 50");
    },
  },
  "apdu-260": {
    check: async ({ host }) => {
      await host.command(open);
      expect(await host.command(`AT+CGLA=1,522,"80E29100${"00".repeat(257)}"`)).toContain("+CME ERROR: 50");
    },
  },
  "line-559": { check: async ({ host }) => expect(await host.command(`AT+CSCS="${"I".repeat(560)}"`)).toBe("\r\nERROR\r\n") },
  "channels-1": {
    check: async ({ host }) => {
      await host.command(open);
      expect(await host.command(open)).toContain("+CME ERROR: 20");
    },
  },
  "refresh-ignored": {
    check: async ({ host, card, clock }) => {
      card.switchTo = { iccid: "8949299000000000026", imsi: "262990000000001" };
      await host.command(open);
      await host.command(storeData);
      await clock.advance(60_000);
      expect(await host.lines("AT+CIMI")).toEqual(["901980000000001"]);
    },
  },
  "own-lpa": {
    on: "quectel-eg25",
    check: async ({ host, modem }) => {
      expect(await host.command(open)).toContain("+CME ERROR: 13");
      expect(await host.command('AT+CSIM=42,"00A4040010A0000005591010FFFFFFFF8900000100"')).toContain('"6A82"');
      expect(await host.lines('AT+QESIM="lpa_enable"')).toEqual(['+QESIM: "lpa_enable",1']);
      await host.command('AT+QESIM="lpa_enable",0');
      expect(await host.command(open)).toContain("+CME ERROR: 13");
      modem.reset();
      await host.until(() => modem.running);
      await host.until(() => modem.sim.state === "ready");
      expect(await host.command(open)).toContain("+CCHO: 1");
    },
  },
  "sim-busy-long": {
    check: async ({ host, modem, clock }) => {
      modem.reset();
      await host.until(() => modem.running);
      await host.command("ATE0+CMEE=1");
      const codes: string[] = [];
      for (let seconds = 0; seconds < 30; seconds += 5) {
        codes.push(/ERROR: (\d+)|READY/.exec(await host.command("AT+CPIN?"))?.[1] ?? "ready");
        await clock.advance(5_000);
      }
      expect(codes).toEqual(["13", "13", "14", "14", "14", "14"]);
      expect(await host.command("AT+CPIN?")).toContain("READY");
    },
  },
  "late-iccid": {
    check: async ({ host, card, modem, clock }) => {
      card.switchTo = { iccid: "8949299000000000026", imsi: "262990000000001" };
      await host.command(open);
      await host.command(storeData);
      await host.until(() => modem.sim.state === "starting");
      await host.until(() => modem.sim.state === "ready");
      expect(await host.lines("AT+CCID")).toEqual(["+CCID: 8988211000000000011"]);
      await clock.advance(10_000);
      expect(await host.lines("AT+CCID")).toEqual(["+CCID: 8949299000000000026"]);
    },
  },
  "slow-apdu": {
    check: async ({ host, clock }) => {
      await host.command(open);
      const before = clock.monotonicMs();
      expect(await host.command(storeData)).toContain("+CGLA: 4,");
      expect(clock.monotonicMs() - before).toBe(240_000);
    },
  },
  "slow-scan": { check: async (make) => expect(await taking(make, "AT+COPS=?")).toBe(300_000) },
  "slow-radio": { check: async (make) => expect(await taking(make, "AT+CFUN=4")).toBe(15_000) },
  "act-8": { on: "simcom-sim7080", check: async ({ host }) => expect(await host.lines("AT+COPS?")).toEqual(['+COPS: 0,0,"Nordfunk",8']) },
  "act-7": { on: "quectel-bg95", check: async ({ host }) => expect(await host.lines("AT+COPS?")).toEqual(['+COPS: 0,0,"Nordfunk",7']) },
  "act-minus-1": {
    on: "ublox-sara-r5",
    check: async ({ host }) => expect(await host.lines("AT+COPS?")).toEqual(['+COPS: 0,0,"Nordfunk",-1']),
  },
  "creg-no-act": { check: async ({ host }) => expect(await cereg(host, 2)).toBe('+CEREG: 2,5,"42A1","01B2C301"') },
  "creg-rac": { check: async ({ host }) => expect(await cereg(host, 2)).toBe('+CEREG: 2,5,"42A1","00","01B2C301",7') },
  "creg-rac-end": { check: async ({ host }) => expect(await cereg(host, 2)).toBe('+CEREG: 2,5,"42A1","01B2C301",7,"00"') },
  "creg-lower-case": { check: async ({ host }) => expect(await cereg(host, 2)).toBe('+CEREG: 2,5,"42a1","01b2c301",7') },
  "cgev-regional": {
    check: async ({ host, world, clock }) => {
      host.text = "";
      world.setCoverage({}, false);
      await clock.advance(1_000);
      expect(host.text).toContain('+CGEV: REJECT "IP","0.0.0.0"\r\n');
      expect(host.text).toContain("+CGEV: NW CLASS CC\r\n");
    },
  },
  "cops-0-error": {
    check: async ({ host, modem }) => {
      await host.command("AT+COPS=2");
      expect(await host.command("AT+COPS=0")).toContain("\r\nERROR\r\n");
      await host.until(() => modem.registration.state.cell !== undefined);
    },
  },
  "scan-fails-first": {
    check: async ({ host }) => {
      expect(await host.command("AT+COPS=?")).toBe("\r\nERROR\r\n");
      expect(await host.command("AT+COPS=?")).toContain("Nordfunk");
    },
  },
  "scan-broken-lines": { check: async ({ host }) => expect(await host.command("AT+COPS=?")).toContain('"26298",7),\r\n(1,"Rheinfunk"') },
  abortable: {
    check: async ({ host, clock }) => {
      host.text = "";
      host.send("AT+COPS=?\r");
      await clock.advance(5_000);
      host.send("A");
      await host.shows("ABORTED");
      expect(await host.command("AT")).toBe("\r\nOK\r\n");
    },
  },
  "cgdcont-fails-first": {
    check: async ({ host, modem }) => {
      expect(await host.command('AT+CGDCONT=1,"IP","internet"')).toBe("\r\nERROR\r\n");
      expect(modem.packet.context(1)?.apn).toBe("");
      expect(await host.command('AT+CGDCONT=1,"IP","internet"')).toBe("\r\nOK\r\n");
    },
  },
  "contexts-forgotten": { on: "quectel-eg25", check: async (make) => expect(await apnAfterReset(make)).toBe("") },
  "last-pdn-151": { check: async ({ host }) => expect(await host.command("AT+CGACT=0,1")).toContain("+CME ERROR: 151") },
  "auth-password-first": {
    check: async ({ host, modem }) => {
      await host.command('AT+CGAUTH=1,1,"secret","me"');
      expect(modem.packet.credentials(1)).toEqual({ protocol: 1, user: "me", password: "secret" });
    },
  },
  "short-cgcontrdp": { check: async ({ host }) => expect(await host.lines("AT+CGCONTRDP=1")).toEqual(['+CGCONTRDP: 1,5,"bootstrap.iot"']) },
};

/** Ends of line as they are. */
async function raw(host: Make["host"], command: string): Promise<string> {
  host.text = "";
  host.send(`${command}\r`);
  await host.until(() => /OK[\r\n]+$/.test(host.text));
  return host.text;
}

async function taking({ host, clock }: Make, command: string): Promise<number> {
  const before = clock.monotonicMs();
  await host.command(command);
  return clock.monotonicMs() - before;
}

async function cereg(host: Make["host"], n: number): Promise<string | undefined> {
  await host.command(`AT+CEREG=${n}`);
  return (await host.lines("AT+CEREG?"))[0];
}

async function apnAfterReset({ host, modem }: Make): Promise<string | undefined> {
  await host.command('AT+CGDCONT=1,"IP","internet"');
  modem.reset();
  await host.until(() => modem.running);
  return modem.packet.context(1)?.apn;
}

/** As `online`, for ports whose lines do not end as others do. */
async function quirky(id: string, quirk: QuirkName): Promise<Make> {
  const framing = quirk === "lf-only" || quirk === "no-leading-crlf" || quirk === "double-cr" || quirk === "echo-stuck";
  if (!framing) return online(id, { quirks: [quirk] });
  const make = await booted(id, { quirks: [quirk] });
  await raw(make.host, "ATE0");
  return make;
}

describe("a quirk", () => {
  it.each(quirkNames)("%s", async (name) => {
    const { on = "generic", check } = seen[name];
    await check(await quirky(on, name));
  });

  it("is refused by name when it is none, and changes nothing of the personality it is put on", () => {
    expect(() => withQuirks(generic3gpp, ["rust"])).toThrow(
      expect.objectContaining({ code: "SIM_OPTION", detail: expect.stringContaining("lf-only") }),
    );
    const before = JSON.stringify(generic3gpp);
    for (const name of quirkNames) withQuirks(generic3gpp, [name]);
    expect(JSON.stringify(generic3gpp)).toBe(before);
  });
});

describe("without a quirk", () => {
  it("contexts outlive a reset of makes that keep them", async () => {
    expect(await apnAfterReset(await online("quectel-eg25"))).toBe("internet");
    expect(await apnAfterReset(await online("nordic-nrf91"))).toBeUndefined();
  });
});

describe("an APN that asks for credentials", () => {
  const data = {
    ...defaultWorld,
    subscriptions: defaultWorld.subscriptions.map((row) =>
      row.imsiPrefix === "90198" ? { ...row, credentials: { user: "me", password: "secret" } } : row,
    ),
  };
  it.each([
    ["quectel-eg25", 'AT+QICSGP=1,1,"iot","me","secret",1', 'AT+QICSGP=1,1,"iot","me","wrong",1'],
    ["quectel-bg95", 'AT+CGAUTH=1,1,"me","secret"', 'AT+CGAUTH=1,1,"secret","me"'],
    ["simcom-sim7080", 'AT+CGAUTH=1,1,"secret","me"', 'AT+CGAUTH=1,1,"me","secret"'],
    ["simcom-a76xx", 'AT+CGAUTH=1,1,"secret","me"', 'AT+CGAUTH=1,1,"me","secret"'],
    ["ublox-sara-r5", 'AT+UAUTHREQ=1,1,"me","secret"', 'AT+UAUTHREQ=1,1,"secret","me"'],
    ["telit-le910", 'AT#PDPAUTH=1,1,"me","secret"', 'AT#PDPAUTH=1,1,"secret","me"'],
  ])("%s: %s attaches, %s does not (ESM cause 29)", async (id, right, wrong) => {
    const { host, modem, clock } = await booted(id, { data });
    await host.command("ATE0+CMEE=1");
    expect(await host.command(wrong)).toContain("OK");
    await host.until(() => modem.packet.lastEsmCause !== undefined);
    expect(modem.packet.lastEsmCause).toBe(29);
    expect(modem.registration.state.cell).toBeUndefined();
    expect(await host.command(right)).toContain("OK");
    await clock.advance(15_000);
    expect(modem.packet.attached).toBe(true);
  });
});
