// What a module family is, and what the agent sees of a modem.
import type { Disposer } from "../base/clock.ts";
import type { AtPort } from "./engine/types.ts";

export interface ModemIdentity {
  readonly manufacturer: string;
  readonly model: string;
  readonly revision: string;
}

/** Facts in which modules differ. */
export interface ModemQuirks {
  /** How the host reaches the SIM's channels, in order of preference; what works is found by trying. */
  readonly apdu: readonly ("ccho-cgla" | "csim")[];
  /** The most data octets of a command APDU. */
  readonly maxCommandDataBytes: number;
  /** After a change of profile: what makes the module read the card again when the card's own REFRESH does not. */
  readonly refresh: readonly RefreshStep[];
  /** How long the module may be busy with the SIM after a change. */
  readonly settleMs: number;
  readonly iccid: "ccid" | "qccid" | "ciccid" | "crsm";
}

export type RefreshStep = "wait" | "cfun-cycle" | "reset";

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

/** Operations every family offers; a family overrides only what differs. */
export interface ModemOps {
  /** Puts the port into the state the driver wants: no echo, numeric errors, registration URCs. */
  initialise(port: AtPort): Promise<void>;
  identity(port: AtPort): Promise<ModemIdentity>;
  imei(port: AtPort): Promise<string>;
  imsi(port: AtPort): Promise<string>;
  /** Digits, without padding. */
  iccid(port: AtPort): Promise<string>;
  simState(port: AtPort): Promise<"ready" | "pin" | "puk" | "absent" | "busy">;
  /** 0 minimum, 1 full, 4 flight. */
  setFunction(port: AtPort, level: 0 | 1 | 4): Promise<void>;
  reset(port: AtPort): Promise<void>;
  registration(port: AtPort): Promise<Registration>;
  signal(port: AtPort): Promise<SignalQuality>;
  contexts(port: AtPort): Promise<readonly PdpContext[]>;
  defineContext(port: AtPort, context: PdpContext): Promise<void>;
  activate(port: AtPort, cid: number, active: boolean): Promise<void>;
  isActive(port: AtPort, cid: number): Promise<boolean>;
  /** The address given to the context, if it is up. */
  address(port: AtPort, cid: number): Promise<string | undefined>;
}

export interface ModemFamily {
  readonly id: string;
  /** Where what this file says was learnt. */
  readonly source: string;
  match(identity: ModemIdentity): boolean;
  readonly quirks: ModemQuirks;
  readonly override?: Partial<ModemOps>;
}

export type ModemEvent =
  | { readonly kind: "registration"; readonly registration: Registration }
  | { readonly kind: "sim"; readonly state: "ready" | "not-ready" }
  | { readonly kind: "bearer"; readonly active: boolean }
  | { readonly kind: "time"; readonly utcMs: number }
  | { readonly kind: "gone"; readonly reason: string }
  | { readonly kind: "back" };

export type ModemListener = (event: ModemEvent) => void;
export type Unsubscribe = Disposer;
