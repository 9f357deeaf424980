// The IPA's side of ESipa towards one eIM (SGP.32 §5.14): one method a function, over whatever binding reaches it.
// Answers are typed; a function error of the eIM is ESIPA_REFUSED with its name in `data.error`.
import { type Clock, deadline } from "../../base/clock.ts";
import { asSimwardError, type ErrorCode, SimwardError } from "../../base/errors.ts";
import { decode, type Type } from "../asn1/schema.ts";
import { childrenOf, contentOf, rawOf, readOnlyTlv, type Tlv, tagName } from "../asn1/tlv.ts";
import { collapsed } from "../euicc/double-tag.ts";
import type { IpaEvents } from "../events.ts";
import {
  type AuthenticateClientOkDPEsipa,
  AuthenticateClientResponseEsipa,
  CancelSessionResponseEsipa,
  GetBoundProfilePackageResponseEsipa,
  GetEimPackageResponse,
  type InitiateAuthenticationOkEsipa,
  InitiateAuthenticationResponseEsipa,
  IpaEuiccDataRequest,
  ProfileDownloadTriggerRequest,
  ProvideEimPackageResultResponse,
  type StateChangeCause,
} from "../messages/esipa.ts";
import { EuiccPackageRequest } from "../messages/package.ts";
import type { EsipaCompat } from "../options.ts";
import type { EsipaResponse } from "../ports.ts";
import { type BindingMemory, type EsipaBinding, inOrder, mayTryNext } from "./bindings.ts";
import { jsonRequest, jsonResponse } from "./json.ts";
import * as messages from "./messages.ts";
import type { Minimizer } from "./minimizer.ts";

/** What an eIM has for us, with the octets as they came. */
export type EimPackage =
  | { readonly kind: "none" }
  | { readonly kind: "euiccPackage"; readonly raw: Uint8Array; readonly value: EuiccPackageRequest }
  | { readonly kind: "ipaEuiccData"; readonly raw: Uint8Array; readonly value: IpaEuiccDataRequest }
  | { readonly kind: "profileDownload"; readonly raw: Uint8Array; readonly value: ProfileDownloadTriggerRequest }
  /** Of a kind this IPA does not know. */
  | { readonly kind: "unknown"; readonly raw: Uint8Array; readonly tag: string }
  | {
      readonly kind: "malformed";
      readonly raw: Uint8Array;
      readonly error: SimwardError;
      /** As far as it could be found. */
      readonly eimTransactionId: Uint8Array | undefined;
    };

export type AuthenticatedClient =
  | { readonly kind: "smdp"; readonly value: AuthenticateClientOkDPEsipa }
  /** The SM-DS names another server. */
  | {
      readonly kind: "smds";
      readonly trigger: ProfileDownloadTriggerRequest | undefined;
      /** Further events, to be followed after that one. */
      readonly more?: readonly ProfileDownloadTriggerRequest[] | undefined;
    };

type InitiateAuthenticationFields = Parameters<typeof messages.initiateAuthentication>[0];

export interface InitiateAuthenticationInput extends InitiateAuthenticationFields {
  /** BF20 */
  readonly euiccInfo1: Uint8Array;
  /** The eIM's own order names the SM-DP+. */
  readonly addressOrdered?: boolean | undefined;
}

export interface EimClientOptions {
  readonly eimId: string;
  /** At least one, in order of preference. */
  readonly bindings: readonly EsipaBinding[];
  readonly memory?: BindingMemory | undefined;
  /** minimizeEsipaBytes: only towards an eIM that is known to understand compact forms. */
  readonly minimizer?: Minimizer | undefined;
  readonly compat: EsipaCompat;
  readonly eid: Uint8Array;
  readonly clock: Clock;
  readonly events: IpaEvents;
  readonly timeoutMs: number;
  /** Offered each BF50 before it is sent: true when a peer that had injected the package was answered with it instead. */
  readonly take?: ((provideEimPackageResult: Uint8Array) => boolean) | undefined;
  /** Called at each answer, whatever it says. */
  readonly onContact?: (() => void) | undefined;
}

/** Every method throws ESIPA_UNREACHABLE, ESIPA_STATUS, ESIPA_RESPONSE, ESIPA_REFUSED, or what the transport threw: COAP_…, DTLS_…, HTTP_…, TLS_… */
export class EimClient {
  readonly #options: EimClientOptions;

