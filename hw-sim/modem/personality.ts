// What a make of module is: one row of data each. The interpreter and the SIM side read it; nothing else knows makes apart.
import type { SimRat } from "../contracts.ts";

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
}

export interface Personality {
  readonly id: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly revision: string;
  /** In the order in which the module tries them. */
  readonly rats: readonly SimRat[];
  /** <AcT> by technology (3GPP TS 27.007 §7.3); makes differ for LTE-M. */
  readonly act: Readonly<Record<SimRat, number>>;
  /** Commands that tell the ICCID, and the prefix of their answer. */
  readonly iccidCommands: Readonly<Record<string, string>>;
  /** What +CCHO answers: "+CCHO: 1", "1", or "+CCHO: 00000000038aa32f". */
  readonly ccho: "prefixed" | "bare" | "long-hex";
  /** Prints a +CCHC line before OK. */
  readonly cchcLine: boolean;
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
  readonly maxLineChars: number;
  readonly bootLines: readonly string[];
  /** Whether +CREG shows the circuit-switched domain too. */
  readonly csDomain: boolean;
  readonly timings: ModemTimings;
}

/** No make in particular: 3GPP TS 27.007 where it says something, the most frequent habit where it does not. */
export const generic3gpp: Personality = {
  id: "generic",
  manufacturer: "Simward",
  model: "VM-1",
  revision: "VM1R01A01",
  rats: ["cat-1bis", "gsm"],
  act: { gsm: 0, "cat-1bis": 7, "lte-m": 7, "nb-iot": 9 },
  iccidCommands: { "+CCID": "+CCID", "+QCCID": "+QCCID", "+CICCID": "+ICCID" },
  ccho: "prefixed",
  cchcLine: false,
  getResponse: "host",
  responseChunkBytes: 256,
  maxApduBytes: 261,
  maxChannels: 3,
  refresh: "handled",
  cchoErrors: { notFound: 22, noChannel: 20 },
  // TERMINAL PROFILE, FETCH, TERMINAL RESPONSE and ENVELOPE: the module's own toolkit session.
  csimForbidden: [0x10, 0x12, 0x14, 0xc2],
  maxLineChars: 2_048,
  bootLines: ["RDY"],
  csDomain: true,
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
  },
};

/** By id, for the command line. */
export const personalities: Readonly<Record<string, Personality>> = { [generic3gpp.id]: generic3gpp };
