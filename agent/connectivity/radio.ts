// Brings the module's radio to what the configuration wants, once a session of the module: read, planned, written, read back, verified by a data path, and
// undone by itself where there is none any more. Watches what the network grants of power saving.
import type { EdrxState, PowerSaving } from "../../at-drivers/family.ts";
import type { Modem } from "../../at-drivers/modem.ts";
import type { Rat } from "../../at-drivers/types.ts";
import { type Clock, type Disposer, deadline } from "../../base/clock.ts";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { Queue } from "../../base/queue.ts";
import { rehearsal } from "../../base/rehearsal.ts";
import type { AuditEvent } from "../audit/types.ts";
import type { EmergencyWatch } from "../emergency.ts";
import type { Keeper, PathState } from "./keeper.ts";
import {
  choiceOfRat,
  fittingRats,
  noHandover,
  planRadio,
  type RadioReading,
  type RadioWish,
  type RadioWrite,
  type RatChoice,
  undoOf,
} from "./radio-plan.ts";

/** What was tried and found no path is not tried again at each start: its text, as `wishText` makes it. */
export interface RadioMemory {
  failed(): string | undefined;
  /** Never rejects. */
  note(failed: string | undefined): Promise<void>;
}

export interface RadioOptions {
  readonly modem: Modem;
  readonly keeper: Pick<Keeper, "path" | "onPath" | "change">;
  readonly wish: RadioWish;
  /** The vehicle never moves: NB-IoT may be. */
  readonly isStationary: boolean;
  readonly registrationMs: number;
  readonly memory: RadioMemory;
  readonly emergency: EmergencyWatch;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: (event: AuditEvent) => Promise<void>;
  readonly onProblem: (problem: SimwardError | undefined) => void;
}

export interface RadioStatus {
  /** What is wanted; undefined: the module's own settings are left alone. */
  readonly policy: readonly RatChoice[] | undefined;
  /** What the module may use, most preferred first; undefined: it does not tell. */
  readonly rats: readonly RatChoice[] | undefined;
  /** What the module could be set to. */
  readonly offered: readonly (readonly RatChoice[])[];
  readonly psm: PowerSaving | undefined;
  readonly edrx: EdrxState | undefined;
  /** Power saving is asked for and this network grants none. */
  readonly isRefused: boolean;
}

export interface RadioKeeper {
  /** As read last; undefined before. */
  readonly status: RadioStatus | undefined;
  /** Reads the module now. */
  read(): Promise<RadioStatus>;
  /** Sets technologies now, until the module or simward starts again. Throws RADIO_FAILED when the former ones had to be restored. */
  set(rats: readonly RatChoice[], cause: string): Promise<RadioStatus>;
  start(): void;
  stop(): Promise<void>;
}

/** Behind the registration: for the session. */
const sessionMs = 60_000;
const watchMs = 600_000;

