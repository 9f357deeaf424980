// Profile packages: one made by others read whole, our own built and read back, every kind of element round the codec, templates, file
// contents, and each thing an eUICC stops at.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, fromHex, toHexUpper } from "../../../../base/bytes.ts";
import { buildProfilePackage, type ProfileRecipe } from "../../../../hw-sim/euicc/pe/builder.ts";
import type { Fcp, File, ProfileHeader } from "../../../../hw-sim/euicc/pe/common.ts";
import { PEProcessingError } from "../../../../hw-sim/euicc/pe/errors.ts";
import { fcpOf, findFile, pathOf, recordOf } from "../../../../hw-sim/euicc/pe/file-system.ts";
import { ProfileElement, type ProfileElementKind } from "../../../../hw-sim/euicc/pe/profile-element.ts";
import { iccidOf, imsiOf, type Profile, readProfile } from "../../../../hw-sim/euicc/pe/reader.ts";
import { fillWith, templates } from "../../../../hw-sim/euicc/pe/templates.ts";
import { decode, encode } from "../../../../ipa/asn1/schema.ts";
import { rawOf, readTlvs, writeTlv } from "../../../../ipa/asn1/tlv.ts";
import { sampleProfile } from "./sample-profile.ts";

const recipe: ProfileRecipe = {
  iccid: "8949000000000000018",
  imsi: "262011234567890",
  spn: "Operator",
  ki: fromHex("00112233445566778899AABBCCDDEEFF"),
  opc: fromHex("FFEEDDCCBBAA99887766554433221100"),
};
const elementsOf = (upp: Uint8Array): ProfileElement[] => readTlvs(upp).map((tlv) => decode(ProfileElement, rawOf(tlv)));
const packageOf = (elements: readonly ProfileElement[]): Uint8Array =>
  concatBytes(...elements.map((element) => encode(ProfileElement, element)));
const contentOf = (profile: Profile, path: string): string => {
  const node = findFile(profile.files, path);
  return node?.kind === "ef" ? toHexUpper(node.data.bytes) : (node?.kind ?? "absent");
};
const filled = (hex: string): File => [{ kind: "fillFileContent", value: fromHex(hex) }];
const described = (fcp: Partial<Fcp>, ...rest: File): File => [
  { kind: "fileDescriptor", value: { lcsi: Uint8Array.of(5), ...fcp } },
  ...rest,
];

/** What an eUICC would say of it. */
function statusOf(upp: Uint8Array): string {
  try {
    readProfile(upp);
    return "ok";
  } catch (error) {
    if (!(error instanceof PEProcessingError)) throw error;
    return error.identification === undefined ? error.status : `${error.status} at ${error.identification}`;
  }
}

describe("the sample profile that others made", () => {
  const upp = fromHex(sampleProfile);

  it("is read element by element and written again octet by octet", () => {
    const elements = elementsOf(upp);
    expect(elements.map((element) => element.kind).join(" ")).toBe(
      "header mf pukCodes pinCodes usim pinCodes akaParameter securityDomain securityDomain rfm rfm end",
    );
    expect(toHexUpper(packageOf(elements))).toBe(sampleProfile);
  });

  it("becomes a profile with its files, their contents and links, codes and keys", () => {
    const profile = readProfile(upp);
    expect([iccidOf(profile.files), imsiOf(profile.files)]).toEqual(["8929901012345678905", "299811123456789"]);
    expect(contentOf(profile, "2FE2")).toBe("989209012143658709F5");
    expect(contentOf(profile, "7FFF/6F46")).toBe("0247534D41206555494343FFFFFFFFFFFF");
    // EF.ARR of the USIM is a link to that of the MF.
    expect(contentOf(profile, "7FFF/6F06")).toBe(contentOf(profile, "2F06"));
    expect(contentOf(profile, "2F06").slice(0, 74)).toBe(`8001019000800102A406830101950108800158A40683010A950108${"FF".repeat(10)}`);
    expect(profile.pins.map(({ pin }) => pin.keyReference)).toEqual(["pinAppl1", "pinAppl2", "adm1", "secondPINAppl1"]);
    expect(profile.puks).toHaveLength(3);
    expect(profile.aka).toHaveLength(1);
    expect([profile.securityDomains.length, profile.remoteFileManagement.length, profile.warnings.length]).toEqual([2, 2, 0]);
  });
});

