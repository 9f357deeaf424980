// Local checks of the daemon itself: whether it can be asked, its configuration, and what it said last.
import { Stats } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { asSimwardError, isCode } from "../../../base/errors.ts";
import { fileProblems } from "../../config/files.ts";
import { missingGroups } from "../../config/groups.ts";
import type { Config } from "../../config/schema.ts";
import { type Check, fail, pass, type Said, skip, warn } from "../check.ts";
import { configOf, type LocalContext } from "./context.ts";
import { groupName, userName } from "./users.ts";

const start = "systemctl restart simwardd; journalctl -u simwardd -n 50";

/** The group that may is the socket's own, where this user can see it. */
async function forbidden(message: string, api: Config["api"] | undefined): Promise<Said> {
  const path = /(\/\S+\.sock)/.exec(message)?.[1];
  const gid = path === undefined ? undefined : (await stat(path).catch(() => undefined))?.gid;
  const group = (gid === undefined || gid === 0 ? undefined : await groupName(gid)) ?? api?.viewer_group;
  return fail(
    `simwardd runs, and this user (${await userName(process.getuid?.() ?? 0)}) may not ask it: ${message}`,
    group === undefined
      ? "sudo simward doctor; or set api.viewer_group to a group of this user, then systemctl restart simwardd"
      : `sudo usermod -aG ${group} "$USER" and log in again; or sudo simward doctor`,
  );
}

/** The daemon of that configuration, where one runs: its sockets are in another directory, or it is not ready yet. */
async function servedElsewhere(configPath = usualConfig): Promise<{ readonly pid: number; readonly user: string } | undefined> {
  for (const pid of (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name))) {
    const words = (await readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => "")).split("\0");
    if (!words.some((word) => /(^|\/)simwardd(\.mjs)?$/.test(word))) continue;
    const given = words[words.indexOf("--config") + 1] ?? "";
    if ((words.includes("--config") ? given : usualConfig) !== configPath) continue;
    const uid = (await stat(`/proc/${pid}`).catch(() => undefined))?.uid;
    if (uid !== undefined) return { pid: Number(pid), user: await userName(uid) };
  }
  return undefined;
}

/** The process that has its lock, where it lives. */
async function stateHolder(stateDir: string): Promise<number | undefined> {
  const pid = Number((await readFile(join(stateDir, "lock"), "utf8").catch(() => "")).trim());
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  return (await readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => "")).includes("simwardd") ? pid : undefined;
}

/** Why a daemon may not be there. */
const grounds = ["config", "api-sockets", "state-directory", "disk"] as const;

const usualConfig = "/etc/simward/simward.toml";

