// Quectel EG25 (Cat-4), EG915U, EG800K and EC200A (Cat-1bis): EC2x manual V2.0 [Q-EC2x], field reports for the rest.
import { quectelCommands, quectelRats } from "../commands/quectel.ts";
import { generic3gpp, type Personality } from "../personality.ts";
import { quectelCommon, serialNumber } from "./quectel.ts";

const rats = ["cat-1bis", "gsm"] as const;
const names = {
  "cat-1bis": { nwinfo: "FDD LTE", csq: "LTE", eng: "LTE" },
  "lte-m": { nwinfo: "FDD LTE", csq: "LTE", eng: "LTE" },
  "nb-iot": { nwinfo: "FDD LTE", csq: "LTE", eng: "LTE" },
  gsm: { nwinfo: "EDGE", csq: "GSM", eng: "GSM" },
};

const eg25: Personality = {
  ...quectelCommon,
  id: "quectel-eg25",
  makes: "Quectel EG25, EC25, EC21, EG91",
  model: "EG25",
  revision: "EG25GGBR07A08M2G",
  rats,
  chosenRats: quectelRats(rats, false),
  bootLines: ["RDY", "+CFUN: 1"],
  simLines: { ...quectelCommon.simLines, ready: [...quectelCommon.simLines.ready, "+QUSIM: 1", "+QIND: SMS DONE", "+QIND: PB DONE"] },
  registration: { ...generic3gpp.registration, modes: { "+CREG": [0, 1, 2], "+CGREG": [0, 1, 2], "+CEREG": [0, 1, 2] } },
  commands: [serialNumber, ...quectelCommands({ names, iot: false, netDev: "qcrmcall" })],
  timings: { ...quectelCommon.timings, bootMs: 2_000 },
};

const eg915u: Personality = {
  ...eg25,
  id: "quectel-eg915u",
  makes: "Quectel EG915U, EG916Q",
  model: "EG915U-EU",
  revision: "EG915UEUABR03A06M08",
  bootLines: ["RDY"],
  getResponse: "module",
  commands: [serialNumber, ...quectelCommands({ names, iot: false, netDev: "qnetdevctl" })],
};

const eg800k: Personality = {
  ...eg915u,
  id: "quectel-eg800k",
  makes: "Quectel EG800K, LTE only",
  model: "EG800K-EU",
  revision: "EG800KEULCR07A07M04",
  rats: ["cat-1bis"],
  chosenRats: quectelRats(["cat-1bis"], false),
  csDomain: false,
};

const ec200: Personality = {
  ...eg915u,
  id: "quectel-ec200",
  makes: "Quectel EC200A, EC200U: APDUs by +CSIM only",
  model: "EC200A",
  revision: "EC200AEUHAR01A19M16",
  getResponse: "host",
  // Refused on at least one of its USB ports.
  without: ["+CCHO", "+CGLA", "+CCHC", "+IFC"],
};

export const quectelEg: readonly Personality[] = [eg25, eg915u, eg800k, ec200];
