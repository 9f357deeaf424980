// The card's ICCID by the family's ways in turn, its power, and its list of forbidden operators.
import { bytesToPlmn, swappedBcdToDigits } from "../../../base/bytes.ts";
import { SimwardError } from "../../../base/errors.ts";
import * as sim from "../../commands/sim.ts";
import { isSimBusy } from "../../engine/results.ts";
import type { AtPort } from "../../engine/types.ts";
import type { IccidWay, ModemOps, ModemQuirks } from "../../family.ts";
import { untilReadable } from "../../retry.ts";
import { isLack } from "./common.ts";

type SimOps = Pick<ModemOps, "iccid" | "setSimPower" | "forbiddenOperators" | "clearForbiddenOperators">;

const files = { iccid: 0x2fe2, forbiddenPlmns: 0x6f7b } as const;
const readBinary = 176;
const updateBinary = 214;
const iccidBytes = 10;
const plmnBytes = 3;
/** 3GPP TS 31.102 §4.2.16: four entries at least. */
const leastFplmnBytes = 12;
const readTries = 5;

/** What was seen to work is tried first from then on. */
export function simOps(quirks: ModemQuirks): SimOps {
  let ways = quirks.iccid;
  return {
    async iccid(port) {
      let refusal: unknown;
      for (const way of ways) {
        try {
          const iccid = await untilReadable(readTries, () => readIccid(port, way));
          ways = [way, ...ways.filter((other) => other !== way)];
          return iccid;
        } catch (error) {
          if (isSimBusy(error) || !isLack(error)) throw error;
          refusal ??= error;
        }
      }
      throw refusal;
    },
    async setSimPower(port, on) {
      if (quirks.simPower === undefined) throw new SimwardError("MODEM_UNABLE", { detail: "power of the SIM" });
      await port.send(on ? quirks.simPower.on : quirks.simPower.off);
    },
    async forbiddenOperators(port) {
      const file = await readForbidden(port);
      const entries: string[] = [];
      for (let at = 0; file !== undefined && at + plmnBytes <= file.length; at += plmnBytes) {
        const entry = file.subarray(at, at + plmnBytes);
        if (!isEmpty(entry)) entries.push(bytesToPlmn(entry));
      }
      return entries;
    },
    async clearForbiddenOperators(port) {
      const file = await readForbidden(port);
      if (file === undefined && quirks.clearForbidden !== undefined) {
        await port.send(quirks.clearForbidden);
        return true;
      }
      if (file === undefined || isEmpty(file)) return false;
      const { sw } = await port.send(
        sim.crsm,
        updateBinary,
        files.forbiddenPlmns,
        0,
        0,
        file.length,
        new Uint8Array(file.length).fill(0xff),
      );
      if (sw !== 0x9000)
        throw new SimwardError("APDU_STATUS", { detail: `EF.FPLMN: UPDATE BINARY answers ${sw.toString(16).toUpperCase()}` });
      return true;
    },
  };
}

const iccidCommands = {
  ccid: sim.ccid,
  qccid: sim.qccid,
  ciccid: sim.ciccid,
  "hash-ccid": sim.hashCcid,
  iccid: sim.iccid,
  xiccid: sim.xiccid,
} as const;

async function readIccid(port: AtPort, way: IccidWay): Promise<string> {
  if (way !== "crsm") return port.send(iccidCommands[way]);
  const { sw, data: file } = await port.send(sim.crsm, readBinary, files.iccid, 0, 0, iccidBytes);
  const iccid = swappedBcdToDigits(file);
  if (sw !== 0x9000 || !/^\d{18,20}$/.test(iccid))
    throw new SimwardError("AT_REPLY", { detail: `+CRSM: EF.ICCID answers ${sw.toString(16)} and ${file.length} octets` });
  return iccid;
}

/** All of the file where the card says how long it is, else its first four entries; undefined where it cannot be read. */
async function readForbidden(port: AtPort): Promise<Uint8Array | undefined> {
  let length = 0;
  // 6Cxx names the length; 67xx and what is refused leave the least.
  for (let tries = 0; tries < 3; tries++) {
    let result: sim.CrsmResult | undefined;
    try {
      result = await port.send(sim.crsm, readBinary, files.forbiddenPlmns, 0, 0, length);
    } catch (error) {
      if (!isLack(error)) throw error;
    }
    if (result?.sw === 0x9000 && result.data.length > 0) return result.data;
    const sw1 = (result?.sw ?? 0) >> 8;
    const next = sw1 === 0x6c ? (result?.sw ?? 0) & 0xff : leastFplmnBytes;
    if (next === length) return undefined;
    length = next;
  }
  return undefined;
}

function isEmpty(octets: Uint8Array): boolean {
  return octets.every((octet) => octet === 0xff);
}
