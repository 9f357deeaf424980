// V.250: the commands of every module, and how its port behaves.
import { cme } from "../cme.ts";
import { type CommandRow, doNothing, type Handler, int, line, ok, refuse, says } from "./command.ts";

/** Without a number it is 0. */
const onOff =
  (setting: "verbose" | "quiet"): Handler =>
  (call) => {
    call.port[setting] = int(call, 0, 0, 1, 0) === 1;
    return ok;
  };

/** Takes a value in this range and has no use for it. */
const within =
  (min: number, max: number): Handler =>
  (call) => {
    int(call, 0, min, max, min);
    return ok;
  };

/** Settings of V.250 that change nothing here, with the highest value each takes. */
const inert: Readonly<Record<string, number>> = { X: 4, L: 3, M: 2, "&C": 1, "&D": 2, "&K": 3, "&S": 1 };

const registers: Readonly<Record<string, number>> = { S0: 0, S3: 13, S4: 10, S5: 8, S7: 60, S10: 15 };

const rates: readonly number[] = [9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600];

export const basicCommands: readonly CommandRow[] = [
  {
    name: "E",
    execute: (call) => {
      const on = int(call, 0, 0, 1, 0) === 1;
      if (on || call.modem.personality.echo !== "stuck") call.port.echo = on;
      return ok;
    },
  },
  { name: "V", execute: onOff("verbose") },
  { name: "Q", execute: onOff("quiet") },
  {
    name: "&F",
    execute: ({ modem, port }) => {
      const { echo, cmee } = modem.personality;
      Object.assign(port, { echo: echo !== "off", verbose: true, quiet: false, cmee });
      modem.factoryDefaults();
      return ok;
    },
  },
  {
    name: "&W",
    execute: ({ modem, port }) => {
      modem.save(port.echo);
      return ok;
    },
  },
  {
    name: "Z",
    execute: ({ modem, port }) => {
      Object.assign(port, { echo: modem.savedEcho, verbose: true, quiet: false });
      modem.restoreSaved();
      return ok;
    },
  },
  ...Object.entries(inert).map(([name, max]): CommandRow => ({ name, execute: within(0, max) })),
  ...Object.entries(registers).map(
    ([name, value]): CommandRow => ({ name, read: says(String(value).padStart(3, "0")), set: within(0, 255) }),
  ),
  {
    name: "+CMEE",
    maxArgs: 1,
    test: says("+CMEE: (0-2)"),
    read: ({ port }) => line(`+CMEE: ${port.cmee}`),
    set: (call) => {
      call.port.cmee = int(call, 0, 0, 2, 0);
      return ok;
    },
  },
  {
    name: "+CSCS",
    maxArgs: 1,
    test: says('+CSCS: ("IRA")'),
    read: says('+CSCS: "IRA"'),
    set: ({ args }) => (args[0] === "IRA" ? ok : refuse(cme.notSupported)),
  },
  {
    name: "+IPR",
    maxArgs: 1,
    test: says(`+IPR: (0),(${rates.join(",")})`),
    read: ({ modem }) => line(`+IPR: ${modem.baud}`),
    set: (call) => {
      const rate = int(call, 0, 0, 4_000_000);
      if (rate !== 0 && !rates.includes(rate)) return refuse(cme.incorrectParameters);
      return { lines: [], after: () => call.modem.setBaud(rate) };
    },
  },
  { name: "+IFC", maxArgs: 2, read: says("+IFC: 0,0"), set: doNothing },
];
