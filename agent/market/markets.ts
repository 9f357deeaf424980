// What the configuration says of a country: profiles in their order, APNs, operators, what must stay. Pure.
import { countryOf, mccsOf } from "../../base/mcc.ts";
import type { ApnConfig, Config, DataKind, MarketConfig } from "../config/schema.ts";

type Markets = Config["market"];

/** Of the country, else of all others. */
export function marketOf(markets: Markets, country: string): MarketConfig | undefined {
  return markets[country] ?? markets["*"];
}

/** As `[[apn]]` entries for the country's codes, before which they come; those of "*" are for wherever no other fits, behind the entries for a country. */
export function marketApns(markets: Markets): readonly ApnConfig[] {
  return Object.entries(markets).flatMap(([country, { apn }]) =>
    country === "*" ? apn : mccsOf(country).flatMap((mcc) => apn.map((entry): ApnConfig => ({ ...entry, mcc }))),
  );
}

/** PLMNs to use there; empty: whichever the module finds. */
export function operatorsIn(markets: Markets, country: string | undefined): readonly string[] {
  return country === undefined ? [] : (marketOf(markets, country)?.operators ?? []);
}

/** Where no operators are named for a country, any may be used. */
export function mayUseOperator(markets: Markets, plmn: string): boolean {
  const named = operatorsIn(markets, countryOf(plmn));
  return named.length === 0 || named.includes(plmn);
}

/** Whether what was recorded in that country may leave the vehicle; where it was recorded is not known of everything, and then it may. */
export function mayLeave(markets: Markets, kind: DataKind, recordedIn: string | undefined): boolean {
  return recordedIn === undefined || !(marketOf(markets, recordedIn)?.keeps ?? []).includes(kind);
}

/** On the eUICC, as it lists them. */
export interface MarketProfile {
  readonly iccid: string;
  readonly enabled: boolean;
  readonly nickname: string | undefined;
  readonly profileClass: string | undefined;
}

/** The first one that is wanted there and is on the card; of several that fit alike the one that is enabled already. */
export function wantedProfile(prefer: MarketConfig["prefer"], profiles: readonly MarketProfile[]): MarketProfile | undefined {
  for (const want of prefer) {
    const fits = profiles.filter(
      ({ iccid, nickname, profileClass }) =>
        (want.iccid !== undefined && iccid.startsWith(want.iccid)) ||
        (want.nickname !== undefined && nickname?.toLowerCase() === want.nickname.toLowerCase()) ||
        (want.class !== undefined && profileClass === want.class),
    );
    const found = fits.find(({ enabled }) => enabled) ?? fits[0];
    if (found !== undefined) return found;
  }
  return undefined;
}
