// simward config show, schema: the configuration as the daemon reads it, defaults included; and what may stand in it. Needs no daemon.

import { SimwardError } from "../../../base/errors.ts";
import { configJsonSchema, type SettingRow, settingsOf } from "../../config/describe.ts";
import { loadConfig } from "../../config/load.ts";
import type { Verb } from "../verb.ts";

const file = { name: "file", help: "/etc/simward/simward.toml by default", optional: true };
const defaultFile = "/etc/simward/simward.toml";

export const configShow: Verb = {
  name: "config show",
  summary: "every setting as the daemon reads it from a file, defaults included; needs no daemon",
  example: "simward config show /etc/simward/simward.toml",
  args: [file],
  async run({ out }, { args: [name = defaultFile] }) {
    const config = await loadConfig(name);
    out.result({ schema: "simward/config/1", file: name, config }, () => flat(config, "").join("\n"));
    return undefined;
  },
};

/** "eim.poll_interval_seconds = 3600" */
function flat(value: unknown, path: string): readonly string[] {
  if (value === undefined) return [];
  if (Array.isArray(value) && value.some((item) => typeof item === "object"))
    return value.flatMap((item, i) => flat(item, `${path}[${i}]`));
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [`${path} = ${JSON.stringify(value)}`];
  return Object.entries(value).flatMap(([key, item]) => flat(item, path === "" ? key : `${path}.${key}`));
}

export const configSchemaVerb: Verb = {
  name: "config schema",
  summary: "every setting there is: its kind, its limits and its default; with --json a JSON Schema; needs no daemon",
  example: "simward config schema eim",
  args: [{ name: "section", help: "only settings that begin so", optional: true }],
  async run({ out }, { args: [section = ""] }) {
    const rows = settingsOf().filter(({ path }) => path.startsWith(section));
    if (rows.length === 0)
      throw new SimwardError("NOT_FOUND", { detail: `no setting begins with ${section}`, next: "simward config schema" });
    out.result(configJsonSchema(), () =>
      out.table([["SETTING", "KIND", "DEFAULT"].map((head) => out.paint("bold", head)), ...rows.map(cells)]),
    );
    return undefined;
  },
};

const cells = ({ path, kind, preset }: SettingRow): readonly string[] => [path, kind, preset ?? ""];
