// Local checks of the daemon itself: whether it can be asked, its configuration, and what it said last.
import { asSimwardError, isCode } from "../../../base/errors.ts";
import { type Check, fail, pass, skip, warn } from "../check.ts";
import type { LocalContext } from "./context.ts";

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
      const last = await lastWords?.().catch(() => undefined);
      return fail(`${problem.message}${last === undefined ? "" : `; ${last}`}`, start, {
        becauseOf: ["config", "state-directory", "disk"],
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
];
