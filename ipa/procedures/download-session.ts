// What is in memory while one profile download is under way: who is spoken to, and what one RSP session has come to. All of it dies with the session;
// what must outlive it is in the machine's state.
import { errorReport, SimwardError } from "../../base/errors.ts";
import type { EimClient } from "../esipa/client.ts";
import type { SubjectKeyIdentifier } from "../messages/common.ts";
import type { AuthenticateClientOkDPEsipa, InitiateAuthenticationOkEsipa } from "../messages/esipa.ts";
import type { BorrowedCard, IpaContext } from "./context.ts";
import type { RspPath } from "./direct-download.ts";
import type { DownloadTarget } from "./rsp-checks.ts";

/** One RSP session (SGP.22 §3.0.1). */
export interface RspSession {
  readonly target: DownloadTarget;
  readonly answer: InitiateAuthenticationOkEsipa;
  readonly ciPkId: SubjectKeyIdentifier;
  readonly transactionId: Uint8Array;
  /** Who is spoken to: the eIM, or the server itself. */
  readonly path: RspPath;
  authenticateServerResponse?: Uint8Array;
  authenticated?: AuthenticateClientOkDPEsipa;
  prepareDownloadResponse?: Uint8Array;
  bpp?: Uint8Array;
}

/** Who ordered it and hears how it ended: an eIM's client, or a stand-in for who stands beside the vehicle. */
export type DownloadClient = RspPath &
  Pick<EimClient, "eimId" | "compat" | "encodeResult" | "handleResult" | "handleNotification" | "provideEimPackageResult">;

export interface DownloadRun {
  readonly context: IpaContext;
  readonly client: DownloadClient;
  readonly signal: AbortSignal | undefined;
  /** One logical channel from the challenge to the installation result. */
  readonly card: BorrowedCard;
  session: RspSession | undefined;
  /** BF37 */
  result: Uint8Array | undefined;
  /** The function error that ended it, for the report. */
  errorResponse: Uint8Array | undefined;
  refreshPending: boolean;
  problem: SimwardError | undefined;
  /** Why the eIM does not have the end of it yet. */
  unreported: SimwardError | undefined;
}

export function sessionOf(run: DownloadRun): RspSession {
  return given(run.session);
}

/** What a step before has left. Throws INTERNAL when it has not. */
export function given<T>(value: T | undefined): T {
  if (value === undefined) throw new SimwardError("INTERNAL", { detail: "a step of the download ran without the one before it" });
  return value;
}

/** Notes that the card said no, and answers how that is told. */
export function cardError(
  run: DownloadRun,
  name: string,
  code: string | number | bigint,
  response: Uint8Array,
): ReturnType<typeof errorReport> {
  run.errorResponse = response;
  run.problem = new SimwardError("ES10_REFUSED", { detail: `${name}: ${code}`, data: { function: name, error: String(code) } });
  return errorReport(run.problem);
}

/** The same of what this IPA refuses. */
export function refusal(run: DownloadRun, code: "DOWNLOAD_REFUSED" | "POLICY_REFUSED", detail: string): ReturnType<typeof errorReport> {
  run.problem = new SimwardError(code, { detail });
  return errorReport(run.problem);
}
