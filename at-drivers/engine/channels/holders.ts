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
  return Promise.all([...pids].map(async (pid) => ({ pid, name: await processName(pid) })));
}

/** Those that have locked it only: of a virtual module's terminal, which its simulator keeps open. */
export async function portLockers(path: string): Promise<readonly Holder[]> {
  return Promise.all((await lockers(path)).map(async (pid) => ({ pid, name: await processName(pid) })));
}

/** All others that have it open, locked or not; but for who made a pseudo-terminal, which is its other end. */
export async function portOpeners(path: string): Promise<readonly Holder[]> {
  const pids = (await openers(path)).filter((pid) => pid !== process.pid);
  const isMaker = await Promise.all(pids.map((pid) => hasOpen(String(pid), (file) => /^\/dev\/(pts\/)?ptmx$/.test(file))));
  return Promise.all(pids.filter((_pid, at) => isMaker[at] !== true).map(async (pid) => ({ pid, name: await processName(pid) })));
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
  const pids = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const all = await Promise.all(pids.map(async (pid) => ({ pid: Number(pid), name: await processName(Number(pid)) })));
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
  const pids = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map((pid) => hasOpen(pid, (file) => file === target)));
  return pids.filter((_pid, at) => found[at] === true).map(Number);
}

async function hasOpen(pid: string, fits: (file: string) => boolean): Promise<boolean> {
  for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => []))
    if (fits(await readlink(`/proc/${pid}/fd/${fd}`).catch(() => ""))) return true;
  return false;
}

async function processName(pid: number): Promise<string> {
  const name = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "");
  return name.trim() || "a process";
}
