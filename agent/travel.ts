// Roaming days and markets in their place: fed with what policy knows of the vehicle, told to the engine and to alarms, served to the local API.

import { utf8 } from "../base/bytes.ts";
import type { Clock } from "../base/clock.ts";
import type { Disk } from "../base/disk.ts";
import { asSimwardError, reasonOf, SimwardError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { readSmallBytes } from "../base/small-file.ts";
import type { Alarms } from "./alarms.ts";
import type { MarketReport, RoamingHistory, RoamingReport, RoamingRulesReport, Status } from "./api/types.ts";
import type { AuditEvent, AuditLog } from "./audit/types.ts";
import type { Config } from "./config/schema.ts";
import type { EmergencyWatch } from "./emergency.ts";
import { marketApns, marketOf, operatorsIn } from "./market/markets.ts";
import { type MarketHands, openMarkets } from "./market/service.ts";
import { type SwapPolicy, swapPolicyOf } from "./market/swap.ts";
import type { PolicyEngine } from "./policy/engine.ts";
import type { VehicleFacts } from "./policy/types.ts";
import { daysFromTrail } from "./roaming/from-trail.ts";
import { unknownOverrides, withOverrides } from "./roaming/overrides.ts";
import { historyReport, roamingReport, rulesReport, standingReport, tightest } from "./roaming/report.ts";
import { openRuleBook, type RuleKeys } from "./roaming/rule-book.ts";
import { rulesFor } from "./roaming/rules.ts";
import { openRoaming } from "./roaming/service.ts";
import type { ApiCaller } from "./trust.ts";

export interface TravelParts {
  readonly config: Pick<Config, "roaming" | "market" | "policy">;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  /** Never rejects. */
  readonly audit: (event: AuditEvent) => Promise<void>;
  readonly publish: (kind: string, fields: Readonly<Record<string, unknown>>) => void;
  readonly engine: Pick<PolicyEngine, "update">;
  readonly keys: RuleKeys;
  readonly emergency: EmergencyWatch;
  /** Of the audit trail. */
  readonly records: AuditLog["query"];
}

/** What the routes call. */
export interface TravelActs {
  roaming(): RoamingReport;
  roamingHistory(): RoamingHistory;
  roamingRules(): RoamingRulesReport;
  /** `signature` in base64. Throws ROAMING_RULES. */
  installRoamingRules(
    who: ApiCaller,
    order: { readonly rules: string; readonly signature: string; readonly reason: string },
  ): Promise<RoamingRulesReport>;
  /** The one that the vehicle is in, unless a country is named. */
  market(country: string | undefined): MarketReport;
}

export interface Travel extends TravelActs {
  see(vehicle: VehicleFacts): void;
  applyMarket(country: string, reason: string): void;
  start(hands: Omit<MarketHands, "swap">): void;
  status(): Pick<Status, "roaming">;
  stop(): Promise<void>;
}

const fileLookMs = 3_600_000;

/** Throws DISK_READ. What is damaged is an alarm, and begun anew. */
export async function createTravel(parts: TravelParts): Promise<Travel> {
  const { config, disk, clock, log, alarms, audit, engine, keys } = parts;
  const overrides = config.policy.roaming;
  const lost = (why: SimwardError): void => {
    alarms.raise("roamingLost", why);
    log.error("roaming", { error: why });
    void audit({ event: "roaming.lost", cause: "start", data: { code: why.code, reason: why.message } });
  };
  const ruleBook = await openRuleBook({ disk, keys, file: () => ruleFile(config.roaming.rules_file), onLost: lost });
  const roaming = await openRoaming({
    ...{ disk, clock, log, overrides, audit, onLost: lost, recordedDays: () => daysFromTrail(parts.records({})) },
    rules: () => ruleBook.current,
    tell: (facts) => void engine.update({ roaming: facts }),
  });
  const markets = await openMarkets({
    ...{ markets: config.market, disk, clock, log, emergency: parts.emergency, audit, publish: parts.publish },
    limits: { afterMs: config.roaming.border_after_seconds * 1_000, registrations: config.roaming.border_registrations },
    tell: (facts) => void engine.update({ market: facts }),
  });

  const swap = (country: string): SwapPolicy => {
    const rules = rulesFor(withOverrides(ruleBook.current, overrides), country, roaming.now.home);
    return swapPolicyOf(country, marketOf(config.market, country), rules);
  };

  /** A file that cannot be used leaves the rules before it in force, and is told of once. */
  let toldOf = "";
  const installed = async (
    install: () => Promise<"installed" | "already">,
    cause: string,
    data: AuditEvent["data"],
  ): Promise<"installed" | "already"> => {
    try {
      const outcome = await install();
      const { current, signedBy = null, sha256 = null } = ruleBook;
      alarms.clear("roamingRules");
      toldOf = "";
      if (outcome === "already") return outcome;
      await audit({
        event: "roaming.rulesInstalled",
        cause,
        data: { ...data, version: current.version, issued: current.issued, signedBy, sha256 },
      });
      sayUnknown();
      await roaming.look();
      return outcome;
    } catch (error) {
      const known = asSimwardError(error);
      if (toldOf !== known.message || cause !== "config")
        await audit({
          event: "roaming.rulesRefused",
          cause,
          data: { ...data, code: known.code, why: known.message, inForce: ruleBook.current.version },
        });
      toldOf = known.message;
      throw known;
    }
  };
  const lookAtFile = (): void => {
    if (config.roaming.rules_file === undefined) return;
    installed(() => ruleBook.look(), "config", {}).catch((error: unknown) => {
      alarms.raise("roamingRules", error);
      log.error("roaming rules", { error: asSimwardError(error) });
    });
  };
  let toldRevoked = false;
  /** Asked often: keys are revoked by another file than this one. */
  const sayRevoked = (): void => {
    if (ruleBook.isRevoked === toldRevoked) return;
    toldRevoked = ruleBook.isRevoked;
    if (!toldRevoked) {
      alarms.clear("roamingRules");
      return;
    }
    const detail = `the key that signed the fleet's rules is revoked; version ${ruleBook.current.version} of simward's own is in force`;
    alarms.raise("roamingRules", new SimwardError("ROAMING_RULES", { detail }));
    void audit({ event: "roaming.rulesRevoked", cause: "keys", data: { inForce: ruleBook.current.version } }).then(() => roaming.look());
  };
  const sayUnknown = (): void => {
    const unknown = unknownOverrides(ruleBook.current, overrides);
    if (unknown.length > 0) log.warn("no roaming rule has this id", { policyRoaming: unknown });
  };

  let cancelLook = (): void => {};
  return {
    see(vehicle) {
      void roaming.see(vehicle);
      void markets.see(vehicle);
    },
    applyMarket: (country, reason) => markets.apply(country, reason),
    start(hands) {
      markets.start({ ...hands, swap });
      sayUnknown();
      const look = (): void => {
        lookAtFile();
        sayRevoked();
      };
      look();
      cancelLook = clock.every(fileLookMs, look);
    },
    status() {
      const { country, home, standings } = roaming.now;
      if (country === undefined) return {};
      const worst = tightest(standings);
      return {
        roaming: { country, ...(home === undefined ? {} : { home }), ...(worst === undefined ? {} : { tightest: standingReport(worst) }) },
      };
    },
    async stop() {
      cancelLook();
      await Promise.all([roaming.stop(), markets.stop()]);
    },
    roaming: () => roamingReport(roaming.now),
    roamingHistory: () => historyReport(roaming.now),
    roamingRules: () => rulesReport(ruleBook, overrides),
    async installRoamingRules({ role, peer }, { rules, signature, reason }) {
      const cause = `operator:${peer?.uid ?? "unknown"}`;
      const data = { role, uid: peer?.uid ?? null, pid: peer?.pid ?? null, reason };
      const install = () => ruleBook.install(utf8(rules), new Uint8Array(Buffer.from(signature, "base64")));
      const outcome = await installed(install, cause, data);
      return { ...rulesReport(ruleBook, overrides), outcome };
    },
    market(asked) {
      const { country: here, beyond, outcome, iccid } = markets.now;
      const country = asked ?? here;
      const isHere = country === here;
      const own = country === undefined ? undefined : marketOf(config.market, country);
      const { policy, allow, from } = swap(country ?? "");
      return {
        schema: "simward/market/1",
        ...(country === undefined ? {} : { country }),
        ...(isHere && beyond !== undefined ? { beyond } : {}),
        local: country !== undefined && roaming.now.home === country,
        ...(isHere && outcome !== undefined ? { outcome } : {}),
        ...(isHere && iccid !== undefined ? { iccid } : {}),
        swap: { policy, allow, from },
        operators: operatorsIn(config.market, country),
        apns: (own?.apn ?? []).map(({ name }) => name),
        keeps: own?.keeps ?? [],
        configured: Object.keys(config.market),
      };
    },
  };
}

/** `[[apn]]` as the configuration has them, and those of the markets. */
export function apnsOf({ apn, market }: Pick<Config, "apn" | "market">): Config["apn"] {
  return [...marketApns(market), ...apn];
}

/** Throws CONFIG_READ. */
async function ruleFile(path: string | undefined): Promise<{ readonly content: Uint8Array; readonly signature: Uint8Array } | undefined> {
  if (path === undefined) return undefined;
  const read = async (name: string): Promise<Uint8Array> => {
    try {
      return new Uint8Array(await readSmallBytes(name));
    } catch (error) {
      throw new SimwardError("CONFIG_READ", { detail: `${name}: ${reasonOf(error)}`, cause: error });
    }
  };
  return { content: await read(path), signature: await read(`${path}.sig`) };
}
