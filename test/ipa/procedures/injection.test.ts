// Packages that an eIM brings by itself (SGP.32 §3.1.1.2): who may bring what, what the answer is, and that nothing is lost or done twice.
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import type { Disposer } from "../../../base/clock.ts";
import { SimwardError } from "../../../base/errors.ts";
import type { Injector, InjectRequest } from "../../../hw-sim/eim/inject.ts";
import { writeTlv } from "../../../ipa/asn1/tlv.ts";
import { a, b, c, clock, eid, factoryProfile, pki, Vehicle, type VehicleOptions } from "../support/vehicle.ts";

const two = { profiles: [factoryProfile(a, true), factoryProfile(b, false)] };
const list = { kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] };
const data = { kind: "ipaEuiccData", tags: ["BF20", "A8"] };
const received = "BF4E020500";
const refused = "BF4E0302017F";

interface Brought {
  /** BF4E, hex, or the code of the error. */
  readonly answer: string;
  readonly order: Readonly<Record<string, unknown>> | undefined;
}

/** Without it the time would jump to the end of the peer's patience while the card works, which takes none of this clock. */
let stopTicking: Disposer = () => undefined;
const tickMs = 100;

/** Lets so much time go by. */
const pass = (ms: number): Promise<void> => clock.runUntil(clock.sleep(ms), ms + 1_000);

afterEach(() => stopTicking());

/** A vehicle whose eIMs go to its IPA without a network in between. */
class Bench {
  readonly vehicle: Vehicle;
  /** Aborts when the peer of the next injection is to be gone. */
  gone = new AbortController();
  /** BF4E as the eIM wrote it last. */
  lastMessage: Uint8Array = new Uint8Array(0);

  constructor(options: VehicleOptions = {}) {
    const openInjector = async (_target: unknown, { scheme, certificate }: InjectRequest): Promise<Injector> => ({
      transfer: async (message) => {
        this.lastMessage = message;
        if (certificate === "expired") throw new Error("not sent");
        return this.vehicle.ipa.transferEimPackage(message, {
          scheme,
          peer: "192.0.2.7:40000",
          eimIds: certificate === "own" ? [this.vehicle.eim.eimId] : [],
          gone: this.gone.signal,
        });
      },
      close: () => undefined,
    });
    this.vehicle = new Vehicle({ ...options, eim: { ...options.eim, openInjector } });
    this.vehicle.eim.setEuicc({ eid, injection: { certificate: pki.get("ci").certificate } });
  }

  async started(): Promise<this> {
    stopTicking();
    stopTicking = clock.every(tickMs, () => undefined);
    await this.vehicle.run(this.vehicle.ipa.start());
    this.vehicle.apdus.length = 0;
    return this;
  }

  /** The octets of an order, as BF4E; nothing is brought. */
  async message(order: object): Promise<Uint8Array> {
    await this.inject(order, "expired", 0);
    return this.lastMessage;
  }

  /** Straight to the IPA. */
  async bring(message: Uint8Array, eimIds: readonly string[] = [this.vehicle.eim.eimId], gone = this.gone.signal): Promise<string> {
    const source = { scheme: "https", peer: "192.0.2.7:40000", eimIds, gone } as const;
    const brought = this.vehicle.ipa.transferEimPackage(message, source).then(toHexUpper, (error: SimwardError) => error.code);
    return this.vehicle.run(brought);
  }

  /** By the eIM, which acknowledges what it gets; resolves when it has nothing more to say. */
  async inject(order: object, certificate = "own", afterMs = 60_000): Promise<Brought> {
    const { eim } = this.vehicle;
    const told: string[] = [];
    let orderId = "";
    const over = new Promise<void>((resolve) => {
      const stop = eim.onEvent((event) => {
        if (event.type !== "injection" || (orderId !== "" && event.orderId !== orderId)) return;
        told.push(String(event.response ?? event.error));
        if (event.error !== undefined || String(event.request).startsWith("BF4E") === false) stop();
        resolve();
      });
    });
    orderId = eim.addOrder({ eid, ...order, inject: "https", injectCertificate: certificate });
    await this.vehicle.run(over);
    // The acknowledgement, and what the IPA does without the peer.
    await pass(afterMs);
    return { answer: told[0] ?? "", order: eim.order(orderId) };
  }

  /** As the eIM does that has seen all results. */
  acknowledgeAll(): Promise<string> {
    const numbers = this.vehicle.euicc.pending().packageResults.map((number) => writeTlv(0x80, Uint8Array.of(number)));
    return this.bring(writeTlv(0xbf4e, writeTlv(0xbf53, ...numbers)));
  }

