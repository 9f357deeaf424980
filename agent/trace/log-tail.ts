// The last lines of the daemon's own log, for who has no journal at hand. Masked as they were written; identifiers at debug level are masked here.
import type { Disposer } from "../../base/clock.ts";
import { maskValue } from "../../base/mask.ts";
import type { LogLine } from "../api/trace-types.ts";

export interface LogTail {
  /** One line of JSON as the log writes it. */
  take(line: string): void;
  last(count: number | undefined): readonly LogLine[];
  /** First what is remembered after `afterSeq`, then what comes. */
  subscribe(afterSeq: number | undefined, fn: (line: LogLine) => void): Disposer;
}

const kept = 500;
const longestLine = 16_384;

export function createLogTail(): LogTail {
  const ring: LogLine[] = [];
  const listeners = new Set<(line: LogLine) => void>();
  let nextSeq = 1;
  return {
    take(text) {
      if (text.length > longestLine) return;
      const written = JSON.parse(text) as Record<string, unknown>;
      const { level, time, event, ...fields } = written.level === "debug" ? (maskValue(written) as Record<string, unknown>) : written;
      const line: LogLine = {
        schema: "simward/log/1",
        seq: nextSeq++,
        time: String(time),
        level: level as LogLine["level"],
        event: String(event),
        fields,
      };
      ring.push(line);
      if (ring.length > kept) ring.shift();
      for (const fn of [...listeners]) fn(line);
    },
    last: (count = kept) => ring.slice(-count),
    subscribe(afterSeq, fn) {
      if (afterSeq !== undefined) for (const line of ring) if (line.seq > afterSeq) fn(line);
      listeners.add(fn);
      return () => listeners.delete(fn);
    },
  };
}
