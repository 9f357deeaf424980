// The name servers that the network gave, as a resolv.conf at one fixed place: whoever reads it sees the old one or the new one, never half.
import { constants } from "node:fs";
import { open, rename, unlink } from "node:fs/promises";
import { reasonOf, SimwardError } from "../../base/errors.ts";

const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** In place of an interface's name. No interface can be called so. */
export const tunnelServers = "/tunnel";

export class ResolvFile {
  readonly #path: string;
  readonly #servers = new Map<string, readonly string[]>();

  constructor(path: string) {
    this.#path = path;
  }

  /** Throws NETD_FAILED. */
  async set(interfaceName: string, servers: readonly string[]): Promise<void> {
    this.#servers.delete(interfaceName);
    if (servers.length > 0) this.#servers.set(interfaceName, servers);
    // While the tunnel has name servers of its own, nobody else is asked: the fleet's packets would not reach them, or they would tell another story.
    const all = this.#servers.get(tunnelServers) ?? [...new Set([...this.#servers.values()].flat())];
    const text = ["# simward-netd: the name servers of the cellular network", ...all.map((one) => `nameserver ${one}`), ""].join("\n");
    const temporary = `${this.#path}.new`;
    try {
      // What a crash left behind would be in the way for ever.
      await unlink(temporary).catch(() => undefined);
      const file = await open(temporary, flags, 0o644);
      try {
        // Whatever the umask: everybody resolves names.
        await file.chmod(0o644);
        await file.writeFile(text);
      } finally {
        await file.close();
      }
      await rename(temporary, this.#path);
    } catch (error) {
      throw new SimwardError("NETD_FAILED", { detail: `${this.#path}: ${reasonOf(error)}`, cause: error });
    }
  }
}
