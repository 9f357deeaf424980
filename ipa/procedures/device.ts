// What the device tells of itself: TAC and IMEI for RSP servers, the last PLMN for the eIM, what this IPA can do (SGP.22 §4.2, SGP.32 §2.11.2.2).
import { concatBytes, digitsToBcd, digitsToSwappedBcd, plmnToBytes } from "../../base/bytes.ts";
import type { DeviceInfo } from "../messages/common.ts";
import type { IpaCapabilities } from "../messages/esipa.ts";
import type { IpaContext } from "./context.ts";
import { isDirect } from "./direct-download.ts";

/** Undefined while the module has not told its IMEI. TBCD of TS 29.002, the first digit of a pair low; but not the IMEI's last octet: check digit high, F low. */
export function deviceInfo({ ports, options }: IpaContext): DeviceInfo | undefined {
  const { imei } = ports.device();
  if (imei === undefined || !/^\d{14,16}$/.test(imei)) return undefined;
  const coded = concatBytes(digitsToSwappedBcd(imei.slice(0, 14), 7), digitsToBcd(imei.slice(14).padEnd(2, "F")));
  return { tac: coded.slice(0, 4), deviceCapabilities: options.deviceCapabilities, imei: coded };
}

/** A server wants a TAC whatever happens. */
export function deviceInfoOrNone(context: IpaContext): DeviceInfo {
  return deviceInfo(context) ?? { tac: new Uint8Array(4), deviceCapabilities: context.options.deviceCapabilities };
}

export function rPlmn({ ports }: IpaContext): Uint8Array | undefined {
  const { rPlmn: digits } = ports.device();
  return digits !== undefined && /^\d{5,6}$/.test(digits) ? plmnToBytes(digits) : undefined;
}

export function ipaCapabilities(context: IpaContext): IpaCapabilities {
  const { ports, options } = context;
  const direct = isDirect(context) ? (["directRspServerCommunication"] as const) : [];
  const schemes = ports.transports.map(({ scheme }) => scheme);
  const protocols = { https: "ipaRetrieveHttps", coaps: "ipaRetrieveCoaps" } as const;
  const injection = { https: "ipaInjectHttps", coaps: "ipaInjectCoaps" } as const;
  return {
    ipaFeatures: [...direct, "indirectRspServerCommunication", ...options.eimFeatures],
    ipaSupportedProtocols: [...schemes.map((scheme) => protocols[scheme]), ...options.injection.map((scheme) => injection[scheme])],
  };
}
