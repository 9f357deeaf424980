// simward config validate: reads a configuration file as the daemon would.
import { SimwardError } from "../../../base/errors.ts";
import { fileProblems } from "../../config/files.ts";
import { missingGroups } from "../../config/groups.ts";
import { loadConfig } from "../../config/load.ts";
import type { Verb } from "../verb.ts";

export const configValidate: Verb = {
  name: "config validate",
  summary: "check a configuration file; needs no daemon",
  example: "simward config validate /etc/simward/simward.toml",
  args: [{ name: "file", help: "/etc/simward/simward.toml by default", optional: true }],
  options: [{ flags: "--elsewhere", help: "it is another machine's: whether the groups and files it names are here does not matter" }],
  async run({ out }, { args, options }) {
    const file = args[0] ?? "/etc/simward/simward.toml";
    const config = await loadConfig(file);
    const [missing] = options.elsewhere === true ? [] : await missingGroups(config);
    if (missing !== undefined)
      throw new SimwardError("CONFIG_INVALID", {
        detail: `${file}: ${missing.setting}: this machine has no group ${missing.group}; for another machine's file give --elsewhere`,
      });
    const [named] = options.elsewhere === true ? [] : (await fileProblems(config)).filter(({ isForbidden }) => !isForbidden);
    if (named !== undefined) throw named.error;
    out.result({ schema: "simward/config/1", file, config }, () => `${file} is valid`);
    return undefined;
  },
};
