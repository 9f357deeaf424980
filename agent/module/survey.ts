// What is asked of a module to know it: lines that only read, their answers as a report and as a transcript that the driver's tests can replay.
import type { Modem } from "../../at-drivers/modem.ts";
import type { Clock } from "../../base/clock.ts";
import { asSimwardError, isCode } from "../../base/errors.ts";
import type { ModemExchange } from "../api/modem-types.ts";

export const surveyLines = [
  "ATI",
  "AT+CGMI",
  "AT+CGMM",
  "AT+CGMR",
  "AT+CFUN?",
  "AT+CPIN?",
  "AT+CREG?",
  "AT+CGREG?",
  "AT+CEREG?",
  "AT+COPS?",
  "AT+CSQ",
  "AT+CESQ",
  "AT+CGATT?",
  "AT+CGACT?",
  "AT+CPSMS?",
  "AT+CEDRXS?",
  "AT+CTZU?",
  "AT+CTZR?",
  "AT+CCLK?",
  "AT+CCHO=?",
  "AT+CGLA=?",
  "AT+CSIM=?",
  "AT+CRSM=?",
  "AT+CLAC",
] as const;

const timeoutMs = 10_000;

/** One after the other; what the module refuses is an answer too. Throws what keeps the port from answering at all. */
export async function surveyModule(modem: Pick<Modem, "raw">, clock: Clock, signal: AbortSignal): Promise<readonly ModemExchange[]> {
  const found: ModemExchange[] = [];
  for (const line of surveyLines) {
    const startMs = clock.monotonicMs();
    const took = (): number => Math.round(clock.monotonicMs() - startMs);
    try {
      const { lines, finalResult } = await modem.raw(line, { timeoutMs, signal });
      found.push({ line, answer: lines, result: finalResult, tookMs: took() });
    } catch (error) {
      const e = asSimwardError(error);
      if (!isCode(e, "AT_ERROR", "AT_CME_ERROR", "AT_TIMEOUT")) throw e;
      const result =
        e.code === "AT_CME_ERROR" ? `+CME ERROR: ${String(e.data.cme ?? "unknown")}` : e.code === "AT_ERROR" ? "ERROR" : "silent";
      found.push({ line, answer: [], result, tookMs: took() });
    }
  }
  return found;
}