describe("a profile built from a recipe", () => {
  it("is read back with every file of its templates", () => {
    const profile = readProfile(buildProfilePackage(recipe));
    expect([iccidOf(profile.files), imsiOf(profile.files)]).toEqual([recipe.iccid, recipe.imsi]);
    expect(contentOf(profile, "2F05")).toBe("656E");
    expect(contentOf(profile, "7FFF/6FAD")).toBe("00000002");
    expect(contentOf(profile, "7FFF/6F78")).toBe("0001");
    expect(contentOf(profile, "7FFF/6F7B")).toBe("FF".repeat(12));
    expect(contentOf(profile, "7FFF/6F7E")).toBe("FFFFFFFFFFFFFF0000FF01");
    expect(contentOf(profile, "7FFF/6FE3")).toBe(`${"FF".repeat(15)}000001`);
    expect(contentOf(profile, "7FFF/6F08")).toBe(`07${"FF".repeat(32)}`);
    expect(contentOf(profile, "7FFF/6F62")).toBe("absent");
    expect(profile.warnings).toEqual([]);
  });

  it("holds the lists of networks, group identifiers and three-digit network codes that it is given", () => {
    const profile = readProfile(
      buildProfilePackage({
        ...recipe,
        imsi: "310410123456789",
        mncDigits: 3,
        ehplmns: ["310410", "310280"],
        hplmnWithAct: [{ plmn: "310410", act: 0x4000 }],
        oplmnWithAct: [
          { plmn: "26201", act: 0x4000 },
          { plmn: "20801", act: 0x8080 },
        ],
        fplmns: ["26202"],
        gid1: fromHex("AA"),
        gid2: fromHex("0102030405060708"),
      }),
    );
    expect(contentOf(profile, "7FFF/6FAD")).toBe("00000003");
    expect(contentOf(profile, "7FFF/6FD9")).toBe("130014130082");
    expect(contentOf(profile, "7FFF/6F62")).toBe("1300144000");
    expect(contentOf(profile, "7FFF/6F61")).toBe("62F210400002F8108080");
    expect(contentOf(profile, "7FFF/6F7B")).toBe(`62F220${"FF".repeat(9)}`);
    expect([contentOf(profile, "7FFF/6F3E"), contentOf(profile, "7FFF/6F3F")]).toEqual(["AA", "0102030405060708"]);
    // EF.UST tells of them: services 17, 18, 42, 43, 71.
    const ust = fromHex(contentOf(profile, "7FFF/6F38"));
    for (const service of [10, 12, 17, 18, 19, 42, 43, 71, 85])
      expect((ust[(service - 1) >> 3] ?? 0) & (1 << ((service - 1) & 7)), `service ${service}`).not.toBe(0);
  });

  it("is the same octets for the same recipe and keys, and new OTA keys otherwise", () => {
    const otaKeys = [new Uint8Array(16), new Uint8Array(16), new Uint8Array(16)] as const;
    expect(buildProfilePackage({ ...recipe, otaKeys })).toEqual(buildProfilePackage({ ...recipe, otaKeys }));
    expect(buildProfilePackage(recipe)).not.toEqual(buildProfilePackage(recipe));
  });

  it("holds any IMSI and ICCID", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9]{6,15}$/), fc.stringMatching(/^[0-9]{18,20}$/), (imsi, iccid) => {
        const profile = readProfile(buildProfilePackage({ ...recipe, imsi, iccid }));
        expect([imsiOf(profile.files), iccidOf(profile.files)]).toEqual([imsi, iccid]);
      }),
      { seed: 3, numRuns: 40 },
    );
  });

  it.each<Partial<ProfileRecipe>>([
    { imsi: "12" },
    { imsi: "26201123456789012" },
    { ki: new Uint8Array(15) },
    { opc: new Uint8Array(17) },
    { spn: "an operator with a long name" },
    { adm1: new Uint8Array(4) },
    { fplmns: ["26201", "26202", "26203", "26204", "26205"] },
  ])("refuses %o", (more) => {
    expect(() => buildProfilePackage({ ...recipe, ...more })).toThrow(expect.objectContaining({ code: "PROFILE_PACKAGE" }));
  });
});

