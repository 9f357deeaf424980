// The columns of the matrix: the flow as it is, then one trouble each, at the moment at which it matters.
// Every fault of the module and every quirk of the virtual vehicle has a column, or a reason in `leftOut`.
import { integerBelow, type Random } from "../../../base/random.ts";
import { type FaultName, faultTable } from "../../../hw-sim/faults.ts";
import { type QuirkName, quirkNames } from "../../../hw-sim/modem/personalities/quirks.ts";
import type { Personality } from "../../../hw-sim/modem/personality.ts";

/** start: before the module has power. download: its order is placed. change: the order to enable the profile is placed. */
export type Moment = "start" | "download" | "change";

export interface Trouble {
  readonly name: FaultName;
  readonly value: string;
}

export interface Column {
  readonly id: string;
  readonly at: Moment;
  readonly quirk?: QuirkName;
  /** `apdu` is the command by which this make passes APDUs on. */
  readonly fault?: (apdu: string, random: Random) => Trouble;
  /** What nobody ends is ended after so long; else it lasts until the report has arrived. */
  readonly forMs?: number;
  /** The card may lose its power while it is at work: what that cuts off is reported as such, and ordered again. */
  readonly cutsPower?: true;
  readonly fits?: (personality: Personality) => boolean;
}

export const hasApdus = ({ without }: Personality): boolean => !without.includes("+CGLA") || !without.includes("+CSIM");
export const apduCommand = ({ without }: Personality): string => (without.includes("+CGLA") ? "+CSIM" : "+CGLA");
const hasSessions = ({ without }: Personality): boolean => !without.includes("+CCHO");
const isLteM = ({ rats }: Personality): boolean => rats.includes("lte-m");
const isQuectel = ({ manufacturer }: Personality): boolean => manufacturer === "Quectel";

const atDownload = (id: string, name: FaultName, value: string, more: Partial<Column> = {}): Column => ({
  id: `${id}, download`,
  at: "download",
  fault: () => ({ name, value }),
  ...more,
});
const atChange = (id: string, name: FaultName, value: string, more: Partial<Column> = {}): Column => ({
  ...atDownload(id, name, value, more),
  id: `${id}, change`,
  at: "change",
});
/** The nth APDU, by the seed: of a download and its notifications some sixty, of a change of profile some ten. */
const atApdu = (name: FaultName, at: "download" | "change", rest = "", more: Partial<Column> = {}): Column => ({
  id: `${name} at an APDU, ${at}`,
  at,
  fault: (apdu, random) => ({ name, value: `${apdu}@${1 + integerBelow(random, at === "download" ? 40 : 6)}${rest}` }),
  fits: hasApdus,
  ...more,
});
const quirk = (name: QuirkName, more: Partial<Column> = {}): Column => ({ id: name, at: "start", quirk: name, ...more });

const cut = { cutsPower: true } as const;

export const flow: Column = { id: "flow", at: "start" };

