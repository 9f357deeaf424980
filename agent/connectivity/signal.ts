// The radio signal for displays. It is asked for now and then and in the background: a module that is busy makes nobody wait.
import type { Modem } from "../../at-drivers/modem.ts";
import type { SignalQuality } from "../../at-drivers/types.ts";
import type { Clock } from "../../base/clock.ts";

export interface SignalWatch {
  /** As measured in the last two minutes: a module that is busy since does not hide what it said before. */
  latest(): Promise<SignalQuality | undefined>;
}

const freshMs = 5_000;
const usableMs = 120_000;
const patienceMs = 500;

export function createSignalWatch(modem: Pick<Modem, "status" | "signalQuality">, clock: Clock): SignalWatch {
  let measured: { readonly atMs: number; readonly quality: SignalQuality } | undefined;
  let measuring: Promise<void> | undefined;
  let triedMs = Number.NEGATIVE_INFINITY;
  const measure = async (): Promise<void> => {
    const quality = await modem.signalQuality().catch(() => undefined);
    triedMs = clock.monotonicMs();
    if (quality !== undefined) measured = { atMs: triedMs, quality };
    measuring = undefined;
  };
  const ageMs = (): number => (measured === undefined ? Number.POSITIVE_INFINITY : clock.monotonicMs() - measured.atMs);
  return {
    async latest() {
      if (modem.status.link !== "ready") return undefined;
      if (clock.monotonicMs() - triedMs > freshMs) {
        measuring ??= measure();
        const enough = new AbortController();
        await Promise.race([measuring, clock.sleep(patienceMs, enough.signal).catch(() => undefined)]);
        enough.abort();
      }
      return ageMs() > usableMs ? undefined : measured?.quality;
    },
  };
}