  kinds(...beginnings: readonly string[]): string[] {
    return this.vehicle.told().filter((kind) => beginnings.some((one) => kind.startsWith(one)));
  }

  /** Nothing is left half done. */
  async isWell(): Promise<void> {
    const { vehicle } = this;
    for (let polls = 0; polls < 4; polls++) await vehicle.poll();
    expect(vehicle.ipa.status().operation).toBeUndefined();
    expect(vehicle.euicc.pending().packageResults).toEqual([]);
    const id = vehicle.order(list);
    await vehicle.poll();
    expect(vehicle.eim.order(id)).toMatchObject({ state: "done" });
  }
}

describe("what an eIM with its certificate brings", () => {
  // shows: esipa.TransferEimPackage, bf4e.package, bf4e.result, bf4e.acknowledgements, e3.01-package, e3.03-acknowledged
  test("an eUICC package is answered with its result, which a message of its own acknowledges", async () => {
    const bench = await new Bench(two).started();
    const { answer, order } = await bench.inject(list);
    expect(answer).toMatch(/^BF4E..*BF51/);
    expect(order).toMatchObject({ state: "done", results: [{ kind: "euiccPackageResult", verified: true }] });
    expect(bench.vehicle.euicc.pending().packageResults).toEqual([]);
    expect(bench.vehicle.esipa).toEqual([]);
    expect(bench.kinds("injection", "package", "acknowledgement")).toEqual([
      ...["injection.received", "package.received", "package.executed", "injection.answered", "package.reported"],
      ...["injection.received", "acknowledgement.taken", "injection.answered"],
    ]);
    await bench.isWell();
  });

  // shows: bf4e.data-request
  test("data are answered with the data", async () => {
    const bench = await new Bench(two).started();
    const { answer, order } = await bench.inject(data);
    expect(answer).toMatch(/^BF4E..*BF52/);
    expect(order).toMatchObject({ state: "done", results: [{ kind: "ipaEuiccData" }] });
    expect(bench.vehicle.esipa).toEqual([]);
    await bench.isWell();
  });

  // shows: bf4e.trigger, bf4e.received, e3.02-later
  test("a download is taken, and its result comes with ProvideEimPackageResult", async () => {
    const bench = await new Bench(two).started();
    const { answer, order } = await bench.inject({ kind: "download", activationCode: bench.vehicle.offer(c) });
    expect(answer).toBe(received);
    expect(order).toMatchObject({ state: "done", deliveries: 1, results: [{ kind: "profileInstallationResult", verified: true }] });
    expect(bench.vehicle.installed()).toContain(c);
    expect(bench.vehicle.esipa).not.toContain("getEimPackage");
    await bench.isWell();
  });

  // shows: e3.02-later
  test("a change of profile is taken before the connection goes away with the old profile", async () => {
    const bench = await new Bench(two).started();
    const { answer, order } = await bench.inject({ kind: "euiccPackage", psmos: [{ enable: { iccid: b, rollback: true } }] });
    expect(answer).toBe(received);
    expect(order).toMatchObject({ state: "done", deliveries: 1 });
    expect(bench.vehicle.enabled()).toBe(b);
    expect(bench.vehicle.esipa).toEqual(["provideEimPackageResult"]);
    await bench.isWell();
  });

  test("a change of profile that finds no network is rolled back", async () => {
    const bench = await new Bench({ ...two, ipa: { onlineTimeoutMs: 60_000 } }).started();
    bench.vehicle.coverage.delete(b);
    const change = { kind: "euiccPackage", psmos: [{ enable: { iccid: b, rollback: true } }] };
    const { answer, order } = await bench.inject(change, "own", 300_000);
    expect([answer, bench.vehicle.enabled()]).toEqual([received, a]);
    expect(order).toMatchObject({ state: "failed", reason: "rolledBack" });
    await bench.isWell();
  });

  test("an error of the card is the answer too", async () => {
    const bench = await new Bench(two).started();
    bench.vehicle.eim.faults.counterValue = 0;
    const { answer, order } = await bench.inject(list);
    bench.vehicle.eim.faults.counterValue = undefined;
    expect(answer).toMatch(/BF51/);
    expect(order).toMatchObject({ state: "failed", reason: "replayError" });
    await bench.isWell();
  });

  test("what the policy refuses never reaches the card", async () => {
    const bench = await new Bench(two).started();
    bench.vehicle.verdict = (gate) =>
      gate === "euiccPackage" || gate === "download"
        ? { kind: "refuse", rule: "test", reason: "not today", retryAt: undefined }
        : { kind: "allow" };
    expect((await bench.inject(list)).answer).toBe(refused);
    expect(bench.vehicle.steps()).not.toContain("ES10b.LoadEuiccPackage");
    expect(bench.kinds("policy", "injection")).toEqual(["injection.received", "policy.refused", "injection.answered"]);
    const download = await bench.inject({ kind: "download", activationCode: bench.vehicle.offer(c) });
    expect(download.order).toMatchObject({ state: "failed" });
    expect(bench.vehicle.installed()).not.toContain(c);
    bench.vehicle.verdict = () => ({ kind: "allow" });
    await bench.isWell();
  });

  test("an eIM that only injects is answered, though nothing could be sent to it", async () => {
    const bench = await new Bench({ ...two, configuration: { protocols: ["eimInjectHttps"] } }).started();
    expect((await bench.inject(list)).order).toMatchObject({ state: "done" });
    expect((await bench.inject(data)).order).toMatchObject({ state: "done" });
    expect(bench.vehicle.euicc.pending().packageResults).toEqual([]);
    // A download goes through its eIM: there is no way.
    expect(await bench.inject({ kind: "download", activationCode: bench.vehicle.offer(c) })).toMatchObject({ order: { state: "failed" } });
    expect(bench.vehicle.ipa.status().operation).toBeUndefined();
  });
});

