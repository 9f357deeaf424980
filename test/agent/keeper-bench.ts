// A keeper on a virtual module in virtual time, with everything it tells written down. It can be started anew on the same disk, as after a restart.
import { parse } from "valibot";
import { type ApnConfig, configSchema } from "../../agent/config/schema.ts";
import { openApnMemory } from "../../agent/connectivity/apn-memory.ts";
import { createKeeper, type Keeper, type KeeperOptions } from "../../agent/connectivity/keeper.ts";
import { createOperatorLadder, type OperatorLadder, openOperatorMemory } from "../../agent/connectivity/operator-ladder.ts";
import { createProber, type Prober } from "../../agent/connectivity/prober.ts";
import { createEmergency, type Emergency } from "../../agent/emergency.ts";
import type { ErrorCode } from "../../base/errors.ts";
import { type FaultDisk, faultDisk } from "../../base/fault-disk.ts";
import { type Log, silentLog } from "../../base/log.ts";
import { seededRandom } from "../../base/random.ts";
import { type ModuleBench, type ModuleBenchOptions, moduleBench } from "../at-drivers/module-bench.ts";
import { applicationAid } from "../hw-sim/modem/stub-card.ts";

export const former = { iccid: "8988211000000000011", imsi: "901980000000001" };
export const next = { iccid: "8949020000000000022", imsi: "262990000000002" };

export interface KeeperBench extends ModuleBench {
  readonly disk: FaultDisk;
  /** Events of the audit trail, in order. */
  readonly told: string[];
  /** When attempts ended without a path. */
  readonly failedAtMs: number[];
  /** The alarm about the APN that stands. */
  readonly apnAlarm: () => ErrorCode | undefined;
  readonly keeper: Keeper;
  readonly emergency: Emergency;
  readonly operators: OperatorLadder | undefined;
  readonly prober: Prober | undefined;
  /** What is sent arrives, and the answer too. */
  readonly passes: () => boolean;
  /** Another keeper, of another configuration, on the same module and disk. */
  restart(apns: readonly Partial<ApnConfig>[]): Promise<KeeperBench>;
  /** The card is told to enable the other profile; it takes effect with the module's next reset of the card. */
  enableNext(): Promise<void>;
  up(limitMs?: number): Promise<void>;
  /** Lets time go by, with all that happens in it. */
  pass(ms: number): Promise<void>;
}

export interface KeeperBenchOptions extends ModuleBenchOptions {
  readonly apns?: readonly Partial<ApnConfig>[];
  readonly credential?: KeeperOptions["credential"];
  /** With a choice of operator, and a probe that passes where the world lets it. */
  readonly operators?: boolean;
  readonly isCardBusy?: () => boolean;
}

export const bothApns: readonly Partial<ApnConfig>[] = [{ name: "bootstrap.iot" }, { name: "fleet.rheinfunk", iccid_prefix: "894902" }];

/** Not started. */
export function keeperBench(options: KeeperBenchOptions = {}): Promise<KeeperBench> {
  return keeperOn(moduleBench(options), faultDisk(seededRandom(1)), options);
}

async function keeperOn(bench: ModuleBench, disk: FaultDisk, options: KeeperBenchOptions): Promise<KeeperBench> {
  const { clock, card, modem, run, world } = bench;
  const { apn, radio } = parse(configSchema, { modem: { address: "pty:/virtual" }, apn: options.apns ?? bothApns });
  const told: string[] = [];
  const failedAtMs: number[] = [];
  let apnAlarm: ErrorCode | undefined;
  const emergency = createEmergency({
    clock,
    audit: async ({ event }) => void told.push(event),
    load: () => undefined,
    save: async () => undefined,
  });
  const log: Log = { ...silentLog, warn: (event) => void (event === "no data path" && failedAtMs.push(clock.monotonicMs())) };
  const passes = (): boolean => bench.module.packet.activeCount > 0 && world.path(modem.status.registration.plmn).loss !== 1;
  const operators =
    options.operators === true
      ? createOperatorLadder({
          modem,
          memory: await openOperatorMemory(disk, silentLog),
          isCardBusy: options.isCardBusy ?? (() => false),
          clock,
          log: silentLog,
          audit: async ({ event, data }) => void told.push(data?.plmn === undefined ? event : `${event} ${String(data.plmn)}`),
        })
      : undefined;
  const prober =
    operators === undefined
      ? undefined
      : createProber({
          targets: ({ dns }) => dns.slice(0, 1).map((host) => ({ kind: "dns", way: "dns", host, port: 53 })),
          ask: async (_question, limitMs, signal) => {
            if (passes()) return 80;
            await clock.sleep(limitMs, signal).catch(() => undefined);
            return undefined;
          },
          clock,
          log: silentLog,
          intervalMs: 300_000,
          onDead: (reason) => keeper.giveUp(reason),
        });
  const keeper: Keeper = createKeeper({
    modem,
    operators,
    prober,
    apns: apn,
    memory: await openApnMemory(disk, silentLog),
    radio,
    emergency,
    clock,
    random: seededRandom(1),
    log,
    audit: async ({ event }) => void told.push(event),
    onApn: (problem) => {
      apnAlarm = problem?.code;
    },
    credential: options.credential ?? (async () => ""),
  });
  if (prober !== undefined) keeper.onPath(({ session }) => prober.session(session));
  return {
    ...bench,
    passes,
    operators,
    prober,
    ...{ disk, told, failedAtMs, keeper, emergency },
    apnAlarm: () => apnAlarm,
    restart: (apns) => keeperOn(bench, disk, { ...options, apns }),
    async enableNext() {
      card.switchTo = next;
      const channel = await run(modem.apdu.open(applicationAid));
      await run(channel.transmit(Uint8Array.of(0x80, 0xe2, 0x91, 0x00, 0x00)));
      await run(channel.close());
    },
    pass: (ms) => run(clock.sleep(ms), ms + 1_000),
    up: (limitMs) => bench.until(() => keeper.path.up, limitMs),
  };
}
