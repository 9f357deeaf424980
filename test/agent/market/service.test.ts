// A vehicle that comes to another country: told once, given its profile where that is its own affair, held back in an emergency and by what is forbidden.
import { describe, expect, it } from "vitest";
import type { AuditEvent } from "../../../agent/audit/types.ts";
import { parseConfig } from "../../../agent/config/load.ts";
import { marketOf } from "../../../agent/market/markets.ts";
import { type MarketHands, openMarkets } from "../../../agent/market/service.ts";
import { swapPolicyOf } from "../../../agent/market/swap.ts";
import type { MarketFacts } from "../../../agent/policy/types.ts";
import { VirtualClock } from "../../../base/clock.ts";
import type { Disk } from "../../../base/disk.ts";
import { SimwardError } from "../../../base/errors.ts";
import { faultDisk } from "../../../base/fault-disk.ts";
import { silentLog } from "../../../base/log.ts";
import { seededRandom } from "../../../base/random.ts";
import type { EmergencySource } from "../../../ipa/ports.ts";
import type { LocalProfile } from "../../../ipa/procedures/local-es10c.ts";

const minuteMs = 60_000;
const { market: markets } = parseConfig(`
  [modem]
  address = "pty:/x"
  [market.TR]
  prefer = [{ iccid = "899053" }]
  operators = ["28601"]
  [market.CN]
  prefer = [{ iccid = "898600" }]
  swap = "allow_list"
  allow = ["8986001"]
`);

const home = "8949010000000000001";
const turkish = "8990530000000000002";
const chinese = "8986000000000000003";

interface BenchOptions {
  readonly disk?: Disk;
  readonly eims?: readonly string[];
  /** Of ES10c.EnableProfile and what follows. */
  readonly enable?: (iccid: string) => Error | undefined;
}

/** A card that does as it is told; what stands before it is what is tested. */
async function bench({ disk = faultDisk(seededRandom(1)), eims = [], enable = () => undefined }: BenchOptions = {}) {
  const clock = new VirtualClock();
  const audited: AuditEvent[] = [];
  const told: MarketFacts[] = [];
  const asked: string[] = [];
  const left: string[] = [];
  let enabled = home;
  let sources: readonly EmergencySource[] = [];
  const profiles = (): readonly LocalProfile[] =>
    [home, turkish, chinese].map((iccid) => ({
      ...{ iccid, enabled: iccid === enabled, profileClass: "operational" },
      ...{ isdpAid: undefined, nickname: undefined, profileName: undefined, serviceProviderName: undefined },
    }));
  const service = await openMarkets({
    ...{ markets, disk, clock, log: silentLog, publish: () => undefined, limits: { afterMs: 5 * minuteMs, registrations: 10 } },
    emergency: {
      get sources() {
        return sources;
      },
      onChange: () => () => undefined,
    },
    audit: async (event) => void audited.push(event),
    tell(facts) {
      told.push(facts);
      // As the rule `market` does.
      service.apply(facts.country, "test");
    },
  });
  const hands: MarketHands = {
    local: {
      profiles: async () => profiles(),
      async enable(iccid) {
        asked.push(iccid);
        const error = enable(iccid);
        if (error !== undefined) throw error;
        enabled = iccid;
        const [profile] = profiles().filter((one) => one.iccid === iccid);
        if (profile === undefined) throw new Error(iccid);
        return { profile, outcome: "online" };
      },
    },
    eims: () => eims,
    swap: (country) => swapPolicyOf(country, marketOf(markets, country), []),
    leaveOperator: (reason) => void left.push(reason),
    changed: async () => undefined,
    signal: new AbortController().signal,
  };
  service.start(hands);
  const be = async (country: string, plmn: string, minutes = 0) => {
    await service.see({ country, registered: true, dataSession: true, plmn });
    await clock.advance(minutes * minuteMs);
  };
  return {
    ...{ clock, service, audited, told, asked, left, be },
    emergency: (now: readonly EmergencySource[]) => {
      sources = now;
    },
    events: () => audited.map(({ event }) => event),
  };
}

