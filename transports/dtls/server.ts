// The DTLS server: a stateless cookie exchange first, then one association a peer, found by address or by Connection ID (RFC 9146); a session cache, limits.
// Nothing is kept for an address before it has shown that it hears us, so that forged datagrams cost no memory.
import { createHmac, timingSafeEqual } from "node:crypto";
import type { RemoteInfo, Socket } from "node:dgram";
import { equalBytes, toHex, utf8 } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { systemRandom } from "../../base/random.ts";
import { checkClientChain } from "../certificates.ts";
import { bindSocket, peerName } from "../udp.ts";
import { Association } from "./association.ts";
import { registerExtensions } from "./cid/extension.ts";
import { PeerPath } from "./cid/path.ts";
import { checkLimits, chooseSuites, createContext, limits } from "./context.ts";
import { Engine } from "./engine.ts";
import { constants, type OpenSsl, type Pointer } from "./openssl.ts";
import { clientHelloRandom, datagramCid, looksLikeDtls } from "./records.ts";
import type { DtlsServer, DtlsServerAssociation, DtlsServerOptions } from "./types.ts";
import { type PeerVerifier, peerVerifier } from "./verify.ts";

/** As Dtls.listen; `onNoConnectionId` is told when OpenSSL does not take its extensions. */
export async function listenDtls(openssl: OpenSsl, options: DtlsServerOptions, onNoConnectionId: () => void): Promise<DtlsServer> {
  checkLimits(options);
  const context = serverContext(openssl, options);
  const speaksConnectionId = options.connectionId === true && registerExtensions(openssl, context);
  if (options.connectionId === true && !speaksConnectionId) onNoConnectionId();
  let socket: Socket;
  try {
    socket = await bindSocket(options.host, options.port);
  } catch (error) {
    openssl.c.SSL_CTX_free(context);
    throw error;
  }
  return new Server(openssl, { ...options, connectionId: speaksConnectionId }, context, socket);
}

function serverContext(openssl: OpenSsl, options: DtlsServerOptions): Pointer {
  const { c } = openssl;
  const authentications = [...(options.identity ? (["certificate"] as const) : []), ...(options.psk ? (["psk"] as const) : [])];
  const context = createContext(openssl, {
    role: "server",
    suites: chooseSuites(options.cipherSuites, authentications),
    identity: options.identity,
    peerCertificate: options.clientCertificates?.mode ?? "none",
    acceptedIssuers: options.clientCertificates?.anchors ?? [],
  });
  const name = utf8("simward");
  c.SSL_CTX_set_session_id_context(context, name, name.length);
  c.SSL_CTX_set_generate_session_id(context, openssl.callbacks.sessionId);
  c.SSL_CTX_ctrl(context, constants.SSL_CTRL_SET_SESS_CACHE_MODE, constants.SSL_SESS_CACHE_SERVER, null);
  c.SSL_CTX_ctrl(context, constants.SSL_CTRL_SET_SESS_CACHE_SIZE, options.associationsMax ?? limits.associationsMax, null);
  return context;
}

/** The peer an engine works for. The listening engine's changes with each datagram until one of them stays. */
interface Seat {
  remote: RemoteInfo | undefined;
  /** ClientHello.random of the attempt. */
  random: Uint8Array;
  attempt: Attempt | undefined;
  verifier: PeerVerifier;
  /** What its records shall carry, if the client agrees. */
  readonly cid: Uint8Array;
}

interface Attempt {
  readonly association: Association;
  readonly random: Uint8Array;
  readonly path: PeerPath;
  /** Another client has come to its address: only by its Connection ID can it still be reached. */
  isAddressless: boolean;
}

/**
 * What is known of an address. A ClientHello for a new association must not end the one in use before its handshake is complete
 * (RFC 6347 §4.2.8), so both may exist for a while.
 */
interface Peer {
  current: Attempt | undefined;
  pending: Attempt | undefined;
}

/** One length for all, since records do not say how long theirs is. Random: a guess hits nobody, and the CID tells nothing of the vehicle. */
const cidBytes = 8;

/** Good for one guess a datagram; each octet is paid twice. */
const cookieBytes = 8;

class Server implements DtlsServer {
  readonly port: number;
  readonly #openssl: OpenSsl;
  readonly #options: DtlsServerOptions;
  readonly #context: Pointer;
  readonly #socket: Socket;
  readonly #address: Pointer;
  readonly #cookieSecret = systemRandom.bytes(32);
  readonly #attempts = new Set<Attempt>();
  /** By address, for whatever carries no Connection ID. */
  readonly #peers = new Map<string, Peer>();
  readonly #byCid = new Map<string, Attempt>();
  readonly #listeners = new Set<(link: DtlsServerAssociation) => void>();
  #listening: { readonly engine: Engine; readonly seat: Seat };
  #closed: Promise<void> | undefined;

