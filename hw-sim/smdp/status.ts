// Status codes of ES9+ (SGP.22 §5.2.6, §5.6) that this SM-DP+ can answer, and the ESipa error an eIM makes of each (SGP.32 §6.4).
import { SimwardError } from "../../base/errors.ts";

export const es9Functions = [
  "initiateAuthentication",
  "authenticateClient",
  "getBoundProfilePackage",
  "cancelSession",
  "handleNotification",
] as const;
export type Es9FunctionName = (typeof es9Functions)[number];

export interface Es9StatusRow {
  readonly subjectCode: string;
  readonly reasonCode: string;
  readonly message: string;
  /** Names of the ESipa error by function; undefinedError where none is given. */
  readonly esipa: Readonly<Partial<Record<Es9FunctionName, string>>>;
}

const row = (subjectCode: string, reasonCode: string, message: string, esipa: Es9StatusRow["esipa"] = {}): Es9StatusRow => ({
  subjectCode,
  reasonCode,
  message,
  esipa,
});

export const es9Statuses = {
  invalidSmdpAddress: row("8.8.1", "3.8", "Invalid SM-DP+ Address", { initiateAuthentication: "invalidDpAddress" }),
  svnNotSupported: row("8.8.3", "3.1", "The SVN is not supported", { initiateAuthentication: "euiccVersionNotSupportedByDp" }),
  noCommonCi: row("8.8.2", "3.1", "None of the CI public keys for signing is supported", { initiateAuthentication: "ciPKIdNotSupported" }),
  noServerCertificate: row("8.8.4", "3.7", "No CERT.DPauth under a CI the eUICC can verify", {
    initiateAuthentication: "ciPKIdNotSupported",
  }),
  eumCertificateInvalid: row("8.1.2", "6.1", "The EUM certificate is invalid", { authenticateClient: "eumCertificateInvalid" }),
  eumCertificateExpired: row("8.1.2", "6.3", "The EUM certificate has expired", { authenticateClient: "eumCertificateExpired" }),
  euiccCertificateInvalid: row("8.1.3", "6.1", "The eUICC certificate is invalid", { authenticateClient: "euiccCertificateInvalid" }),
  euiccCertificateExpired: row("8.1.3", "6.3", "The eUICC certificate has expired", { authenticateClient: "euiccCertificateExpired" }),
  euiccSignatureInvalid: row("8.1", "6.1", "The eUICC signature is invalid or the challenge does not match", {
    authenticateClient: "euiccSignatureInvalid",
    getBoundProfilePackage: "euiccSignatureInvalid",
    cancelSession: "euiccSignatureInvalid",
  }),
  euiccRefused: row("8.1", "4.2", "The eUICC reported an error"),
  unknownCi: row("8.11.1", "3.9", "Unknown CI public key", { authenticateClient: "ciPKUnknown" }),
  matchingIdRefused: row("8.2.6", "3.8", "The MatchingID is refused", { authenticateClient: "matchingIdRefused" }),
  eidMismatch: row("8.1.1", "3.8", "The EID does not match the expected value", { authenticateClient: "eidMismatch" }),
  noEligibleProfile: row("8.2.5", "4.3", "No eligible profile for this eUICC", { authenticateClient: "noEligibleProfile" }),
  profileNotReleased: row("8.2", "1.2", "The profile has not yet been released"),
  insufficientMemory: row("8.1", "4.8", "The eUICC has not enough memory", { authenticateClient: "insufficientMemory" }),
  unknownTransactionId: row("8.10.1", "3.9", "Unknown TransactionID", {
    authenticateClient: "invalidTransactionId",
    getBoundProfilePackage: "invalidTransactionId",
    cancelSession: "invalidTransactionId",
  }),
  confirmationCodeMissing: row("8.2.7", "2.2", "The Confirmation Code is missing", { getBoundProfilePackage: "confirmationCodeMissing" }),
  confirmationCodeRefused: row("8.2.7", "3.8", "The Confirmation Code is refused", { getBoundProfilePackage: "confirmationCodeRefused" }),
  confirmationCodeRetriesExceeded: row("8.2.7", "6.4", "The retries of the Confirmation Code are used up", {
    getBoundProfilePackage: "confirmationCodeRetriesExceeded",
  }),
  rebindingRefused: row("8.2", "3.7", "The BPP is not available for a new binding", { getBoundProfilePackage: "bppRebindingRefused" }),
  orderExpired: row("8.8.5", "4.10", "The download order has expired", { getBoundProfilePackage: "downloadOrderExpired" }),
  smdpOidMismatch: row("8.8", "3.10", "The SM-DP+ OID does not match", { initiateAuthentication: "smdpOidMismatch" }),
  // Answered by an eIM or an SM-DS, not by an SM-DP+; listed so that their ESipa errors are known.
  smdpAddressMismatch: row("8.8.1", "3.10", "The SM-DP+ address does not match the order", {
    initiateAuthentication: "smdpAddressMismatch",
  }),
  unknownEimTransactionId: row("8.31.2", "3.10", "Unknown eIM TransactionID", { initiateAuthentication: "invalidEimTransactionId" }),
  pprNotAllowed: row("8.2.8", "1.2", "A Profile Policy Rule is not allowed", { authenticateClient: "pprNotAllowed" }),
  metadataMismatch: row("8.2.9", "3.11", "The metadata differ", { getBoundProfilePackage: "metadataMismatch" }),
  eventIdUnknown: row("8.9.5", "3.9", "Unknown EventID", { authenticateClient: "eventIdUnknown" }),
  // Of the requester's making.
  elementMissing: row("1.6", "2.2", "A mandatory element is missing"),
  elementInvalid: row("1.6", "2.1", "An element is invalid"),
  executionError: row("8.8", "4.2", "Execution error"),
} as const satisfies Record<string, Es9StatusRow>;
export type Es9StatusName = keyof typeof es9Statuses;

