// ESipa as the eIM offers it: CoAP over DTLS in ASN.1, HTTPS in ASN.1 and JSON, on one port number (SGP.32 §6.1 to §6.4).
import type { Clock } from "../../base/clock.ts";
import { isCode, SimwardError } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { createCoapServer } from "../../transports/coap/server.ts";
import type { CoapServer, CoapServerRequest, CoapServerResponse } from "../../transports/coap/types.ts";
import type { Dtls, DtlsCipherSuite, DtlsServer } from "../../transports/dtls/types.ts";
import { type HttpAnswer, type HttpRequest, type HttpServer, jsonAnswer, startHttpServer, type TlsIdentity } from "../http/server.ts";
import type { EsipaAnswer } from "./core.ts";
import { answerJson, type JsonDialect } from "./json.ts";

export interface EsipaServerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly dtls: Dtls;
  readonly host: string;
  /** For UDP and TCP; 0 lets the system choose one that is free in both. */
  readonly port: number;
  readonly identity: TlsIdentity;
  readonly handle: (message: Uint8Array) => Promise<EsipaAnswer>;
  /** What is not offered: such an eIM answers with 404, or not at all over CoAP. */
  readonly notServed: () => readonly ("coaps" | "https" | "https-json")[];
  readonly jsonDialect: () => JsonDialect;
  /** What a CoAP answer with a body is coded as; 2.04 by default. */
  readonly coapCode?: "2.04" | "2.05";
  readonly coapBlockBytes?: number;
  /** Names the associations of vehicles that ask for it (RFC 9146); on by default. */
  readonly connectionId?: boolean;
}

export interface EsipaServers {
  readonly port: number;
  /** Shows another certificate from now on; what is open is closed. */
  setIdentity(identity: TlsIdentity): Promise<void>;
  stop(): Promise<void>;
}

const path = "gsma/rsp2/asn1";
const contentType = "application/x-gsma-rsp-asn1";
const protocol = "gsma/rsp/v2.1.0";
const jsonPath = "/gsma/rsp2/esipa/";
const maxBodyBytes = 1 << 20;
const portAttempts = 20;
/** CoAP's own mandatory one last (RFC 7252 §9.1.3.3): small IPAs have no other. */
const cipherSuites: readonly DtlsCipherSuite[] = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-AES128-CCM8",
];
/** Longer than the hour between two polls: an association that survives NATs is of use only while the server has it. */
const idleTimeoutMs = 2 * 3_600_000;

/** Throws SIM_OPTION when it cannot listen, OPENSSL_MISSING. */
export async function startEsipaServers(options: EsipaServerOptions): Promise<EsipaServers> {
  const silenced = new Set<() => void>();
  const https = (port: number): Promise<HttpServer> =>
    startHttpServer({ host: options.host, port, tls: options.identity, maxBodyBytes, handle: (request) => answerHttp(request, options) });
  const { http, coaps } = await onOnePort(options, https, silenced);
  let current = coaps;
  return {
    port: http.port,
    setIdentity: async (identity) => {
      http.setIdentity(identity);
      await current.stop();
      current = await startCoaps({ ...options, identity }, http.port, silenced);
    },
    stop: async () => {
      for (const release of silenced) release();
      await Promise.all([http.stop(), current.stop()]);
    },
  };
}

/** One FQDN with one port stands in EimConfigurationData for both bindings, so both listen on the same number. */
async function onOnePort(
  options: EsipaServerOptions,
  https: (port: number) => Promise<HttpServer>,
  silenced: Set<() => void>,
): Promise<{ readonly http: HttpServer; readonly coaps: Coaps }> {
  for (let attempt = 1; ; attempt++) {
    const http = await https(options.port);
    try {
      return { http, coaps: await startCoaps(options, http.port, silenced) };
    } catch (error) {
      await http.stop();
      if (options.port !== 0 || attempt >= portAttempts || isCode(error, "OPENSSL_MISSING", "DTLS_CONFIG")) throw error;
    }
  }
}

interface Coaps {
  stop(): Promise<void>;
}

