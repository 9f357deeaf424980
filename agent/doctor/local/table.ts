// The checks that need no daemon, from the ground up; the command line runs these alone where there is none.
import type { Check } from "../check.ts";
import type { LocalContext } from "./context.ts";
import { daemonChecks } from "./daemon.ts";
import { portChecks } from "./port.ts";
import { storageChecks } from "./storage.ts";

export const localChecks: readonly Check<LocalContext>[] = [...daemonChecks, ...storageChecks, ...portChecks];