describe("in special cases", () => {
  test("an eIM that deletes itself gets the result where the answer is the acknowledgement", async () => {
    const bench = await new Bench({ ...two, secondEim: true }).started();
    const { eimId } = bench.vehicle.eim;
    const { answer, order } = await bench.inject({ kind: "euiccPackage", ecos: [{ deleteEim: { eimId } }] });
    expect(answer).toBe(received);
    expect(order).toMatchObject({ state: "done", deliveries: 1 });
    expect(bench.vehicle.euicc.pending().packageResults).toEqual([]);
    expect(bench.vehicle.ipa.injectors.map((one) => one.eimId)).toEqual(["eim2"]);
    // From now on it is nobody's, whatever its certificate proved before.
    expect(await bench.bring(bench.lastMessage)).toBe(refused);
  });

  test("who may inject is known by what the eUICC holds", async () => {
    const bench = await new Bench({ ...two, secondEim: true, configuration: { tls: "publicKey" } }).started();
    expect(bench.vehicle.ipa.injectors).toMatchObject([
      { eimId: "eim.example.com", trust: { kind: "publicKey" }, name: "eim.example.com.example" },
      { eimId: "eim2", trust: { kind: "publicKey" }, name: "eim2.example" },
    ]);
    expect((await new Bench({ ...two, configuration: { tls: "none" } }).started()).vehicle.ipa.injectors).toEqual([]);
    expect(new Bench(two).vehicle.ipa.injectors).toEqual([]);
  });

  test("while the IPA closes nobody is left without an answer", async () => {
    const bench = await new Bench(two).started();
    const message = await bench.message(list);
    bench.vehicle.intercept = () => new Promise(() => undefined);
    const polling = bench.vehicle.ipa.pollOnce();
    const brought = bench.bring(message);
    await pass(500);
    await bench.vehicle.ipa.close();
    expect([await brought, (await bench.vehicle.run(polling)) === "crashed"]).toEqual(["ABORTED", false]);
    expect(await bench.bring(message)).toBe("QUEUE_CLOSED");
  });
});

