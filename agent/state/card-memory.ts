// Which profile the module showed last, over restarts: changes that nobody on the vehicle has made are noticed by it. A file that is lost costs one notice.
import { nullable, object, parse, string } from "valibot";
import type { Disk } from "../../base/disk.ts";
import { openState, type StateStore } from "./store.ts";

export interface CardMemory {
  /** Digits. */
  readonly iccid: string | null;
}

const schema = object({ iccid: nullable(string()) });

export function openCardMemory(disk: Disk): Promise<StateStore<CardMemory>> {
  return openState<CardMemory>({
    disk,
    name: "card",
    version: 1,
    initial: { iccid: null },
    parse: (value) => parse(schema, value),
    onLost: () => undefined,
  });
}
