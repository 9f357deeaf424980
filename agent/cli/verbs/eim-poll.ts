// simward eim poll: asks the eIM now and shows what comes of it.
import type { PollResult } from "../../api/types.ts";
import { exitCodeOf, exitCodes } from "../exit.ts";
import type { Output } from "../output.ts";
import { quietOption, withProgress } from "../progress.ts";
import type { Verb } from "../verb.ts";

export const eimPoll: Verb = {
  name: "eim poll",
  summary: "ask the eIM for packages now, and carry them out",
  example: "simward eim poll",
  args: [{ name: "eimId", help: "only this eIM; all by default", optional: true }],
  options: [quietOption],
  timeoutSeconds: 600,
  hasProgress: true,
  async run(context, input) {
    const { api, out } = context;
    const [eimId] = input.args;
    const result = await withProgress(context, input, () =>
      api("engineer").call<PollResult>("POST", "/v1/eim/poll", eimId === undefined ? {} : { eimId }),
    );
    out.result(result, () => out.fields(result.eims.map((eim) => [eim.eimId, outcomeParts(eim, out)])));
    return exitCodeOfPoll(result);
  },
};

type EimOutcome = PollResult["eims"][number];

function outcomeParts({ outcome, packages, error }: EimOutcome, out: Output): readonly string[] {
  if (error !== undefined) return [out.paint("red", outcome), `${error.code}: ${error.message}`, `next: ${error.next}`];
  return [outcome === "idle" ? "nothing waits" : `${packages} package${packages === 1 ? "" : "s"} answered`];
}

function exitCodeOfPoll({ eims }: PollResult): number | undefined {
  const failed = eims.flatMap(({ error }) => (error === undefined ? [] : [error]));
  const [first] = failed;
  if (first === undefined) return undefined;
  return failed.length < eims.length ? exitCodes.partial : exitCodeOf(first.code);
}
