// What is wrong with a profile package, as the eUICC reports it: a PEStatus that names the element (TCA §9.1).
// The card puts it into the simaResponse of its ProfileInstallationResult.
import { SimwardError } from "../../../base/errors.ts";
import { encode } from "../../../ipa/asn1/schema.ts";
import { EUICCResponse, type PEStatus, type PeStatusCode } from "./profile-element.ts";

export class PEProcessingError extends SimwardError {
  readonly status: PeStatusCode;
  /** The profile element's own number, where it got so far as to tell it. */
  readonly identification: number | undefined;
  /** EUICCResponse, DER. */
  readonly simaResponse: Uint8Array;

  constructor(status: PeStatusCode, detail: string, identification?: number, cause?: unknown) {
    const where = identification === undefined ? "" : `profile element ${identification}: `;
    super("PROFILE_PACKAGE", { detail: `${where}${detail} (${status})`, cause, data: { status, identification } });
    this.name = "PEProcessingError";
    this.status = status;
    this.identification = identification;
    this.simaResponse = encode(EUICCResponse, { peStatus: [{ status, identification }], profileInstallationAborted: true });
  }
}

/** The EUICCResponse of a profile that was installed; `warnings` name elements that were passed over. */
export function installedResponse(warnings: readonly PEStatus[]): Uint8Array {
  return encode(EUICCResponse, { peStatus: [{ status: "ok" }, ...warnings] });
}
