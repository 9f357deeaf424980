// simward policy set: policies are the configuration's, so that a vehicle does what was reviewed; it says what to edit, and checks the file.
import { SimwardError } from "../../../base/errors.ts";
import type { Verb } from "../verb.ts";

export const policySet: Verb = {
  name: "policy set",
  summary: "policies are the configuration's: says where to edit, and how it comes into force; exits with 12",
  example: "simward policy set usage.throttle_kbps 64",
  args: [
    { name: "setting", help: "as in [policy], such as usage.throttle_kbps" },
    { name: "value", help: "what it is to be", optional: true },
  ],
  async run(_context, { args: [setting = "", value] }) {
    if (!/^[a-z0-9_.-]+$/i.test(setting))
      throw new SimwardError("USAGE", { detail: `${setting}: name a setting, such as usage.throttle_kbps` });
    const path = setting.replace(/^policy\./, "").split(".");
    const section = ["policy", ...path.slice(0, -1)].join(".");
    throw new SimwardError("POLICY_REFUSED", {
      detail:
        `policies change with the configuration, which is reviewed and kept: set ${path.at(-1)}${value === undefined ? "" : ` = ${value}`} under [${section}] in ` +
        "/etc/simward/simward.toml",
      next: "simward policy simulate shows what it would do; simward config validate; systemctl restart simwardd",
    });
  },
};
