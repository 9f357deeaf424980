// What CoAP runs on: a thing that carries whole datagrams to one peer, be it plain UDP or a DTLS association.
import type { Disposer } from "../base/clock.ts";

/** Datagrams to and from one peer. Sending never waits and never fails loudly: loss is normal, closing is an event. */
export interface DatagramLink {
  send(datagram: Uint8Array): void;
  onDatagram(fn: (datagram: Uint8Array) => void): Disposer;
  /** Called once, at the end, with the reason; at once if it has ended already. */
  onClosed(fn: (reason: Error) => void): Disposer;
  /** The largest datagram that `send` may be given. */
  readonly maxDatagramBytes: number;
  /** For logs and for keying state by peer: "address:port". */
  readonly peer: string;
  close(): void;
  /** Ends without a word to the peer, where saying goodbye would cost a datagram: for links that are thought dead. */
  abandon?(): void;
  /** The peer finds it again when our address changes (Connection ID, RFC 9146). */
  readonly survivesRebinding?: boolean;
  /** Our address has changed: goes on from the new one, where it survives that; else nothing happens. */
  rebind?(): void;
}

/** Links that peers open to us. */
export interface LinkServer {
  readonly port: number;
  onLink(fn: (link: DatagramLink) => void): Disposer;
  close(): Promise<void>;
}
