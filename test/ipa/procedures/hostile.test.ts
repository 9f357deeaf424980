// An eIM, a card or a line that answers anything at all: every poll ends with an outcome, and when the noise stops the IPA works again.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SimwardError } from "../../../base/errors.ts";
import { seededRandom } from "../../../base/random.ts";
import { a, b, c, factoryProfile, never, Vehicle } from "../support/vehicle.ts";

/** One octet altered, cut off, added, or the whole replaced. */
function mutate(bytes: Uint8Array, seed: number): Uint8Array {
  const random = seededRandom(seed);
  const at = Math.floor(random.unit() * bytes.length);
  const out = bytes.slice();
  switch (Math.floor(random.unit() * 4)) {
    case 0:
      out[at] = Math.floor(random.unit() * 256);
      return out;
    case 1:
      return out.subarray(0, at);
    case 2:
      return new Uint8Array([...out.subarray(0, at), Math.floor(random.unit() * 256), ...out.subarray(at)]);
    default:
      return random.bytes(Math.floor(random.unit() * 64));
  }
}

async function works(vehicle: Vehicle): Promise<void> {
  for (let polls = 0; polls < 6; polls++) {
    const outcome = await vehicle.poll();
    if (outcome.error === undefined && !outcome.unfinished) break;
  }
  expect(vehicle.ipa.status().operation).toBeUndefined();
  const id = vehicle.order({ kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] });
  for (let polls = 0; polls < 3 && vehicle.eim.order(id)?.state !== "done"; polls++) await vehicle.poll();
  expect(vehicle.eim.order(id)).toMatchObject({ state: "done" });
}

describe("garbage", () => {
  test("from the eIM, in any of its answers", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 12 }), fc.integer(), async (noisy, seed) => {
        const vehicle = new Vehicle({ profiles: [factoryProfile(a, true), factoryProfile(b, false)] });
        vehicle.download(c);
        vehicle.enable(b, true);
        let exchanges = 0;
        vehicle.intercept = (_functionName, body) => {
          if (exchanges++ !== noisy) return undefined;
          return vehicle.eim
            .handle(body)
            .then((answer) => (answer === "silence" ? never() : { ...answer, body: mutate(answer.body, seed) }));
        };
        const outcome = await vehicle.poll();
        expect(outcome.error === undefined || outcome.error instanceof SimwardError).toBe(true);
        vehicle.intercept = undefined;
        await works(vehicle);
        expect([a, b]).toContain(vehicle.enabled());
      }),
      { seed: 32, numRuns: 80 },
    );
  });

  test("from the card, in any of its answers", async () => {
    const kinds = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 120 }), fc.integer(), async (noisy, seed) => {
        const vehicle = new Vehicle({ profiles: [factoryProfile(a, true), factoryProfile(b, false)] });
        vehicle.download(c);
        vehicle.enable(b, true);
        let responses = 0;
        vehicle.line = (response) => (responses++ === noisy ? mutate(response, seed) : response);
        const outcome = await vehicle.poll();
        expect(outcome.error === undefined || outcome.error instanceof SimwardError).toBe(true);
        vehicle.line = undefined;
        await works(vehicle);
        kinds.add(outcome.error?.code ?? outcome.kind);
      }),
      { seed: 33, numRuns: 80 },
    );
    // The noise was heard: polls ended in more ways than well.
    expect(kinds.size).toBeGreaterThan(1);
  });
});

describe("what never ends", () => {
  test("an eIM that is silent in every function: each poll ends by its deadline", async () => {
    const vehicle = new Vehicle({ ipa: { esipaTimeoutMs: 30_000 } });
    vehicle.intercept = () => never();
    const startMs = vehicle.clock.monotonicMs();
    expect(await vehicle.poll()).toMatchObject({ kind: "failed", error: { code: "ESIPA_UNREACHABLE" } });
    expect(vehicle.clock.monotonicMs() - startMs).toBeLessThan(60_000);
  });

  test("a module that never comes back from a switch: offline by its deadline, and the way back is taken", async () => {
    const vehicle = new Vehicle({ profiles: [factoryProfile(a, true), factoryProfile(b, false)], ipa: { onlineTimeoutMs: 60_000 } });
    const id = vehicle.enable(b, true);
    vehicle.adoptNever = 1;
    expect(await vehicle.poll()).toMatchObject({ unfinished: false });
    expect(vehicle.enabled()).toBe(a);
    expect(vehicle.eim.order(id)).toMatchObject({ reason: "rolledBack" });
  });

  test("closing ends a poll at once; what was under way is in the journal", async () => {
    const vehicle = new Vehicle({ profiles: [factoryProfile(a, true), factoryProfile(b, false)] });
    vehicle.enable(b, true);
    vehicle.intercept = (functionName) => {
      if (functionName !== "provideEimPackageResult") return undefined;
      void vehicle.ipa.close();
      return never();
    };
    expect(await vehicle.poll()).toMatchObject({ kind: "failed", error: { code: "ABORTED" }, unfinished: true });
    expect(vehicle.journal).toMatchObject({ operation: { kind: "euiccPackage", phase: "reporting" } });
    expect(await vehicle.poll()).toMatchObject({ kind: "failed", error: { code: "QUEUE_CLOSED" } });
    vehicle.intercept = undefined;
    vehicle.restart("power");
    await vehicle.run(vehicle.ipa.start());
    expect(vehicle.eim.results()).toHaveLength(1);
    expect(vehicle.enabled()).toBe(b);
  });
});

// shows: e2.05-nothing
test("polls that bring nothing write nothing", async () => {
  const vehicle = new Vehicle();
  await vehicle.poll();
  const { saves } = vehicle;
  for (let i = 0; i < 3; i++) await vehicle.poll();
  await vehicle.deliver();
  expect(vehicle.saves).toBe(saves);
});

test("what policy says of polling is told when it changes, not with every poll", async () => {
  const vehicle = new Vehicle();
  const told = (): number => vehicle.events.filter(({ kind }) => kind === "policy.warned").length;
  vehicle.verdict = () => ({ kind: "warn", rule: "cap", reason: "80 % used", retryAt: undefined });
  for (let i = 0; i < 3; i++) await vehicle.poll();
  expect(told()).toBe(1);
  vehicle.verdict = () => ({ kind: "warn", rule: "cap", reason: "90 % used", retryAt: undefined });
  await vehicle.poll();
  expect(told()).toBe(2);
});
