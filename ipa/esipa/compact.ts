// The compact forms of SGP.32 (minimizeEsipaBytes, §5.14): what the eIM knows already is left out of what the card gave. Pure, and careful: a compact form is
// answered only where the eIM can build the full one again from it, octet for octet, else undefined. Signatures are over the full forms.
import { createHash } from "node:crypto";
import { equalBytes, utf8 } from "../../base/bytes.ts";
import { encode, oid } from "../asn1/schema.ts";
import { childOf, childrenOf, contentOf, rawOf, readOnlyTlv, retag, type Tlv, writeTlv } from "../asn1/tlv.ts";

/** What an eIM has of this eUICC, as digests: of an IpaEuiccData that it took. */
export interface ToldFacts {
  /** Of the whole BF20. */
  readonly euiccInfo1?: string | undefined;
  /** Of the BF22 without its extCardResource, which changes with every profile and is sent each time. */
  readonly euiccInfo2?: string | undefined;
  readonly euiccCertificate?: string | undefined;
  readonly eumCertificate?: string | undefined;
}

/** What eIM and IPA both know of an RSP session, since it went through both. */
export interface RelayedSession {
  readonly transactionId: Uint8Array;
  /** As serverSigned1 has it. */
  readonly serverAddress: string;
  readonly serverChallenge: Uint8Array;
  /** registeredID of the server's certificate. */
  readonly smdpOid: string | undefined;
  /** A0, where the eIM wrote it. */
  readonly ctxParams1: Uint8Array | undefined;
  readonly bppEuiccOtpk?: Uint8Array | undefined;
  /** Where the eIM gave it. */
  readonly hashCc?: Uint8Array | undefined;
  /** Of the metadata the eIM passed on. */
  readonly iccid?: Uint8Array | undefined;
}

const digestOctets = 12;

export function digestOf(octets: Uint8Array): string {
  return createHash("sha256").update(octets).digest().subarray(0, digestOctets).toString("base64");
}

/** Of a BF22. */
export function info2Digest(euiccInfo2: Uint8Array): string {
  const lasting = childrenOf(readOnlyTlv(euiccInfo2)).filter(({ tag }) => tag !== 0x84);
  return digestOf(writeTlv(0xbf22, ...lasting.map(rawOf)));
}

/** BF38{A2}: without what was told, and without what both know of the session. */
export function compactAuthenticateServerResponse(raw: Uint8Array, session: RelayedSession, told: ToldFacts): Uint8Array | undefined {
  const [signed1, signature, euicc, eum] = partsOf(raw, [0x30, 0x5f37, 0x30, 0x30]);
  if (signed1 === undefined || signature === undefined || euicc === undefined || eum === undefined) return undefined;
  const certificate = (tlv: Tlv, digest: string | undefined, tag: number): Uint8Array[] =>
    digest === digestOf(rawOf(tlv)) ? [] : [retag(rawOf(tlv), tag)];
  const compact = writeTlv(
    0xbf38,
    writeTlv(
      0xa2,
      compactEuiccSigned1(signed1, session, told) ?? rawOf(signed1),
      rawOf(signature),
      ...certificate(euicc, told.euiccCertificate, 0xa1),
      ...certificate(eum, told.eumCertificate, 0xa2),
    ),
  );
  return compact.length < raw.length ? compact : undefined;
}

function compactEuiccSigned1(signed1: Tlv, session: RelayedSession, told: ToldFacts): Uint8Array | undefined {
  const parts = childrenOf(signed1);
  const info2 = parts.find(({ tag }) => tag === 0xbf22);
  const ctxParams1 = parts.find(({ tag }) => tag === 0xa0);
  const extCardResource = info2 === undefined ? undefined : childOf(info2, 0x84);
  if (info2 === undefined || ctxParams1 === undefined || extCardResource === undefined) return undefined;
  if (told.euiccInfo2 !== info2Digest(rawOf(info2))) return undefined;
  const restored = writeTlv(
    0x30,
    writeTlv(0x80, session.transactionId),
    writeTlv(0x83, utf8(session.serverAddress)),
    writeTlv(0x84, session.serverChallenge),
    writeTlv(0xbf22, ...childrenOf(info2).map(rawOf)),
    rawOf(ctxParams1),
  );
  if (!equalBytes(restored, rawOf(signed1))) return undefined;
  const isEims = session.ctxParams1 !== undefined && equalBytes(session.ctxParams1, rawOf(ctxParams1));
  return writeTlv(0xa0, rawOf(extCardResource), ...(isEims ? [] : [writeTlv(0xa2, rawOf(ctxParams1))]));
}

/** BF21{A2}: without the transaction, without a key or hash that came from the other side. */
export function compactPrepareDownloadResponse(raw: Uint8Array, session: RelayedSession): Uint8Array | undefined {
  const [signed2, signature] = partsOf(raw, [0x30, 0x5f37]);
  if (signed2 === undefined || signature === undefined) return undefined;
  const otpk = childOf(signed2, 0x5f49);
  const hashCc = childOf(signed2, 0x04);
  // The eIM would put in what it gave.
  if (otpk === undefined || (session.hashCc !== undefined && hashCc === undefined)) return undefined;
  const restored = writeTlv(0x30, writeTlv(0x80, session.transactionId), rawOf(otpk), ...wholeOf(hashCc));
  if (!equalBytes(restored, rawOf(signed2))) return undefined;
  const compact2 = writeTlv(0x30, ...unlessKnown(otpk, session.bppEuiccOtpk), ...unlessKnown(hashCc, session.hashCc));
  return writeTlv(0xbf21, writeTlv(0xa2, compact2, rawOf(signature)));
}

