// HTTPS as the rest of simward sees it: one request, one whole answer, and a peer whose identity was judged before anything was sent.
import type { TlsTrust } from "../../ipa/ports.ts";

export interface HttpsPeer {
  readonly host: string;
  readonly port: number;
  /** SNI, Host header, and the name the certificate must carry. */
  readonly serverName: string;
  readonly trust: TlsTrust;
  /** A client certificate, if the peer asks for one. */
  readonly identity?: HttpsIdentity;
}

/** PEM; the chain goes leaf first. */
export interface HttpsIdentity {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
}

export interface HttpsRequest {
  readonly method: "GET" | "POST";
  /** With a leading "/". */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface HttpsResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface HttpsClient {
  /**
   * Any status is an answer; redirects are not followed. Throws HTTP_TIMEOUT, HTTP_CONNECT, HTTP_CLOSED, HTTP_MESSAGE, HTTP_TOO_LARGE, TLS_UNTRUSTED,
   * TLS_HOST_MISMATCH, TLS_EXPIRED, TRANSPORT_SCHEME; the signal's reason when aborted.
   */
  request(peer: HttpsPeer, request: HttpsRequest, signal?: AbortSignal): Promise<HttpsResponse>;
  /** Full handshakes, resumed ones and requests so far. */
  readonly counters: { readonly full: number; readonly resumed: number; readonly requests: number };
  close(): void;
}
