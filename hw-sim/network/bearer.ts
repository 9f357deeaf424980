// Bearers that are not a module's: for benches that test servers and the path to them without one.
import type { Disposer } from "../../base/clock.ts";
import type { Bearer } from "../contracts.ts";

export interface SwitchedBearer extends Bearer {
  set(up: boolean): void;
}

/** Up or down as it is told. */
export function switchedBearer(initially = true): SwitchedBearer {
  let up = initially;
  const listeners = new Set<(up: boolean) => void>();
  return {
    get up() {
      return up;
    },
    onChange(fn): Disposer {
      listeners.add(fn);
      return () => listeners.delete(fn);
    },
    set(next) {
      if (next === up) return;
      up = next;
      for (const fn of [...listeners]) fn(next);
    },
  };
}
