// Keeps the vehicle online: APN for the profile now active, registration, data session; up again after each loss; adopts a changed profile.
import type { DataSession, Modem, PdpAuth } from "../../at-drivers/modem.ts";
import type { Registration } from "../../at-drivers/types.ts";
import { type Clock, type Disposer, deadline } from "../../base/clock.ts";
import { asSimwardError, isCode, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { Queue } from "../../base/queue.ts";
import type { Random } from "../../base/random.ts";
import type { ProfileSwitch } from "../../ipa/ports.ts";
import type { AuditEvent } from "../audit/types.ts";
import type { ApnConfig, Config } from "../config/schema.ts";
import { chooseApn } from "./apn.ts";

export interface KeeperOptions {
  readonly modem: Modem;
  readonly apns: readonly ApnConfig[];
  readonly radio: Config["radio"];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly audit: (event: AuditEvent) => Promise<unknown>;
  /** The content of a systemd credential. Throws CONFIG_READ. */
  readonly credential: (name: string) => Promise<string>;
}

export interface PathState {
  readonly up: boolean;
  readonly session: DataSession | undefined;
  /** The APN in use, ours or the module's. */
  readonly apn: string | undefined;
  /** Why there is no path. */
  readonly reason: string | undefined;
}

export interface Keeper extends ProfileSwitch {
  readonly path: PathState;
  onPath(fn: (path: PathState) => void): Disposer;
  start(): void;
  stop(): Promise<void>;
}

const defaultCid = 1;
const firstRetryMs = 5_000;
const lastRetryMs = 300_000;
const adoptAgainMs = 3_000;
const connected: readonly Registration["status"][] = ["home", "roaming"];

export function createKeeper(options: KeeperOptions): Keeper {
  const { modem, clock, log } = options;
  const work = new Queue();
  const stopping = new AbortController();
  const listeners = new Set<(path: PathState) => void>();
  let path: PathState = { up: false, session: undefined, apn: undefined, reason: "not yet connected" };
  let failures = 0;
  let cancelRetry: Disposer = () => {};
  /** Ends the attempt under way to get a path with the profile before. */
  let attempting = new AbortController();
  /** Changes of profile that wait or run: nothing is done for the profile before meanwhile. */
  let adopting = 0;
  let disposers: readonly Disposer[] = [];

  const setPath = async (next: PathState): Promise<void> => {
    const before = path;
    path = next;
    if (before.up !== next.up) {
      const registration = modem.status.registration;
      const where = { plmn: registration.plmn ?? null, rat: registration.rat ?? null, apn: next.apn ?? before.apn ?? null };
      if (next.up) await options.audit({ event: "path.up", cause: "module", data: { ...where, address: next.session?.address ?? null } });
      else await options.audit({ event: "path.down", cause: "module", data: { ...where, reason: next.reason ?? "unknown" } });
    }
    for (const listener of listeners) listener(next);
  };

  const applyApn = async (iccid: string, mcc: string | undefined, signal: AbortSignal): Promise<ApnConfig | undefined> => {
    const apn = chooseApn(options.apns, { iccid, mcc });
    if (apn === undefined) return undefined;
    const { changed } = await modem.ensureContext({ cid: apn.cid, type: apn.type, apn: apn.name }, await authOf(apn), signal);
    if (changed)
      await options.audit({ event: "apn.applied", cause: "config", data: { iccid, apn: apn.name, cid: apn.cid, type: apn.type } });
    return apn;
  };

  const authOf = async (apn: ApnConfig): Promise<PdpAuth | undefined> => {
    if (apn.auth === "none") return undefined;
    const password = apn.password_credential === undefined ? "" : await options.credential(apn.password_credential);
    return { protocol: apn.auth, user: apn.user ?? "", password };
  };

  /** Throws with the reason when there is no path in time. */
  const bringUp = async (timeoutMs: number, signal: AbortSignal): Promise<void> => {
    const endMs = clock.monotonicMs() + timeoutMs;
    await modem.ready(signal);
    const iccid = await modem.iccid(signal);
    const before = await applyApn(iccid, modem.status.registration.plmn?.slice(0, 3), signal);
    const registration = await modem.awaitRegistered({ timeoutMs: Math.max(1, endMs - clock.monotonicMs()), signal });
    // The market is known only now; its APN may be another one.
    const apn = (await applyApn(iccid, registration.plmn?.slice(0, 3), signal)) ?? before;
    const session = await modem.connect(apn?.cid ?? defaultCid, signal);
    await setPath({ up: true, session, apn: session.apn ?? apn?.name, reason: undefined });
  };

  const attempt = (timeoutMs: number, signal?: AbortSignal): Promise<SimwardError | undefined> => {
    const limit = deadline(
      clock,
      timeoutMs,
      () => new SimwardError("PROFILE_NOT_ONLINE", { detail: `no data path within ${Math.round(timeoutMs / 1_000)} s` }),
      signal,
    );
    return bringUp(timeoutMs, limit.signal)
      .then(() => undefined)
      .catch(async (error: unknown) => {
        const cause = asSimwardError(error);
        await setPath({ up: false, session: undefined, apn: path.apn, reason: cause.message });
        return cause;
      })
      .finally(limit.done);
  };

  const retryIn = (ms: number): void => {
    cancelRetry();
    cancelRetry = stopping.signal.aborted ? () => {} : clock.after(ms, keepUp);
  };

  const keepUp = (): void => {
    cancelRetry();
    cancelRetry = () => {};
    if (stopping.signal.aborted) return;
    void work
      .run(async () => {
        if (path.up || adopting > 0) return;
        const { signal } = attempting;
        const error = await attempt(options.radio.registration_timeout_seconds * 1_000, AbortSignal.any([stopping.signal, signal]));
        if (stopping.signal.aborted || signal.aborted) return;
        failures = error === undefined ? 0 : failures + 1;
        if (error === undefined) return;
        log.warn("no data path", { error, failures });
        const ceilingMs = Math.min(lastRetryMs, firstRetryMs * 2 ** Math.min(failures - 1, 10));
        retryIn(1_000 + options.random.unit() * ceilingMs);
      })
      .catch((error: unknown) => log.error("keeping the path up failed", { error: asSimwardError(error) }));
  };

  /** Tries until the deadline: a module may reset by itself while it changes, and a network may refuse the first time. */
  const adopt = async (iccid: string | undefined, deadlineMs: number, signal: AbortSignal | undefined): Promise<"online" | "offline"> => {
    const endMs = clock.monotonicMs() + deadlineMs;
    const late = (): SimwardError => new SimwardError("PROFILE_NOT_ONLINE", { detail: `within ${Math.round(deadlineMs / 1_000)} s` });
    const limit = deadline(clock, deadlineMs, late, signal);
    try {
      // What the path was before the change says nothing about the one after it.
      await setPath({ up: false, session: undefined, apn: undefined, reason: "the profile changes" });
      if (iccid === undefined) return "offline";
      for (;;) {
        const error = (await readAnew(iccid, limit.signal)) ?? (await attempt(Math.max(1, endMs - clock.monotonicMs()), limit.signal));
        if (signal?.aborted) throw signal.reason;
        if (error === undefined) return "online";
        log.warn("the new profile finds no data path", { iccid, error });
        // Its ladder has been climbed to the top.
        if (isCode(error, "SWITCH_NOT_SEEN") || clock.monotonicMs() + adoptAgainMs >= endMs) return "offline";
        await clock.sleep(adoptAgainMs, signal);
      }
    } finally {
      limit.done();
    }
  };

  /** Brings the module to use this profile. Answers why it does not. */
  const readAnew = async (iccid: string, signal: AbortSignal): Promise<SimwardError | undefined> => {
    try {
      await modem.ready(signal);
      const { steps, tookMs } = await modem.awaitCard({ iccid, signal });
      await options.audit({
        event: "module.cardAdopted",
        cause: "module",
        data: { iccid, steps: [...steps], tookMs: Math.round(tookMs) },
      });
      return undefined;
    } catch (error) {
      return asSimwardError(error);
    }
  };

  const lost = (reason: string): void => {
    if (!path.up) return;
    void setPath({ up: false, session: undefined, apn: path.apn, reason })
      .catch((error: unknown) => log.error("audit", { error: asSimwardError(error) }))
      .then(keepUp);
  };

  return {
    get path() {
      return path;
    },
    onPath(fn) {
      listeners.add(fn);
      return () => listeners.delete(fn);
    },
    start() {
      disposers = [
        modem.onEvent((event) => {
          switch (event.kind) {
            case "registration":
              if (!connected.includes(event.registration.status)) lost(`registration: ${event.registration.status}`);
              else if (!path.up && !work.busy) keepUp();
              break;
            case "bearer":
              if (!event.active) lost("the network or the module ended the data session");
              break;
            case "gone":
              lost(`the module is gone: ${event.reason}`);
              break;
            case "back":
              keepUp();
              break;
            default:
          }
        }),
      ];
      keepUp();
    },
    async adopt({ iccid, deadlineMs, signal }) {
      // An attempt with the former profile may take minutes; the new one has its own deadline, and behind that the way back.
      adopting++;
      attempting.abort(new SimwardError("ABORTED", { detail: "the profile changes" }));
      attempting = new AbortController();
      try {
        return await work.run(() => adopt(iccid, deadlineMs, signal), signal);
      } finally {
        adopting--;
        if (!path.up) retryIn(firstRetryMs);
      }
    },
    async stop() {
      stopping.abort(new SimwardError("ABORTED"));
      cancelRetry();
      for (const dispose of disposers) dispose();
      work.close(new SimwardError("ABORTED"));
    },
  };
}
