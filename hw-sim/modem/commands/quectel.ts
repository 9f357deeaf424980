// Commands of Quectel: the BG9x (LTE-M) and the EG, EC (Cat-1bis, Cat-4) share most; what differs is given by the personality.

import { whenDone } from "../../card-socket/procedure.ts";
import type { SimRat } from "../../contracts.ts";
import { heardThrough } from "../bands.ts";
import { formatCtze } from "../clock-chip.ts";
import { cme } from "../cme.ts";
import type { VirtualModem } from "../module.ts";
import { grantedPsm } from "../power-saving.ts";
import { servingCell } from "../serving-cell.ts";
import type { VendorSettings } from "../vendor-settings.ts";
import { type Answer, type Call, type CommandRow, doNothing, int, line, ok, refuse, says, text } from "./command.ts";
import { switchOn } from "./packet.ts";
import { activeTimeSeconds, periodicTauSeconds, timerSeconds } from "./power-saving.ts";
import { among, family, inForce, number, plain, type Setting, setting, settingKey, words } from "./setting.ts";

export interface QuectelHabits {
  /** How technologies are called by +QNWINFO, +QCSQ and +QENG. */
  readonly names: Readonly<Record<SimRat, { readonly nwinfo: string; readonly csq: string; readonly eng: string }>>;
  /** NB-IoT and LTE-M can be chosen apart. */
  readonly iot: boolean;
  /** +QNETDEVCTL, against $QCRMCALL. */
  readonly netDev: "qnetdevctl" | "qcrmcall" | "none";
}

const research = (modem: VirtualModem): undefined => {
  // Even a value that was set before starts the search anew.
  modem.registration.search("ME");
};

/** The last field says when it counts: 1 at once, 0 from the next start. */
const scanning = (first: Setting["fields"][number], test: string): Setting => ({
  fields: [first, among([0, 1], 1)],
  optional: 1,
  shown: 1,
  effect: (values) => (values.at(-1) === "0" ? "start" : "now"),
  applied: (modem, values) => (values.at(-1) === "0" ? undefined : research(modem)),
  test: `${test},(0,1)`,
});

const nwscanmode = scanning(among([0, 1, 2, 3], 0), "(0,1,2,3)");
const nwscanseq = scanning(plain(/^(0[0-5])+$/, "00"), "(00-05)");
const iotopmode = scanning(among([0, 1, 2], 0), "(0,1,2)");
/** 0 and 0x40000000 leave a mask as it is. */
const leavesAsIs = /^(0x)?(0|40000000)$/i;
const mask = plain(/^(0x)?[0-9a-f]{1,32}$/i, "0x0");
const band = (factory: readonly string[]): Setting => ({
  fields: [...factory.map((value) => ({ ...mask, factory: value })), among([0, 1], 1)],
  optional: 1,
  shown: factory.length,
  effect: "now",
  merge: (given, before) =>
    given.map((value, index) =>
      index < factory.length && leavesAsIs.test(value) ? (before[index] ?? value) : withPrefix(value, index, factory.length),
    ),
  applied: research,
});
const withPrefix = (value: string, index: number, masks: number): string =>
  index < masks ? `0x${value.toLowerCase().replace(/^0x/, "")}` : value;
const bandSetting = (iot: boolean): Setting =>
  // The EG91-E's: LTE 1, 3, 7, 8, 20, 28.
  band(iot ? ["0xf", "0x100002000000000f0e189f", "0x10004200000000090e189f"] : ["0x260", "0x80800c5", "0x0"]);
const maskOf = (text = "0"): bigint => BigInt(withPrefix(text, 0, 1));
const flag = (factory = 0): Setting => ({ fields: [among([0, 1], factory)], effect: "now", test: "(0,1)" });

