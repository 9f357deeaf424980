// TERMINAL CAPABILITY announces an IPAd only where the eUICC's own IPA is not at work: asked before it is told, and no more than needed.
import { expect, test } from "vitest";
import { VirtualClock } from "../../../base/clock.ts";
import { getEid } from "../../../ipa/euicc/es10.ts";
import { createEuiccSession } from "../../../ipa/euicc/session.ts";
import type { ApduAccess } from "../../../ipa/ports.ts";

const eidAnswer = Buffer.from("BF3E125A10890490321234512345123456789012359000", "hex");

function session(answers: boolean[]) {
  const said: string[] = [];
  const card: ApduAccess = {
    maxCommandDataBytes: 255,
    open: async () => ({ transmit: async () => new Uint8Array(eidAnswer), close: async () => undefined }),
    transmitBasic: async (apdu) => {
      said.push(Buffer.from(apdu).toString("hex").toUpperCase());
      return Uint8Array.of(0x90, 0x00);
    },
  };
  const made = createEuiccSession({
    card,
    clock: new VirtualClock(),
    events: { emit: () => undefined },
    terminalCapability: "84",
    mayAnnounce: async () => {
      said.push("may I?");
      return answers.shift() ?? true;
    },
  });
  const use = (): Promise<unknown> => made.withEuicc("test", (es10) => es10.call(getEid, { tagList: Uint8Array.of(0x5a) }));
  return { made, use, said };
}

const announcement = "80AA000005A903840101";

test("an active IPAe is asked about each time, and never told of an IPAd; once it is gone it is", async () => {
  const { use, said } = session([false, false, true]);
  for (let uses = 0; uses < 3; uses++) await use();
  expect(said).toEqual(["may I?", "may I?", "may I?", announcement]);
});

test("after a reset of the same card the announcement is repeated without asking; another card is asked about", async () => {
  const { made, use, said } = session([]);
  await use();
  await use();
  made.forgetCard();
  await use();
  expect(said).toEqual(["may I?", announcement, announcement]);
  made.forgetCard(true);
  await use();
  expect(said.slice(3)).toEqual(["may I?", announcement]);
});
