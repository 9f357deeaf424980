// +CREG, +CGREG and +CEREG in all their shapes (3GPP TS 27.007 §7.2, §10.1.20, §10.1.22).
import type { VirtualModem } from "./module.ts";
import type { RegistrationShape } from "./personality.ts";
import { grantedPsm } from "./power-saving.ts";
import { type RegistrationState, type Stat, stat } from "./registration.ts";

export type RegistrationCommand = "+CREG" | "+CGREG" | "+CEREG";

export const registrationCommands: readonly RegistrationCommand[] = ["+CREG", "+CGREG", "+CEREG"];

/** Timers that PSM would have: deactivated (3GPP TS 24.008 §10.5.7.3, §10.5.7.4a). */
const psmOff = `"11100000","11100000"`;

/** What the command's own domain shows. */
export function domainStat(modem: VirtualModem, command: RegistrationCommand): Stat {
  const state = modem.registration.state;
  const packetSwitched = command !== "+CREG";
  if (packetSwitched && state.cell !== undefined && !modem.packet.attached) return stat.idle;
  if (command === "+CEREG" && state.rat === "gsm") return stat.idle;
  if (command === "+CREG" && !modem.personality.csDomain) return stat.idle;
  return state.stat;
}

/** The answer to a read, or the unsolicited line; undefined where <n> asks for none. */
export function registrationLine(modem: VirtualModem, command: RegistrationCommand, form: "read" | "urc"): string | undefined {
  const n = modem.settings.creg[command];
  if (form === "urc" && n === 0) return undefined;
  const shown = domainStat(modem, command);
  const fields = [String(shown), ...detailFields(modem.registration.state, shown, command, n, modem)];
  if (form === "read") fields.unshift(String(n));
  return `${command}: ${fields.join(",")}`;
}

function detailFields(state: RegistrationState, shown: Stat, command: RegistrationCommand, n: number, modem: VirtualModem): string[] {
  if (n < 2) return [];
  const { cell, rat, emmCause } = state;
  const { registration: shape, act } = modem.personality;
  const registered = cell !== undefined && rat !== undefined && shown !== stat.idle;
  const location = registered ? [quotedHex(cell.tac, shape), quotedHex(cell.cellId, shape)] : [];
  const width = command === "+CGREG" ? 4 : 3;
  if (registered && shape.act === "present") location.push(String(act[rat]));
  if (registered && command === "+CGREG") location.push(`"01"`);
  const extra = command === "+CEREG" && registered && shape.routingArea?.modes.includes(n) === true ? shape.routingArea.at : undefined;
  if (extra === "middle") location.splice(1, 0, `"00"`);
  if (extra === "end") location.push(`"00"`);
  const hasCause = (n === 3 || n === 5) && emmCause !== undefined && !registered;
  const hasTimers = n >= 4 && registered;
  if (!hasCause && !hasTimers) return location;
  return [
    ...location,
    ...Array<string>(Math.max(0, width - location.length)).fill(""),
    ...(hasCause ? ["0", String(emmCause)] : ["", ""]),
    ...(hasTimers ? [powerSavingTimers(modem)] : []),
  ];
}

function quotedHex(hex: string, { hex: letters }: RegistrationShape): string {
  return `"${letters === "upper" ? hex.toUpperCase() : hex.toLowerCase()}"`;
}

/** What the network has granted: active time, and periodic TAU. */
function powerSavingTimers(modem: VirtualModem): string {
  const granted = grantedPsm(modem);
  return granted === undefined ? psmOff : `"${granted.activeTime}","${granted.periodicTau}"`;
}
