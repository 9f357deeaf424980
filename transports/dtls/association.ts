// An engine with the things around it: timers on the Clock, listeners, counters, the idle limit. Client and server share it.
// It owns the engine; whoever makes it owns the socket and learns of the end through `onClosed`.
import type { Clock, Disposer } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import type { Engine, Step } from "./engine.ts";
import type { DtlsServerAssociation } from "./types.ts";

export interface AssociationOptions {
  readonly engine: Engine;
  readonly role: "client" | "server";
  readonly clock: Clock;
  /** "address:port" */
  readonly peer: string;
  readonly handshakeTimeoutMs: number;
  /** Silence after which it ends without a word; undefined for never. */
  readonly idleTimeoutMs?: number | undefined;
  /** Why the deadline passed, as far as is known. */
  readonly timeoutDetail: () => string;
  /** Called once when the handshake is complete; may throw to refuse. Nothing was delivered before. */
  readonly onOpen: (association: Association) => void;
  /** After each datagram taken in or sent, while it lives. */
  readonly settled?: () => void;
  /** Goes on from another port, if the peer will find the association by its name. */
  readonly rebind?: () => void;
}

/** Datagrams that arrive before anyone listens; CoAP repeats what gets lost beyond that. */
const earlyDatagramsMax = 16;

/** OpenSSL's timers run on the system's wall clock, which may be set back meanwhile: never trust them for longer than this. */
const retransmitCheckMaxMs = 60_000;

const dtlsMajorVersion = 0xfe;

export class Association implements DtlsServerAssociation {
  /** Changes when the peer was moved. */
  peer: string;
  readonly counters = { sentDatagrams: 0, sentBytes: 0, receivedDatagrams: 0, receivedBytes: 0 };
  cipherSuite = "";
  resumed = false;
  maxDatagramBytes = 0;
  survivesRebinding = false;
  peerCertificates: readonly Uint8Array[] = [];
  pskIdentity: string | undefined;
  readonly #options: AssociationOptions;
  readonly #datagramListeners = new Set<(datagram: Uint8Array) => void>();
  readonly #closedListeners = new Set<(reason: Error) => void>();
  readonly #early: Uint8Array[] = [];
  #reason: SimwardError | undefined;
  #stopDeadline: Disposer;
  #stopRetransmit: Disposer | undefined;
  #stopIdle: Disposer | undefined;
  #lastTrafficMs = 0;
  readonly #startMs: number;
  #firstAfterMs: number | undefined;
  #hasSpokenDtls = false;