const config = (iot: boolean): Readonly<Record<string, Setting>> => ({
  nwscanmode,
  nwscanseq,
  ...(iot
    ? { iotopmode, "psm/enter": flag(), "psm/urc": flag() }
    : { usbnet: { fields: [among([0, 1, 2, 3], 0)], effect: "start", test: "(0-3)" } }),
  band: bandSetting(iot),
  roamservice: scanning(among([1, 2, 255], 255), "(1,2,255)"),
  servicedomain: scanning(among([0, 1, 2], 1), "(0,1,2)"),
  "bip/auth": flag(1),
});

const qcfg = "+QCFG";
const gsmOnly = "1";
const lteOnly = "3";

/** What nwscanmode, iotopmode and nwscanseq leave, in their order. */
export function quectelRats(rats: readonly SimRat[], iot: boolean): (settings: VendorSettings) => readonly SimRat[] {
  return (settings) => {
    const [mode] = inForce(settings, settingKey(qcfg, "nwscanmode"), nwscanmode);
    const [iotMode] = inForce(settings, settingKey(qcfg, "iotopmode"), iotopmode);
    const [sequence = "00"] = inForce(settings, settingKey(qcfg, "nwscanseq"), nwscanseq);
    const order: Readonly<Record<string, SimRat>> = iot
      ? { "01": "gsm", "02": "lte-m", "03": "nb-iot" }
      : { "01": "gsm", "04": "cat-1bis" };
    const asked = (sequence.match(/../g) ?? []).flatMap((code) => order[code] ?? []);
    const [, first, second] = inForce(settings, settingKey(qcfg, "band"), bandSetting(iot));
    const masks = { "cat-1bis": maskOf(first), "lte-m": maskOf(first), "nb-iot": maskOf(second) };
    const allowed = heardThrough(rats, masks).filter((rat) => {
      if (rat === "gsm") return mode !== lteOnly;
      if (mode === gsmOnly) return false;
      if (rat === "lte-m") return iotMode !== "1";
      return rat === "nb-iot" ? iotMode !== "0" : true;
    });
    const place = (rat: SimRat): number => (asked.includes(rat) ? asked.indexOf(rat) : asked.length + rats.indexOf(rat));
    return [...allowed].sort((a, b) => place(a) - place(b));
  };
}

function signal(modem: VirtualModem, names: QuectelHabits["names"]): Answer {
  const cell = servingCell(modem);
  if (cell === undefined) return line('+QCSQ: "NOSERVICE"');
  if (cell.rat === "gsm") return line(`+QCSQ: "GSM",${cell.rssiDbm}`);
  // SINR in fifths of a decibel above -20.
  return line(`+QCSQ: "${names[cell.rat].csq}",${cell.rssiDbm},${cell.rsrpDbm},${(cell.sinrDb + 20) * 5},${cell.rsrqDb}`);
}

function engineering(call: Call, names: QuectelHabits["names"]): Answer {
  const what = text(call, 0).toLowerCase();
  if (what === "neighbourcell") return ok;
  if (what !== "servingcell") return refuse(cme.incorrectParameters);
  const cell = servingCell(call.modem);
  if (cell === undefined)
    return line(`+QENG: "servingcell","${call.modem.radio && call.modem.sim.subscriber !== undefined ? "SEARCH" : "LIMSRV"}"`);
  const { mcc, mnc, cellId, pci, channel, tac, rsrpDbm, rsrqDb, rssiDbm, sinrDb } = cell;
  const state = call.modem.packet.activeCount > 0 ? "CONNECT" : "NOCONN";
  const head = `+QENG: "servingcell","${state}","${names[cell.rat].eng}"`;
  const number = Number(mnc);
  if (cell.rat === "gsm")
    return line(
      `${head},${mcc},${number},${tac},${cellId},10,${channel},0,${rssiDbm},${rssiDbm},255,40,40,0,38,38,1,-,-,-,-,-,-,-,-,-,"-"`,
    );
  const shortId = cellId.replace(/^0+(?=.)/, "");
  const fields = [mcc, number, shortId, pci, channel, cell.band, 3, 3, tac, rsrpDbm, rsrqDb, rssiDbm, sinrDb, 30];
  return line(`${head},"FDD",${fields.join(",")}`);
}

