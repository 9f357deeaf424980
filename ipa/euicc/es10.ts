// The ES10 functions an IPA calls, one row each (SGP.32 §5.9, SGP.22 §5.7), and the object that calls them over one channel to the ISD-R.
// `idempotent` says whether a call whose answer was lost may simply be made again.
import type { Clock } from "../../base/clock.ts";
import { asSimwardError, type ErrorCode, SimwardError } from "../../base/errors.ts";
import { rehearsal } from "../../base/rehearsal.ts";
import type { Trace } from "../../base/trace.ts";
import { type AnyType, decode, encode, type Type } from "../asn1/schema.ts";
import type { IpaEvents } from "../events.ts";
import {
  AddInitialEimRequest,
  AddInitialEimResponse,
  ConfigureImmediateProfileEnablingRequest,
  ConfigureImmediateProfileEnablingResponse,
  EuiccConfiguredAddressesRequest,
  EuiccConfiguredAddressesResponse,
  EuiccMemoryResetRequest,
  EuiccMemoryResetResponse,
  GetCertsRequest,
  GetCertsResponse,
  GetEimConfigurationDataRequest,
  GetEimConfigurationDataResponse,
  SetDefaultDpAddressRequest,
  SetDefaultDpAddressResponse,
  Sgp32EuiccMemoryResetRequest,
  Sgp32EuiccMemoryResetResponse,
  Sgp32SetDefaultDpAddressRequest,
  Sgp32SetDefaultDpAddressResponse,
} from "../messages/eim-config.ts";
import {
  DeleteProfileRequest,
  DeleteProfileResponse,
  DisableEmergencyProfileRequest,
  DisableEmergencyProfileResponse,
  DisableProfileRequest,
  DisableProfileResponse,
  EnableEmergencyProfileRequest,
  EnableEmergencyProfileResponse,
  EnableProfileRequest,
  EnableProfileResponse,
  ExecuteFallbackMechanismRequest,
  ExecuteFallbackMechanismResponse,
  GetConnectivityParametersRequest,
  GetConnectivityParametersResponse,
  GetRatRequest,
  GetRatResponse,
  ImmediateEnableRequest,
  ImmediateEnableResponse,
  LoadCRLRequest,
  LoadCRLResponse,
  ProfileRollbackRequest,
  ProfileRollbackResponse,
  ReturnFromFallbackRequest,
  ReturnFromFallbackResponse,
} from "../messages/es10.ts";
import {
  EUICCInfo1,
  EUICCInfo2,
  GetEuiccDataRequest,
  GetEuiccDataResponse,
  GetEuiccInfo1Request,
  GetEuiccInfo2Request,
  IpaeActivationRequest,
  IpaeActivationResponse,
} from "../messages/euicc-info.ts";
import {
  ListNotificationRequest,
  ListNotificationResponse,
  NotificationSentRequest,
  NotificationSentResponse,
} from "../messages/notifications.ts";
import {
  EuiccPackageRequest,
  EuiccPackageResult,
  RetrieveNotificationsListRequest,
  RetrieveNotificationsListResponse,
} from "../messages/package.ts";
import { ProfileInfoListRequest, ProfileInfoListResponse, SetNicknameRequest, SetNicknameResponse } from "../messages/profile-info.ts";
import { nameOfType } from "../messages/registry.ts";
import {
  AuthenticateServerRequest,
  AuthenticateServerResponse,
  CancelSessionRequest,
  CancelSessionResponse,
  GetEuiccChallengeRequest,
  GetEuiccChallengeResponse,
  PrepareDownloadRequest,
  PrepareDownloadResponse,
} from "../messages/rsp.ts";
import { bppSegments } from "./bpp.ts";

export interface Es10Function<Q, R> {
  /** With its interface: "ES10b.LoadEuiccPackage". */
  readonly name: string;
  readonly request: Type<Q>;
  readonly response: Type<R>;
  readonly section: string;
  readonly idempotent: boolean;
  /** It changes nothing on the card. */
  readonly reads?: boolean | undefined;
  /** The result code by its name in ASN.1 when the eUICC did not do it, else undefined. Absent where the function has no such code. */
  readonly refusal?: ((response: R) => ResultCode | undefined) | undefined;
}

/** By its name; a code of a later version as its number. */
export type ResultCode = string | number | bigint;

