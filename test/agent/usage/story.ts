// A vehicle's traffic over days, with profiles switched, the daemon killed, the power cut in the middle of writes, and clocks that are wrong; recounted
// beside the meter by adding up what really passed.
import { expect } from "vitest";
import type { Stage } from "../../../agent/policy/types.ts";
import { keyOfRow, type Party, parties, type UsageRow, type Whose } from "../../../agent/usage/ledger.ts";
import { bothWays, openUsageMeter, type UsageMeter, usageLog } from "../../../agent/usage/meter.ts";
import type { PartyBytes, TrafficReading } from "../../../agent/usage/reading.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { type FaultDisk, faultDisk } from "../../../base/fault-disk.ts";
import { silentLog } from "../../../base/log.ts";
import { integerBelow, type Random, seededRandom } from "../../../base/random.ts";

const iccids = ["89490200001000000017", "89490200001000000025", "8988303000000123456"];
const stages: readonly Stage[] = ["factory_test", "operational", "suspended"];
const dayMs = 86_400_000;

/** The kernel's counters: they outlive the daemon, and begin anew at each boot. */
export class Kernel {
  #boot = 1;
  counters: Record<Party, PartyBytes> = zero();

  pass(party: Party, sentBytes: number, receivedBytes: number): void {
    const before = this.counters[party];
    this.counters = {
      ...this.counters,
      [party]: { sentBytes: before.sentBytes + sentBytes, receivedBytes: before.receivedBytes + receivedBytes },
    };
  }

  boot(): void {
    this.#boot++;
    this.counters = zero();
  }

  read(): TrafficReading {
    return { epoch: `firewall:${this.#boot.toString(16).padStart(16, "0")}`, ...this.counters };
  }
}

function zero(): Record<Party, PartyBytes> {
  return { fleet: { sentBytes: 0, receivedBytes: 0 }, management: { sentBytes: 0, receivedBytes: 0 } };
}

export const openMeter = (disk: FaultDisk, clock: VirtualClock, kernel: Kernel, more: object = {}): Promise<UsageMeter> =>
  openUsageMeter({
    ...{ disk, clock, log: silentLog, read: async () => kernel.read(), whose: { iccid: "", stage: "operational" }, slots: 1_024 },
    onLost: (why) => expect.unreachable(why.message),
    onProblem: () => undefined,
    ...more,
  });

export class UsageStory {
  readonly #random: Random;
  readonly disk: FaultDisk;
  readonly clock: VirtualClock;
  readonly kernel = new Kernel();
  meter!: UsageMeter;
  #whose: Whose = { iccid: "", stage: "operational" };
  /** What really passed and was not lost with the power, by whose and party. */
  readonly #truth = new Map<string, number>();
  #passedBytes = 0;
  #lostBytes = 0;
  cuts = 0;
  kills = 0;
  /** When how much passed, of the last minute and a look. */
  #recent: { readonly atMs: number; readonly bytes: number }[] = [];
  readonly #mayCut: boolean;

  constructor(seed: number, mayCut: boolean) {
    this.#random = seededRandom(seed);
    this.#mayCut = mayCut;
    this.disk = faultDisk(this.#random);
    this.clock = new VirtualClock({ ms: Date.UTC(2026, 1, 26, 20) });
  }

  async run(steps: number): Promise<void> {
    await this.#open();
    for (let n = 0; n < steps; n++) await this.#step();
    if (this.disk.isOff) await this.#boot();
    // No cut is due any more.
    this.disk.powerOn();
    await this.meter.flush();
    await this.#check();
  }

  async #open(): Promise<void> {
    this.meter = await openMeter(this.disk, this.clock, this.kernel);
    // The counter of a boot that the ledger has never seen is a fresh one.
    await this.meter.look();
  }