  constructor(options: EimClientOptions) {
    this.#options = options;
  }

  get eimId(): string {
    return this.#options.eimId;
  }

  get compat(): EsipaCompat {
    return this.#options.compat;
  }

  /** SGP.32 §5.14.5 */
  async getEimPackage(
    ask: { readonly stateChange: StateChangeCause | undefined; readonly rPlmn: Uint8Array | undefined },
    signal?: AbortSignal,
  ): Promise<EimPackage> {
    const request = messages.getEimPackage(this.#options.eid, ask.stateChange, ask.rPlmn, this.compat.esipaVersion);
    const body = await this.#exchange("getEimPackage", request, signal);
    if (body.length === 0) throw new SimwardError("ESIPA_RESPONSE", { detail: `${this.eimId}: GetEimPackage answered without a body` });
    return this.#classify(body);
  }

  /** What BF50 will be; kept by those who may have to send it again. SGP.32 §5.14.6 */
  encodeResult(answer: messages.EimPackageAnswer): Uint8Array {
    const { eid, minimizer } = this.#options;
    const minimized =
      answer.kind === "euiccPackageResult" && minimizer !== undefined
        ? // BF50 says whose they are.
          { ...answer, notifications: answer.notifications.map((raw) => minimizer.notification(raw, undefined) ?? raw) }
        : answer;
    return messages.provideEimPackageResult(eid, minimized, this.compat.esipaVersion);
  }

  /** The eIM has taken this BF52: what it holds need not be sent again. */
  async hasTold(ipaEuiccDataResponse: Uint8Array): Promise<void> {
    await this.#options.minimizer?.told(ipaEuiccDataResponse);
  }

  /** Sends a BF50; answers the sequence numbers that the eIM acknowledges. SGP.32 §5.14.6 */
  async provideEimPackageResult(request: Uint8Array, signal?: AbortSignal): Promise<readonly number[]> {
    if (this.#options.take?.(request) === true) return [];
    const body = await this.#exchange("provideEimPackageResult", request, signal);
    // Nothing at all, and BF50 00 of v1.0, are an emptyResponse.
    if (body.length === 0 || (body.length === 3 && body[0] === 0xbf && body[1] === 0x50 && body[2] === 0)) return [];
    const response = this.#decode(ProvideEimPackageResultResponse, body, "ProvideEimPackageResultResponse");
    if (response.kind === "provideEimPackageResultError") throw this.#refused("ProvideEimPackageResult", response.value);
    return response.kind === "eimAcknowledgements" ? response.value.map(Number) : [];
  }

  /** SGP.32 §5.14.1 */
  async initiateAuthentication(request: InitiateAuthenticationInput, signal?: AbortSignal): Promise<InitiateAuthenticationOkEsipa> {
    const { minimizer } = this.#options;
    const { euiccInfo1, smdpAddress, eimTransactionId, addressOrdered = false } = request;
    const write = (fields: InitiateAuthenticationFields): Uint8Array => messages.initiateAuthentication(fields, this.compat.esipaVersion);
    const isKnown = minimizer?.active === true && addressOrdered && eimTransactionId !== undefined;
    const compact = {
      ...request,
      euiccInfo1: minimizer?.knowsInfo1(euiccInfo1) === true ? undefined : euiccInfo1,
      smdpAddress: isKnown ? undefined : smdpAddress,
    };
    const isCompact = compact.euiccInfo1 !== euiccInfo1 || compact.smdpAddress !== smdpAddress;
    const answer = await this.#minimized(isCompact ? write(compact) : undefined, write(request), async (message) => {
      const body = await this.#exchange("initiateAuthentication", message, signal);
      const response = this.#decode(InitiateAuthenticationResponseEsipa, body, "InitiateAuthenticationResponse");
      if (response.kind === "initiateAuthenticationErrorEsipa") throw this.#refused("InitiateAuthentication", response.value);
      return response.value;
    });
    minimizer?.initiated(answer);
    return answer;
  }

