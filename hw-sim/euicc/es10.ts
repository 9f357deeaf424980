// The functions of ES10a, b and c by their tag: one row each, request and response tied by type. A command of no row is answered as
// SGP.22 leaves it to the card: referenced data not found.
import { isCode, SimwardError } from "../../base/errors.ts";
import { decode, encode, type Type } from "../../ipa/asn1/schema.ts";
import { tagName } from "../../ipa/asn1/tlv.ts";
import * as eimConfig from "../../ipa/messages/eim-config.ts";
import * as messages from "../../ipa/messages/es10.ts";
import * as euiccInfo from "../../ipa/messages/euicc-info.ts";
import * as notifications from "../../ipa/messages/notifications.ts";
import { RetrieveNotificationsListRequest } from "../../ipa/messages/package.ts";
import * as profileInfo from "../../ipa/messages/profile-info.ts";
import * as rsp from "../../ipa/messages/rsp.ts";
import { type Answer, answer, sw } from "./apdu.ts";
import { type EuiccCore, PowerCut } from "./core.ts";
import { inDialect, understood } from "./dialect.ts";
import { authenticateServer, cancelSession, getEuiccChallenge, prepareDownload } from "./functions/authenticate.ts";
import { loadCrl } from "./functions/crl.ts";
import { addInitialEim, getEimConfigurationData } from "./functions/eim.ts";
import { disableEmergencyProfile, enableEmergencyProfile } from "./functions/emergency.ts";
import { executeFallbackMechanism, returnFromFallback } from "./functions/fallback.ts";
import { configureImmediateProfileEnabling, immediateEnable } from "./functions/immediate.ts";
import * as info from "./functions/info.ts";
import { loadSegment } from "./functions/install.ts";
import { listNotification, removeNotification, retrieveNotificationsList } from "./functions/notifications.ts";
import { loadEuiccPackage } from "./functions/package.ts";
import { getProfilesInfo, localDelete, localDisable, localEnable, setNickname } from "./functions/profiles.ts";
import { memoryReset, memoryResetSgp22 } from "./functions/reset.ts";
import { profileRollback } from "./functions/rollback.ts";
import { passiveTags, sgp22Tags } from "./roles.ts";
import * as version10 from "./version10.ts";

export interface Es10Row {
  readonly tag: number;
  readonly name: string;
  readonly section: string;
  /** The command's TLV in, the response's TLV out. Throws ASN1_ errors when the command is not of the function's type. */
  readonly run: (core: EuiccCore, command: Uint8Array) => Uint8Array;
}

/** `request` is read, what `run` answers is written as `response`; without that it answers octets of its own. */
function row<Q, R>(name: string, section: string, request: Type<Q>, response: Type<R>, run: (core: EuiccCore, request: Q) => R): Es10Row {
  return { tag: request.tags[0] ?? 0, name, section, run: (core, command) => encode(response, run(core, decode(request, command))) };
}
function rawRow<Q>(name: string, section: string, request: Type<Q>, run: (core: EuiccCore, request: Q) => Uint8Array): Es10Row {
  return { tag: request.tags[0] ?? 0, name, section, run: (core, command) => run(core, decode(request, command)) };
}

