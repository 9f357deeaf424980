// Pseudo terminals for tests: the master side by posix_openpt, grantpt, unlockpt and ptsname_r through koffi.
// The test plays the module on the master; the code under test opens the slave's path like a serial port.
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { ReadStream } from "node:tty";
import koffi from "koffi";

const openReadWrite = 0o2;
const noControllingTty = 0o400;
const closeOnExec = 0o2000000;

const c = koffi.load(null);
const posixOpenpt = c.func("int posix_openpt(int flags)");
const grantpt = c.func("int grantpt(int fd)");
const unlockpt = c.func("int unlockpt(int fd)");
const ioctl = c.func("int ioctl(int fd, unsigned long request, ...)");
/** TIOCSWINSZ of Linux. */
const setWindowSize = 0x5414;
const ptsname = c.func("int ptsname_r(int fd, _Out_ uint8_t *name, size_t size)");

export interface Pty {
  /** The slave's path, such as /dev/pts/7. */
  readonly path: string;
  /** What the other side wrote. */
  onData(fn: (octets: Buffer) => void): void;
  /** As a window that is made larger or smaller. Whoever runs in it hears of it by SIGWINCH, which only a controlling terminal sends. */
  resize(columns: number, rows: number): void;
  /** Writes at once, without a queue. */
  write(data: string | Uint8Array): void;
  /** Closes the master: the slave sees a hang-up. */
  hangUp(): void;
}

export function openPty(): Pty {
  const fd = posixOpenpt(openReadWrite | noControllingTty | closeOnExec) as number;
  const name = Buffer.alloc(64);
  if (fd < 0 || grantpt(fd) !== 0 || unlockpt(fd) !== 0 || ptsname(fd, name, name.length) !== 0) throw new Error("no pseudo terminal");
  const path = name.toString("latin1").split("\0")[0] ?? "";
  // A master without any slave open reads as hung up.
  const held = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  let stream: ReadStream | undefined;
  let open = true;
  return {
    path,
    onData: (fn) => {
      stream ??= new ReadStream(fd);
      stream.on("error", () => undefined);
      stream.on("data", fn);
    },
    resize: (columns, rows) => {
      const size = Buffer.from(Uint16Array.of(rows, columns, 0, 0).buffer);
      if (ioctl(held, setWindowSize, "uint8_t *", size) !== 0) throw new Error("the pseudo terminal keeps its size");
    },
    write: (data) => {
      const octets = typeof data === "string" ? Buffer.from(data, "latin1") : data;
      for (let at = 0; at < octets.length; ) at += writeSync(fd, octets, at);
    },
    hangUp: () => {
      if (!open) return;
      open = false;
      closeSync(held);
      if (stream === undefined) closeSync(fd);
      else stream.destroy();
    },
  };
}
