// What the server keeps between the blocks of one request (RFC 7959 §2.5, RFC 9175 §3): uploads under way, and answers fetched block by block.
import { createHash } from "node:crypto";
import { toHex } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { isCode } from "../../base/errors.ts";
import { Assembly, type Block, blockBytes, blockOffset, cut, decodeBlock, encodeBlock, szxFor } from "./blockwise.ts";
import { BoundedMap } from "./bounded-map.ts";
import { type CoapOptions, encodeUint, methodOf, type ReceivedMessage, uintOption } from "./message.ts";
import type { CoapMethod, CoapRequest, CoapServerResponse } from "./types.ts";

/** One response message without its header. */
export interface Answer {
  readonly code: string;
  readonly options: CoapOptions;
  readonly payload: Uint8Array;
}

interface Owned {
  readonly peerId: string;
  /** Outlives its peer: found by its tag from another association. */
  readonly isBearer: boolean;
}

interface Upload extends Owned {
  readonly assembly: Assembly;
}

/** A request that was run, or is running; blocks of its answer are cut from here. */
interface Operation extends Owned {
  /** The block that ended the upload: come again, it is answered again and runs nothing. */
  readonly lastBlock: Block | undefined;
  readonly outcome: Promise<CoapServerResponse>;
  readonly bytes: number;
}

export interface OperationsOptions {
  readonly clock: Clock;
  readonly maxBodyBytes: number;
  readonly maxStateBytes: number;
  readonly blockBytes: number;
}

/** Since the last block: a client that opens a new association after all its retransmissions still finds its blocks. */
const lifetimeMs = 600_000;
const maxUploadsPerPeer = 4;
const maxUploads = 256;
/** A tag that long was drawn at random by its client and is seen only inside its association: whoever repeats it is that client, on a new association too. */
const bearerTagBytes = 8;

export class Operations {
  readonly #options: OperationsOptions;
  readonly #uploads: BoundedMap<Upload>;
  readonly #done: BoundedMap<Operation>;

  constructor(options: OperationsOptions) {
    this.#options = options;
    const limits = { maxEntries: maxUploads, maxAgeMs: lifetimeMs, maxBytes: options.maxStateBytes / 2 };
    this.#uploads = new BoundedMap(options.clock, { ...limits, bytesOf: (upload) => upload.assembly.receivedBytes });
    this.#done = new BoundedMap(options.clock, { ...limits, bytesOf: (operation) => operation.bytes });
  }

  get uploads(): number {
    return this.#uploads.size;
  }

  get responses(): number {
    return this.#done.size;
  }

  get bytes(): number {
    return this.#uploads.bytes + this.#done.bytes;
  }

  sweep(): void {
    this.#uploads.sweep();
    this.#done.sweep();
  }

  clear(): void {
    this.#uploads.clear();
    this.#done.clear();
  }

