// simward eim poll: asks the eIM now and shows what comes of it.
import type { ApiEvent, PollResult } from "../../api/types.ts";
import { exitCodeOf, exitCodes } from "../exit.ts";
import type { Output } from "../output.ts";
import { renderEvent } from "../render-event.ts";
import type { Verb } from "../verb.ts";

export const eimPoll: Verb = {
  name: "eim poll",
  summary: "ask the eIM for packages now, and carry them out",
  example: "simward eim poll",
  args: [{ name: "eimId", help: "only this eIM; all by default", optional: true }],
  options: [{ flags: "--quiet", help: "no progress" }],
  timeoutSeconds: 600,
  async run({ api, out, signal }, { args: [eimId], options }) {
    const listening = new AbortController();
    const progress =
      options.quiet === true
        ? Promise.resolve()
        : api("viewer")
            .lines(
              "/v1/events",
              (line) => {
                const event = line as ApiEvent;
                out.progress(event, () => renderEvent(event, out));
                return true;
              },
              listening.signal,
            )
            // Who may poll may not be allowed to listen; the outcome is what counts.
            .catch(() => undefined);
    try {
      const result = await api("engineer").call<PollResult>("POST", "/v1/eim/poll", eimId === undefined ? {} : { eimId });
      out.result(result, () => out.fields(result.eims.map((eim) => [eim.eimId, outcomeParts(eim, out)])));
      return exitCodeOfPoll(result);
    } finally {
      if (signal.aborted) out.hint("not waited for any longer; the daemon goes on");
      listening.abort();
      await progress;
    }
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
