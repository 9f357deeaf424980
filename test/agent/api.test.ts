import { once } from "node:events";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createEventHub, type EventHub } from "../../agent/api/events.ts";
import type { ApiServices } from "../../agent/api/route.ts";
import { type ApiServer, serveApi } from "../../agent/api/server.ts";
import type { ApiEvent, Status } from "../../agent/api/types.ts";
import { createClient } from "../../agent/cli/client.ts";
import { VirtualClock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { silentLog } from "../../base/log.ts";
import { quietLocalActs } from "../support/local-acts.ts";

let dir = "";
let server: ApiServer | undefined;
let hub: EventHub;
let acts: unknown[];
let errors: string[];

const services = (): ApiServices => ({
  ...quietLocalActs,
  status: async () => ({ schema: "simward/status/1" }) as Status,
  profiles: async () => {
    throw new SimwardError("CARD_NOT_EUICC");
  },
  pollEim: async (eimId) => {
    if (eimId === "unknown") throw new SimwardError("EIM_UNKNOWN", { detail: eimId });
    return { schema: "simward/poll/1", eims: [] };
  },
  auditRecords: async (query) => ({ schema: "simward/audit/1", records: [], query }) as never,
  verifyAudit: async () => ({
    schema: "simward/audit-verification/1",
    ok: true,
    records: 0,
    firstSeq: 0,
    head: { seq: 0, hash: "" },
    tornBytes: 0,
    checkpoints: 0,
  }),
  events: (after, fn) => hub.subscribe(after, fn),
  auditAdminAct: async (act, role, peer, data) => void acts.push({ act, role, uid: peer?.uid, pid: peer?.pid, data }),
});

interface Asked {
  readonly method?: string;
  readonly path: string;
  readonly body?: string;
}

function ask(
  role: string,
  { method = "GET", path, body = "" }: Asked,
): Promise<{ readonly status: number | undefined; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: join(dir, `${role}.sock`), method, path, agent: false }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
      resolve({ status: response.statusCode, body: Buffer.concat(chunks).toString("utf8") });
    });
    asked.once("error", reject);
    asked.end(body);
  });
}

/** Kind and number of what a listener is told before it hears anything new. */
async function eventsAfter(after: number): Promise<readonly string[]> {
  const told: string[] = [];
  hub.subscribe(after, ({ kind, id }) => told.push(`${kind} ${id}`))();
  const streamed: string[] = [];
  await client("viewer").lines(
    `/v1/events?after=${after}`,
    (line) => {
      const { kind, id } = line as ApiEvent;
      streamed.push(`${kind} ${id}`);
      return streamed.length < told.length;
    },
    told.length === 0 ? AbortSignal.abort() : undefined,
  );
  expect(streamed).toEqual(told);
  return told;
}

const client = (role: string) => createClient(join(dir, `${role}.sock`), 10_000);

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-api-"));
  hub = createEventHub({ clock: new VirtualClock(), remembered: 3 });
  acts = [];
  errors = [];
  server = await serveApi({ dir }, services(), { ...silentLog, error: (event) => void errors.push(event) });
});
afterEach(async () => {
  await server?.close();
  await rm(dir, { recursive: true, force: true });
});

