// unix:/path — a UNIX socket; unix:@name one of the abstract namespace.
import { SimwardError } from "../../../base/errors.ts";
import type { ChannelScheme } from "../channel.ts";
import { openSocket } from "./socket.ts";

export const unix: ChannelScheme = {
  example: "unix:/path",
  parse: (rest, address) => {
    if (!/^[/@]./.test(rest)) throw new SimwardError("PORT_ADDRESS", { detail: `${JSON.stringify(address)}: an absolute path, or @name` });
    const path = rest.startsWith("@") ? `\0${rest.slice(1)}` : rest;
    return ({ clock }) => openSocket(address, { path }, clock);
  },
};
