// Command APDUs (ISO/IEC 7816-4 §5, short lengths), the logical channel in their CLA (ETSI TS 102 221 §10.1.1), and status words.
// Nothing of this knows an application.
import { concatBytes } from "../../base/bytes.ts";

export const sw = {
  ok: 0x9000,
  wrongLength: 0x6700,
  channelNotSupported: 0x6881,
  secureMessagingNotSupported: 0x6882,
  incompatibleStructure: 0x6981,
  securityNotSatisfied: 0x6982,
  pinBlocked: 0x6983,
  conditionsNotSatisfied: 0x6985,
  noFileSelected: 0x6986,
  incorrectData: 0x6a80,
  functionNotSupported: 0x6a81,
  fileNotFound: 0x6a82,
  recordNotFound: 0x6a83,
  incorrectP1P2: 0x6a86,
  referencedDataNotFound: 0x6a88,
  outsideFile: 0x6b00,
  insNotSupported: 0x6d00,
  claNotSupported: 0x6e00,
  technicalProblem: 0x6f00,
} as const;

export interface CommandApdu {
  readonly cla: number;
  readonly ins: number;
  readonly p1: number;
  readonly p2: number;
  readonly data: Uint8Array;
  /** Octets expected, 1 to 256; undefined without Le. */
  readonly le: number | undefined;
  /** 0 to 19. */
  readonly channel: number;
  /** CLA in the classes of ISO (0x, 4x) or in GlobalPlatform's and ETSI's own (8x, Cx). */
  readonly proprietary: boolean;
}

export interface Answer {
  readonly data: Uint8Array;
  readonly sw: number;
}

const nothing = new Uint8Array(0);

export function answer(status: number, data: Uint8Array = nothing): Answer {
  return { data, sw: status };
}

export function answerBytes({ data, sw: status }: Answer): Uint8Array {
  return concatBytes(data, Uint8Array.of(status >> 8, status & 0xff));
}

/** The command, or the status word that refuses it. */
export function parseApdu(bytes: Uint8Array): CommandApdu | number {
  const [cla = 0, ins = 0, p1 = 0, p2 = 0, p3] = bytes;
  if (bytes.length < 4) return sw.wrongLength;
  const proprietary = (cla & 0x80) !== 0;
  const further = (cla & 0x40) !== 0;
  // 0x, 8x with up to 3 channels; 4x, Cx with 4 to 19 (further interindustry classes). CLA FF and the old A0 are none of these.
  if (cla === 0xff || ((cla & 0x20) !== 0 && !further)) return sw.claNotSupported;
  const secured = further ? (cla & 0x20) !== 0 : (cla & 0x0c) !== 0;
  if (secured) return sw.secureMessagingNotSupported;
  // Command chaining is no class of ETSI's.
  if ((cla & 0x10) !== 0) return sw.claNotSupported;
  const channel = further ? (cla & 0x0f) + 4 : cla & 0x03;
  const head = { cla, ins, p1, p2, channel, proprietary };
  if (bytes.length === 4) return { ...head, data: nothing, le: undefined };
  if (p3 === undefined) return sw.wrongLength;
  if (bytes.length === 5) return { ...head, data: nothing, le: p3 === 0 ? 256 : p3 };
  if (p3 === 0) return sw.wrongLength;
  const data = bytes.slice(5, 5 + p3);
  if (bytes.length === 5 + p3) return { ...head, data, le: undefined };
  const le = bytes[5 + p3];
  if (bytes.length !== 6 + p3 || le === undefined) return sw.wrongLength;
  return { ...head, data, le: le === 0 ? 256 : le };
}
