// Broken vehicles, further: credentials of an APN, bands that are not here, modules without identity or channels, certificates that end or have no CI in
// common, an antenna that comes off on the way; and those that only seem broken, of which doctor says nothing.
import { describe, expect } from "vitest";
import { VirtualClock } from "../../base/clock.ts";
import { quirks } from "../../hw-sim/modem/personalities/quirks.ts";
import { personalities } from "../../hw-sim/modem/personalities/table.ts";
import type { Personality } from "../../hw-sim/modem/personality.ts";
import { defaultWorld, type WorldData } from "../../hw-sim/network/data.ts";
import { createPki, type Identity, type Pki } from "../../hw-sim/pki/pki.ts";
import { broken } from "../support/broken.ts";
import { fleet, type Given, pki, scenario } from "../support/e2e.ts";

const dayMs = 86_400_000;
/** As this PKI, but for some of its certificates. */
const pkiWith = (base: Pki, others: Readonly<Record<string, Identity>>): Pki => ({
  ...base,
  get: (name) => others[name] ?? base.get(name),
});

function made(id: string): Personality {
  const personality = personalities[id];
  if (personality === undefined) throw new Error(id);
  return personality;
}

describe("the APN's credentials", () => {
  const world: WorldData = {
    ...defaultWorld,
    subscriptions: defaultWorld.subscriptions.map((one) => ({ ...one, credentials: { user: "fleet", password: "right" } })),
  };
  const wrong = (title: string, given: Pick<Given, "apns" | "credentials">): void =>
    broken(title, {
      ...{ ...given, world, offline: true },
      breakIt: async ({ agent, clock, until, status }) => {
        // From the first refusal to long after the first attempt was given up: never another cause, such as flight mode or the antenna.
        await until(
          () => agent.doctor.examine("full"),
          ({ causes }) => causes[0] === "apn",
        );
        for (let left = 8; left > 0; left--) {
          await clock.sleep(10_000);
          const { causes, summary } = await agent.doctor.examine("full");
          expect(causes[0], summary).toBe("apn");
        }
        expect((await status()).network.address).toBeUndefined();
      },
      ...{ check: "apn", cause: /user or password of the APN \(ESM cause 29\)/, mend: /auth, user and password_credential/ },
      silent: ["registration", "data-session", "dns"],
    });
  wrong("none are given", {});
  wrong("the password is another one", {
    apns: '[[apn]]\nname = "bootstrap.iot"\nauth = "chap"\nuser = "fleet"\npassword_credential = "pw"\n',
    credentials: { pw: "wrong" },
  });
  scenario("what doctor says to do mends it", {
    world,
    apns: '[[apn]]\nname = "bootstrap.iot"\nauth = "chap"\nuser = "fleet"\npassword_credential = "pw"\n',
    credentials: { pw: "right" },
    staysBroken: true,
    run: async ({ agent }) => expect(await agent.doctor.examine("full")).toMatchObject({ verdict: "pass" }),
  });
});

