// The eIM goes to the vehicle: over CoAPs and HTTPS, with its certificate, with a wrong one and without; and nothing listens unless it is told to.
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bootstrap, fleet, type Given, scenario, second, type World } from "../support/e2e.ts";
import { injectionConfig, injectionCredentials, meetForInjection, vehicleCertificate } from "../support/e2e-injection.ts";
import { allPrograms, ProgramBench, until } from "../support/e2e-programs.ts";
import { bundlePrograms } from "../support/shipped.ts";

const list = { kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] };
const data = { kind: "ipaEuiccData", tags: ["BF20", "BF22", "A8"] };
const listening = { config: injectionConfig(), credentials: injectionCredentials } satisfies Partial<Given>;
const schemes = ["coaps", "https"] as const;

const over = ({ state }: { readonly state: string }): boolean => state === "done" || state === "failed";

/** Places an order that the eIM brings, and waits for how it ends. */
async function inject(world: World, order: object): Promise<Readonly<Record<string, unknown>>> {
  const standing = world.order(order);
  return { ...(await world.until(standing, over)) };
}

/** BF4E messages, each with its answer. */
function injections(world: World): { readonly request: string; readonly response: string }[] {
  const told: { readonly request: string; readonly response: string }[] = [];
  world.eim.onEvent(({ type, request, response }) => {
    if (type === "injection" && request !== undefined) told.push({ request: String(request), response: String(response) });
  });
  return told;
}

describe("injection with the eIM's certificate", () => {
  // shows: d6.inject-https, d6.inject-coaps
  for (const scheme of schemes)
    scenario(`over ${scheme}: packages and data answered at once, acknowledged, without a single poll`, {
      ...listening,
      installed: [fleet],
      async run(world) {
        const { vehicle, audit, esipa } = world;
        await meetForInjection(world);
        const told = injections(world);
        const asked = esipa().length;
        expect(await inject(world, { ...list, inject: scheme })).toMatchObject({
          state: "done",
          deliveries: 1,
          results: [{ verified: true }],
        });
        expect(await inject(world, { ...data, inject: scheme })).toMatchObject({ state: "done", results: [{ kind: "ipaEuiccData" }] });
        await world.until(
          () => vehicle.euicc.pending().packageResults,
          (pending) => pending.length === 0,
        );
        expect(told[0]).toMatchObject({ request: expect.stringMatching(/^BF4E.*BF51/), response: expect.stringMatching(/^BF4E.*BF51/) });
        expect(told[1]).toMatchObject({ request: expect.stringMatching(/^BF4E..BF53/), response: "BF4E020500" });
        expect(esipa().slice(asked)).toEqual([]);
        expect(await audit.data("injection.received")).toMatchObject({ scheme: scheme, peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/) });
        expect((await audit.records()).find(({ event }) => event === "injection.received")?.cause).toBe("eim:eim.example.com");
        expect(await audit.data("acknowledgement.taken")).toMatchObject({ eimId: "eim.example.com" });
      },
    });

  for (const scheme of schemes)
    scenario(`over ${scheme}: a download and the change to its profile are received, and their results reported`, {
      ...listening,
      async run(world) {
        const { vehicle, enabled, installed, notified } = world;
        await meetForInjection(world);
        const told = injections(world);
        const download = { kind: "download", activationCode: vehicle.activationCode(fleet.matchingId) };
        expect(await inject(world, { ...download, inject: scheme })).toMatchObject({ state: "done", deliveries: 1 });
        expect(installed()).toEqual([bootstrap.iccid, fleet.iccid]);
        const change = { kind: "euiccPackage", psmos: [{ enable: { iccid: fleet.iccid, rollback: true } }] };
        expect(await inject(world, { ...change, inject: scheme })).toMatchObject({
          state: "done",
          deliveries: 1,
          results: [{ verified: true }],
        });
        expect(enabled()).toBe(fleet.iccid);
        expect(told.map(({ response }) => response)).toEqual(["BF4E020500", "BF4E020500"]);
        // Nobody polled for it: notifications are delivered all the same.
        await notified("install", "enable");
      },
    });

  scenario("while a poll is under way it waits for its end", {
    ...listening,
    async run(world) {
      await meetForInjection(world);
      // Two packages would be in a race for their counter, which is their eIM's affair.
      const polled = world.order(data);
      const polling = world.poll();
      const [injected] = await Promise.all([inject(world, { ...list, inject: "coaps" }), polling]);
      expect([injected.state, polled().state]).toEqual(["done", "done"]);
    },
  });

  scenario("what policy refuses never reaches the card", {
    ...listening,
    config: `${injectionConfig()}[policy]\nno_way_back = "refuse"\n`,
    installed: [fleet],
    async run(world) {
      await meetForInjection(world);
      const enable = { kind: "euiccPackage", psmos: [{ enable: { iccid: fleet.iccid } }], inject: "https" };
      expect(await inject(world, enable)).toMatchObject({ state: "failed", reason: "undefinedError" });
      expect(world.enabled()).toBe(bootstrap.iccid);
      expect(await world.audit.events("policy", "package.executed", "injection")).toEqual([
        ...["injection.received", "policy.refused", "injection.answered"],
      ]);
    },
  });
});

