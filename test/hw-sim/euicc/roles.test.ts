// Each role of the built-in card as a terminal meets it: what it says it is, what it does, and what it leaves undone.
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { concatBytes, fromHex, toHexUpper } from "../../../base/bytes.ts";
import { isCode } from "../../../base/errors.ts";
import { buildProfilePackage } from "../../../hw-sim/euicc/pe/builder.ts";
import { type CardRoleName, cardRoleNames } from "../../../hw-sim/euicc/roles.ts";
import type { EuiccOptions } from "../../../hw-sim/euicc/types.ts";
import { decode } from "../../../ipa/asn1/schema.ts";
import { EUICCInfo2, GetEuiccInfo2Request } from "../../../ipa/messages/euicc-info.ts";
import { ProfileInstallationResult } from "../../../ipa/messages/notifications.ts";
import { authenticate, bind, loadSegments, prepared, segmentsOf } from "./small-smdp.ts";
import { apdu, type Bench, bench, eid, factoryProfile, iccids, load, metadata, psmo, psmoPackage, recipe, resultsOf } from "./support.ts";

const isdrAid = "A0000005591010FFFFFFFF8900000100";
const ecasdAid = "A0000005591010FFFFFFFF8900000200";
const cardOf = (role: CardRoleName, options: Partial<EuiccOptions> = {}): Bench =>
  bench({ role, ...(role === "sgp32" || role === "ipae" ? {} : { eims: [] }), ...options });
const enabled = ({ euicc }: Bench): string | undefined => euicc.profiles().find((one) => one.state === "enabled")?.iccid;
/** SELECT with FCI on channel 1, which the bench has opened. */
const select = ({ euicc }: Bench, aid: string): string => apdu(euicc, `01A4040010${aid}00`);
const b = "989400000000000020F6";

describe("what a role says of itself", () => {
  const named = (more: string): RegExp => new RegExp(`^6F..8410${isdrAid}A5..9F6501FF${more}9000$`);
  // shows: a5.fci-consumer, a5.fci-iot
  test.each([
    // E0: SGP.22's template with the version; E1: SGP.32's with ipaeSupported (80) and enabledProfile (40).
    ["sgp32", named("E0058203020500E10480020640")],
    ["ipae", named("E0058203020500E104800206C0")],
    ["sgp22", named("E0058203020202")],
    ["sgp02", named("")],
    ["uicc", /^6A82$/],
  ] as const)("%s: the FCI of its ISD-R", (role, expected) => {
    expect(select(cardOf(role), isdrAid)).toMatch(expected);
  });

  // shows: a5.info2-iot
  test.each(cardRoleNames)("%s: EUICCInfo2 has the parts of its own standard only", (role) => {
    const card = cardOf(role);
    if (role === "uicc" || role === "sgp02") return expect(card.channel.send(fromHex("BF2200")).data).toHaveLength(0);
    if (role === "ipae") apdu(card.euicc, "80AA000005A903830107");
    const info = card.channel.call(GetEuiccInfo2Request, EUICCInfo2, {});
    if (role === "sgp22") expect([info.ipaMode, info.iotSpecificInfo, toHexUpper(info.svn)]).toEqual([undefined, undefined, "020202"]);
    else expect(info).toMatchObject({ iotSpecificInfo: { iotVersion: [fromHex("010200")] }, svn: fromHex("020500") });
  });

  it("keeps its role with its memory: another role is refused", () => {
    const card = cardOf("sgp22");
    const snapshot = card.euicc.snapshot();
    expect(cardOf("sgp22", { snapshot }).euicc.role).toBe("sgp22");
    expect(() => cardOf("sgp32", { snapshot })).toThrow(expect.objectContaining({ code: "SIM_OPTION" }));
  });
});

