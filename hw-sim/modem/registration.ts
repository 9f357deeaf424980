// Registration with an operator: searches, registers, is refused, loses coverage, as the radio world says.
import type { Clock, Disposer } from "../../base/clock.ts";
import type { Attach, RadioWorld, SimRat, Subscriber } from "../contracts.ts";
import type { Personality } from "./personality.ts";

/** <stat> of 3GPP TS 27.007 §10.1.22. */
export const stat = { idle: 0, home: 1, searching: 2, denied: 3, roaming: 5 } as const;
export type Stat = (typeof stat)[keyof typeof stat];

/** +COPS modes (3GPP TS 27.007 §7.3). */
export const copsMode = { automatic: 0, manual: 1, deregister: 2, manualThenAutomatic: 4 } as const;

export interface Selection {
  readonly mode: 0 | 1 | 2 | 4;
  readonly plmn: string | undefined;
  readonly rat: SimRat | undefined;
}

type Registered = Extract<Attach, { kind: "registered" }>;

export interface RegistrationState {
  readonly stat: Stat;
  readonly rat: SimRat | undefined;
  readonly cell: Registered | undefined;
  /** EMM cause of the last refusal, while it lasts. */
  readonly emmCause: number | undefined;
}

export interface RegistrationOptions {
  readonly clock: Clock;
  readonly world: RadioWorld;
  readonly personality: Personality;
  /** Those that its settings leave, in the order in which it tries them. */
  readonly rats: () => readonly SimRat[];
  /** An LTE attach brings its PDN connection along: answers the ESM cause that makes it fail. */
  readonly admit: (subscriber: Subscriber, cell: Registered, rat: SimRat) => number | undefined;
  /** EF.FPLMN as the module knows it: operators that it does not try by itself. */
  readonly forbidden: {
    list(): readonly string[];
    add(plmn: string): void;
    remove(plmn: string): void;
  };
  /** `by`: who let go of the network, where it is left. */
  readonly onState: (state: RegistrationState, before: RegistrationState, by: "ME" | "NW") => void;
}

/** EMM cause for which a PLMN is written into EF.FPLMN (3GPP TS 24.301 §5.5.1.2.5). */
const plmnNotAllowed = 11;
/** EMM cause "ESM failure". */
const esmFailure = 19;
const idleState: RegistrationState = { stat: stat.idle, rat: undefined, cell: undefined, emmCause: undefined };
const searchingState: RegistrationState = { ...idleState, stat: stat.searching };

export class Registration {
  readonly #options: RegistrationOptions;
  #state: RegistrationState = idleState;
  #radio = false;
  #subscriber: Subscriber | undefined;
  #selection: Selection = { mode: copsMode.automatic, plmn: undefined, rat: undefined };
  #stopTimer: Disposer = () => {};
  #waiting: ((state: RegistrationState) => void)[] = [];

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  get state(): RegistrationState {
    return this.#state;
  }

  get selection(): Selection {
    return this.#selection;
  }

