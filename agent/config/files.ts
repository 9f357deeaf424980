// The files that the configuration names: whether they are there and hold what they must, read by who reads them at the start.
import { asSimwardError, reasonOf, SimwardError } from "../../base/errors.ts";
import { readSmallFile } from "../../base/small-file.ts";
import { readInitialEims } from "../initial-eims.ts";
import { peersOf } from "../peers.ts";
import { certificatesIn } from "../rsp.ts";
import { uplinkRootsOf } from "../uplink/post.ts";
import type { Config } from "./schema.ts";

export interface FileProblem {
  /** CONFIG_READ or CONFIG_INVALID; the message names setting, file and reason. */
  readonly error: SimwardError;
  /** simwardd does not start with it. */
  readonly isFatal: boolean;
  /** It may be there: this user may not look. */
  readonly isForbidden: boolean;
}

/** The fatal ones first. Never rejects. */
export async function fileProblems({
  eim,
  rsp,
  uplink,
  roaming,
  tunnel,
}: Pick<Config, "eim" | "rsp" | "uplink" | "roaming" | "tunnel">): Promise<readonly FileProblem[]> {
  const { ci_dir: ciDir } = rsp;
  const readings: readonly { readonly read: () => Promise<unknown>; readonly isFatal: boolean }[] = [
    ...eim.peer.map((peer) => ({ read: () => peersOf([peer]), isFatal: true })),
    { read: () => readInitialEims(eim.consumer_initial_eim), isFatal: true },
    { read: async () => uplink.ca === undefined || uplinkRootsOf(uplink.ca), isFatal: true },
    { read: async () => ciDir === undefined || certificatesIn(ciDir), isFatal: false },
    { read: () => readable("roaming.rules_file", roaming.rules_file), isFatal: false },
    { read: () => readable("tunnel.ca", tunnel?.ca), isFatal: false },
  ];
  const problems = await Promise.all(
    readings.map(async ({ read, isFatal }) => {
      try {
        await read();
        return [];
      } catch (error) {
        const known = asSimwardError(error);
        const { code } = (known.cause ?? {}) as NodeJS.ErrnoException;
        return [{ error: known, isFatal, isForbidden: code === "EACCES" }];
      }
    }),
  );
  return problems.flat();
}

/** Throws CONFIG_READ. */
async function readable(setting: string, path: string | undefined): Promise<void> {
  if (path === undefined) return;
  await readSmallFile(path).catch((error: unknown) => {
    throw new SimwardError("CONFIG_READ", { detail: `${setting} ${path}: ${reasonOf(error)}`, cause: error });
  });
}
