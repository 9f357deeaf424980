// What single firmwares are known to do otherwise, as switches on top of any personality (--quirk NAME).
import { SimwardError } from "../../../base/errors.ts";
import { quectelEsim, quectelLpa } from "../commands/quectel.ts";
import type { Personality } from "../personality.ts";

interface Quirk {
  readonly text: string;
  readonly apply: (personality: Personality) => Personality;
}

const quirk = (text: string, apply: Quirk["apply"]): Quirk => ({ text, apply });
const always = (text: string, changes: Partial<Personality>): Quirk => quirk(text, (personality) => ({ ...personality, ...changes }));
const timed = (text: string, changes: Partial<Personality["timings"]>): Quirk =>
  quirk(text, (personality) => ({ ...personality, timings: { ...personality.timings, ...changes } }));
const ofCops = (text: string, changes: Partial<Personality["cops"]>): Quirk =>
  quirk(text, (personality) => ({ ...personality, cops: { ...personality.cops, ...changes } }));
const ofRegistration = (text: string, changes: Partial<Personality["registration"]>): Quirk =>
  quirk(text, (personality) => ({ ...personality, registration: { ...personality.registration, ...changes } }));
const ofContexts = (text: string, changes: Partial<Personality["contexts"]>): Quirk =>
  quirk(text, (personality) => ({ ...personality, contexts: { ...personality.contexts, ...changes } }));

/** Everything but digits and names is the world's, as it was: the words are those that modules print. */
const regionalDetach = { ME: ["ME DETACH", "ME CLASS B"], NW: ["NW DETACH", 'REJECT "IP","0.0.0.0"', "NW CLASS CC"] } as const;
const allAct = (act: number): Personality["act"] => ({ gsm: act, "cat-1bis": act, "lte-m": act, "nb-iot": act });

