// Dials a data call on a port of the module's that carries nothing else: from AT to CONNECT, and then the line is somebody else's.
import { type Clock, deadline } from "../base/clock.ts";
import { asSimwardError, isCode, SimwardError } from "../base/errors.ts";
import { openTty, type TtyHold, type TtyLine } from "./engine/channels/tty.ts";

export interface DialRequest {
  /** "/dev/ttyUSB3" */
  readonly device: string;
  /** Behind ATD: "*99***1#" */
  readonly number: string;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

const baudRate = 115_200;
const greetingMs = 2_000;
/** Makers name up to two and a half minutes for a context that is still to be activated; here it is active already. */
const connectMs = 60_000;
/** V.250 §A.2: silence before and after the escape. */
const guardMs = 1_200;
const refusals = /^(NO CARRIER|NO DIALTONE|NO ANSWER|BUSY|ERROR|\+CME ERROR:.*)$/;

/**
 * Answers when the line is in data mode; nobody here reads it any more. Throws PORT_OPEN, PORT_BUSY, AT_TIMEOUT when the port does not answer,
 * AT_NO_CARRIER when the call is refused.
 */
export async function dialData({ device, number, clock, signal }: DialRequest): Promise<TtyHold> {
  // TIOCEXCL would keep pppd out too: the lock says whose the port is.
  const line = await openTty({ address: `serial:${device}`, path: device, baudRate, refuseOthers: false, clock });
  try {
    await greet(line, clock, signal);
    // The port's own settings: no echo, and no hang-up by a control line that nobody drives.
    await exchange(line, "ATE0&D0", greetingMs, clock, signal).catch((error: unknown) => {
      if (!isCode(error, "AT_NO_CARRIER")) throw error;
    });
    await exchange(line, `ATD${number}`, connectMs, clock, signal, /^CONNECT(\s|$)/);
    return await line.handOver();
  } catch (error) {
    await line.close();
    throw asSimwardError(error);
  }
}

/** A call that was left behind keeps the port in data mode: it is left by the escape, and ended. */
async function greet(line: TtyLine, clock: Clock, signal: AbortSignal | undefined): Promise<void> {
  try {
    await exchange(line, "AT", greetingMs, clock, signal);
  } catch (error) {
    if (!isCode(error, "AT_TIMEOUT", "AT_NO_CARRIER")) throw error;
    await clock.sleep(guardMs, signal);
    await line.write(Buffer.from("+++", "latin1"));
    await clock.sleep(guardMs, signal);
    await exchange(line, "ATH", greetingMs, clock, signal);
    await exchange(line, "AT", greetingMs, clock, signal);
  }
}

async function exchange(
  line: TtyLine,
  command: string,
  limitMs: number,
  clock: Clock,
  signal: AbortSignal | undefined,
  wanted = /^OK$/,
): Promise<void> {
  const late = (): SimwardError =>
    new SimwardError("AT_TIMEOUT", { detail: `${line.address}: ${command}: no answer within ${limitMs} ms` });
  const limit = deadline(clock, limitMs, late, signal);
  let partial = "";
  let stop = (): void => undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      limit.signal.addEventListener("abort", () => reject(limit.signal.reason), { once: true });
      if (limit.signal.aborted) reject(limit.signal.reason);
      void line.closed.then(({ kind }) => reject(new SimwardError("PORT_CLOSED", { detail: `${line.address}: ${kind}` })));
      stop = line.onData((octets) => {
        const lines = (partial + Buffer.from(octets).toString("latin1")).split(/\r\n|\r|\n/);
        partial = (lines.pop() ?? "").slice(-200);
        for (const one of lines) {
          if (wanted.test(one)) resolve();
          else if (refusals.test(one)) reject(new SimwardError("AT_NO_CARRIER", { detail: `${line.address}: ${command}: ${one}` }));
        }
      });
      line.write(Buffer.from(`${command}\r`, "latin1")).catch(reject);
    });
  } finally {
    stop();
    limit.done();
  }
}