export const es10Functions: readonly Es10Row[] = [
  row("GetEUICCInfo1", "SGP.22 §5.7.8", euiccInfo.GetEuiccInfo1Request, euiccInfo.EUICCInfo1, info.euiccInfo1),
  row("GetEUICCInfo2", "SGP.22 §5.7.8", euiccInfo.GetEuiccInfo2Request, euiccInfo.EUICCInfo2, info.euiccInfo2),
  row("PrepareDownload", "SGP.22 §5.7.5", rsp.PrepareDownloadRequest, rsp.PrepareDownloadResponse, prepareDownload),
  row("ListNotification", "SGP.22 §5.7.9", notifications.ListNotificationRequest, notifications.ListNotificationResponse, listNotification),
  row("SetNickname", "SGP.22 §5.7.21", profileInfo.SetNicknameRequest, profileInfo.SetNicknameResponse, setNickname),
  rawRow("RetrieveNotificationsList", "SGP.32 §5.9.11", RetrieveNotificationsListRequest, retrieveNotificationsList),
  row("GetProfilesInfo", "SGP.32 §5.9.14", profileInfo.ProfileInfoListRequest, profileInfo.ProfileInfoListResponse, getProfilesInfo),
  row("GetEUICCChallenge", "SGP.22 §5.7.7", rsp.GetEuiccChallengeRequest, rsp.GetEuiccChallengeResponse, getEuiccChallenge),
  row(
    "RemoveNotificationFromList",
    "SGP.22 §5.7.11",
    notifications.NotificationSentRequest,
    notifications.NotificationSentResponse,
    removeNotification,
  ),
  row("EnableProfile", "SGP.22 §5.7.16", messages.EnableProfileRequest, messages.EnableProfileResponse, localEnable),
  row("DisableProfile", "SGP.22 §5.7.17", messages.DisableProfileRequest, messages.DisableProfileResponse, localDisable),
  row("DeleteProfile", "SGP.22 §5.7.18", messages.DeleteProfileRequest, messages.DeleteProfileResponse, localDelete),
  row("eUICCMemoryReset", "SGP.22 §5.7.19", eimConfig.EuiccMemoryResetRequest, eimConfig.EuiccMemoryResetResponse, memoryResetSgp22),
  row("LoadCRL", "SGP.22 §5.7.12", messages.LoadCRLRequest, messages.LoadCRLResponse, loadCrl),
  row("AuthenticateServer", "SGP.22 §5.7.13", rsp.AuthenticateServerRequest, rsp.AuthenticateServerResponse, (core, request) =>
    authenticateServer(core, request, info.euiccInfo2(core)),
  ),
  row(
    "GetEuiccConfiguredAddresses",
    "SGP.22 §5.7.3",
    eimConfig.EuiccConfiguredAddressesRequest,
    eimConfig.EuiccConfiguredAddressesResponse,
    info.configuredAddresses,
  ),
  rawRow("GetEID", "SGP.22 §5.7.20", euiccInfo.GetEuiccDataRequest, info.getEuiccData),
  row(
    "SetDefaultDpAddress",
    "SGP.22 §5.7.4",
    eimConfig.SetDefaultDpAddressRequest,
    eimConfig.SetDefaultDpAddressResponse,
    info.setDefaultDpAddress,
  ),
  row("CancelSession", "SGP.22 §5.7.14", rsp.CancelSessionRequest, rsp.CancelSessionResponse, cancelSession),
  row("IpaeActivation", "SGP.32 §5.9.3", euiccInfo.IpaeActivationRequest, euiccInfo.IpaeActivationResponse, info.ipaeActivation),
  row("GetRAT", "SGP.22 §5.7.22", messages.GetRatRequest, messages.GetRatResponse, info.getRat),
  { tag: 0xbf51, name: "LoadEuiccPackage", section: "SGP.32 §5.9.1", run: loadEuiccPackage },
  row(
    "GetEimConfigurationData",
    "SGP.32 §5.9.18",
    eimConfig.GetEimConfigurationDataRequest,
    eimConfig.GetEimConfigurationDataResponse,
    getEimConfigurationData,
  ),
  row("GetCerts", "SGP.32 §5.9.10", eimConfig.GetCertsRequest, eimConfig.GetCertsResponse, info.getCerts),
  row("AddInitialEim", "SGP.32 §5.9.4", eimConfig.AddInitialEimRequest, eimConfig.AddInitialEimResponse, addInitialEim),
  row("ProfileRollback", "SGP.32 §5.9.16", messages.ProfileRollbackRequest, messages.ProfileRollbackResponse, profileRollback),
  row(
    "ConfigureImmediateProfileEnabling",
    "SGP.32 §5.9.17",
    eimConfig.ConfigureImmediateProfileEnablingRequest,
    eimConfig.ConfigureImmediateProfileEnablingResponse,
    configureImmediateProfileEnabling,
  ),
  row("ImmediateEnable", "SGP.32 §5.9.15", messages.ImmediateEnableRequest, messages.ImmediateEnableResponse, immediateEnable),
  row(
    "EnableEmergencyProfile",
    "SGP.32 §5.9.19",
    messages.EnableEmergencyProfileRequest,
    messages.EnableEmergencyProfileResponse,
    enableEmergencyProfile,
  ),
  row(
    "DisableEmergencyProfile",
    "SGP.32 §5.9.20",
    messages.DisableEmergencyProfileRequest,
    messages.DisableEmergencyProfileResponse,
    disableEmergencyProfile,
  ),
  row(
    "ExecuteFallbackMechanism",
    "SGP.32 §5.9.21",
    messages.ExecuteFallbackMechanismRequest,
    messages.ExecuteFallbackMechanismResponse,
    executeFallbackMechanism,
  ),
  row("ReturnFromFallback", "SGP.32 §5.9.22", messages.ReturnFromFallbackRequest, messages.ReturnFromFallbackResponse, returnFromFallback),
  row(
    "GetConnectivityParameters",
    "SGP.32 §5.9.23",
    messages.GetConnectivityParametersRequest,
    messages.GetConnectivityParametersResponse,
    info.connectivityParameters,
  ),
  row("eUICCMemoryReset", "SGP.32 §5.9.5", eimConfig.Sgp32EuiccMemoryResetRequest, eimConfig.Sgp32EuiccMemoryResetResponse, memoryReset),
  row(
    "SetDefaultDpAddress",
    "SGP.32 §2.11.1.1",
    eimConfig.Sgp32SetDefaultDpAddressRequest,
    eimConfig.Sgp32SetDefaultDpAddressResponse,
    info.setDefaultDpAddress,
  ),
];

