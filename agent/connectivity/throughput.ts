// How fast large transfers were that were made anyway, and whether that is well below what the same network gave before; costs no octet. Pure.
// Rates are compared only between exchanges of one name: CoAP's blocks wait for each other's round trip, HTTPS's segments do not.
import type { Step } from "../../base/machine.ts";

export interface Transfer {
  readonly plmn: string | undefined;
  readonly rat: string | undefined;
  /** The interface's name of the exchange: "ESipa.GetBoundProfilePackage". */
  readonly name: string;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly durationMs: number;
}

export interface Rate {
  readonly plmn: string;
  readonly rat: string;
  readonly name: string;
  readonly bitsPerSecond: number;
  /** Since the daemon started, of this exchange in this network. */
  readonly bestBitsPerSecond: number;
  /** Transfers in a row, up to the last, that were well below the best. */
  readonly slow: number;
}

/** The one measured last stands at the end. */
export interface ThroughputState {
  readonly rates: readonly Rate[];
}

export const initialThroughput: ThroughputState = { rates: [] };

/** Below that a round trip and the server's thinking are most of the time. */
export const leastBytes = 8_192;
/** Of the best: what cells and load do to a rate is less. */
export const slowPart = 0.2;
/** One slow transfer is a bad moment. */
export const slowInARow = 2;
const maxRates = 32;

/** What the card is given goes over no network. */
const overNetwork = /^(ESipa|ES9\+|ES11)\./;

export function nextThroughput(state: ThroughputState, done: Transfer): Step<ThroughputState, never> {
  const { plmn, rat, name, durationMs } = done;
  const bytes = done.sentBytes + done.receivedBytes;
  if (plmn === undefined || rat === undefined || !overNetwork.test(name) || bytes < leastBytes || durationMs <= 0)
    return { state, effects: [] };
  const isSame = (one: Rate): boolean => one.plmn === plmn && one.rat === rat && one.name === name;
  const before = state.rates.find(isSame);
  const bitsPerSecond = Math.round((bytes * 8_000) / durationMs);
  const bestBitsPerSecond = Math.max(before?.bestBitsPerSecond ?? 0, bitsPerSecond);
  const slow = bitsPerSecond < slowPart * bestBitsPerSecond ? (before?.slow ?? 0) + 1 : 0;
  const rates = [...state.rates.filter((one) => !isSame(one)), { plmn, rat, name, bitsPerSecond, bestBitsPerSecond, slow }];
  return { state: { rates: rates.slice(-maxRates) }, effects: [] };
}

/** The last one measured in this network; undefined: none. */
export function rateIn({ rates }: ThroughputState, plmn: string | undefined, rat: string | undefined): Rate | undefined {
  return rates.findLast((one) => one.plmn === plmn && one.rat === rat);
}

export function isThrottled({ slow }: Rate): boolean {
  return slow >= slowInARow;
}
