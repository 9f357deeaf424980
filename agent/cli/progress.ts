// What the daemon does while it carries out an order: each step as it is done, counted, and in the order of a plan where there is one.
import type { ApiEvent } from "../api/types.ts";
import { duration } from "./layout.ts";
import type { Output } from "./output.ts";
import { renderEvent } from "./render-event.ts";
import type { CliContext, VerbInput } from "./verb.ts";

export const quietOption = { flags: "--quiet", help: "no progress" };

/** As far as this user may listen; the outcome is what counts. `plan`: the steps by name, in their order. */
export async function withProgress<T>(
  context: CliContext,
  { options }: VerbInput,
  ask: () => Promise<T>,
  plan: readonly string[] = [],
  /** Which command shows what goes on when nobody waits for it here. */
  shownBy = "simward status shows it",
): Promise<T> {
  const { out, signal } = context;
  const listening = options.quiet === true || context.isDryRun === true ? undefined : await listen(context, progressOf(out, plan));
  try {
    const answer = await ask();
    await listening?.caughtUp();
    return answer;
  } finally {
    if (signal.aborted) out.hint(`not waited for any longer; the daemon goes on: ${shownBy}`);
    await listening?.end();
    out.endProgress();
  }
}

interface Listening {
  /** Resolves when all is told that happened before. */
  caughtUp(): Promise<void>;
  end(): Promise<void>;
}

const patienceMs = 2_000;

/** Resolves when nothing that happens from now on is missed, as far as this user may hear it and the daemon lets him know within reason. */
async function listen({ api, clock }: CliContext, tell: (event: ApiEvent) => void): Promise<Listening> {
  const over = new AbortController();
  const within = (what: Promise<unknown>): Promise<void> =>
    Promise.race([what, clock.sleep(patienceMs, over.signal)]).then(
      () => undefined,
      () => undefined,
    );
  let told: Promise<unknown> = Promise.resolve();
  const opened = new Promise<void>((resolve) => {
    const take = (line: unknown): boolean => {
      tell(line as ApiEvent);
      return true;
    };
    told = api("viewer")
      .lines("/v1/events", take, over.signal, resolve)
      // Who may order may not be allowed to listen.
      .catch(() => undefined)
      .finally(resolve);
  });
  await within(opened);
  return {
    // What was written before comes before what is answered now.
    caughtUp: () => within(api("viewer").call("GET", "/v1/version")),
    async end() {
      over.abort();
      await told;
    },
  };
}

/** What began before this was asked for says so. */
function renderPhase({ n, of, phase, joined, elapsedMs }: ApiEvent): string {
  return `[${n}/${of}] ${phase}${joined === true ? `  begun ${duration(Number(elapsedMs))} ago, and joined` : ""}`;
}

function progressOf(out: Output, plan: readonly string[]): (event: ApiEvent) => void {
  let done = 0;
  let isPhased = false;
  let isDown = false;
  const count = (n: number): string => (plan.length === 0 ? `[${n}]` : `[${n}/${plan.length}]`);
  if (plan[0] !== undefined) out.live(`${count(1)} ${plan[0]}`);
  return (event) => {
    if (event.kind === "phase") {
      isPhased = true;
      const { phase, n, of } = event;
      out.progress({ ...event, step: phase }, () => renderPhase(event));
      out.live(`[${n}/${of}] ${phase}, at most ${duration(Number(event.limitMs))}`);
      return;
    }
    if (event.kind !== "step" && event.kind !== "segment") {
      // The trail has its own verbs.
      if (event.kind === "audit") return;
      // A path that is down may be told another reason for it.
      const isKnown = event.kind === "path.down" && isDown;
      if (/^path\./.test(event.kind)) isDown = event.kind === "path.down";
      out.progress(event, () => (isKnown ? undefined : renderEvent(event, out)));
      return;
    }
    if (event.kind === "segment") {
      const { number: n, of } = event;
      const step = plan[done];
      out.live(step === undefined ? `[${n}/${of}] segment` : `${count(done + 1)} ${step} ${n}/${of}`);
      out.progress({ ...event, step: "segment", n }, () => renderEvent(event, out));
      return;
    }
    // Of what the daemon does beside it.
    if (isPhased) return;
    const name = String(event.name);
    const at = plan.findIndex((step) => name.endsWith(step));
    done = at < 0 ? done + (plan.length === 0 ? 1 : 0) : at + 1;
    const position = { n: done, ...(plan.length === 0 ? {} : { of: plan.length }) };
    const isCounted = plan.length === 0 || at >= 0;
    out.progress(isCounted ? { ...event, step: name, ...position } : { ...event, step: name }, () =>
      renderEvent(event, out, isCounted ? `${count(done)} ` : " ".repeat(plan.length === 0 ? 2 : count(done).length + 1)),
    );
    const next = plan[done] ?? (plan.length === 0 ? name : undefined);
    if (next !== undefined) out.live(`${count(plan.length === 0 ? done : done + 1)} ${next}`);
  };
}
