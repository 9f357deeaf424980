// AT ports over TCP (loopback) and UNIX sockets: every connection is a port of its own.
import { rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { SimwardError } from "../../../base/errors.ts";
import type { VirtualModem } from "../module.ts";
import type { PortServer } from "./types.ts";

const maxUnsentBytes = 65_536;

/** `port` 0 lets the system choose. Throws SIM_OPTION when it is taken. */
export async function serveTcp(modem: VirtualModem, port: number, host = "127.0.0.1"): Promise<PortServer> {
  const { server, close } = serve(modem);
  await listening(server, `modem tcp: ${host}:${port}`, () => server.listen(port, host));
  const bound = server.address();
  return { address: `${host}:${typeof bound === "object" ? bound?.port : port}`, close };
}

/** Throws SIM_OPTION when the path cannot be used. */
export async function serveUnix(modem: VirtualModem, path: string): Promise<PortServer> {
  // A socket left behind by a killed simulator would refuse the bind.
  await rm(path, { force: true });
  const { server, close } = serve(modem);
  await listening(server, `modem unix: ${path}`, () => server.listen(path));
  return { address: path, close };
}

function serve(modem: VirtualModem): { readonly server: Server; readonly close: () => Promise<void> } {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    const port = modem.openPort({
      write: (bytes) => {
        if (socket.writable && socket.writableLength < maxUnsentBytes) socket.write(bytes);
      },
      hangUp: () => socket.destroySoon(),
    });
    socket.on("data", (bytes) => port.receive(bytes));
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      sockets.delete(socket);
      modem.closePort(port);
    });
  });
  return {
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function listening(server: Server, what: string, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(new SimwardError("SIM_OPTION", { detail: `${what}: ${error.message}`, cause: error })));
    server.once("listening", resolve);
    listen();
  });
}
