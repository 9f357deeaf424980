// The driver on a virtual module in one process and in virtual time: the module was written from the same standards by other hands.

import { type ModemOptions, openModem } from "../../at-drivers/driver.ts";
import type { AtTraceEntry, ByteChannel, ChannelEnd } from "../../at-drivers/engine/types.ts";
import type { Modem, ModemStatus } from "../../at-drivers/modem.ts";
import type { ModemEvent } from "../../at-drivers/types.ts";
import { VirtualClock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { silentLog } from "../../base/log.ts";
import { seededRandom } from "../../base/random.ts";
import { Faults } from "../../hw-sim/faults.ts";
import { VirtualModem, type VirtualModemOptions } from "../../hw-sim/modem/module.ts";
import { World, type WorldOptions } from "../../hw-sim/network/world.ts";
import { StubCard } from "../hw-sim/modem/stub-card.ts";

export interface ModuleBench {
  readonly clock: VirtualClock;
  readonly world: World;
  readonly faults: Faults;
  readonly card: StubCard;
  readonly module: VirtualModem;
  readonly modem: Modem;
  readonly events: ModemEvent[];
  /** Command lines sent, as the trace shows them. */
  readonly sent: string[];
  /** All of the trace. */
  readonly trace: AtTraceEntry[];
  /** Refusals of the next openings of the port. */
  readonly refuseOpening: { times: number };
  run<T>(promise: Promise<T>, limitMs?: number): Promise<T>;
  /** Until the modem's status is so; virtual time goes by. */
  until(isSo: (status: ModemStatus) => boolean, limitMs?: number): Promise<void>;
  /** The port goes away under the driver. */
  unplug(): void;
}

export interface ModuleBenchOptions {
  readonly module?: Partial<VirtualModemOptions>;
  readonly modem?: Partial<ModemOptions>;
  readonly noCard?: boolean;
  /** Another world, or another place in it. */
  readonly world?: Pick<WorldOptions, "data" | "country">;
  /** What stands between the driver and the module's port: bad lines, wrong rates. */
  readonly line?: (channel: ByteChannel, address: string) => ByteChannel;
  readonly prepare?: (bench: { readonly card: StubCard; readonly faults: Faults; readonly module: VirtualModem }) => void;
}

/** The module is switched on as the driver opens its port. */
export function moduleBench(options: ModuleBenchOptions = {}): ModuleBench {
  const clock = new VirtualClock({ ms: Date.UTC(2026, 5, 1, 12) });
  const world = new World({ clock, ...options.world });
  const faults = new Faults();
  const card = new StubCard();
  const uicc = options.noCard === true ? undefined : card;
  const module = new VirtualModem({ clock, world, faults, uicc, imei: "356938035643809", ...options.module });
  options.prepare?.({ card, faults, module });
  module.powerOn();
  const sent: string[] = [];
  const trace: AtTraceEntry[] = [];
  const refuseOpening = { times: 0 };
  let unplug: () => void = () => undefined;
  const modem = openModem({
    address: "pty:/virtual",
    clock,
    log: silentLog,
    random: seededRandom(1),
    trace: (entry) => {
      trace.push(entry);
      if (entry.direction === "tx") sent.push(Buffer.from(entry.octets).toString("latin1").trim());
    },
    open: async (address) => {
      if (refuseOpening.times > 0) {
        refuseOpening.times--;
        throw new SimwardError("PORT_OPEN", { detail: "ENOENT" });
      }
      const channel = channelTo(module, address);
      unplug = () => channel.hangUp();
      return options.line?.(channel, address) ?? channel;
    },
    ...options.modem,
  });
  const events: ModemEvent[] = [];
  modem.onEvent((event) => events.push(event));
  const until = async (isSo: () => boolean, limitMs: number): Promise<void> => {
    const endMs = clock.monotonicMs() + limitMs;
    await settled();
    while (!isSo()) {
      if (clock.monotonicMs() >= endMs) throw new Error(`not seen in ${limitMs} ms; ${JSON.stringify(modem.status)}`);
      await clock.advance(Math.min(clock.nextTimerInMs() ?? 1_000, endMs - clock.monotonicMs()));
      await settled();
    }
  };
  return {
    ...{ clock, world, faults, card, module, modem, events, sent, trace, refuseOpening },
    async run(promise, limitMs = 3_600_000) {
      let done = false;
      const finish = (): void => {
        done = true;
      };
      promise.then(finish, finish);
      await until(() => done, limitMs);
      return promise;
    },
    until: (isSo, limitMs = 600_000) => until(() => isSo(modem.status), limitMs),
    unplug: () => unplug(),
  };
}

/** Every promise that can go on without time has gone on: a dialogue is a long chain of them. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function channelTo(module: VirtualModem, address: string): ByteChannel & { hangUp(): void } {
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
        for (const listener of listeners) listener(copy);
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
      queueMicrotask(() => port.receive(octets));
    },
    close: async () => end({ kind: "closed" }),
    hangUp: () => end({ kind: "hang-up" }),
  };
}
