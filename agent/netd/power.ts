// The hook that switches the module's power: the vehicle maker's own program at one fixed place, run only when nobody but root can have written it.
import { execFile } from "node:child_process";
import { lstat } from "node:fs/promises";
import { dirname } from "node:path";
import { reasonOf, SimwardError } from "../../base/errors.ts";

const limitMs = 30_000;
const othersMayWrite = 0o022;
const sticky = 0o1000;

/** Throws NETD_REFUSED where others than root could have a say in what would run, NETD_FAILED when it fails or takes too long. */
export async function runPowerHook(path: string, action: "off" | "on" | "cycle"): Promise<void> {
  await demandRootsOwn(path);
  await new Promise<void>((resolve, reject) => {
    execFile(path, [action], { timeout: limitMs, killSignal: "SIGKILL", env: {}, cwd: "/", maxBuffer: 65_536 }, (error, _out, stderr) => {
      if (error === null) return resolve();
      const said = error.killed === true ? `not done within ${limitMs / 1_000} s` : stderr.trim().slice(-200) || error.message;
      reject(new SimwardError("NETD_FAILED", { detail: `${path} ${action}: ${said}`, cause: error }));
    });
  });
}

/** A file of root's in directories of root's, none of which anybody else may write: then nobody can swap it between this look and its start. */
export async function demandRootsOwn(path: string): Promise<void> {
  const refuse = (what: string, why: string): SimwardError => new SimwardError("NETD_REFUSED", { detail: `${what} ${why}` });
  for (let at = path; ; at = dirname(at)) {
    const found = await lstat(at).catch((error: unknown) => {
      throw new SimwardError("NETD_FAILED", { detail: `${at}: ${reasonOf(error)}`, cause: error });
    });
    if (at === path ? !found.isFile() : !found.isDirectory()) throw refuse(at, at === path ? "is no file" : "is no directory");
    if (found.uid !== 0) throw refuse(at, `belongs to uid ${found.uid}, not to root`);
    // In a sticky directory others may add, but not replace.
    const isSticky = at !== path && (found.mode & sticky) !== 0;
    if ((found.mode & othersMayWrite) !== 0 && !isSticky) throw refuse(at, "can be written by others than root");
    if (at === path && (found.mode & 0o100) === 0) throw refuse(at, "is not executable");
    if (at === dirname(at)) return;
  }
}
