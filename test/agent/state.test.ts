import { describe, expect, test } from "vitest";
import { openApnMemory } from "../../agent/connectivity/apn-memory.ts";
import { openNatMemory } from "../../agent/state/nat-memory.ts";
import { openState } from "../../agent/state/store.ts";
import { openTlsSessions } from "../../agent/state/tls-sessions.ts";
import { utf8 } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { type FaultDisk, faultDisk, PowerCut } from "../../base/fault-disk.ts";
import { silentLog } from "../../base/log.ts";
import { seededRandom } from "../../base/random.ts";

interface Counter {
  readonly count: number;
}
const parse = (value: unknown): Counter => {
  if (typeof value !== "object" || value === null || typeof (value as Counter).count !== "number") throw new Error("no counter");
  return value as Counter;
};
const open = (disk: FaultDisk, version = 1) => openState<Counter>({ disk, name: "state", version, initial: { count: 0 }, parse });

describe("state", () => {
  test("begins with the initial value, keeps updates across a restart, applies them one after the other", async () => {
    const disk = faultDisk(seededRandom(1));
    const store = await open(disk);
    expect(store.get()).toEqual({ count: 0 });
    await Promise.all(Array.from({ length: 10 }, () => store.update((s) => ({ count: s.count + 1 }))));
    expect((await open(disk)).get()).toEqual({ count: 10 });
    expect(await disk.list(".")).toEqual(["state.0.json", "state.1.json"]);
  });

  test("an update that changes nothing writes nothing; a failed one changes nothing", async () => {
    const disk = faultDisk(seededRandom(1));
    const store = await open(disk);
    await store.update((s) => ({ count: s.count + 1 }));
    const before = disk.operations;
    await store.update((s) => s);
    expect(disk.operations).toBe(before);
    disk.failAfter(1);
    await expect(store.update((s) => ({ count: s.count + 1 }))).rejects.toThrow(/no space/);
    expect(store.get()).toEqual({ count: 1 });
  });

  test("after a power cut it is the last promised state or the one then under way", async () => {
    for (let seed = 0; seed < 60; seed++) {
      const disk = faultDisk(seededRandom(seed));
      const store = await open(disk);
      let promised = 0;
      disk.cutAfter(1 + (seed % 6));
      try {
        for (let i = 1; i <= 6; i++) {
          await store.update(() => ({ count: i }));
          promised = i;
        }
      } catch (error) {
        expect(error).toBeInstanceOf(PowerCut);
      }
      disk.powerOn();
      const { count } = (await open(disk)).get();
      expect([promised, promised + 1]).toContain(count);
    }
  });

  test("a damaged slot falls back to the one before; with none good it is an error, never a silent start from nothing", async () => {
    const disk = faultDisk(seededRandom(1));
    const store = await open(disk);
    await store.update(() => ({ count: 1 }));
    await store.update(() => ({ count: 2 }));
    await disk.replace("state.0.json", utf8("{broken"));
    expect((await open(disk)).get()).toEqual({ count: 1 });
    await disk.replace("state.1.json", new Uint8Array(100));
    await expect(open(disk)).rejects.toMatchObject({ code: "STATE_CORRUPT" });
  });

  test("an older version is migrated, a newer one refused", async () => {
    const disk = faultDisk(seededRandom(1));
    await (await open(disk)).update(() => ({ count: 7 }));
    const migrated = await openState<{ readonly total: number }>({
      disk,
      name: "state",
      version: 2,
      initial: { total: 0 },
      migrate: (state, from) => ({ total: from === 1 ? (state as Counter).count * 10 : 0 }),
      parse: (value) => value as { total: number },
    });
    expect(migrated.get()).toEqual({ total: 70 });
    await migrated.update(() => ({ total: 71 }));
    await expect(open(disk)).rejects.toMatchObject({ code: "STATE_TOO_NEW" });
  });

  test("who would rather go on than stand still begins anew, is told why, and keeps what was there for a look", async () => {
    const damaged = faultDisk(seededRandom(1));
    await damaged.replace("state.0.json", utf8("{broken"));
    await damaged.replace("state.1.json", utf8("broken too"));
    const newer = faultDisk(seededRandom(1));
    await (await open(newer, 2)).update(() => ({ count: 1 }));
    await (await open(newer, 2)).update(() => ({ count: 2 }));
    for (const [disk, code] of [
      [damaged, "STATE_CORRUPT"],
      [newer, "STATE_TOO_NEW"],
    ] as const) {
      const before = [await disk.read("state.0.json"), await disk.read("state.1.json")];
      const told: string[] = [];
      const openAnyway = () =>
        openState<Counter>({ disk, name: "state", version: 1, initial: { count: 0 }, parse, onLost: (why) => told.push(why.code) });
      const store = await openAnyway();
      expect([store.get(), told]).toEqual([{ count: 0 }, [code]]);
      await store.update(() => ({ count: 5 }));
      expect([(await openAnyway()).get(), told]).toEqual([{ count: 5 }, [code]]);
      expect(await disk.list(".")).toEqual(["state.0.lost", "state.1.json", "state.1.lost"]);
      expect([await disk.read("state.0.lost"), await disk.read("state.1.lost")]).toEqual(before);
    }
  });

  const lose = async (disk: FaultDisk, content: Uint8Array): Promise<string> => {
    await disk.replace("state.0.json", content);
    let said = "";
    await openState<Counter>({ disk, name: "state", version: 1, initial: { count: 0 }, parse, onLost: (why) => (said = why.detail ?? "") });
    return said;
  };

  test("a second loss leaves the first where it is; the oldest go when there are more than four, and all that is said", async () => {
    const disk = faultDisk(seededRandom(1));
    await disk.replace("state.other.0.lost", utf8("another state's"));
    expect(await lose(disk, utf8("first"))).toBe("state; it is kept as state.0.lost");
    expect(await lose(disk, utf8("second"))).toBe("state; it is kept as state.0.2.lost; of losses before: state.0.lost");
    expect([await disk.read("state.0.lost"), await disk.read("state.0.2.lost")]).toEqual([utf8("first"), utf8("second")]);
    await lose(disk, utf8("third"));
    await lose(disk, utf8("fourth"));
    expect(await lose(disk, utf8("fifth"))).toBe(
      "state; it is kept as state.0.5.lost; of losses before: state.0.2.lost, state.0.3.lost, state.0.4.lost; gone for want of room: state.0.lost",
    );
    const files = ["state.0.2.lost", "state.0.3.lost", "state.0.4.lost", "state.0.5.lost", "state.other.0.lost"];
    expect(await disk.list(".")).toEqual(files);
    // Numbers are not given twice.
    await lose(disk, utf8("sixth"));
    expect(await disk.list(".")).toEqual(["state.0.3.lost", "state.0.4.lost", "state.0.5.lost", "state.0.6.lost", "state.other.0.lost"]);
  });

  test("losses are bounded in octets: the newest is kept, cut if need be, the older ones as far as they fit", async () => {
    const disk = faultDisk(seededRandom(1));
    for (const size of [400_000, 300_000, 400_000]) await lose(disk, new Uint8Array(size).fill(1));
    const sizes = async () => Promise.all((await disk.list(".")).map(async (file) => [file, (await disk.read(file))?.length]));
    expect(await sizes()).toEqual([
      ["state.0.2.lost", 300_000],
      ["state.0.3.lost", 400_000],
    ]);
    await lose(disk, new Uint8Array(5_000_000).fill(1));
    expect(await sizes()).toEqual([
      ["state.0.3.lost", 400_000],
      ["state.0.4.lost", 524_288],
    ]);
  });

  test("on a full disk a loss is said to be kept nowhere, and the initial state is begun with", async () => {
    const disk = faultDisk(seededRandom(1));
    await disk.replace("state.0.json", utf8("first"));
    disk.setFull(true);
    const told: string[] = [];
    const onLost = (why: SimwardError): void => void told.push(why.detail ?? "");
    const store = await openState<Counter>({ disk, name: "state", version: 1, initial: { count: 0 }, parse, onLost });
    expect(store.get()).toEqual({ count: 0 });
    expect(told).toEqual([expect.stringMatching(/^state; nothing of it could be kept; not all could be set aside: .*no space/)]);
    expect(await disk.read("state.0.json")).toEqual(utf8("first"));
  });
});

