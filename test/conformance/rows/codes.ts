// Every result code of ES10, of packages and of ESipa: name, number and the octets that carry it, written down beside the product's tables, not made from them.
// Rows are made of these tables, and a test holds them against the product's, so that neither can know a code that the other does not.
import { type Group, group } from "./row.ts";

export interface CodeTable {
  /** Of its rows: "code.<id>.<name of the code>". */
  readonly id: string;
  /** ASN.1 type, as ipa/messages/registry.ts knows it. */
  readonly type: string;
  /** From the type to the INTEGER: names of parts and alternatives, 0 for the one item of a list. */
  readonly at: readonly string[];
  readonly section: string;
  /** A whole message that carries the code XX. */
  readonly wire: string;
  readonly codes: Readonly<Record<string, number>>;
}

/** An answer that is one INTEGER under 80. */
function plain(id: string, type: string, part: string, section: string, tag: string, codes: CodeTable["codes"]): CodeTable {
  return { id, type, at: [part], section, wire: `${tag}038001XX`, codes };
}

/** An answer whose alternative 81 is the error. */
function orError(id: string, type: string, alternative: string, section: string, tag: string, codes: CodeTable["codes"]): CodeTable {
  return { id, type, at: [alternative], section, wire: `${tag}038101XX`, codes };
}

const ok = { ok: 0 };
const none = { undefinedError: 127 };

