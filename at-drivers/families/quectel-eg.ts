// Quectel's Cat-4, Cat-1 and Cat-1bis modules: EC2x, EG2x, EG9x on Qualcomm chips, and EC200, EG800, EG915 on others.

import { SimwardError } from "../../base/errors.ts";
import { qcfgBands } from "../commands/bands.ts";
import { namedSetting, order, setting } from "../commands/setting.ts";
import type { DataInterfaceWay, Knowledge, ModemFamily, ModemQuirks, StartSetting, Topic } from "../family.ts";
import { genericQuirks } from "./generic-3gpp.ts";
import { allUrcPorts, quectelClock, quectelCounters, quectelLpa } from "./quectel.ts";
import { afterReset, atOnce, awake, forContext, pppOnContext } from "./settings.ts";

const cardWatch: StartSetting = {
  setting: setting("+QSIMSTAT", { fields: 1 }),
  value: "1",
  why: "a card that goes and comes back is told",
};
const usbnet = namedSetting("+QCFG", "usbnet");

const common: ModemQuirks = {
  ...genericQuirks,
  iccid: ["qccid", "ccid", "crsm"],
  bootMs: 5_000,
  bootLines: ["RDY"],
  start: [awake("+QSCLK"), allUrcPorts, cardWatch],
  signal: ["qcsq", "cesq"],
  ...quectelClock,
  ...quectelCounters,
  auth: ["qicsgp", "cgauth"],
  radio: {
    terms: atOnce,
    settings: [namedSetting("+QCFG", "nwscanmode", { tail: ",1" })],
    modes: [
      { rats: ["lte"], values: ["3"] },
      { rats: ["lte", "utran", "gsm"], values: ["0"] },
    ],
  },
  bands: qcfgBands(["lte"], ",0,1"),
  operatorProfile: "qmbncfg",
  ownLpa: quectelLpa,
};

/** The first instance is bound to context 1; how another is named is not known. */
function firstContext(line: string): (cid: number) => string {
  return (cid) => {
    if (cid !== 1) throw new SimwardError("AT_COMMAND", { detail: `${line}: bound to context 1, not ${cid}` });
    return line;
  };
}

const qcrmcall: Pick<DataInterfaceWay, "start" | "stop"> = {
  start: forContext("$QCRMCALL", firstContext("AT$QCRMCALL=1,1")),
  stop: forContext("$QCRMCALL", firstContext("AT$QCRMCALL=0,1")),
};
const qnetdevctl: Pick<DataInterfaceWay, "start" | "stop"> = {
  start: forContext("+QNETDEVCTL", (cid) => `AT+QNETDEVCTL=1,${cid},1`),
  stop: forContext("+QNETDEVCTL", (cid) => `AT+QNETDEVCTL=0,${cid},1`),
};

function interfaces(binding: Pick<DataInterfaceWay, "start" | "stop">): readonly DataInterfaceWay[] {
  return [
    { kind: "ecm", composition: { setting: usbnet, value: "1", terms: afterReset }, ...binding },
    { kind: "rndis", composition: { setting: usbnet, value: "3", terms: afterReset }, ...binding },
    pppOnContext,
  ];
}