const faultColumns: readonly Column[] = [
  atDownload("silent-commands", "silent-commands", "3"),
  atChange("silent-commands", "silent-commands", "3"),
  atDownload("silent-ms", "silent-ms", "20000", cut),
  atChange("silent-ms", "silent-ms", "20000", cut),
  atApdu("cme", "download", ":100"),
  atApdu("cme", "change", ":13"),
  atChange("cme at +CEREG", "cme", "+CEREG@2:14"),
  atApdu("error", "download"),
  atApdu("error", "change"),
  atChange("error at +CGDCONT", "error", "+CGDCONT@1"),
  atApdu("error-done", "download"),
  atApdu("error-done", "change"),
  atDownload("urc", "urc", "+CEREG: 2"),
  atChange("urc", "urc", '+CMTI: "SM",3'),
  atDownload("urc-inside", "urc-inside", "RING"),
  atChange("urc-inside", "urc-inside", "RING"),
  atApdu("garbage", "download"),
  atApdu("garbage", "change"),
  atDownload("split-octets", "split-octets", "1"),
  atChange("split-octets", "split-octets", "1"),
  atApdu("late", "download", ":50000"),
  atApdu("late", "change", ":3000"),
  { ...atApdu("late", "download", ":230000"), id: "late by 230 s at an APDU, download" },
  atDownload("spew", "spew", "100000"),
  atApdu("hang-up", "download"),
  atApdu("hang-up", "change"),
  { id: "hang-up-on-reset", at: "start", fault: () => ({ name: "hang-up-on-reset", value: "1" }) },
  {
    id: "hang-up-on-radio-off",
    at: "start",
    fault: () => ({ name: "hang-up-on-radio-off", value: "1" }),
    // Where flight mode takes the card's power too, its port would go at every APN; that make has no USB port to lose.
    fits: ({ functionLevels }) => functionLevels[4]?.sim !== false,
  },
  { id: "hang-up-after-data", at: "start", fault: () => ({ name: "hang-up-after-data", value: "1" }) },
  { id: "urc-port", at: "start", fault: () => ({ name: "urc-port", value: "2" }) },
  { id: "counter-drift", at: "start", fault: () => ({ name: "counter-drift", value: "25" }) },
  { id: "only-port", at: "start", fault: () => ({ name: "only-port", value: "2" }) },
  atApdu("reset", "download", "", cut),
  atApdu("reset", "change", "", cut),
  atChange("reset at +CEREG", "reset", "+CEREG@1", cut),
  atDownload("hang", "hang", "1", cut),
  atChange("hang", "hang", "1", cut),
  atDownload("power", "power", "cycle", cut),
  atChange("power", "power", "cycle", cut),
  atDownload("power off for a minute", "power", "off", { ...cut, forMs: 60_000 }),
  atDownload("cts-stuck", "cts-stuck", "1", { ...cut, forMs: 40_000 }),
  atChange("cts-stuck", "cts-stuck", "1", { ...cut, forMs: 40_000 }),
  atDownload("voice-call", "voice-call", "active", { forMs: 120_000 }),
  atChange("voice-call", "voice-call", "active", { forMs: 120_000 }),
];

/** Where a quirk makes no sense, or cannot be told from the make itself. */
const fits: Readonly<Partial<Record<QuirkName, Column["fits"]>>> = {
  "ccho-bare": hasSessions,
  "ccho-handle": hasSessions,
  "ccho-cme-13": hasSessions,
  "ccho-cme-100": hasSessions,
  "cchc-line": hasSessions,
  "cchc-ok": hasSessions,
  "no-logical-channels": (one) => hasSessions(one) && !one.without.includes("+CSIM"),
  "apdu-test-error": hasApdus,
  "apdu-test-silent": hasApdus,
  "csim-all": (one) => !one.without.includes("+CSIM"),
  "get-response-module": hasApdus,
  "get-response-host": hasApdus,
  "apdu-125": hasApdus,
  "apdu-260": hasApdus,
  "line-559": hasApdus,
  "channels-1": hasApdus,
  "refresh-ignored": hasApdus,
  "own-lpa": (one) => isQuectel(one) && hasApdus(one),
  "act-7": isLteM,
  "act-8": isLteM,
};

/** Quirks without a column, and why. */
export const leftOut: Readonly<Partial<Record<QuirkName, string>>> = {
  "slow-apdu":
    "four minutes for every APDU, the first STATUS too: no module is ready then; one that takes as long now and then has a column",
};

export const columns: readonly Column[] = [
  flow,
  ...faultColumns,
  ...quirkNames
    .filter((name) => leftOut[name] === undefined)
    .map((name) => {
      const when = fits[name];
      return quirk(name, when === undefined ? {} : { fits: when });
    }),
];

/** Faults of the module that no column has. */
export function withoutColumn(): readonly string[] {
  const any: Random = { bytes: (length) => new Uint8Array(length), unit: () => 0 };
  const has = new Set(columns.map(({ fault }) => fault?.("+CGLA", any).name));
  return Object.entries(faultTable).flatMap(([name, { part }]) => (part !== "module" || has.has(name as FaultName) ? [] : [name]));
}
