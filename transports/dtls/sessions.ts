// Sessions kept for resumption: their key, their octets, and a store in memory. They hold the master secret: 0600, never logged.
// A resumed session verifies nothing by itself, so the chain it was made with is kept beside it and judged again each time.
import { concatBytes, uintToBytes } from "../../base/bytes.ts";
import { type CertificateTrust, trustFingerprint } from "../certificates.ts";
import type { DtlsCipherSuite, DtlsSessionStore } from "./types.ts";

export interface ResumableSession {
  /** SSL_SESSION, DER, as OpenSSL writes it. */
  readonly session: Uint8Array;
  /** The server's certificates as presented at the full handshake, leaf first, DER. */
  readonly chain: readonly Uint8Array[];
}

/** Another host, port, name, trust anchor or offer of suites is another session. */
export function sessionKey(
  peer: { readonly host: string; readonly port: number; readonly serverName: string },
  trust: CertificateTrust,
  suites: readonly DtlsCipherSuite[],
): string {
  return [peer.host.toLowerCase(), peer.port, peer.serverName.toLowerCase(), trustFingerprint(trust), suites.join("+")].join("|");
}

/** "SDS" and a version, then each part with its length before it; the session is the first part. */
const magic = Uint8Array.of(0x53, 0x44, 0x53, 1);
const lengthBytes = 3;

export function encodeSession({ session, chain }: ResumableSession): Uint8Array {
  return concatBytes(magic, ...[session, ...chain].flatMap((part) => [uintToBytes(part.length, lengthBytes), part]));
}

/** Undefined for octets of another version or a damaged file: then a full handshake is made. */
export function decodeSession(octets: Uint8Array): ResumableSession | undefined {
  if (magic.some((octet, i) => octets[i] !== octet)) return undefined;
  const parts: Uint8Array[] = [];
  for (let at = magic.length; at < octets.length; ) {
    const start = at + lengthBytes;
    if (start > octets.length) return undefined;
    const length = octets.subarray(at, start).reduce((sum, octet) => sum * 256 + octet, 0);
    if (length === 0 || start + length > octets.length) return undefined;
    parts.push(new Uint8Array(octets.subarray(start, start + length)));
    at = start + length;
  }
  const [session, ...chain] = parts;
  return session === undefined || chain.length === 0 ? undefined : { session, chain };
}

export interface MemorySessionStore extends DtlsSessionStore {
  /** Everything it holds. */
  entries(): ReadonlyMap<string, Uint8Array>;
}

/** Holds at most `limit` sessions; the one used longest ago makes room. */
export function memorySessionStore(initial: Iterable<readonly [string, Uint8Array]> = [], limit = 32): MemorySessionStore {
  const sessions = new Map<string, Uint8Array>(initial);
  const put = (key: string, session: Uint8Array): void => {
    sessions.delete(key);
    sessions.set(key, session);
    for (const oldest of sessions.keys()) {
      if (sessions.size <= limit) break;
      sessions.delete(oldest);
    }
  };
  return {
    load(key) {
      const session = sessions.get(key);
      if (session !== undefined) put(key, session);
      return session;
    },
    save: ({ key, session }) => put(key, session),
    forget: (key) => {
      sessions.delete(key);
    },
    entries: () => sessions,
  };
}
