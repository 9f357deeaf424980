// What the IPA needs of the world, as interfaces: a way to the card, ways to the servers. It knows nothing of what stands behind them.
import type { Es10 } from "./euicc/es10.ts";

/** One logical channel with its application selected. CLA's channel bits are the channel's own affair: callers send CLA 00 or 80. */
export interface ApduChannel {
  /** A command APDU; answers data and SW1 SW2. 61xx, 6Cxx and 91xx are the caller's to read. Throws APDU_CHANNEL_LOST, AT_TIMEOUT, … */
  transmit(apdu: Uint8Array, signal?: AbortSignal): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** The way to the card that a module offers. */
export interface ApduAccess {
  /** Opens a logical channel and selects an application on it. Throws CARD_NOT_EUICC when the card has no such application. */
  open(aid: Uint8Array, signal?: AbortSignal): Promise<ApduChannel>;
  /** Sends on the basic channel, where the module lets its host do that. */
  readonly transmitBasic?: ((apdu: Uint8Array, signal?: AbortSignal) => Promise<Uint8Array>) | undefined;
  /** The most data octets of one command APDU (Lc) that this way carries; the block size of STORE DATA. */
  readonly maxCommandDataBytes: number;
}

/** Only one at a time uses the eUICC; the others wait their turn. */
export interface EuiccSession {
  /** Opens a channel to the ISD-R, lets `use` work on it, closes it. `why` is for the log. */
  withEuicc<T>(why: string, use: (es10: Es10) => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** Whom to believe behind an address. There is no way to believe everybody. */
export type TlsTrust =
  /** The server's certificate itself or one of its issuers, DER: sole trust anchor, partial chain allowed (SGP.32, trustedCertificateTls). */
  | { readonly kind: "certificate"; readonly der: Uint8Array }
  /** SubjectPublicKeyInfo, DER: the server's key, or that of an issuer in the presented chain (SGP.32, trustedEimPkTls). */
  | { readonly kind: "publicKey"; readonly spki: Uint8Array }
  /** Roots, DER. */
  | { readonly kind: "roots"; readonly certificates: readonly Uint8Array[] }
  /** For benches and PSK peers only. */
  | { readonly kind: "psk"; readonly identity: string; readonly key: Uint8Array };

/** Where an eIM is and how to know it. */
export interface EimEndpoint {
  readonly eimId: string;
  readonly host: string;
  readonly port: number;
  /** The name the certificate must carry and SNI announces; the host unless configured otherwise. */
  readonly serverName: string;
  readonly trust: TlsTrust;
}

export interface EsipaRequest {
  /** Last part of the JSON binding's path, e.g. getEimPackage (SGP.32 §6.4). */
  readonly functionName: string;
  /** One ESipa message, BER-TLV, for the ASN.1 binding (SGP.32 §6.3). */
  readonly body: Uint8Array;
}

export interface EsipaResponse {
  /** As HTTP counts: 200, 204, 404 …; CoAP codes are mapped (2.05 → 200, 2.04 → 200 or 204, 4.xx → 4xx). */
  readonly status: number;
  readonly contentType?: string | undefined;
  readonly body: Uint8Array;
}

export interface EsipaTransport {
  readonly scheme: "https" | "coaps";
  /** Throws COAP_TIMEOUT, DTLS_…, HTTP_…, TLS_… */
  exchange(eim: EimEndpoint, request: EsipaRequest, signal: AbortSignal): Promise<EsipaResponse>;
}

export interface RspServer {
  readonly host: string;
  readonly port: number;
  readonly trust: TlsTrust;
}

export interface Es9Transport {
  /** POSTs one ES9+ or ES11 function in JSON (SGP.22 §6.5); answers the parsed body, undefined for 204. */
  post(server: RspServer, functionName: string, body: unknown, signal: AbortSignal): Promise<unknown>;
}
