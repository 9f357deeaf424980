// SIMCom A7600, A7670, A7672, A7682 and SIM767x: Cat-1 and Cat-1bis. Documented, not captured (docs/modules.md).
import { cnbp } from "../commands/bands.ts";
import { ceuicc } from "../commands/profile.ts";
import { namedSetting, setting } from "../commands/setting.ts";
import type { ModemFamily, Setting } from "../family.ts";
import { genericQuirks } from "./generic-3gpp.ts";
import { atOnce, awake, forContext, pppOnContext, reset, restarts } from "./settings.ts";

const usbnetmode: Setting = {
  ...namedSetting("$MYCONFIG", "usbnetmode", { fields: 1 }),
  // Written in capitals, as the manual has it.
  write: namedSetting("$MYCONFIG", "USBNETMODE").write,
};
const dialling = {
  start: forContext("+DIALMODE", () => "AT+DIALMODE=0"),
  stop: forContext("+DIALMODE", () => "AT+DIALMODE=1"),
} as const;

export const simcomA76xx: ModemFamily = {
  id: "simcom-a76xx",
  modules: "SIMCom A7600, A7670, A7672, A7682, SIM7670 (Cat-1, Cat-1bis)",
  source: "SIMCom, A76XX AT manual and notes, SIM767X AT manual",
  match: ({ model }) => /A76\d\d|SIM767\d/i.test(model),
  quirks: {
    ...genericQuirks,
    // The manual has no other, and its SSL commands begin like +CCHO.
    apdu: ["csim", "ccho-cgla"],
    maxLineChars: 3_071,
    iccid: ["ciccid", "ccid", "crsm"],
    bootMs: 5_000,
    bootLines: ["*ATREADY"],
    resets: [reset("AT+CRESET"), reset("AT+CFUN=6"), ...genericQuirks.resets],
    start: [awake("+CSCLK"), { setting: setting("+CSIMSLEEP"), value: "0", why: "a sleeping card answers no +CSIM (SIM767x)" }],
    signal: ["cpsi-indexes", "cesq"],
    auth: ["cgauth-password-first"],
    radio: {
      terms: atOnce,
      settings: [setting("+CNMP", { timeoutMs: 30_000 })],
      modes: [
        { rats: ["lte"], values: ["38"] },
        { rats: ["lte", "utran", "gsm"], values: ["2"] },
        { rats: ["lte", "gsm"], values: ["2"] },
        { rats: ["utran"], values: ["14"] },
        { rats: ["gsm"], values: ["13"] },
      ],
    },
    bands: cnbp,
    dataInterfaces: [
      { kind: "ecm", composition: { setting: usbnetmode, value: "1", terms: restarts }, ...dialling },
      { kind: "rndis", composition: { setting: usbnetmode, value: "0", terms: restarts }, ...dialling },
      pppOnContext,
    ],
    ownLpa: [{ command: ceuicc, isOn: () => undefined, remedy: "the module's own profile commands must not be used" }],
  },
  knows: {
    identity: { grade: "documented", sources: ["S-A76"], note: "+CGMR with its prefix" },
    apdu: { grade: "documented", sources: ["S-A76"], note: "toolkit commands are forbidden; that channels can be opened is not said" },
    "apdu-limits": { grade: "documented", sources: ["S-A76", "S-767"] },
    "get-response": { grade: "unknown", sources: [] },
    iccid: { grade: "documented", sources: ["S-A76"], note: "+CICCID answers +ICCID" },
    boot: { grade: "documented", sources: ["LilyGO", "S-A76"], note: "+CPIN? is answered +CME ERROR 13 at first" },
    reset: { grade: "documented", sources: ["S-A76"] },
    refresh: { grade: "unknown", sources: [] },
    start: { grade: "documented", sources: ["S-A76", "S-767"] },
    registration: { grade: "documented", sources: ["S-A76"], note: "<n> 0 to 2, without <AcT>" },
    act: { grade: "documented", sources: ["S-A76"] },
    radio: { grade: "documented", sources: ["S-A76"] },
    bands: { grade: "documented", sources: ["S-A76", "FIELD"] },
    signal: { grade: "documented", sources: ["S-A76"], note: "numbers of the report, not dBm" },
    clock: { grade: "documented", sources: ["S-A76"] },
    auth: { grade: "documented", sources: ["S-A76"], note: "password before user; for CHAP the user is left out if refused" },
    "data-interface": {
      grade: "documented",
      sources: ["S-A76", "FIELD"],
      note: "the module restarts by itself when the composition is written",
    },
    psm: { grade: "unknown", sources: [], note: "asked with +CPSMS" },
    edrx: { grade: "unknown", sources: [], note: "asked with +CEDRXS" },
    "operator-profile": { grade: "unknown", sources: [] },
    counters: { grade: "unknown", sources: [] },
    "own-lpa": { grade: "unknown", sources: [] },
  },
  gaps: ["logical channels over +CSIM", "+CCHO and +CGLA beyond the manual", "what it does with a REFRESH of the card"],
};