describe("what comes without a certificate", () => {
  test("an eUICC package is carried out, since the card checks it; its result is shown, and the eIM gets it all the same", async () => {
    const bench = await new Bench(two).started();
    const { answer, order } = await bench.inject(list, "none");
    expect(answer).toMatch(/^BF4E..*BF51/);
    expect(order).toMatchObject({ state: "done" });
    expect(bench.vehicle.esipa).toEqual(["provideEimPackageResult"]);
    expect(bench.vehicle.euicc.pending().packageResults).toEqual([]);
    expect(bench.kinds("injection", "acknowledgement")).toContain("injection.refused");
    await bench.isWell();
  });

  test("notifications are not shown to it", async () => {
    const bench = await new Bench(two).started();
    const [shown] = await Promise.all([bench.inject({ kind: "euiccPackage", psmos: [{ delete: { iccid: b } }] }, "none")]);
    expect(shown.answer).toMatch(/^BF4E..BF51|^BF4E8.{3}BF51|^BF4E81..BF51/);
    expect(bench.vehicle.installed()).toEqual([a]);
    await bench.isWell();
  });

  // shows: d6.inject-trust, code.TransferEimPackage.undefinedError
  for (const [name, body] of [
    ["a data request", "BF52045C02BF20"],
    ["an acknowledgement", "BF5303800101"],
    ["a download trigger", "BF5400"],
  ] as const)
    test(`${name} is refused, and the card is left alone`, async () => {
      const bench = await new Bench(two).started();
      expect(await bench.bring(writeTlv(0xbf4e, fromHex(body)), [])).toBe(refused);
      expect(bench.vehicle.apdus).toEqual([]);
      expect(bench.vehicle.events.at(-1)).toMatchObject({ kind: "injection.refused", code: "INJECTION_UNPROVEN", peer: "192.0.2.7:40000" });
      await bench.isWell();
    });

  test("a package of an eIM that is not associated, or for another EID, does not bother the card", async () => {
    const bench = await new Bench(two).started();
    const stranger = new Bench({ ...two, eim: { eimId: "stranger.example" } });
    expect(await bench.bring(await stranger.message(list), [])).toBe(refused);
    expect(bench.vehicle.events.at(-1)).toMatchObject({ code: "EIM_UNKNOWN" });
    bench.vehicle.eim.faults.wrongEid = 1;
    expect(await bench.bring(await bench.message(list), [])).toBe(refused);
    expect(bench.vehicle.apdus).toEqual([]);
  });

  test("a forged package changes nothing", async () => {
    const bench = await new Bench(two).started();
    bench.vehicle.eim.faults.wrongSigningKey = 1;
    const forged = await bench.message({ kind: "euiccPackage", psmos: [{ enable: { iccid: b } }] });
    await bench.bring(forged, []);
    await pass(60_000);
    expect(bench.vehicle.enabled()).toBe(a);
    expect(bench.vehicle.adopted).toEqual([]);
  });
});

describe("two eIMs", () => {
  // shows: d6.inject-trust
  test("one cannot acknowledge what is the other's, nor ask for it", async () => {
    const bench = await new Bench({ ...two, secondEim: true }).started();
    const { vehicle } = bench;
    // A result for the first that it does not have yet.
    vehicle.intercept = () => Promise.resolve({ status: 500, body: new Uint8Array(0) });
    await bench.bring(await bench.message(list));
    const kept = vehicle.euicc.pending().packageResults;
    expect(kept).toHaveLength(1);
    const numbers = [...kept, 1, 2, 99].map((number) => writeTlv(0x80, Uint8Array.of(number)));
    expect(await bench.bring(writeTlv(0xbf4e, writeTlv(0xbf53, ...numbers)), ["eim2"])).toBe(received);
    expect(vehicle.euicc.pending().packageResults).toEqual(kept);
    expect(vehicle.events).toContainEqual(expect.objectContaining({ kind: "acknowledgement.ignored", eimId: "eim2" }));
    // Asked for all results on the card, the second gets none.
    const answer = await bench.bring(writeTlv(0xbf4e, fromHex("BF52035C01A2")), ["eim2"]);
    expect(answer).toMatch(/A200/);
    expect(await bench.bring(writeTlv(0xbf4e, writeTlv(0xbf53, ...numbers)))).toBe(received);
    expect(vehicle.euicc.pending().packageResults).toEqual([]);
    vehicle.intercept = undefined;
    await bench.isWell();
  });

  test("a package that one brings for the other is carried out as if it came without a certificate", async () => {
    const bench = await new Bench({ ...two, secondEim: true }).started();
    expect(await bench.bring(await bench.message(list), ["eim2"])).toMatch(/BF51/);
    await pass(5_000);
    expect(bench.vehicle.esipa).toEqual(["provideEimPackageResult"]);
    expect(bench.vehicle.euicc.pending().packageResults).toEqual([]);
  });
});

