// After how much silence the NATs on the way to each eIM forget: learnt, kept across restarts, worth one datagram when lost.
import { number, parse, record, string } from "valibot";
import type { Disk } from "../../base/disk.ts";
import type { Log } from "../../base/log.ts";
import type { NatMemory } from "../../transports/esipa.ts";
import { openState } from "./store.ts";

/** More eIMs than a card has; the one heard of longest ago goes first. */
const maxEims = 32;

export async function openNatMemory(disk: Disk, log: Log): Promise<NatMemory> {
  const schema = record(string(), number());
  const store = await openState<Readonly<Record<string, number>>>({
    disk,
    name: "nat",
    version: 1,
    initial: {},
    parse: (value) => parse(schema, value),
    onLost: (error) => log.warn("what was learnt of the NAT is lost", { error }),
  });
  return {
    load: (eimId) => store.get()[eimId],
    save: (eimId, natIdleSeconds) => {
      void store.hold((known) => {
        if (known[eimId] === natIdleSeconds) return known;
        const { [eimId]: _former, ...others } = known;
        return { ...Object.fromEntries(Object.entries(others).slice(1 - maxEims)), [eimId]: natIdleSeconds };
      });
    },
  };
}
