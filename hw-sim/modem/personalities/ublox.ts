// u-blox SARA-R5 and R4 (LTE-M), LARA-R6 and LEXI-R10 (Cat-1bis): application notes [U-R5] and ubxlib [U-LIB]; +CCHO there is not confirmed by any.
import type { SimRat } from "../../contracts.ts";
import { powerSavingCommands } from "../commands/power-saving.ts";
import { type UbloxHabits, ubloxCommands, ubloxRats } from "../commands/ublox.ts";
import { generic3gpp, type Personality } from "../personality.ts";

const ubloxCommon: Personality = {
  ...generic3gpp,
  manufacturer: "u-blox",
  identity: { I: ["{model}"], I9: ["01.24,A01.00"] },
  iccidCommands: { "+CCID": "+CCID: {iccid}" },
  getResponse: "module",
  cchoErrors: { notFound: 4, noChannel: 3 },
  // The line trains itself by the first AT; there is no greeting unless +CSGT asks for one.
  baud: 0,
  bootLines: [],
  simLines: {
    starting: [],
    ready: [{ text: "+UUSIMSTAT: 3", if: "+USIMSTAT" }],
    absent: [{ text: "+UUSIMSTAT: 0", if: "+USIMSTAT" }],
  },
  busyWithSim: ["&C", "+IFC"],
  functionLevels: {
    ...generic3gpp.functionLevels,
    6: { shows: "as before" },
    9: { shows: "as before" },
    7: { radio: false, sim: true },
    15: { reset: true },
    16: { reset: true },
    19: { radio: false, sim: false },
    127: { radio: false, sim: false },
  },
  // Kept in its memory: a crash in between leaves it in flight mode.
  keptLevels: [1, 4],
  cops: { ...generic3gpp.cops, abortable: true },
  ceer: { failure: '"{domain} cause",{cause},"{text}"', none: '"No report available"' },
  contexts: { ...generic3gpp.contexts, kept: true, lastPdnCme: 151 },
  cgev: { ...generic3gpp.cgev, attached: ["ME PDN ACT {cid},0"] },
  timings: { ...generic3gpp.timings, bootMs: 3_000, simBusy: [{ ms: 2_000, cme: 14 }], scanMs: 120_000 },
};

const lteM = (id: string, makes: string, model: string, revision: string, habits: UbloxHabits): Personality => ({
  ...ubloxCommon,
  id,
  makes,
  model,
  revision,
  rats: ratsOf(habits),
  chosenRats: ubloxRats(habits),
  csDomain: false,
  commands: [...ubloxCommands(habits), ...powerSavingCommands({ edrx: "now", edrxRead: true })],
});

const cat1 = (id: string, makes: string, model: string, revision: string, habits: UbloxHabits): Personality => ({
  ...ubloxCommon,
  id,
  makes,
  model,
  revision,
  rats: ratsOf(habits),
  chosenRats: ubloxRats(habits),
  busyWithSim: [],
  commands: ubloxCommands(habits),
});

function ratsOf({ urat }: UbloxHabits): readonly SimRat[] {
  const order: readonly SimRat[] = ["lte-m", "cat-1bis", "nb-iot", "gsm"];
  return order.filter((rat) => Object.values(urat).includes(rat));
}

const rac = (modes: readonly number[]) => ({ ...generic3gpp.registration, routingArea: { at: "end", modes } }) as const;

export const ublox: readonly Personality[] = [
  lteM("ublox-sara-r5", "u-blox SARA-R5, LEXI-R52", "SARA-R510S", "02.06", {
    urat: { 7: "lte-m", 8: "nb-iot" },
    uratFactory: [7],
    maxRats: 1,
    bandMasks: true,
    interfaces: "upsd",
  }),
  {
    ...lteM("ublox-sara-r4", "u-blox SARA-R410M, R412M", "SARA-R410M-02B", "L0.0.00.00.05.08", {
      urat: { 7: "lte-m", 8: "nb-iot", 9: "gsm" },
      uratFactory: [7, 8],
      maxRats: 3,
      bandMasks: true,
      interfaces: "upsd",
    }),
    registration: rac([4]),
  },
  {
    ...cat1("ublox-lara-r6", "u-blox LARA-R6", "LARA-R6001D", "00.13", {
      urat: { 0: "gsm", 2: undefined, 3: "cat-1bis" },
      uratFactory: [3, 0],
      maxRats: 3,
      bandMasks: false,
      interfaces: "usb",
    }),
    registration: rac([4]),
  },
  cat1("ublox-lexi-r10", "u-blox LEXI-R10", "LEXI-R10401D", "01.00", {
    urat: { 3: "cat-1bis" },
    uratFactory: [3],
    maxRats: 1,
    bandMasks: false,
    interfaces: "usb",
  }),
];