export const es10Codes: readonly CodeTable[] = [
  orError("GetProfilesInfo", "ProfileInfoListResponse", "profileInfoListError", "SGP.32 §5.9.14", "BF2D", {
    incorrectInputValues: 1,
    profileChangeOngoing: 11,
    ...none,
  }),
  // The misprint is the standard's.
  orError("GetCerts", "GetCertsResponse", "getCertsError", "SGP.32 §5.9.10", "BF56", { invalidCiPKId: 1, undfinedError: 127 }),
  orError("GetConnectivityParameters", "GetConnectivityParametersResponse", "connectivityParametersError", "SGP.32 §5.9.24", "BF5F", {
    parametersNotAvailable: 1,
    ...none,
  }),
  orError("ListNotification", "ListNotificationResponse", "listNotificationsResultError", "SGP.22 §5.7.9", "BF28", none),
  orError(
    "RetrieveNotificationsList",
    "SGP32-RetrieveNotificationsListResponse",
    "notificationsListResultError",
    "SGP.32 §5.9.11",
    "BF2B",
    none,
  ),
  plain("RemoveNotificationFromList", "NotificationSentResponse", "deleteNotificationStatus", "SGP.22 §5.7.11", "BF30", {
    ...ok,
    nothingToDelete: 1,
    ...none,
  }),
  {
    id: "AuthenticateServer",
    type: "AuthenticateServerResponse",
    at: ["authenticateResponseError", "authenticateErrorCode"],
    section: "SGP.22 §5.7.13",
    wire: "BF380BA1098004AABBCCDD0201XX",
    codes: {
      invalidCertificate: 1,
      invalidSignature: 2,
      unsupportedCurve: 3,
      noSessionContext: 4,
      invalidOid: 5,
      euiccChallengeMismatch: 6,
      ciPKUnknown: 7,
      ...none,
    },
  },
  {
    id: "PrepareDownload",
    type: "PrepareDownloadResponse",
    at: ["downloadResponseError", "downloadErrorCode"],
    section: "SGP.22 §5.7.5",
    wire: "BF210BA1098004AABBCCDD0201XX",
    codes: {
      invalidCertificate: 1,
      invalidSignature: 2,
      unsupportedCurve: 3,
      noSessionContext: 4,
      invalidTransactionId: 5,
      ...none,
    },
  },
  orError("CancelSession", "CancelSessionResponse", "cancelSessionResponseError", "SGP.22 §5.7.14", "BF41", {
    invalidTransactionId: 5,
    ...none,
  }),
  orError("AddInitialEim", "AddInitialEimResponse", "addInitialEimError", "SGP.32 §5.9.4", "BF57", {
    insufficientMemory: 1,
    associatedEimAlreadyExists: 2,
    ciPKUnknown: 3,
    invalidAssociationToken: 5,
    counterValueOutOfRange: 6,
    commandError: 7,
    ...none,
  }),
  plain("eUICCMemoryReset", "SGP32-EuiccMemoryResetResponse", "resetResult", "SGP.32 §5.9.5", "BF64", {
    ...ok,
    nothingToDelete: 1,
    catBusy: 5,
    ecallActive: 104,
    ...none,
  }),
  {
    id: "eUICCMemoryReset-eim",
    type: "SGP32-EuiccMemoryResetResponse",
    at: ["resetEimResult"],
    section: "SGP.32 §5.9.5",
    wire: "BF64068001008101XX",
    codes: { ...ok, nothingToDelete: 1, eimResetNotSupported: 2, ...none },
  },
  {
    id: "eUICCMemoryReset-immediateEnable",
    type: "SGP32-EuiccMemoryResetResponse",
    at: ["resetImmediateEnableConfigResult"],
    section: "SGP.32 §5.9.5",
    wire: "BF64068001008201XX",
    codes: { ...ok, resetIECNotSupported: 1, ...none },
  },
  plain("eUICCMemoryReset-SGP22", "EuiccMemoryResetResponse", "resetResult", "SGP.22 §5.7.19", "BF34", {
    ...ok,
    nothingToDelete: 1,
    catBusy: 5,
    ...none,
  }),
  {
    id: "ProfileRollback",
    type: "ProfileRollbackResponse",
    at: ["cmdResult"],
    section: "SGP.32 §5.9.16",
    wire: "BF58030201XX",
    codes: { ...ok, rollbackNotAllowed: 1, catBusy: 5, commandError: 7, ...none },
  },
  plain(
    "ConfigureImmediateProfileEnabling",
    "ConfigureImmediateProfileEnablingResponse",
    "configImmediateEnableResult",
    "SGP.32 §5.9.17",
    "BF59",
    { ...ok, insufficientMemory: 1, associatedEimAlreadyExists: 2, ...none },
  ),
  plain("ImmediateEnable", "ImmediateEnableResponse", "immediateEnableResult", "SGP.32 §5.9.15", "BF5A", {
    ...ok,
    immediateEnableNotAvailable: 1,
    noSessionContext: 4,
    catBusy: 5,
    ...none,
  }),
  plain("EnableEmergencyProfile", "EnableEmergencyProfileResponse", "enableEmergencyProfileResult", "SGP.32 §5.9.22", "BF5B", {
    ...ok,
    profileNotInDisabledState: 2,
    catBusy: 5,
    ecallNotAvailable: 8,
    ...none,
  }),
  plain("DisableEmergencyProfile", "DisableEmergencyProfileResponse", "disableEmergencyProfileResult", "SGP.32 §5.9.23", "BF5C", {
    ...ok,
    profileNotInEnabledState: 2,
    catBusy: 5,
    ...none,
  }),
  plain("ExecuteFallbackMechanism", "ExecuteFallbackMechanismResponse", "executeFallbackMechanismResult", "SGP.32 §5.9.20", "BF5D", {
    ...ok,
    profileNotInDisabledState: 2,
    catBusy: 5,
    fallbackNotAvailable: 6,
    commandError: 7,
    ecallActive: 104,
    ...none,
  }),
  plain("ReturnFromFallback", "ReturnFromFallbackResponse", "returnFromFallbackResult", "SGP.32 §5.9.21", "BF5E", {
    ...ok,
    catBusy: 5,
    fallbackNotAvailable: 6,
    commandError: 7,
    ...none,
  }),
  plain("SetDefaultDpAddress", "SGP32-SetDefaultDpAddressResponse", "setDefaultDpAddressResult", "SGP.32 §5.9.25", "BF65", {
    ...ok,
    ...none,
  }),
  plain("SetDefaultDpAddress-SGP22", "SetDefaultDpAddressResponse", "setDefaultDpAddressResult", "SGP.22 §5.7.4", "BF3F", {
    ...ok,
    ...none,
  }),
  plain("SetNickname", "SetNicknameResponse", "setNicknameResult", "SGP.22 §5.7.21", "BF29", { ...ok, iccidNotFound: 1, ...none }),
  plain("EnableProfile", "EnableProfileResponse", "enableResult", "SGP.22 §5.7.16", "BF31", {
    ...ok,
    iccidOrAidNotFound: 1,
    profileNotInDisabledState: 2,
    disallowedByPolicy: 3,
    wrongProfileReenabling: 4,
    catBusy: 5,
    ...none,
  }),
  plain("DisableProfile", "DisableProfileResponse", "disableResult", "SGP.22 §5.7.17", "BF32", {
    ...ok,
    iccidOrAidNotFound: 1,
    profileNotInEnabledState: 2,
    disallowedByPolicy: 3,
    catBusy: 5,
    ...none,
  }),
  plain("DeleteProfile", "DeleteProfileResponse", "deleteResult", "SGP.22 §5.7.18", "BF33", {
    ...ok,
    iccidOrAidNotFound: 1,
    profileNotInDisabledState: 2,
    disallowedByPolicy: 3,
    ...none,
  }),
  orError("LoadCRL", "LoadCRLResponse", "loadCRLResponseError", "SGP.22 §5.7.12", "BF35", {
    invalidSignature: 1,
    invalidCRLFormat: 2,
    notEnoughMemorySpace: 3,
    verificationKeyNotFound: 4,
    fresherCrlAlreadyLoaded: 5,
    baseCrlMissing: 6,
    ...none,
  }),
  plain("IpaeActivation", "IpaeActivationResponse", "ipaeActivationResult", "SGP.32 §3.8.4", "BF42", { ...ok, notSupported: 1 }),
];