describe("injection with the wrong certificate", () => {
  for (const scheme of schemes)
    for (const injectCertificate of ["foreign", "expired", "wrongHost"] as const)
      scenario(`over ${scheme}, ${injectCertificate}: the connection is refused, and the trail says why`, {
        ...listening,
        async run(world) {
          await meetForInjection(world);
          const { state, reason } = await inject(world, { ...list, inject: scheme, injectCertificate });
          expect([state, reason]).toEqual(["failed", expect.stringMatching(/^(DTLS_ALERT|DTLS_HANDSHAKE|HTTP_CONNECT|HTTP_CLOSED)$/)]);
          const code = { foreign: "TLS_UNTRUSTED", expired: "TLS_EXPIRED", wrongHost: "TLS_HOST_MISMATCH" }[injectCertificate];
          expect(
            await world.until(
              () => world.audit.data("injection.refused"),
              (one) => one.code !== undefined,
            ),
          ).toMatchObject({
            ...{ code, scheme: scheme, peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/) },
          });
          expect(await world.audit.events("package", "injection.received")).toEqual([]);
          // The next one, with the right certificate, is served.
          expect(await inject(world, { ...list, inject: scheme })).toMatchObject({ state: "done" });
        },
      });
});

describe("injection without a certificate", () => {
  for (const scheme of schemes)
    scenario(`over ${scheme}: an eUICC package, which the card checks, and nothing else`, {
      ...listening,
      async run(world) {
        await meetForInjection(world);
        const none = { inject: scheme, injectCertificate: "none" };
        expect(await inject(world, { ...list, ...none })).toMatchObject({ state: "done", results: [{ verified: true }] });
        expect(await inject(world, { ...data, ...none })).toMatchObject({ state: "failed", reason: "undefinedError" });
        const download = { kind: "download", activationCode: world.vehicle.activationCode(second.matchingId) };
        expect(await inject(world, { ...download, ...none })).toMatchObject({ state: "failed", reason: "undefinedError" });
        expect(await world.audit.data("injection.refused")).toMatchObject({ code: "INJECTION_UNPROVEN" });
        expect(world.installed()).toEqual([bootstrap.iccid]);
      },
    });

  scenario("is limited by itself: whoever floods keeps no eIM from its turn", {
    ...listening,
    async run(world) {
      await meetForInjection(world);
      const flood = await Promise.all(
        Array.from({ length: 8 }, () => inject(world, { ...list, inject: "https", injectCertificate: "none" })),
      );
      expect(flood.filter(({ reason }) => reason === "status 429").length).toBeGreaterThanOrEqual(4);
      expect(await inject(world, { ...list, inject: "https" })).toMatchObject({ state: "done" });
      const refused = (await world.audit.records()).filter(({ event }) => event === "injection.refused");
      expect(refused.map((one) => one.data?.code)).toContain("INJECTION_LIMIT");
    },
  });

  scenario("is refused altogether where that is configured", {
    ...listening,
    config: injectionConfig("unproven_requests_per_minute = 0\n"),
    async run(world) {
      await meetForInjection(world);
      const none = { ...list, inject: "coaps", injectCertificate: "none" };
      expect(await inject(world, none)).toMatchObject({ state: "failed", reason: "status 429" });
      expect(await inject(world, { ...list, inject: "coaps" })).toMatchObject({ state: "done" });
    },
  });
});

