// CoAP (RFC 7252) with block-wise transfer (RFC 7959) and Request-Tag (RFC 9175) as the rest of simward sees it.
import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import type { Trace } from "../../base/trace.ts";
import type { DatagramLink } from "../link.ts";

export type CoapMethod = "GET" | "POST" | "PUT" | "DELETE";

export interface CoapRequest {
  readonly method: CoapMethod;
  /** Segments of Uri-Path joined with "/", without a leading one: "gsma/rsp2/asn1". */
  readonly path: string;
  readonly query?: readonly string[];
  readonly host?: string;
  readonly contentFormat?: number;
  readonly accept?: number;
  readonly payload?: Uint8Array;
}

export interface CoapResponse {
  /** "2.05" */
  readonly code: string;
  readonly contentFormat: number | undefined;
  readonly payload: Uint8Array;
}

export interface CoapClientOptions {
  readonly link: DatagramLink;
  readonly clock: Clock;
  readonly random: Random;
  /** Preferred block size: 16 to 1024, a power of two. 1024 by default, less where the link cannot carry it. */
  readonly blockBytes?: number;
  /** Start of the round-trip estimate's retransmission timeout; 3,000 by default. */
  readonly ackTimeoutMs?: number;
  /** 10 by default on coaps. */
  readonly maxRetransmit?: number;
  /** How long to wait for a separate response after an empty ACK. */
  readonly responseTimeoutMs?: number;
  readonly maxBodyBytes?: number;
  readonly onEvent?: (event: CoapEvent) => void;
  /** Told of every message, as it is inside DTLS. */
  readonly trace?: Trace | undefined;
}

/** For progress displays and logs. */
export type CoapEvent =
  | { readonly kind: "block"; readonly direction: "up" | "down"; readonly number: number; readonly bytes: number; readonly last: boolean }
  | { readonly kind: "retransmit"; readonly messageId: number; readonly attempt: number }
  /** A session opened a new association: none was there, the old one was silent for too long, did not answer, had closed, or was old. */
  | { readonly kind: "connect"; readonly why: "first" | "idle" | "silent" | "closed" | "age"; readonly peer: string };

export interface CoapClient {
  /** Throws COAP_TIMEOUT, COAP_RESET, COAP_MESSAGE, COAP_BLOCK, COAP_TOO_LARGE; the link's reason when it closes; the signal's when aborted. */
  request(request: CoapRequest, signal?: AbortSignal): Promise<CoapResponse>;
  /** Smoothed round trip, once one was measured. */
  readonly roundTripMs: number | undefined;
  close(): void;
}

export interface CoapServerRequest extends CoapRequest {
  readonly link: DatagramLink;
}

export interface CoapServerResponse {
  readonly code: string;
  readonly contentFormat?: number;
  readonly payload?: Uint8Array;
}

export interface CoapServerOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Called once per request, whatever was retransmitted; the body is whole. Slow handlers answer by separate response. */
  readonly handle: (request: CoapServerRequest) => Promise<CoapServerResponse>;
  readonly blockBytes?: number;
  readonly maxBodyBytes?: number;
  /** After how long of handling an empty ACK is sent; 1,000 by default. */
  readonly separateAfterMs?: number;
  /** For separate responses; as in the client. */
  readonly ackTimeoutMs?: number;
  readonly maxRetransmit?: number;
  /** The most that unfinished uploads and responses fetched in blocks may hold together; 16 MiB by default. */
  readonly maxStateBytes?: number;
  /** A handler threw; its peer was told 5.00. */
  readonly onError?: (error: unknown, request: CoapServerRequest) => void;
}

export interface CoapServer {
  /** Serves one peer until its link closes. */
  serve(link: DatagramLink): void;
  /** What is kept between messages, for logs and tests. */
  readonly state: { readonly peers: number; readonly uploads: number; readonly responses: number; readonly bytes: number };
  close(): void;
}
