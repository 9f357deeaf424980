// The SIM side of the module: logical channels, status words, and what happens when the card switches its profile.
import { describe, expect, it } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { generic3gpp } from "../../../hw-sim/modem/personality.ts";
import { readyBench } from "./bench.ts";
import { applicationAid } from "./stub-card.ts";

const openCommand = `AT+CCHO="${toHexUpper(applicationAid)}"`;
const storeData = "80E2910006BF3E035C015A";
const ok = "\r\n\r\nOK\r\n";

describe("a logical channel", () => {
  it("is opened with its application, carries APDUs, and is closed", async () => {
    const { host, card } = await readyBench();
    card.response = fromHex("BF3E125A10");
    expect(await host.command(openCommand)).toBe(`\r\n+CCHO: 1${ok}`);
    expect(await host.command(`AT+CGLA=1,${storeData.length},"${storeData}"`)).toBe(`\r\n+CGLA: 4,"6105"${ok}`);
    expect(await host.command('AT+CGLA=1,10,"00C0000005"')).toBe(`\r\n+CGLA: 14,"BF3E125A109000"${ok}`);
    expect(await host.command("AT+CCHC=1")).toBe("\r\nOK\r\n");
    expect(await host.command('AT+CGLA=1,10,"00C0000005"')).toBe("\r\n+CME ERROR: 21\r\n");
    expect(await host.command("AT+CCHC=1")).toBe("\r\n+CME ERROR: 21\r\n");
  });

  it("gets its own number into CLA, whatever the host wrote there", async () => {
    const { host, card } = await readyBench();
    await host.command(openCommand);
    await host.command(openCommand);
    card.seen.length = 0;
    for (const cla of ["80", "81", "82", "83", "00"]) await host.command(`AT+CGLA=2,10,"${cla}E2910000"`);
    expect(card.seen.map((apdu) => apdu[0])).toEqual([0x82, 0x82, 0x82, 0x82, 0x02]);
  });

  it("is refused for an application the card has not, leaving no channel behind", async () => {
    const { host } = await readyBench();
    for (let i = 0; i < 5; i++) expect(await host.command('AT+CCHO="A0000005591010FFFFFFFF8900000200"')).toBe("\r\n+CME ERROR: 22\r\n");
    expect(await host.command(openCommand)).toContain("+CCHO: 1");
  });

  it("is one of three: the fourth is refused until one is closed", async () => {
    const { host } = await readyBench();
    for (const session of ["1", "2", "3"]) expect(await host.command(openCommand)).toContain(`+CCHO: ${session}\r`);
    expect(await host.command(openCommand)).toBe("\r\n+CME ERROR: 20\r\n");
    await host.command("AT+CCHC=2");
    expect(await host.command(openCommand)).toContain("+CCHO: 2\r");
  });

  it("has a session id that is not for the host to read", async () => {
    const { host } = await readyBench({ personality: { ...generic3gpp, ccho: "long-hex", cchcLine: true } });
    const id = /\+CCHO: ([0-9a-f]{16})\r/.exec(await host.command(openCommand))?.[1];
    expect(await host.command(`AT+CGLA=${id},10,"80E2910000"`)).toContain("9000");
    expect(await host.command('AT+CGLA=1,10,"80E2910000"')).toBe("\r\n+CME ERROR: 21\r\n");
    expect(await host.command(`AT+CCHC=${id}`)).toBe(`\r\n+CCHC${ok}`);
    const bare = await readyBench({ personality: { ...generic3gpp, ccho: "bare" } });
    expect(await bare.host.command(openCommand)).toBe(`\r\n1${ok}`);
  });

  it("refuses an APDU whose length is not the one told", async () => {
    const { host, card } = await readyBench();
    await host.command(openCommand);
    card.seen.length = 0;
    for (const args of ['12,"80E2910000"', '10,"80E291000"', '6,"80E291"', '10,"80E29100ZZ"', "10"])
      expect(await host.command(`AT+CGLA=1,${args}`)).toBe("\r\n+CME ERROR: 50\r\n");
    expect(card.seen).toEqual([]);
  });
});

describe("a long response", () => {
  const long = Uint8Array.from({ length: 700 }, (_, i) => i & 0xff);

  async function readAll(personality: typeof generic3gpp): Promise<{ hex: string; commands: number }> {
    const { host, card } = await readyBench({ personality });
    card.response = long;
    await host.command(openCommand);
    let hex = "";
    let next = storeData;
    for (let commands = 1; ; commands++) {
      const data = /\+CGLA: \d+,"([0-9A-F]*)"/.exec(await host.command(`AT+CGLA=1,${next.length},"${next}"`))?.[1] ?? "";
      hex += data.slice(0, -4);
      if (data.slice(-4, -2) !== "61") return { hex: hex + data.slice(-4), commands };
      next = `00C00000${data.slice(-2)}`;
    }
  }

  it("is the host's to fetch, in pieces as large as card and module make them", async () => {
    expect(await readAll(generic3gpp)).toEqual({ hex: `${toHexUpper(long)}9000`, commands: 4 });
    expect(await readAll({ ...generic3gpp, responseChunkBytes: 100 })).toEqual({ hex: `${toHexUpper(long)}9000`, commands: 9 });
  });

  it("comes whole where the module fetches it", async () => {
    expect(await readAll({ ...generic3gpp, getResponse: "module" })).toEqual({ hex: `${toHexUpper(long)}9000`, commands: 1 });
  });
});

