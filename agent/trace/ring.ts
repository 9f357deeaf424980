// The ring on flash: segments of lines, each with its CRC, the oldest removed as a whole. A line that a power cut has torn is left out when read.
import { crc32 } from "node:zlib";
import { utf8 } from "../../base/bytes.ts";
import type { Disk } from "../../base/disk.ts";
import { Queue } from "../../base/queue.ts";
import { entryOf, lineOf, type TraceEntry } from "./entry.ts";

export interface TraceRing {
  /** Not synced: a trace is not worth the wear. Throws DISK_WRITE. */
  append(entries: readonly TraceEntry[]): Promise<void>;
  /** From the oldest on. Throws DISK_READ. */
  read(): AsyncIterable<TraceEntry>;
  clear(): Promise<void>;
}

const segmentName = /^(\d{8})\.trace$/;
/** So that a full ring loses an eighth at a time. */
const segments = 8;
const longestLineBytes = 4_194_304;

export async function openTraceRing(disk: Disk, ringBytes: number): Promise<TraceRing> {
  const segmentBytes = Math.floor(ringBytes / segments);
  const queue = new Queue();
  const names = async (): Promise<string[]> => (await disk.list("")).filter((name) => segmentName.test(name)).sort();
  // Never on behind a torn line: each life of the daemon has segments of its own.
  let number = Number(segmentName.exec((await names()).at(-1) ?? "")?.[1] ?? 0) + 1;
  let usedBytes = 0;

  /** Before each segment is begun, the first of a life too: lives that are short and many must not add up. */
  const makeRoom = async (): Promise<void> => {
    const there = await names();
    for (const oldest of there.slice(0, Math.max(0, there.length - (segments - 1)))) await disk.remove(oldest);
  };

  return {
    append: (entries) =>
      queue.run(async () => {
        let lines: Uint8Array[] = [];
        let bytes = 0;
        const write = async (): Promise<void> => {
          if (lines.length === 0) return;
          const block = Buffer.concat(lines);
          lines = [];
          bytes = 0;
          if (usedBytes === 0) await makeRoom();
          await disk.append(`${String(number).padStart(8, "0")}.trace`, block, false);
          usedBytes += block.length;
        };
        for (const entry of entries) {
          const line = checked(lineOf(entry));
          if (line.length > Math.min(segmentBytes, longestLineBytes)) continue;
          if (usedBytes + bytes + line.length > segmentBytes) {
            await write();
            number++;
            usedBytes = 0;
          }
          lines.push(line);
          bytes += line.length;
        }
        await write();
      }),
    async *read() {
      for (const name of await names()) {
        const content = await disk.read(name);
        for (const line of Buffer.from(content ?? [])
          .toString("utf8")
          .split("\n")) {
          const entry = unchecked(line);
          if (entry !== undefined) yield entry;
        }
      }
    },
    clear: () =>
      queue.run(async () => {
        for (const name of await names()) await disk.remove(name);
        usedBytes = 0;
      }),
  };
}

function checked(line: string): Uint8Array {
  return utf8(`${crc32(line).toString(16).padStart(8, "0")} ${line}\n`);
}

/** Undefined for what is no whole line of ours. */
function unchecked(line: string): TraceEntry | undefined {
  const content = line.slice(9);
  if (line.length < 10 || Number.parseInt(line.slice(0, 8), 16) !== crc32(content)) return undefined;
  return entryOf(content);
}
