// The terminal's side of the card: start-up, channels, STORE DATA and GET RESPONSE to the octet, files, PINs, and the switch of profile.
import { describe, expect, it } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { buildProfilePackage, imsiToBytes } from "../../../hw-sim/euicc/pe/builder.ts";
import {
  apdu,
  bench,
  eid,
  iccidBytes,
  iccids,
  imsiOf,
  load,
  metadata,
  psmo,
  psmoPackage,
  recipe,
  restarted,
  terminalOn,
} from "./support.ts";

const isdr = "A0000005591010FFFFFFFF8900000100";
const usim = "A0000000871002";
const eidHex = eid;

describe("start-up", () => {
  // shows: a1.terminal-capability, a1.channel-by-number, a1.select-isdr, a1.close-channel, a2.last-block, a3.length, b2.eid
  it("goes through TERMINAL CAPABILITY, channel 1, SELECT, GetEID and close as the reference says, to the octet", () => {
    const { euicc } = bench();
    euicc.reset();
    const steps: readonly [string, string][] = [
      ["80AA000005A903840101", "9000"],
      ["0070000100", "9000"],
      [`01A4040410${isdr}`, "9000"],
      ["81E2910006BF3E035C015A", "6115"],
      ["01C0000015", `BF3E125A10${eidHex}9000`],
      ["81E2910003BF5600", "61"],
      ["0070800100", "9000"],
      ["81E2910006BF3E035C015A", "6881"],
    ];
    for (const [command, answer] of steps) expect(apdu(euicc, command).startsWith(answer), command).toBe(true);
  });

  // shows: a6.form-83, a6.form-84, a6.form-both
  it.each(["80AA000005A903830107", "80AA000008A906830107840101", "80AA00000AA9088001108100830107"])(
    "takes the terminal capabilities %s",
    (command) => {
      expect(apdu(bench().euicc, command)).toBe("9000");
    },
  );

  it("refuses terminal capabilities that are none", () => {
    for (const command of ["80AA000003A90384", "80AA000003AA0100", "80AA0000"]) expect(apdu(bench().euicc, command)).toBe("6A80");
  });
});

describe("SELECT ISD-R", () => {
  // shows: a1.select-isdr-fci, a5.fci-consumer, a5.fci-iot
  it("gives the FCI with SGP.22's and SGP.32's templates only when it is asked for", () => {
    const { euicc } = bench();
    expect(apdu(euicc, `01A4040010${isdr}`)).toBe("6127");
    const fci = apdu(euicc, "01C0000027");
    expect(fci).toContain("E005820302050");
    expect(fci).toContain("E10480020640");
    expect(apdu(euicc, `01A4040C10${isdr}`)).toBe("9000");
    expect(apdu(euicc, `01A4040410${isdr}`)).toBe("9000");
  });

  // shows: a5.fci-iot
  it("says in the FCI when no profile is enabled, and when it could run its own IPA", () => {
    const { euicc } = bench({ profiles: [], capabilities: { ipae: true } });
    expect(apdu(euicc, `01A4040010${isdr}00`)).toContain("E10480020780");
  });

  // shows: a4.6a82
  it("finds no application that is not there", () => {
    expect(apdu(bench().euicc, "01A4040010A0000005591010FFFFFFFF8900000900")).toBe("6A82");
    expect(apdu(bench().euicc, "01A4040002A000")).toBe("6A82");
  });
});

