// What a trace keeps: a bounded ring in memory of all layers wanted, and on flash what belongs to an operation that failed, or all where asked for.
// Secrets are cut before anything is kept. Parts of one CoAP body wait for its end, since only the whole tells what of it is secret.
import type { Clock, Disposer } from "../../base/clock.ts";
import type { Disk } from "../../base/disk.ts";
import { asSimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { integerBelow, type Random } from "../../base/random.ts";
import type { TraceBus, TraceLayer, TracePoint } from "../../base/trace.ts";
import type { TraceConfig, TraceDisk } from "./config.ts";
import { bytesOf, type TraceEntry } from "./entry.ts";
import { openTraceRing } from "./ring.ts";
import { bodyOf, type Cut, createSecretCutter } from "./secrets.ts";

export interface TraceQuery {
  readonly layers?: readonly TraceLayer[] | undefined;
  /** A trace id, or the beginning of one. */
  readonly id?: string | undefined;
  /** The last so many that match. */
  readonly last?: number | undefined;
}

export interface TraceState {
  readonly enabled: boolean;
  readonly layers: readonly TraceLayer[];
  readonly disk: TraceDisk;
  readonly memoryBytes: number;
  readonly entries: number;
  readonly nextSeq: number;
  /** Traces kept on flash because something failed, in this life of the daemon. */
  readonly keptTraces: number;
  /** Entries that flash would not take. */
  readonly lostEntries: number;
}

export interface TraceStore {
  readonly state: TraceState;
  set(change: { readonly enabled?: boolean | undefined; readonly disk?: TraceDisk | undefined }): void;
  /** First what memory holds after `afterSeq`, then what comes. `gap`: something in between is not remembered. */
  subscribe(query: TraceQuery, afterSeq: number | undefined, on: { entry(one: TraceEntry): void; gap(): void }): Disposer;
  /** Flash, then memory; each once. */
  stored(query: TraceQuery): AsyncIterable<TraceEntry>;
  /** An operation has failed: what belongs to it, and what still comes, is kept on flash. */
  failed(traceId: string): void;
  /** Forgets everything, on flash too. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}

/** A vehicle whose every poll fails must not wear its flash. */
const keptPerHour = 6;
const hourMs = 3_600_000;
/** How many of the traces kept still get what comes. */
const followed = 16;
const flushMs = 1_000;
const flushEntries = 256;
/** A body of CoAP that waits for its end takes no more than this. */
const heldBytesMax = 1_048_576;

export interface TraceStoreOptions {
  readonly bus: TraceBus;
  readonly disk: Disk;
  readonly config: TraceConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Throws DISK_READ. */
export async function openTraceStore({ bus, disk, config, clock, random, log }: TraceStoreOptions): Promise<TraceStore> {
  const ring = await openTraceRing(disk, config.ring_bytes);
  const cutter = createSecretCutter();
  const memory: TraceEntry[] = [];
  const subscribers = new Set<(entry: TraceEntry) => void>();
  const kept = new Set<string>();
  let firstOfMemory = 0;
  let memoryBytes = 0;
  let nextSeq = (1 + integerBelow(random, 1_000_000)) * 1_000_000;
  let diskMode = config.disk;
  let stopListening: Disposer | undefined;
  let held: TracePoint[] = [];
  let heldBytes = 0;
  let toWrite: TraceEntry[] = [];
  let stopFlush: Disposer | undefined;
  let writing: Promise<void> = Promise.resolve();
  let keptTraces = 0;
  let lostEntries = 0;
  let budget = keptPerHour;
  let budgetMs = clock.monotonicMs();

  const flush = (): void => {
    stopFlush?.();
    stopFlush = undefined;
    const batch = toWrite;
    toWrite = [];
    if (batch.length === 0) return;
    writing = writing
      .then(() => ring.append(batch))
      .catch((error: unknown) => {
        if (lostEntries === 0) log.warn("trace", { error: asSimwardError(error) });
        lostEntries += batch.length;
      });
  };
  const write = (entry: TraceEntry): void => {
    toWrite.push(entry);
    if (toWrite.length >= flushEntries) flush();
    else stopFlush ??= clock.after(flushMs, flush);
  };

  const add = (point: TracePoint, { octets, text, cutBytes }: Cut): void => {
    const { octets: _octets, text: _text, ...rest } = point;
    const seq = nextSeq++;
    const entry: TraceEntry = { seq, cutBytes, ...rest, ...(octets && { octets }), ...(text !== undefined && { text }) };
    memory.push(entry);
    memoryBytes += bytesOf(entry);
    while (memoryBytes > config.memory_bytes) {
      const oldest = memory[firstOfMemory++];
      if (oldest === undefined) break;
      memoryBytes -= bytesOf(oldest);
    }
    // Shifting one by one would copy the rest each time.
    if (firstOfMemory > 1_024) {
      memory.splice(0, firstOfMemory);
      firstOfMemory = 0;
    }
    if (diskMode === "always" || (entry.traceId !== undefined && kept.has(entry.traceId))) write(entry);
    for (const fn of [...subscribers]) fn(entry);
  };

  /** What waited is let go; `whole` tells whether the body it is of has come to its end. */
  const release = (whole: boolean): void => {
    const points = held;
    held = [];
    heldBytes = 0;
    const parts = points.filter(isPart);
    const cuts = whole ? cutter.cutBody(parts) : parts.map((part) => cutter.blank(part));
    for (const point of points) add(point, cuts[parts.indexOf(point)] ?? cutter.cut(point));
  };
  const isPart = (point: TracePoint): boolean => point.layer === "coap" && point.direction === "rx" && point.more !== undefined;

  const take = (point: TracePoint): void => {
    const ofBody = point.layer === "coap" && point.direction === "rx" && point.octets !== undefined;
    if (held.length === 0 && !(ofBody && point.more === true)) {
      // One that is whole by itself is looked at like one in parts.
      add(point, ofBody ? (cutter.cutBody([point])[0] ?? cutter.blank(point)) : cutter.cut(point));
      return;
    }
    const isForeign = point.traceId !== held[0]?.traceId && held.length > 0;
    held.push(point);
    heldBytes += (point.octets?.length ?? 0) + (point.text?.length ?? 0) + 200;
    if (ofBody && point.more !== true && !isForeign && hasBody(point)) release(true);
    // The exchange is over, and its body is not whole.
    else if ((point.last === true && !isForeign) || heldBytes > heldBytesMax) release(false);
  };

  const listen = (): void => {
    stopListening ??= bus.listen(config.layers, (point) => {
      try {
        take(point);
      } catch (error) {
        // A trace must never be what ends an operation.
        log.error("trace", { error: asSimwardError(error) });
      }
    });
  };
  if (config.enabled) listen();

  const matches = ({ layers, id }: TraceQuery): ((entry: TraceEntry) => boolean) => {
    const wanted = layers === undefined ? undefined : new Set(layers);
    return (entry) => (wanted === undefined || wanted.has(entry.layer)) && (id === undefined || entry.traceId?.startsWith(id) === true);
  };
  const inMemory = (): readonly TraceEntry[] => memory.slice(firstOfMemory);

  return {
    get state() {
      return {
        ...{ enabled: stopListening !== undefined, layers: config.layers, disk: diskMode, memoryBytes },
        ...{ entries: memory.length - firstOfMemory, nextSeq, keptTraces, lostEntries },
      };
    },
    set({ enabled, disk: mode }) {
      if (mode !== undefined) diskMode = mode;
      if (enabled === true) listen();
      if (enabled === false) {
        stopListening?.();
        stopListening = undefined;
        release(false);
      }
    },
    subscribe(query, afterSeq, on) {
      const isWanted = matches(query);
      if (afterSeq !== undefined) {
        const there = inMemory();
        const oldest = there[0]?.seq ?? nextSeq;
        const isKnown = afterSeq >= oldest - 1 && afterSeq < nextSeq;
        if (afterSeq > 0 && !isKnown) on.gap();
        for (const entry of there) if ((!isKnown || entry.seq > afterSeq) && isWanted(entry)) on.entry(entry);
      }
      const fn = (entry: TraceEntry): void => {
        if (isWanted(entry)) on.entry(entry);
      };
      subscribers.add(fn);
      return () => subscribers.delete(fn);
    },
    async *stored(query) {
      flush();
      await writing;
      const isWanted = matches(query);
      const there = inMemory();
      const oldest = there[0]?.seq ?? nextSeq;
      const newest = there.at(-1)?.seq ?? 0;
      const found: TraceEntry[] = [];
      const limit = query.last ?? Number.POSITIVE_INFINITY;
      const take1 = (entry: TraceEntry): void => {
        found.push(entry);
        if (found.length > limit) found.shift();
      };
      for await (const entry of ring.read()) if (isWanted(entry) && !(entry.seq >= oldest && entry.seq <= newest)) take1(entry);
      for (const entry of there) if (isWanted(entry)) take1(entry);
      yield* found;
    },
    failed(traceId) {
      if (diskMode !== "failures" || kept.has(traceId)) return;
      const nowMs = clock.monotonicMs();
      if (nowMs - budgetMs >= hourMs) {
        budget = keptPerHour;
        budgetMs = nowMs;
      }
      if (budget === 0) return;
      budget--;
      keptTraces++;
      kept.add(traceId);
      for (const oldest of kept) {
        if (kept.size <= followed) break;
        kept.delete(oldest);
      }
      for (const entry of inMemory()) if (entry.traceId === traceId) write(entry);
    },
    async clear() {
      memory.length = 0;
      firstOfMemory = 0;
      memoryBytes = 0;
      held = [];
      toWrite = [];
      await writing;
      await ring.clear();
    },
    async stop() {
      stopListening?.();
      stopListening = undefined;
      release(false);
      flush();
      await writing;
    },
  };
}

/** An acknowledgement and a 2.31 Continue are no part of one. */
function hasBody({ layer, direction, octets }: TracePoint): boolean {
  if (octets === undefined) return false;
  const [start, end] = bodyOf(layer, direction, octets);
  return end > start;
}
