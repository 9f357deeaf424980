// ES10b.LoadCRL (SGP.22 §5.7.12): lists of revoked certificates that their CI has signed, kept until a fresher one comes. A certificate on
// them is believed no more.
import { equalBytes, toHex } from "../../../base/bytes.ts";
import { isCode } from "../../../base/errors.ts";
import type { LoadCRLRequest, LoadCRLResponse } from "../../../ipa/messages/es10.ts";
import type { Certificate } from "../../pki/certificate.ts";
import { type Crl, isIssuedBy, readCrl } from "../../pki/crl.ts";
import type { EuiccCore } from "../core.ts";
import type { StoredCrl } from "../state.ts";

type Refusal = Extract<Extract<LoadCRLResponse, { kind: "loadCRLResponseError" }>["value"], string>;

export function loadCrl(core: EuiccCore, { crl: der }: LoadCRLRequest): LoadCRLResponse {
  const kept = accepted(core, der);
  if (typeof kept === "string") return { kind: "loadCRLResponseError", value: kept };
  const have = new Set(kept.parts.map(({ number }) => number));
  const missing = Array.from({ length: kept.of }, (_, index) => index + 1).filter((number) => !have.has(number));
  return { kind: "loadCRLResponseOk", value: { missingParts: missing.length === 0 ? undefined : missing } };
}

function accepted(core: EuiccCore, der: Uint8Array): StoredCrl | Refusal {
  let crl: Crl;
  try {
    crl = readCrl(der);
  } catch (error) {
    if (isCode(error, "CERTIFICATE")) return "invalidCRLFormat";
    throw error;
  }
  const identity = core.identity(crl.authorityKeyIdentifier);
  if (identity === undefined) return "verificationKeyNotFound";
  if (!isIssuedBy(crl, identity.ciCertificate)) return "invalidSignature";
  const { crls = [] } = core.state;
  const before = crls.find(({ ciPKId }) => equalBytes(ciPKId, identity.ciPKId));
  if (before !== undefined && before.crlNumber > crl.crlNumber) return "fresherCrlAlreadyLoaded";
  if (der.length > core.freeBytes) return "notEnoughMemorySpace";
  const others = before?.crlNumber === crl.crlNumber ? before.parts.filter(({ number }) => number !== crl.part) : [];
  const stored: StoredCrl = {
    ciPKId: identity.ciPKId,
    crlNumber: crl.crlNumber,
    of: crl.parts,
    parts: [...others, { number: crl.part, revoked: crl.revoked }],
  };
  core.update((state) => ({ ...state, crls: [...crls.filter((one) => one !== before), stored] }));
  return stored;
}

/** Whether its CI has revoked it, as far as the eUICC has been told. */
export function isRevoked(core: EuiccCore, { serialNumber, authorityKeyIdentifier: aki }: Certificate): boolean {
  const serial = toHex(serialNumber);
  return (core.state.crls ?? []).some(
    ({ ciPKId, parts }) => aki !== undefined && equalBytes(ciPKId, aki) && parts.some(({ revoked }) => revoked.includes(serial)),
  );
}
