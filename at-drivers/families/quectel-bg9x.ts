// Quectel BG95, BG96, BG77: LTE-M, NB-IoT and, by model, GSM. Documented, not captured (docs/modules.md).
import { qcfgBands } from "../commands/bands.ts";
import { namedSetting } from "../commands/setting.ts";
import type { ModemFamily } from "../family.ts";
import { genericQuirks } from "./generic-3gpp.ts";
import { allUrcPorts, quectelClock, quectelCounters, quectelLpa } from "./quectel.ts";
import { atOnce, awake, pppOnContext, psmSeconds } from "./settings.ts";

export const quectelBg9x: ModemFamily = {
  id: "quectel-bg9x",
  modules: "Quectel BG95, BG96, BG77 (LTE-M)",
  source: "Quectel, BG96 AT manual and its notes; BG95 and BG77 from users' code",
  match: ({ manufacturer, model }) => /quectel/i.test(manufacturer) && /^BG(9[56]|77)/i.test(model),
  quirks: {
    ...genericQuirks,
    iccid: ["qccid", "ccid", "crsm"],
    bootMs: 5_000,
    bootLines: ["RDY", "APP RDY"],
    // 8 stands for LTE-M where 3GPP has EC-GSM-IoT.
    rats: { 7: "lte-m", 8: "lte-m" },
    start: [awake("+QSCLK"), allUrcPorts],
    signal: ["qcsq", "cesq"],
    ...quectelClock,
    ...quectelCounters,
    auth: ["qicsgp", "cgauth"],
    radio: {
      terms: atOnce,
      settings: [
        namedSetting("+QCFG", "nwscanmode", { tail: ",1" }),
        namedSetting("+QCFG", "iotopmode", { tail: ",1" }),
        // 01 GSM, 02 LTE-M, 03 NB-IoT.
        namedSetting("+QCFG", "nwscanseq", { tail: ",1", onlyOrder: true }),
      ],
      modes: [
        { rats: ["lte-m"], values: ["3", "0", "02"] },
        { rats: ["lte-m", "gsm"], values: ["0", "0", "0201"] },
        { rats: ["gsm", "lte-m"], values: ["0", "0", "0102"] },
        { rats: ["lte-m", "nb-iot"], values: ["3", "2", "0203"] },
        { rats: ["nb-iot", "lte-m"], values: ["3", "2", "0302"] },
        { rats: ["lte-m", "nb-iot", "gsm"], values: ["0", "2", "020301"] },
        { rats: ["nb-iot"], values: ["3", "1", "03"] },
        { rats: ["gsm"], values: ["1", undefined, "01"] },
      ],
    },
    bands: qcfgBands(["lte-m", "nb-iot"], ",1"),
    dataInterfaces: [pppOnContext],
    grantedPsm: psmSeconds("+QPSMS", "AT+QPSMS?", 3, 4),
    ownLpa: quectelLpa,
  },
  knows: {
    identity: { grade: "documented", sources: ["Q-BG96", "FIELD"] },
    apdu: {
      grade: "unknown",
      sources: [],
      note: "the BG96 manual has +CRSM alone; a module that opens no channel is no host for an eUICC",
    },
    "apdu-limits": { grade: "unknown", sources: [] },
    "get-response": { grade: "unknown", sources: [] },
    iccid: { grade: "documented", sources: ["Q-BG96"] },
    boot: { grade: "documented", sources: ["Q-BG96"] },
    reset: { grade: "documented", sources: ["Q-BG96"] },
    refresh: { grade: "documented", sources: ["OPP"], note: "seen on other Quectel modules" },
    start: { grade: "documented", sources: ["Q-EC2x", "Q-BG96"] },
    registration: { grade: "documented", sources: ["Q-BG96"], note: "+CEREG <n> 0, 1, 2, 4 on BG96" },
    act: { grade: "documented", sources: ["Q-BG96"] },
    radio: { grade: "documented", sources: ["Q-BG96", "FIELD"], note: "a rewrite searches anew" },
    bands: { grade: "documented", sources: ["Q-BG96", "FIELD"], note: "0 leaves GSM as it is" },
    signal: { grade: "documented", sources: ["Q-BG96"] },
    clock: { grade: "documented", sources: ["Q-EC2x", "FIELD"], note: "+CTZU 1 puts universal time into +CCLK, 3 local time" },
    auth: { grade: "documented", sources: ["Q-BG96", "FIELD"] },
    "data-interface": { grade: "documented", sources: ["Q-BG96"] },
    psm: { grade: "documented", sources: ["Q-BG96", "FIELD"] },
    edrx: { grade: "documented", sources: ["Q-BG96"] },
    "operator-profile": { grade: "unknown", sources: [] },
    counters: { grade: "documented", sources: ["FIELD"], note: "of the module; behind a start what +QGDCNT=1 or +QAUGDCNT saved last" },
    "own-lpa": { grade: "unknown", sources: [], note: "+QESIM is in the firmware of some models" },
  },
  gaps: ["+CCHO, +CGLA and +CSIM of BG95-M3 and BG77, and their limits", "whether a REFRESH of the card is followed by itself"],
};
