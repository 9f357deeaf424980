// +CREG, +CGREG and +CEREG in all their shapes (3GPP TS 27.007 §7.2, §10.1.20, §10.1.22).
import type { VirtualModem } from "./module.ts";
import { type RegistrationState, type Stat, stat } from "./registration.ts";

export type RegistrationCommand = "+CREG" | "+CGREG" | "+CEREG";

/** The highest <n> of each. */
export const registrationModes: Readonly<Record<RegistrationCommand, number>> = { "+CREG": 3, "+CGREG": 5, "+CEREG": 5 };
export const registrationCommands = Object.keys(registrationModes) as readonly RegistrationCommand[];

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
  const registered = cell !== undefined && rat !== undefined && shown !== stat.idle;
  const location = registered ? [`"${cell.tac}"`, `"${cell.cellId}"`, String(modem.personality.act[rat])] : [];
  if (registered && command === "+CGREG") location.push(`"01"`);
  const hasCause = (n === 3 || n === 5) && emmCause !== undefined && !registered;
  const hasTimers = n >= 4 && registered;
  if (!hasCause && !hasTimers) return location;
  const width = command === "+CGREG" ? 4 : 3;
  return [
    ...location,
    ...Array<string>(width - location.length).fill(""),
    ...(hasCause ? ["0", String(emmCause)] : ["", ""]),
    ...(hasTimers ? [psmOff] : []),
  ];
}