function es10<Q, R>(
  name: string,
  request: Type<Q>,
  response: Type<R>,
  section: string,
  options: { readonly idempotent: boolean; readonly reads?: boolean },
  refusal?: (response: R) => ResultCode | undefined,
): Es10Function<Q, R> {
  return { name, request, response, section, ...options, refusal };
}

const reading = { idempotent: true, reads: true } as const;
const idempotent = { idempotent: true } as const;
const once = { idempotent: false } as const;

/** A result INTEGER: "ok", and what else is as good, are no refusal. */
const unless = (code: ResultCode | undefined, ...asGood: readonly ResultCode[]): ResultCode | undefined =>
  code === undefined || code === "ok" || asGood.includes(code) ? undefined : code;

/** A CHOICE whose one alternative is the error. */
const errorIn =
  <K extends string>(kind: K) =>
  (response: { readonly kind: string; readonly value: unknown }): ResultCode | undefined =>
    response.kind === kind ? codeOf(response.value) : undefined;

const codeOf = (value: unknown): ResultCode =>
  typeof value === "string" || typeof value === "number" || typeof value === "bigint" ? value : "undefinedError";

// --- what the eUICC is and has
export const getEid = es10("ES10c.GetEID", GetEuiccDataRequest, GetEuiccDataResponse, "SGP.22 §5.7.20", reading);
export const getEuiccInfo1 = es10("ES10b.GetEUICCInfo1", GetEuiccInfo1Request, EUICCInfo1, "SGP.22 §5.7.8", reading);
export const getEuiccInfo2 = es10("ES10b.GetEUICCInfo2", GetEuiccInfo2Request, EUICCInfo2, "SGP.32 §5.9.2", reading);
export const getProfilesInfo = es10(
  "ES10b.GetProfilesInfo",
  ProfileInfoListRequest,
  ProfileInfoListResponse,
  "SGP.32 §5.9.14",
  reading,
  errorIn("profileInfoListError"),
);
export const getCerts = es10("ES10b.GetCerts", GetCertsRequest, GetCertsResponse, "SGP.32 §5.9.10", reading, errorIn("getCertsError"));
export const getRat = es10("ES10b.GetRAT", GetRatRequest, GetRatResponse, "SGP.22 §5.7.22", reading);
export const getConnectivityParameters = es10(
  "ES10b.GetConnectivityParameters",
  GetConnectivityParametersRequest,
  GetConnectivityParametersResponse,
  "SGP.32 §5.9.24",
  reading,
  errorIn("connectivityParametersError"),
);
export const loadCrl = es10(
  "ES10b.LoadCRL",
  LoadCRLRequest,
  LoadCRLResponse,
  "SGP.22 §5.7.12",
  idempotent,
  errorIn("loadCRLResponseError"),
);
export const ipaeActivation = es10(
  "ES10b.IpaeActivation",
  IpaeActivationRequest,
  IpaeActivationResponse,
  "SGP.32 §3.8.4",
  idempotent,
  ({ ipaeActivationResult }) => unless(ipaeActivationResult),
);

// --- addresses
export const getEuiccConfiguredAddresses = es10(
  "ES10a.GetEuiccConfiguredAddresses",
  EuiccConfiguredAddressesRequest,
  EuiccConfiguredAddressesResponse,
  "SGP.22 §5.7.3",
  reading,
);
/** BF3F */
export const setDefaultDpAddress = es10(
  "ES10a.SetDefaultDpAddress",
  SetDefaultDpAddressRequest,
  SetDefaultDpAddressResponse,
  "SGP.22 §5.7.4",
  idempotent,
  ({ setDefaultDpAddressResult }) => unless(setDefaultDpAddressResult),
);
/** BF65 */
export const setDefaultDpAddressIot = es10(
  "ES10b.SetDefaultDpAddress",
  Sgp32SetDefaultDpAddressRequest,
  Sgp32SetDefaultDpAddressResponse,
  "SGP.32 §5.9.25",
  idempotent,
  ({ setDefaultDpAddressResult }) => unless(setDefaultDpAddressResult),
);

// --- eIMs
export const getEimConfigurationData = es10(
  "ES10b.GetEimConfigurationData",
  GetEimConfigurationDataRequest,
  GetEimConfigurationDataResponse,
  "SGP.32 §5.9.18",
  reading,
);
export const addInitialEim = es10(
  "ES10b.AddInitialEim",
  AddInitialEimRequest,
  AddInitialEimResponse,
  "SGP.32 §5.9.4",
  once,
  errorIn("addInitialEimError"),
);

