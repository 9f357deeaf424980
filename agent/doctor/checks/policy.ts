// Checks of what the fleet wants: emergency, the policies' verdict, the stage of the vehicle's life, roaming days, and whatever else has raised an alarm.
import { type Check, fail, pass, skip, warn } from "../check.ts";
import type { DoctorContext } from "../context.ts";

/** Alarms that a check of their own tells of, when it does not say that all is well. */
const toldBy: readonly (readonly [code: RegExp, checks: readonly string[]])[] = [
  [/^APN_FAILED$/, ["apn"]],
  [/^RADIO_/, ["rat"]],
  [/^PATH_DEAD$/, ["data-path", "data-session"]],
  [/^(NETD_|NET_INTERFACE|FIREWALL_)/, ["netd"]],
  [/^TUNNEL_/, ["tunnel", "credentials", "netd"]],
  [/^(CARD_|APDU_|ES10_)/, ["card-class", "sim"]],
  [/^EIM_/, ["eim-configured", "eim-trusted", "eim-contact"]],
  [/^AUDIT_BROKEN$/, ["audit-trail"]],
  [/^(STATE_CORRUPT|\w+_LOST|CONSUMER_MEMORY)$/, ["state-files"]],
  [/^(AUDIT_WRITE|DISK_|STATE_)/, ["disk"]],
  [/^KEY/, ["keys"]],
  [/^IMEI_LOCK/, ["imei-pairing"]],
  [/^CONFIG_/, ["config"]],
  [/^MODEM_OWN_LPA$/, ["own-lpa"]],
  [/^(AT_|MODEM_|PORT_)/, ["module-answers", "sim", "module-port", "port-permission", "port-contention"]],
  [/^POLICY_ALARM$/, ["policy", "lifecycle", "usage"]],
  [/^EMERGENCY/, ["emergency"]],
  [/^LIFECYCLE_/, ["lifecycle"]],
  [/^(TLS_|DTLS_|COAP_|HTTP_|ESIPA_)/, ["eim-contact", "dtls-handshake", "tls-handshake"]],
];

/** The check that sees what a rule goes by. */
const seenBy: readonly (readonly [rule: RegExp, checks: readonly string[]])[] = [
  [/^lifecycle/, ["lifecycle"]],
  [/^usage/, ["usage"]],
  [/^tunnel/, ["tunnel", "credentials", "netd"]],
  [/^imei/, ["imei-pairing"]],
  [/^(roaming|market)/, ["roaming-days"]],
];

const reasonsOf = (rule = ""): readonly string[] => seenBy.find(([pattern]) => pattern.test(rule))?.[1] ?? [];

