// What a radio world is made of, and the world that the virtual vehicle drives in unless told otherwise.
// Its operators are invented; their network codes are not assigned to anybody in the countries named.
import type { SimRat } from "../contracts.ts";

export interface Country {
  /** ISO 3166-1 alpha-2. */
  readonly iso: string;
  /** Mobile country codes: an operator's cells stand in the country whose code begins its PLMN. */
  readonly mcc: readonly string[];
  readonly zoneMinutes: number;
}

export interface Operator {
  /** MCC and MNC digits. */
  readonly plmn: string;
  readonly name: string;
  readonly shortName: string;
  readonly rats: readonly SimRat[];
  readonly rsrpDbm: number;
  readonly tac: string;
  readonly cellId: string;
  /** Whether it tells modules the time (NITZ). */
  readonly nitz: boolean;
  /** What it does to datagrams; nothing by default. */
  readonly path?: PathQuality | undefined;
  /** To whom it grants PSM and eDRX: its own subscribers by default, and then not to roamers. */
  readonly powerSaving?: "all" | "own" | "none" | undefined;
}

/** What a network does to the datagrams of its sessions. */
export interface PathQuality {
  /** Round trip added, half of it each way. */
  readonly rttMs?: number | undefined;
  /** Share lost each way; 1: nothing passes, though sessions come up. */
  readonly loss?: number | undefined;
  /** Bits a second each way; unlimited by default. */
  readonly rateBps?: number | undefined;
}

/** The home operator steers its roamers: their first attaches of a stay are refused, so that they try others (GSMA IR.73). */
export interface Steering {
  /** EMM cause of the refusals. */
  readonly cause: number;
  readonly refusals: number;
}

/** The longest prefix that begins an IMSI says whose subscriber it is. */
export interface Subscription {
  readonly imsiPrefix: string;
  /** Home operator's PLMN; undefined: every operator serves it as its own. */
  readonly home?: string | undefined;
  /** The first is the default; "*" takes any name. */
  readonly apns: readonly string[];
  /** What its APNs ask for (PAP, CHAP); by default they take anybody. */
  readonly credentials?: { readonly user: string; readonly password: string } | undefined;
}

/** First match counts; without one the visited operator refuses with EMM cause 11. */
export interface Agreement {
  readonly home: string;
  /** A PLMN, or the MCC it begins with, or "" for all. */
  readonly visited: string;
  /** What a subscriber of `home` meets there: service, service after some refusals, or an EMM cause (3GPP TS 24.301 §9.9.3.9). */
  readonly outcome: "roaming" | Steering | number;
}

export interface WorldData {
  readonly countries: readonly Country[];
  readonly operators: readonly Operator[];
  readonly subscriptions: readonly Subscription[];
  readonly agreements: readonly Agreement[];
}

export const operator = (
  plmn: string,
  name: string,
  shortName: string,
  rats: readonly SimRat[],
  rsrpDbm: number,
  cell: readonly [tac: string, cellId: string],
  nitz = true,
): Operator => ({ plmn, name, shortName, rats, rsrpDbm, tac: cell[0], cellId: cell[1], nitz });

/** Home of the bootstrap subscription: it has no cells of its own and roams wherever it is let in. */
export const bootstrapPlmn = "90198";
/** Home of the subscription that the demo downloads. */
export const localPlmn = "26299";

export const defaultWorld: WorldData = {
  countries: [
    { iso: "DE", mcc: ["262"], zoneMinutes: 60 },
    { iso: "AT", mcc: ["232"], zoneMinutes: 60 },
    { iso: "PL", mcc: ["260"], zoneMinutes: 60 },
    { iso: "TR", mcc: ["286"], zoneMinutes: 180 },
    { iso: "US", mcc: ["310", "311"], zoneMinutes: -360 },
    { iso: "BR", mcc: ["724"], zoneMinutes: -180 },
  ],
  operators: [
    operator(bootstrapPlmn, "Worldlink", "WLINK", [], -140, ["0000", "00000000"]),
    operator("26298", "Nordfunk", "NORDF", ["cat-1bis", "lte-m", "gsm"], -86, ["42A1", "01B2C301"]),
    operator(localPlmn, "Rheinfunk", "RHEIN", ["cat-1bis", "lte-m", "nb-iot"], -91, ["51C0", "0203A102"]),
    operator("23298", "Alpenfunk", "ALPEN", ["cat-1bis", "lte-m", "nb-iot", "gsm"], -97, ["1A2B", "00C0FFE1"]),
    operator("26098", "Wislanet", "WISLA", ["cat-1bis", "lte-m", "gsm"], -101, ["0B0B", "0300D00D"], false),
    operator("28698", "Bosfor Mobil", "BOSFOR", ["cat-1bis", "lte-m", "gsm"], -92, ["7F01", "0A0B0C0D"]),
    operator("310998", "Prairie Wireless", "PRAIRIE", ["cat-1bis", "lte-m"], -104, ["3E80", "0F1E2D3C"]),
    operator("72498", "Iguacu Movel", "IGUACU", ["cat-1bis", "lte-m", "gsm"], -99, ["2222", "01020304"]),
  ],
  subscriptions: [
    { imsiPrefix: bootstrapPlmn, home: bootstrapPlmn, apns: ["bootstrap.iot", "iot"] },
    { imsiPrefix: localPlmn, home: localPlmn, apns: ["fleet.rheinfunk", "internet"] },
    { imsiPrefix: "26298", home: "26298", apns: ["iot.nordfunk", "internet"] },
    { imsiPrefix: "28698", home: "28698", apns: ["arac.bosfor"] },
    { imsiPrefix: "72498", home: "72498", apns: ["frota.iguacu"] },
    // Subscriptions that nobody described are served by everyone, so that other people's profiles work without a word.
    { imsiPrefix: "", home: undefined, apns: ["*"] },
  ],
  agreements: [
    // Countries that do not let foreign subscriptions stay.
    { home: bootstrapPlmn, visited: "286", outcome: 13 },
    { home: bootstrapPlmn, visited: "724", outcome: 11 },
    { home: bootstrapPlmn, visited: "", outcome: "roaming" },
    // Competitors at home do not serve each other's subscribers.
    { home: localPlmn, visited: "262", outcome: 11 },
    { home: localPlmn, visited: "232", outcome: "roaming" },
    { home: localPlmn, visited: "260", outcome: "roaming" },
    { home: localPlmn, visited: "286", outcome: 15 },
  ],
};
