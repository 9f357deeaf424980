// Retirement and transfer over a disk that loses power at every write: they go on where they were, and end as they must.
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { parse } from "valibot";
import { describe, expect, test } from "vitest";
import type { AuditEvent } from "../../../agent/audit/types.ts";
import { openChallenges } from "../../../agent/keys/challenges.ts";
import { openKeyRing } from "../../../agent/keys/ring.ts";
import { verifyingKeys } from "../../../agent/keys/signature.ts";
import { createLifecycleActs } from "../../../agent/lifecycle/acts.ts";
import { lifecycleConfig, planOf } from "../../../agent/lifecycle/config.ts";
import type { Authority } from "../../../agent/lifecycle/machine.ts";
import { beginWipe, type CardReading, nextWipe, type WipeInput, type WipeState } from "../../../agent/lifecycle/retirement.ts";
import { type Lifecycle, type LifecycleOptions, openLifecycle } from "../../../agent/lifecycle/service.ts";
import type { WipeHands } from "../../../agent/lifecycle/wipe.ts";
import { createPolicyEngine } from "../../../agent/policy/engine.ts";
import { lifecycle as rule } from "../../../agent/policy/rules/lifecycle.ts";
import { bind } from "../../../agent/policy/types.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { SimwardError } from "../../../base/errors.ts";
import { type FaultDisk, faultDisk } from "../../../base/fault-disk.ts";
import { silentLog } from "../../../base/log.ts";
import { seededRandom } from "../../../base/random.ts";

const bootstrap: CardReading = { iccid: "8988", enabled: false, profileClass: "provisioning" };
const fleet: CardReading = { iccid: "8949", enabled: true, profileClass: "operational" };
const admin: Authority = { kind: "command", role: "admin", cause: "operator:0" };
const minuteMs = 60_000;
const dayMs = 1_440 * minuteMs;

/** A vehicle whose card and audit trail live on over restarts, as its disk does. */
class Vehicle {
  readonly clock = new VirtualClock();
  readonly events: AuditEvent[] = [];
  readonly problems: (string | undefined)[] = [];
  profiles: readonly CardReading[];
  /** What the card's reset does not reach. */
  stubborn: string | undefined;
  pending = 2;
  resets = 0;
  results = 0;
  deliveries = 0;
  polls = 0;
  offline = false;
  held = false;
  counter: { readonly name: string; readonly bytes: number } | undefined;
  life!: Lifecycle;
  readonly disk: FaultDisk;
  readonly options: Partial<LifecycleOptions>;
  engine = this.#engine();
  #stop = new AbortController();

  constructor(seed: number, profiles: readonly CardReading[] = [fleet, bootstrap], options: Partial<LifecycleOptions> = {}) {
    this.disk = faultDisk(seededRandom(seed));
    this.profiles = profiles;
    this.options = options;
  }

  #engine() {
    return createPolicyEngine({
      rules: [bind(rule, undefined)],
      memory: { load: () => ({}), save: async () => {} },
      ...{ audit: async () => {}, perform: () => {}, withdraw: () => {}, isHeld: () => this.held },
    });
  }

  async start(): Promise<this> {
    const { clock, disk } = this;
    this.#stop.abort();
    this.#stop = new AbortController();
    this.engine = this.#engine();
    this.life = await openLifecycle({
      plan: planOf(parse(lifecycleConfig, {})),
      first: "operational",
      capBytes: undefined,
      retireBy: "memory_reset",
      ...{ disk, clock, log: silentLog, engine: this.engine, isHeld: () => this.held },
      audit: async (event) => {
        // The trail is on the same disk.
        if (!disk.isOff) this.events.push(event);
      },
      acted: async () => {},
      counter: async () => this.counter,
      countsBytes: () => true,
      recordedStage: async () => undefined,
      onLost: () => {},
      onProblem: (problem) => this.problems.push(problem?.message),
      onStage: () => {},
      ...this.options,
    });
    this.life.start(this.hands());
    return this;
  }

  owners = 1;

  hands(): WipeHands {
    const alive = (): void => {
      if (this.disk.isOff) throw new SimwardError("APDU_CHANNEL");
    };
    return {
      samples: {
        trouble: undefined,
        changeOwner: async () => {
          alive();
          return this.owners++;
        },
      },
      card: {
        deliver: async () => {
          alive();
          this.deliveries++;
          if (this.offline) throw new SimwardError("ESIPA_UNREACHABLE");
          const delivered = this.pending;
          this.pending = 0;
          return { delivered, remaining: 0, error: undefined };
        },
        profiles: async () => {
          alive();
          return this.profiles.map((one) => ({
            ...one,
            isdpAid: undefined,
            nickname: undefined,
            profileName: undefined,
            serviceProviderName: undefined,
          }));
        },
        memoryReset: async (options) => {
          alive();
          this.resets++;
          const goes = (profileClass: string | undefined): boolean =>
            profileClass === "operational" || (profileClass === "provisioning" && options.includes("deleteProvisioningProfiles"));
          this.profiles = this.profiles.filter(({ iccid, profileClass }) => iccid === this.stubborn || !goes(profileClass));
          return {};
        },
      },
      poll: () => void this.polls++,
      pendingResults: () => this.results,
      identity: () => ({ imei: "356938035643809", eid: "89049032123451234512345678901235" }),
      signal: this.#stop.signal,
    };
  }

  kinds = (): readonly string[] => this.events.map(({ event }) => event);
  enabled = (): readonly string[] => this.profiles.filter(({ enabled }) => enabled).map(({ iccid }) => iccid);
  retire = () => this.life.order({ to: "retired", by: admin, reason: "scrapped", data: { role: "admin" } });
}