describe("an IoT eUICC with its own assistant", () => {
  /** As it leaves the factory: no terminal has announced an assistant of its own. */
  function fresh(): Bench {
    const card = cardOf("ipae");
    // The bench's terminal announces an IPAd after power on, which takes over.
    expect(card.channel.sendHex("BF42048002" + "0780")).toBe("BF4203800100");
    return card;
  }
  const mode = ({ channel }: Bench) => channel.call(GetEuiccInfo2Request, EUICCInfo2, {}).ipaMode;

  it("is active from the factory, until a terminal that has an IPAd announces it", () => {
    const first = bench({ role: "ipae" });
    expect(mode(first)).toBe("ipad");
    const untold = bench({ role: "ipae" });
    // The same card before any TERMINAL CAPABILITY: what its memory says.
    expect(JSON.parse(new TextDecoder().decode(untold.snapshots[0]))).toMatchObject({ ipaMode: "ipae", role: "ipae" });
  });

  // shows: a5.ipae-activation
  it("is activated by BF42, and an announcement without a reset does not undo it", () => {
    const card = fresh();
    expect(mode(card)).toBe("ipae");
    apdu(card.euicc, "80AA000005A903840101");
    expect(mode(card)).toBe("ipae");
  });

  // shows: a5.ipae-back
  it("stays active over a reset, and gives way to an IPAd announced after it; to SGP.22's LPAd it does not", () => {
    const card = fresh();
    card.euicc.reset();
    apdu(card.euicc, "80AA000005A903830107");
    apdu(card.euicc, "0070000001");
    select(card, isdrAid);
    expect(mode(card)).toBe("ipae");
    card.euicc.reset();
    apdu(card.euicc, "80AA000008A906830107840101");
    apdu(card.euicc, "0070000001");
    select(card, isdrAid);
    expect(mode(card)).toBe("ipad");
  });

  it("takes no order from the device's assistant while it is active, and every one again afterwards", () => {
    const card = fresh();
    const order = psmoPackage([psmo.enable("b")]);
    expect(card.channel.send(order)).toEqual({ data: new Uint8Array(0), sw: 0x6985 });
    for (const command of ["BF2E00", "BF5700", "BF58038001FF", "BF5D038001FF", "BF3003800101", `BF3111A00C5A0A${b}8101FF`])
      expect(card.channel.sendHex(command)).toBe("6985");
    for (const command of ["BF2000", "BF2B00", "BF2D00", "BF3E035C015A", "BF5500", "BF5600"])
      expect(card.channel.sendHex(command)).toMatch(/^BF/);
    expect(enabled(card)).toBe(iccids.a);
    card.euicc.reset();
    apdu(card.euicc, "80AA000005A903840101");
    apdu(card.euicc, "0070000001");
    select(card, isdrAid);
    expect(resultsOf(load(card.channel, order))).toEqual(["enableResult ok"]);
  });

  it("is no option of a card that has none", () => {
    expect(cardOf("sgp32").channel.sendHex("BF420480020780")).toBe("BF4203800101");
    expect(cardOf("sgp22").channel.sendHex("BF420480020780")).toBe("BF4203800101");
  });
});

