// A TLS connection that is handed out only after the server's certificates were judged by our own Clock and trust: chain, name, purpose, validity.
// Node's own judgement is switched off, since it knows neither; nothing is written before ours is passed, on resumed connections too.
import { isIP } from "node:net";
import { connect, type DetailedPeerCertificate, type TLSSocket } from "node:tls";
import type { Clock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { type CertificateTrust, checkServerChain } from "../certificates.ts";
import { lookupBy, type Resolve } from "../resolve.ts";
import type { HttpsPeer } from "./types.ts";

/** A session to resume, with the chain of its full handshake: a resumed one presents none, and is judged again by this. */
export interface KeptSession {
  readonly session: Buffer;
  readonly chain: readonly Uint8Array[];
}

export interface ConnectOptions {
  readonly peer: HttpsPeer & { readonly trust: CertificateTrust };
  readonly clock: Clock;
  readonly resolve?: Resolve | undefined;
  readonly resume: KeptSession | undefined;
  /** A session to keep for the next connection; TLS 1.3 gives several. */
  readonly onSession: (kept: KeptSession) => void;
}

export interface OpenedConnection {
  readonly socket: TLSSocket;
  readonly resumed: boolean;
}

/** Calls back once. Throws nothing itself; the error is TLS_UNTRUSTED, TLS_HOST_MISMATCH, TLS_EXPIRED or HTTP_CONNECT. Returns the way to give up. */
export function openConnection(
  options: ConnectOptions,
  done: (error: Error | null, opened?: OpenedConnection) => void,
): (reason: Error) => void {
  const { peer, clock, resume } = options;
  const where = `${peer.host}:${peer.port}`;
  const socket = connect({
    host: peer.host,
    port: peer.port,
    ...(options.resolve !== undefined && { lookup: lookupBy(options.resolve) }),
    // RFC 6066 §3: no literal addresses in SNI.
    ...(isIP(peer.serverName) === 0 && { servername: peer.serverName }),
    ...(resume !== undefined && { session: resume.session }),
    ...(peer.identity !== undefined && { cert: peer.identity.certificateChainPem, key: peer.identity.privateKeyPem }),
    minVersion: "TLSv1.2",
    ALPNProtocols: ["http/1.1"],
    rejectUnauthorized: false,
  });
  let chain: readonly Uint8Array[] | undefined;
  let early: Buffer | undefined;
  let settled = false;
  const finish = (error: Error | null, opened?: OpenedConnection): void => {
    if (settled) return;
    settled = true;
    socket.removeListener("error", refuse);
    socket.removeListener("close", closed);
    if (error !== null) {
      socket.on("error", () => undefined);
      socket.destroy();
    }
    done(error, opened);
  };
  const refuse = (error: Error): void => finish(connectError(where, error));
  const closed = (): void => finish(new SimwardError("HTTP_CONNECT", { detail: `${where} closed the connection during the handshake` }));
  socket.on("error", refuse);
  socket.on("close", closed);
  // TLS 1.2 tells its session before the handshake is judged; it is kept only after.
  socket.on("session", (session) => {
    if (chain === undefined) early = session;
    else options.onSession({ session, chain });
  });
  socket.on("secureConnect", () => {
    try {
      const resumed = socket.isSessionReused();
      const presented = resumed && resume !== undefined ? resume.chain : presentedChain(socket.getPeerCertificate(true));
      checkServerChain(presented, { trust: peer.trust, serverName: peer.serverName, time: clock.wall() });
      chain = presented;
      if (early !== undefined) options.onSession({ session: early, chain });
      finish(null, { socket, resumed });
    } catch (error) {
      refuse(error instanceof Error ? error : new Error(String(error)));
    }
  });
  return (reason) => finish(reason);
}

/** Leaf first, as Node links them; a self-signed certificate links to itself. */
export function presentedChain(leaf: DetailedPeerCertificate): readonly Uint8Array[] {
  const out: Uint8Array[] = [];
  const seen = new Set<string>();
  for (let one: DetailedPeerCertificate | undefined = leaf; one?.raw !== undefined; one = one.issuerCertificate) {
    if (seen.has(one.fingerprint256)) break;
    seen.add(one.fingerprint256);
    out.push(new Uint8Array(one.raw));
  }
  return out;
}

export function connectError(where: string, error: Error): SimwardError {
  if (error instanceof SimwardError) return error;
  const code = "code" in error && typeof error.code === "string" ? error.code : error.message;
  return new SimwardError("HTTP_CONNECT", { detail: `${where}: ${code}`, cause: error });
}
