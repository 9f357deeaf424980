// The card against anything a terminal may send: it answers every command, never with a technical problem of its own, and no wrong octet
// ever changes what is installed or enabled.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { es10Functions } from "../../../hw-sim/euicc/es10.ts";
import { buildProfilePackage } from "../../../hw-sim/euicc/pe/builder.ts";
import { encode } from "../../../ipa/asn1/schema.ts";
import { AddInitialEimRequest } from "../../../ipa/messages/eim-config.ts";
import { authenticate, bind, prepare, prepared, segmentsOf } from "./small-smdp.ts";
import { bench, ecoPackage, eimConfiguration, metadata, psmo, psmoPackage, recipe, type Terminal } from "./support.ts";

const technicalProblem = 0x6f00;

/** Real requests of every kind, each as the terminal would send it. */
function requests(): Uint8Array[] {
  const { channel } = bench();
  const sent: Uint8Array[] = [];
  const spy: Terminal = {
    ...channel,
    call: (request, response, value) => {
      sent.push(encode(request, value));
      return channel.call(request, response, value);
    },
  };
  prepare(spy, authenticate(spy));
  return [
    ...sent,
    psmoPackage([psmo.enable("b", true), psmo.delete("a"), psmo.list, psmo.getRat]),
    ecoPackage([{ kind: "addEim", value: eimConfiguration({ eimId: "two", associationToken: -1 }) }]),
    encode(AddInitialEimRequest, { eimConfigurationDataList: [eimConfiguration()] }),
    ...[
      "BF2D0AA0039501025C035A9F70",
      "BF2B06A00481020640",
      "BF640482020780",
      "BF59198000810388370A8210736D64702E6578616D706C652E636F6D",
    ].map(fromHex),
    ...["BF58038001FF", "BF5A038001FF", "BF5D038001FF", "BF5E038001FF", "BF5B038001FF", "BF5C038001FF"].map(fromHex),
  ];
}

describe("the table of ES10 functions", () => {
  it("has each tag once, and each function answers something to a request of its own tag", () => {
    const tags = es10Functions.map(({ tag }) => tag);
    expect(new Set(tags).size).toBe(tags.length);
    for (const { tag, section } of es10Functions) {
      expect(section).toMatch(/^SGP\.(22|32) §/);
      const { sw } = bench().channel.send(fromHex(`${tag.toString(16)}00`));
      expect([0x9000, 0x6a80, 0x910b], tag.toString(16)).toContain(sw);
    }
  });

  it("covers what SGP.32 v1.2 gives the assistant", () => {
    const tags = new Set(es10Functions.map(({ tag }) => toHexUpper(Uint8Array.of(tag >> 8, tag & 0xff))));
    const wanted =
      "BF20 BF21 BF22 BF28 BF2B BF2D BF2E BF30 BF38 BF3C BF3E BF41 BF42 BF43 BF51 BF55 BF56 BF57 BF58 BF59 BF5A BF5B BF5C BF5D BF5E BF5F BF64 BF65";
    for (const tag of wanted.split(" ")) expect(tags.has(tag), tag).toBe(true);
  });
});

describe("whatever is sent", () => {
  const all = requests();

  it("is answered without a technical problem, octets changed, cut or added", () => {
    const { channel, euicc } = bench();
    fc.assert(
      fc.property(
        fc.constantFrom(...all),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        fc.constantFrom("flip", "cut", "add"),
        (request, where, value, how) => {
          const at = where % request.length;
          const changed =
            how === "flip"
              ? request.map((octet, i) => (i === at ? octet ^ value : octet))
              : how === "cut"
                ? request.slice(0, Math.max(1, at))
                : Uint8Array.from([...request.slice(0, at), value, ...request.slice(at)]);
          expect(channel.send(changed).sw, toHexUpper(changed)).not.toBe(technicalProblem);
        },
      ),
      { seed: 5, numRuns: 3000 },
    );
    expect(euicc.profiles().filter((one) => one.state === "enabled").length).toBeLessThanOrEqual(1);
  });

  it("is answered without one as random octets too", () => {
    const { channel } = bench();
    const tags = es10Functions.map(({ tag }) => tag);
    fc.assert(
      fc.property(fc.constantFrom(...tags), fc.uint8Array({ maxLength: 60 }), (tag, body) => {
        const command = Uint8Array.from([tag >> 8, tag & 0xff, body.length, ...body]);
        expect(channel.send(command).sw, toHexUpper(command)).not.toBe(technicalProblem);
      }),
      { seed: 6, numRuns: 3000 },
    );
  });

  it("of a package changes nothing unless every octet is the eIM's", () => {
    const request = psmoPackage([psmo.enable("b"), psmo.delete("a")]);
    const { channel, euicc } = bench();
    const before = euicc.profiles();
    for (let at = 0; at < request.length; at++) {
      channel.send(request.map((octet, i) => (i === at ? octet ^ 0x01 : octet)));
      expect(euicc.profiles(), `octet ${at}`).toEqual(before);
    }
    expect(euicc.pending()).toEqual({ notifications: [], packageResults: [] });
  });

  it("of a bound profile package with random changes is refused, or installed whole", () => {
    const upp = buildProfilePackage(recipe("c"));
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), (which, where, value) => {
        const { channel, euicc } = bench();
        const segments = segmentsOf(bind({ euiccOtpk: prepared(channel), metadata: metadata("c"), upp }));
        const index = which % segments.length;
        const altered = segments.map((segment, i) =>
          i === index ? segment.map((octet, j) => (j === where % segment.length ? octet ^ value : octet)) : segment,
        );
        for (const segment of altered) expect(channel.send(segment).sw).not.toBe(technicalProblem);
        expect(euicc.profiles()).toHaveLength(2);
      }),
      { seed: 8, numRuns: 60 },
    );
  });
});
