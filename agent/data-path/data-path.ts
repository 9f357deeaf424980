// Puts the module's data session on an interface of the kernel's, and takes it away again: the module's own network interface over USB, or PPP
// on a line that is dialled here and given to pppd. What is wanted last counts; what was done is undone before anything else is.
import type { TtyHold } from "../../at-drivers/engine/channels/tty.ts";
import type { DataInterfaceKind } from "../../at-drivers/family.ts";
import type { DataSession, Modem } from "../../at-drivers/modem.ts";
import { type Clock, type Disposer, deadline } from "../../base/clock.ts";
import { asSimwardError, isCode, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { Queue } from "../../base/queue.ts";
import type { AuditEvent } from "../audit/types.ts";
import type { ByteCounts } from "../connectivity/sessions.ts";
import { createByteMeter } from "./byte-meter.ts";
import type { NetdClient } from "./netd-client.ts";
import { downCalls, type NetConfig, type NetdCall, pppDownCalls, pppUpCalls, upCalls } from "./plan.ts";

export interface DataPathOptions {
  /** `mode` is not "none". */
  readonly net: NetConfig;
  readonly modem: Pick<Modem, "status" | "dataInterface" | "reset">;
  readonly netd: NetdClient;
  readonly kernel: KernelView;
  readonly dial: (request: {
    readonly device: string;
    readonly number: string;
    readonly clock: Clock;
    readonly signal: AbortSignal;
  }) => Promise<TtyHold>;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: (event: AuditEvent) => Promise<void>;
  /** This interface is about to carry packets: resolves when what is refused on it is. Never rejects. */
  readonly guard?: ((interfaceName: string) => Promise<void>) | undefined;
  /** The interface has what the session needs: packets can go. */
  readonly onUp: () => void;
  readonly onProblem: (problem: SimwardError | undefined) => void;
  /** pppd has ended, or the interface has gone, while the session was up: whoever keeps the session looks whether it still is. */
  readonly onLost: () => void;
  /** Nothing may be reset now. */
  readonly isHeld: () => boolean;
}

/** What is only looked at; changes are simward-netd's. */
export interface KernelView {
  /** Another number when the interface has gone and come back; undefined while it is not there. */
  index(name: string): Promise<number | undefined>;
  addresses(name: string): Promise<readonly string[]>;
  /** The module's network interface, undefined while there is none. */
  moduleInterface(port: string | undefined): Promise<string | undefined>;
  pppPort(port: string | undefined): Promise<string | undefined>;
  /** What a link to a device leads to. */
  deviceAt(path: string): Promise<string>;
  /** What the interface has counted since the kernel made it; undefined while it is not there. */
  counters(name: string): ByteCounts | undefined;
}

export interface DataPathStatus {
  readonly up: boolean;
  readonly kind: DataInterfaceKind | undefined;
  readonly interface: string | undefined;
  readonly reason: string | undefined;
}

export interface DataPath {
  readonly status: DataPathStatus;
  /** A running total of what has passed the interfaces of sessions; undefined while none could be counted. */
  bytes(): ByteCounts | undefined;
  /** Whether this very session is on an interface now. */
  carries(session: DataSession | undefined): boolean;
  /** Resolves when the kernel's side is as the session's, or has failed to become so, or something newer is wanted. Never rejects. */
  follow(session: DataSession | undefined): Promise<void>;
  /** Takes away what is up. */
  stop(): Promise<void>;
}

interface Applied {
  readonly kind: DataInterfaceKind;
  readonly interface: string;
  readonly index: number | undefined;
  readonly session: DataSession;
  readonly hold: TtyHold | undefined;
  /** What simward-netd refused, and the session can do without for now. */
  owed?: NetdCall | undefined;
}

export const watchMs = 10_000;
/** A module that restarts has its interface back within that, and a DHCP client or pppd its address. */
export const appearMs = 30_000;
const lookMs = 500;
const defaultPppName = "ppp0";

export function retryMs(failures: number): number {
  return Math.min(300_000, 5_000 * 2 ** Math.min(Math.max(failures - 1, 0), 10));
}

export function createDataPath(options: DataPathOptions): DataPath {
  const { net, modem, netd, kernel, clock, log } = options;
  const work = new Queue();
  const meter = createByteMeter(kernel.counters);
  const stopping = new AbortController();
  let wanted: DataSession | undefined;
  let applied: Applied | undefined;
  let problem: SimwardError | undefined;
  /** Of what is up nevertheless. */
  let owedProblem: SimwardError | undefined;
  let failures = 0;
  let mayCompose = true;
  let attempt = new AbortController();
  let cancelRetry: Disposer = () => {};

  // --- up ----------------------------------------------------------------------------------------------------------------------

  const bringUp = async (session: DataSession, signal: AbortSignal): Promise<Applied> => {
    const kind = await chooseKind(signal);
    if (kind === "ppp") return bringUpPpp(session, signal);
    // Of an interface that somebody has named the family need not know.
    if (modem.dataInterface.kinds.includes(kind)) await modem.dataInterface.start(kind, session.cid, signal);
    const { name, index } = await findInterface(signal).catch(async (error: unknown) => {
      await unbind(kind, session.cid);
      throw error;
    });
    const done: Applied = { kind, interface: name, index, session, hold: undefined };
    await options.guard?.(name);
    await perform(done, upCalls(name, session, net), signal);
    if (net.addressing === "dhcp") await undoing(done, () => until(`an address on ${name}`, () => someAddress(name), signal));
    return done;
  };

  const findInterface = async (signal: AbortSignal): Promise<{ readonly name: string; readonly index: number }> => {
    const name = net.interface ?? (await until("the module's network interface", () => kernel.moduleInterface(modem.status.port), signal));
    return { name, index: await until(`the interface ${name}`, () => kernel.index(name), signal) };
  };

  const bringUpPpp = async (session: DataSession, signal: AbortSignal): Promise<Applied> => {
    const name = net.interface ?? defaultPppName;
    const number = modem.dataInterface.dialled(session.cid);
    if (number === undefined) throw new SimwardError("MODEM_UNABLE", { detail: "PPP: nothing is known of what to dial" });
    const port = net.ppp_port ?? (await kernel.pppPort(modem.status.port));
    if (port === undefined)
      throw new SimwardError("NET_INTERFACE", { detail: "PPP needs a port besides the one for commands; net.ppp_port names it" });
    // simward-netd takes a port by the kernel's own name only, not by a link to it.
    const device = await kernel.deviceAt(port);
    const hold = await options.dial({ device, number, clock, signal });
    const done: Applied = { kind: "ppp", interface: name, index: undefined, session, hold };
    const mtuBytes = net.mtu_bytes ?? session.mtuBytes;
    const ended = new AbortController();
    const stop = netd.onPppEnd((end) => {
      if (end.interface === undefined || end.interface === name)
        ended.abort(new SimwardError("NET_INTERFACE", { detail: `pppd on ${name} has ended: ${end.how}` }));
    });
    const alive = AbortSignal.any([signal, ended.signal]);
    try {
      await options.guard?.(name);
      const start = { verb: "ppp", args: { interface: name, state: "up", device, ...(mtuBytes === undefined ? {} : { mtuBytes }) } };
      await perform(done, [start], alive);
      await undoing(done, () => until(`an address on ${name}`, () => someAddress(name), alive));
      await perform(done, pppUpCalls(name, session, net), alive);
      return { ...done, index: await kernel.index(name) };
    } finally {
      stop();
    }
  };

  const someAddress = async (name: string): Promise<string | undefined> =>
    // Link-local ones every interface has.
    (await kernel.addresses(name)).find((one) => !/^fe80:/i.test(one));

  /** Throws NET_INTERFACE, MODEM_UNABLE. */
  const chooseKind = async (signal: AbortSignal): Promise<DataInterfaceKind> => {
    const { kinds } = modem.dataInterface;
    if (net.mode === "ppp") return "ppp";
    const present = await modem.dataInterface.present(signal);
    if (present === "ecm" || present === "rndis") return present;
    const usb = kinds.find((one) => one !== "ppp") ?? "ecm";
    // PPP's interface is not there before pppd is, whatever its name.
    const named = net.interface ?? (await kernel.moduleInterface(modem.status.port));
    const isThere = named !== undefined && (await kernel.index(named)) !== undefined;
    if (net.mode === "auto") {
      if (isThere) return usb;
      if (kinds.includes("ppp")) return "ppp";
      throw new SimwardError("NET_INTERFACE", {
        detail: `the module has no network interface, and its family's are ${kinds.join(", ") || "none"}`,
      });
    }
    await compose(usb, signal);
    return usb;
  };

  /** Once: a module that does not keep it must not be restarted for it again and again. */
  const compose = async (kind: DataInterfaceKind, signal: AbortSignal): Promise<void> => {
    if (!mayCompose || options.isHeld() || !modem.dataInterface.kinds.includes(kind)) return;
    const { changed, needsReset } = await modem.dataInterface.choose(kind, signal);
    mayCompose = false;
    if (!changed) return;
    await options.audit({ event: "module.composition", cause: "config", data: { kind } });
    if (needsReset) await modem.reset(signal);
  };

  const until = async <T>(what: string, look: () => Promise<T | undefined>, signal: AbortSignal): Promise<T> => {
    const late = (): SimwardError => new SimwardError("NET_INTERFACE", { detail: `${what}: not there within ${appearMs / 1_000} s` });
    const limit = deadline(clock, appearMs, late, signal);
    try {
      for (;;) {
        limit.signal.throwIfAborted();
        const found = await look();
        if (found !== undefined) return found;
        await clock.sleep(lookMs, limit.signal);
      }
    } finally {
      limit.done();
    }
  };

  const perform = (done: Applied, calls: readonly NetdCall[], signal: AbortSignal): Promise<void> =>
    undoing(done, async () => {
      for (const one of calls) {
        signal.throwIfAborted();
        await netd.ask(one.verb, one.args).catch((error: unknown) => {
          // simwardd asks the session's name servers by itself: no file of theirs is worth the vehicle's network.
          if (one.verb !== "resolv" || signal.aborted || isCode(error, "NETD_ABSENT")) throw error;
          done.owed = one;
          owedProblem = asSimwardError(error);
        });
      }
    });

  /** What was done half is undone at once. */
  const undoing = async <T>(done: Applied, act: () => Promise<T>): Promise<T> => {
    try {
      return await act();
    } catch (error) {
      await undo(done);
      throw error;
    }
  };

  // --- down --------------------------------------------------------------------------------------------------------------------

  /** As far as it goes: an interface that has gone takes all of it with it. */
  const undo = async ({ kind, interface: name, session, hold }: Applied): Promise<void> => {
    for (const { verb, args } of kind === "ppp" ? pppDownCalls(name) : downCalls(name, net)) {
      try {
        await netd.ask(verb, args);
      } catch (error) {
        log.debug("net.undo", { verb, interface: name, error: asSimwardError(error) });
      }
    }
    if (kind !== "ppp") await unbind(kind, session.cid);
    await hold?.release().catch((error: unknown) => log.debug("net.undo", { interface: name, error: asSimwardError(error) }));
  };

  const unbind = async (kind: DataInterfaceKind, cid: number): Promise<void> => {
    if (!modem.dataInterface.kinds.includes(kind)) return;
    try {
      await modem.dataInterface.stop(kind, cid, stopping.signal.aborted ? undefined : attempt.signal);
    } catch (error) {
      log.debug("net.undo", { kind, cid, error: asSimwardError(error) });
    }
  };

  const takeDown = async (reason: string): Promise<void> => {
    const present = applied;
    if (present === undefined) return;
    applied = undefined;
    meter.end();
    await undo(present);
    log.info("net.down", { interface: present.interface, reason });
    await options.audit({
      event: "interface.down",
      cause: "connectivity",
      data: { interface: present.interface, kind: present.kind, reason },
    });
  };

  // --- what is wanted last -----------------------------------------------------------------------------------------------------

  const settle = (): Promise<void> =>
    work.run(reconcile).catch((error: unknown) => {
      if (!stopping.signal.aborted) log.error("net", { error: asSimwardError(error) });
    });

  const reconcile = async (): Promise<void> => {
    for (;;) {
      const target = wanted;
      if (applied !== undefined && !isSame(applied.session, target))
        await takeDown(target === undefined ? "there is no data session" : "the data session is another one");
      if (target === undefined || applied !== undefined || stopping.signal.aborted) return;
      const { signal } = attempt;
      try {
        owedProblem = undefined;
        applied = await bringUp(target, signal);
        const { kind, interface: name } = applied;
        meter.begin(name);
        failures = 0;
        setProblem(owedProblem);
        log.info("net.up", { interface: name, kind, address: target.address });
        await options.audit({ event: "interface.up", cause: "connectivity", data: { interface: name, kind } });
        if (wanted === target) options.onUp();
      } catch (error) {
        if (signal.aborted) continue;
        failures++;
        setProblem(asSimwardError(error));
        again(retryMs(failures));
        return;
      }
    }
  };

  const setProblem = (next: SimwardError | undefined): void => {
    if (next !== undefined && next.message !== problem?.message) log.warn("net.failed", { error: next });
    problem = next;
    options.onProblem(next);
  };

  const again = (ms: number): void => {
    cancelRetry();
    if (!stopping.signal.aborted) cancelRetry = clock.after(ms, () => void settle());
  };

  /** The interface of an applied session is gone, or another one under the same name. */
  const lost = (reason: string): void => {
    if (applied === undefined || stopping.signal.aborted) return;
    void work
      .run(async () => {
        await takeDown(reason);
        again(retryMs(1));
      })
      .catch((error: unknown) => log.debug("net", { error: asSimwardError(error) }));
    options.onLost();
  };

  const pay = async (present: Applied): Promise<void> => {
    const { owed } = present;
    if (owed === undefined) return;
    await work
      .run(async () => {
        if (present !== applied || present.owed !== owed) return;
        await netd.ask(owed.verb, owed.args, attempt.signal);
        present.owed = undefined;
        setProblem(undefined);
      })
      .catch((error: unknown) => log.debug("net", { error: asSimwardError(error) }));
  };

  const watch = async (): Promise<void> => {
    const present = applied;
    if (present === undefined || work.busy) return;
    // An interface that vanishes takes its counters with it.
    meter.total();
    const index = await kernel.index(present.interface);
    if (present !== applied) return;
    if (index === present.index) return pay(present);
    lost(index === undefined ? "the interface has gone" : "the interface has gone and come back");
  };

  const disposers = [
    clock.every(watchMs, () => void watch()),
    netd.onPppEnd(({ interface: name, how }) => {
      if (applied?.kind === "ppp" && (name === undefined || name === applied.interface)) lost(`pppd has ended: ${how}`);
    }),
  ];

  return {
    get status() {
      return { up: applied !== undefined, kind: applied?.kind, interface: applied?.interface, reason: problem?.message };
    },
    bytes: meter.total,
    carries: (session) => applied !== undefined && isSame(applied.session, session),
    follow(session) {
      if (stopping.signal.aborted) return Promise.resolve();
      if (!isSame(session, wanted)) {
        wanted = session;
        attempt.abort(new SimwardError("ABORTED", { detail: "another data session is wanted" }));
        attempt = new AbortController();
        failures = 0;
      }
      cancelRetry();
      if (session === undefined) setProblem(undefined);
      return settle();
    },
    async stop() {
      wanted = undefined;
      for (const dispose of disposers) dispose();
      cancelRetry();
      stopping.abort(new SimwardError("ABORTED", { detail: "simward stops" }));
      attempt.abort(stopping.signal.reason);
      await work.run(() => takeDown("simward stops")).catch((error: unknown) => log.debug("net", { error: asSimwardError(error) }));
      netd.close();
    },
  };
}

function isSame(a: DataSession | undefined, b: DataSession | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
