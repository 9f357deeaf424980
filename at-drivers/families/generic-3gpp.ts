// What every module offers, by 3GPP TS 27.007 alone; families override where they differ. Settings are read before they are written, since
// some modules search or store anew at each write.
import { isCode } from "../../base/errors.ts";
import * as data from "../commands/data.ts";
import * as general from "../commands/general.ts";
import * as network from "../commands/network.ts";
import * as sim from "../commands/sim.ts";
import { cmeOf } from "../engine/results.ts";
import type { AtCommand, AtPort } from "../engine/types.ts";
import type { Knowledge, ModemFamily, ModemOps, ModemQuirks } from "../family.ts";
import type { SimState } from "../modem.ts";
import { combineRegistration } from "../registration.ts";
import { isRefusal, untilReadable } from "../retry.ts";
import { clockOps } from "./ops/clock.ts";
import { definedOnly, ensure, optionally, orUndefined } from "./ops/common.ts";
import { dataOps } from "./ops/data.ts";
import { networkOps } from "./ops/network.ts";
import { powerOps } from "./ops/power.ts";
import { radioOps } from "./ops/radio.ts";
import { simOps } from "./ops/sim.ts";

export const genericQuirks: ModemQuirks = {
  apdu: ["ccho-cgla", "csim"],
  csimLock: undefined,
  // 250 hex characters in +CGLA: the largest size seen to work wherever the command does.
  maxCommandDataBytes: 120,
  maxLineChars: undefined,
  refresh: ["wait", "sim-power", "flight-cycle", "cfun-cycle", "cfun-reset", "reset"],
  settleMs: 15_000,
  simPower: undefined,
  iccid: ["ccid", "qccid", "ciccid", "hash-ccid", "xiccid", "crsm"],
  // V.250 asks for no more than the final result; makes that want a pause say so in their families.
  gapMs: 0,
  resets: [general.resetByCfun],
  bootMs: 2_000,
  bootLines: ["RDY", "APP RDY", "*ATREADY", "^SYSSTART"],
  urcs: ["RING", "NO CARRIER", "SMS DONE", "SMS Ready", "PB DONE", "Call Ready", "DST:", "NORMAL POWER DOWN", "POWERED DOWN"],
  rats: {},
  start: [],
  signal: ["cesq"],
  clock: ["cclk"],
  localCtzu: 1,
  scanTries: 1,
  scanMs: 315_000,
  clearForbidden: undefined,
  defaultCid: 1,
  auth: ["cgauth"],
  radio: undefined,
  bands: undefined,
  dataInterfaces: [{ kind: "ppp", dial: (cid) => `*99***${cid}#` }],
  grantedPsm: undefined,
  edrxNeedsReset: false,
  operatorProfile: undefined,
  counters: undefined,
  ownLpa: [],
};

export const generic3gpp: ModemFamily = {
  id: "generic-3gpp",
  modules: "any, by 3GPP TS 27.007",
  source: "3GPP TS 27.007 and V.250; habits common to the modules of docs/modules.md",
  match: () => true,
  quirks: genericQuirks,
  knows: {
    identity: standard(),
    apdu: { grade: "documented", sources: ["27.007", "LPAC"], note: "what works is found by trying" },
    "apdu-limits": { grade: "documented", sources: ["LPAC", "OPP"] },
    "get-response": {
      grade: "documented",
      sources: ["Q-EC2x", "LPAC"],
      note: "61xx is followed by the host or has been by the module; both are passed on",
    },
    iccid: { grade: "documented", sources: ["Q-EC2x", "S-A76", "S-7080", "U-R5", "27.007"] },
    boot: { grade: "documented", sources: ["Q-EC2x", "Q-BG96", "LilyGO"], note: "^SYSSTART is unknown" },
    reset: standard(),
    refresh: { grade: "documented", sources: ["OPP", "LPAC"] },
    start: standard("echo, errors, reports"),
    registration: standard("<n> 3 where the module has it, else 2"),
    act: standard(),
    radio: { grade: "unknown", sources: [] },
    bands: { grade: "unknown", sources: [] },
    signal: standard(),
    clock: standard("+CCLK and +CTZE carry local time"),
    auth: standard(),
    "data-interface": standard(),
    psm: standard("granted timers by +CEREG with <n> 5 or 4"),
    edrx: standard(),
    "operator-profile": { grade: "unknown", sources: [] },
    counters: { grade: "unknown", sources: [] },
    "own-lpa": { grade: "unknown", sources: [] },
  },
  gaps: [],
};

