// Telit ME310, ME910 (LTE-M) and LE910 (Cat-1, Cat-1bis): what ModemManager's plugin and public threads tell [TEL]; the manuals were not to be had.
import { powerSavingCommands } from "../commands/power-saving.ts";
import { type TelitHabits, telitCommands, telitRats } from "../commands/telit.ts";
import { generic3gpp, type Personality } from "../personality.ts";

const telitCommon: Personality = {
  ...generic3gpp,
  manufacturer: "Telit",
  identity: {
    I: ["332"],
    I4: ["{model}"],
    "#CGMM": ["#CGMM: {model}"],
    "#CGMR": ["#CGMR: {revision}"],
    "#CGSN": ["#CGSN: {imei}"],
    "#SWPKGV": ["{revision}"],
  },
  iccidCommands: { "#CCID": "#CCID: {iccid}", "+ICCID": "+ICCID: {iccid}" },
  getResponse: "module",
  cchoErrors: { notFound: 4, noChannel: 3 },
  // Silent unless #QSS asks.
  bootLines: [],
  simLines: {
    starting: [{ text: "#QSS: 1", if: "#QSS" }],
    ready: [{ text: "#QSS: 3", if: "#QSS" }],
    absent: [{ text: "#QSS: 0", if: "#QSS" }],
  },
  contexts: { ...generic3gpp.contexts, maxCid: 6, kept: true },
  // As older ones of the make have it.
  counters: { habit: "kept", bits: 48 },
  cgev: { ...generic3gpp.cgev, attached: ["ME PDN ACT {cid}"] },
  timings: { ...generic3gpp.timings, bootMs: 3_000, simBusy: [{ ms: 1_500, cme: 14 }], scanMs: 60_000 },
};

function lteM(id: string, model: string, revision: string, usb: Pick<TelitHabits, "usb" | "usbFactory">): Personality {
  return {
    ...telitCommon,
    id,
    makes: `Telit ${model}`,
    model,
    revision,
    rats: ["lte-m", "nb-iot", "gsm"],
    chosenRats: telitRats(true),
    // As ModemManager reads it; not confirmed.
    act: { gsm: 0, "cat-1bis": 7, "lte-m": 8, "nb-iot": 9 },
    csDomain: false,
    commands: [...telitCommands({ iot: true, ...usb }), ...powerSavingCommands({ edrx: "now", edrxRead: true })],
  };
}

const le910: Personality = {
  ...telitCommon,
  id: "telit-le910",
  makes: "Telit LE910C1, LE910R1",
  model: "LE910C1-EUX",
  revision: "25.30.226",
  chosenRats: telitRats(false),
  commands: telitCommands({ iot: false, usb: [0, 1, 2, 3, 4, 5], usbFactory: 0 }),
};

export const telit: readonly Personality[] = [
  lteM("telit-me310", "ME310G1-WW", "M0F.670004", { usb: [0, 1, 2, 3], usbFactory: 0 }),
  lteM("telit-me910", "ME910C1-E1", "30.00.209", { usb: [0, 1, 2, 3], usbFactory: 0 }),
  le910,
  {
    ...le910,
    id: "telit-le910q1",
    makes: "Telit LE910Q1, LE910Cx-WWX",
    model: "LE910Q1-SN",
    revision: "M0J.000001",
    commands: telitCommands({ iot: false, usb: [0, 1], usbFactory: 0 }),
  },
];
