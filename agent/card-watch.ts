// What cards do that simward does not manage: an M2M eUICC changes its profile on orders over the air, an IPAe by itself, a plain SIM when somebody swaps
// it. Noticed by the ICCID that the module shows, and audited. And whether the module lets an M2M eUICC be reached over the air at all.
import type { Modem } from "../at-drivers/modem.ts";
import type { Toolkit } from "../at-drivers/toolkit.ts";
import type { Disposer } from "../base/clock.ts";
import { asSimwardError, isCode } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { Queue } from "../base/queue.ts";
import type { CardClass } from "../ipa/procedures/card-class.ts";
import { isPassive } from "../ipa/procedures/card-class.ts";
import type { AuditEvent } from "./audit/types.ts";
import type { PathState } from "./connectivity/keeper.ts";
import type { CardMemory } from "./state/card-memory.ts";
import type { StateStore } from "./state/store.ts";

export interface CardWatchParts {
  readonly modem: Pick<Modem, "iccid" | "toolkit" | "onEvent">;
  readonly onPath: (fn: (path: PathState) => void) => Disposer;
  readonly memory: StateStore<CardMemory>;
  readonly card: () => CardClass | undefined;
  /** Never rejects. */
  readonly audit: (event: AuditEvent) => Promise<void>;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface CardWatch {
  /** Of an M2M eUICC, once it was asked for. */
  readonly toolkit: Toolkit | undefined;
  /** The card was read: its class may be another. */
  cardRead(): Promise<void>;
  stop(): Promise<void>;
}

export function createCardWatch(parts: CardWatchParts): CardWatch {
  const { modem, memory, card, audit, log, signal } = parts;
  const work = new Queue();
  let toolkit: Toolkit | undefined;
  let toolkitOf: string | undefined;

  const quietly = (what: string, job: () => Promise<void>): Promise<void> =>
    work.run(job).catch((error: unknown) => {
      // While the module is away or starting there is nothing to be noticed.
      if (!signal.aborted && !isCode(error, "QUEUE_CLOSED", "PORT_CLOSED", "MODEM_ABSENT"))
        log.warn(what, { error: asSimwardError(error) });
    });

  const note = async (iccid: string): Promise<void> => {
    const before = memory.get().iccid;
    if (before === iccid) return;
    const found = card();
    // Of a card that is ours whoever changed it has said so.
    if (before !== null && found !== undefined && isPassive(found.kind))
      await audit({ event: "profile.changedByCard", cause: "card", data: { cardClass: found.kind, fromIccid: before, toIccid: iccid } });
    // Not before it is known what kind of card that is: the notice would be lost.
    if (before === null || found !== undefined) await memory.hold(() => ({ iccid }));
  };
  const look = (): Promise<void> => quietly("the card's ICCID", async () => note(await modem.iccid(signal)));

  const disposers = [
    modem.onEvent((event) => {
      if (event.kind === "sim" && event.state === "ready") void look();
    }),
    parts.onPath(({ up, iccid }) => {
      if (up && iccid !== undefined) void quietly("the card's ICCID", () => note(iccid));
    }),
  ];

  return {
    get toolkit() {
      return card()?.kind === "sgp02" ? toolkit : undefined;
    },
    async cardRead() {
      const found = card();
      if (found === undefined) return;
      await look();
      const key = found.eid ?? "";
      if (found.kind !== "sgp02" || toolkitOf === key) return;
      await quietly("the module's toolkit", async () => {
        const read = await modem.toolkit(signal);
        toolkit = read;
        toolkitOf = key;
        const { sms, bip, missing, source = null, isSwitchedOn = null } = read;
        await audit({ event: "card.toolkitChecked", cause: "module", data: { sms, bip, missing, source, isSwitchedOn } });
      });
    },
    async stop() {
      for (const dispose of disposers) dispose();
      work.close();
      await work.idle();
    },
  };
}
