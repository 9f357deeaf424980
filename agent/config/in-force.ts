// Which configuration the daemon goes by: the file, or, where that cannot be used, the last one from the same place that it has run with. A slip of the
// pen in a file must not take a vehicle off the air at the next restart.
import { resolve } from "node:path";
import { parse as parseToml } from "smol-toml";
import { object, parse, string } from "valibot";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import type { Disk } from "../../base/disk.ts";
import { asSimwardError, isCode, type SimwardError } from "../../base/errors.ts";
import { parseConfig, readConfigFile } from "./load.ts";
import type { Config } from "./schema.ts";

export interface ConfigInForce {
  readonly config: Config;
  /** As it stands in the file that it came from. */
  readonly text: string;
  /** What keeps the file itself from being in force. */
  readonly problem: SimwardError | undefined;
}

const keptFile = "config-in-force.json";
const keptSchema = object({ path: string(), text: string() });
const usualStateDir = "/var/lib/simward";

/** `disk`: of a state directory. Throws CONFIG_READ, CONFIG_SYNTAX, CONFIG_INVALID where there was none before. */
export async function configInForce(path: string, disk: (stateDir: string) => Disk): Promise<ConfigInForce> {
  let text: string | undefined;
  try {
    text = await readConfigFile(path);
    return { config: parseConfig(text, path), text, problem: undefined };
  } catch (error) {
    const former = await formerConfig(path, disk(stateDirOf(text)));
    if (former === undefined) throw error;
    return { ...former, problem: asSimwardError(error) };
  }
}

/** The last one from this file that was in force; undefined where there is none that can be used. Never rejects. */
export async function formerConfig(path: string, disk: Disk): Promise<Omit<ConfigInForce, "problem"> | undefined> {
  try {
    const kept = await disk.read(keptFile);
    if (kept === undefined) return undefined;
    const { path: from, text } = parse(keptSchema, JSON.parse(fromUtf8(kept)));
    return from === resolve(path) ? { config: parseConfig(text, keptFile), text } : undefined;
  } catch {
    return undefined;
  }
}

/** The daemon has started with it. Throws DISK_READ, DISK_WRITE. */
export async function keepConfig(path: string, text: string, disk: Disk): Promise<void> {
  const wanted = utf8(`${JSON.stringify({ path: resolve(path), text })}\n`);
  const kept = await disk.read(keptFile);
  if (kept === undefined || Buffer.compare(kept, wanted) !== 0) await disk.replace(keptFile, wanted);
}

export function isConfigError(error: unknown): error is SimwardError {
  return isCode(error, "CONFIG_READ", "CONFIG_SYNTAX", "CONFIG_INVALID");
}

/** Of a file that is TOML its own; else where systemd, or everybody, has it. */
function stateDirOf(text: string | undefined): string {
  try {
    const { paths } = parseToml(text ?? "") as { readonly paths?: { readonly state?: unknown } };
    if (typeof paths?.state === "string" && paths.state.startsWith("/")) return paths.state;
  } catch {
    // Then it cannot say.
  }
  return process.env.STATE_DIRECTORY?.split(":")[0] ?? usualStateDir;
}
