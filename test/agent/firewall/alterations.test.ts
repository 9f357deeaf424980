// The firewall's table against other programs: restored at once by simward-netd itself, without the daemon's look; a fight for it costs little; monitors that
// are killed come back, and none outlives simward-netd. test/long has two hundred alterations.
import { afterEach, expect, test } from "vitest";
import { SystemClock } from "../../../base/clock.ts";
import { alterAtRandom, cpuSeconds, fight, openDescriptors, processesOf, startRefused } from "./alterations.ts";
import { allow, refuse, throttle } from "./policy-stub.ts";
import { canFilter, far, leftOut, port } from "./vehicle.ts";

type Started = Awaited<ReturnType<typeof startRefused>>;
let one: Started | undefined;

afterEach(async () => {
  await one?.end();
  one = undefined;
});

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const clock = new SystemClock();
  const endMs = clock.monotonicMs() + 20_000;
  while (!(await isSo())) {
    if (clock.monotonicMs() > endMs) throw new Error("it did not become so");
    await clock.sleep(10);
  }
}

test.skipIf(!canFilter)(
  `40 foreign alterations while the fleet is refused: each is undone and told${leftOut}`,
  { timeout: 300_000 },
  async () => {
    const seen = await alterAtRandom(40, 7_177);
    process.stdout.write(`${JSON.stringify(seen)}\n`);
    expect(seen).toMatchObject({ incidents: 40, missed: 0, times: 40, notRestored: 0, alarm: "FIREWALL_ALTERED" });
    expect(seen).toMatchObject({ managementLost: 0, leakedBetween: 0 });
    // Of what was tried, hardly anything came out: without the monitor it is all of it.
    expect(seen.leakedInAll).toBeLessThan(seen.tried / 3);
  },
);

test.skipIf(!canFilter)(`the monitor is killed, then simward-netd: both watch again, and no monitor is left over${leftOut}`, async () => {
  one = await startRefused();
  const { vehicle, rules } = one;
  const { namespace } = vehicle.bench;
  const healthy = rules();
  const monitors = (): readonly number[] => processesOf(namespace, "nft -n monitor");
  await until(() => monitors().length === 1);
  const [first = 0] = monitors();
  process.kill(first, "SIGKILL");
  vehicle.run("nft", "flush", "ruleset");
  await until(() => rules() === healthy);
  await until(() => monitors().length === 1 && !monitors().includes(first));
  await vehicle.killNetd();
  await vehicle.startNetd();
  // The daemon looks when the connection ends, and is asked again.
  await until(() => monitors().length === 1);
  vehicle.run("nft", "delete", "table", "inet", "simward");
  await until(() => rules() === healthy);
  await one.policy.firewall.stop();
});

test.skipIf(!canFilter)(
  `what management asks while the table is away is answered once it is back, what the fleet asks is not${leftOut}`,
  async () => {
    one = await startRefused();
    const { vehicle, policy, rules, fleet, management, ecu, core } = one;
    const healthy = rules();
    await core.do("hold");
    const askers = [fleet, ecu, management];
    const answers: Promise<unknown>[] = [];
    vehicle.pauseNetd();
    try {
      vehicle.run("nft", "delete", "table", "inet", "simward");
      for (const host of [far.v4, far.v6])
        for (const peer of askers) {
          answers.push(peer.ask(host, "held", { waitMs: 20_000 }));
          expect(await peer.do("connect", { id: host, host, port })).toBe("connected");
          answers.push(peer.do("talk", { id: host, waitMs: 20_000 }));
        }
      await until(async () => (await core.do("held")) === answers.length);
    } finally {
      vehicle.resumeNetd();
    }
    await until(() => rules() === healthy);
    await core.do("release");
    const isManagements = (at: number): boolean => Math.floor(at / 2) % askers.length === askers.indexOf(management);
    expect(await Promise.all(answers.filter((_, at) => isManagements(at)))).toEqual(Array(4).fill("answered"));
    // What was answered at the same time has had as long, and half a second more.
    const late = vehicle.clock.sleep(500).then(() => "nothing");
    expect(await Promise.all(answers.map((one, at) => (isManagements(at) ? "nothing" : Promise.race([one, late]))))).toEqual(
      answers.map(() => "nothing"),
    );
    await policy.firewall.stop();
  },
);

