// Local checks of the daemon itself: whether it can be asked, its configuration, and what it said last.
import { Stats } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { asSimwardError, isCode } from "../../../base/errors.ts";
import { type Check, fail, pass, skip, warn } from "../check.ts";
import { configOf, type LocalContext } from "./context.ts";

const start = "systemctl restart simwardd; journalctl -u simwardd -n 50";

export const daemonChecks: readonly Check<LocalContext>[] = [
  {
    name: "daemon",
    section: "daemon",
    about: "Whether simwardd answers on its socket; a socket that nobody answers on is left from a daemon that died.",
    reach: "nothing",
    isLocal: true,
    run: async ({ daemonProblem: problem, lastWords }) => {
      if (problem === undefined) return pass();
      if (problem.code === "API_FORBIDDEN")
        return fail(`this user may not ask the daemon: ${problem.message}`, 'sudo simward doctor; or usermod -aG simward-viewer "$USER"');
      if (problem.code === "DEADLINE") return fail(`simwardd runs and does not answer: ${problem.message}`, start);
      if (problem.code === "API_RESPONSE")
        return fail(
          `what answers on simwardd's socket is not understood, as with another version: ${problem.message}`,
          "simward --version; then on the gateway, simwardd --version; then systemctl restart simwardd",
        );
      const last = await lastWords?.().catch(() => undefined);
      return fail(`${problem.message}${last === undefined ? "" : `; ${last}`}`, start, {
        becauseOf: ["config", "api-sockets", "state-directory", "disk"],
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
      const { dir, viewer_group, engineer_group, admin_group } = (await configOf(context)).api;
      const mend = "or correct [api] in the configuration; then systemctl restart simwardd";
      const kind = await stat(dir).catch((error: unknown) => error);
      if (kind instanceof Stats && !kind.isDirectory())
        return fail(`api.dir ${dir} is not a directory`, `ls -l ${dir}; remove what is there, ${mend}`);
      if ((kind as NodeJS.ErrnoException).code === "ENOTDIR")
        return fail(
          `api.dir ${dir} cannot be: something above it is not a directory`,
          `ls -ld ${dirname(dir)}; remove what is there, ${mend}`,
        );
      const groups = await readFile("/etc/group", "utf8").catch(() => undefined);
      for (const name of new Set([viewer_group, engineer_group, admin_group]))
        if (name !== undefined && groups !== undefined && !groups.split("\n").some((line) => line.startsWith(`${name}:`)))
          return fail(
            `there is no group ${name}, which [api] gives a socket to`,
            `install the file simward.sysusers and run: sudo systemd-sysusers; ${mend}`,
          );
      return pass(dir);
    },
  },
];
