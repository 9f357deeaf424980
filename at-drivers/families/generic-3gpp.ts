// What every module offers, by 3GPP TS 27.007 alone; families override where they differ. Settings are read before they are written, since
// some modules search or store anew at each write.
import { swappedBcdToDigits } from "../../base/bytes.ts";
import { isCode, SimwardError } from "../../base/errors.ts";
import * as data from "../commands/data.ts";
import * as general from "../commands/general.ts";
import * as network from "../commands/network.ts";
import * as sim from "../commands/sim.ts";
import { parseLocalTime } from "../commands/time.ts";
import { cmeOf, isSimBusy } from "../engine/results.ts";
import type { AtCommand, AtPort } from "../engine/types.ts";
import type { IccidWay, ModemFamily, ModemOps, ModemQuirks } from "../family.ts";
import type { OperatorFound, SimState } from "../modem.ts";
import { combineRegistration, ratOf } from "../registration.ts";
import { isRefusal, untilReadable } from "../retry.ts";
import type { PdpContext } from "../types.ts";

export const genericQuirks: ModemQuirks = {
  apdu: ["ccho-cgla", "csim"],
  // 250 hex characters in +CGLA: the largest size seen to work wherever the command does.
  maxCommandDataBytes: 120,
  refresh: ["wait", "cfun-cycle", "reset"],
  settleMs: 15_000,
  iccid: ["ccid", "qccid", "ciccid", "crsm"],
  // V.250 asks for no more than the final result; makes that want a pause say so in their families.
  gapMs: 0,
  bootMs: 2_000,
  bootLines: ["RDY", "APP RDY", "*ATREADY", "^SYSSTART"],
  urcs: ["RING", "NO CARRIER", "SMS DONE", "SMS Ready", "PB DONE", "Call Ready", "DST:", "NORMAL POWER DOWN", "POWERED DOWN"],
  rats: {},
};

export const generic3gpp: ModemFamily = {
  id: "generic-3gpp",
  source: "3GPP TS 27.007 and V.250; habits common to the modules of docs/modules.md",
  match: () => true,
  quirks: genericQuirks,
};

const epsSimFiles = { iccid: 0x2fe2 } as const;
const readBinary = 176;
const iccidBytes = 10;
const readTries = 5;
const defineTries = 3;
const copsModes = ["automatic", "manual", "deregistered"] as const;
const copsStats = ["unknown", "available", "current", "forbidden"] as const;

