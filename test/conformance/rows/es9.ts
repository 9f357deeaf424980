// What an SM-DP+ says no with over ES9+ (SGP.22 §5.6): function, subject and reason code, and what it means.
import { type Group, group } from "./row.ts";

export const es9Statuses = [
  ["initiateAuthentication", "8.8.1", "3.8", "invalidDpAddress"],
  ["initiateAuthentication", "8.8.3", "3.1", "euiccVersionNotSupportedByDp"],
  ["initiateAuthentication", "8.8.2", "3.1", "ciPKIdNotSupported"],
  ["initiateAuthentication", "8.8.4", "3.7", "ciPKIdNotSupported"],
  ["authenticateClient", "8.1.2", "6.1", "eumCertificateInvalid"],
  ["authenticateClient", "8.1.2", "6.3", "eumCertificateExpired"],
  ["authenticateClient", "8.1.3", "6.1", "euiccCertificateInvalid"],
  ["authenticateClient", "8.1.3", "6.3", "euiccCertificateExpired"],
  ["authenticateClient", "8.1", "6.1", "euiccSignatureInvalid"],
  ["authenticateClient", "8.2.6", "3.8", "matchingIdRefused"],
  ["authenticateClient", "8.1.1", "3.8", "eidMismatch"],
  ["authenticateClient", "8.2.5", "4.3", "noEligibleProfile"],
  ["authenticateClient", "8.11.1", "3.9", "ciPKUnknown"],
  ["authenticateClient", "8.10.1", "3.9", "invalidTransactionId"],
  ["authenticateClient", "8.1", "4.8", "insufficientMemory"],
  ["authenticateClient", "8.2", "1.2", "profileNotReleased"],
  ["authenticateClient", "8.9.5", "3.9", "eventIdUnknown"],
  ["getBoundProfilePackage", "8.1", "6.1", "euiccSignatureInvalid"],
  ["getBoundProfilePackage", "8.2.7", "2.2", "confirmationCodeMissing"],
  ["getBoundProfilePackage", "8.2.7", "3.8", "confirmationCodeRefused"],
  ["getBoundProfilePackage", "8.2.7", "6.4", "confirmationCodeRetriesExceeded"],
  ["getBoundProfilePackage", "8.2", "3.7", "bppRebindingRefused"],
  ["getBoundProfilePackage", "8.8.5", "4.10", "downloadOrderExpired"],
  ["getBoundProfilePackage", "8.10.1", "3.9", "invalidTransactionId"],
] as const;

const functions = ["initiateAuthentication", "authenticateClient", "getBoundProfilePackage"] as const;

export const es9Rows: readonly Group[] = functions.map((name) =>
  group(
    `Status codes of ES9+: ${name}`,
    `es9.${name}`,
    "SGP.22 §5.6",
    Object.fromEntries(
      es9Statuses
        .filter(([functionName]) => functionName === name)
        .map(([, subject, reason, meaning]) => [`${subject}-${reason}`, `Subject ${subject}, reason ${reason}: ${meaning}`]),
    ),
  ),
);