  async #step(): Promise<void> {
    const dice = this.#random.unit();
    if (dice < 0.75) await this.#drive();
    else if (dice < 0.83) await this.#switch();
    else if (dice < 0.89) await this.#kill();
    else if (dice < 0.95) this.#turnClock();
    else if (this.#mayCut && !this.disk.isOff) this.disk.cutAfter(1 + integerBelow(this.#random, 4));
    if (this.disk.isOff) await this.#boot();
    if (this.#mayCut && this.#random.unit() < 0.01) await this.#boot();
  }

  async #drive(): Promise<void> {
    if (this.#random.unit() < 0.02) await this.#rest();
    await this.clock.advance(integerBelow(this.#random, 15_000));
    if (this.disk.isOff) return;
    // From keep-alives to a film.
    const most = [500, 50_000, 3_000_000, 40_000_000][integerBelow(this.#random, 4)] ?? 0;
    const party = this.#random.unit() < 0.7 ? "fleet" : "management";
    const [sent, received] = [integerBelow(this.#random, most), integerBelow(this.#random, most)];
    this.kernel.pass(party, sent, received);
    this.#passedBytes += sent + received;
    const key = truthKey(this.#whose, party);
    this.#truth.set(key, (this.#truth.get(key) ?? 0) + sent + received);
    this.#recent.push({ atMs: this.clock.monotonicMs(), bytes: sent + received });
    await this.meter.look();
  }

  /** Parked: looked at every quarter of a minute, as ever. */
  async #rest(): Promise<void> {
    for (let looks = 0; looks < 6 && !this.disk.isOff; looks++) {
      await this.clock.advance(15_000);
      await this.meter.look();
    }
    await this.clock.advance(6 * 3_600_000);
    if (!this.disk.isOff) await this.meter.look();
  }

  async #switch(): Promise<void> {
    this.#whose = {
      iccid: iccids[integerBelow(this.#random, iccids.length)] ?? "",
      stage: stages[integerBelow(this.#random, 3)] ?? "operational",
    };
    await this.meter.attribute(this.#whose);
  }

  /** The daemon dies; the kernel counts on, and so does the world. */
  async #kill(): Promise<void> {
    if (this.disk.isOff) return;
    this.kills++;
    const bytes = integerBelow(this.#random, 2_000_000);
    this.kernel.pass("fleet", bytes, 0);
    this.#passedBytes += bytes;
    const key = truthKey(this.#whose, "fleet");
    this.#truth.set(key, (this.#truth.get(key) ?? 0) + bytes);
    const killedMs = this.clock.monotonicMs();
    await this.clock.advance(integerBelow(this.#random, 600_000));
    // Nobody can keep what passes while nobody looks: the promise is a running daemon's, from its first look on.
    const nowMs = this.clock.monotonicMs();
    this.#recent = [...this.#recent.filter(({ atMs }) => killedMs - atMs <= 60_000), { atMs: killedMs, bytes }].map((one) => ({
      ...one,
      atMs: nowMs,
    }));
    await this.#open();
  }

  #turnClock(): void {
    const source = (["none", "floor", "network", "nitz"] as const)[integerBelow(this.#random, 4)] ?? "network";
    const days = this.#random.unit() < 0.5 ? 0 : integerBelow(this.#random, 800) - 400;
    this.clock.setWall({ source, ms: source === "network" || source === "nitz" ? this.clock.now() : this.clock.now() + days * dayMs });
  }

  /** The power goes and comes back: what the promise allows may be gone, no more, and nothing is there twice. */
  async #boot(): Promise<void> {
    this.cuts++;
    this.disk.powerOn();
    this.kernel.boot();
    const nowMs = this.clock.monotonicMs();
    const lastMinute = this.#recent.filter(({ atMs }) => nowMs - atMs <= 60_000).reduce((sum, { bytes }) => sum + bytes, 0);
    await this.#open();
    const booked = this.#bookedBytes();
    const lost = this.#passedBytes - this.#lostBytes - booked;
    expect(lost, "counted twice").toBeGreaterThanOrEqual(0);
    expect(lost, "lost more than promised").toBeLessThanOrEqual(Math.max(1_000_000, lastMinute));
    this.#lostBytes += lost;
    this.#whose = this.meter.whose;
    // Whose the lost was is not known to the recount any more: from here on it begins with what was kept.
    this.#truth.clear();
    for (const row of this.meter.book.rows())
      this.#truth.set(truthKey(row, row.party), (this.#truth.get(truthKey(row, row.party)) ?? 0) + bothWays(row));
    this.#recent = [];
  }

  #bookedBytes(): number {
    return parties.reduce((sum, party) => sum + bothWays(this.meter.book.ever(party)), 0);
  }

  async #check(): Promise<void> {
    expect(this.#bookedBytes()).toBe(this.#passedBytes - this.#lostBytes);
    const counted = new Map<string, number>();
    for (const row of this.meter.book.rows())
      counted.set(truthKey(row, row.party), (counted.get(truthKey(row, row.party)) ?? 0) + bothWays(row));
    expect(sorted(counted)).toEqual(sorted(this.#truth));
    // And what is on the disk is what is known.
    const again = await openMeter(this.disk, this.clock, this.kernel);
    expect(rowsOf(again)).toEqual(rowsOf(this.meter));
    expect((await this.disk.read(usageLog))?.length).toBe(1_024 * 64);
  }
}

function truthKey({ iccid, stage }: Whose, party: Party): string {
  return `${iccid} ${stage} ${party}`;
}

function sorted(map: ReadonlyMap<string, number>): readonly (readonly [string, number])[] {
  return [...map].filter(([, bytes]) => bytes > 0).sort(([a], [b]) => (a < b ? -1 : 1));
}

function rowsOf(meter: UsageMeter): readonly (readonly [string, number, number])[] {
  return meter.book.rows().map((row: UsageRow) => [keyOfRow(row), row.sentBytes, row.receivedBytes]);
}
