import { describe, expect, test } from "vitest";
import { appearMs, retryMs, watchMs } from "../../../agent/data-path/data-path.ts";
import { PathBench, session } from "./bench.ts";

const upOverUsb = [
  "start ecm 1",
  "link wwan0 up 1420",
  "addr-flush wwan0",
  "addr wwan0 10.64.3.7/32",
  "route wwan0 4 10.64.3.1 700",
  "resolv wwan0 10.64.3.53",
];
const downOverUsb = ["resolv wwan0 ", "route-flush wwan0 4", "addr-flush wwan0", "link wwan0 down", "stop ecm 1"];

describe("over the module's network interface", () => {
  test("a session brings link, address, route and name servers; its end takes all of it away", async () => {
    const bench = new PathBench('mode = "auto"');
    await bench.path.follow(session);
    expect(bench.taken()).toEqual(upOverUsb);
    expect(bench.path.status).toEqual({ up: true, kind: "ecm", interface: "wwan0", reason: undefined });
    expect(bench.ups).toBe(1);
    expect([bench.path.carries({ ...session }), bench.path.carries({ ...session, cid: 2 }), bench.path.carries(undefined)]).toEqual([
      true,
      false,
      false,
    ]);
    await bench.path.follow(undefined);
    expect(bench.taken()).toEqual(downOverUsb);
    expect(bench.path.carries(session)).toBe(false);
    expect(bench.path.status.up).toBe(false);
    expect(bench.audited).toEqual(["interface.up", "interface.down"]);
  });

  test("the same session again changes nothing; another address is another session", async () => {
    const bench = new PathBench('mode = "auto"');
    await bench.path.follow(session);
    await bench.path.follow({ ...session });
    expect(bench.taken()).toEqual(upOverUsb);
    await bench.path.follow({ ...session, address: "10.64.3.8", gateway: undefined });
    expect(bench.taken()).toEqual([
      ...downOverUsb,
      ...upOverUsb.map((one) => one.replace("10.64.3.7/32", "10.64.3.8/32").replace("4 10.64.3.1 700", "4 700")),
    ]);
  });

  test("settings of [net] stand in what is asked", async () => {
    const bench = new PathBench('mode = "ecm"\ninterface = "usb7"\nmtu_bytes = 1300\nroute_metric = 10\nroute_table = 100');
    bench.interfaces.set("usb7", { index: 1, addresses: [] });
    await bench.path.follow(session);
    expect(bench.taken()).toEqual([
      "start ecm 1",
      "link usb7 up 1300",
      "addr-flush usb7",
      "addr usb7 10.64.3.7/32",
      "route usb7 4 10.64.3.1 10 100",
      "resolv usb7 10.64.3.53",
    ]);
    await bench.path.follow(undefined);
    expect(bench.taken()).toContain("route-flush usb7 4 100");
  });

  test("with somebody else's DHCP client only the link is simward's, and the path is up when there is an address", async () => {
    const bench = new PathBench('mode = "auto"\naddressing = "dhcp"');
    const up = bench.path.follow(session);
    await bench.clock.advance(2_000);
    expect(bench.path.status.up).toBe(false);
    bench.interfaces.set("wwan0", { index: 7, addresses: ["fe80::1", "192.168.225.30"] });
    await bench.clock.advance(1_000);
    await up;
    expect(bench.taken()).toEqual(["start ecm 1", "link wwan0 up 1420"]);
    expect(bench.path.status.up).toBe(true);
    await bench.path.follow(undefined);
    expect(bench.taken()).toEqual(["link wwan0 down", "stop ecm 1"]);
  });

  test("an IPv6 session: its address and its route are the kernel's, from the network's announcements", async () => {
    const bench = new PathBench('mode = "auto"');
    await bench.path.follow({ ...session, address: "2001:db8::7", gateway: undefined, dns: ["2001:db8::53"] });
    expect(bench.taken()).toEqual(["start ecm 1", "link wwan0 up 1420", "addr-flush wwan0", "resolv wwan0 2001:db8::53"]);
  });

  test("an interface that is not there yet is waited for; one that does not come is a problem, and tried again", async () => {
    const bench = new PathBench('mode = "ecm"');
    bench.moduleInterface = undefined;
    const up = bench.path.follow(session);
    await bench.clock.advance(appearMs + 1_000);
    await up;
    expect(bench.problems.at(-1)).toBe("NET_INTERFACE");
    bench.moduleInterface = "wwan0";
    await bench.clock.advance(retryMs(1) + 1_000);
    await bench.path.follow(session);
    expect(bench.path.status.up).toBe(true);
    expect(bench.problems.at(-1)).toBeUndefined();
  });

  test("what the kernel refuses half-way is undone, told, and tried again with back-off", async () => {
    const bench = new PathBench('mode = "auto"');
    bench.refused.add("route");
    await bench.path.follow(session);
    expect(bench.taken()).toEqual([...upOverUsb.slice(0, 5), ...downOverUsb]);
    expect(bench.problems.at(-1)).toBe("NETD_FAILED");
    expect(bench.ups).toBe(0);
    await bench.clock.advance(retryMs(1) + 10);
    expect(bench.taken().length).toBeGreaterThan(0);
    bench.refused.clear();
    await bench.clock.advance(retryMs(2) + 10);
    expect(bench.path.status.up).toBe(true);
    expect(bench.ups).toBe(1);
  });

  test("name servers that simward-netd cannot write down take no vehicle off its network; they are told of, and written when they can be", async () => {
    const bench = new PathBench('mode = "auto"');
    bench.refused.add("resolv");
    await bench.path.follow(session);
    expect(bench.taken()).toEqual(upOverUsb);
    expect([bench.path.status.up, bench.ups, bench.problems.at(-1)]).toEqual([true, 1, "NETD_FAILED"]);
    await bench.clock.advance(watchMs + 10);
    expect(bench.taken()).toEqual(["resolv wwan0 10.64.3.53"]);
    bench.refused.clear();
    await bench.clock.advance(watchMs);
    expect(bench.taken()).toEqual(["resolv wwan0 10.64.3.53"]);
    expect([bench.path.status.up, bench.problems.at(-1)]).toEqual([true, undefined]);
    await bench.clock.advance(watchMs);
    expect([bench.taken(), bench.losses]).toEqual([[], 0]);
  });

  test("a module that has reset has its interface made anew: what was on it is put on the new one", async () => {
    const bench = new PathBench('mode = "auto"');
    await bench.path.follow(session);
    bench.taken();
    bench.interfaces.set("wwan0", { index: 8, addresses: [] });
    await bench.clock.advance(watchMs + 10);
    expect(bench.losses).toBe(1);
    await bench.clock.advance(retryMs(1) + 10);
    expect(bench.taken()).toEqual([...downOverUsb, ...upOverUsb]);
    expect(bench.path.status.up).toBe(true);
    // The same again is no loss.
    await bench.clock.advance(3 * watchMs);
    expect(bench.losses).toBe(1);
  });

  test("an attempt that waits ends at once when the session does", async () => {
    const bench = new PathBench('mode = "ecm"');
    bench.moduleInterface = undefined;
    const up = bench.path.follow(session);
    await bench.clock.advance(1_000);
    await Promise.all([up, bench.path.follow(undefined)]);
    expect(bench.problems.filter((one) => one !== undefined)).toEqual([]);
    await bench.clock.advance(10 * appearMs);
    expect(bench.taken()).toEqual(["start ecm 1", "stop ecm 1"]);
  });
});

