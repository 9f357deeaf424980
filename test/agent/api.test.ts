import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createEventHub, type EventHub } from "../../agent/api/events.ts";
import type { ApiServices } from "../../agent/api/routes.ts";
import { type ApiServer, serveApi } from "../../agent/api/server.ts";
import type { ApiEvent, Status } from "../../agent/api/types.ts";
import { createClient } from "../../agent/cli/client.ts";
import { VirtualClock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { silentLog } from "../../base/log.ts";

let dir = "";
let server: ApiServer | undefined;
let hub: EventHub;
let acts: unknown[];

const services = (): ApiServices => ({
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
  }),
  events: (after, fn) => hub.subscribe(after, fn),
  auditAdminAct: async (act, role, peer, data) => void acts.push({ act, role, uid: peer?.uid, pid: peer?.pid, data }),
});

const client = (role: string) => createClient(join(dir, `${role}.sock`), 10_000);

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-api-"));
  hub = createEventHub(new VirtualClock(), 3);
  acts = [];
  server = await serveApi({ dir }, services(), silentLog);
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
      code: "API_NOT_FOUND",
      detail: "POST /v1/status; it takes GET",
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
    await expect(api.call("POST", "/v1/eim/poll", { eimId: "x".repeat(70_000) })).rejects.toMatchObject({ code: "API_INPUT" });
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

  test("events are streamed as they come, and resumed from a number as far as is remembered", async () => {
    for (let n = 1; n <= 5; n++) hub.publish("step", { n });
    const seen: ApiEvent[] = [];
    const listening = client("viewer").lines("/v1/events?after=1", (line) => {
      seen.push(line as ApiEvent);
      if (seen.length === 3) hub.publish("last", {});
      return (line as ApiEvent).kind !== "last";
    });
    await listening;
    expect(seen.map(({ id, kind }) => [id, kind])).toEqual([
      [3, "step"],
      [4, "step"],
      [5, "step"],
      [6, "last"],
    ]);
  });

  test("a second daemon is refused, a dead one's socket is taken over", async () => {
    await expect(serveApi({ dir }, services(), silentLog)).rejects.toMatchObject({ code: "PORT_BUSY" });
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
