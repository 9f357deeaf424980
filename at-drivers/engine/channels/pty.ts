// pty:/path — a virtual module's pseudo terminal. Locked like a serial port, but without TIOCEXCL: a simulator keeps the terminal open,
// so that refusal would outlive a daemon that was killed and lock its successor out for good.
import { SimwardError } from "../../../base/errors.ts";
import type { ChannelScheme } from "../channel.ts";
import { openTty } from "./tty.ts";

export const pty: ChannelScheme = {
  example: "pty:/path",
  parse: (path, address) => {
    if (!path.startsWith("/")) throw new SimwardError("PORT_ADDRESS", { detail: `${JSON.stringify(address)}: an absolute path` });
    return ({ clock }) => openTty({ address, path, baudRate: 115_200, refuseOthers: false, clock });
  },
};
