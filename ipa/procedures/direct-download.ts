// Direct profile download (SGP.32 §3.2.3.1): when it is taken, whom to believe at the other end, the confirmation code. The steps themselves are
// those of the one download machine.
import { createHash } from "node:crypto";
import { concatBytes, equalBytes, utf8 } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { RspClient } from "../es9/client.ts";
import type { AuthenticatedClient, InitiateAuthenticationInput } from "../esipa/client.ts";
import { parseAddress } from "../esipa/endpoint.ts";
import type { InitiateAuthenticationOkEsipa, ProfileDownloadTriggerRequest } from "../messages/esipa.ts";
import { subjectKeyIdOf } from "./certificate.ts";
import type { IpaContext } from "./context.ts";

/** The RSP server as the download sees it: an eIM that relays, or the server itself. */
export interface RspPath {
  initiateAuthentication(request: InitiateAuthenticationInput, signal?: AbortSignal): Promise<InitiateAuthenticationOkEsipa>;
  authenticateClient(transactionId: Uint8Array, authenticateServerResponse: Uint8Array, signal?: AbortSignal): Promise<AuthenticatedClient>;
  getBoundProfilePackage(transactionId: Uint8Array, prepareDownloadResponse: Uint8Array, signal?: AbortSignal): Promise<Uint8Array>;
  cancelSession(transactionId: Uint8Array, cancelSessionResponse: Uint8Array, signal?: AbortSignal): Promise<void>;
}

/** Whether this IPA speaks to RSP servers itself. */
export function isDirect({ ports, options }: IpaContext): boolean {
  return options.directDownload && ports.rsp !== undefined;
}

/**
 * Directly where this IPA can and the eIM has not said that it relays (indirectProfileDownload, SGP.32 §2.11.1.1.1); what the eIM keeps to itself
 * goes through it in any case.
 */
export function wayOf(context: IpaContext, eimId: string, trigger: ProfileDownloadTriggerRequest): "direct" | "indirect" {
  const relays = context.eims.find(eimId)?.config.indirectProfileDownload === true;
  return isDirect(context) && !relays && trigger.profileDownloadData !== undefined ? "direct" : "indirect";
}

const httpsPort = 443;

/** `trusted`: key identifiers of the CIs that the eUICC verifies with; only their certificates count, all when undefined. Throws DOWNLOAD_REFUSED. */
export function rspClient(context: IpaContext, address: string, trusted?: readonly Uint8Array[]): RspClient {
  const { ports, options } = context;
  const where = parseAddress(address);
  if (where === undefined) throw new SimwardError("DOWNLOAD_REFUSED", { detail: `${JSON.stringify(address)} is no address of a server` });
  if (ports.rsp === undefined)
    throw new SimwardError("DOWNLOAD_REFUSED", { detail: "simward reaches no SM-DP+ by itself: rsp.ci_dir names no GSMA CI certificates" });
  const certificates = ports.rsp.ciCertificates.filter((der) => {
    const id = subjectKeyIdOf(der);
    return trusted === undefined || (id !== undefined && trusted.some((one) => equalBytes(one, id)));
  });
  if (certificates.length === 0)
    throw new SimwardError("DOWNLOAD_REFUSED", {
      detail: "none of the GSMA CI certificates in rsp.ci_dir is of a CI that the eUICC verifies",
    });
  return new RspClient({
    address,
    server: { host: where.host, port: where.port ?? httpsPort, trust: { kind: "roots", certificates } },
    transport: ports.rsp.transport,
    clock: ports.clock,
    events: ports.events,
    timeoutMs: options.esipaTimeoutMs,
  });
}

/** hashCc (SGP.22 §3.1.3): the code's SHA-256 with the TransactionID, hashed again. */
export function hashOfConfirmationCode(confirmationCode: string, transactionId: Uint8Array): Uint8Array {
  const inner = createHash("sha256").update(utf8(confirmationCode)).digest();
  return new Uint8Array(createHash("sha256").update(concatBytes(inner, transactionId)).digest());
}
