// What the daemon does while it carries out an order: each step as it is done, counted, and in the order of a plan where there is one.
import type { ApiEvent } from "../api/types.ts";
import type { Output } from "./output.ts";
import { renderEvent } from "./render-event.ts";
import type { CliContext, VerbInput } from "./verb.ts";

export const quietOption = { flags: "--quiet", help: "no progress" };

/** As far as this user may listen; the outcome is what counts. `plan`: the steps by name, in their order. */
export async function withProgress<T>(
  { api, out, signal }: CliContext,
  { options }: VerbInput,
  ask: () => Promise<T>,
  plan: readonly string[] = [],
): Promise<T> {
  const listening = new AbortController();
  const listen = (tell: (event: ApiEvent) => void): Promise<unknown> =>
    api("viewer")
      .lines(
        "/v1/events",
        (line) => {
          tell(line as ApiEvent);
          return true;
        },
        listening.signal,
      )
      // Who may order may not be allowed to listen.
      .catch(() => undefined);
  const progress = options.quiet === true ? undefined : listen(progressOf(out, plan));
  try {
    return await ask();
  } finally {
    if (signal.aborted) out.hint("not waited for any longer; the daemon goes on");
    listening.abort();
    await progress;
    out.endProgress();
  }
}

function progressOf(out: Output, plan: readonly string[]): (event: ApiEvent) => void {
  let done = 0;
  const count = (n: number): string => (plan.length === 0 ? `[${n}]` : `[${n}/${plan.length}]`);
  if (plan[0] !== undefined) out.live(`${count(1)} ${plan[0]}`);
  return (event) => {
    if (event.kind !== "step" && event.kind !== "segment") {
      out.progress(event, () => renderEvent(event, out));
      return;
    }
    if (event.kind === "segment") {
      const { number: n, of } = event;
      const step = plan[done];
      out.live(step === undefined ? `[${n}/${of}] segment` : `${count(done + 1)} ${step} ${n}/${of}`);
      out.progress({ ...event, step: "segment", n }, () => renderEvent(event, out));
      return;
    }
    const name = String(event.name);
    const at = plan.findIndex((step) => name.endsWith(step));
    done = at < 0 ? done + (plan.length === 0 ? 1 : 0) : at + 1;
    const position = { n: done, ...(plan.length === 0 ? {} : { of: plan.length }) };
    const isCounted = plan.length === 0 || at >= 0;
    out.progress(isCounted ? { ...event, step: name, ...position } : { ...event, step: name }, () => {
      const text = renderEvent(event, out);
      return text === undefined || !isCounted ? text : `${count(done)} ${text.trimStart()}`;
    });
    const next = plan[done] ?? (plan.length === 0 ? name : undefined);
    if (next !== undefined) out.live(`${count(plan.length === 0 ? done : done + 1)} ${next}`);
  };
}
