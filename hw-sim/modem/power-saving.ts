// PSM and eDRX: what the host asks for, and what the network grants (3GPP TS 27.007 §7.38 to §7.41, TS 24.008 §10.5.5.32).
import type { VirtualModem } from "./module.ts";

export interface PsmRequest {
  /** T3412 extended, as eight bits (3GPP TS 24.008 §10.5.7.4a). */
  readonly periodicTau: string;
  /** T3324 (3GPP TS 24.008 §10.5.7.3). */
  readonly activeTime: string;
}

export const defaultPsm: PsmRequest = { periodicTau: "01100000", activeTime: "00000000" };
const psmSetting = "+CPSMS";
const edrxSetting = "+CEDRXS";

export function requestedPsm({ vendor }: VirtualModem): PsmRequest & { readonly on: boolean } {
  const [on = "0", periodicTau = defaultPsm.periodicTau, activeTime = defaultPsm.activeTime] = vendor.stored(psmSetting, "0").split(",");
  return { on: on === "1", periodicTau, activeTime };
}

export function requestPsm({ vendor }: VirtualModem, on: boolean, { periodicTau, activeTime }: PsmRequest): void {
  vendor.set(psmSetting, `${Number(on)},${periodicTau},${activeTime}`, "now");
}

/** undefined while it is off, and where the network lets nobody, or no roamer, sleep. */
export function grantedPsm(modem: VirtualModem): PsmRequest | undefined {
  const { on, ...request } = requestedPsm(modem);
  return on && networkLetsSleep(modem) ? request : undefined;
}

/** The four bits of the cycle asked for (3GPP TS 24.008 §10.5.5.32); undefined while eDRX is off. */
export function requestedEdrx({ vendor }: VirtualModem): string | undefined {
  return vendor.get(edrxSetting, "") || undefined;
}

/** Whether lines of +CEDRXP are asked for; effect `start` where a make takes it up only then. */
export function requestEdrx({ vendor }: VirtualModem, value: string | undefined, effect: "now" | "start"): void {
  vendor.set(edrxSetting, value ?? "", effect);
}

export function grantedEdrx(modem: VirtualModem): string | undefined {
  const value = requestedEdrx(modem);
  return value !== undefined && networkLetsSleep(modem) ? value : undefined;
}

function networkLetsSleep(modem: VirtualModem): boolean {
  const { cell, rat } = modem.registration.state;
  return cell !== undefined && rat !== "gsm" && modem.world.letsSleep(cell.plmn, cell.roaming);
}
