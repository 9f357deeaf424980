// Rehearsals among orders that are meant, on a whole vehicle through its socket: neither becomes the other, whatever they share.
import { mkdtemp, rm } from "node:fs/promises";
import { Agent as Connections, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { serveApi } from "../../agent/api/server.ts";
import type { ApiEvent } from "../../agent/api/types.ts";
import { createClient } from "../../agent/cli/client.ts";
import { silentLog } from "../../base/log.ts";
import { rehearsal } from "../../base/rehearsal.ts";
import { fleet, type Given, inWorld, second, type World } from "../support/e2e.ts";

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-among-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

interface Told {
  readonly outcome: string;
  readonly commands: readonly object[];
}

interface Bench extends World {
  /** Over one connection, one behind the other. */
  post(path: string, body: object): Promise<unknown>;
  rehearse(path: string, body: object): Promise<Told>;
  /** Those that went out as part of a rehearsal, whoever began it. */
  readonly drawnIn: string[];
}

const given: Omit<Given, "run"> = { cardRole: "sgp22", installed: [fleet], seed: 7, config: "[eim]\npoll_interval_seconds = 86400\n" };

function onVehicle(run: (bench: Bench) => Promise<void>, more: Partial<Given> = {}): Promise<void> {
  return inWorld({ ...given, ...more }, async (world) => {
    const server = await serveApi({ dir }, world.agent, silentLog);
    const agent = new Connections({ keepAlive: true, maxSockets: 1 });
    const post = (path: string, body: object): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const asked = request({ socketPath: join(dir, "admin.sock"), agent, method: "POST", path }, (answer) => {
          let text = "";
          answer.on("data", (part) => (text += part)).on("end", () => resolve(JSON.parse(text)));
        });
        asked.on("error", reject).end(JSON.stringify(body));
      });
    const drawnIn: string[] = [];
    const stop = world.trace.listen(["at"], ({ direction, text, octets }) => {
      const line = (text ?? new TextDecoder().decode(octets)).trim();
      if (direction === "tx" && rehearsal() !== undefined) drawnIn.push(line);
    });
    try {
      const rehearse = async (path: string, body: object): Promise<Told> =>
        (await post("/v1/dry-run", { method: "POST", path, body })) as Told;
      await run({ ...world, post, rehearse, drawnIn });
    } finally {
      stop();
      agent.destroy();
      await server.close();
    }
  });
}

const nickname = async ({ agent }: World): Promise<string | undefined> =>
  (await agent.profiles()).profiles.find(({ iccid }) => iccid === fleet.iccid)?.nickname;
const name = (nickname: string): object => ({ target: fleet.iccid, nickname });

test("one behind the other on one connection, and many at once: what is meant happens, what is rehearsed does not", () =>
  onVehicle(async (bench) => {
    const { post, rehearse } = bench;
    for (let i = 0; i < 3; i++) {
      expect(await rehearse("/v1/profiles/nickname", name(`rehearsed ${i}`))).toMatchObject({ outcome: "commands" });
      expect(await post("/v1/profiles/nickname", name(`meant ${i}`))).toMatchObject({ schema: "simward/profile-change/1" });
      expect(await nickname(bench)).toBe(`meant ${i}`);
    }
    const admin = createClient(join(dir, "admin.sock"), 60_000);
    const rounds = Array.from({ length: 8 }, (_, i) => i);
    const told = await Promise.all(
      rounds.flatMap((i) => [
        admin.call("POST", "/v1/dry-run", { method: "POST", path: "/v1/profiles/nickname", body: name(`rehearsed ${i}`) }),
        admin.call("POST", "/v1/profiles/nickname", name(`at once ${i}`)),
      ]),
    );
    expect(told.map((one) => (one as { readonly schema: string }).schema)).toEqual(
      rounds.flatMap(() => ["simward/rehearsal/1", "simward/profile-change/1"]),
    );
    expect(await nickname(bench)).toMatch(/^at once \d$/);
    expect(await bench.audit.events("profile.nickname")).toHaveLength(3 + 8);
  }));