export function createRadioKeeper(options: RadioOptions): RadioKeeper {
  const { modem, keeper, clock, log, emergency } = options;
  const work = new Queue();
  const stopping = new AbortController();
  const disposers: Disposer[] = [];
  let status: RadioStatus | undefined;
  /** Of this session of the module. */
  let isDone = false;
  let isWaiting = false;
  let cancelFirst: Disposer = () => {};
  let refusedBy: string | undefined;

  const isHeld = (): boolean => emergency.sources.length > 0;
  const wishText = JSON.stringify(options.wish);

  const reading = async (signal: AbortSignal): Promise<RadioReading> => ({
    access: await modem.radio.access(signal),
    modes: modem.radio.modes,
    bands: options.wish.bands === undefined ? undefined : await modem.radio.bands(signal),
    powerSaving: await modem.radio.powerSaving(signal),
    edrx: await modem.radio.edrx(signal),
  });

  const shown = ({ access, modes, powerSaving, edrx }: RadioReading): RadioStatus => {
    const isAsked = powerSaving?.enabled === true || (edrx?.requested ?? []).length > 0;
    const isGranted = powerSaving?.granted !== undefined || edrx?.granted?.cycleSeconds !== undefined;
    return {
      policy: options.wish.rats,
      rats: access?.rats?.map(choiceOfRat),
      offered: modes.map((mode) => mode.map(choiceOfRat)),
      psm: powerSaving,
      edrx,
      isRefused: keeper.path.up && isAsked && !isGranted,
    };
  };

  const noteRefusal = (found: RadioStatus): void => {
    const { plmn, status: registration } = modem.status.registration;
    if (!found.isRefused) {
      if (keeper.path.up) refusedBy = undefined;
      return;
    }
    if (refusedBy === (plmn ?? "")) return;
    refusedBy = plmn ?? "";
    void options.audit({
      event: "powerSaving.refused",
      cause: "network",
      data: { plmn: plmn ?? null, roaming: registration === "roaming", psm: found.psm?.enabled === true },
    });
  };

  const look = async (): Promise<RadioStatus> => {
    status = shown(await reading(stopping.signal));
    noteRefusal(status);
    return status;
  };

  const write = async (one: RadioWrite, signal: AbortSignal): Promise<boolean> => {
    switch (one.kind) {
      case "access":
        return (await modem.radio.setAccess(one.rats, signal)).needsReset;
      case "bands":
        return (await modem.radio.setBands(one.bands, signal)).needsReset;
      case "psm":
        return (await modem.radio.setPowerSaving(one.timers, signal)).needsReset;
      case "edrx":
        return (await modem.radio.setEdrx(one.rat, one.cycleSeconds, signal)).needsReset;
    }
  };

  const carryOut = (writes: readonly RadioWrite[]): Promise<void> =>
    keeper.change(async (signal) => {
      let needsReset = false;
      for (const one of writes) {
        if (isHeld()) throw new SimwardError("EMERGENCY_ACTIVE", { detail: "the radio's settings" });
        needsReset = (await write(one, signal)) || needsReset;
      }
      if (needsReset) await modem.reset(signal);
    });

  /** Whether there is a path within the time that a registration may take. */
  const pathComes = async (signal: AbortSignal): Promise<boolean> => {
    const limit = deadline(clock, options.registrationMs + sessionMs, () => new SimwardError("NO_DATA_PATH"), signal);
    let dispose: Disposer = () => {};
    try {
      await new Promise<void>((resolve, reject) => {
        const judge = ({ up }: Pick<PathState, "up">): void => {
          if (up) resolve();
        };
        dispose = keeper.onPath(judge);
        judge(keeper.path);
        limit.signal.addEventListener("abort", () => reject(limit.signal.reason), { once: true });
      });
      // A session is told of as gone some moments after the radio is.
      await clock.sleep(1_000, limit.signal);
      return keeper.path.up || (await pathComes(signal));
    } catch {
      signal.throwIfAborted();
      return false;
    } finally {
      limit.done();
      dispose();
    }
  };

  /** Throws RADIO_FAILED when it was undone. */
  const change = async (writes: readonly RadioWrite[], cause: string): Promise<void> => {
    const hadPath = keeper.path.up;
    const words = writes.map(inWords).join("; ");
    let problem: SimwardError | undefined;
    try {
      await carryOut(writes);
      await options.audit({ event: "radio.applied", cause, data: { settings: words } });
      if (await pathComes(stopping.signal)) return;
      // Where there was none before either, that says nothing against it.
      if (!hadPath && cause === "config") return;
      problem = new SimwardError("RADIO_FAILED", { detail: `${words}: no data path with it` });
    } catch (error) {
      stopping.signal.throwIfAborted();
      rehearsal()?.signal.throwIfAborted();
      problem = new SimwardError("RADIO_FAILED", { detail: words, cause: error, data: { reason: asSimwardError(error).message } });
      if (asSimwardError(error).code === "EMERGENCY_ACTIVE") throw error;
    }
    const undo = writes.map(undoOf).filter((one) => one !== undefined);
    await carryOut([...undo].reverse()).catch((error: unknown) => log.error("former radio settings", { error: asSimwardError(error) }));
    await options.audit({ event: "radio.restored", cause: "connectivity", data: { settings: undo.map(inWords).join("; ") } });
    throw problem;
  };

  /** Once a session of the module, when there is a path, or has been none for as long as one may take. */
  const apply = async (): Promise<void> => {
    if (isDone || isHeld() || modem.status.link !== "ready") return;
    isDone = true;
    const read = await reading(stopping.signal);
    const { writes, unable } = planRadio(options.wish, read);
    for (const what of unable) log.warn("radio", { unable: what });
    if (writes.length > 0 && options.memory.failed() === wishText) {
      options.onProblem(
        new SimwardError("RADIO_FAILED", { detail: `${writes.map(inWords).join("; ")}: not tried again until it is changed` }),
      );
    } else if (writes.length > 0) {
      try {
        await change(writes, "config");
        options.onProblem(undefined);
        await options.memory.note(undefined);
      } catch (error) {
        stopping.signal.throwIfAborted();
        const known = asSimwardError(error);
        if (known.code === "EMERGENCY_ACTIVE") isDone = false;
        else {
          options.onProblem(known);
          if (known.code === "RADIO_FAILED") await options.memory.note(wishText);
        }
      }
    } else if (unable.length > 0) options.onProblem(new SimwardError("RADIO_FAILED", { detail: unable.join("; ") }));
    else options.onProblem(warningOf(read, options));
    await look();
  };

  const wake = (): void => {
    if (isWaiting || stopping.signal.aborted) return;
    isWaiting = true;
    work
      .run(async () => {
        isWaiting = false;
        await apply();
        if (isDone && modem.status.link === "ready") await look();
      })
      .catch((error: unknown) => {
        if (!stopping.signal.aborted) log.warn("radio", { error: asSimwardError(error) });
      });
  };

  const begin = (): void => {
    isDone = false;
    cancelFirst();
    cancelFirst = clock.after(options.registrationMs + sessionMs, wake);
  };

  return {
    get status() {
      return status;
    },
    read: () => work.run(look, stopping.signal),
    set: (rats, cause) =>
      work.run(async () => {
        if (rats.includes("nb-iot") && !options.isStationary) throw new SimwardError("RADIO_REFUSED", { detail: noHandover });
        if (isHeld()) throw new SimwardError("EMERGENCY_ACTIVE", { detail: emergency.sources.join(", ") });
        const read = await reading(stopping.signal);
        const best = fittingRats(rats, read.modes);
        if (best === undefined || best.length < rats.length)
          throw new SimwardError("MODEM_UNABLE", {
            detail: `${rats.join(", ")}; it offers ${read.modes.map((mode) => mode.map(choiceOfRat).join(", ")).join(" | ") || "no choice"}`,
          });
        const before = read.access?.rats;
        if (before?.join() !== best.join()) await change([{ kind: "access", rats: best, before }], cause);
        return look();
      }, stopping.signal),
    start() {
      const old = (options.wish.rats ?? []).filter(isSunset);
      if (old.length > 0) log.warn("networks of these technologies are being switched off", { rats: old });
      begin();
      disposers.push(
        keeper.onPath(({ up }) => up && wake()),
        emergency.onChange(() => !isHeld() && wake()),
        modem.onEvent(({ kind }) => kind === "back" && begin()),
        clock.every(watchMs, wake),
      );
    },
    async stop() {
      stopping.abort(new SimwardError("ABORTED", { detail: "simward stops" }));
      cancelFirst();
      for (const dispose of disposers) dispose();
      work.close(stopping.signal.reason);
      await work.idle();
    },
  };
}

/** Being switched off in most markets: what depends on it will go dark. */
export function isSunset(rat: RatChoice): boolean {
  return rat === "gsm" || rat === "utran";
}

/** What the module may use and should not, where nothing is configured. */
function warningOf({ access }: RadioReading, { isStationary }: RadioOptions): SimwardError | undefined {
  if (access?.rats?.includes("nb-iot") !== true || isStationary) return undefined;
  return new SimwardError("RADIO_UNFIT", { detail: `${noHandover}; the module may use ${access.rats.map(choiceOfRat).join(", ")}` });
}

function inWords(write: RadioWrite): string {
  switch (write.kind) {
    case "access":
      return `technologies ${write.rats.map(choiceOfRat).join(", ")}`;
    case "bands":
      return `bands ${(Object.entries(write.bands) as [Rat, readonly number[]][]).map(([rat, bands]) => `${choiceOfRat(rat)} ${bands.join(" ")}`).join(", ")}`;
    case "psm":
      return write.timers === undefined ? "PSM off" : `PSM ${write.timers.periodicTauSeconds} s, ${write.timers.activeSeconds} s`;
    case "edrx":
      return write.cycleSeconds === undefined ? "eDRX off" : `eDRX ${write.cycleSeconds} s`;
  }
}
