// ES10b.LoadBoundProfilePackage, the installing half (SGP.22 §5.7.6): keys, metadata, profile elements, and the signed result.
// Until the last element has been read nothing is in the card's memory but the note that an installation is under way.
import { equalBytes, plmnToBytes, swapNibbles, toHex } from "../../../base/bytes.ts";
import { SimwardError } from "../../../base/errors.ts";
import { decode, encode, octets } from "../../../ipa/asn1/schema.ts";
import { childrenOf, rawOf, type Tlv } from "../../../ipa/asn1/tlv.ts";
import { ConfigureISDPRequest, InitialiseSecureChannelRequest, ReplaceSessionKeysRequest } from "../../../ipa/messages/bpp.ts";
import { DpProprietaryData, RulesAuthorisationTable } from "../../../ipa/messages/common.ts";
import {
  type BppCommandId,
  type ErrorReason,
  NotificationMetadata,
  ProfileInstallationResult,
  ProfileInstallationResultData,
} from "../../../ipa/messages/notifications.ts";
import { StoreMetadataRequest } from "../../../ipa/messages/profile-info.ts";
import type { BspKeys } from "../../crypto/bsp.ts";
import { ecdsaVerify } from "../../crypto/ecdsa.ts";
import { deriveBspKeys } from "../../crypto/ecka.ts";
import { type EuiccCore, metadataOf } from "../core.ts";
import { installedResponse, PEProcessingError } from "../pe/errors.ts";
import { findFile } from "../pe/file-system.ts";
import { imsiOf, type Profile, readProfile } from "../pe/reader.ts";
import { freeIsdpAid, notified, profileByIccid } from "../registry.ts";
import type { AuthenticatedServer, PreparedDownload } from "../session.ts";
import { type CardState, type Installing, type StoredProfile, without } from "../state.ts";
import { BppError, BppLoad } from "./load-bpp.ts";
import { refusedRule } from "./policy-rules.ts";

/** What one segment came to: nothing yet, the installation's result, or no session that could take it. */
export type SegmentOutcome =
  | { readonly kind: "more" }
  | { readonly kind: "noSession" }
  | { readonly kind: "result"; readonly tlv: Uint8Array };

/** A package being loaded: its parser, and what is to be made of it. */
export interface BppInProgress {
  readonly parser: BppLoad;
  readonly installation: Installation;
}

/** One ES10 command of the load. */
export function loadSegment(core: EuiccCore, segment: Uint8Array): SegmentOutcome {
  const { session } = core;
  if (session?.authenticated === undefined || session.prepared === undefined) return { kind: "noSession" };
  if (segment[0] === 0xbf && segment[1] === 0x36) {
    const installation = new Installation(core, session.authenticated, session.prepared);
    session.load = { parser: new BppLoad(installation), installation };
  }
  const { load } = session;
  if (load === undefined) return { kind: "noSession" };
  try {
    load.parser.push(segment);
  } catch (error) {
    if (!(error instanceof BppError)) throw error;
    const tlv = load.installation.failed(error.commandId, error.reason, error.simaResponse);
    core.session = undefined;
    return { kind: "result", tlv };
  }
  const tlv = load.installation.installed;
  if (!load.parser.done || tlv === undefined) return { kind: "more" };
  delete session.load;
  delete session.prepared;
  return { kind: "result", tlv };
}

/** After a power cut in the middle of a load: reported, nothing kept (SGP.22 §3.1.3.3). */
export function finishInterruptedInstallation(core: EuiccCore): void {
  const { installing } = core.state;
  if (installing === undefined) return;
  const error = { bppCommandId: "loadProfileElements", errorReason: "installFailedDueToInterruption" } as const;
  core.update(
    (state) => withResult(core, without(state, "installing"), installing, { kind: "errorResult", value: error }, undefined).state,
  );
}

class Installation {
  readonly #core: EuiccCore;
  readonly #server: AuthenticatedServer;
  readonly #prepared: PreparedDownload;
  readonly #installing: Installing;
  #metadata: { readonly tlv: Uint8Array; readonly value: StoreMetadataRequest } | undefined;
  #dpProprietaryData: Uint8Array | undefined;
  /** ProfileInstallationResult, once the profile is there. */
  installed: Uint8Array | undefined;

  constructor(core: EuiccCore, server: AuthenticatedServer, prepared: PreparedDownload) {
    this.#core = core;
    this.#server = server;
    this.#prepared = prepared;
    const { transactionId, oid: smdpOid, serverAddress: smdpAddress, identity } = server;
    this.#installing = { transactionId, smdpOid, smdpAddress, ciPKId: identity.ciPKId };
  }

