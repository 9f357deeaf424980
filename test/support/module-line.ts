// A virtual module's AT port as a byte channel in memory: the line between the driver and the module without a pty.
import type { ByteChannel, ChannelEnd } from "../../at-drivers/engine/types.ts";
import { SimwardError } from "../../base/errors.ts";
import type { VirtualModem } from "../../hw-sim/modem/module.ts";

export interface ModuleLine extends ByteChannel {
  /** The port goes away under the driver. */
  hangUp(): void;
}

/** `written` hears of everything the driver writes, before the module does. */
export function moduleLine(module: VirtualModem, address: string, written: () => void = () => undefined): ModuleLine {
  const listeners = new Set<(octets: Uint8Array) => void>();
  let ended = false;
  let resolve: (end: ChannelEnd) => void = () => undefined;
  const closed = new Promise<ChannelEnd>((settle) => {
    resolve = settle;
  });
  const end = (how: ChannelEnd): void => {
    if (ended) return;
    ended = true;
    module.closePort(port);
    resolve(how);
  };
  const port = module.openPort({
    // Octets arrive some time after they were sent, never within the call that sends them.
    write: (octets) => {
      const copy = Uint8Array.from(octets);
      queueMicrotask(() => {
        if (!ended) for (const listener of listeners) listener(copy);
      });
    },
    hangUp: () => queueMicrotask(() => end({ kind: "hang-up" })),
  });
  return {
    address,
    closed,
    onData: (fn) => {
      listeners.add(fn);
      return () => listeners.delete(fn);
    },
    write: async (octets) => {
      if (ended) throw new SimwardError("PORT_CLOSED", { detail: address });
      written();
      queueMicrotask(() => port.receive(octets));
    },
    close: async () => end({ kind: "closed" }),
    hangUp: () => end({ kind: "hang-up" }),
  };
}
