// One thing that went over an interface, as it is kept: numbered, without secrets; and as one line of JSON on flash.
import { type TracePoint, traceLayers } from "../../base/trace.ts";

export interface TraceEntry extends TracePoint {
  /** Counts up in one life of the daemon, and begins elsewhere in the next. */
  readonly seq: number;
  /** Octets overwritten with `*` since they are secret. */
  readonly cutBytes: number;
}

export function lineOf({ octets, ...entry }: TraceEntry): string {
  return JSON.stringify({ ...entry, ...(octets === undefined ? {} : { octets: Buffer.from(octets).toString("base64") }) });
}

/** Undefined for what is none. */
export function entryOf(line: string): TraceEntry | undefined {
  try {
    const value = JSON.parse(line) as Omit<TraceEntry, "octets"> & { readonly octets?: string };
    if (!traceLayers.includes(value.layer) || !Number.isSafeInteger(value.seq)) return undefined;
    const { octets, ...entry } = value;
    return octets === undefined ? entry : { ...entry, octets: new Uint8Array(Buffer.from(octets, "base64")) };
  } catch {
    return undefined;
  }
}

/** What it takes in memory, roughly. */
export function bytesOf({ octets, text, name, note, peer }: TraceEntry): number {
  return 200 + (octets?.length ?? 0) + 2 * ((text?.length ?? 0) + (name?.length ?? 0) + (note?.length ?? 0) + (peer?.length ?? 0));
}
