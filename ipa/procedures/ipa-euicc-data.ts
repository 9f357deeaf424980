// IpaEuiccDataRequest (SGP.32 §2.11.1.2): reads from the card what the eIM asks for and sends it in the octets the card gave.
import { createHash } from "node:crypto";
import { toHex, utf8 } from "../../base/bytes.ts";
import { asSimwardError, errorReport, isCode, SimwardError } from "../../base/errors.ts";
import { decode, encode, integer } from "../asn1/schema.ts";
import { childOf, childrenOf, rawOf, readOnlyTlv, retag, writeTlv } from "../asn1/tlv.ts";
import type { EimClient } from "../esipa/client.ts";
import { collapsed } from "../euicc/double-tag.ts";
import { type Es10, getCerts, getEuiccConfiguredAddresses, getEuiccInfo1, getEuiccInfo2 } from "../euicc/es10.ts";
import { DeviceInfo } from "../messages/common.ts";
import { IpaCapabilities, IpaEuiccDataErrorCode, IpaEuiccDataRequest, IpaEuiccDataResponse } from "../messages/esipa.ts";
import { fromTagsOfV10, readTagList } from "../messages/tag-list.ts";
import type { EsipaCompat } from "../options.ts";
import { readNotifications, readPackageResults } from "./card.ts";
import type { IpaContext } from "./context.ts";
import { deviceInfo, ipaCapabilities } from "./device.ts";
import { type DataRequestState, fromBase64, toBase64 } from "./journal.ts";
import { removeAcknowledged, sendResult } from "./reporting.ts";

/** SGP.32 §2.11.2.2: the order of fields in the answer. */
const knownTags = [0xa0, 0x81, 0xa2, 0xbf20, 0xbf22, 0x83, 0x84, 0xa5, 0xa6, 0xa8, 0xa9] as const;
type DataTag = (typeof knownTags)[number];

type EsipaVersion = EsipaCompat["esipaVersion"];

interface Answer {
  /** BF52 */
  readonly response: Uint8Array;
  /** What it carries that the eIM may acknowledge. */
  readonly seqNumbers: readonly number[];
}

export async function answerDataRequest(
  context: IpaContext,
  client: EimClient,
  received: { readonly raw: Uint8Array; readonly value: IpaEuiccDataRequest },
  signal: AbortSignal | undefined,
): Promise<SimwardError | undefined> {
  const sha256 = toHex(createHash("sha256").update(received.raw).digest());
  const { eimId } = client;
  const { eimTransactionId, tagList } = received.value;
  await context.tell({
    kind: "package.received",
    eimId,
    packageKind: "ipaEuiccData",
    bytes: received.raw.length,
    sha256,
    eimTransactionId: eimTransactionId === undefined ? undefined : toHex(eimTransactionId),
    counterValue: undefined,
    operations: [`tagList ${toHex(tagList).toUpperCase()}`],
  });
  const state: DataRequestState = { kind: "ipaEuiccData", phase: "answering", eimId, request: toBase64(received.raw), sha256 };
  await context.journal.update({ operation: state });
  return answer(context, client, received.value, signal);
}

export function resumeDataRequest(
  context: IpaContext,
  state: DataRequestState,
  signal: AbortSignal | undefined,
): Promise<SimwardError | undefined> {
  const request = decode(IpaEuiccDataRequest, fromBase64(state.request), { name: "IpaEuiccDataRequest" });
  return answer(context, context.eims.client(state.eimId), request, signal);
}

async function answer(
  context: IpaContext,
  client: EimClient,
  request: IpaEuiccDataRequest,
  signal: AbortSignal | undefined,
): Promise<SimwardError | undefined> {
  const { journal, tell } = context;
  const { eimId } = client;
  const { response, seqNumbers } = await collect(context, client, request, signal);
  const message = client.encodeResult({ kind: "ipaEuiccDataResponse", response });
  try {
    const accepted = await sendResult(context, client, message, seqNumbers, signal);
    await client.hasTold(response);
    const acknowledged = client.compat.ackOnDataResponse ? accepted : [];
    const { eimTransactionId } = request;
    const transaction = eimTransactionId === undefined ? undefined : toHex(eimTransactionId);
    await tell({
      kind: "package.reported",
      eimId,
      packageKind: "ipaEuiccData",
      eimTransactionId: transaction,
      seqNumber: undefined,
      acknowledged,
    });
    await removeAcknowledged(context, acknowledged, signal);
  } catch (error) {
    signal?.throwIfAborted();
    const known = asSimwardError(error);
    await tell({ kind: "package.unreported", eimId, seqNumber: undefined, error: errorReport(known) });
    // Stays in the journal and is answered anew, with what is true then.
    if (known.code !== "ESIPA_REFUSED") return known;
  }
  await journal.update({ operation: undefined });
  return undefined;
}

