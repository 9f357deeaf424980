// Waiting for a server ends early while there is no data path: what else wants the card, such as the fallback, need not stand behind a wait for nothing.
import type { Clock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import type { RspPorts } from "../../ipa/ports.ts";
import type { ClosableEsipaTransport } from "../../transports/esipa.ts";
import type { PathState } from "./keeper.ts";

export interface WhilePathOptions {
  readonly clock: Clock;
  readonly path: () => Pick<PathState, "up" | "reason">;
  readonly onPath: (fn: (path: PathState) => void) => () => void;
}

/** An answer may be on its way over another bearer; and a path that is back at once is gone on with. */
export const withoutPathMs = 20_000;

/** Runs an exchange; throws NO_DATA_PATH when it has had so long without a path. */
export async function whilePath<T>(
  options: WhilePathOptions,
  signal: AbortSignal,
  exchange: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { clock } = options;
  const ended = new AbortController();
  let stop = (): void => {};
  const judge = (): void => {
    stop();
    stop = (): void => {};
    if (options.path().up) return;
    stop = clock.after(withoutPathMs, () => {
      const { reason = "there is none" } = options.path();
      ended.abort(new SimwardError("NO_DATA_PATH", { detail: `while waiting for a server: ${reason}` }));
    });
  };
  const dispose = options.onPath(judge);
  judge();
  try {
    return await exchange(AbortSignal.any([signal, ended.signal]));
  } catch (error) {
    // Whatever an aborted exchange made of it.
    if (ended.signal.aborted && !signal.aborted) throw ended.signal.reason;
    throw error;
  } finally {
    stop();
    dispose();
  }
}

/** The same ways, ended early. */
export function esipaWhilePath(transport: ClosableEsipaTransport, options: WhilePathOptions): ClosableEsipaTransport {
  return {
    scheme: transport.scheme,
    exchange: (eim, request, signal) => whilePath(options, signal, (limited) => transport.exchange(eim, request, limited)),
    pathChanged: () => transport.pathChanged(),
    close: () => transport.close(),
  };
}

export function rspWhilePath(rsp: RspPorts | undefined, options: WhilePathOptions): RspPorts | undefined {
  if (rsp === undefined) return undefined;
  const { transport } = rsp;
  return {
    ...rsp,
    transport: {
      post: (server, name, body, signal) => whilePath(options, signal, (limited) => transport.post(server, name, body, limited)),
    },
  };
}
