// Vehicles kept to a band that no network uses where they are, by each make whose setting is known: doctor says so first; what it says to do, done, mends it.
import { describe } from "vitest";
import type { Rat } from "../../at-drivers/types.ts";
import { broken } from "../support/broken.ts";
import { type Given, scenario } from "../support/e2e.ts";

/** By make: the technology whose bands its setting is of, as the driver and as [radio] names it. */
const makes: Readonly<Record<string, readonly [rat: Rat, name: string]>> = {
  "quectel-bg95": ["lte-m", "lte-m"],
  "quectel-eg25": ["lte", "cat-1bis"],
  "quectel-eg915u": ["lte", "cat-1bis"],
  "simcom-sim7080": ["lte-m", "lte-m"],
  "simcom-a76xx": ["lte", "cat-1bis"],
  "ublox-sara-r5": ["lte-m", "lte-m"],
  "telit-me310": ["lte-m", "lte-m"],
  "nordic-nrf91": ["lte-m", "lte-m"],
};
/** As doctor writes it. */
const mend = "{ lte_m = [3, 8, 20], cat_1bis = [3, 8, 20] }";

describe("kept to a band that no network here uses", () => {
  for (const [personality, [rat, name]] of Object.entries(makes)) {
    const locked: Pick<Given, "personality" | "offline" | "hands"> = {
      ...{ personality, offline: true },
      hands: async (modem) => {
        const { needsReset } = await modem.radio.setBands({ [rat]: [1] });
        if (needsReset) await modem.reset();
      },
    };
    broken(personality, {
      ...locked,
      config: `[radio]\nrats = ["${name}"]\n`,
      ...{ check: "registration", cause: new RegExp(`few bands only: ${name} 1\\b`), silent: ["data-session", "dns"] },
      mend: new RegExp(`set radio\\.bands .*${mend.replace(/[[\]{}]/g, "\\$&")}, then systemctl restart`),
    });
    scenario(`${personality}, and mended`, {
      ...locked,
      config: `[radio]\nrats = ["${name}"]\nbands = ${mend}\n`,
      staysBroken: true,
      run: async ({ agent, until }) =>
        void (await until(
          () => agent.doctor.examine("full"),
          ({ verdict }) => verdict === "pass",
        )),
    });
  }
});
