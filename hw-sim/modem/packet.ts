// PDP contexts: what is defined, what is active, and with it whether the vehicle's datagrams pass.
import type { Disposer } from "../../base/clock.ts";
import type { Bearer, RadioWorld, Session, Subscriber } from "../contracts.ts";

export interface Context {
  readonly cid: number;
  readonly type: string;
  readonly apn: string;
}

/** +CGAUTH's: 1 PAP, 2 CHAP. */
export interface Credentials {
  readonly protocol: number;
  readonly user: string;
  readonly password: string;
}

export type ActiveSession = Extract<Session, { kind: "up" }>;

/** What +CGEV tells of (3GPP TS 27.007 §10.1.19). */
export type PacketEvent =
  | { readonly kind: "attached" | "activated"; readonly cid: number }
  | { readonly kind: "deactivated"; readonly cid: number; readonly by: "ME" | "NW"; readonly address: string }
  | { readonly kind: "detached"; readonly by: "ME" | "NW" };

/** ESM causes as the module prints them (3GPP TS 24.301 §9.9.4.4). */
export const esmTexts: Readonly<Record<number, string>> = {
  8: "operator determined barring",
  26: "insufficient resources",
  27: "missing or unknown APN",
  28: "unknown PDN type",
  29: "user authentication failed",
  30: "request rejected by the gateway",
  31: "request rejected, unspecified",
  33: "requested service option not subscribed",
  38: "network failure",
};

export class PacketService {
  readonly #world: RadioWorld;
  readonly #onEvent: (event: PacketEvent) => void;
  readonly #defaultCid: number;
  readonly #contexts = new Map<number, Context>();
  /** Kept with the contexts, through every reset of the module. */
  readonly #credentials = new Map<number, Credentials>();
  readonly #active = new Map<number, ActiveSession>();
  readonly #bearerListeners = new Set<(up: boolean) => void>();
  #where: { readonly subscriber: Subscriber; readonly plmn: string } | undefined;
  #wasUp = false;
  /** Of the last refusal, for +CEER. */
  lastEsmCause: number | undefined;

  constructor(world: RadioWorld, defaultCid: number, onEvent: (event: PacketEvent) => void) {
    this.#world = world;
    this.#defaultCid = defaultCid;
    this.#onEvent = onEvent;
    this.reset();
  }

  readonly bearer: Bearer = ((service: PacketService): Bearer => ({
    get up() {
      return service.#active.size > 0;
    },
    onChange(fn: (up: boolean) => void): Disposer {
      service.#bearerListeners.add(fn);
      return () => service.#bearerListeners.delete(fn);
    },
  }))(this);

  /** As from the factory: one context that leaves the APN to the network. */
  reset(): void {
    this.#contexts.clear();
    this.#credentials.clear();
    this.#contexts.set(this.#defaultCid, { cid: this.#defaultCid, type: "IP", apn: "" });
  }

  get contexts(): readonly Context[] {
    return [...this.#contexts.values()].sort((a, b) => a.cid - b.cid);
  }

  define(context: Context): void {
    this.#contexts.set(context.cid, context);
  }

  undefine(cid: number): void {
    this.#contexts.delete(cid);
  }

  credentials(cid: number): Credentials | undefined {
    return this.#credentials.get(cid);
  }

  authenticate(cid: number, credentials: Credentials | undefined): void {
    if (credentials === undefined) this.#credentials.delete(cid);
    else this.#credentials.set(cid, credentials);
  }

  context(cid: number): Context | undefined {
    return this.#contexts.get(cid);
  }

  active(cid: number): ActiveSession | undefined {
    return this.#active.get(cid);
  }

  /** Of the sessions that are up. */
  get addresses(): readonly string[] {
    return [...this.#active.values()].map(({ address }) => address);
  }

  get activeCount(): number {
    return this.#active.size;
  }

  get attached(): boolean {
    return this.#where !== undefined;
  }

  /** Registered there now; with LTE the default context comes up with it. Answers the ESM cause when it may not. */
  attach(subscriber: Subscriber, plmn: string, withDefaultContext: boolean): number | undefined {
    this.#where = { subscriber, plmn };
    if (!withDefaultContext) return undefined;
    const esmCause = this.activate(this.#defaultCid, "NW");
    if (esmCause !== undefined) this.#where = undefined;
    return esmCause;
  }

  /** No longer registered; whatever was up is gone. */
  detach(by: "ME" | "NW"): void {
    if (this.#where === undefined) return;
    this.#where = undefined;
    this.#active.clear();
    this.#onEvent({ kind: "detached", by });
    this.#tellBearer();
  }

  /** Answers the ESM cause when the network refuses. Call it only while attached. */
  activate(cid: number, by: "ME" | "NW" = "ME"): number | undefined {
    if (this.#where === undefined || this.#active.has(cid)) return undefined;
    const session = this.#sessionOf(this.#where, cid);
    if (session.kind === "refused") {
      this.lastEsmCause = session.esmCause;
      return session.esmCause;
    }
    this.lastEsmCause = undefined;
    this.#active.set(cid, session);
    this.#onEvent({ kind: by === "ME" ? "activated" : "attached", cid });
    this.#tellBearer();
    return undefined;
  }

  deactivate(cid: number, by: "ME" | "NW"): void {
    const session = this.#active.get(cid);
    if (session === undefined) return;
    this.#active.delete(cid);
    this.#onEvent({ kind: "deactivated", cid, by, address: session.address });
    this.#tellBearer();
  }

  /** The core network may have failed: sessions it no longer gives come down. */
  worldChanged(): void {
    const where = this.#where;
    if (where === undefined) return;
    for (const cid of [...this.#active.keys()]) {
      const session = this.#sessionOf(where, cid);
      if (session.kind === "up") continue;
      this.lastEsmCause = session.esmCause;
      this.deactivate(cid, "NW");
    }
  }

  #sessionOf({ subscriber, plmn }: { readonly subscriber: Subscriber; readonly plmn: string }, cid: number): Session {
    const apn = this.#active.get(cid)?.apn ?? this.#contexts.get(cid)?.apn ?? "";
    return this.#world.session(subscriber, plmn, apn, this.#credentials.get(cid));
  }

  #tellBearer(): void {
    const up = this.#active.size > 0;
    if (up === this.#wasUp) return;
    this.#wasUp = up;
    for (const fn of [...this.#bearerListeners]) fn(up);
  }
}
