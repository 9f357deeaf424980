// One request with its response, in as many blocks as it takes (RFC 7959, RFC 9175), over whatever carries single exchanges.
import { concatBytes, emptyBytes, equalBytes, uintToBytes, utf8 } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { integerBelow, type Random } from "../../base/random.ts";
import { Assembly, type Block, blockBytes, blockOffset, cut, decodeBlock, encodeBlock, maxSzx, showBlock, szxFor } from "./blockwise.ts";
import {
  type CoapOptions,
  encodeMessage,
  encodeUint,
  isSuccess,
  type OptionName,
  type ReceivedMessage,
  requestCode,
  uintOption,
} from "./message.ts";
import type { ExchangeRequest } from "./messenger.ts";
import type { CoapEvent, CoapRequest, CoapResponse } from "./types.ts";

export type Exchange = (request: ExchangeRequest) => Promise<ReceivedMessage>;

export interface TransferSettings {
  readonly random: Random;
  readonly tokens: TokenSource;
  readonly blockBytes: number;
  /** The largest datagram the link carries. */
  readonly maxDatagramBytes: number;
  readonly maxBodyBytes: number;
  readonly onEvent: (event: CoapEvent) => void;
}

/** Counted, so that none comes twice (RFC 9175 §4.2) before 65,536 others have: more than any association lives to see. */
export type TokenSource = () => Uint8Array;

/** Two are enough where DTLS answers for who speaks (RFC 7252 §5.3.1 wants four without it), and each is paid twice in every poll. */
const tokenBytes = 2;

export function createTokens(random: Random): TokenSource {
  let next = integerBelow(random, 256 ** tokenBytes);
  return () => {
    next = (next + 1) % 256 ** tokenBytes;
    return uintToBytes(next, tokenBytes);
  };
}

/** RFC 9175 §3.3: drawn at random, so that no two transfers share it, whatever association they run on. */
export const requestTagBytes = 8;

type Attempt =
  | { readonly kind: "response"; readonly response: CoapResponse }
  /** The server wants smaller blocks (RFC 7959 §2.9.3). */
  | { readonly kind: "smaller"; readonly szx: number; readonly response: CoapResponse }
  /** The server no longer has the blocks before this one (4.08), or the response changed under way. */
  | { readonly kind: "again"; readonly why: "incomplete" | "changed"; readonly response: CoapResponse };

/** Throws what the exchange throws, COAP_BLOCK when blocks do not fit together, COAP_TOO_LARGE. */
export async function transfer(request: CoapRequest, exchange: Exchange, settings: TransferSettings): Promise<CoapResponse> {
  const base = baseOptions(request);
  let szx = fittingSzx(request, base, settings);
  const repeated = new Set<"incomplete" | "changed">();
  for (;;) {
    const attempt = await run(request, base, szx, exchange, settings);
    switch (attempt.kind) {
      case "response":
        return attempt.response;
      case "smaller":
        szx = attempt.szx;
        break;
      case "again":
        if (repeated.has(attempt.why)) {
          if (attempt.why === "incomplete") return attempt.response;
          throw new SimwardError("COAP_BLOCK", { detail: `the response of ${request.path} changed twice while it was read` });
        }
        repeated.add(attempt.why);
    }
  }
}

async function run(request: CoapRequest, base: CoapOptions, szx: number, exchange: Exchange, settings: TransferSettings): Promise<Attempt> {
  const body = request.payload ?? emptyBytes;
  const inBlocks = body.length > blockBytes(szx);
  const tag: CoapOptions = inBlocks ? { requestTag: [settings.random.bytes(requestTagBytes)] } : {};
  const code = requestCode(request.method);
  // One token for all blocks: RFC 7959 does not ask for it, but there are servers that know a transfer by nothing else.
  const token = settings.tokens();
  let offset = 0;
  let size = szx;
  for (;;) {
    const part = cut(body, offset / blockBytes(size), size);
    if (part === undefined)
      throw new SimwardError("COAP_BLOCK", { detail: `the server answered 2.31 to the last block of ${request.path}` });
    const { block, payload } = part;
    const message = await exchange({
      code,
      token,
      payload,
      runs: !block.more,
      options: {
        ...base,
        ...tag,
        ...(inBlocks && { block1: [encodeBlock(block)] }),
        ...(inBlocks && offset === 0 && { size1: [encodeUint(body.length)] }),
        ...(!block.more && szx < maxSzx && { block2: [encodeBlock({ number: 0, more: false, szx })] }),
      },
    });
    const echoed = blockOption(message, "block1");
    const smaller = echoed !== undefined && echoed.szx < size ? echoed.szx : undefined;
    if (message.code === "4.13" && smaller !== undefined && offset === 0)
      return { kind: "smaller", szx: smaller, response: plain(message) };
    if (message.code === "4.08" && inBlocks) return { kind: "again", why: "incomplete", response: plain(message) };
    if (inBlocks && isSuccess(message) && echoed !== undefined && echoed.number !== block.number)
      throw new SimwardError("COAP_BLOCK", { detail: `block ${showBlock(block)} of ${request.path} was answered as ${showBlock(echoed)}` });
    if (!inBlocks && message.code === "2.31") {
      throw new SimwardError("COAP_BLOCK", { detail: `${request.path} was answered with 2.31 although it was sent whole` });
    }
    if (isSuccess(message) && body.length > 0)
      settings.onEvent({ kind: "block", direction: "up", number: block.number, bytes: payload.length, last: !block.more });
    if (block.more && isSuccess(message) && message.code !== "2.31" && echoed === undefined)
      throw new SimwardError("COAP_BLOCK", { detail: `the server took block ${showBlock(block)} of ${request.path} for the whole` });
    const goesOn = message.code === "2.31" || (block.more && isSuccess(message));
    if (!goesOn) return download(request, token, { ...base, ...tag }, message, szx, exchange, settings);
    offset += payload.length;
    size = smaller ?? size;
  }
}

