// Lets the faults that concern the radio world act on it.
import type { Disposer } from "../../base/clock.ts";
import type { FaultChange, FaultName, Faults } from "../faults.ts";
import type { World } from "./world.ts";

type Act = (world: World, value: string, on: boolean) => void;

const acts: Partial<Record<FaultName, Act>> = {
  "no-coverage": (world, subscriber, on) => world.setCoverage({ subscriber }, !on),
  outage: (world, plmn, on) => world.setCoverage({ plmn }, !on),
  "core-down": (world, plmn, on) => world.setCore({ plmn }, !on),
  refuse: (world, value, on) => {
    const [plmn = "", cause] = value.split(":");
    world.setRefusal(plmn, on ? Number(cause) : undefined);
  },
  signal: (world, value, on) => {
    const [plmn = "", rsrpDbm] = value.split(":");
    world.setSignal(plmn, on ? Number(rsrpDbm) : undefined);
  },
  "black-hole": (world, plmn, on) => world.setBlackHole(plmn, on),
  // There is no way back to where the vehicle was; clearing leaves it there.
  country: (world, iso, on) => {
    if (on) world.moveTo(iso);
  },
};

/** Acts on those in force now, and on every change. */
export function obeyFaults(world: World, faults: Faults): Disposer {
  const inForce = new Map<FaultName, string>();
  const change = ({ name, value }: FaultChange): void => {
    const act = acts[name];
    if (act === undefined) return;
    const before = inForce.get(name);
    if (before !== undefined) act(world, before, false);
    inForce.delete(name);
    if (value === undefined) return;
    act(world, value, true);
    inForce.set(name, value);
  };
  for (const fault of faults.list()) change(fault);
  return faults.onChange(change);
}
