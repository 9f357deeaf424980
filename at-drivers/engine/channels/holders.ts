// Which processes hold a port, so that a refusal can name them: from /proc/locks and /proc/<pid>/fd, as far as this user may look.
import { readdir, readFile, readlink, realpath, stat } from "node:fs/promises";

export interface Holder {
  readonly pid: number;
  readonly name: string;
}

/** Those that have locked it, else all that have it open; a simulator keeps its own end open without holding the port. */
export async function portHolders(path: string): Promise<readonly Holder[]> {
  const pids = new Set(await lockers(path));
  if (pids.size === 0) for (const pid of await openers(path)) pids.add(pid);
  return named(pids);
}

/** Those that have locked it only: of a virtual module's terminal, which its simulator keeps open. */
export async function portLockers(path: string): Promise<readonly Holder[]> {
  return named(await lockers(path));
}

/** All others that have it open, locked or not; but for who made a pseudo-terminal, which is its other end. */
export async function portOpeners(path: string): Promise<readonly Holder[]> {
  const isMaker = (file: string): boolean => /^\/dev\/(pts\/)?ptmx$/.test(file);
  const pids: number[] = [];
  for (const pid of await openers(path)) if (pid !== process.pid && !(await hasOpen(pid, isMaker))) pids.push(pid);
  return named(pids);
}

/** Programs that are known to take modules' ports; as the kernel cuts names off, at 15 characters. */
const usualHolders = [
  "ModemManager",
  "simwardd",
  "gpsd",
  "ofonod",
  "pppd",
  "wvdial",
  "lpac",
  "brltty",
  "agetty",
  "getty",
  "minicom",
  "picocom",
];

/** Another user's descriptors are not shown, but that it runs is: who cannot be named may be guessed. */
export async function portSuspects(): Promise<readonly Holder[]> {
  const all = await named((await processes()).filter((pid) => pid !== process.pid));
  return all.filter(({ name }) => usualHolders.includes(name));
}

/** For a refusal: who holds the port, or who may. */
export async function whoHolds(path: string): Promise<string> {
  const holders = await portHolders(path);
  return describeHolders(holders, holders.length === 0 ? await portSuspects() : []);
}

export function describeHolders(holders: readonly Holder[], suspects: readonly Holder[] = []): string {
  if (holders.length === 0) {
    const seen = suspects.map(({ name, pid }) => `${name} (pid ${pid})`).join(", ");
    return `held by a process this user may not see${seen === "" ? "" : `; ${seen} runs`}`;
  }
  return `held by ${holders.map(({ pid, name }) => `${name} (pid ${pid}${pid === process.pid ? ", this process" : ""})`).join(", ")}`;
}

/** `1: FLOCK  ADVISORY  WRITE 1234 00:18:5 0 EOF`: process, then device and inode. */
async function lockers(path: string): Promise<readonly number[]> {
  const [locks, file] = await Promise.all([readFile("/proc/locks", "latin1").catch(() => ""), stat(path).catch(() => undefined)]);
  if (file === undefined) return [];
  const hex = (value: number): string => value.toString(16).padStart(2, "0");
  const major = (file.dev >> 8) & 0xfff;
  const minor = (file.dev & 0xff) | ((file.dev >> 12) & 0xfff00);
  const wanted = `${hex(major)}:${hex(minor)}:${file.ino}`;
  return locks
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1] === "FLOCK" && fields[5] === wanted)
    .map((fields) => Number(fields[4]))
    .filter((pid) => pid > 0);
}

async function openers(path: string): Promise<readonly number[]> {
  const target = await realpath(path).catch(() => path);
  const found: number[] = [];
  for (const pid of await processes()) if (await hasOpen(pid, (file) => file === target)) found.push(pid);
  return found;
}

// One process after the other: all at once would take a descriptor for each, of which the daemon has few, and one without an answer is one overlooked.
async function named(pids: Iterable<number>): Promise<readonly Holder[]> {
  const all: Holder[] = [];
  for (const pid of pids) all.push({ pid, name: await processName(pid) });
  return all;
}

async function processes(): Promise<readonly number[]> {
  return (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number);
}

async function hasOpen(pid: number, fits: (file: string) => boolean): Promise<boolean> {
  for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => []))
    if (fits(await readlink(`/proc/${pid}/fd/${fd}`).catch(() => ""))) return true;
  return false;
}

async function processName(pid: number): Promise<string> {
  const name = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "");
  return name.trim() || "a process";
}
