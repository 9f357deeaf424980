// A module that stops answering, on the virtual one: what is tried, what is told of it, and that it is found again whatever it takes.
import { describe, expect, test } from "vitest";
import type { ByteChannel } from "../../at-drivers/engine/types.ts";
import type { ModemEvent } from "../../at-drivers/types.ts";
import { SimwardError } from "../../base/errors.ts";
import { generic3gpp } from "../../hw-sim/modem/personality.ts";
import { applicationAid } from "../hw-sim/modem/stub-card.ts";
import { type ModuleBench, type ModuleBenchOptions, moduleBench } from "./module-bench.ts";

type Recovery = Extract<ModemEvent, { kind: "recovery" }>;

const recoveries = (events: readonly ModemEvent[]): readonly string[] =>
  events.filter((event): event is Recovery => event.kind === "recovery").map(({ step, outcome }) => `${step} ${outcome}`);

async function readyBench(options: ModuleBenchOptions = {}): Promise<ModuleBench> {
  const bench = moduleBench(options);
  await bench.run(bench.modem.ready());
  bench.events.length = 0;
  bench.sent.length = 0;
  return bench;
}

/** Whether it works: what is asked is answered, and it is the module's own answer. */
async function expectUsable({ modem, run }: ModuleBench): Promise<void> {
  await run(modem.ready());
  expect(await run(modem.imsi())).toBe("901980000000001");
  expect(modem.status.consecutiveTimeouts).toBe(0);
}

const silentTo = (channel: ByteChannel, isHeard: (text: string) => boolean): ByteChannel => ({
  address: channel.address,
  closed: channel.closed,
  onData: (fn) => channel.onData(fn),
  close: () => channel.close(),
  write: (octets) => (isHeard(Buffer.from(octets).toString("latin1")) ? channel.write(octets) : Promise.resolve()),
});

describe("a module that hangs until its power is switched", () => {
  test("is taken up the whole ladder, each step told, and is usable again", async () => {
    let cycles = 0;
    const bench: ModuleBench = await readyBench({
      modem: {
        powerCycle: async () => {
          cycles++;
          bench.faults.set("power", "cycle");
        },
      },
    });
    bench.faults.set("hang", "1");
    await bench.until(({ link }) => link !== "ready", 600_000);
    await bench.until(({ link }) => link === "ready", 1_800_000);
    expect(cycles).toBe(1);
    expect(recoveries(bench.events)).toEqual(["marker no-answer", "escape no-answer", "cfun-reset no-answer", "power answered"]);
    const power = bench.events.filter((event): event is Recovery => event.kind === "recovery").at(-1);
    expect(power).toMatchObject({ round: 1 });
    expect(power?.downMs).toBeGreaterThan(100_000);
    expect(power?.tookMs).toBeLessThan(60_000);
    expect(bench.events.filter(({ kind }) => kind === "gone" || kind === "back").map(({ kind }) => kind)).toEqual(["gone", "back"]);
    await expectUsable(bench);
  });

  test("whose power nobody can switch is asked and reset again and again, ever more rarely, and found when it speaks", async () => {
    const bench = await readyBench();
    bench.faults.set("hang", "1");
    await bench.until(({ link }) => link !== "ready", 600_000);
    await bench.clock.advance(86_400_000);
    const resets = bench.sent.filter((line) => line === "AT+CFUN=1,1").length;
    expect(resets).toBeGreaterThan(20);
    expect(resets).toBeLessThan(50);
    expect(bench.sent.filter((line) => line === "AT+CSQ").length).toBeGreaterThan(500);
    bench.faults.clear("hang");
    await expectUsable(bench);
    expect(recoveries(bench.events).at(-1)).toMatch(/ answered$/);
  });

  test("and a power hook that fails, or never ends, holds nothing up", async () => {
    let calls = 0;
    const bench = await readyBench({
      modem: { powerCycle: () => (calls++ % 2 === 0 ? Promise.reject(new Error("hook: exit 1")) : new Promise(() => undefined)) },
    });
    bench.faults.set("hang", "1");
    await bench.clock.advance(3_600_000);
    expect(calls).toBeGreaterThan(2);
    const power = bench.events.filter((event): event is Recovery => event.kind === "recovery" && event.step === "power");
    expect(power[0]).toMatchObject({ outcome: "failed", reason: expect.stringContaining("exit 1") });
    expect(power[1]).toMatchObject({ outcome: "failed", reason: expect.stringContaining("60 s") });
    bench.faults.clear("hang");
    await expectUsable(bench);
  });
});

