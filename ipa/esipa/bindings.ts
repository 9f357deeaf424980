// Which binding a message to an eIM takes (SGP.32 §3.1.2, §6): what worked last, else in order of preference, and the next one where one cannot connect.
import type { ErrorCode, SimwardError } from "../../base/errors.ts";
import type { EimEndpoint, EsipaTransport } from "../ports.ts";

export const bindingNames = ["coaps", "https", "https-json"] as const;
/** ASN.1 over CoAPs, ASN.1 over HTTPS, JSON over HTTPS. */
export type BindingName = (typeof bindingNames)[number];

export const schemeOf = (binding: BindingName): EsipaTransport["scheme"] => (binding === "coaps" ? "coaps" : "https");

/** One way to one eIM. */
export interface EsipaBinding {
  readonly name: BindingName;
  readonly endpoint: EimEndpoint;
  readonly transport: EsipaTransport;
}

/** What worked last, by eIM; kept across restarts. */
export interface BindingMemory {
  load(eimId: string): BindingName | undefined;
  save(eimId: string, binding: BindingName): Promise<void>;
}

/** No exchange took place: another binding may fare better, and nothing is done twice. */
const notConnected: ReadonlySet<ErrorCode> = new Set([
  "DTLS_TIMEOUT",
  "DTLS_HANDSHAKE",
  "DTLS_ALERT",
  "UDP_UNREACHABLE",
  "HTTP_CONNECT",
  "HTTP_TIMEOUT",
  "OPENSSL_MISSING",
  "TRANSPORT_SCHEME",
]);
/** The eIM does not serve this binding: no such path, method or type. */
const notServed: readonly unknown[] = [404, 405, 406, 415, 501];

export function mayTryNext(error: SimwardError): boolean {
  return notConnected.has(error.code) || (error.code === "ESIPA_STATUS" && notServed.includes(error.data.status));
}

/** `remembered` first, the others as they stand. */
export function inOrder<B extends { readonly name: BindingName }>(
  bindings: readonly B[],
  remembered: BindingName | undefined,
): readonly B[] {
  const first = bindings.find(({ name }) => name === remembered);
  return first === undefined ? bindings : [first, ...bindings.filter((one) => one !== first)];
}
