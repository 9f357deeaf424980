// What a fleet's workshop does when it fits somebody else's card: asks it who it is, and makes the eIM known to a card that knows none
// (ES10b.AddInitialEim, SGP.32 §5.9.4). Over the card's own interface, as any IPA would.
import { bcdToDigits, concatBytes, fromHex } from "../../base/bytes.ts";
import { isCode, SimwardError } from "../../base/errors.ts";
import { decode, encode, type Type } from "../../ipa/asn1/schema.ts";
import { contentOf, readOnlyTlv } from "../../ipa/asn1/tlv.ts";
import {
  AddInitialEimRequest,
  AddInitialEimResponse,
  EimConfigurationData,
  GetCertsRequest,
  GetCertsResponse,
  GetEimConfigurationDataRequest,
  GetEimConfigurationDataResponse,
} from "../../ipa/messages/eim-config.ts";
import { GetEuiccDataRequest, GetEuiccDataResponse } from "../../ipa/messages/euicc-info.ts";
import type { CardProcedure } from "../contracts.ts";
import { isDone, statusOf, whole, withChannel } from "./responses.ts";

const isdrAid = fromHex("A0000005591010FFFFFFFF8900000100");
const ecasdAid = fromHex("A0000005591010FFFFFFFF8900000200");
const blockBytes = 255;

export interface CardFacts {
  /** 32 digits. */
  readonly eid: string;
  /** undefined: a card that cannot know any, as it is no SGP.32 eUICC. */
  readonly eims: readonly EimConfigurationData[] | undefined;
  /** Why it does not take the eIM. */
  readonly refusal: string | undefined;
  /** Under the CI asked for, DER; undefined when the card has none there. */
  readonly certificates: { readonly euicc: Uint8Array; readonly eum: Uint8Array } | undefined;
}

export interface CommissioningOptions {
  /** Of the CI under which the fleet's servers are. */
  readonly ciPKId: Uint8Array;
  /** EimConfigurationData, DER: made known to a card that has no eIM yet; undefined leaves it without. */
  readonly eim: Uint8Array | undefined;
}

/** Throws SIM_CARD when the card is no eUICC; one that knows no eIMs at all, as it is no SGP.32 eUICC, has none. */
export function* commission({ ciPKId, eim }: CommissioningOptions): CardProcedure<CardFacts> {
  const opened = yield fromHex("0070000001");
  const [channel] = opened;
  if (channel === undefined || opened.length !== 3 || !isDone(opened)) throw refused("the card has no logical channel", opened);
  try {
    const selected = yield* whole(channel, concatBytes(Uint8Array.of(withChannel(0x00, channel), 0xa4, 0x04, 0x00, 0x10), isdrAid));
    if (!isDone(selected)) throw refused("the card has no ISD-R: it is no eUICC", selected);
    const eid = yield* eidOf(channel);
    const first = yield* configurations(channel);
    if (first === undefined) return { eid, eims: undefined, refusal: undefined, certificates: undefined };
    const refusal = first.length === 0 && eim !== undefined ? yield* introduce(channel, eim) : undefined;
    const certs = yield* es10(channel, GetCertsRequest, { euiccCiPKId: ciPKId }, GetCertsResponse);
    return {
      eid,
      refusal,
      eims: first.length > 0 || eim === undefined ? first : ((yield* configurations(channel)) ?? []),
      certificates: certs.kind === "certs" ? { euicc: certs.value.euiccCertificate, eum: certs.value.eumCertificate } : undefined,
    };
  } finally {
    yield Uint8Array.of(0x00, 0x70, 0x80, channel);
  }
}

/** From the ISD-R; where that talks to its SM-SR only, from the ECASD, which tells everybody (SGP.02 §2.2.1.2). */
function* eidOf(channel: number): CardProcedure<string> {
  const told = yield* known(es10(channel, GetEuiccDataRequest, { tagList: Uint8Array.of(0x5a) }, GetEuiccDataResponse));
  if (told !== undefined) return bcdToDigits(told.eidValue);
  yield* whole(channel, concatBytes(Uint8Array.of(withChannel(0x00, channel), 0xa4, 0x04, 0x00, 0x10), ecasdAid));
  const answer = yield* whole(channel, Uint8Array.of(withChannel(0x80, channel), 0xca, 0x00, 0x5a, 0x00));
  if (!isDone(answer)) throw refused("the card tells no EID", answer);
  const selectIsdr = yield* whole(channel, concatBytes(Uint8Array.of(withChannel(0x00, channel), 0xa4, 0x04, 0x00, 0x10), isdrAid));
  if (!isDone(selectIsdr)) throw refused("the card has no ISD-R any more", selectIsdr);
  return bcdToDigits(contentOf(readOnlyTlv(answer.subarray(0, -2))));
}

/** undefined: the card has no such function, as it is no SGP.32 eUICC. */
function* configurations(channel: number): CardProcedure<readonly EimConfigurationData[] | undefined> {
  const answer = yield* known(es10(channel, GetEimConfigurationDataRequest, {}, GetEimConfigurationDataResponse));
  return answer?.eimConfigurationDataList;
}

/** What a function answers; undefined when the card has it not. */
function* known<T>(asked: CardProcedure<T>): CardProcedure<T | undefined> {
  try {
    return yield* asked;
  } catch (error) {
    if (isCode(error, "SIM_CARD")) return undefined;
    throw error;
  }
}

/** Why the card does not take the eIM; undefined when it does. */
function* introduce(channel: number, eim: Uint8Array): CardProcedure<string | undefined> {
  const list = { eimConfigurationDataList: [decode(EimConfigurationData, eim)] };
  const answer = yield* known(es10(channel, AddInitialEimRequest, list, AddInitialEimResponse));
  if (answer === undefined) return "it takes no order of the device";
  return answer.kind === "addInitialEimError" ? String(answer.value) : undefined;
}

/** One ES10 command in blocks of STORE DATA (GlobalPlatform §11.11). */
function* es10<Q, R>(channel: number, request: Type<Q>, value: Q, response: Type<R>): CardProcedure<R> {
  const command = encode(request, value);
  const blocks = Math.ceil(command.length / blockBytes);
  let answer: Uint8Array = Uint8Array.of();
  for (let number = 0; number < blocks; number++) {
    const data = command.subarray(number * blockBytes, (number + 1) * blockBytes);
    const p1 = number === blocks - 1 ? 0x91 : 0x11;
    answer = yield* whole(channel, concatBytes(Uint8Array.of(withChannel(0x80, channel), 0xe2, p1, number, data.length), data));
    if (!isDone(answer)) throw refused(`the card refuses ${request.tags[0]?.toString(16).toUpperCase()}`, answer);
  }
  return decode(response, answer.subarray(0, -2));
}

function refused(what: string, response: Uint8Array): SimwardError {
  return new SimwardError("SIM_CARD", { detail: `${what} (${statusOf(response).toString(16).toUpperCase()})` });
}
