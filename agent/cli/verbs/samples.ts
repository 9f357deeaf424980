// simward samples export: signal, place and usage as they were sampled, for who has to find out where it went wrong.
import type { SampleLine } from "../../api/types.ts";
import type { Output } from "../output.ts";
import { type Verb, wholeNumberOption } from "../verb.ts";

export const samplesExport: Verb = {
  name: "samples export",
  summary: "signal, place and usage, sampled since the present owner has the vehicle; what a market keeps stays",
  example: "simward samples export --json > samples.jsonl",
  options: [{ flags: "--last <n>", help: "the last so many; all by default" }],
  async run({ api, out, signal }, input) {
    const last = wholeNumberOption(input, "last", 1, 1_000_000);
    const kept: SampleLine[] = [];
    let count = 0;
    await api("engineer").lines(
      "/v1/samples",
      (line) => {
        count++;
        if (last === undefined) show(line as SampleLine, out);
        else if (kept.push(line as SampleLine) > last) kept.shift();
        return true;
      },
      signal,
    );
    for (const sample of kept) show(sample, out);
    if (count === 0)
      out.hint("no sample was taken yet, or none may leave the vehicle; [samples] in the configuration says how often one is");
    return undefined;
  },
};

function show(sample: SampleLine, out: Output): void {
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
}