describe("the module's USB composition", () => {
  test("mode ecm has it set, once, and the module restarted; mode auto leaves it", async () => {
    const bench = new PathBench('mode = "ecm"');
    bench.present = undefined;
    await bench.path.follow(session);
    expect(bench.taken().slice(0, 3)).toEqual(["choose ecm", "reset", "start ecm 1"]);
    expect(bench.audited[0]).toBe("module.composition");
    bench.present = undefined;
    await bench.path.follow(undefined);
    bench.taken();
    await bench.path.follow(session);
    expect(bench.taken()[0]).toBe("start ecm 1");

    const named = new PathBench('mode = "auto"\ninterface = "wwan0"');
    named.present = undefined;
    await named.path.follow(session);
    expect(named.taken()).toEqual(upOverUsb);

    const auto = new PathBench('mode = "auto"');
    auto.present = undefined;
    auto.moduleInterface = undefined;
    await auto.path.follow(session);
    expect(auto.taken()[0]).toBe("dial /dev/ttyUSB3 *99***1#");
  });

  test("a family that knows of no interface is asked for nothing: the one that is named is used as it is", async () => {
    const bench = new PathBench('mode = "ecm"\ninterface = "wwan0"');
    bench.present = undefined;
    bench.kinds = ["ppp"];
    await bench.path.follow(session);
    await bench.path.follow(undefined);
    expect(bench.taken()).toEqual([...upOverUsb.slice(1), ...downOverUsb.slice(0, -1)]);
  });

  test("not while there is an emergency", async () => {
    const bench = new PathBench('mode = "ecm"');
    bench.present = undefined;
    bench.isHeld = true;
    await bench.path.follow(session);
    expect(bench.taken()).toEqual(upOverUsb);
  });
});

