// Block-wise transfer (RFC 7959): the block option's value, cutting a body into blocks and putting it together again. No time, no I/O.
import { concatBytes } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { decodeUint, encodeUint } from "./message.ts";

/** RFC 7959 §2.2. */
export interface Block {
  readonly number: number;
  readonly more: boolean;
  /** Size exponent, 0 to 6: 16 to 1024 octets. */
  readonly szx: number;
}

export const maxSzx = 6;
const maxNumber = 2 ** 20 - 1;

export function blockBytes(szx: number): number {
  return 2 ** (szx + 4);
}

/** The exponent of the largest block of at most `bytes`; never less than 16 octets. */
export function szxFor(bytes: number): number {
  return Math.min(maxSzx, Math.max(0, Math.floor(Math.log2(bytes)) - 4));
}

export function encodeBlock(block: Block): Uint8Array {
  if (block.number > maxNumber)
    throw new SimwardError("COAP_TOO_LARGE", { detail: `block ${block.number} of ${blockBytes(block.szx)} octets` });
  return encodeUint(block.number * 16 + (block.more ? 8 : 0) + block.szx);
}

/** Throws COAP_BLOCK for the reserved size exponent 7. The option's length (0 to 3 octets) was checked when the message was read. */
export function decodeBlock(value: Uint8Array): Block {
  const bits = decodeUint(value);
  const block = { number: Math.floor(bits / 16), more: (bits & 8) !== 0, szx: bits & 7 };
  if (block.szx > maxSzx) throw new SimwardError("COAP_BLOCK", { detail: "the reserved block size exponent 7" });
  return block;
}

export function blockOffset(block: Block): number {
  return block.number * blockBytes(block.szx);
}

/** For logs, as RFC 7959 §3 writes it: number/more/size. */
export function showBlock(block: Block): string {
  return `${block.number}/${block.more ? 1 : 0}/${blockBytes(block.szx)}`;
}

export interface Cut {
  readonly block: Block;
  readonly payload: Uint8Array;
}

/** The block of a body that starts at `number` blocks of that size; undefined past its end. An empty body has one empty block. */
export function cut(body: Uint8Array, number: number, szx: number): Cut | undefined {
  const start = number * blockBytes(szx);
  if (start >= body.length && number > 0) return undefined;
  const end = start + blockBytes(szx);
  return { block: { number, more: end < body.length, szx }, payload: body.subarray(start, end) };
}

/** A body that arrives in blocks, each in its turn. */
export class Assembly {
  readonly #parts: Uint8Array[] = [];
  readonly #maxBytes: number;
  #receivedBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Throws COAP_BLOCK for a block out of its turn or of the wrong size, COAP_TOO_LARGE when the body passes its limit; nothing is taken then. */
  add(block: Block, payload: Uint8Array): void {
    const size = blockBytes(block.szx);
    if (blockOffset(block) !== this.#receivedBytes)
      throw new SimwardError("COAP_BLOCK", { detail: `block ${showBlock(block)} where octet ${this.#receivedBytes} was next` });
    if (block.more ? payload.length !== size : payload.length > size)
      throw new SimwardError("COAP_BLOCK", { detail: `block ${showBlock(block)} with ${payload.length} octets` });
    if (this.#receivedBytes + payload.length > this.#maxBytes)
      throw new SimwardError("COAP_TOO_LARGE", { detail: `more than ${this.#maxBytes} octets` });
    this.#parts.push(payload);
    this.#receivedBytes += payload.length;
  }

  /** Whether this is the block taken last, come once more. */
  isRepeated(block: Block, payload: Uint8Array): boolean {
    const last = this.#parts.at(-1);
    return last !== undefined && blockOffset(block) === this.#receivedBytes - last.length && payload.length === last.length;
  }

  body(): Uint8Array {
    return concatBytes(...this.#parts);
  }
}
