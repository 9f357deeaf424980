// What one client, one user and one socket of the local API may take: connections, requests at a time and in time, listeners.
import type { Clock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";

/** So many at once, and so many a second from then on. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

/** Each holds for one role's socket, so that no role takes anything from another. */
export interface ApiLimits {
  /** Beyond these the one idle for longest is let go, of the user with the most. */
  readonly connections: number;
  /** Requests being worked on, also when their clients have left. */
  readonly running: number;
  readonly runningOfUser: number;
  readonly streams: number;
  readonly streamsOfUser: number;
  /** Of all requests of a user. */
  readonly requests: Rate;
  /** Of those that change something: each of them is an audit record, synced to the flash. */
  readonly writes: Rate;
  readonly bodyBytes: number;
  readonly headerBytes: number;
  /** From the connection, or the first octet, to the end of the headers. */
  readonly headersMs: number;
  /** To the end of the body. */
  readonly requestMs: number;
  readonly keepAliveMs: number;
}

export const apiLimits: ApiLimits = {
  connections: 128,
  running: 48,
  runningOfUser: 24,
  streams: 32,
  streamsOfUser: 16,
  requests: { burst: 500, perSecond: 100 },
  writes: { burst: 120, perSecond: 2 },
  bodyBytes: 64 * 1024,
  headerBytes: 8 * 1024,
  headersMs: 10_000,
  requestMs: 30_000,
  keepAliveMs: 5_000,
};

/** A token bucket. */
interface Bucket {
  tokens: number;
  atMs: number;
}

/** Users that have asked for nothing for so long that their buckets are full are forgotten. */
const rememberedUsers = 64;

export interface RateLimiter {
  /** Throws API_RATE, with `retryAfterSeconds` in its data. */
  take(user: string): void;
}

export function createRateLimiter(clock: Pick<Clock, "monotonicMs">, { burst, perSecond }: Rate, what: string): RateLimiter {
  const buckets = new Map<string, Bucket>();
  const filled = ({ tokens, atMs }: Bucket, nowMs: number): number => Math.min(burst, tokens + ((nowMs - atMs) / 1_000) * perSecond);
  return {
    take(user) {
      const nowMs = clock.monotonicMs();
      if (!buckets.has(user) && buckets.size >= rememberedUsers)
        for (const [one, bucket] of buckets) if (filled(bucket, nowMs) >= burst) buckets.delete(one);
      const bucket = buckets.get(user) ?? { tokens: burst, atMs: nowMs };
      buckets.set(user, bucket);
      bucket.tokens = filled(bucket, nowMs);
      bucket.atMs = nowMs;
      if (bucket.tokens < 1) {
        const retryAfterSeconds = Math.ceil((1 - bucket.tokens) / perSecond);
        throw new SimwardError("API_RATE", {
          detail: `${what}: ${burst} at once and ${perSecond} a second; again in ${retryAfterSeconds} s`,
          data: { retryAfterSeconds },
        });
      }
      bucket.tokens--;
    },
  };
}

export interface Places {
  /** Answers what gives the place back, once. Throws QUEUE_FULL. */
  take(user: string): () => void;
}

export function createPlaces(what: string, most: number, mostOfUser: number): Places {
  const taken = new Map<string, number>();
  let all = 0;
  return {
    take(user) {
      const own = taken.get(user) ?? 0;
      if (all >= most || own >= mostOfUser)
        throw new SimwardError("QUEUE_FULL", {
          detail: `${all >= most ? `${most} ${what}` : `${mostOfUser} ${what} of this user`} already`,
        });
      taken.set(user, own + 1);
      all++;
      let isTaken = true;
      return () => {
        if (!isTaken) return;
        isTaken = false;
        all--;
        const left = (taken.get(user) ?? 1) - 1;
        if (left === 0) taken.delete(user);
        else taken.set(user, left);
      };
    },
  };
}
