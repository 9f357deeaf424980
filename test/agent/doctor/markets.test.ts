// Vehicles without the profile that their market prefers.
import { describe } from "vitest";
import { broken } from "../../support/broken.ts";
import { fleet, scenario } from "../../support/e2e.ts";

const prefers = (iccid: string, country = "DE"): string => `[market.${country}]\nprefer = [{ iccid = "${iccid}" }]\n`;

describe("the profile that the market prefers", () => {
  broken("is not on the eUICC", {
    config: prefers(fleet.iccid.slice(0, 8)),
    ...{ check: "market-profile", level: "warn", cause: /\[market\.DE\] prefers \(\d+\) is not on the eUICC/, mend: /simward eim poll/ },
  });
  broken("is there, and the eIM has not enabled it", {
    ...{ config: prefers(fleet.iccid), installed: [fleet] },
    ...{
      check: "market-profile",
      level: "warn",
      cause: /is on the eUICC and not enabled: that is the eIM's/,
      mend: /have the eIM enable it/,
    },
  });
  scenario("is enabled, or is another country's: nothing is wrong, and the other country is named", {
    config: prefers("8988") + prefers("899053", "TR"),
    async run({ agent, until }) {
      const finding = async () => (await agent.doctor.examine("full")).findings.find(({ check }) => check === "market-profile");
      await until(finding, (one) => one?.level === "pass" && /for TR none is on the eUICC yet/.test(one.cause ?? ""));
    },
  });
});
