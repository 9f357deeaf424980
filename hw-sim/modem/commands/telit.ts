// Commands of Telit: ME310, ME910 (LTE-M) and LE910 (Cat-1bis).
import type { SimRat } from "../../contracts.ts";
import { heardThrough } from "../bands.ts";
import { cme } from "../cme.ts";
import type { VirtualModem } from "../module.ts";
import { servingCell } from "../serving-cell.ts";
import type { VendorSettings } from "../vendor-settings.ts";
import { type Answer, type Call, type CommandRow, int, line, ok, refuse, says, text } from "./command.ts";
import { switchOn } from "./packet.ts";
import { among, inForce, number, plain, type Setting, setting } from "./setting.ts";

export interface TelitHabits {
  /** #WS46: LTE-M and NB-IoT apart. */
  readonly iot: boolean;
  /** Values of #USBCFG. */
  readonly usb: readonly number[];
  readonly usbFactory: number;
}

const iotChoice: Setting = {
  fields: [among([0, 1, 2, 3], 2), among([0, 1], 0)],
  optional: 1,
  shown: 1,
  effect: "start",
  test: "(0-3),(0,1)",
};
/** +WS46 (3GPP TS 27.007 §5.9): 12 GSM, 28 E-UTRAN, 30 GSM and E-UTRAN. */
const systems: Setting = { fields: [among([12, 28, 30], 30)], effect: "now", applied: search, test: "(12,28,30)" };

function search(modem: VirtualModem): undefined {
  modem.registration.search("ME");
}

/** GSM, UMTS, LTE, TD-SCDMA. */
const bands: Setting = {
  fields: [number(0, 15, 5), number(0, 255), plain(/^\d{1,20}$/, "185473183"), plain(/^\d{1,20}$/, "0")],
  optional: 3,
  effect: "now",
  applied: search,
  test: "(0-15),(0-255),(1-18446744073709551615)",
};

const lteOf: Readonly<Record<string, readonly SimRat[]>> = {
  "0": ["lte-m"],
  "1": ["nb-iot"],
  "2": ["lte-m", "nb-iot"],
  "3": ["nb-iot", "lte-m"],
};

export function telitRats(iot: boolean): (settings: VendorSettings) => readonly SimRat[] {
  return (settings) => {
    const [system] = inForce(settings, "+WS46", systems);
    const [choice = ""] = inForce(settings, "#WS46", iotChoice);
    const [, , text = "0"] = inForce(settings, "#BND", bands);
    const mask = BigInt(text);
    const lte = heardThrough(iot ? (lteOf[choice] ?? []) : ["cat-1bis"], { "cat-1bis": mask, "lte-m": mask, "nb-iot": mask });
    if (system === "12") return ["gsm"];
    return system === "28" ? lte : [...lte, "gsm"];
  };
}

function radioStatus(modem: VirtualModem): Answer {
  const cell = servingCell(modem);
  if (cell === undefined) return ok;
  const { mcc, mnc, channel, rsrpDbm, rssiDbm, rsrqDb, tac, cellId, name, band } = cell;
  const imsi = modem.sim.subscriber?.imsi ?? "";
  const rrc = modem.packet.activeCount > 0 ? 1 : 0;
  if (cell.rat === "gsm")
    return line(`#RFSTS: "${mcc} ${mnc}",${channel},${rssiDbm},${tac},01,0,0,,19,${rrc},${cellId},"${imsi}","${name}",3,2`);
  return line(
    `#RFSTS: "${mcc} ${mnc}",${channel},${rsrpDbm},${rssiDbm},${rsrqDb},${tac},01,0,64,19,${rrc},${cellId},"${imsi}","${name}",3,${band}`,
  );
}

/** AT#PDPAUTH=<cid>,<0 none, 1 PAP, 2 CHAP>,"user","password" */
function authenticate(call: Call): Answer {
  const { minCid, maxCid } = call.modem.personality.contexts;
  const cid = int(call, 0, minCid, maxCid);
  const protocol = int(call, 1, 0, 3);
  if (protocol > 0 && call.args.length < 4) return refuse(cme.incorrectParameters);
  call.modem.packet.authenticate(cid, protocol === 0 ? undefined : { protocol, user: text(call, 2), password: text(call, 3) });
  return ok;
}

