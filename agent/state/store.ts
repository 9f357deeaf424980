// Small state that survives: versioned JSON in two slots written in turn, so that the one before is always kept and one write is enough.
import { createHash } from "node:crypto";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import type { Disk } from "../../base/disk.ts";
import { asSimwardError, reasonOf, SimwardError } from "../../base/errors.ts";
import { Queue } from "../../base/queue.ts";
import type { StateDisk } from "./owed.ts";

export interface StateStore<S> {
  get(): Readonly<S>;
  /** Durable when it resolves; when it rejects, `get` still answers the old state. Changes are applied one after the other. */
  update(fn: (state: Readonly<S>) => S): Promise<void>;
  /**
   * For what is so whatever the disk says: in force in its turn, and written as soon as the disk takes it. Never rejects; answers why it is not
   * written yet.
   */
  hold(fn: (state: Readonly<S>) => S): Promise<SimwardError | undefined>;
}

export interface StateOptions<S> {
  /** On one that keeps account of what is owed, that is tried again. */
  readonly disk: Disk | StateDisk;
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
   * Instead of throwing: a state that cannot be used is set aside, and the initial one begun with. A vehicle must not be dark because of a file; who
   * passes this tells it to those who can mend it. `why` says as which files it is kept: `<name>.<slot>.lost`, a later loss `<name>.<slot>.2.lost`
   * and so on.
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
    const why = asSimwardError(error);
    const said = await setAside(disk, name);
    current = { generation: 0, state: options.initial };
    options.onLost(new SimwardError(why.code, { detail: `${why.detail ?? name}; ${said}`, cause: why }));
  }

  const owed = "owed" in disk ? disk.owed : undefined;
  let isOwed = false;
  const write = async (state: S): Promise<void> => {
    const generation = current.generation + 1;
    try {
      await disk.replace(slotPath(name, generation % 2), encodeSlot(options.version, { generation, state }));
    } catch (error) {
      // Also after a change that was given up: nobody knows which of the two the medium has.
      isOwed = true;
      owed?.owe(name, error, () => queue.run(async () => (isOwed ? write(current.state) : undefined)));
      throw error;
    }
    current = { generation, state };
    isOwed = false;
    owed?.paid(name);
  };

  return {
    get: () => current.state,
    update: (fn) =>
      queue.run(async () => {
        const state = fn(current.state);
        if (state !== current.state || isOwed) await write(state);
      }),
    hold: (fn) =>
      queue
        .run(async () => {
          const state = fn(current.state);
          if (state === current.state && !isOwed) return undefined;
          current = { ...current, state };
          await write(state);
          return undefined;
        })
        .catch(asSimwardError),
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

/** Of each state. The newest loss is kept in any case, cut to this size. */
const mostLosses = 4;
const mostLostBytes = 1_048_576;

/** Files of one loss. */
interface Loss {
  /** 1 is the first. */
  readonly n: number;
  readonly files: readonly string[];
}

/** As far as the disk allows: what stays where it was is found, and lost, again at the next start. Answers what became of it. */
async function setAside(disk: Disk, name: string): Promise<string> {
  const said: string[] = [];
  const kept: string[] = [];
  try {
    const losses = await lossesOf(disk, name);
    const n = (losses.at(-1)?.n ?? 0) + 1;
    let room = mostLostBytes;
    for (const slot of slots) {
      const path = slotPath(name, slot);
      const bytes = await disk.read(path).catch(() => undefined);
      if (bytes === undefined) continue;
      const as = n === 1 ? `${name}.${slot}.lost` : `${name}.${slot}.${n}.lost`;
      await disk.replace(as, bytes.subarray(0, mostLostBytes / 2));
      kept.push(as);
      room -= Math.min(bytes.length, mostLostBytes / 2);
      await disk.remove(path);
    }
    const dropped = kept.length === 0 ? [] : await dropOldest(disk, losses, room);
    const older = losses.flatMap(({ files }) => files).filter((file) => !dropped.includes(file));
    if (older.length > 0) said.push(`of losses before: ${older.join(", ")}`);
    if (dropped.length > 0) said.push(`gone for want of room: ${dropped.join(", ")}`);
  } catch (error) {
    // The disk is what is broken.
    said.push(`not all could be set aside: ${reasonOf(error)}`);
  }
  return [kept.length === 0 ? "nothing of it could be kept" : `it is kept as ${kept.join(", ")}`, ...said].join("; ");
}

/** Oldest first. */
async function lossesOf(disk: Disk, name: string): Promise<readonly Loss[]> {
  const byNumber = new Map<number, string[]>();
  for (const file of await disk.list(".")) {
    if (!file.startsWith(`${name}.`)) continue;
    const [, n = "1"] = /^[01](?:\.([1-9]\d{0,8}))?\.lost$/.exec(file.slice(name.length + 1)) ?? [undefined, ""];
    if (n !== "") byNumber.set(Number(n), [...(byNumber.get(Number(n)) ?? []), file]);
  }
  return [...byNumber].sort(([a], [b]) => a - b).map(([n, files]) => ({ n, files }));
}

/** What no more fits beside the newest loss. */
async function dropOldest(disk: Disk, losses: readonly Loss[], roomBytes: number): Promise<readonly string[]> {
  const dropped: string[] = [];
  let room = roomBytes;
  let isFull = false;
  for (const [age, { files }] of [...losses].reverse().entries()) {
    for (const file of files) room -= (await disk.read(file))?.length ?? 0;
    // Whole ages go: what is older than one that went goes too.
    isFull ||= age + 2 > mostLosses || room < 0;
    if (!isFull) continue;
    for (const file of files) await disk.remove(file);
    dropped.push(...files);
  }
  return dropped;
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
