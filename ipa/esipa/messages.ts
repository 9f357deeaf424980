// ESipa messages put together around octets that others have signed: these are never decoded and encoded again, only wrapped (SGP.32 §6.3).
// Where v1.0 of SGP.32 has another form on the wire, both are here side by side.
import { utf8 } from "../../base/bytes.ts";
import { encode } from "../asn1/schema.ts";
import { contentOf, readOnlyTlv, retag, writeTlv } from "../asn1/tlv.ts";
import { EimPackageResultErrorCode, ProfileDownloadTriggerResult, StateChangeCause } from "../messages/esipa.ts";
import type { EsipaCompat } from "../options.ts";

type Version = EsipaCompat["esipaVersion"];

/** What an IPA answers to an eIM package. Octets are whole TLVs. */
export type EimPackageAnswer =
  | { readonly kind: "euiccPackageResult"; readonly result: Uint8Array; readonly notifications: readonly Uint8Array[] }
  /** BF52 */
  | { readonly kind: "ipaEuiccDataResponse"; readonly response: Uint8Array }
  /** BF54 */
  | { readonly kind: "profileDownloadTriggerResult"; readonly result: Uint8Array }
  | { readonly kind: "error"; readonly eimTransactionId: Uint8Array | undefined; readonly code: EimPackageResultErrorCode };

/** BF50. In v1.0 without the EID, the error bare, and the notifications inside a BF2B. */
export function provideEimPackageResult(eid: Uint8Array, answer: EimPackageAnswer, version: Version): Uint8Array {
  const eidValue = version === "1.0" ? [] : [writeTlv(0x5a, eid)];
  return writeTlv(0xbf50, ...eidValue, eimPackageResult(answer, version));
}

function eimPackageResult(answer: EimPackageAnswer, version: Version): Uint8Array {
  switch (answer.kind) {
    case "euiccPackageResult": {
      if (answer.notifications.length === 0) return answer.result;
      const list = writeTlv(0xa0, ...answer.notifications);
      return writeTlv(0x30, answer.result, version === "1.0" ? writeTlv(0xbf2b, list) : list);
    }
    case "ipaEuiccDataResponse":
      return answer.response;
    case "profileDownloadTriggerResult":
      return answer.result;
    case "error": {
      const code = encode(EimPackageResultErrorCode, answer.code);
      return version === "1.0" ? code : writeTlv(0xa0, ...given(0x80, answer.eimTransactionId), code);
    }
  }
}

/** BF54: the download did not happen (SGP.32 §2.11.2.3). `errorResponse` is the function error that ended it, where there was one. */
export function profileDownloadError(
  eimTransactionId: Uint8Array | undefined,
  reason: "ecallActive" | "undefinedError",
  errorResponse: Uint8Array | undefined,
  version: Version,
): Uint8Array {
  if (version === "1.0") return writeTlv(0xbf54, writeTlv(0x30, ...given(0x80, errorResponse)));
  return encode(ProfileDownloadTriggerResult, {
    eimTransactionId,
    profileDownloadTriggerResultData: { kind: "profileDownloadError", value: { profileDownloadErrorReason: reason, errorResponse } },
  });
}

/** BF4F. rPLMN moved from 81 to 82 when 81 became the cause. */
export function getEimPackage(
  eid: Uint8Array,
  stateChange: StateChangeCause | undefined,
  rPlmn: Uint8Array | undefined,
  version: Version,
): Uint8Array {
  const notify = stateChange === undefined ? [] : [writeTlv(0x80)];
  const cause = stateChange === undefined || version === "1.0" ? [] : [retag(encode(StateChangeCause, stateChange), 0x81)];
  return writeTlv(0xbf4f, writeTlv(0x5a, eid), ...notify, ...cause, ...given(version === "1.0" ? 0x81 : 0x82, rPlmn));
}

/** BF39; `euiccInfo1` is a BF20, left out for an eIM that has it. eimTransactionId came with v1.2. */
export function initiateAuthentication(
  request: {
    readonly euiccChallenge: Uint8Array;
    readonly smdpAddress: string | undefined;
    readonly euiccInfo1: Uint8Array | undefined;
    readonly eimTransactionId: Uint8Array | undefined;
  },
  version: Version,
): Uint8Array {
  return writeTlv(
    0xbf39,
    writeTlv(0x81, request.euiccChallenge),
    ...given(0x83, request.smdpAddress === undefined ? undefined : utf8(request.smdpAddress)),
    ...(request.euiccInfo1 === undefined ? [] : [request.euiccInfo1]),
    ...given(0x82, version === "1.0" ? undefined : request.eimTransactionId),
  );
}

/** BF3B around the card's BF38. */
export function authenticateClient(transactionId: Uint8Array, authenticateServerResponse: Uint8Array): Uint8Array {
  return writeTlv(0xbf3b, writeTlv(0x80, transactionId), authenticateServerResponse);
}

/** BF3A around the card's BF21. */
export function getBoundProfilePackage(transactionId: Uint8Array, prepareDownloadResponse: Uint8Array): Uint8Array {
  return writeTlv(0xbf3a, writeTlv(0x80, transactionId), prepareDownloadResponse);
}

/** BF41: the contents of the card's BF41 go under A1 (automatic tagging of a tagged CHOICE). */
export function cancelSession(transactionId: Uint8Array, cancelSessionResponse: Uint8Array): Uint8Array {
  return writeTlv(0xbf41, writeTlv(0x80, transactionId), writeTlv(0xa1, contentOf(readOnlyTlv(cancelSessionResponse))));
}

/** BF3D around one notification. */
export function handleNotification(pendingNotification: Uint8Array): Uint8Array {
  return writeTlv(0xbf3d, writeTlv(0xa0, pendingNotification));
}

/** BF3D around a BF50; in v1.0 its contents under A1. */
export function handleResult(provideEimPackageResultRequest: Uint8Array, version: Version): Uint8Array {
  if (version === "1.0") return writeTlv(0xbf3d, writeTlv(0xa1, contentOf(readOnlyTlv(provideEimPackageResultRequest))));
  return writeTlv(0xbf3d, provideEimPackageResultRequest);
}

/** BF54: what the eUICC made of a download; `result` is its BF37 (SGP.32 §2.11.2.3). */
export function profileDownloadResult(eimTransactionId: Uint8Array | undefined, result: Uint8Array, version: Version): Uint8Array {
  return writeTlv(0xbf54, ...given(0x82, version === "1.0" ? undefined : eimTransactionId), result);
}

function given(tag: number, content: Uint8Array | undefined): Uint8Array[] {
  return content === undefined ? [] : [writeTlv(tag, content)];
}