describe("the same package again", () => {
  test("is answered with the result that is on the card, and not carried out again", async () => {
    const bench = await new Bench(two).started();
    const message = await bench.message(list);
    const first = await bench.bring(message);
    const loads = bench.vehicle.steps().filter((name) => name === "ES10b.LoadEuiccPackage").length;
    expect(await bench.bring(message)).toBe(first);
    expect(bench.vehicle.steps().filter((name) => name === "ES10b.LoadEuiccPackage")).toHaveLength(loads);
    // Once acknowledged it is the card that says what it thinks of it.
    await bench.acknowledgeAll();
    expect(bench.vehicle.euicc.pending().packageResults).toEqual([]);
    expect(await bench.bring(message)).toMatch(/BF51/);
    expect(bench.vehicle.eim.results()).toHaveLength(0);
  });

  test("without a certificate nobody learns a result by showing an old package", async () => {
    const bench = await new Bench(two).started();
    const message = await bench.message(list);
    const first = await bench.bring(message);
    const again = await bench.bring(message, []);
    expect(again).not.toBe(first);
    expect(again.length).toBeLessThan(first.length);
  });

  test("while it is under way it is said to have been received", async () => {
    const bench = await new Bench(two).started();
    const message = await bench.message({ kind: "euiccPackage", psmos: [{ enable: { iccid: b, rollback: true } }] });
    expect(await bench.bring(message)).toBe(received);
    expect(bench.vehicle.ipa.status().operation).toMatchObject({ kind: "euiccPackage" });
    expect(await bench.bring(message)).toBe(received);
    await pass(60_000);
    expect(bench.vehicle.adopted).toEqual([b]);
    expect(bench.vehicle.eim.results()).toHaveLength(1);
    await bench.isWell();
  });
});

describe("while something else is under way", () => {
  test("it waits for a poll to end", async () => {
    const bench = await new Bench(two).started();
    const message = await bench.message(list);
    const polling = bench.vehicle.ipa.pollOnce();
    const [answer, outcome] = [await bench.bring(message), await bench.vehicle.run(polling)];
    expect(answer).toMatch(/BF51/);
    expect(outcome).toMatchObject({ error: undefined });
    await bench.acknowledgeAll();
    await bench.isWell();
  });

  test("one that does not get its turn in time is told so, and has not been taken", async () => {
    const bench = await new Bench(two).started();
    const message = await bench.message(list);
    bench.vehicle.intercept = () => new Promise(() => undefined);
    const polling = bench.vehicle.ipa.pollOnce();
    expect(await bench.bring(message)).toBe("BUSY");
    bench.vehicle.intercept = undefined;
    await bench.vehicle.run(polling);
    await pass(5_000);
    expect(bench.vehicle.steps()).not.toContain("ES10b.LoadEuiccPackage");
    expect(await bench.bring(message)).toMatch(/BF51/);
  });

  test("an operation that is not finished comes first", async () => {
    const bench = await new Bench(two).started();
    bench.vehicle.intercept = (name) =>
      name === "provideEimPackageResult" ? Promise.resolve({ status: 503, body: new Uint8Array(0) }) : undefined;
    bench.vehicle.order(data);
    await bench.vehicle.run(bench.vehicle.ipa.pollOnce());
    expect(bench.vehicle.ipa.status().operation).toMatchObject({ kind: "ipaEuiccData" });
    expect(await bench.bring(await bench.message(list), [])).toBe("BUSY");
    bench.vehicle.intercept = undefined;
    await bench.isWell();
  });

  test("before the card was read nothing is taken", async () => {
    const bench = new Bench(two);
    expect(await bench.bring(await bench.message(list))).toBe("BUSY");
  });
});

describe("a peer that leaves", () => {
  test("before its turn: nothing is done", async () => {
    const bench = await new Bench(two).started();
    const message = await bench.message(list);
    bench.vehicle.intercept = () => clock.sleep(5_000).then(() => ({ status: 500, body: new Uint8Array(0) }));
    const polling = bench.vehicle.ipa.pollOnce();
    clock.after(1_000, () => bench.gone.abort(new SimwardError("HTTP_CLOSED")));
    expect(await bench.bring(message)).toBe("HTTP_CLOSED");
    bench.vehicle.intercept = undefined;
    await bench.vehicle.run(polling);
    expect(bench.vehicle.steps()).not.toContain("ES10b.LoadEuiccPackage");
  });

  test("before its answer: the result goes to the eIM", async () => {
    const bench = await new Bench(two).started();
    const message = await bench.message(list);
    bench.vehicle.line = (response) => {
      // The card's answer to the package, the longest there is.
      if (toHexUpper(response).includes("BF51")) bench.gone.abort(new SimwardError("HTTP_CLOSED"));
      return response;
    };
    await bench.bring(message);
    await pass(5_000);
    expect(bench.gone.signal.aborted).toBe(true);
    expect(bench.vehicle.esipa).toEqual(["provideEimPackageResult"]);
    expect(bench.vehicle.eim.results()).toHaveLength(1);
    bench.vehicle.line = undefined;
    await bench.isWell();
  });

  test("whose package takes long hears that it was received, and the eIM gets the result", async () => {
    const bench = await new Bench({ ...two, ipa: { injectionAnswerMs: 0 } }).started();
    const { order, answer } = await bench.inject(list);
    expect(answer).toBe(received);
    expect(bench.vehicle.esipa).toEqual(["provideEimPackageResult"]);
    expect(order).toMatchObject({ state: "done" });
    await bench.isWell();
  });
});

