// Whatever a host sends: every make answers every command, in every form, with any arguments, to the end, and within its limits.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { silentLog } from "../../../../base/log.ts";
import { personalities } from "../../../../hw-sim/modem/personalities/table.ts";
import { type Make, online } from "./bench.ts";

const ids = Object.keys(personalities);
const final = /\r\n(OK|ERROR|NO CARRIER|BUSY|CONNECT|ABORTED|NORMAL POWER DOWN|\+CME ERROR: [^\r]*)\r\n/;

const word = fc.oneof(
  fc.integer({ min: -1, max: 300 }).map(String),
  fc.constantFrom("", "0", "1", "2", "3", "4", "15", "255", "176", "12258", "115200", "999999999"),
  fc.constantFrom(
    '"IP"',
    '"internet"',
    '"band"',
    '"nwscanmode"',
    '"servingcell"',
    '"urcport"',
    '"List"',
    '"lpa_enable"',
    '"CAT-M"',
    '"USBNETMODE"',
  ),
  fc.constantFrom(
    '"A0000005591010FFFFFFFF8900000100"',
    '"80E2910006BF3E035C015A"',
    '"0070000001"',
    '"00100001"',
    '"0101"',
    '"26298"',
    '"SC"',
    "*99#",
  ),
  fc.string({ maxLength: 12 }).map((text) => text.replace(/[^\x20-\x7e]/g, "")),
);
const form = fc.oneof(
  fc.constantFrom("", "?", "=?"),
  fc.array(word, { minLength: 1, maxLength: 6 }).map((words) => `=${words.join(",")}`),
);

/** Until it has answered, or has gone down by what it was told; then up again, and out of data. */
async function settled({ host, modem, clock }: Make, command: string): Promise<string> {
  host.text = "";
  host.send(`AT${command}\r`);
  await host.until(() => final.test(host.text) || !modem.running);
  const said = host.text;
  if (said.includes("CONNECT")) {
    await clock.advance(1_000);
    host.send("+++");
    await clock.advance(1_000);
    expect(host.text.slice(said.length)).toContain("OK");
  }
  // What follows an answer: a reset, a farewell.
  await clock.advance(3_000);
  if (!modem.running) modem.powerOn();
  await host.until(() => modem.running);
  return said;
}

/** The port answers for a handler that throws what it should not; its log tells. */
async function watched(id: string): Promise<{ readonly make: Make; readonly failures: readonly unknown[] }> {
  const failures: unknown[] = [];
  const make = await online(id, { log: { ...silentLog, error: (text, fields) => failures.push(text, fields) } });
  return { make, failures };
}

describe("any command in any form gets a final result code, and fails in no unforeseen way", () => {
  it.each(ids)("%s", async (id) => {
    const { make, failures } = await watched(id);
    // ATQ1 takes the codes away; D and the SIM's own waiting are in the dialogues.
    const names = [...make.modem.commands.keys()].filter((name) => name !== "Q" && name !== "V");
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), form, async (name, tail) => {
        await settled(make, `${name}${tail}`);
        expect(failures, `${name}${tail}`).toEqual([]);
      }),
      { seed: 20_261_122, numRuns: 400 },
    );
    expect(await settled(make, "")).toMatch(/OK\r\n$/);
  });

  it.each(ids)("%s: every command there is, in every form", async (id) => {
    const { make, failures } = await watched(id);
    for (const name of make.modem.commands.keys()) {
      if (name === "Q" || name === "V") continue;
      for (const tail of ["", "?", "=?", "=", "=1", "=0", '="x"', "=1,1,1,1,1,1,1"]) {
        // SIMCom's way of going down at once says nothing.
        const silent = name === "+CPOWD" && tail === "=0";
        expect((await settled(make, `${name}${tail}`)) !== "" || silent, `${name}${tail}`).toBe(true);
        expect(failures, `${name}${tail}`).toEqual([]);
      }
    }
  });
});

describe("limits", () => {
  it.each(ids)("%s: a line that is too long is refused whole, one that just fits is read", async (id) => {
    const { host, personality } = await online(id);
    const fitting = personality.maxLineChars;
    const line = (chars: number): string => `AT+CSCS="${"I".repeat(chars - 'AT+CSCS=""'.length)}"`;
    expect(line(fitting)).toHaveLength(fitting);
    expect(await host.command(line(fitting))).toBe("\r\n+CME ERROR: 4\r\n");
    expect(await host.command(line(fitting + 1))).toBe("\r\nERROR\r\n");
  });

  it("on SIM7080 the line ends after 559 characters behind AT, and after 39 commands", async () => {
    const { host } = await online("simcom-sim7080");
    const hex = (octets: number): string => "00".repeat(octets);
    // 13 characters around the 520 of an APDU of 260 octets.
    expect(`+CSIM=520,"${hex(260)}"`.length).toBeLessThan(559);
    expect(await host.command(`AT+CSIM=520,"${hex(260)}"`)).toContain("+CSIM: 4,");
    expect(await host.command(`AT+CSIM=560,"${hex(280)}"`)).toBe("\r\nERROR\r\n");
    expect(await host.command(`AT${Array(39).fill("+CMEE=1").join(";")}`)).toBe("\r\nOK\r\n");
    expect(await host.command(`AT${Array(40).fill("+CMEE=1").join(";")}`)).toBe("\r\nERROR\r\n");
  });

  it("of APDUs and of channels are told by errors, and nothing is left behind", async () => {
    const { host } = await online("quectel-eg25", { quirks: ["apdu-125", "channels-1"] });
    const open = 'AT+CCHO="A0000005591010FFFFFFFF8900000100"';
    expect(await host.command(open)).toContain("+CCHO: 1");
    expect(await host.command(open)).toBe("\r\n+CME ERROR: 3\r\n");
    expect(await host.command(`AT+CGLA=1,250,"80E29100${"00".repeat(121)}"`)).toContain("+CGLA: 4,");
    expect(await host.command(`AT+CGLA=1,252,"80E29100${"00".repeat(122)}"`)).toBe("\r\n+CME ERROR: 50\r\n");
    await host.command("AT+CCHC=1");
    expect(await host.command(open)).toContain("+CCHO: 1");
  });
});
