// Amounts of data as people read them. Pure.

const units = ["kB", "MB", "GB", "TB"] as const;

/** "999 bytes", "1.5 kB", "312 MB": powers of ten, as contracts count; rounded down, so that a cap is not shown as reached before it is. */
export function bytesText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} bytes`;
  let value = bytes;
  let unit = -1;
  while (value >= 1_000 && unit < units.length - 1) {
    value /= 1_000;
    unit++;
  }
  const shown = value < 10 ? Math.floor(value * 100) / 100 : value < 100 ? Math.floor(value * 10) / 10 : Math.floor(value);
  return `${shown} ${units[unit]}`;
}
