// The far side of a pseudo terminal in a process of its own, driven by lines on stdin: what happens between two of its system calls
// happens without the reader's process having a turn in between. Answers each order with a line on stdout.
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import koffi from "koffi";

const c = koffi.load(null);
const posixOpenpt = c.func("int posix_openpt(int flags)");
const grantpt = c.func("int grantpt(int fd)");
const unlockpt = c.func("int unlockpt(int fd)");
const ptsname = c.func("int ptsname_r(int fd, _Out_ uint8_t *name, size_t size)");
const ioctl = c.func("int ioctl(int fd, unsigned long request, ...)");
const flock = c.func("int flock(int fd, int operation)");
const fionread = 0x541b;

let master = -1;
let slave = -1;

/** Octets the slave's reader has not taken yet. */
function unread() {
  const count = [0];
  ioctl(slave, fionread, "_Out_ int *", count);
  return count[0];
}

const orders = {
  open() {
    master = posixOpenpt(constants.O_RDWR | constants.O_NOCTTY);
    const name = Buffer.alloc(64);
    grantpt(master);
    unlockpt(master);
    ptsname(master, name, name.length);
    return name.toString("latin1").split("\0")[0];
  },
  /** Writes, and hangs up in the next system call. */
  "write-hangup"(count) {
    const written = writeSync(master, Buffer.alloc(Number(count), "x"));
    closeSync(master);
    return String(written);
  },
  /** Writes, and hangs up as soon as the reader's side has taken the last octet out of the kernel. */
  "write-taken-hangup"(count, path) {
    slave = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
    const data = Buffer.alloc(Number(count), "x");
    for (let at = 0; at < data.length; ) {
      at += writeSync(master, data, at, Math.min(1_000, data.length - at));
      // The kernel moves octets to the slave's side by itself; a fast reader has them before anybody can see that.
      const until = performance.now() + 2;
      while (unread() === 0 && performance.now() < until);
      while (unread() > 0);
    }
    closeSync(slave);
    closeSync(master);
    return String(data.length);
  },
  lock(path) {
    slave = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
    return String(flock(slave, 2 | 4));
  },
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const [order, ...args] = line.split(" ");
  process.stdout.write(`${orders[order](...args)}\n`);
});
