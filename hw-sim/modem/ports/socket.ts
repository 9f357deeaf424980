// AT ports over TCP (loopback) and UNIX sockets, also abstract ones ("@name"): every connection is a port of its own.
import { createServer, type Server, type Socket } from "node:net";
import { SimwardError } from "../../../base/errors.ts";
import type { VirtualModem } from "../module.ts";
import { listenAbstract } from "./abstract.ts";
import { clearSocket } from "./claim.ts";
import type { PortServer } from "./types.ts";

const maxUnsentBytes = 65_536;

/** `port` 0 lets the system choose. Throws SIM_OPTION when it is taken. */
export async function serveTcp(modem: VirtualModem, port: number, host = "127.0.0.1"): Promise<PortServer> {
  const server = new PortSockets(modem);
  const bound = await server.listen(`modem tcp: ${host}:${port}`, (one) => one.listen(port, host));
  return { address: `${host}:${bound?.port ?? port}`, close: () => server.close() };
}

/** A path, or "@name" for an abstract one. Throws SIM_OPTION when it cannot be used. */
export async function serveUnix(modem: VirtualModem, path: string): Promise<PortServer> {
  const server = new PortSockets(modem);
  const what = `modem unix: ${path}`;
  if (path.startsWith("@")) {
    const fd = listenAbstract(path.slice(1));
    await server.listen(what, (one) => one.listen({ fd }));
    // The same name filled up with zeros is another one, and the one that Node's own clients ask for.
    await server.listen(what, (one) => one.listen(`\0${path.slice(1)}`));
  } else {
    await clearSocket(path);
    await server.listen(what, (one) => one.listen(path));
  }
  return { address: path, close: () => server.close() };
}

class PortSockets {
  readonly #modem: VirtualModem;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  constructor(modem: VirtualModem) {
    this.#modem = modem;
  }

  async listen(what: string, begin: (server: Server) => void): Promise<{ readonly port: number } | undefined> {
    const server = createServer((socket) => this.#accept(socket));
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.once("listening", resolve);
        begin(server);
      });
    } catch (error) {
      await this.close();
      throw new SimwardError("SIM_OPTION", { detail: `${what}: ${error instanceof Error ? error.message : String(error)}`, cause: error });
    }
    this.#servers.push(server);
    const bound = server.address();
    return typeof bound === "object" && bound !== null ? bound : undefined;
  }

  async close(): Promise<void> {
    const closed = this.#servers.splice(0).map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    const port = this.#modem.openPort({
      write: (bytes) => {
        if (socket.writable && socket.writableLength < maxUnsentBytes) socket.write(bytes);
      },
      hangUp: () => socket.destroySoon(),
      hold: (held) => {
        if (held) socket.pause();
        else socket.resume();
      },
    });
    socket.on("data", (bytes) => port.receive(bytes));
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#modem.closePort(port);
    });
  }
}
