// The import table of architecture.json, and the other rules of the tree that a machine can check.
import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";

interface Folder {
  readonly folder: string;
  readonly may: readonly string[];
  readonly types: readonly string[];
  readonly node: readonly string[];
  readonly packages: readonly string[];
}

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

const table = (JSON.parse(readFileSync("architecture.json", "utf8")) as { folders: readonly Folder[] }).folders;
const sources = table
  .filter(({ folder }) => !folder.includes("/"))
  .flatMap(({ folder }) => readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)))
  .filter((path) => path.endsWith(".ts"));

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
}

function importsOf(source: string): Import[] {
  const text = withoutComments(source);
  const out: Import[] = [];
  for (const match of text.matchAll(/^\s*(?:import|export)\s+(type\s+)?([^;"']*?)\s*from\s+["']([^"']+)["']/gm)) {
    const [, typeKeyword, clause = "", specifier = ""] = match;
    const named = /^\{([\s\S]*)\}$/.exec(clause)?.[1];
    const allTypes =
      named !== undefined && named.trim() !== "" && named.split(",").every((part) => part.trim() === "" || /^type\s/.test(part.trim()));
    out.push({ specifier, typeOnly: typeKeyword !== undefined || allTypes });
  }
  for (const match of text.matchAll(/^\s*import\s+["']([^"']+)["']/gm)) out.push({ specifier: match[1] ?? "", typeOnly: false });
  for (const match of text.matchAll(/\b(?:import|require)\(\s*["']([^"']+)["']\s*\)/g))
    out.push({ specifier: match[1] ?? "", typeOnly: false });
  return out;
}

function ruleFor(path: string): Folder {
  const matching = table.filter(({ folder }) => path.startsWith(`${folder}/`)).sort((a, b) => b.folder.length - a.folder.length);
  const rule = matching[0];
  if (rule === undefined) throw new Error(`${path} is in no folder of architecture.json`);
  return rule;
}

const within = (path: string, places: readonly string[]): boolean => places.some((place) => path === place || path.startsWith(`${place}/`));

function violation(path: string, { specifier, typeOnly }: Import): string | undefined {
  const rule = ruleFor(path);
  if (specifier.startsWith(".")) {
    const target = normalize(join(dirname(path), specifier));
    if (!target.endsWith(".ts") && !target.endsWith(".json")) return `${path}: ${specifier} lacks its .ts extension`;
    if (within(target, [rule.folder]) || within(target, rule.may) || (typeOnly && within(target, rule.types))) return undefined;
    return `${path}: ${rule.folder} may not import ${target}`;
  }
  const bare = specifier.replace(/^node:/, "");
  if (builtinModules.includes(bare)) {
    if (!specifier.startsWith("node:")) return `${path}: write node:${bare}`;
    return rule.node.includes("*") || rule.node.includes(bare) ? undefined : `${path}: ${rule.folder} may not import ${specifier}`;
  }
  const name = specifier.startsWith("@") ? specifier.split("/").slice(0, 2).join("/") : (specifier.split("/")[0] ?? specifier);
  return rule.packages.includes(name) ? undefined : `${path}: ${rule.folder} may not import the package ${name}`;
}

describe("who may import what", () => {
  test("every import of the product is in the table", () => {
    const found = sources.flatMap((path) => importsOf(readFileSync(path, "utf8")).flatMap((one) => violation(path, one) ?? []));
    expect(found).toEqual([]);
    expect(sources.length).toBeGreaterThan(20);
  });

  test("a wrong import is caught", () => {
    const wrong: readonly [string, string][] = [
      ["ipa/x.ts", 'import { a } from "../transports/link.ts";'],
      ["ipa/x.ts", 'import { readFileSync } from "node:fs";'],
      ["base/x.ts", 'import { b } from "../ipa/ports.ts";'],
      ["hw-sim/x.ts", 'import type { C } from "../agent/main.ts";'],
      ["hw-sim/x.ts", 'const d = await import("../at-drivers/types.ts");'],
      ["transports/x.ts", 'import { e, type F } from "../ipa/ports.ts";'],
      ["agent/cli/x.ts", 'import { g } from "../daemon.ts";'],
      ["at-drivers/x.ts", 'import h from "coap-packet";'],
      ["base/x.ts", 'import fs from "fs";'],
      ["base/x.ts", 'export { i } from "./bytes";'],
    ];
    for (const [path, text] of wrong)
      expect(
        importsOf(text).map((one) => violation(path, one)),
        text,
      ).toEqual([expect.any(String)]);
  });

  test("an allowed import passes", () => {
    const right: readonly [string, string][] = [
      ["transports/x.ts", 'import type { TlsTrust } from "../ipa/ports.ts";'],
      ["transports/x.ts", 'import { type TlsTrust, type EimEndpoint } from "../ipa/ports.ts";'],
      ["ipa/x.ts", 'import { createHash } from "node:crypto";'],
      ["agent/cli/x.ts", 'import { decode } from "../../ipa/asn1/schema.ts";'],
    ];
    for (const [path, text] of right)
      expect(
        importsOf(text).map((one) => violation(path, one)),
        text,
      ).toEqual([undefined]);
  });
});

describe("house rules a machine can see", () => {
  test("no module re-exports another", () => {
    const chains = sources.filter((path) =>
      /^\s*export\s+(\*|\{[^}]*\}|type\s+\{[^}]*\})\s+from\s/m.test(withoutComments(readFileSync(path, "utf8"))),
    );
    expect(chains).toEqual([]);
  });

  test("a file of more than 600 lines gives its reason in its head", () => {
    const long = sources.filter((path) => {
      const text = readFileSync(path, "utf8");
      return text.split("\n").length > 600 && !/^\/\/.*\n(\/\/.*\n)*\/\/ Long because /m.test(text.slice(0, 800));
    });
    expect(long).toEqual([]);
  });

  test("time and chance come through Clock and Random only", () => {
    const uses = sources.filter(
      (path) =>
        !["base/clock.ts", "base/random.ts"].includes(path) &&
        /\bDate\.now\(|\bnew Date\(\)|(?<![\w.])set(?:Timeout|Interval)\(|globalThis\.set|\bMath\.random\(|\bperformance\.now\(/.test(
          withoutComments(readFileSync(path, "utf8")),
        ),
    );
    expect(uses).toEqual([]);
  });
});
