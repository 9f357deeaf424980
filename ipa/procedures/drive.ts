// Carries a machine's effects out and writes its state before and after each: what the journal holds is never behind what was done by more than one act.
import type { Step } from "../../base/machine.ts";
import type { IpaEvent } from "../events.ts";

export interface Drive<S, I, E> {
  readonly next: (state: S, input: I) => Step<S, E | Telling>;
  /** Answers what came of it, or undefined when nothing more can be done now. */
  readonly perform: (effect: E, state: S) => Promise<I | undefined>;
  readonly save: (state: S) => Promise<void>;
  readonly tell: (event: IpaEvent) => void | Promise<void>;
}

export interface Telling {
  readonly do: "tell";
  readonly event: IpaEvent;
}

/** Runs until no effect gives another input; answers the last state. */
export async function drive<S, I, E extends { readonly do: string }>(machine: Drive<S, I, E>, initial: S, first: I): Promise<S> {
  let state = initial;
  for (let input: I | undefined = first; input !== undefined; ) {
    const step: Step<S, E | Telling> = machine.next(state, input);
    state = step.state;
    input = undefined;
    // What happened is told before it is written: at a power cut between the two it is told twice rather than never.
    for (const effect of step.effects) if (isTelling(effect)) await machine.tell(effect.event);
    await machine.save(state);
    for (const effect of step.effects) if (!isTelling(effect)) input = await machine.perform(effect, state);
  }
  return state;
}

function isTelling(effect: { readonly do: string }): effect is Telling {
  return effect.do === "tell";
}
