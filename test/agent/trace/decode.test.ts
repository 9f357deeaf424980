// package decode: every vector of the standards' types by its name and by guessing; what is wrong with a bad one, and all that can be read before it.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli } from "../../../agent/cli/main.ts";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { SimwardError } from "../../../base/errors.ts";
import { examine, guessTypes, guessTypesOfFaulty } from "../../../ipa/asn1/explain.ts";
import { shortened } from "../../../ipa/asn1/salvage.ts";
import foreign from "../../vectors/foreign-asn1.json" with { type: "json" };
import golden from "../../vectors/sgp32-golden.json" with { type: "json" };

const vectors: readonly { readonly type: string; readonly hex: string }[] = [...golden, ...foreign];

async function decode(...args: readonly string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const said = { out: "", err: "" };
  const code = await runCli(["package", "decode", ...args], {
    stdout: (text) => {
      said.out += text;
    },
    stderr: (text) => {
      said.err += text;
    },
    ...{ columns: undefined, env: {}, signal: new AbortController().signal },
  });
  return { code, ...said };
}

/** Two headers, and nothing of what they promise. */
const envelope = "BF5182013030820120";

describe("what decodes", () => {
  test("every vector, by the name of its type: offsets and lengths are those of the input", () => {
    const types = new Set<string>();
    for (const { type, hex } of vectors) {
      const bytes = fromHex(hex);
      const { nodes, problem } = examine(type, bytes);
      expect(problem, `${type} ${hex.slice(0, 40)}`).toBeUndefined();
      expect(nodes[0]).toMatchObject({ offset: 0, depth: 0 });
      expect((nodes[0]?.headerLength ?? 0) + (nodes[0]?.length ?? 0)).toBe(bytes.length);
      for (const { offset, tagName } of nodes) expect(toHexUpper(bytes.subarray(offset, offset + tagName.length / 2))).toBe(tagName);
      types.add(type);
    }
    expect(types.size).toBeGreaterThan(100);
  });

  test("golden vectors by guessing: the type that is meant is among those named", () => {
    for (const { type, hex } of golden) expect(guessTypes(fromHex(hex)).length, type).toBeGreaterThan(0);
  });

  describe("hex, base64, PEM and files alike", () => {
    let dir = "";
    const hex = "BF4F125A1089049032123451234512345678901235";
    const base64 = Buffer.from(hex, "hex").toString("base64");
    beforeAll(async () => {
      dir = await mkdtemp(join(tmpdir(), "simward-decode-"));
      await writeFile(join(dir, "der"), Buffer.from(hex, "hex"));
      await writeFile(join(dir, "hex"), `${hex.replace(/(.{8})/g, "$1 ")}\n`);
      await writeFile(join(dir, "base64"), `${base64.slice(0, 12)}\n${base64.slice(12)}\n`);
      await writeFile(join(dir, "pem"), `-----BEGIN MESSAGE-----\n${base64}\n-----END MESSAGE-----\n`);
    });
    afterAll(() => rm(dir, { recursive: true, force: true }));

    test.each(["der", "hex", "base64", "pem"])("file with %s", async (name) => {
      const { code, out } = await decode("--as", "GetEimPackageRequest", join(dir, name));
      expect(code).toBe(0);
      expect(out).toContain("5A eidValue: 89049032123451234512345678901235 (EID)");
    });

    test("on the command line", async () => {
      for (const given of [hex, base64]) expect((await decode(given)).out).toContain("BF4F GetEimPackageRequest");
      const json = JSON.parse((await decode(hex, "--json")).out) as { schema: string; nodes: readonly object[] };
      expect(json).toMatchObject({ schema: "simward/decoded/1", type: "GetEimPackageRequest", octets: 21 });
      expect(json.nodes[1]).toMatchObject({
        path: "GetEimPackageRequest.eidValue",
        tagName: "5A",
        offset: 3,
        length: 16,
        name: "eidValue",
      });
    });
  });
});

describe("what does not", () => {
  test("cut off: all that is there, then where and why", async () => {
    const whole = golden.find(({ type }) => type === "EuiccPackageRequest")?.hex ?? "";
    const cut = whole.slice(0, Math.floor(whole.length / 4) * 2);
    const { code, err } = await decode("--as", "EuiccPackageRequest", cut);
    expect(code).toBe(2);
    expect(err).toContain("BF51 EuiccPackageRequest");
    expect(err).toContain("euiccPackageSigned");
    expect(err).toContain("eimId");
    expect(err).toMatch(/ASN1_TRUNCATED: .*EuiccPackageRequest at offset 0: BF51 has length \d+ but \d+ octets follow/);
    const json = JSON.parse((await decode("--json", "--as", "EuiccPackageRequest", cut)).out) as object;
    expect(json).toMatchObject({ problem: { code: "ASN1_TRUNCATED", offset: 0, path: "EuiccPackageRequest" } });
  });

  test("a wrong tag inside: offset, what was found, what belongs there", async () => {
    const { code, err } = await decode("--as", "GetEimPackageRequest", "BF4F058103010203");
    expect(code).toBe(2);
    expect(err).toContain("BF4F GetEimPackageRequest");
    expect(err).toMatch(/offset \d+/);
    expect(err).toMatch(/expected 5A/);
  });

  test("something behind it: the object, and where the rest begins", async () => {
    const { code, err } = await decode("BF4F03020101AABB");
    expect(code).toBe(2);
    expect(err).toContain("BF4F GetEimPackageResponse");
    expect(err).toContain("offset 6: 2 octets after BF4F");
  });

  test("lengths are shortened where they stand, at any depth", () => {
    for (const { hex } of golden) {
      const bytes = fromHex(hex);
      for (let end = 1; end < bytes.length; end += 7) {
        const repaired = shortened(bytes.subarray(0, end));
        if (repaired !== undefined) expect(repaired.length).toBeLessThanOrEqual(end);
      }
    }
    expect(toHexUpper(shortened(fromHex(envelope)) ?? new Uint8Array(0))).toBe("BF5182000430820000");
  });

  test("whatever comes, nothing is thrown but an error of ours, and never without end", () => {
    const mutated = fc.tuple(fc.nat(vectors.length - 1), fc.nat(), fc.uint8Array({ maxLength: 6 }), fc.nat());
    fc.assert(
      fc.property(mutated, ([index, at, junk, cut]) => {
        const { type = "", hex = "" } = vectors[index] ?? {};
        const bytes = Buffer.from(hex, "hex");
        bytes.set(junk.subarray(0, Math.max(0, bytes.length - (at % bytes.length))), at % bytes.length);
        const input = cut % 3 === 0 ? bytes.subarray(0, cut % bytes.length) : bytes;
        try {
          examine(type, input);
          guessTypesOfFaulty(input);
        } catch (error) {
          expect(error).toBeInstanceOf(SimwardError);
        }
      }),
      { numRuns: 1_500, seed: 11 },
    );
  });
});
