// minimizeEsipaBytes towards one eIM (SGP.32 §2.11.2.2): what went through both of us in this RSP session, what that eIM was told of the eUICC, and the
// compact forms that follow from it. Undefined where there is none: then the full form is sent.
import { equalBytes } from "../../base/bytes.ts";
import { decode, encode } from "../asn1/schema.ts";
import { childOf, contentOf, rawOf, readOnlyTlv } from "../asn1/tlv.ts";
import { type AuthenticateClientOkDPEsipa, type InitiateAuthenticationOkEsipa, IpaEuiccDataResponse } from "../messages/esipa.ts";
import { CtxParams1 } from "../messages/rsp.ts";
import { registeredIdOf } from "../procedures/certificate.ts";
import {
  compactAuthenticateServerResponse,
  compactCancelSessionResponse,
  compactInstallationResult,
  compactNotification,
  compactPrepareDownloadResponse,
  digestOf,
  info2Digest,
  type RelayedSession,
  type ToldFacts,
} from "./compact.ts";

/** What each eIM was told of this eUICC; kept across restarts. */
export interface ToldMemory {
  load(eimId: string): ToldFacts;
  save(eimId: string, facts: ToldFacts): Promise<void>;
}

export class Minimizer {
  readonly #eimId: string;
  readonly #memory: ToldMemory;
  #session: RelayedSession | undefined;
  /** This eIM could make nothing of a compact form: it gets none until it has asked for the eUICC's data again. */
  #gaveUp = false;

  constructor(eimId: string, memory: ToldMemory) {
    this.#eimId = eimId;
    this.#memory = memory;
  }

  // --- what is known --------------------------------------------------------------------------------------------------------

  /** The eIM has taken a BF52. */
  async told(ipaEuiccDataResponse: Uint8Array): Promise<void> {
    const facts = factsIn(ipaEuiccDataResponse);
    if (facts === undefined) return;
    await this.#memory.save(this.#eimId, { ...this.#memory.load(this.#eimId), ...facts });
    this.#gaveUp = false;
  }

  /** It could not build the full form again: what it was told it no longer has. */
  async giveUp(): Promise<void> {
    this.#gaveUp = true;
    await this.#memory.save(this.#eimId, {});
  }

  initiated({ serverSigned1, serverCertificate, ctxParams1 }: InitiateAuthenticationOkEsipa): void {
    const { transactionId, serverAddress, serverChallenge } = serverSigned1.value;
    this.#session = {
      transactionId,
      serverAddress,
      serverChallenge,
      smdpOid: registeredIdOf(serverCertificate),
      ctxParams1: ctxParams1 === undefined ? undefined : encode(CtxParams1, ctxParams1),
    };
  }

  authenticated({ smdpSigned2, hashCc, profileMetaData }: AuthenticateClientOkDPEsipa): void {
    if (this.#session === undefined) return;
    const { bppEuiccOtpk } = smdpSigned2.value;
    this.#session = { ...this.#session, bppEuiccOtpk, hashCc, iccid: profileMetaData?.iccid };
  }

  // --- the compact forms ----------------------------------------------------------------------------------------------------

  /** Whether the eIM has this BF20. */
  knowsInfo1(euiccInfo1: Uint8Array): boolean {
    return this.#facts.euiccInfo1 === digestOf(euiccInfo1);
  }

  get active(): boolean {
    return !this.#gaveUp;
  }

  authenticateServerResponse(transactionId: Uint8Array, raw: Uint8Array): Uint8Array | undefined {
    const session = this.#sessionOf(transactionId);
    return session === undefined ? undefined : compactAuthenticateServerResponse(raw, session, this.#facts);
  }

  prepareDownloadResponse(transactionId: Uint8Array, raw: Uint8Array): Uint8Array | undefined {
    const session = this.#sessionOf(transactionId);
    return session === undefined ? undefined : compactPrepareDownloadResponse(raw, session);
  }

  cancelSessionResponse(transactionId: Uint8Array, raw: Uint8Array): Uint8Array | undefined {
    const session = this.#sessionOf(transactionId);
    return session === undefined ? undefined : compactCancelSessionResponse(raw, session);
  }

  /** `eid`: where nothing around the notification says whose it is. */
  notification(raw: Uint8Array, eid: Uint8Array | undefined): Uint8Array | undefined {
    const tlv = readOnlyTlv(raw);
    if (tlv.tag !== 0xbf37) return compactNotification(raw, this.#facts, eid);
    const data = childOf(tlv, 0xbf27);
    const transactionId = data === undefined ? undefined : childOf(data, 0x80);
    const session = transactionId === undefined ? undefined : this.#sessionOf(contentOf(transactionId));
    return session === undefined ? undefined : compactInstallationResult(raw, session);
  }

  get #facts(): ToldFacts {
    return this.#gaveUp ? {} : this.#memory.load(this.#eimId);
  }

  #sessionOf(transactionId: Uint8Array): RelayedSession | undefined {
    const session = this.#session;
    return !this.#gaveUp && session !== undefined && equalBytes(session.transactionId, transactionId) ? session : undefined;
  }
}

/** What a BF52 tells of the eUICC. Undefined for an error, and for what cannot be read here: a card's affair, which must not spoil the report. */
function factsIn(ipaEuiccDataResponse: Uint8Array): ToldFacts | undefined {
  try {
    const response = decode(IpaEuiccDataResponse, ipaEuiccDataResponse, { name: "IpaEuiccDataResponse" });
    const data = childOf(readOnlyTlv(ipaEuiccDataResponse), 0xa0);
    if (response.kind !== "ipaEuiccData" || data === undefined) return undefined;
    const info1 = childOf(data, 0xbf20);
    const info2 = childOf(data, 0xbf22);
    const { euiccCertificate, eumCertificate } = response.value;
    return {
      ...(info1 === undefined ? {} : { euiccInfo1: digestOf(rawOf(info1)) }),
      ...(info2 === undefined ? {} : { euiccInfo2: info2Digest(rawOf(info2)) }),
      ...(euiccCertificate === undefined ? {} : { euiccCertificate: digestOf(euiccCertificate) }),
      ...(eumCertificate === undefined ? {} : { eumCertificate: digestOf(eumCertificate) }),
    };
  } catch {
    return undefined;
  }
}
