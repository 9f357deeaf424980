// A scenario from a file: JSON with the fields of Scenario, all but the country optional; what is left out is the demo's.
import { readFileSync } from "node:fs";
import {
  array,
  flatten,
  type GenericSchema,
  integer,
  literal,
  maxLength,
  maxValue,
  minLength,
  minValue,
  null_,
  number,
  optional,
  picklist,
  pipe,
  record,
  regex,
  safeParse,
  strictObject,
  string,
  boolean as truth,
  tuple,
  union,
} from "valibot";
import { SimwardError } from "../../base/errors.ts";
import { type FaultSetting, faultSetting } from "../faults.ts";
import type { Scenario } from "./scenario.ts";
import { defaultScenario } from "./table.ts";

const iso = pipe(string(), regex(/^[A-Z]{2}$/, "is not an ISO 3166-1 country"));
const plmn = pipe(string(), regex(/^\d{5,6}$/, "is not MCC and MNC digits"));
const iccid = pipe(string(), regex(/^\d{18,20}$/, "is not an ICCID"));
const imsi = pipe(string(), regex(/^\d{6,15}$/, "is not an IMSI"));
const text = pipe(string(), minLength(1), maxLength(64));
const dbm = pipe(number(), minValue(-140), maxValue(-44));
const minutes = pipe(number(), minValue(0), maxValue(525_600));
const share = pipe(number(), minValue(0), maxValue(1));
const emmCause = pipe(number(), integer(), minValue(1), maxValue(255));
const rat = picklist(["lte-m", "cat-1bis", "nb-iot", "gsm"]);
const apns = pipe(array(text), minLength(1));
const faults = array(strictObject({ name: text, value: string() }));

const profile = { iccid, imsi, serviceProvider: pipe(string(), minLength(1), maxLength(16)), profileName: text };
const pathQuality = strictObject({
  rttMs: optional(pipe(number(), minValue(0))),
  loss: optional(share),
  rateBps: optional(pipe(number(), minValue(1))),
});

const world = strictObject({
  countries: array(strictObject({ iso, mcc: array(pipe(string(), regex(/^\d{3}$/))), zoneMinutes: pipe(number(), integer()) })),
  operators: array(
    strictObject({
      plmn,
      name: text,
      shortName: text,
      rats: array(rat),
      rsrpDbm: dbm,
      tac: pipe(string(), regex(/^[0-9A-F]{4}$/)),
      cellId: pipe(string(), regex(/^[0-9A-F]{8}$/)),
      nitz: truth(),
      path: optional(pathQuality),
      powerSaving: optional(picklist(["all", "own", "none"])),
    }),
  ),
  subscriptions: array(
    strictObject({
      imsiPrefix: pipe(string(), regex(/^\d{0,15}$/)),
      home: optional(plmn),
      apns,
      credentials: optional(strictObject({ user: text, password: text })),
    }),
  ),
  agreements: array(
    strictObject({
      home: plmn,
      visited: pipe(string(), regex(/^\d{0,6}$/)),
      outcome: union([literal("roaming"), emmCause, strictObject({ cause: emmCause, refusals: pipe(number(), integer(), minValue(1)) })]),
    }),
  ),
});

const route = strictObject({
  waypoints: array(
    strictObject({
      atMinutes: minutes,
      country: optional(iso),
      signal: optional(record(plmn, union([dbm, null_()]))),
      set: optional(faults),
      clear: optional(array(text)),
    }),
  ),
  outages: optional(
    strictObject({
      kinds: pipe(array(picklist(["outage", "core-down", "black-hole"])), minLength(1)),
      plmns: pipe(array(plmn), minLength(1)),
      everyMinutes: pipe(number(), minValue(0.1)),
      lastingMinutes: tuple([minutes, minutes]),
    }),
  ),
});

const scenarioSchema = strictObject({
  name: optional(text),
  text: optional(string()),
  country: iso,
  world: optional(world),
  bootstrap: optional(strictObject(profile)),
  offers: optional(array(strictObject({ ...profile, matchingId: text, confirmationCode: optional(text) }))),
  faults: optional(faults),
  route: optional(route),
}) satisfies GenericSchema;

/** Throws SIM_OPTION, naming the file and the field. */
export function readScenarioFile(path: string): Scenario {
  const refuse = (reason: string, cause?: unknown): never => {
    throw new SimwardError("SIM_OPTION", { detail: `scenario ${path}: ${reason}`, cause });
  };
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error), error);
  }
  const parsed = safeParse(scenarioSchema, content);
  if (!parsed.success) {
    const { nested = {}, root = [] } = flatten(parsed.issues);
    const [field, messages] = Object.entries(nested)[0] ?? ["", root];
    return refuse(`${field}: ${messages?.[0] ?? "is not as expected"}`);
  }
  const { name, text, country, world: data, bootstrap, offers, faults: given = [], route: way } = parsed.output;
  const settings = (list: readonly { name: string; value: string }[]): readonly FaultSetting[] =>
    list.map((fault) => {
      try {
        return faultSetting(fault.name, fault.value);
      } catch (error) {
        return refuse(error instanceof SimwardError ? (error.detail ?? error.message) : String(error), error);
      }
    });
  return {
    name: name ?? path,
    text: text ?? "",
    country,
    world: data,
    bootstrap: bootstrap ?? defaultScenario.bootstrap,
    offers: offers ?? defaultScenario.offers,
    faults: settings(given),
    route: way && { waypoints: way.waypoints.map(({ set = [], ...point }) => ({ ...point, set: settings(set) })), outages: way.outages },
  };
}