test("long acts: a rehearsal neither joins, begins, ends nor tells one; one that begins meanwhile is meant", () =>
  onVehicle(async ({ agent, rehearse, drawnIn, until, modem }) => {
    const events: ApiEvent[] = [];
    const leave = agent.events(undefined, (event) => events.push(event));
    const phases = () => events.filter(({ kind }) => kind === "phase").map(({ phase }) => phase);
    const scan = agent.net.scan();
    await until(
      () => phases().length,
      (length) => length >= 2,
    );
    const before = phases();
    const { underWay } = await agent.status();
    expect(await rehearse("/v1/net/scan", {})).toMatchObject({ outcome: "commands", commands: [{ interface: "at" }] });
    const reset = await rehearse("/v1/modem/reset", { reason: "ticket" });
    expect(reset.outcome).toBe("commands");
    expect((await agent.status()).underWay).toMatchObject({ work: underWay?.work, phase: underWay?.phase });
    expect(phases()).toEqual(before);
    expect((await scan).operators.length).toBeGreaterThan(0);
    expect((await agent.status()).underWay).toBeUndefined();

    // A restart that is meant, begun while the same is rehearsed: it is not drawn in, and the rehearsal does not wait for it.
    const rehearsed = rehearse("/v1/modem/reset", { reason: "ticket" });
    const meant = agent.module.reset({ role: "admin", peer: undefined }, "ticket");
    expect((await rehearsed).commands).toEqual(reset.commands);
    expect(await meant).toMatchObject({ what: "reset", changed: true });
    const told = events.flatMap(({ kind, work, phase }) => (kind === "phase" && work === "modem reset" ? [phase] : []));
    expect(told.slice(0, 4)).toEqual(["asked", "restarting", "off the air", "back"]);
    expect(told.filter((phase) => phase === "asked")).toHaveLength(1);
    expect([modem.status.link, drawnIn.filter((line) => /CFUN=|COPS=\?/.test(line))]).toEqual(["ready", []]);
    leave();
  }));

test("what can be used once is still there: numbers of events and records, challenges, an activation code's matching identifier", () =>
  onVehicle(
    async ({ agent, post, rehearse, audit, vehicle, disk }) => {
      const events: ApiEvent[] = [];
      const leave = agent.events(undefined, (event) => events.push(event));
      const { head } = agent.auditKey();
      const admin = createClient(join(dir, "admin.sock"), 60_000);
      const challenges = async () => ({ shown: await admin.call("GET", "/v1/imei-lock"), kept: await disk.read("challenges.1.json") });
      const before = await challenges();
      expect(JSON.stringify(before.shown)).toMatch(/"challenge":"[0-9a-f]{64}"/);
      events.length = 0;
      const activationCode = vehicle.activationCode(second.matchingId);
      for (const [path, body] of [
        ["/v1/profiles/download", { activationCode }],
        ["/v1/imei-lock/unlock", { token: "00".repeat(64), reason: "ticket" }],
        ["/v1/lifecycle/token", { token: "00".repeat(64) }],
        ["/v1/eim/poll", {}],
      ] as const)
        await rehearse(path, body);
      expect(await challenges()).toEqual(before);
      // Questions were asked, which is told; nothing else is.
      expect([...new Set(events.map(({ kind }) => kind))].filter((kind) => kind !== "step")).toEqual([]);
      expect(agent.auditKey().head).toEqual(head);
      const records = (await audit.records()).map(({ seq }) => seq);
      await post("/v1/profiles/nickname", name("after"));
      expect((await audit.records()).find(({ seq }) => !records.includes(seq))?.seq).toBe(head.seq + 1);
      expect(await post("/v1/profiles/download", { activationCode })).toMatchObject({ iccid: second.iccid });
      leave();
    },
    { direct: true },
  ));
