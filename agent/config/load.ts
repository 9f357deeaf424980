// Text to Config: TOML, then the schema. Every refusal names the key by its dotted path and what it should be.
import { readFile } from "node:fs/promises";
import { parse, TomlError } from "smol-toml";
import { safeParse } from "valibot";
import { reasonOf, SimwardError } from "../../base/errors.ts";
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
    if (issue.type === "strict_object" && issue.expected === "never") return `${key} is no setting`;
    if (issue.type === "strict_object") return `${key} is missing`;
    return `${key} ${issue.message.startsWith("Invalid") ? `must be ${issue.expected ?? "valid"}, not ${issue.received}` : issue.message}`;
  });
  throw new SimwardError("CONFIG_INVALID", { detail: `${name}: ${problems.join("; ")}`, data: { problems } });
}

/** Throws CONFIG_READ too. */
export async function loadConfig(path: string): Promise<Config> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new SimwardError("CONFIG_READ", { detail: `${path}: ${reasonOf(error)}`, cause: error });
  }
  return parseConfig(text, path);
}
