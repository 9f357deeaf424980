// A place in the file system where hosts find an AT port: taken only where nothing of somebody else's stands, and by one simulator at a time.
import { createHash } from "node:crypto";
import { lstat, readlink, realpath, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { basename, dirname, join } from "node:path";
import { reasonOf, SimwardError } from "../../../base/errors.ts";

/** sun_path of <sys/un.h>, with its zero. */
const maxPathBytes = 107;

/** Gives the place back. */
export type Release = () => Promise<void>;

/** For a link to a pseudo-terminal. A link that a killed simulator has left is taken over. Throws SIM_OPTION. */
export async function claimLink(path: string): Promise<Release> {
  const refuse = (reason: string): never => refused(`modem pty: ${path}`, reason);
  const release = await lock(path, refuse);
  try {
    const target = await targetOf(path);
    // Nothing but such a link is ours to replace.
    if (target !== undefined && !target.startsWith("/dev/pts/")) refuse("something else is there; name another path, or remove it");
    return release;
  } catch (error) {
    await release();
    throw error;
  }
}

/** For a socket. One that a killed simulator has left, and nobody listens on, is removed. Throws SIM_OPTION. */
export async function clearSocket(path: string): Promise<void> {
  const refuse = (reason: string): never => refused(`modem unix: ${path}`, reason);
  const octets = Buffer.byteLength(path);
  // The system would cut it off, and serve under another name.
  if (octets > maxPathBytes) refuse(`${octets} octets, and a socket's path has ${maxPathBytes} at most; name a shorter one, or set TMPDIR`);
  const found = await lstat(path).catch(ifMissing);
  if (found === undefined) return;
  if (!found.isSocket()) refuse("something else is there; name another path, or remove it");
  if (await answers(path)) refuse("in use: another program listens there");
  await rm(path, { force: true });
}

function refused(what: string, reason: string): never {
  throw new SimwardError("SIM_OPTION", { detail: `${what}: ${reason}` });
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

/** Where a link leads; the path itself where it is no link; undefined where nothing is. */
async function targetOf(path: string): Promise<string | undefined> {
  const found = await lstat(path).catch(ifMissing);
  if (found === undefined) return undefined;
  return found.isSymbolicLink() ? readlink(path) : path;
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (is: boolean): void => {
      socket.destroy();
      resolve(is);
    };
    socket.once("connect", () => done(true));
    socket.once("error", () => done(false));
  });
}

/** An abstract socket, which the kernel takes away with its process: the number of a terminal is soon another's, so that a link tells nothing. */
async function lock(path: string, refuse: (reason: string) => never): Promise<Release> {
  const dir = await realpath(dirname(path)).catch((error: unknown) => refuse(`its directory: ${reasonOf(error)}`));
  const name = createHash("sha256")
    .update(join(dir, basename(path)))
    .digest("hex");
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => {
    server.once("error", () => resolve());
    server.listen(`\0simward-sim/${name}`, () => resolve());
  });
  if (!server.listening) refuse("in use: another simulator has its modem there");
  server.unref();
  return () => new Promise((resolve) => server.close(() => resolve()));
}
