// Directories of one run, for what nobody has named a place.
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reasonOf, SimwardError } from "../base/errors.ts";

/** Throws SIM_OPTION where the system's place for such takes none. */
export async function makeTemporary(prefix: string): Promise<string> {
  try {
    return await mkdtemp(join(tmpdir(), prefix));
  } catch (error) {
    throw new SimwardError("SIM_OPTION", { detail: `TMPDIR: no directory can be made in ${tmpdir()}: ${reasonOf(error)}`, cause: error });
  }
}
