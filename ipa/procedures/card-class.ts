// What is in the slot: an IoT eUICC that obeys this IPAd or its own assistant, a consumer's, a machine's, or a plain UICC. Only the first is an IPAd's
// whole business; none of the others is an error. Told by what answers, not by the EID, whose digits are given to all kinds alike (SGP.29).
import { bcdToDigits, fromHex } from "../../base/bytes.ts";
import { isCode, SimwardError } from "../../base/errors.ts";
import { contentOf, readTlv } from "../asn1/tlv.ts";
import { splitResponse } from "../euicc/store-data.ts";
import type { EUICCInfo2 } from "../messages/euicc-info.ts";
import type { ApduAccess } from "../ports.ts";

export type CardKind = "sgp32-ipad" | "sgp32-ipae" | "sgp22" | "sgp02" | "uicc";

export interface CardClass {
  readonly kind: CardKind;
  /** Digits; undefined where the card has none, or does not tell it. */
  readonly eid: string | undefined;
  /** What it is told by, for people. */
  readonly why: string;
}

/** What was found. */
export interface CardEvidence {
  /** SELECT finds an ISD-R. */
  readonly isdr: boolean;
  /** It answers ES10 to a terminal. */
  readonly es10: boolean;
  /** GetEimConfigurationData is a function of it. */
  readonly eims: boolean;
  /** Of GetEUICCInfo2, where that could be read. */
  readonly info2: Pick<EUICCInfo2, "iotSpecificInfo" | "ipaMode"> | undefined;
  /** SELECT finds an ECASD. */
  readonly ecasd: boolean;
  readonly eid: string | undefined;
}

/** Pure. The first row that fits counts. */
export function classify(evidence: CardEvidence): CardClass {
  const { isdr, es10, eims, info2, ecasd, eid } = evidence;
  const is = (kind: CardKind, why: string): CardClass => ({ kind, eid, why });
  if (es10 && info2?.ipaMode === "ipae") return is("sgp32-ipae", "ipaMode of EUICCInfo2 is IPAe");
  if (es10 && info2?.iotSpecificInfo !== undefined) return is("sgp32-ipad", "EUICCInfo2 has iotSpecificInfo");
  // Cards of SGP.32 v1.0 have no iotSpecificInfo.
  if (es10 && eims) return is("sgp32-ipad", "it knows GetEimConfigurationData");
  if (es10) return is("sgp22", "it answers ES10, and knows no function of SGP.32");
  if (isdr) return is("sgp02", "it has an ISD-R that answers no terminal");
  return ecasd ? is("sgp02", "it has an ECASD, and no ISD-R for a terminal") : is("uicc", "it has neither ISD-R nor ECASD");
}

/** There is nothing for this assistant to do: another one is at work on it, or none can be. */
export function isPassive(kind: CardKind): boolean {
  return kind === "sgp32-ipae" || kind === "sgp02" || kind === "uicc";
}

/** Why what was asked for cannot be had of such a card. */
export function passiveError({ kind, why }: CardClass): SimwardError {
  if (kind === "sgp32-ipae") return new SimwardError("CARD_IPAE_ACTIVE", { detail: why });
  if (kind === "sgp02")
    return new SimwardError("CARD_NOT_SGP32", { detail: `an M2M eUICC (SGP.02): ${why}; its SM-SR manages it over the air` });
  return new SimwardError("CARD_NOT_EUICC", { detail: why });
}

/** GlobalPlatform's GET DATA for the EID, which SGP.02 §2.2.2 has the ECASD answer without authentication. */
const getEid = fromHex("80CA005A00");
/** SGP.02 Annex H */
const ecasdAid = fromHex("A0000005591010FFFFFFFF8900000200");

/** Whether SELECT finds an ECASD, and the EID if it says it. Reads only. Throws what keeps the module from asking. */
export async function probeEcasd(
  access: ApduAccess,
  signal?: AbortSignal,
): Promise<{ readonly found: boolean; readonly eid: string | undefined }> {
  const channel = await access.open(ecasdAid, signal).catch((error: unknown) => {
    if (isCode(error, "CARD_NOT_EUICC")) return undefined;
    throw error;
  });
  if (channel === undefined) return { found: false, eid: undefined };
  try {
    const response = splitResponse(await channel.transmit(getEid, signal));
    const { data } =
      response.sw >> 8 === 0x61
        ? splitResponse(await channel.transmit(Uint8Array.of(0x00, 0xc0, 0x00, 0x00, response.sw & 0xff), signal))
        : response;
    return { found: true, eid: eidIn(data) };
  } finally {
    await channel.close().catch(() => undefined);
  }
}

/** With or without its tag. */
function eidIn(data: Uint8Array): string | undefined {
  if (data.length === 0) return undefined;
  const octets = data.length === 16 ? data : taggedEid(data);
  return octets?.length === 16 ? bcdToDigits(octets) : undefined;
}

function taggedEid(data: Uint8Array): Uint8Array | undefined {
  try {
    const tlv = readTlv(data);
    return tlv.tag === 0x5a ? contentOf(tlv) : undefined;
  } catch {
    return undefined;
  }
}

/** Status words of a card that has no such function for a terminal; 6F00 and the like are a card's bad moment. */
const noFunction: ReadonlySet<string> = new Set(["6881", "6882", "6982", "6985", "6A80", "6A81", "6A86", "6A88", "6D00", "6E00"]);

export function isNoFunction(error: unknown): boolean {
  if (isCode(error, "ES10_UNSUPPORTED")) return true;
  return isCode(error, "APDU_STATUS") && typeof error.data.sw === "string" && noFunction.has(error.data.sw);
}
