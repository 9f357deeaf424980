// Watches whether the module has a voice call: by its unsolicited lines, and by asking, since calls that others dial are told by no line.
import type { Modem } from "../../at-drivers/modem.ts";
import type { Clock, Disposer } from "../../base/clock.ts";
import { asSimwardError, isCode } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";

export interface CallWatchOptions {
  readonly modem: Pick<Modem, "voiceCall" | "onEvent" | "status">;
  readonly clock: Clock;
  readonly log: Log;
  /** Whenever it is known. */
  readonly onCall: (active: boolean) => void;
}

const spacingMs = 10_000;
/** A module that rings within its very answers must not be asked for ever. */
const leastSpacingMs = 1_000;
/** A module that is away so long has no call any more; shorter ones may be its port alone. */
const awayMs = 120_000;

export function watchCalls({ modem, clock, log, onCall }: CallWatchOptions): Disposer {
  let isAsking = false;
  let hasNews = false;
  /** Modules without voice say so once a life. */
  let isMute = false;
  let stopped = false;
  const stopping = new AbortController();
  let cancelAway: Disposer = () => {};

  const look = async (): Promise<void> => {
    if (isMute || stopped || modem.status.link !== "ready") return;
    hasNews = true;
    if (isAsking) return;
    isAsking = true;
    try {
      while (hasNews && !stopped) {
        hasNews = false;
        const active = await modem.voiceCall();
        if (stopped) return;
        if (active === undefined) isMute = true;
        onCall(active === true);
        if (hasNews) await clock.sleep(leastSpacingMs, stopping.signal);
      }
    } catch (error) {
      // Nothing is known then, and what was known stays.
      if (!stopped && !isCode(error, "PORT_CLOSED", "MODEM_ABSENT")) log.debug("calls could not be read", { error: asSimwardError(error) });
    } finally {
      isAsking = false;
    }
  };

  const disposers = [
    clock.every(spacingMs, () => void look()),
    modem.onEvent((event) => {
      if (event.kind === "call") void look();
      if (event.kind === "gone") {
        cancelAway();
        cancelAway = clock.after(awayMs, () => onCall(false));
      }
      if (event.kind === "back") {
        cancelAway();
        isMute = false;
        void look();
      }
    }),
  ];
  void look();
  return () => {
    stopped = true;
    stopping.abort();
    cancelAway();
    for (const dispose of disposers) dispose();
  };
}
