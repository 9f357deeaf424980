// Who the module is, and its power (3GPP TS 27.007 §5, §8.2).
import { type Call, type CommandRow, int, line, ok, says } from "./command.ts";

const named = (name: string, answer: (call: Call) => string): CommandRow => ({ name, execute: (call) => line(answer(call)) });

/** Luhn's check digit is the last of an IMEI; IMEISV replaces it by two digits of software version. */
const imeiSv = (imei: string): string => `${imei.slice(0, 14)}01`;

export const identityCommands: readonly CommandRow[] = [
  {
    name: "I",
    execute: ({ modem }) => line(modem.personality.manufacturer, modem.personality.model, `Revision: ${modem.personality.revision}`),
  },
  named("+CGMI", ({ modem }) => modem.personality.manufacturer),
  named("+GMI", ({ modem }) => modem.personality.manufacturer),
  named("+CGMM", ({ modem }) => modem.personality.model),
  named("+GMM", ({ modem }) => modem.personality.model),
  named("+CGMR", ({ modem }) => modem.personality.revision),
  named("+GMR", ({ modem }) => modem.personality.revision),
  named("+GSN", ({ modem }) => modem.imei),
  {
    name: "+CGSN",
    test: says("+CGSN: (0-3)"),
    execute: ({ modem }) => line(modem.imei),
    set: (call) => {
      const { imei } = call.modem;
      const answers = [imei, imei, imeiSv(imei), "01"];
      return line(`+CGSN: "${answers[int(call, 0, 0, 3)]}"`);
    },
  },
  {
    name: "+CFUN",
    test: says("+CFUN: (0,1,4),(0,1)"),
    read: ({ modem }) => line(`+CFUN: ${modem.functionLevel}`),
    set: async (call) => {
      const level = int(call, 0, 0, 4);
      const reset = int(call, 1, 0, 1, 0) === 1;
      if (level !== 0 && level !== 1 && level !== 4) return { lines: [], cme: 4 };
      // With a reset the module comes back with everything on (3GPP TS 27.007 §8.2 leaves it to <fun>; makes take 1 only).
      if (reset) return level === 1 ? { lines: [], after: () => call.modem.reset() } : { lines: [], cme: 3 };
      await call.modem.setFunction(level);
      return ok;
    },
  },
  { name: "+CPAS", execute: says("+CPAS: 0") },
];
