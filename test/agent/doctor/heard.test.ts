// What speaks on a port that is no module's: told by its octets, and said to nobody where they tell nothing.
import { describe, expect, test } from "vitest";
import { heardOn } from "../../../agent/doctor/heard.ts";
import { isRealMend } from "../../support/mends.ts";

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "latin1"));

describe("a port where no module answers AT", () => {
  test.each([
    ["the GNSS port", bytes("$GPGGA,092750.000,5321.6802,N,00630.3372,W,1,8,1.03,61.7,M,55.2,M,,*76\r\n"), /GNSS/],
    ["the GNSS port, heard from the middle of a line", bytes("55.2,M,,*76\r\n$GNRMC,092750.000,A"), /GNSS/],
    ["a data call", Uint8Array.from(Buffer.from("7eff7d23c0217d217d217d207d347d22", "hex")), /PPP/],
    ["a wrong rate", Uint8Array.from(Buffer.from("00f8e01c80fc00e0f81c000078", "hex")), /another line rate/],
    ["a module that refuses everything", bytes("\r\nERROR\r\n\r\nERROR\r\n\r\nERROR\r\n"), /ERROR to everything/],
  ])("%s", (_what, octets, words) => {
    const heard = heardOn(octets);
    expect(heard?.words).toMatch(words);
    expect(isRealMend(heard?.mend ?? "")).toBe(true);
  });

  test.each([
    ["nothing", new Uint8Array()],
    ["a module that starts", bytes("\r\nRDY\r\n\r\n+CFUN: 1\r\n")],
    ["one refusal among answers", bytes("\r\nERROR\r\n\r\nOK\r\n\r\nERROR\r\n\r\nERROR\r\n")],
  ])("says nothing of %s", (_what, octets) => {
    expect(heardOn(octets)).toBeUndefined();
  });
});
