// What all modules of Quectel have in common [Q-EC2x, Q-BG96].
import type { CommandRow } from "../commands/command.ts";
import { int, line } from "../commands/command.ts";
import { generic3gpp, type Personality } from "../personality.ts";

export const quectelCommon: Personality = {
  ...generic3gpp,
  manufacturer: "Quectel",
  identity: { I: ["{manufacturer}", "{model}", "Revision: {revision}"], "+QGMR": ["{revision}"] },
  iccidCommands: { "+QCCID": "+QCCID: {iccid}", "+CCID": "+CCID: {padded}" },
  cchoErrors: { notFound: 13, noChannel: 3 },
  cmee: 1,
  simLines: {
    starting: ["+CPIN: NOT READY"],
    ready: ["+CPIN: READY", { text: "+QSIMSTAT: 1,1", if: "+QSIMSTAT" }],
    // With a blank before the colon.
    absent: ["+CPIN: NOT INSERTED", { text: "+QSIMSTAT : 1,0", if: "+QSIMSTAT" }],
  },
  ceer: { failure: '"{text}",5,{cause}', none: '"No cause information available",0,0' },
  contexts: { ...generic3gpp.contexts, maxCid: 16, kept: true },
  counters: { habit: "saved", bits: 48 },
  cgev: { ...generic3gpp.cgev, deactivated: { ME: ["ME PDN DEACT {cid}"], NW: ['NW DEACT "IP","{address}",{cid}'] } },
  timings: {
    ...generic3gpp.timings,
    simBusy: [
      // The card seems to have been pulled for a moment.
      { ms: 200, cme: 10 },
      { ms: 600, cme: 13 },
      { ms: 1_700, cme: 14 },
    ],
    scanMs: 60_000,
    powerDownMs: 1_000,
  },
};

/** The prefix, but no quotes. */
export const serialNumber: CommandRow = {
  name: "+CGSN",
  execute: ({ modem }) => line(modem.imei),
  set: (call) => {
    const { imei } = call.modem;
    return line(`+CGSN: ${[imei, imei, `${imei.slice(0, 14)}01`, "01"][int(call, 0, 0, 3)]}`);
  },
};