describe("logical channels", () => {
  // shows: a1.channel-assigned, a1.cla-1-3
  it("are assigned from 1, closed, and assigned again", () => {
    const { euicc } = bench({ capabilities: { channels: 3 } });
    euicc.reset();
    expect(["0070000001", "0070000001", "0070000001", "0070000001"].map((one) => apdu(euicc, one))).toEqual([
      "019000",
      "029000",
      "039000",
      "6A81",
    ]);
    expect(apdu(euicc, "0070800200")).toBe("9000");
    expect(apdu(euicc, "0070800200")).toBe("6881");
    expect(apdu(euicc, "0070000001")).toBe("029000");
  });

  // shows: a1.channel-by-number
  it("can be chosen by number, but not twice and not the basic one", () => {
    const { euicc } = bench();
    euicc.reset();
    expect(apdu(euicc, "0070000300")).toBe("9000");
    expect(apdu(euicc, "0070000300")).toBe("6A86");
    expect(apdu(euicc, "0070800000")).toBe("6A86");
    expect(apdu(euicc, "0370800000")).toBe("9000");
  });

  // shows: a1.cla-4-19
  it("go to 19 for a terminal that says it can, by the further interindustry classes", () => {
    const { euicc } = bench();
    euicc.reset();
    expect(apdu(euicc, "0070000500")).toBe("6881");
    expect(apdu(euicc, "80AA000007A9058100840101")).toBe("9000");
    expect(apdu(euicc, "0070001300")).toBe("9000");
    expect(apdu(euicc, `4FA4040410${isdr}`)).toBe("9000");
    expect(apdu(euicc, "CFE2910006BF3E035C015A")).toBe("6115");
    expect(apdu(euicc, "4FC0000015")).toBe(`BF3E125A10${eidHex}9000`);
    expect(apdu(euicc, "0070001400")).toBe("6881");
  });

  it("keep their applications apart", () => {
    const { euicc } = bench();
    apdu(euicc, "0070000200");
    expect(apdu(euicc, `02A4040C07${usim}`)).toBe("9000");
    expect(apdu(euicc, "02A4000C026F07")).toBe("9000");
    expect(apdu(euicc, "82E2910003BF2000")).toBe("6D00");
    expect(apdu(euicc, "81E2910003BF2000").slice(0, 2)).toBe("61");
    expect(apdu(euicc, "01B0000009")).toBe("6D00");
  });

  // shows: a7.channels-gone
  it("are gone after a reset", () => {
    const { euicc } = bench();
    expect(apdu(euicc, "81E2910006BF3E035C015A")).toBe("6115");
    euicc.reset();
    expect(apdu(euicc, "81E2910006BF3E035C015A")).toBe("6881");
  });
});

describe("command APDUs", () => {
  // shows: a4.6881, a4.6d00
  it.each([
    ["", "6700"],
    ["00A404", "6700"],
    ["01A4040410A000", "6700"],
    ["01A40404001122", "6700"],
    ["A0A40000023F00", "6E00"],
    ["10A40000023F00", "6E00"],
    ["50A40000023F00", "6E00"],
    ["FFA40000023F00", "6E00"],
    [`01A40500${"10"}${isdr}`, "6A86"],
    [`01A404FF10${isdr}`, "6A86"],
    [`01A4040810${isdr}`, "6A86"],
    [`01A4040210${isdr}`, "6A82"],
    ["01A40002023F00", "6A86"],
    ["01A40204023F00", "6A86"],
    ["01A40004013F", "6700"],
    ["0170000001FF", "6700"],
    ["80F2030000", "6A86"],
    ["80F2000200", "6A86"],
    ["0020010108", "6A86"],
    ["04A40000023F00", "6882"],
    ["60A40000023F00", "6882"],
    ["03A40000023F00", "6881"],
    ["0188000000", "6D00"],
    ["8088000000", "6D00"],
    ["01C0010010", "6A86"],
    ["01C0000010", "6985"],
  ])("%s is answered %s", (command, answer) => {
    expect(apdu(bench().euicc, command)).toBe(answer);
  });

  it("never throw, whatever comes", () => {
    const { euicc } = bench();
    for (let cla = 0; cla < 256; cla++)
      for (const ins of [0x00, 0x70, 0xa4, 0xb0, 0xb2, 0xc0, 0xe2, 0xf2, 0xff])
        expect(euicc.process(Uint8Array.of(cla, ins, 0x00, 0x00, 0x01, 0x00)).length).toBeGreaterThanOrEqual(2);
  });
});

