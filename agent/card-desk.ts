// What is known of the card, and the way in for questions from outside: their answer may have to wait for what the card is doing, but not for ever.
import type { Toolkit } from "../at-drivers/toolkit.ts";
import { type Clock, deadline } from "../base/clock.ts";
import { asSimwardError, SimwardError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { type Es10, getEuiccInfo2, getProfilesInfo } from "../ipa/euicc/es10.ts";
import type { Ipa } from "../ipa/ipa.ts";
import { passiveError } from "../ipa/procedures/card-class.ts";
import type { CardStatus, ProfileList } from "./api/types.ts";
import { cardStatusOf, profileStatusOf } from "./status.ts";

export type AskCard = <T>(why: string, use: (es10: Es10) => Promise<T>) => Promise<T>;

export interface CardDesk {
  /** Throws BUSY when the card is at work for longer than half a minute. */
  readonly ask: AskCard;
  /** Reads what the status shows of it. Never rejects. */
  read(): Promise<void>;
  /** As it was last read. */
  status(): CardStatus | undefined;
  /** Read now. Throws BUSY, ES10_REFUSED, CARD_NOT_EUICC. */
  profiles(): Promise<ProfileList>;
}

/** How long a question from outside waits for the card. */
const patienceMs = 30_000;

export function createCardDesk(parts: {
  readonly ipa: Ipa;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** What an M2M eUICC asked of the toolkit, once it has. */
  readonly toolkit: () => Toolkit | undefined;
}): CardDesk {
  const { ipa, clock, log, signal } = parts;
  let card: CardStatus | undefined;

  const ask: AskCard = async (why, use) => {
    const busy = (): SimwardError => new SimwardError("BUSY", { detail: `the card: ${ipa.status().cardBusyWith ?? why}` });
    const limit = deadline(clock, patienceMs, busy, signal);
    return ipa.euicc.withEuicc(why, use, limit.signal).finally(limit.done);
  };

  return {
    ask,
    async read() {
      const { eid, card: found } = ipa.status();
      const named = found === undefined ? {} : { class: found.kind, classReason: found.why };
      // Of a card that answers no ES10 that is all there is.
      if (eid === undefined || found?.kind === "sgp02" || found?.kind === "uicc") {
        card = found === undefined ? card : { ...named, ...(eid === undefined ? {} : { eid }) };
        return;
      }
      try {
        const info = await ipa.euicc.withEuicc("card status", (es10) => es10.call(getEuiccInfo2, {}), signal);
        card = { ...named, ...cardStatusOf(eid, info) };
      } catch (error) {
        if (!signal.aborted) log.warn("EUICCInfo2", { error: asSimwardError(error) });
      }
    },
    status() {
      const toolkit = parts.toolkit();
      if (card === undefined || toolkit === undefined) return card;
      const { sms, bip, missing } = toolkit;
      return { ...card, toolkit: { sms, bip, missing } };
    },
    async profiles() {
      const found = ipa.status().card;
      if (found?.kind === "sgp02" || found?.kind === "uicc") throw passiveError(found);
      const response = await ask("profile list", (es10) => es10.call(getProfilesInfo, {}));
      if (response.kind !== "profileInfoListOk") throw new SimwardError("ES10_REFUSED", { detail: `GetProfilesInfo: ${response.value}` });
      return { schema: "simward/profiles/1", eid: ipa.status().eid ?? "", profiles: response.value.map(profileStatusOf) };
    },
  };
}