describe("templates", () => {
  it("have no file twice in a directory, fit a short identifier each, and name what PE fields there are", () => {
    for (const { oid, files } of templates.values()) {
      let directory = "";
      const seen = new Set<string>();
      const sfis = new Set<string>();
      for (const { name, fid, sfi, structure } of files) {
        if (structure === "DF" || structure === "ADF" || structure === "MF") directory = name;
        else {
          expect(seen.has(`${directory} ${fid}`), `${oid} ${name}`).toBe(false);
          seen.add(`${directory} ${fid}`);
          if (sfi !== undefined) {
            expect(sfi).toBeLessThan(31);
            expect(sfis.has(`${directory} ${sfi}`), `${oid} ${name} short identifier`).toBe(false);
            sfis.add(`${directory} ${sfi}`);
          }
        }
        expect(name).toMatch(/^(mf|[ad]?df-|ef-)/);
      }
    }
    expect(templates.size).toBeGreaterThan(20);
  });

  it("fill a file as their pattern says", () => {
    const fill = (name: string, oid = "2.23.143.1.2.5"): ReturnType<typeof fillWith> => {
      const row = templates.get(oid)?.files.find((one) => one.name === name);
      if (row?.fill === undefined || typeof row.size !== "number") throw new Error(name);
      return fillWith(row.fill, row.size);
    };
    expect(toHexUpper(fill("ef-plmnwact"))).toBe("FFFFFF0000".repeat(8));
    expect(toHexUpper(fill("ef-ext2"))).toBe(`00${"FF".repeat(12)}`);
    expect(toHexUpper(fill("ef-ici"))).toBe(`${"FF".repeat(29)}0000000001FFFF`.padStart(76, "FF"));
    expect(toHexUpper(fill("ef-kc", "2.23.143.1.2.7"))).toBe(`${"FF".repeat(8)}07`);
  });
});

