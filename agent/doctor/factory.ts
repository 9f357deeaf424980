// What the production line gets beside the findings: the identities to be paired, and the seed's checklist by name. Pure but for one question.
import type { FactoryItem, FactoryReport, Finding } from "../api/doctor-types.ts";
import type { DoctorContext } from "./context.ts";
import { worstOf } from "./report.ts";

const items: readonly { readonly item: FactoryItem["item"]; readonly checks: readonly string[] }[] = [
  { item: "rat", checks: ["rat"] },
  { item: "bip", checks: ["bip"] },
  { item: "imei-pairing", checks: ["imei", "imei-pairing"] },
  { item: "test-state-plan", checks: ["test-state-plan"] },
  { item: "apn-per-market", checks: ["apn-per-market", "apn", "data-session"] },
  { item: "eim-reachable", checks: ["eim-configured", "eim-trusted", "dns", "dtls-handshake", "tls-handshake"] },
];

export function checklistOf(findings: readonly Finding[]): readonly FactoryItem[] {
  return items.map(({ item, checks }) => {
    const its = findings.filter(({ check }) => checks.includes(check));
    const said = its.filter(({ level }) => level !== "skip");
    const bad = its.find(({ level }) => level === "fail") ?? its.find(({ level }) => level === "warn");
    // What could not be looked at has not been shown to be well: of several ways to an eIM one may be nothing to it.
    const unseen = its.find(
      ({ level, cause }) =>
        (level === "skip" && cause?.startsWith("needs ") === true) || cause?.startsWith("it could not be looked at") === true,
    );
    const level = bad?.level === "fail" ? "fail" : unseen !== undefined ? "fail" : said.length === 0 ? "skip" : worstOf(said);
    const words = bad ?? unseen ?? said[0] ?? its[0];
    return { item, level, checks, words: words?.cause ?? level };
  });
}

/** Of a question that was asked before: who has not answered by now does not. */
const patienceMs = 200;

export async function factoryOf(
  findings: readonly Finding[],
  { imeiLock, lockFacts, modem, ipa, clock }: DoctorContext,
): Promise<FactoryReport> {
  const lock = await Promise.race([imeiLock().catch(() => undefined), clock.sleep(patienceMs).then(() => undefined)]);
  const imei = modem.status.imei ?? lock?.found?.imei;
  const eid = ipa().eid ?? lock?.found?.eid;
  const iccid = modem.status.iccid ?? ipa().enabledIccid ?? lock?.found?.iccid;
  return {
    ...(imei === undefined ? {} : { imei }),
    ...(eid === undefined ? {} : { eid }),
    ...(iccid === undefined ? {} : { iccid }),
    pairing: lock?.state ?? lockFacts().state,
    checklist: checklistOf(findings),
  };
}
