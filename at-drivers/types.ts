// What a module tells about itself and its network, in words that hold for every make.
import type { Disposer } from "../base/clock.ts";

export interface ModemIdentity {
  readonly manufacturer: string;
  readonly model: string;
  readonly revision: string;
}

/** One step of the ladder by which a module is brought to read the card anew. */
export type RefreshStep = "wait" | "sim-power" | "cfun-cycle" | "reset";

export type Rat = "gsm" | "utran" | "lte" | "lte-m" | "nb-iot";

/** 3GPP TS 27.007 §10.1.22, as a word. */
export type RegistrationStatus = "idle" | "home" | "searching" | "denied" | "unknown" | "roaming" | "emergency";

export interface Registration {
  readonly status: RegistrationStatus;
  readonly rat?: Rat;
  /** MCC and MNC digits. */
  readonly plmn?: string;
  readonly tac?: string;
  readonly cellId?: string;
  /** EMM cause, 3GPP TS 24.301 §9.9.3.9. */
  readonly rejectCause?: number;
}

export interface PdpContext {
  readonly cid: number;
  readonly type: "IP" | "IPV6" | "IPV4V6";
  readonly apn: string;
}

export interface SignalQuality {
  readonly rsrpDbm?: number;
  readonly rsrqDb?: number;
  readonly rssiDbm?: number;
  readonly sinrDb?: number;
}

export type ModemEvent =
  | { readonly kind: "registration"; readonly registration: Registration }
  | { readonly kind: "sim"; readonly state: "ready" | "not-ready" }
  /** A context that `connect` brought up is up, or down. */
  | { readonly kind: "bearer"; readonly active: boolean }
  | { readonly kind: "time"; readonly utcMs: number }
  /** Voice calls have changed; `voiceCall` says to what. */
  | { readonly kind: "call" }
  | { readonly kind: "gone"; readonly reason: string }
  | { readonly kind: "back" };

export type ModemListener = (event: ModemEvent) => void;
export type Unsubscribe = Disposer;