export const daemonChecks: readonly Check<LocalContext>[] = [
  {
    name: "daemon",
    section: "daemon",
    about: "Whether simwardd answers on its socket; a socket that nobody answers on is left from a daemon that died.",
    reach: "nothing",
    isLocal: true,
    run: async (context) => {
      const { daemonProblem: problem, lastWords, startFailure, configPath } = context;
      if (problem === undefined) return pass();
      const api = (await configOf(context).catch(() => undefined))?.api;
      if (problem.code === "API_FORBIDDEN") return forbidden(problem.message, api);
      if (problem.code === "API_NOT_RUNNING") {
        const elsewhere = await servedElsewhere(configPath);
        if (elsewhere !== undefined) {
          const at = api === undefined ? undefined : join(api.dir, "viewer.sock");
          return fail(
            `simwardd runs (pid ${elsewhere.pid}, user ${elsewhere.user}), and nobody answers where it was asked: ${problem.message}`,
            at === undefined || problem.message.includes(`${dirname(at)}/`)
              ? start
              : `simward doctor --socket ${at}; or set SIMWARD_API_DIR=${api?.dir}`,
          );
        }
      }
      if (problem.code === "DEADLINE") return fail(`simwardd runs and does not answer: ${problem.message}`, start);
      if (problem.code === "API_RESPONSE" || problem.code === "API_GONE")
        return fail(
          `what answers on simwardd's socket is not understood, as with another version: ${problem.message}`,
          "simward --version; then on the gateway, simwardd --version; then systemctl restart simwardd",
        );
      const failed = await startFailure?.();
      if (failed !== undefined)
        return fail(`simwardd does not start, since ${failed.time}: ${failed.message}`, `${failed.next}; then systemctl restart simwardd`, {
          data: { code: failed.code },
          becauseOf: [...grounds, "port-contention"],
        });
      const other = await stateHolder((await configOf(context).catch(() => undefined))?.paths.state ?? context.stateDir);
      if (other !== undefined)
        return fail(
          `${problem.message}; another simwardd (pid ${other}) uses its state directory`,
          `systemctl status ${other}; kill ${other}, or set another paths.state and api.dir in one of the two configurations; then systemctl restart simwardd`,
        );
      const last = await lastWords?.().catch(() => undefined);
      return fail(`${problem.message}${last === undefined ? "" : `; ${last}`}`, start, {
        becauseOf: grounds,
      });
    },
  },
  {
    name: "config",
    section: "daemon",
    about: "Whether the configuration file can be read and is valid, and whether the daemon runs with what it says now.",
    reach: "nothing",
    isLocal: true,
    run: async ({ configPath, readConfig, running }) => {
      if (configPath === undefined) return skip("the configuration is not from a file");
      try {
        const config = await readConfig();
        const named = (await fileProblems(config)).find(({ isForbidden }) => running !== undefined || !isForbidden);
        if (named !== undefined) {
          const path = /(\/\S+?):? /.exec(named.error.message)?.[1] ?? configPath;
          const mend = `ls -ld ${path}; put there what it is to hold, or correct the setting; simward config validate ${configPath}; then systemctl restart simwardd`;
          if (!named.isFatal) return warn(named.error.message, mend);
          return running === undefined
            ? fail(named.error.message, mend)
            : warn(`the daemon would not start with it again: ${named.error.message}`, mend);
        }
        if (running === undefined || JSON.stringify(config) === JSON.stringify(running)) return pass(configPath);
        const changed = Object.keys(config).filter(
          (section) => JSON.stringify(config[section as keyof typeof config]) !== JSON.stringify(running[section as keyof typeof running]),
        );
        return warn(`${configPath} was changed since the daemon started: ${changed.join(", ")}`, "systemctl restart simwardd", {
          data: { sections: changed },
        });
      } catch (error) {
        const known = asSimwardError(error);
        const mend = isCode(known, "CONFIG_READ")
          ? `ls -l ${configPath}; then simward config validate ${configPath}`
          : `simward config validate ${configPath}`;
        // A daemon that runs goes on until it is started anew.
        return running === undefined ? fail(known.message, mend) : warn(`the daemon would not start with it again: ${known.message}`, mend);
      }
    },
  },
  {
    name: "api-sockets",
    section: "daemon",
    about: "Whether the local API's sockets can be made: api.dir, and the groups that [api] gives them to.",
    reach: "nothing",
    needs: ["config"],
    isLocal: true,
    run: async (context) => {
      const config = await configOf(context);
      const { dir } = config.api;
      const mend = "or correct [api] in the configuration; then systemctl restart simwardd";
      const kind = await stat(dir).catch((error: unknown) => error);
      if (kind instanceof Stats && !kind.isDirectory())
        return fail(`api.dir ${dir} is not a directory`, `ls -l ${dir}; remove what is there, ${mend}`);
      if ((kind as NodeJS.ErrnoException).code === "ENOTDIR")
        return fail(
          `api.dir ${dir} cannot be: something above it is not a directory`,
          `ls -ld ${dirname(dir)}; remove what is there, ${mend}`,
        );
      const [missing] = await missingGroups(config);
      if (missing !== undefined)
        return fail(
          `there is no group ${missing.group}, which [api] gives a socket to`,
          `install the file simward.sysusers and run: sudo systemd-sysusers; ${mend}`,
        );
      return pass(dir);
    },
  },
];
