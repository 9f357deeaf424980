// A simward-netd that serves another user, or ends at each request, is told of once and asked again in its time: it makes no loop, and no trail of it.
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createNetdClient, type NetdClient } from "../../../agent/data-path/netd-client.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { errorReport, SimwardError } from "../../../base/errors.ts";
import { PolicyStub, refuse } from "./policy-stub.ts";

let dir = "";
let server: Server;
let connections = 0;
let netd: NetdClient;
const clock = new VirtualClock();

async function serve(how: (socket: Socket) => void): Promise<void> {
  connections = 0;
  server = createServer((socket) => {
    connections++;
    socket.on("error", () => undefined);
    how(socket);
  });
  const path = join(dir, "netd.sock");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  netd = createNetdClient({ path, clock });
}
/** As simward-netd refuses: at once, whatever is asked. */
const forbid = (socket: Socket): void => {
  const error = errorReport(new SimwardError("API_FORBIDDEN", { detail: "uid 65534" }));
  socket.write(`${JSON.stringify({ error })}\n`);
  socket.resume().end();
};

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-not-served-"));
});
afterEach(async () => {
  netd.close();
  await new Promise((resolve) => server.close(resolve));
  await rm(dir, { recursive: true, force: true });
});

test("it is said that the daemon's user is not served, whichever comes first, the request or the refusal; and nothing is said to have ended", async () => {
  await serve(forbid);
  const ends: string[] = [];
  netd.onPppEnd(({ how }) => ends.push(how));
  netd.onFirewallUnkept(() => ends.push("firewall"));
  for (let i = 0; i < 20; i++)
    for (const verb of ["link", "ppp"])
      await expect(netd.ask(verb, {})).rejects.toMatchObject({
        code: "NETD_FORBIDDEN",
        message: "simward-netd does not serve the daemon's user: uid 65534",
      });
  expect(ends).toEqual([]);
});

test.each([
  ["refuses", forbid],
  ["ends at each request", (socket: Socket) => void socket.once("data", () => socket.destroy())],
])("the firewall of a simward-netd that %s: one failure in the trail, one connection for each look", async (_how, serves) => {
  await serve(serves);
  const policy = new PolicyStub(netd, clock, refuse);
  policy.firewall.start();
  await policy.firewall.guard("wwan0");
  await vi.waitFor(() => expect(policy.audited.length).toBe(1));
  const before = connections;
  expect(before).toBeLessThan(6);
  for (let look = 1; look <= 5; look++) {
    await clock.advance(10_000);
    await vi.waitFor(() => expect(connections).toBeGreaterThanOrEqual(before + look));
    await policy.firewall.guard("wwan0");
  }
  expect(connections).toBeLessThan(before + 40);
  expect(policy.audited.map(({ event }) => event)).toEqual(["firewall.failed"]);
  await policy.firewall.stop();
});