/** In hex, of contents shorter than 128 octets, XX being one. */
function tlv(tag: string, ...contents: readonly string[]): string {
  const content = contents.join("");
  return tag + (content.length / 2).toString(16).toUpperCase().padStart(2, "0") + content;
}

/** The result of an installation that failed. */
function failed(commandId: string, reason: string): string {
  const metadata = "BF2F18800101810207800C03612E625A0A98001032547698103214";
  const data = tlv("BF27", "8004AABBCCDD", metadata, "060388370A", tlv("A2", tlv("A1", tlv("80", commandId), tlv("81", reason))));
  return tlv("BF37", data, "5F37021122");
}

export const installationCodes: readonly CodeTable[] = [
  {
    id: "BppCommandId",
    type: "ProfileInstallationResult",
    at: ["profileInstallationResultData", "finalResult", "errorResult", "bppCommandId"],
    section: "SGP.22 §2.5.6",
    wire: failed("XX", "08"),
    codes: {
      initialiseSecureChannel: 0,
      configureISDP: 1,
      storeMetadata: 2,
      storeMetadata2: 3,
      replaceSessionKeys: 4,
      loadProfileElements: 5,
    },
  },
  {
    id: "ErrorReason",
    type: "ProfileInstallationResult",
    at: ["profileInstallationResultData", "finalResult", "errorResult", "errorReason"],
    section: "SGP.22 §2.5.6",
    wire: failed("05", "XX"),
    codes: {
      incorrectInputValues: 1,
      invalidSignature: 2,
      invalidTransactionId: 3,
      unsupportedCrtValues: 4,
      unsupportedRemoteOperationType: 5,
      unsupportedProfileClass: 6,
      scp03tStructureError: 7,
      scp03tSecurityError: 8,
      installFailedDueToIccidAlreadyExistsOnEuicc: 9,
      installFailedDueToInsufficientMemoryForProfile: 10,
      installFailedDueToInterruption: 11,
      installFailedDueToPEProcessingError: 12,
      installFailedDueToDataMismatch: 13,
      testProfileInstallFailedDueToInvalidNaaKey: 14,
      pprNotAllowed: 15,
      installFailedDueToUnknownError: 127,
    },
  },
  {
    id: "CancelSessionReason",
    type: "CancelSessionRequest",
    at: ["reason"],
    section: "SGP.22 §5.7.14",
    wire: "BF41098004AABBCCDD8101XX",
    codes: {
      endUserRejection: 0,
      postponed: 1,
      timeout: 2,
      pprNotAllowed: 3,
      metadataMismatch: 4,
      loadBppExecutionError: 5,
      undefinedReason: 127,
    },
  },
];

/** A result with one item. */
function item(id: string, alternative: string, wire: string, codes: CodeTable["codes"], ...further: readonly string[]): CodeTable {
  const data = tlv("30", "800465696D31", "81012A", "8204AABBCCDD", "830105", tlv("30", wire));
  return {
    id,
    type: "EuiccPackageResult",
    at: ["euiccPackageResultSigned", "euiccPackageResultDataSigned", "euiccResult", "0", alternative, ...further],
    section: "SGP.32 §2.11.2.1",
    wire: tlv("BF51", tlv("A0", data, "5F37021122")),
    codes,
  };
}

