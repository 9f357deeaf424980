// Asks simward-netd: one connection for each lane of its verbs, so that the firewall waits for no tunnel, and news of what was started on them.
import type { Clock } from "../../base/clock.ts";
import { type Lane, laneNames, laneOf } from "../netd/lanes.ts";
import { createNetdLine, type NetdLine } from "./netd-line.ts";

export interface NetdClient {
  /**
   * Resolves with the answer's data, undefined where it has none; verbs of one lane in the order they were asked.
   * Throws NETD_ABSENT when nobody answers, NETD_ARGUMENT, NETD_FAILED, NETD_REFUSED, … as it says.
   */
  ask(verb: string, args: Readonly<Record<string, unknown>>, signal?: AbortSignal): Promise<unknown>;
  /** A pppd has ended; or, without an interface, every one that was started here. */
  onPppEnd(fn: (end: { readonly interface: string | undefined; readonly how: string }) => void): () => void;
  /** The firewall was another program's doing, `times` since the last such news, and simward-netd has set it again as it was asked to. */
  onFirewallAltered(fn: (seen: FirewallAltered) => void): () => void;
  /** Nobody keeps the firewall as it was set: whoever did so for us has ended. */
  onFirewallUnkept(fn: () => void): () => void;
  close(): void;
}

export interface FirewallAltered {
  /** unpaced: the queue that holds the fleet's pace is gone or another. */
  readonly how: "removed" | "altered" | "unpaced";
  readonly times: number;
}

export function createNetdClient({ path, clock }: { readonly path: string; readonly clock: Clock }): NetdClient {
  const pppEnds = listeners<{ readonly interface: string | undefined; readonly how: string }>();
  const altered = listeners<FirewallAltered>();
  const unkept = listeners<void>();
  const onNews = (news: Readonly<Record<string, unknown>>): void => {
    if (news.event === "ppp.ended")
      pppEnds.tell({ interface: typeof news.interface === "string" ? news.interface : undefined, how: String(news.how) });
    else if (news.event === "firewall.altered") {
      const how = (["removed", "altered", "unpaced"] as const).find((one) => one === news.how) ?? "altered";
      altered.tell({ how, times: typeof news.times === "number" ? news.times : 1 });
    }
  };
  const onEnd: Readonly<Record<Lane, (how: string) => void>> = {
    kernel: () => unkept.tell(),
    // The tunnel is charon's, and stands.
    charon: () => {},
    module: (how) => pppEnds.tell({ interface: undefined, how }),
  };
  const lines: ReadonlyMap<Lane, NetdLine> = new Map(
    laneNames.map((lane) => [lane, createNetdLine({ path, clock, onNews, onEnd: onEnd[lane] })]),
  );
  return {
    async ask(verb, args, signal) {
      return lines.get(laneOf(verb))?.ask(verb, args, signal);
    },
    onPppEnd: pppEnds.add,
    onFirewallAltered: altered.add,
    onFirewallUnkept: unkept.add,
    close() {
      for (const line of lines.values()) line.close();
    },
  };
}

function listeners<T>(): { readonly add: (fn: (told: T) => void) => () => void; readonly tell: (told: T) => void } {
  const all = new Set<(told: T) => void>();
  return {
    add(fn) {
      all.add(fn);
      return () => all.delete(fn);
    },
    tell(told) {
      for (const one of [...all]) one(told);
    },
  };
}
