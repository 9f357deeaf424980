// simward card memory-reset: eUICCMemoryReset, an act of the admin with a reason in the audit trail.
import { SimwardError } from "../../../base/errors.ts";
import type { MemoryReset } from "../../api/types.ts";
import { needReason, type Verb } from "../verb.ts";

/** Bits of ResetOptions (SGP.32 §5.9.5) by what one types. */
const resetOptions = [
  ["operational", "operational", "deleteOperationalProfiles", "operational profiles"],
  ["test-profiles", "testProfiles", "deleteFieldLoadedTestProfiles", "test profiles loaded in the field"],
  ["default-smdp", "defaultSmdp", "resetDefaultSmdpAddress", "the default SM-DP+ address"],
  ["preloaded-test", "preloadedTest", "deletePreLoadedTestProfiles", "test profiles of the maker (SGP.32 only)"],
  ["provisioning", "provisioning", "deleteProvisioningProfiles", "provisioning profiles (SGP.32 only)"],
  ["eims", "eims", "resetEimConfigData", "the eIMs: nobody manages the eUICC from afar any more"],
  ["immediate-enable", "immediateEnable", "resetImmediateEnableConfig", "the configuration of immediate enabling (SGP.32 only)"],
] as const;

export const cardMemoryReset: Verb = {
  name: "card memory-reset",
  summary: "delete profiles, addresses or eIMs from the eUICC, for good (eUICCMemoryReset); over the admin's socket",
  example: "simward card memory-reset --operational --yes --reason 'ticket 123'",
  options: [...resetOptions.map(([flag, , , help]) => ({ flags: `--${flag}`, help }))],
  danger: "what is named goes from the eUICC for good",
  timeoutSeconds: 600,
  async run({ api, out }, input) {
    const options = resetOptions.flatMap(([, key, name]) => (input.options[key] === true ? [name] : []));
    if (options.length === 0)
      throw new SimwardError("USAGE", { detail: `say what: ${resetOptions.map(([flag]) => `--${flag}`).join(", ")}` });
    const reason = needReason(input);
    const done = await api("admin").call<MemoryReset>("POST", "/v1/card/memory-reset", { options, reason });
    out.result(done, () => out.fields(Object.entries(done.results).map(([name, code]) => [name, [code]])));
    return undefined;
  },
};