  constructor(options: AssociationOptions) {
    this.#options = options;
    this.peer = options.peer;
    this.#startMs = options.clock.monotonicMs();
    this.#stopDeadline = options.clock.after(options.handshakeTimeoutMs, () =>
      this.end(new SimwardError("DTLS_TIMEOUT", { detail: options.timeoutDetail() })),
    );
  }

  get peerCertificate(): Uint8Array | undefined {
    return this.peerCertificates[0];
  }

  get open(): boolean {
    return this.#reason === undefined && this.#options.engine.state === "open";
  }

  /** From the beginning to the first datagram of the peer; undefined before it. */
  get firstAfterMs(): number | undefined {
    return this.#firstAfterMs;
  }

  /** Whether one datagram of the peer was a record of DTLS 1.x (RFC 6347 §4.1). */
  get hasSpokenDtls(): boolean {
    return this.#hasSpokenDtls;
  }

  /** Sends the first flight, or answers what the engine already holds. */
  start(): void {
    this.#take(this.#options.engine.advance());
  }

  /** One datagram from the peer. */
  input(datagram: Uint8Array): void {
    this.countReceived(datagram);
    this.#take(this.#options.engine.receive(datagram));
  }

  countReceived(datagram: Uint8Array): void {
    this.#hasSpokenDtls ||= datagram[1] === dtlsMajorVersion;
    this.#firstAfterMs ??= Math.round(this.#options.clock.monotonicMs() - this.#startMs);
    this.counters.receivedDatagrams++;
    this.counters.receivedBytes += datagram.length;
  }

  /** For whoever transmits. */
  countSent(datagram: Uint8Array): void {
    this.counters.sentDatagrams++;
    this.counters.sentBytes += datagram.length;
  }

  send(datagram: Uint8Array): void {
    if (!this.open) return;
    const step = this.#options.engine.write(datagram);
    this.#traffic();
    this.#take(step);
  }

  /** Asks the peer to show that it hears us. */
  challenge(cookie: Uint8Array): void {
    this.#take(this.#options.engine.challenge(cookie));
  }

  rebind(): void {
    if (this.open && this.survivesRebinding) this.#options.rebind?.();
  }

  onDatagram(fn: (datagram: Uint8Array) => void): Disposer {
    this.#datagramListeners.add(fn);
    for (const datagram of this.#early.splice(0)) fn(datagram);
    return () => {
      this.#datagramListeners.delete(fn);
    };
  }

  onClosed(fn: (reason: Error) => void): Disposer {
    if (this.#reason !== undefined) {
      fn(this.#reason);
      return () => {};
    }
    this.#closedListeners.add(fn);
    return () => {
      this.#closedListeners.delete(fn);
    };
  }

  close(): void {
    if (this.#reason !== undefined) return;
    this.#options.engine.shutdown();
    this.end(new SimwardError("DTLS_CLOSED", { detail: `${this.peer}: closed on this side` }));
  }

  /** For an association that is thought dead: a goodbye would be one more wasted datagram. */
  abandon(): void {
    this.end(new SimwardError("DTLS_CLOSED", { detail: `${this.peer}: given up on this side` }));
  }

  /** Ends without a word to the peer. */
  end(reason: SimwardError): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#stopDeadline();
    this.#stopRetransmit?.();
    this.#stopIdle?.();
    this.#options.engine.free();
    this.#early.length = 0;
    this.#datagramListeners.clear();
    const listeners = [...this.#closedListeners];
    this.#closedListeners.clear();
    for (const fn of listeners) fn(reason);
  }

  #take(step: Step): void {
    if (this.#reason !== undefined) return;
    if (step.opened) this.#opened();
    // Each listener may close the association: from then on nothing more is delivered.
    for (const plaintext of step.plaintexts) {
      if (this.#reason !== undefined) return;
      this.#traffic();
      this.#deliver(plaintext);
    }
    if (step.ended !== undefined) this.end(step.ended);
    else {
      this.#armRetransmit();
      this.#options.settled?.();
    }
  }

  #opened(): void {
    const { engine, idleTimeoutMs, role } = this.#options;
    this.#stopDeadline();
    this.cipherSuite = engine.cipherSuite;
    this.resumed = engine.resumed;
    this.maxDatagramBytes = engine.maxPlaintextBytes;
    this.pskIdentity = engine.pskIdentity;
    // It is the server that finds a client anew.
    this.survivesRebinding = role === "client" ? engine.named.ours : engine.named.theirs;
    this.peerCertificates = engine.peerCertificates();
    this.#traffic();
    if (idleTimeoutMs !== undefined) this.#armIdle(idleTimeoutMs, idleTimeoutMs);
    try {
      this.#options.onOpen(this);
    } catch (error) {
      engine.shutdown();
      this.end(error instanceof SimwardError ? error : new SimwardError("INTERNAL", { detail: this.peer, cause: error }));
    }
  }

  #deliver(plaintext: Uint8Array): void {
    if (this.#datagramListeners.size === 0) {
      if (this.#early.length < earlyDatagramsMax) this.#early.push(plaintext);
      return;
    }
    for (const fn of [...this.#datagramListeners]) fn(plaintext);
  }

  #armRetransmit(): void {
    this.#stopRetransmit?.();
    this.#stopRetransmit = undefined;
    const dueMs = this.#reason === undefined ? this.#options.engine.retransmitInMs() : undefined;
    if (dueMs === undefined) return;
    this.#stopRetransmit = this.#options.clock.after(Math.min(Math.max(dueMs, 1), retransmitCheckMaxMs), () => {
      this.#stopRetransmit = undefined;
      this.#take(this.#options.engine.retransmit());
    });
  }

  /** Only what was authenticated counts: junk from anywhere must not keep an association alive. */
  #traffic(): void {
    this.#lastTrafficMs = this.#options.clock.monotonicMs();
  }

  #armIdle(idleTimeoutMs: number, waitMs: number): void {
    this.#stopIdle = this.#options.clock.after(waitMs, () => {
      const restMs = this.#lastTrafficMs + idleTimeoutMs - this.#options.clock.monotonicMs();
      if (restMs > 0) this.#armIdle(idleTimeoutMs, restMs);
      else this.end(new SimwardError("DTLS_CLOSED", { detail: `${this.peer}: nothing heard or said for ${idleTimeoutMs} ms` }));
    });
  }
}