describe("what is remembered of the network", () => {
  test("NAT: the last of each eIM survives a restart, nothing is written twice, and the oldest go first", async () => {
    const disk = faultDisk(seededRandom(1));
    const memory = await openNatMemory(disk, silentLog);
    for (let n = 0; n < 40; n++) memory.save(`eim${n}`, n);
    memory.save("eim39", 39);
    await settled();
    expect(disk.operations).toBe(40);
    const again = await openNatMemory(disk, silentLog);
    expect([again.load("eim39"), again.load("eim8"), again.load("eim7"), again.load("never")]).toEqual([39, 8, undefined, undefined]);
  });

  test("APNs: what a full disk refuses is known until the restart; the subscriptions heard of longest ago go first", async () => {
    const disk = faultDisk(seededRandom(1));
    const memory = await openApnMemory(disk, silentLog);
    const apn = { cid: 1, type: "IP", name: "iot.example", auth: "none" } as const;
    await memory.noteOwn(apn);
    await memory.noteOwn({ ...apn, name: "overwritten.example" });
    for (let n = 10; n < 50; n++) await memory.note(`89000000000000000${n}`, { worked: apn, mcc: "262" });
    disk.setFull(true);
    await memory.note("8900000000000000049", { failed: { ...apn, name: "wrong.example" } });
    expect(memory.of("8900000000000000049")).toEqual({ worked: apn, mcc: "262", failed: { ...apn, name: "wrong.example" } });
    disk.setFull(false);
    const again = await openApnMemory(disk, silentLog);
    expect(again.own(1)).toEqual(apn);
    expect(again.of("8900000000000000049")).toEqual({ worked: apn, mcc: "262" });
    expect(again.of("8900000000000000018")).toEqual({ worked: apn, mcc: "262" });
    expect(again.of("8900000000000000017")).toEqual({});
  });
});