const knows: Readonly<Record<Topic, Knowledge>> = {
  identity: { grade: "documented", sources: ["Q-EC2x"] },
  apdu: { grade: "documented", sources: ["Q-EC2x", "LPAC"], note: "over +CSIM a channel opens but does not work" },
  "apdu-limits": { grade: "documented", sources: ["LPAC", "OPP"] },
  "get-response": { grade: "documented", sources: ["Q-EC2x", "LPAC"], note: "61xx is handed over by some firmware, completed by other" },
  iccid: { grade: "documented", sources: ["Q-EC2x"], note: "+CCID may keep a trailing F" },
  boot: { grade: "documented", sources: ["Q-EC2x", "OF"] },
  reset: { grade: "documented", sources: ["Q-EC2x"] },
  refresh: { grade: "documented", sources: ["OPP"] },
  start: { grade: "documented", sources: ["Q-EC2x", "OPP"] },
  registration: { grade: "documented", sources: ["Q-EC2x"], note: "<n> 0 to 2" },
  act: { grade: "documented", sources: ["Q-EC2x"] },
  radio: { grade: "documented", sources: ["Q-EC2x"], note: "what nwscanseq's codes mean is not in the manual: it is left alone" },
  bands: { grade: "documented", sources: ["FIELD"], note: "0 leaves GSM and WCDMA as they are" },
  signal: { grade: "unknown", sources: [], note: "+QCSQ as on BG96, else +CESQ" },
  clock: { grade: "documented", sources: ["Q-EC2x", "FIELD"], note: "+CTZU 1 puts universal time into +CCLK, 3 local time" },
  auth: { grade: "documented", sources: ["Q-EC2x"] },
  "data-interface": { grade: "documented", sources: ["Q-EC2x", "Q-LINUX", "MM"], note: "$QCRMCALL binds context 1" },
  psm: { grade: "unknown", sources: [], note: "asked with +CPSMS" },
  edrx: { grade: "unknown", sources: [], note: "asked with +CEDRXS" },
  "operator-profile": { grade: "documented", sources: ["FIELD"] },
  counters: { grade: "documented", sources: ["Q-EC2x"], note: "of the module; behind a start what +QGDCNT=1 or +QAUGDCNT saved last" },
  "own-lpa": { grade: "documented", sources: ["FIELD"], note: "arguments of +QESIM are in no public manual" },
};

export const quectelEc2x: ModemFamily = {
  id: "quectel-ec2x",
  modules: "Quectel EC20, EC21, EC25, EG21, EG25, EG91, EG95, EM05 (Cat-4, Cat-1)",
  source: "Quectel, EC2x AT manual; ModemManager, ofono, openpilot, lpac",
  match: ({ manufacturer, model }) => /quectel/i.test(manufacturer) && /^(E[CG]2\d|EG9\d|EM05)/i.test(model),
  quirks: {
    ...common,
    // EG91-NA answers ERROR at first.
    scanTries: 3,
    clearForbidden: order("+QFPLMNCFG", 'AT+QFPLMNCFG="Delete","all"'),
    dataInterfaces: interfaces(qcrmcall),
  },
  knows,
  gaps: [
    "why a late +CGLA of a profile's installation is answered ERROR on EC20F and EG25",
    "which firmware completes 61xx by itself",
    "how +CSIM could stand in for +CGLA",
  ],
};

export const quectelEc200: ModemFamily = {
  id: "quectel-ec200",
  modules: "Quectel EC200, EC800, EG800, EG912, EG915, EG916 (Cat-1bis)",
  source: "Quectel, USB guide; users' code and reports, since manuals are not public",
  match: ({ manufacturer, model }) => /quectel/i.test(manufacturer) && /^(E[CG](200|600|800|810)|EG91[2-9])/i.test(model),
  quirks: { ...common, dataInterfaces: interfaces(qnetdevctl) },
  knows: {
    ...knows,
    apdu: { grade: "documented", sources: ["OPP"], note: "seen on EG916Q; on the others +CCHO, then +CSIM is tried" },
    "apdu-limits": { grade: "unknown", sources: [] },
    "get-response": { grade: "unknown", sources: [] },
    iccid: { grade: "documented", sources: ["OPP"] },
    boot: { grade: "unknown", sources: [], note: "RDY, +CPIN, +QUSIM, +QIND in an order not known" },
    registration: { grade: "unknown", sources: [], note: "<n> 3 is tried first" },
    act: { grade: "unknown", sources: [] },
    radio: { grade: "unknown", sources: [], note: "nwscanmode as on EC2x; modules with LTE alone ignore it" },
    auth: { grade: "unknown", sources: [], note: "+QICSGP, else +CGAUTH" },
    "data-interface": { grade: "documented", sources: ["MM", "FIELD"] },
    counters: { grade: "documented", sources: ["FIELD"], note: "of the module; what it begins with is unknown" },
  },
  gaps: ["+CCHO, +CGLA and their limits on EG915U and EG800K", "the order of the lines at a start", "what +QNETDEVCTL reports"],
};
