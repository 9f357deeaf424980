// The name servers that the network gave, as a resolv.conf at one fixed place: whoever reads it sees the old one or the new one, never half. Whose they are
// stands in it too, so that simward-netd knows after a restart what to leave when one of them goes.
import { constants } from "node:fs";
import { mkdir, open, rename, unlink } from "node:fs/promises";
import { isIP } from "node:net";
import { dirname } from "node:path";
import { reasonOf, SimwardError } from "../../base/errors.ts";

const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const mostBytes = 4_096;

/** In place of an interface's name. No interface can be called so. */
export const tunnelServers = "/tunnel";

type Servers = ReadonlyMap<string, readonly string[]>;

export class ResolvFile {
  readonly #path: string;
  #servers: Servers | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Throws NETD_FAILED. */
  async set(interfaceName: string, servers: readonly string[]): Promise<void> {
    const next = new Map(this.#servers ?? (await readServers(this.#path)));
    next.delete(interfaceName);
    if (servers.length > 0) next.set(interfaceName, servers);
    this.#servers = next;
    const temporary = `${this.#path}.new`;
    try {
      // systemd makes it, and whoever tidies /run may take it away while this runs.
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o755 });
      // What a crash left behind would be in the way for ever.
      await unlink(temporary).catch(() => undefined);
      const file = await open(temporary, flags, 0o644);
      try {
        // Whatever the umask: everybody resolves names.
        await file.chmod(0o644);
        await file.writeFile(textOf(next));
      } finally {
        await file.close();
      }
      await rename(temporary, this.#path);
    } catch (error) {
      throw new SimwardError("NETD_FAILED", { detail: `${this.#path}: ${reasonOf(error)}`, cause: error });
    }
  }
}

function textOf(servers: Servers): string {
  // While the tunnel has name servers of its own, nobody else is asked: the fleet's packets would not reach them, or they would tell another story.
  const asked = servers.get(tunnelServers) ?? [...new Set([...servers.values()].flat())];
  return [
    "# simward-netd: the name servers of the cellular network",
    ...[...servers].map(([whose, list]) => `# of ${whose}: ${list.join(" ")}`),
    ...asked.map((one) => `nameserver ${one}`),
    "",
  ].join("\n");
}

/** As an earlier simward-netd wrote them; of a file that is not ours, or not there, none. */
async function readServers(path: string): Promise<Servers> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(mostBytes), 0, mostBytes, 0);
      const lines = buffer.toString("utf8", 0, bytesRead).matchAll(/^# of (\S{1,64}): (.+)$/gm);
      return new Map([...lines].map(([, whose = "", list = ""]) => [whose, list.split(" ").filter((one) => isIP(one) !== 0)]));
    } finally {
      await file.close();
    }
  } catch {
    return new Map();
  }
}
