// Answers that nobody fetches: a client that asks and does not read is let go after half a minute of the daemon's clock, one that reads is not.
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ApiServer, serveApi } from "../../../agent/api/server.ts";
import type { AuditRecord } from "../../../agent/audit/types.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { silentLog } from "../../../base/log.ts";
import { quietServices } from "../../support/quiet-services.ts";

let dir = "";
let clock: VirtualClock;
let server: ApiServer;
let asked: () => void = () => {};
/** More than what the kernel holds for a socket. */
const record: AuditRecord = {
  seq: 1,
  time: "2026-06-01T00:00:00.000Z",
  event: "x",
  cause: "x",
  data: { filler: "x".repeat(4_000_000) },
  timeSource: "network",
  prev: "",
};
const line = JSON.stringify(record);

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-fetch-"));
  clock = new VirtualClock();
  const services = {
    ...quietServices(),
    auditKey: () => ({ schema: "simward/audit-key/1", head: { seq: 1, hash: "" } }) as const,
    auditRecords: async () => {
      asked();
      return { schema: "simward/audit/1", records: [record] } as const;
    },
    async *auditLines() {
      asked();
      for (let i = 0; i < 4; i++) yield line;
    },
  };
  server = await serveApi({ dir }, services, silentLog, { clock });
});
afterEach(async () => {
  await server.close();
  await rm(dir, { recursive: true, force: true });
});

/** Resolves when the daemon has the request. */
async function silentReader(path: string): Promise<Socket> {
  const socket = connect(join(dir, "viewer.sock"));
  await once(socket, "connect");
  const heard = new Promise<void>((resolve) => {
    asked = resolve;
  });
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\n\r\n`);
  await heard;
  await new Promise((resolve) => setImmediate(resolve));
  return socket;
}

test.each(["/v1/audit?last=1", "/v1/audit/lines"])("%s: nobody reads it, and the clock says when it is enough", async (path) => {
  const socket = await silentReader(path);
  await clock.advance(29_000);
  expect(server.connections).toBe(1);
  await clock.advance(2_000);
  const closed = once(socket, "close");
  socket.resume();
  await closed;
  expect(server.connections).toBe(0);
});

test("who has read it is not let go for it: the connection is there for the next request", async () => {
  const socket = connect(join(dir, "viewer.sock"));
  socket.setEncoding("utf8");
  const ask = async (): Promise<string> => {
    socket.write("GET /v1/version HTTP/1.1\r\n\r\n");
    const [text] = (await once(socket, "data")) as [string];
    return text;
  };
  expect(await ask()).toContain("simward/version/1");
  await clock.advance(31_000);
  expect(await ask()).toContain("simward/version/1");
  socket.destroy();
});