/** AT#SGACT=<cid>,<state> */
function activate(call: Call): Answer {
  const { modem } = call;
  const { minCid, maxCid, defaultCid, lastPdnCme } = modem.personality.contexts;
  const cid = int(call, 0, minCid, maxCid);
  if (modem.packet.context(cid) === undefined) return refuse(cme.incorrectParameters);
  if (int(call, 1, 0, 1) === 0) {
    if (cid === defaultCid && modem.packet.activeCount === 1 && modem.registration.state.rat !== "gsm") return refuse(lastPdnCme);
    modem.packet.deactivate(cid, "ME");
    return ok;
  }
  switchOn(modem, cid);
  return line(`#SGACT: ${modem.packet.active(cid)?.address ?? "0.0.0.0"}`);
}

const ecmSetting = "#ECM";

function networkCard(call: Call): Answer {
  const { modem } = call;
  const cid = int(call, 0, 1, modem.personality.contexts.maxCid);
  int(call, 1, 0, 0, 0);
  switchOn(modem, cid);
  modem.vendor.set(ecmSetting, "1", "session");
  return line("#ECM: 0,1");
}

const off = (name: string): CommandRow => ({ name, execute: ({ modem }) => ({ lines: [], after: () => modem.shutDown(undefined) }) });

export function telitCommands({ iot, usb, usbFactory }: TelitHabits): readonly CommandRow[] {
  return [
    ...(iot ? [setting("#WS46", iotChoice), setting("#NB2ENA", { fields: [among([0, 1])], effect: "start", test: "(0,1)" })] : []),
    setting("+WS46", systems),
    setting("#BND", bands),
    { name: "#RFSTS", execute: ({ modem }) => radioStatus(modem), read: ({ modem }) => radioStatus(modem) },
    { name: "#PDPAUTH", set: authenticate },
    {
      name: "#SGACT",
      test: says("#SGACT: (1-6),(0,1)"),
      read: ({ modem: { packet } }) =>
        line(...packet.contexts.map(({ cid }) => `#SGACT: ${cid},${Number(packet.active(cid) !== undefined)}`)),
      set: activate,
    },
    { name: "#ECM", read: ({ modem }) => line(`#ECM: 0,${modem.vendor.get(ecmSetting, "0")}`), set: networkCard },
    {
      name: "#ECMD",
      set: (call) => {
        int(call, 0, 0, 0);
        call.modem.vendor.set(ecmSetting, "0", "session");
        return ok;
      },
    },
    setting("#USBCFG", { fields: [among(usb, usbFactory)], effect: "start", test: `(${usb.join(",")})` }),
    { name: "#REBOOT", execute: ({ modem }) => ({ lines: [], after: () => modem.reset() }) },
    { name: "#ENHRST", set: (call) => (int(call, 0, 0, 2) === 1 ? { lines: [], after: () => call.modem.reset() } : ok) },
    off("#SHDN"),
    off("#SYSHALT"),
    {
      name: "#QSS",
      test: says("#QSS: (0-2)"),
      read: ({ modem }) => line(`#QSS: ${modem.vendor.get("#QSS", "0")},${simStatus(modem)}`),
      set: (call) => {
        call.modem.vendor.set("#QSS", String(int(call, 0, 0, 2)), "session");
        return ok;
      },
    },
    setting("#HSEN", { fields: [among([0, 1])], effect: "start", test: "(0,1)" }),
    setting("#FWSWITCH", { fields: [number(0, 40), among([0, 1], 1)], optional: 1, shown: 1, effect: "start", test: "(0-40),(0,1)" }),
    {
      name: "#GDATAVOL",
      set: (call) => {
        const { counters } = call.modem;
        const mode = int(call, 0, 0, 2);
        if (mode === 0) {
          counters.reset();
          return ok;
        }
        const { sentBytes, receivedBytes } = mode === 1 ? counters.session : counters.total;
        return line(`#GDATAVOL: 1,${sentBytes + receivedBytes},${sentBytes},${receivedBytes}`);
      },
    },
  ];
}

/** 0 not inserted, 1 inserted, 2 inserted and PIN unlocked, 3 ready. */
function simStatus({ sim }: VirtualModem): number {
  if (sim.state === "absent" || sim.state === "off") return 0;
  return sim.state === "ready" ? 3 : 1;
}