/** The operations of a module with these quirks. What was seen to work is tried first from then on. */
export function genericOps(quirks: ModemQuirks): ModemOps {
  let iccidWays = quirks.iccid;
  return {
    async initialise(port) {
      await port.send(general.echoOff);
      await ensure(port, general.readCmee, ({ mode }) => mode === 1, [() => port.send(general.setCmee, 1)]);
      await optionally(port.send(general.ignoreDtr));
    },
    async subscribe(port) {
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
      await optionally(ensure(port, general.readCtzu, ({ mode }) => mode === 1, [() => port.send(general.setCtzu, 1)]));
      await optionally(ensure(port, general.readCtzr, ({ mode }) => mode === 1, [() => port.send(general.setCtzr, 1)]));
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
    async iccid(port) {
      let refusal: unknown;
      for (const way of iccidWays) {
        try {
          const iccid = await untilReadable(readTries, () => readIccid(port, way));
          iccidWays = [way, ...iccidWays.filter((other) => other !== way)];
          return iccid;
        } catch (error) {
          if (isSimBusy(error) || !(isRefusal(error) || isCode(error, "AT_REPLY"))) throw error;
          refusal ??= error;
        }
      }
      throw refusal;
    },
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
    reset: (port) => port.send(general.resetByCfun),
    async registration(port) {
      const lines = {
        "+CEREG": await orUndefined(port.send(network.readRegistrations["+CEREG"])),
        "+CGREG": await orUndefined(port.send(network.readRegistrations["+CGREG"])),
      };
      if (lines["+CEREG"] === undefined && lines["+CGREG"] === undefined)
        return combineRegistration({ "+CREG": await port.send(network.readRegistrations["+CREG"]) }, await readCops(port), quirks.rats);
      return combineRegistration(definedOnly(lines), await readCops(port), quirks.rats);
    },
    async signal(port) {
      const extended = await orUndefined(port.send(network.cesq));
      const rssi = network.rssiDbm((await port.send(network.csq)).rssi);
      const rsrp = extended === undefined ? undefined : network.rsrpDbm(extended.rsrp);
      const rsrq = extended === undefined ? undefined : network.rsrqDb(extended.rsrq);
      return definedOnly({ rssiDbm: rssi, rsrpDbm: rsrp, rsrqDb: rsrq });
    },
    async contexts(port) {
      const found = await port.send(data.readCgdcont);
      return found.flatMap(({ cid, type, apn }) => (isPdpType(type) ? [{ cid, type, apn: apn ?? "" }] : []));
    },
    async defineContext(port, { cid, type, apn }) {
      // A module that has just started refuses the first ones.
      for (let left = defineTries - 1; ; left--) {
        try {
          await port.send(data.setCgdcont, cid, type, apn);
          return;
        } catch (error) {
          if (left <= 0 || !isRefusal(error)) throw error;
        }
      }
    },
    authenticate: (port, cid, { protocol, user, password }) => port.send(data.setCgauth, cid, protocol === "pap" ? 1 : 2, user, password),
    attach: (port, attached) => port.send(data.setCgatt, attached ? 1 : 0),
    isAttached: async (port) => (await port.send(data.readCgatt)).state === 1,
    activate: (port, cid, active) => port.send(data.setCgact, active ? 1 : 0, cid),
    isActive: async (port, cid) => (await port.send(data.readCgact)).some((context) => context.cid === cid && context.state === 1),
    async session(port, cid) {
      const [address] = await port.send(data.cgpaddr, cid);
      if (address === undefined) return undefined;
      // Not every module knows +CGCONTRDP, and some cut its tail.
      const described = (await orUndefined(port.send(data.cgcontrdp, cid)))?.filter((line) => line.cid === cid) ?? [];
      const [first] = described;
      return {
        cid,
        apn: first?.apn,
        address,
        gateway: first?.gateway,
        dns: [...new Set(described.flatMap(({ dns }) => dns))],
        mtuBytes: first?.mtuBytes,
      };
    },
    async operator(port) {
      const { mode, format, operator, act } = await port.send(network.readCops);
      return {
        // 4, manual then automatic, has become automatic when its operator was not there.
        mode: mode === 4 ? "manual" : (copsModes[mode] ?? "automatic"),
        plmn: format === 2 ? operator : undefined,
        rat: ratOf(act, quirks.rats),
      };
    },
    selectOperator: (port, plmn) => (plmn === undefined ? port.send(network.setCopsAutomatic) : port.send(network.setCopsManual, plmn)),
    async scan(port) {
      return (await port.send(network.testCops)).map(
        ({ plmn, longName, shortName, stat, act }): OperatorFound => ({
          plmn,
          name: longName || shortName,
          status: copsStats[stat] ?? "unknown",
          act,
        }),
      );
    },
    async networkTime(port) {
      if ((await port.send(general.readCtzu)).mode === 0) return undefined;
      return parseLocalTime((await port.send(general.readCclk)).time);
    },
  };
}

async function readIccid(port: AtPort, way: IccidWay): Promise<string> {
  switch (way) {
    case "ccid":
      return port.send(sim.ccid);
    case "qccid":
      return port.send(sim.qccid);
    case "ciccid":
      return port.send(sim.ciccid);
    case "crsm": {
      const { sw, data: file } = await port.send(sim.crsm, readBinary, epsSimFiles.iccid, 0, 0, iccidBytes);
      const iccid = swappedBcdToDigits(file);
      if (sw !== 0x9000 || !/^\d{18,20}$/.test(iccid))
        throw new SimwardError("AT_REPLY", { detail: `+CRSM: EF.ICCID answers ${sw.toString(16)} and ${file.length} octets` });
      return iccid;
    }
  }
}

const simStateOfCme: Readonly<Record<number, SimState>> = { 10: "absent", 11: "pin", 12: "puk", 13: "failure", 14: "busy", 15: "failure" };

function isPdpType(type: string): type is PdpContext["type"] {
  return type === "IP" || type === "IPV6" || type === "IPV4V6";
}

/** Reads, compares, and writes what is refused last: each of `writes` is a weaker form of the one before. */
async function ensure<R>(
  port: AtPort,
  read: AtCommand<readonly [], R>,
  isSo: (value: R) => boolean,
  writes: readonly (() => Promise<void>)[],
): Promise<void> {
  const value = await orUndefined(port.send(read));
  if (value !== undefined && isSo(value)) return;
  let refusal: unknown;
  for (const write of writes) {
    try {
      await write();
      return;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      refusal = error;
    }
  }
  throw refusal;
}

/** +COPS? shows the format only with an operator, so without one it is set again: that starts no search. */
async function ensureNumericOperator(port: AtPort): Promise<void> {
  const cops = await orUndefined(port.send(network.readCops));
  if (cops?.format !== 2) await port.send(network.setCopsNumeric);
}

async function readCops(port: AtPort) {
  return orUndefined(port.send(network.readCops));
}

/** A module may lack the command, or its SIM be busy. */
async function orUndefined<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isRefusal(error) || isCode(error, "AT_REPLY")) return undefined;
    throw error;
  }
}

async function optionally(done: Promise<unknown>): Promise<void> {
  await orUndefined(done);
}

function definedOnly<T extends object>(values: T): { readonly [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
