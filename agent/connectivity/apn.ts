// Which access point name fits: by ICCID, by market, by default. Pure.
import type { ApnConfig } from "../config/schema.ts";

export interface Subscription {
  readonly iccid: string;
  /** MCC of the network registered in, once known. */
  readonly mcc: string | undefined;
}

/** The longest ICCID prefix wins, then the entry for this MCC, then the default; undefined leaves the module's settings alone. */
export function chooseApn(apns: readonly ApnConfig[], subscription: Subscription): ApnConfig | undefined {
  const fits = ({ iccid_prefix, mcc }: ApnConfig): boolean =>
    (iccid_prefix === undefined || subscription.iccid.startsWith(iccid_prefix)) && (mcc === undefined || mcc === subscription.mcc);
  const rank = ({ iccid_prefix, mcc }: ApnConfig): number => (iccid_prefix?.length ?? 0) * 2 + (mcc === undefined ? 0 : 1);
  return apns.filter(fits).sort((a, b) => rank(b) - rank(a))[0];
}