async function download(
  request: CoapRequest,
  token: Uint8Array,
  options: CoapOptions,
  first: ReceivedMessage,
  szx: number,
  exchange: Exchange,
  settings: TransferSettings,
): Promise<Attempt> {
  const whole = blockOption(first, "block2");
  const note = (number: number, bytes: number, last: boolean): void =>
    settings.onEvent({ kind: "block", direction: "down", number, bytes, last });
  if (whole === undefined || !isSuccess(first)) {
    if (first.payload.length > settings.maxBodyBytes) throw tooLarge(first.payload.length, settings);
    if (first.payload.length > 0) note(0, first.payload.length, true);
    return { kind: "response", response: plain(first) };
  }
  const announced = uintOption(first, "size2");
  if (announced !== undefined && announced > settings.maxBodyBytes) throw tooLarge(announced, settings);
  const assembly = new Assembly(settings.maxBodyBytes);
  let message = first;
  let block: Block = whole;
  let size = Math.min(szx, block.szx);
  for (;;) {
    assembly.add(block, message.payload);
    note(block.number, message.payload.length, !block.more);
    if (!block.more) return { kind: "response", response: { ...plain(first), payload: assembly.body() } };
    const next = { number: assembly.receivedBytes / blockBytes(size), more: false, szx: size };
    message = await exchange({
      code: requestCode(request.method),
      token,
      payload: emptyBytes,
      runs: false,
      // The same options throughout, or the server would not know the request again (RFC 9175 §3.1).
      options: { ...options, block2: [encodeBlock(next)] },
    });
    if (message.code === "4.08") return { kind: "again", why: "incomplete", response: plain(message) };
    if (!isSuccess(message)) return { kind: "response", response: plain(message) };
    if (!sameEtag(first, message)) return { kind: "again", why: "changed", response: plain(message) };
    const answered = blockOption(message, "block2");
    if (answered === undefined || blockOffset(answered) !== assembly.receivedBytes)
      throw new SimwardError("COAP_BLOCK", {
        detail: `block ${showBlock(next)} of ${request.path} was answered ${answered === undefined ? "without a number" : `as ${showBlock(answered)}`}`,
      });
    block = answered;
    size = Math.min(size, block.szx);
  }
}

function baseOptions(request: CoapRequest): CoapOptions {
  return {
    ...(request.host !== undefined && { uriHost: [utf8(request.host)] }),
    uriPath: request.path
      .split("/")
      .filter((segment) => segment !== "")
      .map(utf8),
    ...(request.query !== undefined && { uriQuery: request.query.map(utf8) }),
    ...(request.contentFormat !== undefined && { contentFormat: [encodeUint(request.contentFormat)] }),
    ...(request.accept !== undefined && { accept: [encodeUint(request.accept)] }),
  };
}

/** The preferred block size, or the largest below it with which a block and its header fit into one datagram. */
function fittingSzx(request: CoapRequest, base: CoapOptions, settings: TransferSettings): number {
  const longestHeader = encodeMessage({
    type: "CON",
    code: requestCode(request.method),
    messageId: 0,
    token: new Uint8Array(tokenBytes),
    payload: emptyBytes,
    options: {
      ...base,
      requestTag: [new Uint8Array(requestTagBytes)],
      block1: [new Uint8Array(3)],
      block2: [new Uint8Array(3)],
      size1: [new Uint8Array(4)],
    },
  }).length;
  let szx = szxFor(settings.blockBytes);
  while (szx > 0 && longestHeader + 1 + blockBytes(szx) > settings.maxDatagramBytes) szx--;
  return szx;
}

function blockOption(message: ReceivedMessage, name: "block1" | "block2"): Block | undefined {
  const value = message.options[name]?.[0];
  return value === undefined ? undefined : decodeBlock(value);
}

function sameEtag(a: ReceivedMessage, b: ReceivedMessage): boolean {
  const etag = (message: ReceivedMessage): Uint8Array => concatBytes(...(message.options.etag ?? []));
  return equalBytes(etag(a), etag(b));
}

function plain(message: ReceivedMessage): CoapResponse {
  return { code: message.code, contentFormat: uintOption(message, "contentFormat" satisfies OptionName), payload: message.payload };
}

function tooLarge(bytes: number, settings: TransferSettings): SimwardError {
  return new SimwardError("COAP_TOO_LARGE", { detail: `${bytes} octets, ${settings.maxBodyBytes} are accepted` });
}
