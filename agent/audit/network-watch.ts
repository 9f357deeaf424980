// Where and how the vehicle is connected, for the trail: changes of network and radio technology that last, and gaps between sessions with their reason.
import type { Modem } from "../../at-drivers/modem.ts";
import type { Registration } from "../../at-drivers/types.ts";
import type { Clock, Disposer } from "../../base/clock.ts";
import { countryOf } from "../../base/mcc.ts";
import type { AuditEvent, AuditLog, AuditQuery, AuditRecord } from "./types.ts";

export interface NetworkWatchOptions {
  readonly modem: Pick<Modem, "status" | "onEvent">;
  readonly onPath: (fn: (path: { readonly up: boolean; readonly reason: string | undefined }) => void) => Disposer;
  readonly clock: Clock;
  /** Never rejects. */
  readonly audit: (event: AuditEvent) => Promise<void>;
  /** Of the daemon's life before this one. */
  readonly lastSign?: LastSign | undefined;
}

/** Until when the vehicle is known to have been connected, and why not since. */
export interface LastSign {
  /** RFC 3339. */
  readonly time: string;
  readonly reason: string;
}

/** To be asked before anything of this life is recorded; undefined where there was no life before it. */
export async function lastSignIn(audit: Pick<AuditLog, "query">): Promise<LastSign | undefined> {
  const lastOf = async (query: AuditQuery): Promise<AuditRecord | undefined> => {
    for await (const record of audit.query({ ...query, last: 1 })) return record;
    return undefined;
  };
  // A gap is recorded when it is over.
  const session = await lastOf({ event: "session." });
  if (session?.event === "session.ended") return { time: session.time, reason: String(session.data?.end ?? "unknown") };
  const last = await lastOf({});
  return last && { time: last.time, reason: "simward ended without a word: a crash, or its power was cut" };
}

/** At the edge of a cell a module goes back and forth: what lasts no longer than this is not worth a record. */
const lastingMs = 30_000;

export function watchNetwork({ modem, onPath, clock, audit, lastSign }: NetworkWatchOptions): Disposer {
  let told: Registration | undefined;
  let cancel: Disposer = () => {};
  let down: { readonly atMs: number; readonly wallMs: number; readonly reason: string } | undefined;
  let unwatched = lastSign;

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
      if (unwatched !== undefined) {
        const { time: from, reason: why } = unwatched;
        const seconds = Math.round((clock.now() - Date.parse(from)) / 1_000);
        // A clock that has gone back says nothing of how long it was.
        void audit({ event: "session.gap", cause: "start", data: { from, seconds: seconds < 0 ? null : seconds, reason: why } });
        unwatched = undefined;
        down = undefined;
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
