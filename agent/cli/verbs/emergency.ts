// simward emergency …: tells the daemon of an emergency, and that it is over; while there is one nothing is reset, switched or downloaded.
import type { EmergencyReport } from "../../api/types.ts";
import { duration } from "../layout.ts";
import type { Output } from "../output.ts";
import { textOption, type Verb, wholeNumberOption } from "../verb.ts";

export const emergencyStatus: Verb = {
  name: "emergency status",
  summary: "whether an emergency is under way, and who says so",
  example: "simward emergency status --json",
  async run({ api, out }) {
    show(await api("viewer").call<EmergencyReport>("GET", "/v1/emergency"), out);
    return undefined;
  },
};

export const emergencyOn: Verb = {
  name: "emergency on",
  summary: "an emergency is under way: nothing that could disturb it begins until it is over",
  example: "simward emergency on --for 600 --reason 'eCall test'",
  options: [
    { flags: "--for <seconds>", help: "it ends by itself after this (900 by default, 7200 at most); told again, it lasts from then" },
  ],
  async run({ api, out }, input) {
    const forSeconds = wholeNumberOption(input, "for", 1, 7_200);
    const reason = textOption(input, "reason");
    const body = { active: true, ...(forSeconds === undefined ? {} : { forSeconds }), ...(reason === undefined ? {} : { reason }) };
    show(await api("engineer").call<EmergencyReport>("PUT", "/v1/emergency", body), out);
    return undefined;
  },
};

export const emergencyOff: Verb = {
  name: "emergency off",
  summary: "the emergency that was told is over; a voice call or the emergency profile goes on for as long as it lasts",
  example: "simward emergency off",
  async run({ api, out }) {
    show(await api("engineer").call<EmergencyReport>("PUT", "/v1/emergency", { active: false }), out);
    return undefined;
  },
};

const sourceNames: Readonly<Record<string, string>> = { api: "told", call: "a voice call of the module", profile: "the emergency profile" };

function show(report: EmergencyReport, out: Output): void {
  const { active, sources, remainingMs, reason } = report;
  out.result(report, () =>
    out.fields([
      [
        out.paint("bold", "Emergency"),
        [
          active ? out.paint("red", "active") : out.paint("green", "none"),
          sources.map((source) => sourceNames[source] ?? source).join(", "),
          remainingMs === undefined ? "" : `for ${duration(remainingMs)} more`,
          reason ?? "",
        ].filter((part) => part !== ""),
      ],
    ]),
  );
}
