// Traces in their place: the bus that layers tell, the store that keeps, the ports around which a trace is laid, what the routes call.
import type { ModemApdu } from "../../at-drivers/modem.ts";
import { type Disk, subDisk } from "../../base/disk.ts";
import type { Random } from "../../base/random.ts";
import { createTraceBus, type TraceBus } from "../../base/trace.ts";
import type { RspPorts } from "../../ipa/ports.ts";
import type { ClosableEsipaTransport } from "../../transports/esipa.ts";
import { createTraceActs, type TraceActs, type TraceActsOptions } from "./acts.ts";
import { tracedApdu, tracedEsipa, tracedRsp } from "./ports.ts";
import { openTraceStore, type TraceStore, type TraceStoreOptions } from "./store.ts";

export interface TracesOptions extends Omit<TraceStoreOptions, "bus" | "disk">, Pick<TraceActsOptions, "audit"> {
  /** The state directory. */
  readonly disk: Disk;
  readonly random: Random;
  /** That of the layers below the agent; one of its own without. */
  readonly bus: TraceBus | undefined;
  readonly programLog: TraceActsOptions["log"];
}

export interface Traces {
  readonly bus: TraceBus;
  readonly store: TraceStore;
  readonly acts: TraceActs;
  apdu(apdu: ModemApdu): ModemApdu;
  esipa(transport: ClosableEsipaTransport): ClosableEsipaTransport;
  rsp(rsp: RspPorts | undefined): RspPorts | undefined;
}

/** Throws DISK_READ. */
export async function openTraces(options: TracesOptions): Promise<Traces> {
  const { disk, config, clock, random, log, audit, programLog } = options;
  const bus = options.bus ?? createTraceBus({ clock, random });
  const store = await openTraceStore({ bus, disk: subDisk(disk, "trace"), config, clock, random, log });
  return {
    bus,
    store,
    acts: createTraceActs({ store, bus, log: programLog, audit }),
    apdu: (apdu) => tracedApdu(apdu, bus),
    esipa: (transport) => tracedEsipa(transport, bus),
    rsp: (rsp) => tracedRsp(rsp, bus),
  };
}
