// Broken vehicles that a field engineer tried: cards that keep a module waiting, channels that others hold, codes that are refused. doctor names the cause
// first, and nothing that it is not.
import { describe, expect } from "vitest";
import { quirks } from "../../hw-sim/modem/personalities/quirks.ts";
import { personalities } from "../../hw-sim/modem/personalities/table.ts";
import type { Personality } from "../../hw-sim/modem/personality.ts";
import { broken } from "../support/broken.ts";

function withQuirk(name: keyof typeof quirks): Personality {
  const { generic } = personalities;
  if (generic === undefined) throw new Error(name);
  return quirks[name].apply(generic);
}

describe("a card that keeps the module from being used", () => {
  for (const [quirk, words] of [
    ["slow-apdu", /answers AT.*slow to answer/],
    ["sim-busy-long", /answers AT.*it is busy/],
  ] as const)
    broken(`${quirk}: the card is named, and never a module that starts again and again`, {
      personality: withQuirk(quirk),
      offline: true,
      breakIt: async ({ agent, clock, until }) => {
        // A start is told once by each module, and says nothing of its supply.
        for (let left = 9; left > 0; left--) {
          const { summary } = await agent.doctor.examine("fast");
          expect(summary).not.toMatch(/again and again|supply/);
          await clock.sleep(1_500);
        }
        await until(
          () => agent.doctor.examine("fast"),
          ({ summary }) => words.test(summary),
        );
      },
      ...{ check: "module-answers", cause: words, mend: /systemctl restart simwardd/, silent: ["sim", "card-class", "registration"] },
    });
});
