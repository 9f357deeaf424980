// simward's own resolver: asks the name servers that the network gave with the session, by itself, so that its questions are management traffic of its own
// uid and no other program's (a caching resolver's, say). Answers are kept for their time to live, within bounds.
import { Resolver } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import { type Clock, deadline } from "../../base/clock.ts";
import { isCode, reasonOf, SimwardError } from "../../base/errors.ts";
import { type Resolve, systemResolve } from "../../transports/resolve.ts";

export interface OwnResolver {
  readonly resolve: Resolve;
  /** The session's name servers; none where it gave none: then the system's are asked. What was learnt from others is forgotten. */
  use(servers: readonly string[]): void;
}

export interface OwnResolverOptions {
  readonly clock: Clock;
  /** Names are the platform's matter where the interface is. */
  readonly isPlatforms: boolean;
  /** Of all questions for one name together. */
  readonly limitMs?: number;
  /** Of a name server; 53. */
  readonly port?: number;
  readonly system?: Resolve;
}

/** A wrong answer is believed no longer than this, whatever it says of itself. */
const longestTtlSeconds = 3_600;
/** Where no name server answers, what one of them said before is better than no network (RFC 8767 §4); who answers there is known by his certificate. */
const staleMs = 86_400_000;
/** So long then nobody waits for name servers that are dead. */
const againMs = 30_000;
const mostNames = 64;
const mostAddresses = 8;
const questionMs = 2_000;

interface Known {
  readonly addresses: readonly string[];
  readonly untilMs: number;
  readonly staleUntilMs: number;
}

export function createOwnResolver(options: OwnResolverOptions): OwnResolver {
  const { clock, isPlatforms, limitMs = 10_000, port = 53, system = systemResolve } = options;
  const known = new Map<string, Known>();
  const asking = new Map<string, Promise<readonly string[]>>();
  let servers: readonly string[] = [];
  let resolver: Resolver | undefined;

  const ask = async (name: string, by: Resolver): Promise<readonly string[]> => {
    const from = servers;
    const late = (): SimwardError =>
      new SimwardError("DNS_FAILED", { detail: `${name}: ${from.join(", ")}: no answer within ${limitMs} ms` });
    const limit = deadline(clock, limitMs, late);
    const stopped = new Promise<never>((_, reject) =>
      limit.signal.addEventListener("abort", () => reject(limit.signal.reason), { once: true }),
    );
    try {
      const both = Promise.allSettled([by.resolve4(name, { ttl: true }), by.resolve6(name, { ttl: true })]);
      const [v4, v6] = await Promise.race([both, stopped]);
      const records = [v4, v6].flatMap((one) => (one.status === "fulfilled" ? one.value : [])).slice(0, mostAddresses);
      const causes = [v4, v6].flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
      if (records.length === 0) throw failure(name, from, causes);
      const usable = records.filter(({ address }) => isUsable(address, from));
      if (usable.length === 0)
        throw new SimwardError("DNS_REFUSED", {
          detail: `${name}: ${records.map(({ address }) => address).join(", ")} is no host's address`,
        });
      const addresses = usable.map(({ address }) => address);
      if (resolver === by) keep(name, addresses, Math.min(longestTtlSeconds, ...usable.map(({ ttl }) => ttl)));
      return addresses;
    } finally {
      limit.done();
    }
  };

  const askOrRemember = async (name: string, by: Resolver): Promise<readonly string[]> => {
    try {
      return await ask(name, by);
    } catch (error) {
      const before = known.get(name);
      const nowMs = clock.monotonicMs();
      if (!isCode(error, "DNS_FAILED") || before === undefined || nowMs >= before.staleUntilMs) throw error;
      known.set(name, { ...before, untilMs: nowMs + againMs });
      return before.addresses;
    }
  };

  const keep = (name: string, addresses: readonly string[], ttlSeconds: number): void => {
    known.delete(name);
    const nowMs = clock.monotonicMs();
    known.set(name, { addresses, untilMs: nowMs + Math.max(0, ttlSeconds) * 1_000, staleUntilMs: nowMs + staleMs });
    for (const oldest of known.keys()) {
      if (known.size <= mostNames) break;
      known.delete(oldest);
    }
  };

  return {
    async resolve(host, signal) {
      signal?.throwIfAborted();
      if (isIP(host) !== 0) return [host];
      const name = host.toLowerCase().replace(/\.$/, "");
      // Of this machine itself no name server knows more than it does; and where the session named none, the platform may know some.
      if (isPlatforms || name === "localhost" || resolver === undefined) return system(name, signal);
      const found = known.get(name);
      if (found !== undefined && found.untilMs > clock.monotonicMs()) return found.addresses;
      const underWay = asking.get(name) ?? askOrRemember(name, resolver);
      if (!asking.has(name)) {
        asking.set(name, underWay);
        const done = (): void => {
          if (asking.get(name) === underWay) asking.delete(name);
        };
        underWay.then(done, done);
      }
      return signal === undefined ? underWay : unlessAborted(underWay, signal);
    },
    use(given) {
      const next = given.filter((one) => isIP(one) !== 0).slice(0, 3);
      if (next.join() === servers.join()) return;
      servers = next;
      resolver?.cancel();
      known.clear();
      asking.clear();
      resolver = undefined;
      if (next.length === 0) return;
      resolver = new Resolver({ timeout: questionMs, tries: 2 });
      resolver.setServers(next.map((one) => (isIP(one) === 6 ? `[${one}]:${port}` : `${one}:${port}`)));
    },
  };
}

/** The question goes on for others that wait for it. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

const nobodys = new BlockList();
for (const [net, prefix] of [
  ["0.0.0.0", 8],
  ["224.0.0.0", 3],
  ["169.254.0.0", 16],
] as const)
  nobodys.addSubnet(net, prefix, "ipv4");
for (const [net, prefix] of [
  ["::", 128],
  ["ff00::", 8],
  ["fe80::", 10],
] as const)
  nobodys.addSubnet(net, prefix, "ipv6");
const own = new BlockList();
own.addSubnet("127.0.0.0", 8, "ipv4");
own.addSubnet("::1", 128, "ipv6");
own.addSubnet("::ffff:127.0.0.0", 104, "ipv6");

/** An answer that leads back into the vehicle, or nowhere, is none; only a name server of the vehicle's own may name the vehicle. */
function isUsable(address: string, servers: readonly string[]): boolean {
  const within = (list: BlockList, one: string): boolean => list.check(one, isIP(one) === 6 ? "ipv6" : "ipv4");
  if (within(nobodys, address)) return false;
  return !within(own, address) || servers.every((one) => within(own, one));
}

function failure(name: string, servers: readonly string[], causes: readonly unknown[]): SimwardError {
  const codeOf = (cause: unknown): unknown => (cause as { readonly code?: unknown } | undefined)?.code;
  const codes = causes.map(codeOf);
  const detail = `${name}: ${servers.join(", ")}: ${causes.map(reasonOf).join("; ")}`;
  const cause = causes[0];
  // One family without an address says nothing where the other's question failed.
  const worst = codes.find((code) => code !== "ENODATA" && code !== "ENOTFOUND");
  if (worst === undefined) return new SimwardError("DNS_NOT_FOUND", { detail, cause });
  if (worst === "EBADRESP" || worst === "EFORMERR" || worst === "EBADNAME") return new SimwardError("DNS_REFUSED", { detail, cause });
  return new SimwardError("DNS_FAILED", { detail, cause });
}