// --- eUICC packages
export const loadEuiccPackage = es10("ES10b.LoadEuiccPackage", EuiccPackageRequest, EuiccPackageResult, "SGP.32 §5.9.1", once);
export const profileRollback = es10(
  "ES10b.ProfileRollback",
  ProfileRollbackRequest,
  ProfileRollbackResponse,
  "SGP.32 §5.9.16",
  once,
  ({ cmdResult }) => unless(cmdResult),
);

// --- what changes the enabled profile without an eIM
export const configureImmediateProfileEnabling = es10(
  "ES10b.ConfigureImmediateProfileEnabling",
  ConfigureImmediateProfileEnablingRequest,
  ConfigureImmediateProfileEnablingResponse,
  "SGP.32 §5.9.17",
  idempotent,
  ({ configImmediateEnableResult }) => unless(configImmediateEnableResult),
);
export const immediateEnable = es10(
  "ES10b.ImmediateEnable",
  ImmediateEnableRequest,
  ImmediateEnableResponse,
  "SGP.32 §5.9.15",
  once,
  ({ immediateEnableResult }) => unless(immediateEnableResult),
);
export const enableEmergencyProfile = es10(
  "ES10b.EnableEmergencyProfile",
  EnableEmergencyProfileRequest,
  EnableEmergencyProfileResponse,
  "SGP.32 §5.9.22",
  once,
  ({ enableEmergencyProfileResult }) => unless(enableEmergencyProfileResult),
);
export const disableEmergencyProfile = es10(
  "ES10b.DisableEmergencyProfile",
  DisableEmergencyProfileRequest,
  DisableEmergencyProfileResponse,
  "SGP.32 §5.9.23",
  once,
  ({ disableEmergencyProfileResult }) => unless(disableEmergencyProfileResult),
);
export const executeFallbackMechanism = es10(
  "ES10b.ExecuteFallbackMechanism",
  ExecuteFallbackMechanismRequest,
  ExecuteFallbackMechanismResponse,
  "SGP.32 §5.9.20",
  once,
  ({ executeFallbackMechanismResult }) => unless(executeFallbackMechanismResult),
);
export const returnFromFallback = es10(
  "ES10b.ReturnFromFallback",
  ReturnFromFallbackRequest,
  ReturnFromFallbackResponse,
  "SGP.32 §5.9.21",
  once,
  ({ returnFromFallbackResult }) => unless(returnFromFallbackResult),
);
/** BF64 */
export const euiccMemoryReset = es10(
  "ES10b.eUICCMemoryReset",
  Sgp32EuiccMemoryResetRequest,
  Sgp32EuiccMemoryResetResponse,
  "SGP.32 §5.9.5",
  once,
  ({ resetResult, resetEimResult, resetImmediateEnableConfigResult }) =>
    unless(resetResult, "nothingToDelete") ?? unless(resetEimResult, "nothingToDelete") ?? unless(resetImmediateEnableConfigResult),
);

// --- SGP.22: not for an IPAd once an eIM is associated
export const enableProfile = es10(
  "ES10c.EnableProfile",
  EnableProfileRequest,
  EnableProfileResponse,
  "SGP.22 §5.7.16",
  once,
  ({ enableResult }) => unless(enableResult),
);
export const disableProfile = es10(
  "ES10c.DisableProfile",
  DisableProfileRequest,
  DisableProfileResponse,
  "SGP.22 §5.7.17",
  once,
  ({ disableResult }) => unless(disableResult),
);
export const deleteProfile = es10(
  "ES10c.DeleteProfile",
  DeleteProfileRequest,
  DeleteProfileResponse,
  "SGP.22 §5.7.18",
  once,
  ({ deleteResult }) => unless(deleteResult),
);
export const setNickname = es10(
  "ES10c.SetNickname",
  SetNicknameRequest,
  SetNicknameResponse,
  "SGP.22 §5.7.21",
  idempotent,
  ({ setNicknameResult }) => unless(setNicknameResult),
);
/** BF34 */
export const euiccMemoryResetConsumer = es10(
  "ES10c.eUICCMemoryReset",
  EuiccMemoryResetRequest,
  EuiccMemoryResetResponse,
  "SGP.22 §5.7.19",
  once,
  ({ resetResult }) => unless(resetResult, "nothingToDelete"),
);

