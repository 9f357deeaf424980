// The few calls of the C library that pseudo-terminals need and Node does not have. koffi is loaded only when one is wanted.

import { constants } from "node:fs";
import { createRequire } from "node:module";
import { SimwardError } from "../../../base/errors.ts";

export interface PtyCalls {
  /** A new pseudo-terminal: the descriptor of its master, and the path of its slave. Throws SIM_OPTION. */
  open(): { readonly master: number; readonly slavePath: string };
  /** No echo, no line editing, no translation: octets pass as they are. Throws SIM_OPTION. */
  makeRaw(fd: number): void;
}

/** Larger than `struct termios` of any Linux; its inside is the C library's affair. */
const termiosBytes = 256;
const applyNow = 0;
/** <asm-generic/fcntl.h>; Node has no name for it. A program that is started by the simulator's must not keep the terminal from being hung up. */
const closeOnExec = 0o2000000;

export function loadPtyCalls(): PtyCalls {
  const { load } = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  const libc = load(null);
  const posixOpenpt = libc.func("int posix_openpt(int flags)");
  const grantpt = libc.func("int grantpt(int fd)");
  const unlockpt = libc.func("int unlockpt(int fd)");
  const ptsnameR = libc.func("int ptsname_r(int fd, _Out_ uint8_t *buffer, size_t length)");
  const tcgetattr = libc.func("int tcgetattr(int fd, _Out_ uint8_t *termios)");
  const cfmakeraw = libc.func("void cfmakeraw(_Inout_ uint8_t *termios)");
  const tcsetattr = libc.func("int tcsetattr(int fd, int actions, const uint8_t *termios)");
  const check = (name: string, result: number): void => {
    if (result !== 0) throw new SimwardError("SIM_OPTION", { detail: `no pseudo-terminal: ${name} failed` });
  };
  return {
    open() {
      // Without O_NOCTTY the terminal could become the controlling one of a simulator that runs as a session leader.
      const master = posixOpenpt(constants.O_RDWR | constants.O_NOCTTY | closeOnExec);
      if (master < 0) throw new SimwardError("SIM_OPTION", { detail: "no pseudo-terminal: posix_openpt failed" });
      check("grantpt", grantpt(master));
      check("unlockpt", unlockpt(master));
      const name = Buffer.alloc(128);
      check("ptsname_r", ptsnameR(master, name, name.length));
      return { master, slavePath: name.toString("latin1", 0, name.indexOf(0)) };
    },
    makeRaw(fd) {
      const termios = Buffer.alloc(termiosBytes);
      check("tcgetattr", tcgetattr(fd, termios));
      cfmakeraw(termios);
      check("tcsetattr", tcsetattr(fd, applyNow, termios));
    },
  };
}
