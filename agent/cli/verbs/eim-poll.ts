// simward eim poll: asks the eIM now and shows what comes of it.
import type { ApiEvent, PollResult } from "../../api/types.ts";
import { exitCodeOf, exitCodes } from "../exit.ts";
import { renderEvent } from "../render-event.ts";
import { textOption, type Verb } from "../verb.ts";

export const eimPoll: Verb = {
  name: "eim poll",
  summary: "ask the eIM for packages now, and carry them out",
  example: "simward eim poll",
  args: [{ name: "eimId", help: "only this eIM; all by default", optional: true }],
  options: [{ flags: "--quiet", help: "no progress" }],
  async run({ api, out, signal }, { args, options }) {
    const listening = new AbortController();
    const stop = (): void => listening.abort();
    signal.addEventListener("abort", stop, { once: true });
    const progress =
      options.quiet === true
        ? Promise.resolve()
        : api("viewer")
            .lines(
              "/v1/events",
              (line) => {
                const text = renderEvent(line as ApiEvent, out);
                if (text !== undefined) out.hint(out.json ? JSON.stringify({ type: "progress", ...(line as ApiEvent) }) : text);
                return true;
              },
              listening.signal,
            )
            .catch(() => {});
    try {
      const eimId = args[0] ?? textOption({ args, options }, "eim");
      const result = await api("engineer").call<PollResult>("POST", "/v1/eim/poll", eimId === undefined ? {} : { eimId });
      out.result(result, () =>
        result.eims
          .map(({ eimId: id, outcome, packages, error }) => {
            if (outcome === "failed")
              return `${id}  ${out.paint("red", "failed")}  ${error?.code}: ${error?.message}\n  next: ${error?.next}`;
            return `${id}  ${outcome === "idle" ? "nothing waits" : `${packages} package${packages === 1 ? "" : "s"} carried out`}`;
          })
          .join("\n"),
      );
      const failed = result.eims.filter((one) => one.error !== undefined);
      if (failed.length === 0) return undefined;
      return failed.length < result.eims.length
        ? exitCodes.partial
        : failed[0]?.error === undefined
          ? exitCodes.failed
          : exitCodeOf(failed[0].error.code);
    } finally {
      stop();
      await progress;
      signal.removeEventListener("abort", stop);
    }
  },
};
