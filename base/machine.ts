// Pure state machines: a function from state and input to state and effects, and a runner that carries the effects out.

export interface Step<S, E> {
  readonly state: S;
  readonly effects: readonly E[];
}

/** Pure: no time, no chance, no I/O. */
export type Next<S, I, E> = (state: S, input: I) => Step<S, E>;

export interface MachineRunner<S, I> {
  readonly state: S;
  /** Inputs are taken in order; one that an effect sends is taken after those already waiting. */
  send(input: I): void;
}

export interface MachineOptions<S, I, E> {
  readonly initial: S;
  readonly next: Next<S, I, E>;
  /** Carries one effect out. It may send further inputs, now or later. */
  readonly perform: (effect: E, send: (input: I) => void) => void;
  readonly onChange?: (state: S, input: I, before: S) => void;
}

export function runMachine<S, I, E>(options: MachineOptions<S, I, E>): MachineRunner<S, I> {
  let state = options.initial;
  const inputs: I[] = [];
  let running = false;
  const send = (input: I): void => {
    inputs.push(input);
    if (running) return;
    running = true;
    try {
      while (inputs.length > 0) {
        const current = inputs.shift() as I;
        const before = state;
        const step = options.next(before, current);
        state = step.state;
        if (state !== before) options.onChange?.(state, current, before);
        for (const effect of step.effects) options.perform(effect, send);
      }
    } finally {
      running = false;
    }
  };
  return {
    get state() {
      return state;
    },
    send,
  };
}

/** For the default arm of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
