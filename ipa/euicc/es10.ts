// The ES10 functions an IPA calls, one row each (SGP.32 §5.9, SGP.22 §5.7), and the object that calls them over one channel to the ISD-R.
// `idempotent` says whether a call whose answer was lost may simply be made again.
import type { Clock } from "../../base/clock.ts";
import { asSimwardError, type ErrorCode, SimwardError } from "../../base/errors.ts";
import { decode, encode, type Type } from "../asn1/schema.ts";
import type { IpaEvents } from "../events.ts";
import {
  AddInitialEimRequest,
  AddInitialEimResponse,
  EuiccConfiguredAddressesRequest,
  EuiccConfiguredAddressesResponse,
  GetCertsRequest,
  GetCertsResponse,
  GetEimConfigurationDataRequest,
  GetEimConfigurationDataResponse,
} from "../messages/eim-config.ts";
import {
  GetRatRequest,
  GetRatResponse,
  ImmediateEnableRequest,
  ImmediateEnableResponse,
  ProfileRollbackRequest,
  ProfileRollbackResponse,
} from "../messages/es10.ts";
import {
  EUICCInfo1,
  EUICCInfo2,
  GetEuiccDataRequest,
  GetEuiccDataResponse,
  GetEuiccInfo1Request,
  GetEuiccInfo2Request,
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
import { ProfileInfoListRequest, ProfileInfoListResponse } from "../messages/profile-info.ts";
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
}

function es10<Q, R>(
  name: string,
  request: Type<Q>,
  response: Type<R>,
  section: string,
  options: { readonly idempotent: boolean },
): Es10Function<Q, R> {
  return { name, request, response, section, ...options };
}

const idempotent = { idempotent: true } as const;
const once = { idempotent: false } as const;

// --- what the eUICC is and has
export const getEid = es10("ES10c.GetEID", GetEuiccDataRequest, GetEuiccDataResponse, "SGP.22 §5.7.20", idempotent);
export const getEuiccInfo1 = es10("ES10b.GetEUICCInfo1", GetEuiccInfo1Request, EUICCInfo1, "SGP.22 §5.7.8", idempotent);
export const getEuiccInfo2 = es10("ES10b.GetEUICCInfo2", GetEuiccInfo2Request, EUICCInfo2, "SGP.32 §5.9.2", idempotent);
export const getProfilesInfo = es10("ES10b.GetProfilesInfo", ProfileInfoListRequest, ProfileInfoListResponse, "SGP.32 §5.9.14", idempotent);
export const getCerts = es10("ES10b.GetCerts", GetCertsRequest, GetCertsResponse, "SGP.32 §5.9.10", idempotent);
export const getRat = es10("ES10b.GetRAT", GetRatRequest, GetRatResponse, "SGP.22 §5.7.22", idempotent);
export const getEuiccConfiguredAddresses = es10(
  "ES10a.GetEuiccConfiguredAddresses",
  EuiccConfiguredAddressesRequest,
  EuiccConfiguredAddressesResponse,
  "SGP.22 §5.7.3",
  idempotent,
);

// --- eIMs
export const getEimConfigurationData = es10(
  "ES10b.GetEimConfigurationData",
  GetEimConfigurationDataRequest,
  GetEimConfigurationDataResponse,
  "SGP.32 §5.9.18",
  idempotent,
);
export const addInitialEim = es10("ES10b.AddInitialEim", AddInitialEimRequest, AddInitialEimResponse, "SGP.32 §5.9.4", once);

// --- eUICC packages
export const loadEuiccPackage = es10("ES10b.LoadEuiccPackage", EuiccPackageRequest, EuiccPackageResult, "SGP.32 §5.9.1", once);
export const profileRollback = es10("ES10b.ProfileRollback", ProfileRollbackRequest, ProfileRollbackResponse, "SGP.32 §5.9.16", once);
export const immediateEnable = es10("ES10b.ImmediateEnable", ImmediateEnableRequest, ImmediateEnableResponse, "SGP.32 §5.9.15", once);

// --- notifications
export const listNotification = es10(
  "ES10b.ListNotification",
  ListNotificationRequest,
  ListNotificationResponse,
  "SGP.22 §5.7.9",
  idempotent,
);
export const retrieveNotificationsList = es10(
  "ES10b.RetrieveNotificationsList",
  RetrieveNotificationsListRequest,
  RetrieveNotificationsListResponse,
  "SGP.32 §5.9.11",
  idempotent,
);
/** Made again it answers nothingToDelete, which is no error. */
export const removeNotificationFromList = es10(
  "ES10b.RemoveNotificationFromList",
  NotificationSentRequest,
  NotificationSentResponse,
  "SGP.22 §5.7.11",
  idempotent,
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
);
export const prepareDownload = es10("ES10b.PrepareDownload", PrepareDownloadRequest, PrepareDownloadResponse, "SGP.22 §5.7.5", once);
export const cancelSession = es10("ES10b.CancelSession", CancelSessionRequest, CancelSessionResponse, "SGP.22 §5.7.14", once);
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

  constructor(link: Es10Link, clock: Clock, events: IpaEvents) {
    this.#link = link;
    this.#clock = clock;
    this.#events = events;
  }

  get refreshPending(): boolean {
    return this.#link.refreshPending;
  }

  /** Throws ES10_UNSUPPORTED, ES10_RESPONSE, ES10_TOO_LONG, APDU_…, AT_… */
  async call<Q, R>(fn: Es10Function<Q, R>, request: Q): Promise<R> {
    return (await this.ask(fn, request)).value;
  }

  /** The same, with the octets of the answer for those who forward it. */
  async ask<Q, R>(fn: Es10Function<Q, R>, request: Q): Promise<Es10Answer<R>> {
    const raw = await this.forward(fn, encode(fn.request, request, fn.name));
    return { raw, value: es10Value(fn, raw) };
  }

  /** Sends octets as they are and answers octets as they are: for what others have signed. */
  forward<Q, R>(fn: Es10Function<Q, R>, command: Uint8Array): Promise<Uint8Array> {
    return this.#step(fn.name, command.length, async () => {
      const raw = await this.#link.exchange(command, fn.idempotent);
      if (raw.length === 0) throw new SimwardError("ES10_RESPONSE", { detail: `${fn.name}: the card answered without data` });
      return raw;
    });
  }

  /**
   * ES10b.LoadBoundProfilePackage (SGP.22 §5.7.6): segment after segment over this one channel, until the card answers with data, which is the
   * ProfileInstallationResult. Answers its octets, or undefined when the package ended without one. Throws what the card's refusal is, or PACKAGE_FORMAT.
   */
  async loadBoundProfilePackage(bpp: Uint8Array, onSegment: SegmentProgress): Promise<Uint8Array | undefined> {
    const segments = bppSegments(bpp);
    const result = await this.#step(loadBoundProfilePackage, bpp.length, async () => {
      for (const [index, segment] of segments.entries()) {
        const answer = await this.#link.exchange(segment, false);
        await onSegment(index + 1, segments.length, segment.length);
        if (answer.length > 0) return answer;
      }
      return new Uint8Array(0);
    });
    return result.length === 0 ? undefined : result;
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
