// What goes over every interface, told to whoever listens, under one clock; and the id that ties an eIM's order to the APDUs and AT lines it led to.
// The id travels by AsyncLocalStorage. Nothing is made for a layer that nobody listens to.
import { AsyncLocalStorage } from "node:async_hooks";
import type { Clock, Disposer } from "./clock.ts";
import { integerBelow, type Random } from "./random.ts";

/** From the module's line up to the servers. */
export const traceLayers = ["at", "apdu", "es10", "esipa", "es9", "coap", "dtls", "https"] as const;
export type TraceLayer = (typeof traceLayers)[number];

/** tx leaves simward, towards the module, the card or a server. */
export type TraceDirection = "tx" | "rx";

export interface TraceContent {
  /** What it is by the standard's name: "ES10b.LoadEuiccPackage", "ESipa.GetEimPackage". */
  readonly name?: string | undefined;
  /** ASN.1 type of the octets, where the interface says which it is. */
  readonly type?: string | undefined;
  readonly octets?: Uint8Array | undefined;
  /** What is text on the line. */
  readonly text?: string | undefined;
  /** "address:port", the eIM's id, or the logical channel. */
  readonly peer?: string | undefined;
  /** Beside the content: binding, status, outcome. */
  readonly note?: string | undefined;
  /** More of the same body follows in messages of its own. */
  readonly more?: boolean | undefined;
  /** An ESipa or ES9+ exchange has ended here, whole or not. */
  readonly last?: boolean | undefined;
}

export interface TracePoint extends TraceContent {
  readonly layer: TraceLayer;
  readonly direction: TraceDirection;
  readonly traceId: string | undefined;
  /** Wall clock, ms since the epoch, as the device believes. */
  readonly ms: number;
  readonly monotonicMs: number;
}

/** What layers take: an optional port of this kind. */
export interface Trace {
  /** Whether anybody listens to the layer; what is only made for a trace is made behind this. */
  wants(layer: TraceLayer): boolean;
  /** `of` where the caller is not of the trace that this belongs to, as a socket's reader is not; null: it is nobody's. */
  emit(layer: TraceLayer, direction: TraceDirection, content: TraceContent, of?: string | null): void;
  /** Runs what begins here under an id of its own; answers what it answers. */
  begin<T>(kind: string, run: () => T): T;
}

export interface TraceBus extends Trace {
  listen(layers: readonly TraceLayer[], fn: (point: TracePoint) => void): Disposer;
}

const scope = new AsyncLocalStorage<string | undefined>();

/** The id of what runs now. */
export function traceId(): string | undefined {
  return scope.getStore();
}

export function inTrace<T>(id: string | undefined, run: () => T): T {
  return scope.run(id, run);
}

export function createTraceBus({ clock, random }: { readonly clock: Clock; readonly random: Random }): TraceBus {
  const listeners = new Map<TraceLayer, Set<(point: TracePoint) => void>>();
  // Tells the lives of the daemon apart.
  const life = integerBelow(random, 0x10000).toString(16).padStart(4, "0");
  let next = 1;
  return {
    wants: (layer) => listeners.has(layer),
    emit(layer, direction, content, of = traceId() ?? null) {
      const wanted = listeners.get(layer);
      if (wanted === undefined) return;
      const point: TracePoint = {
        layer,
        direction,
        traceId: of ?? undefined,
        ms: clock.now(),
        monotonicMs: clock.monotonicMs(),
        ...content,
      };
      for (const fn of [...wanted]) fn(point);
    },
    begin: (kind, run) => inTrace(`${kind}-${life}-${next++}`, run),
    listen(layers, fn) {
      for (const layer of layers) {
        const known = listeners.get(layer) ?? new Set();
        listeners.set(layer, known.add(fn));
      }
      return () => {
        for (const layer of layers) {
          const known = listeners.get(layer);
          known?.delete(fn);
          if (known?.size === 0) listeners.delete(layer);
        }
      };
    },
  };
}
