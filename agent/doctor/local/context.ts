// What local checks are told: where things are, and whether the daemon itself asks. Nothing in it needs the daemon.
import type { Sysfs } from "../../../at-drivers/discovery/sysfs.ts";
import type { Clock } from "../../../base/clock.ts";
import type { ErrorReport } from "../../../base/errors.ts";
import type { Config } from "../../config/schema.ts";
import type { StartFailure } from "../../state/start-failure.ts";

export interface LocalContext {
  readonly clock: Clock;
  /** Undefined where it did not come from a file. */
  readonly configPath: string | undefined;
  /** As the file says now. Throws CONFIG_READ, CONFIG_SYNTAX, CONFIG_INVALID. */
  readonly readConfig: () => Promise<Config>;
  /** What the daemon runs with; undefined outside of it. */
  readonly running: Config | undefined;
  /** Why the daemon could not be asked; undefined within it. */
  readonly daemonProblem: ErrorReport | undefined;
  /** Where state is kept, unless the configuration says otherwise. */
  readonly stateDir: string;
  /** Of the daemon: writes and removes a file of the state directory. Throws DISK_WRITE. */
  readonly tryDisk?: (() => Promise<void>) | undefined;
  /** What was recorded last, in words; of a daemon that is down. */
  readonly lastWords?: (() => Promise<string | undefined>) | undefined;
  /** Why the last start came to nothing; of a daemon that is down. Never rejects. */
  readonly startFailure?: (() => Promise<StartFailure | undefined>) | undefined;
  /** Whether the trail holds together. */
  readonly verifyAudit: () => Promise<{ readonly ok: boolean; readonly records: number; readonly words: string }>;
  /** Of the daemon: what time it is by what the mobile network told last (NITZ). */
  readonly networkMs?: (() => number | undefined) | undefined;
  /** Of the daemon: whether the module answers on its port now. */
  readonly port?:
    | (() => { readonly isReady: boolean; readonly reason: string | undefined; readonly device: string | undefined })
    | undefined;
  readonly sysfs?: Sysfs | undefined;
}

/** As the daemon runs with it, else the file's. */
export function configOf({ running, readConfig }: Pick<LocalContext, "running" | "readConfig">): Promise<Config> {
  return running === undefined ? readConfig() : Promise.resolve(running);
}
