// Answers of the local API about the module: what it is, what it answers, what was changed in it.
import type { PsmReport } from "./net-types.ts";

export interface ModemContext {
  readonly cid: number;
  readonly type: "IP" | "IPV6" | "IPV4V6";
  readonly apn: string;
  /** The one that an LTE attachment of this module uses. */
  readonly attach: boolean;
}

export interface ModemReport {
  readonly schema: "simward/modem/1";
  readonly link: string;
  readonly port?: string;
  readonly reason?: string;
  readonly manufacturer?: string;
  readonly model?: string;
  readonly revision?: string;
  /** As simward knows it; docs/modules.md. */
  readonly family?: string;
  readonly imei?: string;
  readonly iccid?: string;
  readonly sim?: string;
  /** +CFUN: 0 minimum, 1 full, 4 flight. */
  readonly functionLevel?: number;
  readonly contexts: readonly ModemContext[];
  /** Choices of technologies that it can be set to. */
  readonly offered: readonly (readonly string[])[];
  /** Octets of command data that one APDU may carry. */
  readonly apduBytes: number;
  /** Why its own LPA is in the way. */
  readonly ownLpa?: string;
}

export interface ModemExchange {
  readonly line: string;
  readonly answer: readonly string[];
  /** OK, ERROR, +CME ERROR: 10; silent: no answer in time. */
  readonly result: string;
  readonly tookMs: number;
}

export interface ModemSurvey {
  readonly schema: "simward/modem-survey/1";
  readonly modem: ModemReport;
  readonly exchanges: readonly ModemExchange[];
}

export interface AtAnswer {
  readonly schema: "simward/at/1";
  readonly line: string;
  readonly answer: readonly string[];
  readonly result: string;
  readonly tookMs: number;
}

export interface ModemChanged {
  readonly schema: "simward/modem-changed/1";
  readonly what: "apn" | "psm" | "edrx" | "reset" | "operator" | "fplmn";
  /** Something differed and was written. */
  readonly changed: boolean;
  readonly tookMs: number;
  /** It holds only after simward modem reset. */
  readonly needsReset?: boolean;
  /** Registered with it, MCC and MNC digits. */
  readonly plmn?: string;
  /** Of a restart of a module that was registered: whether it is again. */
  readonly registered?: boolean;
  /** Why it is not, as far as the network tells. */
  readonly reason?: string;
}

export interface ForbiddenOperators {
  readonly schema: "simward/fplmn/1";
  /** MCC and MNC digits, as EF.FPLMN of the card holds them. */
  readonly plmns: readonly string[];
}

export interface PsmOrder extends PsmReport {
  readonly enabled: boolean;
}
