// simward status --watch: the one screen, kept true. What the daemon does has it read again; a daemon that is away is waited for.
import type { Clock } from "../../base/clock.ts";
import { asSimwardError, type SimwardError } from "../../base/errors.ts";
import type { Status } from "../api/types.ts";
import type { ApiClient } from "./client.ts";
import type { Output } from "./output.ts";
import { openPicture, type Screen } from "./screen.ts";

export interface WatchOptions {
  readonly api: ApiClient;
  readonly screen: Screen;
  /** Laid out for a terminal of so many columns. */
  readonly outputAt: (columns: number) => Output;
  readonly render: (report: Status, out: Output) => string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Not more often, however much happens; and without anything happening, since times go by. */
const leastMs = 500;
const mostMs = 2_000;
const againMs = 1_000;

export type FollowOptions = Pick<WatchOptions, "api" | "clock" | "signal"> & { readonly tell: (report: Status) => void };

/** Each status that is read, for a program. Resolves when the signal aborts; throws when the daemon is away at the start. */
export async function followStatus({ api, clock, signal, tell }: FollowOptions): Promise<void> {
  tell(await api.call<Status>("GET", "/v1/status"));
  await keepAsking({ api, clock, signal }, async () => {
    await api.call<Status>("GET", "/v1/status").then(tell, () => undefined);
  });
}

/** Resolves when the signal aborts; the terminal is as it was before. */
export async function watchStatus({ api, screen, outputAt, render, clock, signal }: WatchOptions): Promise<void> {
  let report: Status | undefined;
  let problem: SimwardError | undefined;
  const picture = openPicture(screen);

  const draw = (): void => {
    const out = outputAt(screen.columns);
    const head =
      problem === undefined
        ? out.paint("dim", `simward status, ${report?.time.slice(11, 19) ?? "…"} UTC; Ctrl-C ends`)
        : out.paint("yellow", problem.code === "API_NOT_RUNNING" ? "simwardd is not running: waiting for it" : `${problem.code}: waiting`);
    const body = report === undefined ? [] : render(report, out).split("\n");
    const before = problem !== undefined && report !== undefined ? [out.paint("dim", `as of ${report.time.slice(11, 19)} UTC:`)] : [];
    // Longer than the terminal: it says so rather than that the last lines are missing.
    const room = Math.max(2, screen.rows) - 1 - before.length;
    const cut =
      body.length > room
        ? [...body.slice(0, room - 1), out.paint("dim", `${body.length - room + 1} more lines; simward status shows all`)]
        : body;
    picture.show([head, ...before, ...cut]);
  };
  const ask = async (): Promise<void> => {
    try {
      report = await api.call<Status>("GET", "/v1/status");
      problem = undefined;
    } catch (error) {
      problem = asSimwardError(error);
    }
    if (!signal.aborted) draw();
  };
  const stopResize = screen.onResize(draw);
  try {
    await ask();
    await keepAsking({ api, clock, signal }, ask);
  } finally {
    stopResize();
    picture.end();
  }
}

/** Whenever something has happened, and every two seconds; until the signal aborts. */
async function keepAsking({ api, clock, signal }: Pick<WatchOptions, "api" | "clock" | "signal">, ask: () => Promise<void>): Promise<void> {
  let wake = (): void => {};
  const rest = (ms: number, until: AbortSignal): Promise<void> => clock.sleep(ms, until).catch(() => undefined);
  const listen = async (): Promise<void> => {
    while (!signal.aborted) {
      const heard = (): boolean => {
        wake();
        return true;
      };
      await api.lines("/v1/events", heard, signal).catch(() => undefined);
      await rest(againMs, signal);
    }
  };
  const listening = listen();
  signal.addEventListener("abort", () => wake(), { once: true });
  while (!signal.aborted) {
    await rest(leastMs, signal);
    const waiting = new AbortController();
    wake = () => waiting.abort();
    if (!signal.aborted) await rest(mostMs - leastMs, waiting.signal);
    if (!signal.aborted) await ask();
  }
  await listening;
}
