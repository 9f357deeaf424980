// The choice of operator on a virtual module in virtual time: what fails is left, what is forbidden is freed, and nobody who needs the card waits for a scan.
import { describe, expect, test } from "vitest";
import { bytesToPlmn, concatBytes, fromHex, plmnToBytes } from "../../../base/bytes.ts";
import { bootstrapPlmn, operator, type WorldData } from "../../../hw-sim/network/data.ts";
import { StubCard } from "../../hw-sim/modem/stub-card.ts";
import { type KeeperBench, type KeeperBenchOptions, keeperBench } from "../keeper-bench.ts";

const strong = "26298";
const weak = "26299";
const iot = [{ name: "iot" }];

/** Two operators, the stronger of which modules choose by themselves. */
const two: WorldData = {
  countries: [{ iso: "DE", mcc: ["262"], zoneMinutes: 60 }],
  operators: [
    operator(bootstrapPlmn, "Worldlink", "WLINK", [], -140, ["0000", "00000000"]),
    operator(strong, "Nordfunk", "NORDF", ["cat-1bis", "lte-m"], -80, ["42A1", "01B2C301"]),
    operator(weak, "Rheinfunk", "RHEIN", ["cat-1bis", "lte-m"], -99, ["51C0", "0203A102"]),
  ],
  subscriptions: [{ imsiPrefix: bootstrapPlmn, home: bootstrapPlmn, apns: ["iot"] }],
  agreements: [{ home: bootstrapPlmn, visited: "", outcome: "roaming" }],
};

/** EF.FPLMN (3GPP TS 31.102 §4.2.16) on the stub. */
class CardThatForbids extends StubCard {
  #file: Uint8Array;
  #isSelected = false;

  constructor(plmns: readonly string[]) {
    super();
    this.#file = concatBytes(...plmns.map(plmnToBytes), new Uint8Array(12 - plmns.length * 3).fill(0xff));
  }