async function collect(
  context: IpaContext,
  { eimId, compat }: EimClient,
  request: IpaEuiccDataRequest,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const version = compat.esipaVersion;
  const tags = wantedTags(request, version);
  if (tags === undefined) return refusal(request, "incorrectTagList", version);
  try {
    return await context.euicc.withEuicc("data for the eIM", (es10) => read(context, es10, eimId, request, tags, version), signal);
  } catch (error) {
    signal?.throwIfAborted();
    await context.tell({ kind: "warning", where: "IpaEuiccDataRequest", error: errorReport(error) });
    return refusal(request, isCode(error, "CERTIFICATE") ? "euiccCiPKIdNotFound" : "undefinedError", version);
  }
}

/** Undefined when one of them is not known. An eIM of v1.0 has other names for some. */
function wantedTags({ tagList, searchCriteriaNotification }: IpaEuiccDataRequest, version: EsipaVersion): ReadonlySet<DataTag> | undefined {
  const asked = tagsIn(tagList);
  if (asked === undefined) return undefined;
  const tags = new Set<DataTag>();
  for (const tag of version === "1.0" ? fromTagsOfV10(asked) : asked) {
    const known = knownTags.find((one) => one === tag);
    if (known === undefined) return undefined;
    tags.add(known);
  }
  // In v1.0 one list is asked for, and the criterion says which.
  if (searchCriteriaNotification?.kind === "euiccPackageResults" && tags.delete(0xa0)) tags.add(0xa2);
  return tags;
}

function tagsIn(tagList: Uint8Array): readonly number[] | undefined {
  try {
    return readTagList(tagList);
  } catch {
    return undefined;
  }
}

/** In the order of card commands that others are known to expect: BF3C, BF20, BF22, BF55, BF56, BF2B. */
async function read(
  context: IpaContext,
  es10: Es10,
  eimId: string,
  request: IpaEuiccDataRequest,
  tags: ReadonlySet<DataTag>,
  version: EsipaVersion,
): Promise<Answer> {
  const parts = new Map<DataTag, Uint8Array>();
  const seqNumbers: number[] = [];
  if (tags.has(0x81) || tags.has(0x83)) {
    const { defaultDpAddress, rootDsAddress } = await es10.call(getEuiccConfiguredAddresses, {});
    if (defaultDpAddress !== undefined) parts.set(0x81, writeTlv(0x81, utf8(defaultDpAddress)));
    parts.set(0x83, writeTlv(0x83, utf8(rootDsAddress)));
  }
  if (tags.has(0xbf20)) parts.set(0xbf20, (await es10.ask(getEuiccInfo1, {})).raw);
  if (tags.has(0xbf22)) parts.set(0xbf22, (await es10.ask(getEuiccInfo2, {})).raw);
  const needsCerts = tags.has(0xa5) || tags.has(0xa6);
  if (tags.has(0x84) || needsCerts) {
    await context.eims.read(es10);
    const config = context.eims.find(eimId)?.config;
    if (config?.associationToken !== undefined) parts.set(0x84, retag(encode(integer(), config.associationToken), 0x84));
    if (needsCerts) {
      const certificates = await readCertificates(es10, request.euiccCiPKIdentifierToBeUsed ?? config?.euiccCiPKId);
      for (const tag of [0xa5, 0xa6] as const) {
        const certificate = certificates.find((child) => child.tag === tag);
        if (certificate !== undefined) parts.set(tag, rawOf(certificate));
      }
    }
  }
  if (tags.has(0xa0)) {
    const { searchCriteriaNotification } = request;
    const notifications = await readNotifications(
      es10,
      searchCriteriaNotification === undefined || searchCriteriaNotification.kind === "euiccPackageResults"
        ? {}
        : { searchCriteria: searchCriteriaNotification },
    );
    seqNumbers.push(...notifications.map(({ seqNumber }) => seqNumber));
    parts.set(0xa0, writeTlv(0xa0, ...notifications.map(({ raw }) => raw)));
  }
  if (tags.has(0xa2)) {
    const wanted = request.searchCriteriaEuiccPackageResult?.value;
    // What another eIM is to get is no business of this one.
    const results = (await readPackageResults(es10)).filter(
      ({ outcome, seqNumber }) => outcome.eimId === eimId && (wanted === undefined || seqNumber === Number(wanted)),
    );
    seqNumbers.push(...results.map(({ seqNumber }) => seqNumber));
    parts.set(0xa2, writeTlv(0xa2, ...results.map(({ raw }) => raw)));
  }
  parts.set(0xa8, retag(encode(IpaCapabilities, ipaCapabilities(context)), 0xa8));
  const device = deviceInfo(context);
  if (device !== undefined) parts.set(0xa9, retag(encode(DeviceInfo, device), 0xa9));

  if (version === "1.0") return { response: writeTlv(0xbf52, writeTlv(0xa0, ...formerFields(parts, tags))), seqNumbers };
  const { eimTransactionId } = request;
  const fields = knownTags.flatMap((tag) => {
    const part = tags.has(tag) ? parts.get(tag) : undefined;
    // eimTransactionId, 87, has its place before 88.
    const transaction = tag === 0xa8 && eimTransactionId !== undefined ? [writeTlv(0x87, eimTransactionId)] : [];
    return part === undefined ? transaction : [...transaction, part];
  });
  return { response: writeTlv(0xbf52, writeTlv(0xa0, ...fields)), seqNumbers };
}

