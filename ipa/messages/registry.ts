// Every named type of SGP32Definitions v1.2 and RSPDefinitions v2.5, by its ASN.1 name. Where both define a name, one type reads both; the
// prefix SGP32- marks SGP.32's, as public copies of the modules do, and tells apart the two pairs that differ on the wire (BF34/BF64, BF3F/BF65).
import { SimwardError } from "../../base/errors.ts";
import type { AnyType, Type } from "../asn1/schema.ts";
import * as bpp from "./bpp.ts";
import * as common from "./common.ts";
import * as eimConfig from "./eim-config.ts";
import * as es9 from "./es9.ts";
import * as es10 from "./es10.ts";
import * as esipa from "./esipa.ts";
import * as euiccInfo from "./euicc-info.ts";
import * as notifications from "./notifications.ts";
import * as euiccPackage from "./package.ts";
import * as profileInfo from "./profile-info.ts";
import * as rsp from "./rsp.ts";

const types: Readonly<Record<string, AnyType>> = {
  // SGP.22 v2.5
  Octet8: common.Octet8,
  Octet4: common.Octet4,
  Octet16: common.Octet16,
  OctetTo16: common.OctetTo16,
  Octet32: common.Octet32,
  Octet1: common.Octet1,
  Octet2: common.Octet2,
  VersionType: common.VersionType,
  Iccid: common.Iccid,
  RemoteOpId: common.RemoteOpId,
  TransactionId: common.TransactionId,
  GetEuiccInfo1Request: euiccInfo.GetEuiccInfo1Request,
  EUICCInfo1: euiccInfo.EUICCInfo1,
  GetEuiccInfo2Request: euiccInfo.GetEuiccInfo2Request,
  EUICCInfo2: euiccInfo.EUICCInfo2,
  RspCapability: euiccInfo.RspCapability,
  CertificationDataObject: euiccInfo.CertificationDataObject,
  CertificateInfo: euiccInfo.CertificateInfo,
  DeviceInfo: common.DeviceInfo,
  DeviceCapabilities: common.DeviceCapabilities,
  DeviceAdditionalFeatureSupport: common.DeviceAdditionalFeatureSupport,
  CatSupportedClasses: common.CatSupportedClasses,
  EuiccFormFactorType: common.EuiccFormFactorType,
  ProfileInfoListRequest: profileInfo.ProfileInfoListRequest,
  ProfileInfoListResponse: profileInfo.ProfileInfoListResponse,
  ProfileInfo: profileInfo.ProfileInfo,
  PprIds: common.PprIds,
  OperatorId: common.OperatorId,
  ProfileInfoListError: profileInfo.ProfileInfoListError,
  StoreMetadataRequest: profileInfo.StoreMetadataRequest,
  NotificationEvent: common.NotificationEvent,
  NotificationConfigurationInformation: common.NotificationConfigurationInformation,
  VendorSpecificExtension: common.VendorSpecificExtension,
  IconType: profileInfo.IconType,
  ProfileState: profileInfo.ProfileState,
  ProfileClass: profileInfo.ProfileClass,
  UpdateMetadataRequest: profileInfo.UpdateMetadataRequest,
  PrepareDownloadRequest: rsp.PrepareDownloadRequest,
  SmdpSigned2: rsp.SmdpSigned2,
  PrepareDownloadResponse: rsp.PrepareDownloadResponse,
  PrepareDownloadResponseOk: rsp.PrepareDownloadResponseOk,
  EUICCSigned2: rsp.EUICCSigned2,
  PrepareDownloadResponseError: rsp.PrepareDownloadResponseError,
  DownloadErrorCode: rsp.DownloadErrorCode,
  AuthenticateServerRequest: rsp.AuthenticateServerRequest,
  ServerSigned1: rsp.ServerSigned1,
  CtxParams1: rsp.CtxParams1,
  CtxParamsForCommonAuthentication: rsp.CtxParamsForCommonAuthentication,
  AuthenticateServerResponse: rsp.AuthenticateServerResponse,
  AuthenticateResponseOk: rsp.AuthenticateResponseOk,
  EuiccSigned1: rsp.EuiccSigned1,
  AuthenticateResponseError: rsp.AuthenticateResponseError,
  AuthenticateErrorCode: rsp.AuthenticateErrorCode,
  CancelSessionRequest: rsp.CancelSessionRequest,
  CancelSessionReason: rsp.CancelSessionReason,
  CancelSessionResponse: rsp.CancelSessionResponse,
  CancelSessionResponseOk: rsp.CancelSessionResponseOk,
  EuiccCancelSessionSigned: rsp.EuiccCancelSessionSigned,
  BoundProfilePackage: bpp.BoundProfilePackage,
  GetEuiccChallengeRequest: rsp.GetEuiccChallengeRequest,
  GetEuiccChallengeResponse: rsp.GetEuiccChallengeResponse,
  ProfileInstallationResult: notifications.ProfileInstallationResult,
  ProfileInstallationResultData: notifications.ProfileInstallationResultData,
  EuiccSignPIR: notifications.EuiccSignPIR,
  SuccessResult: notifications.SuccessResult,
  ErrorResult: notifications.ErrorResult,
  BppCommandId: notifications.BppCommandId,
  ErrorReason: notifications.ErrorReason,
  ListNotificationRequest: notifications.ListNotificationRequest,
  ListNotificationResponse: notifications.ListNotificationResponse,
  NotificationMetadata: notifications.NotificationMetadata,
  SetNicknameRequest: profileInfo.SetNicknameRequest,
  SetNicknameResponse: profileInfo.SetNicknameResponse,
  InitialiseSecureChannelRequest: bpp.InitialiseSecureChannelRequest,
  "InitialiseSecureChannelRequest-ver": bpp.InitialiseSecureChannelRequestVer,
  ControlRefTemplate: bpp.ControlRefTemplate,
  ConfigureISDPRequest: bpp.ConfigureISDPRequest,
  DpProprietaryData: common.DpProprietaryData,
  ReplaceSessionKeysRequest: bpp.ReplaceSessionKeysRequest,
  RetrieveNotificationsListRequest: euiccPackage.RetrieveNotificationsListRequest,
  RetrieveNotificationsListResponse: euiccPackage.RetrieveNotificationsListResponse,
  PendingNotification: notifications.PendingNotification,
  OtherSignedNotification: notifications.OtherSignedNotification,
  NotificationSentRequest: notifications.NotificationSentRequest,
  NotificationSentResponse: notifications.NotificationSentResponse,
  EnableProfileRequest: es10.EnableProfileRequest,
  EnableProfileResponse: es10.EnableProfileResponse,
  DisableProfileRequest: es10.DisableProfileRequest,
  DisableProfileResponse: es10.DisableProfileResponse,
  DeleteProfileRequest: es10.DeleteProfileRequest,
  DeleteProfileResponse: es10.DeleteProfileResponse,
  EuiccMemoryResetRequest: eimConfig.EuiccMemoryResetRequest,
  EuiccMemoryResetResponse: eimConfig.EuiccMemoryResetResponse,
  GetEuiccDataRequest: euiccInfo.GetEuiccDataRequest,
  GetEuiccDataResponse: euiccInfo.GetEuiccDataResponse,
  GetRatRequest: es10.GetRatRequest,
  GetRatResponse: es10.GetRatResponse,
  RulesAuthorisationTable: common.RulesAuthorisationTable,
  ProfilePolicyAuthorisationRule: common.ProfilePolicyAuthorisationRule,
  SegmentedCrlList: es10.SegmentedCrlList,
  LoadCRLRequest: es10.LoadCRLRequest,
  LoadCRLResponse: es10.LoadCRLResponse,
  LoadCRLResponseOk: es10.LoadCRLResponseOk,
  LoadCRLResponseError: es10.LoadCRLResponseError,
  ExpirationDate: es10.ExpirationDate,
  TotalPartialCrlNumber: es10.TotalPartialCrlNumber,
  PartialCrlNumber: es10.PartialCrlNumber,
  RemoteProfileProvisioningRequest: es9.RemoteProfileProvisioningRequest,
  RemoteProfileProvisioningResponse: es9.RemoteProfileProvisioningResponse,
  InitiateAuthenticationRequest: es9.InitiateAuthenticationRequest,
  InitiateAuthenticationResponse: es9.InitiateAuthenticationResponse,
  InitiateAuthenticationOkEs9: es9.InitiateAuthenticationOkEs9,
  AuthenticateClientRequest: es9.AuthenticateClientRequest,
  AuthenticateClientResponseEs9: es9.AuthenticateClientResponseEs9,
  AuthenticateClientOk: es9.AuthenticateClientOk,
  GetBoundProfilePackageRequest: es9.GetBoundProfilePackageRequest,
  GetBoundProfilePackageResponse: es9.GetBoundProfilePackageResponse,
  GetBoundProfilePackageOk: es9.GetBoundProfilePackageOk,
  HandleNotification: es9.HandleNotification,
  CancelSessionRequestEs9: es9.CancelSessionRequestEs9,
  CancelSessionResponseEs9: es9.CancelSessionResponseEs9,
  CancelSessionOk: es9.CancelSessionOk,
  EuiccConfiguredAddressesRequest: eimConfig.EuiccConfiguredAddressesRequest,
  EuiccConfiguredAddressesResponse: eimConfig.EuiccConfiguredAddressesResponse,
  ISDRProprietaryApplicationTemplate: euiccInfo.ISDRProprietaryApplicationTemplate,
  LpaeActivationRequest: euiccInfo.LpaeActivationRequest,
  LpaeActivationResponse: euiccInfo.LpaeActivationResponse,
  SetDefaultDpAddressRequest: eimConfig.SetDefaultDpAddressRequest,
  SetDefaultDpAddressResponse: eimConfig.SetDefaultDpAddressResponse,
  AuthenticateClientResponseEs11: es9.AuthenticateClientResponseEs11,
  AuthenticateClientOkEs11: es9.AuthenticateClientOkEs11,
  EventEntries: es9.EventEntries,
  // SGP.32 v1.2
  AsnNull: common.AsnNull,
  EuiccPackageRequest: euiccPackage.EuiccPackageRequest,
  EuiccPackageSigned: euiccPackage.EuiccPackageSigned,
  EuiccPackage: euiccPackage.EuiccPackage,
  EimConfigurationData: eimConfig.EimConfigurationData,
  EimIdType: eimConfig.EimIdType,
  EimSupportedProtocol: eimConfig.EimSupportedProtocol,
  Eco: euiccPackage.Eco,
  Psmo: euiccPackage.Psmo,
  IpaEuiccDataRequest: esipa.IpaEuiccDataRequest,
  ProfileDownloadTriggerRequest: esipa.ProfileDownloadTriggerRequest,
  ProfileDownloadData: esipa.ProfileDownloadData,
  EimAcknowledgements: esipa.EimAcknowledgements,
  SequenceNumber: esipa.SequenceNumber,
  EuiccPackageResult: euiccPackage.EuiccPackageResult,
  EuiccPackageResultSigned: euiccPackage.EuiccPackageResultSigned,
  EuiccPackageResultDataSigned: euiccPackage.EuiccPackageResultDataSigned,
  EuiccResultData: euiccPackage.EuiccResultData,
  EuiccPackageErrorSigned: euiccPackage.EuiccPackageErrorSigned,
  EuiccPackageErrorDataSigned: euiccPackage.EuiccPackageErrorDataSigned,
  EuiccPackageErrorCode: euiccPackage.EuiccPackageErrorCode,
  EuiccPackageErrorUnsigned: euiccPackage.EuiccPackageErrorUnsigned,
  ConfigureImmediateEnableResult: euiccPackage.ConfigureImmediateEnableResult,
  EnableProfileResult: euiccPackage.EnableProfileResult,
  DisableProfileResult: euiccPackage.DisableProfileResult,
  DeleteProfileResult: euiccPackage.DeleteProfileResult,
  "SGP32-ProfileInfoListResponse": profileInfo.ProfileInfoListResponse,
  "SGP32-ProfileInfoListError": profileInfo.ProfileInfoListError,
  RollbackProfileResult: euiccPackage.RollbackProfileResult,
  SetFallbackAttributeResult: euiccPackage.SetFallbackAttributeResult,
  UnsetFallbackAttributeResult: euiccPackage.UnsetFallbackAttributeResult,
  AddEimResult: euiccPackage.AddEimResult,
  DeleteEimResult: euiccPackage.DeleteEimResult,
  UpdateEimResult: euiccPackage.UpdateEimResult,
  ListEimResult: euiccPackage.ListEimResult,
  EimIdInfo: euiccPackage.EimIdInfo,
  IpaEuiccDataErrorCode: esipa.IpaEuiccDataErrorCode,
  IpaEuiccDataResponseError: esipa.IpaEuiccDataResponseError,
  IpaEuiccDataResponse: esipa.IpaEuiccDataResponse,
  PendingNotificationList: notifications.PendingNotificationList,
  EuiccPackageResultList: euiccPackage.EuiccPackageResultList,
  IpaEuiccData: esipa.IpaEuiccData,
  ProfileDownloadTriggerResult: esipa.ProfileDownloadTriggerResult,
  ISDRProprietaryApplicationTemplateIoT: euiccInfo.ISDRProprietaryApplicationTemplateIoT,
  IpaeActivationRequest: euiccInfo.IpaeActivationRequest,
  IpaeActivationResponse: euiccInfo.IpaeActivationResponse,
  IpaCapabilities: esipa.IpaCapabilities,
  "SGP32-ProfileInfo": profileInfo.ProfileInfo,
  "SGP32-StoreMetadataRequest": profileInfo.StoreMetadataRequest,
  "SGP32-AuthenticateClientRequest": es9.AuthenticateClientRequest,
  "SGP32-EUICCInfo2": euiccInfo.EUICCInfo2,
  IoTSpecificInfo: euiccInfo.IoTSpecificInfo,
  IpaMode: euiccInfo.IpaMode,
  AddInitialEimRequest: eimConfig.AddInitialEimRequest,
  AddInitialEimResponse: eimConfig.AddInitialEimResponse,
  "SGP32-EuiccMemoryResetRequest": eimConfig.Sgp32EuiccMemoryResetRequest,
  "SGP32-EuiccMemoryResetResponse": eimConfig.Sgp32EuiccMemoryResetResponse,
  GetCertsRequest: eimConfig.GetCertsRequest,
  GetCertsResponse: eimConfig.GetCertsResponse,
  "SGP32-RetrieveNotificationsListRequest": euiccPackage.RetrieveNotificationsListRequest,
  "SGP32-RetrieveNotificationsListResponse": euiccPackage.RetrieveNotificationsListResponse,
  ImmediateEnableRequest: es10.ImmediateEnableRequest,
  ImmediateEnableResponse: es10.ImmediateEnableResponse,
  ProfileRollbackRequest: es10.ProfileRollbackRequest,
  ProfileRollbackResponse: es10.ProfileRollbackResponse,
  ConfigureImmediateProfileEnablingRequest: eimConfig.ConfigureImmediateProfileEnablingRequest,
  ConfigureImmediateProfileEnablingResponse: eimConfig.ConfigureImmediateProfileEnablingResponse,
  GetEimConfigurationDataRequest: eimConfig.GetEimConfigurationDataRequest,
  GetEimConfigurationDataResponse: eimConfig.GetEimConfigurationDataResponse,
  ExecuteFallbackMechanismRequest: es10.ExecuteFallbackMechanismRequest,
  ExecuteFallbackMechanismResponse: es10.ExecuteFallbackMechanismResponse,
  ReturnFromFallbackRequest: es10.ReturnFromFallbackRequest,
  ReturnFromFallbackResponse: es10.ReturnFromFallbackResponse,
  EnableEmergencyProfileRequest: es10.EnableEmergencyProfileRequest,
  EnableEmergencyProfileResponse: es10.EnableEmergencyProfileResponse,
  DisableEmergencyProfileRequest: es10.DisableEmergencyProfileRequest,
  DisableEmergencyProfileResponse: es10.DisableEmergencyProfileResponse,
  GetConnectivityParametersRequest: es10.GetConnectivityParametersRequest,
  GetConnectivityParametersResponse: es10.GetConnectivityParametersResponse,
  ConnectivityParameters: es10.ConnectivityParameters,
  ConnectivityParametersError: es10.ConnectivityParametersError,
  "SGP32-SetDefaultDpAddressRequest": eimConfig.Sgp32SetDefaultDpAddressRequest,
  "SGP32-SetDefaultDpAddressResponse": eimConfig.Sgp32SetDefaultDpAddressResponse,
  "SGP32-PrepareDownloadResponse": rsp.PrepareDownloadResponse,
  CompactPrepareDownloadResponseOk: rsp.CompactPrepareDownloadResponseOk,
  CompactEuiccSigned2: rsp.CompactEuiccSigned2,
  "SGP32-EuiccSigned1": rsp.EuiccSigned1,
  "SGP32-AuthenticateResponseOk": rsp.AuthenticateResponseOk,
  "SGP32-AuthenticateServerResponse": rsp.AuthenticateServerResponse,
  CompactAuthenticateResponseOk: rsp.CompactAuthenticateResponseOk,
  CompactEuiccSigned1: rsp.CompactEuiccSigned1,
  "SGP32-PendingNotification": notifications.PendingNotification,
  "SGP32-ProfileInstallationResult": notifications.ProfileInstallationResult,
  CompactProfileInstallationResult: notifications.CompactProfileInstallationResult,
  CompactProfileInstallationResultData: notifications.CompactProfileInstallationResultData,
  CompactSuccessResult: notifications.CompactSuccessResult,
  CompactOtherSignedNotification: notifications.CompactOtherSignedNotification,
  "SGP32-CancelSessionResponse": rsp.CancelSessionResponse,
  CompactCancelSessionResponseOk: rsp.CompactCancelSessionResponseOk,
  CompactEuiccCancelSessionSigned: rsp.CompactEuiccCancelSessionSigned,
  EsipaMessageFromIpaToEim: esipa.EsipaMessageFromIpaToEim,
  EsipaMessageFromEimToIpa: esipa.EsipaMessageFromEimToIpa,
  InitiateAuthenticationRequestEsipa: esipa.InitiateAuthenticationRequestEsipa,
  InitiateAuthenticationResponseEsipa: esipa.InitiateAuthenticationResponseEsipa,
  InitiateAuthenticationOkEsipa: esipa.InitiateAuthenticationOkEsipa,
  AuthenticateClientRequestEsipa: esipa.AuthenticateClientRequestEsipa,
  AuthenticateClientResponseEsipa: esipa.AuthenticateClientResponseEsipa,
  AuthenticateClientOkDPEsipa: esipa.AuthenticateClientOkDPEsipa,
  AuthenticateClientOkDSEsipa: esipa.AuthenticateClientOkDSEsipa,
  GetBoundProfilePackageRequestEsipa: esipa.GetBoundProfilePackageRequestEsipa,
  GetBoundProfilePackageResponseEsipa: esipa.GetBoundProfilePackageResponseEsipa,
  GetBoundProfilePackageOkEsipa: esipa.GetBoundProfilePackageOkEsipa,
  HandleNotificationEsipa: esipa.HandleNotificationEsipa,
  CancelSessionRequestEsipa: esipa.CancelSessionRequestEsipa,
  CancelSessionResponseEsipa: esipa.CancelSessionResponseEsipa,
  "SGP32-CancelSessionOk": es9.CancelSessionOk,
  StateChangeCause: esipa.StateChangeCause,
  GetEimPackageRequest: esipa.GetEimPackageRequest,
  GetEimPackageResponse: esipa.GetEimPackageResponse,
  EimPackageResultErrorCode: esipa.EimPackageResultErrorCode,
  EimPackageResultResponseError: esipa.EimPackageResultResponseError,
  EimPackageResult: esipa.EimPackageResult,
  ProvideEimPackageResult: esipa.ProvideEimPackageResult,
  ProvideEimPackageResultResponse: esipa.ProvideEimPackageResultResponse,
  TransferEimPackageRequest: esipa.TransferEimPackageRequest,
  TransferEimPackageResponse: esipa.TransferEimPackageResponse,
  // imported by both
  Certificate: common.Certificate,
  SubjectPublicKeyInfo: common.SubjectPublicKeyInfo,
  CertificateList: common.CertificateList,
  SubjectKeyIdentifier: common.SubjectKeyIdentifier,
  Time: es10.Time,
  UICCCapability: euiccInfo.UICCCapability,
};

