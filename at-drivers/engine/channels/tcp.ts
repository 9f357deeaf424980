// tcp:host:port — a module behind a terminal server, or a virtual one. IPv6 addresses in brackets.
import { SimwardError } from "../../../base/errors.ts";
import type { ChannelScheme } from "../channel.ts";
import { openSocket } from "./socket.ts";

export const tcp: ChannelScheme = {
  example: "tcp:host:port",
  parse: (rest, address) => {
    const found = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]/?\s]+)):(\d{1,5})$/.exec(rest);
    const port = Number(found?.[3]);
    if (found === null || port < 1 || port > 65_535)
      throw new SimwardError("PORT_ADDRESS", { detail: `${JSON.stringify(address)}: host:port` });
    const host = found[1] ?? found[2] ?? "";
    return ({ clock }) => openSocket(address, { host, port }, clock);
  },
};
