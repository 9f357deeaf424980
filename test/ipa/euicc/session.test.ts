// The ES10 session against transcripts of APDUs: segmentation, GET RESPONSE, every status word that matters, channels that are lost.
import { describe, expect, test } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { SimwardError } from "../../../base/errors.ts";
import {
  getEid,
  getEimConfigurationData,
  getEuiccChallenge,
  loadEuiccPackage,
  profileRollback,
  removeNotificationFromList,
  retrieveNotificationsList,
} from "../../../ipa/euicc/es10.ts";
import type { TerminalCapability } from "../../../ipa/euicc/session.ts";
import { storeDataBlocks } from "../../../ipa/euicc/store-data.ts";
import { isdr, scriptedCard, sessionOn } from "../support/scripted-card.ts";

const eid = "89049032123451234512345678901235";
const eidCommand = "> 80E2910006 BF3E035C015A";
const eidData = `BF3E125A10${eid}`;

async function readEid(transcript: string): Promise<string> {
  const { card, rest } = scriptedCard(transcript);
  const { session } = sessionOn(card);
  const { eidValue } = await session.withEuicc("test", (es10) => es10.call(getEid, { tagList: Uint8Array.of(0x5a) }));
  expect(rest()).toEqual([]);
  return toHexUpper(eidValue);
}

describe("a command and its response", () => {
  // shows: a3.length, a2.data-waits
  test("61xx: the response is fetched with GET RESPONSE of exactly that length", async () => {
    expect(await readEid(`${isdr}\n${eidCommand}\n< 6115\n> 00C0000015\n< ${eidData} 9000\nclose`)).toBe(eid);
  });

  // shows: a3.chain
  test("61xx in a chain: every part is fetched and put together", async () => {
    const [a, b, c] = [eidData.slice(0, 8), eidData.slice(8, 20), eidData.slice(20)];
    const transcript = `${isdr}\n${eidCommand}\n< 6104\n> 00C0000004\n< ${a} 6106\n> 00C0000006\n< ${b} 610B\n> 00C000000B\n< ${c} 9000\nclose`;
    expect(await readEid(transcript)).toBe(eid);
  });

  // shows: a3.length-256
  test("6100 means 256 or more", async () => {
    expect(await readEid(`${isdr}\n${eidCommand}\n< 6100\n> 00C0000000\n< ${eidData} 9000\nclose`)).toBe(eid);
  });

  // shows: a3.6cxx
  test("6Cxx on GET RESPONSE: asked again with the length the card names", async () => {
    expect(await readEid(`${isdr}\n${eidCommand}\n< 61FF\n> 00C00000FF\n< 6C15\n> 00C0000015\n< ${eidData} 9000\nclose`)).toBe(eid);
  });

  // shows: a3.6cxx-store-data
  test("6Cxx on STORE DATA itself: the same block with that length at its end", async () => {
    expect(await readEid(`${isdr}\n${eidCommand}\n< 6C15\n> 80E2910006BF3E035C015A15\n< ${eidData} 9000\nclose`)).toBe(eid);
  });

  // shows: a3.data-with-answer
  test("a module that resolves 61xx itself hands the data over with the answer to STORE DATA", async () => {
    expect(await readEid(`${isdr}\n${eidCommand}\n< ${eidData} 9000\nclose`)).toBe(eid);
  });

  test("data on the STORE DATA answer and more behind 61xx belong together", async () => {
    expect(await readEid(`${isdr}\n${eidCommand}\n< ${eidData.slice(0, 10)} 6110\n> 00C0000010\n< ${eidData.slice(10)} 9000\nclose`)).toBe(
      eid,
    );
  });

  // shows: a4.91xx, a7.package
  test("91xx is success, and says that a REFRESH is pending", async () => {
    const { card, done } = scriptedCard(`${isdr}\n> 80E2910006 BF58038001FF\n< 6106\n> 00C0000006\n< BF5803020100 910B\nclose`);
    const { session } = sessionOn(card);
    const answer = await session.withEuicc("test", async (es10) => ({
      before: es10.refreshPending,
      response: await es10.call(profileRollback, { refreshFlag: true }),
      after: es10.refreshPending,
    }));
    expect(answer).toEqual({ before: false, response: { cmdResult: "ok" }, after: true });
    expect(done()).toBe(true);
  });

  // shows: a3.unbounded
  test("a card that promises data for ever and sends none is given up", async () => {
    const { card } = scriptedCard(`${isdr}\n${eidCommand}\n< 6110${"\n> 00C0000010\n< 6110".repeat(4)}\nclose`);
    const { session } = sessionOn(card);
    const call = session.withEuicc("test", (es10) => es10.call(getEid, { tagList: Uint8Array.of(0x5a) }));
    await expect(call).rejects.toMatchObject({ code: "APDU_MALFORMED" });
  });

  test("an answer shorter than a status word, and an answer of another type, are refused by their own codes", async () => {
    const short = scriptedCard(`${isdr}\n${eidCommand}\n< 90\nclose`);
    await expect(
      sessionOn(short.card).session.withEuicc("t", (e) => e.call(getEid, { tagList: Uint8Array.of(0x5a) })),
    ).rejects.toMatchObject({
      code: "APDU_MALFORMED",
    });
    const other = scriptedCard(`${isdr}\n${eidCommand}\n< BF2000 9000\nclose`);
    await expect(
      sessionOn(other.card).session.withEuicc("t", (e) => e.call(getEid, { tagList: Uint8Array.of(0x5a) })),
    ).rejects.toMatchObject({
      code: "ES10_RESPONSE",
    });
    const empty = scriptedCard(`${isdr}\n${eidCommand}\n< 9000\nclose`);
    await expect(
      sessionOn(empty.card).session.withEuicc("t", (e) => e.call(getEid, { tagList: Uint8Array.of(0x5a) })),
    ).rejects.toMatchObject({
      code: "ES10_RESPONSE",
    });
  });
});

