// The fleet's pace against other programs, on the modem's interface and on the tunnel's: put back at once by simward-netd itself and told; an interface that
// was made anew is paced and not told of, unless another program gave it a queue first. The daemon here never looks, and hears nothing.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { queuesIn } from "../../../agent/netd/shape.ts";
import { processesOf, startRefused } from "./alterations.ts";
import { throttle } from "./policy-stub.ts";
import { canFilter, leftOut } from "./vehicle.ts";

let one: Awaited<ReturnType<typeof startRefused>>;

async function until(isSo: () => boolean): Promise<void> {
  const { clock } = one.vehicle;
  const endMs = clock.monotonicMs() + 20_000;
  while (!isSo()) {
    if (clock.monotonicMs() > endMs) throw new Error("it did not become so");
    await clock.sleep(10);
  }
}

const links: Readonly<Record<string, { readonly add: () => void; readonly remove: () => void }>> = {
  wwan0: { add: () => one.vehicle.addModule(), remove: () => void one.vehicle.bench.ip("link", "delete", "wwan0") },
  ipsec0: {
    add() {
      one.vehicle.bench.ip("tuntap", "add", "ipsec0", "mode", "tun");
      one.vehicle.bench.ip("link", "set", "dev", "ipsec0", "up");
    },
    remove: () => void one.vehicle.bench.ip("link", "delete", "ipsec0"),
  },
};
const tc = (...args: readonly string[]): string => one.vehicle.run("tc", ...args);
const queues = (dev: string): string => {
  const shown = (what: string): string => tc(what, "show", "dev", dev);
  return queuesIn(shown("qdisc"), shown("class"), shown("filter")).text;
};

describe.skipIf(!canFilter)(`throttled, with a tunnel${leftOut}`, () => {
  let healthy: Readonly<Record<string, string>> = {};

  beforeEach(async () => {
    one = await startRefused(true);
    const { policy, vehicle } = one;
    links.ipsec0?.add();
    policy.tunnel = { tunnel: "none", tunnelInterface: "ipsec0" };
    await policy.decide(throttle);
    healthy = { wwan0: queues("wwan0"), ipsec0: queues("ipsec0") };
    for (const text of Object.values(healthy)) expect(text).toContain("rate 64Kbit ceil 64Kbit");
    await until(() => processesOf(vehicle.bench.namespace, " monitor").length === 3);
    // What is told of their start is no news.
    await vehicle.clock.sleep(1_200);
    expect(one.told).toEqual([]);
  });
  afterEach(() => one.end());

  test.each(["wwan0", "ipsec0"])("whatever another program does to the queues of %s is undone and told", async (dev) => {
    const ways: readonly (readonly string[])[] = [
      ["qdisc", "delete", "dev", dev, "root"],
      ["qdisc", "replace", "dev", dev, "root", "handle", "9:", "pfifo"],
      // The rate as it was, and nobody held to it.
      ["class", "change", "dev", dev, "parent", "5157:", "classid", "5157:20", "htb", "rate", "64kbit", "ceil", "1gbit"],
      ["class", "change", "dev", dev, "parent", "5157:", "classid", "5157:20", "htb", "rate", "64kbit", "ceil", "64kbit", "burst", "100m"],
      ["class", "add", "dev", dev, "parent", "5157:", "classid", "5157:30", "htb", "rate", "1gbit"],
      ["qdisc", "replace", "dev", dev, "parent", "5157:20", "handle", "5158:", "bfifo", "limit", "9000000"],
      ["qdisc", "replace", "dev", dev, "parent", "5157:20", "handle", "9:", "pfifo", "limit", "100000"],
    ];
    for (const [at, way] of ways.entries()) {
      tc(...way);
      await until(() => queues(dev) === healthy[dev]);
      await until(() => one.told.reduce((all, { times }) => all + times, 0) > at);
      expect(one.told.every(({ how }) => how === "unpaced")).toBe(true);
    }
  });

  test.each(["wwan0", "ipsec0"])("%s, made anew, is paced as soon as it is there: nobody's alteration", async (dev) => {
    links[dev]?.remove();
    links[dev]?.add();
    await until(() => queues(dev) === healthy[dev]);
    // A second at most lies between two that are told.
    await one.vehicle.clock.sleep(1_100);
    expect(one.told).toEqual([]);
  });

  test.each(["wwan0", "ipsec0"])("%s, made anew and given a queue by another program, is paced and told", async (dev) => {
    one.vehicle.pauseNetd();
    try {
      links[dev]?.remove();
      links[dev]?.add();
      tc("qdisc", "replace", "dev", dev, "root", "handle", "9:", "pfifo");
    } finally {
      one.vehicle.resumeNetd();
    }
    await until(() => queues(dev) === healthy[dev]);
    await until(() => one.told.length > 0);
    expect(one.told).toMatchObject([{ how: "unpaced", times: 1 }]);
  });

  test("what another program did is told also where the daemon sets another pace before it is looked at", async () => {
    one.vehicle.pauseNetd();
    one.policy.throttleKbps = 128;
    const set = one.policy.firewall.changed();
    try {
      tc("qdisc", "delete", "dev", "ipsec0", "root");
    } finally {
      one.vehicle.resumeNetd();
    }
    await set;
    expect(tc("class", "show", "dev", "ipsec0")).toContain("rate 128Kbit ceil 128Kbit");
    await until(() => one.told.length > 0);
    expect(one.told).toMatchObject([{ how: "unpaced", times: 1 }]);
  });
});
