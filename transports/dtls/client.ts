// The DTLS client: one connected socket, one association, trust judged by verify.ts, sessions kept for the next time.
// Every way out, refusal included, closes the socket and frees the SSL.
import type { Socket } from "node:dgram";
import { isIP } from "node:net";
import { deadline } from "../../base/clock.ts";
import { isCode, SimwardError } from "../../base/errors.ts";
import { checkServerChain } from "../certificates.ts";
import { closeQuietly, connectSocket, isRefusal } from "../udp.ts";
import { Association } from "./association.ts";
import { registerExtensions } from "./cid/extension.ts";
import { checkLimits, chooseSuites, createContext, limits } from "./context.ts";
import { Engine } from "./engine.ts";
import type { OpenSsl, SslHooks } from "./openssl.ts";
import { recordTrace } from "./record-trace.ts";
import { decodeSession, encodeSession, type ResumableSession, sessionKey } from "./sessions.ts";
import type { DtlsAssociation, DtlsClientOptions } from "./types.ts";
import { peerVerifier } from "./verify.ts";

/** As Dtls.connect; `onNoConnectionId` is told when OpenSSL does not take its extensions. */
export async function connectDtls(openssl: OpenSsl, options: DtlsClientOptions, onNoConnectionId: () => void): Promise<DtlsAssociation> {
  const { host, port, clock } = options;
  const handshakeTimeoutMs = options.handshakeTimeoutMs ?? limits.handshakeTimeoutMs;
  checkLimits(options);
  const identify = identification(options);
  const limit = deadline(
    clock,
    handshakeTimeoutMs,
    () => new SimwardError("DTLS_TIMEOUT", { detail: `${host}: its address was not found within ${handshakeTimeoutMs} ms` }),
    options.signal,
  );
  const beganMs = clock.monotonicMs();
  const { socket, peer } = await connectSocket(host, port, limit.signal, options.resolve).finally(limit.done);
  const leftMs = Math.max(1, handshakeTimeoutMs - (clock.monotonicMs() - beganMs));
  try {
    return await handshake(openssl, options, identify, { socket, peer, timeoutMs: leftMs, onNoConnectionId });
  } catch (error) {
    closeQuietly(socket);
    throw error;
  }
}

interface Identification {
  readonly suites: ReturnType<typeof chooseSuites>;
  readonly hooks: Pick<SslHooks, "verify" | "pskClient">;
  /** A session that may be resumed: its chain has just stood the checks. */
  readonly stored: ResumableSession | undefined;
  readonly refusal: () => SimwardError | undefined;
  /** The handshake is complete: judge the peer again and keep the session. Throws TLS_… */
  readonly confirm: (engine: Engine) => void;
  /** The handshake failed: what was stored may be the reason. */
  readonly forget: () => void;
}

/** How the peer shows who it is, by the kind of trust. */
function identification(options: DtlsClientOptions): Identification {
  const { trust, clock, serverName, sessions } = options;
  if (trust.kind === "psk") {
    // Resuming would save no octet over a new PSK handshake, and keeping it would put the key's secrets on disk.
    return {
      suites: chooseSuites(options.cipherSuites, ["psk"]),
      hooks: { pskClient: () => trust },
      stored: undefined,
      refusal: () => undefined,
      confirm: () => {},
      forget: () => {},
    };
  }
  const suites = chooseSuites(options.cipherSuites, ["certificate"]);
  const key = sessionKey(options, trust, suites);
  const verifier = peerVerifier(
    (presented, time) => checkServerChain(presented, { trust, serverName, time }),
    () => clock.wall(),
  );
  const octets = sessions?.load(key);
  const stored = octets === undefined ? undefined : decodeSession(octets);
  // Not to be offered when it would be refused afterwards; the full handshake then says why.
  const isGood = stored !== undefined && isBelieved(() => checkServerChain(stored.chain, { trust, serverName, time: clock.wall() }));
  if (octets !== undefined && !isGood) sessions?.forget(key);
  return {
    suites,
    hooks: { verify: verifier.verify },
    stored: isGood ? stored : undefined,
    refusal: () => verifier.refusal,
    confirm(engine) {
      const chain = verifier.confirm(engine.peerCertificates()[0], engine.resumed ? stored?.chain : undefined);
      const session = engine.resumed ? undefined : engine.session();
      if (session !== undefined) sessions?.save({ key, session: encodeSession({ session, chain }) });
    },
    forget: () => sessions?.forget(key),
  };
}

function isBelieved(check: () => void): boolean {
  try {
    check();
    return true;
  } catch (error) {
    if (isCode(error, "TLS_UNTRUSTED", "TLS_HOST_MISMATCH", "TLS_EXPIRED")) return false;
    throw error;
  }
}