export const quirks = {
  "lf-only": always("lines end with LF alone, and begin with none", { frame: { head: "", tail: "\n" } }),
  "no-leading-crlf": always("no CR LF in front of a line", { frame: { head: "", tail: "\r\n" } }),
  "double-cr": always("lines end with CR CR LF", { frame: { head: "\r\n", tail: "\r\r\n" } }),
  "echo-stuck": always("ATE0 is answered OK, and the echo stays", { echo: "stuck" }),
  "no-echo": always("no echo from the start", { echo: "off" }),
  "cme-words": always("+CME ERROR always in words", { cmeAlwaysText: true }),
  "boot-noise": always("line noise before the first line of a start", { bootNoise: "\x00\xff\xfe\x80AT\x00\r\n^BOOT\x07" }),
  "boot-silent": quirk("a start that says nothing", (personality) => ({
    ...personality,
    bootLines: [],
    simLines: { starting: [], ready: [], absent: [] },
  })),
  "baud-after-reset": always("another line rate after a reset (told by +IPR?; sockets and terminals pass any)", { baudAfterReset: 9_600 }),
  "ccho-bare": always("+CCHO answers the session alone", { ccho: "bare" }),
  "ccho-handle": always("+CCHO answers a long hexadecimal handle", { ccho: "long-hex" }),
  "ccho-cme-13": always("+CCHO is refused with 13, whatever the reason", { cchoErrors: { notFound: 13, noChannel: 13 } }),
  "ccho-cme-100": always("+CCHO is refused with 100, whatever the reason", { cchoErrors: { notFound: 100, noChannel: 100 } }),
  "cchc-line": always("a +CCHC line before the OK of a close", { cchcLine: true }),
  "cchc-ok": always("closing a session that is not open is answered OK", { cchcUnknown: "ok" }),
  "apdu-test-error": always("test forms of +CCHO, +CGLA, +CCHC, +CSIM answer ERROR, though the commands work", { apduTest: "error" }),
  "apdu-test-silent": always("the same test forms answer nothing at all", { apduTest: "silent" }),
  "no-logical-channels": quirk("no +CCHO, +CGLA, +CCHC", (personality) => ({
    ...personality,
    without: [...personality.without, "+CCHO", "+CGLA", "+CCHC"],
  })),
  "csim-all": always("+CSIM passes what the toolkit of the module would need for itself", { csimForbidden: [] }),
  "get-response-module": always("the module follows 61xx by itself", { getResponse: "module" }),
  "get-response-host": always("61xx is the host's, in pieces of 120 octets", { getResponse: "host", responseChunkBytes: 120 }),
  "apdu-125": always("no APDU longer than 125 octets (250 characters)", { maxApduBytes: 125 }),
  "apdu-260": always("no APDU longer than 260 octets (520 characters)", { maxApduBytes: 260 }),
  "line-559": always("no command line longer than 559 characters behind AT", { maxLineChars: 561, maxCommands: 39 }),
  "channels-1": always("one logical channel only", { maxChannels: 1 }),
  "refresh-ignored": always("the card's REFRESH is not fetched: only a reset of card or module makes a change of profile known", {
    refresh: "ignored",
  }),
  "own-lpa": quirk('an assistant of the module\'s own holds the ISD-R until AT+QESIM="lpa_enable",0 and a reset', (personality) => ({
    ...personality,
    ownLpa: { setting: quectelLpa },
    commands: [...personality.commands, quectelEsim],
  })),
  "sim-busy-long": timed("the card is busy for half a minute after each of its resets", {
    simBusy: [
      { ms: 2_000, cme: 10 },
      { ms: 8_000, cme: 13 },
      { ms: 20_000, cme: 14 },
    ],
  }),
  "late-iccid": timed("the former ICCID is answered for another ten seconds", { lateIccidMs: 10_000 }),
  "slow-apdu": timed("every APDU takes four minutes", { apduMs: 240_000 }),
  "slow-scan": timed("AT+COPS=? takes five minutes", { scanMs: 300_000 }),
  "slow-radio": timed("+CFUN takes fifteen seconds", { radioMs: 15_000 }),
  "act-8": quirk("LTE-M is <AcT> 8", (personality) => ({ ...personality, act: { ...personality.act, "lte-m": 8 } })),
  "act-7": quirk("LTE-M is <AcT> 7", (personality) => ({ ...personality, act: { ...personality.act, "lte-m": 7 } })),
  "act-minus-1": always("<AcT> is -1", { act: allAct(-1) }),
  "creg-no-act": ofRegistration("registration lines end behind the cell", { act: "absent" }),
  "creg-rac": ofRegistration("one field more between <tac> and <ci>", { routingArea: { at: "middle", modes: [2, 3, 4, 5] } }),
  "creg-rac-end": ofRegistration("one field more behind <AcT>", { routingArea: { at: "end", modes: [2, 3, 4, 5] } }),
  "creg-lower-case": ofRegistration("hexadecimal digits in lower case", { hex: "lower" }),
  "cgev-regional": quirk("+CGEV in other words, and more of them", (personality) => ({
    ...personality,
    cgerep: 1,
    cgev: {
      attached: ["EPS PDN ACT {cid}", "NW CLASS B"],
      activated: ["NW PDN ACT {cid},2,1"],
      deactivated: { ME: ['ME DEACT "IP","{address}",{cid}'], NW: ['NW DEACT "IP","{address}",{cid}', "NW PDN DEACT {cid},0"] },
      detached: regionalDetach,
    },
  })),
  "cops-0-error": ofCops("AT+COPS=0 is obeyed and answered ERROR", { automaticSaysError: true }),
  "scan-fails-first": ofCops("the first AT+COPS=? after a start is answered ERROR", { firstScanFails: true }),
  "scan-broken-lines": ofCops("line ends within the answer of AT+COPS=?", { brokenLines: true }),
  abortable: ofCops("any octet during AT+COPS=? ends it with ABORTED", { abortable: true }),
  "cgdcont-fails-first": ofContexts("the first +CGDCONT after a start is answered ERROR", { firstDefinitionFails: true }),
  "contexts-forgotten": ofContexts("contexts do not outlive a start", { kept: false }),
  "last-pdn-151": ofContexts("taking down the last PDN is refused with 151", { lastPdnCme: 151 }),
  "auth-password-first": quirk("+CGAUTH takes the password before the user", (personality) => ({
    ...personality,
    cgauth: { ...personality.cgauth, order: "password-user" },
  })),
  "short-cgcontrdp": always("+CGCONTRDP ends behind the APN", { cgcontrdp: "short" }),
} as const satisfies Readonly<Record<string, Quirk>>;

export type QuirkName = keyof typeof quirks;
export const quirkNames = Object.keys(quirks) as readonly QuirkName[];

/** Throws SIM_OPTION for a name that is none. */
export function withQuirks(personality: Personality, names: readonly string[]): Personality {
  return names.reduce((made, name) => {
    const known = quirkNames.find((one) => one === name);
    if (known === undefined)
      throw new SimwardError("SIM_OPTION", { detail: `quirk ${JSON.stringify(name)} is none of ${quirkNames.join(", ")}` });
    return quirks[known].apply(made);
  }, personality);
}
