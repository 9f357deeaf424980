// One line of a terminal that says what is under way and for how long: `[3/8] AuthenticateClient … 1.2 s`. Other lines go above it.
import type { Clock, Disposer } from "../../base/clock.ts";
import { duration } from "./layout.ts";

export interface Spinner {
  show(text: string): void;
  /** Writes a line without tearing this one. */
  above(write: () => void): void;
  end(): void;
}

const frames = ["-", "\\", "|", "/"];
const refreshMs = 120;
const clearLine = "\r\u001b[K";

export function createSpinner(options: {
  /** Asked anew for each picture: a terminal may be resized. */
  readonly progressWidth?: (() => number | undefined) | undefined;
  readonly stderr: (text: string) => void;
  readonly clock?: Clock;
}): Spinner {
  const { progressWidth: width, stderr, clock } = options;
  if (width?.() === undefined || clock === undefined) return { show: () => undefined, above: (write) => write(), end: () => undefined };
  let shown: { readonly text: string; readonly sinceMs: number } | undefined;
  let frame = 0;
  let stop: Disposer | undefined;
  const draw = (): void => {
    if (shown === undefined) return;
    const tail = ` … ${duration(clock.monotonicMs() - shown.sinceMs)}`;
    const head = `${frames[frame++ % frames.length]} ${shown.text}`;
    // A line that wraps could not be taken back.
    const room = Math.max(8, (width() ?? 80) - 1 - tail.length);
    stderr(`${clearLine}${head.length > room ? `${head.slice(0, room - 1)}…` : head}${tail}`);
  };
  return {
    show(text) {
      shown = { text, sinceMs: clock.monotonicMs() };
      stop ??= clock.every(refreshMs, draw);
      draw();
    },
    above(write) {
      if (shown !== undefined) stderr(clearLine);
      write();
      draw();
    },
    end() {
      stop?.();
      stop = undefined;
      if (shown !== undefined) stderr(clearLine);
      shown = undefined;
    },
  };
}
