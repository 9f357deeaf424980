// What is remembered of access point names: the one that worked with each subscription, and what the module held before simward wrote to it.
// The way back after a change of APN rests on it, so it survives restarts.
import { number, object, optional, parse, picklist, record, string } from "valibot";
import type { Disk } from "../../base/disk.ts";
import type { Log } from "../../base/log.ts";
import { openState } from "../state/store.ts";
import type { ApnHistory, ApnSetting } from "./apn.ts";

export interface ApnMemory {
  of(iccid: string): ApnHistory;
  /** Changes what is known of a subscription. Never rejects: what the disk refuses is known until the restart. */
  note(iccid: string, news: ApnHistory): Promise<void>;
  /** What this context of the module was before simward first wrote to it. */
  own(cid: number): ApnSetting | undefined;
  /** The first note of a context counts. Never rejects. */
  noteOwn(setting: ApnSetting): Promise<void>;
}

/** More subscriptions than any eUICC holds; the one heard of longest ago goes first. */
const maxSubscriptions = 32;

const setting = object({
  cid: number(),
  type: picklist(["IP", "IPV6", "IPV4V6"]),
  name: string(),
  auth: picklist(["none", "pap", "chap"]),
  user: optional(string()),
  password_credential: optional(string()),
});
const schema = object({
  own: record(string(), setting),
  subscriptions: record(string(), object({ worked: optional(setting), failed: optional(setting), mcc: optional(string()) })),
});

interface Known {
  readonly own: Readonly<Record<string, ApnSetting>>;
  /** By ICCID, the one heard of last at the end. */
  readonly subscriptions: Readonly<Record<string, ApnHistory>>;
}

export async function openApnMemory(disk: Disk, log: Log): Promise<ApnMemory> {
  const store = await openState<Known>({
    disk,
    name: "apn",
    version: 1,
    initial: { own: {}, subscriptions: {} },
    parse: (value) => parse(schema, value),
    onLost: (error) => log.error("what was known of APNs is lost", { error }),
  });
  let known = store.get();
  const change = async (next: Known): Promise<void> => {
    if (JSON.stringify(next) === JSON.stringify(known)) return;
    known = next;
    await store.hold(() => next);
  };
  return {
    of: (iccid) => known.subscriptions[key(iccid)] ?? {},
    note(iccid, news) {
      const { [key(iccid)]: before, ...others } = known.subscriptions;
      const kept = Object.entries(others).slice(1 - maxSubscriptions);
      return change({ ...known, subscriptions: { ...Object.fromEntries(kept), [key(iccid)]: { ...before, ...news } } });
    },
    own: (cid) => known.own[cid],
    noteOwn: (found) =>
      known.own[found.cid] === undefined ? change({ ...known, own: { ...known.own, [found.cid]: found } }) : Promise.resolve(),
  };
}

/** A name of digits alone would be sorted before the others, and the order is what tells old from new. */
function key(iccid: string): string {
  return `iccid ${iccid}`;
}
