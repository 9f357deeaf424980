// Which verbs wait for one another: those whose answer may take as long as somebody besides the kernel does, each with their like; all others, the
// firewall's among them, wait for nobody. Shared by both ends: the daemon has a connection for each lane. Pure.

/** charon: its daemon. module: pppd, or the hook that switches the module's power. */
export const laneNames = ["kernel", "charon", "module"] as const;
export type Lane = (typeof laneNames)[number];

const lanes: Readonly<Record<string, Lane>> = {
  tunnel: "charon",
  "tunnel-down": "charon",
  "tunnel-read": "charon",
  ppp: "module",
  "modem-power": "module",
};

export function laneOf(verb: string): Lane {
  return Object.hasOwn(lanes, verb) ? (lanes[verb] ?? "kernel") : "kernel";
}
