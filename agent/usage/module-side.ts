// What the module's own counters are for: a second opinion where the kernel counts, the only one where it does not.

import type { Modem } from "../../at-drivers/modem.ts";
import { toHex } from "../../base/bytes.ts";
import type { Clock, Disposer } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Random } from "../../base/random.ts";
import type { Alarms } from "../alarms.ts";
import type { AuditEvent } from "../audit/types.ts";
import type { PathState } from "../connectivity/keeper.ts";
import { type CrossCheckOptions, createCrossCheck } from "./cross-check.ts";
import { createModuleCount } from "./module-count.ts";
import type { PartyBytes } from "./reading.ts";
import type { UsageSource, UsageSourceOptions } from "./source.ts";

export interface ModuleSideOptions {
  readonly modem: Pick<Modem, "status" | "dataInterface" | "attachCid">;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: Random;
  readonly alarms: Pick<Alarms, "raise" | "clear">;
  /** Never rejects. */
  readonly audit: (event: AuditEvent) => Promise<void>;
  /** An emergency, or somebody at work on the card: nothing is asked then. */
  readonly isBusy: () => boolean;
  /** Undefined without [net]. */
  readonly kernel: { readonly view: UsageSourceOptions["kernel"]; readonly interfaceName: () => string | undefined } | undefined;
}

export interface ModuleSide {
  /** Without [net]: what the module counted since the start; else, and before its first answer, undefined. */
  total(): PartyBytes | undefined;
  /** Without [net]: as fresh as the module lets it be. Never rejects. */
  readonly settle: (() => Promise<void>) | undefined;
  /** `onCounting`: the module was seen to count, and nobody else does. */
  start(onPath: (fn: (path: PathState) => void) => Disposer, onCounting: (source: UsageSource) => void): void;
  stop(): Promise<void>;
}

/** Until it has answered once. */
const firstAnswerMs = 60_000;

export function createModuleSide({ modem, clock, log, random, alarms, audit, isBusy, kernel }: ModuleSideOptions): ModuleSide {
  let cid: number | undefined;
  const mayAsk = (): boolean => modem.status.link === "ready" && modem.status.consecutiveTimeouts === 0 && !isBusy();
  const module = () => modem.dataInterface.counters(cid ?? modem.attachCid);

  if (kernel !== undefined) {
    const check = createCrossCheck({ clock, log, alarms, audit, module, mayAsk, kernel: kernelCount(kernel) });
    let stopListening: Disposer = () => {};
    return {
      total: () => undefined,
      settle: undefined,
      start(onPath) {
        check.start();
        stopListening = onPath(({ up, session }) => {
          cid = session?.cid ?? cid;
          check.session(up);
        });
      },
      async stop() {
        stopListening();
        await check.stop();
      },
    };
  }

  const count = createModuleCount({ clock, log, mayAsk, read: module, run: toHex(random.bytes(8)) });
  let cancel: Disposer = () => {};
  let stopListening: Disposer = () => {};
  let isTold = false;
  return {
    total: count.total,
    settle: count.refresh,
    start(onPath, onCounting) {
      const tryOnce = async (): Promise<void> => {
        cancel();
        await count.refresh();
        if (isTold) return;
        if (count.total() === undefined) {
          cancel = clock.after(firstAnswerMs, () => void tryOnce());
          return;
        }
        isTold = true;
        onCounting(count);
      };
      stopListening = onPath(({ up, session }) => {
        cid = session?.cid ?? cid;
        // A context that comes up may count from nothing: what it had counted before is none of this session's.
        if (up) void tryOnce();
      });
    },
    async stop() {
      stopListening();
      cancel();
    },
  };
}

function kernelCount({ view, interfaceName }: NonNullable<ModuleSideOptions["kernel"]>): CrossCheckOptions["kernel"] {
  /** A session that has just ended has left its interface, and what it counted there. */
  let last: string | undefined;
  return async () => {
    last = interfaceName() ?? last;
    const name = last;
    if (name === undefined) return undefined;
    const [index, counted] = [await view.index(name), view.counters(name)];
    if (index === undefined || counted === undefined) return undefined;
    return { index, bytes: counted.sentBytes + counted.receivedBytes, packets: counted.packets };
  };
}
