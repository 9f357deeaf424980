// Commands of SIMCom: SIM7080 (LTE-M) and A76xx (Cat-1bis). Same names often mean other forms; each has its own list at the end.
import { whenDone } from "../../card-socket/procedure.ts";
import type { SimRat } from "../../contracts.ts";
import { heardThrough, maskOfList } from "../bands.ts";
import { cme } from "../cme.ts";
import type { VirtualModem } from "../module.ts";
import { grantedPsm, requestedPsm } from "../power-saving.ts";
import { clamp, type ServingCell, servingCell } from "../serving-cell.ts";
import type { VendorSettings } from "../vendor-settings.ts";
import { type Answer, type Call, type CommandRow, int, line, ok, refuse, says, text } from "./command.ts";
import { switchOn } from "./packet.ts";
import { among, inForce, number, plain, type Setting, setting, words } from "./setting.ts";

const research = (modem: VirtualModem): undefined => {
  modem.registration.search("ME");
};

const mode7080: Setting = {
  fields: [among([2, 13, 38, 51], 38)],
  effect: "now",
  applied: research,
  test: "((2-Automatic),(13-GSM Only),(38-LTE Only),(51-GSM And LTE Only))",
};
const iot: Setting = {
  fields: [among([1, 2, 3], 3)],
  effect: "now",
  applied: research,
  test: "((1-Cat-M),(2-NB-IoT),(3-Cat-M And NB-IoT))",
};
const modeA76: Setting = { fields: [among([2, 13, 14, 38], 2)], effect: "now", applied: research, test: "(2,13,14,38)" };
const gsmOnly = "13";
const lteOnly = "38";

export function sim7080Rats(settings: VendorSettings): readonly SimRat[] {
  const maskOf = (name: string): bigint => maskOfList(settings.get(`+CBANDCFG ${name}`, bandDefaults[name] ?? ""));
  return heardThrough(chosen7080(settings), { "lte-m": maskOf("CAT-M"), "nb-iot": maskOf("NB-IOT") });
}

function chosen7080(settings: VendorSettings): readonly SimRat[] {
  const [mode] = inForce(settings, "+CNMP", mode7080);
  const [kind] = inForce(settings, "+CMNB", iot);
  const lte: readonly SimRat[] = kind === "1" ? ["lte-m"] : kind === "2" ? ["nb-iot"] : ["lte-m", "nb-iot"];
  if (mode === gsmOnly) return ["gsm"];
  return mode === lteOnly ? lte : [...lte, "gsm"];
}

/** Others, LTE; those of the A7672E: LTE 1, 3, 5, 7, 8, 20. */
const bandsA76: Setting = {
  fields: [plain(/^0x[0-9a-f]{1,16}$/i, "0x0002000000000180"), plain(/^0x[0-9a-f]{1,16}$/i, "0x00000000000800D5")],
  optional: 1,
  effect: "now",
  applied: research,
};

export function a76Rats(settings: VendorSettings): readonly SimRat[] {
  const [, lte = "0"] = inForce(settings, "+CNBP", bandsA76);
  return heardThrough(chosenA76(settings), { "cat-1bis": BigInt(lte) });
}

function chosenA76(settings: VendorSettings): readonly SimRat[] {
  const [mode] = inForce(settings, "+CNMP", modeA76);
  // 14, WCDMA, is in no world of ours.
  if (mode === "14") return [];
  if (mode === gsmOnly) return ["gsm"];
  return mode === lteOnly ? ["cat-1bis"] : ["cat-1bis", "gsm"];
}

const identity = ({ mcc, mnc, tac, cellNumber }: ServingCell): string => `${mcc}-${mnc},0x${tac},${cellNumber}`;

/** dBm and dB as they are; RSSNR is half of (SINR + 20). */
function cpsi7080(modem: VirtualModem): Answer {
  const cell = servingCell(modem);
  if (cell === undefined) return line("+CPSI: NO SERVICE,Online");
  if (cell.rat === "gsm") return line(`+CPSI: GSM,Online,${identity(cell)},${cell.channel} EGSM 900,${cell.rssiDbm},0,40-40`);
  const rat = cell.rat === "nb-iot" ? "LTE NB-IOT" : "LTE CAT-M1";
  const { pci, band, channel, rsrqDb, rsrpDbm, rssiDbm, sinrDb } = cell;
  return line(
    `+CPSI: ${rat},Online,${identity(cell)},${pci},EUTRAN-BAND${band},${channel},5,5,${rsrqDb},${rsrpDbm},${rssiDbm},${clamp((sinrDb + 20) / 2, 0, 40)}`,
  );
}

