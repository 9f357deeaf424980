// Nordic nRF9160 and nRF91x1 (LTE-M, NB-IoT) [NOR]: starts switched off, knows +CEREG only, and calls +CCHO a command for tests.
import { nordicCommands, nordicRats } from "../commands/nordic.ts";
import { powerSavingCommands } from "../commands/power-saving.ts";
import { generic3gpp, type Personality } from "../personality.ts";

export const nordicNrf91: Personality = {
  ...generic3gpp,
  id: "nordic-nrf91",
  makes: "Nordic nRF9160, nRF9151, nRF9161",
  manufacturer: "Nordic Semiconductor ASA",
  model: "nRF9160-SICA",
  revision: "mfw_nrf9160_1.3.6",
  identity: {
    I: ["{manufacturer}", "{model}", "{revision}"],
    "%SHORTSWVER": ["%SHORTSWVER: nrf9160_1.3.6"],
    "%HWVERSION": ["%HWVERSION: nRF9160 SICA B1A"],
  },
  rats: ["lte-m", "nb-iot"],
  chosenRats: nordicRats,
  iccidCommands: { "%XICCID": "%XICCID: {padded}" },
  getResponse: "module",
  // The serial application's greeting.
  bootLines: ["Ready"],
  simLines: { starting: [], ready: [{ text: "%XSIM: 1", if: "%XSIM" }], absent: [{ text: "%XSIM: 0", if: "%XSIM" }] },
  functionLevels: {
    0: { radio: false, sim: false },
    1: { radio: true, sim: true },
    2: { radio: false, sim: true },
    4: { radio: false, sim: false },
    20: { radio: false, shows: "as before" },
    21: { radio: true, sim: true, shows: 1 },
    30: { shows: "as before" },
    31: { shows: "as before" },
    40: { radio: false, sim: false, shows: "as before" },
    41: { sim: true, shows: "as before" },
    44: { radio: false, sim: true, shows: 4 },
  },
  bootLevel: 0,
  resetByCfun: false,
  csDomain: false,
  cops: { ...generic3gpp.cops, formats: [2], defaultFormat: 2 },
  contexts: { ...generic3gpp.contexts, minCid: 0, maxCid: 10, defaultCid: 0 },
  cgev: {
    attached: ["ME PDN ACT {cid},0"],
    activated: ["ME PDN ACT {cid}"],
    deactivated: { ME: ["ME PDN DEACT {cid}"], NW: ["NW PDN DEACT {cid}"] },
    detached: { ME: ["ME DETACH"], NW: ["NW DETACH"] },
  },
  without: ["+CREG", "+CGREG", "+CLCK"],
  commands: [...nordicCommands, ...powerSavingCommands({ edrx: "now", edrxRead: true })],
  timings: { ...generic3gpp.timings, simBusy: [{ ms: 700, cme: 13 }], scanMs: 60_000 },
};
