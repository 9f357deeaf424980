// What a make of module is: one row of data each. The interpreter and the SIM side read it; nothing else knows makes apart.
import type { SimRat } from "../contracts.ts";
import type { CommandRow } from "./commands/command.ts";
import type { CounterHabit } from "./counters.ts";
import type { RegistrationCommand } from "./registration-lines.ts";
import type { VendorSettings } from "./vendor-settings.ts";

/** How long the module takes, in milliseconds of the injected clock. */
export interface ModemTimings {
  /** From power to the first line. */
  readonly bootMs: number;
  /** From power or reset of the card until it can be used, with what commands on the SIM answer meanwhile (+CME ERROR). */
  readonly simBusy: readonly { readonly ms: number; readonly cme: number }[];
  /** How long after a change of profile the former ICCID is still answered. */
  readonly lateIccidMs: number;
  /** From the card's 91xx to the module's FETCH. */
  readonly fetchMs: number;
  /** A search for an operator. */
  readonly searchMs: number;
  /** Pause between searches while there is nothing to register on. */
  readonly searchAgainMs: number;
  /** AT+COPS=? */
  readonly scanMs: number;
  /** Switching the radio on or off. */
  readonly radioMs: number;
  /** T3411 (3GPP TS 24.301 §10.2): after an attach that failed for its PDN connection. */
  readonly attachAgainMs: number;
  /** What every APDU of the host takes on top. */
  readonly apduMs: number;
  /** From the command that switches it off to the module's last line. */
  readonly powerDownMs: number;
}

/** What a level of +CFUN does; what is left out stays as it is. */
export interface FunctionEffect {
  readonly radio?: boolean;
  readonly sim?: boolean;
  readonly reset?: boolean;
  /** What +CFUN? shows from then on: the level by default. */
  readonly shows?: number | "as before";
}

/** Lines of +CGEV, "{cid}" and "{address}" filled in; several where a make prints several. */
export interface CgevTexts {
  readonly attached: readonly string[];
  readonly activated: readonly string[];
  readonly deactivated: Readonly<Record<"ME" | "NW", readonly string[]>>;
  readonly detached: Readonly<Record<"ME" | "NW", readonly string[]>>;
}

/** +CREG, +CGREG and +CEREG. */
export interface RegistrationShape {
  /** The values of <n> each takes. */
  readonly modes: Readonly<Record<RegistrationCommand, readonly number[]>>;
  /** Where an EPS line has one field more (<rac> or <mme>), and for which <n>. */
  readonly routingArea: { readonly at: "middle" | "end"; readonly modes: readonly number[] } | undefined;
  /** Absent: a line ends behind the cell. */
  readonly act: "present" | "absent";
  readonly hex: "upper" | "lower";
}

/** An unsolicited line; with `if`, only while that setting is other than "0". */
export type UrcLine = string | { readonly text: string; readonly if: string };