  /** RAN on or off, and for whom; undefined while no profile can be used. */
  supply(radio: boolean, subscriber: Subscriber | undefined): void {
    if (radio === this.#radio && subscriber?.imsi === this.#subscriber?.imsi && subscriber?.iccid === this.#subscriber?.iccid) return;
    this.#radio = radio;
    this.#subscriber = subscriber;
    this.search("ME");
  }

  /** +COPS=; settles when the search it starts has ended. */
  select(selection: Selection): Promise<RegistrationState> {
    this.#selection = selection;
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.search("ME");
    });
  }

  /** Back to automatic, as after a reset. */
  reset(): void {
    this.#selection = { mode: copsMode.automatic, plmn: undefined, rat: undefined };
  }

  /** Leaves what it is registered on and looks again; `by` the module, as its host wants it, or because the network has gone. */
  search(by: "ME" | "NW"): void {
    this.#stopTimer();
    if (!this.#radio || this.#subscriber === undefined || this.#selection.mode === copsMode.deregister) {
      this.#enter(idleState, by);
      this.#settle();
      return;
    }
    this.#enter(searchingState, by);
    this.#later(this.#options.personality.timings.searchMs);
  }

  /** Coverage, position or agreements changed. */
  worldChanged(): void {
    const { cell, rat } = this.#state;
    if (cell === undefined) {
      if (this.#state.stat !== stat.idle) this.search("NW");
      return;
    }
    if (this.#subscriber === undefined || rat === undefined) return;
    const { world } = this.#options;
    if (!world.serves(this.#subscriber, rat, cell.plmn)) this.search("NW");
    // A cell that is received otherwise is the same cell: nothing is said of it.
    else this.#state = { ...this.#state, cell: { ...cell, rsrpDbm: world.received(cell.plmn) ?? cell.rsrpDbm } };
  }

  /** Ends its timers. */
  stop(): void {
    this.#stopTimer();
    this.#settle();
  }

  #later(ms: number): void {
    this.#stopTimer();
    this.#stopTimer = this.#options.clock.after(ms, () => this.#attach());
  }

  #attach(): void {
    const subscriber = this.#subscriber;
    if (subscriber === undefined) return;
    const { timings } = this.#options.personality;
    const found = this.#look(subscriber);
    if (found === undefined) {
      this.#enter(searchingState);
      this.#later(timings.searchAgainMs);
    } else if (found.attach.kind === "rejected") {
      // The same network would refuse again: only a change of the world, or the host, makes the module try once more.
      this.#enter({ ...idleState, stat: stat.denied, emmCause: found.attach.cause });
    } else {
      const esmCause = this.#options.admit(subscriber, found.attach, found.rat);
      if (esmCause === undefined) {
        const { roaming } = found.attach;
        this.#enter({ stat: roaming ? stat.roaming : stat.home, rat: found.rat, cell: found.attach, emmCause: undefined });
      } else {
        this.#enter({ ...searchingState, emmCause: esmFailure });
        this.#later(timings.attachAgainMs);
      }
    }
    this.#settle();
  }

  #look(subscriber: Subscriber): { attach: Exclude<Attach, { kind: "no-coverage" }>; rat: SimRat } | undefined {
    const { mode, plmn, rat } = this.#selection;
    const rats = rat === undefined ? this.#options.rats() : [rat];
    const manual = mode === copsMode.manual || mode === copsMode.manualThenAutomatic ? plmn : undefined;
    return (
      this.#tryRats(subscriber, rats, manual) ??
      (mode === copsMode.manualThenAutomatic ? this.#tryRats(subscriber, this.#options.rats(), undefined) : undefined)
    );
  }

  #tryRats(subscriber: Subscriber, rats: readonly SimRat[], plmn: string | undefined) {
    let rejected: { attach: Extract<Attach, { kind: "rejected" }>; rat: SimRat } | undefined;
    const { world, forbidden } = this.#options;
    for (const rat of rats) {
      const attach = world.attach(subscriber, rat, plmn === undefined ? { except: forbidden.list() } : { only: plmn });
      if (attach.kind === "no-coverage") continue;
      for (const refusal of attach.refusals) if (refusal.cause === plmnNotAllowed) forbidden.add(refusal.plmn);
      if (attach.kind === "registered") {
        forbidden.remove(attach.plmn);
        return { attach, rat };
      }
      rejected ??= { attach, rat };
    }
    return rejected;
  }

  #enter(state: RegistrationState, by: "ME" | "NW" = "NW"): void {
    const before = this.#state;
    this.#state = state;
    if (state.stat !== before.stat || state.cell !== before.cell || state.emmCause !== before.emmCause)
      this.#options.onState(state, before, by);
  }

  #settle(): void {
    for (const resolve of this.#waiting.splice(0)) resolve(this.#state);
  }
}
