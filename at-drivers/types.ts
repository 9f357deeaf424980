// What a module tells about itself and its network, in words that hold for every make.
import type { Disposer } from "../base/clock.ts";

export interface ModemIdentity {
  readonly manufacturer: string;
  readonly model: string;
  readonly revision: string;
}

/** What is done about a module that does not answer, in the order of recovery.ts; and about a card whose channels are all taken. */
export type RecoveryStep = "reopen" | "marker" | "escape" | "baud-hunt" | "cfun-reset" | "module-reset" | "power" | "card-restart";

/** silent: the port is there and nothing answers. absent: there is no port. unfit: it answers, but cannot be brought into the state wanted. */
export type RecoveryTrouble = "silent" | "absent" | "unfit";

/** held: not taken, because it would disturb at a time when nothing may. failed: it could not be carried out. */
export type RecoveryOutcome = "answered" | "no-answer" | "failed" | "held";

/**
 * One step of the ladder by which a module is brought to read the card anew: the card's own REFRESH is waited for; the card's power; +CFUN 4
 * and back, which leaves ports and most SIMs alone; +CFUN 0 and back; +CFUN=1,1; the maker's own restart.
 */
export type RefreshStep = "wait" | "sim-power" | "flight-cycle" | "cfun-cycle" | "cfun-reset" | "reset";

/** A step that was taken, and how long it was until the next, or until the card was seen. */
export interface RefreshStepTaken {
  readonly step: RefreshStep;
  readonly tookMs: number;
}

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
  /** The module was told to leave the network and to look for none (+COPS 2). */
  readonly isToldToLeave?: boolean;
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
  /** What was done about a module that did not answer, and what came of it. */
  | {
      readonly kind: "recovery";
      readonly step: RecoveryStep;
      readonly outcome: RecoveryOutcome;
      /** Of this step. */
      readonly tookMs: number;
      /** Since the module was last ready, or first looked for. */
      readonly downMs: number;
      /** How many times the ladder was begun. */
      readonly round: number;
      readonly reason?: string;
    }
  /** After a change of profile: whether the module uses the card as it is now, and what that took. */
  | {
      readonly kind: "cardSwitch";
      readonly iccid: string;
      readonly isSeen: boolean;
      readonly steps: readonly RefreshStepTaken[];
      readonly tookMs: number;
    }
  | { readonly kind: "gone"; readonly reason: string }
  | { readonly kind: "back" };

export type ModemListener = (event: ModemEvent) => void;
export type Unsubscribe = Disposer;
