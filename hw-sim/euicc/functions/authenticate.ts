// The eUICC's side of common mutual authentication and download preparation (SGP.22 §5.7.5, §5.7.7, §5.7.13, §5.7.14): it believes
// nothing that is not signed by a certificate of the right role under a CI it knows.
import { equalBytes } from "../../../base/bytes.ts";
import { encode, type Infer, octets } from "../../../ipa/asn1/schema.ts";
import {
  type AuthenticateErrorCode,
  type AuthenticateServerRequest,
  type AuthenticateServerResponse,
  type CancelSessionRequest,
  type CancelSessionResponse,
  type DownloadErrorCode,
  EUICCSigned2,
  EuiccCancelSessionSigned,
  EuiccSigned1,
  type GetEuiccChallengeResponse,
  type PrepareDownloadRequest,
  type PrepareDownloadResponse,
} from "../../../ipa/messages/rsp.ts";
import { ecdsaVerify } from "../../crypto/ecdsa.ts";
import { createEphemeral, type EphemeralKey, ephemeralOf } from "../../crypto/ecka.ts";
import { type Certificate, parseCertificate } from "../../pki/certificate.ts";
import { chainFault, roles, verifyUnderCi } from "../../pki/chain.ts";
import type { CardIdentity, EuiccCore } from "../core.ts";
import type { AuthenticatedServer } from "../session.ts";
import { without } from "../state.ts";
import { isRevoked } from "./crl.ts";

/** A signature with its tag, as other signatures cover it. */
function signatureTlv(signature: Uint8Array): Uint8Array {
  return encode(octets(0x5f37), signature);
}

/** Ends whatever session there was; a package half loaded is gone. */
function endSession(core: EuiccCore): void {
  core.session = undefined;
  if (core.state.installing !== undefined) core.update((state) => without(state, "installing"));
}

/** ES10b.GetEUICCChallenge: a new session context. */
export function getEuiccChallenge(core: EuiccCore): GetEuiccChallengeResponse {
  endSession(core);
  const euiccChallenge = core.random.bytes(16);
  core.session = { challenge: euiccChallenge };
  return { euiccChallenge };
}

/** ES10b.AuthenticateServer */
export function authenticateServer(
  core: EuiccCore,
  request: AuthenticateServerRequest,
  euiccInfo2: Infer<typeof EuiccSigned1>["euiccInfo2"],
): AuthenticateServerResponse {
  const { serverSigned1, ctxParams1 } = request;
  const { transactionId, serverAddress, serverChallenge } = serverSigned1.value;
  const identity = core.identities.find(({ ciPKId }) => startsWith(ciPKId, request.euiccCiPKIdToBeUsed));
  const checked = checkServer(core, request, identity);
  if (typeof checked === "string" || identity === undefined || core.session === undefined) {
    core.session = undefined;
    const authenticateErrorCode = typeof checked === "string" ? checked : "undefinedError";
    return { kind: "authenticateResponseError", value: { transactionId, authenticateErrorCode } };
  }
  const euiccSigned1 = core.seal(EuiccSigned1, { transactionId, serverAddress, serverChallenge, euiccInfo2, ctxParams1 });
  const euiccSignature1 = core.sign(identity, euiccSigned1.raw);
  core.session = { challenge: undefined, authenticated: { ...checked, transactionId, identity, serverAddress, euiccSignature1 } };
  const { euiccCertificate, eumCertificate } = identity;
  return { kind: "authenticateResponseOk", value: { euiccSigned1, euiccSignature1, euiccCertificate, eumCertificate } };
}

function checkServer(
  core: EuiccCore,
  request: AuthenticateServerRequest,
  identity: CardIdentity | undefined,
): Pick<AuthenticatedServer, "role" | "oid"> | Extract<AuthenticateErrorCode, string> {
  const challenge = core.session?.challenge;
  if (challenge === undefined) return "noSessionContext";
  if (identity === undefined) return "ciPKUnknown";
  let certificate: Certificate;
  let role: "dpauth" | "dsauth";
  try {
    role = parseCertificate(request.serverCertificate).policies.includes(roles.dsauth.policy) ? "dsauth" : "dpauth";
    certificate = verifyUnderCi(request.serverCertificate, role, verification(core, identity)).certificate;
  } catch (error) {
    const reason = chainFault(error)?.reason;
    if (reason === undefined) throw error;
    return reason === "curve" ? "unsupportedCurve" : reason === "policy" ? "invalidOid" : "invalidCertificate";
  }
  if (isRevoked(core, certificate)) return "invalidCertificate";
  const [oid] = certificate.registeredIds;
  if (oid === undefined) return "invalidOid";
  if (!ecdsaVerify(certificate.publicKey, request.serverSignature1, request.serverSigned1.raw)) return "invalidSignature";
  if (!equalBytes(request.serverSigned1.value.euiccChallenge, challenge)) return "euiccChallengeMismatch";
  return { role, oid };
}

