// SIMCom SIM7070, SIM7080, SIM7090: LTE-M, NB-IoT and, on SIM7070, GSM. Documented, not captured (docs/modules.md).
import { cbandcfg } from "../commands/bands.ts";
import { cnii } from "../commands/counters.ts";
import { ceuicc } from "../commands/profile.ts";
import { setting } from "../commands/setting.ts";
import type { ModemFamily } from "../family.ts";
import { genericQuirks } from "./generic-3gpp.ts";
import { afterReset, atOnce, awake, forContext, psmSeconds, reset } from "./settings.ts";

export const simcomSim7080: ModemFamily = {
  id: "simcom-sim7080",
  modules: "SIMCom SIM7070, SIM7080, SIM7090 (LTE-M)",
  source: "SIMCom, SIM7070/7080/7090 AT manual and notes",
  match: ({ model }) => /SIM70[789]0/i.test(model),
  quirks: {
    ...genericQuirks,
    // The manual has no other.
    apdu: ["csim", "ccho-cgla"],
    maxLineChars: 561,
    iccid: ["ccid", "crsm"],
    bootMs: 5_000,
    bootLines: ["RDY"],
    resets: [reset("AT+CREBOOT"), reset("AT+CFUN=6"), ...genericQuirks.resets],
    rats: { 7: "lte-m" },
    start: [awake("+CSCLK"), { setting: setting("+CLTS"), value: "1", why: "the clock follows the network" }],
    signal: ["cpsi-units", "cesq"],
    clock: ["cclk", "clts"],
    auth: ["cgauth-password-first"],
    radio: {
      terms: atOnce,
      settings: [setting("+CNMP", { timeoutMs: 30_000 }), setting("+CMNB", { timeoutMs: 30_000 })],
      modes: [
        { rats: ["lte-m"], values: ["38", "1"] },
        { rats: ["lte-m", "gsm"], values: ["51", "1"] },
        { rats: ["lte-m", "nb-iot"], values: ["38", "3"] },
        { rats: ["lte-m", "nb-iot", "gsm"], values: ["51", "3"] },
        { rats: ["nb-iot"], values: ["38", "2"] },
        { rats: ["gsm"], values: ["13", undefined] },
      ],
    },
    bands: cbandcfg,
    dataInterfaces: [
      { kind: "ppp", dial: () => "*99#" },
      {
        kind: "ecm",
        composition: { setting: setting("+CUSBSELNV"), value: "1", terms: afterReset },
        // Its own contexts are counted from 0.
        start: forContext("+CNACT", (cid) => `AT+CNACT=${cid - 1},1`),
        stop: forContext("+CNACT", (cid) => `AT+CNACT=${cid - 1},0`),
      },
    ],
    grantedPsm: psmSeconds("+CPSMRDP", "AT+CPSMRDP", 4, 3),
    edrxNeedsReset: true,
    counters: { read: cnii, stepBytes: 1, afterStart: "unknown" },
    ownLpa: [{ command: ceuicc, isOn: () => undefined, remedy: "the module's own profile commands must not be used" }],
  },
  knows: {
    identity: { grade: "documented", sources: ["S-7080", "LilyGO"] },
    apdu: { grade: "documented", sources: ["S-7080"], note: "that +CSIM lets channels be opened is not said" },
    "apdu-limits": { grade: "documented", sources: ["S-7080"] },
    "get-response": { grade: "unknown", sources: [] },
    iccid: { grade: "documented", sources: ["S-7080"] },
    boot: { grade: "documented", sources: ["S-7080"], note: "no line while the baud rate is found by itself (+IPR 0)" },
    reset: { grade: "documented", sources: ["S-7080"] },
    refresh: { grade: "unknown", sources: [] },
    start: { grade: "documented", sources: ["S-7080"] },
    registration: { grade: "documented", sources: ["S-7080"], note: "<rac> between <tac> and <ci>" },
    act: { grade: "documented", sources: ["S-7080"] },
    radio: { grade: "documented", sources: ["S-7080"] },
    bands: { grade: "documented", sources: ["S-7080", "FIELD"] },
    signal: { grade: "documented", sources: ["S-7080"] },
    clock: { grade: "documented", sources: ["S-7080"], note: "+CLTS where there is no +CTZU" },
    auth: { grade: "documented", sources: ["S-7080"], note: "password before user; for CHAP the user is left out if refused" },
    "data-interface": {
      grade: "documented",
      sources: ["S-7080"],
      note: "how +CUSBSELNV is read, and which context +CNACT takes, is unknown",
    },
    psm: { grade: "documented", sources: ["S-7080", "FIELD"] },
    edrx: { grade: "documented", sources: ["S-7080"], note: "+CEDRXS? may be answered ERROR" },
    "operator-profile": { grade: "unknown", sources: [] },
    counters: { grade: "documented", sources: ["S-7080"], note: "of each of its own contexts; when they begin anew is unknown" },
    "own-lpa": { grade: "unknown", sources: [] },
  },
  gaps: ["logical channels over +CSIM", "+CCHO and +CGLA beyond the manual", "what it does with a REFRESH of the card"],
};
