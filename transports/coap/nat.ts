// How long this network's NAT remembers us: what is learned from datagrams that were answered, or not, after a silence. Pure.

/** Below this silence nothing is suspected: no NAT in use forgets that fast. */
export const quietSeconds = 10;
export const unknownNatIdleSeconds = 60;
const longestSeconds = 3_600;

export type SilenceVerdict =
  /** The association is taken to be alive: full retransmission. */
  | "alive"
  /** It may be gone: one datagram tries it, and its timeout opens a new one. */
  | "doubtful"
  /** It is taken to be gone: a new one is opened before anything is sent. */
  | "gone";

export function judgeSilence(silenceSeconds: number, natIdleSeconds: number): SilenceVerdict {
  if (silenceSeconds >= natIdleSeconds) return "gone";
  return silenceSeconds >= quietSeconds ? "doubtful" : "alive";
}

/** Up by half of what was survived, down to three quarters of what was not: one loss taken for a rebinding is soon corrected. */
export function learnNatIdle(natIdleSeconds: number, silenceSeconds: number, survived: boolean): number {
  if (survived) return Math.min(longestSeconds, Math.max(natIdleSeconds, silenceSeconds * 1.5));
  return Math.max(quietSeconds, Math.min(natIdleSeconds, silenceSeconds * 0.75));
}
