// One SSL between two memory buffers: datagrams in, datagrams and plaintexts out. It knows no socket, no timer, no address.
// #outbound and #feed are the only way between its records and datagrams; Connection ID (RFC 9146) has its place in these, in cid/layer.ts.
import { concatBytes } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { aeadOfSuite } from "./cid/keys.ts";
import { ConnectionIdLayer, type ConnectionIdOptions, type SecretsSource } from "./cid/layer.ts";
import { failureOf } from "./failures.ts";
import { constants, type OpenSsl, type Pointer, type SslHooks } from "./openssl.ts";
import { contentTypes, isAdmissible, packRecords, splitRecords } from "./records.ts";

/** What one call brought about. */
export interface Step {
  /** The handshake was completed in this step. */
  readonly opened: boolean;
  readonly plaintexts: readonly Uint8Array[];
  /** Set once, when the association ended in this step. */
  readonly ended: SimwardError | undefined;
}

export interface EngineOptions {
  readonly openssl: OpenSsl;
  /** Not freed here; OpenSSL holds its own reference. */
  readonly context: Pointer;
  readonly role: "client" | "server";
  readonly mtuBytes: number;
  readonly retransmitInitialMs: number;
  /** "address:port", for errors. */
  readonly peer: () => string;
  readonly hooks: Omit<SslHooks, "thrown" | "nextTimeoutUs" | "extension" | "takeExtension">;
  /** Speaks Connection ID with a peer that does; the context must have its extensions. */
  readonly connectionId?: ConnectionIdOptions | undefined;
  /** Must not call back into the engine. */
  readonly transmit: (datagram: Uint8Array) => void;
}

/** Records that came before the keys for them, which depend on others still under way. */
const waitingMax = 4;
const masterSecretBytes = 48;
const randomBytes = 32;
const retransmitMaxUs = 60_000_000;
/** A wait as long as that is for a path that loses much, no longer for one that is slow: doubling on would only make it wait (RFC 6347 §4.2.4.1). */
const longWaitUs = 4_000_000;
const nothing: Step = { opened: false, plaintexts: [], ended: undefined };

/** The wait after the one that was in vain. */
export function nextRetransmitUs(previousUs: number): number {
  return Math.min(Math.round(previousUs * (previousUs < longWaitUs ? 2 : 1.25)), retransmitMaxUs);
}

export class Engine {
  readonly #openssl: OpenSsl;
  readonly #options: EngineOptions;
  /** Null once freed: a call on a freed SSL is a crash, not an exception, so each entry asks first. */
  #ssl: Pointer | null;
  #rbio: Pointer;
  #wbio: Pointer;
  #state: "handshaking" | "open" | "ended" = "handshaking";
  #thrown: unknown;
  readonly #layer: ConnectionIdLayer | undefined;
  readonly #waiting: Uint8Array[] = [];
  #isPathMessage = false;

