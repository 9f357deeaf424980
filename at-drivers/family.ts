// What tells one family of modules from another: facts in which they differ, and the operations that every family offers.
// A family is one file in families/ and one row in families/table.ts.
import type { AtPort } from "./engine/types.ts";
import type { DataSession, OperatorFound, PdpAuth, SimState } from "./modem.ts";
import type { ModemIdentity, PdpContext, Rat, RefreshStep, Registration, SignalQuality } from "./types.ts";

/** How a module tells the ICCID: AT+CCID, AT+QCCID, AT+CICCID, or EF.ICCID read with AT+CRSM. */
export type IccidWay = "ccid" | "qccid" | "ciccid" | "crsm";

/** Facts in which modules differ. */
export interface ModemQuirks {
  /** How the host reaches the SIM's channels, in order of preference; what works is found by trying. */
  readonly apdu: readonly ("ccho-cgla" | "csim")[];
  /** The most data octets of a command APDU. */
  readonly maxCommandDataBytes: number;
  /** After a change of profile: what makes the module read the card again when the card's own REFRESH does not. */
  readonly refresh: readonly RefreshStep[];
  /** How long the module may be busy with the SIM after a change, or after a step of the refresh ladder. */
  readonly settleMs: number;
  /** In order of preference; what works is found by trying. */
  readonly iccid: readonly IccidWay[];
  /** Silence it wants between a final result and the next command. */
  readonly gapMs: number;
  /** How long to leave it alone after a reset. */
  readonly bootMs: number;
  /** Beginnings of lines that say that it has started. */
  readonly bootLines: readonly string[];
  /** Beginnings of other unsolicited lines, as far as they are not of the form `+NAME:`. */
  readonly urcs: readonly string[];
  /** <AcT> where its numbering departs from 3GPP TS 27.007 §7.3. */
  readonly rats: Readonly<Record<number, Rat>>;
}

export interface OperatorChoice {
  readonly mode: "automatic" | "manual" | "deregistered";
  /** The operator registered on, MCC and MNC digits. */
  readonly plmn: string | undefined;
  readonly rat: Rat | undefined;
}

/** Operations every family offers; a family overrides only what differs. */
export interface ModemOps {
  /** No echo, numeric errors, DTR ignored. */
  initialise(port: AtPort): Promise<void>;
  /** URCs on registration, packet service and time; operators as numbers. Read first, written only where it differs. */
  subscribe(port: AtPort): Promise<void>;
  identity(port: AtPort): Promise<ModemIdentity>;
  imei(port: AtPort): Promise<string>;
  imsi(port: AtPort): Promise<string>;
  /** 18 to 20 digits, without padding. */
  iccid(port: AtPort): Promise<string>;
  simState(port: AtPort): Promise<SimState>;
  /** 0 minimum, 1 full, 4 flight. */
  setFunction(port: AtPort, level: 0 | 1 | 4): Promise<void>;
  functionLevel(port: AtPort): Promise<number>;
  reset(port: AtPort): Promise<void>;
  registration(port: AtPort): Promise<Registration>;
  signal(port: AtPort): Promise<SignalQuality>;
  contexts(port: AtPort): Promise<readonly PdpContext[]>;
  defineContext(port: AtPort, context: PdpContext): Promise<void>;
  authenticate(port: AtPort, cid: number, auth: PdpAuth): Promise<void>;
  attach(port: AtPort, attached: boolean): Promise<void>;
  isAttached(port: AtPort): Promise<boolean>;
  activate(port: AtPort, cid: number, active: boolean): Promise<void>;
  isActive(port: AtPort, cid: number): Promise<boolean>;
  /** The session as the module describes it; undefined while the context has no address. */
  session(port: AtPort, cid: number): Promise<DataSession | undefined>;
  operator(port: AtPort): Promise<OperatorChoice>;
  /** `undefined` for automatic choice. */
  selectOperator(port: AtPort, plmn: string | undefined): Promise<void>;
  scan(port: AtPort): Promise<readonly OperatorFound[]>;
  /** The module's clock as universal time, where a network has set it. */
  networkTime(port: AtPort): Promise<number | undefined>;
}

export interface ModemFamily {
  readonly id: string;
  /** Where what this file says was learnt. */
  readonly source: string;
  match(identity: ModemIdentity): boolean;
  readonly quirks: ModemQuirks;
  /** Operations in which it departs from the generic ones. */
  readonly override?: Partial<ModemOps>;
}
