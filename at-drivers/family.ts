// What tells one family of modules from another: facts in which they differ, and the operations that every family offers.
// A family is one file in families/ and one row in families/table.ts; families/generic-3gpp.ts walks the facts.

import type { CounterLine } from "./commands/counters.ts";
import type { AtCommand, AtPort } from "./engine/types.ts";
import type { FamilyName } from "./families/names.ts";
import type { DataSession, OperatorFound, PdpAuth, SimState } from "./modem.ts";
import type { ModemIdentity, PdpContext, Rat, RefreshStep, Registration, SignalQuality } from "./types.ts";

/** How a module tells the ICCID: AT+CCID, AT+QCCID, AT+CICCID, AT#CCID, AT+ICCID, AT%XICCID, or EF.ICCID read with AT+CRSM. */
export type IccidWay = "ccid" | "qccid" | "ciccid" | "hash-ccid" | "iccid" | "xiccid" | "crsm";

/** How the credentials of a context are written: the command, and where makes disagree, which of the two strings stands first. */
export type AuthWay = "cgauth" | "cgauth-password-first" | "qicsgp" | "uauthreq" | "uauthreq-password-first" | "pdpauth";

/** How a module tells its signal in more than AT+CSQ. */
export type SignalWay = "cesq" | "qcsq" | "cpsi-units" | "cpsi-indexes" | "rfsts" | "xmonitor";

/** How a module tells with which operator's configuration it runs: Quectel's MBN, u-blox' MNO profile. */
export type OperatorProfileWay = "qmbncfg" | "umnoprof";

/**
 * Where the network's time is read: AT+CCLK in local time while AT+CTZU says that the network sets it, the same with SIMCom's AT+CLTS, or
 * Quectel's AT+QLTS.
 */
export type ClockWay = "cclk" | "clts" | "qlts";

/** How well a fact is known; see docs/modules.md. What is `unknown` is tried at run time. */
export type Grade = "captured" | "documented" | "simulated" | "unknown";

/** What a family's file says something about, each graded in docs/modules.md. */
export type Topic =
  | "identity"
  | "apdu"
  | "apdu-limits"
  | "get-response"
  | "iccid"
  | "boot"
  | "reset"
  | "refresh"
  | "start"
  | "registration"
  | "act"
  | "radio"
  | "bands"
  | "signal"
  | "clock"
  | "auth"
  | "data-interface"
  | "psm"
  | "edrx"
  | "operator-profile"
  | "counters"
  | "own-lpa";

export interface Knowledge {
  readonly grade: Grade;
  /** Codes of docs/modules.md's sources; none for what is unknown. */
  readonly sources: readonly string[];
  /** What the quirks alone do not say. */
  readonly note?: string;
}

/** What a write demands of the module, and when what was written holds. */
export interface Terms {
  /** The function level it must be brought to before the write; undefined: any. */
  readonly level: 0 | 4 | undefined;
  /** `restarts`: the module restarts by itself as soon as it is written, so it cannot be read back. */
  readonly holds: "at-once" | "after-reset" | "restarts";
}

/** A value that the module keeps: read, compared, and written only where it differs. */
export interface Setting {
  readonly name: string;
  readonly read: AtCommand<readonly [], string>;
  readonly write: AtCommand<readonly [value: string], void>;
  /** Says in which order technologies are searched, not which are searched: a reading is understood without it. */
  readonly onlyOrder?: boolean;
}

/** A setting that a family's modules are brought to at each start, as far as they know it. */
export interface StartSetting {
  readonly setting: Setting;
  readonly value: string;
  /** Why, in words for docs/modules.md. */
  readonly why: string;
}

/** One choice of technologies that a family can make: what stands in each of its settings. */
export interface RadioMode {
  /** Most preferred first. */
  readonly rats: readonly Rat[];
  /** One for each of `settings`, in their order; undefined: it does not matter. */
  readonly values: readonly (string | undefined)[];
}

/** How the technologies of a family are chosen, as a table. */
export interface RadioTable {
  readonly settings: readonly Setting[];
  readonly modes: readonly RadioMode[];
  readonly terms: Terms;
}

/** How the bands of a family are chosen. */
export interface BandTable {
  readonly read: AtCommand<readonly [], BandReading>;
  /** Command lines for what is wanted, given what was read; several where technologies have a command each. */
  readonly write: (wanted: Bands, present: BandReading) => readonly string[];
  readonly terms: Terms;
  /** An empty list stands for all bands; elsewhere it would leave the module without any, and is refused. */
  readonly noneIsAll?: boolean;
}

export interface BandReading {
  readonly bands: Bands;
  /** The values as read, for what a write must repeat. */
  readonly raw: readonly string[];
}

