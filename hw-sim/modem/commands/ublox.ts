// Commands of u-blox: SARA-R5 and R4 (LTE-M), LARA-R6 and LEXI-R10 (Cat-1bis).
import type { SimRat } from "../../contracts.ts";
import { heardThrough } from "../bands.ts";
import { cme } from "../cme.ts";
import type { VirtualModem } from "../module.ts";
import { grantedPsm } from "../power-saving.ts";
import { copsMode } from "../registration.ts";
import { clamp, servingCell } from "../serving-cell.ts";
import type { VendorSettings } from "../vendor-settings.ts";
import { type Answer, type Call, type CommandRow, int, line, ok, refuse, says, text } from "./command.ts";
import { switchOn } from "./packet.ts";
import { activeTimeSeconds, periodicTauSeconds, timerSeconds } from "./power-saving.ts";
import { among, inForce, number, plain, type Setting, setting, words } from "./setting.ts";

export interface UbloxHabits {
  /** Technologies by their number in +URAT, the module's own first choice first. */
  readonly urat: Readonly<Record<number, SimRat | undefined>>;
  readonly uratFactory: readonly number[];
  /** How many of them at once. */
  readonly maxRats: number;
  /** +UBANDMASK=0 and =1. */
  readonly bandMasks: boolean;
  /** Data of the module's own stack (+UPSD, +UPSDA) and of USB (+UUSBCONF, +UBMCONF). */
  readonly interfaces: "upsd" | "usb";
}

/** AT+URAT=7[,9[,8]]: in force after the next start. */
function uratSetting({ urat, uratFactory, maxRats }: Pick<UbloxHabits, "urat" | "uratFactory" | "maxRats">): Setting {
  const numbers = Object.keys(urat);
  const one = { takes: (value: string) => numbers.includes(value) };
  return {
    fields: Array.from({ length: maxRats }, (_, index) =>
      index === 0
        ? { ...one, factory: String(uratFactory[0] ?? "") }
        : { takes: (value) => value === "" || one.takes(value), factory: String(uratFactory[index] ?? "") },
    ),
    optional: maxRats - 1,
    effect: "start",
    // What is not named is not used.
    merge: (given) => given,
    test: `(${numbers.join(",")})`,
  };
}

export function ubloxRats(
  habits: Pick<UbloxHabits, "urat" | "uratFactory" | "maxRats" | "bandMasks">,
): (settings: VendorSettings) => readonly SimRat[] {
  const row = uratSetting(habits);
  return (settings) => {
    const chosen = inForce(settings, "+URAT", row).flatMap((value) => (value === "" ? [] : (habits.urat[Number(value)] ?? [])));
    return habits.bandMasks ? heardThrough(chosen, { "lte-m": maskOf(settings, 0), "nb-iot": maskOf(settings, 1) }) : chosen;
  };
}

function urat(habits: UbloxHabits): CommandRow {
  const row = uratSetting(habits);
  const made = setting("+URAT", row);
  return {
    ...made,
    read: ({ modem }) => {
      const kept = modem.vendor.stored("+URAT", row.fields.map(({ factory }) => factory).join("\u001f")).split("\u001f");
      return line(`+URAT: ${kept.filter((value) => value !== "").join(",")}`);
    },
    set: (call) => {
      // Without its factory's second choice, which a single number takes away.
      const args = row.fields.map((_, index) => call.args[index] ?? "");
      if (call.args.length > row.fields.length) return refuse(cme.incorrectParameters);
      return made.set?.({ ...call, args }) ?? ok;
    },
  };
}

const profiles = [0, 1, 2, 3, 4, 5, 6, 8, 19, 20, 21, 28, 31, 32, 33, 90, 100, 101, 102, 198, 199, 201, 206];
const profile: Setting = {
  fields: [among(profiles, 90), among([0, 1, 2], 0)],
  optional: 1,
  shown: 1,
  effect: "start",
  test: `(${profiles.join(",")})`,
  when: (modem) => {
    if (modem.radio && modem.registration.selection.mode !== copsMode.deregister) refuse(cme.notAllowed);
  },
};

