// Injection (SGP.32 §3.1.1.2): the virtual eIM goes to the vehicle itself, over CoAPs or HTTPS, with the client certificate that the order asks for.
import * as v from "valibot";
import { concatBytes } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { createCoapClient } from "../../transports/coap/client.ts";
import type { Dtls } from "../../transports/dtls/types.ts";
import { createHttpsClient } from "../../transports/https/client.ts";
import type { Identity } from "../pki/pki.ts";
import { type TlsCertificateKind, tlsCertificateKinds } from "./faults.ts";
import { transferFromJson, transferToJson } from "./inject-json.ts";

/** Where a vehicle listens. */
export interface InjectionTarget {
  /** "host:port" */
  readonly coaps?: string | undefined;
  readonly https?: string | undefined;
  /** Its certificate or the CA above it, DER. */
  readonly certificate: Uint8Array;
  /** The name in it; the host by default. */
  readonly serverName?: string | undefined;
}

export interface InjectRequest {
  readonly scheme: "coaps" | "https";
  readonly certificate: TlsCertificateKind | "none";
  readonly encoding: InjectEncoding;
}

export type InjectEncoding = "asn1" | "json";

const InjectInput = v.looseObject({
  inject: v.optional(v.picklist(["coaps", "https"])),
  /** The client certificate that is presented. */
  injectCertificate: v.optional(v.picklist([...tlsCertificateKinds, "none"]), "own"),
  injectEncoding: v.optional(v.picklist(["asn1", "json"]), "asn1"),
});

/** An order as JSON without what says how it is brought; `inject` is undefined for one that waits to be asked for. Throws SIM_REQUEST. */
export function splitInjection(input: unknown): { readonly order: unknown; readonly inject: InjectRequest | undefined } {
  if (typeof input !== "object" || input === null) return { order: input, inject: undefined };
  const parsed = v.safeParse(InjectInput, input);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new SimwardError("SIM_REQUEST", { detail: `order.${v.getDotPath(issue) ?? ""}: ${issue.message}` });
  }
  const { inject, injectCertificate: certificate, injectEncoding: encoding, ...order } = parsed.output;
  return { order, inject: inject === undefined ? undefined : { scheme: inject, certificate, encoding } };
}

/** One connection to a vehicle: BF4E there, BF4E back. */
export interface Injector {
  /** Throws DTLS_…, COAP_…, HTTP_…, TLS_…; SIM_REQUEST with the status in `data` where it is none of success. */
  transfer(message: Uint8Array): Promise<Uint8Array>;
  close(): void;
}

export interface InjectorOptions {
  readonly scheme: "coaps" | "https";
  readonly encoding: InjectEncoding;
  readonly target: InjectionTarget;
  /** Undefined: none. */
  readonly identity: Identity | undefined;
  readonly dtls: Dtls;
  readonly clock: Clock;
  readonly random: Random;
}

/** SGP.32 §6.3, §6.4 */
const bindings = {
  asn1: {
    path: "gsma/rsp2/asn1",
    contentType: "application/x-gsma-rsp-asn1",
    out: (message: Uint8Array): Uint8Array => message,
    back: (body: Uint8Array): Uint8Array => concatBytes(body),
  },
  json: {
    path: "gsma/rsp2/esipa/transferEimPackage",
    contentType: "application/json;charset=UTF-8",
    out: transferToJson,
    back: transferFromJson,
  },
} as const;

const timeoutMs = 60_000;

/** Throws SIM_REQUEST where the vehicle is not known to listen so; DTLS_…, UDP_…, TLS_… */
export async function openInjector(options: InjectorOptions): Promise<Injector> {
  const { scheme, target, identity, clock, random } = options;
  const { path, contentType, out, back } = bindings[options.encoding];
  const { host, port } = addressOf(target, scheme);
  const serverName = target.serverName ?? host;
  const trust = { kind: "certificate", der: target.certificate } as const;
  const pem = identity && { certificateChainPem: identity.certificatePem, privateKeyPem: identity.privateKeyPem };
  const shown = pem === undefined ? {} : { identity: pem };
  if (scheme === "https") {
    const https = createHttpsClient({ clock, timeoutMs });
    const headers = { "Content-Type": contentType, "X-Admin-Protocol": "gsma/rsp/v2.1.0" };
    return {
      transfer: async (message) => {
        const request = { method: "POST", path: `/${path}`, headers, body: out(message) } as const;
        const { status, body } = await https.request({ host, port, serverName, trust, ...shown }, request);
        return back(successful(status, body));
      },
      close: () => https.close(),
    };
  }
  const link = await options.dtls.connect({ host, port, serverName, trust, clock, handshakeTimeoutMs: timeoutMs, ...shown });
  const coap = createCoapClient({ link, clock, random, responseTimeoutMs: timeoutMs });
  return {
    transfer: async (message) => {
      const { code, payload } = await coap.request({ method: "POST", path, payload: out(message) });
      const [kind, detail] = code.split(".").map(Number);
      return back(successful(kind === 2 ? 200 : (kind ?? 0) * 100 + (detail ?? 0), payload));
    },
    close: () => {
      coap.close();
      link.close();
    },
  };
}

function successful(status: number, body: Uint8Array): Uint8Array {
  if (status === 200) return body;
  throw new SimwardError("SIM_REQUEST", { detail: `the vehicle answered ${status}`, data: { status } });
}

function addressOf(target: InjectionTarget, scheme: "coaps" | "https"): { readonly host: string; readonly port: number } {
  const text = target[scheme];
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:]+)):(\d{1,5})$/.exec(text ?? "");
  const host = match?.[1] ?? match?.[2];
  if (match === null || host === undefined)
    throw new SimwardError("SIM_REQUEST", {
      detail: `injection.${scheme}: ${text === undefined ? "not told with POST /v1/euiccs" : `${text} is not host:port`}`,
    });
  return { host, port: Number(match[3]) };
}
