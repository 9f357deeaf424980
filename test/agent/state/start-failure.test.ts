// Why simwardd does not start: told since when, and written once however often it is started again.
import { expect, test } from "vitest";
import { forgetStartFailure, keepStartFailure, startFailure } from "../../../agent/state/start-failure.ts";
import type { Disk } from "../../../base/disk.ts";
import { SimwardError } from "../../../base/errors.ts";
import { faultDisk } from "../../../base/fault-disk.ts";
import { seededRandom } from "../../../base/random.ts";

function counted(): { readonly disk: Disk; readonly writes: () => number } {
  const disk = faultDisk(seededRandom(1));
  let count = 0;
  return {
    disk: {
      ...disk,
      replace(path, data) {
        count++;
        return disk.replace(path, data);
      },
    },
    writes: () => count,
  };
}

const group = new SimwardError("CONFIG_INVALID", { detail: "api: there is no group field" });

test("a daemon that systemd starts again and again writes why it does not start once, and since when", async () => {
  const { disk, writes } = counted();
  for (let at = 0; at < 1_000; at++) await keepStartFailure(disk, group, at * 10_000);
  expect(writes()).toBe(1);
  expect(await startFailure(disk)).toEqual({
    time: "1970-01-01T00:00:00.000Z",
    code: group.code,
    message: group.message,
    next: group.next,
  });
});

test("another reason takes its place, and a start that succeeds ends it", async () => {
  const { disk } = counted();
  await keepStartFailure(disk, group, 0);
  await keepStartFailure(disk, new SimwardError("CONFIG_READ", { detail: "uplink.ca /ca.pem: gone" }), 60_000);
  expect(await startFailure(disk)).toMatchObject({ time: "1970-01-01T00:01:00.000Z", code: "CONFIG_READ" });
  await forgetStartFailure(disk);
  expect(await startFailure(disk)).toBeUndefined();
});

test("a second simwardd says nothing in the first one's home", async () => {
  const { disk, writes } = counted();
  await keepStartFailure(disk, new SimwardError("STATE_LOCKED", { detail: "pid 7" }), 0);
  expect(writes()).toBe(0);
});