  /** SGP.32 §5.14.3; `authenticateServerResponse` is the card's BF38, an error included. */
  async authenticateClient(
    transactionId: Uint8Array,
    authenticateServerResponse: Uint8Array,
    signal?: AbortSignal,
  ): Promise<AuthenticatedClient> {
    const { minimizer } = this.#options;
    const compact = minimizer?.authenticateServerResponse(transactionId, authenticateServerResponse);
    const write = (response: Uint8Array): Uint8Array => messages.authenticateClient(transactionId, response);
    return this.#minimized(compact && write(compact), write(authenticateServerResponse), async (message) => {
      const body = await this.#exchange("authenticateClient", message, signal);
      const response = this.#decode(AuthenticateClientResponseEsipa, body, "AuthenticateClientResponse");
      switch (response.kind) {
        case "authenticateClientOkDPEsipa":
          minimizer?.authenticated(response.value);
          return { kind: "smdp", value: response.value };
        case "authenticateClientOkDSEsipa":
          return { kind: "smds", trigger: response.value.profileDownloadTrigger };
        case "authenticateClientErrorEsipa":
          throw this.#refused("AuthenticateClient", response.value);
      }
    });
  }

  /** Answers the BF36 as it came. SGP.32 §5.14.2; `prepareDownloadResponse` is the card's BF21, an error included. */
  async getBoundProfilePackage(transactionId: Uint8Array, prepareDownloadResponse: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    const compact = this.#options.minimizer?.prepareDownloadResponse(transactionId, prepareDownloadResponse);
    const write = (response: Uint8Array): Uint8Array => messages.getBoundProfilePackage(transactionId, response);
    return this.#minimized(compact && write(compact), write(prepareDownloadResponse), async (message) => {
      const body = await this.#exchange("getBoundProfilePackage", message, signal);
      const [result] = this.#children(body, 0xbf3a);
      if (result?.tag === 0x81) {
        const response = this.#decode(GetBoundProfilePackageResponseEsipa, body, "GetBoundProfilePackageResponse");
        if (response.kind === "getBoundProfilePackageErrorEsipa") throw this.#refused("GetBoundProfilePackage", response.value);
      }
      const bpp = result?.tag === 0xa0 ? this.#read(() => childrenOf(result).find((child) => child.tag === 0xbf36)) : undefined;
      if (bpp === undefined) throw new SimwardError("ESIPA_RESPONSE", { detail: `${this.eimId}: GetBoundProfilePackage without BF36` });
      return rawOf(collapsed(bpp));
    });
  }

  /** SGP.32 §5.14.8; `cancelSessionResponse` is the card's BF41, an error included. */
  async cancelSession(transactionId: Uint8Array, cancelSessionResponse: Uint8Array, signal?: AbortSignal): Promise<void> {
    const compact = this.#options.minimizer?.cancelSessionResponse(transactionId, cancelSessionResponse);
    const write = (response: Uint8Array): Uint8Array => messages.cancelSession(transactionId, response);
    await this.#minimized(compact && write(compact), write(cancelSessionResponse), async (message) => {
      const body = await this.#exchange("cancelSession", message, signal);
      const response = this.#decode(CancelSessionResponseEsipa, body, "CancelSessionResponse");
      if (response.kind === "cancelSessionError") throw this.#refused("CancelSession", response.value);
    });
  }

  /** Resolves when the eIM has taken it. SGP.32 §5.14.7 */
  async handleNotification(pendingNotification: Uint8Array, signal?: AbortSignal): Promise<void> {
    const { eid, minimizer } = this.#options;
    const compact = minimizer?.notification(pendingNotification, eid);
    const write = (notification: Uint8Array): Uint8Array => messages.handleNotification(notification);
    await this.#minimized(compact && write(compact), write(pendingNotification), (message) =>
      this.#exchange("handleNotification", message, signal),
    );
  }

  /** A BF50 about a direct download: by HandleNotification (SGP.32 §3.2.3.1), or by itself to an eIM that will not have it so. */
  async handleResult(request: Uint8Array, signal?: AbortSignal): Promise<void> {
    try {
      await this.#exchange("handleNotification", messages.handleResult(request, this.compat.esipaVersion), signal);
    } catch (error) {
      const known = asSimwardError(error);
      if (isUnreachable(known)) throw known;
      await this.provideEimPackageResult(request, signal);
    }
  }

  /**
   * The compact form where there is one. An eIM that cannot build the full one again, as it lost what it was told, gets the full one in the same
   * session: nothing of it has reached the RSP server.
   */
  async #minimized<T>(compact: Uint8Array | undefined, full: Uint8Array, send: (message: Uint8Array) => Promise<T>): Promise<T> {
    if (compact === undefined) return send(full);
    try {
      return await send(compact);
    } catch (error) {
      const first = asSimwardError(error);
      if (!mayNotBeRestored(first)) throw first;
      await this.#options.minimizer?.giveUp();
      try {
        return await send(full);
      } catch (again) {
        const second = asSimwardError(again);
        // It was the RSP server's answer after all, and ended the session.
        throw second.data.error === "invalidTransactionId" ? first : second;
      }
    }
  }

  #classify(body: Uint8Array): EimPackage {
    let members: readonly Tlv[];
    try {
      const tlv = readOnlyTlv(body);
      if (tlv.tag !== 0xbf4f) return { kind: "unknown", raw: body, tag: tagName(tlv.tag) };
      members = childrenOf(collapsed(tlv));
    } catch (error) {
      return { kind: "malformed", raw: body, error: asSimwardError(error), eimTransactionId: undefined };
    }
    const [member] = members.map(collapsed);
    if (member === undefined) {
      const error = new SimwardError("PACKAGE_FORMAT", { detail: "GetEimPackageResponse is empty" });
      return { kind: "malformed", raw: body, error, eimTransactionId: undefined };
    }
    const raw = rawOf(member);
    try {
      switch (member.tag) {
        case 0xbf51:
          return { kind: "euiccPackage", raw, value: decode(EuiccPackageRequest, raw, { name: "EuiccPackageRequest" }) };
        case 0xbf52:
          return { kind: "ipaEuiccData", raw, value: decode(IpaEuiccDataRequest, raw, { name: "IpaEuiccDataRequest" }) };
        case 0xbf54:
          return {
            kind: "profileDownload",
            raw,
            value: decode(ProfileDownloadTriggerRequest, raw, { name: "ProfileDownloadTriggerRequest" }),
          };
        case 0x02:
          return this.#noPackage(body);
        default:
          return { kind: "unknown", raw, tag: tagName(member.tag) };
      }
    } catch (error) {
      const known = asSimwardError(error);
      if (known.code === "ESIPA_REFUSED") throw known;
      return { kind: "malformed", raw, error: known, eimTransactionId: transactionIdOf(member) };
    }
  }

  #noPackage(body: Uint8Array): EimPackage {
    const response = decode(GetEimPackageResponse, body, { name: "GetEimPackageResponse" });
    // 0 is what some eIMs say instead of 1.
    if (response.kind === "eimPackageError" && response.value !== "noEimPackageAvailable" && response.value !== 0)
      throw this.#refused("GetEimPackage", response.value);
    return { kind: "none" };
  }

  #children(body: Uint8Array, tag: number): readonly Tlv[] {
    return this.#read(() => {
      const tlv = readOnlyTlv(body);
      if (tlv.tag === tag) return childrenOf(collapsed(tlv));
      throw new SimwardError("ASN1_TAG", { detail: `${tagName(tlv.tag)} where ${tagName(tag)} belongs` });
    });
  }

  #decode<T>(type: Type<T>, body: Uint8Array, name: string): T {
    return this.#read(() => decode(type, body, { name }), name);
  }

  /** Whatever cannot be read of an eIM's answer is that eIM's affair, by its name. */
  #read<T>(read: () => T, name?: string): T {
    try {
      return read();
    } catch (error) {
      throw new SimwardError("ESIPA_RESPONSE", { detail: `${this.eimId}: ${asSimwardError(error).detail ?? name}`, cause: error });
    }
  }

  #refused(functionName: string, error: string | number | bigint): SimwardError {
    return new SimwardError("ESIPA_REFUSED", {
      detail: `${this.eimId}: ESipa.${functionName}: ${error}`,
      data: { function: functionName, error: typeof error === "bigint" ? error.toString() : error },
    });
  }

  /** Over the binding that worked last, else as preferred; over the next one where one cannot connect. */
  async #exchange(functionName: string, message: Uint8Array, parent: AbortSignal | undefined): Promise<Uint8Array> {
    const { bindings, memory } = this.#options;
    const remembered = memory?.load(this.eimId);
    const order = inOrder(bindings, remembered);
    const failures: SimwardError[] = [];
    for (const binding of order) {
      try {
        const answer = await this.#over(binding, functionName, message, parent);
        if (bindings.length > 1 && binding.name !== remembered) await memory?.save(this.eimId, binding.name);
        return answer;
      } catch (error) {
        parent?.throwIfAborted();
        const known = asSimwardError(error);
        failures.push(known);
        if (!mayTryNext(known)) break;
      }
    }
    // What a proven eIM said outweighs that another binding did not reach it.
    throw failures.find((one) => !isUnreachable(one)) ?? failures[0] ?? new SimwardError("EIM_NO_PROTOCOL", { detail: this.eimId });
  }

  async #over(binding: EsipaBinding, functionName: string, message: Uint8Array, parent: AbortSignal | undefined): Promise<Uint8Array> {
    const { clock, events, timeoutMs } = this.#options;
    const isJson = binding.name === "https-json";
    const body = isJson ? jsonRequest(functionName, message) : message;
    const name = `ESipa.${functionName[0]?.toUpperCase()}${functionName.slice(1)}`;
    const startMs = clock.monotonicMs();
    const tell = (receivedBytes: number, error?: ErrorCode): void | Promise<void> =>
      events.emit({ kind: "step", name, sentBytes: body.length, receivedBytes, durationMs: clock.monotonicMs() - startMs, error });
    const late = (): SimwardError =>
      new SimwardError("ESIPA_UNREACHABLE", { detail: `${this.eimId}: ${name} took more than ${timeoutMs} ms` });
    const { signal, done } = deadline(clock, timeoutMs, late, parent);
    try {
      const request = { functionName, body, encoding: isJson ? "json" : "asn1" } as const;
      const response = await aborting(binding.transport.exchange(binding.endpoint, request, signal), signal);
      this.#options.onContact?.();
      if (response.status < 200 || response.status > 299)
        throw new SimwardError("ESIPA_STATUS", { detail: `${this.eimId}: ${name}: ${response.status}`, data: { status: response.status } });
      const answer = isJson ? jsonResponse(functionName, response.body) : response.body;
      await tell(response.body.length);
      return answer;
    } catch (error) {
      parent?.throwIfAborted();
      const known = asSimwardError(error, "ESIPA_UNREACHABLE");
      await tell(0, known.code);
      throw known;
    } finally {
      done();
    }
  }
}