describe("segmentation", () => {
  const command = Uint8Array.from({ length: 600 }, (_, i) => i & 0xff);

  // shows: a2.more-blocks, a2.last-block, a2.block-number
  test("P1 11 for more, 91 for the last, P2 counts from 0, the blocks give the command again", () => {
    const blocks = storeDataBlocks(command, 255);
    expect(blocks.map((block) => toHexUpper(block.subarray(0, 5)))).toEqual(["80E21100FF", "80E21101FF", "80E291025A"]);
    expect(toHexUpper(Buffer.concat(blocks.map((block) => block.subarray(5))))).toBe(toHexUpper(command));
  });

  // shows: a2.block-size
  test("blocks are no larger than the way to the card carries", () => {
    expect(storeDataBlocks(command, 120).map((block) => block.length - 5)).toEqual([120, 120, 120, 120, 120]);
    expect(storeDataBlocks(command, 1_000).map((block) => block.length - 5)).toEqual([255, 255, 90]);
  });

  // shows: a2.block-limit
  test("256 blocks fit, one octet more does not", () => {
    expect(storeDataBlocks(new Uint8Array(256 * 255), 255)).toHaveLength(256);
    expect(storeDataBlocks(new Uint8Array(256 * 255), 255)[255]?.subarray(0, 5)).toEqual(fromHex("80E291FFFF"));
    expect(() => storeDataBlocks(new Uint8Array(256 * 255 + 1), 255)).toThrow(expect.objectContaining({ code: "ES10_TOO_LONG" }));
  });

  // shows: a2.refused-block
  test("a refused block ends the command at once", async () => {
    const { card, done } = scriptedCard(`${isdr}\n> 80E2110003 BF3E03\n< 6A80\nclose`, { blockBytes: 3 });
    const { session } = sessionOn(card);
    const call = session.withEuicc("test", (es10) => es10.call(getEid, { tagList: Uint8Array.of(0x5a) }));
    await expect(call).rejects.toMatchObject({
      code: "APDU_STATUS",
      data: { sw: "6A80" },
      detail: "ES10c.GetEID: STORE DATA block 1 of 2: SW 6A80 (incorrect data)",
    });
    expect(done()).toBe(true);
  });

  // shows: c1.untouched, e4.02-loaded
  test("a package goes to the card octet for octet and its result comes back octet for octet, BER lengths included", async () => {
    // The length of 30 in long form: what a re-encoding would change.
    const sent =
      "BF513B308133800465696D315A108904903212345123451234567890123581012A8204AABBCCDDA010A30E5A0A9800103254769810321405005F37021122";
    const result = "BF5116A11430810C800465696D3181012A0201045F37021122";
    const { card, done } = scriptedCard(`${isdr}\n> 80E291003E ${sent}\n< ${result} 9000\nclose`);
    const { session } = sessionOn(card);
    const raw = await session.withEuicc("test", (es10) => es10.forward(loadEuiccPackage, fromHex(sent)));
    expect(toHexUpper(raw)).toBe(result);
    expect(done()).toBe(true);
  });
});