function networkInformation(modem: VirtualModem, names: QuectelHabits["names"]): Answer {
  const cell = servingCell(modem);
  if (cell === undefined) return line("+QNWINFO: No Service");
  const band = cell.rat === "gsm" ? "GSM 900" : `LTE BAND ${cell.band}`;
  return line(`+QNWINFO: "${names[cell.rat].nwinfo}","${cell.plmn}","${band}",${cell.channel}`);
}

const pdpTypes = ["IP", "IPV6", "IPV4V6"];

/** AT+QICSGP=<ctx>,<1 IPv4, 2 IPv6, 3 both>,"apn","user","password",<0 none, 1 PAP, 2 CHAP, 3 either>; with <ctx> alone it is read. */
function contextSettings(call: Call): Answer {
  const { minCid, maxCid } = call.modem.personality.contexts;
  const cid = int(call, 0, minCid, maxCid);
  const { packet } = call.modem;
  if (call.args.length === 1) {
    const { type, apn } = packet.context(cid) ?? { type: "IP", apn: "" };
    const { protocol = 0, user = "" } = packet.credentials(cid) ?? {};
    return line(`+QICSGP: ${pdpTypes.indexOf(type) + 1},"${apn}","${user}","",${protocol}`);
  }
  const type = pdpTypes[int(call, 1, 1, 3) - 1] ?? "IP";
  const apn = text(call, 2, "");
  const protocol = int(call, 5, 0, 3, 0);
  if (!/^[A-Za-z0-9.-]{0,100}$/.test(apn)) return refuse(cme.incorrectParameters);
  packet.define({ cid, type, apn });
  packet.authenticate(cid, protocol === 0 ? undefined : { protocol, user: text(call, 3, ""), password: text(call, 4, "") });
  return ok;
}

function activate(call: Call): Answer {
  const { minCid, maxCid } = call.modem.personality.contexts;
  const cid = int(call, 0, minCid, maxCid);
  if (call.modem.packet.context(cid) === undefined) return refuse(cme.incorrectParameters);
  switchOn(call.modem, cid);
  return ok;
}

function activated({ packet }: VirtualModem): Answer {
  const lines = packet.contexts.flatMap(({ cid, type }) => {
    const session = packet.active(cid);
    return session === undefined ? [] : [`+QIACT: ${cid},1,${pdpTypes.indexOf(type) + 1},"${session.address}"`];
  });
  return line(...lines);
}

/** AT+QNETDEVCTL=<0 off, 1 on, 3 on by itself>,<cid>[,<urc>] */
function netDevice(call: Call): Answer {
  const on = int(call, 0, 0, 3);
  const cid = int(call, 1, 1, call.modem.personality.contexts.maxCid);
  const tells = int(call, 2, 0, 1, 0) === 1;
  if (on === 2) return refuse(cme.incorrectParameters);
  if (on > 0) switchOn(call.modem, cid);
  call.modem.vendor.set("+QNETDEVCTL", `${on},${cid}`, on === 3 ? "now" : "session");
  return tells ? { lines: [], after: () => call.modem.urc(`+QNETDEVSTATUS: ${cid},${Number(on > 0)},"IPV4"`) } : ok;
}

const counters: CommandRow = {
  name: "+QGDCNT",
  test: says("+QGDCNT: (0,1)"),
  read: ({ modem }) => {
    const { sentBytes, receivedBytes } = modem.counters.total;
    return line(`+QGDCNT: ${sentBytes},${receivedBytes}`);
  },
  set: (call) => {
    const { counters } = call.modem;
    if (int(call, 0, 0, 1) === 1) counters.save();
    else counters.reset();
    return ok;
  },
};

