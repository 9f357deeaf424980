// SIMCom SIM7080 (LTE-M) [S-7080] and A76xx (Cat-1bis) [S-A76]: no +CCHO in either manual, so +CSIM with MANAGE CHANNEL is the way to the eUICC.
import { powerSavingCommands } from "../commands/power-saving.ts";
import { a76Commands, a76Rats, sim7080Commands, sim7080Rats } from "../commands/simcom.ts";
import { generic3gpp, type Personality } from "../personality.ts";

const simcomCommon: Personality = {
  ...generic3gpp,
  // In these manuals the password comes first.
  cgauth: { order: "password-user", maxChars: 50 },
  ceer: { failure: "{text}", none: "No cause information available" },
  contexts: { ...generic3gpp.contexts, maxCid: 15, kept: true },
  without: ["+CCHO", "+CGLA", "+CCHC"],
};

const sim7080: Personality = {
  ...simcomCommon,
  id: "simcom-sim7080",
  makes: "SIMCom SIM7080, SIM7070, SIM7090",
  manufacturer: "SIMCOM_Ltd",
  model: "SIMCOM_SIM7080G",
  revision: "1951B16SIM7080",
  identity: { I: ["SIM7080 R1951.16"], "+CGMR": ["Revision:{revision}"], "+GMR": ["Revision:{revision}"] },
  rats: ["lte-m", "nb-iot", "gsm"],
  chosenRats: sim7080Rats,
  iccidCommands: { "+CCID": "{iccid}" },
  maxLineChars: 561,
  maxCommands: 39,
  bootLines: ["RDY", "+CFUN: 1"],
  simLines: { starting: ["+CPIN: NOT READY"], ready: ["+CPIN: READY", "SMS Ready"], absent: ["+CPIN: NOT INSERTED"] },
  functionLevels: {
    ...generic3gpp.functionLevels,
    5: { radio: false, sim: true },
    6: { reset: true },
    7: { radio: false, sim: true },
  },
  // Level 0 alone is not written to flash.
  keptLevels: [1, 4, 7],
  csDomain: false,
  registration: {
    ...generic3gpp.registration,
    modes: { "+CREG": [0, 1, 2], "+CGREG": [0, 1, 2, 4], "+CEREG": [0, 1, 2, 4] },
    routingArea: { at: "middle", modes: [2, 4] },
  },
  commands: [...sim7080Commands, ...powerSavingCommands({ edrx: "start", edrxRead: false })],
  timings: { ...generic3gpp.timings, bootMs: 2_500, simBusy: [{ ms: 1_500, cme: 14 }] },
};

const a76xx: Personality = {
  ...simcomCommon,
  id: "simcom-a76xx",
  makes: "SIMCom A7670, A7672, A7600",
  manufacturer: "SIMCOM INCORPORATED",
  model: "A7672E-FASE",
  revision: "A35B01A7672E",
  identity: {
    I: ["Manufacturer: {manufacturer}", "Model: {model}", "Revision: {revision}", "IMEI: {imei}", "+GCAP: +CGSM,+FCLASS,+DS"],
    "+SIMCOMATI": ["Manufacturer: {manufacturer}", "Model: {model}", "Revision: {revision}", "IMEI: {imei}", "+GCAP: +CGSM,+FCLASS,+DS"],
    "+CGMR": ["+CGMR: {revision}"],
  },
  chosenRats: a76Rats,
  iccidCommands: { "+CICCID": "+ICCID: {iccid}" },
  getResponse: "module",
  maxLineChars: 3_071,
  bootLines: ["*ATREADY: 1"],
  simLines: { starting: ["+CPIN: NOT READY"], ready: ["+CPIN: READY", "SMS DONE", "PB DONE"], absent: ["+CPIN: SIM REMOVED"] },
  functionLevels: { ...generic3gpp.functionLevels, 6: { reset: true }, 7: { radio: false, sim: true }, 8: { sim: false } },
  registration: {
    ...generic3gpp.registration,
    modes: { "+CREG": [0, 1, 2], "+CGREG": [0, 1, 2], "+CEREG": [0, 1, 2] },
    act: "absent",
  },
  cgcontrdp: "short",
  cgev: { ...generic3gpp.cgev, attached: ["EPS PDN ACT {cid}", "ME PDN ACT 8,1"] },
  cgerep: 1,
  without: [...simcomCommon.without, "+CGCONTRDP"],
  commands: a76Commands,
  timings: { ...generic3gpp.timings, bootMs: 3_000, simBusy: [{ ms: 900, cme: 13 }], lateIccidMs: 0, scanMs: 60_000 },
};

export const simcom: readonly Personality[] = [sim7080, a76xx];
