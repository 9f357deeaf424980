// The agent of a fault bench as its tests ask it: who asks, and answers waited for in virtual time.
import type { Agent } from "../../agent/ports.ts";
import type { FaultBench } from "./fault-bench.ts";

export const admin = { role: "admin", peer: { uid: 0, gid: 0, pid: 42 } } as const;

export function agentOf({ agent }: FaultBench): Agent {
  if (agent === undefined) throw new Error("no agent lives");
  return agent;
}

/** Until it settles; virtual time goes by. */
export async function during<T>(bench: FaultBench, promise: Promise<T>): Promise<T> {
  let done = false;
  const end = (): void => {
    done = true;
  };
  promise.then(end, end);
  await bench.until("an answer", () => done);
  return promise;
}