describe("retirement", () => {
  test("delivers, writes the evidence, wipes, reads back, and looks again each day", async () => {
    const vehicle = await new Vehicle(1).start();
    await vehicle.retire();
    await vehicle.clock.advance(minuteMs);
    expect(vehicle.kinds()).toEqual([
      "lifecycle.stage",
      "lifecycle.evidence",
      "lifecycle.samplesShed",
      "lifecycle.wiped",
      "lifecycle.retireConfirmed",
    ]);
    expect(vehicle.events[1]).toMatchObject({
      cause: "operator:0",
      data: { act: "retire", reason: "scrapped", undelivered: 0, profiles: [{ iccid: "8949", enabled: true }, { iccid: "8988" }] },
    });
    expect([vehicle.pending, vehicle.profiles, vehicle.engine.data.kind]).toEqual([0, [], "refuse"]);
    await vehicle.clock.advance(3 * dayMs);
    expect(vehicle.kinds().filter((kind) => kind === "lifecycle.retireChecked")).toHaveLength(3);
    expect(vehicle.resets).toBe(1);
    vehicle.profiles = [fleet];
    await vehicle.clock.advance(dayMs + 2 * minuteMs);
    expect(vehicle.profiles).toEqual([]);
    expect(vehicle.kinds().slice(-3)).toEqual(["lifecycle.retireProblem", "lifecycle.wiped", "lifecycle.retireConfirmed"]);
    expect(vehicle.problems.at(-1)).toBeUndefined();
  });

  test("without a network what is pending has an hour, and is then told as not delivered", async () => {
    const vehicle = new Vehicle(1);
    vehicle.offline = true;
    await vehicle.start();
    await vehicle.retire();
    await vehicle.clock.advance(50 * minuteMs);
    expect(vehicle.enabled()).toEqual(["8949"]);
    await vehicle.clock.advance(10 * minuteMs);
    expect([vehicle.deliveries, vehicle.profiles]).toEqual([12, []]);
  });

  test("package results that no eIM has taken are waited for as well, and polled for", async () => {
    const vehicle = new Vehicle(1);
    vehicle.results = 1;
    await vehicle.start();
    await vehicle.retire();
    await vehicle.clock.advance(minuteMs);
    expect([vehicle.enabled(), vehicle.polls]).toEqual([["8949"], 1]);
    vehicle.results = 0;
    await vehicle.clock.advance(5 * minuteMs);
    expect(vehicle.enabled()).toEqual([]);
  });

  test("a card that keeps a profile is an alarm; it is tried again ever more seldom, a day apart at most", async () => {
    const vehicle = new Vehicle(1);
    vehicle.stubborn = "8949";
    await vehicle.start();
    await vehicle.retire();
    await vehicle.clock.advance(dayMs);
    expect(vehicle.problems.at(-1)).toContain("8949");
    expect(vehicle.resets).toBeLessThan(14);
    expect(vehicle.kinds().filter((kind) => kind === "lifecycle.retireProblem")).toHaveLength(1);
    vehicle.stubborn = undefined;
    await vehicle.clock.advance(2 * dayMs);
    expect([vehicle.enabled(), vehicle.problems.at(-1)]).toEqual([[], undefined]);
  });

  test("where the eIM orders it simward deletes nothing, asks, and sees when it is done", async () => {
    const vehicle = await new Vehicle(1, [fleet], { retireBy: "eim" }).start();
    await vehicle.retire();
    await vehicle.clock.advance(10 * minuteMs);
    expect([vehicle.resets, vehicle.enabled(), vehicle.polls > 1]).toEqual([0, ["8949"], true]);
    vehicle.profiles = [{ ...fleet, enabled: false }];
    vehicle.life.packagesDone();
    await vehicle.clock.advance(1);
    expect(vehicle.kinds().at(-1)).toBe("lifecycle.retireConfirmed");
  });

  test("waits for the end of an emergency, and is not ordered in one", async () => {
    const vehicle = await new Vehicle(1).start();
    vehicle.held = true;
    await expect(vehicle.retire()).rejects.toMatchObject({ code: "EMERGENCY_ACTIVE" });
    vehicle.held = false;
    vehicle.offline = true;
    await vehicle.retire();
    vehicle.held = true;
    vehicle.offline = false;
    await vehicle.clock.advance(dayMs);
    expect([vehicle.enabled(), vehicle.resets]).toEqual([["8949"], 0]);
    vehicle.held = false;
    await vehicle.clock.advance(10 * minuteMs);
    expect(vehicle.enabled()).toEqual([]);
  });

  test("power cut at each write: it goes on, ends, and every step is in the trail", async () => {
    let cuts = 0;
    for (let at = 1; ; at++) {
      const vehicle = await new Vehicle(at).start();
      await vehicle.clock.advance(minuteMs);
      vehicle.disk.cutAfter(at);
      const ordered = await vehicle.retire().then(
        () => true,
        () => false,
      );
      await vehicle.clock.advance(minuteMs);
      const isCut = vehicle.disk.isOff;
      if (isCut) {
        cuts++;
        vehicle.disk.powerOn();
        await vehicle.start();
        await vehicle.clock.advance(minuteMs);
        // Cut before anything was kept: nobody was told that it is retired, nor is it.
        if (vehicle.life.state.stage !== "retired") {
          expect(vehicle.enabled()).toEqual(["8949"]);
          await vehicle.retire();
        }
        await vehicle.clock.advance(2 * 60 * minuteMs);
      } else expect(ordered).toBe(true);
      expect([vehicle.life.state.stage, vehicle.life.wipe?.phase, vehicle.profiles, vehicle.pending], `cut ${at}`).toEqual([
        "retired",
        "done",
        [],
        0,
      ]);
      for (const kind of ["lifecycle.stage", "lifecycle.evidence", "lifecycle.samplesShed", "lifecycle.wiped", "lifecycle.retireConfirmed"])
        expect(vehicle.kinds(), `cut ${at}`).toContain(kind);
      if (!isCut) break;
    }
    expect(cuts).toBeGreaterThanOrEqual(6);
  });
});