describe("an emergency", () => {
  test("lets the module be asked, and nothing else; when it is over the ladder is climbed", async () => {
    let emergency: string | undefined = "emergency: call";
    let cycles = 0;
    const bench: ModuleBench = await readyBench({
      modem: {
        mayDisturb: () => emergency,
        powerCycle: async () => {
          cycles++;
          bench.faults.set("power", "cycle");
        },
      },
    });
    bench.faults.set("hang", "1");
    await bench.clock.advance(3_600_000);
    expect(bench.sent).toContain("AT+CSQ");
    expect(bench.sent.filter((line) => /CFUN=|\+\+\+/.test(line))).toEqual([]);
    expect(cycles).toBe(0);
    expect(recoveries(bench.events)).toEqual(["marker no-answer", "escape held"]);
    emergency = undefined;
    await bench.until(({ link }) => link === "ready", 1_800_000);
    expect(cycles).toBe(1);
    await expectUsable(bench);
  });
});

describe("a module that is helped by", () => {
  test("a reset, though it answers nothing", async () => {
    let deaf = false;
    const bench = await readyBench({
      line: (channel) =>
        silentTo(channel, (text) => {
          if (text.includes("AT+CFUN=1,1")) deaf = false;
          return !deaf;
        }),
    });
    deaf = true;
    await bench.until(({ link }) => link !== "ready", 600_000);
    await bench.until(({ link }) => link === "ready", 600_000);
    expect(recoveries(bench.events).at(-1)).toBe("cfun-reset answered");
    await expectUsable(bench);
  });

  test("its maker's reset, where the standard's does nothing", async () => {
    let deaf = false;
    const bench = await readyBench({
      modem: { family: "telit-me" },
      line: (channel) =>
        silentTo(channel, (text) => {
          if (text.includes("AT#REBOOT")) deaf = false;
          return !deaf;
        }),
    });
    deaf = true;
    await bench.until(({ link }) => link !== "ready", 600_000);
    await bench.until(({ link }) => link === "ready", 600_000);
    expect(recoveries(bench.events).at(-1)).toBe("module-reset answered");
    await expectUsable(bench);
  });

  test("being asked at another rate, which is then kept", async () => {
    let rate = "115200";
    const opened: string[] = [];
    const bench = await readyBench({
      modem: { address: "serial:/dev/ttyS1" },
      line: (channel, address) => {
        opened.push(address);
        // What this port cannot be set to.
        if (address.endsWith("baud=9600")) throw new SimwardError("PORT_OPEN", { detail: address });
        const asked = /baud=(\d+)/.exec(address)?.[1] ?? "115200";
        return silentTo(channel, () => asked === rate);
      },
    });
    rate = "921600";
    await bench.until(({ link }) => link !== "ready", 600_000);
    await bench.until(({ link }) => link === "ready", 600_000);
    const found = bench.events.filter((event): event is Recovery => event.kind === "recovery").at(-1);
    expect(found).toMatchObject({ step: "baud-hunt", outcome: "answered", reason: expect.stringContaining("baud=921600") });
    await expectUsable(bench);
    bench.unplug();
    await bench.until(({ link }) => link === "ready", 60_000);
    expect(opened.at(-1)).toContain("baud=921600");
    // Back where it was configured: the rate is forgotten with the first silence.
    rate = "115200";
    bench.unplug();
    await bench.until(({ link }) => link === "ready", 600_000);
    expect(opened.at(-1)).toBe("serial:/dev/ttyS1");
  });

  test("power, when its port does not come back", async () => {
    const bench: ModuleBench = await readyBench({
      modem: {
        powerCycle: async () => {
          bench.refuseOpening.times = 0;
        },
      },
    });
    bench.refuseOpening.times = 1_000_000;
    bench.unplug();
    await bench.until(({ link }) => link === "ready", 600_000);
    expect(recoveries(bench.events)).toEqual(["reopen no-answer", "power answered"]);
    await expectUsable(bench);
  });
});

