// What a verb of simward-netd is: checked arguments, and the actions that follow from them. The table of them is verbs.ts.
import type { Clock } from "../../base/clock.ts";
import type { Arguments, Given } from "./arguments.ts";
import type { Change } from "./guard.ts";
import type { Ipsec } from "./ipsec.ts";

/** What an action that is more than one program's run may use. */
export interface Hands {
  /** Answers standard output. Throws NETD_PROGRAM, NETD_FAILED. */
  run(program: "ip" | "nft" | "tc", args: readonly string[], input?: string): Promise<string>;
  /** simwardd's. */
  readonly uid: number;
  readonly ipsec: Pick<Ipsec, "up" | "down" | "read">;
  readonly clock: Clock;
  /** The firewall's table, and the fleet's pace: what is set through them is kept as it was set while who asked for it is connected. */
  readonly table: Change;
  readonly pace: Change;
}

export type Action =
  /** A program and its arguments, run as they stand; `input` is what it reads. */
  | { readonly kind: "run"; readonly program: "ip" | "nft" | "tc"; readonly args: readonly string[]; readonly input?: string }
  /** Several steps of which a later one depends on an earlier, or an answer with data: what it resolves with is the answer's `data`. */
  | { readonly kind: "act"; readonly act: (hands: Hands) => Promise<unknown> }
  /** The name servers of an interface, or of the tunnel over it; none takes them away. */
  | { readonly kind: "resolv"; readonly interface: string; readonly servers: readonly string[]; readonly isTunnel: boolean }
  | { readonly kind: "pppUp"; readonly interface: string; readonly device: string; readonly args: readonly string[] }
  | { readonly kind: "pppDown"; readonly interface: string }
  | { readonly kind: "power"; readonly action: "off" | "on" | "cycle" };

export interface Verb {
  readonly args: Arguments;
  /** Whether it also takes `interface`, which must be one of those simward-netd was started for. */
  readonly hasInterface: boolean;
  actions(args: Readonly<Record<string, unknown>>): readonly Action[];
}

/** The one place where checked arguments get their types back. */
export function verb<S extends Arguments>(args: S, actions: (given: Given<S> & { readonly interface: string }) => readonly Action[]): Verb {
  return { args, hasInterface: true, actions: (checked) => actions(checked as Given<S> & { readonly interface: string }) };
}