  get forbidden(): readonly string[] {
    return [0, 3, 6, 9].map((at) => bytesToPlmn(this.#file.subarray(at, at + 3))).filter((plmn) => /^\d+$/.test(plmn));
  }

  override process(apdu: Uint8Array): Uint8Array {
    const [, ins, , , length = 0] = apdu;
    const name = Buffer.from(apdu.subarray(5, 5 + length)).toString("hex");
    if (ins === 0xa4 && (name.startsWith("a0000000871002") || name.endsWith("6f7b"))) {
      this.#isSelected = name.endsWith("6f7b");
      return fromHex("9000");
    }
    if (ins === 0xa4) this.#isSelected = false;
    if (ins === 0xb0 && this.#isSelected) return concatBytes(this.#file.subarray(0, length), fromHex("9000"));
    if (ins === 0xd6 && this.#isSelected) {
      this.#file = apdu.slice(5, 5 + length);
      return fromHex("9000");
    }
    return super.process(apdu);
  }
}

async function online(options: Partial<KeeperBenchOptions> = {}): Promise<KeeperBench> {
  const bench = await keeperBench({ operators: true, world: { data: two, country: "DE" }, apns: iot, ...options });
  bench.keeper.start();
  await bench.up();
  await bench.pass(120_000);
  expect(bench.modem.status.registration.plmn).toBe(strong);
  return bench;
}

const isOn =
  ({ modem, keeper }: KeeperBench, plmn: string) =>
  () =>
    keeper.path.up && modem.status.registration.plmn === plmn;

describe("an operator that gives no data", () => {
  test("whose core fails: another is chosen, and the module chooses again by itself when that one ends", async () => {
    const bench = await online();
    const { world, until, told, keeper } = bench;
    world.setCore({ plmn: strong }, false);
    await until(isOn(bench, weak), 300_000);
    expect(told).toContain(`operator.chosen ${weak}`);
    expect(bench.module.registration.selection.mode).toBe(1);
    world.setCore({ plmn: strong }, true);
    world.setCoverage({ plmn: weak }, false);
    await until(isOn(bench, strong), 120_000);
    expect(bench.module.registration.selection.mode).toBe(0);
    await keeper.stop();
  });

  test("a black hole is noticed by the probe, and left", async () => {
    const bench = await online();
    bench.world.setBlackHole(strong, true);
    await bench.until(isOn(bench, weak), 700_000);
    expect(bench.told.slice(-2)).toEqual(["path.up", `operator.chosen ${weak}`]);
    expect(bench.operators?.state.known.find(({ plmn }) => plmn === strong)).toMatchObject({
      failures: 1,
      why: expect.stringMatching(/nothing passes/),
    });
    await bench.keeper.stop();
  });

  test("nothing passes with any of them: then it is not the operators, and what there is stays up", async () => {
    const bench = await online();
    bench.world.setBlackHole(strong, true);
    bench.world.setBlackHole(weak, true);
    await bench.until(() => bench.prober?.state.isSuspended === true, 1_200_000);
    await bench.until(() => bench.keeper.path.up, 300_000);
    const before = bench.told.length;
    await bench.pass(3_600_000);
    // No scan each five minutes: nobody has answered since.
    expect(bench.told.slice(before)).toEqual([]);
    bench.world.setBlackHole(strong, false);
    bench.world.setBlackHole(weak, false);
    await bench.until(() => bench.prober?.state.verdict === "passing", 400_000);
    expect(bench.prober?.state.isSuspended).toBe(false);
    await bench.keeper.stop();
  });

  test("whom the card forbids is not tried; where nobody else is there the list is emptied, once an hour", async () => {
    const card = new CardThatForbids([strong, weak]);
    const bench = await keeperBench({ operators: true, world: { data: two, country: "DE" }, apns: iot, module: { uicc: card } });
    const { keeper, until, told, sent } = bench;
    keeper.start();
    await until(() => keeper.path.up, 2_400_000);
    expect(told).toContain("operator.forbiddenCleared");
    expect(card.forbidden).toEqual([]);
    // The module's own choice: nobody was selected by hand.
    expect(sent.filter((line) => line.startsWith("AT+COPS=1"))).toEqual([]);
    await keeper.stop();
  });
});

describe("others come first", () => {
  test("a card that is at work puts the scan off, for a minute at most", async () => {
    let isBusy = true;
    const bench = await online({ isCardBusy: () => isBusy });
    bench.world.setCore({ plmn: strong }, false);
    const scans = (): number => bench.sent.filter((line) => line === "AT+COPS=?").length;
    await bench.until(() => !bench.keeper.path.up, 60_000);
    await bench.pass(150_000);
    expect(scans()).toBe(0);
    isBusy = false;
    await bench.until(isOn(bench, weak), 400_000);
    expect(scans()).toBeGreaterThan(0);
    await bench.keeper.stop();
  });

  test("who wants the module during a scan waits for its end, and is served", async () => {
    const bench = await online();
    bench.world.setCore({ plmn: strong }, false);
    await bench.until(() => bench.sent.includes("AT+COPS=?"), 300_000);
    const startMs = bench.clock.monotonicMs();
    expect(await bench.run(bench.modem.imei())).toBe("356938035643809");
    expect(bench.clock.monotonicMs() - startMs).toBeLessThan(60_000);
    await bench.until(isOn(bench, weak), 600_000);
    await bench.keeper.stop();
  });

  test("during an emergency nobody scans or selects", async () => {
    const bench = await online();
    await bench.run(bench.emergency.tell("operator:0", 1_800_000, undefined));
    const before = bench.sent.length;
    bench.world.setCore({ plmn: strong }, false);
    await bench.pass(1_200_000);
    expect(bench.sent.slice(before).filter((line) => /^AT\+COPS=/.test(line))).toEqual([]);
    await bench.pass(700_000);
    await bench.until(isOn(bench, weak), 400_000);
    await bench.keeper.stop();
  });

  test("a module left on an operator by hand is given its own choice first", async () => {
    const bench = await online();
    await bench.run(bench.modem.selectOperator(weak));
    await bench.until(isOn(bench, weak), 60_000);
    bench.world.setCoverage({ plmn: weak }, false);
    await bench.until(isOn(bench, strong), 400_000);
    expect(bench.module.registration.selection.mode).toBe(0);
    await bench.keeper.stop();
  });
});
