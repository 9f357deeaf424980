// Commands of Nordic's nRF91 modem firmware (LTE-M and NB-IoT).
import type { SimRat } from "../../contracts.ts";
import { heardThrough } from "../bands.ts";
import { cme } from "../cme.ts";
import type { VirtualModem } from "../module.ts";
import { grantedEdrx, grantedPsm } from "../power-saving.ts";
import { domainStat } from "../registration-lines.ts";
import { clamp, servingCell } from "../serving-cell.ts";
import type { VendorSettings } from "../vendor-settings.ts";
import { type Answer, type CommandRow, int, line, ok, refuse, says, text } from "./command.ts";
import { among, inForce, type Setting, setting } from "./setting.ts";

/** +CME ERROR of Nordic's own: not allowed while the modem is active. */
const notWhileActive = 518;

const whileInactive = (modem: VirtualModem): void => {
  if (modem.functionLevel !== 0 && modem.functionLevel !== 4 && modem.functionLevel !== 44) refuse(notWhileActive);
};

/** <LTE-M>,<NB-IoT>,<GNSS>,<preference: 0 none, 1 LTE-M, 2 NB-IoT, 3 and 4 by network>. */
const systemMode: Setting = {
  fields: [among([0, 1], 1), among([0, 1], 0), among([0, 1], 0), among([0, 1, 2, 3, 4], 0)],
  optional: 1,
  effect: "now",
  when: whileInactive,
  test: "(0,1),(0,1),(0,1),(0-4)",
};

/** Bit strings with band 1 last; "": none. What the whole lock is of: kept, or until the next start. */
const locks = ["%XBANDLOCK 1", "%XBANDLOCK 2"] as const;
const bandLock: CommandRow = {
  name: "%XBANDLOCK",
  test: says("%XBANDLOCK: (0-3)"),
  read: ({ modem }) => line(`%XBANDLOCK: ${locks.map((key) => `"${modem.vendor.get(key, "")}"`).join(",")}`),
  set: (call) => {
    const { modem } = call;
    whileInactive(modem);
    const operation = int(call, 0, 0, 3);
    const lock = text(call, 1, "");
    if (!/^[01]{0,88}$/.test(lock) || (lock === "") !== (operation === 0 || operation === 3)) return refuse(cme.incorrectParameters);
    if (operation === 1) modem.vendor.set(locks[0], lock, "now");
    if (operation === 2) modem.vendor.set(locks[1], lock, "session");
    if (operation === 0) for (const key of locks) modem.vendor.forget(key);
    return ok;
  },
};

export function nordicRats(settings: VendorSettings): readonly SimRat[] {
  const lock = locks.map((key) => settings.get(key, "")).find((one) => one !== "");
  const mask = lock === undefined ? undefined : BigInt(`0b${lock}`);
  const found = chosenRats(settings);
  return mask === undefined ? found : heardThrough(found, { "lte-m": mask, "nb-iot": mask });
}

function chosenRats(settings: VendorSettings): readonly SimRat[] {
  const [lteM, nbIot, , preference] = inForce(settings, "%XSYSTEMMODE", systemMode);
  const found: readonly SimRat[] = [...(lteM === "1" ? (["lte-m"] as const) : []), ...(nbIot === "1" ? (["nb-iot"] as const) : [])];
  return preference === "2" ? [...found].reverse() : found;
}

/** Registration, names, PLMN, TAC, AcT, band, cell, PCI, EARFCN, RSRP index, SNR index, eDRX, active time, periodic TAU. */
function monitor(modem: VirtualModem): Answer {
  const stat = domainStat(modem, "+CEREG");
  const cell = servingCell(modem);
  if (cell === undefined) return line(`%XMONITOR: ${stat}`);
  const { name, shortName, plmn, tac, rat, band, cellId, pci, channel, rsrpDbm, sinrDb } = cell;
  const { activeTime, periodicTau } = grantedPsm(modem) ?? { activeTime: "11100000", periodicTau: "11100000" };
  const radio = [modem.personality.act[rat], band, `"${cellId}"`, pci, channel, clamp(rsrpDbm + 140, 0, 97), clamp(sinrDb + 24, 0, 48)];
  return line(
    `%XMONITOR: ${stat},"${name}","${shortName}","${plmn}","${tac}",${radio.join(",")},"${grantedEdrx(modem) ?? ""}","${activeTime}","${periodicTau}"`,
  );
}

export const nordicCommands: readonly CommandRow[] = [
  setting("%XSYSTEMMODE", systemMode),
  bandLock,
  { name: "%XMONITOR", execute: ({ modem }) => monitor(modem) },
  setting("%XSIM", { fields: [among([0, 1])], effect: "session", test: "(0,1)" }),
  setting("+CNEC", { fields: [among([0, 1, 8, 9, 16, 24])], effect: "session", test: "(0,1,8,9,16,24)" }),
  setting("%UICCPOWERSAVE", { fields: [among([0, 1, 2, 3])], effect: "now", when: whileInactive, test: "(0-3)" }),
  setting("%CESQ", { fields: [among([0, 1])], effect: "session" }),
  {
    name: "%XCONNSTAT",
    // SMS sent, received; kilobytes sent, received; the longest packet and the average one. What is not collected is not told.
    read: ({ modem }) => {
      const on = modem.vendor.get("%XCONNSTAT", "0") === "1";
      const { sentBytes, receivedBytes } = on ? modem.counters.total : { sentBytes: 0, receivedBytes: 0 };
      return line(`%XCONNSTAT: 0,0,${Math.floor(sentBytes / 1_024)},${Math.floor(receivedBytes / 1_024)},0,0`);
    },
    set: (call) => {
      const { counters, vendor } = call.modem;
      const on = int(call, 0, 0, 1);
      if (on === 1) counters.reset();
      vendor.set("%XCONNSTAT", String(on), "session");
      return ok;
    },
  },
  {
    name: "%XCBAND",
    execute: ({ modem }) => line(`%XCBAND: ${servingCell(modem)?.band ?? 0}`),
    test: says("%XCBAND: (1,2,3,4,5,8,12,13,18,19,20,25,26,28,66)"),
  },
];
