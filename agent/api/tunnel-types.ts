// The answer of the local API about the private APN's tunnel.
import type { ErrorReport } from "../../base/errors.ts";

export interface TunnelReport {
  readonly schema: "simward/tunnel/1";
  /** Whether there is a section [tunnel]; without it nothing else is told. */
  readonly configured: boolean;
  /** The fleet's traffic leaves by the tunnel, or not at all. */
  readonly required: boolean;
  /** idle: no data path, or an emergency holds it back. connecting: asked for. waiting: failed, and tried again later. */
  readonly phase: "idle" | "connecting" | "up" | "waiting";
  /** As configured. */
  readonly gateway?: string;
  readonly problem?: ErrorReport;
  /** Attempts in a row that came to nothing. */
  readonly failures?: number;
  /** While it is up. */
  readonly sa?: TunnelSaReport;
  readonly certificates: readonly { readonly whose: "vehicle" | "ca"; readonly name: string; readonly ends: string }[];
}

export interface TunnelSaReport {
  readonly gatewayAddress: string;
  readonly localAddress: string;
  readonly localId: string;
  readonly remoteId: string;
  readonly virtualIps: readonly string[];
  readonly nameServers: readonly string[];
  /** "AES_GCM_16-256-PRF_HMAC_SHA2_384-ECP_384" */
  readonly ikeAlgorithms: string;
  readonly espAlgorithms: string;
  readonly localTs: readonly string[];
  readonly remoteTs: readonly string[];
  /** In the tunnel, since its keys were last renewed. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly establishedSeconds?: number;
  readonly rekeySeconds?: number;
}
