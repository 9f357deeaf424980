// The two calls of the C library that Node lacks and an exclusive port needs, bound lazily: TCP and UNIX channels load no addon.
import { SimwardError } from "../../../base/errors.ts";

export interface Libc {
  /** flock(2), exclusive, without waiting. Answers whether the lock was had. */
  lock(fd: number): boolean;
  /** ioctl(2) TIOCEXCL: further opens fail, also those of programs that know no flock. */
  refuseOthers(fd: number): void;
  /** ioctl(2) TIOCNXCL: where another process keeps the tty open, the refusal would outlive ours. */
  admitOthers(fd: number): void;
}

const lockExclusive = 2;
const lockWithoutWaiting = 4;
const tiocexcl = 0x540c;
const tiocnxcl = 0x540d;

let shared: Promise<Libc> | undefined;

export function loadLibc(): Promise<Libc> {
  shared ??= bind();
  return shared;
}

async function bind(): Promise<Libc> {
  try {
    const { default: koffi } = await import("koffi");
    const c = koffi.load(null);
    const flock = c.func("int flock(int fd, int operation)");
    const ioctl = c.func("int ioctl(int fd, unsigned long request, ...)");
    return {
      lock: (fd) => flock(fd, lockExclusive | lockWithoutWaiting) === 0,
      refuseOthers: (fd) => {
        ioctl(fd, tiocexcl);
      },
      admitOthers: (fd) => {
        ioctl(fd, tiocnxcl);
      },
    };
  } catch (cause) {
    shared = undefined;
    throw new SimwardError("PORT_OPEN", { detail: "koffi cannot be loaded, so the port cannot be locked", cause });
  }
}