describe("transfer", () => {
  const transfer = (vehicle: Vehicle) => vehicle.life.transfer({ by: admin, reason: "sold", data: {} });

  test("keeps the provisioning profile and nothing else, and is over then", async () => {
    const vehicle = await new Vehicle(1, [
      { ...fleet, enabled: false },
      { ...bootstrap, enabled: true },
    ]).start();
    await transfer(vehicle);
    await vehicle.clock.advance(3 * dayMs);
    expect(vehicle.profiles).toEqual([{ ...bootstrap, enabled: true }]);
    expect(vehicle.kinds()).toEqual([
      "lifecycle.transferOrdered",
      "lifecycle.evidence",
      "lifecycle.samplesShed",
      "lifecycle.wiped",
      "lifecycle.transferConfirmed",
    ]);
    expect(vehicle.life.state.stage).toBe("operational");
  });

  test.each([
    ["no profile of that class", [fleet], "provisioning"],
    ["it is not enabled", [fleet, bootstrap], "goes dark"],
  ] as const)("%s: refused with the reason, and recorded", async (_what, profiles, words) => {
    const vehicle = await new Vehicle(1, profiles).start();
    await expect(transfer(vehicle)).rejects.toMatchObject({ code: "LIFECYCLE_REFUSED", message: expect.stringContaining(words) });
    expect([vehicle.kinds(), vehicle.resets]).toEqual([["lifecycle.transferRefused"], 0]);
  });
});

