// Takes a sample every so often, and hands out what may leave the vehicle.
import type { Modem } from "../../at-drivers/modem.ts";
import type { Clock, Disposer } from "../../base/clock.ts";
import { type Disk, subDisk } from "../../base/disk.ts";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { countryOf } from "../../base/mcc.ts";
import { Queue } from "../../base/queue.ts";
import type { Random } from "../../base/random.ts";
import type { Config } from "../config/schema.ts";
import type { SignalWatch } from "../connectivity/signal.ts";
import { mayLeave } from "../market/markets.ts";
import { openSampleRing, type SampleRing } from "./ring.ts";
import { type LeavingSample, leaving, type Sample } from "./types.ts";

export interface SamplesOptions {
  readonly config: Pick<Config, "samples" | "market">;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly modem: Pick<Modem, "status">;
  readonly signal: SignalWatch;
  readonly isOnline: () => boolean;
  readonly bytes: () => { readonly sentBytes: number; readonly receivedBytes: number } | undefined;
}

export interface Samples {
  start(): void;
  stop(): Promise<void>;
  /** Oldest first; without what a market keeps on the vehicle. */
  leaving(): AsyncIterable<LeavingSample>;
  /** What keeps an owner's key from being shed; undefined: nothing. */
  readonly trouble: string | undefined;
  /** The present owner leaves: answers his number. Throws DISK_WRITE. */
  changeOwner(): Promise<number>;
}

const directory = "samples";

/** Never rejects: without a place for samples the vehicle drives on. */
export async function openSamples(options: SamplesOptions): Promise<Samples> {
  const { config, clock, random, log, modem } = options;
  const { interval_seconds, segment_bytes, max_segments } = config.samples;
  const work = new Queue();
  let cancel: Disposer = () => {};
  let trouble: string | undefined;
  let ring: SampleRing | undefined;
  try {
    ring = await openSampleRing({
      ...{ disk: subDisk(options.disk, directory), random, segmentBytes: segment_bytes, maxSegments: max_segments },
      onLost: (error) => log.warn("the key of the samples is damaged: those before cannot be read", { error }),
    });
  } catch (error) {
    trouble = asSimwardError(error).message;
    log.error("samples", { error: asSimwardError(error) });
  }

  const take = async (): Promise<Sample> => {
    const { ms, source } = clock.wall();
    const { registration } = modem.status;
    const { plmn, tac, cellId, rat } = registration;
    const quality = await options.signal.latest();
    const bytes = options.bytes();
    return {
      time: new Date(Math.floor(ms / 1_000) * 1_000).toISOString(),
      timeSource: source,
      country: countryOf(plmn),
      online: options.isOnline(),
      rat,
      ...(quality === undefined ? {} : { signal: { rsrpDbm: quality.rsrpDbm, rsrqDb: quality.rsrqDb, sinrDb: quality.sinrDb } }),
      ...(plmn === undefined ? {} : { location: { plmn, tac, cellId } }),
      ...(bytes === undefined ? {} : { usage: { sentBytes: bytes.sentBytes, receivedBytes: bytes.receivedBytes } }),
    };
  };
  const sample = (): void => {
    work
      .run(async () => ring?.add(await take()))
      .catch((error: unknown) => log.warn("a sample could not be kept", { error: asSimwardError(error) }));
  };

  return {
    start() {
      if (config.samples.enabled) cancel = clock.every(interval_seconds * 1_000, sample);
    },
    async stop() {
      cancel();
      await work.idle();
    },
    async *leaving() {
      if (ring === undefined) return;
      const leaves = (kind: Parameters<typeof mayLeave>[1], country: string | undefined): boolean => mayLeave(config.market, kind, country);
      for await (const one of ring.read()) yield leaving(one, leaves);
    },
    get trouble() {
      return trouble;
    },
    changeOwner: () =>
      work.run(async () => {
        if (ring === undefined) throw new SimwardError("DISK_WRITE", { detail: `samples: ${trouble ?? "they cannot be opened"}` });
        const { owner } = ring;
        await ring.changeOwner();
        return owner;
      }),
  };
}
