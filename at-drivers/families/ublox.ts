// u-blox SARA-R5, SARA-R4 (LTE-M), LARA-R6 and LEXI-R10 (Cat-1, Cat-1bis). Documented, not captured (docs/modules.md).
import { ubandmask } from "../commands/bands.ts";
import { ugcntrd } from "../commands/counters.ts";
import { setting, settingAs } from "../commands/setting.ts";
import type { DataInterfaceWay, Knowledge, ModemFamily, ModemQuirks, RadioMode, StartSetting, Terms, Topic } from "../family.ts";
import type { ModemIdentity } from "../types.ts";
import { genericQuirks } from "./generic-3gpp.ts";
import { afterReset, awake, pppOnContext, psmBits, reset } from "./settings.ts";

const greeting: StartSetting = {
  setting: settingAs("+CSGT", "AT+CSGT?", "+CSGT:", () => 'AT+CSGT=1,"RDY"'),
  value: "RDY,1",
  why: "the greeting is how an unexpected restart is noticed",
};
const urat = setting("+URAT", { timeoutMs: 30_000 });
/** Written with the radio off, which on these modules outlives a crash; then the module is restarted. */
const offAndReset: Terms = { level: 0, holds: "after-reset" };
const silentReset = reset("AT+CFUN=15");
const resetWithSim = reset("AT+CFUN=16");

const common: ModemQuirks = {
  ...genericQuirks,
  iccid: ["ccid", "crsm"],
  gapMs: 20,
  // A deep scan; the character that ends it early leaves a state that nobody knows.
  scanMs: 600_000,
  bootLines: ["RDY"],
  start: [awake("+UPSV"), greeting],
  operatorProfile: "umnoprof",
  counters: { read: ugcntrd, stepBytes: 1, afterStart: "zero" },
  grantedPsm: psmBits("+UCPSMS", "AT+UCPSMS?", 3, 4),
};

function radio(modes: readonly RadioMode[]): ModemQuirks["radio"] {
  return { settings: [urat], modes, terms: offAndReset };
}

const usb: readonly DataInterfaceWay[] = [
  { kind: "ecm", composition: { setting: setting("+UUSBCONF", { fields: 1 }), value: "2", terms: afterReset } },
  { kind: "rndis", composition: { setting: setting("+UUSBCONF", { fields: 1 }), value: "3", terms: afterReset } },
  pppOnContext,
];

const knows: Readonly<Record<Topic, Knowledge>> = {
  identity: { grade: "documented", sources: ["U-LIB"] },
  apdu: { grade: "unknown", sources: [], note: "+CCHO, then +CSIM, which the note mentions, is tried" },
  "apdu-limits": { grade: "unknown", sources: [] },
  "get-response": { grade: "unknown", sources: [] },
  iccid: { grade: "documented", sources: ["U-R5"] },
  boot: { grade: "documented", sources: ["U-LIB"], note: "silent but for the greeting, which is set" },
  reset: { grade: "documented", sources: ["U-R5", "U-LIB"] },
  refresh: { grade: "unknown", sources: [] },
  start: { grade: "documented", sources: ["U-R5", "U-LIB"], note: "the form in which +CSGT? is answered is unknown" },
  registration: { grade: "documented", sources: ["U-LIB"], note: "+CEREG <n> to 5, +CREG to 3; some print <rac>" },
  act: { grade: "documented", sources: ["U-LIB"] },
  radio: { grade: "documented", sources: ["U-R5", "U-LIB"] },
  bands: { grade: "documented", sources: ["U-R5", "FIELD"], note: "one or two masks a technology" },
  signal: { grade: "documented", sources: ["27.007"] },
  clock: { grade: "documented", sources: ["27.007"] },
  auth: { grade: "documented", sources: ["U-LIB"] },
  "data-interface": { grade: "documented", sources: ["U-R5"] },
  psm: { grade: "documented", sources: ["U-R5", "U-LIB"] },
  edrx: { grade: "documented", sources: ["U-R5"] },
  "operator-profile": { grade: "documented", sources: ["U-LIB"] },
  counters: {
    grade: "documented",
    sources: ["U-LIB", "MM", "PART"],
    note: "of each context, in octets of IP packets; begins anew when the module is switched off, on some with each activation",
  },
  "own-lpa": { grade: "unknown", sources: [] },
};
const gaps = ["+CCHO, +CGLA, +CSIM and their limits", "what it does with a REFRESH of the card", "how +CSGT? is answered"];

function isUblox({ manufacturer, model }: ModemIdentity, models: RegExp): boolean {
  return /u-?blox/i.test(manufacturer) && models.test(model);
}

