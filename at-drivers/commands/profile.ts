// The operator's configuration that a module runs with, and a module's own LPA, as their makers ask for them.
import { declare, int, query, queryWith, splitFields } from "../declare.ts";
import type { AtCommand } from "../engine/types.ts";

export interface MbnEntry {
  readonly name: string;
  readonly selected: boolean;
  readonly activated: boolean;
}

/** Quectel: `"List",<index>,<selected>,<activated>,"<name>",<version>,<date>`, a line for each. */
export const mbnList: AtCommand<readonly [], readonly MbnEntry[]> = declare("+QMBNCFG", 'AT+QMBNCFG="List"', "+QMBNCFG:", {}, (reply) =>
  reply.lines.flatMap((info) => {
    const [key, , selected, activated, name] = splitFields(info).map((field) => field?.text);
    return key?.toLowerCase() === "list" && name !== undefined ? [{ name, selected: selected === "1", activated: activated === "1" }] : [];
  }),
);
/** Whether the module chooses by the card. */
export const mbnAutoSel = queryWith("+QMBNCFG", 'AT+QMBNCFG="AutoSel"', "+QMBNCFG:", (info) => {
  const found = /^"AutoSel"\s*,\s*([01])$/i.exec(info);
  return found === null ? undefined : found[1] === "1";
});

/** u-blox; further numbers are the state of what was chosen by the card. */
const umnoprof = query("+UMNOPROF", "AT+UMNOPROF?", "+UMNOPROF:", [int("profile")]);
export const readUmnoprof: AtCommand<readonly [], number> = { ...umnoprof, parse: (reply) => umnoprof.parse(reply).profile };
export const chosenByIccid = 1;
export const umnoprofNames: Readonly<Record<number, string>> = {
  0: "undefined, regulatory",
  1: "by ICCID",
  2: "AT&T",
  3: "Verizon",
  90: "global",
  100: "standard Europe",
  201: "conformance test",
};

/** Quectel's own LPA: whether it holds the ISD-R. */
export const qesimLpaEnable = queryWith("+QESIM", 'AT+QESIM="lpa_enable"', "+QESIM:", (info) => info || undefined);
/** The EID by the module's own LPA: an answer means that it has one. */
export const qesimEid = queryWith("+QESIM", 'AT+QESIM="eid"', "+QESIM:", (info) => info || undefined);
export const ceuicc = queryWith("+CEUICC", "AT+CEUICC?", "+CEUICC:", (info) => info || undefined);