export interface Personality {
  readonly id: string;
  /** Whose modules it stands for. */
  readonly makes: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly revision: string;
  /** Answers of identification, by command ("I9": ATI9): {manufacturer}, {model}, {revision}, {imei}. */
  readonly identity: Readonly<Record<string, readonly string[]>>;
  /** In the order in which the module tries them. */
  readonly rats: readonly SimRat[];
  /** Which of them its settings leave; all where a make has no such setting. */
  readonly chosenRats: ((settings: VendorSettings) => readonly SimRat[]) | undefined;
  /** <AcT> by technology (3GPP TS 27.007 §7.3); makes differ for LTE-M. */
  readonly act: Readonly<Record<SimRat, number>>;
  /** Commands that tell the ICCID, and their answer: {iccid} digits, {padded} with the F that fills the last octet. */
  readonly iccidCommands: Readonly<Record<string, string>>;
  /** What +CCHO answers: "+CCHO: 1", "1", or "+CCHO: 00000000038aa32f". */
  readonly ccho: "prefixed" | "bare" | "long-hex";
  /** Prints a +CCHC line before OK. */
  readonly cchcLine: boolean;
  /** +CCHC of a session that is not open. */
  readonly cchcUnknown: "ok" | "error";
  /** Who follows 61xx with GET RESPONSE. */
  readonly getResponse: "host" | "module";
  /** Where the host follows 61xx: the most data octets of one response; more is answered in pieces. */
  readonly responseChunkBytes: number;
  readonly maxApduBytes: number;
  /** Logical channels besides the basic one. */
  readonly maxChannels: number;
  /** Whether the module fetches the card's REFRESH and reads the card again by itself. */
  readonly refresh: "handled" | "ignored";
  /** +CME ERROR of +CCHO for an application the card does not have, and when no channel is free. */
  readonly cchoErrors: { readonly notFound: number; readonly noChannel: number };
  /** Instructions that +CSIM keeps for the module itself. */
  readonly csimForbidden: readonly number[];
  /** What +CCHO=?, +CGLA=?, +CCHC=? and +CSIM=? answer, whatever the commands themselves do. */
  readonly apduTest: "ok" | "error" | "silent";
  /** An assistant of the module's own that holds the ISD-R: this setting switches it off, from the next start of the module. */
  readonly ownLpa: { readonly setting: string } | undefined;
  /** Of a command line, "AT" included. */
  readonly maxLineChars: number;
  /** Commands on one line. */
  readonly maxCommands: number;
  /** What stands around every line and final result code (V.250 §5.7.1), but for makes that know better. */
  readonly frame: { readonly head: string; readonly tail: string };
  /** stuck: ATE0 is answered OK and changes nothing. */
  readonly echo: "on" | "off" | "stuck";
  /** +CMEE after a start: 0 plain ERROR, 1 number, 2 words. */
  readonly cmee: 0 | 1 | 2;
  /** Words whatever +CMEE says. */
  readonly cmeAlwaysText: boolean;
  /** What comes out of the port before the first line. */
  readonly bootNoise: string;
  readonly bootLines: readonly string[];
  readonly simLines: { readonly starting: readonly UrcLine[]; readonly ready: readonly UrcLine[]; readonly absent: readonly UrcLine[] };
  /** Commands that are refused with SIM busy while the card starts, though they have nothing to do with it. */
  readonly busyWithSim: readonly string[];
  readonly functionLevels: Readonly<Record<number, FunctionEffect>>;
  /** The level after a start. */
  readonly bootLevel: number;
  /** Levels that outlive a reset and a power cut. */
  readonly keptLevels: readonly number[];
  /** Whether AT+CFUN=1,1 resets. */
  readonly resetByCfun: boolean;
  /** The rate of the line (+IPR) after a start; 0: the module follows its host. */
  readonly baud: number;
  /** Another rate after a reset by command than the host has set. */
  readonly baudAfterReset: number | undefined;
  /** Whether +CREG shows the circuit-switched domain too. */
  readonly csDomain: boolean;
  readonly registration: RegistrationShape;
  readonly cops: {
    readonly formats: readonly number[];
    readonly defaultFormat: number;
    /** AT+COPS=0 is obeyed and answered ERROR. */
    readonly automaticSaysError: boolean;
    /** The first search after a start is answered ERROR. */
    readonly firstScanFails: boolean;
    /** A line end behind every operator of the list. */
    readonly brokenLines: boolean;
    /** Any octet from the host ends the search with ABORTED. */
    readonly abortable: boolean;
  };
  /** How +CEER says it: "{domain}", {cause}, "{text}". */
  readonly ceer: { readonly failure: string; readonly none: string };
  readonly contexts: {
    readonly minCid: number;
    readonly maxCid: number;
    /** Which an LTE attach brings up. */
    readonly defaultCid: number;
    /** Whether they outlive a start. */
    readonly kept: boolean;
    /** The first definition after a start is answered ERROR. */
    readonly firstDefinitionFails: boolean;
    /** +CME ERROR of whoever wants to take down the last one of LTE. */
    readonly lastPdnCme: number;
  };
  /** Of octets, where a make tells them: what is left of them behind a start, and of how many bits they are. */
  readonly counters: { readonly habit: CounterHabit; readonly bits: number };
  /** Fields of +CGAUTH behind <auth_prot>. */
  readonly cgauth: { readonly order: "user-password" | "password-user"; readonly maxChars: number };
  /** What +CGCONTRDP tells; short: it ends behind the APN. */
  readonly cgcontrdp: "full" | "short";
  readonly cgev: CgevTexts;
  /** +CGEREP after a start. */
  readonly cgerep: 0 | 1 | 2;
  /** Commands of every module that this one does not have. */
  readonly without: readonly string[];
  /** What it has besides, or in place of those of every module. */
  readonly commands: readonly CommandRow[];
  readonly timings: ModemTimings;
}