  /** Forgets what only this peer could have continued. */
  forget(peerId: string): void {
    const isTheirs = (entry: Owned): boolean => entry.peerId === peerId && !entry.isBearer;
    for (const map of [this.#uploads, this.#done]) for (const key of map.keysWhere(isTheirs)) map.delete(key);
  }

  /** Takes one request message; `run` is called when the request is whole, and once for each request. */
  async take(
    peerId: string,
    maxDatagramBytes: number,
    message: ReceivedMessage,
    run: (request: CoapRequest) => Promise<CoapServerResponse>,
  ): Promise<Answer> {
    const method = methodOf(message.code);
    if (method === undefined) return refusal("4.05");
    if (message.options.proxyUri !== undefined || message.options.proxyScheme !== undefined) return refusal("5.05");
    let blocks: { readonly block1: Block | undefined; readonly block2: Block | undefined };
    try {
      blocks = { block1: blockOption(message, "block1"), block2: blockOption(message, "block2") };
    } catch (error) {
      if (isCode(error, "COAP_BLOCK")) return refusal("4.00");
      throw error;
    }
    const { block1, block2 } = blocks;
    const ownSzx = Math.min(szxFor(this.#options.blockBytes), szxFor(Math.max(16, maxDatagramBytes - headerReserveBytes)));
    const owner: Owned = { peerId, isBearer: hasBearerTag(message) };
    const key = keyOf(owner, message);
    const answerWith = async (operation: Operation): Promise<Answer> =>
      render(await operation.outcome, block1, block2, Math.min(ownSzx, block2?.szx ?? ownSzx));

    if (block2 !== undefined && block2.number > 0) {
      const known = this.#done.get(key);
      if (known !== undefined) return answerWith(known);
      // Reading again is free of effects; anything else must not run twice because a block was asked for.
      if (method !== "GET") return refusal("4.08");
    }
    const keepAbove = blockBytes(Math.min(ownSzx, block2?.szx ?? ownSzx));
    if (block1 === undefined)
      return answerWith(this.#start(key, owner, undefined, keepAbove, run(requestOf(message, method, message.payload))));
    const finished = this.#done.get(key);
    if (block1.number > 0 && !block1.more && finished?.lastBlock !== undefined && sameBlock(finished.lastBlock, block1))
      return answerWith(finished);
    const upload = this.#upload(owner, key, message, block1, ownSzx);
    if ("code" in upload) return upload;
    this.#uploads.delete(key);
    return answerWith(this.#start(key, owner, block1, keepAbove, run(requestOf(message, method, upload.body))));
  }

  /** Adds a block to its upload; the body once it is whole, the answer to send where it is not. */
  #upload(owner: Owned, key: string, message: ReceivedMessage, block: Block, ownSzx: number): Answer | { readonly body: Uint8Array } {
    const { maxBodyBytes } = this.#options;
    const tooLarge: Answer = { ...refusal("4.13"), options: { block1: [encodeBlock(block)], size1: [encodeUint(maxBodyBytes)] } };
    if (block.number === 0) {
      if ((uintOption(message, "size1") ?? 0) > maxBodyBytes) return tooLarge;
      this.#makeRoom(owner.peerId);
      this.#done.delete(key);
    }
    const assembly = block.number === 0 ? new Assembly(maxBodyBytes) : this.#uploads.get(key)?.assembly;
    if (assembly === undefined) return echo("4.08", block);
    const next: Answer = {
      code: "2.31",
      options: { block1: [encodeBlock({ ...block, szx: Math.min(block.szx, ownSzx) })] },
      payload: noBytes,
    };
    if (block.more && assembly.isRepeated(block, message.payload)) return next;
    try {
      assembly.add(block, message.payload);
    } catch (error) {
      this.#uploads.delete(key);
      if (isCode(error, "COAP_TOO_LARGE")) return tooLarge;
      if (!isCode(error, "COAP_BLOCK")) throw error;
      return echo(blockOffset(block) === assembly.receivedBytes ? "4.00" : "4.08", block);
    }
    if (!block.more) return { body: assembly.body() };
    this.#uploads.set(key, { ...owner, assembly });
    return next;
  }

  #makeRoom(peerId: string): void {
    const own = this.#uploads.keysWhere((upload) => upload.peerId === peerId);
    for (const key of own.slice(0, Math.max(0, own.length - maxUploadsPerPeer + 1))) this.#uploads.delete(key);
  }

  /** Remembers the answer where it may be asked for again: it is longer than one block, or ends an upload. */
  #start(key: string, owner: Owned, lastBlock: Block | undefined, keepAboveBytes: number, outcome: Promise<CoapServerResponse>): Operation {
    const operation: Operation = { ...owner, lastBlock, outcome, bytes: 0 };
    this.#done.set(key, operation);
    const settled = (bytes: number): void => {
      if (this.#done.get(key) !== operation) return;
      if (bytes > keepAboveBytes || (bytes >= 0 && lastBlock !== undefined)) this.#done.set(key, { ...operation, bytes });
      else this.#done.delete(key);
    };
    outcome.then(
      (response) => settled(response.payload?.length ?? 0),
      () => settled(-1),
    );
    return operation;
  }
}

const noBytes = new Uint8Array(0);
/** Header, token, ETag, block and size options and the payload marker of a response. */
const headerReserveBytes = 48;

export function refusal(code: string): Answer {
  return { code, options: {}, payload: noBytes };
}

function echo(code: string, block: Block): Answer {
  return { code, options: { block1: [encodeBlock(block)] }, payload: noBytes };
}

function blockOption(message: ReceivedMessage, name: "block1" | "block2"): Block | undefined {
  const value = message.options[name]?.[0];
  return value === undefined ? undefined : decodeBlock(value);
}

function sameBlock(a: Block, b: Block): boolean {
  return a.number === b.number && a.more === b.more && a.szx === b.szx;
}

function hasBearerTag(message: ReceivedMessage): boolean {
  const tags = message.options.requestTag ?? [];
  return tags.length === 1 && tags[0]?.length === bearerTagBytes;
}

/** Peer or bearer tag, then what makes requests matchable (RFC 9175 §3.1). */
function keyOf(owner: Owned, message: ReceivedMessage): string {
  const { uriPath, uriQuery, requestTag } = message.options;
  const lists = [uriPath, uriQuery, requestTag].map((values) => (values ?? []).map(toHex).join("/"));
  return [owner.isBearer ? "" : owner.peerId, message.code, ...lists].join(" ");
}

function requestOf(message: ReceivedMessage, method: CoapMethod, payload: Uint8Array): CoapRequest {
  const text = (values: readonly Uint8Array[] | undefined): readonly string[] =>
    (values ?? []).map((value) => new TextDecoder().decode(value));
  const host = text(message.options.uriHost)[0];
  const contentFormat = uintOption(message, "contentFormat");
  const accept = uintOption(message, "accept");
  return {
    method,
    path: text(message.options.uriPath).join("/"),
    query: text(message.options.uriQuery),
    ...(host !== undefined && { host }),
    ...(contentFormat !== undefined && { contentFormat }),
    ...(accept !== undefined && { accept }),
    payload,
  };
}

/** The block of the response that was asked for, or the first; whole where it fits and nobody asked for blocks. */
function render(response: CoapServerResponse, block1: Block | undefined, block2: Block | undefined, szx: number): Answer {
  const body = response.payload ?? noBytes;
  const options: CoapOptions = {
    ...(response.contentFormat !== undefined && { contentFormat: [encodeUint(response.contentFormat)] }),
    ...(block1 !== undefined && { block1: [encodeBlock({ ...block1, more: false })] }),
  };
  if (body.length <= blockBytes(szx) && (block2 === undefined || block2.number === 0))
    return { code: response.code, options, payload: body };
  const number = block2 === undefined ? 0 : blockOffset(block2) / blockBytes(szx);
  const part = cut(body, number, szx);
  if (part === undefined) return refusal("4.00");
  return {
    code: response.code,
    options: {
      ...options,
      etag: [new Uint8Array(createHash("sha256").update(body).digest().subarray(0, 4))],
      block2: [encodeBlock(part.block)],
      ...(number === 0 && { size2: [encodeUint(body.length)] }),
    },
    payload: part.payload,
  };
}