describe("golden vectors as exchanges", () => {
  // shows: es10b.GetEUICCChallenge, es10b.RetrieveNotificationsList, es10b.RemoveNotificationFromList, es10b.GetEimConfigurationData
  test("GetEUICCChallenge, RetrieveNotificationsList for package results, RemoveNotificationFromList, GetEimConfigurationData", async () => {
    const { card, done } = scriptedCard(`
      ${isdr}
      > 80E2910003 BF2E00
      < BF2E128010000102030405060708090A0B0C0D0E0F 9000
      > 80E2910007 BF2B04A0028200
      < BF2B0AA208BF5105A203800165 9000
      > 80E2910006 BF3003800103
      < BF3003800101 9000
      > 80E2910003 BF5500
      < BF551EA01C301A800465696D318103652E78820102830101840107870207808900 9000
      close`);
    const { session, events } = sessionOn(card);
    const seen = await session.withEuicc("test", async (es10) => [
      await es10.call(getEuiccChallenge, {}),
      await es10.call(retrieveNotificationsList, { searchCriteria: { kind: "euiccPackageResults", value: true } }),
      await es10.call(removeNotificationFromList, { seqNumber: 3 }),
      await es10.call(getEimConfigurationData, {}),
    ]);
    expect(seen).toEqual([
      { euiccChallenge: fromHex("000102030405060708090A0B0C0D0E0F") },
      { kind: "euiccPackageResultList", value: [{ kind: "euiccPackageErrorUnsigned", value: { eimId: "e" } }] },
      { deleteNotificationStatus: "nothingToDelete" },
      {
        eimConfigurationDataList: [
          expect.objectContaining({
            eimId: "eim1",
            eimFqdn: "e.x",
            eimIdType: "eimIdTypeFqdn",
            eimSupportedProtocol: ["eimRetrieveHttps"],
          }),
        ],
      },
    ]);
    expect(done()).toBe(true);
    expect(events.map((event) => (event.kind === "step" ? [event.name, event.sentBytes, event.receivedBytes] : event))).toEqual([
      ["ES10b.GetEUICCChallenge", 3, 21],
      ["ES10b.RetrieveNotificationsList", 7, 13],
      ["ES10b.RemoveNotificationFromList", 6, 6],
      ["ES10b.GetEimConfigurationData", 3, 33],
    ]);
  });
});

describe("a channel that is lost", () => {
  for (const lost of ["< 6881", "< 6985", "< 6999", "< 6E00", "! APDU_CHANNEL_LOST"]) {
    // shows: a4.6881, a4.6985
    test(`${lost}: a function that may be repeated is repeated once on a new channel`, async () => {
      expect(await readEid(`${isdr}\n${eidCommand}\n${lost}\nclose\n${isdr}\n${eidCommand}\n< ${eidData} 9000\nclose`)).toBe(eid);
    });
  }

  test("lost again: given up with a code, not tried for ever", async () => {
    const { card, done } = scriptedCard(`${isdr}\n${eidCommand}\n< 6881\nclose\n${isdr}\n${eidCommand}\n< 6881\nclose`);
    const call = sessionOn(card).session.withEuicc("test", (es10) => es10.call(getEid, { tagList: Uint8Array.of(0x5a) }));
    await expect(call).rejects.toMatchObject({ code: "APDU_CHANNEL_LOST", data: { sw: "6881" } });
    expect(done()).toBe(true);
  });

  for (const lost of ["< 6881", "! APDU_CHANNEL_LOST", "! AT_TIMEOUT"]) {
    test(`${lost}: a package is not sent twice; the next command gets a new channel`, async () => {
      const { card, done } = scriptedCard(`${isdr}\n> 80E2910003 BF5100\n${lost}\nclose\n${isdr}\n${eidCommand}\n< ${eidData} 9000\nclose`);
      const { session } = sessionOn(card);
      await session.withEuicc("test", async (es10) => {
        const code = lost === "! AT_TIMEOUT" ? "AT_TIMEOUT" : "APDU_CHANNEL_LOST";
        await expect(es10.forward(loadEuiccPackage, fromHex("BF5100"))).rejects.toMatchObject({ code });
        await es10.call(getEid, { tagList: Uint8Array.of(0x5a) });
      });
      expect(done()).toBe(true);
    });
  }

  // shows: a4.6a84, a4.6a88, a4.6d00
  test("a function unknown to the card is told apart from a lost channel", async () => {
    for (const [transcript, code] of [
      [`${isdr}\n${eidCommand}\n< 6A88\nclose`, "ES10_UNSUPPORTED"],
      [`${isdr}\n${eidCommand}\n< 6D00\nclose\n${isdr}\n${eidCommand}\n< 6D00\nclose`, "ES10_UNSUPPORTED"],
      [`${isdr}\n${eidCommand}\n< 6A84\nclose`, "APDU_STATUS"],
    ] as const) {
      const { card, done } = scriptedCard(transcript);
      const call = sessionOn(card).session.withEuicc("test", (es10) => es10.call(getEid, { tagList: Uint8Array.of(0x5a) }));
      await expect(call).rejects.toMatchObject({ code });
      expect(done()).toBe(true);
    }
  });
});

