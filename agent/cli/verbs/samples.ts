// simward samples export: signal, place and usage as they were sampled, for who has to find out where it went wrong.
import type { SampleLine } from "../../api/types.ts";
import type { Verb } from "../verb.ts";

export const samplesExport: Verb = {
  name: "samples export",
  summary: "signal, place and usage, sampled since the present owner has the vehicle; what a market keeps stays",
  example: "simward samples export --json > samples.jsonl",
  async run({ api, out }) {
    await api("engineer").lines("/v1/samples", (line) => {
      const sample = line as SampleLine;
      out.line(sample, () => {
        const { rsrpDbm } = sample.signal ?? {};
        const { plmn, cellId } = sample.location ?? {};
        return [
          sample.time,
          sample.online ? "online" : "offline",
          sample.rat ?? "-",
          plmn ?? sample.country ?? "-",
          cellId ?? "-",
          rsrpDbm === undefined ? "-" : `RSRP ${rsrpDbm}`,
          ...(sample.kept === undefined ? [] : [`kept on the vehicle: ${sample.kept.join(", ")}`]),
        ].join("  ");
      });
      return true;
    });
    return undefined;
  },
};
