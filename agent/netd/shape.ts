// How fast the fleet may send: htb on the interface, one class for management without a limit, one for all else. What the firewall's table has
// classified (meta priority) needs no filter of tc's.
import { SimwardError } from "../../base/errors.ts";
import type { Hands } from "./verb.ts";

/** By this number our qdisc is known; another program's is not taken away. */
const handle = "5157:";
const leaf = "5158:";
const unlimitedKbit = 10_000_000;

/** Throws NETD_PROGRAM, NETD_FAILED. */
export async function shape(hands: Hands, name: string, kbps: number): Promise<void> {
  const tc = (...args: readonly string[]): Promise<string> => hands.run("tc", args);
  // What is there cannot be replaced by its like.
  if (!isOurs(await tc("qdisc", "show", "dev", name)))
    await tc("qdisc", "replace", "dev", name, "root", "handle", handle, "htb", "default", "20");
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
  const shown = await hands.run("tc", ["class", "show", "dev", name]).catch(() => "");
  const found = /^class htb 5157:20 .*\brate (\d+(?:\.\d+)?)([KMG]?)bit/m.exec(shown);
  const factor: Readonly<Record<string, number>> = { "": 0.001, K: 1, M: 1_000, G: 1_000_000 };
  return found === null ? undefined : Math.round(Number(found[1]) * (factor[found[2] ?? ""] ?? 1));
}

function isOurs(shown: string): boolean {
  return /^qdisc htb 5157: root/m.test(shown);
}