/** AT+UAUTHREQ=<cid>,<0 none, 1 PAP, 2 CHAP>[,user,password] */
function authenticate(call: Call): Answer {
  const { minCid, maxCid } = call.modem.personality.contexts;
  const cid = int(call, 0, minCid, maxCid);
  const protocol = int(call, 1, 0, 3);
  if (protocol > 0 && call.args.length < 4) return refuse(cme.incorrectParameters);
  call.modem.packet.authenticate(cid, protocol === 0 ? undefined : { protocol, user: text(call, 2), password: text(call, 3) });
  return ok;
}

function bandMask(call: Call): Answer {
  const rat = int(call, 0, 0, 1);
  const mask = text(call, 1);
  if (!/^\d{1,20}$/.test(mask)) return refuse(cme.incorrectParameters);
  call.modem.vendor.set(`+UBANDMASK ${rat}`, `${mask},${text(call, 2, "0")}`, "start");
  return ok;
}
const allBands = "185473183,0";
/** One mask for bands 1 to 64, one for the rest. */
function maskOf(settings: VendorSettings, rat: 0 | 1): bigint {
  const [low = "0", high = "0"] = settings.get(`+UBANDMASK ${rat}`, allBands).split(",");
  return BigInt(low) | (BigInt(high) << 64n);
}

/** <mode> of +USIMSTAT that tells of the card's states. */
const simLine = "+USIMSTAT";

/** AT+UPSDA=<profile>,<3 activate, 4 deactivate> */
function packetAction(call: Call): Answer {
  const { modem } = call;
  const number = int(call, 0, 0, 6);
  const action = int(call, 1, 0, 4);
  const cid = Number(modem.vendor.stored(`+UPSD ${number} 100`, "1"));
  if (action === 4) {
    modem.vendor.set(`+UPSDA ${number}`, "0", "session");
    return { lines: [], after: () => modem.urc(`+UUPSDD: ${number}`) };
  }
  if (action !== 3) return action === 0 || action === 1 || action === 2 ? ok : refuse(cme.incorrectParameters);
  if (modem.packet.context(cid) === undefined) return refuse(cme.notAllowed);
  switchOn(modem, cid);
  modem.vendor.set(`+UPSDA ${number}`, "1", "session");
  return { lines: [], after: () => modem.urc(`+UUPSDA: 0,"${modem.packet.active(cid)?.address ?? "0.0.0.0"}"`) };
}

/** AT+UPSD=<profile>,<0 type, 100 cid>,<value>; with the profile alone it is read. */
function packetProfile(call: Call): Answer {
  const { vendor } = call.modem;
  const number = int(call, 0, 0, 6);
  const tags = [0, 100];
  const shown = (tag: number): string => `+UPSD: ${number},${tag},${vendor.stored(`+UPSD ${number} ${tag}`, tag === 100 ? "1" : "0")}`;
  if (call.args.length === 1) return line(...tags.map(shown));
  const tag = int(call, 1, 0, 109);
  if (!tags.includes(tag)) return refuse(cme.incorrectParameters);
  if (call.args.length === 2) return line(shown(tag));
  vendor.set(`+UPSD ${number} ${tag}`, String(int(call, 2, 0, 15)), "now");
  return ok;
}

/** Mode 2: the radio's own figures, two lines. */
function engineering(modem: VirtualModem): Answer {
  const cell = servingCell(modem);
  if (cell === undefined) return line("+UCGED: 2");
  const { mcc, mnc, channel, band, tac, cellId, pci, rsrpDbm, rsrqDb, sinrDb } = cell;
  const rat = cell.rat === "gsm" ? 0 : cell.rat === "nb-iot" ? 7 : 6;
  const rest = `"FFFFFFFF","0001","01",${clamp(rsrpDbm + 141, 0, 97)},${clamp(2 * rsrqDb + 40, 0, 34)},${sinrDb.toFixed(2)},1,0,11`;
  return line(
    "+UCGED: 2",
    `${rat},4,${mcc},${mnc}`,
    `${channel},${band},25,25,${tac.toLowerCase()},${cellId.toLowerCase()},${pci},${rest}`,
  );
}