/** AT+QFPLMNCFG="List", "Add","26298", "Delete","all" */
function forbidden(call: Call): Answer {
  const { sim } = call.modem;
  sim.needProfile();
  const what = text(call, 0).toLowerCase();
  if (what === "list") return line(...sim.forbidden.map((plmn) => `+QFPLMNCFG: "List","${plmn}"`));
  const plmn = text(call, 1);
  if (what === "delete" && plmn.toLowerCase() === "all") sim.setForbidden([]);
  else if (!/^\d{5,6}$/.test(plmn)) return refuse(cme.incorrectParameters);
  else if (what === "delete") sim.setForbidden(sim.forbidden.filter((one) => one !== plmn));
  else if (what === "add") sim.setForbidden([...sim.forbidden.filter((one) => one !== plmn), plmn]);
  else return refuse(cme.incorrectParameters);
  return ok;
}

/** The setting behind AT+QESIM="lpa_enable". */
export const quectelLpa = "+QESIM lpa_enable";

/** Of the modules that have an assistant of their own. */
export const quectelEsim: CommandRow = { name: "+QESIM", set: esim };

function esim(call: Call): ReturnType<NonNullable<CommandRow["set"]>> {
  const { modem } = call;
  const what = text(call, 0).toLowerCase();
  if (what === "eid") return whenDone(modem.sim.eid(), (eid) => line(`+QESIM: "eid","${eid ?? refuse(cme.notFound)}"`));
  if (what !== "lpa_enable" || modem.personality.ownLpa === undefined) return refuse(cme.notSupported);
  if (call.args.length === 1) return line(`+QESIM: "lpa_enable",${modem.vendor.stored(quectelLpa, "1")}`);
  modem.vendor.set(quectelLpa, String(int(call, 1, 0, 1)), "start");
  return ok;
}

/** Carrier configurations (MBN): list, and the choice by the card. */
function carrier(call: Call): Answer {
  const what = text(call, 0).toLowerCase();
  const chosen = call.modem.vendor.stored("+QMBNCFG", "ROW_Generic_3GPP");
  if (what === "list")
    return line(
      ...["ROW_Generic_3GPP", "Commercial-DT", "Volte_OpenMkt-Commercial-CMCC"].map(
        (name, index) => `+QMBNCFG: "List",${index},${Number(name === chosen)},${Number(name === chosen)},"${name}",0x0501081F,201901141`,
      ),
    );
  if (what === "autosel") {
    if (call.args.length === 1) return line(`+QMBNCFG: "AutoSel",${call.modem.vendor.stored("+QMBNCFG AutoSel", "1")}`);
    call.modem.vendor.set("+QMBNCFG AutoSel", String(int(call, 1, 0, 1)), "now");
    return ok;
  }
  if (what !== "select") return refuse(cme.incorrectParameters);
  if (call.args.length === 1) return line(`+QMBNCFG: "Select","${chosen}"`);
  call.modem.vendor.set("+QMBNCFG", text(call, 1), "start");
  return ok;
}

const time: CommandRow = {
  name: "+QLTS",
  test: says("+QLTS: (0-2)"),
  set: (call) => {
    const kind = int(call, 0, 0, 2);
    const now = call.modem.chip.read();
    if (now.utcMs < Date.UTC(2000, 0, 1)) return line('+QLTS: ""');
    const zone = `${now.zoneQuarters < 0 ? "-" : "+"}${String(Math.abs(now.zoneQuarters)).padStart(2, "0")}`;
    return line(`+QLTS: "${formatCtze(kind === 2 ? now : { ...now, zoneQuarters: 0 })}${zone},0"`);
  },
};

