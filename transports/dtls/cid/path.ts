// Where a server's datagrams to one client go (RFC 9146 §6): to the address that has shown that it hears us, and, where newer authentic records
// come from another, to that one, but no more than thrice what came from there until it has shown the same (RFC 9853).
import type { RemoteInfo } from "node:dgram";
import { equalBytes } from "../../../base/bytes.ts";
import type { Random } from "../../../base/random.ts";

export type Address = Pick<RemoteInfo, "address" | "port">;

/** The anti-amplification limit (RFC 9000 §8.1, as RFC 9853 takes it over). */
const amplification = 3;
/** A path_challenge in a record of its own, the longest tag and a CID included. */
const challengeReserveBytes = 64;
/** Answers that wait for an address to be proven; CoAP repeats what gets lost beyond that. */
const heldMax = 8;
const cookieBytes = 8;

export interface PeerPathOptions {
  readonly proven: Address;
  readonly random: Random;
  readonly transmit: (datagram: Uint8Array, to: Address) => void;
  /** The client is somewhere else now. */
  readonly onMoved: (to: Address) => void;
}

interface Trial {
  readonly address: Address;
  creditBytes: number;
  /** Something newer came since the last challenge. */
  mayChallenge: boolean;
  cookie: Uint8Array | undefined;
}

export class PeerPath {
  readonly #options: PeerPathOptions;
  #proven: Address;
  #trial: Trial | undefined;
  #arriving: { readonly from: Address; uncountedBytes: number } | undefined;
  #held: Uint8Array[] = [];
  #isChallenge = false;

  constructor(options: PeerPathOptions) {
    this.#options = options;
    this.#proven = options.proven;
  }

  /** Where the datagram that is now being taken in came from. */
  arriving(from: Address, bytes: number): void {
    this.#arriving = { from, uncountedBytes: bytes };
  }

  /** That datagram holds an authentic record, newer than every one before: whoever sent it is to be answered there. */
  newer(): void {
    const arriving = this.#arriving;
    if (arriving === undefined) return;
    const { from } = arriving;
    if (isSame(from, this.#proven)) this.#trial = undefined;
    else {
      if (this.#trial === undefined || !isSame(from, this.#trial.address))
        this.#trial = { address: from, creditBytes: 0, mayChallenge: true, cookie: undefined };
      this.#trial.creditBytes += amplification * arriving.uncountedBytes;
      this.#trial.mayChallenge = true;
      arriving.uncountedBytes = 0;
    }
    this.#release();
  }

  /** That datagram holds the answer to a path_challenge. */
  responded(cookie: Uint8Array): void {
    const trial = this.#trial;
    if (trial?.cookie === undefined || this.#arriving === undefined || !equalBytes(cookie, trial.cookie)) return;
    // What came by another way says nothing of this one.
    if (!isSame(this.#arriving.from, trial.address)) return;
    this.#proven = trial.address;
    this.#trial = undefined;
    this.#options.onMoved(this.#proven);
    this.#release();
  }

  send(datagram: Uint8Array): void {
    if (this.#held.length > 0 && !this.#isChallenge) this.#hold(datagram);
    else if (this.#fits(datagram)) this.#transmit(datagram);
    else this.#hold(datagram);
  }

  /** Calls `challenge` when something waits for the address to be proven and a challenge may be sent. */
  settle(challenge: (cookie: Uint8Array) => void): void {
    const trial = this.#trial;
    if (trial === undefined || this.#held.length === 0 || !trial.mayChallenge) return;
    trial.mayChallenge = false;
    trial.cookie ??= this.#options.random.bytes(cookieBytes);
    this.#isChallenge = true;
    try {
      challenge(trial.cookie);
    } finally {
      this.#isChallenge = false;
    }
  }

  #fits(datagram: Uint8Array): boolean {
    if (this.#trial === undefined) return true;
    return datagram.length + (this.#isChallenge ? 0 : challengeReserveBytes) <= this.#trial.creditBytes;
  }

  #transmit(datagram: Uint8Array): void {
    if (this.#trial !== undefined) this.#trial.creditBytes -= datagram.length;
    this.#options.transmit(datagram, this.#trial?.address ?? this.#proven);
  }

  #hold(datagram: Uint8Array): void {
    if (this.#held.length < heldMax && !this.#isChallenge) this.#held.push(datagram);
  }

  #release(): void {
    for (let next = this.#held[0]; next !== undefined && this.#fits(next); next = this.#held[0]) {
      this.#held.shift();
      this.#transmit(next);
    }
  }
}

function isSame(a: Address, b: Address): boolean {
  return a.port === b.port && a.address === b.address;
}
