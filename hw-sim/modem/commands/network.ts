// Registration, operators, signal (3GPP TS 27.007 §7, §8, §10.1.20, §10.1.22).
import type { SimRat, VisibleOperator } from "../../contracts.ts";
import { cme } from "../cme.ts";
import type { VirtualModem } from "../module.ts";
import { esmTexts } from "../packet.ts";
import { copsMode, stat } from "../registration.ts";
import { registrationCommands, registrationLine } from "../registration-lines.ts";
import { type Answer, type Call, type CommandRow, int, line, listed, ok, refuse, says, text } from "./command.ts";

/** EMM causes as +CME ERROR (3GPP TS 27.007 §9.2.2). */
const cmeOfEmmCause: Readonly<Record<number, number>> = { 3: 103, 6: 106, 7: 107, 11: 111, 12: 112, 13: 113, 15: 115, 19: 119 };
const setFormatOnly = 3;

function cops(call: Call): Answer | Promise<Answer> {
  const { modem } = call;
  const mode = int(call, 0, 0, 4);
  if (mode === setFormatOnly) {
    modem.settings.copsFormat = formatOf(call);
    return ok;
  }
  if (mode === copsMode.deregister) return modem.registration.select({ mode, plmn: undefined, rat: undefined }).then(() => ok);
  modem.sim.needProfile();
  if (!modem.radio) return refuse(cme.notAllowed);
  if (mode === copsMode.automatic) {
    const answer: Answer = modem.personality.cops.automaticSaysError ? { lines: [], final: "ERROR" } : ok;
    return modem.registration.select({ mode, plmn: undefined, rat: undefined }).then(() => answer);
  }
  const plmn = plmnOf(modem, formatOf(call), text(call, 2));
  const rat = call.args[3] === undefined ? undefined : ratOf(modem, int(call, 3, 0, 9));
  return manual(modem, mode === copsMode.manual ? copsMode.manual : copsMode.manualThenAutomatic, plmn, rat);
}

function formatOf(call: Call): number {
  const format = int(call, 1, 0, 2);
  return call.modem.personality.cops.formats.includes(format) ? format : refuse(cme.incorrectParameters);
}

async function manual(modem: VirtualModem, mode: 1 | 4, plmn: string, rat: SimRat | undefined): Promise<Answer> {
  const state = await modem.registration.select({ mode, plmn, rat });
  if (state.cell !== undefined) return ok;
  return refuse((state.emmCause === undefined ? undefined : cmeOfEmmCause[state.emmCause]) ?? cme.noNetworkService);
}

/** The operator's number, given as such or by a name that is in reach. */
function plmnOf(modem: VirtualModem, format: number, given: string): string {
  if (format === 2) return /^\d{5,6}$/.test(given) ? given : refuse(cme.incorrectParameters);
  return visible(modem).find(({ operator }) => operatorName(operator, format) === given)?.operator.plmn ?? refuse(cme.noNetworkService);
}

function ratOf(modem: VirtualModem, act: number): SimRat {
  return modem.rats.find((rat) => modem.personality.act[rat] === act) ?? refuse(cme.notSupported);
}

function operatorName({ name, shortName, plmn }: VisibleOperator, format: number): string {
  return [name, shortName, plmn][format] ?? plmn;
}

function visible(modem: VirtualModem): { readonly operator: VisibleOperator; readonly rat: SimRat }[] {
  return modem.rats.flatMap((rat) => modem.world.scan(modem.sim.subscriber, rat).map((operator) => ({ operator, rat })));
}

function copsRead({ modem }: Call): Answer {
  const { selection, state } = modem.registration;
  const { copsFormat } = modem.settings;
  const { cell, rat } = state;
  if (cell === undefined || rat === undefined) return line(`+COPS: ${selection.mode}`);
  const seen = modem.world.scan(modem.sim.subscriber, rat).find(({ plmn }) => plmn === cell.plmn);
  const name = seen === undefined ? cell.plmn : operatorName(seen, copsFormat);
  return line(`+COPS: ${selection.mode},${copsFormat},"${name}",${modem.personality.act[rat]}`);
}

