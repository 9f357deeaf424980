// How often the module has gone away by itself, and how: what it said, and what it was doing then. Kept for an hour; restarts that it was told to make do not count.
import type { Modem } from "../../at-drivers/modem.ts";
import type { Clock, Disposer } from "../../base/clock.ts";

export interface Restart {
  /** Of the monotonic clock. */
  readonly atMs: number;
  /** As the driver says it: "the module has restarted (RDY)", "the port ended (hang-up)". */
  readonly reason: string;
  /** How long it had been there. */
  readonly upMs: number | undefined;
  /** It was registered in a network then. */
  readonly wasRegistered: boolean;
}

export interface RestartWatch {
  /** Of the last hour, the oldest first. */
  list(): readonly Restart[];
  stop: Disposer;
}

export const windowMs = 3_600_000;
const most = 256;
const told = /told to restart/;

export function watchRestarts({ modem, clock }: { readonly modem: Pick<Modem, "onEvent">; readonly clock: Clock }): RestartWatch {
  let restarts: readonly Restart[] = [];
  let backMs: number | undefined;
  let wasRegistered = false;
  const recent = (): readonly Restart[] => restarts.filter(({ atMs }) => clock.monotonicMs() - atMs <= windowMs).slice(-most);
  const stop = modem.onEvent((event) => {
    const atMs = clock.monotonicMs();
    if (event.kind === "back") [backMs, wasRegistered] = [atMs, false];
    // What the driver forgets as the module goes is said before it goes.
    if (event.kind === "registration" && event.registration.status !== "unknown")
      wasRegistered = event.registration.status === "home" || event.registration.status === "roaming";
    if (event.kind !== "gone" || told.test(event.reason)) return;
    restarts = [...recent(), { atMs, reason: event.reason, upMs: backMs === undefined ? undefined : atMs - backMs, wasRegistered }];
  });
  return { list: recent, stop };
}

/** As the trail has them from before the daemon's start: of sessions that ended so. */
export const restartInTrail = /^the module is gone: (?!it was told)(.*)$/;

export interface Judged {
  readonly words: string;
  readonly mend: string;
}

const supply =
  "measure the supply at the module while it transmits (it must not break down below what its data sheet allows), check cable, fuse and capacitors";

/** What their reasons have in common says where to look first. Pure. */
export function causeOfRestarts(restarts: readonly Pick<Restart, "reason" | "upMs" | "wasRegistered">[]): Judged {
  const share = (fits: (one: (typeof restarts)[number]) => boolean): number => restarts.filter(fits).length / Math.max(1, restarts.length);
  const ups = restarts.flatMap(({ upMs }) => upMs ?? []);
  const [shortest, longest] = [Math.min(...ups), Math.max(...ups)];
  if (ups.length >= 4 && longest - shortest < 0.05 * longest)
    return {
      words: `each time after ${Math.round(longest / 1_000)} s: a watchdog, or a program that resets it by the clock`,
      mend: "simward modem port-owner; look for what switches its power or its reset line; journalctl -b",
    };
  if (share(({ reason }) => /answers in a row/.test(reason)) > 0.5)
    return {
      words: "it stops answering, which is its firmware's fault",
      mend: "simward modem info; update the module's firmware; see docs/modules.md; set modem.power_hook so that its power can be switched",
    };
  if (share(({ wasRegistered }) => !wasRegistered) > 0.5)
    return { words: "mostly before it is registered, as it begins to transmit: its supply probably breaks down", mend: supply };
  if (share(({ reason }) => /the port ended/.test(reason)) > 0.5)
    return {
      words: "its port goes away, and it does not say that it starts: USB or power",
      mend: "dmesg | tail -n 50; check USB cable, hub and autosuspend (power/control), then the supply",
    };
  return {
    words: "it says that it starts while its port stays: its supply, its reset line, or its firmware",
    mend: `simward modem info; ${supply}`,
  };
}
