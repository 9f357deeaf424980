// How fast the fleet may send: htb on the interface, one class for management without a limit, one for all else. What the firewall's table has
// classified (meta priority) needs no filter of tc's.
import { SimwardError } from "../../base/errors.ts";
import type { Hands } from "./verb.ts";

/** By this number our qdisc is known; another program's is not taken away. */
const handle = "5157:";
const leaf = "5158:";
const unlimitedKbit = 10_000_000;

/** `anew`: what of ours is there is taken away before. Throws NETD_PROGRAM, NETD_FAILED. */
export async function shape(hands: Hands, name: string, kbps: number, how: "in place" | "anew"): Promise<void> {
  const tc = (...args: readonly string[]): Promise<string> => hands.run("tc", args);
  // What is there cannot be replaced by its like.
  const stands = isOurs(await tc("qdisc", "show", "dev", name));
  if (stands && how === "anew") await tc("qdisc", "delete", "dev", name, "root");
  if (!stands || how === "anew") await tc("qdisc", "replace", "dev", name, "root", "handle", handle, "htb", "default", "20");
  const rateOf = (kbit: number): readonly string[] => ["htb", "rate", `${kbit}kbit`, "ceil", `${kbit}kbit`];
  await tc("class", "replace", "dev", name, "parent", handle, "classid", `${handle}10`, ...rateOf(unlimitedKbit), "quantum", "60000");
  await tc("class", "replace", "dev", name, "parent", handle, "classid", `${handle}20`, ...rateOf(kbps), "quantum", "1514");
  // Half a second's worth may wait, so that nobody waits longer than that behind it.
  const limitBytes = String(Math.max(15_000, Math.round(kbps * 62.5)));
  await tc("qdisc", "replace", "dev", name, "parent", `${handle}20`, "handle", leaf, "bfifo", "limit", limitBytes);
}

export async function unshape(hands: Hands, name: string): Promise<void> {
  const shown = await hands.run("tc", ["qdisc", "show", "dev", name]).catch((error: unknown) => {
    // An interface that is gone has none.
    if (error instanceof SimwardError && error.code === "NETD_FAILED") return "";
    throw error;
  });
  if (isOurs(shown)) await hands.run("tc", ["qdisc", "delete", "dev", name, "root", "handle", handle]);
}

/** The fleet's limit as it stands, in kbit/s; undefined where there is none of ours. */
export async function readShaping(hands: Hands, name: string): Promise<number | undefined> {
  return (await readQueues(hands, name))?.kbps;
}

export interface Queues {
  /** Of ours, without what counts: another text means that somebody has altered it. */
  readonly text: string;
  /** The fleet's limit, where all is as `shape` makes it. */
  readonly kbps: number | undefined;
  /** Another program's; what the kernel gives by itself has the handle 0. */
  readonly isForeign: boolean;
}

/** undefined: there is no such interface. Throws NETD_PROGRAM. */
export async function readQueues(hands: Hands, name: string): Promise<Queues | undefined> {
  try {
    const tc = (what: string): Promise<string> => hands.run("tc", [what, "show", "dev", name]);
    // A filter sends whom it likes to the class without a limit.
    return queuesIn(await tc("qdisc"), await tc("class"), await tc("filter"));
  } catch (error) {
    if (error instanceof SimwardError && error.code === "NETD_FAILED") return undefined;
    throw error;
  }
}

/** Of `tc qdisc show`, `tc class show` and `tc filter show`. Pure. */
export function queuesIn(qdiscs: string, classes: string, filters: string): Queues {
  const lines = (text: string): string[] => text.split("\n").filter((line) => line.trim() !== "");
  // Whatever another program hangs elsewhere (clsact, ingress) is no queue of ours.
  const ours = lines(qdiscs)
    .filter((line) => /^qdisc \w+ 515[78]: /.test(line))
    .map((line) => line.replace(/(refcnt|direct_packets_stat) \d+ ?/g, ""));
  const root = /^qdisc (\w+) (\w+): (?:dev \S+ )?root/m.exec(qdiscs);
  const isWhole =
    /^qdisc htb 5157: root .*\bdefault 0x20\b/m.test(qdiscs) &&
    /^qdisc bfifo 5158: parent 5157:20 /m.test(qdiscs) &&
    lines(classes).length === 2 &&
    /^class htb 5157:10 root /m.test(classes) &&
    lines(filters).length === 0;
  const found = /^class htb 5157:20 root .*\brate (\d+)([KMG]?)bit ceil \1\2bit /m.exec(classes);
  const factor: Readonly<Record<string, number>> = { "": 0.001, K: 1, M: 1_000, G: 1_000_000 };
  return {
    text: [...ours, ...lines(classes).sort(), ...lines(filters)].join("\n"),
    kbps: found === null || !isWhole ? undefined : Math.round(Number(found[1]) * (factor[found[2] ?? ""] ?? 1)),
    isForeign: root !== null && root[2] !== "0" && root[2] !== "5157",
  };
}

/** By name: another number where the interface has gone and come back. Throws NETD_PROGRAM, NETD_FAILED. */
export async function indexesOf(hands: Hands): Promise<ReadonlyMap<string, number>> {
  const shown = await hands.run("ip", ["-o", "link", "show"]);
  return new Map([...shown.matchAll(/^(\d+): ([^:@\s]+)[:@]/gm)].map(([, index, name = ""]) => [name, Number(index)]));
}

function isOurs(shown: string): boolean {
  return /^qdisc htb 5157: root/m.test(shown);
}