describe("a consumer eUICC", () => {
  it("knows none of SGP.32's functions", () => {
    const { channel } = cardOf("sgp22");
    const foreign = [0x51, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x5b, 0x5c, 0x5d, 0x5e, 0x5f, 0x64, 0x65];
    for (const tag of foreign) expect(channel.sendHex(`BF${tag.toString(16)}00`)).toBe("6A88");
    expect(channel.send(psmoPackage([psmo.enable("b")])).sw).toBe(0x6a88);
    expect(channel.sendHex("BF2B04A0028200")).toBe("6A80");
  });

  it.each([0x6a80, 0x6985, 0x6d00])("refuses them with %i where its make does so, and answers its own as ever", (unsupportedStatusWord) => {
    const { channel } = cardOf("sgp22", { faults: { unsupportedStatusWord } });
    expect(channel.send(fromHex("BF5500")).sw).toBe(unsupportedStatusWord);
    expect(channel.send(fromHex("BF2000")).sw).toBe(0x9000);
    expect(cardOf("sgp02", { faults: { unsupportedStatusWord } }).channel.send(fromHex("BF2000")).sw).toBe(unsupportedStatusWord);
  });

  it("shows profiles in the fields of SGP.22", () => {
    const { channel } = cardOf("sgp22");
    const all = channel.sendHex("BF2D00");
    expect(all).toContain("9F700101");
    expect(all).not.toMatch(/9F7B|9F26|9F67/);
    expect(channel.sendHex(`BF2D13A00C5A0A${b}5C035A9F67`)).toBe(`BF2D10A00EE30C5A0A${b}`);
  });

  it("is managed by its local assistant: enable, disable, nickname, notifications, delete, memory reset", () => {
    const card = cardOf("sgp22");
    const { channel } = card;
    expect(channel.sendHex(`BF3111A00C5A0A${b}8101FF`)).toBe("BF3103800100910B");
    expect(enabled(card)).toBe(iccids.b);
    expect(channel.sendHex(`BF3111A00C5A0A${b}8101FF`)).toContain("BF3103800102");
    expect(channel.sendHex(`BF290F5A0A${b}9001${"58"}`)).toContain("BF2903800100");
    expect(channel.sendHex("BF2800")).toMatch(/^BF28..A0/);
    expect(card.euicc.pending().notifications).toEqual([1, 2]);
    expect(channel.sendHex("BF3003800101")).toContain("BF3003800100");
    expect(channel.sendHex(`BF3211A00C5A0A${b}8101FF`)).toContain("BF3203800100");
    expect(channel.sendHex(`BF330C5A0A${b}`)).toContain("BF3303800100");
    expect(card.euicc.profiles().map(({ iccid }) => iccid)).toEqual([iccids.a]);
    expect(channel.sendHex("BF3404820206C0")).toContain("BF3403800100");
    expect(card.euicc.profiles()).toEqual([]);
  });

  it("has addresses, rules and challenges as ever", () => {
    const { channel } = cardOf("sgp22");
    expect(channel.sendHex("BF3F058003612E62")).toBe("BF3F03800100");
    expect(channel.sendHex("BF3C00")).toContain("8003612E62");
    expect(channel.sendHex("BF4300")).toMatch(/^BF43/);
    expect(channel.sendHex("BF3E035C015A")).toBe(`BF3E125A10${eid}`);
  });

  it("downloads a profile; what it signs of itself is an EUICCInfo2 of SGP.22", () => {
    const card = cardOf("sgp22");
    const response = authenticate(card.channel);
    if (response.kind !== "authenticateResponseOk") throw new Error(response.kind);
    const { ipaMode, iotSpecificInfo } = response.value.euiccSigned1.value.euiccInfo2;
    expect([ipaMode, iotSpecificInfo]).toEqual([undefined, undefined]);
    const bpp = bind({ euiccOtpk: prepared(card.channel), metadata: metadata("c"), upp: buildProfilePackage(recipe("c")) });
    const { data } = loadSegments(card.channel, segmentsOf(bpp));
    const { finalResult } = decode(ProfileInstallationResult, data).profileInstallationResultData.value;
    expect(finalResult.kind).toBe("successResult");
    expect(card.euicc.profiles().map(({ iccid, state }) => [iccid, state])).toContainEqual([iccids.c, "disabled"]);
  });
});

