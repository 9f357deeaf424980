// More vehicles as they are met in the field: each has one cause, told once.
import { describe, expect } from "vitest";
import { broken } from "../../support/broken.ts";
import { bootstrap, fleet, scenario } from "../../support/e2e.ts";

describe("orders and verdicts", () => {
  broken("the eIM has disabled the only profile that was enabled: who it was, and when", {
    installed: [fleet],
    breakIt: async ({ order, poll }) => {
      order({ kind: "euiccPackage", psmos: [{ disable: { iccid: bootstrap.iccid } }] });
      await poll();
    },
    ...{ check: "profile-enabled", cause: /none of the 2 profiles .*: eIM eim\.example\.com disabled 8988298000000000017 at 20/ },
    ...{ mend: /simward profile fallback exec/, silent: ["eim-contact", "pending", "last-package", "last-download", "alarms"] },
  });
  scenario("a policy's alarm is told by the policy, and not once more as an alarm", {
    config: '[lifecycle]\nfirst = "factory_test"\ntest_cap_bytes = 1000\noperational_on = ["ignition"]\n',
    staysBroken: true,
    async run({ agent, until }) {
      const { findings, causes } = await until(
        () => agent.doctor.examine("full"),
        (report) => report.causes.includes("policy"),
      );
      expect((await agent.status()).alarms.map(({ code }) => code)).toContain("POLICY_ALARM");
      expect(findings.find(({ check }) => check === "policy")).toMatchObject({
        level: "warn",
        cause: expect.stringContaining("rule lifecycle"),
      });
      expect(causes).not.toContain("alarms");
    },
  });
  broken("an emergency, and what waits for it: told once", {
    breakIt: async ({ agent, order, poll }) => {
      await agent.setEmergency("test", { active: true });
      order({ kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] });
      await poll();
    },
    ...{ check: "emergency", level: "warn", cause: /emergency is under way/, mend: /simward emergency off/ },
    silent: ["eim-contact", "pending", "alarms", "policy"],
  });
});

describe("the network", () => {
  const refused = (emm: number, cause: RegExp, mend: RegExp): void =>
    broken(`every network refuses with cause ${emm}`, {
      faults: { vehicle: { refuse: `26298:${emm}`, outage: "26299" } },
      offline: true,
      ...{ check: "registration", cause, mend, silent: ["data-session", "dtls-handshake", "apn", "last-download"] },
    });
  scenario("every network refuses with cause 11: by its cause, or by the list of those who refused, and never for want of an antenna", {
    faults: { vehicle: { refuse: "26298:11", outage: "26299" } },
    ...{ offline: true, staysBroken: true },
    async run({ agent, until, clock }) {
      const top = async () => {
        const { causes, findings } = await agent.doctor.examine("full");
        return findings.find(({ check }) => check === causes[0])?.cause ?? "";
      };
      const isSo = (cause: string): boolean => /cause 11 \(this operator|26298 has refused the card before/.test(cause);
      expect(await until(top, isSo)).toBeDefined();
      for (let left = 8; left > 0; left--) {
        await clock.sleep(15_000);
        expect(await top()).not.toMatch(/antenna/);
      }
    },
  });
  refused(15, /cause 15 \(no cell in this tracking area/, /simward net scan/);
  refused(3, /cause 3 \(the network does not accept the subscription/, /have the operator activate/);
  refused(6, /cause 6 \(the network does not accept this module/, /simward imei-lock show/);

  broken("the radio is kept to a technology that is going away", {
    ...{ personality: "quectel-bg95", config: '[radio]\nrats = ["gsm"]\n' },
    ...{ check: "rat", cause: /gsm only, whose networks are being switched off/, mend: /simward modem rat set lte-m/ },
  });
});

describe("the eIM", () => {
  const served = (title: string, faults: object, cause: RegExp, mend: RegExp): void =>
    broken(title, {
      breakIt: async ({ fault, poll }) => {
        await fault({ eim: faults });
        await poll();
      },
      ...{ check: "eim-contact", level: "warn" as const, cause, mend, silent: ["dtls-handshake", "tls-handshake", "data-path"] },
    });
  served("answers 500", { httpStatus: { status: 500, times: 99 } }, /GetEimPackage: 500/, /way to it is well/);
  served(
    "does not know this eUICC",
    { errors: { getEimPackage: { code: 127, times: 99 } } },
    /eIM refused/,
    /simward card info --show-ids/,
  );
  served("answers what is no ESipa", { garbage: { octets: "deadbeef", times: 99 } }, /not of the function's type/, /simward trace esipa/);
  served("shakes hands and answers no request", { silentRequests: 99 }, /did not answer/, /simward eim test/);
});
