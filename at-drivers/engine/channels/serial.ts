// serial:/dev/ttyUSB2, serial:/dev/serial/by-id/…?baud=921600 — a module on a serial port, exclusively ours.
import { SimwardError } from "../../../base/errors.ts";
import type { ChannelScheme } from "../channel.ts";
import { openTty } from "./tty.ts";

const defaultBaudRate = 115_200;
/** What makers ship and what hosts set, the most frequent first. */
const usualRates = [115_200, 9_600, 921_600, 460_800, 230_400, 57_600];
const form = /^(\/[^?]+)(?:\?baud=(\d{2,7}))?$/;

export const serial: ChannelScheme = {
  example: "serial:/dev/…[?baud=115200]",
  parse: (rest, address) => {
    const found = form.exec(rest);
    if (found === null)
      throw new SimwardError("PORT_ADDRESS", { detail: `${JSON.stringify(address)}: an absolute path, then ?baud=… or nothing` });
    const [, path = "", baud] = found;
    const baudRate = baud === undefined ? defaultBaudRate : Number(baud);
    return ({ clock }) => openTty({ address, path, baudRate, refuseOthers: true, clock });
  },
  atOtherRates: (rest) => {
    const [, path, baud = String(defaultBaudRate)] = form.exec(rest) ?? [];
    return path === undefined ? [] : usualRates.filter((rate) => rate !== Number(baud)).map((rate) => `serial:${path}?baud=${rate}`);
  },
};