describe("DTLS sessions", () => {
  const session = (n: number): { readonly key: string; readonly session: Uint8Array } => ({ key: `k${n}`, session: Uint8Array.of(n, n) });

  test("survive a restart, the newest sixteen; the same one is not written twice", async () => {
    const disk = faultDisk(seededRandom(1));
    const sessions = await openTlsSessions(disk, silentLog);
    for (let n = 0; n < 20; n++) sessions.save(session(n));
    await settled();
    const before = disk.operations;
    sessions.save(session(19));
    await settled();
    expect(disk.operations).toBe(before);
    const again = await openTlsSessions(disk, silentLog);
    expect(again.load("k19")).toEqual(Uint8Array.of(19, 19));
    expect([again.load("k4")?.length, again.load("k3")]).toEqual([2, undefined]);
    again.forget("k19");
    await settled();
    expect((await openTlsSessions(disk, silentLog)).load("k19")).toBeUndefined();
    expect(await disk.list(".")).toHaveLength(15);
  });

  test("what a power cut or a stranger left is removed; a disk that cannot be read costs a handshake, not the start", async () => {
    const disk = faultDisk(seededRandom(1));
    const sessions = await openTlsSessions(disk, silentLog);
    sessions.save(session(1));
    await settled();
    const [name = ""] = await disk.list(".");
    await disk.replace(`${name}.tmp`, (await disk.read(name)) ?? new Uint8Array(0));
    await disk.replace("other.json", utf8("{}"));
    expect((await openTlsSessions(disk, silentLog)).load("k1")).toEqual(Uint8Array.of(1, 1));
    expect(await disk.list(".")).toEqual([name]);
    const broken = { ...disk, read: () => Promise.reject(new SimwardError("DISK_READ")) };
    expect((await openTlsSessions(broken, silentLog)).load("k1")).toBeUndefined();
  });

  test("a power cut at any moment leaves whole sessions or none", async () => {
    for (let seed = 0; seed < 60; seed++) {
      const disk = faultDisk(seededRandom(seed));
      const sessions = await openTlsSessions(disk, silentLog);
      disk.cutAfter(1 + (seed % 20));
      for (let n = 0; n < 18; n++) sessions.save(session(n));
      await settled();
      disk.powerOn();
      const again = await openTlsSessions(disk, silentLog);
      for (let n = 0; n < 18; n++) expect(again.load(`k${n}`) ?? Uint8Array.of(n, n)).toEqual(Uint8Array.of(n, n));
      expect((await disk.list(".")).length).toBeLessThanOrEqual(17);
    }
  });
});

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