describe("an M2M eUICC", () => {
  const setTerminal = "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF";

  it("lets nobody but its SM-SR write to the ISD-R, and tells its EID from the ECASD", () => {
    const card = cardOf("sgp02");
    for (const command of ["BF3E035C015A", "BF2200", "BF2D00", "BF5500", "00"]) expect(card.channel.sendHex(command)).toBe("6982");
    expect(apdu(card.euicc, "81CA005A00")).toBe("6A88");
    expect(select(card, ecasdAid)).toMatch(/9000$/);
    expect(apdu(card.euicc, "81CA005A00")).toBe(`5A10${eid}9000`);
    expect(apdu(card.euicc, "81CA006600")).toBe("6A88");
  });

  it("has a subscription in use, whose files a terminal reads", () => {
    const { euicc } = cardOf("sgp02");
    expect(euicc.iccid).toBe(iccids.a);
    expect(euicc.imsi).toBeDefined();
  });

  it("changes its profile on an order over the air: REFRESH, then another ICCID", () => {
    const card = cardOf("sgp02");
    const order = card.euicc.orderOverTheAir(iccids.b);
    expect(apdu(card.euicc, `80C20000${order.length.toString(16).padStart(2, "0")}${toHexUpper(order)}`)).toBe("910B");
    expect(card.euicc.iccid).toBe(iccids.a);
    const command = apdu(card.euicc, "801200000B");
    expect(command).toMatch(/^D0098103..0104820281829000$/);
    expect(apdu(card.euicc, `801400000C8103${command.slice(8, 10)}010482028281830100`)).toBe("9000");
    expect(card.euicc.iccid).toBe(iccids.b);
    // SGP.02's notifications go to the SM-SR: none waits for an assistant.
    expect(card.euicc.pending().notifications).toEqual([]);
  });

  it("obeys an order once, and none that was altered anywhere", () => {
    const card = cardOf("sgp02");
    const order = card.euicc.orderOverTheAir(iccids.b);
    const give = (octets: Uint8Array): string =>
      apdu(card.euicc, `80C20000${octets.length.toString(16).padStart(2, "0")}${toHexUpper(octets)}`);
    // What stands before the packet is the network's: who sent it and when.
    const packetAt = toHexUpper(order).indexOf("027000") / 2;
    expect(packetAt).toBeGreaterThan(0);
    for (let at = packetAt; at < order.length; at++)
      expect([at, give(order.map((octet, i) => (i === at ? octet ^ 1 : octet)))]).toEqual([at, "6A80"]);
    expect(card.euicc.iccid).toBe(iccids.a);
    expect(give(order.slice(0, -1))).toBe("6A80");
    expect(give(order)).toBe("910B");
    expect(give(order)).toMatch(/^6A80$/);
    const again = cardOf("sgp02", { snapshot: card.euicc.snapshot() });
    expect(again.euicc.iccid).toBe(iccids.b);
    expect(apdu(again.euicc, `80C20000${order.length.toString(16).padStart(2, "0")}${toHexUpper(order)}`)).toBe("6A80");
  });

  it("takes no octets for an order that are none, and stays sound", () => {
    const card = cardOf("sgp02");
    const order = card.euicc.orderOverTheAir(iccids.b);
    const anything = fc.uint8Array({ minLength: 1, maxLength: 200 });
    // Beginnings and pieces of a real one come nearer to it than chance does.
    const piece = fc.tuple(fc.nat(order.length - 2), anything).map(([at, rest]) => concatBytes(order.subarray(0, at), rest).slice(0, 255));
    fc.assert(
      fc.property(fc.oneof(anything, piece), (octets) => {
        expect(apdu(card.euicc, `80C20000${octets.length.toString(16).padStart(2, "0")}${toHexUpper(octets)}`)).toBe("6A80");
      }),
      { seed: 2, numRuns: 300 },
    );
    expect(card.euicc.iccid).toBe(iccids.a);
  });

  it("sets itself up with a terminal that has a toolkit, one command after the other, and with none that has not", () => {
    const { euicc } = cardOf("sgp02");
    expect(apdu(euicc, "8010000003010080")).toBe("9000");
    expect(apdu(euicc, `8010000010${setTerminal}`)).toBe("9110");
    expect(apdu(euicc, "8012000010")).toBe("D00E810301050082028182990303090A9000");
    expect(apdu(euicc, "801400000C810301050082028281830100")).toBe("910B");
    expect(apdu(euicc, "801200000B")).toBe("D0098103022601820281829000");
    // Beyond the terminal's capabilities: that is an answer too.
    expect(apdu(euicc, "801400000C810302260182028281830130")).toBe("9000");
    expect(apdu(cardOf("sgp32").euicc, `8010000010${setTerminal}`)).toBe("9000");
  });

  it("orders over the air are for M2M cards, and for profiles that are there", () => {
    const refused = (fn: () => unknown): boolean => {
      try {
        fn();
        return false;
      } catch (error) {
        return isCode(error, "SIM_OPTION");
      }
    };
    expect(refused(() => cardOf("sgp32").euicc.orderOverTheAir(iccids.b))).toBe(true);
    expect(refused(() => cardOf("sgp02").euicc.orderOverTheAir(iccids.c))).toBe(true);
    expect(apdu(cardOf("sgp32").euicc, "80C2000002D100")).toBe("6D00");
  });
});

describe("a plain UICC", () => {
  it("has files and no security domain that a terminal could select", () => {
    const card = cardOf("uicc", { profiles: [factoryProfile("a", { enabled: true })] });
    expect(select(card, isdrAid)).toBe("6A82");
    expect(select(card, ecasdAid)).toBe("6A82");
    expect(card.channel.send(concatBytes(fromHex("BF2200"))).sw).toBe(0x6d00);
    expect(apdu(card.euicc, "00A4080C022FE2")).toBe("9000");
    expect(apdu(card.euicc, "00B000000A")).toMatch(/^98940.{15}9000$/);
  });
});