/** Report indexes in place of dBm: RSRQ = (v-40)/2 dB, RSRP = v-140 dBm, RSSI = v-110 dBm. */
function cpsiA76(modem: VirtualModem): Answer {
  const cell = servingCell(modem);
  if (cell === undefined) return line(`+CPSI: NO SERVICE, ${modem.radio ? "Online" : "Low Power Mode"}`);
  if (cell.rat === "gsm") return line(`+CPSI: GSM,Online,${identity(cell)},${cell.channel} EGSM 900,${cell.rssiDbm},0,40-40`);
  const { pci, band, channel, rsrqDb, rsrpDbm, rssiDbm, sinrDb } = cell;
  const indexes = [clamp(2 * rsrqDb + 40, 0, 255), clamp(rsrpDbm + 140, 0, 97), clamp(rssiDbm + 110, 0, 255), clamp(sinrDb, 0, 40)];
  return line(`+CPSI: LTE,Online,${identity(cell)},${pci},EUTRAN-BAND${band},${channel},5,0,${indexes.join(",")}`);
}

const bandDefaults: Readonly<Record<string, string>> = {
  "CAT-M": "1,2,3,4,5,8,12,13,14,18,19,20,25,26,27,28,66,85",
  "NB-IOT": "1,2,3,4,5,8,12,13,18,19,20,25,26,28,66,71,85",
};
/** AT+CBANDCFG="CAT-M",1,3,20 */
const bands: CommandRow = {
  name: "+CBANDCFG",
  test: () => line(...Object.entries(bandDefaults).map(([name, all]) => `+CBANDCFG: "${name}",(${all})`)),
  read: ({ modem }) =>
    line(...Object.entries(bandDefaults).map(([name, all]) => `+CBANDCFG: "${name}",${modem.vendor.stored(`+CBANDCFG ${name}`, all)}`)),
  set: (call) => {
    const name = text(call, 0).toUpperCase();
    const all = bandDefaults[name]?.split(",") ?? refuse(cme.incorrectParameters);
    const chosen = call.args.slice(1).map((band) => band ?? "");
    if (chosen.length === 0 || !chosen.every((band) => all.includes(band))) return refuse(cme.incorrectParameters);
    call.modem.vendor.set(`+CBANDCFG ${name}`, chosen.join(","), "now");
    research(call.modem);
    return ok;
  },
};

/** <pdpidx> of the SIM7080's own applications counts from 0; contexts from 1. */
const maxIndex = 3;
const cidOf = (index: number): number => index + 1;
const isOn = ({ vendor, packet }: VirtualModem, index: number): boolean =>
  vendor.get(`+CNACT ${index}`, "0") === "1" && packet.active(cidOf(index)) !== undefined;

/** AT+CNCFG=<pdpidx>,<0 dual, 1 IPv4, 2 IPv6>,apn[,user,password,<0 none, 1 PAP, 2 CHAP, 3 either>] */
function configure(call: Call): Answer {
  const cid = cidOf(int(call, 0, 0, maxIndex));
  const type = ["IPV4V6", "IP", "IPV6", "IPV4V6"][int(call, 1, 0, 3)] ?? "IP";
  const apn = text(call, 2, "");
  if (!/^[A-Za-z0-9.-]{0,100}$/.test(apn)) return refuse(cme.incorrectParameters);
  const protocol = int(call, 5, 0, 3, 0);
  call.modem.packet.define({ cid, type, apn });
  call.modem.packet.authenticate(cid, protocol === 0 ? undefined : { protocol, user: text(call, 3, ""), password: text(call, 4, "") });
  return ok;
}

/** AT+CNACT=<pdpidx>,<0 off, 1 on, 2 on by itself> */
function networkActive(call: Call): Answer {
  const { modem } = call;
  const index = int(call, 0, 0, maxIndex);
  const on = int(call, 1, 0, 2) > 0;
  const cid = cidOf(index);
  if (on && modem.packet.context(cid) === undefined) return refuse(cme.incorrectParameters);
  if (on) switchOn(modem, cid);
  else if (cid !== modem.personality.contexts.defaultCid) modem.packet.deactivate(cid, "ME");
  modem.vendor.set(`+CNACT ${index}`, on ? "1" : "0", "session");
  return { lines: [], after: () => modem.urc(`+APP PDP: ${index},${on ? "ACTIVE" : "DEACTIVE"}`) };
}

const indexes = [0, 1, 2, 3] as const;

const networkTime: CommandRow = setting("+CLTS", { fields: [among([0, 1])], effect: "now", test: "(0,1)" });
const sleep = (max: number): CommandRow => setting("+CSCLK", { fields: [number(0, max)], effect: "now", test: `(0-${max})` });
const off = (name: string, farewell: string | undefined): CommandRow => ({
  name,
  execute: ({ modem }) => ({ lines: [], after: () => modem.shutDown(farewell) }),
});
const reset = (name: string): CommandRow => ({ name, execute: ({ modem }) => ({ lines: [], after: () => modem.reset() }) });

