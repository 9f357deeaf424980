// Each data session, for the audit trail and for who asks: when, where, with whom, how much, and why it ended; and the gap that there is now.
// The trail's records of gaps are audit/network-watch.ts's.
import type { DataSession } from "../../at-drivers/modem.ts";
import type { Registration } from "../../at-drivers/types.ts";
import type { Clock } from "../../base/clock.ts";
import type { AuditEvent } from "../audit/types.ts";
import type { PathState } from "./keeper.ts";

export interface ByteCounts {
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Both ways, where they are counted. */
  readonly packets?: number;
}

export interface OpenSession {
  /** Wall clock. */
  readonly startMs: number;
  readonly startMonotonicMs: number;
  readonly iccid: string | undefined;
  readonly apn: string | undefined;
  readonly address: string;
  readonly plmn: string | undefined;
  readonly rat: string | undefined;
  /** The total when it began. */
  readonly before: ByteCounts | undefined;
  readonly partiesBefore: Promise<PartyCounts | undefined> | undefined;
}

/** Running totals by party. */
export interface PartyCounts {
  readonly fleet: ByteCounts;
  readonly management: ByteCounts;
  /** The two can be told apart; if not, all is the fleet's. */
  readonly isSplit: boolean;
}

export interface SessionBookOptions {
  readonly clock: Clock;
  readonly registration: () => Registration;
  /** A running total of what carries the data; undefined while nothing could be counted yet. */
  readonly bytes?: (() => ByteCounts | undefined) | undefined;
  /** Brings the total up to the moment, where that takes asking for it; never rejects. */
  readonly settle?: (() => Promise<void>) | undefined;
  /** Never rejects. */
  readonly parties?: (() => Promise<PartyCounts>) | undefined;
  readonly audit: (event: AuditEvent) => Promise<void>;
}

export interface SessionBook {
  readonly current: OpenSession | undefined;
  /** Since when there is none, and why; undefined while there is one, or before the first. */
  readonly gap: { readonly startMs: number; readonly reason: string } | undefined;
  path(path: PathState): void;
  /** The daemon ends: what is open is closed. */
  close(reason: string): Promise<void>;
}

export function createSessionBook({ clock, registration, bytes, settle, parties, audit }: SessionBookOptions): SessionBook {
  let current: OpenSession | undefined;
  let gap: { readonly startMs: number; readonly reason: string } | undefined;

  const open = (session: DataSession, { iccid, apn }: PathState): void => {
    const { plmn, rat } = registration();
    const startMonotonicMs = clock.monotonicMs();
    current = {
      startMs: clock.now(),
      startMonotonicMs,
      iccid,
      apn,
      address: session.address,
      plmn,
      rat,
      before: bytes?.(),
      partiesBefore: parties?.(),
    };
    gap = undefined;
  };

  const close = (reason: string): Promise<void> => {
    if (current === undefined) return Promise.resolve();
    const { startMs, startMonotonicMs, iccid, apn, address, plmn, rat, before, partiesBefore } = current;
    current = undefined;
    const sinceBefore = (): object => {
      const after = bytes?.();
      if (after === undefined) return {};
      return {
        receivedBytes: Math.max(0, after.receivedBytes - (before?.receivedBytes ?? 0)),
        sentBytes: Math.max(0, after.sentBytes - (before?.sentBytes ?? 0)),
      };
    };
    // Read at once where it can be: the interface may be gone behind a turn of the event loop.
    const countedNow = settle === undefined ? sinceBefore() : undefined;
    const seconds = Math.round((clock.monotonicMs() - startMonotonicMs) / 1_000);
    const tell = async (split: object): Promise<void> => {
      await settle?.();
      await audit({
        event: "session.ended",
        cause: "connectivity",
        data: {
          ...{ start: new Date(startMs).toISOString(), seconds, iccid: iccid ?? null, apn: apn ?? null, address },
          ...{ plmn: plmn ?? null, rat: rat ?? null, ...(countedNow ?? sinceBefore()), ...split, end: reason },
        },
      });
    };
    if (parties === undefined || partiesBefore === undefined) return tell({});
    return Promise.all([partiesBefore, parties()]).then(([first, last]) =>
      tell(
        first?.isSplit === true && last.isSplit
          ? {
              fleetBytes: Math.max(0, bothWays(last.fleet) - bothWays(first.fleet)),
              managementBytes: Math.max(0, bothWays(last.management) - bothWays(first.management)),
            }
          : {},
      ),
    );
  };

  return {
    get current() {
      return current;
    },
    get gap() {
      return gap;
    },
    path(path) {
      const { up, session, reason = "unknown" } = path;
      if (up && session !== undefined) {
        if (current?.address === session.address) return;
        // Another address is another session, though the path never was away.
        void close("the network gave another address");
        open(session, path);
        return;
      }
      if (current === undefined) {
        // Why it lasts may be another thing than why it began; the last reason is the one that tells more.
        if (gap !== undefined) gap = { ...gap, reason };
        return;
      }
      void close(reason);
      gap = { startMs: clock.now(), reason };
    },
    close,
  };
}

function bothWays({ sentBytes, receivedBytes }: ByteCounts): number {
  return sentBytes + receivedBytes;
}
