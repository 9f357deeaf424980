// Telit ME310, ME910 (LTE-M) and LE910 (Cat-1, Cat-4). Known through ModemManager and users' code only (docs/modules.md).
import { hashBnd } from "../commands/bands.ts";
import { gdatavol } from "../commands/counters.ts";
import { order, setting } from "../commands/setting.ts";
import type { DataInterfaceWay, Knowledge, ModemFamily, ModemQuirks, StartSetting, Topic } from "../family.ts";
import type { ModemIdentity } from "../types.ts";
import { genericQuirks } from "./generic-3gpp.ts";
import { afterReset, forContext, pppOnContext, reset } from "./settings.ts";

const simReports: StartSetting = { setting: setting("#QSS", { fields: 1 }), value: "1", why: "says when the card goes and comes" };

const common: ModemQuirks = {
  ...genericQuirks,
  csimLock: { lock: order("+CSIM", "AT+CSIM=1"), unlock: order("+CSIM", "AT+CSIM=0") },
  iccid: ["hash-ccid", "iccid", "crsm"],
  bootMs: 5_000,
  bootLines: [],
  resets: [reset("AT#REBOOT"), ...genericQuirks.resets],
  start: [simReports],
  signal: ["rfsts", "cesq"],
  auth: ["pdpauth", "cgauth"],
  counters: { read: gdatavol, stepBytes: 1, afterStart: "unknown" },
};

/** The number of the USB composition that has an Ethernet interface differs by series. */
function interfaces(composition: string): readonly DataInterfaceWay[] {
  return [
    {
      kind: "ecm",
      composition: { setting: setting("#USBCFG"), value: composition, terms: afterReset },
      start: forContext("#ECM", (cid) => `AT#ECM=${cid},0`),
      stop: forContext("#ECMD", () => "AT#ECMD=0"),
    },
    pppOnContext,
  ];
}

const wirelessService = setting("+WS46", { timeoutMs: 30_000 });

const knows: Readonly<Record<Topic, Knowledge>> = {
  identity: { grade: "documented", sources: ["TEL"] },
  apdu: { grade: "unknown", sources: [], note: "+CCHO, then +CSIM between +CSIM=1 and +CSIM=0 is tried" },
  "apdu-limits": { grade: "unknown", sources: [] },
  "get-response": { grade: "unknown", sources: [] },
  iccid: { grade: "documented", sources: ["TEL"] },
  boot: { grade: "documented", sources: ["MM"], note: "silent; #QSS tells the card's state" },
  reset: { grade: "documented", sources: ["MM"] },
  refresh: { grade: "unknown", sources: [] },
  start: { grade: "documented", sources: ["MM"] },
  registration: { grade: "documented", sources: ["27.007"] },
  act: { grade: "documented", sources: ["FIELD"], note: "LTE-M as 8" },
  radio: { grade: "documented", sources: ["MM", "FIELD"], note: "whether it holds before a restart is unknown: it is restarted" },
  bands: { grade: "documented", sources: ["MM", "FIELD"] },
  signal: { grade: "documented", sources: ["TEL"] },
  clock: { grade: "documented", sources: ["27.007"] },
  auth: { grade: "documented", sources: ["MM"] },
  "data-interface": { grade: "documented", sources: ["MM", "FIELD"] },
  psm: { grade: "unknown", sources: [], note: "asked with +CPSMS" },
  edrx: { grade: "unknown", sources: [], note: "asked with +CEDRXS" },
  "operator-profile": { grade: "unknown", sources: [] },
  counters: { grade: "unknown", sources: [], note: "as older modules of the make have it, which keep the total over a start" },
  "own-lpa": { grade: "unknown", sources: [] },
};
const gaps = [
  "+CCHO, +CGLA, +CSIM and their limits",
  "whether technologies hold before a restart",
  "what it does with a REFRESH of the card",
];

function isTelit({ manufacturer, model }: ModemIdentity, models: RegExp): boolean {
  return /telit/i.test(manufacturer) && models.test(model);
}

export const telitMe: ModemFamily = {
  id: "telit-me",
  modules: "Telit ME310, ME910 (LTE-M)",
  source: "ModemManager's telit plugin; users' code",
  match: (identity) => isTelit(identity, /^M[EL](310|910|865)/i),
  quirks: {
    ...common,
    rats: { 7: "lte-m", 8: "lte-m" },
    radio: {
      terms: afterReset,
      settings: [wirelessService, setting("#WS46", { fields: 1, timeoutMs: 30_000 })],
      modes: [
        { rats: ["lte-m"], values: ["28", "0"] },
        { rats: ["lte-m", "gsm"], values: ["30", "0"] },
        { rats: ["lte-m", "nb-iot"], values: ["28", "2"] },
        { rats: ["nb-iot", "lte-m"], values: ["28", "3"] },
        { rats: ["nb-iot"], values: ["28", "1"] },
        { rats: ["gsm"], values: ["12", undefined] },
      ],
    },
    bands: hashBnd,
    dataInterfaces: interfaces("3"),
  },
  knows,
  gaps,
};

export const telitLe910: ModemFamily = {
  id: "telit-le910",
  modules: "Telit LE910C1, LE910C4, LE910R1 (Cat-1, Cat-4)",
  source: "ModemManager's telit plugin; users' code",
  match: (identity) => isTelit(identity, /^LE910/i),
  quirks: {
    ...common,
    radio: {
      terms: afterReset,
      settings: [wirelessService],
      modes: [
        { rats: ["lte"], values: ["28"] },
        { rats: ["lte", "utran"], values: ["31"] },
        { rats: ["lte", "gsm"], values: ["30"] },
        { rats: ["lte", "utran", "gsm"], values: ["25"] },
        { rats: ["utran"], values: ["22"] },
        { rats: ["gsm"], values: ["12"] },
      ],
    },
    dataInterfaces: interfaces("4"),
  },
  knows: {
    ...knows,
    act: { grade: "documented", sources: ["27.007"] },
    radio: { grade: "documented", sources: ["27.007", "MM"], note: "whether it holds before a restart is unknown: it is restarted" },
    bands: { grade: "unknown", sources: [], note: "decimal on some, hexadecimal on others: left alone" },
  },
  gaps,
};

/** The same with another number for its USB composition. */
export const telitLe910Q1: ModemFamily = {
  ...telitLe910,
  id: "telit-le910q1",
  modules: "Telit LE910Q1, LE910Cx-WWX (Cat-1bis, Cat-4)",
  match: (identity) => isTelit(identity, /^LE910(Q|C\w*-WWX)/i),
  quirks: { ...telitLe910.quirks, dataInterfaces: interfaces("1") },
};