/**
 * 3GPP band numbers by technology, ascending; none: all that the module has, where it can be said so. A technology that is missing is not
 * chosen by itself, or to be left as it is.
 */
export type Bands = Readonly<Partial<Record<Rat, readonly number[]>>>;

/** How the host gets at the packets: a network interface of its own over USB, or PPP on a serial line. */
export type DataInterfaceKind = "ecm" | "rndis" | "ppp";

/** What an interface of a kind needs. */
export interface DataInterfaceWay {
  readonly kind: DataInterfaceKind;
  /** The module's USB composition, and its value for this kind; undefined: there is nothing to set. */
  readonly composition?: { readonly setting: Setting; readonly value: string; readonly terms: Terms };
  /** What binds a context to the interface and takes it away again; undefined: it comes up with the context. */
  readonly start?: AtCommand<readonly [cid: number], void>;
  readonly stop?: AtCommand<readonly [cid: number], void>;
  /** PPP: what is dialled, such as `*99***1#`. */
  readonly dial?: (cid: number) => string;
}

/** How a module tells what its contexts have carried. */
export interface DataCounterWay {
  readonly read: AtCommand<readonly [], readonly CounterLine[]>;
  /** Without it nothing is counted; it begins anew with each. */
  readonly begin?: AtCommand<readonly [], void>;
  /** What is less than this is not shown. */
  readonly stepBytes: number;
  /** What it begins with behind a start of the module: zero, what was last saved, or nobody knows. */
  readonly afterStart: "zero" | "saved" | "unknown";
}

/** What the module has counted of a context; by what it is known to count, the octets of IP packets. */
export interface DataCounters {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly stepBytes: number;
  readonly afterStart: DataCounterWay["afterStart"];
}

/** Facts in which modules differ. */
export interface ModemQuirks {
  /** How the host reaches the SIM's channels, in order of preference; what works is found by trying. */
  readonly apdu: readonly ("ccho-cgla" | "csim")[];
  /** Keeps the card to the host while it speaks over AT+CSIM; undefined: the module needs nothing of the kind. */
  readonly csimLock: { readonly lock: AtCommand<readonly [], void>; readonly unlock: AtCommand<readonly [], void> } | undefined;
  /** The most data octets of a command APDU. */
  readonly maxCommandDataBytes: number;
  /** The longest command line it takes, `AT` included; undefined: nowhere said. */
  readonly maxLineChars: number | undefined;
  /** After a change of profile: what makes the module read the card again when the card's own REFRESH does not; what it cannot do is left out. */
  readonly refresh: readonly RefreshStep[];
  /** How long the module may be busy with the SIM after a change, or after a step of the refresh ladder. */
  readonly settleMs: number;
  /** Takes the card's power away and gives it back, one after the other; undefined: the module has nothing for it. */
  readonly simPower: { readonly off: AtCommand<readonly [], void>; readonly on: AtCommand<readonly [], void> } | undefined;
  /** In order of preference; what works is found by trying. */
  readonly iccid: readonly IccidWay[];
  /** Silence it wants between a final result and the next command. */
  readonly gapMs: number;
  /** Restarts it: the first that is not refused counts. */
  readonly resets: readonly AtCommand<readonly [], void>[];
  /** How long to leave it alone after a reset. */
  readonly bootMs: number;
  /** Beginnings of lines that say that it has started. */
  readonly bootLines: readonly string[];
  /** Beginnings of other unsolicited lines, as far as they are not of the form `+NAME:`. */
  readonly urcs: readonly string[];
  /** <AcT> where its numbering departs from 3GPP TS 27.007 §7.3. */
  readonly rats: Readonly<Record<number, Rat>>;
  /** What it is brought to at each start besides what every module is. */
  readonly start: readonly StartSetting[];
  /** In order of preference; what works is found by trying. */
  readonly signal: readonly SignalWay[];
  /** In order of preference; what the module does not know gives way to the next. */
  readonly clock: readonly ClockWay[];
  /** <onoff> of +CTZU with which +CCLK shows local time, as 3GPP TS 27.007 has it; Quectel's 1 makes it universal time. */
  readonly localCtzu: 1 | 3;
  /** How often AT+COPS=? is tried before its ERROR counts. */
  readonly scanTries: number;
  /** How long AT+COPS=? may take: every band of every technology, one after the other. */
  readonly scanMs: number;
  /** Empties EF.FPLMN where +CRSM does not reach it. */
  readonly clearForbidden: AtCommand<readonly [], void> | undefined;
  /** The context that an LTE attachment uses. */
  readonly defaultCid: number;
  /** In order of preference; a way that is refused gives way to the next. */
  readonly auth: readonly AuthWay[];
  /** undefined: technologies cannot be chosen by any command known. */
  readonly radio: RadioTable | undefined;
  readonly bands: BandTable | undefined;
  /** In order of preference. */
  readonly dataInterfaces: readonly DataInterfaceWay[];
  /** Tells the PSM timers that the network granted, where +CEREG does not. */
  readonly grantedPsm: AtCommand<readonly [], PsmTimers | undefined> | undefined;
  /** A changed eDRX holds after a restart only. */
  readonly edrxNeedsReset: boolean;
  readonly operatorProfile: OperatorProfileWay | undefined;
  /** undefined: no command for it is known. */
  readonly counters: DataCounterWay | undefined;
  /** Commands of a module's own LPA: an answer other than a refusal means that it has one. */
  readonly ownLpa: readonly OwnLpaQuestion[];
}

