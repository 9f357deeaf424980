// Activation codes (SGP.22 §4.1): 1$address$matching id[$SM-DP+ OID[$confirmation code required]], with or without "LPA:".
import { SimwardError } from "../../base/errors.ts";

export interface ActivationCode {
  readonly smdpAddress: string;
  /** Secret. Empty is allowed. */
  readonly matchingId: string;
  readonly smdpOid: string | undefined;
  readonly confirmationCodeRequired: boolean;
}

/** For those who may know the address only: undefined where the text is no activation code, since any part of it might then be the secret one. */
export function smdpAddressIn(text: string): string | undefined {
  try {
    return parseActivationCode(text).smdpAddress;
  } catch {
    return undefined;
  }
}

/** Throws ACTIVATION_CODE, without the code in it. */
export function parseActivationCode(text: string): ActivationCode {
  const [format, address = "", matchingId = "", oid = "", flag = ""] = text.trim().replace(/^LPA:/i, "").split("$");
  const refuse = (reason: string): never => {
    throw new SimwardError("ACTIVATION_CODE", { detail: reason });
  };
  if (format !== "1") refuse("its format is not 1");
  if (!/^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(:\d{1,5})?$/.test(address)) refuse("it holds no SM-DP+ address");
  if (!/^[A-Za-z0-9-]*$/.test(matchingId)) refuse("its matching id has characters that are not allowed");
  if (oid !== "" && !/^[0-2](\.\d+)+$/.test(oid)) refuse("its SM-DP+ OID is none");
  if (flag !== "" && flag !== "0" && flag !== "1") refuse("its confirmation code flag is neither 0 nor 1");
  return { smdpAddress: address, matchingId, smdpOid: oid === "" ? undefined : oid, confirmationCodeRequired: flag === "1" };
}
