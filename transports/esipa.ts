// ESipa's ways to an eIM: CoAP over DTLS and HTTPS, in ASN.1 or JSON (SGP.32 §6.1 to §6.4). One session is kept for each eIM between exchanges.
import type { Clock } from "../base/clock.ts";
import { SimwardError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { Trace } from "../base/trace.ts";
import type { EimEndpoint, EsipaRequest, EsipaTransport } from "../ipa/ports.ts";
import { type CertificateTrust, trustFingerprint } from "./certificates.ts";
import { type CoapSession, createCoapSession } from "./coap/session.ts";
import type { CoapEvent } from "./coap/types.ts";
import type { Dtls, DtlsCipherSuite, DtlsSessionStore } from "./dtls/types.ts";
import type { HttpsClient } from "./https/types.ts";
import type { Resolve } from "./resolve.ts";

const contentTypes = { asn1: "application/x-gsma-rsp-asn1", json: "application/json;charset=UTF-8" } as const;

const pathOf = ({ encoding, functionName }: EsipaRequest): string =>
  encoding === "json" ? `gsma/rsp2/esipa/${functionName}` : "gsma/rsp2/asn1";

/** Where learned facts about the network are kept across restarts. */
export interface NatMemory {
  load(eimId: string): number | undefined;
  save(eimId: string, natIdleSeconds: number): void;
}

export interface CoapsEsipaOptions {
  readonly dtls: Dtls;
  readonly clock: Clock;
  readonly random: Random;
  /** DTLS sessions for resumption. */
  readonly sessions?: DtlsSessionStore;
  readonly natMemory?: NatMemory;
  /** The suites offered to one eIM; the default ones where it answers undefined. */
  readonly cipherSuitesFor?: (eimId: string) => readonly DtlsCipherSuite[] | undefined;
  /** Offers Connection ID, so that an association outlives what NATs forget; off by default. */
  readonly connectionId?: boolean;
  /** Renews such an association, by resumption, at this age; never by default. */
  readonly connectionIdMaxAgeMs?: number;
  /** First DTLS retransmission. */
  readonly retransmitInitialMs?: number;
  readonly mtuBytes?: number;
  readonly blockBytes?: number;
  readonly handshakeTimeoutMs?: number;
  readonly ackTimeoutMs?: number;
  readonly maxRetransmit?: number;
  /** Close an association after this much silence; kept by default, for the next poll may find it alive. */
  readonly idleCloseMs?: number;
  readonly trace?: Trace | undefined;
  /** How hosts' addresses are found; as the system does by default. */
  readonly resolve?: Resolve | undefined;
  /** Progress with octets, for displays and logs. */
  readonly onEvent?: (eimId: string, event: CoapEvent) => void;
}

export interface ClosableEsipaTransport extends EsipaTransport {
  /** The vehicle has another address now: associations made from the former one go on from it where they can, and are not waited for where not. */
  pathChanged(): void;
  close(): void;
}

export function coapsEsipaTransport(options: CoapsEsipaOptions): ClosableEsipaTransport {
  const sessions = new Map<string, CoapSession>();
  let closed = false;

  const open = (eim: EimEndpoint): CoapSession =>
    createCoapSession({
      clock: options.clock,
      random: options.random,
      connect: (signal) =>
        options.dtls.connect({
          host: eim.host,
          port: eim.port,
          serverName: eim.serverName,
          trust: eim.trust,
          clock: options.clock,
          ...given("sessions", options.sessions),
          ...given("cipherSuites", options.cipherSuitesFor?.(eim.eimId)),
          ...given("connectionId", options.connectionId),
          ...given("retransmitInitialMs", options.retransmitInitialMs),
          ...given("mtuBytes", options.mtuBytes),
          ...given("handshakeTimeoutMs", options.handshakeTimeoutMs),
          ...given("signal", signal),
          ...given("trace", options.trace),
          ...given("resolve", options.resolve),
        }),
      onEvent: (event) => options.onEvent?.(eim.eimId, event),
      onNatIdle: (seconds) => options.natMemory?.save(eim.eimId, seconds),
      ...given("trace", options.trace),
      ...given("renewAfterMs", options.connectionIdMaxAgeMs),
      ...given("natIdleSeconds", options.natMemory?.load(eim.eimId)),
      ...given("blockBytes", options.blockBytes),
      ...given("ackTimeoutMs", options.ackTimeoutMs),
      ...given("maxRetransmit", options.maxRetransmit),
      ...given("idleCloseMs", options.idleCloseMs),
    });

  return {
    scheme: "coaps",
    exchange: async (eim, request, signal) => {
      if (closed) throw new SimwardError("ABORTED", { detail: "the coaps transport was closed" });
      const key = endpointKey(eim);
      // An eIM whose address or trust changed is another one; its old association must not be used again.
      for (const [old, session] of sessions) {
        if (old === key || !old.startsWith(`${eim.eimId}\n`)) continue;
        sessions.delete(old);
        session.close();
      }
      const session = sessions.get(key) ?? open(eim);
      sessions.set(key, session);
      // No Content-Format: the path implies the type (SGP.32 §6.2).
      const response = await session.request({ method: "POST", path: pathOf(request), payload: request.body }, signal);
      return { status: statusOf(response.code, response.payload), body: response.payload };
    },
    pathChanged: () => {
      for (const session of sessions.values()) session.renew();
    },
    close: () => {
      closed = true;
      for (const session of sessions.values()) session.close();
      sessions.clear();
    },
  };
}

export interface HttpsEsipaOptions {
  readonly https: HttpsClient;
  readonly userAgent?: string;
}

export function httpsEsipaTransport({ https, userAgent = "gsma-rsp-ipad" }: HttpsEsipaOptions): ClosableEsipaTransport {
  return {
    scheme: "https",
    exchange: async (eim, request, signal) => {
      const response = await https.request(
        { host: eim.host, port: eim.port, serverName: eim.serverName, trust: eim.trust },
        {
          method: "POST",
          path: `/${pathOf(request)}`,
          headers: {
            "Content-Type": contentTypes[request.encoding ?? "asn1"],
            "X-Admin-Protocol": eim.adminProtocol ?? "gsma/rsp/v2.1.0",
            "User-Agent": userAgent,
          },
          body: request.body,
        },
        signal,
      );
      return { status: response.status, contentType: response.headers["content-type"], body: response.body };
    },
    // A TCP connection from a former address fails by itself, and node:https then opens another.
    pathChanged: () => {},
    close: () => https.close(),
  };
}

/** CoAP's code as HTTP counts: 2.01, 2.04 and 2.05 are 200 with a body and 204 without; 4.04 is 404; other 2.xx are not for POST. */
export function statusOf(code: string, payload: Uint8Array): number {
  if (code === "2.01" || code === "2.04" || code === "2.05") return payload.length > 0 ? 200 : 204;
  const [kind, detail] = code.split(".");
  const status = Number(kind) * 100 + Number(detail);
  return status >= 200 && status < 300 ? 502 : status;
}

function endpointKey(eim: EimEndpoint): string {
  const { trust } = eim;
  const trusted = trust.kind === "psk" ? `psk ${trust.identity}` : trustFingerprint(trust satisfies CertificateTrust);
  return [eim.eimId, eim.host, eim.port, eim.serverName, trusted].join("\n");
}

/** A property that is there only when it has a value. */
function given<K extends string, V>(name: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [P in K]?: V });
}