/** No make in particular: 3GPP TS 27.007 where it says something, the most frequent habit where it does not. */
export const generic3gpp: Personality = {
  id: "generic",
  makes: "no make in particular, LTE Cat-1bis with GSM",
  manufacturer: "Simward",
  model: "VM-1",
  revision: "VM1R01A01",
  identity: { I: ["{manufacturer}", "{model}", "Revision: {revision}"] },
  rats: ["cat-1bis", "gsm"],
  chosenRats: undefined,
  act: { gsm: 0, "cat-1bis": 7, "lte-m": 7, "nb-iot": 9 },
  iccidCommands: { "+CCID": "+CCID: {iccid}", "+QCCID": "+QCCID: {iccid}", "+CICCID": "+ICCID: {iccid}" },
  ccho: "prefixed",
  cchcLine: false,
  cchcUnknown: "error",
  getResponse: "host",
  responseChunkBytes: 256,
  maxApduBytes: 261,
  maxChannels: 3,
  refresh: "handled",
  cchoErrors: { notFound: 22, noChannel: 20 },
  // TERMINAL PROFILE, FETCH, TERMINAL RESPONSE and ENVELOPE: the module's own toolkit session.
  csimForbidden: [0x10, 0x12, 0x14, 0xc2],
  apduTest: "ok",
  ownLpa: undefined,
  maxLineChars: 2_048,
  maxCommands: 200,
  frame: { head: "\r\n", tail: "\r\n" },
  echo: "on",
  cmee: 0,
  cmeAlwaysText: false,
  bootNoise: "",
  bootLines: ["RDY"],
  simLines: { starting: ["+CPIN: NOT READY"], ready: ["+CPIN: READY"], absent: [] },
  busyWithSim: [],
  functionLevels: { 0: { radio: false, sim: false }, 1: { radio: true, sim: true }, 4: { radio: false, sim: true } },
  bootLevel: 1,
  keptLevels: [],
  resetByCfun: true,
  baud: 115_200,
  baudAfterReset: undefined,
  csDomain: true,
  registration: {
    modes: { "+CREG": [0, 1, 2, 3], "+CGREG": [0, 1, 2, 3, 4, 5], "+CEREG": [0, 1, 2, 3, 4, 5] },
    routingArea: undefined,
    act: "present",
    hex: "upper",
  },
  cops: {
    formats: [0, 1, 2],
    defaultFormat: 0,
    automaticSaysError: false,
    firstScanFails: false,
    brokenLines: false,
    abortable: false,
  },
  ceer: { failure: '"{domain} cause",{cause}', none: '"No cause information available",0' },
  contexts: { minCid: 1, maxCid: 8, defaultCid: 1, kept: false, firstDefinitionFails: false, lastPdnCme: 171 },
  counters: { habit: "lost", bits: 48 },
  cgauth: { order: "user-password", maxChars: 64 },
  cgcontrdp: "full",
  cgev: {
    attached: ["PDN ACT {cid}"],
    activated: ["ME PDN ACT {cid}"],
    deactivated: { ME: ["ME PDN DEACT {cid}"], NW: ["NW PDN DEACT {cid}"] },
    detached: { ME: ["ME DETACH"], NW: ["NW DETACH"] },
  },
  cgerep: 0,
  without: [],
  commands: [],
  timings: {
    bootMs: 1_000,
    simBusy: [
      { ms: 400, cme: 13 },
      { ms: 1_100, cme: 14 },
    ],
    lateIccidMs: 800,
    fetchMs: 150,
    searchMs: 1_200,
    searchAgainMs: 15_000,
    scanMs: 45_000,
    radioMs: 300,
    attachAgainMs: 10_000,
    apduMs: 0,
    powerDownMs: 500,
  },
};