function handshake(
  openssl: OpenSsl,
  options: DtlsClientOptions,
  identify: Identification,
  way: { readonly socket: Socket; readonly peer: string; readonly timeoutMs: number; readonly onNoConnectionId: () => void },
): Promise<DtlsAssociation> {
  const { peer } = way;
  let { socket } = way;
  const trace = recordTrace(options.trace, peer);
  let networkTrouble: Error | undefined;
  const onSocketError = (error: Error): void => {
    networkTrouble = error;
    if (isRefusal(error)) association.end(new SimwardError("UDP_UNREACHABLE", { detail: `${peer}: nobody listens there`, cause: error }));
  };
  const attach = (to: Socket): void => {
    to.on("error", onSocketError);
    to.on("message", (datagram) => {
      trace.received(datagram);
      association.input(datagram);
    });
  };
  /** To the same address of the server: another one would not know us. A route that is not there yet leaves everything as it is. */
  const rebind = async (): Promise<void> => {
    const { address, port } = socket.remoteAddress();
    const { socket: fresh } = await connectSocket(address, port);
    if (!association.open) return closeQuietly(fresh);
    const former = socket;
    socket = fresh;
    attach(fresh);
    closeQuietly(former);
  };
  const transmit = (datagram: Uint8Array): void => {
    trace.sent(datagram);
    association.countSent(datagram);
    socket.send(datagram, (error) => {
      if (error !== null) onSocketError(error);
    });
  };
  const engine = newEngine(openssl, options, identify, { peer, transmit, onNoConnectionId: way.onNoConnectionId });
  let opened: (association: Association) => void = () => {};
  const association = new Association({
    engine,
    role: "client",
    clock: options.clock,
    peer,
    handshakeTimeoutMs: way.timeoutMs,
    timeoutDetail: () => whyNoAnswer(options, peer, association, networkTrouble),
    onOpen: (open) => {
      identify.confirm(engine);
      opened(open);
    },
    rebind: () => void rebind().catch(() => {}),
  });
  attach(socket);
  return new Promise((resolve, reject) => {
    const { signal } = options;
    const onAbort = (): void => association.end(new SimwardError("ABORTED", { detail: peer, cause: signal?.reason }));
    signal?.addEventListener("abort", onAbort, { once: true });
    opened = (open) => {
      signal?.removeEventListener("abort", onAbort);
      resolve(open);
    };
    association.onClosed((reason) => {
      signal?.removeEventListener("abort", onAbort);
      closeQuietly(socket);
      if (isCode(reason, "DTLS_ALERT", "DTLS_HANDSHAKE", "TLS_UNTRUSTED", "TLS_HOST_MISMATCH", "TLS_EXPIRED")) identify.forget();
      // Without effect once resolved.
      reject(signal?.aborted ? signal.reason : (identify.refusal() ?? reason));
    });
    // Aborted while the socket was being made.
    if (signal?.aborted) onAbort();
    else association.start();
  });
}

function newEngine(
  openssl: OpenSsl,
  options: DtlsClientOptions,
  identify: Identification,
  way: { readonly peer: string; readonly transmit: (datagram: Uint8Array) => void; readonly onNoConnectionId: () => void },
): Engine {
  const context = createContext(openssl, {
    role: "client",
    suites: identify.suites,
    identity: options.identity,
    peerCertificate: options.trust.kind === "psk" ? "none" : "require",
  });
  try {
    const speaksConnectionId = options.connectionId === true && registerExtensions(openssl, context);
    if (options.connectionId === true && !speaksConnectionId) way.onNoConnectionId();
    const engine = new Engine({
      openssl,
      context,
      role: "client",
      mtuBytes: options.mtuBytes ?? limits.mtuBytes,
      retransmitInitialMs: options.retransmitInitialMs ?? limits.retransmitInitialMs,
      peer: () => way.peer,
      hooks: identify.hooks,
      transmit: way.transmit,
      // Empty: one socket is one association here, so the server need not name it to us.
      connectionId: speaksConnectionId ? { own: new Uint8Array(0) } : undefined,
    });
    // RFC 6066 §3: addresses are not announced.
    if (isIP(options.serverName) === 0) engine.setServerName(options.serverName);
    if (identify.stored !== undefined && !engine.offerSession(identify.stored.session)) identify.forget();
    return engine;
  } finally {
    openssl.c.SSL_CTX_free(context);
  }
}

function whyNoAnswer(
  options: DtlsClientOptions,
  peer: string,
  { counters: { receivedDatagrams }, firstAfterMs = 0, hasSpokenDtls }: Pick<Association, "counters" | "firstAfterMs" | "hasSpokenDtls">,
  networkTrouble: Error | undefined,
): string {
  const afterMs = options.handshakeTimeoutMs ?? limits.handshakeTimeoutMs;
  const heard =
    receivedDatagrams === 0
      ? "not one datagram"
      : hasSpokenDtls
        ? `${receivedDatagrams} datagrams, the first after ${firstAfterMs} ms, but no end of the handshake`
        : `${receivedDatagrams} datagrams that are no DTLS`;
  // A server drops a Finished it cannot decrypt without a word.
  const psk = options.trust.kind === "psk" && receivedDatagrams > 0 ? "; wrong PSK possible" : "";
  const network = networkTrouble === undefined ? "" : `; the network said ${networkTrouble.message}`;
  return `${peer}: ${heard} within ${afterMs} ms${psk}${network}`;
}