const offline = () => new SimwardError("PROFILE_NOT_ONLINE", { detail: "the former profile is enabled again" });

describe("coming to Turkey", () => {
  it("enables the profile preferred there once the border counts as crossed, and says so once", async () => {
    const { be, asked, service, told, events } = await bench();
    await be("DE", "26201", 60);
    await be("TR", "28601", 4);
    expect([asked, service.now.beyond]).toEqual([[], "TR"]);
    await be("TR", "28601", 2);
    expect(asked).toEqual([turkish]);
    expect(told).toEqual([{ country: "DE" }, { country: "TR", enteredFrom: "DE" }]);
    expect(service.now).toMatchObject({ country: "TR", outcome: "enabled", iccid: turkish });
    expect(events()).toEqual(["market.entered", "market.entered", "market.profileAsked", "market.applied"]);
  });

  it("is noticed without another event from the network", async () => {
    const { be, service } = await bench();
    await be("DE", "26201", 60);
    await be("TR", "28601", 6);
    expect(service.now.country).toBe("TR");
  });

  it("leaves an eUICC with an eIM alone: the profile is the eIM's", async () => {
    const { be, asked, service } = await bench({ eims: ["eim1"] });
    await be("TR", "28601", 6);
    expect([asked, service.now.outcome]).toEqual([[], "the eIM's to enable"]);
  });

  it("waits for the end of an emergency", async () => {
    const { be, asked, clock, emergency } = await bench();
    emergency(["call"]);
    await be("TR", "28601", 60);
    expect(asked).toEqual([]);
    emergency([]);
    await clock.advance(2 * minuteMs);
    expect(asked).toEqual([turkish]);
  });

  it("tries again when the card had no time, and not when there was no network, not after a restart either", async () => {
    const disk = faultDisk(seededRandom(1));
    let failure: Error | undefined = new SimwardError("BUSY", { detail: "the card" });
    const first = await bench({ disk, enable: () => failure });
    await first.be("TR", "28601", 0.5);
    failure = offline();
    await first.clock.advance(10 * minuteMs);
    expect(first.asked).toEqual([turkish, turkish]);
    expect(first.service.now.outcome).toBe("failed");
    await first.service.stop();
    const second = await bench({ disk });
    await second.be("TR", "28601", 60);
    expect([second.asked, second.service.now.outcome]).toEqual([[], "failed"]);
  });

  it("goes on from the market known before a restart, without telling of a border", async () => {
    const disk = faultDisk(seededRandom(1));
    await (await bench({ disk })).be("TR", "28601");
    const second = await bench({ disk });
    await second.be("TR", "28601", 6);
    expect(second.told).toEqual([{ country: "TR" }]);
    expect(second.events()).not.toContain("market.entered");
  });

  it("is over when the vehicle has left before there was time: the profile of a country it is not in is not enabled", async () => {
    let failure: Error | undefined = new SimwardError("BUSY", { detail: "the card" });
    const { be, clock, asked } = await bench({ enable: () => failure });
    await be("TR", "28601", 0.5);
    await be("DE", "26201", 6);
    const before = asked.length;
    failure = undefined;
    await clock.advance(60 * minuteMs);
    expect(asked.length).toBe(before);
  });
});

it("what the allow-list of a country lacks is not enabled there", async () => {
  const { be, asked, service } = await bench();
  await be("CN", "46000", 1);
  expect([asked, service.now.outcome]).toEqual([[], "not allowed"]);
});

it("an operator that is not one of those named is left, and not again for an hour: the vehicle does not go dark for a list", async () => {
  const { be, left } = await bench();
  await be("TR", "28602", 1);
  await be("TR", "28602", 30);
  expect(left).toEqual(["operator 28602 is not one of those for TR"]);
  await be("TR", "28602", 30);
  await be("TR", "28602", 1);
  expect(left).toHaveLength(2);
  await be("TR", "28601", 120);
  await be("TR", "28601", 1);
  expect(left).toHaveLength(2);
});
