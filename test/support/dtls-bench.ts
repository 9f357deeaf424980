// A bench for tests of DTLS: echo server, client and proxy with one line each; everything is closed after each test.
import { afterEach } from "vitest";
import { concatBytes } from "../../base/bytes.ts";
import { SystemClock } from "../../base/clock.ts";
import type { CertificateTrust } from "../../transports/certificates.ts";
import { openDtls } from "../../transports/dtls/dtls.ts";
import type {
  DtlsAssociation,
  DtlsClientOptions,
  DtlsIdentity,
  DtlsServer,
  DtlsServerAssociation,
  DtlsServerOptions,
} from "../../transports/dtls/types.ts";
import type { DatagramLink } from "../../transports/link.ts";
import { type LossyProxy, type LossyProxyOptions, lossyProxy } from "./lossy-proxy.ts";
import { makePki, type TestCertificate } from "./test-pki.ts";

export const host = "eim.example.test";
/** Made once: most tests ask nothing special of it. */
export const pki = makePki(host);

export function identityOf(certificate: TestCertificate): DtlsIdentity {
  return { certificateChainPem: certificate.chainPem, privateKeyPem: certificate.privateKeyPem };
}

export function rootsOf(...roots: readonly TestCertificate[]): CertificateTrust {
  return { kind: "roots", certificates: roots.map(({ der }) => der) };
}

export interface EchoServer extends DtlsServer {
  /** Associations in the order they opened. */
  readonly links: DtlsServerAssociation[];
  /** The next handshake that does not lead to a link. */
  refused(): Promise<Error>;
}

export interface DtlsBench {
  readonly clock: SystemClock;
  /** An echo server with the bench's certificate. */
  server(options?: Partial<DtlsServerOptions>): Promise<EchoServer>;
  /** Trusts the bench's root, waits 50 ms before the first retransmission and 20 s in all. */
  connect(to: { readonly port: number }, options?: Partial<DtlsClientOptions>): Promise<DtlsAssociation>;
  proxy(to: { readonly port: number }, options?: Partial<LossyProxyOptions>): Promise<LossyProxy>;
  /** To be done after the test, the latest first. */
  defer(cleanUp: () => unknown): void;
}

export function dtlsBench(): DtlsBench {
  const dtls = openDtls();
  const clock = new SystemClock();
  const cleanUps: (() => unknown)[] = [];
  const open = new Set<DtlsAssociation>();
  const defer = (cleanUp: () => unknown): void => {
    cleanUps.push(cleanUp);
  };
  afterEach(async () => {
    for (const association of [...open]) association.close();
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });
  return {
    clock,
    defer,
    async server(options) {
      const links: DtlsServerAssociation[] = [];
      const waiting: ((reason: Error) => void)[] = [];
      const server = await dtls.listen({
        host: "127.0.0.1",
        port: 0,
        clock,
        identity: identityOf(pki.server),
        retransmitInitialMs: 50,
        onRefused: (_peer, reason) => {
          for (const tell of waiting.splice(0)) tell(reason);
        },
        ...options,
      });
      defer(() => server.close());
      server.onLink((link) => {
        links.push(link);
        link.onDatagram((datagram) => link.send(datagram));
      });
      return Object.assign(server, { links, refused: () => new Promise<Error>((resolve) => waiting.push(resolve)) });
    },
    async connect({ port }, options) {
      const association = await dtls.connect({
        host: "127.0.0.1",
        port,
        serverName: host,
        trust: rootsOf(pki.root),
        clock,
        retransmitInitialMs: 50,
        handshakeTimeoutMs: 20_000,
        ...options,
      });
      // Held only while it lives: a test of memory must not find the bench's own.
      open.add(association);
      association.onClosed(() => open.delete(association));
      return association;
    },
    async proxy({ port }, options) {
      const proxy = await lossyProxy({ targetPort: port, clock, ...options });
      defer(() => proxy.close());
      return proxy;
    },
  };
}

let counter = 0;

/** Sends something of its own and waits for it to come back; sends again each 100 ms where the way loses datagrams. */
export function echo(link: DatagramLink, clock: SystemClock, sizeBytes = 32): Promise<void> {
  const mark = new TextEncoder().encode(`echo ${counter++} `);
  const message = concatBytes(mark, new Uint8Array(Math.max(0, sizeBytes - mark.length)).fill(0x2e));
  return new Promise((resolve, reject) => {
    const settle = (end: () => void): void => {
      stopRepeating();
      stopListening();
      stopWatching();
      end();
    };
    const stopRepeating = clock.every(100, () => link.send(message));
    const stopListening = link.onDatagram((datagram) => {
      if (Buffer.compare(datagram, message) === 0) settle(resolve);
    });
    // At once when it has ended already, so that the disposers above must exist by now.
    let stopWatching = (): void => {};
    stopWatching = link.onClosed((reason) => settle(() => reject(reason)));
    link.send(message);
  });
}

/** Sends something of that size, once, and waits for it to come back: for counting, where nothing is lost. */
export function exchange(link: DatagramLink, sizeBytes: number): Promise<void> {
  const message = new Uint8Array(sizeBytes).fill(counter++ % 256);
  return new Promise((resolve, reject) => {
    let stopWatching = (): void => {};
    const stopListening = link.onDatagram((datagram) => {
      if (Buffer.compare(datagram, message) !== 0) return;
      stopListening();
      stopWatching();
      resolve();
    });
    stopWatching = link.onClosed(reject);
    link.send(message);
  });
}

/** No retransmission before there was time for an answer on the busiest machine: for counting, too. */
export const unhurried = { retransmitInitialMs: 20_000 } as const;

/** The end of a link. */
export function closed(link: DatagramLink): Promise<Error> {
  return new Promise((resolve) => link.onClosed(resolve));
}

/** The reason a promise rejects with; fails when it does not. */
export async function refusal(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error("it was expected to be refused, and was not");
}
