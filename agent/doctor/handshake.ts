// Shakes hands with an eIM and goes: the name found, DTLS or TLS set up, the certificate judged by what is pinned. No message of ESipa is sent.
import { createHash, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type { Clock } from "../../base/clock.ts";
import { errorReport, SimwardError } from "../../base/errors.ts";
import type { AccessBinding } from "../../ipa/esipa/endpoint.ts";
import type { TlsTrust } from "../../ipa/ports.ts";
import { openDtls } from "../../transports/dtls/dtls.ts";
import type { DtlsCipherSuite } from "../../transports/dtls/types.ts";
import { openConnection } from "../../transports/https/connection.ts";
import type { Resolve } from "../../transports/resolve.ts";
import type { EimBindingTest } from "../api/doctor-types.ts";

export interface HandshakeOptions {
  readonly clock: Clock;
  /** As the transports find a name. */
  readonly resolve: Resolve;
  readonly timeoutMs: number;
  readonly cipherSuitesFor?: ((eimId: string) => readonly DtlsCipherSuite[] | undefined) | undefined;
  readonly retransmitInitialMs?: number | undefined;
  readonly mtuBytes?: number | undefined;
}

/** What a handshake came to. */
export interface Shaken {
  readonly test: EimBindingTest;
  /** Until when the certificate that was shown is valid; undefined with a pre-shared key, or when none was shown. */
  readonly validUntilMs: number | undefined;
}

/** Never rejects but when aborted. */
export type Handshake = (binding: AccessBinding, signal: AbortSignal) => Promise<Shaken>;

interface Opened {
  readonly protocol: string;
  readonly certificate: Uint8Array | undefined;
}

export function createHandshake(options: HandshakeOptions): Handshake {
  const { clock } = options;
  return async (binding, signal) => {
    const { host, port, serverName, trust } = binding.endpoint;
    const startMs = clock.monotonicMs();
    const said = { binding: binding.name, host, port, serverName, trust: trustWords(trust) };
    const tookMs = (): number => Math.round(clock.monotonicMs() - startMs);
    let addresses: readonly string[] | undefined;
    try {
      addresses = isIP(host) === 0 ? await found(options.resolve, host, signal) : [host];
      const over = binding.scheme === "coaps" ? overDtls : overTls;
      const { protocol, certificate } = await over(options, binding, signal);
      return {
        test: { ...said, addresses, outcome: "trusted", protocol, tookMs: tookMs() },
        validUntilMs: certificate === undefined ? undefined : Date.parse(new X509Certificate(certificate).validTo),
      };
    } catch (error) {
      signal.throwIfAborted();
      const seen = addresses === undefined ? {} : { addresses };
      return { test: { ...said, ...seen, outcome: "failed", tookMs: tookMs(), error: errorReport(error) }, validUntilMs: undefined };
    }
  };
}

async function found(ask: Resolve, host: string, signal: AbortSignal): Promise<readonly string[]> {
  try {
    const addresses = await ask(host, signal);
    if (addresses.length > 0) return addresses;
    throw new SimwardError("UDP_UNREACHABLE", { detail: `${host}: the name has no address` });
  } catch (error) {
    if (error instanceof SimwardError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new SimwardError("UDP_UNREACHABLE", { detail: `${host}: its address is not found (${code})`, cause: error });
  }
}

async function overDtls(options: HandshakeOptions, { endpoint }: AccessBinding, signal: AbortSignal): Promise<Opened> {
  const { eimId, host, port, serverName, trust } = endpoint;
  const suites = options.cipherSuitesFor?.(eimId);
  const association = await openDtls().connect({
    ...{ host, port, serverName, trust, resolve: options.resolve, clock: options.clock, signal, handshakeTimeoutMs: options.timeoutMs },
    ...(suites === undefined ? {} : { cipherSuites: suites }),
    ...(options.retransmitInitialMs === undefined ? {} : { retransmitInitialMs: options.retransmitInitialMs }),
    ...(options.mtuBytes === undefined ? {} : { mtuBytes: options.mtuBytes }),
  });
  association.close();
  return { protocol: `DTLSv1.2 ${association.cipherSuite}`, certificate: association.peerCertificate };
}

function overTls({ clock, resolve: find, timeoutMs }: HandshakeOptions, { endpoint }: AccessBinding, signal: AbortSignal): Promise<Opened> {
  const { host, port, serverName, trust } = endpoint;
  if (trust.kind === "psk")
    return Promise.reject(new SimwardError("TRANSPORT_SCHEME", { detail: `${host}: a pre-shared key is for coaps, not https` }));
  return new Promise((resolve, reject) => {
    const stop = clock.after(timeoutMs, () =>
      giveUp(new SimwardError("HTTP_TIMEOUT", { detail: `${host}:${port}: no handshake within ${timeoutMs} ms` })),
    );
    const abandon = (): void => giveUp(signal.reason instanceof Error ? signal.reason : new SimwardError("ABORTED"));
    const giveUp = openConnection(
      { peer: { host, port, serverName, trust }, clock, resolve: find, resume: undefined, onSession: () => undefined },
      (error, opened) => {
        stop();
        signal.removeEventListener("abort", abandon);
        if (opened === undefined) return reject(error ?? new SimwardError("HTTP_CONNECT", { detail: `${host}:${port}` }));
        const { socket } = opened;
        const protocol = `${socket.getProtocol() ?? "TLS"} ${socket.getCipher().standardName}`;
        const certificate = socket.getPeerX509Certificate()?.raw;
        socket.on("error", () => undefined);
        socket.destroy();
        resolve({ protocol, certificate });
      },
    );
    signal.addEventListener("abort", abandon, { once: true });
  });
}

/** Fingerprints are SHA-256 of what is pinned, as far as a person compares them. */
export function trustWords(trust: TlsTrust): string {
  const print = (octets: Uint8Array): string => createHash("sha256").update(octets).digest("hex").slice(0, 16);
  switch (trust.kind) {
    case "certificate":
      return `certificate ${print(trust.der)}`;
    case "publicKey":
      return `public key ${print(trust.spki)}`;
    case "roots":
      return `roots ${trust.certificates.map(print).join(", ")}`;
    case "psk":
      return "pre-shared key";
  }
}

/** Until when what is pinned is valid, where that is a certificate; the soonest of several. */
export function pinnedUntilMs(trust: TlsTrust): number | undefined {
  const certificates = trust.kind === "certificate" ? [trust.der] : trust.kind === "roots" ? trust.certificates : [];
  const ends = certificates.map((der) => Date.parse(new X509Certificate(der).validTo));
  return ends.length === 0 ? undefined : Math.min(...ends);
}
