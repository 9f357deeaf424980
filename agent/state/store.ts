// Small state that survives: versioned JSON in two slots written in turn, so that the one before is always kept and one write is enough.
import { createHash } from "node:crypto";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import type { Disk } from "../../base/disk.ts";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import { Queue } from "../../base/queue.ts";

export interface StateStore<S> {
  get(): Readonly<S>;
  /** Durable when it resolves; when it rejects, `get` still answers the old state. Updates are applied one after the other. */
  update(fn: (state: Readonly<S>) => S): Promise<void>;
}

export interface StateOptions<S> {
  readonly disk: Disk;
  /** Files are `<name>.0.json` and `<name>.1.json`. */
  readonly name: string;
  /** Counts up with each change of S's shape. */
  readonly version: number;
  readonly initial: S;
  /** Brings a state of an earlier version to this one. */
  readonly migrate?: (state: unknown, fromVersion: number) => unknown;
  /** Checks what was read; throws when it is no S. */
  readonly parse: (state: unknown) => S;
  /**
   * Instead of throwing: a state that cannot be used is set aside as `<name>.<slot>.lost`, and the initial one begun with. A vehicle must not be
   * dark because of a file; who passes this tells it to those who can mend it.
   */
  readonly onLost?: (why: SimwardError) => void;
}

const slots = [0, 1] as const;

interface Slot<S> {
  readonly generation: number;
  readonly state: S;
}

type SlotReading<S> =
  | { readonly kind: "absent" }
  | { readonly kind: "damaged"; readonly cause: unknown }
  | { readonly kind: "good"; readonly slot: Slot<S> };

/** Opens the newest undamaged slot. Throws DISK_READ, STATE_TOO_NEW; STATE_CORRUPT when files are there and none is good. */
export async function openState<S>(options: StateOptions<S>): Promise<StateStore<S>> {
  const { disk, name } = options;
  const queue = new Queue();
  let current: Slot<S>;
  try {
    current = await newestSlot(options);
  } catch (error) {
    if (options.onLost === undefined) throw error;
    await setAside(disk, name);
    current = { generation: 0, state: options.initial };
    options.onLost(asSimwardError(error));
  }

  return {
    get: () => current.state,
    update: (fn) =>
      queue.run(async () => {
        const state = fn(current.state);
        if (state === current.state) return;
        const next: Slot<S> = { generation: current.generation + 1, state };
        await disk.replace(slotPath(name, next.generation % 2), encodeSlot(options.version, next));
        current = next;
      }),
  };
}

function slotPath(name: string, slot: number): string {
  return `${name}.${slot}.json`;
}

function encodeSlot<S>(version: number, slot: Slot<S>): Uint8Array {
  const body = JSON.stringify({ version, generation: slot.generation, state: slot.state });
  return utf8(`${body}\n${createHash("sha256").update(body).digest("hex")}\n`);
}

async function newestSlot<S>(options: StateOptions<S>): Promise<Slot<S>> {
  const readings: SlotReading<S>[] = [];
  for (const slot of slots) readings.push(await readSlot(options, slotPath(options.name, slot)));
  const good = readings.flatMap((reading) => (reading.kind === "good" ? [reading.slot] : [])).sort((a, b) => b.generation - a.generation);
  const damaged = readings.find((reading) => reading.kind === "damaged");
  if (good.length === 0 && damaged !== undefined) throw new SimwardError("STATE_CORRUPT", { detail: options.name, cause: damaged.cause });
  return good[0] ?? { generation: 0, state: options.initial };
}

/** As far as the disk allows: what stays where it was is found, and lost, again at the next start. */
async function setAside(disk: Disk, name: string): Promise<void> {
  for (const slot of slots) {
    const path = slotPath(name, slot);
    try {
      const bytes = await disk.read(path);
      if (bytes === undefined) continue;
      await disk.replace(`${name}.${slot}.lost`, bytes);
      await disk.remove(path);
    } catch {
      // The disk is what is broken.
    }
  }
}

async function readSlot<S>(options: StateOptions<S>, path: string): Promise<SlotReading<S>> {
  const bytes = await options.disk.read(path);
  if (bytes === undefined) return { kind: "absent" };
  let version: number;
  let generation: number;
  let state: unknown;
  try {
    const [body = "", hash] = fromUtf8(bytes).split("\n");
    if (createHash("sha256").update(body).digest("hex") !== hash) throw new Error(`${path}: the checksum differs`);
    ({ version, generation, state } = JSON.parse(body) as { version: number; generation: number; state: unknown });
  } catch (cause) {
    return { kind: "damaged", cause };
  }
  if (version > options.version)
    throw new SimwardError("STATE_TOO_NEW", { detail: `${path} has version ${version}, this simward knows ${options.version}` });
  try {
    const migrated = version < options.version && options.migrate !== undefined ? options.migrate(state, version) : state;
    return { kind: "good", slot: { generation, state: options.parse(migrated) } };
  } catch (cause) {
    return { kind: "damaged", cause };
  }
}
