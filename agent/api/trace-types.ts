// What the routes of traces and of the log answer.

export type TraceLayerName = "at" | "apdu" | "es10" | "esipa" | "es9" | "coap" | "dtls" | "https";

/** One TLV, by the standard's names. */
export interface TraceNode {
  readonly path: string;
  readonly name: string;
  readonly depth: number;
  readonly tag: string;
  readonly offset: number;
  readonly length: number;
  readonly kind: string;
  readonly value: string;
  readonly note?: string;
}

/** One thing that went over an interface. */
export interface TraceLine {
  readonly schema: "simward/trace/1";
  /** Counts up while the daemon runs; `?after=` resumes from it as far as the daemon remembers. */
  readonly seq: number;
  readonly time: string;
  /** Of the daemon's own clock, which nobody sets: differences are durations. */
  readonly monotonicMs: number;
  /** The same from the eIM's order down to the AT line. */
  readonly traceId?: string;
  readonly layer: TraceLayerName;
  /** tx leaves simward. */
  readonly direction: "tx" | "rx";
  /** By the standard's name: "ES10b.LoadEuiccPackage". */
  readonly name?: string;
  readonly peer?: string;
  /** What it is, in a line. */
  readonly text: string;
  readonly bytes?: number;
  readonly note?: string;
  /** Octets that were overwritten with `*`, as they are secret. */
  readonly cutBytes?: number;
  /** Hex; for the admin only. */
  readonly octets?: string;
  /** Where decoding was asked for. */
  readonly type?: string;
  readonly tree?: readonly TraceNode[];
  /** Why the tree ends where it ends. */
  readonly problem?: string;
}

/** In a stream, where what lies before is not remembered. */
export interface TraceGap {
  readonly schema: "simward/trace-gap/1";
  readonly after: number;
}

export interface TraceStatus {
  readonly schema: "simward/trace-status/1";
  readonly enabled: boolean;
  readonly layers: readonly TraceLayerName[];
  readonly disk: "never" | "failures" | "always";
  readonly memoryBytes: number;
  readonly entries: number;
  readonly nextSeq: number;
  readonly keptTraces: number;
  readonly lostEntries: number;
}

/** One line of the daemon's log, masked as it was written. */
export interface LogLine {
  readonly schema: "simward/log/1";
  readonly seq: number;
  readonly time: string;
  readonly level: "debug" | "info" | "warn" | "error";
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface LogLevelReport {
  readonly schema: "simward/log-level/1";
  readonly level: "debug" | "info" | "warn" | "error";
}