const counters: CommandRow = {
  name: "+UGCNTRD",
  execute: ({ modem }) => {
    const { session, total } = modem.counters;
    const figures = [session.sentBytes, session.receivedBytes, total.sentBytes, total.receivedBytes].join(",");
    return line(
      ...modem.packet.contexts.filter(({ cid }) => modem.packet.active(cid) !== undefined).map(({ cid }) => `+UGCNTRD: ${cid},${figures}`),
    );
  },
};

export function ubloxCommands(habits: UbloxHabits): readonly CommandRow[] {
  return [
    urat(habits),
    setting("+UMNOPROF", profile),
    ...(habits.bandMasks
      ? [
          {
            name: "+UBANDMASK",
            test: says("+UBANDMASK: (0,1),(0-18446744073709551615)"),
            read: ({ modem }: Call) =>
              line(`+UBANDMASK: ${[0, 1].map((rat) => `${rat},${modem.vendor.stored(`+UBANDMASK ${rat}`, allBands)}`).join(",")}`),
            set: bandMask,
          },
        ]
      : []),
    { name: "+UAUTHREQ", set: authenticate },
    setting("+UPSV", { fields: [among([0, 1, 2, 3, 4]), number(0, 65_000, 2_000)], optional: 1, shown: 1, effect: "now", test: "(0-4)" }),
    setting("+UPSMR", { fields: [among([0, 1])], effect: "session", test: "(0,1)" }),
    {
      name: "+UCPSMS",
      read: ({ modem }) => {
        const granted = grantedPsm(modem);
        if (granted === undefined) return line("+UCPSMS: 0");
        const [tau, active] = [timerSeconds(granted.periodicTau, periodicTauSeconds), timerSeconds(granted.activeTime, activeTimeSeconds)];
        return line(`+UCPSMS: 1,,,"${tau}","${active}"`);
      },
    },
    setting(simLine, { fields: [number(0, 15)], effect: "session", test: "(0-15)" }),
    counters,
    {
      name: "+UCGED",
      test: says("+UCGED: (0,2,5)"),
      read: ({ modem }) => (modem.vendor.get("+UCGED", "0") === "0" ? line("+UCGED: 0") : engineering(modem)),
      set: (call) => {
        const mode = int(call, 0, 0, 5);
        if (![0, 2, 5].includes(mode)) return refuse(cme.incorrectParameters);
        call.modem.vendor.set("+UCGED", String(mode), "session");
        return ok;
      },
    },
    { name: "+CPWROFF", execute: ({ modem }) => ({ lines: [], after: () => modem.shutDown(undefined) }) },
    setting("+CSGT", { fields: [among([0, 1]), words(/^[\x20-\x7e]{0,49}$/, "")], optional: 1, effect: "start" }),
    ...(habits.interfaces === "upsd"
      ? [
          { name: "+UPSD", set: packetProfile },
          { name: "+UPSDA", set: packetAction },
          {
            name: "+UPSND",
            set: (call: Call) => {
              const number = int(call, 0, 0, 6);
              const what = int(call, 1, 0, 8);
              const { vendor, packet } = call.modem;
              const on = vendor.get(`+UPSDA ${number}`, "0") === "1";
              if (what === 8) return line(`+UPSND: ${number},8,${Number(on)}`);
              const address = packet.active(Number(vendor.stored(`+UPSD ${number} 100`, "1")))?.address;
              return what === 0 && on && address !== undefined ? line(`+UPSND: ${number},0,"${address}"`) : refuse(cme.notAllowed);
            },
          },
        ]
      : [
          setting("+UUSBCONF", {
            fields: [among([0, 2, 3], 2), words(/^(ECM|RNDIS|)$/i, ""), plain(/^\d*$/, "")],
            optional: 2,
            effect: "start",
            test: '(0,2,3),("ECM","RNDIS")',
          }),
          setting("+UBMCONF", { fields: [among([1, 2], 1)], effect: "start", test: "(1,2)" }),
        ]),
  ];
}