test("a port that is away for a while and comes back is no case for the ladder", async () => {
  const bench = await readyBench({ modem: { powerCycle: () => Promise.reject(new Error("not for this")) } });
  bench.refuseOpening.times = 5;
  bench.unplug();
  await bench.until(({ link }) => link === "ready", 600_000);
  expect(recoveries(bench.events)).toEqual([]);
});

test("a port that another process holds is left alone, however long", async () => {
  const bench: ModuleBench = moduleBench({
    modem: {
      powerCycle: () => Promise.reject(new Error("not for this")),
      open: async () => {
        throw new SimwardError("PORT_BUSY", { detail: "held by ModemManager" });
      },
    },
  });
  await bench.clock.advance(7_200_000);
  expect(recoveries(bench.events)).toEqual([]);
  expect(bench.modem.status.reason).toContain("ModemManager");
});

test("a module that resets without a word is noticed by its echo, and all is set again", async () => {
  const silent = { ...generic3gpp, bootLines: [], simLines: { starting: [], ready: [], absent: [] } };
  const bench = await readyBench({ module: { personality: silent, timings: { bootMs: 0 } } });
  await bench.run(bench.modem.awaitRegistered({ timeoutMs: 60_000 }));
  bench.module.reset();
  expect(bench.module.settings.creg["+CEREG"]).toBe(0);
  await bench.run(bench.modem.imei().catch(() => undefined));
  await bench.until(({ link }) => link === "ready", 60_000);
  expect(bench.events.find((event) => event.kind === "gone")).toMatchObject({ reason: expect.stringContaining("echo") });
  expect(bench.module.settings.creg["+CEREG"]).toBe(3);
  await expectUsable(bench);
});

describe("a card whose channels are all taken by sessions that nobody can name", () => {
  const personality = { ...generic3gpp, ccho: "long-hex" as const, csimForbidden: [...generic3gpp.csimForbidden, 0x70] };
  const taken = async (bench: ModuleBench): Promise<void> => {
    for (let n = 0; n < personality.maxChannels; n++) await bench.module.sim.open(applicationAid);
  };

  test("is started anew, which is told, and not twice in a row", async () => {
    const bench = await readyBench({ module: { personality } });
    await taken(bench);
    await bench.run((await bench.run(bench.modem.apdu.open(applicationAid))).close());
    expect(recoveries(bench.events)).toEqual(["card-restart answered"]);
    await taken(bench);
    await expect(bench.run(bench.modem.apdu.open(applicationAid))).rejects.toMatchObject({ code: "APDU_CHANNEL" });
    await expectUsable(bench);
  });

  test("is left alone in an emergency", async () => {
    let emergency: string | undefined = "emergency: call";
    const bench = await readyBench({ module: { personality }, modem: { mayDisturb: () => emergency } });
    await taken(bench);
    await expect(bench.run(bench.modem.apdu.open(applicationAid))).rejects.toMatchObject({ code: "APDU_CHANNEL" });
    expect(recoveries(bench.events)).toEqual(["card-restart held"]);
    emergency = undefined;
    await bench.run(bench.modem.apdu.open(applicationAid));
  });
});

test("closing ends it in the middle of whatever step", async () => {
  for (const afterMs of [20_000, 70_000, 90_000, 150_000, 200_000, 400_000]) {
    const bench = await readyBench({ modem: { address: "serial:/dev/ttyS1", powerCycle: () => new Promise(() => undefined) } });
    bench.faults.set("hang", "1");
    await bench.until(({ link }) => link !== "ready", 600_000);
    await bench.clock.advance(afterMs);
    await bench.run(bench.modem.close());
    bench.module.close();
    await bench.clock.advance(0);
    expect(bench.clock.nextTimerInMs()).toBeUndefined();
  }
});