describe("factory test", () => {
  test("the cap is hard: counted over restarts and power cuts, and data refused when it is reached", async () => {
    const vehicle = new Vehicle(1, [fleet], { first: "factory_test", capBytes: 1_100_000 });
    vehicle.counter = { name: "usage", bytes: 5_000_000 };
    await vehicle.start();
    await vehicle.clock.advance(10_000);
    expect(vehicle.life.facts.usedBytes).toBe(0);
    vehicle.counter = { name: "usage", bytes: 5_600_000 };
    await vehicle.clock.advance(2 * minuteMs);
    expect([vehicle.life.facts.usedBytes, vehicle.engine.data.kind]).toEqual([600_000, "allow"]);
    vehicle.disk.cutAfter(1);
    vehicle.counter = { name: "usage", bytes: 5_700_000 };
    await vehicle.clock.advance(2 * minuteMs);
    expect(vehicle.disk.isOff).toBe(true);
    vehicle.disk.powerOn();
    // The ledger has lost some with the power.
    vehicle.counter = { name: "usage", bytes: 5_620_000 };
    await vehicle.start();
    await vehicle.clock.advance(10_000);
    // What passed since it was last kept may be lost with the power; nothing is counted twice.
    const used = vehicle.life.facts.usedBytes ?? 0;
    expect([620_000, 700_000]).toContain(used);
    vehicle.counter = { name: "usage", bytes: 5_620_000 + 1_099_999 - used };
    await vehicle.clock.advance(10_000);
    expect(vehicle.engine.data.kind).toBe("allow");
    vehicle.counter = { name: "usage", bytes: 5_620_000 + 1_100_000 - used };
    await vehicle.clock.advance(10_000);
    expect(vehicle.engine.data).toMatchObject({ kind: "refuse", rule: "lifecycle" });
  });
});

describe("a token", () => {
  test("is good for its stage, on this vehicle, and once", async () => {
    const root = generateKeyPairSync("ed25519");
    const commands = generateKeyPairSync("ed25519");
    const unlock = generateKeyPairSync("ed25519");
    const publicKey = (key: KeyObject): string => key.export({ format: "der", type: "spki" }).toString("base64");
    const ring = JSON.stringify({
      ...{ schema: "simward/keyring/1", version: 1, issued: "2026-06-01" },
      keys: [
        { id: "commands-2026", purpose: "commands", publicKey: publicKey(commands.publicKey) },
        { id: "unlock-2026", purpose: "unlock", publicKey: publicKey(unlock.publicKey) },
      ],
    });
    const vehicle = await new Vehicle(1).start();
    const keys = await openKeyRing(vehicle.disk, verifyingKeys(root.publicKey.export({ format: "pem", type: "spki" }).toString(), "test"));
    await keys.install(ring, new Uint8Array(sign(null, Buffer.from(ring), root.privateKey)));
    const { identity } = vehicle.hands();
    const acts = createLifecycleActs({
      ...{ life: vehicle.life, keys, identity, audit: async (event) => void vehicle.events.push(event) },
      challenges: await openChallenges(vehicle.disk, seededRandom(7)),
    });
    const engineer = { role: "engineer", peer: undefined } as const;
    const tokenBy = async (key: KeyObject, stage: string, change = ""): Promise<string> =>
      sign(null, Buffer.from(`${(await acts.lifecycle()).signs?.[stage] ?? ""}${change}`, "hex"), key).toString("base64");
    const order = (stage: "suspended" | "operational", token: string) => acts.setStage(engineer, { stage, reason: "ticket 123", token });
    const refused = async (stage: "suspended" | "operational", token: string): Promise<void> => {
      await expect(order(stage, token)).rejects.toMatchObject({ code: "TOKEN_REFUSED" });
    };
    await refused("suspended", await tokenBy(unlock.privateKey, "suspended"));
    await refused("suspended", await tokenBy(commands.privateKey, "retired"));
    await refused("suspended", await tokenBy(commands.privateKey, "suspended", "00"));
    const { challenge } = await acts.lifecycle();
    // What no token could bring about uses none up.
    const early = acts.setStage(engineer, { stage: "shipping", reason: "ticket 123", token: "AAAA" });
    await expect(early).rejects.toMatchObject({ code: "LIFECYCLE_REFUSED" });
    expect((await acts.lifecycle()).challenge).toBe(challenge);
    const token = await tokenBy(commands.privateKey, "suspended");
    expect(await order("suspended", token)).toMatchObject({ stage: "suspended", cause: "token:commands-2026" });
    expect(await acts.setStage(engineer, { stage: "operational", reason: "paid" })).toMatchObject({ stage: "operational" });
    await refused("suspended", token);
    expect(vehicle.kinds().filter((kind) => kind === "lifecycle.tokenRefused")).toHaveLength(4);
  });
});

describe("the machine", () => {
  test("what comes at the wrong time changes nothing", () => {
    const order = beginWipe({ kind: "retire", how: "memory_reset", cause: "operator:0", reason: "x" });
    const inputs: readonly WipeInput[] = [{ kind: "evidenceWritten" }, { kind: "wiped" }, { kind: "read", profiles: [] }];
    for (const input of inputs) expect(nextWipe(order, input)).toEqual({ state: order, effects: [] });
    const done: WipeState = { ...order, phase: "done" };
    for (const input of inputs.slice(0, 2)) expect(nextWipe(done, input)).toEqual({ state: done, effects: [] });
  });
});