describe("files", () => {
  const base = elementsOf(buildProfilePackage(recipe));
  const withElement = (element: ProfileElement): Uint8Array => packageOf([...base.slice(0, -1), element, ...base.slice(-1)]);
  const header = { mandated: true as const, identification: 50 };
  const manage = (
    ...commands: Extract<ProfileElement, { kind: "genericFileManagement" }>["value"]["fileManagementCMD"][number]
  ): ProfileElement => ({
    kind: "genericFileManagement",
    value: { "gfm-header": header, fileManagementCMD: [commands] },
  });
  const optional = (files: [string, File][], templateID = "2.23.143.1.2.5"): ProfileElement => ({
    kind: "opt-usim",
    value: { header, templateID, files: new Map(files) },
  });
  const create = (fcp: Partial<Fcp>) => ({ kind: "createFCP" as const, value: { lcsi: Uint8Array.of(5), ...fcp } });
  const content = (hex: string) => ({ kind: "fillFileContent" as const, value: fromHex(hex) });
  const offset = (value: number) => ({ kind: "fillFileOffset" as const, value });
  const path = (hex: string) => ({ kind: "filePath" as const, value: fromHex(hex) });

  it("take the profile's size, identifier, short identifier, pattern and access rule in place of the template's", () => {
    const file = described(
      {
        fileID: fromHex("6FAA"),
        efFileSize: Uint8Array.of(6),
        shortEFID: Uint8Array.of(0x18),
        securityAttributesReferenced: fromHex("6F0603"),
        proprietaryEFInfo: { specialFileInformation: Uint8Array.of(0), repeatPattern: fromHex("0102"), fileDetails: Uint8Array.of(1) },
      },
      { kind: "fillFileOffset", value: 4 },
      { kind: "fillFileContent", value: fromHex("99") },
    );
    const profile = readProfile(withElement(optional([["ef-gid1", file]])));
    expect(contentOf(profile, "7FFF/6FAA")).toBe("010201029902");
    expect(contentOf(profile, "7FFF/6F3E")).toBe("absent");
    const node = findFile(profile.files, "7FFF/6FAA");
    expect(node === undefined ? "" : toHexUpper(fcpOf(node))).toBe("62178202412183026FAA8A01058B036F060380020006880118");
  });

  it("made by template leave out what they say shall not be made, and have no short identifier where it is empty", () => {
    const files = new Map<string, File>([
      ["ef-fdn", [{ kind: "doNotCreate", value: true }]],
      ["ef-loci", described({ shortEFID: new Uint8Array(0) })],
    ]);
    const usim = base.find((element) => element.kind === "usim");
    if (usim?.kind !== "usim") throw new Error("no USIM");
    const changed: ProfileElement = { kind: "usim", value: { ...usim.value, files: new Map([...usim.value.files, ...files]) } };
    const profile = readProfile(packageOf(base.map((element) => (element.kind === "usim" ? changed : element))));
    expect(contentOf(profile, "7FFF/6F3B")).toBe("absent");
    const loci = findFile(profile.files, "7FFF/6F7E");
    expect(loci?.kind === "ef" && loci.sfi).toBeUndefined();
  });

  it("are made, filled with gaps, linked and found again by GenericFileManagement", () => {
    const element = manage(
      path(""),
      create({ fileDescriptor: fromHex("7821"), fileID: fromHex("7F66"), pinStatusTemplateDO: fromHex("010A") }),
      create({ fileDescriptor: fromHex("4121"), fileID: fromHex("4F40"), efFileSize: Uint8Array.of(8), shortEFID: new Uint8Array(0) }),
      content("0102"),
      offset(3),
      content("0304"),
      path("7FD0"),
      create({ fileDescriptor: fromHex("42210004"), fileID: fromHex("6FC0"), efFileSize: Uint8Array.of(12) }),
      offset(4),
      content("AABBCCDD"),
      path("7F66"),
      create({ fileID: fromHex("4F41"), linkPath: fromHex("7FD06FC0") }),
      create({ fileDescriptor: fromHex("7921"), fileID: fromHex("4F42"), efFileSize: fromHex("0100") }),
      path("7FD06F7B"),
      offset(3),
      content("62F220"),
    );
    const profile = readProfile(withElement(element));
    expect(contentOf(profile, "7F66/4F40")).toBe("0102FFFFFF0304FF");
    expect(contentOf(profile, "7FFF/6FC0")).toBe(`FFFFFFFFAABBCCDDFFFFFFFF`);
    expect(contentOf(profile, "7F66/4F41")).toBe(contentOf(profile, "7FFF/6FC0"));
    expect(contentOf(profile, "7FFF/6F7B")).toBe(`FFFFFF62F220${"FF".repeat(6)}`);
    const made = findFile(profile.files, "7F66/4F40");
    const linked = findFile(profile.files, "7FFF/6FC0");
    expect([made?.kind === "ef" && made.sfi, linked?.kind === "ef" && linked.sfi]).toEqual([undefined, 0]);
    expect(linked?.kind === "ef" && toHexUpper(recordOf(linked, 2) ?? fromHex(""))).toBe("AABBCCDD");
    const directory = findFile(profile.files, "7F66");
    expect(directory?.kind === "directory" && pathOf(directory, 0x4f40)).toBe("3F00/7F66/4F40");
  });

  it.each<[string, ProfileElement, string]>([
    ["contents beyond the file's end", optional([["ef-gid1", filled("00".repeat(9))]]), "bad-values at 50"],
    ["a file without contents that needs them", optional([["ef-gid1", []]]), "bad-values at 50"],
    ["a file without size that needs one", optional([["ef-spni", filled("00")]]), "bad-values at 50"],
    [
      "records that do not fill the file",
      optional([["ef-msisdn", described({ fileDescriptor: fromHex("42210005"), efFileSize: Uint8Array.of(12) }, ...filled("00"))]]),
      "bad-values at 50",
    ],
    ["a file twice", optional([["ef-gid1", described({ fileID: fromHex("6F07") }, ...filled("00"))]]), "bad-values at 50"],
    ["a template of another element", optional([], "2.23.143.1.2.7"), "template-not-supported at 50"],
    ["a template of nobody", optional([], "2.23.143.1.2.99"), "template-not-supported at 50"],
    ["a link that leads nowhere", manage(create({ fileID: fromHex("6F99"), linkPath: fromHex("7F99") })), "invalid-parameter at 50"],
    ["a path that leads nowhere", manage(path("7F99")), "invalid-parameter at 50"],
    ["contents without a file", manage(content("00")), "invalid-request-format at 50"],
    ["a file without identifier", manage(create({ fileDescriptor: fromHex("4121"), efFileSize: Uint8Array.of(1) })), "bad-values at 50"],
    ["a file without descriptor", manage(create({ fileID: fromHex("6F99") })), "bad-values at 50"],
    ["a descriptor that is none", manage(create({ fileID: fromHex("6F99"), fileDescriptor: fromHex("4421") })), "bad-values at 50"],
    ["a file without size", manage(create({ fileID: fromHex("6F99"), fileDescriptor: fromHex("4121") })), "bad-values at 50"],
    [
      "a size too large",
      manage(create({ fileID: fromHex("6F99"), fileDescriptor: fromHex("4121"), efFileSize: fromHex("FFFFFF") })),
      "not-enough-memory at 50",
    ],
  ])("with %s are refused", (_, element, status) => {
    expect(statusOf(withElement(element))).toBe(status);
  });

  it("of every template an eUICC has can be made, one element each", () => {
    const elements: readonly [ProfileElementKind, string, string][] = [
      ["cd", "2.23.143.1.2.2", "df-cd"],
      ["telecom", "2.23.143.1.2.3.2", "df-telecom"],
      ["phonebook", "2.23.143.1.2.6", "df-phonebook"],
      ["gsm-access", "2.23.143.1.2.7", "df-gsm-access"],
      ["df-5gs", "2.23.143.1.2.13.4", "df-df-5gs"],
      ["df-saip", "2.23.143.1.2.14", "df-df-saip"],
      ["df-snpn", "2.23.143.1.2.15", "df-df-snpn"],
    ];
    for (const [kind, templateID, directory] of elements) {
      const element = { kind, value: { header, templateID, files: new Map([[directory, described({})]]) } } as ProfileElement;
      expect(statusOf(withElement(element)), kind).toBe("ok");
    }
    const isim = described({ fileID: fromHex("7FB0"), dfName: fromHex("A0000000871004FF49FF0589"), pinStatusTemplateDO: fromHex("010A") });
    const files = new Map<string, File>([
      ["adf-isim", isim],
      ["ef-impi", described({ efFileSize: Uint8Array.of(4) }, ...filled("80020102"))],
      ["ef-impu", described({ fileDescriptor: fromHex("42210004"), efFileSize: Uint8Array.of(4) }, ...filled("80020102"))],
      ["ef-domain", described({ efFileSize: Uint8Array.of(4) }, ...filled("80020102"))],
      ["ef-ist", filled("00".repeat(14))],
      ["ef-arr", described({ linkPath: fromHex("2F06") })],
    ]);
    const profile = readProfile(withElement({ kind: "isim", value: { header, templateID: "2.23.143.1.2.8", files } }));
    expect(profile.files.adfs).toHaveLength(2);
    expect(contentOf(profile, "7FB0/6FAD")).toBe("000000");
  });
});

