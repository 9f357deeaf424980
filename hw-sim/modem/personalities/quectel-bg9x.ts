// Quectel BG95, BG96 and BG77 (LTE-M, NB-IoT): BG96 manual V2.2 and its notes [Q-BG96]; of BG95 and BG77 little is public, so they are BG96 with APDU access.
import { powerSavingCommands } from "../commands/power-saving.ts";
import { quectelCommands, quectelRats } from "../commands/quectel.ts";
import { generic3gpp, type Personality } from "../personality.ts";
import { quectelCommon, serialNumber } from "./quectel.ts";

const rats = ["lte-m", "nb-iot", "gsm"] as const;

const names = (lteM: string, engineering: string) => ({
  "lte-m": { nwinfo: lteM, csq: "CAT-M1", eng: engineering },
  "nb-iot": { nwinfo: "NB-IoT", csq: "CAT-NB1", eng: "NB-IoT" },
  "cat-1bis": { nwinfo: "FDD LTE", csq: "LTE", eng: "LTE" },
  gsm: { nwinfo: "EDGE", csq: "GSM", eng: "GSM" },
});

const bg9x: Personality = {
  ...quectelCommon,
  id: "quectel-bg95",
  makes: "Quectel BG95",
  model: "BG95-M3",
  revision: "BG95M3LAR02A04",
  rats,
  chosenRats: quectelRats(rats, true),
  // Quectel's own counting: 8 is LTE-M.
  act: { gsm: 0, "cat-1bis": 7, "lte-m": 8, "nb-iot": 9 },
  bootLines: ["RDY", "APP RDY", "+CFUN: 1"],
  csDomain: false,
  registration: { ...generic3gpp.registration, modes: { "+CREG": [0, 1, 2], "+CGREG": [0, 1, 2, 4], "+CEREG": [0, 1, 2, 4] } },
  commands: [
    serialNumber,
    ...quectelCommands({ names: names("eMTC", "eMTC"), iot: true, netDev: "none" }),
    ...powerSavingCommands({ edrx: "now", edrxRead: true }),
  ],
  timings: { ...quectelCommon.timings, bootMs: 2_500, scanMs: 90_000 },
};

const bg96: Personality = {
  ...bg9x,
  id: "quectel-bg96",
  makes: "Quectel BG96, whose manual knows +CRSM only: no way to an eUICC",
  model: "BG96",
  revision: "BG96MAR01A01M1G",
  cgcontrdp: "short",
  without: [...bg9x.without, "+CSIM", "+CCHO", "+CGLA", "+CCHC", "+CGCONTRDP"],
  commands: [
    serialNumber,
    ...quectelCommands({ names: names("Cat-M1", "CAT-M"), iot: true, netDev: "none" }),
    ...powerSavingCommands({ edrx: "now", edrxRead: true }),
  ],
};

const bg77: Personality = { ...bg9x, id: "quectel-bg77", makes: "Quectel BG77", model: "BG77", revision: "BG77LAR02A04" };

export const quectelBg9x: readonly Personality[] = [bg9x, bg96, bg77];
