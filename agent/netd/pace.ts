// The fleet's pace on the modem's interface and on the tunnel's, kept as it was set: whoever alters it is told of, and an interface that was made anew is
// paced as soon as it is there. That is nobody's alteration, unless another program has given it a queue meanwhile.
import { SimwardError } from "../../base/errors.ts";
import type { Kept } from "./guard.ts";
import { indexesOf, readQueues, shape, unshape } from "./shape.ts";
import type { Hands } from "./verb.ts";

export interface Paced {
  readonly modem: string;
  /** Where the fleet can still be told apart: around a tunnel's packets it is all the tunnel's. It may come and go. */
  readonly tunnel: string | undefined;
}

/** Throws NETD_PROGRAM, NETD_FAILED; what is to be kept is kept all the same, for an interface that is yet to come. */
export async function paceAndKeep(hands: Hands, { modem, tunnel }: Paced, kbps: number, keep: (kept: Kept) => void): Promise<void> {
  const names = [modem, ...(tunnel === undefined ? [] : [tunnel])];
  const made = new Map<string, { readonly index: number | undefined; readonly text: string }>();
  let due: readonly string[] = [];

  /** In place, so that no packet is lost; anew where that is not enough. */
  const set = async (name: string): Promise<"set" | "again" | "gone"> => {
    const index = (await indexesOf(hands)).get(name);
    for (const how of ["in place", "anew"] as const) {
      await shape(hands, name, kbps, how);
      const queues = await readQueues(hands, name);
      if (queues === undefined) return "gone";
      if (queues.kbps !== kbps) continue;
      made.set(name, { index, text: queues.text });
      return "set";
    }
    return "again";
  };

  keep({
    interface: modem,
    // As tc tells it, and as ip does.
    concerns: (news) => names.some((name) => [`dev ${name} `, `: ${name}: `, `: ${name}@`].some((words) => news.includes(words))),
    async look() {
      const indexes = await indexesOf(hands);
      const altered: string[] = [];
      const fresh: string[] = [];
      for (const name of names) {
        const index = indexes.get(name);
        const queues = index === undefined ? undefined : await readQueues(hands, name);
        if (queues === undefined) continue;
        const known = made.get(name);
        if (queues.kbps === kbps && (known === undefined || known.text === queues.text)) made.set(name, { index, text: queues.text });
        else (known?.index === index || queues.isForeign ? altered : fresh).push(name);
      }
      due = [...altered, ...fresh];
      return altered.length > 0 ? "unpaced" : fresh.length > 0 ? "new" : undefined;
    },
    async restore() {
      const ends = new Set<"set" | "again" | "gone">();
      for (const name of due) ends.add(await set(name).catch(absent));
      return ends.has("again") ? "again" : ends.has("set") ? "set" : "gone";
    },
  });
  if (tunnel !== undefined) await set(tunnel).catch(absent);
  if ((await set(modem)) !== "set") throw new SimwardError("NETD_FAILED", { detail: "shaping: another program altered the pace at once" });
}

/** Throws NETD_PROGRAM, NETD_FAILED. */
export async function unpace(hands: Hands, { modem, tunnel }: Paced): Promise<void> {
  await unshape(hands, modem);
  if (tunnel !== undefined) await unshape(hands, tunnel);
}

function absent(error: unknown): "gone" {
  if (!(error instanceof SimwardError && error.code === "NETD_FAILED" && /Cannot find device/.test(error.message))) throw error;
  return "gone";
}
