// A port on a far end in memory and in virtual time, already in step with its module.
import { type AtPortOptions, createAtPort, type OwnedAtPort } from "../../../at-drivers/engine/port.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { type Answer, answersProbe, FarEnd } from "../far-end.ts";

export interface Bench {
  readonly clock: VirtualClock;
  readonly far: FarEnd;
  readonly port: OwnedAtPort;
  /** Runs virtual time until it settles. */
  run<T>(promise: Promise<T>): Promise<T>;
}

/** A port in step with a module that answers from `answer`, and from the usual questions where that answers nothing. */
export async function bench(answer: (line: string) => Answer, options: Partial<AtPortOptions> = {}): Promise<Bench> {
  const clock = new VirtualClock();
  const far = new FarEnd((line) => answersProbe(line));
  const port = createAtPort({ channel: far.channel, clock, gapMs: 0, ...options });
  await clock.runUntil(port.resync(10_000));
  far.answer = (line) => answer(line) ?? answersProbe(line);
  far.received.length = 0;
  far.octets = "";
  return { clock, far, port, run: (promise) => clock.runUntil(promise) };
}

/** An answer that is none: one NUL, which no port takes for anything. */
export const silence = "\0";
