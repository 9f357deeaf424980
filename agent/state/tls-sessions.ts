// DTLS sessions that survive a restart. They hold master secrets: owner-only files, never logged; the newest few are kept.
import { createHash } from "node:crypto";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import type { Disk } from "../../base/disk.ts";
import { asSimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { Queue } from "../../base/queue.ts";
import type { DtlsSessionStore } from "../../transports/dtls/types.ts";

const maxSessions = 16;

export async function openTlsSessions(disk: Disk, log: Log): Promise<DtlsSessionStore> {
  const writes = new Queue();
  const sessions = new Map<string, Uint8Array>();
  for (const name of await disk.list(".")) {
    const bytes = await disk.read(name);
    const stored = bytes === undefined ? undefined : decodeStored(bytes);
    if (stored !== undefined) sessions.set(stored.key, stored.session);
    else await disk.remove(name);
  }
  // Losing a session costs a full handshake, nothing more: a failed write is only told.
  const write = (job: () => Promise<void>): void => {
    writes.run(job).catch((error: unknown) => log.warn("a DTLS session could not be stored", { error: asSimwardError(error) }));
  };
  const forget = (key: string): void => {
    if (!sessions.delete(key)) return;
    write(() => disk.remove(fileOf(key)));
  };
  return {
    load: (key) => sessions.get(key),
    save({ key, session }) {
      sessions.delete(key);
      sessions.set(key, session);
      write(() => disk.replace(fileOf(key), encodeStored(key, session)));
      const oldest = sessions.keys().next().value;
      if (sessions.size > maxSessions && oldest !== undefined) forget(oldest);
    },
    forget,
  };
}

function fileOf(key: string): string {
  return `${createHash("sha256").update(key).digest("hex").slice(0, 32)}.json`;
}

function encodeStored(key: string, session: Uint8Array): Uint8Array {
  return utf8(JSON.stringify({ key, session: Buffer.from(session).toString("base64") }));
}

function decodeStored(bytes: Uint8Array): { readonly key: string; readonly session: Uint8Array } | undefined {
  try {
    const value = JSON.parse(fromUtf8(bytes)) as { readonly key?: unknown; readonly session?: unknown };
    if (typeof value.key !== "string" || typeof value.session !== "string") return undefined;
    return { key: value.key, session: new Uint8Array(Buffer.from(value.session, "base64")) };
  } catch {
    return undefined;
  }
}