describe("STORE DATA", () => {
  const getEid = "BF3E035C015A";

  // shows: a2.more-blocks, a2.block-number-wrong
  it("is put together from its blocks, and a block 0 begins anew", () => {
    const { euicc } = bench();
    expect(apdu(euicc, "81E2110003BF3E03")).toBe("9000");
    expect(apdu(euicc, "81E29101035C015A")).toBe("6115");
    expect(apdu(euicc, "81E2110003BF3E03")).toBe("9000");
    expect(apdu(euicc, `81E2910006${getEid}`)).toBe("6115");
  });

  // shows: a2.block-number-wrong, a4.6a86
  it("wants the block numbers in order", () => {
    const { euicc } = bench();
    expect(apdu(euicc, "81E2110003BF3E03")).toBe("9000");
    expect(apdu(euicc, "81E29102035C015A")).toBe("6A86");
    expect(apdu(euicc, "81E29101035C015A")).toBe("6A86");
    expect(apdu(euicc, "81E2810006BF3E035C015A")).toBe("6A86");
    expect(apdu(euicc, "81E2910000")).toBe("6700");
  });

  // shows: a2.block-limit, a2.block-size
  it("takes 256 blocks of 255 octets", () => {
    const { channel } = bench();
    // Unknown, and yet all of it has to arrive before that can be said.
    expect(channel.send(new Uint8Array(255 * 256).fill(0x5f)).sw).toBe(0x6a88);
  });

  it("answers at once where the command says Le", () => {
    const { euicc } = bench();
    expect(apdu(euicc, `81E2910006${getEid}00`)).toBe(`BF3E125A10${eidHex}9000`);
    expect(apdu(euicc, `81E2910006${getEid}05`)).toBe("BF3E125A106110");
    expect(apdu(euicc, "01C0000010")).toBe(`${eidHex}9000`);
  });

  // shows: a4.6985, a4.6a80, a4.6a88
  it.each([
    ["BF7F00", "6A88"],
    ["BF5200", "6A88"],
    ["8103010203", "6A88"],
    ["BF3E01", "6A80"],
    ["BF3E00", "6A80"],
    ["BF2E0100", "6A80"],
    ["BF5100", "6A80"],
    ["8601FF", "6985"],
    ["BF360100", "6985"],
  ])("of %s is answered %s", (command, answer) => {
    expect(bench().channel.sendHex(command)).toBe(answer);
  });
});

describe("GET RESPONSE", () => {
  // shows: a3.chain
  it("gives the response in chunks of the card's size, whatever that is", () => {
    const { euicc, channel } = bench();
    const whole = channel.sendHex("BF2200");
    for (const size of [1, 7, 100, 255]) {
      euicc.faults.responseChunkBytes = size;
      expect(channel.sendHex("BF2200")).toBe(whole);
    }
  });

  // shows: a3.6cxx
  it("announces the rest, takes less, and corrects a length that is too long with 6Cxx", () => {
    const { euicc } = bench();
    euicc.faults.responseChunkBytes = 8;
    expect(apdu(euicc, "81E2910006BF3E035C015A")).toBe("6108");
    expect(apdu(euicc, "01C0000000")).toBe("6C08");
    expect(apdu(euicc, "01C0000002")).toBe("BF3E6108");
    expect(apdu(euicc, "81C0000008")).toBe(`125A10${eidHex.slice(0, 10)}6108`);
    expect(apdu(euicc, "01C0000008")).toBe(`${eidHex.slice(10, 26)}6103`);
    expect(apdu(euicc, "01C0000003")).toBe(`${eidHex.slice(26)}9000`);
    expect(apdu(euicc, "01C0000001")).toBe("6985");
  });

  it("has nothing more once another command came between", () => {
    const { euicc } = bench();
    apdu(euicc, "81E2910006BF3E035C015A");
    apdu(euicc, "80F2000C00");
    expect(apdu(euicc, "01C0000015").slice(0, 4)).toBe("BF3E");
    apdu(euicc, "81E2910006BF3E035C015A");
    apdu(euicc, `01A4040C10${isdr}`);
    expect(apdu(euicc, "01C0000015")).toBe("6985");
  });
});

