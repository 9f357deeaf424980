// Two ends of a datagram path in memory that loses, repeats, delays and reorders as it is told, on the test's own clock.
import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import type { DatagramLink } from "../../transports/link.ts";

export type Direction = "up" | "down";

export interface PathOptions {
  readonly clock: Clock;
  readonly random?: Random;
  /** Probability of each datagram's loss, both ways. */
  readonly loss?: number;
  readonly duplicate?: number;
  /** Probability of being held back by a further one to three delays. */
  readonly reorder?: number;
  /** One way. */
  readonly delayMs?: number;
  readonly maxDatagramBytes?: number;
  /** Answers what arrives instead of this datagram, for single, aimed faults: nothing, itself, or others. */
  readonly alter?: (datagram: Uint8Array, direction: Direction, index: number) => readonly Uint8Array[];
  readonly peer?: string;
}

export interface MemoryPath {
  readonly client: DatagramLink;
  readonly server: DatagramLink;
  /** Datagrams sent so far, in order, whatever became of them. */
  readonly sent: readonly { readonly direction: Direction; readonly datagram: Uint8Array; readonly atMs: number }[];
  /** From now on nothing arrives any more, as when a NAT has forgotten the way; nobody is told. */
  cut(): void;
  /** What arrives meanwhile is lost; nobody is told. */
  hold(on: boolean): void;
  /** Both ends are told. */
  close(reason: Error): void;
}

export function memoryPath(options: PathOptions): MemoryPath {
  const { clock, random } = options;
  const sent: { direction: Direction; datagram: Uint8Array; atMs: number }[] = [];
  const listeners: Record<Direction, Set<(datagram: Uint8Array) => void>> = { up: new Set(), down: new Set() };
  const closers = new Set<(reason: Error) => void>();
  let closedBy: Error | undefined;
  let severed = false;
  const chance = (p: number | undefined): boolean => p !== undefined && random !== undefined && random.unit() < p;

  const deliver = (direction: Direction, datagram: Uint8Array): void => {
    const held = chance(options.reorder) && random !== undefined ? 1 + Math.floor(random.unit() * 3) : 0;
    clock.after((options.delayMs ?? 10) * (1 + held), () => {
      if (closedBy === undefined && !severed) for (const fn of [...listeners[direction]]) fn(datagram.slice());
    });
  };
  const end = (out: Direction, back: Direction): DatagramLink => ({
    send: (datagram) => {
      if (closedBy !== undefined) return;
      sent.push({ direction: out, datagram: datagram.slice(), atMs: clock.monotonicMs() });
      const passed = options.alter?.(datagram, out, sent.length - 1) ?? [datagram];
      for (const each of passed) {
        if (chance(options.loss)) continue;
        deliver(out, each);
        if (chance(options.duplicate)) deliver(out, each);
      }
    },
    onDatagram: (fn) => {
      listeners[back].add(fn);
      return () => listeners[back].delete(fn);
    },
    onClosed: (fn) => {
      if (closedBy !== undefined) fn(closedBy);
      else closers.add(fn);
      return () => closers.delete(fn);
    },
    maxDatagramBytes: options.maxDatagramBytes ?? 1_163,
    peer: options.peer ?? "memory:1",
    close: () => close(new Error("closed")),
  });
  const close = (reason: Error): void => {
    if (closedBy !== undefined) return;
    closedBy = reason;
    for (const fn of [...closers]) fn(reason);
  };
  return {
    client: end("up", "down"),
    server: end("down", "up"),
    sent,
    cut: () => {
      severed = true;
    },
    hold: (on) => {
      severed = on;
    },
    close,
  };
}
