// The card in the slot over the life of the IPA: of which class it is, what stands between the functions and it, and what is said when it is another.
import { asSimwardError, errorReport, isCode, SimwardError } from "../../base/errors.ts";
import { encode } from "../asn1/schema.ts";
import { PackageExecutor } from "../consumer/executor.ts";
import { ConsumerMemory } from "../consumer/memory.ts";
import { withoutEims } from "../consumer/none.ts";
import { type Es10, type Es10Link, es10Value, getEuiccInfo1, getEuiccInfo2 } from "../euicc/es10.ts";
import { isdrAid, type OwnedEuiccSession } from "../euicc/session.ts";
import { storeData } from "../euicc/store-data.ts";
import type { IpaPorts } from "../ipa.ts";
import type { EUICCInfo2 } from "../messages/euicc-info.ts";
import type { IpaOptions } from "../options.ts";
import type { Eid } from "./card.ts";
import { readEid } from "./card.ts";
import { type CardClass, type CardEvidence, classify, isNoFunction, isPassive, passiveError, probeEcasd } from "./card-class.ts";
import type { IpaContext } from "./context.ts";
import type { EimDirectory } from "./eims.ts";
import type { IpaJournal } from "./journal.ts";

export class Slot {
  readonly #ports: IpaPorts;
  readonly #options: IpaOptions;
  #card: CardClass | undefined;
  #between: ((link: Es10Link) => Es10Link) | undefined;
  #executor: PackageExecutor | undefined;
  /** What can be shown of a card that is not ours to use. */
  shown: IpaContext | undefined;

