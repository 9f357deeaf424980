// The ways to an eIM and to RSP servers that this daemon has, made from the configuration. DTLS and HTTPS are loaded when the first of them is used.
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Trace } from "../base/trace.ts";
import type { Es9Transport } from "../ipa/ports.ts";
import { openDtls } from "../transports/dtls/dtls.ts";
import type { DtlsCipherSuite, DtlsSessionStore } from "../transports/dtls/types.ts";
import { type ClosableEsipaTransport, coapsEsipaTransport, httpsEsipaTransport, type NatMemory } from "../transports/esipa.ts";
import { createHttpsClient } from "../transports/https/client.ts";
import { createEs9Transport } from "../transports/https/es9.ts";
import type { HttpsClient } from "../transports/https/types.ts";
import type { Resolve } from "../transports/resolve.ts";
import type { Config } from "./config/schema.ts";
import { tracedHttps } from "./trace/ports.ts";

export interface TransportsOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly sessions: DtlsSessionStore;
  readonly natMemory: NatMemory;
  readonly trace?: Trace | undefined;
  /** How hosts' addresses are found; as the system does by default. */
  readonly resolve?: Resolve | undefined;
  /** Told once when Connection ID is configured and this Node's OpenSSL leaves no room for it. */
  readonly onNoConnectionId?: () => void;
}

const withCcm8: readonly DtlsCipherSuite[] = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-CCM8"];

export interface Transports {
  readonly all: readonly ClosableEsipaTransport[];
  readonly https: HttpsClient;
  /** To SM-DP+ and SM-DS. */
  readonly es9: Es9Transport;
  close(): void;
}

/** Throws OPENSSL_MISSING where Node does not offer its OpenSSL. */
export function createTransports({
  config,
  clock,
  random,
  sessions,
  natMemory,
  trace,
  resolve,
  onNoConnectionId,
}: TransportsOptions): Transports {
  const peer = (eimId: string) => config.eim.peer.find((one) => one.eim_id === eimId);
  const exchangeTimeoutMs = config.eim.exchange_timeout_seconds * 1_000;
  const plain = createHttpsClient({ clock, timeoutMs: exchangeTimeoutMs, resolve });
  const https = trace === undefined ? plain : tracedHttps(plain, trace);
  const all = [
    coapsEsipaTransport({
      dtls: openDtls(onNoConnectionId === undefined ? {} : { onNoConnectionId }),
      clock,
      random,
      sessions,
      natMemory: { load: (eimId) => natMemory.load(eimId) ?? peer(eimId)?.nat_idle_seconds, save: natMemory.save },
      cipherSuitesFor: (eimId) => (peer(eimId)?.allow_ccm8 === true ? withCcm8 : undefined),
      connectionId: config.eim.connection_id,
      connectionIdMaxAgeMs: config.eim.connection_id_max_age_seconds * 1_000,
      mtuBytes: config.eim.mtu_bytes,
      resolve,
      retransmitInitialMs: config.eim.retransmit_initial_ms,
      handshakeTimeoutMs: exchangeTimeoutMs,
      trace,
    }),
    httpsEsipaTransport({ https }),
  ];
  return {
    all,
    https,
    es9: createEs9Transport({ https }),
    close: () => {
      for (const transport of all) transport.close();
    },
  };
}
