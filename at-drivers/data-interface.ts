// How the host gets at the packets of a module: what its family says of it, on the module that is there.
import type { AtPort } from "./engine/types.ts";
import type { Change, DataCounters, DataInterfaceKind, DataInterfaceWay, ModemFamily, ModemOps } from "./family.ts";

export interface ModemDataInterface {
  /** What the family has, in order of preference. */
  readonly kinds: readonly DataInterfaceKind[];
  /** What the module's USB composition offers; undefined where it cannot be asked. */
  present(signal?: AbortSignal): Promise<DataInterfaceKind | undefined>;
  /** Read first, written only where it differs. Throws MODEM_UNABLE for a kind the family does not have. */
  choose(kind: DataInterfaceKind, signal?: AbortSignal): Promise<Change>;
  /** Binds the context to the interface; nothing where it comes up with the context. */
  start(kind: DataInterfaceKind, cid: number, signal?: AbortSignal): Promise<void>;
  stop(kind: DataInterfaceKind, cid: number, signal?: AbortSignal): Promise<void>;
  /**
   * What the module itself has counted of the context. undefined: it has no such counters, or the port is not free at this moment: nothing waits for them.
   * Throws AT_REPLY, AT_TIMEOUT, PORT_CLOSED.
   */
  counters(cid: number, signal?: AbortSignal): Promise<ModuleCounters | undefined>;
  /** What is dialled for PPP, such as `*99***1#`; undefined where the family has none. */
  dialled(cid: number): string | undefined;
}

export interface ModuleCounters extends DataCounters {
  /** Another number whenever the module has been initialised anew: it may have begun anew, with whatever its make begins with. */
  readonly life: number;
}

export interface DataInterfaceModule {
  readonly link: {
    /** Ready, and no command under way. */
    readonly isFree: boolean;
    readonly life: number;
    use<T>(signal: AbortSignal | undefined, run: (port: AtPort) => Promise<T>): Promise<T>;
  };
  readonly ops: () => ModemOps;
  readonly family: () => ModemFamily;
  /** The function level that the module is to be at. */
  readonly wanted: () => 0 | 1 | 4;
}

export function createDataInterface({ link, ops, family, wanted }: DataInterfaceModule): ModemDataInterface {
  const ways = (): readonly DataInterfaceWay[] => family().quirks.dataInterfaces;
  return {
    get kinds() {
      return ways().map(({ kind }) => kind);
    },
    present: (signal) => link.use(signal, (port) => ops().dataInterface(port)),
    choose: (kind, signal) =>
      link.use(signal, (port) =>
        ops().setDataInterface(port, kind, {
          off: (level) => ops().setFunction(port, level),
          on: () => ops().setFunction(port, wanted()),
        }),
      ),
    start: (kind, cid, signal) => link.use(signal, (port) => ops().startDataInterface(port, kind, cid)),
    stop: (kind, cid, signal) => link.use(signal, (port) => ops().stopDataInterface(port, kind, cid)),
    async counters(cid, signal) {
      if (family().quirks.counters === undefined || !link.isFree) return undefined;
      const { life } = link;
      const counted = await link.use(signal, (port) => ops().dataCounters(port, cid));
      // Begun in one life and answered in another: of neither.
      return counted === undefined || life !== link.life ? undefined : { ...counted, life };
    },
    dialled: (cid) =>
      ways()
        .find(({ kind }) => kind === "ppp")
        ?.dial?.(cid),
  };
}
