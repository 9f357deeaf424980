// The daemon's events for whoever listens: numbered, with a bounded memory to resume from.
import type { Clock, Disposer } from "../../base/clock.ts";
import type { ApiEvent } from "./types.ts";

export interface EventHub {
  publish(kind: string, fields: Readonly<Record<string, unknown>>): void;
  /**
   * First what is remembered after `afterId`, 0 for all of it, then what comes. Where something between is not remembered any more, or `afterId`
   * is of an earlier life of the daemon, an event `gap` comes first.
   */
  subscribe(afterId: number | undefined, fn: (event: ApiEvent) => void): Disposer;
}

export interface EventHubOptions {
  readonly clock: Clock;
  /** Another one in each life of the daemon, so that nobody resumes in the wrong one; 1 by default. */
  readonly firstId?: number;
  /** How many events are remembered; 1000 by default. */
  readonly remembered?: number;
}

export function createEventHub({ clock, firstId = 1, remembered = 1_000 }: EventHubOptions): EventHub {
  const ring: ApiEvent[] = [];
  const listeners = new Set<(event: ApiEvent) => void>();
  let nextId = firstId;
  const make = (id: number, kind: string, fields: Readonly<Record<string, unknown>>): ApiEvent => ({
    ...fields,
    schema: "simward/event/1",
    id,
    time: new Date(clock.now()).toISOString(),
    kind,
  });
  return {
    publish(kind, fields) {
      const event = make(nextId++, kind, fields);
      ring.push(event);
      if (ring.length > remembered) ring.shift();
      for (const listener of [...listeners]) listener(event);
    },
    subscribe(afterId, fn) {
      if (afterId !== undefined) {
        const oldest = ring[0]?.id ?? nextId;
        const isKnown = afterId >= oldest - 1 && afterId < nextId;
        if (afterId > 0 && !isKnown) fn(make(oldest - 1, "gap", { after: afterId }));
        for (const event of ring) if (!isKnown || event.id > afterId) fn(event);
      }
      listeners.add(fn);
      return () => listeners.delete(fn);
    },
  };
}