  constructor(options: EngineOptions) {
    const { openssl, context, role } = options;
    const { c } = openssl;
    this.#openssl = openssl;
    this.#options = options;
    c.ERR_clear_error();
    const ssl = c.SSL_new(context);
    const rbio = c.BIO_new(c.BIO_s_mem());
    const wbio = c.BIO_new(c.BIO_s_mem());
    if (ssl === null || rbio === null || wbio === null) {
      c.SSL_free(ssl);
      if (rbio !== null) c.BIO_free(rbio);
      if (wbio !== null) c.BIO_free(wbio);
      throw failureOf(openssl.drainErrors(), "out of memory");
    }
    this.#ssl = ssl;
    this.#rbio = rbio;
    this.#wbio = wbio;
    // An empty buffer means "nothing yet", not the end.
    c.BIO_ctrl(rbio, constants.BIO_C_SET_BUF_MEM_EOF_RETURN, -1, null);
    c.BIO_ctrl(wbio, constants.BIO_C_SET_BUF_MEM_EOF_RETURN, -1, null);
    c.SSL_set_bio(ssl, rbio, wbio);
    if (role === "client") c.SSL_set_connect_state(ssl);
    else c.SSL_set_accept_state(ssl);
    c.SSL_ctrl(ssl, constants.SSL_CTRL_SET_MTU, options.mtuBytes, null);
    const initialUs = Math.max(1, Math.round(options.retransmitInitialMs * 1000));
    const layer = options.connectionId && new ConnectionIdLayer(role, options.connectionId, this.#secrets);
    this.#layer = layer;
    openssl.hooks.set(ssl, {
      ...options.hooks,
      ...(layer && {
        extension: (type) => layer.extension(type),
        takeExtension: (type, content) => layer.takeExtension(type, content),
      }),
      nextTimeoutUs: (previousUs) => (previousUs === 0 ? initialUs : nextRetransmitUs(previousUs)),
      thrown: (error) => {
        this.#thrown ??= error;
      },
    });
    c.DTLS_set_timer_cb(ssl, openssl.callbacks.nextTimeout);
  }

  get state(): "handshaking" | "open" | "ended" {
    return this.#state;
  }

  /** Client only: SNI. */
  setServerName(name: string): void {
    if (this.#ssl !== null)
      this.#openssl.c.SSL_ctrl(this.#ssl, constants.SSL_CTRL_SET_TLSEXT_HOSTNAME, 0, Buffer.from(`${name}\0`, "latin1"));
  }

  /** Client only: a session to resume, as `session()` gave it. Answers whether OpenSSL can use it. */
  offerSession(der: Uint8Array): boolean {
    const { c } = this.#openssl;
    if (this.#ssl === null) return false;
    c.ERR_clear_error();
    const session = this.#openssl.sessionFromDer(der);
    if (session === undefined) return false;
    const taken = c.SSL_set_session(this.#ssl, session) === 1;
    c.SSL_SESSION_free(session);
    c.ERR_clear_error();
    return taken;
  }

  /** Begins or goes on. */
  advance(): Step {
    const ssl = this.#ssl;
    if (ssl === null) return nothing;
    const { c, scratch } = this.#openssl;
    const plaintexts: Uint8Array[] = [];
    let opened = false;
    let ended: SimwardError | undefined;
    if (this.#state === "handshaking") {
      c.ERR_clear_error();
      const result = c.SSL_do_handshake(ssl);
      if (result === 1) {
        this.#state = "open";
        opened = true;
      } else ended = this.#ending(ssl, result);
    }
    // Also when only handshake records came: reading is what answers a peer's repeated Finished.
    while (this.#state === "open" && ended === undefined) {
      c.ERR_clear_error();
      const count = c.SSL_read(ssl, scratch, scratch.length);
      if (count <= 0) {
        ended = this.#ending(ssl, count);
        break;
      }
      plaintexts.push(scratch.slice(0, count));
    }
    const unsent = this.#flush();
    ended ??= unsent;
    // A refusal after the handshake completed, e.g. a fatal alert in the same flight, must not count as open.
    if (ended !== undefined) this.free();
    return { opened: opened && ended === undefined, plaintexts, ended };
  }

  /** One datagram from the peer. */
  receive(datagram: Uint8Array): Step {
    try {
      return this.#receive(datagram);
    } catch (cause) {
      this.#state = "ended";
      this.free();
      return { ...nothing, ended: new SimwardError("INTERNAL", { detail: `${this.#options.peer()}: a record could not be read`, cause }) };
    }
  }

  #receive(datagram: Uint8Array): Step {
    const layer = this.#layer;
    const steps: Step[] = [];
    let ordinary: Uint8Array[] = [];
    const takeOrdinary = (): void => {
      // Together, as OpenSSL takes what one read gives for one datagram.
      if (ordinary.length > 0) steps.push(this.#take(concatBytes(...ordinary)));
      ordinary = [];
    };
    for (const record of splitRecords(datagram, layer?.own.length)) {
      if (this.#ssl === null) break;
      if (record[0] === contentTypes.tls12Cid && layer?.isNamedInward) {
        // Its keys may come from what is before it, and those that wait must not take its place then.
        takeOrdinary();
        steps.push(...this.#takeWaiting(layer));
        if (this.#waiting.length < waitingMax) this.#waiting.push(record);
        steps.push(...this.#takeWaiting(layer));
      } else if ((layer === undefined || layer.admits(record)) && this.#isAdmissible(record)) ordinary.push(record);
    }
    takeOrdinary();
    if (layer !== undefined) {
      steps.push(...this.#takeWaiting(layer));
      const reply = layer.takeReply();
      if (reply !== undefined) steps.push(this.#writePathMessage(reply));
    }
    return merge(steps);
  }

  #take(records: Uint8Array): Step {
    if (this.#ssl === null) return nothing;
    this.#feed(records);
    return this.advance();
  }

  #takeWaiting(layer: ConnectionIdLayer): Step[] {
    if (this.#ssl === null || this.#waiting.length === 0 || !layer.hasKeys) return [];
    const records = this.#waiting.splice(0).map((record) => layer.inbound(record));
    // One at a time: OpenSSL holds back what it cannot read yet, but only between reads.
    return records.flatMap((record) => (record === undefined ? [] : [this.#take(record)]));
  }

  /** Asks the peer to show that it hears us where we now send (RFC 9853), if it can. */
  challenge(cookie: Uint8Array): Step {
    return this.#layer?.checksPaths === true ? this.#writePathMessage(this.#layer.pathChallenge(cookie)) : nothing;
  }

  #writePathMessage(message: Uint8Array): Step {
    this.#isPathMessage = true;
    try {
      return this.write(message);
    } finally {
      this.#isPathMessage = false;
    }
  }

  /** Sends one plaintext as one record. Throws DTLS_TOO_LARGE. */
  write(plaintext: Uint8Array): Step {
    const ssl = this.#ssl;
    if (ssl === null || this.#state !== "open") return nothing;
    const { c } = this.#openssl;
    const limit = this.maxPlaintextBytes;
    // OpenSSL would neither refuse nor split it, but send a datagram above the MTU.
    if (plaintext.length > limit) {
      const detail = `${plaintext.length} octets to ${this.#options.peer()}, at most ${limit} fit an MTU of ${this.#options.mtuBytes}`;
      throw new SimwardError("DTLS_TOO_LARGE", { detail });
    }
    // An empty record carries nothing, and SSL_write does not define what it does with it.
    if (plaintext.length === 0) return nothing;
    c.ERR_clear_error();
    const result = c.SSL_write(ssl, plaintext, plaintext.length);
    let ended = result > 0 ? undefined : this.#ending(ssl, result);
    const unsent = this.#flush();
    ended ??= unsent;
    if (ended !== undefined) this.free();
    return { ...nothing, ended };
  }

  /** How long until `retransmit` is due; undefined when no flight waits for an answer. */
  retransmitInMs(): number | undefined {
    if (this.#ssl === null) return undefined;
    // struct timeval is two longs of 4 or 8 octets; the filling tells which OpenSSL wrote.
    const timeval = Buffer.alloc(16, 0xa5);
    if (this.#openssl.c.SSL_ctrl(this.#ssl, constants.SSL_CTRL_GET_TIMEOUT, 0, timeval) <= 0) return undefined;
    const isWide = timeval.readUInt32LE(8) !== 0xa5a5a5a5 || timeval.readUInt32LE(12) !== 0xa5a5a5a5;
    const [seconds, microseconds] = isWide
      ? [Number(timeval.readBigInt64LE(0)), Number(timeval.readBigInt64LE(8))]
      : [timeval.readInt32LE(0), timeval.readInt32LE(4)];
    return Math.max(0, seconds * 1000 + Math.ceil(microseconds / 1000));
  }

  /** Sends the last flight again if OpenSSL, too, finds that it is time. */
  retransmit(): Step {
    const ssl = this.#ssl;
    if (ssl === null) return nothing;
    const { c } = this.#openssl;
    c.ERR_clear_error();
    const result = c.SSL_ctrl(ssl, constants.SSL_CTRL_HANDLE_TIMEOUT, 0, null);
    let ended = result < 0 ? this.#failure() : undefined;
    const unsent = this.#flush();
    ended ??= unsent;
    if (ended !== undefined) this.free();
    else c.ERR_clear_error();
    return { ...nothing, ended };
  }

  /** Says close_notify, without waiting for the peer's. */
  shutdown(): void {
    if (this.#ssl !== null && this.#state === "open") {
      this.#openssl.c.ERR_clear_error();
      this.#openssl.c.SSL_shutdown(this.#ssl);
      this.#openssl.c.ERR_clear_error();
      this.#flush();
    }
    this.free();
  }

  /** The end of everything here; the buffers go with the SSL. A session stays resumable unless the association failed. */
  free(): void {
    const ssl = this.#ssl;
    if (ssl === null) return;
    const { c, hooks } = this.#openssl;
    // Without this, SSL_free takes the end of a live association for a failure and throws its session out of the server's cache.
    if (this.#state === "open") c.SSL_set_shutdown(ssl, constants.SSL_SENT_SHUTDOWN | constants.SSL_RECEIVED_SHUTDOWN);
    this.#ssl = null;
    this.#state = "ended";
    hooks.delete(ssl);
    this.#layer?.forget();
    this.#waiting.length = 0;
    c.SSL_free(ssl);
    c.ERR_clear_error();
  }

  // --- facts; each answers "nothing" once freed --------------------------------------------------------------------------------

  get maxPlaintextBytes(): number {
    return this.#ssl === null ? 0 : Number(this.#openssl.c.DTLS_get_data_mtu(this.#ssl)) - (this.#layer?.growthBytes ?? 0);
  }

  /** Connection ID: whose records carry a name for the association, "ours" for those we send. Good once the hellos are exchanged. */
  get named(): { readonly ours: boolean; readonly theirs: boolean } {
    return { ours: this.#layer?.isNamedOutward ?? false, theirs: this.#layer?.isNamedInward ?? false };
  }

  get cipherSuite(): string {
    const { c } = this.#openssl;
    const cipher = this.#ssl === null ? null : c.SSL_get_current_cipher(this.#ssl);
    return cipher === null ? "" : (c.SSL_CIPHER_get_name(cipher) ?? "");
  }

  get resumed(): boolean {
    return this.#ssl !== null && this.#openssl.c.SSL_session_reused(this.#ssl) === 1;
  }

  get pskIdentity(): string | undefined {
    return this.#ssl === null ? undefined : (this.#openssl.c.SSL_get_psk_identity(this.#ssl) ?? undefined);
  }

  /** DER, leaf first. After a resumption from stored octets only the leaf is known. */
  peerCertificates(): Uint8Array[] {
    const { c } = this.#openssl;
    if (this.#ssl === null) return [];
    const leaf = c.SSL_get1_peer_certificate(this.#ssl);
    if (leaf === null) return [];
    const leafDer = this.#openssl.certificateToDer(leaf);
    c.X509_free(leaf);
    const stack = this.#openssl.stackToDer(c.SSL_get_peer_cert_chain(this.#ssl));
    // A client's stack begins with the leaf, a server's does not.
    return [leafDer, ...(this.#options.role === "client" ? stack.slice(1) : stack)];
  }

  /** The session for a later resumption, DER, with its master secret; undefined when it cannot be resumed. */
  session(): Uint8Array | undefined {
    const { c } = this.#openssl;
    if (this.#ssl === null) return undefined;
    const session = c.SSL_get1_session(this.#ssl);
    if (session === null) return undefined;
    const der = c.SSL_SESSION_is_resumable(session) === 1 ? this.#openssl.sessionToDer(session) : undefined;
    c.SSL_SESSION_free(session);
    return der;
  }

  // --- server: the stateless part ----------------------------------------------------------------------------------------------

  /**
   * One step of the cookie exchange (RFC 6347 §4.2.1) for whoever sent `datagram`, whose first record is a ClientHello: answers true when it carried a valid cookie,
   * and this engine is then that peer's; false when at most a HelloVerifyRequest was sent and nothing was kept.
   */
  listen(datagram: Uint8Array, address: Pointer): boolean {
    const ssl = this.#ssl;
    if (ssl === null) return false;
    const { c } = this.#openssl;
    c.BIO_ctrl(this.#rbio, constants.BIO_CTRL_RESET, 0, null);
    this.#feed(splitRecords(datagram)[0] ?? datagram);
    c.ERR_clear_error();
    const result = c.DTLSv1_listen(ssl, address);
    if (result < 0) this.#thrown ??= failureOf(this.#openssl.drainErrors(), "listening");
    else c.ERR_clear_error();
    this.#flush();
    return result > 0;
  }

  /** What a hook or DTLSv1_listen threw, once. */
  takeThrown(): unknown {
    const thrown = this.#thrown;
    this.#thrown = undefined;
    return thrown;
  }

  // --- inside ------------------------------------------------------------------------------------------------------------------

  /** Nonce and tag of a record; while no suite is chosen, those of GCM. */
  #overheadBytes(): number {
    const { c } = this.#openssl;
    const cipher = this.#ssl === null ? null : (c.SSL_get_current_cipher(this.#ssl) ?? c.SSL_get_pending_cipher(this.#ssl));
    const isShortTag = cipher !== null && c.SSL_CIPHER_get_name(cipher)?.endsWith("CCM8") === true;
    return isShortTag ? 8 + 8 : 8 + 16;
  }

  #feed(datagram: Uint8Array): void {
    this.#openssl.c.BIO_write(this.#rbio, datagram, datagram.length);
  }

  /** Answers why nothing could be sent, when that is so. */
  #flush(): SimwardError | undefined {
    const { c, scratch } = this.#openssl;
    const parts: Uint8Array[] = [];
    for (let count = c.BIO_read(this.#wbio, scratch, scratch.length); count > 0; count = c.BIO_read(this.#wbio, scratch, scratch.length))
      parts.push(scratch.slice(0, count));
    if (parts.length === 0) return undefined;
    let datagrams: Uint8Array[];
    try {
      datagrams = this.#outbound(splitRecords(concatBytes(...parts)));
    } catch (cause) {
      this.#state = "ended";
      return new SimwardError("INTERNAL", { detail: `${this.#options.peer()}: a record could not be given its Connection ID`, cause });
    }
    for (const datagram of datagrams) this.#options.transmit(datagram);
    return undefined;
  }

  /** Records as OpenSSL wrote them, to datagrams for the peer. */
  #outbound(records: readonly Uint8Array[]): Uint8Array[] {
    const layer = this.#layer;
    const named = layer === undefined ? records : records.map((record) => layer.outbound(record, this.#isPathMessage));
    return packRecords(named, this.#options.mtuBytes);
  }

  #isAdmissible(record: Uint8Array): boolean {
    return isAdmissible(record, { isOpen: this.#state === "open", overheadBytes: this.#overheadBytes() });
  }

  /** For the layer: what the record keys are made of, once the handshake has got that far. */
  readonly #secrets: SecretsSource = () => {
    const { c } = this.#openssl;
    const ssl = this.#ssl;
    const session = ssl === null ? null : c.SSL_get_session(ssl);
    // A server's suite is "pending" until the client's ChangeCipherSpec.
    const cipher = ssl === null ? null : (c.SSL_get_current_cipher(ssl) ?? c.SSL_get_pending_cipher(ssl));
    const name = cipher === null ? null : c.SSL_CIPHER_get_name(cipher);
    if (ssl === null || session === null || name === null) return undefined;
    const aead = aeadOfSuite(name);
    if (aead === undefined) throw new SimwardError("INTERNAL", { detail: `${name} has no Connection ID records` });
    const masterSecret = new Uint8Array(masterSecretBytes);
    if (Number(c.SSL_SESSION_get_master_key(session, masterSecret, masterSecretBytes)) !== masterSecretBytes) return undefined;
    const clientRandom = new Uint8Array(randomBytes);
    const serverRandom = new Uint8Array(randomBytes);
    c.SSL_get_client_random(ssl, clientRandom, randomBytes);
    c.SSL_get_server_random(ssl, serverRandom, randomBytes);
    return { aead, masterSecret, clientRandom, serverRandom };
  };

  /** Why a call on the SSL answered `result`; undefined when it only wants more input. */
  #ending(ssl: Pointer, result: number): SimwardError | undefined {
    const error = this.#openssl.c.SSL_get_error(ssl, result);
    if (error === constants.SSL_ERROR_WANT_READ || error === constants.SSL_ERROR_WANT_WRITE) {
      this.#openssl.c.ERR_clear_error();
      return undefined;
    }
    if (error === constants.SSL_ERROR_ZERO_RETURN) {
      this.#openssl.c.ERR_clear_error();
      return new SimwardError("DTLS_CLOSED", { detail: `${this.#options.peer()} said close_notify` });
    }
    return this.#failure();
  }

  #failure(): SimwardError {
    const failed = failureOf(this.#openssl.drainErrors(), this.#options.peer());
    const thrown = this.takeThrown();
    // The free that follows must not leave a session behind that broke.
    this.#state = "ended";
    if (thrown instanceof SimwardError) return thrown;
    return thrown === undefined
      ? failed
      : new SimwardError("INTERNAL", { detail: `${this.#options.peer()}: a callback failed`, cause: thrown });
  }
}

function merge(steps: readonly Step[]): Step {
  return {
    opened: steps.some(({ opened }) => opened),
    plaintexts: steps.flatMap(({ plaintexts }) => plaintexts),
    ended: steps.find(({ ended }) => ended !== undefined)?.ended,
  };
}
