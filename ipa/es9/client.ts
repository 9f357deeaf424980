// The IPA's side of ES9+ and ES11 towards one RSP server (SGP.22 §5.6, §5.8, §6.5): JSON out, and answers of the same types that an eIM gives when
// it relays, so that one download machine serves both ways.

import { toHexUpper } from "../../base/bytes.ts";
import { type Clock, deadline } from "../../base/clock.ts";
import { asSimwardError, type ErrorCode, SimwardError } from "../../base/errors.ts";
import { decode, type Type } from "../asn1/schema.ts";
import { childrenOf, rawOf, readOnlyTlv, writeTlv } from "../asn1/tlv.ts";
import type { AuthenticatedClient } from "../esipa/client.ts";
import { type Alternative, failureIn, isObject, type Json, malformed, member, readAlternative, toBase64 } from "../esipa/json-codec.ts";
import { collapsed } from "../euicc/double-tag.ts";
import type { IpaEvents } from "../events.ts";
import { AuthenticateClientOkDPEsipa, InitiateAuthenticationOkEsipa } from "../messages/esipa.ts";
import type { Es9Transport, RspServer } from "../ports.ts";

export interface RspClientOptions {
  /** As the trigger or the notification has it: host or host:port. */
  readonly address: string;
  readonly server: RspServer;
  readonly transport: Es9Transport;
  readonly clock: Clock;
  readonly events: IpaEvents;
  readonly timeoutMs: number;
}

const transactionId = member("transactionId", 0x80, "hex");

/** Members of the answers; the forms of SGP.32's own structures without what only an eIM adds. */
const initiated: readonly Alternative[] = [
  {
    when: "serverSigned1",
    holder: 0x30,
    members: [
      transactionId,
      member("serverSigned1", 0x30),
      member("serverSignature1", 0x5f37, "content", 0x5f37),
      member("euiccCiPKIdToBeUsed", 0x04, "content", 0x04),
      member("serverCertificate", 0x30),
    ],
  },
];
const authenticated: readonly Alternative[] = [
  {
    when: "smdpSigned2",
    holder: 0x30,
    members: [
      transactionId,
      member("profileMetadata", 0xbf25),
      member("smdpSigned2", 0x30),
      member("smdpSignature2", 0x5f37, "content", 0x5f37),
      member("smdpCertificate", 0x30),
    ],
  },
];
const bound: readonly Alternative[] = [
  { when: "boundProfilePackage", holder: 0x30, members: [transactionId, member("boundProfilePackage", 0xbf36)] },
];

/** What an RSP server may say no with (SGP.22 §5.6, §5.8): subject and reason code, and the name that ESipa has for it. */
const statusNames: Readonly<Record<string, string>> = {
  "8.8.1/3.8": "invalidDpAddress",
  "8.8.3/3.1": "euiccVersionNotSupportedByDp",
  "8.8.2/3.1": "ciPKIdNotSupported",
  "8.8.4/3.7": "ciPKIdNotSupported",
  "8.1.2/6.1": "eumCertificateInvalid",
  "8.1.2/6.3": "eumCertificateExpired",
  "8.1.3/6.1": "euiccCertificateInvalid",
  "8.1.3/6.3": "euiccCertificateExpired",
  "8.1/6.1": "euiccSignatureInvalid",
  "8.2.6/3.8": "matchingIdRefused",
  "8.1.1/3.8": "eidMismatch",
  "8.2.5/4.3": "noEligibleProfile",
  "8.11.1/3.9": "ciPKUnknown",
  "8.10.1/3.9": "invalidTransactionId",
  "8.1/4.8": "insufficientMemory",
  "8.2/1.2": "profileNotReleased",
  "8.2.7/2.2": "confirmationCodeMissing",
  "8.2.7/3.8": "confirmationCodeRefused",
  "8.2.7/6.4": "confirmationCodeRetriesExceeded",
  "8.2/3.7": "bppRebindingRefused",
  "8.8.5/4.10": "downloadOrderExpired",
  "8.8/3.10": "smdpOidMismatch",
  "8.9.5/3.9": "eventIdUnknown",
};

/** At most so many events of one SM-DS answer are followed. */
const maxEvents = 16;

/** Every method throws RSP_SERVER with the status codes in `data`, or what the transport threw: HTTP_…, TLS_… */
export class RspClient {
  readonly #options: RspClientOptions;

  constructor(options: RspClientOptions) {
    this.#options = options;
  }

  get address(): string {
    return this.#options.address;
  }