  constructor(openssl: OpenSsl, options: DtlsServerOptions, context: Pointer, socket: Socket) {
    this.#openssl = openssl;
    this.#options = options;
    this.#context = context;
    this.#socket = socket;
    this.port = socket.address().port;
    const address = openssl.c.BIO_ADDR_new();
    if (address === null) throw new SimwardError("INTERNAL", { detail: "out of memory" });
    this.#address = address;
    this.#listening = this.#newEngine();
    socket.on("error", () => {});
    socket.on("message", (datagram, remote) => this.#input(datagram, remote));
  }

  get size(): number {
    return this.#attempts.size;
  }

  onLink(fn: (link: DtlsServerAssociation) => void): () => void {
    this.#listeners.add(fn);
    return () => {
      this.#listeners.delete(fn);
    };
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      for (const { association } of [...this.#attempts]) association.close();
      this.#listening.engine.free();
      this.#openssl.c.BIO_ADDR_free(this.#address);
      this.#openssl.c.SSL_CTX_free(this.#context);
      this.#socket.close(resolve);
    });
    return this.#closed;
  }

  #input(datagram: Uint8Array, remote: RemoteInfo): void {
    if (this.#closed !== undefined) return;
    const named = this.#namedIn(datagram);
    if (named !== undefined) {
      named.path.arriving(remote, datagram.length);
      named.association.input(datagram);
      return;
    }
    if (!looksLikeDtls(datagram)) return;
    const peer = this.#peers.get(peerName(remote.address, remote.port));
    const random = clientHelloRandom(datagram);
    const { current, pending } = peer ?? {};
    const isRepeated = [current, pending].some(
      (attempt) => attempt !== undefined && random !== undefined && equalBytes(attempt.random, random),
    );
    if (random !== undefined && !isRepeated) {
      this.#hello(datagram, random, remote);
      return;
    }
    // Which of the two a record is for shows only by its authentication; to the other it is noise.
    pending?.association.input(datagram);
    current?.association.input(datagram);
  }

  /** The association that a datagram names, wherever in it: a client's last flight begins with records from before the keys. */
  #namedIn(datagram: Uint8Array): Attempt | undefined {
    const cid = this.#byCid.size === 0 ? undefined : datagramCid(datagram, cidBytes);
    return cid === undefined ? undefined : this.#byCid.get(toHex(cid));
  }

  /** A ClientHello of an attempt not known yet: answered with a cookie, or, with its cookie, taken in. */
  #hello(datagram: Uint8Array, random: Uint8Array, remote: RemoteInfo): void {
    const { engine, seat } = this.#listening;
    seat.remote = remote;
    seat.random = random;
    const isReachable = engine.listen(datagram, this.#address);
    const isBroken = engine.takeThrown() !== undefined;
    const isAdmitted = (): boolean => this.#options.admit?.(remote.address) ?? true;
    if (isReachable && !isBroken && isAdmitted() && this.#hasRoom()) {
      this.#listening = this.#newEngine();
      this.#accept(engine, seat, remote, datagram);
    } else if (isReachable || isBroken) {
      this.#listening = this.#newEngine();
      engine.free();
    }
  }

