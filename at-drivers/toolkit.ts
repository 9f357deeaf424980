// Whether an M2M eUICC (SGP.02) can be managed over the air through this module: its SM-SR comes by SMS, or by an IP connection that the card opens with
// the module's bearer independent protocol, and a change of profile ends in a REFRESH. Told from TERMINAL PROFILE; nothing is changed.
import { isCode } from "../base/errors.ts";
import { readQstk, readStk, readUsatProfile } from "./commands/stk.ts";
import type { AtCommand, AtPort } from "./engine/types.ts";

/** ready: all of it is announced to the card. missing: some is not. unknown: the module does not tell. */
export type ToolkitState = "ready" | "missing" | "unknown";

export interface Toolkit {
  /** Orders by SMS and the REFRESH at their end. */
  readonly sms: ToolkitState;
  /** Connections that the card opens. */
  readonly bip: ToolkitState;
  /** What is not announced, by the names of ETSI TS 102 223 §5.2. */
  readonly missing: readonly string[];
  /** uicc: what was sent to the card. module: what the module could send. Undefined where it tells neither. */
  readonly source: "uicc" | "module" | undefined;
  /** The maker's own switch of the toolkit; undefined where there is none. */
  readonly isSwitchedOn: boolean | undefined;
}

export interface ToolkitFacts {
  readonly profile: Uint8Array | undefined;
  readonly source: "uicc" | "module" | undefined;
  readonly isSwitchedOn: boolean | undefined;
}

/** ETSI TS 102 223 §5.2: octet and bit from 1. */
interface Facility {
  readonly octet: number;
  readonly bit: number;
  readonly name: string;
  readonly for: "sms" | "bip" | "both";
}

const facilities: readonly Facility[] = [
  { octet: 1, bit: 1, name: "profile download", for: "both" },
  { octet: 1, bit: 2, name: "SMS-PP data download", for: "sms" },
  { octet: 3, bit: 8, name: "REFRESH", for: "both" },
  { octet: 5, bit: 1, name: "SET UP EVENT LIST", for: "bip" },
  { octet: 6, bit: 3, name: "event: data available", for: "bip" },
  { octet: 6, bit: 4, name: "event: channel status", for: "bip" },
  { octet: 12, bit: 1, name: "OPEN CHANNEL", for: "bip" },
  { octet: 12, bit: 2, name: "CLOSE CHANNEL", for: "bip" },
  { octet: 12, bit: 3, name: "RECEIVE DATA", for: "bip" },
  { octet: 12, bit: 4, name: "SEND DATA", for: "bip" },
  { octet: 12, bit: 5, name: "GET CHANNEL STATUS", for: "bip" },
  { octet: 13, bit: 2, name: "packet bearer", for: "bip" },
  { octet: 17, bit: 1, name: "TCP, UICC in client mode", for: "bip" },
];

/** Pure. */
export function judgeToolkit({ profile, source, isSwitchedOn }: ToolkitFacts): Toolkit {
  if (profile === undefined) {
    // A toolkit that is off serves no card, whatever it would announce.
    const state = isSwitchedOn === false ? "missing" : "unknown";
    return { sms: state, bip: state, missing: isSwitchedOn === false ? ["the module's toolkit is off"] : [], source, isSwitchedOn };
  }
  const absent = facilities.filter(({ octet, bit }) => ((profile[octet - 1] ?? 0) & (1 << (bit - 1))) === 0);
  const stateFor = (way: "sms" | "bip"): ToolkitState =>
    absent.some((one) => one.for === way || one.for === "both") ? "missing" : "ready";
  return { sms: stateFor("sms"), bip: stateFor("bip"), missing: absent.map(({ name }) => name), source, isSwitchedOn };
}

/** Asks what the module knows of; what it does not know is left open. Throws what makes the port unusable. */
export async function readToolkit(port: AtPort): Promise<Toolkit> {
  const sent = await known(port, readUsatProfile, 3);
  const own = sent === undefined ? await known(port, readUsatProfile, 2) : undefined;
  const switched = (await known(port, readQstk)) ?? (await known(port, readStk));
  return judgeToolkit({
    profile: sent ?? own,
    source: sent !== undefined ? "uicc" : own !== undefined ? "module" : undefined,
    isSwitchedOn: switched === undefined ? undefined : switched.mode !== 0,
  });
}

async function known<A extends readonly unknown[], R>(port: AtPort, command: AtCommand<A, R>, ...args: A): Promise<R | undefined> {
  try {
    return await port.send(command, ...args);
  } catch (error) {
    if (isCode(error, "AT_ERROR", "AT_CME_ERROR", "AT_REPLY", "AT_TIMEOUT")) return undefined;
    throw error;
  }
}