test.skipIf(!canFilter)(
  `nothing is watched for nobody: the monitors end with the connection, and with the firewall${leftOut}`,
  async () => {
    one = await startRefused();
    const { vehicle, policy } = one;
    const monitors = (): number => processesOf(vehicle.bench.namespace, " monitor").length;
    await until(() => monitors() === 1);
    await policy.decide(throttle);
    await until(() => monitors() === 3);
    await policy.decide(allow);
    await until(() => monitors() === 1);
    await policy.firewall.stop();
    await until(() => monitors() === 0);
    expect(vehicle.table()).not.toContain("simward");
    const other = vehicle.client();
    await other.ask("firewall", { interface: "wwan0", fleet: "block", tunnel: "none" });
    await until(() => monitors() === 1);
    other.close();
    await until(() => monitors() === 0);
    // What stands stands, and is root's to take away.
    expect(vehicle.table()).toContain("table inet simward");
    vehicle.run("nft", "delete", "table", "inet", "simward");
    expect(vehicle.table()).not.toContain("simward");
  },
);

test.skipIf(!canFilter)(
  `the queue that holds the fleet's pace is taken away: it is put back and told; an interface that goes is no alarm${leftOut}`,
  async () => {
    one = await startRefused();
    const { vehicle, policy, told } = one;
    await policy.decide(throttle);
    const pace = (): string => vehicle.run("tc", "class", "show", "dev", "wwan0");
    expect(pace()).toContain("5157:20");
    const audited = policy.next("firewall.altered");
    vehicle.run("tc", "qdisc", "delete", "dev", "wwan0", "root");
    await until(() => pace().includes("5157:20"));
    expect((await audited).data).toMatchObject({ how: "unpaced", repaired: true });
    const before = told.length;
    vehicle.bench.ip("link", "delete", "wwan0");
    vehicle.addModule();
    policy.firewall.raised();
    await until(() => pace().includes("5157:20"));
    expect(told.slice(before)).toEqual([]);
  },
);

test.skipIf(!canFilter)(
  `ten seconds' fight for the table: a bounded share of the processor, management passes, and it is told as a fight${leftOut}`,
  { timeout: 60_000 },
  async () => {
    one = await startRefused();
    const { vehicle, policy, rules, management } = one;
    const healthy = rules();
    const netds = (): readonly number[] => processesOf(vehicle.bench.namespace, "netd.mjs");
    const [netd = 0] = netds();
    await until(() => processesOf(vehicle.bench.namespace, "nft -n monitor").length === 1);
    const descriptors = openDescriptors(netd);
    const cpuBefore = cpuSeconds([netd]);
    const startedMs = vehicle.clock.monotonicMs();
    const foe = fight(vehicle, "0.1");
    let asked = 0;
    let answered = 0;
    try {
      while (vehicle.clock.monotonicMs() - startedMs < 10_000) {
        asked++;
        const said = await management.ask(asked % 2 === 0 ? far.v4 : far.v6, "management");
        if (said === "answered") answered++;
        else process.stdout.write(`${asked} ${String(said)}\n`);
        await vehicle.clock.sleep(50);
      }
    } finally {
      if (foe.pid !== undefined) process.kill(-foe.pid, "SIGKILL");
    }
    const took = (vehicle.clock.monotonicMs() - startedMs) / 1_000;
    const share = (cpuSeconds([netd]) - cpuBefore) / took;
    process.stdout.write(`${JSON.stringify({ asked, answered, share, told: one.told })}\n`);
    expect(answered).toBe(asked);
    expect(share).toBeLessThan(0.5);
    await until(() => rules() === healthy);
    expect(openDescriptors(netd)).toBeLessThanOrEqual(descriptors + 12);
    const audits = policy.audited.filter(({ event }) => event === "firewall.altered");
    // Once that it was altered, once that somebody keeps doing it: no flood of records.
    expect(audits).toHaveLength(2);
    expect(policy.alarms.get("firewallAltered")).toBe("FIREWALL_ALTERED");
    await policy.decide(refuse);
  },
);
