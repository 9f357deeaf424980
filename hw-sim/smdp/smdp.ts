// The virtual SM-DP+: its service behind HTTPS (ES9+ in JSON, SGP.22 §6.5), its orders, its notification log, its faults.
import type { Clock } from "../../base/clock.ts";
import { type Random, systemRandom } from "../../base/random.ts";
import { type HttpAnswer, type HttpRequest, type HttpServer, jsonAnswer, jsonBody, startHttpServer } from "../http/server.ts";
import type { Pki } from "../pki/pki.ts";
import { applySmdpFaults, defaultSmdpFaults, type SmdpFaults } from "./faults.ts";
import { isObject, type JsonObject } from "./json.ts";
import type { LoggedNotification } from "./notifications.ts";
import type { DownloadOrder, DownloadOrderInput } from "./orders.ts";
import { type SmdpEvent, SmdpService } from "./service.ts";
import { es9Functions, refuse } from "./status.ts";

export interface SmdpOptions {
  readonly clock: Clock;
  /** TransactionIDs and challenges. */
  readonly random?: Random;
  /** Its certificates, of one CI or more; the first world's dptls serves HTTPS. */
  readonly pkis: readonly [Pki, ...Pki[]];
  /** Where it listens; 127.0.0.1 and a port of the system's choice by default. */
  readonly host?: string;
  readonly port?: number;
  /** Its address in activation codes and notifications; localhost and its port by default. */
  readonly address?: string;
  readonly orders?: readonly DownloadOrderInput[];
  readonly faults?: Partial<SmdpFaults>;
  readonly onEvent?: (event: SmdpEvent) => void;
}

export interface SmdpAddresses {
  /** "https://localhost:1234" */
  readonly https: string;
  /** What activation codes carry: "localhost:1234". */
  readonly address: string;
  readonly port: number;
}

export interface Smdp {
  start(): Promise<SmdpAddresses>;
  stop(): Promise<void>;
  /** Of activation codes; final once it has started. */
  readonly address: string;
  readonly faults: SmdpFaults;
  /** As JSON has them. Throws SIM_REQUEST. */
  applyFaults(settings: unknown): void;
  /** Throws SIM_REQUEST. */
  addOrder(order: DownloadOrderInput): DownloadOrder;
  release(matchingId: string): void;
  /** That eUICC gets it as from its default SM-DP+, without a MatchingID. Throws SIM_REQUEST. */
  reserve(matchingId: string, eid: string): void;
  /** "LPA:1$address$token", with the confirmation code flag where one is needed. */
  activationCode(matchingId: string): string;
  readonly orders: readonly DownloadOrder[];
  readonly notifications: readonly LoggedNotification[];
  /** One ES9+ function in process: JSON in, JSON out, undefined for 204. Throws SIM_REQUEST. */
  handle(functionName: string, body: JsonObject): Promise<JsonObject | undefined>;
}

const basePath = "/gsma/rsp2/es9plus/";
const protocol = "gsma/rsp/v2.5.0";
const maxBodyBytes = 128 * 1024;

export function createSmdp(options: SmdpOptions): Smdp {
  const { clock, pkis, random = systemRandom, host = "127.0.0.1" } = options;
  const faults: SmdpFaults = { ...defaultSmdpFaults(), ...options.faults };
  let address = options.address ?? `localhost:${options.port ?? 0}`;
  let server: HttpServer | undefined;
  const events = options.onEvent === undefined ? {} : { onEvent: options.onEvent };
  const service = new SmdpService({ clock, random, pkis, address: () => address, faults, ...events });
  for (const order of options.orders ?? []) service.orders.add(order);

  return {
    start: async () => {
      server = await startHttpServer({
        host,
        port: options.port ?? 0,
        tls: pkis[0].get("dptls"),
        maxBodyBytes,
        handle: (request) => answer(service, faults, request),
      });
      address = options.address ?? `localhost:${server.port}`;
      return { https: `https://localhost:${server.port}`, address, port: server.port };
    },
    stop: async () => {
      await server?.stop();
      server = undefined;
    },
    get address() {
      return address;
    },
    faults,
    applyFaults: (settings) => applySmdpFaults(faults, settings),
    addOrder: (order) => service.orders.add(order),
    release: (matchingId) => service.orders.release(matchingId),
    reserve: (matchingId, eid) => service.orders.reserve(matchingId, eid),
    activationCode: (matchingId) => {
      const flag = service.orders.all.some((order) => order.matchingId === matchingId && order.confirmationCode !== undefined) ? "$$1" : "";
      return `LPA:1$${address}$${matchingId}${flag}`;
    },
    get orders() {
      return service.orders.all;
    },
    get notifications() {
      return service.notifications.all;
    },
    handle: (functionName, body) => service.handle(functionName, body),
  };
}

async function answer(service: SmdpService, faults: SmdpFaults, request: HttpRequest): Promise<HttpAnswer | "silence"> {
  const { method, path } = request;
  const functionName = path.startsWith(basePath) ? path.slice(basePath.length) : "";
  if (!es9Functions.some((name) => name === functionName)) return { status: 404 };
  if (method !== "POST") return { status: 405, headers: { Allow: "POST" } };
  if (!/^application\/json\b/i.test(request.header("content-type") ?? "")) return { status: 415 };
  const asked = request.header("x-admin-protocol");
  if (asked !== undefined && !/^gsma\/rsp\/v\d/.test(asked)) return { status: 400 };
  if (faults.silentRequests > 0) {
    faults.silentRequests--;
    return "silence";
  }
  if (faults.httpStatus !== undefined && faults.httpStatus.times > 0) {
    const { status, times } = faults.httpStatus;
    faults.httpStatus = { status, times: times - 1 };
    return { status };
  }
  const body = jsonBody(request);
  if (!isObject(body)) throw refuse("elementInvalid", "the body is no JSON object");
  const result = await service.handle(functionName, body);
  const headers = { "X-Admin-Protocol": protocol };
  return result === undefined ? { status: 204, headers } : jsonAnswer(200, result, headers);
}