/** BF41{A2}: the reason is all that the eIM does not know. */
export function compactCancelSessionResponse(raw: Uint8Array, session: RelayedSession): Uint8Array | undefined {
  const [signed, signature] = partsOf(raw, [0x30, 0x5f37]);
  const reason = signed === undefined ? undefined : childOf(signed, 0x82);
  if (signed === undefined || signature === undefined || reason === undefined || session.smdpOid === undefined) return undefined;
  const restored = writeTlv(0x30, writeTlv(0x80, session.transactionId), retag(encode(oid(), session.smdpOid), 0x81), rawOf(reason));
  if (!equalBytes(restored, rawOf(signed))) return undefined;
  return writeTlv(0xbf41, writeTlv(0xa2, writeTlv(0x30, retag(rawOf(reason), 0x80)), rawOf(signature)));
}

/** What SuccessResult says where all is well, and a compact one leaves out. */
const allWell = Uint8Array.of(0x30, 0x07, 0xa0, 0x05, 0x30, 0x03, 0x80, 0x01, 0x00);
/** AID of an ISD-P, but for its octets 14 and 15 (SGP.02 §2.2.3). */
const isdpAid = (octets: Uint8Array): Uint8Array =>
  Uint8Array.of(0xa0, 0x00, 0x00, 0x05, 0x59, 0x10, 0x10, 0xff, 0xff, 0xff, 0xff, 0x89, 0x00, ...octets, 0x00);

/** A0 of a BF37: number and outcome. */
export function compactInstallationResult(raw: Uint8Array, session: RelayedSession): Uint8Array | undefined {
  const [data, signature] = childrenOf(readOnlyTlv(raw));
  if (data?.tag !== 0xbf27 || signature?.tag !== 0x5f37 || session.smdpOid === undefined) return undefined;
  const metadata = childOf(data, 0xbf2f);
  const seqNumber = metadata === undefined ? undefined : childOf(metadata, 0x80);
  const finalResult = childOf(data, 0xa2);
  if (metadata === undefined || seqNumber === undefined || finalResult === undefined) return undefined;
  const iccid = childOf(metadata, 0x5a);
  if (iccid !== undefined && (session.iccid === undefined || !equalBytes(session.iccid, contentOf(iccid)))) return undefined;
  const outcome = compactFinalResult(finalResult);
  if (outcome === undefined) return undefined;
  const install = writeTlv(0x81, Uint8Array.of(0x07, 0x80));
  const restored = writeTlv(
    0xbf27,
    writeTlv(0x80, session.transactionId),
    writeTlv(0xbf2f, rawOf(seqNumber), install, writeTlv(0x0c, utf8(session.serverAddress)), ...wholeOf(iccid)),
    encode(oid(), session.smdpOid),
    writeTlv(0xa2, outcome.restored),
  );
  if (!equalBytes(restored, rawOf(data))) return undefined;
  const compactData = writeTlv(
    0xa0,
    writeTlv(0x80, session.transactionId),
    retag(rawOf(seqNumber), 0x02),
    ...(iccid === undefined ? [writeTlv(0x01, Uint8Array.of(0x00))] : []),
    writeTlv(0xa2, outcome.compact),
  );
  return writeTlv(0xa0, compactData, rawOf(signature));
}

function compactFinalResult(finalResult: Tlv): { readonly compact: Uint8Array; readonly restored: Uint8Array } | undefined {
  const [result] = childrenOf(finalResult);
  if (result?.tag === 0xa1) return { compact: rawOf(result), restored: rawOf(result) };
  const aid = result?.tag === 0xa0 ? childOf(result, 0x4f) : undefined;
  const simaResponse = result?.tag === 0xa0 ? childOf(result, 0x04) : undefined;
  if (aid === undefined || simaResponse === undefined) return undefined;
  const short = contentOf(aid).slice(13, 15);
  if (short.length !== 2 || !equalBytes(isdpAid(short), contentOf(aid))) return undefined;
  return {
    compact: writeTlv(0xa0, writeTlv(0x4f, short), ...unlessKnown(simaResponse, allWell)),
    restored: writeTlv(0xa0, writeTlv(0x4f, isdpAid(short)), rawOf(simaResponse)),
  };
}

/** A1 of any other notification, without the certificates that were told. `eid`: where nothing around it says whose it is. */
export function compactNotification(raw: Uint8Array, told: ToldFacts, eid: Uint8Array | undefined): Uint8Array | undefined {
  const [tbs, signature, euicc, eum, ...others] = childrenOf(readOnlyTlv(raw));
  if (tbs?.tag !== 0xbf2f || signature?.tag !== 0x5f37 || euicc === undefined || eum === undefined || others.length > 0) return undefined;
  if (told.euiccCertificate !== digestOf(rawOf(euicc)) || told.eumCertificate !== digestOf(rawOf(eum))) return undefined;
  return writeTlv(0xa1, ...(eid === undefined ? [] : [writeTlv(0x5a, eid)]), rawOf(tbs), rawOf(signature));
}

/** The parts of a card's success, A0 of its CHOICE, when they are these and no others. */
function partsOf(raw: Uint8Array, tags: readonly number[]): readonly Tlv[] {
  const ok = childOf(readOnlyTlv(raw), 0xa0);
  const parts = ok === undefined ? [] : childrenOf(ok);
  return parts.length === tags.length && parts.every(({ tag }, index) => tag === tags[index]) ? parts : [];
}

function unlessKnown(tlv: Tlv | undefined, known: Uint8Array | undefined): Uint8Array[] {
  return tlv !== undefined && known !== undefined && equalBytes(contentOf(tlv), known) ? [] : wholeOf(tlv);
}

const wholeOf = (tlv: Tlv | undefined): Uint8Array[] => (tlv === undefined ? [] : [rawOf(tlv)]);
