// How the parts of the virtual vehicle meet: the module asks the card and the radio world; servers and vehicle meet on the bearer.
import type { Disposer } from "../base/clock.ts";

/** The card in the module's slot. */
export interface Uicc {
  /** One command APDU in (CLA carries the logical channel), data and SW out. Never throws. */
  process(apdu: Uint8Array): Uint8Array;
  /** Reset by the module: channels and session context are gone, pending changes take effect. */
  reset(): void;
  /** A file of the profile now active, from its ADF.USIM or MF, e.g. "2FE2" (EF.ICCID), "7FFF/6F07" (EF.IMSI). */
  readFile(path: string): Uint8Array | undefined;
  /** ICCID digits of the profile now active; undefined when none is. */
  readonly iccid: string | undefined;
  readonly imsi: string | undefined;
  /** The card asks for a REFRESH (ETSI TS 102 223 §6.4.7): after `91xx`, until fetched or reset. */
  onRefresh(fn: (qualifier: number) => void): Disposer;
}

/** A procedure on a card: yields command APDUs, is given the response to each, and has a result in the end. */
export type CardProcedure<T> = Generator<Uint8Array, T, Uint8Array>;

/** The card as the module's slot meets it: the built-in one, which answers at once, or somebody else's, which answers in its own time. */
export interface CardConnection {
  /** False while the slot is empty. */
  readonly present: boolean;
  /** One command APDU in, data and SW out. Rejects with SIM_CARD when the card has gone. */
  transmit(apdu: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** Power off and on: channels and session context are gone. Rejects with SIM_CARD. */
  reset(): undefined | Promise<void>;
  /** Whom the profile now active makes of the module; undefined when none is. */
  subscriber(): CardProcedure<Subscriber | undefined>;
  /** A card came or went. */
  onPresence(fn: () => void): Disposer;
}

export type SimRat = "lte-m" | "cat-1bis" | "nb-iot" | "gsm";

/** An operator that said no on the way. EMM cause, 3GPP TS 24.301 §9.9.3.9. */
export interface Refusal {
  readonly plmn: string;
  readonly cause: number;
}

/** Which operators a module may try: by hand only one, by itself none of those that its card forbids. */
export interface NetworkChoice {
  readonly only?: string | undefined;
  readonly except?: readonly string[];
}

export type Attach =
  | {
      readonly kind: "registered";
      readonly plmn: string;
      readonly operator: string;
      readonly roaming: boolean;
      readonly tac: string;
      readonly cellId: string;
      readonly rsrpDbm: number;
      /** By whom it was refused before. */
      readonly refusals: readonly Refusal[];
    }
  /** By all in reach; the first of them. */
  | ({ readonly kind: "rejected"; readonly refusals: readonly Refusal[] } & Refusal)
  | { readonly kind: "no-coverage" };

/** Who asks for service: both numbers, since operators know the IMSI and fleets speak of the ICCID. */
export interface Subscriber {
  readonly imsi: string;
  readonly iccid: string;
}

/** An operator in reach, as a search finds it. */
export interface VisibleOperator {
  readonly plmn: string;
  readonly name: string;
  readonly shortName: string;
  /** Whether it would serve this subscriber. */
  readonly allowed: boolean;
}

export type Session =
  | { readonly kind: "up"; readonly apn: string; readonly address: string; readonly dns: readonly string[] }
  /** ESM cause, 3GPP TS 24.301 §9.9.4.4. */
  | { readonly kind: "refused"; readonly esmCause: number };

/** For the APN's authentication (PAP, CHAP). */
export interface SessionCredentials {
  readonly user: string;
  readonly password: string;
}

/** Countries, operators, who lets whom roam, and where the vehicle stands. */
export interface RadioWorld {
  /** What a module with this subscription and technology finds where the vehicle stands now, trying one operator after the other. */
  attach(subscriber: Subscriber, rat: SimRat, choice?: NetworkChoice): Attach;
  /** Whether an operator that has let the subscriber in still does. */
  serves(subscriber: Subscriber, rat: SimRat, plmn: string): boolean;
  /** RSRP of this operator's cells here and now, in dBm. */
  received(plmn: string): number | undefined;
  /** Whether this subscription gets a session on this APN there; an empty APN asks for the subscription's default. */
  session(subscriber: Subscriber, plmn: string, apn: string, credentials?: SessionCredentials): Session;
  /** Whether this operator grants PSM and eDRX to its own, or to roamers. */
  letsSleep(plmn: string, roaming: boolean): boolean;
  /** What a search on this technology finds. */
  scan(subscriber: Subscriber | undefined, rat: SimRat): readonly VisibleOperator[];
  /** The network's time and zone (3GPP TS 22.042), told at attach; undefined where the operator tells none. */
  networkTime(plmn: string): { readonly utcMs: number; readonly zoneMinutes: number } | undefined;
  /** Coverage, position or agreements changed. */
  onChange(fn: () => void): Disposer;
  /** ISO 3166-1 alpha-2. */
  readonly country: string;
}

/** Whether the vehicle's datagrams reach the servers at this moment; the module's PDP context is what switches it. */
export interface Bearer {
  readonly up: boolean;
  onChange(fn: (up: boolean) => void): Disposer;
}