export interface OperatorChoice {
  readonly mode: "automatic" | "manual" | "deregistered";
  /** The operator registered on, MCC and MNC digits. */
  readonly plmn: string | undefined;
  readonly rat: Rat | undefined;
}

/** Switches the radio for a write that wants it off. `on` restores what the owner of the module wants, and no signal may stop it. */
export interface RadioSwitch {
  off(level: 0 | 4): Promise<void>;
  on(): Promise<void>;
}

/** What a write came to. */
export interface Change {
  /** Something differed and was written. */
  readonly changed: boolean;
  /** What was written holds only after a reset, which is the caller's to do. False when nothing was. */
  readonly needsReset: boolean;
}

/** The technologies a module may use. */
export interface RadioAccess {
  /** Most preferred first; undefined: it is set to something that the family's table does not have. */
  readonly rats: readonly Rat[] | undefined;
  /** The settings as read, for display. */
  readonly read: Readonly<Record<string, string>>;
}

/** 3GPP TS 24.008 §10.5.7.4a, §10.5.7.3: periodic TAU (T3412 extended) and active time (T3324); undefined: deactivated. */
export interface PsmTimers {
  readonly periodicTauSeconds: number | undefined;
  readonly activeSeconds: number | undefined;
}

export interface PowerSaving {
  /** Whether PSM is asked for, and the timers asked for. */
  readonly enabled: boolean;
  readonly requested: PsmTimers;
  /** As the network granted them; undefined: none, which is what "refused" looks like, or the module does not tell. */
  readonly granted: PsmTimers | undefined;
}

/** 3GPP TS 24.008 §10.5.5.32: the cycle and, granted only, the paging time window. */
export interface Edrx {
  readonly rat: "lte-m" | "nb-iot";
  /** undefined: the network does not use it. */
  readonly cycleSeconds: number | undefined;
  readonly pagingWindowSeconds: number | undefined;
}

export interface EdrxState {
  /** What is asked for, by technology; empty: eDRX is off. */
  readonly requested: readonly Edrx[];
  /** For the technology in use; undefined: none in use, or the module does not tell. */
  readonly granted: Edrx | undefined;
}

export interface OperatorProfile {
  readonly name: string;
  /** Chosen by the card's ICCID or IMSI; undefined: the module does not tell. */
  readonly automatic: boolean | undefined;
}

export interface OwnLpaQuestion {
  readonly command: AtCommand<readonly [], string>;
  /** Whether the answer says that it is switched on; undefined where the answer does not say. */
  readonly isOn: (answer: string) => boolean | undefined;
  /** What an operator does about it. */
  readonly remedy: string;
}

/** A module that manages the eUICC itself: two owners of one ISD-R end each other's sessions. */
export interface OwnLpa {
  readonly command: string;
  readonly on: boolean | undefined;
  readonly remedy: string;
}

/** 3GPP TS 27.007 §7.15, as far as it has numbers. */
export interface FailureCause {
  readonly text: string;
  readonly kind: "emm" | "esm" | undefined;
  readonly cause: number | undefined;
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
  /** Takes the card's power away, or gives it back. Throws MODEM_UNABLE where the module has no command for it. */
  setSimPower(port: AtPort, on: boolean): Promise<void>;
  /** 0 minimum, 1 full, 4 flight. */
  setFunction(port: AtPort, level: 0 | 1 | 4): Promise<void>;
  functionLevel(port: AtPort): Promise<number>;
  reset(port: AtPort): Promise<void>;
  registration(port: AtPort): Promise<Registration>;
  signal(port: AtPort): Promise<SignalQuality>;
  /** Why the last attempt failed; undefined where the module has nothing to say. */
  failureCause(port: AtPort): Promise<FailureCause | undefined>;

