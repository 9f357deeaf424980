// The vehicle as a server for its eIMs (SGP.32 §3.1.1.2): listens where [injection] says, knows eIMs by their client certificates, keeps all within limits.
// What an eIM brings is the IPA's affair; that something could not listen is an alarm and no reason to leave the vehicle without its polls.
import type { Clock, WallTime } from "../base/clock.ts";
import { asSimwardError, isCode, SimwardError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import { transferError } from "../ipa/esipa/injected.ts";
import { transferRequest, transferResponse } from "../ipa/esipa/json-transfer.ts";
import type { Ipa } from "../ipa/ipa.ts";
import { checkClientIdentity } from "../transports/certificates.ts";
import { openDtls } from "../transports/dtls/dtls.ts";
import type { DtlsIdentity } from "../transports/dtls/types.ts";
import {
  type InjectionEncoding,
  type InjectionPeer,
  type InjectionReply,
  type InjectionScheme,
  type InjectionServer,
  listenForInjection,
} from "../transports/injection.ts";
import { createRateLimit, createRateLimits } from "../transports/rate.ts";
import type { AuditEvent } from "./audit/types.ts";
import type { Config } from "./config/schema.ts";

export interface InjectionOptions {
  readonly config: Config["injection"];
  readonly ipa: Pick<Ipa, "injectors" | "transferEimPackage">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Never rejects. */
  readonly record: (event: AuditEvent) => Promise<void>;
  readonly credential: (name: string) => Promise<string>;
  /** Why it does not listen, or that it does again. */
  readonly onProblem: (problem: SimwardError | undefined) => void;
  readonly onListening: (at: { readonly scheme: InjectionScheme; readonly address: string; readonly port: number }) => void;
}

export interface Injection {
  /** Begins to listen, and tries again for as long as it cannot. Nothing happens unless it is enabled. */
  start(): void;
  stop(): Promise<void>;
}

const retryMs = 60_000;
/** Messages of one eIM, or of all that are nobody's, that run or wait at a time. */
const maxAtOnce = { proven: 4, unproven: 2 } as const;
/** An attacker must not fill the trail: what goes beyond is counted, and told with the next record. */
const recordsPerMinute = 6;

export function createInjection(options: InjectionOptions): Injection {
  const { config, clock, random, log, record } = options;
  const dtls = openDtls();
  const servers = new Map<string, InjectionServer>();
  const mayRecord = createRateLimit(clock, { perMinute: recordsPerMinute });
  const allows = {
    proven: createRateLimits(clock, { perMinute: config.requests_per_minute }),
    unproven: createRateLimit(clock, { perMinute: config.unproven_requests_per_minute }),
  };
  const atOnce = new Map<string, number>();
  // An eIM may open one for each message, so this must not be the lower limit of the two.
  const connectionsPerMinute = Math.max(20, config.requests_per_minute + config.unproven_requests_per_minute);
  let unrecorded = 0;
  let lastProblem: string | undefined;
  let stopRetry = (): void => undefined;
  let stopped = false;
  let listening: Promise<void> = Promise.resolve();

  const refused = (peer: Pick<InjectionPeer, "scheme" | "address">, eimId: string | undefined, error: SimwardError): void => {
    const { code } = error;
    // The table speaks of servers' certificates; here it is the peer's, and the detail names it.
    const reason = code.startsWith("TLS_") ? (error.detail ?? error.message) : error.message;
    log.warn("injection.refused", { scheme: peer.scheme, peer: peer.address, eimId, code, reason });
    if (!mayRecord()) {
      unrecorded++;
      return;
    }
    const data = { scheme: peer.scheme, peer: peer.address, eimId: eimId ?? null, code, reason, unrecorded };
    unrecorded = 0;
    void record({ event: "injection.refused", cause: "injection", data });
  };

  /** The eIMs that this chain proves its bearer to be. Who holds the very key that is trusted outweighs whom its issuer vouches for. */
  const provenBy = (presented: readonly Uint8Array[], time: WallTime): readonly string[] => {
    const found = { leaf: [] as string[], issuer: [] as string[] };
    let objection: SimwardError | undefined;
    for (const { eimId, trust, name } of options.ipa.injectors) {
      try {
        found[checkClientIdentity(presented, { trust, name, time })].push(eimId);
      } catch (error) {
        const known = asSimwardError(error, "TLS_UNTRUSTED");
        // That it has expired says more than that it is not another eIM's.
        if (objection === undefined || known.code === "TLS_EXPIRED") objection = known;
      }
    }
    const eimIds = found.leaf.length > 0 ? found.leaf : found.issuer;
    if (eimIds.length > 0) return eimIds;
    throw objection ?? new SimwardError("TLS_UNTRUSTED", { detail: "no eIM is associated whose certificate could be known" });
  };

  /** In the encoding of the peer; what is no JSON becomes what is no BF4E, which the IPA refuses. */
  const handle = async (peer: InjectionPeer, message: Uint8Array, encoding: InjectionEncoding): Promise<InjectionReply> => {
    if (encoding === "asn1") return answer(peer, message);
    const reply = await answer(peer, inAsn1(message));
    return reply.body === undefined ? reply : { ...reply, body: transferResponse(reply.body) };
  };

  const inAsn1 = (body: Uint8Array): Uint8Array => {
    try {
      return transferRequest(body);
    } catch {
      return new Uint8Array(0);
    }
  };

  const answer = async (peer: InjectionPeer, message: Uint8Array): Promise<InjectionReply> => {
    let eimIds: readonly string[] = [];
    try {
      // Judged again with each message: an eIM may have been deleted since its handshake, or its certificate have expired.
      if (peer.certificates.length > 0) eimIds = provenBy(peer.certificates, clock.wall());
    } catch (error) {
      refused(peer, undefined, asSimwardError(error));
      return { status: 200, body: transferError("undefinedError") };
    }
    const [eimId] = eimIds;
    const who = eimId ?? "";
    const running = atOnce.get(who) ?? 0;
    const limit = eimId === undefined ? maxAtOnce.unproven : maxAtOnce.proven;
    if (running >= limit || !(eimId === undefined ? allows.unproven() : allows.proven(eimId))) {
      refused(peer, eimId, new SimwardError("INJECTION_LIMIT", { detail: eimId ?? "without a certificate" }));
      return { status: 429 };
    }
    atOnce.set(who, running + 1);
    try {
      const source = { scheme: peer.scheme, peer: peer.address, eimIds, gone: peer.gone };
      return { status: 200, body: await options.ipa.transferEimPackage(message, source) };
    } catch (error) {
      // The IPA has told why.
      return { status: isCode(error, "INTERNAL") ? 500 : 503 };
    } finally {
      const left = (atOnce.get(who) ?? 1) - 1;
      if (left > 0) atOnce.set(who, left);
      else atOnce.delete(who);
    }
  };

  const identity = async (): Promise<DtlsIdentity> => ({
    certificateChainPem: await options.credential(config.certificate_credential ?? ""),
    privateKeyPem: await options.credential(config.key_credential ?? ""),
  });

  const listenAt = async (host: string, scheme: InjectionScheme): Promise<SimwardError | undefined> => {
    const at = `${scheme} ${host}`;
    if (servers.has(at)) return undefined;
    try {
      const server = await listenForInjection({
        scheme,
        host,
        port: scheme === "coaps" ? config.coaps_port : config.https_port,
        identity: await identity(),
        dtls,
        clock,
        random,
        limits: { maxPeers: config.max_peers, maxBodyBytes: config.max_body_bytes, connectionsPerMinute },
        judge: (presented, time) => void provenBy(presented, time),
        handle,
        onRefused: (peer, reason) => refused(peer, undefined, reason),
      });
      if (stopped) await server.close();
      else servers.set(at, server);
      log.info("injection.listening", { scheme, address: host, port: server.port });
      options.onListening({ scheme, address: host, port: server.port });
      return undefined;
    } catch (error) {
      return new SimwardError("INJECTION_LISTEN", { detail: `${at}: ${asSimwardError(error).message}`, cause: error });
    }
  };

  const listen = async (): Promise<void> => {
    let problem: SimwardError | undefined;
    for (const host of config.listen)
      for (const scheme of new Set(config.schemes)) if (!stopped) problem = (await listenAt(host, scheme)) ?? problem;
    if (stopped) return;
    if (problem?.message !== lastProblem) {
      if (problem !== undefined) log.error("injection", { error: problem });
      options.onProblem(problem);
    }
    lastProblem = problem?.message;
    // The address may be one that the vehicle has not got yet.
    if (problem !== undefined)
      stopRetry = clock.after(retryMs, () => {
        listening = listen();
      });
  };

  return {
    start() {
      if (config.enabled) listening = listen();
    },
    async stop() {
      stopped = true;
      stopRetry();
      await listening;
      await Promise.all([...servers.values()].map((server) => server.close()));
      servers.clear();
    },
  };
}