describe("what an eUICC stops at", () => {
  const base = elementsOf(buildProfilePackage(recipe));
  const without = (kind: ProfileElementKind): Uint8Array => packageOf(base.filter((element) => element.kind !== kind));
  const first = (kind: ProfileElementKind): ProfileElement => {
    const found = base.find((element) => element.kind === kind);
    if (found === undefined) throw new Error(kind);
    return found;
  };
  const withHeader = (more: Partial<ProfileHeader>): Uint8Array => {
    const header = first("header");
    if (header.kind !== "header") throw new Error("no header");
    return packageOf([{ kind: "header", value: { ...header.value, ...more } }, ...base.slice(1)]);
  };
  const replaced = <K extends ProfileElementKind>(
    kind: K,
    change: (element: Extract<ProfileElement, { kind: K }>) => unknown,
  ): Uint8Array => {
    const element = first(kind);
    const value = change(element as Extract<ProfileElement, { kind: K }>);
    return packageOf(base.map((one) => (one === element ? ({ kind, value } as ProfileElement) : one)));
  };
  const algo = (more: object) =>
    replaced("akaParameter", ({ value }) => ({
      ...value,
      algoConfiguration: {
        kind: "algoParameter",
        value: { ...(value.algoConfiguration.kind === "algoParameter" ? value.algoConfiguration.value : {}), ...more },
      },
    }));

  it.each<[string, Uint8Array, string]>([
    ["octets that are no elements", fromHex("A003"), "invalid-request-format"],
    ["nothing at all", new Uint8Array(0), "invalid-request-format"],
    ["no header", without("header"), "invalid-request-format at 1"],
    ["a header that comes twice", packageOf([first("header"), ...base]), "invalid-request-format"],
    ["no end", without("end"), "invalid-request-format at 9"],
    ["something after the end", packageOf([...base, first("rfm")]), "invalid-request-format at 10"],
    ["no MF", without("mf"), "invalid-request-format at 3"],
    ["a second MF", packageOf([...base.slice(0, 2), ...base.slice(1)]), "invalid-request-format at 1"],
    ["PINs unblocked by a PUK that is not there", without("pukCodes"), "bad-values at 3"],
    ["keys without an application", without("usim"), "invalid-request-format at 6"],
    ["remote file management without a security domain", without("securityDomain"), "invalid-request-format at 8"],
    ["a version of the future", withHeader({ "major-version": 4 }), "unsupported-profile-version"],
    ["a version of no time", withHeader({ "major-version": 0 }), "unsupported-profile-version"],
    ["a service it has not", withHeader({ "eUICC-Mandatory-services": { usim: true, contactless: true } }), "feature-not-supported"],
    ["a runtime it has not", withHeader({ "eUICC-Mandatory-services": { multos: true } }), "runtime-not-supported"],
    ["a template it has not", withHeader({ "eUICC-Mandatory-GFSTEList": ["2.23.143.1.2.77"] }), "template-not-supported"],
    [
      "a library it has not",
      withHeader({ "eUICC-Mandatory-AIDs": [{ aid: fromHex("B000000001"), version: fromHex("0100") }] }),
      "lib-not-supported",
    ],
    ["an IoT minimal profile", withHeader({ iotOptions: { pix: new Uint8Array(7) } }), "feature-not-supported"],
    ["a Milenage key of another length", algo({ key: new Uint8Array(8) }), "bad-values at 6"],
    ["a Milenage OPc of another length", algo({ opc: new Uint8Array(32) }), "bad-values at 6"],
    ["an algorithm it has not", algo({ algorithmID: 9 }), "invalid-parameter at 6"],
    [
      "a PIN twice",
      replaced("pinCodes", ({ value: { pinCodes, ...rest } }) => ({
        ...rest,
        pinCodes: { kind: "pinconfig", value: pinCodes.kind === "pinconfig" ? [...pinCodes.value, ...pinCodes.value] : [] },
      })),
      "bad-values at 3",
    ],
    [
      "a PUK twice",
      replaced("pukCodes", ({ value }) => ({ ...value, pukCodes: [...value.pukCodes, ...value.pukCodes] })),
      "bad-values at 2",
    ],
    [
      "PINs shared with a directory that has none",
      replaced("pinCodes", ({ value }) => ({ ...value, pinCodes: { kind: "filePath", value: new Uint8Array(0) } })),
      "pin-code-missing at 3",
    ],
    ["a value of the wrong size", withShortPin(buildProfilePackage(recipe)), "bad-values at 3"],
  ])("is %s", (_, upp, status) => {
    expect(statusOf(upp)).toBe(status);
  });

  it("tells in simaResponse which element, and that it aborted", () => {
    try {
      readProfile(without("securityDomain"));
      expect.unreachable();
    } catch (error) {
      if (!(error instanceof PEProcessingError)) throw error;
      expect(toHexUpper(error.simaResponse)).toBe("300CA00830068001058101088100");
    }
  });

  it("is no element that it does not know, unless that is mandated", () => {
    const unknown = (tag: number, mandated: boolean): Uint8Array =>
      writeTlv(tag, writeTlv(0xa0, ...(mandated ? [writeTlv(0x80)] : []), writeTlv(0x81, Uint8Array.of(77))));
    const placed = (element: Uint8Array): Uint8Array => concatBytes(packageOf(base.slice(0, -1)), element, packageOf(base.slice(-1)));
    for (const tag of [0xab, 0xbf22, 0xbf60]) {
      expect(statusOf(placed(unknown(tag, true)))).toBe("pe-not-supported at 77");
      expect(readProfile(placed(unknown(tag, false))).warnings).toEqual([{ status: "pe-not-supported", identification: 77 }]);
    }
  });

  it("never is anything but its own error, whatever octet is changed", () => {
    const upp = buildProfilePackage(recipe);
    fc.assert(
      fc.property(fc.nat(upp.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const altered = upp.slice();
        altered[at] = (altered[at] ?? 0) ^ flip;
        expect(typeof statusOf(altered)).toBe("string");
      }),
      { seed: 11, numRuns: 2000 },
    );
  });
});

/** A PIN of seven octets, which the codec would not write. */
function withShortPin(upp: Uint8Array): Uint8Array {
  const elements = elementsOf(upp);
  const index = elements.findIndex((element) => element.kind === "pinCodes");
  const pin = writeTlv(0x30, fromHex("800101"), writeTlv(0x81, new Uint8Array(7)));
  const spoiled = writeTlv(0xa2, fromHex("A0058000810103"), writeTlv(0xa1, writeTlv(0xa0, pin)));
  return concatBytes(packageOf(elements.slice(0, index)), spoiled, packageOf(elements.slice(index + 1)));
}
