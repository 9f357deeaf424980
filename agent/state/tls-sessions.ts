// DTLS sessions that survive a restart. They hold master secrets: owner-only files, never logged; the newest few are kept.
import { createHash } from "node:crypto";
import { equalBytes, fromUtf8, utf8 } from "../../base/bytes.ts";
import type { Disk } from "../../base/disk.ts";
import { asSimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { Queue } from "../../base/queue.ts";
import type { DtlsSessionStore } from "../../transports/dtls/types.ts";

const maxSessions = 16;

export async function openTlsSessions(disk: Disk, log: Log): Promise<DtlsSessionStore> {
  const writes = new Queue();
  const sessions = new Map<string, Uint8Array>();
  // Losing a session costs a full handshake, nothing more: whatever fails is only told.
  const tell = (error: unknown): void => log.warn("a DTLS session could not be stored", { error: asSimwardError(error) });
  const write = (job: () => Promise<void>): void => void writes.run(job).catch(tell);
  const readAll = async (): Promise<void> => {
    for (const name of await disk.list(".")) {
      const bytes = await disk.read(name);
      const stored = bytes === undefined ? undefined : decodeStored(bytes);
      // Under another name than its own it is what a power cut left of a write.
      if (stored !== undefined && name === fileOf(stored.key)) sessions.set(stored.key, stored.session);
      else await disk.remove(name);
    }
  };
  await readAll().catch(tell);
  const forget = (key: string): void => {
    if (!sessions.delete(key)) return;
    write(() => disk.remove(fileOf(key)));
  };
  return {
    load: (key) => sessions.get(key),
    save({ key, session }) {
      const before = sessions.get(key);
      sessions.delete(key);
      sessions.set(key, session);
      if (before !== undefined && equalBytes(before, session)) return;
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