describe("what cannot be read", () => {
  // shows: code.TransferEimPackage.invalidPackageFormat, code.TransferEimPackage.unknownPackage
  test("is answered with what is wrong, and the card is left alone", async () => {
    const bench = await new Bench(two).started();
    expect(await bench.bring(fromHex("BF4E03BF6001"))).toBe("BF4E03020101");
    expect(await bench.bring(writeTlv(0xbf4e, writeTlv(0xbf60)))).toBe("BF4E03020102");
    expect(await bench.bring(writeTlv(0xbf4e))).toBe("BF4E03020101");
    expect(await bench.bring(fromHex("BF4F00"))).toBe("BF4E03020101");
    expect(await bench.bring(new Uint8Array(0))).toBe("BF4E03020101");
    expect(await bench.bring(writeTlv(0xbf4e, fromHex("BF5400"), fromHex("BF5400")))).toBe("BF4E03020101");
    expect(bench.vehicle.apdus).toEqual([]);
    await bench.isWell();
  });

  test("any octets get an answer", async () => {
    const bench = await new Bench(two).started();
    const good = await bench.message(list);
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.uint8Array({ maxLength: 200 }).map((octets) => writeTlv(0xbf4e, octets)),
          fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, octet]) => good.map((old, i) => (i === at ? octet : old))),
        ),
        async (octets) => {
          expect(await bench.bring(octets, [])).toMatch(/^BF4E/);
          await pass(5_000);
        },
      ),
      { seed: 32, numRuns: 150 },
    );
    await bench.isWell();
  });
});

describe("life ends in the middle", () => {
  const stories = [
    { name: "a package without a change of profile", order: list, expected: { enabled: a, results: 1 } },
    {
      name: "a change of profile",
      order: { kind: "euiccPackage", psmos: [{ enable: { iccid: b, rollback: true } }] },
      expected: { enabled: b, results: 1 },
    },
    { name: "data", order: data, expected: { enabled: a, results: 0 } },
  ];
  for (const { name, order, expected } of stories)
    test(`${name}: at every write, the eIM comes again where it heard nothing, and all is as it should be`, async () => {
      const whole = await new Bench(two).started();
      const last = await whole.message(order);
      const saved = whole.vehicle.saves;
      await whole.bring(last);
      await pass(60_000);
      const writes = whole.vehicle.saves - saved;
      expect(writes).toBeGreaterThan(1);
      for (let at = 1; at <= writes; at++)
        for (const when of ["before", "after"] as const) {
          const bench = await new Bench(two).started();
          const { vehicle } = bench;
          const message = await bench.message(order);
          vehicle.crash = { at: vehicle.saves + at, when };
          const brought = await bench.bring(message);
          if (!vehicle.crashed) await vehicle.run(pass(60_000));
          expect(vehicle.crashed).toBe(true);
          vehicle.restart(at % 2 === 0 ? "power" : "process");
          await vehicle.run(vehicle.ipa.start());
          if (brought === "crashed") await bench.bring(message);
          await pass(60_000);
          for (let polls = 0; polls < 4; polls++) await vehicle.poll();
          // An answer lies where the eIM has not seen it in these tests: on the card, until it is delivered again.
          stopTicking();
          await clock.advance(7 * 3_600_000);
          for (let polls = 0; polls < 4; polls++) await vehicle.poll();
          expect({ enabled: vehicle.enabled(), results: vehicle.eim.results().length }, `${when} write ${at}`).toEqual(expected);
          expect(vehicle.ipa.status().operation).toBeUndefined();
          expect(vehicle.euicc.pending().packageResults).toEqual([]);
          expect(vehicle.adopted.filter((iccid) => iccid !== b)).toEqual([]);
        }
    });
});