// --- notifications
export const listNotification = es10(
  "ES10b.ListNotification",
  ListNotificationRequest,
  ListNotificationResponse,
  "SGP.22 §5.7.9",
  reading,
  errorIn("listNotificationsResultError"),
);
export const retrieveNotificationsList = es10(
  "ES10b.RetrieveNotificationsList",
  RetrieveNotificationsListRequest,
  RetrieveNotificationsListResponse,
  "SGP.32 §5.9.11",
  reading,
  errorIn("notificationsListResultError"),
);
/** Made again it answers nothingToDelete, which is no error. */
export const removeNotificationFromList = es10(
  "ES10b.RemoveNotificationFromList",
  NotificationSentRequest,
  NotificationSentResponse,
  "SGP.22 §5.7.11",
  idempotent,
  ({ deleteNotificationStatus }) => unless(deleteNotificationStatus, "nothingToDelete"),
);

// --- profile download
/** Made again it gives another challenge, and the former is void: nothing is lost. */
export const getEuiccChallenge = es10(
  "ES10b.GetEUICCChallenge",
  GetEuiccChallengeRequest,
  GetEuiccChallengeResponse,
  "SGP.22 §5.7.7",
  idempotent,
);
export const authenticateServer = es10(
  "ES10b.AuthenticateServer",
  AuthenticateServerRequest,
  AuthenticateServerResponse,
  "SGP.22 §5.7.13",
  once,
  (response) => (response.kind === "authenticateResponseError" ? response.value.authenticateErrorCode : undefined),
);
export const prepareDownload = es10(
  "ES10b.PrepareDownload",
  PrepareDownloadRequest,
  PrepareDownloadResponse,
  "SGP.22 §5.7.5",
  once,
  (response) => (response.kind === "downloadResponseError" ? response.value.downloadErrorCode : undefined),
);
export const cancelSession = es10(
  "ES10b.CancelSession",
  CancelSessionRequest,
  CancelSessionResponse,
  "SGP.22 §5.7.14",
  once,
  errorIn("cancelSessionResponseError"),
);

/** All but LoadBoundProfilePackage, whose command is a package in segments. */
export const es10Functions = [
  getEid,
  getEuiccInfo1,
  getEuiccInfo2,
  getProfilesInfo,
  getCerts,
  getRat,
  getConnectivityParameters,
  loadCrl,
  ipaeActivation,
  getEuiccConfiguredAddresses,
  setDefaultDpAddress,
  setDefaultDpAddressIot,
  getEimConfigurationData,
  addInitialEim,
  loadEuiccPackage,
  profileRollback,
  configureImmediateProfileEnabling,
  immediateEnable,
  enableEmergencyProfile,
  disableEmergencyProfile,
  executeFallbackMechanism,
  returnFromFallback,
  euiccMemoryReset,
  enableProfile,
  disableProfile,
  deleteProfile,
  setNickname,
  euiccMemoryResetConsumer,
  listNotification,
  retrieveNotificationsList,
  removeNotificationFromList,
  getEuiccChallenge,
  authenticateServer,
  prepareDownload,
  cancelSession,
] as const;

const loadBoundProfilePackage = "ES10b.LoadBoundProfilePackage";

/** The channel below: whole commands in, whole responses out. */
export interface Es10Link {
  /** Opens the channel if need be. When it is lost: opens it anew for the next command, and repeats this one if `idempotent`. */
  exchange(command: Uint8Array, idempotent: boolean): Promise<Uint8Array>;
  /** The card has announced a proactive command (91xx) since the channel was taken. */
  readonly refreshPending: boolean;
}

/** An answer as it came, beside its meaning. */
export interface Es10Answer<R> {
  readonly raw: Uint8Array;
  readonly value: R;
}

export type SegmentProgress = (number: number, of: number, sentBytes: number) => void | Promise<void>;

export class Es10 {
  readonly #link: Es10Link;
  readonly #clock: Clock;
  readonly #events: IpaEvents;
  readonly #trace: Trace | undefined;

  constructor(link: Es10Link, clock: Clock, events: IpaEvents, trace?: Trace) {
    this.#link = link;
    this.#clock = clock;
    this.#events = events;
    this.#trace = trace;
  }

  get refreshPending(): boolean {
    return this.#link.refreshPending;
  }

  /** Throws ES10_UNSUPPORTED, ES10_RESPONSE, ES10_TOO_LONG, APDU_…, AT_… */
  async call<Q, R>(fn: Es10Function<Q, R>, request: Q): Promise<R> {
    return (await this.ask(fn, request)).value;
  }