describe("the active profile's files", () => {
  it("are read through SELECT and READ BINARY as a module reads them", () => {
    const { euicc } = bench();
    expect(apdu(euicc, "00A4000C022FE2")).toBe("9000");
    expect(apdu(euicc, "00B000000A")).toBe(`${toHexUpper(iccidBytes("a"))}9000`);
    expect(apdu(euicc, `00A4040C07${usim}`)).toBe("9000");
    expect(apdu(euicc, "00A4000C026F07")).toBe("9000");
    expect(apdu(euicc, "00B0000009")).toBe(`${toHexUpper(imsiToBytes(imsiOf("a")))}9000`);
    expect(apdu(euicc, "00B0000000")).toBe("6C09");
    expect(apdu(euicc, "00B0000902")).toBe("6B00");
    expect(apdu(euicc, "00B0000108").slice(-4)).toBe("9000");
    expect(apdu(euicc, "00B0870009")).toBe(`${toHexUpper(imsiToBytes(imsiOf("a")))}9000`);
  });

  it("are found by path, by 7FFF, and by number from the MF; their temporary numbers are not", () => {
    const { euicc } = bench();
    expect(apdu(euicc, `00A4040C07${usim}`)).toBe("9000");
    expect(apdu(euicc, "00A4080C047FFF6F07")).toBe("9000");
    expect(apdu(euicc, "00A4000C023F00")).toBe("9000");
    expect(apdu(euicc, "00A4000C027FFF")).toBe("9000");
    expect(apdu(euicc, "00A4030C00")).toBe("9000");
    expect(apdu(euicc, "00A4000C027FD0")).toBe("6A82");
    expect(apdu(euicc, "00A4080C047FD06F07")).toBe("6A82");
    expect(apdu(euicc, "00A4000C026F07")).toBe("6A82");
  });

  it("tell a terminal's STATUS which application it is in, and let it into child directories alone", () => {
    const { euicc } = bench();
    expect(apdu(euicc, "80F2000100")).toBe("6A88");
    expect(apdu(euicc, `00A4040C07${usim}`)).toBe("9000");
    const name = apdu(euicc, "80F2000100");
    expect(name).toMatch(new RegExp(`^84[0-9A-F]{2}${usim}.*9000$`));
    expect(apdu(euicc, "80F2000000").startsWith("62")).toBe(true);
    // EF.IMSI is no directory.
    expect(apdu(euicc, "00A4010C026F07")).toBe("6A82");
    expect(apdu(euicc, "00A4010C025F3B")).toBe("6A82");
  });

  it("leave the EID to the ECASD, by GET DATA of either class", () => {
    const { euicc } = bench();
    expect(apdu(euicc, "00A4040C10A0000005591010FFFFFFFF8900000200")).toBe("9000");
    for (const cla of ["00", "80"]) expect(apdu(euicc, `${cla}CA005A00`), cla).toBe(`5A10${eidHex}9000`);
  });

  it("say in their FCP what they are", () => {
    const { euicc } = bench();
    expect(apdu(euicc, "00A40004022FE200")).toBe("62178202412183022FE28A01058B032F060B8002000A8801109000");
    expect(apdu(euicc, "00A40004022F0000")).toContain("8205422100260183022F00");
    expect(apdu(euicc, `00A4040407${usim}00`)).toContain("8410A0000000871002FF33FF018900000100");
    expect(apdu(euicc, "80F2000000")).toContain("83027FFF");
    expect(apdu(euicc, "80F2000C00")).toBe("9000");
    expect(apdu(euicc, "80F2000F00")).toBe("6A86");
  });

  it("give their records by number, in turn, and with the right length only", () => {
    const { euicc } = bench();
    apdu(euicc, "00A4000C022F06");
    const first = apdu(euicc, "00B2010428");
    expect(first.startsWith("8001019000")).toBe(true);
    expect(apdu(euicc, "00B2010400")).toBe("6C28");
    expect(apdu(euicc, "00B2000228")).toBe(first);
    expect(apdu(euicc, "00B2000228")).not.toBe(first);
    expect(apdu(euicc, "00B2000328")).toBe(first);
    expect(apdu(euicc, "00B2FF0428")).toBe("6A83");
    expect(apdu(euicc, "00B201F426").startsWith("61184F10")).toBe(true);
    expect(apdu(euicc, "00B0000001")).toBe("6981");
    expect(apdu(euicc, "00B2010028")).toBe("6A86");
  });

  it("may be updated where the access rules let the terminal, and stay updated", () => {
    const { euicc, snapshots } = bench();
    apdu(euicc, `00A4040C07${usim}`);
    apdu(euicc, "00A4000C026F7B");
    expect(apdu(euicc, "00D600000362F220")).toBe("9000");
    expect(apdu(euicc, "00B0000003")).toBe("62F2209000");
    expect(apdu(euicc, "00D6000B0411223344")).toBe("6700");
    apdu(euicc, "00A4000C026F07");
    expect(apdu(euicc, "00D6000001FF")).toBe("6982");
    const again = restarted(snapshots.at(-1) ?? new Uint8Array(0));
    expect(toHexUpper(again.euicc.readFile("7FFF/6F7B")?.slice(0, 3) ?? new Uint8Array(0))).toBe("62F220");
  });

  it("open to the administrator's key, which has so many attempts that survive a power cut", () => {
    const { euicc, snapshots } = bench();
    apdu(euicc, `00A4040C07${usim}`);
    apdu(euicc, "00A4000C026F07");
    expect(apdu(euicc, "0020000A")).toBe("63CA");
    expect(apdu(euicc, "0020000A080000000000000000")).toBe("63C9");
    const again = restarted(snapshots.at(-1) ?? new Uint8Array(0)).euicc;
    expect(apdu(again, "0020000A")).toBe("63C9");
    expect(apdu(again, "0020000A083838383838383838")).toBe("9000");
    apdu(again, `00A4040C07${usim}`);
    apdu(again, "00A4000C026F07");
    expect(apdu(again, "00D6000001FF")).toBe("9000");
    again.reset();
    apdu(again, `00A4040C07${usim}`);
    apdu(again, "00A4000C026F07");
    expect(apdu(again, "00D600000108")).toBe("6982");
    expect(apdu(again, "00200055")).toBe("6A88");
  });

  it("are closed behind a PIN that is enabled, until it is verified; three wrong ones block it, the PUK opens it again", () => {
    const pin1 = { pin: "1234", puk: "12345678", enabled: true };
    const { euicc } = bench({ profiles: [{ upp: buildProfilePackage(recipe("a", { pin1 })), metadata: metadata("a"), enabled: true }] });
    const readImsi = (): string => {
      apdu(euicc, `00A4040C07${usim}`);
      apdu(euicc, "00A4000C026F07");
      return apdu(euicc, "00B0000009").slice(-4);
    };
    const pin = (digits: string): string => `${Buffer.from(digits).toString("hex")}${"FF".repeat(8 - digits.length)}`;
    expect(readImsi()).toBe("6982");
    expect(apdu(euicc, "00A4000C022FE2")).toBe("6A82");
    expect(apdu(euicc, `0020000108${pin("1234")}`)).toBe("9000");
    expect(readImsi()).toBe("9000");
    for (const answer of ["63C2", "63C1", "6983", "6983"]) expect(apdu(euicc, `0020000108${pin("9999")}`)).toBe(answer);
    expect(readImsi()).toBe("6982");
    expect(apdu(euicc, `002C000110${pin("00000000")}${pin("4321")}`)).toBe("63C9");
    expect(apdu(euicc, `002C000110${pin("12345678")}${pin("4321")}`)).toBe("9000");
    expect(readImsi()).toBe("9000");
    expect(apdu(euicc, `0024000110${pin("4321")}${pin("1111")}`)).toBe("9000");
    expect(apdu(euicc, `0026000108${pin("1111")}`)).toBe("9000");
    euicc.reset();
    expect(readImsi()).toBe("9000");
    expect(apdu(euicc, `0028000108${pin("1111")}`)).toBe("9000");
    euicc.reset();
    expect(readImsi()).toBe("6982");
  });

  it("are none without an enabled profile, and the card still answers", () => {
    const { euicc } = bench({ profiles: [] });
    expect(euicc.iccid).toBeUndefined();
    expect(euicc.imsi).toBeUndefined();
    expect(euicc.readFile("2FE2")).toBeUndefined();
    expect(apdu(euicc, "00A4000C023F00")).toBe("9000");
    expect(apdu(euicc, "00A4000C022FE2")).toBe("6A82");
    expect(apdu(euicc, "00200001")).toBe("6A88");
  });
});