export const packageCodes: readonly CodeTable[] = [
  item("enable", "enableResult", "8301XX", {
    ...ok,
    iccidOrAidNotFound: 1,
    profileNotInDisabledState: 2,
    disallowedByPolicy: 3,
    catBusy: 5,
    rollbackNotAvailable: 20,
    ...none,
  }),
  item("disable", "disableResult", "8401XX", {
    ...ok,
    iccidOrAidNotFound: 1,
    profileNotInEnabledState: 2,
    disallowedByPolicy: 3,
    catBusy: 5,
    ...none,
  }),
  item("delete", "deleteResult", "8501XX", {
    ...ok,
    iccidOrAidNotFound: 1,
    profileNotInDisabledState: 2,
    disallowedByPolicy: 3,
    rollbackNotAvailable: 20,
    returnFallbackProfile: 21,
    ...none,
  }),
  item(
    "listProfileInfo",
    "listProfileInfoResult",
    "BF2D038101XX",
    { incorrectInputValues: 1, profileChangeOngoing: 11, ...none },
    "profileInfoListError",
  ),
  item("configureImmediateEnable", "configureImmediateEnableResult", "8701XX", {
    ...ok,
    insufficientMemory: 1,
    commandError: 7,
    ...none,
  }),
  item("setFallbackAttribute", "setFallbackAttributeResult", "8D01XX", {
    ...ok,
    iccidOrAidNotFound: 1,
    fallbackNotAllowed: 2,
    fallbackProfileEnabled: 3,
    ...none,
  }),
  item("unsetFallbackAttribute", "unsetFallbackAttributeResult", "8E01XX", {
    ...ok,
    noFallbackAttribute: 2,
    fallbackProfileEnabled: 3,
    commandError: 7,
    ...none,
  }),
  item("rollback", "rollbackResult", "8C01XX", { ...ok, ...none }),
  item("setDefaultDpAddress", "setDefaultDpAddressResult", "BF65038001XX", { ...ok, ...none }, "setDefaultDpAddressResult"),
  item(
    "addEim",
    "addEimResult",
    "A8030201XX",
    {
      ...ok,
      insufficientMemory: 1,
      associatedEimAlreadyExists: 2,
      ciPKUnknown: 3,
      invalidAssociationToken: 5,
      counterValueOutOfRange: 6,
      commandError: 7,
      ...none,
    },
    "addEimResultCode",
  ),
  item("deleteEim", "deleteEimResult", "8901XX", { ...ok, eimNotFound: 1, lastEimDeleted: 2, commandError: 7, ...none }),
  item("updateEim", "updateEimResult", "8A01XX", {
    ...ok,
    eimNotFound: 1,
    ciPKUnknown: 3,
    counterValueOutOfRange: 6,
    commandError: 7,
    ...none,
  }),
  item("listEim", "listEimResult", "AB038101XX", none, "listEimError"),
  item("processingTerminated", "processingTerminated", "0201XX", {
    resultSizeOverflow: 1,
    unknownOrDamagedCommand: 2,
    interruption: 3,
    ...none,
  }),
  {
    id: "EuiccPackageError",
    type: "EuiccPackageResult",
    at: ["euiccPackageErrorSigned", "euiccPackageErrorDataSigned", "euiccPackageErrorCode"],
    section: "SGP.32 §2.11.2.1",
    wire: "BF5115A113300C800465696D3181012A0201XX5F37021122",
    codes: { invalidEid: 3, replayError: 4, counterValueOutOfRange: 6, sizeOverflow: 15, ecallActive: 104, ...none },
  },
];

