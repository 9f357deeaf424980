// Procedures rehearsed: on copies of what is remembered, with nobody to tell, and at their end with the first word to a server or to the module. What is under
// way on the card is left alone, though a procedure that is meant would bring it to its end first.
import { SimwardError } from "../../base/errors.ts";
import type { Queue } from "../../base/queue.ts";
import { barred, type Rehearsal, rehearsal } from "../../base/rehearsal.ts";
import type { IpaContext } from "./context.ts";
import { IpaJournal } from "./journal.ts";

export interface RehearsalHost {
  readonly work: Queue;
  /** Undefined before the card was read. */
  readonly context: () => IpaContext | undefined;
  readonly stoppable: (signal: AbortSignal | undefined) => AbortSignal;
}

/** Throws BUSY, and what the procedure throws; ABORTED where the rehearsal has ended it. */
export type Rehearse = <T>(job: (copy: IpaContext, signal: AbortSignal) => Promise<T>, signal: AbortSignal | undefined) => Promise<T>;

export function rehearsals({ work, context, stoppable }: RehearsalHost): Rehearse {
  return (job, signal) =>
    work.run(async () => {
      const known = context();
      const going = rehearsal();
      if (known === undefined || going === undefined) throw new SimwardError("BUSY", { detail: "the card has not been read yet" });
      const { operation, localSwitch } = known.journal.content;
      const busy = localSwitch?.function ?? operation?.kind;
      if (busy !== undefined) throw new SimwardError("BUSY", { detail: `${busy} is not finished` });
      return job(await copyOf(known, going), AbortSignal.any([stoppable(signal), going.signal]));
    }, signal);
}

async function copyOf(context: IpaContext, going: Rehearsal): Promise<IpaContext> {
  const { ports, memory, journal } = context;
  const { rsp } = ports;
  return {
    ...context,
    ports: {
      ...ports,
      transports: ports.transports.map(({ scheme }) => ({ scheme, exchange: async () => going.end() })),
      connectivity: barred(going),
      ...(rsp === undefined ? {} : { rsp: { ...rsp, transport: barred(going) } }),
    },
    journal: await IpaJournal.open({ load: async () => structuredClone(journal.content), save: async () => {} }),
    memory: { ...memory, refusals: new Map(memory.refusals), receivers: new Map(memory.receivers) },
    tell: () => {},
  };
}
