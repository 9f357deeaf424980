// The far side of a pseudo terminal in a process of its own, driven by lines on stdin: what happens between two of its system calls
// happens without the reader's process having a turn in between. Answers each order with a line on stdout.
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import koffi from "koffi";

const c = koffi.load(null);
const posixOpenpt = c.func("int posix_openpt(int flags)");
const grantpt = c.func("int grantpt(int fd)");
const unlockpt = c.func("int unlockpt(int fd)");
const ptsname = c.func("int ptsname_r(int fd, _Out_ uint8_t *name, size_t size)");
const flock = c.func("int flock(int fd, int operation)");

let master = -1;
let slave = -1;

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
  /** Writes, waits in one system call for the reader's octet that says it has all, and hangs up in the next. */
  "write-taken-hangup"(count) {
    writeSync(master, Buffer.alloc(Number(count), "x"));
    const answered = readSync(master, Buffer.alloc(1));
    closeSync(master);
    return String(answered);
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
