// Work of the module that lasts longer than who asked for it may wait: told phase by phase, shown by the status while it goes on, and joined by
// whoever asks for the same again.
import type { Clock } from "../../base/clock.ts";
import { rehearsal } from "../../base/rehearsal.ts";
import type { WorkStatus } from "../api/types.ts";

export interface LongAct<P extends string, T> {
  /** `job` runs unless the same work is under way: then its answer is this one's too. It tells each phase as it begins. */
  ask(job: (phase: (name: P) => void) => Promise<T>): Promise<T>;
}

export interface LongActPlan<P extends string> {
  /** The verb that asks for it. */
  readonly work: WorkStatus["work"];
  /** In their order; what is not observed is left out. */
  readonly phases: readonly P[];
  /** When it is given up; asked as it begins, as the module may have been exchanged. */
  readonly limitMs: () => number;
}

export interface LongActs {
  act<P extends string, T>(plan: LongActPlan<P>): LongAct<P, T>;
  /** What was begun last and goes on. */
  readonly underWay: WorkStatus | undefined;
}

export function createLongActs(parts: {
  readonly clock: Clock;
  /** Events `phase`. */
  readonly publish: (kind: string, fields: Readonly<Record<string, unknown>>) => void;
}): LongActs {
  const { clock, publish } = parts;
  const running = new Set<() => WorkStatus>();
  return {
    get underWay() {
      return [...running].at(-1)?.();
    },
    act<P extends string, T>({ work, phases, limitMs }: LongActPlan<P>): LongAct<P, T> {
      let present: { readonly answer: Promise<T>; readonly status: () => WorkStatus } | undefined;
      return {
        ask(job) {
          if (rehearsal() !== undefined) return job(() => undefined);
          if (present !== undefined) {
            // Who has just come knows nothing of the phases before.
            publish("phase", { ...present.status(), joined: true });
            return present.answer;
          }
          const startMs = clock.monotonicMs();
          const givenUpMs = limitMs();
          let n = 0;
          const status = (): WorkStatus => ({
            work,
            phase: phases[n - 1] ?? "asked",
            n,
            of: phases.length,
            elapsedMs: Math.round(clock.monotonicMs() - startMs),
            limitMs: givenUpMs,
          });
          const phase = (name: P): void => {
            n = phases.indexOf(name) + 1;
            publish("phase", { ...status() });
          };
          running.add(status);
          const answer = job(phase).finally(() => {
            running.delete(status);
            present = undefined;
          });
          present = { answer, status };
          return answer;
        },
      };
    },
  };
}
