// Writes a POSIX tar archive (ustar, IEEE Std 1003.1 "pax", 10.1.2) of small files. Pure.
import { concatBytes, utf8 } from "./bytes.ts";

export interface TarFile {
  /** At most 100 octets. */
  readonly name: string;
  readonly content: Uint8Array;
}

const block = 512;
const octal = (value: number, width: number): string =>
  `${Math.floor(value)
    .toString(8)
    .padStart(width - 1, "0")}\0`;

/** Throws RangeError where a name does not fit. */
export function tarOf(files: readonly TarFile[], timeMs: number): Uint8Array {
  const parts = files.flatMap(({ name, content }) => [
    header(name, content.length, timeMs),
    content,
    new Uint8Array((block - (content.length % block)) % block),
  ]);
  return concatBytes(...parts, new Uint8Array(2 * block));
}

function header(name: string, bytes: number, timeMs: number): Uint8Array {
  const out = new Uint8Array(block);
  const put = (at: number, text: string): void => out.set(utf8(text), at);
  if (utf8(name).length > 100) throw new RangeError(`${name}: more than 100 octets`);
  put(0, name);
  put(100, octal(0o600, 8));
  put(108, octal(0, 8));
  put(116, octal(0, 8));
  put(124, octal(bytes, 12));
  put(136, octal(Math.max(0, timeMs / 1_000), 12));
  // The sum is made with its own field blank.
  put(148, " ".repeat(8));
  put(156, "0");
  put(257, "ustar\0");
  put(263, "00");
  const sum = out.reduce((all, octet) => all + octet, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return out;
}