  /** The same, for functions that say by a result code whether they were carried out. Throws ES10_REFUSED with that code in `data.error`. */
  async carryOut<Q, R>(fn: Es10Function<Q, R>, request: Q): Promise<R> {
    const response = await this.call(fn, request);
    const error = fn.refusal?.(response);
    if (error === undefined) return response;
    throw new SimwardError("ES10_REFUSED", { detail: `${fn.name}: ${error}`, data: { function: fn.name, error: String(error) } });
  }

  /** The same as `call`, with the octets of the answer for those who forward it. */
  async ask<Q, R>(fn: Es10Function<Q, R>, request: Q): Promise<Es10Answer<R>> {
    const raw = await this.forward(fn, encode(fn.request, request, fn.name));
    return { raw, value: es10Value(fn, raw) };
  }

  /** Sends octets as they are and answers octets as they are: for what others have signed. */
  async forward<Q, R>(fn: Es10Function<Q, R>, command: Uint8Array): Promise<Uint8Array> {
    const going = rehearsal();
    if (going !== undefined && fn.reads !== true) {
      going.note({ interface: "es10", name: fn.name, section: fn.section, command });
      going.end();
    }
    return this.#step(fn.name, command.length, async () => {
      const raw = await this.#exchange(fn.name, command, fn.idempotent, fn);
      if (raw.length === 0) throw new SimwardError("ES10_RESPONSE", { detail: `${fn.name}: the card answered without data` });
      return raw;
    });
  }

  /**
   * ES10b.LoadBoundProfilePackage (SGP.22 §5.7.6): segment after segment over this one channel, until the card answers with data, which is the
   * ProfileInstallationResult. Answers its octets, or undefined when the package ended without one. Throws what the card's refusal is, or PACKAGE_FORMAT.
   */
  async loadBoundProfilePackage(bpp: Uint8Array, onSegment: SegmentProgress): Promise<Uint8Array | undefined> {
    rehearsal()?.end();
    const segments = bppSegments(bpp);
    const result = await this.#step(loadBoundProfilePackage, bpp.length, async () => {
      for (const [index, segment] of segments.entries()) {
        const answer = await this.#exchange(
          loadBoundProfilePackage,
          segment,
          false,
          undefined,
          `segment ${index + 1} of ${segments.length}`,
        );
        await onSegment(index + 1, segments.length, segment.length);
        if (answer.length > 0) return answer;
      }
      return new Uint8Array(0);
    });
    return result.length === 0 ? undefined : result;
  }

  async #exchange(
    name: string,
    command: Uint8Array,
    isIdempotent: boolean,
    types: { readonly request: AnyType; readonly response: AnyType } | undefined,
    note?: string,
  ): Promise<Uint8Array> {
    if (this.#trace?.wants("es10") !== true) return this.#link.exchange(command, isIdempotent);
    this.#trace.emit("es10", "tx", { name, type: types && nameOfType(types.request), octets: command, note });
    try {
      const raw = await this.#link.exchange(command, isIdempotent);
      this.#trace.emit("es10", "rx", { name, type: types && nameOfType(types.response), octets: raw, note });
      return raw;
    } catch (error) {
      this.#trace.emit("es10", "rx", { name, note: error instanceof SimwardError ? error.code : "failed" });
      throw error;
    }
  }

  async #step(name: string, sentBytes: number, run: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const startMs = this.#clock.monotonicMs();
    const tell = (receivedBytes: number, error?: ErrorCode): void | Promise<void> =>
      this.#events.emit({ kind: "step", name, sentBytes, receivedBytes, durationMs: this.#clock.monotonicMs() - startMs, error });
    try {
      const received = await run();
      await tell(received.length);
      return received;
    } catch (error) {
      if (!(error instanceof SimwardError)) throw error;
      await tell(0, error.code);
      throw named(name, error);
    }
  }
}

/** The same error, saying which function it was. */
function named(name: string, error: SimwardError): SimwardError {
  if (error.detail?.startsWith(name) === true) return error;
  return new SimwardError(error.code, {
    detail: error.detail === undefined ? name : `${name}: ${error.detail}`,
    data: error.data,
    cause: error,
  });
}

/** Reads an answer that came as octets. Throws ES10_RESPONSE. */
export function es10Value<Q, R>(fn: Es10Function<Q, R>, raw: Uint8Array): R {
  try {
    return decode(fn.response, raw, { name: fn.name });
  } catch (error) {
    throw new SimwardError("ES10_RESPONSE", { detail: asSimwardError(error).detail ?? fn.name, cause: error });
  }
}
