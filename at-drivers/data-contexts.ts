// The data contexts of one module over its lives: which are up by us, which credentials were written, and what the network's packet events mean for them.
import type { Clock } from "../base/clock.ts";
import type { PacketEvent } from "./commands/data.ts";
import { connect, ensureContext } from "./context.ts";
import type { AtPort } from "./engine/types.ts";
import type { ModemOps } from "./family.ts";
import type { Modem } from "./modem.ts";

export interface DataContexts extends Pick<Modem, "contexts" | "ensureContext" | "connect" | "disconnect" | "session"> {
  onPacketEvent(event: PacketEvent): void;
  /** The module has gone: what it held went with it. */
  forget(): void;
}

export interface DataContextsModule {
  readonly link: {
    use<T>(signal: AbortSignal | undefined, job: (port: AtPort) => Promise<T>): Promise<T>;
    readyPort(): AtPort;
  };
  readonly ops: () => ModemOps;
  readonly wantedFunction: () => 0 | 1 | 4;
  readonly clock: Clock;
  /** A context that is up by us has come up, or gone down, by itself. */
  readonly onBearer: (active: boolean) => void;
}

export function createDataContexts({ link, ops, wantedFunction, clock, onBearer }: DataContextsModule): DataContexts {
  /** Contexts that `connect` brought up and nobody took down since. */
  const connected = new Set<number>();
  /** The credentials this session has written: they cannot be read back. */
  let authenticated = "";
  return {
    contexts: (signal) => link.use(signal, (port) => ops().contexts(port)),
    async ensureContext(context, auth, signal) {
      // A password cannot be read back: it is written once a session, and when it changes. That there is none is made sure of as often.
      const credentials = auth ?? "none";
      const key = JSON.stringify([context.cid, credentials]);
      const onAir = (): Promise<void> => ops().setFunction(link.readyPort(), wantedFunction());
      const changed = await link.use(signal, (port) =>
        ensureContext(ops(), port, context, key === authenticated ? undefined : credentials, onAir),
      );
      authenticated = key;
      return { changed };
    },
    connect: (cid, signal) =>
      link.use(signal, async (port) => {
        const session = await connect(ops(), port, cid, clock, signal);
        connected.add(cid);
        return session;
      }),
    disconnect: (cid, signal) =>
      link.use(signal, async (port) => {
        connected.delete(cid);
        if (await ops().isActive(port, cid)) await ops().activate(port, cid, false);
      }),
    session: (cid, signal) => link.use(signal, async (port) => ((await ops().isActive(port, cid)) ? ops().session(port, cid) : undefined)),
    onPacketEvent(event) {
      switch (event.kind) {
        case "activated":
          if (event.cid !== undefined && connected.has(event.cid)) onBearer(true);
          break;
        case "deactivated":
          // Another context's end, such as that of IMS, is none of ours.
          if (event.cid === undefined ? connected.size === 0 : !connected.delete(event.cid)) break;
          onBearer(false);
          break;
        case "detached":
          if (connected.size === 0) break;
          connected.clear();
          onBearer(false);
          break;
        default:
      }
    },
    forget() {
      connected.clear();
      authenticated = "";
    },
  };
}