/** In 3GPP TS 27.007 or V.250. */
function standard(note?: string): Knowledge {
  return { grade: "documented", sources: ["27.007"], ...(note === undefined ? {} : { note }) };
}

const readTries = 5;

/** The operations of a module with these quirks. What was seen to work is tried first from then on. */
export function genericOps(quirks: ModemQuirks): ModemOps {
  return {
    ...simOps(quirks),
    ...networkOps(quirks),
    ...dataOps(quirks),
    ...radioOps(quirks),
    ...powerOps(quirks),
    ...clockOps(quirks),
    async initialise(port) {
      await port.send(general.echoOff);
      await ensure(port, general.readCmee, ({ mode }) => mode === 1, [() => port.send(general.setCmee, 1)]);
      await optionally(port.send(general.ignoreDtr));
    },
    async subscribe(port) {
      for (const { setting, value } of quirks.start)
        await optionally(ensure(port, setting.read, (present) => present === value, [() => port.send(setting.write, value)]));
      await optionally(ensureNumericOperator(port));
      // 3 adds the reject cause; not every module has it.
      for (const name of network.registrationCommands)
        await optionally(
          ensure(port, network.readRegistrations[name], ({ n }) => n === 3, [
            () => port.send(network.setRegistrationReports, name, 3),
            () => port.send(network.setRegistrationReports, name, 2),
          ]),
        );
      await optionally(
        ensure(port, data.readCgerep, ({ mode }) => mode === 2, [
          () => port.send(data.setCgerep, 2, 1),
          () => port.send(data.setCgerep, 2, 0),
          () => port.send(data.setCgerep, 1, 0),
        ]),
      );
      await optionally(
        ensure(port, general.readCtzu, ({ mode }) => mode === quirks.localCtzu, [
          () => port.send(general.setCtzu, quirks.localCtzu),
          () => port.send(general.setCtzu, 1),
        ]),
      );
      await optionally(ensure(port, general.readCtzr, ({ mode }) => mode === 1, [() => port.send(general.setCtzr, 1)]));
      if (quirks.counters?.begin !== undefined) await optionally(port.send(quirks.counters.begin));
    },
    async identity(port) {
      const read = async (command: AtCommand<readonly [], string>): Promise<string> =>
        (await orUndefined(untilReadable(readTries, () => port.send(command)))) ?? "";
      return { manufacturer: await read(general.cgmi), model: await read(general.cgmm), revision: await read(general.cgmr) };
    },
    async imei(port) {
      try {
        return await untilReadable(readTries, () => port.send(general.cgsn));
      } catch (error) {
        if (!isRefusal(error) && !isCode(error, "AT_REPLY")) throw error;
        return port.send(general.cgsnImei);
      }
    },
    imsi: (port) => untilReadable(readTries, () => port.send(sim.cimi)),
    async simState(port) {
      try {
        return sim.simStateOf(await port.send(sim.readCpin));
      } catch (error) {
        const state = simStateOfCme[cmeOf(error) ?? -1];
        if (state === undefined) throw error;
        return state;
      }
    },
    functionLevel: async (port) => (await port.send(general.readCfun)).level,
    setFunction: (port, level) => port.send(general.setCfun, level),
    async reset(port) {
      let refusal: unknown;
      for (const reset of quirks.resets) {
        try {
          await port.send(reset);
          return;
        } catch (error) {
          if (!isRefusal(error)) throw error;
          refusal ??= error;
        }
      }
      throw refusal;
    },
    async registration(port) {
      const lines = {
        "+CEREG": await orUndefined(port.send(network.readRegistrations["+CEREG"])),
        "+CGREG": await orUndefined(port.send(network.readRegistrations["+CGREG"])),
      };
      if (lines["+CEREG"] === undefined && lines["+CGREG"] === undefined)
        return combineRegistration({ "+CREG": await port.send(network.readRegistrations["+CREG"]) }, await readCops(port), quirks.rats);
      return combineRegistration(definedOnly(lines), await readCops(port), quirks.rats);
    },
  };
}

const simStateOfCme: Readonly<Record<number, SimState>> = { 10: "absent", 11: "pin", 12: "puk", 13: "failure", 14: "busy", 15: "failure" };

/** +COPS? shows the format only with an operator, so without one it is set again: that starts no search. */
async function ensureNumericOperator(port: AtPort): Promise<void> {
  const cops = await orUndefined(port.send(network.readCops));
  if (cops?.format !== 2) await port.send(network.setCopsNumeric);
}

async function readCops(port: AtPort) {
  return orUndefined(port.send(network.readCops));
}
