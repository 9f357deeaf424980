// Broken vehicles that a field engineer tried: cards that keep a module waiting, channels that others hold, codes that are refused. doctor names the cause
// first, and nothing that it is not.
import { describe, expect } from "vitest";
import { createOutput } from "../../agent/cli/output.ts";
import { renderStatus } from "../../agent/cli/verbs/status.ts";
import { quirks } from "../../hw-sim/modem/personalities/quirks.ts";
import { personalities } from "../../hw-sim/modem/personalities/table.ts";
import type { Personality } from "../../hw-sim/modem/personality.ts";
import { broken } from "../support/broken.ts";
import { bootstrap, fleet, type Given, scenario, type World } from "../support/e2e.ts";

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

describe("a card that answers, and not as one that works", () => {
  const es10 = [0xbf22, 0xbf20, 0xbf2d, 0xbf55, 0xbf3e];
  broken("6F00 to everything", {
    offline: true,
    faults: { euicc: { statusWords: Object.fromEntries(es10.map((tag) => [tag, 0x6f00])) } },
    ...{ check: "card-class", cause: /could not be read.*SW 6F00/, mend: /simward modem reset.*power off and on.*simward trace apdu/ },
  });
  broken("6F00 once the daemon knows it: not called well, and the mend is the card's", {
    breakIt: ({ fault }) => fault({ euicc: { statusWords: { 48928: 0x6f00, 48981: 0x6f00 } } }),
    ...{ check: "euicc-certificates", cause: /SW 6F00/, mend: /simward modem reset/ },
  });
});

describe("the radio by somebody else's hand", () => {
  broken("switched off with the card: what asks the card stands behind it", {
    breakIt: ({ modem }) => modem.setFunction(0),
    ...{ check: "module-radio", cause: /switched off \(\+CFUN: 0\)/, mend: /simward modem reset.*power off and on/ },
    silent: ["euicc-certificates", "eim-configured", "registration"],
  });
});

describe("an operator chosen by somebody else's hand", () => {
  broken("told to leave the network", {
    breakIt: ({ modem }) => modem.raw("AT+COPS=2", { timeoutMs: 180_000 }),
    ...{ check: "registration", cause: /look for none \(\+COPS: 2\)/, mend: /simward modem at AT\+COPS=0/, silent: ["data-session"] },
  });
});

broken("a profile without coverage was enabled, and there is no way back: the profile is named before the antenna", {
  installed: [fleet],
  breakIt: async ({ fault, enable, poll }) => {
    await fault({ vehicle: { "no-coverage": fleet.iccid } });
    enable(fleet);
    await poll();
  },
  ...{
    check: "registration",
    cause: /since the profile 8949299000000000026 was enabled/,
    mend: /fallback exec, or simward package load FILE/,
  },
});

describe("what status says of the card", () => {
  for (const [state, words] of [
    ["absent", /^Card +not in its slot/m],
    ["puk", /^Card +blocked: wants its PUK/m],
    ["pin", /^Card +wants its PIN/m],
  ] as const)
    scenario(`${state}: on the first line, and not only that there is no network`, {
      staysBroken: true,
      async run({ fault, until, status }) {
        await fault({ vehicle: { sim: state } });
        const report = await until(status, ({ network }) => network.sim === state);
        const out = createOutput({ json: false, showIds: false, color: false, width: 200, stdout: () => {}, stderr: () => {} });
        expect(renderStatus(report, out)).toMatch(words);
      },
    });
});

describe("packages that the eUICC never saw", () => {
  const last = (
    title: string,
    cause: RegExp,
    mend: RegExp,
    given: Pick<Given, "config">,
    breakIt: (world: World) => Promise<unknown>,
  ): void => broken(title, { ...given, breakIt, check: "last-package", level: "warn", cause, mend });
  last(
    "a policy refused it",
    /policy of the fleet \(no_way_back\) refused the last package/,
    /rollback flag.*policy\.no_way_back/,
    { config: '[policy]\nno_way_back = "refuse"\n' },
    async ({ order, poll }) => {
      order({ kind: "euiccPackage", psmos: [{ disable: { iccid: bootstrap.iccid } }] });
      await poll();
    },
  );
  last("it is none", /is no package of SGP\.32/, /simward trace esipa/, {}, async ({ fault, poll, clock }) => {
    await fault({ eim: { garbage: { octets: "3c68746d6c3e", times: 1 } } });
    await poll();
    await clock.sleep(1_000);
    await poll();
  });
});

broken("the last eIM has deleted itself: that was carried out, and nobody is left to ask", {
  breakIt: async ({ order, poll }) => {
    order({ kind: "euiccPackage", ecos: [{ deleteEim: { eimId: "eim.example.com" } }] });
    await poll();
  },
  ...{ check: "eim-configured", cause: /knows no eIM/, mend: /simward eim add-initial/, silent: ["last-package"] },
});

describe("settings that are nobody's", () => {
  broken("[[eim.peer]] of an eIM that the eUICC does not know", {
    config: '[[eim.peer]]\neim_id = "eim.exmaple.com"\naddress = "eim.example.com:5684"\n',
    ...{ check: "eim-configured", level: "warn", cause: /eim\.exmaple\.com, and the eUICC knows eim\.example\.com/ },
    mend: /correct eim_id to eim\.example\.com/,
  });
  broken("a cap, and nothing that counts", {
    config: "[[policy.usage.cap]]\nbytes = 1000\n",
    ...{ check: "policy", level: "warn", cause: /nothing here counts the traffic/, mend: /net\.mode.*simward-netd\.socket/ },
  });
});
