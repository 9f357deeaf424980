// Local checks of what is kept: the state directory and whose it is, room on the disk, the audit trail, the clock.
import { constants } from "node:fs";
import { access, readdir, readlink, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { asSimwardError, reasonOf } from "../../../base/errors.ts";
import { buildMs } from "../../../base/version.ts";
import { type Check, fail, pass, skip, warn } from "../check.ts";
import { descriptorsMend, isWithoutDescriptors } from "../descriptors.ts";
import { configOf, type LocalContext } from "./context.ts";
import { userId, userName } from "./users.ts";

/** Below this much the next segment of the audit trail, or the next state, may find no room. */
export const leastFreeBytes = 1024 * 1024;
const usualStateDir = "/var/lib/simward";
const dayMs = 86_400_000;
/** Longer than a vehicle is driven with one simward. */
const implausibleMs = 15 * 365.25 * dayMs;
const nearFullBytes = 16 * 1024 * 1024;
const leastFreeFiles = 16;
const nearFullShare = 0.05;
/** More than clocks drift, and than a network is wrong about its zone. */
const contradictionMs = 86_400_000;

const stateDirOf = async (context: LocalContext): Promise<string> => {
  const { state } = (await configOf(context).catch(() => undefined))?.paths ?? {};
  return state ?? context.stateDir;
};
const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? "";

export const storageChecks: readonly Check<LocalContext>[] = [
  {
    name: "state-directory",
    section: "storage",
    about:
      "Whether the state directory is there, can be written, and belongs with all its files to one user: a daemon that was once run by another leaves files that the next cannot use.",
    reach: "nothing",
    isLocal: true,
    run: async (context) => {
      const dir = await stateDirOf(context);
      const root = await stat(dir).catch((error: unknown) => error);
      if (root instanceof Error || typeof root !== "object" || root === null || !("uid" in root)) {
        if (context.tryDisk !== undefined) return skip("the state is not in a directory of this machine");
        if (codeOf(root) === "EACCES") return skip(`${dir} cannot be looked into by this user; sudo simward doctor can`);
        const leadsTo = codeOf(root) === "ENOENT" ? await readlink(dir).catch(() => undefined) : undefined;
        if (leadsTo !== undefined)
          return fail(
            `${dir} is a symbolic link to ${leadsTo}, which is not there`,
            `ls -l ${dir}; check that what it leads to is mounted; then systemctl restart simwardd`,
          );
        if (codeOf(root) === "ENOENT") return pass(`${dir} is not there yet: simwardd makes it`);
        return fail(`${dir}: ${reasonOf(root)}`, `install -d -m 0700 -o simward -g simward ${dir}; systemctl restart simwardd`);
      }
      const owner = root as Awaited<ReturnType<typeof stat>>;
      if (!owner.isDirectory())
        return fail(`${dir} is not a directory`, `ls -l ${dir}; remove what is there, or set paths.state; then systemctl restart simwardd`);
      const user = await userName(Number(owner.uid));
      const foreign = await foreignFiles(dir, Number(owner.uid));
      if (foreign === undefined) return skip(`${dir} cannot be looked into by this user; sudo simward doctor can`);
      const [first] = foreign;
      const simward = await userId("simward");
      const self = process.getuid?.();
      // A daemon that runs knows whose they must be; without it the directory's owner is the likelier one.
      const rightful = context.tryDisk === undefined ? user : await userName(self ?? 0);
      if (first !== undefined)
        return fail(
          `${dir} belongs to ${user}, and ${foreign.length} of its files to others: ${first.path} to ${await userName(first.uid)}`,
          `chown -R ${rightful} ${dir}; systemctl restart simwardd`,
          { data: { files: foreign.map(({ path }) => path).slice(0, 8) } },
        );
      const isTheirs =
        context.tryDisk !== undefined ? Number(owner.uid) !== self && self !== 0 : simward !== undefined && Number(owner.uid) !== simward;
      if (isTheirs)
        return fail(
          `${dir} belongs to ${user}, and simwardd runs as ${context.tryDisk === undefined ? "simward" : await userName(self ?? 0)}`,
          `chown -R ${context.tryDisk === undefined ? "simward" : await userName(self ?? 0)} ${dir}; systemctl restart simwardd`,
        );
      return pass(`${dir} of ${user}`);
    },
  },
  {
    name: "disk",
    section: "storage",
    about: "Whether there is room for the state, and whether the file system can be written.",
    reach: "nothing",
    needs: ["state-directory"],
    isLocal: true,
    run: async (context) => {
      const dir = await stateDirOf(context);
      const full = `df -h ${dir}; df -i ${dir}; remove what is not needed there, then systemctl restart simwardd`;
      try {
        await context.tryDisk?.();
      } catch (error) {
        const known = asSimwardError(error);
        if (isWithoutDescriptors(known))
          return fail(`simwardd has no file descriptors left, so that nothing can be written: ${known.message}`, descriptorsMend());
        const isReadOnly = codeOf(known.cause) === "EROFS" || /EROFS|read-only/i.test(known.message);
        const { files = 0, ffree = 0 } = (await statfs(dir).catch(() => undefined)) ?? {};
        if (!isReadOnly && files > 0 && ffree < leastFreeFiles)
          return fail(`nothing can be written to ${dir}: no inodes are left, of ${files}: too many small files`, full);
        return isReadOnly
          ? fail(`${dir} is on a file system that can only be read: ${known.message}`, readOnlyMend(dir))
          : fail(`nothing can be written to ${dir}: ${known.message}`, full);
      }
      const room = await statfs(dir).catch(() => undefined);
      if (room === undefined) return pass();
      const freeBytes = room.bavail * room.bsize;
      const data = { freeBytes, totalBytes: room.blocks * room.bsize };
      const words = `${size(freeBytes)} of ${size(data.totalBytes)} are free at ${dir}`;
      if (await isReadOnlyMount(dir)) return fail(`${dir} is on a file system that can only be read`, readOnlyMend(dir), { data });
      if (freeBytes < leastFreeBytes) return fail(words, full, { data });
      if (room.files > 0 && room.ffree < leastFreeFiles) return fail(`${dir}: no inodes are left`, full, { data });
      if (freeBytes < nearFullBytes || freeBytes < data.totalBytes * nearFullShare) return warn(words, `df -h ${dir}`, { data });
      return pass(words, data);
    },
  },
  {
    name: "audit-trail",
    section: "storage",
    about: "Whether the hash chain of the audit trail holds together, up to the head that the state remembers.",
    reach: "nothing",
    needs: ["state-directory"],
    isLocal: true,
    run: async (context) => {
      try {
        const { ok, records, words } = await context.verifyAudit();
        const dir = await stateDirOf(context);
        const verify = dir === usualStateDir ? "simward audit verify" : `simward audit verify ${join(dir, "audit")}`;
        if (!ok)
          return fail(
            `the audit trail does not hold together: ${words}`,
            `${verify}; keep what is there (simward audit export), compare it with the export before it or with the heads that the fleet has noted, and have the fleet told: what was lost cannot be mended on the vehicle`,
          );
        return pass(`${records} records`, { records });
      } catch (error) {
        if (/EACCES|permission/i.test(asSimwardError(error).message))
          return skip("the trail cannot be read by this user; sudo simward doctor can");
        throw error;
      }
    },
  },
  {
    name: "clock",
    section: "storage",
    about:
      "Whether the time is believed: certificates and roaming days go by it. It comes from an NTP daemon or from the network (NITZ); before the build of simward it is surely wrong, 15 years behind it probably, and where NTP and the mobile network differ by more than a day one of them is.",
    reach: "nothing",
    isLocal: true,
    run: ({ clock, daemonProblem, networkMs }) => {
      const { ms, source } = clock.wall();
      const now = new Date(ms).toISOString();
      const data = { time: now, source };
      const mend = "timedatectl status; systemctl restart systemd-timesyncd";
      if (source === "none" || ms < buildMs)
        return fail(
          `nobody has told the time, and the machine's clock stands before simward was built (${new Date(buildMs).toISOString().slice(0, 10)}), as after a start in 1970: certificates cannot be judged by the day, roaming days are uncertain`,
          mend,
          { data },
        );
      const toldMs = networkMs?.();
      if (toldMs !== undefined && Math.abs(toldMs - ms) > contradictionMs)
        return fail(
          `the clock says ${now} (${source === "network" ? "and an NTP daemon vouches for it" : `from ${source}`}), and the mobile network says ${new Date(toldMs).toISOString()}: one of them is wrong, and certificates and roaming days go by the first`,
          `compare both with a watch; where the clock is wrong: timedatectl timesync-status; correct the servers of the NTP daemon, then systemctl restart systemd-timesyncd`,
          { data: { ...data, networkTime: new Date(toldMs).toISOString() } },
        );
      if (ms > buildMs + implausibleMs)
        return warn(
          `the clock says ${now}, from ${source === "floor" ? "this machine" : source}, ${Math.floor((ms - buildMs) / (365.25 * dayMs))} years after simward was built: it is probably wrong, and certificates count as expired by it`,
          `date -u; ${mend}; where NTP says so too, have its server looked at`,
          { data },
        );
      // What the network has told is the daemon's to know.
      if (source === "floor" && daemonProblem === undefined)
        return warn(
          `the clock says ${now}, and neither an NTP daemon nor the network vouches for it: roaming days count as uncertain`,
          mend,
          { data },
        );
      return pass(`${now}, from ${source === "floor" ? "this machine" : source}`, data);
    },
  },
];

const readOnlyMend = (dir: string): string => `dmesg | tail -n 20; mount -o remount,rw "$(findmnt -n -o TARGET -T ${dir})"`;

async function isReadOnlyMount(dir: string): Promise<boolean> {
  try {
    await access(dir, constants.W_OK);
    return false;
  } catch (error) {
    return codeOf(error) === "EROFS";
  }
}

/** Undefined where it may not be looked into. */
async function foreignFiles(dir: string, uid: number): Promise<readonly { readonly path: string; readonly uid: number }[] | undefined> {
  try {
    const names = (await readdir(dir, { recursive: true, encoding: "utf8" })).slice(0, 2_000);
    const found = await Promise.all(
      names.map(async (name) => ({ path: join(dir, name), uid: (await stat(join(dir, name)).catch(() => undefined))?.uid ?? uid })),
    );
    return found.filter((one) => one.uid !== uid);
  } catch {
    return undefined;
  }
}

function size(bytes: number): string {
  return bytes < 1024 * 1024 ? `${Math.round(bytes / 1024)} KiB` : `${Math.round(bytes / 1024 / 1024)} MiB`;
}
