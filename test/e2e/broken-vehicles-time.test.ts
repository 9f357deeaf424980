// Vehicles whose clock is wrong: one that an NTP daemon vouches for and the mobile network contradicts, and one that nobody has told the time; put right,
// nothing is wrong any more.
import { expect } from "vitest";
import { broken } from "../support/broken.ts";
import { scenario, type World } from "../support/e2e.ts";

const yearMs = 365 * 86_400_000;
const clockOf = async ({ agent }: World) => (await agent.doctor.examine("full")).findings.find(({ check }) => check === "clock");

for (const [title, byMs] of [
  ["three years ahead", 3 * yearMs],
  ["a month behind", -yearMs / 12],
] as const)
  broken(`synchronised, and ${title} of what the network says`, {
    breakIt: async (world) => {
      const { clock } = world;
      expect(await clockOf(world)).toMatchObject({ level: "pass" });
      clock.setWall({ ms: clock.wall().ms + byMs, source: "network" });
    },
    ...{ check: "clock", cause: /an NTP daemon vouches for it.*the mobile network says 2026-06-01/, mend: /timedatectl timesync-status/ },
  });

scenario("put right: nothing is wrong", {
  async run({ clock, agent, until }) {
    clock.setWall({ ms: clock.wall().ms + yearMs });
    expect((await agent.doctor.examine("full")).causes[0]).toBe("clock");
    clock.setWall({ ms: clock.wall().ms - yearMs });
    await until(
      () => agent.doctor.examine("full"),
      ({ verdict }) => verdict === "pass",
    );
  },
});

scenario("1970, and nobody tells the time; then the time is told", {
  async run({ clock, agent, until }) {
    const { ms } = clock.wall();
    clock.setWall({ ms: 12_000, source: "none" });
    const { causes, summary } = await agent.doctor.examine("full");
    expect(causes[0], summary).toBe("clock");
    expect(summary).toMatch(/1970|the mobile network says/);
    clock.setWall({ ms, source: "network" });
    await until(
      () => agent.doctor.examine("full"),
      ({ verdict }) => verdict === "pass",
    );
  },
});