const byTag = new Map(es10Functions.map((one) => [one.tag, one]));
/** Those that SGP.32 v1.0 had in another form. */
const byTagInVersion10 = new Map(
  [
    row("eUICCMemoryReset", "SGP.32 v1.0", version10.MemoryResetRequestV10, version10.MemoryResetResponseV10, (core, request) => {
      const { resetResult, ...results } = memoryReset(core, request);
      return { ...results, resetResult: resetResult === "ecallActive" ? "undefinedError" : resetResult };
    }),
    row("EnableUsingDD", "SGP.32 v1.0", version10.EnableUsingDdRequest, messages.ImmediateEnableResponse, (core) =>
      immediateEnable(core, { refreshFlag: true }),
    ),
  ].map((one) => [one.tag, one]),
);
const segmentTags = new Set([0xbf36, 0xa0, 0xa1, 0xa2, 0xa3, 0x86, 0x87, 0x88]);

/** One whole ES10 command, as STORE DATA has put it together. Throws PowerCut. */
export function runEs10(core: EuiccCore, command: Uint8Array): Answer {
  const tag = tagOf(command);
  const status = core.faults.statusWords[tag];
  if (status !== undefined) return answer(status);
  if (core.state.ipaMode === "ipae" && !passiveTags.has(tag)) return answer(sw.conditionsNotSatisfied);
  const found = offered(core, tag);
  try {
    if (found !== undefined) return answer(sw.ok, inDialect(found.run(core, understood(command)), core.faults));
    if (segmentTags.has(tag) || core.session?.load !== undefined) return runSegment(core, command);
    return answer(core.faults.unsupportedStatusWord ?? sw.referencedDataNotFound);
  } catch (error) {
    if (error instanceof PowerCut) throw error;
    if (error instanceof SimwardError && error.code.startsWith("ASN1_") && !isCode(error, "ASN1_ENCODE")) return answer(sw.incorrectData);
    throw new SimwardError("INTERNAL", { detail: `${found?.name ?? tagName(tag)} of the virtual eUICC`, cause: error });
  }
}

/** A consumer eUICC knows nothing of SGP.32, and an IoT eUICC of v1.0 nothing of what came later. */
function offered({ role, faults }: EuiccCore, tag: number): Es10Row | undefined {
  if (role.es10 !== "sgp32") return sgp22Tags.has(tag) ? byTag.get(tag) : undefined;
  if (!faults.version10) return byTag.get(tag);
  return version10.isLaterFunction(tag) ? undefined : (byTagInVersion10.get(tag) ?? byTag.get(tag));
}

function runSegment(core: EuiccCore, segment: Uint8Array): Answer {
  const refused = core.faults.refuseSegment;
  const number = tagOf(segment) === 0xbf36 ? 1 : (core.session?.load?.parser.segments ?? 0) + 1;
  if (refused?.segment === number) {
    core.faults.refuseSegment = undefined;
    return answer(refused.sw);
  }
  const outcome = loadSegment(core, segment);
  if (outcome.kind === "noSession") return answer(sw.conditionsNotSatisfied);
  return outcome.kind === "more" ? answer(sw.ok) : answer(sw.ok, inDialect(outcome.tlv, core.faults));
}

/** The tag a command begins with; the rest of a segment may be in a later command. */
function tagOf(command: Uint8Array): number {
  const [first = 0, second = 0] = command;
  return (first & 0x1f) === 0x1f ? (first << 8) | second : first;
}