export function quectelCommands({ names, iot, netDev }: QuectelHabits): readonly CommandRow[] {
  const rows: CommandRow[] = [
    family(qcfg, config(iot)),
    family("+QURCCFG", {
      urcport: { fields: [words(/^(usbat|usbmodem|uart1|all)$/, "usbat")], effect: "now", test: '("usbat","usbmodem","uart1","all")' },
    }),
    { name: "+QINISTAT", execute: initialised, read: initialised },
    setting("+QSIMDET", { fields: [among([0, 1]), among([0, 1])], effect: "start", test: "(0,1),(0,1)" }),
    {
      name: "+QSIMSTAT",
      test: says("+QSIMSTAT: (0,1)"),
      read: ({ modem }) => line(`+QSIMSTAT: ${modem.vendor.get("+QSIMSTAT", "0")},${Number(modem.sim.state !== "absent")}`),
      set: (call) => {
        call.modem.vendor.set("+QSIMSTAT", String(int(call, 0, 0, 1)), "session");
        return ok;
      },
    },
    setting("+QSCLK", { fields: [among([0, 1, 2])], effect: "session", test: "(0-2)" }),
    { name: "+QCSQ", execute: ({ modem }) => signal(modem, names), read: says('+QCSQ: "GSM","CAT-M1","CAT-NB1"') },
    { name: "+QENG", set: (call) => engineering(call, names) },
    { name: "+QNWINFO", execute: ({ modem }) => networkInformation(modem, names) },
    { name: "+QICSGP", set: contextSettings },
    { name: "+QIACT", read: ({ modem }) => activated(modem), set: activate },
    {
      name: "+QIDEACT",
      set: (call) => {
        call.modem.packet.deactivate(int(call, 0, 1, call.modem.personality.contexts.maxCid), "ME");
        return ok;
      },
    },
    counters,
    setting("+QAUGDCNT", { fields: [number(0, 65_535)], effect: "now", test: "(0,30-65535)" }),
    {
      name: "+QPOWD",
      execute: ({ modem }) => ({ lines: [], after: () => modem.shutDown("POWERED DOWN") }),
      set: (call) => {
        int(call, 0, 0, 1, 1);
        return { lines: [], after: () => call.modem.shutDown("POWERED DOWN") };
      },
    },
    { name: "+QFPLMNCFG", set: forbidden },
    setting("+QSTK", { fields: [among([0, 1, 2]), among([0, 1]), number(0, 300, 60)], optional: 2, effect: "start", test: "(0-2)" }),
    { name: "+STKTR", set: doNothing },
    { name: "+QMBNCFG", set: carrier },
    setting("$QCSIMSLEEP", { fields: [among([0, 1], 1)], effect: "now" }),
    family("$QCSIMCFG", { simpowersave: { fields: [among([0, 1], 1)], effect: "now" } }),
    setting("+QUIMSLOT", { fields: [among([1, 2])], effect: "now", test: "(1,2)" }),
    time,
  ];
  if (iot)
    rows.push(
      {
        name: "+QPSMS",
        read: ({ modem }) => {
          const granted = grantedPsm(modem);
          if (granted === undefined) return line("+QPSMS: 0,,,,");
          return line(
            `+QPSMS: 1,,,"${timerSeconds(granted.periodicTau, periodicTauSeconds)}","${timerSeconds(granted.activeTime, activeTimeSeconds)}"`,
          );
        },
      },
      setting("+QPSMCFG", {
        fields: [number(20, 9_999_999, 60), number(0, 15, 4)],
        optional: 1,
        effect: "now",
        test: "(20-9999999),(0-15)",
      }),
    );
  if (netDev === "qnetdevctl")
    rows.push({
      name: "+QNETDEVCTL",
      read: ({ modem }) => line(`+QNETDEVCTL: ${modem.vendor.stored("+QNETDEVCTL", "0,1")}`),
      set: netDevice,
    });
  if (netDev === "qcrmcall")
    rows.push({
      name: "$QCRMCALL",
      read: ({ modem }) => line(`$QCRMCALL: ${Number(modem.packet.activeCount > 0)},V4`),
      set: (call) => {
        const on = int(call, 0, 0, 1) === 1;
        const cid = int(call, 1, 1, call.modem.personality.contexts.maxCid, 1);
        if (on) switchOn(call.modem, cid);
        return ok;
      },
    });
  return rows;
}

/** A bit each: card, short messages, phone book. */
function initialised({ modem }: Call): Answer {
  return line(`+QINISTAT: ${modem.sim.state === "ready" ? 7 : 0}`);
}