/** The type of that ASN.1 name. Throws ASN1_UNKNOWN_TYPE, which names those that are near. */
export function typeByName(name: string): Type<unknown> {
  const type = Object.hasOwn(types, name) ? types[name] : undefined;
  if (type === undefined) {
    const near = nearTo(name);
    const hint = near.length === 0 ? "" : `; near it: ${near.join(", ")}`;
    throw new SimwardError("ASN1_UNKNOWN_TYPE", { detail: `${JSON.stringify(name.slice(0, 80))}${hint}`, data: { near } });
  }
  return type;
}

/** All names that typeByName takes, in the order of the alphabet. */
export function typeNames(): readonly string[] {
  return Object.keys(types).sort((a, b) => a.localeCompare(b, "en"));
}

let names: ReadonlyMap<AnyType, string> | undefined;

/** The ASN.1 name of a type of this table; the plain one where it has two. */
export function nameOfType(type: AnyType): string | undefined {
  names ??= new Map(
    Object.entries(types)
      .reverse()
      .map(([name, one]) => [one, name]),
  );
  return names.get(type);
}

function nearTo(name: string): readonly string[] {
  const wanted = plain(name.slice(0, 80));
  if (wanted === "") return [];
  return typeNames()
    .map((known) => ({ known, distance: distanceOf(wanted, plain(known)) }))
    .filter(({ distance }) => distance <= Math.max(2, wanted.length / 3))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 5)
    .map(({ known }) => known);
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "");
}

/** Edits between two words; a word that begins or ends the other counts as one. */
function distanceOf(a: string, b: string): number {
  if (a === b) return 0;
  if (a.length > 3 && (b.startsWith(a) || b.endsWith(a) || a.startsWith(b) || a.endsWith(b))) return 1;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
