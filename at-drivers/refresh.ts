// After a change of profile: the module must be seen to show the new ICCID. Where the card's REFRESH alone does not bring that about, each
// step of the family's ladder is tried, and time given after each.
import type { Clock } from "../base/clock.ts";
import { isCode, SimwardError } from "../base/errors.ts";
import { maskIdentifier } from "../base/mask.ts";
import { resetByCfun } from "./commands/general.ts";
import { isSimBusy } from "./engine/results.ts";
import type { AtPort } from "./engine/types.ts";
import type { ModemOps, ModemQuirks } from "./family.ts";
import type { LinkKeeper } from "./link-keeper.ts";
import type { CardSwitch } from "./modem.ts";
import { isRefusal, simBusyLimitMs } from "./retry.ts";
import type { RefreshStep, RefreshStepTaken } from "./types.ts";

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
  /** Whether the card has announced a proactive command, or the module has been seen to start the card anew. */
  readonly isStirred?: () => boolean;
  /** Each step, when it is over. */
  readonly onTaken?: (taken: RefreshStepTaken) => void;
}

export type CardSeen = Omit<CardSwitch, "operatorProfile">;

const firstSpacingMs = 250;
const longestSpacingMs = 2_000;
/** A card that asked for nothing, or is left alone by what was done, does not come by itself any later than this. */
const idleMs = 6_000;

/** What this module can do of its family's ladder. */
export function refreshLadder({ refresh, simPower, resets }: Pick<ModemQuirks, "refresh" | "simPower" | "resets">): readonly RefreshStep[] {
  const hasOwnReset = resets.some((reset) => reset.text() !== resetByCfun.text());
  return refresh.filter((step) => {
    if (step === "sim-power") return simPower !== undefined;
    return step !== "reset" || hasOwnReset || !refresh.includes("cfun-reset");
  });
}

/** Success is the ICCID read back, not what any command answered. Throws SWITCH_NOT_SEEN, its data naming the steps. */
export async function climbRefreshLadder(request: RefreshRequest): Promise<CardSeen> {
  const { clock, iccid, ladder } = request;
  const startMs = clock.monotonicMs();
  const taken: RefreshStepTaken[] = [];
  let begun: { readonly step: RefreshStep; readonly atMs: number } | undefined;
  const turn = (next: RefreshStep | undefined): void => {
    const nowMs = clock.monotonicMs();
    if (begun !== undefined) {
      const over = { step: begun.step, tookMs: nowMs - begun.atMs };
      taken.push(over);
      request.onTaken?.(over);
    }
    begun = next === undefined ? undefined : { step: next, atMs: nowMs };
  };
  const seenNow = (): CardSeen => {
    turn(undefined);
    return { iccid, steps: taken.map(({ step }) => step), taken, tookMs: clock.monotonicMs() - startMs };
  };
  let last: string | undefined;
  const isThere = async (): Promise<Sight> => {
    const seen = await look(request);
    if (seen !== "busy" && seen !== "nothing") last = seen;
    return seen;
  };
  if ((await isThere()) === iccid) return seenNow();
  for (const step of ladder) {
    turn(step);
    await take(request, step);
    const takenMs = clock.monotonicMs();
    let endMs = takenMs + patienceMs(request, step);
    for (let spacingMs = firstSpacingMs; ; spacingMs = Math.min(spacingMs * 2, longestSpacingMs)) {
      const seen = await isThere();
      if (seen === iccid) return seenNow();
      const nowMs = clock.monotonicMs();
      // A SIM that is being read is on its way; the next step would only begin it anew.
      if (seen === "busy" && nowMs < takenMs + simBusyLimitMs) endMs = Math.max(endMs, nowMs + request.settleMs);
      else if (request.isStirred?.() === true) endMs = Math.max(endMs, takenMs + request.settleMs);
      if (nowMs >= endMs) break;
      await clock.sleep(Math.min(spacingMs, endMs - nowMs), request.signal);
    }
  }
  turn(undefined);
  const steps = taken.map(({ step }) => step);
  throw new SimwardError("SWITCH_NOT_SEEN", {
    detail: `after ${steps.join(", ")}: ${last === undefined ? "no ICCID can be read" : `ICCID ${maskIdentifier(last)}`}`,
    data: { steps, tookMs: clock.monotonicMs() - startMs },
  });
}

function patienceMs({ settleMs, isStirred }: RefreshRequest, step: RefreshStep): number {
  const mayIdle = step === "flight-cycle" || (step === "wait" && isStirred !== undefined);
  return mayIdle ? Math.min(settleMs, idleMs) : settleMs;
}

/** A step that the module refuses is no reason not to take the next. */
async function take(request: RefreshRequest, step: RefreshStep): Promise<void> {
  try {
    await request.take(step);
  } catch (error) {
    if (!isRefusal(error) && !isCode(error, "MODEM_UNABLE", "AT_TIMEOUT", "PORT_CLOSED", "MODEM_ABSENT")) throw error;
    request.signal?.throwIfAborted();
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

/** What the steps need of the modem they are taken on. */
export interface StepHost {
  readonly clock: Clock;
  readonly link: LinkKeeper;
  readonly ops: () => ModemOps;
  /** What the owner of the module wants +CFUN to be. */
  readonly wantedFunction: () => 0 | 1 | 4;
  /** Every channel to the card is gone. */
  readonly onCardGone: () => void;
  /** Restarts it by this command, and resolves when it is ready again. */
  readonly restart: (command: (port: AtPort) => Promise<void>, signal: AbortSignal | undefined) => Promise<void>;
}

const offMs = 1_000;

/** Resolves when the module is ready for the next look. Throws what the module refuses with. */
export async function takeRefreshStep(host: StepHost, step: RefreshStep, signal: AbortSignal | undefined): Promise<void> {
  const ops = host.ops();
  switch (step) {
    case "wait":
      return;
    case "sim-power":
      return offAndOn(
        host,
        signal,
        (port) => ops.setSimPower(port, false),
        async (port) => {
          await ops.setSimPower(port, true);
          // Some modules switch the card by +CFUN and are left with a radio that is off, whatever AT+CFUN? says.
          await ops.setFunction(port, host.wantedFunction());
        },
      );
    case "flight-cycle":
      return cycleFunction(host, 4, signal);
    case "cfun-cycle":
      return cycleFunction(host, 0, signal);
    case "cfun-reset":
      return host.restart((port) => port.send(resetByCfun), signal);
    case "reset":
      return host.restart((port) => ops.reset(port), signal);
  }
}

function cycleFunction(host: StepHost, level: 0 | 4, signal: AbortSignal | undefined): Promise<void> {
  const ops = host.ops();
  return offAndOn(
    host,
    signal,
    (port) => ops.setFunction(port, level),
    (port) => ops.setFunction(port, host.wantedFunction()),
  );
}

type Act = (port: AtPort) => Promise<void>;

async function offAndOn({ clock, link, onCardGone }: StepHost, signal: AbortSignal | undefined, off: Act, on: Act): Promise<void> {
  await link.readyAgain(signal);
  onCardGone();
  try {
    await link.use(signal, async (port) => {
      try {
        await off(port);
        await clock.sleep(offMs, signal);
      } finally {
        // Whoever gives up, the module is not left without SIM and radio.
        await on(link.readyPort());
      }
    });
  } catch (error) {
    // Some modules drop the port with the radio; initialisation then switches it on again.
    if (!isCode(error, "PORT_CLOSED", "AT_TIMEOUT")) throw error;
    await link.readyAgain(signal);
  }
}