/** A status given by its codes, known here or not; Failed where no execution status is named (SGP.22 §6.5.1.4). */
export interface Es9Codes {
  readonly subjectCode: string;
  readonly reasonCode: string;
  readonly execution?: Es9Execution | undefined;
}

export const es9Executions = ["Failed", "Expired", "Executed-WithWarning"] as const;
export type Es9Execution = (typeof es9Executions)[number];

/** "8.2.6/3.8" and so on: the codes, or undefined when it is no such text. */
export function readCodes(text: string): Es9Codes | undefined {
  const [, subjectCode, reasonCode] = /^(\d{1,2}(?:\.\d{1,2}){0,4})\/(\d{1,2}(?:\.\d{1,2}){0,3})$/.exec(text) ?? [];
  return subjectCode === undefined || reasonCode === undefined ? undefined : { subjectCode, reasonCode };
}

/** The row that a status has by its codes. */
export function es9StatusOf({ subjectCode, reasonCode }: Es9Codes): Es9StatusName | undefined {
  const names = Object.keys(es9Statuses) as Es9StatusName[];
  return names.find((name) => es9Statuses[name].subjectCode === subjectCode && es9Statuses[name].reasonCode === reasonCode);
}

/** Ends an ES9+ function with that status; the HTTP answer is 200 all the same. */
export function refuse(status: Es9StatusName, detail?: string): SimwardError {
  const { message } = es9Statuses[status];
  return new SimwardError("SIM_REQUEST", { detail: detail === undefined ? message : `${message}: ${detail}`, data: { es9Status: status } });
}

/** The status in an error of `refuse`; undefined for any other error. */
export function refusedStatus(error: unknown): Es9StatusName | undefined {
  const name = error instanceof SimwardError ? error.data.es9Status : undefined;
  return typeof name === "string" && name in es9Statuses ? (name as Es9StatusName) : undefined;
}

/** The name of the ESipa error for a status met on ES9+; codes that no row has become undefinedError. */
export function esipaErrorOf(functionName: Es9FunctionName, subjectCode: string, reasonCode: string): string {
  const rows: readonly Es9StatusRow[] = Object.values(es9Statuses);
  const found = rows.find(
    (one) => one.subjectCode === subjectCode && one.reasonCode === reasonCode && one.esipa[functionName] !== undefined,
  );
  return found?.esipa[functionName] ?? "undefinedError";
}
