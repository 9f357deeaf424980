// Text to Config: TOML, then the schema. Every refusal names the key by its dotted path and what it should be.
import { parse, TomlError } from "smol-toml";
import { safeParse } from "valibot";
import { reasonOf, SimwardError } from "../../base/errors.ts";
import { nearest } from "../../base/nearest.ts";
import { readSmallFile } from "../../base/small-file.ts";
import { type Config, configSchema } from "./schema.ts";

/** Throws CONFIG_SYNTAX with line and column, CONFIG_INVALID with every key that is wrong. */
export function parseConfig(text: string, name = "simward.toml"): Config {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new SimwardError("CONFIG_SYNTAX", {
      detail: `${name}, line ${error.line}, column ${error.column}: ${error.message.split("\n")[0] ?? ""}`,
      cause: error,
    });
  }
  const result = safeParse(configSchema, value);
  if (result.success) return result.output;
  const problems = result.issues.map((issue) => {
    const key = issue.path?.map((item) => String(item.key)).join(".") ?? "";
    if (issue.type === "strict_object" && issue.expected === "never") return `${key} is no setting${meant(issue.path)}`;
    if (issue.type === "strict_object") return `${key} is missing`;
    return `${key} ${issue.message.startsWith("Invalid") ? `must be ${issue.expected ?? "valid"}, not ${issue.received}` : issue.message}`;
  });
  throw new SimwardError("CONFIG_INVALID", { detail: `${name}: ${problems.join("; ")}`, data: { problems } });
}

/** Throws CONFIG_READ too. */
export async function loadConfig(path: string): Promise<Config> {
  return parseConfig(await readConfigFile(path), path);
}

/** Throws CONFIG_READ. */
export async function readConfigFile(path: string): Promise<string> {
  try {
    return await readSmallFile(path);
  } catch (error) {
    throw new SimwardError("CONFIG_READ", { detail: `${path}: ${reasonOf(error)}`, cause: error });
  }
}

/** The key beside which an unknown one stands that it may be a slip of. */
function meant(path: readonly { readonly key?: unknown }[] | undefined): string {
  const keys = (path ?? []).map(({ key }) => String(key));
  const known = keysAt(keys.slice(0, -1));
  const near = nearest(keys.at(-1) ?? "", known);
  return near === undefined ? `; there are ${known.join(", ")}` : `; did you mean ${near}?`;
}

interface SchemaShape {
  readonly wrapped?: SchemaShape;
  readonly item?: SchemaShape;
  readonly entries?: Readonly<Record<string, SchemaShape>>;
}

function keysAt(path: readonly string[]): readonly string[] {
  let at = inner(configSchema as SchemaShape);
  for (const key of path) at = /^\d+$/.test(key) ? at : inner(at.entries?.[key] ?? {});
  return Object.keys(at.entries ?? {});
}

/** Through what is optional, and to the items of a list. */
function inner(schema: SchemaShape): SchemaShape {
  const next = schema.wrapped ?? schema.item;
  return next === undefined ? schema : inner(next);
}
