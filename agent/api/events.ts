// The daemon's events for whoever listens: numbered, with a bounded memory to resume from.
import type { Clock, Disposer } from "../../base/clock.ts";
import type { ApiEvent } from "./types.ts";

export interface EventHub {
  publish(kind: string, fields: Readonly<Record<string, unknown>>): void;
  /** First what is remembered after `afterId`, then what comes. */
  subscribe(afterId: number | undefined, fn: (event: ApiEvent) => void): Disposer;
}

export function createEventHub(clock: Clock, remembered = 1_000): EventHub {
  const ring: ApiEvent[] = [];
  const listeners = new Set<(event: ApiEvent) => void>();
  let nextId = 1;
  return {
    publish(kind, fields) {
      const event: ApiEvent = { ...fields, schema: "simward/event/1", id: nextId++, time: new Date(clock.now()).toISOString(), kind };
      ring.push(event);
      if (ring.length > remembered) ring.shift();
      for (const listener of listeners) listener(event);
    },
    subscribe(afterId, fn) {
      if (afterId !== undefined) for (const event of ring) if (event.id > afterId) fn(event);
      listeners.add(fn);
      return () => listeners.delete(fn);
    },
  };
}