function verification(core: EuiccCore, identity: CardIdentity) {
  return { anchors: [identity.ciCertificate], atMs: core.clock.now() };
}

/** ES10b.PrepareDownload */
export function prepareDownload(core: EuiccCore, request: PrepareDownloadRequest): PrepareDownloadResponse {
  const { smdpSigned2, smdpSignature2, hashCc } = request;
  const { transactionId, bppEuiccOtpk } = smdpSigned2.value;
  const checked = checkBinding(core, request);
  const session = core.session;
  if (typeof checked === "string" || session?.authenticated === undefined) {
    const downloadErrorCode = typeof checked === "string" ? checked : "noSessionContext";
    return { kind: "downloadResponseError", value: { transactionId, downloadErrorCode } };
  }
  const { identity } = session.authenticated;
  const oneTimeKey = oneTimeKeyFor(core, checked, bppEuiccOtpk);
  session.prepared = { oneTimeKey, bindingKey: checked.publicKey };
  const euiccSigned2 = core.seal(EUICCSigned2, { transactionId, euiccOtpk: oneTimeKey.publicPoint, hashCc });
  const euiccSignature2 = core.sign(identity, euiccSigned2.raw, signatureTlv(smdpSignature2));
  return { kind: "downloadResponseOk", value: { euiccSigned2, euiccSignature2 } };
}

function checkBinding(core: EuiccCore, request: PrepareDownloadRequest): Certificate | Extract<DownloadErrorCode, string> {
  const server = core.session?.authenticated;
  if (server?.role !== "dpauth") return "noSessionContext";
  const { smdpSigned2, smdpSignature2, smdpCertificate, hashCc } = request;
  let certificate: Certificate;
  try {
    certificate = verifyUnderCi(smdpCertificate, "dppb", verification(core, server.identity)).certificate;
  } catch (error) {
    const reason = chainFault(error)?.reason;
    if (reason === undefined) throw error;
    return reason === "curve" ? "unsupportedCurve" : "invalidCertificate";
  }
  if (isRevoked(core, certificate)) return "invalidCertificate";
  // Both certificates are of the same SM-DP+ (SGP.22 §5.7.5).
  if (!certificate.registeredIds.includes(server.oid)) return "invalidCertificate";
  if (!ecdsaVerify(certificate.publicKey, smdpSignature2, smdpSigned2.raw, signatureTlv(server.euiccSignature1))) return "invalidSignature";
  if (!equalBytes(smdpSigned2.value.transactionId, server.transactionId)) return "invalidTransactionId";
  if (smdpSigned2.value.ccRequiredFlag && hashCc === undefined) return "undefinedError";
  return certificate;
}

/** The key pair that an earlier, failed download was bound to, if the SM-DP+ asks for it and it is still here; else a new one. */
function oneTimeKeyFor(core: EuiccCore, { curve }: Certificate, wanted: Uint8Array | undefined): EphemeralKey {
  const kept = core.state.oneTimeKey;
  if (kept !== undefined && wanted !== undefined && kept.curve === curve) {
    const key = ephemeralOf(kept.curve, kept.privateValue);
    if (equalBytes(key.publicPoint, wanted)) return key;
  }
  const key = createEphemeral(curve === "brainpoolP256r1" ? curve : "prime256v1");
  core.update((state) => ({ ...state, oneTimeKey: { curve: key.curve, privateValue: key.privateValue } }));
  return key;
}

/** ES10b.CancelSession */
export function cancelSession(core: EuiccCore, { transactionId, reason }: CancelSessionRequest): CancelSessionResponse {
  const server = core.session?.authenticated;
  if (server === undefined || !equalBytes(server.transactionId, transactionId))
    return { kind: "cancelSessionResponseError", value: "invalidTransactionId" };
  const euiccCancelSessionSigned = core.seal(EuiccCancelSessionSigned, { transactionId, smdpOid: server.oid, reason });
  const euiccCancelSessionSignature = core.sign(server.identity, euiccCancelSessionSigned.raw);
  endSession(core);
  return { kind: "cancelSessionResponseOk", value: { euiccCancelSessionSigned, euiccCancelSessionSignature } };
}

/** A key identifier may be shortened to its first octets. */
function startsWith(whole: Uint8Array, beginning: Uint8Array): boolean {
  return beginning.length > 0 && equalBytes(whole.subarray(0, beginning.length), beginning);
}
