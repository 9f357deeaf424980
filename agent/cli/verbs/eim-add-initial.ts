// simward eim add-initial: associates the first eIMs with the eUICC (ES10b.AddInitialEim), an act of the admin with a reason in the audit trail.
import { toHexUpper } from "../../../base/bytes.ts";
import type { EimsAdded } from "../../api/types.ts";
import { needReason, type Verb } from "../verb.ts";
import { readInput } from "./package-decode.ts";

export const eimAddInitial: Verb = {
  name: "eim add-initial",
  summary: "associate the first eIMs, which from then on manage the eUICC (ES10b.AddInitialEim); over the admin's socket",
  example: "simward eim add-initial eim.der --reason 'commissioning'",
  args: [
    {
      name: "configuration",
      help: "AddInitialEimRequest or EimConfigurationData: hex, or a file of DER, hex or base64; - for standard input",
    },
  ],
  timeoutSeconds: 120,
  async run(context, input) {
    const { api, out } = context;
    const reason = needReason(input);
    const configuration = toHexUpper(await readInput(context, input.args[0] ?? "-"));
    const done = await api("admin").call<EimsAdded>("POST", "/v1/eim/add-initial", { configuration, reason });
    out.result(done, () => out.fields([["eIMs", [...done.eimIds]]]));
    return undefined;
  },
};