export const ubloxSaraR5: ModemFamily = {
  id: "ublox-sara-r5",
  modules: "u-blox SARA-R5, LEXI-R52 (LTE-M)",
  source: "u-blox, SARA-R5 application note; ubxlib",
  match: (identity) => isUblox(identity, /^(SARA-R5|LEXI-R52)/i),
  quirks: {
    ...common,
    bootMs: 15_000,
    resets: [resetWithSim, silentReset, ...genericQuirks.resets],
    rats: { 7: "lte-m" },
    auth: ["uauthreq", "cgauth"],
    radio: radio([
      { rats: ["lte-m"], values: ["7"] },
      { rats: ["nb-iot"], values: ["8"] },
    ]),
    bands: ubandmask,
    dataInterfaces: [pppOnContext],
  },
  knows,
  gaps,
};

export const ubloxSaraR4: ModemFamily = {
  id: "ublox-sara-r4",
  modules: "u-blox SARA-R410M, R412M, R422, LEXI-R422 (LTE-M)",
  source: "u-blox, ubxlib; Particle",
  match: (identity) => isUblox(identity, /^(SARA|LEXI)-R4/i),
  quirks: {
    ...common,
    gapMs: 100,
    bootMs: 10_000,
    resets: [silentReset, resetWithSim, ...genericQuirks.resets],
    rats: { 7: "lte-m" },
    auth: ["uauthreq-password-first", "cgauth"],
    radio: radio([
      { rats: ["lte-m"], values: ["7"] },
      { rats: ["lte-m", "gsm"], values: ["7,9"] },
      { rats: ["lte-m", "nb-iot"], values: ["7,8"] },
      { rats: ["nb-iot", "lte-m"], values: ["8,7"] },
      { rats: ["lte-m", "nb-iot", "gsm"], values: ["7,8,9"] },
      { rats: ["nb-iot"], values: ["8"] },
      { rats: ["gsm"], values: ["9"] },
    ]),
    bands: ubandmask,
    dataInterfaces: [pppOnContext],
  },
  knows: {
    ...knows,
    auth: { grade: "documented", sources: ["U-LIB"], note: "password before user; others found that for CHAP only" },
    radio: { grade: "documented", sources: ["U-LIB"], note: "what a model lacks it refuses" },
    start: { grade: "documented", sources: ["U-LIB"], note: "the form in which +CSGT? is answered is unknown" },
    "data-interface": { grade: "documented", sources: ["U-LIB"] },
    bands: { grade: "documented", sources: ["FIELD"] },
    edrx: { grade: "documented", sources: ["27.007"] },
  },
  gaps: [...gaps, "in which order PAP's credentials stand"],
};

export const ubloxLaraR6: ModemFamily = {
  id: "ublox-lara-r6",
  modules: "u-blox LARA-R6 (Cat-1)",
  source: "u-blox, ubxlib; ModemManager",
  match: (identity) => isUblox(identity, /^LARA-R6/i),
  quirks: {
    ...common,
    bootMs: 10_000,
    resets: [silentReset, resetWithSim, ...genericQuirks.resets],
    auth: ["uauthreq-password-first", "cgauth"],
    radio: radio([
      { rats: ["lte"], values: ["3"] },
      { rats: ["lte", "utran"], values: ["3,2"] },
      { rats: ["lte", "gsm"], values: ["3,0"] },
      { rats: ["lte", "utran", "gsm"], values: ["3,2,0"] },
      { rats: ["utran"], values: ["2"] },
      { rats: ["gsm"], values: ["0"] },
    ]),
    dataInterfaces: usb,
  },
  knows: {
    ...knows,
    auth: { grade: "documented", sources: ["U-LIB"], note: "password before user" },
    radio: { grade: "documented", sources: ["U-LIB"] },
    bands: { grade: "unknown", sources: [], note: "left alone" },
    "data-interface": { grade: "documented", sources: ["MM"] },
    psm: { grade: "unknown", sources: [], note: "asked with +CPSMS" },
    edrx: { grade: "unknown", sources: [], note: "asked with +CEDRXS" },
    iccid: { grade: "documented", sources: ["U-LIB"] },
    reset: { grade: "documented", sources: ["U-LIB"] },
    start: { grade: "documented", sources: ["U-LIB"], note: "the form in which +CSGT? is answered is unknown" },
  },
  gaps,
};

export const ubloxLexiR10: ModemFamily = {
  ...ubloxLaraR6,
  id: "ublox-lexi-r10",
  modules: "u-blox LEXI-R10 (Cat-1bis)",
  match: (identity) => isUblox(identity, /^(LEXI|SARA)-R10/i),
  quirks: {
    ...ubloxLaraR6.quirks,
    bootMs: 15_000,
    resets: [resetWithSim, silentReset, ...genericQuirks.resets],
    auth: ["uauthreq", "cgauth"],
    radio: radio([{ rats: ["lte"], values: ["3"] }]),
  },
  knows: { ...ubloxLaraR6.knows, auth: { grade: "documented", sources: ["U-LIB"] } },
};
