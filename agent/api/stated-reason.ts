// Why somebody wants what is asked: given with any request that changes something, it reaches the audit records of what the request leads to.
import { AsyncLocalStorage } from "node:async_hooks";
import { optional, strictObject } from "valibot";
import { reason } from "./input.ts";

/** The query of every request that is no GET. */
export const statedReason = strictObject({ reason: optional(reason) });

const scope = new AsyncLocalStorage<string | undefined>();

/** Of the request that this runs for. */
export function reasonStated(): string | undefined {
  return scope.getStore();
}

export function withReason<T>(stated: string | undefined, run: () => T): T {
  return scope.run(stated, run);
}
