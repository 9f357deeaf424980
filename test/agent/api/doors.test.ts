// The local API's sockets are files that others can remove or replace; the daemon is not deaf for it until somebody restarts it.
import { chmod, lstat, mkdtemp, rm, stat, unlink, writeFile } from "node:fs/promises";
import { Server } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type ApiServer, serveApi } from "../../../agent/api/server.ts";
import { createClient } from "../../../agent/cli/client.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { silentLog } from "../../../base/log.ts";
import { quietServices } from "../../support/quiet-services.ts";

let dir = "";
let server: ApiServer | undefined;
let clock: VirtualClock;
let reopen: (groupFile: string) => Promise<ApiServer>;
let said: string[] = [];
const roles = ["viewer", "engineer", "admin"] as const;
const at = (role: string): string => join(dir, "api", `${role}.sock`);
const ask = (role: string) => createClient(at(role), 10_000).call("GET", "/v1/status");
/** Lets time pass until that has been said. */
const until = (what: string): Promise<void> =>
  vi.waitFor(
    async () => {
      await clock.advance(10_000);
      expect(said).toContain(what);
    },
    { timeout: 10_000, interval: 20 },
  );
const isBack = (role: string): string => `a socket was gone and is there again ${role}.sock`;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-doors-"));
  clock = new VirtualClock();
  said = [];
  const note = (what: string, { path, error }: { path?: unknown; error?: { code?: unknown } } = {}): void =>
    void said.push(`${what} ${String(path).replace(/.*\//, "")} ${error?.code ?? ""}`.trim());
  const log = { ...silentLog, warn: note, error: note };
  const open = (api: { readonly viewer_group?: string }, groupFile?: string): Promise<ApiServer> =>
    serveApi({ dir: join(dir, "api"), ...api }, quietServices(), log as typeof silentLog, {
      clock,
      ...(groupFile === undefined ? {} : { groupFile }),
    });
  server = await open({});
  reopen = async (groupFile) => {
    await server?.close();
    server = undefined;
    server = await open({ viewer_group: "watchers" }, groupFile);
    return server;
  };
});
afterEach(async () => {
  await server?.close();
  await rm(dir, { recursive: true, force: true });
});

test("sockets that were removed, with their directory too, are there again with the same rights; nothing is touched while all is well", async () => {
  const before = await lstat(at("viewer"));
  await clock.advance(60_000);
  expect((await lstat(at("viewer"))).ino).toBe(before.ino);

  await unlink(at("viewer"));
  await expect(ask("viewer")).rejects.toMatchObject({ code: "API_NOT_RUNNING" });
  await until(isBack("viewer"));
  expect(await ask("viewer")).toMatchObject({ schema: "simward/status/1" });
  expect((await stat(at("viewer"))).mode & 0o777).toBe(0o660);

  await rm(join(dir, "api"), { recursive: true });
  said = [];
  for (const role of roles) await until(isBack(role));
  for (const role of roles) expect(await ask(role)).toMatchObject({ schema: "simward/status/1" });
});

test("a file in the socket's place makes way; who listens to events through the lost socket goes on listening", async () => {
  const lines: unknown[] = [];
  const leaving = new AbortController();
  const listening = createClient(at("viewer"), 10_000).lines("/v1/events", (line) => lines.push(line) > 0, leaving.signal);
  await vi.waitFor(() => expect(server?.connections).toBe(1));
  await unlink(at("viewer"));
  await writeFile(at("viewer"), "");
  await chmod(at("viewer"), 0o644);
  await until(isBack("viewer"));
  expect(await ask("viewer")).toMatchObject({ schema: "simward/status/1" });
  expect(server?.connections).toBeGreaterThanOrEqual(1);
  leaving.abort();
  expect(await listening).toBe("left");
});

test("somebody else who answers there is left alone, and told of; when he is gone, the socket is the daemon's again", async () => {
  await unlink(at("admin"));
  const other = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => other.listen(at("admin"), resolve));
  await until("a socket is gone admin.sock API_BUSY");
  await new Promise<void>((resolve) => other.close(() => resolve()));
  await until(isBack("admin"));
  expect(await ask("admin")).toMatchObject({ schema: "simward/status/1" });
});

test("a socket that is lost while its group is gone is not made for another group; when the group is back it is, with that", async () => {
  const groupFile = join(dir, "group");
  const group = `watchers:x:${process.getgid?.() ?? 0}:\n`;
  await writeFile(groupFile, group);
  await reopen(groupFile);
  await writeFile(groupFile, "");
  await unlink(at("viewer"));
  await until("a socket is gone viewer.sock CONFIG_INVALID");
  await expect(lstat(at("viewer"))).rejects.toMatchObject({ code: "ENOENT" });
  await clock.advance(60_000);
  await vi.waitFor(() => expect(said.filter((one) => one.includes("is gone"))).toHaveLength(1));
  expect(said.join()).not.toContain("API_BUSY");
  await writeFile(groupFile, group);
  await until(isBack("viewer"));
  expect(await ask("viewer")).toMatchObject({ schema: "simward/status/1" });
  expect((await stat(at("viewer"))).gid).toBe(process.getgid?.());
});

test("nothing is kept of sockets that were lost but what is still connected through them", async () => {
  const leaving = new AbortController();
  const listening = createClient(at("engineer"), 10_000).lines("/v1/events", () => true, leaving.signal);
  await vi.waitFor(() => expect(server?.connections).toBe(1));
  for (let i = 0; i < 5; i++) {
    said = [];
    await unlink(at("viewer"));
    await until(isBack("viewer"));
  }
  await unlink(at("engineer"));
  await until(isBack("engineer"));
  const ended = vi.spyOn(Server.prototype, "closeAllConnections");
  await server?.close();
  // Three that listen, and the one that somebody was listening through.
  expect(ended).toHaveBeenCalledTimes(4);
  ended.mockRestore();
  expect(await listening).toBe("ended");
});
