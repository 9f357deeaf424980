// Commands that reach the card: its state, its identifiers, and the APDU ways of 3GPP TS 27.007 §8.17 to §8.47.
// The lengths in +CSIM and +CGLA count hex characters, not octets.
import { toHexUpper } from "../../base/bytes.ts";
import { declare, hexBytes, int, optional, query, queryWith, replyError, set, splitFields } from "../declare.ts";
import type { AtCommand } from "../engine/types.ts";
import type { SimState } from "../modem.ts";
import { digits } from "./general.ts";

/** 3GPP TS 27.007 §8.3: READY, SIM PIN, SIM PUK … */
export const readCpin = queryWith("+CPIN", "AT+CPIN?", "+CPIN:", (info) => info.replaceAll('"', "").trim() || undefined, {
  timeoutMs: 10_000,
});

/** What +CPIN says, in a reply or a URC; NOT READY and the like are passing states. */
export function simStateOf(cpin: string): SimState {
  if (cpin === "READY") return "ready";
  if (/NOT INSERTED/.test(cpin)) return "absent";
  if (/PUK/.test(cpin)) return "puk";
  return /PIN/.test(cpin) ? "pin" : "busy";
}

/** 3GPP TS 27.007 §5.6. The whole line must be digits: a URC in its place was once taken for an IMSI. */
export const cimi = digits("+CIMI", "AT+CIMI", /^(\d{14,15})$/);

/** The ICCID, as each maker asks for it; padding is taken off. */
const iccidPattern = /^(\d{18,20})F*$/i;
export const ccid = digits("+CCID", "AT+CCID", iccidPattern);
export const qccid = digits("+QCCID", "AT+QCCID", iccidPattern);
/** Its prefix is not its name. */
export const ciccid = digits("+CICCID", "AT+CICCID", iccidPattern, "+ICCID:");
export const hashCcid = digits("#CCID", "AT#CCID", iccidPattern);
export const iccid = digits("+ICCID", "AT+ICCID", iccidPattern);
export const xiccid = digits("%XICCID", "AT%XICCID", iccidPattern);

export interface CrsmResult {
  readonly sw: number;
  readonly data: Uint8Array;
}

/** 3GPP TS 27.007 §8.18. `command` is 176 READ BINARY, 178 READ RECORD, 192 GET RESPONSE, 214 UPDATE BINARY, 220 UPDATE RECORD, 242 STATUS. */
export const crsm: AtCommand<
  readonly [command: number, fileId: number, p1: number, p2: number, p3: number, data?: Uint8Array],
  CrsmResult
> = declare(
  "+CRSM",
  (command, fileId, p1, p2, p3, data?: Uint8Array) =>
    `AT+CRSM=${command},${fileId},${p1},${p2},${p3}${data === undefined ? "" : `,"${toHexUpper(data)}"`}`,
  "+CRSM:",
  { timeoutMs: 15_000 },
  (reply) => {
    const { sw1, sw2, data } = readCrsm.parse(reply);
    return { sw: sw1 * 256 + sw2, data: data ?? new Uint8Array(0) };
  },
);
const readCrsm = query("+CRSM", "", "+CRSM:", [int("sw1"), int("sw2"), optional(hexBytes("data"))]);

/** 3GPP TS 27.007 §8.17. */
export const csim = declare(
  "+CSIM",
  (apdu: Uint8Array) => `AT+CSIM=${apdu.length * 2},"${toHexUpper(apdu)}"`,
  "+CSIM:",
  { timeoutMs: 30_000, sensitive: true, carriesApdu: true },
  (reply) => responseApdu("+CSIM", reply.lines),
);

/** 3GPP TS 27.007 §8.45. The session is what +CCHO answered, opaque. */
export const cgla = declare(
  "+CGLA",
  (session: string, apdu: Uint8Array) => `AT+CGLA=${session},${apdu.length * 2},"${toHexUpper(apdu)}"`,
  "+CGLA:",
  { timeoutMs: 30_000, sensitive: true, carriesApdu: true },
  (reply) => responseApdu("+CGLA", reply.lines),
);

/**
 * 3GPP TS 27.007 §8.43. Answers the session id as it is to be given back: `+CCHO: 1`, a bare `1` and long hexadecimal handles occur.
 */
export const ccho = queryWith(
  "+CCHO",
  (aid: Uint8Array) => `AT+CCHO="${toHexUpper(aid)}"`,
  "+CCHO:",
  (info) => /^"?([0-9A-Fa-f]{1,32})"?$/.exec(info)?.[1],
  { timeoutMs: 15_000, prefixOptional: true },
);

/** 3GPP TS 27.007 §8.44. Some modules print a +CCHC line before their OK. */
export const cchc = set("+CCHC", (session: string) => `AT+CCHC=${session}`, { timeoutMs: 30_000 });

/** `<length>,"<hex>"`: a reply shorter than it says was cut, and is not an answer. */
function responseApdu(name: string, lines: readonly string[]): Uint8Array {
  let refusal = replyError(name, "OK without a response APDU");
  for (const line of lines) {
    const [length, data] = splitFields(line);
    const hex = data?.text ?? "";
    if (data === undefined || hex.length % 2 !== 0 || !/^[0-9A-Fa-f]+$/.test(hex)) {
      refusal = replyError(name, `its <response> is not hexadecimal (${hex.length} characters)`);
    } else if (!/^\d+$/.test(length?.text ?? "") || (Number(length?.text) !== hex.length && Number(length?.text) !== hex.length / 2)) {
      refusal = replyError(name, `<length> says ${length?.text ?? "nothing"}, but ${hex.length} characters came`);
    } else if (hex.length < 4) {
      refusal = replyError(name, "its <response> has no status word");
    } else {
      return new Uint8Array(Buffer.from(hex, "hex"));
    }
  }
  throw refusal;
}
