// Whether an emergency is under way, and who says so: one owner of that knowledge. While there is one, nothing begins that could disturb it; what was put
// off goes on by itself when it is over. What the local API told outlives a restart, but never the time it was told for.
import type { Clock, Disposer } from "../base/clock.ts";
import { type Step, unreachable } from "../base/machine.ts";
import type { EmergencySource, Interlock } from "../ipa/ports.ts";
import type { AuditEvent } from "./audit/types.ts";

/** What the local API told, as it is kept. */
export interface ToldEmergency {
  /** Who: "operator:<uid>". */
  readonly by: string;
  readonly reason: string | null;
  /** Wall clock, when it was told last. */
  readonly sinceMs: number;
  readonly forMs: number;
}

export interface EmergencyState {
  readonly told: ToldEmergency | undefined;
  readonly call: boolean;
  readonly profile: boolean;
}

export type EmergencyInput =
  | { readonly kind: "told"; readonly told: ToldEmergency }
  | { readonly kind: "revoked" }
  | { readonly kind: "expired" }
  | { readonly kind: "call"; readonly active: boolean }
  | { readonly kind: "profile"; readonly enabled: boolean };

export type EmergencyEffect =
  /** Of this source; `isFirst`: there was no emergency before. */
  | { readonly do: "begun"; readonly source: EmergencySource; readonly isFirst: boolean }
  /** `isLast`: the emergency is over. */
  | { readonly do: "ended"; readonly source: EmergencySource; readonly why: "revoked" | "expired" | "ended"; readonly isLast: boolean }
  | { readonly do: "prolonged" }
  | { readonly do: "keep" };

export const noEmergency: EmergencyState = { told: undefined, call: false, profile: false };

export function sourcesOf({ told, call, profile }: EmergencyState): readonly EmergencySource[] {
  const sources: EmergencySource[] = [];
  if (told !== undefined) sources.push("api");
  if (call) sources.push("call");
  if (profile) sources.push("profile");
  return sources;
}

export function nextEmergency(state: EmergencyState, input: EmergencyInput): Step<EmergencyState, EmergencyEffect> {
  switch (input.kind) {
    case "told": {
      const next = { ...state, told: input.told };
      if (state.told !== undefined) return { state: next, effects: [{ do: "keep" }, { do: "prolonged" }] };
      return changed(state, next, "api", "ended", { do: "keep" });
    }
    case "revoked":
    case "expired":
      if (state.told === undefined) return { state, effects: [] };
      return changed(state, { ...state, told: undefined }, "api", input.kind, { do: "keep" });
    case "call":
      return state.call === input.active ? { state, effects: [] } : changed(state, { ...state, call: input.active }, "call", "ended");
    case "profile":
      if (state.profile === input.enabled) return { state, effects: [] };
      return changed(state, { ...state, profile: input.enabled }, "profile", "ended");
    default:
      return unreachable(input);
  }
}

function changed(
  before: EmergencyState,
  state: EmergencyState,
  source: EmergencySource,
  why: "revoked" | "expired" | "ended",
  ...first: readonly EmergencyEffect[]
): Step<EmergencyState, EmergencyEffect> {
  const isOn = sourcesOf(state).includes(source);
  const effect: EmergencyEffect = isOn
    ? { do: "begun", source, isFirst: sourcesOf(before).length === 0 }
    : { do: "ended", source, why, isLast: sourcesOf(state).length === 0 };
  return { state, effects: [...first, effect] };
}

/** What others see of it. */
export interface EmergencyWatch {
  readonly sources: readonly EmergencySource[];
  /** Whenever a source comes or goes; called when `sources` is already so. */
  onChange(fn: () => void): Disposer;
}

export interface EmergencyStatus {
  readonly active: boolean;
  readonly sources: readonly EmergencySource[];
  /** Of what the API told. */
  readonly remainingMs: number | undefined;
  readonly reason: string | undefined;
}