describe("over PPP", () => {
  const up = ["dial /dev/ttyUSB3 *99***1#", "ppp ppp0 up /dev/ttyUSB3 1420", "route ppp0 4 700", "resolv ppp0 10.64.3.53"];
  // pppd ends when it is told to, and is not told again.
  const down = ["resolv ppp0 ", "ppp ppp0 down", "release"];

  test("the line is dialled, then pppd's, then routed; its end hangs up and gives the port back", async () => {
    const bench = new PathBench('mode = "ppp"');
    await bench.path.follow(session);
    expect(bench.taken()).toEqual(up);
    expect(bench.path.status).toMatchObject({ up: true, kind: "ppp", interface: "ppp0" });
    await bench.path.follow(undefined);
    expect(bench.taken()).toEqual(down);
    expect(bench.losses).toBe(0);
  });

  test("pppd that ends by itself: whoever keeps the session is told, and it is dialled again", async () => {
    const bench = new PathBench('mode = "ppp"');
    await bench.path.follow(session);
    bench.taken();
    bench.endPppd("code 15");
    await bench.clock.advance(10);
    expect(bench.losses).toBe(1);
    expect(bench.taken()).toEqual(down);
    await bench.clock.advance(retryMs(1) + 10);
    expect(bench.taken()).toEqual(up);
    expect(bench.audited).toEqual(["interface.up", "interface.down", "interface.up"]);
  });

  test("pppd that gets no address is ended, and the port given back", async () => {
    const bench = new PathBench('mode = "ppp"');
    bench.pppAddress = undefined;
    const tried = bench.path.follow(session);
    await bench.clock.advance(appearMs + 1_000);
    await tried;
    expect(bench.taken()).toEqual([...up.slice(0, 2), ...down]);
    expect(bench.problems.at(-1)).toBe("NET_INTERFACE");
  });

  test("pppd that ends before it has an address says how", async () => {
    const bench = new PathBench('mode = "ppp"');
    bench.pppAddress = undefined;
    const tried = bench.path.follow(session);
    await bench.clock.advance(1_000);
    bench.endPppd("code 8");
    await bench.clock.advance(1_000);
    await tried;
    expect(bench.path.status.reason).toContain("pppd on ppp0 has ended: code 8");
    expect(bench.done).toContain("release");
  });

  test("a module with one port only has none for PPP, and the refusal says what to do", async () => {
    const bench = new PathBench('mode = "ppp"');
    bench.pppPort = undefined;
    await bench.path.follow(session);
    expect(bench.path.status.reason).toMatch(/a port besides the one for commands; net\.ppp_port names it/);
  });

  test("a family with neither says what it has", async () => {
    const bench = new PathBench('mode = "auto"');
    bench.present = undefined;
    bench.moduleInterface = undefined;
    bench.kinds = [];
    await bench.path.follow(session);
    expect(bench.path.status.reason).toMatch(/no network interface, and its family's are none/);
  });
});

test("when simward stops, everything is taken away and nothing begins any more", async () => {
  const bench = new PathBench('mode = "auto"');
  await bench.path.follow(session);
  bench.taken();
  await bench.path.stop();
  expect(bench.taken()).toEqual([...downOverUsb, "close"]);
  await bench.path.follow(session);
  await bench.clock.advance(10 * watchMs);
  expect(bench.taken()).toEqual([]);
});

test("the same when it stops while it waits for an interface", async () => {
  const bench = new PathBench('mode = "ecm"');
  bench.moduleInterface = undefined;
  const up = bench.path.follow(session);
  await bench.clock.advance(1_000);
  await bench.path.stop();
  await up;
  expect(bench.taken()).toEqual(["start ecm 1", "stop ecm 1", "close"]);
});

test("whoever refuses traffic hears of the interface before it carries any", async () => {
  const usb = new PathBench('mode = "ecm"');
  await usb.path.follow(session);
  expect(usb.guarded).toEqual(["wwan0 after start ecm 1"]);
  const ppp = new PathBench('mode = "ppp"');
  await ppp.path.follow(session);
  expect(ppp.guarded).toEqual(["ppp0 after dial /dev/ttyUSB3 *99***1#"]);
});