export const policyChecks: readonly Check<DoctorContext>[] = [
  {
    name: "emergency",
    section: "policy",
    about: "Whether an emergency is under way: while one is, nothing is reset, switched, downloaded or polled for.",
    reach: "nothing",
    run: async ({ status }) => {
      const { emergency } = await status();
      if (emergency === undefined) return pass();
      const left = emergency.remainingMs === undefined ? "" : `, for ${Math.round(emergency.remainingMs / 1_000)} s more`;
      return warn(
        `an emergency is under way (${emergency.sources.join(", ")}${left}): all else waits`,
        "simward emergency status; where it is over: simward emergency off",
        { data: { sources: emergency.sources } },
      );
    },
  },
  {
    name: "lifecycle",
    section: "policy",
    about:
      "Which stage of its life the vehicle is in, what it has used of a cap, and whether a retirement is unfinished: shipping, suspended and retired vehicles have no traffic.",
    reach: "nothing",
    run: async ({ lifecycle }) => {
      const { stage, since, usedBytes, capBytes, wipe, reason, cause } = await lifecycle();
      const data = { stage, since, ...(usedBytes === undefined ? {} : { usedBytes }), ...(capBytes === undefined ? {} : { capBytes }) };
      const how = `${stage} since ${since} (${cause}${reason === "" ? "" : `: ${reason}`})`;
      if (wipe !== undefined && wipe.phase !== "done")
        return warn(
          `${wipe.kind === "retire" ? "retirement" : "transfer"} is at ${wipe.phase}; ${wipe.left.length} profiles are not as they must be`,
          "simward lifecycle status; simward eim poll",
          { data },
        );
      if (stage === "retired") return warn(how, "nothing: a retired vehicle has no network; simward lifecycle status", { data });
      if (stage === "suspended") return warn(how, "simward lifecycle set operational --reason WHY, where the fleet wants that", { data });
      if (capBytes !== undefined && usedBytes !== undefined && usedBytes >= capBytes)
        return fail(
          `the cap of ${stage} is used up: ${usedBytes} of ${capBytes} octets`,
          "simward lifecycle set shipping --reason WHY, or operational; or raise lifecycle.test_cap_bytes and systemctl restart simwardd",
          { data },
        );
      if (capBytes !== undefined && usedBytes !== undefined && usedBytes >= capBytes * 0.8)
        return warn(`the cap of ${stage} is nearly used up: ${usedBytes} of ${capBytes} octets`, "simward lifecycle status", { data });
      return pass(how, data);
    },
  },
  {
    name: "usage",
    section: "policy",
    about: "How much of its data cap the vehicle has used, and whether it is slowed or blocked for it.",
    reach: "nothing",
    run: async ({ status }) => {
      const { usage } = await status();
      if (usage?.limitBytes === undefined) return skip("no cap holds");
      const { usedBytes, limitBytes, state, words } = usage;
      const said = `${usedBytes} of ${limitBytes} octets ${words}`;
      const data = { usedBytes, limitBytes, state };
      const mend = "simward usage show; simward usage limit AMOUNT --reason WHY, where the fleet allows more";
      if (limitBytes === 0 && (state === "block" || state === "throttle"))
        return fail(
          `management (eIM, SM-DP+) alone has used up the data cap, and nothing of it is left for the fleet: ${said}`,
          "simward usage show; simward usage limit AMOUNT --reason WHY; a cap in [policy.usage] must be larger than reserve_bytes and what management uses",
          { data },
        );
      if (state === "block") return fail(`the data cap is used up, and the fleet's traffic is blocked: ${said}`, mend, { data });
      if (state === "throttle") return warn(`the data cap is reached, and the fleet's traffic is slowed: ${said}`, mend, { data });
      return state === "warn" ? warn(`the data cap is nearly used up: ${said}`, mend, { data }) : pass(said, data);
    },
  },
  {
    name: "fallback",
    section: "policy",
    about: "Whether the vehicle is on its fallback profile, since its own found no network.",
    reach: "nothing",
    run: async ({ status }) => {
      const { fallback } = await status();
      if (fallback === undefined) return pass();
      const next = fallback.nextInMs === undefined ? "" : `; the next attempt to return in ${Math.round(fallback.nextInMs / 60_000)} min`;
      return warn(
        `the vehicle is on its fallback profile (${fallback.phase}, ${fallback.failedReturns} returns failed${next})`,
        "simward profile list; simward profile fallback return",
        {
          data: { phase: fallback.phase, failedReturns: fallback.failedReturns },
        },
      );
    },
  },
  {
    name: "policy",
    section: "policy",
    about: "What the policies say of the fleet's own traffic now, by the rule that says it.",
    reach: "nothing",
    run: ({ policy }) => {
      const { data: verdict, held } = policy();
      if (verdict.kind === "allow")
        return pass(held ? "the rules' verdict waits for the end of an emergency" : "the fleet's traffic is allowed");
      const until = verdict.retryAt === undefined ? "" : `, until ${verdict.retryAt}`;
      const words = `rule ${verdict.rule ?? "?"} ${verdict.kind === "warn" ? "warns" : verdict.kind === "throttle" ? "throttles" : "refuses"} the fleet's traffic: ${verdict.reason ?? ""}${until}`;
      const more = {
        data: { kind: verdict.kind, rule: verdict.rule ?? "" },
        becauseOf: reasonsOf(verdict.rule),
      };
      const mend = /nothing here counts/.test(verdict.reason ?? "")
        ? 'set net.mode to "ecm", "ppp" or "auto" and start simward-netd (systemctl enable --now simward-netd.socket; docs/netd.md), then systemctl restart simwardd; or remove the cap; simward policy explain'
        : "simward policy explain";
      return verdict.kind === "refuse" ? fail(words, mend, more) : warn(words, mend, more);
    },
  },
  {
    name: "roaming-days",
    section: "policy",
    about: "How many days are left before a rule of permanent roaming is broken where the vehicle is, and by which rule.",
    reach: "nothing",
    run: ({ roaming }) => {
      const { standings, country, local } = roaming();
      if (country === undefined) return skip("the country is not known yet");
      const [worst] = standings;
      if (worst === undefined) return pass(local ? `${country}, at home` : `${country}: no rule counts`);
      const data = { country, rule: worst.rule, used: worst.used, ...(worst.daysLeft === undefined ? {} : { daysLeft: worst.daysLeft }) };
      const mend = "simward roaming status; simward policy market show; change to a local profile: simward eim poll";
      if (worst.level === "breach") return fail(worst.words, mend, { data });
      if (worst.level === "act" || worst.level === "warn") return warn(worst.words, mend, { data });
      return pass(worst.words, data);
    },
  },
  {
    name: "alarms",
    section: "policy",
    about: "Whether any other part of the daemon has raised an alarm.",
    reach: "nothing",
    isLast: true,
    run: async ({ status, findings }) => {
      const bad = new Set(findings.flatMap(({ check, level }) => (level === "warn" || level === "fail" ? [check] : [])));
      const isTold = (code: string): boolean =>
        toldBy.some(([pattern, checks]) => pattern.test(code) && checks.some((name) => bad.has(name)));
      const others = (await status()).alarms.filter(({ code }) => !isTold(code));
      const [first] = others;
      if (first === undefined) return pass();
      return warn(others.map(({ code, message }) => `${code}: ${message}`).join("; "), first.next, {
        data: { codes: others.map(({ code }) => code) },
      });
    },
  },
];
