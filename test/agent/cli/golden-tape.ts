// The daemon's services between the served API and the agent: each answer settled; and on a tape, so that what a vehicle does once (a download, a
// retirement) is shown at each width as it was answered and as its events came.
import type { AuditPage } from "../../../agent/api/types.ts";
import { settled } from "../../support/settled.ts";

type Method = (...args: never[]) => unknown;
type Listener = (event: unknown) => void;

export interface Tape<T> {
  readonly services: T;
  /** What is answered from now on is kept. */
  record(): void;
  /** What was kept is answered again, and its events are told again; nothing is asked of the vehicle. */
  play(): void;
  /** As if there were no tape. */
  off(): void;
}

interface Kept {
  readonly answers: Map<string, (() => unknown)[]>;
  readonly events: unknown[];
}

export function taped<T extends object>(services: T): Tape<T> {
  let mode: "off" | "record" | "play" = "off";
  let kept: Kept = { answers: new Map(), events: [] };
  let left: Kept = kept;
  const listeners = new Set<Listener>();
  /** Of the last package in the trail: what has its id settled is asked for by that id afterwards. */
  let lastTrace: string | undefined;

  const keep = (name: string, answer: () => unknown): void => {
    kept.answers.set(name, [...(kept.answers.get(name) ?? []), answer]);
  };
  const replayed = async (name: string): Promise<unknown> => {
    for (const event of left.events.splice(0)) for (const listener of listeners) listener(event);
    const [answer, ...others] = left.answers.get(name) ?? [];
    if (answer === undefined) throw new Error(`the tape has no answer of ${name}`);
    left.answers.set(name, others);
    return answer();
  };
  const listening = (listener: Listener): Listener => {
    return (event) => {
      const told = settled(event);
      if (isOfItsOwnTime(told)) return;
      if (mode === "record") kept.events.push(told);
      if (mode !== "play") listener(told);
    };
  };

  const proxied = <S extends object>(target: S, path: string): S =>
    new Proxy(target, {
      get(object, key) {
        const value = Reflect.get(object, key) as unknown;
        const name = `${path}${String(key)}`;
        if (typeof value === "function") return (...args: readonly unknown[]) => called(object, value as Method, name, args);
        return typeof value === "object" && value !== null ? proxied(value, `${name}.`) : value;
      },
    });

  const called = (object: object, fn: Method, name: string, args: readonly unknown[]): unknown => {
    if (name === "events") {
      const listener = args[1] as Listener;
      listeners.add(listener);
      const stop = Reflect.apply(fn, object, [args[0], listening(listener)]) as () => void;
      return () => {
        listeners.delete(listener);
        stop();
      };
    }
    // What runs within a trace is on the tape itself.
    const isAround = name === "trace.begin";
    if (mode === "play" && left.answers.has(name)) return replayed(name);
    const heard = args.map((arg) => {
      if (typeof arg === "function" && !isAround) return (event: unknown) => arg(settled(event));
      return isOfSettledTrace(arg) && lastTrace !== undefined ? { ...arg, id: lastTrace } : arg;
    });
    const answer = Reflect.apply(fn, object, heard) as unknown;
    if (answer instanceof Promise)
      return answer.then(
        (value) => {
          if (!isAround) lastTrace = traceOfPackage(value) ?? lastTrace;
          const shown = settled(value);
          if (mode === "record" && !isAround) keep(name, () => shown);
          return shown;
        },
        (error: unknown) => {
          if (mode === "record" && !isAround)
            keep(name, () => {
              throw error;
            });
          throw error;
        },
      );
    return isLines(answer) ? settledLines(answer) : typeof answer === "function" ? answer : settled(answer);
  };

  return {
    services: proxied(services, ""),
    record: () => {
      kept = { answers: new Map(), events: [] };
      mode = "record";
    },
    play: () => {
      left = { answers: new Map(kept.answers), events: [...kept.events] };
      mode = "play";
    },
    off: () => {
      mode = "off";
    },
  };
}

/** When the network lets the session go, and what the module says to a question in between, is theirs. */
const isOfItsOwnTime = (event: unknown): boolean => /^(path\.down|warning)$/.test(String((event as { readonly kind?: unknown }).kind));

const isOfSettledTrace = (arg: unknown): arg is { readonly id: string } =>
  typeof arg === "object" && arg !== null && "id" in arg && arg.id === settled("", "traceId");

function traceOfPackage(answer: unknown): string | undefined {
  const { records } = (answer ?? {}) as Partial<AuditPage>;
  const found = records?.findLast(({ event }) => event === "package.received")?.data?.traceId;
  return typeof found === "string" ? found : undefined;
}

const isLines = (value: unknown): value is AsyncIterable<unknown> =>
  typeof value === "object" && value !== null && Symbol.asyncIterator in value;

async function* settledLines(lines: AsyncIterable<unknown>): AsyncIterable<unknown> {
  for await (const line of lines) yield typeof line === "string" ? JSON.stringify(settled(JSON.parse(line))) : settled(line);
}
