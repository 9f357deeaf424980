// simward config validate: reads a configuration file as the daemon would.
import { loadConfig } from "../../config/load.ts";
import type { Verb } from "../verb.ts";

export const configValidate: Verb = {
  name: "config validate",
  summary: "check a configuration file; needs no daemon",
  example: "simward config validate /etc/simward/simward.toml",
  args: [{ name: "file", help: "/etc/simward/simward.toml by default", optional: true }],
  async run({ out }, { args }) {
    const file = args[0] ?? "/etc/simward/simward.toml";
    const config = await loadConfig(file);
    out.result({ schema: "simward/config/1", file, config }, () => `${file} is valid`);
    return undefined;
  },
};