export interface Emergency extends EmergencyWatch, Interlock {
  status(): EmergencyStatus;
  /** Told again, it lasts from now. It holds at once, and is on the disk when it resolves or as soon as the disk takes it. */
  tell(by: string, forMs: number, reason: string | undefined): Promise<void>;
  revoke(by: string): Promise<void>;
  call(active: boolean): void;
  stop(): void;
}

export interface EmergencyOptions {
  readonly clock: Clock;
  /** Never rejects. */
  readonly audit: (event: AuditEvent) => Promise<void>;
  readonly load: () => ToldEmergency | undefined;
  /** Never rejects: what the disk refuses is tried again. */
  readonly save: (told: ToldEmergency | undefined) => Promise<unknown>;
}

/** Takes up what was told before a restart, for what is left of its time. */
export function createEmergency({ clock, audit, load, save }: EmergencyOptions): Emergency {
  let state = noEmergency;
  let cancelTimer: Disposer = () => {};
  let endsAtMs: number | undefined;
  const listeners = new Set<() => void>();

  const arm = (ms: number | undefined): void => {
    cancelTimer();
    cancelTimer = () => {};
    endsAtMs = ms === undefined ? undefined : clock.monotonicMs() + ms;
    if (ms !== undefined) cancelTimer = clock.after(ms, () => void send({ kind: "expired" }, "ipa"));
  };

  const send = async (input: EmergencyInput, cause: string): Promise<void> => {
    const { state: next, effects } = nextEmergency(state, input);
    state = next;
    if (input.kind === "told") arm(input.told.forMs);
    if (state.told === undefined) arm(undefined);
    const isChange = effects.some((effect) => effect.do === "begun" || effect.do === "ended");
    if (isChange) for (const listener of [...listeners]) listener();
    for (const effect of effects) {
      switch (effect.do) {
        case "keep":
          await save(state.told);
          break;
        case "begun":
          await audit({
            event: "emergency.begun",
            cause,
            data: { source: effect.source, isFirst: effect.isFirst, ...ofTold(effect.source) },
          });
          break;
        case "prolonged":
          await audit({ event: "emergency.prolonged", cause, data: { source: "api", ...ofTold("api") } });
          break;
        case "ended":
          await audit({ event: "emergency.ended", cause, data: { source: effect.source, why: effect.why, isLast: effect.isLast } });
          break;
      }
    }
  };
  const ofTold = (source: EmergencySource): { readonly [key: string]: string | number | null } =>
    source === "api" && state.told !== undefined ? { forSeconds: Math.round(state.told.forMs / 1_000), reason: state.told.reason } : {};

  const kept = load();
  if (kept !== undefined) {
    // A clock that was set back, or does not run yet, must not make it last longer than it was told for.
    const goneMs = Math.max(0, clock.now() - kept.sinceMs);
    const leftMs = kept.forMs - goneMs;
    state = { ...state, told: kept };
    if (leftMs > 0) arm(leftMs);
    else void send({ kind: "expired" }, "start");
  }

  return {
    get sources() {
      return sourcesOf(state);
    },
    onChange(fn) {
      listeners.add(fn);
      return () => listeners.delete(fn);
    },
    cardRead: (enabled) => void send({ kind: "profile", enabled }, "ipa"),
    status() {
      const sources = sourcesOf(state);
      return {
        active: sources.length > 0,
        sources,
        remainingMs: endsAtMs === undefined ? undefined : Math.max(0, Math.round(endsAtMs - clock.monotonicMs())),
        reason: state.told?.reason ?? undefined,
      };
    },
    tell: (by, forMs, reason) => send({ kind: "told", told: { by, reason: reason ?? null, sinceMs: clock.now(), forMs } }, by),
    revoke: (by) => send({ kind: "revoked" }, by),
    call: (active) => void send({ kind: "call", active }, "module"),
    stop: () => cancelTimer(),
  };
}
