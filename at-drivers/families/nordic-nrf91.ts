// Nordic nRF9160, nRF9151, nRF9161 behind an application that passes AT commands on. Documented, not captured (docs/modules.md).
import { xbandlock } from "../commands/bands.ts";
import { kilobyteBytes, xconnstat } from "../commands/counters.ts";
import { order, settingAs } from "../commands/setting.ts";
import type { ModemFamily, Setting } from "../family.ts";
import { genericQuirks } from "./generic-3gpp.ts";
import { reset } from "./settings.ts";

/** LTE-M, NB-IoT, and which is preferred; the third of its four values, GNSS, stays allowed. */
const systemMode: Setting = settingAs("%XSYSTEMMODE", "AT%XSYSTEMMODE?", "%XSYSTEMMODE:", (value) => `AT%XSYSTEMMODE=${value}`);

export const nordicNrf91: ModemFamily = {
  id: "nordic-nrf91",
  modules: "Nordic nRF9160, nRF9151, nRF9161 (LTE-M)",
  source: "Nordic, nRF91 AT commands references",
  match: ({ manufacturer, model }) => /nordic/i.test(manufacturer) || /^nRF91/i.test(model),
  quirks: {
    ...genericQuirks,
    simPower: { off: order("+CFUN", "AT+CFUN=40", 30_000), on: order("+CFUN", "AT+CFUN=41", 30_000) },
    iccid: ["xiccid", "crsm"],
    resets: [reset("AT#XRESET"), ...genericQuirks.resets],
    bootMs: 5_000,
    bootLines: ["Ready"],
    rats: { 7: "lte-m" },
    signal: ["xmonitor", "cesq"],
    defaultCid: 0,
    radio: {
      terms: { level: 4, holds: "at-once" },
      settings: [systemMode],
      modes: [
        { rats: ["lte-m"], values: ["1,0,1,0"] },
        { rats: ["lte-m"], values: ["1,0,0,0"] },
        { rats: ["lte-m"], values: ["1,0,1,1"] },
        { rats: ["lte-m"], values: ["1,0,0,1"] },
        { rats: ["lte-m", "nb-iot"], values: ["1,1,1,1"] },
        { rats: ["lte-m", "nb-iot"], values: ["1,1,0,1"] },
        { rats: ["nb-iot", "lte-m"], values: ["1,1,1,2"] },
        { rats: ["nb-iot", "lte-m"], values: ["1,1,0,2"] },
        { rats: ["nb-iot"], values: ["0,1,1,0"] },
        { rats: ["nb-iot"], values: ["0,1,0,0"] },
      ],
    },
    bands: xbandlock,
    counters: { read: xconnstat, begin: order("%XCONNSTAT", "AT%XCONNSTAT=1"), stepBytes: kilobyteBytes, afterStart: "zero" },
    dataInterfaces: [],
  },
  knows: {
    identity: { grade: "documented", sources: ["NOR", "FIELD"], note: "+CGSN=1 asks for the IMEI" },
    apdu: { grade: "documented", sources: ["NOR"], note: "from modem firmware 1.3.1, for tests only, says Nordic" },
    "apdu-limits": { grade: "unknown", sources: [] },
    "get-response": { grade: "unknown", sources: [] },
    iccid: { grade: "documented", sources: ["NOR"] },
    boot: { grade: "documented", sources: ["FIELD"], note: "what the application prints; the modem stays in +CFUN 0 until told" },
    reset: { grade: "unknown", sources: [], note: "the modem core has no command for it; the application's is tried" },
    refresh: { grade: "documented", sources: ["NOR"] },
    start: { grade: "documented", sources: ["NOR"], note: "nothing" },
    registration: { grade: "documented", sources: ["NOR"], note: "no +CREG, no +CGREG; 90 is a failure of the UICC" },
    act: { grade: "documented", sources: ["NOR"] },
    radio: { grade: "documented", sources: ["NOR", "FIELD"], note: "+CME ERROR 518 while the radio is on" },
    bands: { grade: "documented", sources: ["NOR"] },
    signal: { grade: "documented", sources: ["NOR"], note: "the scale of its SNR is unknown" },
    clock: { grade: "unknown", sources: [], note: "asked with +CTZU and +CCLK" },
    auth: { grade: "documented", sources: ["27.007"] },
    "data-interface": { grade: "unknown", sources: [], note: "PPP or SLIP by the application; none is declared" },
    psm: { grade: "documented", sources: ["NOR"], note: "by +CEREG with <n> 5" },
    edrx: { grade: "documented", sources: ["NOR"] },
    "operator-profile": { grade: "unknown", sources: [] },
    counters: {
      grade: "documented",
      sources: ["NOR"],
      note: "of the module, in kilobytes, once told to collect; 1,000 or 1,024 is not said",
    },
    "own-lpa": { grade: "unknown", sources: [] },
  },
  gaps: [
    'what "for tests only" means for +CCHO and +CGLA',
    "channels and %UICCPOWERSAVE",
    "the application's commands for a restart and for data",
  ],
};
