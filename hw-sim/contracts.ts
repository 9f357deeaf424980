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

export type SimRat = "lte-m" | "cat-1bis" | "nb-iot" | "gsm";

export type Attach =
  | { readonly kind: "registered"; readonly plmn: string; readonly operator: string; readonly roaming: boolean; readonly tac: string; readonly cellId: string; readonly rsrpDbm: number }
  /** EMM cause, 3GPP TS 24.301 §9.9.3.9. */
  | { readonly kind: "rejected"; readonly plmn: string; readonly cause: number }
  | { readonly kind: "no-coverage" };

/** Countries, operators, who lets whom roam, and where the vehicle stands. */
export interface RadioWorld {
  /** What a module with this subscription and technology finds where the vehicle stands now; `manualPlmn` when it may try only that one. */
  attach(imsi: string, rat: SimRat, manualPlmn?: string): Attach;
  /** Whether this subscription gets a session on this APN there. */
  session(imsi: string, plmn: string, apn: string): { readonly kind: "up"; readonly address: string } | { readonly kind: "refused"; readonly esmCause: number };
  /** Coverage, position or agreements changed. */
  onChange(fn: () => void): Disposer;
  readonly country: string;
}

/** Whether the vehicle's datagrams reach the servers at this moment; the module's PDP context is what switches it. */
export interface Bearer {
  readonly up: boolean;
  onChange(fn: (up: boolean) => void): Disposer;
}
