// Answers of the local API about connectivity.

import type { ErrorReport } from "../../base/errors.ts";
import type { AuditValue } from "../audit/types.ts";

export interface PathHealth {
  /** unknown: nobody to ask. passing, doubtful, dead: whether something passes. */
  readonly verdict: string;
  /** Every operator in reach was tried, and nobody answers with any. */
  readonly everyOperatorTried?: boolean;
  readonly roundTripMs?: number;
  /** The least of this session. */
  readonly leastRoundTripMs?: number;
  /** Of the last large transfer in this network, and the best of its kind there. */
  readonly bitsPerSecond?: number;
  readonly bestBitsPerSecond?: number;
  /** The last large transfers were all well below that best. */
  readonly throttled?: boolean;
}

export interface RadioReport {
  readonly schema: "simward/radio/1";
  /** As configured, most preferred first; absent: the module's own setting stays. */
  readonly policy?: readonly string[];
  /** What the module may use. */
  readonly rats?: readonly string[];
  readonly offered: readonly (readonly string[])[];
  readonly psm?: {
    readonly enabled: boolean;
    readonly requested: PsmReport;
    readonly granted?: PsmReport;
  };
  readonly edrx?: { readonly requested: readonly EdrxReport[]; readonly granted?: EdrxReport };
  /** Of those in use or in the policy: networks of them are being switched off. */
  readonly sunset: readonly string[];
  /** Asked for, and this network grants none. */
  readonly powerSavingRefused: boolean;
}

export interface PsmReport {
  readonly periodicTauSeconds?: number | undefined;
  readonly activeSeconds?: number | undefined;
}

export interface EdrxReport {
  readonly rat: string;
  readonly cycleSeconds?: number | undefined;
  readonly pagingWindowSeconds?: number | undefined;
}

export interface NetReport {
  readonly schema: "simward/net/1";
  readonly registration: {
    readonly status: string;
    readonly plmn?: string;
    readonly rat?: string;
    /** Hexadecimal. */
    readonly tac?: string;
    readonly cellId?: string;
    /** Why the network refuses, in words. */
    readonly refused?: string;
  };
  readonly signal: { readonly rsrpDbm?: number; readonly rsrqDb?: number; readonly rssiDbm?: number; readonly sinrDb?: number };
  readonly path: PathHealth & {
    readonly up: boolean;
    readonly reason?: string;
    readonly apn?: string;
    readonly address?: string;
    readonly dns?: readonly string[];
    readonly mtuBytes?: number;
  };
  /** automatic: the module chooses. trying, chosen, settling: simward does, because automatic gave no data. */
  readonly choice: string;
  readonly chosen?: string;
  /** What is remembered of operators. */
  readonly operators: readonly {
    readonly plmn: string;
    readonly failing: boolean;
    readonly at: string;
    readonly why?: string;
    readonly rsrpDbm?: number;
  }[];
  readonly radio: RadioReport;
}

export interface SessionsReport {
  readonly schema: "simward/sessions/1";
  readonly current?: {
    readonly start: string;
    readonly seconds: number;
    readonly address: string;
    readonly apn?: string;
    readonly plmn?: string;
    readonly rat?: string;
  };
  /** Since when there is none. */
  readonly gap?: { readonly start: string; readonly reason: string };
  /** session.ended and session.gap of the audit trail, oldest first. */
  readonly records: readonly {
    readonly seq: number;
    readonly time: string;
    readonly event: string;
    readonly [key: string]: AuditValue;
  }[];
}

export interface ProbeReport {
  readonly schema: "simward/probe/1";
  readonly path: PathHealth & { readonly up?: boolean };
  readonly answers: readonly { readonly target: string; readonly answered: boolean; readonly roundTripMs?: number }[];
}

export interface OperatorsReport {
  readonly schema: "simward/operators/1";
  readonly operators: readonly { readonly plmn: string; readonly name: string; readonly status: string }[];
}

export interface ApnTestReport {
  readonly schema: "simward/apn-test/1";
  readonly name: string;
  readonly type: string;
  readonly cid: number;
  /** nothing-passes: there is a session, and nobody answers over it. */
  readonly outcome: "works" | "nothing-passes" | "refused";
  readonly address?: string;
  readonly tookMs: number;
  readonly error?: ErrorReport;
}