/** What an eIM answers, or orders. */
export const esipaCodes: readonly CodeTable[] = [
  {
    id: "esipa-GetEimPackage",
    type: "GetEimPackageResponse",
    at: ["eimPackageError"],
    section: "SGP.32 §5.14.5",
    wire: "BF4F030201XX",
    codes: { noEimPackageAvailable: 1, eidNotFound: 2, invalidEid: 3, missingEid: 4, ...none },
  },
  {
    id: "esipa-ProvideEimPackageResult",
    type: "ProvideEimPackageResultResponse",
    at: ["provideEimPackageResultError"],
    section: "SGP.32 §5.14.6",
    wire: "BF50030201XX",
    codes: { eidNotFound: 2, invalidEid: 3, missingEid: 4, ...none },
  },
  orError(
    "esipa-InitiateAuthentication",
    "InitiateAuthenticationResponseEsipa",
    "initiateAuthenticationErrorEsipa",
    "SGP.32 §5.14.1",
    "BF39",
    {
      invalidDpAddress: 1,
      euiccVersionNotSupportedByDp: 2,
      ciPKIdNotSupported: 3,
      smdpAddressMismatch: 50,
      smdpOidMismatch: 51,
      invalidEimTransactionId: 52,
      ...none,
    },
  ),
  {
    id: "esipa-AuthenticateClient",
    type: "AuthenticateClientResponseEsipa",
    at: ["authenticateClientErrorEsipa"],
    section: "SGP.32 §5.14.3",
    wire: "BF3B038201XX",
    codes: {
      eumCertificateInvalid: 1,
      eumCertificateExpired: 2,
      euiccCertificateInvalid: 3,
      euiccCertificateExpired: 4,
      euiccSignatureInvalid: 5,
      matchingIdRefused: 6,
      eidMismatch: 7,
      noEligibleProfile: 8,
      ciPKUnknown: 9,
      invalidTransactionId: 10,
      insufficientMemory: 11,
      downloadOrderExpired: 18,
      pprNotAllowed: 50,
      eventIdUnknown: 56,
      ...none,
    },
  },
  orError(
    "esipa-GetBoundProfilePackage",
    "GetBoundProfilePackageResponseEsipa",
    "getBoundProfilePackageErrorEsipa",
    "SGP.32 §5.14.2",
    "BF3A",
    {
      euiccSignatureInvalid: 1,
      confirmationCodeMissing: 2,
      confirmationCodeRefused: 3,
      confirmationCodeRetriesExceeded: 4,
      bppRebindingRefused: 5,
      downloadOrderExpired: 6,
      metadataMismatch: 50,
      invalidTransactionId: 95,
      ...none,
    },
  ),
  orError("esipa-CancelSession", "CancelSessionResponseEsipa", "cancelSessionError", "SGP.32 §5.14.8", "BF41", {
    invalidTransactionId: 1,
    euiccSignatureInvalid: 2,
    ...none,
  }),
];

/** What the IPA tells an eIM. */
export const ipaCodes: readonly CodeTable[] = [
  {
    id: "StateChangeCause",
    type: "GetEimPackageRequest",
    at: ["stateChangeCause"],
    section: "SGP.32 §5.14.5",
    wire: "BF4F175A108904903212345123451234567890123580008101XX",
    codes: {
      otherEim: 0,
      fallback: 1,
      emergencyProfile: 2,
      local: 3,
      reset: 4,
      immediateEnableProfile: 5,
      deviceChange: 6,
      undefined: 127,
    },
  },
  {
    id: "EimPackageResultError",
    type: "ProvideEimPackageResult",
    at: ["eimPackageResult", "eimPackageResultResponseError", "eimPackageResultErrorCode"],
    section: "SGP.32 §5.14.6",
    wire: "BF50175A1089049032123451234512345678901235A0030201XX",
    codes: { invalidPackageFormat: 1, unknownPackage: 2, ...none },
  },
  {
    id: "IpaEuiccDataError",
    type: "IpaEuiccDataResponse",
    at: ["ipaEuiccDataResponseError", "ipaEuiccDataErrorCode"],
    section: "SGP.32 §2.11.2.2",
    wire: "BF520BA1098004AABBCCDD0201XX",
    codes: { incorrectTagList: 1, euiccCiPKIdNotFound: 5, ecallActive: 104, ...none },
  },
  {
    id: "ProfileDownloadError",
    type: "ProfileDownloadTriggerResult",
    at: ["profileDownloadTriggerResultData", "profileDownloadError", "profileDownloadErrorReason"],
    section: "SGP.32 §2.11.2.3",
    wire: "BF540530038001XX",
    codes: { ecallActive: 104, ...none },
  },
  {
    id: "TransferEimPackage",
    type: "TransferEimPackageResponse",
    at: ["eimPackageError"],
    section: "SGP.32 §5.14.4",
    wire: "BF4E030201XX",
    codes: { invalidPackageFormat: 1, unknownPackage: 2, ...none },
  },
];

export const codeTables: readonly CodeTable[] = [...es10Codes, ...installationCodes, ...packageCodes, ...esipaCodes, ...ipaCodes];

export const codeRows: readonly Group[] = codeTables.map(({ id, section, codes }) =>
  group(`Codes: ${id}`, `code.${id}`, section, Object.fromEntries(Object.entries(codes).map(([name, number]) => [name, `${number}`]))),
);