  contexts(port: AtPort): Promise<readonly PdpContext[]>;
  defineContext(port: AtPort, context: PdpContext): Promise<void>;
  /** By the family's ways in turn; some want the APN with it, which is read from the definition. */
  authenticate(port: AtPort, cid: number, auth: PdpAuth): Promise<void>;
  /** Takes away credentials that the module may hold; nothing is written where it says that there are none, and one that knows no credentials has none. */
  dropCredentials(port: AtPort, cid: number): Promise<void>;
  attach(port: AtPort, attached: boolean): Promise<void>;
  isAttached(port: AtPort): Promise<boolean>;
  activate(port: AtPort, cid: number, active: boolean): Promise<void>;
  isActive(port: AtPort, cid: number): Promise<boolean>;
  /** The session as the module describes it; undefined while the context has no address. */
  session(port: AtPort, cid: number): Promise<DataSession | undefined>;
  /** The interface the module's USB composition offers; undefined where it cannot be asked. */
  dataInterface(port: AtPort): Promise<DataInterfaceKind | undefined>;
  /** Throws MODEM_UNABLE for a kind the family does not have. */
  setDataInterface(port: AtPort, kind: DataInterfaceKind, radio: RadioSwitch): Promise<Change>;
  /** Binds the context to the interface; nothing where it comes up with the context. */
  startDataInterface(port: AtPort, kind: DataInterfaceKind, cid: number): Promise<void>;
  stopDataInterface(port: AtPort, kind: DataInterfaceKind, cid: number): Promise<void>;
  /** undefined where the family has no command for it, the module does not know it, or it says nothing of that context. Throws AT_REPLY. */
  dataCounters(port: AtPort, cid: number): Promise<DataCounters | undefined>;

  operator(port: AtPort): Promise<OperatorChoice>;
  /** `undefined` for automatic choice; a technology is named only where one is given and the family numbers it. */
  selectOperator(port: AtPort, plmn: string | undefined, rat?: Rat): Promise<void>;
  scan(port: AtPort): Promise<readonly OperatorFound[]>;
  /** EF.FPLMN, MCC and MNC digits; empty where it cannot be read. */
  forbiddenOperators(port: AtPort): Promise<readonly string[]>;
  /** Empties EF.FPLMN; modules that keep a copy of it notice at the next switching on of the radio. Answers whether something stood there. */
  clearForbiddenOperators(port: AtPort): Promise<boolean>;
  /** The module's clock as universal time, where a network has set it. */
  networkTime(port: AtPort): Promise<number | undefined>;

  /** undefined where the family has no command for it. */
  radioAccess(port: AtPort): Promise<RadioAccess | undefined>;
  /**
   * One of `quirks.radio.modes`; the order counts where the family has a mode with that order. Read first, written only where it differs
   * (a rewrite deregisters), read back. Throws MODEM_UNABLE for what the family does not offer, AT_REPLY when it reads back otherwise.
   */
  setRadioAccess(port: AtPort, rats: readonly Rat[], radio: RadioSwitch): Promise<Change>;
  bands(port: AtPort): Promise<Bands | undefined>;
  /** Technologies not named stay as they are; same manner and errors as setRadioAccess. */
  setBands(port: AtPort, bands: Bands, radio: RadioSwitch): Promise<Change>;

  /** undefined where the module does not know AT+CPSMS. */
  powerSaving(port: AtPort): Promise<PowerSaving | undefined>;
  /** undefined switches PSM off. Written only where it differs; a timer is rounded up to what 3GPP TS 24.008 can express. */
  setPowerSaving(port: AtPort, timers: PsmTimers | undefined): Promise<Change>;
  edrx(port: AtPort): Promise<EdrxState | undefined>;
  /** `cycleSeconds` undefined switches eDRX off for the technology. */
  setEdrx(port: AtPort, rat: Edrx["rat"], cycleSeconds: number | undefined): Promise<Change>;

  /** undefined where the family has none, or the module does not tell. */
  operatorProfile(port: AtPort): Promise<OperatorProfile | undefined>;
  /** A module's own LPA, asked for by its commands; undefined: none answers. */
  ownLpa(port: AtPort): Promise<OwnLpa | undefined>;
}

export interface ModemFamily {
  readonly id: FamilyName;
  /** The modules it covers, in words. */
  readonly modules: string;
  /** Where what this file says was learnt. */
  readonly source: string;
  match(identity: ModemIdentity): boolean;
  readonly quirks: ModemQuirks;
  /** How well each of its quirks is known. */
  readonly knows: Readonly<Record<Topic, Knowledge>>;
  /** What only hardware can tell. */
  readonly gaps: readonly string[];
  /** Operations in which it departs from the generic ones. */
  readonly override?: Partial<ModemOps>;
}
