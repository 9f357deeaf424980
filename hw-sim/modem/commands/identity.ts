// Who the module is, and its power (3GPP TS 27.007 §5, §8.2).
import { cme } from "../cme.ts";
import type { VirtualModem } from "../module.ts";
import type { Personality } from "../personality.ts";
import { type Answer, type Call, type CommandRow, doNothing, type Handler, int, line, listed, ok, refuse, says } from "./command.ts";

const named = (name: string, answer: (call: Call) => string): CommandRow => ({ name, execute: (call) => line(answer(call)) });

/** Luhn's check digit is the last of an IMEI; IMEISV replaces it by two digits of software version. */
const imeiSv = (imei: string): string => `${imei.slice(0, 14)}01`;

const filled = ({ personality, imei }: VirtualModem, template: string): string =>
  template
    .replace("{manufacturer}", personality.manufacturer)
    .replace("{model}", personality.model)
    .replace("{revision}", personality.revision)
    .replace("{imei}", imei);

const identity = (lines: readonly string[]): Handler => {
  return ({ modem }) => line(...lines.map((text) => filled(modem, text)));
};

/** ATI, ATI9 and the like are one command with a number. */
function information(rows: Readonly<Record<string, readonly string[]>>): CommandRow {
  return {
    name: "I",
    execute: (call) => {
      const number = int(call, 0, 0, 99, 0);
      return identity(rows[number === 0 ? "I" : `I${number}`] ?? rows.I ?? [])(call);
    },
  };
}

/** The commands by which a make says who it is, where it says it otherwise than all. */
export function ownIdentity({ identity: rows }: Personality): readonly CommandRow[] {
  const others = Object.entries(rows).filter(([name]) => !/^I\d*$/.test(name));
  return [information(rows), ...others.map(([name, lines]): CommandRow => ({ name, execute: identity(lines) }))];
}

async function setFunction(call: Call): Promise<Answer> {
  const { modem } = call;
  const { functionLevels, resetByCfun } = modem.personality;
  const level = int(call, 0, 0, 127);
  const effect = functionLevels[level] ?? refuse(cme.notSupported);
  const reset = { lines: [], after: () => modem.reset() };
  // With a reset the module comes back with everything on (3GPP TS 27.007 §8.2 leaves it to <fun>; makes take 1 only).
  if (int(call, 1, 0, 1, 0) === 1) return level === 1 && resetByCfun ? reset : refuse(cme.notAllowed);
  if (effect.reset === true) return reset;
  await modem.setFunction(level);
  const hangsUp = effect.radio === false && effect.sim === false && modem.faults.get("hang-up-on-radio-off") === true;
  return hangsUp ? { lines: [], after: () => modem.hangUpPorts() } : ok;
}

export const identityCommands: readonly CommandRow[] = [
  named("+CGMI", ({ modem }) => modem.personality.manufacturer),
  named("+GMI", ({ modem }) => modem.personality.manufacturer),
  named("+CGMM", ({ modem }) => modem.personality.model),
  named("+GMM", ({ modem }) => modem.personality.model),
  named("+CGMR", ({ modem }) => modem.personality.revision),
  named("+GMR", ({ modem }) => modem.personality.revision),
  named("+GSN", ({ modem }) => modem.imei),
  {
    name: "+CGSN",
    maxArgs: 1,
    test: says("+CGSN: (0-3)"),
    execute: ({ modem }) => line(modem.imei),
    set: (call) => {
      const { imei } = call.modem;
      const answers = [imei, imei, imeiSv(imei), "01"];
      const which = int(call, 0, 0, 3, 0);
      // The serial number stands alone, as without <snt>; the others behind the command's name (3GPP TS 27.007 §5.4).
      return line(which === 0 ? imei : `+CGSN: "${answers[which]}"`);
    },
  },
  {
    name: "+CFUN",
    maxArgs: 2,
    test: ({ modem: { personality } }) =>
      line(`+CFUN: ${listed(Object.keys(personality.functionLevels).map(Number))},(0${personality.resetByCfun ? ",1" : ""})`),
    read: ({ modem }) => line(`+CFUN: ${modem.functionLevel}`),
    set: setFunction,
  },
  { name: "+GCAP", execute: says("+GCAP: +CGSM") },
  // No number of one's own is in the profiles.
  { name: "+CNUM", execute: doNothing },
  { name: "+CPAS", execute: says("+CPAS: 0") },
];
