// minimizeEsipaBytes, the eIM's side (SGP.32 §5.14): builds the full forms again, octet for octet, of what compact ones carry, of the RSP session that this eIM
// relays, and of what an IpaEuiccData told it of the eUICC. The eUICC's signature says whether it is right; nothing that does not verify is passed on.
import { concatBytes, equalBytes, fromHex } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { decode, encode } from "../../ipa/asn1/schema.ts";
import { childrenOf, contentOf, rawOf, readOnlyTlv, writeTlv } from "../../ipa/asn1/tlv.ts";
import { type CompactProfileInstallationResult, ProfileInstallationResultData } from "../../ipa/messages/notifications.ts";
import { StoreMetadataRequest } from "../../ipa/messages/profile-info.ts";
import {
  AuthenticateServerResponse,
  type CancelSessionReason,
  CancelSessionResponse,
  EuiccCancelSessionSigned,
  PrepareDownloadResponse,
  ServerSigned1,
  SmdpSigned2,
} from "../../ipa/messages/rsp.ts";
import { parseCertificate } from "../pki/certificate.ts";
import { verifyTolerantly } from "../pki/signature.ts";
import type { Euicc } from "./euiccs.ts";

/** What passed through the eIM in one RSP session, as it came. */
export interface RelayedFacts {
  /** 30 */
  readonly serverSigned1: Uint8Array;
  readonly smdpOid: string | undefined;
  /** A0, where the eIM wrote it. */
  readonly ctxParams1: Uint8Array | undefined;
  /** 30 */
  smdpSigned2?: Uint8Array;
  /** 5F37 */
  smdpSignature2?: Uint8Array;
  hashCc?: Uint8Array | undefined;
  /** BF25 */
  metadata?: Uint8Array;
}

/** It cannot be built again. The IPA sends the full form then, so no order ends with this. */
export function notRestored(detail: string): SimwardError {
  return new SimwardError("SIM_REQUEST", { detail: `compact form: ${detail}`, data: { esipaError: "undefinedError", restored: false } });
}

export const isNotRestored = (error: unknown): boolean => error instanceof SimwardError && error.data.restored === false;

/** What an eIM needs to know of an eUICC before compact forms of it can be understood. */
export const knowsEnough = ({ info1, info2, chain }: Euicc): boolean => info1 !== undefined && info2 !== undefined && chain !== undefined;

/** BF38 in its full form; the one given when it is. Throws what `notRestored` makes. */
export function restoreAuthenticateServerResponse(raw: Uint8Array, facts: RelayedFacts, euicc: Euicc | undefined): Uint8Array {
  const response = decode(AuthenticateServerResponse, raw);
  if (response.kind !== "compactAuthenticateResponseOk") return raw;
  const { signedData, euiccSignature1, euiccCertificate, eumCertificate } = response.value;
  const certificate = euiccCertificate ?? euicc?.chain?.euicc.der;
  const eum = eumCertificate ?? euicc?.chain?.eum.der;
  if (certificate === undefined || eum === undefined) throw notRestored("the eUICC's certificates are not known");
  const euiccSigned1 =
    signedData.kind === "euiccSigned1"
      ? signedData.value.raw
      : restoredSigned1(signedData.value.extCardResource, compactContext(raw), facts, euicc);
  if (!verifyTolerantly(parseCertificate(certificate).publicKey, euiccSignature1, euiccSigned1))
    throw notRestored("euiccSigned1 does not verify");
  return writeTlv(0xbf38, writeTlv(0xa0, euiccSigned1, writeTlv(0x5f37, euiccSignature1), certificate, eum));
}

/** ctxParams1, A0, inside its A2 of a CompactEuiccSigned1, as it came. */
function compactContext(raw: Uint8Array): Uint8Array | undefined {
  const [ok] = childrenOf(readOnlyTlv(raw));
  const signedData = ok === undefined ? undefined : childrenOf(ok)[0];
  const holder = signedData === undefined ? undefined : childrenOf(signedData).find(({ tag }) => tag === 0xa2);
  return holder === undefined ? undefined : contentOf(holder).slice();
}

function restoredSigned1(
  extCardResource: Uint8Array,
  context: Uint8Array | undefined,
  { serverSigned1, ctxParams1 }: RelayedFacts,
  euicc: Euicc | undefined,
): Uint8Array {
  if (euicc?.info2 === undefined) throw notRestored("EUICCInfo2 is not known");
  const written = context ?? ctxParams1;
  if (written === undefined) throw notRestored("ctxParams1 is neither sent nor of this eIM");
  // transactionId, serverAddress and serverChallenge, but not the eUICC's challenge.
  const ofServer = childrenOf(readOnlyTlv(serverSigned1)).filter(({ tag }) => tag !== 0x81);
  const info2 = childrenOf(readOnlyTlv(euicc.info2)).map((part) => (part.tag === 0x84 ? writeTlv(0x84, extCardResource) : rawOf(part)));
  return writeTlv(0x30, ...ofServer.map(rawOf), writeTlv(0xbf22, ...info2), written);
}

