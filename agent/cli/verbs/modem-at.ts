// simward modem at: one AT line, for the admin, with a reason; what it may not be is the daemon's deny-list (agent/module/at-line.ts).
import type { AtAnswer } from "../../api/modem-types.ts";
import { needReason, type Verb, wholeNumberOption } from "../verb.ts";

export const modemAt: Verb = {
  name: "modem at",
  summary:
    "send one AT line; refused for IMEI, eUICC channels, codes, firmware and framing; line and reason are audited; over the admin's socket",
  example: "simward modem at 'AT+CSQ' --reason 'ticket 123'",
  args: [{ name: "line", help: "begins with AT" }],
  options: [{ flags: "--answer-within <seconds>", help: "how long the module may take", default: "10" }],
  timeoutSeconds: 330,
  async run({ api, out }, input) {
    const body = { line: input.args[0] ?? "", reason: needReason(input), timeoutSeconds: wholeNumberOption(input, "answerWithin", 1, 300) };
    const answer = await api("admin").call<AtAnswer>("POST", "/v1/modem/at", body);
    out.result(answer, () => [...answer.answer, answer.result].join("\n"));
    return undefined;
  },
};
