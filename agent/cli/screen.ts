// The whole terminal as one picture: the latest one only. A terminal that is slow skips pictures, and one that is left is as it was before.
export interface Screen {
  /** Now; a terminal may be resized. */
  readonly columns: number;
  readonly rows: number;
  /** false: what is written waits; `onDrain` says when it is gone. */
  write(text: string): boolean;
  onDrain(fn: () => void): () => void;
  onResize(fn: () => void): () => void;
}

export interface Picture {
  /** Draws these lines, now or when the terminal has taken those before; of several that wait the last one counts. */
  show(lines: readonly string[]): void;
  /** The terminal is as it was. */
  end(): void;
}

const csi = "\u001b[";
/** Of its own screen, without a cursor; and back. */
export const enterScreen = `${csi}?1049h${csi}?25l`;
export const leaveScreen = `${csi}?25h${csi}?1049l`;

export function openPicture(screen: Screen): Picture {
  let isFree = screen.write(enterScreen);
  let waiting: readonly string[] | undefined;
  let isOver = false;
  const draw = (lines: readonly string[]): void => {
    const shown = lines.slice(0, Math.max(1, screen.rows));
    // Line by line over the picture before: nothing flickers, and nothing of it is left.
    isFree = screen.write(`${csi}H${shown.map((line) => `${line}${csi}K`).join("\r\n")}${csi}J`);
  };
  const stop = screen.onDrain(() => {
    isFree = true;
    const next = waiting;
    waiting = undefined;
    if (next !== undefined && !isOver) draw(next);
  });
  return {
    show(lines) {
      if (isOver) return;
      if (isFree) draw(lines);
      else waiting = lines;
    },
    end() {
      if (isOver) return;
      isOver = true;
      stop();
      screen.write(leaveScreen);
    },
  };
}