async function startCoaps(options: EsipaServerOptions, port: number, silenced: Set<() => void>): Promise<Coaps> {
  const { clock, random, host, identity } = options;
  const coap: CoapServer = createCoapServer({
    clock,
    random,
    maxBodyBytes,
    handle: (request) => answerCoap(request, options, silenced),
    ...(options.coapBlockBytes === undefined ? {} : { blockBytes: options.coapBlockBytes }),
  });
  let server: DtlsServer;
  try {
    const pem = { certificateChainPem: identity.certificatePem, privateKeyPem: identity.privateKeyPem };
    const connectionId = options.connectionId ?? true;
    server = await options.dtls.listen({ host, port, identity: pem, clock, connectionId, idleTimeoutMs, cipherSuites });
  } catch (cause) {
    coap.close();
    if (cause instanceof SimwardError) throw cause;
    throw new SimwardError("SIM_OPTION", { detail: `cannot listen on ${host}:${port}`, cause });
  }
  server.onLink((link) => coap.serve(link));
  return {
    stop: async () => {
      coap.close();
      await server.close();
    },
  };
}

async function answerHttp(request: HttpRequest, options: EsipaServerOptions): Promise<HttpAnswer | "silence"> {
  const { handle } = options;
  if (request.path.startsWith(jsonPath)) return answerHttpJson(request, options);
  if (request.path !== `/${path}` || options.notServed().includes("https")) return { status: 404 };
  if (request.method !== "POST") return { status: 405, headers: { Allow: "POST" } };
  if (request.header("content-type")?.split(";")[0]?.trim().toLowerCase() !== contentType) return { status: 415 };
  const asked = request.header("x-admin-protocol");
  if (asked !== undefined && !/^gsma\/rsp\/v\d/.test(asked)) return { status: 400 };
  const answer = await handle(request.body);
  if (answer === "silence") return answer;
  const headers = { "X-Admin-Protocol": asked ?? protocol };
  const isBody = answer.status === 200 && answer.body.length > 0;
  return { status: answer.status, headers: isBody ? { ...headers, "Content-Type": contentType } : headers, body: answer.body };
}

async function answerHttpJson(
  request: HttpRequest,
  { handle, notServed, jsonDialect }: EsipaServerOptions,
): Promise<HttpAnswer | "silence"> {
  if (notServed().includes("https-json")) return { status: 501 };
  if (request.method !== "POST") return { status: 405, headers: { Allow: "POST" } };
  if (!/^application\/json\b/i.test(request.header("content-type") ?? "")) return { status: 415 };
  const asked = request.header("x-admin-protocol");
  if (asked !== undefined && !/^gsma\/rsp\/v\d/.test(asked)) return { status: 400 };
  const answer = await answerJson(request.path.slice(jsonPath.length), request.body, handle, jsonDialect());
  if (answer === "silence") return answer;
  const headers = { "X-Admin-Protocol": asked ?? protocol };
  return answer.json === undefined ? { status: answer.status, headers } : jsonAnswer(answer.status, answer.json, headers);
}

/** HTTP is mapped to CoAP without its headers: the type follows from the path (SGP.32 §6.2). */
async function answerCoap(request: CoapServerRequest, options: EsipaServerOptions, silenced: Set<() => void>): Promise<CoapServerResponse> {
  if (request.path.startsWith("gsma/rsp2/esipa/")) return { code: "5.01" };
  if (request.path !== path || options.notServed().includes("coaps")) return { code: "4.04" };
  if (request.method !== "POST") return { code: "4.05" };
  const answer = await options.handle(request.payload ?? new Uint8Array(0));
  if (answer === "silence") {
    await new Promise<void>((resolve) => silenced.add(resolve));
    return { code: "5.03" };
  }
  if (answer.status === 204 || answer.status === 200) {
    return answer.body.length === 0 ? { code: "2.04" } : { code: options.coapCode ?? "2.04", payload: answer.body };
  }
  return { code: coapCodeOf(answer.status) };
}

/** 404 → 4.04; what CoAP has no code for becomes 4.00 or 5.00. */
function coapCodeOf(status: number): string {
  const known = [400, 401, 403, 404, 405, 406, 408, 412, 413, 415, 500, 501, 502, 503, 504];
  const code = known.includes(status) ? status : status < 500 ? 400 : 500;
  return `${Math.floor(code / 100)}.${String(code % 100).padStart(2, "0")}`;
}
