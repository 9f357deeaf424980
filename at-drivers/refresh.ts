// After a change of profile: the module must be seen to show the new ICCID. Where the card's REFRESH alone does not bring that about, each
// step of the family's ladder is tried, and time given after each.
import type { Clock } from "../base/clock.ts";
import { isCode, SimwardError } from "../base/errors.ts";
import { maskIdentifier } from "../base/mask.ts";
import { isSimBusy } from "./engine/results.ts";
import type { CardSwitch } from "./modem.ts";
import { isRefusal, simBusyLimitMs } from "./retry.ts";
import type { RefreshStep } from "./types.ts";

export interface RefreshRequest {
  readonly iccid: string;
  readonly ladder: readonly RefreshStep[];
  /** After each step. */
  readonly settleMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
  /** The ICCID as the module shows it now, without waiting for a busy SIM. */
  readonly read: () => Promise<string>;
  readonly take: (step: RefreshStep) => Promise<void>;
}

const firstSpacingMs = 250;
const longestSpacingMs = 2_000;

/** Success is the ICCID read back, not what any command answered. Throws SWITCH_NOT_SEEN. */
export async function climbRefreshLadder(request: RefreshRequest): Promise<CardSwitch> {
  const { clock, iccid, ladder } = request;
  const startMs = clock.monotonicMs();
  const steps: RefreshStep[] = [];
  let last: string | undefined;
  const isThere = async (): Promise<Sight> => {
    const seen = await look(request);
    if (seen !== "busy" && seen !== "nothing") last = seen;
    return seen;
  };
  if ((await isThere()) === iccid) return { iccid, steps, tookMs: clock.monotonicMs() - startMs };
  for (const step of ladder) {
    steps.push(step);
    await take(request, step);
    const takenMs = clock.monotonicMs();
    let endMs = takenMs + request.settleMs;
    for (let spacingMs = firstSpacingMs; ; spacingMs = Math.min(spacingMs * 2, longestSpacingMs)) {
      const seen = await isThere();
      if (seen === iccid) return { iccid, steps, tookMs: clock.monotonicMs() - startMs };
      const nowMs = clock.monotonicMs();
      // A SIM that is being read is on its way; the next step would only begin it anew.
      if (seen === "busy" && nowMs < takenMs + simBusyLimitMs) endMs = Math.max(endMs, nowMs + request.settleMs);
      if (nowMs >= endMs) break;
      await clock.sleep(Math.min(spacingMs, endMs - nowMs), request.signal);
    }
  }
  throw new SimwardError("SWITCH_NOT_SEEN", {
    detail: `after ${steps.join(", ")}: ${last === undefined ? "no ICCID can be read" : `ICCID ${maskIdentifier(last)}`}`,
    data: { steps },
  });
}

/** A step that the module refuses is no reason not to take the next. */
async function take(request: RefreshRequest, step: RefreshStep): Promise<void> {
  try {
    await request.take(step);
  } catch (error) {
    if (!isRefusal(error) && !isCode(error, "MODEM_UNABLE")) throw error;
  }
}

/** An ICCID; busy: the SIM is being read; nothing: the module is restarting, its port is away, or it will not say. */
type Sight = string | "busy" | "nothing";

async function look(request: RefreshRequest): Promise<Sight> {
  try {
    return await request.read();
  } catch (error) {
    request.signal?.throwIfAborted();
    if (isSimBusy(error)) return "busy";
    if (isRefusal(error) || isCode(error, "AT_REPLY", "AT_TIMEOUT", "AT_LINE_TOO_LONG", "PORT_CLOSED", "MODEM_ABSENT")) return "nothing";
    throw error;
  }
}