/** BF21 in its full form; the one given when it is. Throws what `notRestored` makes. */
export function restorePrepareDownloadResponse(raw: Uint8Array, facts: RelayedFacts, euicc: Euicc | undefined): Uint8Array {
  const response = decode(PrepareDownloadResponse, raw);
  if (response.kind !== "compactDownloadResponseOk") return raw;
  const { compactEuiccSigned2, euiccSignature2 } = response.value;
  const { smdpSigned2, smdpSignature2 } = facts;
  if (smdpSigned2 === undefined || smdpSignature2 === undefined) throw notRestored("the client has not been authenticated here");
  const { transactionId, bppEuiccOtpk } = decode(SmdpSigned2, smdpSigned2);
  const euiccOtpk = compactEuiccSigned2.euiccOtpk ?? bppEuiccOtpk;
  if (euiccOtpk === undefined) throw notRestored("no euiccOtpk, and the SM-DP+ named none");
  const hashCc = compactEuiccSigned2.hashCc ?? facts.hashCc;
  const euiccSigned2 = writeTlv(
    0x30,
    writeTlv(0x80, transactionId),
    writeTlv(0x5f49, euiccOtpk),
    ...(hashCc === undefined ? [] : [writeTlv(0x04, hashCc)]),
  );
  const signature = writeTlv(0x5f37, euiccSignature2);
  if (!isSigned(euicc, euiccSignature2, euiccSigned2, smdpSignature2)) throw notRestored("euiccSigned2 does not verify");
  return writeTlv(0xbf21, writeTlv(0xa0, euiccSigned2, signature));
}

const cancelReasons = [
  "endUserRejection",
  "postponed",
  "timeout",
  "pprNotAllowed",
  "metadataMismatch",
  "loadBppExecutionError",
  "undefinedReason",
] as const;

/** The card's BF41 in its full form; the one given when it is. A reason that was left out is the one that was signed. Throws what `notRestored` makes. */
export function restoreCancelSessionResponse(raw: Uint8Array, facts: RelayedFacts, euicc: Euicc | undefined): Uint8Array {
  const response = decode(CancelSessionResponse, raw);
  if (response.kind !== "compactCancelSessionResponseOk") return raw;
  const { compactEuiccCancelSessionSigned: signed, euiccCancelSessionSignature: signature } = response.value;
  const { smdpOid } = facts;
  const transactionId = transactionIdOf(facts);
  if (smdpOid === undefined) throw notRestored("the server's certificate has no OID");
  const candidates: readonly CancelSessionReason[] = signed.reason === undefined ? cancelReasons : [signed.reason];
  const full = candidates
    .map((reason) => encode(EuiccCancelSessionSigned, { transactionId, smdpOid, reason }))
    .find((one) => isSigned(euicc, signature, one));
  if (full === undefined) throw notRestored("euiccCancelSessionSigned does not verify");
  return writeTlv(0xbf41, writeTlv(0xa0, full, writeTlv(0x5f37, signature)));
}

/** BF37. Throws what `notRestored` makes. */
export function restoreInstallationResult(
  { compactProfileInstallationResultData: data, euiccSignPIR }: CompactProfileInstallationResult,
  facts: RelayedFacts,
  euicc: Euicc | undefined,
): Uint8Array {
  const { transactionId, seqNumber, iccidPresent, compactFinalResult } = data;
  if (!equalBytes(transactionId, transactionIdOf(facts))) throw notRestored("another transaction");
  const { smdpOid, metadata } = facts;
  const iccid = metadata === undefined ? undefined : decode(StoreMetadataRequest, metadata).iccid;
  if (smdpOid === undefined || (iccidPresent && iccid === undefined)) throw notRestored("the profile's metadata are not known");
  const full = encode(ProfileInstallationResultData, {
    transactionId,
    notificationMetadata: {
      seqNumber,
      profileManagementOperation: ["notificationInstall"],
      notificationAddress: serverAddressOf(facts),
      iccid: iccidPresent ? iccid : undefined,
    },
    smdpOid,
    finalResult:
      compactFinalResult.kind === "errorResult"
        ? compactFinalResult
        : {
            kind: "successResult",
            value: {
              aid: isdpAid(compactFinalResult.value.compactAid),
              simaResponse: compactFinalResult.value.simaResponse ?? success,
            },
          },
  });
  if (!isSigned(euicc, euiccSignPIR, full)) throw notRestored("ProfileInstallationResultData does not verify");
  return writeTlv(0xbf37, full, writeTlv(0x5f37, euiccSignPIR));
}

/** EUICCResponse without errors: PEStatus ok (TCA eUICC Profile Package §8.11). */
const success = fromHex("3007A0053003800100");

const isdpAid = (octets14And15: Uint8Array): Uint8Array =>
  concatBytes(fromHex("A0000005591010FFFFFFFF8900"), octets14And15, Uint8Array.of(0));

const transactionIdOf = ({ serverSigned1 }: RelayedFacts): Uint8Array => decode(ServerSigned1, serverSigned1).transactionId;
const serverAddressOf = ({ serverSigned1 }: RelayedFacts): string => decode(ServerSigned1, serverSigned1).serverAddress;

function isSigned(euicc: Euicc | undefined, signature: Uint8Array, ...signed: readonly Uint8Array[]): boolean {
  if (euicc?.chain === undefined) throw notRestored("the eUICC's certificates are not known");
  return verifyTolerantly(euicc.chain.euicc.publicKey, signature, ...signed);
}
