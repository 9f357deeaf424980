// Why simwardd did not start, for who asks while it is not there: kept in its state directory, and gone with the next start that succeeds.
import { object, parse, string } from "valibot";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import type { Disk } from "../../base/disk.ts";
import { isCode, type SimwardError } from "../../base/errors.ts";

const file = "start-failure.json";
const schema = object({ time: string(), code: string(), message: string(), next: string() });

export interface StartFailure {
  /** RFC 3339, by the machine's clock: since when it fails so. */
  readonly time: string;
  readonly code: string;
  readonly message: string;
  readonly next: string;
}

/** Never rejects: a disk that takes nothing is told by others. Nothing is written where another simwardd is at home. */
export async function keepStartFailure(disk: Disk, error: SimwardError, nowMs: number): Promise<void> {
  if (isCode(error, "STATE_LOCKED")) return;
  const { code, message, next } = error;
  const failure: StartFailure = { time: new Date(nowMs).toISOString(), code, message, next };
  // A daemon that is started again and again would write for years.
  const kept = await startFailure(disk);
  if (kept?.code === code && kept.message === message) return;
  await disk.replace(file, utf8(`${JSON.stringify(failure)}\n`)).catch(() => undefined);
}

/** Never rejects. */
export async function forgetStartFailure(disk: Disk): Promise<void> {
  await disk.remove(file).catch(() => undefined);
}

/** Undefined where the last start succeeded, or what is there cannot be read. Never rejects. */
export async function startFailure(disk: Disk): Promise<StartFailure | undefined> {
  try {
    const kept = await disk.read(file);
    return kept === undefined ? undefined : parse(schema, JSON.parse(fromUtf8(kept)));
  } catch {
    return undefined;
  }
}
