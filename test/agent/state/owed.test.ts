// A disk that refuses states: what is in force is written as soon as there is room, an alarm lasts as long and no longer, nobody has to change anything.
import { describe, expect, test } from "vitest";
import { createAlarms } from "../../../agent/alarms.ts";
import { openTrail } from "../../../agent/audit/service.ts";
import { createOwedWrites, stateDisk } from "../../../agent/state/owed.ts";
import { openState } from "../../../agent/state/store.ts";
import { openUsageMeter } from "../../../agent/usage/meter.ts";
import { VirtualClock } from "../../../base/clock.ts";
import type { Disk } from "../../../base/disk.ts";
import type { SimwardError } from "../../../base/errors.ts";
import { faultDisk } from "../../../base/fault-disk.ts";
import { silentLog } from "../../../base/log.ts";
import { seededRandom } from "../../../base/random.ts";
import { inRehearsal, Rehearsal, rehearsal } from "../../../base/rehearsal.ts";

interface Counter {
  readonly count: number;
}
const parse = (value: unknown): Counter => value as Counter;
const open = (disk: Disk, name: string) => openState<Counter>({ disk, name, version: 1, initial: { count: 0 }, parse });

/** A state directory as the agent has it. */
function home() {
  const medium = faultDisk(seededRandom(1));
  const clock = new VirtualClock();
  const problems: (string | undefined)[] = [];
  const onProblem = (problem: SimwardError | undefined): void => void problems.push(problem?.detail);
  const owed = createOwedWrites({ clock, log: silentLog, onProblem });
  return { medium, clock, problems, owed, disk: stateDisk(medium, owed) };
}

describe("a state that the disk refuses", () => {
  test("what is held is in force at once, and on the disk within half a minute of there being room, though nothing changes any more", async () => {
    const { medium, clock, problems, disk } = home();
    const store = await open(disk, "state");
    medium.setFull(true);
    expect(await store.hold(() => ({ count: 1 }))).toMatchObject({ code: "DISK_WRITE" });
    await store.hold(() => ({ count: 2 }));
    expect(store.get()).toEqual({ count: 2 });
    await clock.advance(3_600_000);
    expect(problems.at(-1)).toMatch(/^state: state\.1\.json: no space/);
    medium.setFull(false);
    await clock.advance(30_000);
    expect(problems.at(-1)).toBeUndefined();
    expect((await open(medium, "state")).get()).toEqual({ count: 2 });
  });

  test("what was refused to who asked for it stays undone; the alarm goes all the same when the disk takes states again", async () => {
    const { medium, clock, problems, disk } = home();
    const store = await open(disk, "state");
    await store.update(() => ({ count: 1 }));
    medium.setFull(true);
    await expect(store.update(() => ({ count: 2 }))).rejects.toMatchObject({ code: "DISK_WRITE" });
    medium.setFull(false);
    await clock.advance(30_000);
    expect([store.get().count, problems.length, problems.at(-1)]).toEqual([1, 2, undefined]);
    expect((await open(medium, "state")).get()).toEqual({ count: 1 });
  });

  test("a change that was given up but reached the medium is taken back there", async () => {
    const { medium, clock, disk } = home();
    let isDone = false;
    // The directory could not be synced behind the rename.
    const late: Disk = {
      ...medium,
      replace: async (path, data) => {
        await medium.replace(path, data);
        if (isDone) return;
        isDone = true;
        throw new Error("EIO");
      },
    };
    const store = await open({ ...late, owed: disk.owed } as typeof disk, "state");
    await expect(store.update(() => ({ count: 9 }))).rejects.toThrow("EIO");
    await clock.advance(5_000);
    expect((await open(medium, "state")).get()).toEqual({ count: 0 });
  });

  test("the pauses grow and are bounded: a disk that is full for a day is not worn out by that", async () => {
    const { medium, clock, disk } = home();
    const store = await open(disk, "state");
    medium.setFull(true);
    await store.hold(() => ({ count: 1 }));
    const before = medium.operations;
    await clock.advance(60_000);
    // After 5, 15, 35 s.
    expect(medium.operations - before).toBe(3);
    await clock.advance(24 * 3_600_000 - 60_000);
    expect(medium.operations - before).toBeLessThanOrEqual(24 * 120 + 2);
    medium.setFull(false);
    await clock.advance(30_000);
    medium.setFull(true);
    await store.hold(() => ({ count: 2 }));
    const again = medium.operations;
    await clock.advance(5_000);
    expect(medium.operations - again).toBe(1);
  });

  test("of several states one alarm, which names them all and stays until the last of them is written", async () => {
    const { medium, clock, problems, disk } = home();
    const [one, other] = [await open(disk, "state"), await open(disk, "policy")];
    medium.setFull(true);
    await one.hold(() => ({ count: 1 }));
    await other.hold(() => ({ count: 2 }));
    expect(problems.at(-1)).toBe("policy: policy.1.json: no space left on device; nor could: state");
    medium.setFull(false);
    await one.hold(() => ({ count: 3 }));
    expect(problems.at(-1)).toBe("policy: policy.1.json: no space left on device");
    await clock.advance(5_000);
    expect(problems.at(-1)).toBeUndefined();
    expect([(await open(medium, "state")).get().count, (await open(medium, "policy")).get().count]).toEqual([3, 2]);
  });

  test("who stops is not written any more; what is tried again is no rehearsal, whoever began it", async () => {
    const { medium, clock, disk, owed } = home();
    const store = await open(disk, "state");
    medium.setFull(true);
    await store.hold(() => ({ count: 1 }));
    owed.stop();
    medium.setFull(false);
    const before = medium.operations;
    await clock.advance(3_600_000);
    expect(medium.operations).toBe(before);

    const other = home();
    const scopes: unknown[] = [];
    const real = new VirtualClock();
    const after = real.after.bind(real);
    real.after = (ms, fn) => {
      scopes.push(rehearsal());
      return after(ms, fn);
    };
    const late = createOwedWrites({ clock: real, log: silentLog, onProblem: () => undefined });
    const kept = await open(stateDisk(other.medium, late), "state");
    other.medium.setFull(true);
    await inRehearsal(new Rehearsal(), () => kept.hold(() => ({ count: 1 })));
    expect(scopes).toEqual([undefined]);
  });
});

