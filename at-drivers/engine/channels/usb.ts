// auto, usb:2c7c:0125[:02] — a module that is looked for among the USB ports each time it is opened, by what it is instead of a name.
import { SimwardError } from "../../../base/errors.ts";
import { Finder } from "../../discovery/finder.ts";
import type { ChannelScheme } from "../channel.ts";

export const auto: ChannelScheme = {
  example: "auto",
  parse: (rest, address) => {
    if (rest !== "") throw new SimwardError("PORT_ADDRESS", { detail: `${JSON.stringify(address)}: nothing stands behind auto` });
    return lookingFor("auto");
  },
};

export const usb: ChannelScheme = {
  example: "usb:VENDOR:PRODUCT[:INTERFACE]",
  parse: (_rest, address) => lookingFor(address),
};

function lookingFor(address: string): ReturnType<ChannelScheme["parse"]> {
  const finder = new Finder(address);
  return ({ clock }) => finder.open(clock);
}
