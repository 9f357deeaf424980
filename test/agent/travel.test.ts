// The whole agent over a border: days in both countries, the eIM told of the new network, the market's APN in use; held back in an emergency.
import { beforeAll, describe, expect, test } from "vitest";
import type { Agent } from "../../agent/ports.ts";
import type { Pki } from "../../hw-sim/pki/pki.ts";
import { FaultBench, pkiOfBenches } from "../support/fault-bench.ts";

let pki: Pki;
beforeAll(() => {
  pki = pkiOfBenches();
});

const config = {
  eim: { poll_interval_seconds: 86_400, online_timeout_seconds: 60 },
  roaming: { border_after_seconds: 120 },
  market: { AT: { apn: [{ name: "iot" }], keeps: ["location"] } },
};

async function vehicle() {
  const bench = new FaultBench({ pki, seed: 1, config });
  const changes: { readonly rPLMN: unknown; readonly cause: unknown }[] = [];
  bench.eim.onEvent(({ type, rPLMN, cause }) => {
    if (type === "stateChange") changes.push({ rPLMN, cause });
  });
  bench.start();
  await bench.until("first poll", () => bench.polls > 0);
  const agent = (): Agent => {
    if (bench.agent === undefined) throw new Error("no agent lives");
    return bench.agent;
  };
  const minutes = async (count: number): Promise<void> => {
    const endMs = bench.clock.monotonicMs() + count * 60_000;
    await bench.until(`${count} minutes`, () => bench.clock.monotonicMs() >= endMs);
  };
  return { bench, changes, agent, minutes };
}

const countries = (agent: Agent) => new Set(agent.travel.roamingHistory().entries.map(({ country }) => country));

describe("over a border", () => {
  test("both countries have their day; the eIM is told with the new network as soon as it counts as crossed; the APN is the market's", async () => {
    const { bench, changes, agent, minutes } = await vehicle();
    await bench.until("the country", () => agent().travel.roaming().country === "DE");
    const before = changes.length;
    bench.world.moveTo("AT");
    await bench.until("a path there", () => agent().travel.roaming().country === "AT" && bench.online);
    expect(agent().travel.market(undefined)).toMatchObject({ country: "DE", beyond: "AT" });
    await minutes(10);
    expect(agent().travel.market(undefined)).toMatchObject({ country: "AT", local: false, apns: ["iot"], keeps: ["location"] });
    expect(changes.slice(before)).toEqual([{ rPLMN: "23298", cause: "undefined" }]);
    expect(countries(agent())).toEqual(new Set(["DE", "AT"]));
    let apn: string | undefined;
    void agent()
      .status()
      .then(({ network, roaming }) => {
        apn = network.apn;
        expect(roaming).toMatchObject({ country: "AT" });
      });
    await bench.until("the status", () => apn !== undefined);
    expect(apn).toBe("iot");
    const { records } = await agent().auditRecords({ last: 1_000 });
    const entered = records.filter(({ event }) => event === "market.entered").map(({ data }) => data);
    expect(entered).toEqual([
      { country: "DE", from: null, plmn: "26298" },
      { country: "AT", from: "DE", plmn: "23298" },
    ]);
    await bench.stop();
  });

  test("in an emergency nobody is asked; days count all the same, and it is made up for afterwards", async () => {
    const { bench, changes, agent, minutes } = await vehicle();
    await bench.until("the country", () => agent().travel.roaming().country === "DE");
    const before = changes.length;
    await agent().setEmergency("operator:1", { active: true, forSeconds: 7_200 });
    bench.world.moveTo("AT");
    await minutes(30);
    expect([agent().travel.market(undefined).country, changes.length]).toEqual(["AT", before]);
    expect(countries(agent())).toContain("AT");
    await agent().setEmergency("operator:1", { active: false });
    await bench.until("the eIM is told", () => changes.length > before);
    expect(changes.at(-1)?.rPLMN).toBe("23298");
    await bench.stop();
  });

  test("what was counted, and the market, are on the disk when the agent has stopped", async () => {
    const { bench, agent } = await vehicle();
    bench.world.moveTo("AT");
    await bench.until("the market", () => agent().travel.market(undefined).country === "AT");
    await bench.stop();
    const kept = await Promise.all(["roaming.0", "roaming.1", "market.0", "market.1"].map((name) => bench.disk.read(`${name}.json`)));
    const text = kept.map((bytes) => new TextDecoder().decode(bytes)).join("");
    expect(text).toContain('"AT":{"');
    expect(text).toContain('"country":"AT"');
  });
});