/** Its port answers nothing else for as long as it lasts. */
async function copsTest({ modem }: Call): Promise<Answer> {
  if (!modem.radio) return refuse(cme.notAllowed);
  const { firstScanFails, formats, brokenLines } = modem.personality.cops;
  const fails = firstScanFails && modem.firsts.scan;
  modem.firsts.scan = false;
  if (fails) return { lines: [], final: "ERROR" };
  await modem.clock.sleep(modem.personality.timings.scanMs);
  const current = modem.registration.state;
  const found = visible(modem).map(({ operator, rat }) => {
    const isCurrent = operator.plmn === current.cell?.plmn && rat === current.rat;
    const status = isCurrent ? 2 : operator.allowed ? 1 : 3;
    return `(${status},"${operator.name}","${operator.shortName}","${operator.plmn}",${modem.personality.act[rat]})`;
  });
  return line(`+COPS: ${[...found, `,(0-4),${listed(formats)}`].join(brokenLines ? ",\r\n" : ",")}`);
}

/** RSSI as 27.007 §8.5 counts it, from RSRP over ten resource blocks' worth of subcarriers. */
function csq({ modem }: Call): Answer {
  const rsrpDbm = modem.registration.state.cell?.rsrpDbm;
  if (rsrpDbm === undefined) return line("+CSQ: 99,99");
  return line(`+CSQ: ${Math.max(0, Math.min(31, Math.round((rsrpDbm + 20 + 113) / 2)))},99`);
}

/** 27.007 §8.69: rxlev, ber, rscp, ecno, rsrq, rsrp. */
function cesq({ modem }: Call): Answer {
  const { cell, rat } = modem.registration.state;
  if (cell === undefined) return line("+CESQ: 99,99,255,255,255,255");
  if (rat === "gsm") return line(`+CESQ: ${Math.max(0, Math.min(63, cell.rsrpDbm + 20 + 111))},99,255,255,255,255`);
  const rsrqDb = -9.5;
  return line(`+CESQ: 99,99,255,255,${Math.round(2 * rsrqDb + 40)},${Math.max(0, Math.min(97, cell.rsrpDbm + 141))}`);
}

export const networkCommands: readonly CommandRow[] = [
  ...registrationCommands.map(
    (name): CommandRow => ({
      name,
      maxArgs: 1,
      test: ({ modem }) => line(`${name}: ${listed(modem.personality.registration.modes[name])}`),
      read: ({ modem }) => line(registrationLine(modem, name, "read") ?? ""),
      set: (call) => {
        const n = int(call, 0, 0, 9, 0);
        if (!call.modem.personality.registration.modes[name].includes(n)) return refuse(cme.incorrectParameters);
        call.modem.settings.creg[name] = n;
        return ok;
      },
    }),
  ),
  { name: "+COPS", maxArgs: 4, test: copsTest, read: copsRead, set: cops },
  { name: "+CSQ", test: says("+CSQ: (0-31,99),(99)"), execute: csq },
  { name: "+CESQ", test: says("+CESQ: (0-63,99),(99),(255),(255),(0-34,255),(0-97,255)"), execute: cesq },
  {
    name: "+CEER",
    execute: ({ modem }) => line(`+CEER: ${lastFailure(modem)}`),
  },
];

/** EMM causes as modules print them (3GPP TS 24.301 §9.9.3.9). */
const emmTexts: Readonly<Record<number, string>> = {
  3: "illegal UE",
  6: "illegal ME",
  7: "EPS services not allowed",
  8: "EPS services and non-EPS services not allowed",
  11: "PLMN not allowed",
  12: "tracking area not allowed",
  13: "roaming not allowed in this tracking area",
  14: "EPS services not allowed in this PLMN",
  15: "no suitable cells in tracking area",
  17: "network failure",
  19: "ESM failure",
  22: "congestion",
};

function lastFailure(modem: VirtualModem): string {
  const { emmCause, stat: shown } = modem.registration.state;
  const { lastEsmCause } = modem.packet;
  const { failure, none } = modem.personality.ceer;
  const said = (domain: string, cause: number, words: string | undefined): string =>
    failure
      .replace("{domain}", domain)
      .replace("{cause}", String(cause))
      .replace("{text}", words ?? `cause ${cause}`);
  if (lastEsmCause !== undefined) return said("ESM", lastEsmCause, esmTexts[lastEsmCause]);
  if (emmCause !== undefined) return said("EMM", emmCause, emmTexts[emmCause]);
  return shown === stat.searching ? '"No network found",0' : none;
}
