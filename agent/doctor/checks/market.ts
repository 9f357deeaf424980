// Check of the market: whether the profile that the configuration prefers where the vehicle is, is on the eUICC and enabled, and what to do where it is not.
import type { MarketConfig } from "../../config/schema.ts";
import { marketOf, wantedProfile } from "../../market/markets.ts";
import { type Check, pass, skip, warn } from "../check.ts";
import type { DoctorContext } from "../context.ts";

export const marketChecks: readonly Check<DoctorContext>[] = [
  {
    name: "market-profile",
    section: "policy",
    about:
      "Whether the profile that [market] prefers in the country where the vehicle is, is on the eUICC and enabled; and of which other markets it has none.",
    reach: "nothing",
    needs: ["card-class"],
    run: ({ running, ipa, market }) => {
      const markets = running.market;
      const { profiles, enabledIccid, eims, card } = ipa();
      const preferring = Object.entries(markets).filter(([, { prefer }]) => prefer.length > 0);
      if (preferring.length === 0) return skip("no [market] prefers a profile");
      if (card?.kind !== "sgp32-ipad" && card?.kind !== "sgp22") return skip("the profiles are not simward's to see");
      const { country, outcome, swap, iccid: applied } = market();
      // Nicknames are not at hand without asking the card: what was applied last tells which profile was meant by one.
      const seen = profiles.map(({ iccid, profileClass }) => ({
        iccid,
        enabled: iccid === enabledIccid,
        nickname: undefined,
        profileClass: profileClass === undefined ? undefined : String(profileClass),
      }));
      const hasNickname = (list: MarketConfig["prefer"]): boolean => list.some(({ nickname }) => nickname !== undefined);
      const elsewhere = preferring.flatMap(([iso, { prefer }]) =>
        iso !== country && !hasNickname(prefer) && wantedProfile(prefer, seen) === undefined ? [iso] : [],
      );
      const later = elsewhere.length === 0 ? "" : `; for ${elsewhere.join(", ")} none is on the eUICC yet`;
      if (country === undefined) return pass(`the country is not known yet${later}`, { missing: elsewhere });
      const prefer = marketOf(markets, country)?.prefer ?? [];
      if (prefer.length === 0) return pass(`none is preferred in ${country}${later}`, { country, missing: elsewhere });
      const wanted = hasNickname(prefer) ? seen.find(({ iccid }) => iccid === applied) : wantedProfile(prefer, seen);
      if (wanted === undefined && hasNickname(prefer) && outcome === undefined) return pass(`[market.${country}] was not applied yet`);
      const named = prefer.map((one) => one.iccid ?? one.nickname ?? one.class).join(", ");
      const data = { country, prefer: prefer.map((one) => one.iccid ?? one.nickname ?? one.class ?? ""), missing: elsewhere };
      const isEims = eims.length > 0;
      if (wanted === undefined)
        return warn(
          `the profile that [market.${country}] prefers (${named}) is not on the eUICC`,
          isEims
            ? "simward profile list; have the eIM order its download, then simward eim poll"
            : "simward profile list; simward profile download --ac FILE, with its activation code",
          { data },
        );
      if (wanted.enabled) return pass(`${wanted.iccid}, as [market.${country}] prefers${later}`, data);
      const what = `the profile that [market.${country}] prefers, ${wanted.iccid}, is on the eUICC and not enabled`;
      if (outcome === "not allowed")
        return warn(`${what}: changing profiles there is ${swap.policy} by ${swap.from}`, "simward policy market show", { data });
      if (outcome === "failed")
        return warn(
          `${what}: it was tried, and found no network; it is tried again after a day`,
          `simward net apn test NAME; simward profile show ${wanted.iccid}`,
          { data },
        );
      return isEims
        ? warn(`${what}: that is the eIM's to do`, "have the eIM enable it, then simward eim poll", { data })
        : warn(`${what}`, `simward profile enable ${wanted.iccid} --reason "preferred here"`, { data });
    },
  },
];
