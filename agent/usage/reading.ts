/** What a counter of the vehicle's traffic tells at one moment, by party. Whoever counts (the firewall, an interface) gives this;
 *  the ledger takes differences of it. */

/** Octets of one party: sent leaves the vehicle, received comes to it. */
export interface PartyBytes {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** Running totals as the kernel counts them; another `epoch` means that they began anew at zero. */
export interface TrafficReading {
  readonly epoch: string;
  readonly fleet: PartyBytes;
  readonly management: PartyBytes;
}