describe("the module", () => {
  broken("an IMEI of zeros", {
    ...{ imei: "000000000000000", check: "imei", cause: /no IMEI of its own/, mend: /module's maker write it anew/ },
  });
  broken("an IMEI with a wrong check digit", {
    ...{ imei: "356938035643808", check: "imei", level: "warn", cause: /not its check digit/, mend: /simward imei-lock show/ },
  });
  broken("firmware without access to the card's channels", {
    personality: quirks["no-logical-channels"].apply(made("nordic-nrf91")),
    offline: true,
    ...{ check: "card-class", cause: /cannot be managed through this module/, mend: /update the module's firmware.*\+CCHO/ },
  });
  broken("a make that has no access to them at all", {
    ...{ personality: "quectel-bg96", offline: true },
    ...{ check: "card-class", cause: /cannot be managed through this module/, mend: /another module/ },
  });
  broken("kept to a band that no network here uses", {
    personality: "quectel-bg95",
    config: '[radio]\nrats = ["lte-m"]\nbands = { lte_m = [1] }\n',
    offline: true,
    ...{ check: "registration", cause: /few bands only: lte-m 1/, mend: /set radio\.bands/, silent: ["data-session", "dns"] },
  });
  scenario("kept to bands of the networks here: nothing is wrong", {
    personality: "quectel-bg95",
    config: '[radio]\nrats = ["lte-m"]\nbands = { lte_m = [3, 8, 20] }\n',
    staysBroken: true,
    run: async ({ agent, until }) => {
      const report = await until(
        () => agent.doctor.examine("full"),
        ({ verdict }) => verdict === "pass",
      );
      expect(report.summary).toBe("Nothing is wrong.");
    },
  });
  broken("the antenna comes off on the way", {
    breakIt: ({ fault }) => fault({ vehicle: { signal: "26298:-139", outage: "26299" } }),
    ...{ check: "signal", cause: /RSRP -139 dBm/, mend: /antenna/ },
  });
});

describe("certificates", () => {
  const base = createPki({ clock: new VirtualClock() });
  const ending = base.issue("eimtls", { notAfterMs: new VirtualClock().now() + 10 * dayMs });
  broken("the eIM's ends in ten days", {
    pki: pkiWith(base, { eimtls: ending }),
    ...{ check: "dtls-handshake", level: "warn", cause: /is valid until \d{4}-\d\d-\d\d only/, mend: /eIM's operator renew it/ },
  });
  broken("the eUICC's are of a CI that the SM-DP+ has nothing to do with", {
    pki: pkiWith(pki, Object.fromEntries((["euicc", "eum"] as const).map((name) => [name, base.get(name)]))),
    direct: true,
    breakIt: async ({ download, poll }) => {
      download(fleet);
      await poll();
    },
    ...{ check: "last-download", level: "warn", cause: /no CI in common/, mend: /simward card certs/ },
  });
  broken("the SM-DP+'s has expired, in a direct download", {
    direct: true,
    breakIt: async ({ download, poll, fault }) => {
      await fault({ smdp: { certificates: "expired" } });
      download(fleet);
      await poll();
    },
    ...{ check: "last-download", level: "warn", cause: /certificate of the SM-DP\+ is not accepted/, mend: /date -u/ },
  });
});

describe("what only seems broken", () => {
  const well = (title: string, given: Omit<Given, "run">, before: (world: Parameters<Given["run"]>[0]) => Promise<unknown>): void =>
    scenario(title, {
      ...given,
      staysBroken: true,
      async run(world) {
        await before(world);
        const { summary, findings } = await world.agent.doctor.examine("full");
        expect(
          findings.filter(({ level }) => level === "warn" || level === "fail"),
          summary,
        ).toEqual([]);
      },
    });
  well("a clock three minutes ahead", {}, async ({ clock }) => clock.setWall({ ms: clock.wall().ms + 180_000, source: "network" }));
  well("a NAT that forgets everything between two polls", {}, async ({ vehicle, poll, clock }) => {
    for (let left = 3; left > 0; left--) {
      vehicle.gate.rebind();
      expect((await poll()).code).toBeUndefined();
      await clock.sleep(45_000);
    }
    vehicle.gate.rebind();
  });
  /** Modules that come with NB-IoT allowed: that is told, and is no matter of their health. */
  const withNbIot = ["simcom-sim7080", "ublox-sara-r4"];
  for (const id of Object.keys(personalities))
    if (!withNbIot.includes(id) && id !== "quectel-bg96") well(`a ${id} with nothing wrong`, { personality: id }, async () => undefined);
  for (const id of withNbIot)
    broken(`a ${id} as it comes`, {
      personality: id,
      ...{ check: "rat", level: "warn", cause: /NB-IoT has no handover/, mend: /set radio\.rats = \["lte-m"\], then systemctl restart/ },
    });
});