describe("what else is kept beside the states", () => {
  test("a device key for which there was no room is made when there is, told, and signs what was before it", async () => {
    const { medium, clock, problems, disk } = home();
    medium.setFull(true);
    const alarms = createAlarms();
    const trail = await openTrail({
      ...{ disk, config: { segment_bytes: 65_536, max_segments: 4 }, clock, log: silentLog, alarms },
      ...{ publish: () => undefined, storedHead: () => ({ seq: 0, hash: "" }), onCheckpoint: async () => undefined },
    });
    await trail.startSigning();
    await trail.record({ event: "daemon.started", cause: "start" });
    expect(problems.at(-1)).toContain("device-key.pem");
    medium.setFull(false);
    await clock.advance(30_000);
    expect([problems.at(-1), alarms.list()]).toEqual([undefined, []]);
    const { records } = await trail.acts.auditRecords({});
    expect(records.map(({ event }) => event)).toEqual(["daemon.started", "audit.deviceKeyMade", "audit.checkpoint"]);
    expect(trail.acts.auditKey().fingerprint).toBe(records[1]?.data?.key);
    expect(await trail.acts.verifyAudit()).toMatchObject({ ok: true, checkpoints: 1 });
    trail.stop();
  });

  test("usage that the disk refused is written with the next look, though nothing passes any more", async () => {
    const medium = faultDisk(seededRandom(1));
    const clock = new VirtualClock();
    const problems: unknown[] = [];
    const none = { sentBytes: 0, receivedBytes: 0 };
    const meter = await openUsageMeter({
      ...{ disk: medium, clock, log: silentLog, whose: { iccid: "8949010000000000001", stage: "operational" } },
      read: async () => ({ epoch: "interface:0011223344556677", fleet: none, management: none }),
      pulse: () => 1,
      onLost: () => undefined,
      onProblem: (problem) => void problems.push(problem),
    });
    await meter.look();
    medium.failAfter(1);
    await meter.attribute({ iccid: "8949010000000000019", stage: "operational" });
    expect(problems.at(-1)).toMatchObject({ code: "DISK_WRITE" });
    await meter.look();
    expect(problems.at(-1)).toBeUndefined();
  });
});
