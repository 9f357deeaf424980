// PSMOs on a consumer eUICC (SGP.32 §2.11.1.1 onto ES10a, b and c of SGP.22): each is one call of the card, its code as an SGP.32 card would give it.
// What SGP.22 has no counterpart for is answered as by an eUICC that does not support it.
import { iccidToBytes, swappedBcdToDigits } from "../../base/bytes.ts";
import { asSimwardError, isCode } from "../../base/errors.ts";
import { encode } from "../asn1/schema.ts";
import { rawOf, readOnlyTlv } from "../asn1/tlv.ts";
import { collapsed } from "../euicc/double-tag.ts";
import { type Es10, getProfilesInfo, getRat, type ResultCode, setDefaultDpAddress } from "../euicc/es10.ts";
import { type DeleteProfileResult, type DisableProfileResult, type EnableProfileResult, EuiccResultData } from "../messages/package.ts";
import { deleteLocally, disableLocally, enableLocally, type LocalProfile } from "../procedures/local-es10c.ts";
import type { KnownPsmo } from "./frame.ts";

/** Those that change the card, and so are written down before they are begun. */
export type Changing = Extract<KnownPsmo, { readonly kind: "enable" | "disable" | "delete" }>;

export function isChanging(psmo: KnownPsmo): psmo is Changing {
  return psmo.kind === "enable" || psmo.kind === "disable" || psmo.kind === "delete";
}

/** Carries it out and answers the EuiccResultData. Throws what leaves unknown whether the card did it. */
export async function runChanging(
  es10: Es10,
  psmo: Changing,
  profiles: readonly LocalProfile[],
  refreshFlag: boolean,
): Promise<Uint8Array> {
  const iccid = swappedBcdToDigits(psmo.value.iccid);
  const profile = profiles.find((one) => one.iccid === iccid) ?? { iccid, isdpAid: undefined };
  switch (psmo.kind) {
    case "enable":
      return enableResult(await codeOf(() => enableLocally(es10, profile, refreshFlag)));
    case "disable":
      return disableResult(await codeOf(() => disableLocally(es10, profile, refreshFlag)));
    case "delete":
      return deleteResult(await codeOf(() => deleteLocally(es10, profile)));
  }
}

export function enableResult(code: ResultCode): Uint8Array {
  return encode(EuiccResultData, { kind: "enableResult", value: oneOf(enableCodes, code) });
}
export function disableResult(code: ResultCode): Uint8Array {
  return encode(EuiccResultData, { kind: "disableResult", value: oneOf(disableCodes, code) });
}
export function deleteResult(code: ResultCode): Uint8Array {
  return encode(EuiccResultData, { kind: "deleteResult", value: oneOf(deleteCodes, code) });
}

const enableCodes: readonly EnableProfileResult[] = [
  "ok",
  "iccidOrAidNotFound",
  "profileNotInDisabledState",
  "disallowedByPolicy",
  "catBusy",
  "rollbackNotAvailable",
];
const disableCodes: readonly DisableProfileResult[] = [
  "ok",
  "iccidOrAidNotFound",
  "profileNotInEnabledState",
  "disallowedByPolicy",
  "catBusy",
];
const deleteCodes: readonly DeleteProfileResult[] = [
  "ok",
  "iccidOrAidNotFound",
  "profileNotInDisabledState",
  "disallowedByPolicy",
  "rollbackNotAvailable",
];

/** A code that SGP.32 does not have for it, such as wrongProfileReenabling, is undefinedError there. */
function oneOf<T>(codes: readonly T[], code: ResultCode): T | "undefinedError" {
  return codes.find((one) => one === code) ?? "undefinedError";
}

/** A status word is the card's refusal; anything else leaves open what it did. */
async function codeOf(ask: () => Promise<ResultCode>): Promise<ResultCode> {
  try {
    return await ask();
  } catch (error) {
    if (isCode(error, "APDU_STATUS", "ES10_UNSUPPORTED")) return "undefinedError";
    throw asSimwardError(error);
  }
}

/** Whether the card is as this operation would have left it. */
export function isDone(kind: string, iccid: string | undefined, profiles: readonly LocalProfile[]): boolean {
  const profile = profiles.find((one) => one.iccid === iccid);
  if (kind === "enable") return profile?.enabled === true;
  if (kind === "disable") return profile !== undefined && !profile.enabled;
  return kind === "delete" && profile === undefined;
}

export function resultOfDone(kind: string): Uint8Array {
  if (kind === "enable") return enableResult("ok");
  return kind === "disable" ? disableResult("ok") : deleteResult("ok");
}

/** 5A 4F 9F70 91 92 95: the default of SGP.32 §5.9.14, as far as SGP.22 has it. */
const defaultTags = Uint8Array.of(0x5a, 0x4f, 0x9f, 0x70, 0x91, 0x92, 0x95);

/** The others: they may be made again without harm. Undefined: it cannot be answered at all, and the package ends. */
export async function runOther(es10: Es10, psmo: Exclude<KnownPsmo, Changing>): Promise<Uint8Array | undefined> {
  switch (psmo.kind) {
    case "listProfileInfo":
      try {
        const { raw } = await es10.ask(getProfilesInfo, { ...psmo.value, tagList: psmo.value.tagList ?? defaultTags });
        return rawOf(collapsed(readOnlyTlv(raw)));
      } catch (error) {
        if (!isRefusal(error)) throw error;
        return encode(EuiccResultData, {
          kind: "listProfileInfoResult",
          value: { kind: "profileInfoListError", value: "undefinedError" },
        });
      }
    case "getRAT":
      try {
        return encode(EuiccResultData, { kind: "getRATResult", value: (await es10.call(getRat, {})).rat });
      } catch (error) {
        if (!isRefusal(error)) throw error;
        return undefined;
      }
    case "setDefaultDpAddress": {
      const { defaultDpAddress } = psmo.value;
      const code = await codeOf(async () => (await es10.call(setDefaultDpAddress, { defaultDpAddress })).setDefaultDpAddressResult);
      return encode(EuiccResultData, {
        kind: "setDefaultDpAddressResult",
        value: { setDefaultDpAddressResult: code === "ok" ? "ok" : "undefinedError" },
      });
    }
    // SGP.22 knows neither immediate enabling nor a fallback profile.
    case "configureImmediateEnable":
      return encode(EuiccResultData, { kind: "configureImmediateEnableResult", value: "commandError" });
    case "setFallbackAttribute":
      return encode(EuiccResultData, { kind: "setFallbackAttributeResult", value: await fallbackCode(es10, psmo.value.iccid) });
    case "unsetFallbackAttribute":
      return encode(EuiccResultData, { kind: "unsetFallbackAttributeResult", value: "noFallbackAttribute" });
  }
}

async function fallbackCode(es10: Es10, iccid: Uint8Array): Promise<"iccidOrAidNotFound" | "fallbackNotAllowed"> {
  const criteria = { kind: "iccid", value: iccidToBytes(swappedBcdToDigits(iccid)) } as const;
  const list = await es10.call(getProfilesInfo, { searchCriteria: criteria, tagList: defaultTags });
  return list.kind === "profileInfoListOk" && list.value.length > 0 ? "fallbackNotAllowed" : "iccidOrAidNotFound";
}

function isRefusal(error: unknown): boolean {
  return isCode(error, "APDU_STATUS", "ES10_UNSUPPORTED", "ES10_RESPONSE");
}
