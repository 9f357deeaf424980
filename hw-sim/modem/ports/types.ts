// What all AT ports have in common.

export interface PortServer {
  /** A path, or host:port. */
  readonly address: string;
  close(): Promise<void>;
}
