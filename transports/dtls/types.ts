// DTLS 1.2 (RFC 6347) as the rest of simward sees it.
import type { Clock, WallTime } from "../../base/clock.ts";
import type { Trace } from "../../base/trace.ts";
import type { TlsTrust } from "../../ipa/ports.ts";
import type { DatagramLink, LinkServer } from "../link.ts";
import type { Resolve } from "../resolve.ts";

export type DtlsCipherSuite =
  | "ECDHE-ECDSA-AES128-GCM-SHA256"
  | "ECDHE-ECDSA-AES256-GCM-SHA384"
  /** Only where configured: it needs OpenSSL's security level 0, so signature algorithms and groups are then fixed explicitly. */
  | "ECDHE-ECDSA-AES128-CCM8"
  | "PSK-AES128-GCM-SHA256"
  | "PSK-AES128-CCM8";

/** PEM, as files hold them; the chain goes leaf first. */
export interface DtlsIdentity {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
}

/** A session kept for resumption; holds the master secret, so it is stored 0600 and never logged. */
export interface StoredDtlsSession {
  /** Host, port and trust anchor it was made with: another key means another session. */
  readonly key: string;
  readonly session: Uint8Array;
}

export interface DtlsSessionStore {
  load(key: string): Uint8Array | undefined;
  save(stored: StoredDtlsSession): void;
  forget(key: string): void;
}

export interface DtlsClientOptions {
  readonly host: string;
  readonly port: number;
  /** How the host's addresses are found; as the system does by default. */
  readonly resolve?: Resolve | undefined;
  /** SNI, and the name the certificate must carry. */
  readonly serverName: string;
  readonly trust: TlsTrust;
  readonly cipherSuites?: readonly DtlsCipherSuite[];
  /** A client certificate, if the peer wants one. */
  readonly identity?: DtlsIdentity;
  /** The largest UDP payload, octets; 1200 by default. */
  readonly mtuBytes?: number;
  /** Overall, whatever the retransmissions; 60,000 by default. */
  readonly handshakeTimeoutMs?: number;
  /** First retransmission; doubles up to 60 s. 1,000 by default; raise it on links with long round trips. */
  readonly retransmitInitialMs?: number;
  readonly sessions?: DtlsSessionStore;
  /** Offers Connection ID (RFC 9146), so that a server that speaks it knows us again at another address; off by default. */
  readonly connectionId?: boolean;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  /** Told of every record: type, epoch, length; never its content. */
  readonly trace?: Trace | undefined;
}

export interface DtlsAssociation extends DatagramLink {
  /** DER, of this handshake or of the one that is resumed; undefined with a pre-shared key. */
  readonly peerCertificate: Uint8Array | undefined;
  readonly cipherSuite: string;
  readonly resumed: boolean;
  /** Connection ID was agreed on: the client may change its address. */
  readonly survivesRebinding: boolean;
  /** Datagrams and octets on the wire so far, for logs and measurements. */
  readonly counters: {
    readonly sentDatagrams: number;
    readonly sentBytes: number;
    readonly receivedDatagrams: number;
    readonly receivedBytes: number;
  };
}

export interface DtlsServerOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly identity?: DtlsIdentity;
  readonly psk?: (identity: string) => Uint8Array | undefined;
  /**
   * Client certificates: `none` by default; with `require` the handshake fails without one that leads to `anchors`. `judge` decides instead of the
   * anchors where it is there, at each handshake and resumption: the chain goes leaf first; it throws TLS_… for one that is not to be believed.
   */
  readonly clientCertificates?: {
    readonly mode: "none" | "request" | "require";
    readonly anchors: readonly Uint8Array[];
    readonly judge?: (presented: readonly Uint8Array[], time: WallTime) => void;
  };
  /** Whether a client that has shown that it hears us may begin a handshake; everyone by default. Who may not hears nothing. */
  readonly admit?: (address: string) => boolean;
  readonly cipherSuites?: readonly DtlsCipherSuite[];
  readonly mtuBytes?: number;
  /** An association without traffic for this long is dropped silently; 600,000 by default. */
  readonly idleTimeoutMs?: number;
  readonly handshakeTimeoutMs?: number;
  /** As for the client. */
  readonly retransmitInitialMs?: number;
  /** Associations under way or open beyond which new ones are refused, and sessions kept for resumption; 1,000 by default. */
  readonly associationsMax?: number;
  /** Gives each client that speaks Connection ID (RFC 9146) a name for its association, by which it is known at any address; off by default. */
  readonly connectionId?: boolean;
  /** Told of each handshake that a client began, cookie and all, and that did not lead to a link. */
  readonly onRefused?: (peer: string, reason: Error) => void;
  readonly clock: Clock;
}

export interface DtlsServerAssociation extends DtlsAssociation {
  /** The client's certificate, DER, if it presented one that was accepted. */
  readonly peerCertificate: Uint8Array | undefined;
  /** That certificate and those it presented with it, leaf first; none without one. */
  readonly peerCertificates: readonly Uint8Array[];
  readonly pskIdentity: string | undefined;
}

export interface DtlsServer extends LinkServer {
  onLink(fn: (link: DtlsServerAssociation) => void): () => void;
  /** Associations under way or open. */
  readonly size: number;
}

/** The one interface behind which OpenSSL hides. */
export interface Dtls {
  /** Throws UDP_UNREACHABLE, DTLS_TIMEOUT, DTLS_HANDSHAKE, DTLS_ALERT, DTLS_CONFIG, TLS_UNTRUSTED, TLS_HOST_MISMATCH, TLS_EXPIRED. */
  connect(options: DtlsClientOptions): Promise<DtlsAssociation>;
  /** Throws UDP_UNREACHABLE, DTLS_CONFIG. */
  listen(options: DtlsServerOptions): Promise<DtlsServer>;
}