describe("where the vehicle listens", () => {
  // shows: d6.inject-off
  scenario("nowhere, unless it is enabled", {
    async run(world) {
      expect(world.events().filter(({ kind }) => kind.startsWith("injection"))).toEqual([]);
      const asked = world.order({ kind: "ipaEuiccData", tags: ["A8"] });
      await world.poll();
      expect(JSON.stringify(asked().results)).not.toContain("ipaInject");
    },
  });

  scenario("is announced to the eIM", {
    ...listening,
    async run(world) {
      const asked = world.order({ kind: "ipaEuiccData", tags: ["A8"] });
      await world.poll();
      expect(JSON.stringify(asked().results)).toContain("ipaInjectHttps");
      expect(JSON.stringify(asked().results)).toContain("ipaInjectCoaps");
    },
  });
});

describe("the shipped programs", () => {
  let bundles: Awaited<ReturnType<typeof bundlePrograms>>;
  beforeAll(async () => {
    bundles = await bundlePrograms(allPrograms);
  });
  afterAll(() => bundles.close());

  const freePort = (): Promise<number> =>
    new Promise((resolve) => {
      const server = createServer().listen(0, "127.0.0.1", () => {
        const { port } = server.address() as { readonly port: number };
        server.close(() => resolve(port));
      });
    });

  /** Resolves when the eIM has heard eimPackageReceived so often. */
  const received = async (api: string, count: number): Promise<void> => {
    const reading = new AbortController();
    const { body } = await fetch(`${api}/v1/events`, { signal: reading.signal });
    let text = "";
    for await (const part of body ?? []) {
      text += Buffer.from(part).toString("utf8");
      if ((text.match(/"response":"BF4E020500"/g) ?? []).length >= count) break;
    }
    reading.abort();
  };

  test("a change of profile is injected, the daemon is killed as soon as it has received it, and the next one brings it to its end", async () => {
    const bench = await ProgramBench.create(bundles.dir);
    try {
      const [coaps, https] = [await freePort(), await freePort()];
      process.env.CREDENTIALS_DIRECTORY = join(bench.dir, "credentials");
      await mkdir(process.env.CREDENTIALS_DIRECTORY);
      for (const [name, text] of Object.entries(injectionCredentials)) await writeFile(join(process.env.CREDENTIALS_DIRECTORY, name), text);
      const sim = await bench.sim("--modem", "pty");
      const config = await bench.config(
        `pty:${sim.ready.modem.pty}`,
        injectionConfig("", `coaps_port = ${coaps}\nhttps_port = ${https}\n`),
      );
      const daemon = await bench.daemon(config);
      await bench.online();
      const injection = { coaps: `127.0.0.1:${coaps}`, https: `127.0.0.1:${https}`, certificate: vehicleCertificate.pem };
      const body = JSON.stringify({ eid: sim.ready.eid, injection });
      expect((await fetch(`${sim.ready.eim.api}/v1/euiccs`, { method: "POST", body })).status).toBe(201);

      const downloaded = await sim.order({ kind: "download", activationCode: sim.activationCode("RHEINFUNK-1"), inject: "coaps" });
      expect(await until(downloaded, over)).toMatchObject({ state: "done" });
      const psmos = [{ enable: { iccid: fleet.iccid, rollback: true } }];
      const changed = await sim.order({ kind: "euiccPackage", psmos, inject: "https" });
      await received(sim.ready.eim.api, 2);
      daemon.child.kill("SIGKILL");
      await daemon.ended;
      await bench.daemon(config);
      await bench.online();
      await until(async () => {
        await bench.simward("eim", "poll");
        return changed();
      }, over);
      expect(await changed()).toMatchObject({ state: "done", deliveries: 1 });
      const { stdout } = await bench.simward("status");
      expect(stdout).toMatch(/8949…0026 .*enabled/);
      const results = (await sim.get(`/v1/results?eid=${sim.ready.eid}`)) as readonly unknown[];
      expect(results.filter((one) => JSON.stringify(one).includes("enableResult"))).toHaveLength(1);
      expect((await bench.simward("audit", "tail", "--event", "injection.")).stdout).toMatch(/injection\.received/);
    } finally {
      delete process.env.CREDENTIALS_DIRECTORY;
      await bench.close();
    }
  });
});