  /** SGP.22 §5.6.1, §5.8.1; `smdpAddress` is the server's own. */
  async initiateAuthentication(
    request: { readonly euiccChallenge: Uint8Array; readonly euiccInfo1: Uint8Array },
    signal?: AbortSignal,
  ): Promise<InitiateAuthenticationOkEsipa> {
    const json = await this.#post(
      "initiateAuthentication",
      {
        euiccChallenge: toBase64(request.euiccChallenge),
        euiccInfo1: toBase64(request.euiccInfo1),
        smdpAddress: this.address,
      },
      signal,
    );
    return this.#value("InitiateAuthentication", InitiateAuthenticationOkEsipa, initiated, json);
  }

  /** SGP.22 §5.6.3, §5.8.2; `authenticateServerResponse` is the card's BF38, an error included. An SM-DS answers with events. */
  async authenticateClient(
    transaction: Uint8Array,
    authenticateServerResponse: Uint8Array,
    signal?: AbortSignal,
  ): Promise<AuthenticatedClient> {
    const body = { transactionId: toHexUpper(transaction), authenticateServerResponse: toBase64(authenticateServerResponse) };
    const json = await this.#post("authenticateClient", body, signal);
    if (json.eventEntries === undefined)
      return { kind: "smdp", value: this.#value("AuthenticateClient", AuthenticateClientOkDPEsipa, authenticated, json) };
    const [trigger, ...more] = this.#events(json.eventEntries);
    return { kind: "smds", trigger, more };
  }

  /** Answers the BF36 as it came. SGP.22 §5.6.2; `prepareDownloadResponse` is the card's BF21, an error included. */
  async getBoundProfilePackage(transaction: Uint8Array, prepareDownloadResponse: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    const body = { transactionId: toHexUpper(transaction), prepareDownloadResponse: toBase64(prepareDownloadResponse) };
    const json = await this.#post("getBoundProfilePackage", body, signal);
    const [holder] = this.#parts("GetBoundProfilePackage", bound, json);
    const bpp = holder === undefined ? undefined : childrenOf(readOnlyTlv(holder)).find(({ tag }) => tag === 0xbf36);
    return bpp === undefined ? malformed(`${this.address}: ES9+.GetBoundProfilePackage`, "no BF36") : rawOf(collapsed(bpp));
  }

  /** SGP.22 §5.6.5; `cancelSessionResponse` is the card's BF41, an error included. */
  async cancelSession(transaction: Uint8Array, cancelSessionResponse: Uint8Array, signal?: AbortSignal): Promise<void> {
    const body = { transactionId: toHexUpper(transaction), cancelSessionResponse: toBase64(cancelSessionResponse) };
    await this.#post("cancelSession", body, signal);
  }

  /** Resolves when the server has taken it. SGP.22 §5.6.4 */
  async handleNotification(pendingNotification: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#post("handleNotification", { pendingNotification: toBase64(pendingNotification) }, signal);
  }

  /** Each event is a download order at a server of its own: the event id takes the matching id's place. */
  #events(entries: unknown): readonly { readonly profileDownloadData: { readonly kind: "activationCode"; readonly value: string } }[] {
    const where = `${this.address}: ES11.AuthenticateClient`;
    if (!Array.isArray(entries)) return malformed(where, "eventEntries is no list");
    return entries.slice(0, maxEvents).map((entry: unknown) => {
      if (!isObject(entry) || typeof entry.eventId !== "string" || typeof entry.rspServerAddress !== "string")
        return malformed(where, "an event without eventId or rspServerAddress");
      return { profileDownloadData: { kind: "activationCode", value: `1$${entry.rspServerAddress}$${entry.eventId}` } } as const;
    });
  }

  #parts(name: string, responses: readonly Alternative[], json: Json): Uint8Array[] {
    const where = `${this.address}: ES9+.${name}`;
    return this.#readable(where, () => readAlternative(where, responses, json) ?? malformed(where, "none of its members is there"));
  }

  #value<T>(name: string, type: Type<T>, responses: readonly Alternative[], json: Json): T {
    const where = `${this.address}: ES9+.${name}`;
    return this.#readable(where, () => decode(type, this.#parts(name, responses, json)[0] ?? writeTlv(0x30), { name }));
  }

  #readable<T>(where: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      const known = asSimwardError(error);
      throw known.code === "HTTP_MESSAGE" ? known : new SimwardError("HTTP_MESSAGE", { detail: known.detail ?? where, cause: error });
    }
  }

  async #post(functionName: string, body: Json, parent: AbortSignal | undefined): Promise<Json> {
    const { transport, server, clock, events, timeoutMs } = this.#options;
    const name = `ES9+.${functionName[0]?.toUpperCase()}${functionName.slice(1)}`;
    const where = `${this.address}: ${name}`;
    const startMs = clock.monotonicMs();
    const sentBytes = JSON.stringify(body).length;
    const tell = (receivedBytes: number, error?: ErrorCode): void | Promise<void> =>
      events.emit({ kind: "step", name, sentBytes, receivedBytes, durationMs: clock.monotonicMs() - startMs, error });
    const late = (): SimwardError => new SimwardError("HTTP_TIMEOUT", { detail: `${where} took more than ${timeoutMs} ms` });
    const { signal, done } = deadline(clock, timeoutMs, late, parent);
    try {
      const answer = await aborting(transport.post(server, functionName, body, signal), signal);
      if (answer === undefined) {
        if (functionName !== "handleNotification" && functionName !== "cancelSession")
          throw new SimwardError("HTTP_MESSAGE", { detail: `${where}: no body` });
        await tell(0);
        return {};
      }
      if (!isObject(answer)) throw new SimwardError("HTTP_MESSAGE", { detail: `${where}: the body is no JSON object` });
      const failure = failureIn(answer);
      if (failure !== undefined) throw refused(where, name, failure);
      await tell(JSON.stringify(answer).length);
      return answer;
    } catch (error) {
      parent?.throwIfAborted();
      const known = asSimwardError(error, "HTTP_CONNECT");
      await tell(0, known.code);
      throw known;
    } finally {
      done();
    }
  }
}

function refused(where: string, functionName: string, failure: string): SimwardError {
  const meaning = statusNames[failure] ?? "undefinedError";
  const [subjectCode = "", reasonCode = ""] = failure.split("/");
  return new SimwardError("RSP_SERVER", {
    detail: `${where}: ${meaning}${failure === "" ? "" : ` (${failure})`}`,
    data: { function: functionName, error: meaning, subjectCode, reasonCode },
  });
}

/** A transport that does not mind its signal must not keep us waiting. */
function aborting<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