export const sim7080Commands: readonly CommandRow[] = [
  setting("+CNMP", mode7080),
  setting("+CMNB", iot),
  bands,
  { name: "+CPSI", read: ({ modem }) => cpsi7080(modem) },
  {
    name: "+CEID",
    execute: ({ modem }) => whenDone(modem.sim.eid(), (eid) => line(`+CEID: ${eid ?? refuse(cme.notFound)}`)),
  },
  {
    name: "+CNCFG",
    read: ({ modem: { packet } }) =>
      line(
        ...indexes.map((index) => {
          const { type = "IP", apn = "" } = packet.context(cidOf(index)) ?? {};
          const { protocol = 0, user = "" } = packet.credentials(cidOf(index)) ?? {};
          return `+CNCFG: ${index},${type === "IP" ? 1 : type === "IPV6" ? 2 : 0},"${apn}","${user}","",${protocol}`;
        }),
      ),
    set: configure,
  },
  {
    name: "+CNACT",
    test: says(`+CNACT: (0-${maxIndex}),(0-2)`),
    read: ({ modem }) =>
      line(
        ...indexes.map(
          (index) =>
            `+CNACT: ${index},${Number(isOn(modem, index))},"${isOn(modem, index) ? modem.packet.active(cidOf(index))?.address : "0.0.0.0"}"`,
        ),
      ),
    set: networkActive,
  },
  {
    name: "+CNII",
    read: ({ modem }) => {
      const { sentBytes, receivedBytes } = modem.counters.total;
      return line(`+CNII: 0,1430,${receivedBytes},${sentBytes},0,0,0,0`);
    },
  },
  {
    name: "+CPOWD",
    set: (call) => {
      const { modem } = call;
      // 0 is at once and without a word.
      if (int(call, 0, 0, 1) === 0) return { lines: [], silent: true, after: () => modem.shutDown(undefined) };
      return { lines: [], final: "NORMAL POWER DOWN", after: () => modem.shutDown(undefined) };
    },
  },
  reset("+CREBOOT"),
  setting("+CUSBSELNV", { fields: [among([1, 86], 86)], effect: "start", test: "(1,86)" }),
  setting("+CURCCFG", { fields: [words(/^[A-Z]{2,10}$/i, "ALL"), number(0, 7, 7)], optional: 1, effect: "now" }),
  sleep(1),
  networkTime,
  {
    name: "+CPSMRDP",
    execute: ({ modem }) => {
      const { on, activeTime, periodicTau } = requestedPsm(modem);
      const granted = grantedPsm(modem);
      const network = granted === undefined ? `"","",""` : `"${granted.activeTime}","${granted.periodicTau}","01010100"`;
      return line(`+CPSMRDP: ${Number(on)},"${activeTime}","${periodicTau}",${network}`);
    },
  },
  setting("+CPSMSTATUS", { fields: [among([0, 1])], effect: "session", test: "(0,1)" }),
  setting("+STK", { fields: [among([0, 1])], effect: "start", test: "(0,1)" }),
  { name: "+STIN", read: says("+STIN: 25") },
  { name: "+STGI", set: (call) => line(`+STGI: ${int(call, 0, 0, 255)},0,"",0,0,0`) },
  { name: "+STGR", set: (call) => (int(call, 0, 0, 255) >= 0 ? ok : ok) },
];

const usbNetwork: CommandRow = {
  name: "$MYCONFIG",
  read: ({ modem }) => line(`$MYCONFIG: "USBNETMODE",${modem.vendor.stored("$MYCONFIG", "0")}`),
  set: (call) => {
    if (text(call, 0).toUpperCase() !== "USBNETMODE") return refuse(cme.incorrectParameters);
    if (call.args.length === 1) return line(`$MYCONFIG: "USBNETMODE",${call.modem.vendor.stored("$MYCONFIG", "0")}`);
    const value = String(int(call, 1, 0, 2));
    const changes = value !== call.modem.vendor.stored("$MYCONFIG", "0");
    call.modem.vendor.set("$MYCONFIG", value, "start");
    // Another kind of device is another enumeration: the module resets by itself.
    return changes ? { lines: [], after: () => call.modem.reset() } : ok;
  },
};

export const a76Commands: readonly CommandRow[] = [
  setting("+CNMP", modeA76),
  setting("+CNBP", bandsA76),
  { name: "+CPSI", read: ({ modem }) => cpsiA76(modem) },
  usbNetwork,
  setting("+DIALMODE", { fields: [among([0, 1])], effect: "now", test: "(0,1)" }),
  off("+CPOF", undefined),
  reset("+CRESET"),
  setting("+CATR", { fields: [number(0, 10)], effect: "now", test: "(0-10)" }),
  setting("+UIMHOTSWAPON", { fields: [among([0, 1, 2])], effect: "start", test: "(0-2)" }),
  setting("+UIMHOTSWAPLEVEL", { fields: [among([0, 1])], effect: "start", test: "(0,1)" }),
  setting("+SWITCHSIM", { fields: [among([0, 1])], effect: "now", test: "(0,1)" }),
  setting("+DUALSIM", { fields: [among([0, 1])], effect: "start", test: "(0,1)" }),
  sleep(2),
  { ...setting("+IPREX", { fields: [among([9_600, 115_200, 460_800, 921_600], 115_200)], effect: "now" }) },
];