  constructor(ports: IpaPorts, options: IpaOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  get card(): CardClass | undefined {
    return this.#card;
  }

  /** Package results of this card carry no signature: simward executes packages in its place. */
  get executor(): PackageExecutor | undefined {
    return this.#executor;
  }

  /** Nothing is to be asked of an eIM for it. */
  get hasNoEims(): boolean {
    return this.#card?.kind === "sgp22" && this.#executor === undefined;
  }

  /** For the session; which card it is may be found out while a channel is open. */
  readonly decorate = (link: Es10Link): Es10Link => {
    let by: ((link: Es10Link) => Es10Link) | undefined;
    let decorated = link;
    return {
      get refreshPending() {
        return link.refreshPending;
      },
      exchange: (command, idempotent) => {
        if (by !== this.#between) {
          by = this.#between;
          decorated = by?.(link) ?? link;
        }
        return decorated.exchange(command, idempotent);
      },
    };
  };

  /** What an eUICC says of its own IPA before anything is said to it. One that does not answer has none. */
  readonly mayAnnounce = async (signal: AbortSignal | undefined): Promise<boolean> => {
    const { card } = this.#ports;
    const channel = await card.open(isdrAid, signal).catch(() => undefined);
    if (channel === undefined) return true;
    try {
      const command = encode(getEuiccInfo2.request, {}, getEuiccInfo2.name);
      const { data } = await storeData((apdu) => channel.transmit(apdu, signal), command, card.maxCommandDataBytes);
      return es10Value(getEuiccInfo2, data).ipaMode !== "ipae";
    } catch {
      signal?.throwIfAborted();
      return true;
    } finally {
      await channel.close().catch(() => undefined);
    }
  };

  forget(): void {
    this.#between = undefined;
    this.#executor = undefined;
    this.shown = undefined;
  }

  /** Reads the EID. A card with an ISD-R that answers nothing to a terminal is told by CARD_NOT_SGP32. */
  async readEid(es10: Es10): Promise<Eid> {
    try {
      return await readEid(es10);
    } catch (error) {
      if (!isNoFunction(error)) throw error;
      const answers = await es10.call(getEuiccInfo1, {}).then(
        () => true,
        (refused: unknown) => !isNoFunction(refused),
      );
      throw answers ? error : new SimwardError("CARD_NOT_SGP32", { detail: "the ISD-R answers no ES10", cause: error });
    }
  }

  /**
   * Reads the eIMs. Answers the class of a consumer eUICC, on which functions of SGP.32 are answered from here on; undefined for an IoT eUICC, which
   * `classOf` tells more of.
   */
  async readEims(es10: Es10, eid: Eid, eims: EimDirectory): Promise<CardClass | undefined> {
    try {
      await eims.read(es10);
      return undefined;
    } catch (error) {
      if (!isNoFunction(error) && !isCode(error, "ES10_RESPONSE", "APDU_STATUS")) throw error;
      const card = classify(evidenceOf(eid, false, await this.#info2(es10)));
      // An IoT eUICC must tell its eIMs.
      if (card.kind !== "sgp22") throw error;
      await this.#standBetween(es10, eid);
      await eims.read(es10);
      return card;
    }
  }

  /** Of a card that knows GetEimConfigurationData. */
  async classOf(es10: Es10, eid: Eid): Promise<CardClass> {
    return classify(evidenceOf(eid, true, await this.#info2(es10)));
  }

  async #info2(es10: Es10): Promise<EUICCInfo2 | undefined> {
    try {
      return await es10.call(getEuiccInfo2, {});
    } catch (error) {
      if (!isCode(error, "ES10_RESPONSE", "ES10_UNSUPPORTED")) throw error;
      await this.#ports.events.emit({ kind: "warning", where: getEuiccInfo2.name, error: errorReport(error) });
      return undefined;
    }
  }

  async #standBetween(es10: Es10, eid: Eid): Promise<void> {
    const { clock, events, consumer, interlock } = this.#ports;
    this.#between = withoutEims;
    if (consumer === undefined) return;
    try {
      const memory = await ConsumerMemory.open(consumer.memory, eid.digits);
      const ecallActive = (): boolean => (interlock?.sources.length ?? 0) > 0;
      const { refreshFlag } = this.#options;
      const executor = await PackageExecutor.open({ memory, eid, clock, events, refreshFlag, ecallActive }, es10);
      const initial = await consumer.initialEims();
      if (initial !== undefined) await executor.initialise(initial);
      this.#executor = executor;
      this.#between = (link) => executor.wrap(link);
    } catch (error) {
      // Better no eIM than one that is obeyed twice; the local assistant works all the same.
      if (isCode(error, "PORT_CLOSED", "MODEM_ABSENT", "ABORTED", "APDU_CHANNEL_LOST")) throw error;
      await events.emit({ kind: "error", where: "consumer eUICC under an eIM", error: errorReport(asSimwardError(error)) });
    }
  }

  /** After `error`, which may mean that the card is none for ES10: throws what is said of such a card, or that error. */
  async otherwise(error: unknown, euicc: OwnedEuiccSession, journal: IpaJournal, signal: AbortSignal | undefined): Promise<never> {
    const isdr = isCode(error, "CARD_NOT_SGP32");
    if (!isdr && !isCode(error, "CARD_NOT_EUICC")) throw error;
    const { found, eid } = await euicc.withEuicc("ECASD", () => probeEcasd(this.#ports.card, signal), signal);
    const evidence: CardEvidence = { isdr, es10: false, eims: false, info2: undefined, ecasd: found, eid };
    const card = classify(evidence);
    await this.note(card, journal);
    throw passiveError(card);
  }

  /** Told when it is another than the one remembered, also over a restart. */
  async note(card: CardClass, journal: IpaJournal): Promise<void> {
    this.#card = card;
    const { kind, eid, why } = card;
    const before = journal.content.slot;
    if (before?.kind === kind && before.eid === eid) return;
    // The ordinary card of a first start is no news.
    if (before === undefined && kind === "sgp32-ipad") return journal.update({ slot: { kind, eid } });
    const acts = isPassive(kind) ? "none" : kind === "sgp22" ? (this.#executor === undefined ? "lpa" : "lpa and package executor") : "ipad";
    await this.#ports.events.emit({
      kind: "card.classified",
      cardClass: kind,
      eid,
      why,
      acts,
      former: before?.kind,
      formerEid: before?.eid,
    });
    await journal.update({ slot: { kind, eid } });
  }
}

function evidenceOf(eid: Eid, eims: boolean, info2: EUICCInfo2 | undefined): CardEvidence {
  return { isdr: true, es10: true, eims, info2, ecasd: false, eid: eid.digits };
}