  #hasRoom(): boolean {
    if (this.size < (this.#options.associationsMax ?? limits.associationsMax)) return true;
    // Those that only began make room for the next, and those whose client was perhaps seen to begin anew; those in use stay.
    for (const { current, pending } of this.#peers.values()) {
      if (pending === undefined || current !== undefined) continue;
      pending.association.end(new SimwardError("DTLS_CLOSED", { detail: `${pending.association.peer}: made room for another` }));
      return true;
    }
    for (const { association, isAddressless } of this.#attempts) {
      if (!isAddressless) continue;
      association.end(new SimwardError("DTLS_CLOSED", { detail: `${association.peer}: made room for another` }));
      return true;
    }
    return false;
  }

  #accept(engine: Engine, seat: Seat, remote: RemoteInfo, datagram: Uint8Array): void {
    const name = peerName(remote.address, remote.port);
    const handshakeTimeoutMs = this.#options.handshakeTimeoutMs ?? limits.handshakeTimeoutMs;
    const path = new PeerPath({
      proven: remote,
      random: systemRandom,
      transmit: (octets, to) => {
        association.countSent(octets);
        this.#socket.send(octets, to.port, to.address, () => {});
      },
      onMoved: (to) => {
        association.peer = peerName(to.address, to.port);
        if (peer.current === attempt) peer.current = undefined;
        if (peer.pending === undefined && peer.current === undefined) this.#peers.delete(name);
      },
    });
    const association: Association = new Association({
      engine,
      role: "server",
      clock: this.#options.clock,
      peer: name,
      handshakeTimeoutMs,
      idleTimeoutMs: this.#options.idleTimeoutMs ?? limits.idleTimeoutMs,
      timeoutDetail: () =>
        `${name}: the client did not finish within ${handshakeTimeoutMs} ms${this.#options.psk ? "; wrong PSK possible" : ""}`,
      onOpen: () => this.#opened(engine, seat, peer, attempt),
      settled: () => path.settle((cookie) => association.challenge(cookie)),
    });
    association.countReceived(datagram);
    const attempt: Attempt = { association, random: seat.random, path, isAddressless: false };
    seat.attempt = attempt;
    const cidName = toHex(seat.cid);
    this.#attempts.add(attempt);
    const peer = this.#peers.get(name) ?? { current: undefined, pending: undefined };
    peer.pending?.association.end(new SimwardError("DTLS_CLOSED", { detail: `${name}: began anew` }));
    peer.pending = attempt;
    this.#peers.set(name, peer);
    association.onClosed((reason) => {
      if (peer.pending === attempt) {
        peer.pending = undefined;
        this.#options.onRefused?.(name, seat.verifier.refusal ?? reason);
      }
      if (peer.current === attempt) peer.current = undefined;
      if (peer.pending === undefined && peer.current === undefined) this.#peers.delete(name);
      this.#attempts.delete(attempt);
      if (this.#byCid.get(cidName) === attempt) this.#byCid.delete(cidName);
    });
    association.start();
    // The ClientHello is read by now.
    if (engine.named.theirs && this.#attempts.has(attempt)) this.#byCid.set(cidName, attempt);
  }

  #opened(engine: Engine, seat: Seat, peer: Peer, attempt: Attempt): void {
    const mode = this.#options.clientCertificates?.mode ?? "none";
    const [leaf, ...rest] = engine.peerCertificates();
    if (leaf !== undefined) seat.verifier.confirm(leaf, engine.resumed ? [leaf, ...rest] : undefined);
    else if (mode === "require") throw new SimwardError("TLS_UNTRUSTED", { detail: `${attempt.association.peer}: no client certificate` });
    const former = peer.current;
    peer.current = attempt;
    peer.pending = undefined;
    // Behind a NAT an address passes from one vehicle to another: whoever is known by name is not taken for gone.
    if (former?.association.survivesRebinding === true) former.isAddressless = true;
    else former?.association.end(new SimwardError("DTLS_CLOSED", { detail: `${attempt.association.peer}: the client began anew` }));
    for (const fn of [...this.#listeners]) fn(attempt.association);
  }

  #newEngine(): { readonly engine: Engine; readonly seat: Seat } {
    const { clientCertificates, clock, psk } = this.#options;
    const seat: Seat = {
      remote: undefined,
      random: new Uint8Array(0),
      attempt: undefined,
      cid: this.#options.connectionId === true ? systemRandom.bytes(cidBytes) : new Uint8Array(0),
      verifier: peerVerifier(
        clientCertificates?.judge ??
          ((presented, time) => checkClientChain(presented, { anchors: clientCertificates?.anchors ?? [], time })),
        () => clock.wall(),
      ),
    };
    const engine = new Engine({
      openssl: this.#openssl,
      context: this.#context,
      role: "server",
      mtuBytes: this.#options.mtuBytes ?? limits.mtuBytes,
      retransmitInitialMs: this.#options.retransmitInitialMs ?? limits.retransmitInitialMs,
      peer: () => (seat.remote === undefined ? "nobody" : peerName(seat.remote.address, seat.remote.port)),
      hooks: {
        verify: seat.verifier.verify,
        pskServer: (identity) => psk?.(identity),
        cookie: () => this.#cookieFor(seat),
        checkCookie: (cookie) => {
          const expected = this.#cookieFor(seat);
          return cookie.length === expected.length && timingSafeEqual(cookie, expected);
        },
      },
      connectionId:
        this.#options.connectionId === true
          ? {
              own: seat.cid,
              onNewer: () => {
                if (seat.attempt !== undefined) seat.attempt.isAddressless = false;
                seat.attempt?.path.newer();
              },
              onPathResponse: (cookie) => seat.attempt?.path.responded(cookie),
            }
          : undefined,
      transmit: (datagram) => {
        if (seat.attempt !== undefined) seat.attempt.path.send(datagram);
        else if (seat.remote !== undefined) this.#socket.send(datagram, seat.remote.port, seat.remote.address, () => {});
      },
    });
    return { engine, seat };
  }

  /** Bound to the address and to the attempt: seen on the way, it is good for neither another address nor another ClientHello. */
  #cookieFor(seat: Seat): Uint8Array {
    const address = seat.remote === undefined ? "" : peerName(seat.remote.address, seat.remote.port);
    return createHmac("sha256", this.#cookieSecret).update(address).update(seat.random).digest().subarray(0, cookieBytes);
  }
}
