// After a change of profile: the module must be seen to show the new ICCID. Where the card's REFRESH alone does not bring that about, each
// step of the family's ladder is tried, and time given after each.
import type { Clock } from "../base/clock.ts";
import { isCode, SimwardError } from "../base/errors.ts";
import { maskIdentifier } from "../base/mask.ts";
import type { CardSwitch } from "./modem.ts";
import { isRefusal } from "./retry.ts";
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
  let last = await look(request);
  if (last === iccid) return { iccid, steps, tookMs: clock.monotonicMs() - startMs };
  for (const step of ladder) {
    steps.push(step);
    await take(request, step);
    const endMs = clock.monotonicMs() + request.settleMs;
    for (let spacingMs = firstSpacingMs; clock.monotonicMs() < endMs; spacingMs = Math.min(spacingMs * 2, longestSpacingMs)) {
      last = (await look(request)) ?? last;
      if (last === iccid) return { iccid, steps, tookMs: clock.monotonicMs() - startMs };
      await clock.sleep(Math.min(spacingMs, Math.max(0, endMs - clock.monotonicMs())), request.signal);
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
    if (!isRefusal(error)) throw error;
  }
}

/** undefined while the SIM is busy, the module restarting or the port away: all of which a change of profile brings about. */
async function look(request: RefreshRequest): Promise<string | undefined> {
  try {
    return await request.read();
  } catch (error) {
    request.signal?.throwIfAborted();
    if (isRefusal(error) || isCode(error, "AT_REPLY", "AT_TIMEOUT", "AT_LINE_TOO_LONG", "PORT_CLOSED", "MODEM_ABSENT")) return undefined;
    throw error;
  }
}
