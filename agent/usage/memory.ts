// What is kept of usage besides the counts: what somebody ordered for the period, what has been told already. Losing it costs records told twice.
import { array, nullable, number, object, parse, record, string } from "valibot";
import type { Disk } from "../../base/disk.ts";
import { openState, type StateStore } from "../state/store.ts";
import type { UsageOrder } from "./caps.ts";

export interface UsageMemory {
  readonly orders: readonly UsageOrder[];
  /** By cap: the warn step told last, and the first day of its period. */
  readonly warned: Readonly<Record<string, { readonly periodFirst: number; readonly stepPercent: number }>>;
  /** Days up to this one are in the audit trail. */
  readonly toldUpToDay: number | null;
}

const schema = object({
  orders: array(object({ id: string(), periodFirst: number(), bytes: nullable(number()), forgivenBytes: number() })),
  warned: record(string(), object({ periodFirst: number(), stepPercent: number() })),
  toldUpToDay: nullable(number()),
});

export function openUsageMemory(disk: Disk): Promise<StateStore<UsageMemory>> {
  return openState<UsageMemory>({
    disk,
    name: "usage",
    version: 1,
    initial: { orders: [], warned: {}, toldUpToDay: null },
    parse: (value) => parse(schema, value),
    onLost: () => undefined,
  });
}