/** v1.0: the SM-DP+ address under 80, either list last and inside a BF2B, no transaction. */
function formerFields(parts: ReadonlyMap<DataTag, Uint8Array>, tags: ReadonlySet<DataTag>): Uint8Array[] {
  const part = (tag: DataTag): Uint8Array[] => {
    const found = tags.has(tag) ? parts.get(tag) : undefined;
    return found === undefined ? [] : [found];
  };
  const plain = ([0xbf20, 0xbf22, 0x83, 0x84, 0xa5, 0xa6, 0xa8, 0xa9] as const).flatMap(part);
  const lists = [...part(0xa0), ...part(0xa2)];
  return [...part(0x81).map((one) => retag(one, 0x80)), ...plain, ...lists.map((one) => writeTlv(0xbf2b, one))];
}

async function readCertificates(es10: Es10, euiccCiPKId: Uint8Array | undefined): Promise<ReturnType<typeof childrenOf>> {
  const answer = await es10.ask(getCerts, { euiccCiPKId }).catch((error: unknown) => {
    // A consumer eUICC has none to give outside an RSP session: what is not there is left out, and the rest is told.
    if (isCode(error, "ES10_UNSUPPORTED")) return undefined;
    throw error;
  });
  if (answer === undefined) return [];
  const { raw, value } = answer;
  if (value.kind === "getCertsError")
    throw new SimwardError(value.value === "invalidCiPKId" ? "CERTIFICATE" : "ES10_REFUSED", { detail: `ES10b.GetCerts: ${value.value}` });
  const certs = childOf(collapsed(readOnlyTlv(raw)), 0xa0);
  return certs === undefined ? [] : childrenOf(certs);
}

function refusal(
  { eimTransactionId }: IpaEuiccDataRequest,
  ipaEuiccDataErrorCode: "incorrectTagList" | "euiccCiPKIdNotFound" | "undefinedError",
  version: EsipaVersion,
): Answer {
  if (version === "1.0")
    return { response: writeTlv(0xbf52, retag(encode(IpaEuiccDataErrorCode, ipaEuiccDataErrorCode), 0x81)), seqNumbers: [] };
  const response = encode(IpaEuiccDataResponse, {
    kind: "ipaEuiccDataResponseError",
    value: { eimTransactionId, ipaEuiccDataErrorCode },
  });
  return { response, seqNumbers: [] };
}
