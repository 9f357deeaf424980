// What the generic operations have in common: reading what may be missing, writing only what differs.
import { isCode } from "../../../base/errors.ts";
import type { AtCommand, AtPort } from "../../engine/types.ts";
import { isRefusal } from "../../retry.ts";

/** Reads, compares, and writes what is refused last: each of `writes` is a weaker form of the one before. */
export async function ensure<R>(
  port: AtPort,
  read: AtCommand<readonly [], R>,
  isSo: (value: R) => boolean,
  writes: readonly (() => Promise<void>)[],
): Promise<void> {
  const value = await orUndefined(port.send(read));
  if (value !== undefined && isSo(value)) return;
  let refusal: unknown;
  for (const write of writes) {
    try {
      await write();
      return;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      refusal = error;
    }
  }
  throw refusal;
}

/** A module may lack the command, or its SIM be busy. */
export async function orUndefined<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isLack(error)) return undefined;
    throw error;
  }
}

export async function optionally(done: Promise<unknown>): Promise<void> {
  await orUndefined(done);
}

/** A refusal, or an answer of another shape: this way does not work, and another may. */
export function isLack(error: unknown): boolean {
  return isRefusal(error) || isCode(error, "AT_REPLY");
}

export function definedOnly<T extends object>(values: T): { readonly [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
