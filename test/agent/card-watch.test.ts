// What a card does that nobody on the vehicle ordered: noticed by the ICCID, audited once, over restarts too; and the toolkit check of an M2M eUICC.
import { describe, expect, test } from "vitest";
import type { AuditEvent } from "../../agent/audit/types.ts";
import { createCardWatch } from "../../agent/card-watch.ts";
import type { PathState } from "../../agent/connectivity/keeper.ts";
import { openCardMemory } from "../../agent/state/card-memory.ts";
import type { Toolkit } from "../../at-drivers/toolkit.ts";
import type { ModemListener } from "../../at-drivers/types.ts";
import { SimwardError } from "../../base/errors.ts";
import { faultDisk } from "../../base/fault-disk.ts";
import { silentLog } from "../../base/log.ts";
import { seededRandom } from "../../base/random.ts";
import type { CardKind } from "../../ipa/procedures/card-class.ts";

const a = "89460000000000000012";
const b = "89460000000000000020";
const toolkit: Toolkit = { sms: "ready", bip: "missing", missing: ["OPEN CHANNEL"], source: "uicc", isSwitchedOn: undefined };

async function watching(kind: CardKind | undefined, disk = faultDisk(seededRandom(1))) {
  const stopping = new AbortController();
  const given = { kind, iccid: a, error: undefined as SimwardError | undefined, asked: 0 };
  const audited: AuditEvent[] = [];
  const told: { modem?: ModemListener; path?: (path: PathState) => void } = {};
  const watch = createCardWatch({
    modem: {
      iccid: async () => {
        if (given.error !== undefined) throw given.error;
        return given.iccid;
      },
      toolkit: async () => {
        given.asked++;
        return toolkit;
      },
      onEvent: (fn) => {
        told.modem = fn;
        return () => undefined;
      },
    },
    onPath: (fn) => {
      told.path = fn;
      return () => undefined;
    },
    memory: await openCardMemory(disk),
    card: () => (given.kind === undefined ? undefined : { kind: given.kind, eid: "8904", why: "" }),
    audit: async (event) => void audited.push(event),
    log: silentLog,
    signal: stopping.signal,
  });
  return { watch, given, audited, told, disk };
}

const changes = (audited: readonly AuditEvent[]): unknown[] =>
  audited.flatMap(({ event, data }) => (event === "profile.changedByCard" ? [data] : []));

describe("the card watch", () => {
  test.each(["sgp02", "sgp32-ipae", "uicc"] as const)("%s: another ICCID is audited once, by whichever way it shows", async (kind) => {
    const { watch, given, audited, told } = await watching(kind);
    await watch.cardRead();
    expect(changes(audited)).toEqual([]);
    given.iccid = b;
    told.modem?.({ kind: "sim", state: "ready" });
    told.path?.({ up: true, iccid: b } as PathState);
    await watch.cardRead();
    await watch.stop();
    expect(changes(audited)).toEqual([{ cardClass: kind, fromIccid: a, toIccid: b }]);
  });

  test.each(["sgp32-ipad", "sgp22"] as const)("%s: changes are told by who makes them", async (kind) => {
    const { watch, given, audited } = await watching(kind);
    await watch.cardRead();
    given.iccid = b;
    await watch.cardRead();
    expect(audited).toEqual([]);
  });

  test("over a restart, and not before it is known what kind of card that is", async () => {
    const first = await watching("sgp02");
    await first.watch.cardRead();
    const { watch, given, audited, told } = await watching(undefined, first.disk);
    given.iccid = b;
    told.path?.({ up: true, iccid: b } as PathState);
    await watch.cardRead();
    expect(audited).toEqual([]);
    given.kind = "sgp02";
    await watch.cardRead();
    expect(changes(audited)).toEqual([{ cardClass: "sgp02", fromIccid: a, toIccid: b }]);
  });

  test("the toolkit is asked for once, of an M2M eUICC only, and audited", async () => {
    const { watch, given, audited } = await watching("uicc");
    await watch.cardRead();
    expect([given.asked, watch.toolkit]).toEqual([0, undefined]);
    given.kind = "sgp02";
    await watch.cardRead();
    await watch.cardRead();
    expect(given.asked).toBe(1);
    expect(watch.toolkit).toEqual(toolkit);
    expect(audited).toMatchObject([{ event: "card.toolkitChecked", data: { sms: "ready", bip: "missing", missing: ["OPEN CHANNEL"] } }]);
  });

  test("a module that is away is no event", async () => {
    const { watch, given, audited } = await watching("sgp02");
    given.error = new SimwardError("PORT_CLOSED");
    await watch.cardRead();
    expect(changes(audited)).toEqual([]);
  });
});
