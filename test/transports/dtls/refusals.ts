// Refusals as both ends see them. An alert is one datagram that nobody repeats (RFC 6347 §4.2.7), and UDP may lose it:
// an attempt that ended by a deadline instead is made again, so that no test hangs on that one datagram.
import { isCode } from "../../../base/errors.ts";
import type { DtlsAssociation } from "../../../transports/dtls/types.ts";
import { type EchoServer, refusal } from "../../support/dtls-bench.ts";

/** For the end that waits for an alert: each lost one costs this, and all attempts together end before the test does. */
export const alertDeadline = { handshakeTimeoutMs: 5_000 } as const;

const attemptsMax = 5;

/** How both ends learn of a refusal. The server is to have `alertDeadline`. */
export async function refusalsOf(
  server: Pick<EchoServer, "refused">,
  attempt: () => Promise<DtlsAssociation>,
): Promise<{ readonly client: Error; readonly server: Error }> {
  for (let i = 0; i < attemptsMax; i++) {
    const told = server.refused();
    const client = await refusal(attempt());
    const reason = await told;
    if (!isCode(reason, "DTLS_TIMEOUT")) return { client, server: reason };
  }
  throw new Error(`the server was told nothing in ${attemptsMax} attempts`);
}

/** How the client learns of the server's refusal. The client is to have `alertDeadline`. */
export async function alertedBy(attempt: () => Promise<DtlsAssociation>): Promise<Error> {
  for (let i = 0; i < attemptsMax; i++) {
    const reason = await refusal(attempt());
    if (!isCode(reason, "DTLS_TIMEOUT")) return reason;
  }
  throw new Error(`the client was told nothing in ${attemptsMax} attempts`);
}