describe("the local API", () => {
  test("answers each role on its own socket, which only owner and group may open", async () => {
    for (const role of ["viewer", "engineer", "admin"]) {
      expect(await client(role).call("GET", "/v1/status")).toEqual({ schema: "simward/status/1" });
      expect((await stat(join(dir, `${role}.sock`))).mode & 0o777).toBe(0o660);
    }
  });

  test("a viewer's doctor costs no data: the whole of it is an engineer's", async () => {
    for (const path of ["/v1/doctor", "/v1/doctor?mode=full", "/v1/doctor?mode=factory", "/v1/doctor/lines"])
      await expect(client("viewer").call("GET", path)).rejects.toMatchObject({ code: "API_FORBIDDEN" });
  });

  test("a role may do what those before it may, and no more", async () => {
    await expect(client("viewer").call("POST", "/v1/eim/poll", {})).rejects.toMatchObject({
      code: "API_FORBIDDEN",
      detail: expect.stringContaining("engineer.sock"),
    });
    expect(acts).toEqual([]);
    await client("engineer").call("POST", "/v1/eim/poll", { eimId: "e1" });
    await client("admin").call("POST", "/v1/eim/poll");
    expect(acts).toMatchObject([
      { act: "eim.pollAsked", role: "engineer", uid: process.getuid?.(), pid: process.pid, data: { eimId: "e1" } },
      { act: "eim.pollAsked", role: "admin", data: { eimId: null } },
    ]);
  });

  test("errors keep their code across the socket", async () => {
    await expect(client("viewer").call("GET", "/v1/profiles")).rejects.toMatchObject({ code: "CARD_NOT_EUICC" });
    await expect(client("engineer").call("POST", "/v1/eim/poll", { eimId: "unknown" })).rejects.toMatchObject({
      code: "EIM_UNKNOWN",
      detail: "unknown",
    });
    await expect(client("viewer").call("GET", "/v1/nothing")).rejects.toMatchObject({ code: "API_NOT_FOUND" });
    await expect(client("viewer").call("POST", "/v1/status")).rejects.toMatchObject({
      code: "API_METHOD",
      detail: "POST /v1/status; it takes GET, HEAD, OPTIONS",
    });
  });

  test("bad input is refused with the field", async () => {
    const api = client("engineer");
    await expect(api.call("POST", "/v1/eim/poll", { eimID: "e1" })).rejects.toMatchObject({
      code: "API_INPUT",
      detail: expect.stringContaining("eimID"),
    });
    await expect(api.call("POST", "/v1/eim/poll", { eimId: 7 })).rejects.toMatchObject({
      code: "API_INPUT",
      detail: expect.stringContaining("eimId"),
    });
    await expect(api.call("POST", "/v1/eim/poll", { eimId: "x".repeat(70_000) })).rejects.toMatchObject({ code: "API_TOO_LARGE" });
    await expect(api.call("GET", "/v1/audit?last=many")).rejects.toMatchObject({
      code: "API_INPUT",
      detail: expect.stringContaining("last"),
    });
    expect(await api.call("GET", "/v1/audit?last=7&event=profile.")).toMatchObject({ query: { last: 7, event: "profile." } });
    const status = await new Promise<number | undefined>((resolve) => {
      request({ socketPath: join(dir, "engineer.sock"), method: "POST", path: "/v1/eim/poll" }, (response) =>
        resolve(response.statusCode),
      ).end("{not json");
    });
    expect(status).toBe(400);
  });

  test("octets that are no HTTP are refused and harm nobody", async () => {
    await new Promise<void>((resolve) => {
      const socket = connect(join(dir, "viewer.sock"), () => socket.write("\u0000\u0001garbage\r\n\r\n"));
      socket.on("data", () => {});
      socket.on("close", () => resolve());
    });
    expect(await client("viewer").call("GET", "/v1/status")).toBeDefined();
  });

  test("whatever stands in the place of a path is answered, and logged as nobody's error", async () => {
    for (const path of [
      "//",
      "/v1/status/",
      "/v1//status",
      "*",
      "/%ff",
      "/v1/status?x=%ff",
      "/v1/audit?__proto__=1",
      "/v1/events?after=-1",
    ]) {
      const { status, body } = await ask("engineer", { path });
      expect([path, status]).toEqual([path, path.includes("?") ? 400 : 404]);
      expect(JSON.parse(body)).toMatchObject({ schema: "simward/error/1" });
    }
    for (const method of ["PUT", "DELETE", "PATCH"]) expect((await ask("engineer", { method, path: "/v1/status" })).status).toBe(405);
    expect(await ask("engineer", { method: "HEAD", path: "/v1/status" })).toEqual({ status: 200, body: "" });
    expect(await ask("engineer", { method: "OPTIONS", path: "/v1/status" })).toEqual({ status: 204, body: "" });
    expect(errors).toEqual([]);
  });

  test("a body that is too large is refused with the reason, one without end is cut off", async () => {
    const { status, body } = await ask("engineer", { method: "POST", path: "/v1/eim/poll", body: "x".repeat(300_000) });
    expect([status, JSON.parse(body).error]).toMatchObject([
      413,
      { code: "API_TOO_LARGE", message: expect.stringContaining("more than 65536") },
    ]);
    await expect(ask("engineer", { method: "POST", path: "/v1/eim/poll", body: "x".repeat(20_000_000) })).rejects.toThrow(
      /EPIPE|ECONNRESET|hang up/,
    );
    expect(await client("engineer").call("POST", "/v1/eim/poll", {})).toBeDefined();
    expect(errors).toEqual([]);
  });

  test("events are streamed as they come, and resumed from a number as far as is remembered", async () => {
    for (let n = 1; n <= 5; n++) hub.publish("step", { n });
    expect(await eventsAfter(2)).toEqual(["step 3", "step 4", "step 5"]);
    expect(await eventsAfter(4)).toEqual(["step 5"]);
    expect(await eventsAfter(5)).toEqual([]);
    expect(await eventsAfter(0)).toEqual(["step 3", "step 4", "step 5"]);
    // Something is not remembered any more, or the number is of another life.
    expect(await eventsAfter(1)).toEqual(["gap 2", "step 3", "step 4", "step 5"]);
    expect(await eventsAfter(9_000)).toEqual(["gap 2", "step 3", "step 4", "step 5"]);
  });

  test("a listener that does not read is let go; the others hear on", async () => {
    const slow = connect(join(dir, "viewer.sock"), () => slow.write("GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n"));
    await once(slow, "readable");
    const seen: ApiEvent[] = [];
    const listening = client("viewer").lines("/v1/events?after=0", (line) => {
      seen.push(line as ApiEvent);
      return (line as ApiEvent).kind !== "last";
    });
    const closed = new Promise((resolve) => slow.once("close", resolve));
    const filler = "x".repeat(60_000);
    for (let n = 0; n < 200; n++) {
      hub.publish("step", { n, filler });
      await new Promise((resolve) => setImmediate(resolve));
    }
    hub.publish("last", {});
    await listening;
    expect(seen.length).toBeGreaterThan(150);
    slow.on("error", () => {}).resume();
    await closed;
  });

  test("listeners are counted, and those who have gone make room", async () => {
    const streams = Array.from({ length: 16 }, () => {
      const stop = new AbortController();
      return { stop, done: client("viewer").lines("/v1/events", () => true, stop.signal) };
    });
    hub.publish("step", {});
    const outcome = () =>
      client("viewer")
        .lines("/v1/events?after=0", () => false)
        .catch((error: unknown) => (error as SimwardError).code);
    await expect.poll(outcome).toBe("QUEUE_FULL");
    for (const { stop } of streams) stop.abort();
    await Promise.all(streams.map(({ done }) => done));
    await expect.poll(outcome).toBe("left");
  });

  test("hundreds of idle connections on one role's socket keep nobody from another's", async () => {
    const idle = await Promise.all(
      Array.from({ length: 300 }, async () => {
        const socket = connect(join(dir, "viewer.sock"));
        socket.on("error", () => {});
        await Promise.race([once(socket, "connect"), once(socket, "close")]);
        return socket;
      }),
    );
    expect(await client("engineer").call("GET", "/v1/status")).toBeDefined();
    for (const socket of idle) socket.destroy();
    await expect.poll(() => client("viewer").call("GET", "/v1/status")).toBeDefined();
  });

  test("a second daemon is refused, a dead one's socket is taken over", async () => {
    await expect(serveApi({ dir }, services(), silentLog)).rejects.toMatchObject({ code: "API_BUSY" });
    await expect(serveApi({ dir: join(dir, "viewer.sock", "x") }, services(), silentLog)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      detail: expect.stringMatching(/^api\.dir .*: ENOTDIR: not a directory$/),
    });
    await server?.close();
    await writeFile(join(dir, "viewer.sock"), "");
    server = await serveApi({ dir }, services(), silentLog);
    expect(await client("viewer").call("GET", "/v1/status")).toBeDefined();
  });

  test("without a daemon the client says so", async () => {
    await server?.close();
    await expect(client("viewer").call("GET", "/v1/status")).rejects.toMatchObject({ code: "API_NOT_RUNNING" });
  });

  test("an unknown group is a mistake in the configuration", async () => {
    await server?.close();
    await expect(serveApi({ dir, viewer_group: "no-such-group" }, services(), silentLog)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      detail: expect.stringContaining("no-such-group"),
    });
  });
});
