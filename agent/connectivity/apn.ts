// Which access point name fits: by ICCID, by market, by default; and which ones to fall back on where it finds no network. Pure.
import type { ApnConfig } from "../config/schema.ts";

export interface Subscription {
  readonly iccid: string;
  /** MCC of the network registered in, once known. */
  readonly mcc: string | undefined;
}

/** What one context of the module is given. */
export type ApnSetting = { readonly cid: number } & Pick<ApnConfig, "type" | "name" | "auth"> &
  Partial<Pick<ApnConfig, "user" | "password_credential">>;

/** What is known of one subscription from before. */
export interface ApnHistory {
  /** The last with which there was a data path. */
  readonly worked?: ApnSetting | undefined;
  /** The one that the configuration chose, and in whose place `worked` is used because it found no network. */
  readonly failed?: ApnSetting | undefined;
  /** MCC of the network registered in last. */
  readonly mcc?: string | undefined;
}

/** The longest ICCID prefix wins, then the entry for this MCC, then the default; undefined leaves the module's settings alone. */
export function chooseApn(apns: readonly ApnConfig[], subscription: Subscription): ApnConfig | undefined {
  const fits = ({ iccid_prefix, mcc }: ApnConfig): boolean =>
    (iccid_prefix === undefined || subscription.iccid.startsWith(iccid_prefix)) && (mcc === undefined || mcc === subscription.mcc);
  const rank = ({ iccid_prefix, mcc }: ApnConfig): number => (iccid_prefix?.length ?? 0) * 2 + (mcc === undefined ? 0 : 1);
  return apns.filter(fits).sort((a, b) => rank(b) - rank(a))[0];
}

/**
 * What to try, in this order: what the configuration chooses, what worked with this subscription before, and what the module held before simward
 * wrote to it. A choice that is known to fail comes last. Empty: the module's settings are left alone.
 */
export function apnCandidates(chosen: ApnSetting | undefined, history: ApnHistory, own: ApnSetting | undefined): readonly ApnSetting[] {
  const isKnownToFail = chosen !== undefined && history.failed !== undefined && sameApn(chosen, history.failed);
  const wanted = isKnownToFail ? [history.worked, own, chosen] : [chosen, history.worked, own];
  return wanted.filter((one) => one !== undefined).filter((one, at, all) => all.findIndex((other) => sameApn(one, other)) === at);
}

/**
 * The turn after so many attempts without a path, each twice as long as the one before: soon enough for a wrong APN, and seldom enough for the
 * module's memory where there is simply no network.
 */
export function turnAfter(failures: number): number {
  return failures < 2 ? 0 : Math.floor(Math.log2(failures));
}

/** After how many attempts a turn begins: the reverse of `turnAfter`. */
export function firstOfTurn(turn: number): number {
  return turn === 0 ? 0 : 2 ** turn;
}

/** APNs are names of DNS: their case does not count. */
export function sameApn(a: ApnSetting, b: ApnSetting): boolean {
  return (
    a.cid === b.cid &&
    a.type === b.type &&
    a.name.toLowerCase() === b.name.toLowerCase() &&
    a.auth === b.auth &&
    a.user === b.user &&
    a.password_credential === b.password_credential
  );
}