/** Whether an error means that nothing came back from an eIM whose identity was proven: what a change of profile must not lead to. */
export function isUnreachable(error: SimwardError): boolean {
  return error.code !== "ESIPA_STATUS" && error.code !== "ESIPA_RESPONSE" && error.code !== "ESIPA_REFUSED";
}

/** What an eIM may say that cannot make a full form of a compact one. */
const restoreErrors: readonly unknown[] = ["undefinedError", "euiccSignatureInvalid", "invalidDpAddress", "invalidTransactionId"];

function mayNotBeRestored({ code, data }: SimwardError): boolean {
  // 502, 503 and 504 are of the moment, whatever was sent.
  if (code === "ESIPA_STATUS") return typeof data.status === "number" && data.status <= 501;
  return code === "ESIPA_RESPONSE" || (code === "ESIPA_REFUSED" && restoreErrors.includes(data.error));
}

/** A transport that does not mind its signal must not keep us waiting. */
function aborting(exchange: Promise<EsipaResponse>, signal: AbortSignal): Promise<EsipaResponse> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    exchange.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/** eimTransactionId of a package that does not decode: where it would be in each kind, if that much can be read. */
function transactionIdOf(member: Tlv): Uint8Array | undefined {
  const tag = member.tag === 0xbf52 ? 0x83 : 0x82;
  try {
    const holder = member.tag === 0xbf51 ? childrenOf(member).find((child) => child.tag === 0x30) : member;
    const found = holder === undefined ? undefined : childrenOf(holder).find((child) => child.tag === tag);
    const value = found === undefined ? undefined : new Uint8Array(contentOf(found));
    return value !== undefined && value.length >= 1 && value.length <= 16 ? value : undefined;
  } catch {
    return undefined;
  }
}
