// Waits for a registration: by its events, and by asking, since URCs get lost. A module that was left detached is told to attach once.
import { type Clock, deadline } from "../base/clock.ts";
import { isCode, SimwardError } from "../base/errors.ts";
import type { Modem } from "./modem.ts";
import { isRegistered } from "./registration.ts";
import { isRefusal } from "./retry.ts";
import type { Registration } from "./types.ts";

type Watched = Pick<Modem, "ready" | "registration" | "onEvent" | "status">;

const spacingMs = 5_000;

/** Throws DEADLINE, its detail naming the last status and reject cause. */
export async function awaitRegistered(
  modem: Watched,
  clock: Clock,
  attachAgain: (signal: AbortSignal) => Promise<void>,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<Registration> {
  const late = (): SimwardError => {
    const { registration } = modem.status;
    const cause = registration.rejectCause === undefined ? "" : `, reject cause ${registration.rejectCause}`;
    return new SimwardError("DEADLINE", {
      detail: `not registered within ${options.timeoutMs} ms: ${registration.status}${cause}`,
      data: { ...registration },
    });
  };
  const limit = deadline(clock, options.timeoutMs, late, options.signal);
  let mayBeDetached = true;
  try {
    for (;;) {
      await modem.ready(limit.signal);
      const found = await orUnknown(modem, limit.signal);
      if (isRegistered(found)) return found;
      if (found.status === "idle" && mayBeDetached) {
        // A module that was detached, by us before a crash or by somebody else, does not look for a network until it is told to.
        mayBeDetached = false;
        await attachAgain(limit.signal);
      }
      await changeOr(modem, clock, spacingMs, limit.signal);
    }
  } finally {
    limit.done();
  }
}

async function orUnknown(modem: Watched, signal: AbortSignal): Promise<Registration> {
  try {
    return await modem.registration(signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!isRefusal(error) && !isCode(error, "AT_REPLY", "AT_TIMEOUT", "PORT_CLOSED", "MODEM_ABSENT")) throw error;
    return { status: "unknown" };
  }
}

/** Until the registration changes, at most for `ms`. */
async function changeOr(modem: Watched, clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  const changed = new AbortController();
  const stop = modem.onEvent((event) => {
    if (event.kind === "registration") changed.abort();
  });
  try {
    await clock.sleep(ms, AbortSignal.any([signal, changed.signal]));
  } catch {
    signal.throwIfAborted();
  } finally {
    stop();
  }
}