describe("a switch of profile", () => {
  const refresh = "D009810301010482028182";

  // shows: a7.package, a7.fetch, a4.91xx
  it("is announced by 91xx behind the last octet, fetched on the basic channel, and seen after the reset", () => {
    const { euicc, channel } = bench();
    const qualifiers: number[] = [];
    euicc.onRefresh((qualifier) => qualifiers.push(qualifier));
    expect([euicc.iccid, euicc.imsi]).toEqual([iccids.a, imsiOf("a")]);
    const { sw } = channel.send(psmoPackage([psmo.enable("b")]));
    expect(sw).toBe(0x910b);
    expect(qualifiers).toEqual([4]);
    expect(euicc.iccid).toBe(iccids.a);
    expect(apdu(euicc, "811200000B")).toBe("6985");
    expect(apdu(euicc, "8012000000")).toBe("6C0B");
    expect(apdu(euicc, "801200000B")).toBe(`${refresh}9000`);
    expect(apdu(euicc, "801200000B")).toBe("6985");
    euicc.reset();
    expect([euicc.iccid, euicc.imsi]).toEqual([iccids.b, imsiOf("b")]);
    expect(toHexUpper(euicc.readFile("2FE2") ?? fromHex(""))).toBe(toHexUpper(iccidBytes("b")));
  });

  // shows: a7.fetch
  it("is announced again with every answer until it is fetched", () => {
    const { euicc, channel } = bench();
    channel.send(psmoPackage([psmo.enable("b")]));
    expect(apdu(euicc, "80F2000C00")).toBe("910B");
    apdu(euicc, "801200000B");
    expect(apdu(euicc, "80F2000C00")).toBe("9000");
  });

  // shows: a7.fetch
  it("is seen without a reset when the terminal says that it carried the REFRESH out", () => {
    const { euicc, channel } = bench({ faults: { refreshQualifier: 0x03 } });
    channel.send(psmoPackage([psmo.enable("b")]));
    expect(apdu(euicc, "801200000B")).toContain("D009810301010382028182");
    expect(apdu(euicc, "801400000C810302010382028281830100")).toBe("6A80");
    expect(apdu(euicc, "801400000C810301010382028281830100")).toBe("9000");
    expect(euicc.iccid).toBe(iccids.b);
    expect(terminalOn(euicc, 1).send(fromHex("BF2000")).sw).toBe(0x6881);
  });

  // shows: a7.terminal-busy
  it("is announced once more when the terminal is busy", () => {
    const { euicc, channel } = bench({ faults: { refreshQualifier: 0x03 } });
    channel.send(psmoPackage([psmo.enable("b")]));
    apdu(euicc, "801200000B");
    expect(apdu(euicc, "801400000C810301010382028281830120")).toBe("910B");
    expect(euicc.iccid).toBe(iccids.a);
  });

  it("comes without a word on cards that know no REFRESH, and is seen after the reset", () => {
    const { euicc, channel } = bench({ faults: { refreshQualifier: "none" } });
    expect(channel.send(psmoPackage([psmo.enable("b")])).sw).toBe(0x9000);
    expect(euicc.iccid).toBe(iccids.a);
    euicc.reset();
    expect(euicc.iccid).toBe(iccids.b);
  });

  it("tells nobody who has gone", () => {
    const { euicc, channel } = bench();
    let told = 0;
    const stop = euicc.onRefresh(() => void told++);
    stop();
    load(channel, psmoPackage([psmo.enable("b")]));
    expect(told).toBe(0);
  });
});