  /** BF23 (SGP.22 §5.5.1) */
  initialiseSecureChannel(tlv: Tlv): BspKeys {
    const fail = (reason: ErrorReason, detail: string): never => {
      throw new BppError("initialiseSecureChannel", reason, detail);
    };
    const request = readAs(() => decode(InitialiseSecureChannelRequest, rawOf(tlv))) ?? fail("incorrectInputValues", "no BF23");
    const { remoteOpId, transactionId, controlRefTemplate, smdpOtpk, smdpSign } = request;
    const { keyType, keyLen, hostId } = controlRefTemplate;
    if (remoteOpId !== "installBoundProfilePackage") fail("unsupportedRemoteOperationType", `remoteOpId ${remoteOpId}`);
    if (!equalBytes(transactionId, this.#server.transactionId)) fail("invalidTransactionId", toHex(transactionId));
    if (keyType[0] !== 0x88 || keyLen[0] !== 0x10) fail("unsupportedCrtValues", `${toHex(keyType)} ${toHex(keyLen)}`);
    const { oneTimeKey, bindingKey } = this.#prepared;
    const signedParts = childrenOf(tlv).filter((child) => child.tag !== 0x5f37);
    const ownKey = encode(octets(0x5f49), oneTimeKey.publicPoint);
    if (!ecdsaVerify(bindingKey, smdpSign, ...signedParts.map(rawOf), ownKey)) fail("invalidSignature", "smdpSign does not verify");
    const z = readAs(() => oneTimeKey.agree(smdpOtpk)) ?? fail("incorrectInputValues", "smdpOtpk is no point of the curve");
    this.#core.update((state) => ({ ...state, installing: this.#installing }));
    return deriveBspKeys(z, hostId, this.#core.eidBytes);
  }

  /** BF24 (SGP.22 §5.5.2) */
  configureIsdp(command: Uint8Array): void {
    const request = readAs(() => decode(ConfigureISDPRequest, command));
    if (request === undefined) throw new BppError("configureISDP", "incorrectInputValues", "no BF24");
    if (request.dpProprietaryData !== undefined) this.#dpProprietaryData = encode(DpProprietaryData, request.dpProprietaryData);
  }

  /** BF25 (SGP.22 §5.5.3) */
  storeMetadata(command: Uint8Array): void {
    const fail = (reason: ErrorReason, detail: string): never => {
      throw new BppError("storeMetadata", reason, detail);
    };
    const { state, capabilities, rulesAuthorisationTable } = this.#core;
    const value = readAs(() => decode(StoreMetadataRequest, command)) ?? fail("incorrectInputValues", "no BF25");
    if (typeof value.profileClass !== "string") fail("unsupportedProfileClass", `class ${value.profileClass}`);
    this.#metadata = { tlv: command, value };
    if (profileByIccid(state, value.iccid) !== undefined) fail("installFailedDueToIccidAlreadyExistsOnEuicc", toHex(value.iccid));
    const operational = state.profiles.some((profile) => metadataOf(profile).profileClass === "operational");
    const refused = refusedRule(value, decode(RulesAuthorisationTable, rulesAuthorisationTable), operational);
    if (refused !== undefined) fail("pprNotAllowed", refused);
    if (state.profiles.length >= capabilities.maxProfiles || this.#core.freeBytes === 0)
      fail("installFailedDueToInsufficientMemoryForProfile", "no room for one more profile");
  }

  /** BF26 (SGP.22 §5.5.4) */
  replaceSessionKeys(command: Uint8Array): BspKeys {
    const request = readAs(() => decode(ReplaceSessionKeysRequest, command));
    const keys = request === undefined ? [] : [request.initialMacChainingValue, request.ppkEnc, request.ppkCmac];
    const [macChainingValue, encryptionKey, macKey] = keys;
    if (macChainingValue?.length !== 16 || encryptionKey?.length !== 16 || macKey?.length !== 16)
      throw new BppError("replaceSessionKeys", "incorrectInputValues", "no BF26 with three keys of 16 octets");
    return { macChainingValue, encryptionKey, macKey };
  }

  /** The profile elements; with the last one the profile is there. */
  loadProfileElements(upp: Uint8Array): void {
    const fail = (reason: ErrorReason, detail: string, simaResponse?: Uint8Array): never => {
      throw new BppError("loadProfileElements", reason, detail, simaResponse);
    };
    const metadata = this.#metadata ?? fail("incorrectInputValues", "there was no metadata");
    const profile = readUpp(upp, fail);
    const mismatch = mismatchOf(profile, metadata.value);
    if (mismatch !== undefined) fail("installFailedDueToDataMismatch", mismatch);
    const core = this.#core;
    if (profile.sizeBytes + metadata.tlv.length > core.freeBytes)
      fail("installFailedDueToInsufficientMemoryForProfile", `${profile.sizeBytes} octets, ${core.freeBytes} are free`);
    const stored: StoredProfile = {
      aid: freeIsdpAid(core.state),
      iccid: metadata.value.iccid,
      state: "disabled",
      metadata: metadata.tlv,
      upp,
      updates: {},
      fallbackAttribute: false,
      preloaded: false,
      ciPKId: this.#installing.ciPKId,
      ...(this.#dpProprietaryData === undefined ? {} : { dpProprietaryData: this.#dpProprietaryData }),
    };
    const success = { aid: stored.aid, simaResponse: installedResponse(profile.warnings) };
    core.update((state) => {
      const clean = without(state, "installing", "oneTimeKey");
      const grown = { ...clean, profiles: [...clean.profiles, stored] };
      const reported = withResult(core, grown, this.#installing, { kind: "successResult", value: success }, stored.iccid);
      this.installed = reported.tlv;
      return notified(core, reported.state, stored, "notificationInstall");
    });
    if (core.session !== undefined) core.session.installed = stored.aid;
  }

  /** ProfileInstallationResult of a failure; nothing of the profile remains. */
  failed(bppCommandId: BppCommandId, errorReason: ErrorReason, simaResponse: Uint8Array | undefined): Uint8Array {
    let tlv = new Uint8Array(0) as Uint8Array;
    this.#core.update((state) => {
      const error = { bppCommandId, errorReason, simaResponse };
      const reported = withResult(
        this.#core,
        without(state, "installing"),
        this.#installing,
        { kind: "errorResult", value: error },
        this.#metadata?.value.iccid,
      );
      tlv = reported.tlv;
      return reported.state;
    });
    return tlv;
  }
}

type FinalResult = ProfileInstallationResultData["finalResult"];

/** The signed result, kept as a notification for the SM-DP+ of the session (SGP.22 §2.5.6). */
function withResult(
  core: EuiccCore,
  state: CardState,
  { transactionId, smdpOid, smdpAddress, ciPKId }: Installing,
  finalResult: FinalResult,
  iccid: Uint8Array | undefined,
): { readonly state: CardState; readonly tlv: Uint8Array } {
  const identity = core.signer(ciPKId);
  const seqNumber = state.seqCounter + 1;
  const notificationMetadata: NotificationMetadata = {
    seqNumber,
    profileManagementOperation: ["notificationInstall"],
    notificationAddress: smdpAddress,
    iccid,
  };
  const data = core.seal(ProfileInstallationResultData, { transactionId, notificationMetadata, smdpOid, finalResult });
  const tlv = encode(ProfileInstallationResult, { profileInstallationResultData: data, euiccSignPIR: core.sign(identity, data.raw) });
  const entry = { seqNumber, event: "notificationInstall" as const, metadata: encode(NotificationMetadata, notificationMetadata), tlv };
  return { tlv, state: { ...state, seqCounter: seqNumber, notifications: [...state.notifications, entry] } };
}

function readUpp(upp: Uint8Array, fail: (reason: ErrorReason, detail: string, simaResponse?: Uint8Array) => never): Profile {
  try {
    return readProfile(upp);
  } catch (error) {
    if (!(error instanceof PEProcessingError)) throw error;
    const reason =
      error.status === "not-enough-memory" ? "installFailedDueToInsufficientMemoryForProfile" : "installFailedDueToPEProcessingError";
    return fail(reason, error.message, error.simaResponse);
  }
}

/** Whether the profile is the one that the metadata tell of: ICCID, and the owner by IMSI and group identifiers (SGP.22 §5.7.6). */
function mismatchOf(profile: Profile, { iccid, profileOwner }: StoreMetadataRequest): string | undefined {
  const contentOf = (path: string): Uint8Array | undefined => {
    const file = findFile(profile.files, path);
    return file?.kind === "ef" ? file.data.bytes : undefined;
  };
  // The header has the digits in order; some tools write them as EF.ICCID does.
  const { iccid: told } = profile.header;
  if (!equalBytes(told, iccid) && !equalBytes(swapNibbles(told), iccid))
    return "the ICCID of the profile header is not that of the metadata";
  const own = contentOf("2FE2");
  if (own === undefined || !equalBytes(own, iccid)) return "EF.ICCID is not that of the metadata";
  if (profileOwner === undefined) return undefined;
  const imsi = imsiOf(profile.files) ?? "";
  const networks = [imsi.slice(0, 5), imsi.slice(0, 6)].filter((plmn) => /^\d{5,6}$/.test(plmn)).map((plmn) => toHex(plmnToBytes(plmn)));
  if (!networks.includes(toHex(profileOwner.mccMnc))) return "the IMSI is not of the profile owner's network";
  for (const [name, path] of [
    ["gid1", "7FFF/6F3E"],
    ["gid2", "7FFF/6F3F"],
  ] as const) {
    const wanted = profileOwner[name];
    const given = contentOf(path);
    if (wanted !== undefined && wanted.length > 0 && (given === undefined || !equalBytes(given.subarray(0, wanted.length), wanted)))
      return `${name} is not the profile owner's`;
  }
  return undefined;
}

/** Undefined when the octets are not of the type, or the point not of the curve. */
function readAs<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof SimwardError && (error.code.startsWith("ASN1_") || error.code === "BPP_SECURITY")) return undefined;
    throw error;
  }
}
