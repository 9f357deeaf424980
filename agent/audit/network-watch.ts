// Where and how the vehicle is connected, for the trail: changes of network and radio technology that last, and gaps between sessions with their reason.
import type { Modem } from "../../at-drivers/modem.ts";
import type { Registration } from "../../at-drivers/types.ts";
import type { Clock, Disposer } from "../../base/clock.ts";
import { countryOf } from "../../base/mcc.ts";
import type { AuditEvent } from "./types.ts";

export interface NetworkWatchOptions {
  readonly modem: Pick<Modem, "status" | "onEvent">;
  readonly onPath: (fn: (path: { readonly up: boolean; readonly reason: string | undefined }) => void) => Disposer;
  readonly clock: Clock;
  /** Never rejects. */
  readonly audit: (event: AuditEvent) => Promise<void>;
}

/** At the edge of a cell a module goes back and forth: what lasts no longer than this is not worth a record. */
const lastingMs = 30_000;

export function watchNetwork({ modem, onPath, clock, audit }: NetworkWatchOptions): Disposer {
  let told: Registration | undefined;
  let cancel: Disposer = () => {};
  let down: { readonly atMs: number; readonly wallMs: number; readonly reason: string } | undefined;

  const isNew = ({ plmn, rat, status }: Registration): boolean =>
    (status === "home" || status === "roaming") &&
    plmn !== undefined &&
    (plmn !== told?.plmn || rat !== told?.rat || status !== told?.status);
  const tell = (): void => {
    const now = modem.status.registration;
    if (!isNew(now)) return;
    const before = told;
    told = now;
    const data = {
      ...{ plmn: now.plmn ?? null, rat: now.rat ?? null, roaming: now.status === "roaming", country: countryOf(now.plmn) ?? null },
      ...{ fromPlmn: before?.plmn ?? null, fromRat: before?.rat ?? null, iccid: modem.status.iccid ?? null },
    };
    if (before === undefined || before.plmn !== now.plmn) void audit({ event: "network.changed", cause: "module", data });
    else if (before.rat !== now.rat) void audit({ event: "rat.changed", cause: "module", data });
    else void audit({ event: "network.changed", cause: "module", data });
  };
  const look = (): void => {
    cancel();
    cancel = () => {};
    if (!isNew(modem.status.registration)) return;
    // The first one is told at once: there is nothing that it could flap with.
    if (told === undefined) tell();
    else cancel = clock.after(lastingMs, tell);
  };

  const disposers = [
    modem.onEvent((event) => {
      if (event.kind === "registration" || event.kind === "back") look();
    }),
    onPath(({ up, reason }) => {
      if (!up) {
        down ??= { atMs: clock.monotonicMs(), wallMs: clock.now(), reason: reason ?? "unknown" };
        return;
      }
      if (down === undefined) return;
      const { atMs, wallMs, reason: why } = down;
      down = undefined;
      const data = { from: new Date(wallMs).toISOString(), seconds: Math.round((clock.monotonicMs() - atMs) / 1_000), reason: why };
      void audit({ event: "session.gap", cause: "module", data });
    }),
  ];
  look();
  return () => {
    cancel();
    for (const dispose of disposers) dispose();
  };
}