describe("TERMINAL CAPABILITY", () => {
  const forms = { 83: "80AA000005A903830107", 84: "80AA000005A903840101", both: "80AA000008A906830107840101" } as const;

  for (const [kind, apdu] of Object.entries(forms)) {
    // shows: a1.terminal-capability, a6.form-83, a6.form-84, a6.form-both
    test(`${kind}: sent once, before the first channel`, async () => {
      const once = `= ${apdu}\n< 9000\n${isdr}\n${eidCommand}\n< ${eidData} 9000\nclose\n${isdr}\n${eidCommand}\n< ${eidData} 9000\nclose`;
      const { card, done } = scriptedCard(once, { basic: true });
      const { session } = sessionOn(card, kind as TerminalCapability);
      for (let i = 0; i < 2; i++) await session.withEuicc("test", (es10) => es10.call(getEid, { tagList: Uint8Array.of(0x5a) }));
      expect(done()).toBe(true);
    });
  }

  // shows: a6.refused
  test("a card or module that refuses it is warned about and used all the same", async () => {
    for (const refusal of ["< 6D00", "! AT_CME_ERROR"]) {
      const { card, done } = scriptedCard(`= ${forms[84]}\n${refusal}\n${isdr}\n${eidCommand}\n< ${eidData} 9000\nclose`, { basic: true });
      const { session, events } = sessionOn(card, "84");
      await session.withEuicc("test", (es10) => es10.call(getEid, { tagList: Uint8Array.of(0x5a) }));
      expect(done()).toBe(true);
      expect(events[0]).toMatchObject({ kind: "warning", where: "TERMINAL CAPABILITY" });
    }
  });

  test("a port that is gone ends it there: told again when the port is back, and nothing is warned about", async () => {
    const { card, done } = scriptedCard(
      `= ${forms[84]}\n! MODEM_ABSENT\n= ${forms[84]}\n< 9000\n${isdr}\n${eidCommand}\n< ${eidData} 9000\nclose`,
      { basic: true },
    );
    const { session, events } = sessionOn(card, "84");
    const read = (): Promise<unknown> => session.withEuicc("test", (es10) => es10.call(getEid, { tagList: Uint8Array.of(0x5a) }));
    await expect(read()).rejects.toMatchObject({ code: "MODEM_ABSENT" });
    await read();
    expect(done()).toBe(true);
    expect(events.filter(({ kind }) => kind === "warning")).toEqual([]);
  });

  // shows: a6.again, a7.channels-gone
  test("told again after a REFRESH was announced, after a lost channel, and when the card was changed", async () => {
    const told = `= ${forms[84]}\n< 9000\n${isdr}`;
    const { card, done } = scriptedCard(
      `${told}\n${eidCommand}\n< ${eidData} 910B\nclose
       ${told}\n${eidCommand}\n< 6881\nclose
       ${told}\n${eidCommand}\n< ${eidData} 9000\nclose
       ${told}\n${eidCommand}\n< ${eidData} 9000\nclose`,
      { basic: true },
    );
    const { session } = sessionOn(card, "84");
    const read = (): Promise<unknown> => session.withEuicc("test", (es10) => es10.call(getEid, { tagList: Uint8Array.of(0x5a) }));
    await read();
    await read();
    session.forgetCard();
    await read();
    expect(done()).toBe(true);
  });
});

describe("one user at a time", () => {
  test("the second waits until the first has given the card back, whatever the first ends with", async () => {
    const { card, done } = scriptedCard(
      `${isdr}\n${eidCommand}\n< ${eidData} 9000\nclose\n${isdr}\n${eidCommand}\n< ${eidData} 9000\nclose`,
    );
    const { session } = sessionOn(card);
    const order: string[] = [];
    const first = session.withEuicc("first", async (es10) => {
      order.push("first begins");
      await es10.call(getEid, { tagList: Uint8Array.of(0x5a) });
      order.push("first ends");
      throw new SimwardError("ABORTED");
    });
    const second = session.withEuicc("second", async (es10) => {
      order.push("second begins");
      await es10.call(getEid, { tagList: Uint8Array.of(0x5a) });
    });
    await expect(first).rejects.toMatchObject({ code: "ABORTED" });
    await second;
    expect(order).toEqual(["first begins", "first ends", "second begins"]);
    expect(done()).toBe(true);
  });

  test("who only waits and is aborted never opens a channel", async () => {
    const { card, done } = scriptedCard(`${isdr}\n${eidCommand}\n< ${eidData} 9000\nclose`);
    const { session } = sessionOn(card);
    const abort = new AbortController();
    let release = (): void => undefined;
    const until = new Promise<void>((resolve) => {
      release = resolve;
    });
    const held = session.withEuicc("held", async (es10) => {
      await es10.call(getEid, { tagList: Uint8Array.of(0x5a) });
      await until;
    });
    const waiting = session.withEuicc("waiting", async () => "never", abort.signal);
    abort.abort(new SimwardError("ABORTED"));
    await expect(waiting).rejects.toMatchObject({ code: "ABORTED" });
    release();
    await held;
    expect(done()).toBe(true);
  });
});