describe("AT+CSIM", () => {
  it("leaves channels to the host and keeps the toolkit for the module", async () => {
    const { host, card } = await readyBench();
    card.response = fromHex("0102");
    expect(await host.command('AT+CSIM=10,"0070000001"')).toBe(`\r\n+CSIM: 6,"019000"${ok}`);
    expect(await host.command(`AT+CSIM=42,"01A4040010${toHexUpper(applicationAid)}"`)).toBe(`\r\n+CSIM: 4,"9000"${ok}`);
    expect(await host.command(`AT+CSIM=${storeData.length},"81${storeData.slice(2)}"`)).toBe(`\r\n+CSIM: 4,"6102"${ok}`);
    expect(await host.command('AT+CSIM=10,"01C0000002"')).toBe(`\r\n+CSIM: 8,"01029000"${ok}`);
    expect(await host.command('AT+CSIM=10,"8012000010"')).toBe("\r\n+CME ERROR: 3\r\n");
    expect(await host.command('AT+CSIM=10,"0070800100"')).toBe(`\r\n+CSIM: 4,"9000"${ok}`);
  });
});

describe("a switch of profile", () => {
  const local = { iccid: "8949990000000000027", imsi: "262990000000007" };

  it("makes the SIM busy, loses the channels, shows the new ICCID late, and registers with the new IMSI", async () => {
    const { host, card, modem, clock } = await readyBench();
    await host.command("AT+CGEREP=2;+CREG=0");
    await host.command(openCommand);
    card.switchTo = local;
    card.response = fromHex("80010000");
    await host.command(`AT+CGLA=1,${storeData.length},"${storeData}"`);
    expect(await host.command('AT+CGLA=1,10,"00C0000004"')).toContain('"80010000910B"');

    host.text = "";
    await host.shows("+CPIN: NOT READY");
    expect(modem.bearer.up).toBe(false);
    expect(host.text).toContain("+CGEV: ME DETACH");
    expect(host.text).toContain("+CEREG: 0\r");
    const answers = new Set<string>();
    for (; modem.sim.state !== "ready"; await clock.advance(100)) {
      answers.add((await host.command("AT+CPIN?")).trim());
      answers.add((await host.command("AT+CIMI")).trim());
      answers.add((await host.command('AT+CGLA=1,10,"00C0000004"')).trim());
    }
    expect([...answers]).toEqual(["+CME ERROR: 13", "+CME ERROR: 14"]);

    expect(await host.lines("AT+CIMI")).toEqual([local.imsi]);
    expect(await host.lines("AT+CCID")).toEqual(["+CCID: 8988211000000000011"]);
    expect(await host.command('AT+CGLA=1,10,"00C0000004"')).toBe("\r\n+CME ERROR: 21\r\n");
    await host.shows('+CEREG: 1,"51C0"');
    await clock.advance(2_000);
    expect(await host.lines("AT+CCID")).toEqual([`+CCID: ${local.iccid}`]);
    expect(await host.lines("AT+COPS?")).toEqual(['+COPS: 0,0,"Rheinfunk",7']);
    expect(modem.bearer.up).toBe(true);
  });

  it("waits for a CFUN cycle with modules that leave the REFRESH alone", async () => {
    const { host, card, modem, clock } = await readyBench({ personality: { ...generic3gpp, refresh: "ignored" } });
    await host.command(openCommand);
    card.switchTo = local;
    expect(await host.command(`AT+CGLA=1,${storeData.length},"${storeData}"`)).toContain('"910B"');
    await clock.advance(60_000);
    expect(await host.lines("AT+CCID")).toEqual(["+CCID: 8988211000000000011"]);
    expect(await host.command("AT+CFUN=0")).toContain("\r\nOK\r\n");
    expect(await host.command("AT+CPIN?")).toBe("\r\n+CME ERROR: 13\r\n");
    await host.command("AT+CFUN=1");
    await host.shows("+CPIN: READY");
    expect(await host.lines("AT+CCID")).toEqual([`+CCID: ${local.iccid}`]);
    await host.shows('+CEREG: 1,"51C0"');
    expect(modem.functionLevel).toBe(1);
  });

  it("to no profile at all leaves the eUICC in reach, and nothing else", async () => {
    const { host, card, modem } = await readyBench();
    card.iccid = undefined;
    card.imsi = undefined;
    await host.command("AT+CFUN=0");
    await host.command("AT+CFUN=1");
    await host.until(() => modem.sim.state === "empty");
    expect(await host.command("AT+CIMI")).toBe("\r\n+CME ERROR: 13\r\n");
    expect(await host.command("AT+CCID")).toBe("\r\n+CME ERROR: 13\r\n");
    expect(await host.lines("AT+CEREG?")).toEqual(["+CEREG: 2,0"]);
    expect(await host.command(openCommand)).toContain("+CCHO: 1");
  });
});
